/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One depth-first walk that leaves behind what finding dominators needs, and no more.
 *
 *	top (0) --- group 2 --- nodes of its roots --- ...
 *	        \-- group 3 --- ...
 *	        \-- group 1 --- entries of what no root reached --- ...
 *
 * Each vertex remembers the edge to go on with, in the place that dominators use later, and
 * the way up is its parent: so the walk needs no stack, however deep a list is. Edges are
 * looked at once: one down (to a higher number) lowers its target's semi at once, one back
 * or across is kept in a list of its target, all others are done with.
 *
 * Entries of what no root reached are one node of each strongly connected part that has no
 * edge coming into it; a cycle then hangs below one of its nodes, with all it holds. They
 * are found as Kosaraju finds them: flood in order of nodes and note where each flood
 * began. A beginning that no later beginning reaches is such an entry.
 */
#include "analysis/analysis_int.h"

#include <stdlib.h>

/* What `number` says of a node that has none. */
enum { UNSEEN = UINT32_MAX, NOT_THERE = UINT32_MAX - 1, FLOODED = UINT32_MAX - 2 };

struct walk {
	const struct model *m;
	struct flow *f;
	const uint8_t *classes;
	uint32_t *number; /* of a node: its vertex */
	uint32_t nodes;
	uint32_t floor; /* edges to vertices below it count for nothing */
	uint32_t *todo; /* of nodes: a stack */
};

uint8_t *edge_classes_new(const struct model *m)
{
	uint8_t *classes = xcalloc(UINT16_MAX + 1, 1);

	memset(classes, EDGE_POSSIBLE, UINT16_MAX + 1);
	for (size_t i = 0; i < m->labels.n && i <= UINT16_MAX; i++)
		if (label_is_weak(m, (uint16_t)i))
			classes[i] = EDGE_WEAK;
		else if (label_is_certain(m, (uint16_t)i))
			classes[i] = EDGE_CERTAIN;
	return classes;
}

static uint32_t vertex_add(struct walk *w, uint32_t id, uint32_t parent, bool certain)
{
	struct flow *f = w->f;
	uint32_t i = f->n++;

	f->id[i] = id;
	f->vertices[i].parent = f->vertices[i].semi = parent;
	f->certain[i] = certain;
	return i;
}

static uint32_t node_add(struct walk *w, uint32_t node, uint32_t parent, bool certain)
{
	uint32_t i = vertex_add(w, node, parent, certain && w->f->certain[parent]);

	w->number[node] = i;
	w->f->vertices[i].edge = w->m->edge_first.at[node];
	return i;
}

/* An edge to a vertex that is numbered already. */
static void edge_add(struct walk *w, uint32_t from, uint32_t to)
{
	struct flow *f = w->f;

	if (to > from) {
		if (from < f->vertices[to].semi)
			f->vertices[to].semi = from;
		return;
	}
	if (to == from || to < w->floor)
		return;
	if (f->nback == f->capback) {
		f->capback = f->capback ? 2 * f->capback : 1024;
		f->back = xrealloc(f->back, f->capback, sizeof(*f->back));
	}
	f->back[f->nback] = (struct flow_back){ from, f->back_to[to] };
	f->back_to[to] = (uint32_t)++f->nback;
}

/* Follows the edges of a vertex until one leads to a new one: that, or `from` itself. */
static uint32_t step_down(struct walk *w, uint32_t from)
{
	const struct model_edge_to *e = &w->m->edge_to;
	struct flow_vertex *v = &w->f->vertices[from];
	uint64_t end = w->m->edge_first.at[w->f->id[from] + 1];

	for (uint64_t at = v->edge; at < end; at++) {
		uint32_t to = e->node[at], k;
		enum edge_class class = w->classes[e->label[at]];

		if (to >= w->nodes || class == EDGE_WEAK)
			continue;
		if (at + 1 < end && e->node[at + 1] < w->nodes) {
			__builtin_prefetch(&w->number[e->node[at + 1]]);
			__builtin_prefetch(&w->m->edge_first.at[e->node[at + 1]]);
		}
		k = w->number[to];
		if (k == UNSEEN || k == FLOODED) {
			v->edge = at + 1;
			return node_add(w, to, from, class == EDGE_CERTAIN);
		}
		if (k != NOT_THERE)
			edge_add(w, from, k);
	}
	return from;
}

