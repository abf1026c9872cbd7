/* SPDX-License-Identifier: Apache-2.0 */
/* The builtin iterators (CPython 3.11 and 3.13: listobject.c, tupleobject.c, iterobject.c,
 * enumobject.c, bltinmodule.c, rangeobject.c, ...). */
#include "lang/cpython/cpy_int.h"

/* {index, sequence}, the form of most of them. */
static const struct cpy_field_rule sequence_fields[] = {
	{ .name = "sequence", .offset = 24 },
	{ 0 },
};
static const struct cpy_field_rule callable_fields[] = {
	{ .name = "callable", .offset = 16 },
	{ .name = "sentinel", .offset = 24 },
	{ 0 },
};
/* `one` is borrowed: a constant of the interpreter. */
static const struct cpy_field_rule enumerate_fields[] = {
	{ .name = "iterator", .offset = 24 },
	{ .name = "result", .offset = 32 },
	{ .name = "index", .offset = 40 },
	{ 0 },
};
static const struct cpy_field_rule zip_fields[] = {
	{ .name = "iterators", .offset = 24 },
	{ .name = "result", .offset = 32 },
	{ 0 },
};
static const struct cpy_field_rule map_fields[] = {
	{ .name = "iterators", .offset = 16 },
	{ .name = "function", .offset = 24 },
	{ 0 },
};
static const struct cpy_field_rule filter_fields[] = {
	{ .name = "function", .offset = 16 },
	{ .name = "iterator", .offset = 24 },
	{ 0 },
};
static const struct cpy_field_rule long_range_fields[] = {
	{ .name = "index", .offset = 16, .to = 0x30c },
	{ .name = "start", .offset = 24, .to = 0x30c },
	{ .name = "step", .offset = 32, .to = 0x30c },
	{ .name = "len", .offset = 40, .to = 0x30c },
	{ .name = "start", .offset = 16, .from = 0x30c },
	{ .name = "step", .offset = 24, .from = 0x30c },
	{ .name = "len", .offset = 32, .from = 0x30c },
	{ 0 },
};
static const struct cpy_field_rule first_fields[] = {
	{ .name = "object", .offset = 16 },
	{ 0 },
};

const struct cpy_rules cpy_iterator_rules[] = {
	{ .name = "list_iterator", .fields = sequence_fields },
	{ .name = "list_reverseiterator", .fields = sequence_fields },
	{ .name = "tuple_iterator", .fields = sequence_fields },
	{ .name = "bytes_iterator", .fields = sequence_fields },
	{ .name = "bytearray_iterator", .fields = sequence_fields },
	{ .name = "iterator", .fields = sequence_fields },
	{ .name = "reversed", .fields = sequence_fields },
	{ .name = "callable_iterator", .fields = callable_fields },
	{ .name = "enumerate", .fields = enumerate_fields },
	{ .name = "zip", .fields = zip_fields },
	{ .name = "map", .fields = map_fields },
	{ .name = "filter", .fields = filter_fields },
	{ .name = "range_iterator" },
	{ .name = "longrange_iterator", .fields = long_range_fields },
	{ .name = "generic_alias_iterator", .fields = first_fields },
	{ .name = "line_iterator", .fields = first_fields },
	{ .name = "positions_iterator", .fields = first_fields },
	{ .name = "FrameLocalsProxy", .fields = first_fields },
	{ 0 },
};
