/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of node_index_int.h, and the slower ways: blocks that belong to an object are
 * asked for their owner; in a pool the page leads to its slab, and the slab to the few
 * objects among which the address is searched.
 */
#include "collect/node_index_int.h"

#include "base/search.h"
#include <stdlib.h>

enum { GRAIN = INDEX_GRAIN };

/* ---- building ---- */

/* Sets the bits of the range's blocks; a gap is where one does not touch the next. */
static void mark_blocks(struct index_range *r, const struct model *m)
{
	for (size_t b = r->first; b < r->first + r->n; b++) {
		taddr at = m->blocks.addr[b];
		uint64_t grain = (at - r->start) / GRAIN;
		uint64_t bit = (uint64_t)1 << (grain % 64);

		r->slots[grain / 64].starts |= bit;
		if (m->blocks.state[b] == BLOCK_USED && m->blocks.owner[b] == 0)
			r->slots[grain / 64].nodes |= bit;
		if (b + 1 < r->first + r->n &&
		    at + m->blocks.size[b] + GRAIN / 2 != m->blocks.addr[b + 1])
			r->has_gaps = true;
	}
}

static void range_build(struct index_range *r, const struct model *m)
{
	size_t n = (size_t)((r->end - r->start) / INDEX_SLOT_BYTES + 1);
	uint32_t count = 0;

	if (r->n <= 1)
		return;
	r->slots = xcalloc(n, sizeof(*r->slots));
	mark_blocks(r, m);
	for (size_t i = 0; i < n; i++) {
		r->slots[i].before = count;
		count += (uint32_t)__builtin_popcountll(r->slots[i].starts);
	}
}

static bool goes_on(const struct index_range *r, const struct heap_span *s)
{
	return s->arena != BLOCK_MMAPPED && r->end == s->start && r->n > 1;
}

static void build_ranges(struct node_index *x, const struct heap_span *spans,
			 size_t nspans)
{
	const struct model *m = x->m;
	size_t block = 0;

	x->ranges = xcalloc(nspans + 1, sizeof(*x->ranges));
	for (size_t i = 0; i < nspans; i++) {
		const struct heap_span *span = &spans[i];

		if (x->n == 0 || !goes_on(&x->ranges[x->n - 1], span))
			x->ranges[x->n++] = (struct index_range){
				.start = align_down(span->start, GRAIN), .first = block
			};
		struct index_range *r = &x->ranges[x->n - 1];

		r->end = span->end;
		/* The last fencepost of a heap has its place in use where the heap ends. */
		while (block < m->blocks.n && m->blocks.addr[block] <= r->end)
			block++;
		r->n = block - r->first;
	}
	for (size_t i = 0; i < x->n; i++)
		range_build(&x->ranges[i], m);
}

static taddr slab_end(const struct model *m, size_t slab)
{
	return m->slabs.start[slab] +
	       (uint64_t)m->slabs.count[slab] * m->slabs.block_size[slab];
}

static size_t pool_pages(const struct model *m, size_t pool)
{
	return (size_t)((m->pools.end[pool] - m->pools.start[pool] + PAGE_SIZE_4K - 1) /
			PAGE_SIZE_4K);
}

static void build_pools(struct node_index *x)
{
	const struct model *m = x->m;
	size_t pages = 0, slab = 0;

	x->first_page = xcalloc(m->pools.n + 1, sizeof(*x->first_page));
	for (size_t p = 0; p < m->pools.n; p++) {
		x->first_page[p] = pages;
		pages += pool_pages(m, p);
	}
	x->slab_of_page = xcalloc(pages + 1, sizeof(*x->slab_of_page));
	for (size_t p = 0; p < m->pools.n; p++)
		for (size_t i = 0; i < pool_pages(m, p); i++) {
			taddr page = m->pools.start[p] + i * PAGE_SIZE_4K;

			while (slab < m->slabs.n && slab_end(m, slab) <= page)
				slab++;
			x->slab_of_page[x->first_page[p] + i] = (uint32_t)slab;
		}
}

