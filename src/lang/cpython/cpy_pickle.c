/* SPDX-License-Identifier: Apache-2.0 */
/*
 * _pickle (CPython 3.11, 3.13 _pickle.c). A pickler remembers what it met in a hash table,
 * an unpickler in an array; both own what they remember.
 */
#include "lang/cpython/cpy_library_int.h"

/* PicklerObject, PyMemoTable, PyMemoEntry {key, value} */
enum {
	MEMO = 16,
	TABLE_ALLOCATED = 16,
	TABLE_ENTRIES = 24,
	TABLE_BYTES = 32,
	ENTRY_BYTES = 16,
	BYTES_HEAD = 33,
};

static const struct cpy_field_rule pickler_fields[] = {
	{ .name = "persistent_id", .offset = 24 },
	{ .name = "dispatch_table", .offset = 40, .to = 0x30d },
	{ .name = "reducer_override", .offset = 48, .to = 0x30d },
	{ .name = "write", .offset = 56, .to = 0x30d },
	{ .name = "output_buffer", .offset = 64, .to = 0x30d },
	{ .name = "fast_memo", .offset = 136, .to = 0x30d },
	{ .name = "buffer_callback", .offset = 144, .to = 0x30d },
	{ .name = "dispatch_table", .offset = 32, .from = 0x30d },
	{ .name = "reducer_override", .offset = 40, .from = 0x30d },
	{ .name = "write", .offset = 48, .from = 0x30d },
	{ .name = "output_buffer", .offset = 56, .from = 0x30d },
	{ .name = "fast_memo", .offset = 128, .from = 0x30d },
	{ .name = "buffer_callback", .offset = 136, .from = 0x30d },
	{ 0 },
};

static void pickler_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			 const struct python_sink *sink)
{
	taddr table = cpy_word_or_0(r, at + MEMO), entries;
	uint64_t n = cpy_word_or_0(r, table + TABLE_ALLOCATED);
	uint16_t label = cpy_field(r->py, "memo");

	(void)t;
	if (!cpy_may_be_address(table))
		return;
	cpy_part(r, sink, table, TABLE_BYTES, "memo");
	entries = cpy_array_part(r, sink, table + TABLE_ENTRIES, &n, ENTRY_BYTES, "memo");
	for (uint64_t i = 0; entries && i < n; i++)
		cpy_edge(sink, cpy_word_or_0(r, entries + i * ENTRY_BYTES), label);
}

/* _pickle_Pickler___sizeof__ */
static uint64_t pickler_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	taddr table = cpy_word_or_0(r, at + MEMO);
	taddr output = cpy_word_or_0(r, at + (r->layout->version < 0x30d ? 64 : 56));
	uint64_t size = t->basicsize;

	if (table)
		size += TABLE_BYTES +
			ENTRY_BYTES * cpy_word_or_0(r, table + TABLE_ALLOCATED);
	if (output)
		size += BYTES_HEAD + cpy_word_or_0(r, output + CPY_SIZE);
	return size;
}

/* UnpicklerObject; the second row from 3.13 */
static const struct cpy_field_rule unpickler_fields[] = {
	{ .name = "stack", .offset = 16 },
	{ .name = "persistent_load", .offset = 48 },
	{ .name = "buffer", .offset = 72, .to = 0x30d },
	{ .name = "read", .offset = 184, .to = 0x30d },
	{ .name = "readinto", .offset = 192, .to = 0x30d },
	{ .name = "readline", .offset = 200, .to = 0x30d },
	{ .name = "peek", .offset = 208, .to = 0x30d },
	{ .name = "buffers", .offset = 216, .to = 0x30d },
	{ .name = "buffer", .offset = 64, .from = 0x30d },
	{ .name = "read", .offset = 176, .from = 0x30d },
	{ .name = "readinto", .offset = 184, .from = 0x30d },
	{ .name = "readline", .offset = 192, .from = 0x30d },
	{ .name = "peek", .offset = 200, .from = 0x30d },
	{ .name = "buffers", .offset = 208, .from = 0x30d },
	{ 0 },
};
enum {
	UNPICKLER_MEMO = 24,
	UNPICKLER_MEMO_SIZE = 32,
	INPUT_LINE = 144, /* these up to 3.12, and 8 less from 3.13 */
	ENCODING = 216,
	ERRORS = 224,
	MARKS = 232,
	MARKS_SIZE = 248,
};

