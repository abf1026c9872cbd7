/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list, tuple and what looks like one. A structseq (os.stat_result) is a tuple that has
 * more items than its length says: its type's n_fields (CPython structseq.c REAL_SIZE).
 */
#include "lang/cpython/cpy_int.h"

enum { BATCH = 64 };

/* The words of [at, at + 8 * n), empty ones too, so that items keep their numbers. */
static void items_edges(struct python_reader *r, taddr at, uint64_t n,
			const struct python_sink *sink)
{
	taddr items[BATCH];

	while (n > 0) {
		size_t batch = (size_t)min_u64(n, BATCH);

		if (!cpy_read(r, at, items, batch * sizeof(*items)))
			return;
		for (size_t i = 0; i < batch; i++)
			sink->edge(sink->context, items[i], LABEL_ITEM);
		at += batch * sizeof(*items);
		n -= batch;
	}
}

static uint64_t list_allocated(struct python_reader *r, taddr at, taddr *items)
{
	uint64_t n = cpy_word_or_0(r, at + r->layout->list_allocated);

	*items = cpy_word_or_0(r, at + r->layout->list_items);
	if (!cpy_may_be_address(*items) || n >> 48)
		return 0;
	return cpy_count(r, *items, n, 8);
}

static void list_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		      const struct python_sink *sink)
{
	taddr items;
	uint64_t allocated = list_allocated(r, at, &items);
	uint64_t n = min_u64(cpy_word_or_0(r, at + CPY_SIZE), allocated);

	(void)t;
	items_edges(r, items, n, sink);
	cpy_part(r, sink, items, allocated * 8, "items");
	cpy_slack_items(sink, allocated, n, 8);
}

static uint64_t list_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	taddr items;

	return t->basicsize + 8 * list_allocated(r, at, &items);
}

/* ---- tuple ---- */

static bool is_structseq(const struct cpy_type *t)
{
	return !str_is(t->native->tp_name, "tuple");
}

static uint64_t tuple_count(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	uint64_t n = cpy_items(r, t, at);
	int64_t real;

	if (is_structseq(t) &&
	    cpy_int(r, cpy_dict_get(r, cpy_type_dict(r, t->native->at), "n_fields"),
		    &real) &&
	    real >= (int64_t)n && real <= UINT16_MAX)
		n = (uint64_t)real;
	return n;
}

static void tuple_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		       const struct python_sink *sink)
{
	items_edges(r, at + r->layout->tuple_items, tuple_count(r, t, at), sink);
}

static uint64_t tuple_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	return t->basicsize + 8 * cpy_items(r, t, at);
}

static uint64_t tuple_own(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	/* From 3.12 the basic size of a structseq has the hidden items in it. */
	return max_u64(t->basicsize + 8 * cpy_items(r, t, at),
		       r->layout->tuple_items + 8 * tuple_count(r, t, at));
}

const struct cpy_rules cpy_sequence_rules[] = {
	{ .name = "list", .read = list_read, .size = list_size },
	{ .name = "tuple", .read = tuple_read, .size = tuple_size, .own = tuple_own },
	{ 0 },
};
