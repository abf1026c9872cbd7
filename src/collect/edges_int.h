/* SPDX-License-Identifier: Apache-2.0 */
/* What edges and roots share: which words count as references. */
#ifndef COLLECT_EDGES_INT_H
#define COLLECT_EDGES_INT_H

#include "collect/node_index_int.h"

struct references {
	struct node_index index;
	uint32_t *in_edges; /* by object: certain edges and roots; NULL: no objects */
	const struct possible_word *possible; /* by object; those of roots anywhere */
	size_t npossible;
	/* Of each worker: arrays with room for more; NULL: not wanted. */
	struct waste_list *vectors;
};

/* Three words in a row, the first of which is the node's address: are they an array's
 * bounds? Then what it has room for is told (vectors.c). */
void vector_see(struct waste_list *found, const struct model *m, uint32_t node,
		const uint64_t words[3]);

/* Does a word that leads here count? A node that was not found does not. */
static inline bool reference_counts(const struct references *refs, uint32_t node)
{
	const struct model *m = refs->index.m;

	if (!node_is_object(m, node))
		return node != NO_NODE;
	return refs->in_edges && m->objects.refcount[node] != OBJECT_IMMORTAL &&
	       m->objects.refcount[node] > refs->in_edges[node];
}

/* edges_build, of what a walk over objects told: all but refs->index is set. */
void references_build(struct references *refs, struct scan *s, struct root_scan *r,
		      const struct module_set *modules, struct model *m);
/* Words of the target's own memory become possible roots. */
void roots_build(struct root_scan *r, const struct references *refs,
		 const struct module_set *modules, struct model *m);
/* By group, name and address; the same said twice, and rows without a node, left out. */
void roots_sort(struct model *m);

#endif
