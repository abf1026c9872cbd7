/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edges turned around by counting. Each worker goes over all edges, which lie in a row, and
 * keeps those into its own range of nodes, which lie anywhere: so the result does not depend
 * on how many there are, and nothing is locked.
 */
#include "analysis/analysis.h"
#include "base/pool.h"

#include <stdlib.h>

struct turn {
	const struct model *m;
	struct referrers *r;
};

/* Counted two places further up: see place_edges. */
static void count_edges(void *context, size_t begin, size_t end, unsigned worker)
{
	const struct turn *t = context;
	const uint32_t *node = t->m->edge_to.node;

	(void)worker;
	for (size_t e = 0; e < t->m->edge_to.n; e++)
		if (node[e] - begin < end - begin)
			t->r->first[node[e] + (size_t)2]++;
}

/* first[n + 1] is where the next edge into n goes, and so ends where those of n end. */
static void place_edges(void *context, size_t begin, size_t end, unsigned worker)
{
	const struct turn *t = context;
	const uint64_t *at = t->m->edge_first.at;
	uint32_t nodes = node_count(t->m);

	(void)worker;
	for (uint32_t from = 0; from < nodes; from++)
		for (uint64_t e = at[from]; e < at[from + 1]; e++) {
			uint32_t to = t->m->edge_to.node[e];
			uint64_t row;

			if (to - begin >= end - begin)
				continue;
			row = t->r->first[to + (size_t)1]++;
			t->r->from[row] = from;
			t->r->edge[row] = e;
		}
}

void referrers_build(const struct model *m, struct referrers *out)
{
	size_t nodes = m->edge_first.n ? node_count(m) : 0;
	unsigned cores = pool_cores();
	size_t step = nodes / cores + 1;
	struct turn t = { m, out };

	*out = (struct referrers){ .nodes = (size_t)node_count(m) + 2 };
	out->first = xmap_many(out->nodes, sizeof(*out->first));
	pool_run(cores, nodes, step, count_edges, &t);
	for (size_t i = 2; i < nodes + 2; i++)
		out->first[i] += out->first[i - 1];
	out->edges = out->first[nodes + 1] + 1;
	out->from = xmap_many(out->edges, sizeof(*out->from));
	out->edge = xmap_many(out->edges, sizeof(*out->edge));
	pool_run(cores, nodes, step, place_edges, &t);
}

void referrers_release(struct referrers *r)
{
	xunmap(r->first, r->nodes * sizeof(*r->first));
	xunmap(r->from, r->edges * sizeof(*r->from));
	xunmap(r->edge, r->edges * sizeof(*r->edge));
	*r = (struct referrers){ 0 };
}

/* A reference of the graph that its target's count includes. */
static bool is_counted(const struct model *m, uint16_t label)
{
	return !label_is_weak(m, label) && m->labels.kind[label] != LABEL_INTERIOR;
}

uint64_t node_unexplained(const struct model *m, const struct referrers *r, uint32_t node)
{
	uint64_t known = 0, count;

	if (!node_is_object(m, node) || m->objects.refcount[node] == OBJECT_IMMORTAL)
		return 0;
	count = m->objects.refcount[node];
	for (uint64_t i = r->first[node]; i < r->first[node + 1]; i++)
		known += is_counted(m, m->edge_to.label[r->edge[i]]);
	for (size_t i = 0; i < m->roots.n; i++) /* dicts own what modules name */
		known += m->roots.node[i] == node && m->roots.kind[i] != ROOT_MODULE &&
			 m->roots.kind[i] != ROOT_NAME;
	return count > known ? count - known : 0;
}