static taddr unpickler_place(const struct python_reader *r, taddr at, uint32_t offset)
{
	return at + offset + (r->layout->version < 0x30d ? 8 : 0);
}

static void unpickler_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			   const struct python_sink *sink)
{
	uint64_t n = cpy_word_or_0(r, at + UNPICKLER_MEMO_SIZE);
	taddr memo = cpy_array_part(r, sink, at + UNPICKLER_MEMO, &n, 8, "memo");
	uint64_t marks = cpy_word_or_0(r, unpickler_place(r, at, MARKS_SIZE));

	(void)t;
	if (memo)
		cpy_words_edges(r, memo, n, cpy_field(r->py, "memo"), sink);
	cpy_array_part(r, sink, unpickler_place(r, at, MARKS), &marks, 8, "marks");
	cpy_string_part(r, sink, unpickler_place(r, at, INPUT_LINE), "input_line");
	cpy_string_part(r, sink, unpickler_place(r, at, ENCODING), "encoding");
	cpy_string_part(r, sink, unpickler_place(r, at, ERRORS), "errors");
}

/* _pickle_Unpickler___sizeof__ */
static uint64_t unpickler_size(struct python_reader *r, const struct cpy_type *t,
			       taddr at)
{
	uint64_t size = t->basicsize;

	if (cpy_word_or_0(r, at + UNPICKLER_MEMO))
		size += 8 * cpy_word_or_0(r, at + UNPICKLER_MEMO_SIZE);
	if (cpy_word_or_0(r, unpickler_place(r, at, MARKS)))
		size += 8 * cpy_word_or_0(r, unpickler_place(r, at, MARKS_SIZE));
	return size + cpy_string_size(r, unpickler_place(r, at, INPUT_LINE)) +
	       cpy_string_size(r, unpickler_place(r, at, ENCODING)) +
	       cpy_string_size(r, unpickler_place(r, at, ERRORS));
}

/* Pdata: an unpickler's stack */
enum { STACK_ITEMS = 24, STACK_ALLOCATED = 48 };

static void stack_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		       const struct python_sink *sink)
{
	uint64_t n = cpy_word_or_0(r, at + STACK_ALLOCATED);
	taddr items = cpy_array_part(r, sink, at + STACK_ITEMS, &n, 8, "items");

	(void)t;
	if (items)
		cpy_words_edges(r, items, min_u64(n, cpy_word_or_0(r, at + CPY_SIZE)),
				LABEL_ITEM, sink);
}

static uint64_t stack_own(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	(void)r;
	(void)at;
	return t->basicsize;
}

static const struct cpy_field_rule pickler_proxy_fields[] = {
	{ .name = "pickler", .offset = 16 },
	{ 0 },
};
static const struct cpy_field_rule unpickler_proxy_fields[] = {
	{ .name = "unpickler", .offset = 16 },
	{ 0 },
};

const struct cpy_rules cpy_pickle_rules[] = {
	{ .name = "_pickle.Pickler",
	  .read = pickler_read,
	  .size = pickler_size,
	  .fields = pickler_fields },
	{ .name = "_pickle.Unpickler",
	  .read = unpickler_read,
	  .size = unpickler_size,
	  .fields = unpickler_fields },
	{ .name = "_pickle.Pdata", .read = stack_read, .own = stack_own },
	{ .name = "_pickle.PicklerMemoProxy", .fields = pickler_proxy_fields },
	{ .name = "_pickle.UnpicklerMemoProxy", .fields = unpickler_proxy_fields },
	{ 0 },
};
