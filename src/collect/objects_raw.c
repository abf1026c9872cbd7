/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of slabs that are in use and nobody's: neither objects nor parts of any. C code got
 * them from PyMem_Malloc. They are no nodes, so what they refer to must be held otherwise.
 */
#include "collect/objects_int.h"

#include <stdlib.h>

static void mark(const struct slab_table *t, taddr at, uint64_t *claimed)
{
	struct slab_block b;

	if (slab_table_find(t, at, &b))
		claimed[b.number / 64] |= (uint64_t)1 << (b.number % 64);
}

/* A bit for each block that a part or an object met by reference lies in. */
static uint64_t *find_claimed(const struct object_walk *w)
{
	const struct slab_table *t = &w->slabs;
	uint64_t *claimed = xcalloc(t->nwords + 1, sizeof(*claimed));

	for (unsigned k = 0; k < w->nkeepers; k++)
		for (size_t i = 0; i < w->keepers[k].nparts; i++)
			mark(t, w->keepers[k].parts[i].at, claimed);
	for (uint32_t i = 0; i < w->outside.n; i++)
		mark(t, w->outside.addrs[i], claimed);
	return claimed;
}

/* Blocks of a slab by their bits, of which the first is block `first`. */
static void each_of_word(const struct walk_slab *s, uint32_t first, uint64_t bits,
			 objects_raw_fn *fn, void *context)
{
	for (; bits; bits &= bits - 1) {
		uint64_t block = first + (uint32_t)__builtin_ctzll(bits);

		fn(context, s->start + block * s->block_size, s->block_size);
	}
}

void objects_each_raw(const struct object_walk *w, objects_raw_fn *fn, void *context)
{
	const struct slab_table *t = &w->slabs;
	uint64_t *claimed = find_claimed(w);

	for (size_t i = 0; i < t->nslabs; i++) {
		const struct walk_slab *s = &t->slabs[i];

		for (uint32_t first = 0; first < s->n; first += 64) {
			size_t word = s->first_word + first / 64;
			uint64_t left = t->words[word].used & ~t->words[word].object &
					~claimed[word];

			each_of_word(s, first, left, fn, context);
		}
	}
	free(claimed);
}
