/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numpy 1 and 2 (ndarraytypes.h, arrayscalars.h of 1.24 and 2.2). The collector does not
 * look at arrays, so nothing but this tells what an array of objects holds. An array owns
 * its data (OWNDATA) or what it is a view of (base); shape and strides are one block. What
 * numpy 2 has changed are dtypes: their struct's size tells which numpy it is.
 */
#include "lang/cpython/cpy_library_int.h"

/* PyArrayObject_fields */
enum {
	DATA = 16,
	NDIM = 24,
	DIMENSIONS = 32,
	BASE = 48,
	DESCR = 56,
	FLAGS = 64,
	NDIM_MAX = 64, /* NPY_MAXDIMS; 32 in numpy 1 */
	OWNDATA = 4,
};

/* PyArray_Descr of numpy 1; of numpy 2, and of _PyArray_LegacyDescr from subarray on */
struct descr_layout {
	uint8_t flags, size, metadata, subarray, fields, names;
};
static const struct descr_layout descr_1 = { 27, 32, 72, 40, 48, 56 };
static const struct descr_layout descr_2 = { 32, 40, 56, 88, 96, 104 };
enum { DESCR_KIND = 24, DESCR_TYPE = 28, DESCR_2_BYTES = 88 };
enum { TYPE_NOT_LEGACY = 2056 /* PyDataType_ISLEGACY: NPY_VSTRING */ };
enum { ITEM_REFCOUNT = 1, TYPE_OBJECT = 17, SUBARRAY_BYTES = 16 };

static const struct cpy_field_rule array_fields[] = {
	{ .name = "base", .offset = BASE },
	{ .name = "dtype", .offset = DESCR },
	{ .name = "mem_handler", .offset = 88 },
	{ 0 },
};

/* numpy.dtype itself is the base of all dtypes. */
static const struct descr_layout *descr_layout_of(const struct cpy_type *t)
{
	while (t && !str_is(t->tp_name, "numpy.dtype"))
		t = t->base;
	return t && t->basicsize == DESCR_2_BYTES ? &descr_2 : &descr_1;
}

/* Bytes of an item: a word in numpy 2. */
static uint64_t descr_size(struct python_reader *r, taddr descr)
{
	const struct descr_layout *l = descr_layout_of(cpy_type_of(r, descr));

	return l == &descr_2 ? cpy_word_or_0(r, descr + l->size)
			     : cpy_u32_or_0(r, descr + l->size);
}

static uint32_t array_ndim(struct python_reader *r, taddr at)
{
	uint32_t n = cpy_u32_or_0(r, at + NDIM);

	return n <= NDIM_MAX ? n : 0;
}

/* Bytes of its data, 0 if it owns none. */
static uint64_t array_bytes(struct python_reader *r, taddr at)
{
	uint64_t bytes = descr_size(r, cpy_word_or_0(r, at + DESCR));
	taddr dimensions = cpy_word_or_0(r, at + DIMENSIONS);

	if (!(cpy_u32_or_0(r, at + FLAGS) & OWNDATA))
		return 0;
	for (uint32_t i = 0; i < array_ndim(r, at); i++)
		if (__builtin_mul_overflow(bytes, cpy_word_or_0(r, dimensions + i * 8),
					   &bytes))
			return 0;
	return bytes;
}

static void data_edges(struct python_reader *r, taddr at, taddr data, uint64_t bytes,
		       const struct python_sink *sink)
{
	taddr descr = cpy_word_or_0(r, at + DESCR);
	const struct descr_layout *l = descr_layout_of(cpy_type_of(r, descr));
	uint8_t flags = 0;

	if (cpy_u32_or_0(r, descr + DESCR_TYPE) == TYPE_OBJECT)
		cpy_words_edges(r, data, bytes / 8, LABEL_ITEM, sink);
	else if (cpy_read(r, descr + l->flags, &flags, 1) && flags & ITEM_REFCOUNT)
		cpy_scan(r, sink, data, bytes); /* fields among others */
}

static void array_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		       const struct python_sink *sink)
{
	uint64_t bytes = array_bytes(r, at), n = 2 * (uint64_t)array_ndim(r, at);
	taddr data;

	(void)t;
	cpy_array_part(r, sink, at + DIMENSIONS,
		       (struct cpy_array){ &n, 8, "dimensions" });
	if (!bytes)
		return;
	data = cpy_array_part(r, sink, at + DATA,
			      (struct cpy_array){ &bytes, 1, "data" });
	if (data)
		data_edges(r, at, data, bytes, sink);
}

/* array_sizeof */
static uint64_t array_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	return t->basicsize + 16 * (uint64_t)array_ndim(r, at) + array_bytes(r, at);
}

