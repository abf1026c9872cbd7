/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds a node, by the way up among its dominators: those on the way take over what was
 * found, so each node is passed once, however many are asked about.
 */
#include "analysis/analysis.h"

/* Of holder_search.holder: 0 not known yet, else a dominator + FOUND. */
enum { ON_THE_WAY = 1, FOUND };

/* Is it a name to look for, and not a word of memory that has none? */
static bool root_is_name(const struct model *m, uint32_t root)
{
	unsigned kind = m->roots.kind[root];

	return kind == ROOT_MODULE ||
	       (m->roots.name[root] != 0 && kind != ROOT_STACK && kind != ROOT_REGISTER);
}

/* What has a name goes before what has none, then what is certain before what is possible,
 * then what can be looked for in a program before what only a moment has: a stack may hold
 * what is long forgotten. */
static unsigned root_rank(const struct model *m, uint32_t root)
{
	static const uint8_t ranks[] = {
		[ROOT_MODULE] = 9, [ROOT_NAME] = 8,  [ROOT_GLOBAL] = 7,
		[ROOT_FIELD] = 6,  [ROOT_LOCAL] = 5, [ROOT_FRAME] = 4,
		[ROOT_TLS] = 3,    [ROOT_STACK] = 2, [ROOT_REGISTER] = 1,
	};
	unsigned kind = m->roots.kind[root];

	return (root_is_name(m, root) ? 32u : 0u) + (m->roots.certain[root] ? 16u : 0u) +
	       (kind < countof(ranks) ? ranks[kind] : 0u);
}

void holder_search_init(struct holder_search *s, const struct model *m)
{
	size_t nodes = node_count(m) + (size_t)1;

	*s = (struct holder_search){ .m = m };
	if (m->dominators.n == 0)
		return;
	s->root = xmap_many(nodes, sizeof(*s->root));
	s->holder = xmap_many(nodes, sizeof(*s->holder));
	for (uint32_t root = 0; root < m->roots.n; root++) {
		uint32_t *best = &s->root[m->roots.node[root]];

		if (*best == 0 || root_rank(m, root) > root_rank(m, *best - 1))
			*best = root + 1;
	}
}

void holder_search_release(struct holder_search *s)
{
	size_t bytes = (node_count(s->m) + (size_t)1) * sizeof(uint32_t);

	if (!s->root)
		return;
	xunmap(s->root, bytes);
	xunmap(s->holder, bytes);
}

uint32_t root_of_node(const struct holder_search *s, uint32_t node)
{
	return s->root && s->root[node] ? s->root[node] - 1 : NO_NODE;
}

uint32_t name_of_holder(const struct holder_search *s, uint32_t holder)
{
	uint32_t root;

	if (dominator_is_group(s->m, holder))
		return NO_NODE;
	root = root_of_node(s, holder);
	return root != NO_NODE && root_is_name(s->m, root) ? root : NO_NODE;
}

/* The holder of a node, if its dominator or its name decides it. */
static bool holder_is_told(const struct holder_search *s, uint32_t node, uint32_t *holder)
{
	uint32_t parent = s->m->dominators.parent[node];

	*holder = node;
	if (name_of_holder(s, node) != NO_NODE)
		return true;
	if (!dominator_is_group(s->m, parent))
		return false;
	if (parent != node_count(s->m) + ROOTS_ALL)
		*holder = parent;
	return true;
}

/* Up from the node to one whose holder is known; those on the way are marked. */
static uint32_t seek(const struct holder_search *s, uint32_t node)
{
	uint32_t holder;

	while (s->holder[node] == 0) {
		s->holder[node] = ON_THE_WAY;
		if (holder_is_told(s, node, &holder))
			return holder;
		node = s->m->dominators.parent[node];
	}
	if (s->holder[node] == ON_THE_WAY)
		return node_count(s->m) + ROOTS_ALL; /* a file's dominators are a ring */
	return s->holder[node] - FOUND;
}

uint32_t holder_find(const struct holder_search *s, uint32_t node)
{
	uint32_t holder;

	if (!s->holder || !node_is_there(s->m, node))
		return NO_NODE;
	holder = seek(s, node);
	for (uint32_t at = node;
	     !dominator_is_group(s->m, at) && s->holder[at] == ON_THE_WAY;
	     at = s->m->dominators.parent[at])
		s->holder[at] = holder + FOUND;
	return holder;
}
