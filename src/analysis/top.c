/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes by type. What a type retains is the sum over those of its nodes that no other node
 * of the type dominates, so the dominator tree is walked with a count, per type, of the
 * nodes of it that one is inside of. The tree is two links a node, and the way up is the
 * column of dominators: no stack.
 */
#include "analysis/analysis.h"

#include <stdlib.h>

enum { NONE = UINT32_MAX };

struct links {
	uint32_t *child, *next; /* of nodes and groups; of nodes */
};

struct walk {
	const struct model *m;
	struct top_row *rows; /* by type */
	uint32_t *inside;     /* by type: how many of its nodes hold the present one */
	const uint64_t *only; /* nodes that count; NULL: all do */
	struct links links;
};

static void links_build(const struct model *m, struct links *l)
{
	uint32_t nodes = node_count(m);
	size_t all = (size_t)nodes + m->groups.n;

	l->child = xmap_many(all, sizeof(*l->child));
	l->next = xmap_many(nodes, sizeof(*l->next));
	memset(l->child, 0xff, all * sizeof(*l->child));
	for (uint32_t node = nodes; node-- > 0;) {
		uint32_t parent = m->dominators.parent[node];

		if (!node_is_there(m, node))
			continue;
		l->next[node] = l->child[parent];
		l->child[parent] = node;
	}
}

static void links_release(const struct model *m, struct links *l)
{
	uint32_t nodes = node_count(m);

	xunmap(l->child, ((size_t)nodes + m->groups.n) * sizeof(*l->child));
	xunmap(l->next, nodes * sizeof(*l->next));
}

static bool counts(const uint64_t *only, uint32_t node)
{
	return !only || bit_is_set(only, node);
}

static void enter(struct walk *w, uint32_t node)
{
	uint32_t type = node_type(w->m, node);

	if (!counts(w->only, node) || type >= w->m->types.n || w->inside[type]++ > 0)
		return;
	w->rows[type].retained += w->m->dominators.retained[node];
	w->rows[type].retained_footprint += w->m->dominators.retained_footprint[node];
}

static void leave(struct walk *w, uint32_t node)
{
	uint32_t type = node_type(w->m, node);

	if (counts(w->only, node) && type < w->m->types.n)
		w->inside[type]--;
}

/* A node is met once at most, whatever a file says its dominators are. */
static void walk_group(struct walk *w, uint32_t group)
{
	uint32_t at = w->links.child[group];

	while (at != NONE) {
		enter(w, at);
		if (w->links.child[at] != NONE) {
			at = w->links.child[at];
			continue;
		}
		leave(w, at);
		while (w->links.next[at] == NONE) {
			at = w->m->dominators.parent[at];
			if (at == group)
				return;
			leave(w, at);
		}
		at = w->links.next[at];
	}
}

static void add_retained(const struct model *m, const uint64_t *only,
			 struct top_row *rows)
{
	struct walk w = { .m = m, .rows = rows, .only = only };

	w.inside = xcalloc(m->types.n, sizeof(*w.inside));
	links_build(m, &w.links);
	for (size_t g = 0; g < m->groups.n; g++)
		walk_group(&w, (uint32_t)(node_count(m) + g));
	links_release(m, &w.links);
	free(w.inside);
}

static void add_nodes(const struct model *m, const uint64_t *only, struct top_row *rows)
{
	uint32_t nodes = node_count(m);

	for (uint32_t node = 0; node < nodes; node++) {
		uint32_t type = node_type(m, node);

		if (!node_is_there(m, node) || type >= m->types.n || !counts(only, node))
			continue;
		rows[type].count++;
		rows[type].size += node_size(m, node);
		rows[type].footprint += node_footprint(m, node);
	}
}

/* Of all types: those that there are none of are left out. */
static void keep_some(struct top_row *rows, const struct model *m, struct top *out)
{
	size_t n = 0;

	for (size_t t = 0; t < m->types.n; t++) {
		if (rows[t].count == 0)
			continue;
		rows[n] = rows[t];
		rows[n++].type = (uint32_t)t;
	}
	*out = (struct top){ rows, n };
}

void top_build_sizes(const struct model *m, struct top *out)
{
	struct top_row *rows = xcalloc(m->types.n, sizeof(*rows));

	add_nodes(m, NULL, rows);
	keep_some(rows, m, out);
}

void top_build_of(const struct model *m, const uint64_t *nodes, struct top *out)
{
	struct top_row *rows = xcalloc(m->types.n, sizeof(*rows));

	add_nodes(m, nodes, rows);
	if (m->dominators.n > 0)
		add_retained(m, nodes, rows);
	keep_some(rows, m, out);
}

void top_build(const struct model *m, struct top *out)
{
	top_build_of(m, NULL, out);
}

void top_release(struct top *t)
{
	free(t->rows);
	*t = (struct top){ 0 };
}
