/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctypes (CPython 3.11, 3.13 _ctypes/ctypes.h). What an instance is about lies in itself,
 * in a block of its own (b_needsfree), or in the memory of the object it was taken from
 * (b_base). What a ctypes class knows is in its dict (StgDict) up to 3.12, and behind its
 * PyHeapTypeObject (StgInfo) from 3.13.
 */
#include "lang/cpython/cpy_library_int.h"

/* CDataObject */
enum { DATA = 16, NEEDS_FREE = 24, DATA_SIZE = 40, VALUE = 80 };

static const struct cpy_field_rule data_fields[] = {
	{ .name = "b_base", .offset = 32 },
	{ .name = "b_objects", .offset = 64 },
	{ .name = "b_value", .offset = 72, .kind = CPY_FIELD_NATIVE },
	{ .name = "b_value", .offset = 80, .kind = CPY_FIELD_NATIVE },
	{ 0 },
};

static void data_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		      const struct python_sink *sink)
{
	uint64_t n = cpy_word_or_0(r, at + DATA_SIZE);

	(void)t;
	if (cpy_u32_or_0(r, at + NEEDS_FREE) == 1 &&
	    cpy_word_or_0(r, at + DATA) != at + VALUE)
		cpy_array_part(r, sink, at + DATA, (struct cpy_array){ &n, 1, "data" });
}

/* PyCFuncPtrObject */
static const struct cpy_field_rule function_fields[] = {
	{ .name = "thunk", .offset = 96 },
	{ .name = "callable", .offset = 104 },
	{ .name = "converters", .offset = 112 },
	{ .name = "argtypes", .offset = 120 },
	{ .name = "restype", .offset = 128 },
	{ .name = "checker", .offset = 136 },
	{ .name = "errcheck", .offset = 144 },
	{ .name = "paramflags", .offset = 152 },
	{ 0 },
};

/* CThunkObject */
static const struct cpy_field_rule thunk_fields[] = {
	{ .name = "converters", .offset = 80 },
	{ .name = "callable", .offset = 88 },
	{ .name = "restype", .offset = 96 },
	{ 0 },
};

/* CFieldObject */
static const struct cpy_field_rule field_fields[] = {
	{ .name = "proto", .offset = 40 },
	{ 0 },
};

/* PyCArgObject */
static const struct cpy_field_rule argument_fields[] = {
	{ .name = "obj", .offset = 48 },
	{ 0 },
};

/* DictRemoverObject */
static const struct cpy_field_rule remover_fields[] = {
	{ .name = "key", .offset = 16 },
	{ .name = "dict", .offset = 24 },
	{ 0 },
};

/* StgDictObject, from its `size` on; StgInfo has one word before that, and the same. */
enum {
	STG_LENGTH = 16,
	STG_ELEMENTS = 40, /* ffi_type_pointer.elements */
	STG_FORMAT_DICT = 120,
	STG_NDIM_DICT = 128,
	STG_SHAPE_DICT = 136,
	STG_FORMAT_INFO = 128,
	STG_NDIM_INFO = 136,
	STG_SHAPE_INFO = 144,
	STG_DICT = 48,
	STG_DICT_BYTES = 192,
};

static const struct cpy_field_rule stg_dict_fields[] = {
	{ .name = "proto", .offset = 96 },       { .name = "argtypes", .offset = 128 },
	{ .name = "converters", .offset = 136 }, { .name = "restype", .offset = 144 },
	{ .name = "checker", .offset = 152 },    { 0 },
};

struct stg_places {
	taddr length, elements, format, ndim, shape;
};

static void stg_parts(struct python_reader *r, const struct stg_places *p,
		      const struct python_sink *sink)
{
	uint64_t n = cpy_word_or_0(r, p->length) + 1, ndim = cpy_u32_or_0(r, p->ndim);

	cpy_array_part(r, sink, p->elements, (struct cpy_array){ &n, 8, "elements" });
	cpy_string_part(r, sink, p->format, "format");
	cpy_array_part(r, sink, p->shape, (struct cpy_array){ &ndim, 8, "shape" });
}

