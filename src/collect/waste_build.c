/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents that come twice are found by sorting their hashes: by node first, then by hash,
 * 11 bits at a time, each pass in the order of the one before. So time goes with the number
 * of texts, and of those that are equal the first node comes first.
 *
 * Nobody looks whether what has one hash is the same: 64 bits, the length and the type are
 * (base/hash.h says how sure that is).
 */
#include "collect/waste_int.h"

#include <stdlib.h>

void waste_add(struct waste_list *l, const struct wasted *item)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->items = xrealloc(l->items, l->cap, sizeof(*l->items));
	}
	l->items[l->n++] = *item;
}

void waste_list_release(struct waste_list *l)
{
	free(l->items);
	*l = (struct waste_list){ 0 };
}

/* ---- sorting ---- */

enum {
	DIGIT_BITS = 11,
	DIGITS = 1 << DIGIT_BITS,
	NODE_PASSES = 3,  /* 32 bits */
	VALUE_PASSES = 6, /* 64 bits */
};

static inline size_t digit_of(const struct wasted *item, int pass)
{
	uint64_t key = pass < NODE_PASSES ? item->node : item->value;
	int shift = DIGIT_BITS * (pass < NODE_PASSES ? pass : pass - NODE_PASSES);

	return key >> shift & (DIGITS - 1);
}

static void sort_pass(const struct wasted *from, struct wasted *to, size_t n, int pass)
{
	size_t at[DIGITS] = { 0 }, sum = 0;

	for (size_t i = 0; i < n; i++)
		at[digit_of(&from[i], pass)]++;
	for (size_t d = 0; d < DIGITS; d++) {
		size_t count = at[d];

		at[d] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[digit_of(&from[i], pass)]++] = from[i];
}

/* By node; with all passes by value, then by node. */
static void sort_items(struct waste_list *l, int passes)
{
	struct wasted *from = l->items;
	struct wasted *to = xcalloc(l->n + 1, sizeof(*to));

	for (int pass = 0; pass < passes; pass++) {
		struct wasted *sorted = to;

		sort_pass(from, to, l->n, pass);
		to = from;
		from = sorted;
	}
	l->items = from;
	free(to);
}

/* ---- duplicates ---- */

/* Leaves out what is no node. Contents are equal within a type and a length: these go into
 * the hash, so that what differs in them does not stand between equal ones. */
static void add_types(struct waste_list *l, const struct model *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct wasted item = l->items[i];

		if (!node_is_there(m, item.node))
			continue;
		item.value += ((uint64_t)node_type(m, item.node) << 32 | item.more) *
			      0x9e3779b97f4a7c15u;
		l->items[kept++] = item;
	}
	l->n = kept;
}

static bool is_equal(const struct model *m, const struct wasted *a,
		     const struct wasted *b)
{
	return a->value == b->value && a->more == b->more &&
	       node_type(m, a->node) == node_type(m, b->node);
}

static void add_duplicate(struct model *m, uint32_t node, uint32_t first)
{
	size_t row = model_duplicates_add(m);

	m->duplicates.node[row] = node;
	m->duplicates.first[row] = first;
}

void build_duplicates(struct waste_list *contents, struct model *m)
{
	const struct wasted *first = NULL;
	bool is_alone = true;

	add_types(contents, m);
	sort_items(contents, NODE_PASSES + VALUE_PASSES);
	for (size_t i = 0; i < contents->n; i++) {
		const struct wasted *item = &contents->items[i];

		if (!first || !is_equal(m, first, item)) {
			first = item;
			is_alone = true;
			continue;
		}
		if (is_alone)
			add_duplicate(m, first->node, first->node);
		is_alone = false;
		add_duplicate(m, item->node, first->node);
	}
	waste_list_release(contents);
}

/* ---- slack ---- */

void build_slack(struct waste_list *slack, struct model *m)
{
	const size_t before = m->slack.n;

	sort_items(slack, NODE_PASSES);
	model_table_reserve(m, &model_tables[TABLE_slack], before + slack->n);
	for (size_t i = 0; i < slack->n; i++) {
		const struct wasted *item = &slack->items[i];
		size_t row = m->slack.n - 1;

		if (m->slack.n > before && m->slack.node[row] == item->node) {
			m->slack.unused[row] = min_u64(m->slack.unused[row], item->value);
			continue;
		}
		row = model_slack_add(m);
		m->slack.node[row] = item->node;
		m->slack.kind[row] = (uint8_t)item->more;
		m->slack.unused[row] = item->value;
	}
	waste_list_release(slack);
}
