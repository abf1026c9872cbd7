/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be called, and what classes have in their dicts: functions, methods, descriptors
 * (CPython 3.11 cpython/funcobject.h, cpython/methodobject.h, descrobject.h, funcobject.c;
 * the same in 3.13 but for what says so).
 */
#include "lang/cpython/cpy_int.h"

enum { VALUE_MAX = 64, METHOD_DEF = 16, NAME_MAX = 256 };

static void function_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			   struct buf *out)
{
	(void)t;
	cpy_text(r, cpy_word_or_0(r, at + r->layout->function.qualname), VALUE_MAX, out);
}

/* PyMethodDef.ml_name */
static void builtin_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			  struct buf *out)
{
	size_t before = out->n;

	(void)t;
	if (!cpy_string(r, cpy_word_or_0(r, cpy_word_or_0(r, at + METHOD_DEF)), NAME_MAX,
			out) ||
	    out->n - before > VALUE_MAX)
		out->n = before;
}

static const struct cpy_field_rule function_fields[] = {
	{ .name = "__globals__", .offset = 16 },
	{ .name = "__builtins__", .offset = 24 },
	{ .name = "__name__", .offset = 32 },
	{ .name = "__qualname__", .offset = 40 },
	{ .name = "__code__", .offset = 48 },
	{ .name = "__defaults__", .offset = 56 },
	{ .name = "__kwdefaults__", .offset = 64 },
	{ .name = "__closure__", .offset = 72 },
	{ .name = "__doc__", .offset = 80 },
	{ .name = "__dict__", .offset = 88 },
	{ .name = "__module__", .offset = 104 },
	{ .name = "__annotations__", .offset = 112 },
	{ .name = "__type_params__", .offset = 120, .from = 0x30c },
	{ 0 },
};
static const struct cpy_field_rule method_fields[] = {
	{ .name = "__func__", .offset = 16 },
	{ .name = "__self__", .offset = 24 },
	{ 0 },
};
static const struct cpy_field_rule instancemethod_fields[] = {
	{ .name = "__func__", .offset = 16 },
	{ 0 },
};
static const struct cpy_field_rule builtin_fields[] = {
	{ .name = "__self__", .offset = 24 },
	{ .name = "__module__", .offset = 32 },
	{ 0 },
};
static const struct cpy_field_rule builtin_method_fields[] = {
	{ .name = "mm_class", .offset = 56 }, /* adds to builtin_function_or_method's */
	{ 0 },
};
static const struct cpy_field_rule descriptor_fields[] = {
	{ .name = "__objclass__", .offset = 16 },
	{ .name = "__name__", .offset = 24 },
	{ .name = "__qualname__", .offset = 32 },
	{ 0 },
};
static const struct cpy_field_rule wrapper_fields[] = {
	{ .name = "descr", .offset = 16 },
	{ .name = "__self__", .offset = 24 },
	{ 0 },
};
static const struct cpy_field_rule classmethod_fields[] = {
	{ .name = "__func__", .offset = 16 },
	{ .name = "__dict__", .offset = 24 },
	{ 0 },
};
static const struct cpy_field_rule property_fields[] = {
	{ .name = "fget", .offset = 16 },     { .name = "fset", .offset = 24 },
	{ .name = "fdel", .offset = 32 },     { .name = "__doc__", .offset = 40 },
	{ .name = "__name__", .offset = 48 }, { 0 },
};
static const struct cpy_field_rule super_fields[] = {
	{ .name = "__thisclass__", .offset = 16 },
	{ .name = "__self__", .offset = 24 },
	{ .name = "__self_class__", .offset = 32 },
	{ 0 },
};
static const struct cpy_field_rule cell_fields[] = {
	{ .name = "cell_contents", .offset = 16 },
	{ 0 },
};

const struct cpy_rules cpy_function_rules[] = {
	{ .name = "function", .value = function_value, .fields = function_fields },
	{ .name = "method", .fields = method_fields },
	{ .name = "instancemethod", .fields = instancemethod_fields },
	{ .name = "builtin_function_or_method",
	  .value = builtin_value,
	  .fields = builtin_fields },
	{ .name = "builtin_method", .fields = builtin_method_fields },
	{ .name = "method_descriptor", .fields = descriptor_fields },
	{ .name = "classmethod_descriptor", .fields = descriptor_fields },
	{ .name = "wrapper_descriptor", .fields = descriptor_fields },
	{ .name = "member_descriptor", .fields = descriptor_fields },
	{ .name = "getset_descriptor", .fields = descriptor_fields },
	{ .name = "method-wrapper", .fields = wrapper_fields },
	{ .name = "classmethod", .fields = classmethod_fields },
	{ .name = "staticmethod", .fields = classmethod_fields },
	{ .name = "property", .fields = property_fields },
	{ .name = "super", .fields = super_fields },
	{ .name = "cell", .fields = cell_fields },
	{ 0 },
};
