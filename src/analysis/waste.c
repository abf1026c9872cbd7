/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of waste. Duplicates have a row for each text, all else one for each type.
 *
 * Who holds a node is found once for all nodes, by the way up among their dominators: each
 * node is passed once, as those below it take over what was found. What a holder has of each
 * row is added up in a map, so the time goes with nodes and not with holders.
 */
#include "analysis/analysis_int.h"

#include <stdlib.h>

struct share {
	uint32_t row, holder;
	uint64_t wasted;
};

struct building {
	const struct model *m;
	struct waste *out;
	uint32_t *holder_of; /* of each node; NULL: no dominators */
	uint32_t *root_of;   /* the root that names it; NO_NODE none */
	uint32_t *row_of;    /* of each type, of one category; NO_NODE none yet */
	struct share *shares;
	size_t nshares, cap_shares;
	struct map share_by; /* row << 32 | holder */
};

/* ---- who holds what ---- */

enum { NAMELESS = UINT8_MAX };

/* The kind of root that names a node best has the least. */
static uint8_t rank_of(const struct model *m, uint32_t root)
{
	static const uint8_t ranks[] = {
		[ROOT_MODULE] = 0, [ROOT_NAME] = 1,         [ROOT_LOCAL] = 2,
		[ROOT_GLOBAL] = 3, [ROOT_TLS] = 3,          [ROOT_FIELD] = 4,
		[ROOT_FRAME] = 5,  [ROOT_STACK] = NAMELESS, [ROOT_REGISTER] = NAMELESS,
	};
	unsigned kind = m->roots.kind[root];

	if (kind >= countof(ranks) || (m->roots.name[root] == 0 && kind != ROOT_MODULE))
		return NAMELESS;
	return ranks[kind];
}

static void name_nodes(struct building *b)
{
	const struct model *m = b->m;

	b->root_of = xmap_many(node_count(m) + (size_t)1, sizeof(*b->root_of));
	memset(b->root_of, 0xff, node_count(m) * sizeof(*b->root_of));
	for (uint32_t root = 0; root < m->roots.n; root++) {
		uint32_t *known = &b->root_of[m->roots.node[root]];
		uint8_t rank = rank_of(m, root);

		if (rank != NAMELESS && (*known == NO_NODE || rank < rank_of(m, *known)))
			*known = root;
	}
}

enum { ON_THE_WAY = NO_NODE - 1 };

/* The holder of a node whose dominator is `parent`, if that decides it. */
static bool holder_is_told(const struct building *b, uint32_t node, uint32_t *holder)
{
	uint32_t parent = b->m->dominators.parent[node];

	*holder = node;
	if (b->root_of[node] != NO_NODE)
		return true;
	if (!dominator_is_group(b->m, parent))
		return false;
	if (parent != node_count(b->m) + ROOTS_ALL)
		*holder = parent;
	return true;
}

/* Up from the node to one whose holder is known; those on the way are marked. */
static uint32_t seek_holder(struct building *b, uint32_t node)
{
	uint32_t holder;

	while (b->holder_of[node] == NO_NODE) {
		b->holder_of[node] = ON_THE_WAY;
		if (holder_is_told(b, node, &holder))
			return holder;
		node = b->m->dominators.parent[node];
	}
	if (b->holder_of[node] == ON_THE_WAY)
		return node_count(b->m) + ROOTS_ALL; /* a file's dominators are a ring */
	return b->holder_of[node];
}

static void find_holder(struct building *b, uint32_t node)
{
	uint32_t holder = seek_holder(b, node);

	for (uint32_t at = node;
	     !dominator_is_group(b->m, at) && b->holder_of[at] == ON_THE_WAY;
	     at = b->m->dominators.parent[at])
		b->holder_of[at] = holder;
}

static void find_holders(struct building *b)
{
	uint32_t nodes = node_count(b->m);

	if (b->m->dominators.n == 0)
		return;
	name_nodes(b);
	b->holder_of = xmap_many(nodes + (size_t)1, sizeof(*b->holder_of));
	memset(b->holder_of, 0xff, nodes * sizeof(*b->holder_of));
	for (uint32_t node = 0; node < nodes; node++)
		if (node_is_there(b->m, node))
			find_holder(b, node);
}

static void add_share(struct building *b, uint32_t row, uint32_t node, uint64_t wasted)
{
	uint64_t key;
	uint32_t i;

	if (!b->holder_of || wasted == 0 || b->holder_of[node] == NO_NODE)
		return; /* a file may name a node that is not there */
	key = (uint64_t)row << 32 | b->holder_of[node];
	if (!map_find(&b->share_by, key, &i)) {
		if (b->nshares == b->cap_shares) {
			b->cap_shares = b->cap_shares ? 2 * b->cap_shares : 1024;
			b->shares =
				xrealloc(b->shares, b->cap_shares, sizeof(*b->shares));
		}
		i = (uint32_t)b->nshares++;
		b->shares[i] = (struct share){ row, b->holder_of[node], 0 };
		map_set(&b->share_by, key, i);
	}
	b->shares[i].wasted += wasted;
}

static int by_row(const void *a, const void *b)
{
	const struct share *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	if (x->wasted != y->wasted)
		return x->wasted > y->wasted ? -1 : 1;
	return (x->holder > y->holder) - (x->holder < y->holder);
}

static void take_share(struct building *b, const struct share *s)
{
	struct waste *out = b->out;
	struct waste_row *row = &out->rows[s->row];

	if (row->nholders == WASTE_HOLDERS)
		return;
	if (row->nholders++ == 0)
		row->holder = out->nholders;
	out->holders[out->nholders++] = (struct waste_holder){
		s->holder,
		dominator_is_group(b->m, s->holder) ? NO_NODE : b->root_of[s->holder],
		s->wasted,
	};
}

