/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who grew. Retained sizes alone do not tell: when a cache grows, so does all that holds
 * it, and what moves from one holder to two leaves both. So bytes that came and went are
 * booked where they stand in the dominator tree, and carried up from there:
 *
 *	new		its size, at itself
 *	survived	by how much its own size changed, at itself
 *	gone		less its size, at the next dominator it had that survived: what
 *			is thrown away and made anew is no growth
 *
 * New nodes hand on what they have. A survivor, or a group of roots, that has got enough is
 * a row, and hands on nothing. So a cache is told, neither its pages nor the module it is in.
 */
#include "analysis/analysis.h"

#include <stdlib.h>

enum {
	NONE = UINT32_MAX,
	SHARE = 100,      /* a row has one part in so many of all growth */
	DEPTH_MOST = 8,   /* of new objects in one another */
	ROWS_BY_TYPE = 8, /* that types are told of */
};

struct growing {
	const struct model *a, *b;
	uint32_t nodes_a, nodes_b;
	uint32_t *
		home; /* of a's nodes and groups: where in b they are, or what held them */
	uint32_t *before; /* of b's nodes and groups: the same in a, or NO_NODE */
	uint64_t *gain;   /* of b's nodes and groups, in two's complement */
	uint32_t *best;   /* of b's: the one below it that handed on most; NONE */
	uint32_t *order;  /* b's nodes, each before its dominator */
	size_t norder;
};

/* ---- what is where ---- */

static uint64_t group_key(const struct model *m, size_t group)
{
	return str_hash(model_text(m, m->groups.name[group])) * 31 +
	       m->groups.kind[group];
}

static struct map groups_by_name(const struct model *m)
{
	struct map by_name = { 0 };

	for (size_t g = m->groups.n; g-- > 0;)
		map_set(&by_name, group_key(m, g), (uint32_t)g);
	return by_name;
}

static bool same_group(const struct model *a, size_t g, const struct model *b, size_t h)
{
	return a->groups.kind[g] == b->groups.kind[h] &&
	       str_equal(model_text(a, a->groups.name[g]),
			 model_text(b, b->groups.name[h]));
}

static void match_groups(struct growing *x)
{
	struct map in_b = groups_by_name(x->b);
	uint32_t h;

	for (size_t g = 0; g < x->a->groups.n; g++) {
		x->home[x->nodes_a + g] = x->nodes_b + ROOTS_ALL;
		if (!map_find(&in_b, group_key(x->a, g), &h) ||
		    !same_group(x->a, g, x->b, h))
			continue;
		x->home[x->nodes_a + g] = x->nodes_b + h;
		x->before[x->nodes_b + h] = x->nodes_a + (uint32_t)g;
	}
	map_release(&in_b);
}

static void match_nodes(struct growing *x)
{
	struct node_pairs pairs;
	struct node_pair p;

	node_pairs_begin(x->a, x->b, &pairs);
	while (node_pairs_next(&pairs, &p)) {
		if (p.b != NO_NODE)
			x->gain[p.b] += node_size(x->b, p.b);
		if (!p.same)
			continue;
		x->gain[p.b] -= node_size(x->a, p.a);
		x->home[p.a] = p.b;
		x->before[p.b] = p.a;
	}
	node_pairs_release(&pairs);
}

/* The way up is walked once for what is met on it: first to where it is known, then again
 * to say so. A ring, which only a file can tell of, leads to the top. */
static uint32_t home_of(struct growing *x, uint32_t node)
{
	uint32_t home, at = node;

	while (x->home[at] == NONE) {
		x->home[at] = x->nodes_b + ROOTS_ALL;
		at = x->a->dominators.parent[at];
	}
	home = x->home[at];
	for (uint32_t on = node; on != at; on = x->a->dominators.parent[on])
		x->home[on] = home;
	return home;
}

static void book_gone(struct growing *x)
{
	for (uint32_t node = 0; node < x->nodes_a; node++) {
		uint32_t known = x->home[node];

		if (!node_is_there(x->a, node) ||
		    (known < x->nodes_b && x->before[known] == node))
			continue;
		x->gain[home_of(x, node)] -= node_size(x->a, node);
	}
}

/* ---- b's nodes, each before its dominator ---- */

static void order_build(struct growing *x)
{
	const uint32_t *parent = x->b->dominators.parent;
	uint32_t *waits = xcalloc((size_t)x->nodes_b + x->b->groups.n, sizeof(*waits));

	x->order = xcalloc(x->nodes_b + (size_t)1, sizeof(*x->order));
	for (uint32_t node = 0; node < x->nodes_b; node++)
		waits[parent[node]] += node_is_there(x->b, node);
	for (uint32_t node = 0; node < x->nodes_b; node++) {
		uint32_t at = node;

		if (!node_is_there(x->b, node) || waits[node] != 0)
			continue;
		/* A leaf, or all below it is in the order: and perhaps that of its dominator. */
		do {
			waits[at] = NONE;
			x->order[x->norder++] = at;
			at = parent[at];
		} while (--waits[at] == 0 && at < node);
	}
	free(waits);
}

