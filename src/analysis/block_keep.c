/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/analysis_int.h"

#include <stdlib.h>

struct keeping {
	const struct model *m, *other;
	uint64_t *nodes; /* of m: those that `other` has, too */
};

/* The block that begins there, malloc's or of a slab. False: none does. */
static bool block_starts_at(const struct model *m, taddr at, struct block_view *out)
{
	size_t block = model_block_at(m, at), slab;
	uint32_t i;

	if (model_slab_block_at(m, at, &slab, &i))
		slab_block_view(m, slab, i, out);
	else if (block < m->blocks.n && m->blocks.owner[block] != BLOCK_IS_POOL)
		block_view(m, (uint32_t)block, out);
	else
		return false;
	return out->addr == at;
}

static bool is_malloc(const struct model *m, const struct block_view *v)
{
	return v->block < m->blocks.n;
}

/* Both are in use. What nobody owns is a node itself if it is malloc's, else raw memory. */
static bool same_use(const struct keeping *k, const struct block_view *here,
		     const struct block_view *there)
{
	if (here->owner != NO_NODE)
		return bit_is_set(k->nodes, here->owner) && there->owner != NO_NODE;
	if (is_malloc(k->m, here))
		return bit_is_set(k->nodes, node_of_block(k->m, here->block));
	return there->owner == NO_NODE;
}

static bool block_is_there(const struct keeping *k, uint32_t row)
{
	struct block_view here, there;

	block_view(k->m, row, &here);
	return block_starts_at(k->other, here.addr, &there) && there.size == here.size &&
	       is_malloc(k->m, &here) == is_malloc(k->other, &there) &&
	       here.is_used == there.is_used &&
	       (!here.is_used || same_use(k, &here, &there));
}

void block_pick_keep(const struct model *m, const struct model *other, bool is_there,
		     struct block_pick *p)
{
	struct keeping k = { m, other, nodes_also_in(m, other) };
	uint32_t *rows = p->rows ? p->rows : xcalloc(p->n + 1, sizeof(*rows));
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		uint32_t row = p->rows ? p->rows[i] : (uint32_t)i;

		if (block_is_there(&k, row) == is_there)
			rows[n++] = row;
	}
	*p = (struct block_pick){ rows, n };
	free(k.nodes);
}
