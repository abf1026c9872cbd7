/* SPDX-License-Identifier: Apache-2.0 */
/*
 * _io (CPython 3.11, 3.13 Modules/_io). None of its structs begins with that of its base,
 * so each of these types is told by its own rules alone (is_whole).
 */
#include "lang/cpython/cpy_library_int.h"

/* iobase.c iobase */
static const struct cpy_field_rule base_fields[] = {
	{ .name = "__dict__", .offset = 16 },
	{ 0 },
};

/* fileio.c fileio */
static const struct cpy_field_rule file_fields[] = {
	{ .name = "__dict__", .offset = 40 },
	{ 0 },
};

/* ---- bytesio.c bytesio ---- */

enum { BYTES_IO_BUFFER = 16, BYTES_HEAD = 33 };

static const struct cpy_field_rule bytes_fields[] = {
	{ .name = "buf", .offset = BYTES_IO_BUFFER },
	{ .name = "__dict__", .offset = 40 },
	{ 0 },
};

/* bytesio_sizeof: with the bytes, unless somebody else has them too */
static uint64_t bytes_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	taddr buffer = cpy_word_or_0(r, at + BYTES_IO_BUFFER);

	if (!buffer || cpy_word_or_0(r, buffer + CPY_REFCOUNT) != 1)
		return t->basicsize;
	return t->basicsize + BYTES_HEAD + cpy_word_or_0(r, buffer + CPY_SIZE);
}

static const struct cpy_field_rule bytes_buffer_fields[] = {
	{ .name = "source", .offset = 16 },
	{ 0 },
};

/* ---- bufferedio.c buffered, rwpair ---- */

enum { BUFFERED_BUFFER = 56, BUFFERED_LOCK = 104, BUFFERED_SIZE = 120 };

static const struct cpy_field_rule buffered_fields[] = {
	{ .name = "raw", .offset = 16 },
	{ .name = "__dict__", .offset = 136 },
	{ 0 },
};

static uint64_t buffered_bytes(struct python_reader *r, taddr at)
{
	return cpy_word_or_0(r, at + BUFFERED_BUFFER)
		       ? cpy_word_or_0(r, at + BUFFERED_SIZE)
		       : 0;
}

static void buffered_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			  const struct python_sink *sink)
{
	uint64_t n = buffered_bytes(r, at);

	(void)t;
	cpy_array_part(r, sink, at + BUFFERED_BUFFER,
		       (struct cpy_array){ &n, 1, "buffer" });
	cpy_lock_part(r, sink, at + BUFFERED_LOCK);
}

/* buffered_sizeof */
static uint64_t buffered_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	return t->basicsize + buffered_bytes(r, at);
}

static const struct cpy_field_rule pair_fields[] = {
	{ .name = "reader", .offset = 16 },
	{ .name = "writer", .offset = 24 },
	{ .name = "__dict__", .offset = 32 },
	{ 0 },
};

/* ---- textio.c textio, nldecoder_object ---- */

static const struct cpy_field_rule text_fields[] = {
	{ .name = "buffer", .offset = 32 },
	{ .name = "encoding", .offset = 40 },
	{ .name = "encoder", .offset = 48 },
	{ .name = "decoder", .offset = 56 },
	{ .name = "readnl", .offset = 64 },
	{ .name = "errors", .offset = 72 },
	{ .name = "decoded_chars", .offset = 120 },
	{ .name = "pending_bytes", .offset = 136 },
	{ .name = "snapshot", .offset = 152 },
	{ .name = "raw", .offset = 168 },
	{ .name = "__dict__", .offset = 184 },
	{ 0 },
};

static const struct cpy_field_rule decoder_fields[] = {
	{ .name = "decoder", .offset = 16 },
	{ .name = "errors", .offset = 24 },
	{ 0 },
};

/* ---- stringio.c stringio ---- */

enum { STRING_BUFFER = 16, STRING_SIZE = 32, STRING_CAPACITY = 40 };

/* What is written goes into a _PyAccu (3.11) or a _PyUnicodeWriter (3.12) until it is read
 * or sought. */
static const struct cpy_field_rule string_fields[] = {
	{ .name = "accu.large", .offset = 56, .to = 0x30c },
	{ .name = "accu.small", .offset = 64, .to = 0x30c },
	{ .name = "decoder", .offset = 80, .to = 0x30c },
	{ .name = "readnl", .offset = 88, .to = 0x30c },
	{ .name = "writenl", .offset = 96, .to = 0x30c },
	{ .name = "__dict__", .offset = 104, .to = 0x30c },
	{ .name = "writer.buffer", .offset = 56, .from = 0x30c },
	{ .name = "decoder", .offset = 120, .from = 0x30c },
	{ .name = "readnl", .offset = 128, .from = 0x30c },
	{ .name = "writenl", .offset = 136, .from = 0x30c },
	{ .name = "__dict__", .offset = 144, .from = 0x30c },
	{ 0 },
};

static void string_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			const struct python_sink *sink)
{
	uint64_t n = cpy_word_or_0(r, at + STRING_CAPACITY);

	(void)t;
	cpy_array_part(r, sink, at + STRING_BUFFER, (struct cpy_array){ &n, 4, "buf" });
	cpy_slack_items(sink, n, cpy_word_or_0(r, at + STRING_SIZE), 4);
}

const struct cpy_rules cpy_io_rules[] = {
	{ .name = "_io._IOBase", .fields = base_fields },
	{ .name = "_io._RawIOBase" },
	{ .name = "_io._BufferedIOBase" },
	{ .name = "_io._TextIOBase" },
	{ .name = "_io.FileIO", .fields = file_fields, .is_whole = true },
	{ .name = "_io.BytesIO",
	  .size = bytes_size,
	  .fields = bytes_fields,
	  .is_whole = true },
	{ .name = "_io._BytesIOBuffer", .fields = bytes_buffer_fields },
	{ .name = "_io.BufferedReader",
	  .read = buffered_read,
	  .size = buffered_size,
	  .fields = buffered_fields,
	  .is_whole = true },
	{ .name = "_io.BufferedWriter",
	  .read = buffered_read,
	  .size = buffered_size,
	  .fields = buffered_fields,
	  .is_whole = true },
	{ .name = "_io.BufferedRandom",
	  .read = buffered_read,
	  .size = buffered_size,
	  .fields = buffered_fields,
	  .is_whole = true },
	{ .name = "_io.BufferedRWPair", .fields = pair_fields, .is_whole = true },
	{ .name = "_io.TextIOWrapper", .fields = text_fields, .is_whole = true },
	{ .name = "_io.IncrementalNewlineDecoder", .fields = decoder_fields },
	{ .name = "_io.StringIO",
	  .read = string_read,
	  .fields = string_fields,
	  .is_whole = true },
	{ 0 },
};