/* Numbers all that is new below `node`, which `parent` (a group) holds. */
static void walk_from(struct walk *w, uint32_t node, uint32_t parent, bool certain)
{
	uint32_t i = w->number[node], next;

	if (i == NOT_THERE)
		return;
	if (i < w->f->n) {
		edge_add(w, parent, i);
		return;
	}
	i = node_add(w, node, parent, certain);
	while (i != parent) {
		next = step_down(w, i);
		i = next == i ? w->f->vertices[i].parent : next;
	}
}

/* ---- groups ---- */

/* The rows of m->roots group by group: those of g are order[first[g] .. first[g + 1]). */
static uint32_t *roots_by_group(const struct model *m, size_t *first)
{
	uint32_t *order = xcalloc(m->roots.n, sizeof(*order));

	for (size_t r = 0; r < m->roots.n; r++)
		if (m->roots.group[r] < m->groups.n)
			first[m->roots.group[r] + 1]++;
	for (size_t g = 0; g < m->groups.n; g++)
		first[g + 1] += first[g];
	for (size_t r = 0; r < m->roots.n; r++)
		if (m->roots.group[r] < m->groups.n)
			order[first[m->roots.group[r]]++] = (uint32_t)r;
	memmove(first + 1, first, m->groups.n * sizeof(*first));
	first[0] = 0;
	return order;
}

static void walk_group(struct walk *w, uint32_t group, const uint32_t *roots, size_t n)
{
	uint32_t parent = vertex_add(w, w->nodes + group, 0, true);

	for (size_t i = 0; i < n; i++)
		if (w->m->roots.node[roots[i]] < w->nodes)
			walk_from(w, w->m->roots.node[roots[i]], parent,
				  w->m->roots.certain[roots[i]]);
}

static void walk_groups(struct walk *w)
{
	size_t *first = xcalloc(w->m->groups.n + 2, sizeof(*first));
	uint32_t *order = roots_by_group(w->m, first);

	vertex_add(w, w->nodes + 0, 0, true);
	for (uint32_t g = ROOTS_UNREACHED + 1; g < w->m->groups.n; g++)
		if (first[g + 1] > first[g])
			walk_group(w, g, order + first[g], first[g + 1] - first[g]);
	free(order);
	free(first);
}

/* ---- what no root reaches ---- */

/* Marks all that is new below `node`. */
static void flood(struct walk *w, uint32_t node)
{
	size_t n = 0;

	w->number[node] = FLOODED;
	w->todo[n++] = node;
	while (n > 0) {
		uint32_t from = w->todo[--n];

		for (uint64_t at = w->m->edge_first.at[from];
		     at < w->m->edge_first.at[from + 1]; at++) {
			uint32_t to = w->m->edge_to.node[at];

			if (to >= w->nodes || w->number[to] != UNSEEN ||
			    w->classes[w->m->edge_to.label[at]] == EDGE_WEAK)
				continue;
			w->number[to] = FLOODED;
			w->todo[n++] = to;
		}
	}
}

static void walk_unreached(struct walk *w)
{
	struct flow *f = w->f;
	/* Beginnings are kept at the far end of the stack: no node is in both, but for the
	 * one that a flood just begins with, and there is room for more than the nodes. */
	size_t begin = f->most;

	f->unreached = w->floor = vertex_add(w, w->nodes + ROOTS_UNREACHED, 0, true);
	for (uint32_t node = 0; node < w->nodes; node++)
		if (w->number[node] == UNSEEN) {
			w->todo[--begin] = node;
			flood(w, node);
		}
	for (; begin < f->most; begin++) {
		uint32_t node = w->todo[begin];

		if (w->number[node] == FLOODED)
			walk_from(w, node, f->unreached, true);
	}
}

