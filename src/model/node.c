/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes by number and by address. Objects and parts are in order of address and lie inside
 * blocks (of a slab, or malloc's), so an address is first brought to its block and then
 * compared with the objects and parts that begin there.
 */
#include "base/search.h"
#include "model/model.h"

taddr node_addr(const struct model *m, uint32_t node)
{
	return node_is_object(m, node) ? m->objects.addr[node]
				       : m->blocks.addr[node - m->objects.n];
}

/* The row of `large` that tells an object's sizes. */
static size_t large_row(const struct model *m, uint32_t object)
{
	size_t low = 0, high = m->large.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->large.object[middle] < object)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->large.n && m->large.object[low] == object ? low : m->large.n;
}

uint64_t node_size(const struct model *m, uint32_t node)
{
	size_t row;

	if (!node_is_object(m, node))
		return m->blocks.size[node - m->objects.n];
	if (m->objects.size[node] != OBJECT_LARGE)
		return m->objects.size[node];
	row = large_row(m, node);
	return row < m->large.n ? m->large.size[row] : OBJECT_LARGE;
}

uint64_t node_footprint(const struct model *m, uint32_t node)
{
	size_t row;

	if (!node_is_object(m, node))
		return block_footprint(m, node - m->objects.n);
	if (m->objects.footprint[node] != OBJECT_LARGE)
		return m->objects.footprint[node];
	row = large_row(m, node);
	return row < m->large.n ? m->large.footprint[row] : OBJECT_LARGE;
}

bool model_slab_block_at(const struct model *m, taddr at, size_t *slab, uint32_t *block)
{
	size_t s = search_words(m->slabs.start, m->slabs.n, at);

	if (s == 0)
		return false;
	s--;
	if (m->slabs.block_size[s] == 0 ||
	    (at - m->slabs.start[s]) / m->slabs.block_size[s] >= m->slabs.count[s])
		return false;
	*slab = s;
	*block = (uint32_t)((at - m->slabs.start[s]) / m->slabs.block_size[s]);
	return true;
}

uint64_t model_slab_used(const struct model *m, size_t slab)
{
	uint64_t used = 0;

	for (uint64_t i = 0; i < m->slabs.count[slab]; i += 64) {
		uint64_t left = m->slabs.count[slab] - i;
		uint64_t bits = m->slab_bits.used[m->slabs.bits[slab] + i / 64];

		if (left < 64)
			bits &= ((uint64_t)1 << left) - 1;
		used += (uint64_t)__builtin_popcountll(bits);
	}
	return used;
}

/* The object or part that lies in the slab block or malloc block [start, end). */
static uint32_t owner_between(const struct model *m, taddr start, taddr end, size_t *part)
{
	size_t o = search_words(m->objects.addr, m->objects.n, end - 1);
	size_t p = search_words(m->parts.addr, m->parts.n, end - 1);

	*part = m->parts.n;
	if (o > 0 && m->objects.addr[o - 1] >= start)
		return (uint32_t)(o - 1);
	if (p == 0 || m->parts.addr[p - 1] < start)
		return NO_NODE;
	*part = p - 1;
	return m->parts.owner[p - 1];
}

/* An object outside all blocks: it lies in a program's own data. A part can, too. */
static uint32_t owner_outside(const struct model *m, taddr at, size_t *part)
{
	size_t o = search_words(m->objects.addr, m->objects.n, at);
	size_t p = search_words(m->parts.addr, m->parts.n, at);

	*part = m->parts.n;
	if (p > 0 && at - m->parts.addr[p - 1] < m->parts.size[p - 1]) {
		*part = p - 1;
		return m->parts.owner[p - 1];
	}
	if (o > 0 && at - m->objects.addr[o - 1] < node_size(m, (uint32_t)(o - 1)))
		return (uint32_t)(o - 1);
	return NO_NODE;
}

uint32_t model_node_at(const struct model *m, taddr at, size_t *part)
{
	size_t slab, block = model_block_at(m, at);
	uint32_t i;

	*part = m->parts.n;
	if (model_slab_block_at(m, at, &slab, &i)) {
		taddr start =
			m->slabs.start[slab] + (uint64_t)i * m->slabs.block_size[slab];

		return owner_between(m, start, start + m->slabs.block_size[slab], part);
	}
	if (block == m->blocks.n)
		return owner_outside(m, at, part);
	if (m->blocks.state[block] != BLOCK_USED ||
	    m->blocks.owner[block] == BLOCK_IS_POOL)
		return NO_NODE;
	if (m->blocks.owner[block] == 0)
		return node_of_block(m, block);
	return owner_between(m, m->blocks.addr[block],
			     m->blocks.addr[block] + m->blocks.size[block], part);
}
