/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dominators after Lengauer and Tarjan ("A fast algorithm for finding dominators in a
 * flowgraph", 1979), with simple path compression: n log n at worst, near-linear in fact.
 *
 * Semi-NCA is as fast on most graphs and shorter, but takes a step for every level that an
 * immediate dominator lies above the parent: a list of a million elements, each of which
 * something else holds, too, takes it 10^12 / 2 of them. That is an everyday heap.
 *
 * Vertices are treated from the last to the first. Those above the present one form a
 * forest (`parent`, shortened as it is used); `best` is the vertex of the least semi on the
 * way up to the root of its tree. A vertex whose dominator is not known yet waits in the
 * bucket of its semi; buckets are chained through `dominator`. What is wanted of a vertex
 * before it is treated and what comes of it share their places: the walk is bound by memory.
 */
#include "analysis/analysis_int.h"

#include <stdlib.h>

/* Hangs x, and all between, on the root of x's tree: trees below `first` have no parents.
 * On the way up parents are turned around, so that no stack is needed. */
static void compress(struct flow_vertex *v, uint32_t x, uint32_t first)
{
	uint32_t below = 0, up, next;

	while ((up = v[x].parent) >= first) {
		v[x].parent = below;
		below = x;
		x = up;
	}
	for (; below; x = below, below = next) {
		next = v[below].parent;
		if (v[x].best_semi < v[below].best_semi) {
			v[below].best = v[x].best;
			v[below].best_semi = v[x].best_semi;
		}
		v[below].parent = up;
	}
}

static const struct flow_vertex *eval(struct flow_vertex *v, uint32_t x, uint32_t first)
{
	if (v[x].parent >= first)
		compress(v, x, first);
	return &v[x];
}

/* All that lies between vertex i and those in its bucket is in the forest by now. */
static void empty_bucket(struct flow *f, uint32_t i)
{
	uint32_t next;

	for (uint32_t x = f->vertices[i].bucket; x; x = next) {
		const struct flow_vertex *v = eval(f->vertices, x, i + 1);

		next = f->dominator[x];
		f->dominator[x] = v->best_semi < i ? v->best : i;
	}
}

static void add_vertex(struct flow *f, uint32_t i)
{
	struct flow_vertex *v = &f->vertices[i];

	for (uint32_t b = f->back_to[i]; b; b = f->back[b - 1].next) {
		uint32_t semi = eval(f->vertices, f->back[b - 1].from, i + 1)->best_semi;

		if (semi < v->semi)
			v->semi = semi;
	}
	v->best = i;
	v->best_semi = v->semi;
	if (v->semi == v->parent) {
		f->dominator[i] = v->parent;
		return;
	}
	f->dominator[i] = f->vertices[v->semi].bucket;
	f->vertices[v->semi].bucket = i;
}

/* Asks for the memory that vertices soon to be treated will want: it lies anywhere. */
static void fetch_ahead(const struct flow *f, uint32_t i)
{
	enum { NEAR = 8, FAR = 16 };

	if (i <= FAR)
		return;
	if (f->back_to[i - FAR])
		__builtin_prefetch(&f->back[f->back_to[i - FAR] - 1]);
	if (f->back_to[i - NEAR])
		__builtin_prefetch(&f->vertices[f->back[f->back_to[i - NEAR] - 1].from]);
	if (f->vertices[i - NEAR].bucket) {
		__builtin_prefetch(&f->vertices[f->vertices[i - NEAR].bucket]);
		__builtin_prefetch(&f->dominator[f->vertices[i - NEAR].bucket]);
	}
}

/* Fills f->dominator with the immediate dominator of each vertex. */
static void find_dominators(struct flow *f)
{
	for (uint32_t i = f->n - 1; i > 0; i--) {
		fetch_ahead(f, i);
		empty_bucket(f, i);
		add_vertex(f, i);
	}
	empty_bucket(f, 0);
	for (uint32_t i = 1; i < f->n; i++)
		if (f->dominator[i] != f->vertices[i].semi)
			f->dominator[i] = f->dominator[f->dominator[i]];
}

/* ---- the columns ---- */

static void fill_parents(struct model *m, const struct flow *f)
{
	for (uint32_t i = 0; i < f->n; i++) {
		uint32_t node = f->id[i];

		if (dominator_is_group(m, node))
			continue;
		m->dominators.parent[node] = f->id[f->dominator[i]];
		m->dominators.flags[node] =
			(uint8_t)((f->certain[i] ? 0 : DOMINATOR_POSSIBLE) |
				  (i > f->unreached ? DOMINATOR_UNREACHED : 0));
	}
}

struct sums {
	uint64_t *retained, *footprint;
};

static struct sums sums_of(struct model *m, uint32_t id)
{
	size_t group = (size_t)id - node_count(m);

	if (dominator_is_group(m, id))
		return (struct sums){ &m->groups.retained[group],
				      &m->groups.retained_footprint[group] };
	return (struct sums){ &m->dominators.retained[id],
			      &m->dominators.retained_footprint[id] };
}

/* A dominator has a lower number than what it dominates. */
static void sum_up(struct model *m, const struct flow *f)
{
	enum { AHEAD = 16 };

	for (uint32_t i = f->n - 1; i > 0; i--) {
		struct sums from = sums_of(m, f->id[i]);
		struct sums to = sums_of(m, f->id[f->dominator[i]]);

		if (i > AHEAD) {
			struct sums soon = sums_of(m, f->id[f->dominator[i - AHEAD]]);

			__builtin_prefetch(soon.retained, 1);
			__builtin_prefetch(soon.footprint, 1);
		}
		if (i == f->unreached)
			continue; /* the top holds what is reached, not this */
		*to.retained += *from.retained;
		*to.footprint += *from.footprint;
	}
}

static void fill_sizes(struct model *m)
{
	uint32_t nodes = node_count(m);

	for (uint32_t node = 0; node < nodes; node++) {
		m->dominators.parent[node] = nodes + ROOTS_ALL;
		if (!node_is_there(m, node))
			continue;
		m->dominators.retained[node] = node_size(m, node);
		m->dominators.retained_footprint[node] = node_footprint(m, node);
	}
	for (size_t g = 0; g < m->groups.n; g++)
		m->groups.retained[g] = m->groups.retained_footprint[g] = 0;
}

bool dominators_are_wanted(struct model *m)
{
	if (m->dominators.n || !m->edge_first.n || m->groups.n <= ROOTS_UNREACHED)
		return false;
	if (node_count(m) + m->groups.n <= UINT32_MAX - 8 && m->edge_to.n < UINT32_MAX)
		return true;
	model_find_out(m, SEVERITY_WARNING, "dominators",
		       "too many references to find out who keeps what alive");
	return false;
}

void dominators_build(struct model *m)
{
	struct flow f;

	if (!dominators_are_wanted(m))
		return;
	flow_build(m, &f);
	find_dominators(&f);
	flow_forget_edges(&f);
	model_table_resize(m, &model_tables[TABLE_dominators], node_count(m));
	fill_sizes(m);
	fill_parents(m, &f);
	sum_up(m, &f);
	flow_release(&f);
}