/* ---- what certain edges reach ---- */

/* Certain edges from one side of what roots reach do not count on the other. */
static bool is_newly_certain(const struct walk *w, uint32_t from, uint64_t edge)
{
	const struct flow *f = w->f;
	uint32_t to = w->m->edge_to.node[edge], k;

	if (w->classes[w->m->edge_to.label[edge]] != EDGE_CERTAIN || to >= w->nodes)
		return false;
	k = w->number[to];
	return k < f->n && !f->certain[k] &&
	       (k >= f->unreached) == (w->number[from] >= f->unreached);
}

/* Goes on from n nodes on the stack. */
static void spread_certain(struct walk *w, size_t n)
{
	while (n > 0) {
		uint32_t from = w->todo[--n];

		for (uint64_t at = w->m->edge_first.at[from];
		     at < w->m->edge_first.at[from + 1]; at++)
			if (is_newly_certain(w, from, at)) {
				uint32_t to = w->m->edge_to.node[at];

				w->f->certain[w->number[to]] = true;
				w->todo[n++] = to;
			}
	}
}

/* The walk marked what it reached by certain edges alone; others may lead there, too. */
static void complete_certain(struct walk *w)
{
	const struct model *m = w->m;
	struct flow *f = w->f;

	if (!memchr(f->certain, false, f->n))
		return;
	for (size_t r = 0; r < m->roots.n; r++) {
		uint32_t node = m->roots.node[r];

		if (m->roots.certain[r] && m->roots.group[r] > ROOTS_UNREACHED &&
		    node < w->nodes && w->number[node] < f->unreached)
			f->certain[w->number[node]] = true;
	}
	for (uint32_t node = 0; node < w->nodes; node++)
		if (w->number[node] < f->n && f->certain[w->number[node]]) {
			w->todo[0] = node;
			spread_certain(w, 1);
		}
}

void flow_build(const struct model *m, struct flow *out)
{
	uint8_t *classes = edge_classes_new(m);
	uint32_t nodes = node_count(m);
	size_t most = (size_t)nodes + m->groups.n;
	struct walk w = {
		.m = m,
		.f = out,
		.classes = classes,
		.nodes = nodes,
		.number = xmap_many(most, sizeof(*w.number)),
		.todo = xmap_many(most, sizeof(*w.todo)),
	};

	*out = (struct flow){ .most = most };
	out->id = xmap_many(most, sizeof(*out->id));
	out->vertices = xmap_many(most, sizeof(*out->vertices));
	out->back_to = xmap_many(most, sizeof(*out->back_to));
	out->certain = xmap_many(most, sizeof(*out->certain));
	for (uint32_t node = 0; node < nodes; node++)
		w.number[node] = node_is_there(m, node) ? UNSEEN : NOT_THERE;
	walk_groups(&w);
	walk_unreached(&w);
	complete_certain(&w);
	for (uint32_t i = 0; i < out->n; i++)
		out->vertices[i].edge = 0; /* no bucket has anything in it */
	xunmap(w.number, most * sizeof(*w.number));
	xunmap(w.todo, most * sizeof(*w.todo));
	free(classes);
}

void flow_forget_edges(struct flow *f)
{
	if (f->vertices)
		xunmap(f->vertices, f->most * sizeof(*f->vertices));
	free(f->back);
	f->vertices = NULL;
	f->back = NULL;
}

void flow_release(struct flow *f)
{
	flow_forget_edges(f);
	xunmap(f->id, f->most * sizeof(*f->id));
	xunmap(f->back_to, f->most * sizeof(*f->back_to));
	xunmap(f->certain, f->most * sizeof(*f->certain));
	*f = (struct flow){ 0 };
}
