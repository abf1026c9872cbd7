/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/analysis_int.h"

#include "base/search.h"
#include <stdlib.h>

static bool is_chosen(enum block_choice choice, unsigned state)
{
	switch (choice) {
	case BLOCKS_USED:
		return state == BLOCK_USED;
	case BLOCKS_FREE: /* a fencepost is neither used nor to be had */
		return state != BLOCK_USED && state != BLOCK_FENCE;
	case BLOCKS_ALL:
		break;
	}
	return true;
}

static bool block_is_chosen(const struct model *m, enum block_choice choice, size_t b)
{
	return is_chosen(choice, m->blocks.state[b]) &&
	       !(m->blocks.state[b] == BLOCK_USED && m->blocks.owner[b] == BLOCK_IS_POOL);
}

struct picking {
	const struct model *m;
	enum block_choice choice;
	struct block_pick *out; /* rows NULL: only counted */
};

static void pick(struct picking *p, uint32_t row)
{
	if (p->out->rows)
		p->out->rows[p->out->n] = row;
	p->out->n++;
}

static void pick_slab(struct picking *p, size_t slab)
{
	const struct model *m = p->m;
	uint32_t row;

	for (uint32_t i = 0; i < m->slabs.count[slab]; i++)
		if (is_chosen(p->choice,
			      slab_block_is_used(m, slab, i) ? BLOCK_USED : BLOCK_BIN) &&
		    slab_block_row(m, slab, i, &row))
			pick(p, row);
}

/* Both by address. */
static void pick_all(struct picking *p)
{
	const struct model *m = p->m;
	size_t slab = 0;

	p->out->n = 0;
	for (size_t b = 0; b < m->blocks.n; b++) {
		while (slab < m->slabs.n && m->slabs.start[slab] < m->blocks.addr[b])
			pick_slab(p, slab++);
		if (block_is_chosen(m, p->choice, b))
			pick(p, (uint32_t)b);
	}
	while (slab < m->slabs.n)
		pick_slab(p, slab++);
}

void block_pick_build(const struct model *m, enum block_choice choice,
		      struct block_pick *out)
{
	struct picking p = { m, choice, out };

	*out = (struct block_pick){ 0 };
	pick_all(&p);
	if (choice == BLOCKS_ALL && m->slabs.n == 0 && out->n == m->blocks.n)
		return;
	out->rows = xcalloc(out->n, sizeof(*out->rows));
	pick_all(&p);
}

void block_pick_release(struct block_pick *p)
{
	free(p->rows);
	*p = (struct block_pick){ 0 };
}

/* The last slab whose bits begin at or before word `word`. */
static size_t slab_of_word(const struct model *m, uint64_t word)
{
	size_t low = search_words(m->slabs.bits, m->slabs.n, word);

	return low ? low - 1 : 0;
}

bool slab_block_row(const struct model *m, size_t slab, uint32_t i, uint32_t *row)
{
	uint64_t wide = m->blocks.n + m->slabs.bits[slab] * 64 + i;

	*row = (uint32_t)wide;
	return wide < UINT32_MAX;
}

void slab_block_view(const struct model *m, size_t slab, uint32_t i,
		     struct block_view *out)
{
	size_t part;

	*out = (struct block_view){
		.addr = m->slabs.start[slab] + (uint64_t)i * m->slabs.block_size[slab],
		.size = m->slabs.block_size[slab],
		.footprint = m->slabs.block_size[slab],
		.is_used = slab_block_is_used(m, slab, i),
		.block = m->blocks.n,
		.pool = model_text(m, m->pools.allocator[m->slabs.pool[slab]]),
		.owner = NO_NODE,
	};
	if (out->is_used)
		out->owner = model_node_at(m, out->addr, &part);
}

static void view_of_bit(const struct model *m, uint64_t bit, struct block_view *out)
{
	size_t slab = slab_of_word(m, bit / 64);
	uint64_t i = bit - m->slabs.bits[slab] * 64;

	assert(slab < m->slabs.n && i < m->slabs.count[slab]);
	slab_block_view(m, slab, (uint32_t)i, out);
}

void block_view(const struct model *m, uint32_t row, struct block_view *out)
{
	if (row >= m->blocks.n) {
		view_of_bit(m, row - m->blocks.n, out);
		return;
	}
	*out = (struct block_view){
		.addr = m->blocks.addr[row],
		.size = m->blocks.size[row],
		.footprint = block_footprint(m, row),
		.is_used = m->blocks.state[row] == BLOCK_USED,
		.block = row,
		.owner = NO_NODE,
	};
	if (m->blocks.owner[row] != 0 && m->blocks.owner[row] != BLOCK_IS_POOL)
		out->owner = m->blocks.owner[row] - 1;
}