static void build_slabs(struct node_index *x)
{
	const struct model *m = x->m;
	size_t object = 0;

	x->first_object = xcalloc(m->slabs.n + 1, sizeof(*x->first_object));
	for (size_t s = 0; s < m->slabs.n; s++) {
		while (object < m->objects.n &&
		       m->objects.addr[object] < m->slabs.start[s])
			object++;
		x->first_object[s] = (uint32_t)object;
	}
}

void node_index_build(struct node_index *x, const struct heap_span *spans, size_t nspans,
		      const struct model *m)
{
	*x = (struct node_index){ .m = m,
				  .has_owners = m->objects.n > 0 || m->pools.n > 0 };
	build_ranges(x, spans, nspans);
	build_pools(x);
	build_slabs(x);
}

void node_index_release(struct node_index *x)
{
	for (size_t i = 0; i < x->n; i++)
		free(x->ranges[i].slots);
	free(x->ranges);
	free(x->slab_of_page);
	free(x->first_page);
	free(x->first_object);
}

/* ---- finding ---- */

const struct index_range *node_index_range(const struct node_index *x, taddr at)
{
	size_t low = search_structs(x->ranges, x->n, end, at);

	return low < x->n && x->ranges[low].start <= at ? &x->ranges[low] : NULL;
}

static struct index_hit object_hit(const struct model *m, uint32_t object, taddr at)
{
	return (struct index_hit){ object, at == m->objects.addr[object]
						   ? LABEL_POSSIBLE
						   : LABEL_INTERIOR };
}

/* The part that starts in [start, end) says who owns it. */
static struct index_hit part_hit(const struct model *m, taddr start, taddr end)
{
	size_t low = search_words_from(m->parts.addr, m->parts.n, start);

	if (low == m->parts.n || m->parts.addr[low] >= end)
		return index_nowhere();
	return (struct index_hit){ m->parts.owner[low], LABEL_INTERIOR };
}

static struct index_hit hit_in_slab(const struct node_index *x, size_t slab, taddr at)
{
	const struct model *m = x->m;
	uint32_t size = m->slabs.block_size[slab];
	uint32_t i = (uint32_t)((at - m->slabs.start[slab]) / size);
	taddr start = m->slabs.start[slab] + (uint64_t)i * size;
	size_t low = x->first_object[slab], high = m->objects.n;

	if (!slab_block_is_used(m, slab, i))
		return index_nowhere();
	if (slab + 1 < m->slabs.n)
		high = x->first_object[slab + 1];
	while (low < high) { /* the first object at or behind `start` */
		size_t middle = low + (high - low) / 2;

		if (m->objects.addr[middle] < start)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < m->objects.n && m->objects.addr[low] < start + size)
		return object_hit(m, (uint32_t)low, at);
	return part_hit(m, start, start + size);
}

static struct index_hit hit_in_pool(const struct node_index *x, taddr at)
{
	const struct model *m = x->m;
	size_t low = search_words(m->pools.end, m->pools.n, at), slab;

	if (low == m->pools.n || m->pools.start[low] > at)
		return index_nowhere();
	slab = x->slab_of_page[x->first_page[low] +
			       (at - m->pools.start[low]) / PAGE_SIZE_4K];
	while (slab < m->slabs.n && slab_end(m, slab) <= at)
		slab++;
	if (slab == m->slabs.n || m->slabs.start[slab] > at)
		return index_nowhere();
	return hit_in_slab(x, slab, at);
}

struct index_hit node_index_in_block(const struct node_index *x, size_t block, taddr at)
{
	const struct model *m = x->m;
	taddr start = m->blocks.addr[block];
	uint32_t owner = m->blocks.owner[block];

	if (m->blocks.state[block] != BLOCK_USED || at < start ||
	    at - start >= m->blocks.size[block])
		return index_nowhere();
	if (owner == BLOCK_IS_POOL)
		return hit_in_pool(x, at);
	if (owner != 0)
		return object_hit(m, owner - 1, at);
	return (struct index_hit){ node_of_block(m, block),
				   at == start ? LABEL_POSSIBLE : LABEL_INTERIOR };
}

struct index_hit node_index_find(const struct node_index *x, taddr at)
{
	const struct index_range *r = node_index_range(x, at);

	return r ? node_index_in_range(x, r, at) : hit_in_pool(x, at);
}