/* What __sizeof__ counts of it. */
static uint64_t stg_bytes(struct python_reader *r, const struct stg_places *p)
{
	uint64_t size = cpy_string_size(r, p->format);

	if (cpy_word_or_0(r, p->elements))
		size += 8 * (cpy_word_or_0(r, p->length) + 1);
	return size + 8 * (uint64_t)cpy_u32_or_0(r, p->ndim);
}

static struct stg_places stg_of_dict(taddr at)
{
	at += STG_DICT;
	return (struct stg_places){ at + STG_LENGTH, at + STG_ELEMENTS,
				    at + STG_FORMAT_DICT, at + STG_NDIM_DICT,
				    at + STG_SHAPE_DICT };
}

static void stg_dict_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			  const struct python_sink *sink)
{
	struct stg_places p = stg_of_dict(at);

	(void)t;
	stg_parts(r, &p, sink);
}

/* PyCStgDict_sizeof */
static uint64_t stg_dict_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	struct stg_places p = stg_of_dict(at);

	return cpy_size_as(r, t, at, "dict") + STG_DICT_BYTES - STG_DICT +
	       stg_bytes(r, &p);
}

/* 3.13: behind PyHeapTypeObject. */
enum { INFO = 928 };

static const struct cpy_field_rule info_fields[] = {
	{ .name = "proto", .offset = INFO + 56, .from = 0x30d },
	{ .name = "argtypes", .offset = INFO + 88, .from = 0x30d },
	{ .name = "converters", .offset = INFO + 96, .from = 0x30d },
	{ .name = "restype", .offset = INFO + 104, .from = 0x30d },
	{ .name = "checker", .offset = INFO + 112, .from = 0x30d },
	{ .name = "module", .offset = INFO + 120, .from = 0x30d },
	{ 0 },
};

static bool has_info(struct python_reader *r, taddr at)
{
	return r->layout->version >= 0x30d && cpy_u32_or_0(r, at + INFO) == 1;
}

static struct stg_places stg_of_info(taddr at)
{
	at += INFO + 8;
	return (struct stg_places){ at + STG_LENGTH, at + STG_ELEMENTS,
				    at + STG_FORMAT_INFO, at + STG_NDIM_INFO,
				    at + STG_SHAPE_INFO };
}

static void info_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		      const struct python_sink *sink)
{
	struct stg_places p = stg_of_info(at);

	(void)t;
	if (has_info(r, at))
		stg_parts(r, &p, sink);
}

/* CType_Type_sizeof */
static uint64_t info_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	struct stg_places p = stg_of_info(at);

	return t->basicsize + (has_info(r, at) ? stg_bytes(r, &p) : 0);
}

const struct cpy_rules cpy_ctypes_rules[] = {
	{ .name = "_ctypes._CData", .read = data_read, .fields = data_fields },
	{ .name = "_ctypes._SimpleCData" },
	{ .name = "_ctypes._Pointer" },
	{ .name = "_ctypes.Array" },
	{ .name = "_ctypes.Structure" },
	{ .name = "_ctypes.Union" },
	{ .name = "_ctypes.CFuncPtr", .fields = function_fields },
	{ .name = "_ctypes.CThunkObject", .fields = thunk_fields },
	{ .name = "_ctypes.CField", .fields = field_fields },
	{ .name = "CArgObject", .fields = argument_fields },
	{ .name = "_ctypes.CArgObject", .fields = argument_fields },
	{ .name = "_ctypes.DictRemover", .fields = remover_fields },
	{ .name = "_ctypes.StructParam_Type" },
	{ .name = "StgDict",
	  .read = stg_dict_read,
	  .size = stg_dict_size,
	  .fields = stg_dict_fields },
	{ .name = "_ctypes.CType_Type",
	  .read = info_read,
	  .size = info_size,
	  .fields = info_fields },
	{ 0 },
};
