/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of waste. Duplicates have a row for each text, all else one for each type.
 *
 * What a holder has of each row is added up in a map, so the time goes with nodes and not
 * with holders.
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
	struct holder_search holders;
	uint32_t *row_of; /* of each type, of one category; NO_NODE none yet */
	struct share *shares;
	size_t nshares, cap_shares;
	struct map share_by; /* row << 32 | holder */
};

/* ---- who holds what ---- */

static void add_share(struct building *b, uint32_t row, uint32_t node, uint64_t wasted)
{
	uint32_t holder = wasted ? holder_find(&b->holders, node) : NO_NODE, i;
	uint64_t key = (uint64_t)row << 32 | holder;

	if (holder == NO_NODE)
		return;
	if (!map_find(&b->share_by, key, &i)) {
		if (b->nshares == b->cap_shares) {
			b->cap_shares = b->cap_shares ? 2 * b->cap_shares : 1024;
			b->shares =
				xrealloc(b->shares, b->cap_shares, sizeof(*b->shares));
		}
		i = (uint32_t)b->nshares++;
		b->shares[i] = (struct share){ row, holder, 0 };
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
		name_of_holder(&b->holders, s->holder),
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

/* Of an object it takes types.uncounted, which comes with the rest. */
static bool rounding_is_known(const struct building *b, uint32_t node)
{
	return node_is_there(b->m, node) &&
	       (b->out->is_known || !node_is_object(b->m, node));
}

static void build_rounding(struct building *b)
{
	begin_category(b);
	for (uint32_t node = 0; node < node_count(b->m); node++)
		if (rounding_is_known(b, node))
			add_by_type(b, WASTE_ROUNDING, node, rounding_of(b->m, node));
}

static void building_release(struct building *b)
{
	holder_search_release(&b->holders);
	free(b->row_of);
	free(b->shares);
	map_release(&b->share_by);
}

void waste_build(const struct model *m, struct waste *out)
{
	struct building b = { .m = m, .out = out };

	*out = (struct waste){ .is_known =
				       m->processes.n > 0 && m->processes.has_waste[0] };
	holder_search_init(&b.holders, m);
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