/* ---- the rows ---- */

static void row_add(struct growth *out, uint32_t holder, uint64_t growth)
{
	if (out->n == out->cap) {
		out->cap = out->cap ? out->cap * 2 : 64;
		out->rows = xrealloc(out->rows, out->cap, sizeof(*out->rows));
	}
	out->rows[out->n++] = (struct growth_row){
		.holder = holder, .before = NO_NODE, .gained = holder, .growth = growth
	};
}

/* What the first level gained: what it lost does not make the rest any less. */
static uint64_t all_growth(const struct growing *x)
{
	size_t all = (size_t)x->nodes_b + x->b->groups.n;
	uint64_t *sum = xcalloc(all, sizeof(*sum));
	uint64_t growth = 0;

	memcpy(sum, x->gain, all * sizeof(*sum));
	for (size_t i = 0; i < x->norder; i++) {
		uint32_t node = x->order[i], parent = x->b->dominators.parent[node];

		sum[parent] += sum[node];
		if (dominator_is_group(x->b, parent) && (int64_t)sum[node] > 0)
			growth += sum[node];
	}
	free(sum);
	return growth;
}

/* Has it gained so much? */
static bool gained(const struct growing *x, uint32_t holder, uint64_t enough)
{
	return (int64_t)x->gain[holder] > 0 && x->gain[holder] >= enough;
}

static void carry_up(struct growing *x, uint64_t enough, struct growth *out)
{
	for (size_t i = 0; i < x->norder; i++) {
		uint32_t node = x->order[i], parent = x->b->dominators.parent[node];
		uint32_t *best = &x->best[parent];

		if (x->before[node] != NO_NODE && gained(x, node, enough)) {
			row_add(out, node, x->gain[node]);
			continue;
		}
		x->gain[parent] += x->gain[node];
		if (gained(x, node, *best == NONE ? 1 : x->gain[*best] + 1))
			*best = node;
	}
	for (uint32_t g = 0; g < x->b->groups.n; g++)
		if (gained(x, x->nodes_b + g, enough))
			row_add(out, x->nodes_b + g, x->gain[x->nodes_b + g]);
}

/* The first of n nodes with the type of this one; n: none has. */
static size_t first_of_type(const struct model *m, const uint32_t *nodes, size_t n,
			    uint32_t node)
{
	size_t i = 0;

	while (i < n && node_type(m, nodes[i]) != node_type(m, node))
		i++;
	return i;
}

/* Down while one object has nearly all of it. Where a type comes again it is a list whose
 * links hold each other: then what stands before its first link. */
static uint32_t go_down(const struct growing *x, const struct growth_row *row)
{
	uint32_t way[DEPTH_MOST + 1] = { row->holder };
	size_t n = 1;

	while (n < countof(way)) {
		uint32_t next = x->best[way[n - 1]];
		size_t met;

		if (next == NONE || x->gain[next] < row->growth - row->growth / 5)
			break;
		met = first_of_type(x->b, way + 1, n - 1, next) + 1;
		if (met < n && !dominator_is_group(x->b, way[met - 1]))
			return way[met - 1];
		if (met < n) /* a group says little: then the first link */
			return way[met];
		way[n++] = next;
	}
	return way[n - 1];
}

/* Is it new, and held by several groups of roots? */
static bool is_shared(const struct growing *x, uint32_t node)
{
	return node < x->nodes_b && x->before[node] == NO_NODE &&
	       x->b->dominators.parent[node] == x->nodes_b + ROOTS_ALL &&
	       (int64_t)x->gain[node] > 0;
}

/* Of what is shared, the bytes that a survivor refers to. */
static uint64_t refers_to(const struct growing *x, uint32_t from)
{
	const struct model *m = x->b;
	uint32_t last = NO_NODE;
	uint64_t bytes = 0;

	for (uint64_t e = m->edge_first.at[from]; e < m->edge_first.at[from + 1]; e++) {
		uint32_t to = m->edge_to.node[e];

		if (to != last && is_shared(x, to) &&
		    !label_is_weak(m, m->edge_to.label[e]))
			bytes += x->gain[to];
		last = to;
	}
	return bytes;
}

/* What the top got is what several groups hold. One look at each reference tells whether
 * some survivor has nearly all of it in hand. */