/* "float64", "U12": as numpy writes the kind and size of a dtype. */
static void put_dtype(struct python_reader *r, taddr descr, struct buf *out)
{
	static const struct {
		char kind;
		const char *name;
		uint8_t unit; /* of its size, in units a byte has; 0: its size goes without */
		bool is_bytes;
	} kinds[] = {
		{ 'b', "bool", 0, false },
		{ 'i', "int", 8, false },
		{ 'u', "uint", 8, false },
		{ 'f', "float", 8, false },
		{ 'c', "complex", 8, false },
		{ 'O', "object", 0, false },
		{ 'S', "S", 1, true },
		{ 'U', "U", 4, true },
		{ 'V', "V", 1, true },
		{ 'M', "datetime64", 0, false },
		{ 'm', "timedelta64", 0, false },
	};
	uint64_t size = descr_size(r, descr);
	char kind = 0;

	if (!cpy_read(r, descr + DESCR_KIND, &kind, 1))
		return;
	for (size_t i = 0; i < countof(kinds); i++) {
		if (kinds[i].kind != kind)
			continue;
		buf_str(out, kinds[i].name);
		if (kinds[i].unit)
			buf_printf(out, "%llu",
				   (unsigned long long)(kinds[i].is_bytes
								? size / kinds[i].unit
								: size * kinds[i].unit));
	}
}

/* "float64 (1000, 3)" */
static void array_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			struct buf *out)
{
	taddr dimensions = cpy_word_or_0(r, at + DIMENSIONS);
	uint32_t n = array_ndim(r, at);

	(void)t;
	put_dtype(r, cpy_word_or_0(r, at + DESCR), out);
	buf_str(out, " (");
	for (uint32_t i = 0; i < n; i++)
		buf_printf(out, "%s%llu", i ? ", " : "",
			   (unsigned long long)cpy_word_or_0(r, dimensions + i * 8));
	buf_str(out, n == 1 ? ",)" : ")");
}

static const struct cpy_field_rule dtype_fields[] = {
	{ .name = "typeobj", .offset = 16 },
	{ 0 },
};

/* _arr_descr {base, shape} */
static void dtype_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		       const struct python_sink *sink)
{
	const struct descr_layout *l = descr_layout_of(t);
	taddr sub;

	cpy_edge_field(r, sink, at + l->metadata, "metadata");
	if (l == &descr_2 && cpy_u32_or_0(r, at + DESCR_TYPE) >= TYPE_NOT_LEGACY)
		return;
	cpy_edge_field(r, sink, at + l->fields, "fields");
	cpy_edge_field(r, sink, at + l->names, "names");
	sub = cpy_word_or_0(r, at + l->subarray);
	if (!cpy_may_be_address(sub))
		return;
	cpy_part(r, sink, sub, SUBARRAY_BYTES, "subarray");
	cpy_edge_field(r, sink, sub, "base");
	cpy_edge_field(r, sink, sub + 8, "shape");
}

/* PyArray_DTypeMeta, behind PyHeapTypeObject */
static const struct cpy_field_rule meta_fields[] = {
	{ .name = "singleton", .offset = 904, .to = 0x30c },
	{ .name = "scalar_type", .offset = 920, .to = 0x30c },
	{ .name = "singleton", .offset = 928, .from = 0x30d },
	{ .name = "scalar_type", .offset = 944, .from = 0x30d },
	{ 0 },
};

/* PyVoidScalarObject, PyObjectScalarObject */
static const struct cpy_field_rule void_fields[] = {
	{ .name = "dtype", .offset = 32 },
	{ .name = "base", .offset = 48 },
	{ 0 },
};
static const struct cpy_field_rule object_fields[] = {
	{ .name = "obval", .offset = 16 },
	{ 0 },
};

enum { VOID_DTYPE = 32 };

/* gentype_sizeof: its bytes once more */
static uint64_t scalar_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	static const struct {
		const char *name;
		uint8_t bytes;
	} odd[] = { { "numpy.bool_", 1 },      { "numpy.bool", 1 },
		    { "numpy.int8", 1 },       { "numpy.uint8", 1 },
		    { "numpy.int16", 2 },      { "numpy.uint16", 2 },
		    { "numpy.float16", 2 },    { "numpy.int32", 4 },
		    { "numpy.uint32", 4 },     { "numpy.float32", 4 },
		    { "numpy.datetime64", 8 }, { "numpy.timedelta64", 8 } };

	(void)r;
	(void)at;
	for (size_t i = 0; i < countof(odd); i++)
		if (str_is(t->native->tp_name, odd[i].name))
			return t->basicsize + odd[i].bytes;
	return t->basicsize + t->native->basicsize - CPY_SIZE;
}

static uint64_t void_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	return t->basicsize + descr_size(r, cpy_word_or_0(r, at + VOID_DTYPE));
}

/* numpy.bytes_ is a bytes object with one byte more than its basicsize says. */
static uint64_t bytes_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	return t->basicsize + 2 * cpy_word_or_0(r, at + CPY_SIZE);
}

/* arrayflags: arr, flags; PyArrayIterObject: ao */
static const struct cpy_field_rule flags_fields[] = {
	{ .name = "array", .offset = 16 },
	{ 0 },
};

const struct cpy_rules cpy_numpy_rules[] = {
	{ .name = "numpy.ndarray",
	  .read = array_read,
	  .size = array_size,
	  .value = array_value,
	  .fields = array_fields },
	{ .name = "numpy.dtype", .read = dtype_read, .fields = dtype_fields },
	{ .name = "numpy._DTypeMeta", .fields = meta_fields },
	{ .name = "numpy.generic", .size = scalar_size },
	{ .name = "numpy.bytes_", .size = bytes_size },
	{ .name = "numpy.void", .size = void_size, .fields = void_fields },
	{ .name = "numpy.object_", .fields = object_fields },
	{ .name = "numpy.core.multiarray.flagsobj", .fields = flags_fields },
	{ 0 },
};
