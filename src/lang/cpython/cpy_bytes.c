/* SPDX-License-Identifier: Apache-2.0 */
/* bytes, bytearray, and views of memory (CPython 3.11 bytesobject.h, bytearrayobject.h,
 * memoryobject.h; the same in 3.13). */
#include "lang/cpython/cpy_int.h"

enum {
	BYTES_DATA = 32,
	ARRAY_ALLOC = 24,
	ARRAY_BYTES = 32,
	ARRAY_START = 40,
	VALUE_MAX = 64,
};

/* Appends bytes as repr() does, the first VALUE_MAX of n. */
static void put_bytes(struct python_reader *r, taddr at, uint64_t n, struct buf *out)
{
	uint8_t bytes[VALUE_MAX];
	uint32_t points[VALUE_MAX];
	size_t shown = (size_t)min_u64(n, VALUE_MAX);

	if (shown > 0 && !cpy_read(r, at, bytes, shown))
		return;
	for (size_t i = 0; i < shown; i++)
		points[i] = bytes[i];
	buf_char(out, 'b');
	cpy_put_repr(out, points, shown, false);
	if (shown < n)
		buf_str(out, "...");
}

static void bytes_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			struct buf *out)
{
	(void)t;
	put_bytes(r, at + BYTES_DATA, cpy_word_or_0(r, at + CPY_SIZE), out);
}

static void bytes_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		       const struct python_sink *sink)
{
	cpy_content(r, sink, at + BYTES_DATA, cpy_items(r, t, at), 0);
}

static uint64_t array_allocated(struct python_reader *r, taddr at)
{
	uint64_t n = cpy_word_or_0(r, at + ARRAY_ALLOC);

	return n >> 48 ? 0 : cpy_count(r, cpy_word_or_0(r, at + ARRAY_BYTES), n, 1);
}

static uint64_t array_count(struct python_reader *r, taddr at, uint64_t allocated)
{
	return min_u64(cpy_word_or_0(r, at + CPY_SIZE), allocated);
}

static void bytearray_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			   const struct python_sink *sink)
{
	uint64_t allocated = array_allocated(r, at), n = array_count(r, at, allocated);

	(void)t;
	cpy_part(r, sink, cpy_word_or_0(r, at + ARRAY_BYTES), allocated, "bytes");
	cpy_content(r, sink, cpy_word_or_0(r, at + ARRAY_START), n, 0);
	/* A NUL stands behind the last byte. */
	cpy_slack_items(sink, allocated ? allocated - 1 : 0, n, 1);
}

static uint64_t bytearray_size(struct python_reader *r, const struct cpy_type *t,
			       taddr at)
{
	return t->basicsize + array_allocated(r, at);
}

static void bytearray_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			    struct buf *out)
{
	(void)t;
	buf_str(out, "bytearray(");
	put_bytes(r, cpy_word_or_0(r, at + ARRAY_START),
		  array_count(r, at, array_allocated(r, at)), out);
	buf_char(out, ')');
}

/* view.obj is the managed buffer's, which holds it. */
static const struct cpy_field_rule memoryview_fields[] = {
	{ .name = "mbuf", .offset = 24 },
	{ 0 },
};
static const struct cpy_field_rule managedbuffer_fields[] = {
	{ .name = "obj", .offset = 40 },
	{ 0 },
};
static const struct cpy_field_rule memory_iterator_fields[] = {
	{ .name = "it_seq", .offset = 24 },
	{ 0 },
};
static const struct cpy_field_rule picklebuffer_fields[] = {
	{ .name = "obj", .offset = 24 },
	{ 0 },
};

const struct cpy_rules cpy_bytes_rules[] = {
	{ .name = "bytes", .read = bytes_read, .value = bytes_value },
	{ .name = "bytearray",
	  .read = bytearray_read,
	  .size = bytearray_size,
	  .value = bytearray_value },
	{ .name = "memoryview", .fields = memoryview_fields },
	{ .name = "managedbuffer", .fields = managedbuffer_fields },
	{ .name = "memory_iterator", .fields = memory_iterator_fields },
	{ .name = "pickle.PickleBuffer", .fields = picklebuffer_fields },
	{ 0 },
};
