/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two or three models of a process: each node of the first and of the last one is told what
 * became of it, by one walk through both; what the one in between has is a bit a node.
 */
#include "analysis/analysis.h"

#include <stdlib.h>

/* ---- what became of each node ---- */

/* The nodes that it is about: NO_NODE for what the first or the last model has not. */
struct fate {
	enum diff_state state;
	uint32_t before, after;
};
typedef void fate_fn(void *context, const struct fate *f);

struct fates {
	const uint64_t
		*between; /* nodes of the last model that the second has; or NULL */
	fate_fn *tell;
	void *context;
	uint64_t reused;
};

static bool was_between(const struct fates *f, uint32_t after)
{
	return !f->between || bit_is_set(f->between, after);
}

static void tell(struct fates *f, enum diff_state state, uint32_t before, uint32_t after)
{
	f->tell(f->context, &(struct fate){ state, before, after });
}

static void pair_tell(struct fates *f, const struct node_pair *pair)
{
	if (pair->same && was_between(f, pair->b)) {
		tell(f, DIFF_SURVIVED, pair->a, pair->b);
		return;
	}
	f->reused += pair->a != NO_NODE && pair->b != NO_NODE;
	if (pair->a != NO_NODE)
		tell(f, DIFF_GONE, pair->a, NO_NODE);
	if (pair->b != NO_NODE)
		tell(f, was_between(f, pair->b) ? DIFF_NEW : DIFF_RECENT, NO_NODE,
		     pair->b);
}

/* How many addresses something else has now. */
static uint64_t fates_tell(const struct model *const *models, size_t n, fate_fn *each,
			   void *context)
{
	const struct model *last = models[n - 1];
	uint64_t *between = n == 3 ? nodes_also_in(last, models[1]) : NULL;
	struct fates f = { .between = between, .tell = each, .context = context };
	struct node_pairs pairs;
	struct node_pair pair;

	node_pairs_begin(models[0], last, &pairs);
	while (node_pairs_next(&pairs, &pair))
		pair_tell(&f, &pair);
	node_pairs_release(&pairs);
	free(between);
	return f.reused;
}

/* ---- by kind ---- */

static struct diff_row *row_of(struct diff *d, size_t model, uint32_t node)
{
	uint32_t kind = node_kind(&d->kinds, model, node);

	return kind == NO_KIND ? NULL : &d->rows[kind];
}

static void count_fate(void *context, const struct fate *f)
{
	struct diff *d = context;
	struct diff_row *r = f->after == NO_NODE
				     ? row_of(d, 0, f->before)
				     : row_of(d, d->kinds.nmodels - 1, f->after);

	if (!r)
		return;
	r->count[f->state]++;
	if (f->state == DIFF_NEW)
		r->size_new += node_size(d->after, f->after);
}

static void count_nodes(struct diff *d, size_t model, bool is_after)
{
	const struct model *m = d->kinds.models[model];

	for (uint32_t node = 0; node < node_count(m); node++) {
		struct diff_row *r =
			node_is_there(m, node) ? row_of(d, model, node) : NULL;

		if (!r)
			continue;
		*(is_after ? &r->count_after : &r->count_before) += 1;
		*(is_after ? &r->size_after : &r->size_before) += node_size(m, node);
	}
}

void diff_build(const struct model *const *models, size_t n, struct diff *out)
{
	struct buf why = { 0 };
	size_t rows = 0;

	*out = (struct diff){ .before = models[0], .after = models[n - 1] };
	out->is_of_one = true;
	for (size_t i = 0; i + 1 < n; i++)
		out->is_of_one &= models_are_of_one(models[i], models[n - 1], &why);
	buf_release(&why);
	kinds_build(models, n, &out->kinds);
	out->rows = xcalloc(out->kinds.n + (size_t)1, sizeof(*out->rows));
	count_nodes(out, 0, false);
	count_nodes(out, n - 1, true);
	if (out->is_of_one)
		out->reused = fates_tell(models, n, count_fate, out);
	for (uint32_t kind = 0; kind < out->kinds.n; kind++) {
		if (out->rows[kind].count_before + out->rows[kind].count_after == 0)
			continue;
		out->rows[rows] = out->rows[kind];
		out->rows[rows++].kind = kind;
	}
	out->n = rows;
}

void diff_release(struct diff *d)
{
	kinds_release(&d->kinds);
	free(d->rows);
	*d = (struct diff){ 0 };
}

/* ---- object by object ---- */

struct object_list {
	struct diff_objects *out;
	unsigned states;
};

static void list_fate(void *context, const struct fate *f)
{
	struct object_list *l = context;
	struct diff_objects *out = l->out;

	if (!(l->states & 1u << f->state) || out->n == UINT32_MAX)
		return;
	if (out->n == out->cap) {
		out->cap = out->cap ? out->cap * 2 : 1024;
		out->rows = xrealloc(out->rows, out->cap, sizeof(*out->rows));
	}
	out->rows[out->n++] =
		(struct diff_object){ f->after == NO_NODE ? f->before : f->after,
				      f->state };
}

void diff_objects_build(const struct model *const *models, size_t n, unsigned states,
			struct diff_objects *out)
{
	struct object_list l = { out, states };

	*out = (struct diff_objects){ 0 };
	out->reused = fates_tell(models, n, list_fate, &l);
}

void diff_objects_release(struct diff_objects *d)
{
	free(d->rows);
	*d = (struct diff_objects){ 0 };
}

/* ---- by size ---- */

static struct diff_size *size_row(struct diff_sizes *d, struct str allocator,
				  uint64_t size)
{
	uint64_t hash = str_hash(allocator) ^ size * 0x9e3779b97f4a7c15;
	uint32_t row;

	for (; map_find(&d->by_size, hash, &row); hash++)
		if (d->rows[row].size == size &&
		    str_equal(d->rows[row].allocator, allocator))
			return &d->rows[row];
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 256;
		d->rows = xrealloc(d->rows, d->cap, sizeof(*d->rows));
	}
	map_set(&d->by_size, hash, (uint32_t)d->n);
	d->rows[d->n] = (struct diff_size){ .allocator = allocator, .size = size };
	return &d->rows[d->n++];
}

static void count_sizes(struct diff_sizes *d, const struct model *m, bool is_after)
{
	for (size_t b = 0; b < m->blocks.n; b++) {
		struct diff_size *r;

		if (m->blocks.state[b] != BLOCK_USED ||
		    m->blocks.owner[b] == BLOCK_IS_POOL)
			continue;
		r = size_row(d, str_of(""), block_footprint(m, b));
		*(is_after ? &r->count_after : &r->count_before) += 1;
	}
	for (size_t s = 0; s < m->slabs.n; s++) {
		uint64_t used = model_slab_used(m, s);
		struct diff_size *r;

		if (used == 0)
			continue;
		r = size_row(d, model_text(m, m->pools.allocator[m->slabs.pool[s]]),
			     m->slabs.block_size[s]);
		*(is_after ? &r->count_after : &r->count_before) += used;
	}
}

void diff_sizes_build(const struct model *before, const struct model *after,
		      struct diff_sizes *out)
{
	*out = (struct diff_sizes){ 0 };
	count_sizes(out, before, false);
	count_sizes(out, after, true);
}

void diff_sizes_release(struct diff_sizes *d)
{
	free(d->rows);
	map_release(&d->by_size);
	*d = (struct diff_sizes){ 0 };
}
