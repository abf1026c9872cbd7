/* SPDX-License-Identifier: Apache-2.0 */
/* Exceptions (CPython 3.11 cpython/pyerrors.h; the same in 3.13 but for what says so). Each
 * adds to BaseException's fields. */
#include "lang/cpython/cpy_int.h"

static const struct cpy_field_rule base_fields[] = {
	{ .name = "__dict__", .offset = 16 },
	{ .name = "args", .offset = 24 },
	{ .name = "__notes__", .offset = 32 },
	{ .name = "__traceback__", .offset = 40 },
	{ .name = "__context__", .offset = 48 },
	{ .name = "__cause__", .offset = 56 },
	{ 0 },
};
static const struct cpy_field_rule group_fields[] = {
	{ .name = "message", .offset = 72 },
	{ .name = "exceptions", .offset = 80 },
	{ 0 },
};
static const struct cpy_field_rule os_fields[] = {
	{ .name = "errno", .offset = 72 },
	{ .name = "strerror", .offset = 80 },
	{ .name = "filename", .offset = 88 },
	{ .name = "filename2", .offset = 96 },
	{ 0 },
};
static const struct cpy_field_rule syntax_fields[] = {
	{ .name = "msg", .offset = 72 },
	{ .name = "filename", .offset = 80 },
	{ .name = "lineno", .offset = 88 },
	{ .name = "offset", .offset = 96 },
	{ .name = "end_lineno", .offset = 104 },
	{ .name = "end_offset", .offset = 112 },
	{ .name = "text", .offset = 120 },
	{ .name = "print_file_and_line", .offset = 128 },
	{ 0 },
};
static const struct cpy_field_rule stop_fields[] = {
	{ .name = "value", .offset = 72 },
	{ 0 },
};
static const struct cpy_field_rule exit_fields[] = {
	{ .name = "code", .offset = 72 },
	{ 0 },
};
static const struct cpy_field_rule unicode_fields[] = {
	{ .name = "encoding", .offset = 72 },
	{ .name = "object", .offset = 80 },
	{ .name = "reason", .offset = 104 },
	{ 0 },
};
static const struct cpy_field_rule import_fields[] = {
	{ .name = "msg", .offset = 72 },
	{ .name = "name", .offset = 80 },
	{ .name = "path", .offset = 88 },
	{ .name = "name_from", .offset = 96, .from = 0x30c },
	{ 0 },
};
static const struct cpy_field_rule attribute_fields[] = {
	{ .name = "obj", .offset = 72 },
	{ .name = "name", .offset = 80 },
	{ 0 },
};
static const struct cpy_field_rule name_fields[] = {
	{ .name = "name", .offset = 72 },
	{ 0 },
};

const struct cpy_rules cpy_exception_rules[] = {
	{ .name = "BaseException", .fields = base_fields },
	{ .name = "BaseExceptionGroup", .fields = group_fields },
	{ .name = "OSError", .fields = os_fields },
	{ .name = "SyntaxError", .fields = syntax_fields },
	{ .name = "StopIteration", .fields = stop_fields },
	{ .name = "SystemExit", .fields = exit_fields },
	{ .name = "UnicodeEncodeError", .fields = unicode_fields },
	{ .name = "UnicodeDecodeError", .fields = unicode_fields },
	{ .name = "UnicodeTranslateError", .fields = unicode_fields },
	{ .name = "ImportError", .fields = import_fields },
	{ .name = "AttributeError", .fields = attribute_fields },
	{ .name = "NameError", .fields = name_fields },
	{ 0 },
};