static void name_shared(const struct growing *x, struct growth_row *row)
{
	uint64_t most = row->growth - row->growth / 5;

	for (uint32_t node = 0; node < x->nodes_b && x->b->edge_first.n > 0; node++) {
		uint64_t bytes = x->before[node] == NO_NODE ? 0 : refers_to(x, node);

		if (bytes < most)
			continue;
		row->holder = node;
		row->is_shared = true;
		most = bytes + 1;
	}
}

static int row_compare(const void *a, const void *b)
{
	const struct growth_row *x = a, *y = b;

	if (x->growth != y->growth)
		return x->growth < y->growth ? 1 : -1;
	return (x->holder > y->holder) - (x->holder < y->holder);
}

/* ---- which row has what came of a type ---- */

/* Of b's nodes and groups: the row that their bytes are part of, NONE. */
static uint32_t *rows_of_nodes(const struct growing *x, const struct growth *out)
{
	size_t all = (size_t)x->nodes_b + x->b->groups.n;
	uint32_t *row = xcalloc(all, sizeof(*row));

	memset(row, 0xff, all * sizeof(*row));
	for (uint32_t i = 0; i < out->n; i++)
		row[out->rows[i].gained] = i;
	for (size_t i = x->norder; i-- > 0;) {
		uint32_t node = x->order[i];

		if (row[node] == NONE)
			row[node] = row[x->b->dominators.parent[node]];
	}
	return row;
}

/* What came of a node: all of it, or by how much it grew. */
static uint64_t came(const struct growing *x, uint32_t node)
{
	uint64_t now = node_size(x->b, node), before = 0;

	if (x->before[node] != NO_NODE)
		before = node_size(x->a, x->before[node]);
	return now > before ? now - before : 0;
}

static void types_build(const struct growing *x, struct growth *out)
{
	size_t types = x->b->types.n;
	uint32_t *row = rows_of_nodes(x, out);
	uint64_t *of_row = xcalloc(types * ROWS_BY_TYPE + 1, sizeof(*of_row));
	uint64_t *of_all = xcalloc(types + 1, sizeof(*of_all));

	for (size_t i = 0; i < x->norder; i++) {
		uint32_t node = x->order[i];
		size_t type = node_type(x->b, node);

		if (type >= types)
			continue;
		of_all[type] += came(x, node);
		if (row[node] < ROWS_BY_TYPE)
			of_row[type * ROWS_BY_TYPE + row[node]] += came(x, node);
	}
	out->row_of_type = xcalloc(types + 1, sizeof(*out->row_of_type));
	for (size_t type = 0; type < types; type++) {
		out->row_of_type[type] = NO_NODE;
		for (uint32_t i = 0; i < ROWS_BY_TYPE; i++)
			if (of_row[type * ROWS_BY_TYPE + i] > of_all[type] / 2)
				out->row_of_type[type] = i;
	}
	free(row);
	free(of_row);
	free(of_all);
}

static void rows_build(struct growing *x, struct growth *out)
{
	uint64_t all;

	order_build(x);
	all = all_growth(x);
	carry_up(x, max_u64(all / SHARE, 1), out);
	for (size_t i = 0; i < out->n; i++) {
		if (out->rows[i].holder == x->nodes_b + ROOTS_ALL)
			name_shared(x, &out->rows[i]);
		if (!out->rows[i].is_shared)
			out->rows[i].holder = go_down(x, &out->rows[i]);
		out->rows[i].before = x->before[out->rows[i].holder];
	}
	if (out->n > 0)
		qsort(out->rows, out->n, sizeof(*out->rows), row_compare);
	types_build(x, out);
}

void growth_build(const struct model *before, const struct model *after,
		  struct growth *out)
{
	struct growing x = { .a = before,
			     .b = after,
			     .nodes_a = node_count(before),
			     .nodes_b = node_count(after) };
	size_t all_a = (size_t)x.nodes_a + before->groups.n;
	size_t all_b = (size_t)x.nodes_b + after->groups.n;

	*out = (struct growth){ 0 };
	if (before->dominators.n == 0 || after->dominators.n == 0)
		return;
	x.home = xcalloc(all_a, sizeof(*x.home));
	x.before = xcalloc(all_b, sizeof(*x.before));
	x.best = xcalloc(all_b, sizeof(*x.best));
	x.gain = xcalloc(all_b, sizeof(*x.gain));
	memset(x.home, 0xff, all_a * sizeof(*x.home));
	memset(x.before, 0xff, all_b * sizeof(*x.before));
	memset(x.best, 0xff, all_b * sizeof(*x.best));
	match_groups(&x);
	match_nodes(&x);
	book_gone(&x);
	rows_build(&x, out);
	free(x.home);
	free(x.before);
	free(x.best);
	free(x.gain);
	free(x.order);
}

void growth_release(struct growth *g)
{
	free(g->rows);
	free(g->row_of_type);
	*g = (struct growth){ 0 };
}
