/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a collection comes to. Not its segments are the peak but what is made of them when
 * all is known: rows, edges, and then dominators over them. That is so much for a node and
 * so much for a word that may be a reference, measured with the least limit that suffices.
 *
 * What of memory has been looked through tells how much will be found in the rest. That is
 * said, but nothing is refused for it: heaps are not the same all over. Refused is what was
 * found already.
 */
#include "collect/collect_int.h"

#include "base/ending.h"

enum {
	NODE_BYTES = 34, /* its row; it takes the place of what it is copied from */
	NODE_GRAPH_BYTES = 72,
	WORD_BYTES = 6,
	WORD_GRAPH_BYTES = 12, /* its edge, and where that leads back */
	NODE_PREVIEW_BYTES = 16,
	WASTE_BYTES = 32,     /* a text's hash, and room to sort it */
	ENOUGH = 20,          /* this part of the work tells of all of it */
	OWN_BYTES = 16 << 20, /* windows, stacks of threads, symbols */
};

/* Of pools, per byte of them: small objects take more, large ones less. */
static const double POOL_BYTE = 1.2;

static uint64_t bytes_of(const struct need *n)
{
	uint64_t node = n->edges ? NODE_GRAPH_BYTES : NODE_BYTES;
	uint64_t word = n->edges ? WORD_GRAPH_BYTES : WORD_BYTES;

	if (n->previews)
		node += NODE_PREVIEW_BYTES;
	return n->nodes * node + n->words * word + n->bytes * 2 + n->wastes * WASTE_BYTES;
}

void need_stage(struct need *n, uint64_t total)
{
	n->before = bytes_of(n);
	n->done = 0;
	n->total = total;
}

void need_add(struct need *n, const struct found *f)
{
	uint64_t found, done, need = 0;

	n->nodes += f->nodes;
	n->words += f->words;
	n->bytes += f->bytes;
	n->wastes += f->wastes;
	done = atomic_fetch_add(&n->done, f->done) + f->done;
	found = bytes_of(n);
	if (done > 0 && done >= n->total / ENOUGH && found >= n->before)
		need = OWN_BYTES + n->before +
		       (uint64_t)((double)(found - n->before) * (double)n->total /
				  (double)done);
	ending_expect(found, need);
}

void need_guess(const struct need *n, uint64_t pool_bytes)
{
	uint64_t found = bytes_of(n);

	ending_expect(found,
		      OWN_BYTES + found + (uint64_t)((double)pool_bytes * POOL_BYTE));
}