static void build_holders(struct building *b)
{
	if (b->nshares > 1)
		qsort(b->shares, b->nshares, sizeof(*b->shares), by_row);
	b->out->holders = xcalloc(b->nshares + 1, sizeof(*b->out->holders));
	for (size_t i = 0; i < b->nshares; i++)
		take_share(b, &b->shares[i]);
}

/* ---- rows ---- */

static uint32_t add_row(struct building *b, enum waste_category category, uint32_t type)
{
	struct waste *out = b->out;

	if (out->n == out->cap) {
		out->cap = out->cap ? 2 * out->cap : 256;
		out->rows = xrealloc(out->rows, out->cap, sizeof(*out->rows));
	}
	out->rows[out->n] = (struct waste_row){ .category = category,
						.type = type,
						.first = NO_NODE };
	return (uint32_t)out->n++;
}

static void add_to_row(struct building *b, uint32_t row, uint32_t node, uint64_t wasted)
{
	struct waste_row *r = &b->out->rows[row];

	r->count++;
	r->bytes += node_footprint(b->m, node);
	r->wasted += wasted;
	b->out->wasted[r->category] += wasted;
	add_share(b, row, node, wasted);
}

/* Copies [begin, end) of m->duplicates are equal: the smallest is the one to keep. */
static void build_text(struct building *b, size_t begin, size_t end)
{
	const uint32_t *nodes = b->m->duplicates.node;
	size_t least = begin;
	uint32_t row;

	for (size_t i = begin; i < end; i++)
		if (node_footprint(b->m, nodes[i]) < node_footprint(b->m, nodes[least]))
			least = i;
	row = add_row(b, WASTE_DUPLICATES,
		      (uint32_t)min_u64(node_type(b->m, nodes[begin]), b->m->types.n));
	b->out->rows[row].first = nodes[begin];
	for (size_t i = begin; i < end; i++)
		add_to_row(b, row, nodes[i],
			   i == least ? 0 : node_footprint(b->m, nodes[i]));
	if (b->out->rows[row].wasted == 0)
		b->out->n--; /* static ones; it has no shares then */
}

static void build_duplicates(struct building *b)
{
	const struct model_duplicates *d = &b->m->duplicates;
	size_t begin = 0;

	for (size_t i = 1; i <= d->n; i++) {
		if (i < d->n && d->first[i] == d->first[begin])
			continue;
		build_text(b, begin, i);
		begin = i;
	}
}

static void begin_category(struct building *b)
{
	memset(b->row_of, 0xff, (b->m->types.n + 1) * sizeof(*b->row_of));
}

static void add_by_type(struct building *b, enum waste_category category, uint32_t node,
			uint64_t wasted)
{
	uint32_t type = (uint32_t)b->m->types.n;
	uint32_t *row;

	if (wasted == 0)
		return;
	if (category == WASTE_ROUNDING || node_is_object(b->m, node))
		type = (uint32_t)min_u64(node_type(b->m, node), type);
	row = &b->row_of[type];
	if (*row == NO_NODE)
		*row = add_row(b, category, type);
	add_to_row(b, *row, node, wasted);
}

static void build_slack(struct building *b, enum slack_kind kind,
			enum waste_category category)
{
	const struct model_slack *s = &b->m->slack;

	begin_category(b);
	for (size_t i = 0; i < s->n; i++)
		if (s->kind[i] == kind && node_is_there(b->m, s->node[i]))
			add_by_type(b, category, s->node[i],
				    kind == SLACK_EMPTY ? node_footprint(b->m, s->node[i])
							: s->unused[i]);
}

static uint64_t rounding_of(const struct model *m, uint32_t node)
{
	uint64_t used = node_size(m, node), footprint = node_footprint(m, node);

	if (node_type(m, node) < m->types.n)
		used += m->types.uncounted[node_type(m, node)];
	return footprint > used ? footprint - used : 0;
}

static void build_rounding(struct building *b)
{
	begin_category(b);
	for (uint32_t node = 0; node < node_count(b->m); node++)
		if (node_is_there(b->m, node))
			add_by_type(b, WASTE_ROUNDING, node, rounding_of(b->m, node));
}

static void building_release(struct building *b)
{
	size_t bytes = (node_count(b->m) + (size_t)1) * sizeof(uint32_t);

	if (b->holder_of) {
		xunmap(b->holder_of, bytes);
		xunmap(b->root_of, bytes);
	}
	free(b->row_of);
	free(b->shares);
	map_release(&b->share_by);
}

void waste_build(const struct model *m, struct waste *out)
{
	struct building b = { .m = m, .out = out };

	*out = (struct waste){ .is_known =
				       m->processes.n > 0 && m->processes.has_waste[0] };
	find_holders(&b);
	b.row_of = xcalloc(m->types.n + 1, sizeof(*b.row_of));
	build_duplicates(&b);
	build_slack(&b, SLACK_OVER_ALLOCATED, WASTE_OVER_ALLOCATED);
	build_slack(&b, SLACK_SPARSE, WASTE_SPARSE);
	build_slack(&b, SLACK_EMPTY, WASTE_EMPTY);
	build_rounding(&b);
	build_holders(&b);
	building_release(&b);
}

void waste_release(struct waste *w)
{
	free(w->rows);
	free(w->holders);
	*w = (struct waste){ 0 };
}
