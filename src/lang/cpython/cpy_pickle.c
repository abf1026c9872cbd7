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

/* 3.13.0 has one word less before these than all others have; its struct shows it. */
enum {
	PICKLER_BYTES = 152,
	UNPICKLER_BYTES = 272,
	PERSISTENT = 24,
	DISPATCH_TABLE = 40,
	REDUCER_OVERRIDE = 48,
	WRITE = 56,
	OUTPUT_BUFFER = 64,
	FAST_MEMO = 136,
	BUFFER_CALLBACK = 144,
};

struct place {
	const char *name;
	uint32_t offset;
};

static taddr place_of(const struct cpy_type *t, uint64_t whole, taddr at, uint32_t offset)
{
	return at + offset - (t->native->basicsize < whole ? 8 : 0);
}

static void pickler_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			 const struct python_sink *sink)
{
	taddr table = cpy_word_or_0(r, at + MEMO), entries;
	uint64_t n = cpy_word_or_0(r, table + TABLE_ALLOCATED);
	uint16_t label = cpy_field(r->py, "memo");
	static const struct place places[] = {
		{ "dispatch_table", DISPATCH_TABLE },
		{ "reducer_override", REDUCER_OVERRIDE },
		{ "write", WRITE },
		{ "output_buffer", OUTPUT_BUFFER },
		{ "fast_memo", FAST_MEMO },
		{ "buffer_callback", BUFFER_CALLBACK },
	};

	for (size_t i = 0; i < countof(places); i++)
		cpy_edge_field(r, sink, place_of(t, PICKLER_BYTES, at, places[i].offset),
			       places[i].name);
	if (!cpy_may_be_address(table))
		return;
	cpy_part(r, sink, table, TABLE_BYTES, "memo");
	entries = cpy_array_part(r, sink, table + TABLE_ENTRIES,
				 (struct cpy_array){ &n, ENTRY_BYTES, "memo" });
	for (uint64_t i = 0; entries && i < n; i++)
		cpy_edge(sink, cpy_word_or_0(r, entries + i * ENTRY_BYTES), label);
}

/* _pickle_Pickler___sizeof__ */
static uint64_t pickler_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	taddr table = cpy_word_or_0(r, at + MEMO);
	taddr output = cpy_word_or_0(r, place_of(t, PICKLER_BYTES, at, OUTPUT_BUFFER));
	uint64_t size = t->basicsize;

	if (table)
		size += TABLE_BYTES +
			ENTRY_BYTES * cpy_word_or_0(r, table + TABLE_ALLOCATED);
	if (output)
		size += BYTES_HEAD + cpy_word_or_0(r, output + CPY_SIZE);
	return size;
}

static const struct cpy_field_rule pickler_fields[] = {
	{ .name = "persistent_id", .offset = PERSISTENT },
	{ 0 },
};

/* UnpicklerObject */
enum {
	UNPICKLER_MEMO = 24,
	UNPICKLER_MEMO_SIZE = 32,
	BUFFER = 72,
	INPUT_LINE = 152,
	READ = 184,
	READINTO = 192,
	READLINE = 200,
	PEEK = 208,
	BUFFERS = 216,
	ENCODING = 224,
	ERRORS = 232,
	MARKS = 240,
	MARKS_SIZE = 256,
};

static const struct cpy_field_rule unpickler_fields[] = {
	{ .name = "stack", .offset = 16 },
	{ .name = "persistent_load", .offset = 48 },
	{ 0 },
};

static taddr unpickler_place(const struct cpy_type *t, taddr at, uint32_t offset)
{
	return place_of(t, UNPICKLER_BYTES, at, offset);
}

static void unpickler_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			   const struct python_sink *sink)
{
	uint64_t n = cpy_word_or_0(r, at + UNPICKLER_MEMO_SIZE);
	taddr memo = cpy_array_part(r, sink, at + UNPICKLER_MEMO,
				    (struct cpy_array){ &n, 8, "memo" });
	uint64_t marks = cpy_word_or_0(r, unpickler_place(t, at, MARKS_SIZE));
	static const struct place places[] = {
		{ "buffer", BUFFER },     { "read", READ }, { "readinto", READINTO },
		{ "readline", READLINE }, { "peek", PEEK }, { "buffers", BUFFERS },
	};

	for (size_t i = 0; i < countof(places); i++)
		cpy_edge_field(r, sink, unpickler_place(t, at, places[i].offset),
			       places[i].name);
	if (memo)
		cpy_words_edges(r, memo, n, cpy_field(r->py, "memo"), sink);
	cpy_array_part(r, sink, unpickler_place(t, at, MARKS),
		       (struct cpy_array){ &marks, 8, "marks" });
	cpy_string_part(r, sink, unpickler_place(t, at, INPUT_LINE), "input_line");
	cpy_string_part(r, sink, unpickler_place(t, at, ENCODING), "encoding");
	cpy_string_part(r, sink, unpickler_place(t, at, ERRORS), "errors");
}

/* _pickle_Unpickler___sizeof__ */
static uint64_t unpickler_size(struct python_reader *r, const struct cpy_type *t,
			       taddr at)
{
	uint64_t size = t->basicsize;

	if (cpy_word_or_0(r, at + UNPICKLER_MEMO))
		size += 8 * cpy_word_or_0(r, at + UNPICKLER_MEMO_SIZE);
	if (cpy_word_or_0(r, unpickler_place(t, at, MARKS)))
		size += 8 * cpy_word_or_0(r, unpickler_place(t, at, MARKS_SIZE));
	return size + cpy_string_size(r, unpickler_place(t, at, INPUT_LINE)) +
	       cpy_string_size(r, unpickler_place(t, at, ENCODING)) +
	       cpy_string_size(r, unpickler_place(t, at, ERRORS));
}

/* Pdata: an unpickler's stack */
enum { STACK_ITEMS = 24, STACK_ALLOCATED = 48 };

static void stack_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		       const struct python_sink *sink)
{
	uint64_t n = cpy_word_or_0(r, at + STACK_ALLOCATED);
	taddr items = cpy_array_part(r, sink, at + STACK_ITEMS,
				     (struct cpy_array){ &n, 8, "items" });

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
