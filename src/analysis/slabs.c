/* SPDX-License-Identifier: Apache-2.0 */
/*
 * obmalloc: pools (its arenas), cut into slabs (its pools) of one size of blocks each.
 *
 *	| slab | slab | free slab | slab | free slab | not used yet |
 *
 * A slab goes back to its pool when its last block is freed, and the pool back to the
 * system when its last slab is: so one block in use holds a slab, and a mebibyte. How large
 * a slab is, is not in the model; it begins at a page, its head before its first block,
 * and its blocks fill more than half of it: so it is the next power of two.
 */
#include "analysis/arenas_int.h"

#include <stdlib.h>

enum { SLAB_MOST = 1 << 20 };

struct slab_sums {
	uint64_t slabs, used, free; /* blocks */
	uint64_t used_bytes, free_bytes;
};

static uint64_t slab_room(const struct model *m, size_t slab)
{
	const struct model_slabs *s = &m->slabs;
	uint64_t room = PAGE_SIZE_4K,
		 filled = s->start[slab] % PAGE_SIZE_4K +
			  (uint64_t)s->count[slab] * s->block_size[slab];

	while (room < filled && room < SLAB_MOST)
		room *= 2;
	return room;
}

static void add_slab(const struct model *m, struct slab_sums *s, size_t slab)
{
	uint64_t used = model_slab_used(m, slab), free = m->slabs.count[slab] - used;

	s->slabs++;
	s->used += used;
	s->free += free;
	s->used_bytes += used * m->slabs.block_size[slab];
	s->free_bytes += free * m->slabs.block_size[slab];
}

/* What is in a pool beyond its slabs, in slabs: all have the room of the first one. */
static uint64_t slabs_left(const struct model *m, size_t pool, uint64_t slabs)
{
	uint64_t room = slab_room(m, 0);
	taddr first = align_up(m->pools.start[pool], room), end = m->pools.end[pool];
	uint64_t all = end > first ? (end - first) / room : 0;

	return all - min_u64(all, slabs);
}

/* ---- pools ---- */

/* One, or several. */
struct pool_sums {
	struct slab_sums slabs;
	uint64_t pools, system, left, resident;
};

static void add_pool(const struct resident *resident, struct pool_sums *sums, size_t pool,
		     const struct slab_sums *s)
{
	const struct model *m = resident->m;
	const taddr start = m->pools.start[pool], end = m->pools.end[pool];

	sums->slabs.slabs += s->slabs;
	sums->slabs.used += s->used;
	sums->slabs.free += s->free;
	sums->slabs.used_bytes += s->used_bytes;
	sums->slabs.free_bytes += s->free_bytes;
	sums->pools++;
	sums->system += end - start;
	if (m->slabs.n)
		sums->left += slabs_left(m, pool, s->slabs);
	sums->resident += resident_between(resident, start, end);
}

static void fill_row(const struct resident *resident, struct arena_row *row,
		     const struct pool_sums *sums)
{
	const struct model *m = resident->m;
	const struct slab_sums *s = &sums->slabs;
	uint64_t room = m->slabs.n ? slab_room(m, 0) : 0;

	row->system = sums->system;
	row->used = s->used_bytes;
	row->free = s->free_bytes + sums->left * room;
	row->overhead = row->system - min_u64(row->system, row->used + row->free);
	row->fragmentation = thousandths(s->free_bytes, row->system);
	if (resident->is_known)
		row->resident = sums->resident;
}

static struct slab_sums *sums_by_pool(const struct model *m)
{
	struct slab_sums *sums = xcalloc(m->pools.n, sizeof(*sums));

	for (size_t i = 0; i < m->slabs.n; i++)
		add_slab(m, &sums[m->slabs.pool[i]], i);
	return sums;
}

void arena_add_pools(const struct resident *resident, struct arena_rows *out)
{
	const struct model *m = resident->m;
	struct slab_sums *sums = sums_by_pool(m);
	struct pool_sums all = { 0 };

	for (size_t i = 0; i < m->pools.n; i++)
		if (m->pools.block[i] == 0)
			add_pool(resident, &all, i, &sums[i]);
	free(sums);
	if (all.pools == 0)
		return;

	struct arena_row *row = arena_row_add(out, "obmalloc");

	row->heaps = all.pools;
	fill_row(resident, row, &all);
}

/* Those that the fewest bytes hold come first. */
static int by_used(const void *a, const void *b)
{
	const struct arena_row *x = a, *y = b;

	if (x->used != y->used)
		return x->used < y->used ? -1 : 1;
	return (x->addr > y->addr) - (x->addr < y->addr);
}

void arena_pools_build(const struct model *m, struct arena_rows *out)
{
	struct slab_sums *sums = sums_by_pool(m);
	struct resident resident;

	*out = (struct arena_rows){ 0 };
	resident_init(&resident, m);
	for (size_t i = 0; i < m->pools.n; i++) {
		struct arena_row *row = arena_row_add(out, NULL);
		struct pool_sums one = { 0 };

		add_pool(&resident, &one, i, &sums[i]);
		row->addr = m->pools.start[i];
		row->slabs = sums[i].slabs;
		if (m->slabs.n)
			row->slabs_free = one.left;
		row->count = sums[i].used;
		fill_row(&resident, row, &one);
	}
	resident_release(&resident);
	free(sums);
	if (out->n)
		qsort(out->rows, out->n, sizeof(*out->rows), by_used);
}

/* ---- blocks by size ---- */

static int by_block_size(const void *a, const void *b)
{
	const struct arena_row *x = a, *y = b;

	return (x->block_size > y->block_size) - (x->block_size < y->block_size);
}

static struct arena_row *class_of(struct arena_rows *out, struct map *rows, uint64_t size)
{
	struct arena_row *row;
	uint32_t i;

	if (map_find(rows, size, &i))
		return &out->rows[i];
	map_set(rows, size, (uint32_t)out->n);
	row = arena_row_add(out, NULL);
	row->block_size = size;
	row->slabs = row->count = row->count_free = 0;
	row->system = row->used = row->free = 0;
	return row;
}

static void add_to_class(const struct model *m, struct arena_row *row, size_t slab)
{
	struct slab_sums s = { 0 };

	add_slab(m, &s, slab);
	row->slabs++;
	row->count += s.used;
	row->count_free += s.free;
	row->system += slab_room(m, slab);
	row->used += s.used_bytes;
	row->free += s.free_bytes;
}

void arena_classes_build(const struct model *m, struct arena_rows *out)
{
	struct map rows = { 0 };

	*out = (struct arena_rows){ 0 };
	for (size_t i = 0; i < m->slabs.n; i++)
		add_to_class(m, class_of(out, &rows, m->slabs.block_size[i]), i);
	for (size_t i = 0; i < out->n; i++) {
		struct arena_row *row = &out->rows[i];

		row->overhead = row->system - min_u64(row->system, row->used + row->free);
		row->fragmentation = thousandths(row->free, row->system);
	}
	if (out->n)
		qsort(out->rows, out->n, sizeof(*out->rows), by_block_size);
	map_release(&rows);
}
