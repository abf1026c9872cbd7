/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which node does an address lie in? For every word of a heap: 10 ns where the answer is a
 * block that nobody claims.
 *
 * A search over the sorted addresses would touch memory all over, and so would a look at
 * the block found. Instead every range of memory that malloc cuts up gets a table with a
 * slot for each KiB: where in it blocks start, bit by bit (malloc's grain is 16 bytes),
 * which of them are nodes, and how many start before. One slot, and so one cache line,
 * answers nearly all questions; the tables are about 2.4 % of the heap.
 *
 * A block ends 8 bytes into its last grain, where the next chunk's size stands. So only an
 * address in the second half of a grain, or in a KiB where no block starts below it, or in
 * a range with gaps between its blocks, has to be compared with the block itself; and so
 * have blocks that are no nodes: they may belong to an object, or be a pool of objects.
 */
#ifndef COLLECT_NODE_INDEX_INT_H
#define COLLECT_NODE_INDEX_INT_H

#include "collect/collect_int.h"

enum {
	INDEX_GRAIN = 16,
	INDEX_SLOT_BYTES = 64 * INDEX_GRAIN,
};

struct index_slot {
	uint64_t starts, nodes; /* a bit for each grain */
	uint32_t before;        /* blocks of the range that start before this slot */
};

/* Spans that touch, or one large mapping. */
struct index_range {
	taddr start, end;
	size_t first, n; /* its blocks */
	bool has_gaps;
	struct index_slot *slots; /* NULL: one block at most */
};

struct node_index {
	const struct model *m;
	bool has_owners;            /* else a used block is a node */
	struct index_range *ranges; /* by address */
	size_t n;
	/* Pools: the pages of one come behind those of the pool before it. */
	uint32_t *slab_of_page; /* the first slab that ends behind the page's start */
	size_t *first_page;     /* by pool */
	uint32_t *first_object; /* by slab: how many objects lie below it */
};

/* Where a word leads: node NO_NODE is nowhere. */
struct index_hit {
	uint32_t node;
	uint32_t label; /* LABEL_POSSIBLE: it is the node's address; or LABEL_INTERIOR */
};

/* After m's blocks, objects, parts, pools and slabs are built. */
void node_index_build(struct node_index *x, const struct heap_span *spans, size_t nspans,
		      const struct model *m);
void node_index_release(struct node_index *x);

/* The range that holds `at`, or NULL. */
const struct index_range *node_index_range(const struct node_index *x, taddr at);
/* Any address. */
struct index_hit node_index_find(const struct node_index *x, taddr at);
/* As node_index_find, of an address that can only lie in this block. */
struct index_hit node_index_in_block(const struct node_index *x, size_t block, taddr at);

static inline struct index_hit index_nowhere(void)
{
	return (struct index_hit){ NO_NODE, LABEL_POSSIBLE };
}

/* `at` lies in r. */
static inline struct index_hit node_index_in_range(const struct node_index *x,
						   const struct index_range *r, taddr at)
{
	uint64_t grain = (at - r->start) / INDEX_GRAIN, up_to;
	const struct index_slot *slot;
	size_t block;

	if (!r->slots)
		return r->n ? node_index_in_block(x, r->first, at) : index_nowhere();
	slot = &r->slots[grain / 64];
	up_to = slot->starts << (63 - grain % 64);
	block = r->first + slot->before + (size_t)__builtin_popcountll(up_to);
	if (block == r->first)
		return index_nowhere(); /* before the first */
	block--;
	/* The last start at or below `at` has as many zeroes above it as up_to leads with. */
	if (up_to == 0 || at % INDEX_GRAIN >= INDEX_GRAIN / 2 || r->has_gaps)
		return node_index_in_block(x, block, at);
	if (!(slot->nodes >> (grain % 64 - (uint64_t)__builtin_clzll(up_to)) & 1))
		return x->has_owners ? node_index_in_block(x, block, at)
				     : index_nowhere();
	return (struct index_hit){ node_of_block(x->m, block),
				   at % INDEX_GRAIN == 0 && up_to >> 63
					   ? LABEL_POSSIBLE
					   : LABEL_INTERIOR };
}

#endif
