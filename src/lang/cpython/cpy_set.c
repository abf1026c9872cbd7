/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets (CPython 3.11 and 3.13 setobject.h): a table of {key, hash}, in the object itself
 * while it is small. An element that was taken out leaves a dummy key, whose hash is -1,
 * which no hash is.
 */
#include "lang/cpython/cpy_int.h"

enum { USED = 24, MASK = 32, TABLE = 40, SMALL_TABLE = 64, ENTRY = 16, BATCH = 64 };
enum {
	SMALLEST = 8,    /* entries; those of the object itself */
	SPARSE_PART = 8, /* a table that has just grown is an eighth full at least */
};

struct entry {
	taddr key;
	int64_t hash;
};

/* Entries of the table, 0 if there is no sense in it. */
static uint64_t table_load(struct python_reader *r, taddr at, taddr *table)
{
	uint64_t n = cpy_word_or_0(r, at + MASK) + 1;

	*table = cpy_word_or_0(r, at + TABLE);
	if (!cpy_may_be_address(*table) || (n & (n - 1)) || n >> 40)
		return 0;
	return cpy_count(r, *table, n, ENTRY);
}

/* As set() of the same elements has it: more than twice as many entries, in the set itself
 * if they fit (setobject.c set_merge). */
static uint64_t least_bytes(uint64_t used)
{
	uint64_t n = SMALLEST;

	if (used * 5 < (SMALLEST - 1) * 3)
		return 0;
	while (n <= used * 2)
		n *= 2;
	return n * ENTRY;
}

static void tell_slack(struct python_reader *r, taddr at, uint64_t n, bool is_small,
		       const struct python_sink *sink)
{
	uint64_t used = min_u64(cpy_word_or_0(r, at + USED), n);

	cpy_slack_table(sink, &(struct cpy_table){ .n = used,
						   .most = n,
						   .part = SPARSE_PART,
						   .bytes = is_small ? 0 : n * ENTRY,
						   .least = least_bytes(used) });
}

static void set_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		     const struct python_sink *sink)
{
	struct entry entries[BATCH];
	taddr table;
	uint64_t n = table_load(r, at, &table), left = n;

	(void)t;
	for (taddr from = table; left > 0;) {
		size_t batch = (size_t)min_u64(left, BATCH);

		if (!cpy_read(r, from, entries, batch * ENTRY))
			break;
		for (size_t i = 0; i < batch; i++)
			if (entries[i].hash != -1)
				cpy_edge(sink, entries[i].key, LABEL_ELEMENT);
		from += batch * ENTRY;
		left -= batch;
	}
	tell_slack(r, at, n, table == at + SMALL_TABLE, sink);
	if (table != at + SMALL_TABLE)
		cpy_part(r, sink, table, n * ENTRY, "table");
}

static uint64_t set_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	taddr table;
	uint64_t n = table_load(r, at, &table);

	return t->basicsize + (table == at + SMALL_TABLE ? 0 : n * ENTRY);
}

static const struct cpy_field_rule iterator_fields[] = {
	{ .name = "set", .offset = 16 },
	{ 0 },
};

const struct cpy_rules cpy_set_rules[] = {
	{ .name = "set", .read = set_read, .size = set_size },
	{ .name = "frozenset", .read = set_read, .size = set_size },
	{ .name = "set_iterator", .fields = iterator_fields },
	{ 0 },
};
