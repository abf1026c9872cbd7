/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/analysis.h"

#include <stdlib.h>

struct child {
	uint64_t retained;
	taddr addr;
	uint32_t node;
};

static int child_compare(const void *a, const void *b)
{
	const struct child *x = a, *y = b;

	if (x->retained != y->retained)
		return x->retained < y->retained ? 1 : -1;
	return (x->addr > y->addr) - (x->addr < y->addr);
}

static uint64_t largest_family(const struct dominator_tree *t, size_t all)
{
	uint64_t most = 0;

	for (size_t i = 0; i < all; i++)
		most = max_u64(most, t->first[i + 1] - t->first[i]);
	return most;
}

static void sort_children(const struct model *m, struct dominator_tree *t, size_t all)
{
	struct child *c = xcalloc(largest_family(t, all), sizeof(*c));

	for (size_t i = 0; i < all; i++) {
		uint32_t *children = t->children + t->first[i];
		size_t n = t->first[i + 1] - t->first[i];

		if (n < 2)
			continue;
		for (size_t k = 0; k < n; k++)
			c[k] = (struct child){ m->dominators.retained[children[k]],
					       node_addr(m, children[k]), children[k] };
		qsort(c, n, sizeof(*c), child_compare);
		for (size_t k = 0; k < n; k++)
			children[k] = c[k].node;
	}
	free(c);
}

void dominator_tree_build(const struct model *m, struct dominator_tree *out)
{
	uint32_t nodes = m->dominators.n ? node_count(m) : 0;
	size_t all = (size_t)node_count(m) + m->groups.n;

	out->first = xcalloc(all + 2, sizeof(*out->first));
	/* Counted one place further up, so that filling them in moves each to its own. */
	for (uint32_t node = 0; node < nodes; node++)
		if (node_is_there(m, node))
			out->first[m->dominators.parent[node] + (size_t)2]++;
	for (size_t i = 2; i < all + 2; i++)
		out->first[i] += out->first[i - 1];
	out->children = xcalloc(out->first[all + 1], sizeof(*out->children));
	for (uint32_t node = 0; node < nodes; node++)
		if (node_is_there(m, node))
			out->children[out->first[m->dominators.parent[node] +
						 (size_t)1]++] = node;
	sort_children(m, out, all);
}

void dominator_tree_release(struct dominator_tree *t)
{
	free(t->first);
	free(t->children);
	*t = (struct dominator_tree){ 0 };
}
