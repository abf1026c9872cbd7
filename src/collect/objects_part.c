/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose memory is what: pools and slabs as rows, the parts by address, the owner of each of
 * malloc's blocks that an object has, and the footprints. Every block is counted once:
 *
 *   slab block      its object's, or that of the part that claimed it
 *   malloc's block  of the object or part that begins where it begins; an object somewhere
 *                   inside of a block is embedded in what is not ours to tell
 *   whole pages in no block   a part that is a mapping of its own (mmap.mmap)
 *   elsewhere       a module's data: it is nobody's heap, and counts 0
 *
 * Parts come before the objects' other columns: what was kept of them is as much memory as
 * the columns that are made then.
 */
#include "collect/objects_int.h"

#include "base/search.h"
#include <stdlib.h>
#include <string.h>

/* ---- sizes that do not fit ---- */

static struct large_row *large_row(struct object_walk *w, const struct model *m,
				   uint32_t row)
{
	uint32_t i;

	if (!map_find(&w->large_by_row, row, &i)) {
		i = (uint32_t)w->nlarge++;
		w->large = xrealloc(w->large, w->nlarge, sizeof(*w->large));
		w->large[i] = (struct large_row){ row, 0, m->objects.footprint[row] };
		map_set(&w->large_by_row, row, i);
	}
	return &w->large[i];
}

static void add_footprint(struct object_walk *w, struct model *m, uint32_t row,
			  uint64_t bytes)
{
	uint32_t *footprint = &m->objects.footprint[row];

	if (*footprint != OBJECT_LARGE && bytes < OBJECT_LARGE - *footprint) {
		*footprint += (uint32_t)bytes;
		return;
	}
	if (*footprint != OBJECT_LARGE)
		large_row(w, m, row)->footprint = *footprint;
	large_row(w, m, row)->footprint += bytes;
	*footprint = OBJECT_LARGE;
}

static int by_row(const void *a, const void *b)
{
	const struct large_row *x = a, *y = b;

	return (x->row > y->row) - (x->row < y->row);
}

void build_large(struct object_walk *w, struct model *m)
{
	for (unsigned k = 0; k < w->nkeepers; k++)
		for (size_t i = 0; i < w->keepers[k].nlarge; i++) {
			const struct large_object *l = &w->keepers[k].large[i];

			if (w->rows[l->id] != NO_NODE)
				large_row(w, m, w->rows[l->id])->size = l->size;
		}
	if (w->nlarge > 1)
		qsort(w->large, w->nlarge, sizeof(*w->large), by_row);
	model_table_resize(m, &model_tables[TABLE_large], w->nlarge);
	for (size_t i = 0; i < w->nlarge; i++) {
		const struct large_row *l = &w->large[i];
		uint32_t footprint = m->objects.footprint[l->row];

		m->large.object[i] = l->row;
		m->large.size[i] = l->size ? l->size : m->objects.size[l->row];
		m->large.footprint[i] =
			footprint == OBJECT_LARGE ? l->footprint : footprint;
	}
}

/* ---- pools and slabs ---- */

static void build_pools(const struct object_walk *w, struct model *m)
{
	const struct slab_table *t = &w->slabs;
	uint32_t name = model_intern(m, str_of("obmalloc"));

	model_table_resize(m, &model_tables[TABLE_pools], t->npools);
	for (size_t i = 0; i < t->npools; i++) {
		size_t block = model_block_at(m, t->pools[i].start);

		m->pools.start[i] = t->pools[i].start;
		m->pools.end[i] = t->pools[i].end;
		m->pools.allocator[i] = name;
		if (block == m->blocks.n || m->blocks.state[block] != BLOCK_USED)
			continue;
		m->pools.block[i] = (uint32_t)block + 1;
		m->blocks.owner[block] = BLOCK_IS_POOL;
	}
}

static void build_slabs(const struct object_walk *w, struct model *m)
{
	const struct slab_table *t = &w->slabs;

	model_table_resize(m, &model_tables[TABLE_slabs], t->nslabs);
	model_table_resize(m, &model_tables[TABLE_slab_bits], t->nwords);
	for (size_t i = 0; i < t->nslabs; i++) {
		m->slabs.start[i] = t->slabs[i].start;
		m->slabs.block_size[i] = t->slabs[i].block_size;
		m->slabs.count[i] = t->slabs[i].n;
		m->slabs.pool[i] = t->slabs[i].pool;
		m->slabs.bits[i] = t->slabs[i].first_word;
	}
	for (size_t i = 0; i < t->nwords; i++)
		m->slab_bits.used[i] = t->words[i].used;
}

/* ---- objects' own memory ---- */

/* Takes the block for the object, if it begins at `at` and is nobody's yet. */
static bool take_block(struct object_walk *w, struct model *m, size_t block, taddr at,
		       uint32_t row)
{
	if (m->blocks.state[block] != BLOCK_USED || m->blocks.owner[block] != 0 ||
	    m->blocks.addr[block] != at)
		return false;
	m->blocks.owner[block] = row + 1;
	add_footprint(w, m, row, block_footprint(m, block));
	return true;
}

static void place_other(struct object_walk *w, struct model *m, const struct place *p)
{
	uint32_t row = w->rows[p->what];
	taddr start = walk_start(w, p->what);
	struct slab_block b;
	size_t block;

	if (row == NO_NODE)
		return;
	if (slab_table_find(&w->slabs, p->at, &b)) {
		add_footprint(w, m, row, w->slabs.slabs[b.slab].block_size);
		return;
	}
	block = model_block_at(m, start);
	if (block < m->blocks.n)
		(void)take_block(w, m, block, start, row);
}

static void place_objects(struct object_walk *w, struct model *m)
{
	struct slab_iter it = slab_iter_from(&w->slabs, 0);

	while (slab_iter_next(&it))
		if (w->rows[it.id] != NO_NODE)
			m->objects.footprint[w->rows[it.id]] =
				w->slabs.slabs[it.block.slab].block_size;
	for (size_t i = 0; i < w->nothers; i++)
		place_other(w, m, &w->others[i]);
}

/* ---- parts ---- */

/* Parts that lie in no slab and do belong to their owner: by address, each once. */
struct other_parts {
	struct place *places;
	size_t n;
};

static bool is_in_pool(const struct object_walk *w, taddr at)
{
	size_t low = search_structs(w->slabs.pools, w->slabs.npools, end, at);

	return low < w->slabs.npools && w->slabs.pools[low].start <= at;
}

static void note_twice(struct object_walk *w, taddr at)
{
	if (w->ntwice++ == 0 || at < w->twice_at)
		w->twice_at = at;
}

static bool place_part(struct object_walk *w, struct model *m, const struct kept_part *p)
{
	uint32_t row = w->rows[p->owner];
	size_t block = model_block_at(m, p->at);

	if (block == m->blocks.n) {
		if (p->at % PAGE_SIZE_4K == 0)
			add_footprint(w, m, row, align_up(p->size, PAGE_SIZE_4K));
		return true;
	}
	if (take_block(w, m, block, p->at, row))
		return true;
	if (m->blocks.owner[block] != 0 && m->blocks.owner[block] != row + 1)
		note_twice(w, p->at);
	return false;
}

static void list_other_parts(const struct object_walk *w, struct other_parts *others)
{
	size_t n = 0;

	for (size_t i = 0; i < w->nparts; i++)
		n += !is_in_pool(w, w->parts[i].at);
	others->places = xcalloc(n + 1, sizeof(*others->places));
	for (size_t i = 0; i < w->nparts; i++)
		if (!is_in_pool(w, w->parts[i].at) &&
		    w->rows[w->parts[i].owner] != NO_NODE)
			others->places[others->n++] =
				(struct place){ w->parts[i].at, (uint32_t)i };
	places_sort(others->places, others->n);
}

/* The same part told twice: of the first object. */
static bool is_repeated(struct object_walk *w, struct place *kept,
			const struct place *next)
{
	uint32_t owner = w->rows[w->parts[kept->what].owner];
	uint32_t other = w->rows[w->parts[next->what].owner];

	if (kept->at != next->at)
		return false;
	if (owner != other)
		note_twice(w, next->at);
	if (other < owner)
		kept->what = next->what;
	return true;
}

static void place_other_parts(struct object_walk *w, struct model *m,
			      struct other_parts *others)
{
	size_t once = 0, kept = 0;

	for (size_t i = 0; i < others->n; i++)
		if (once == 0 ||
		    !is_repeated(w, &others->places[once - 1], &others->places[i]))
			others->places[once++] = others->places[i];
	for (size_t i = 0; i < once; i++)
		if (place_part(w, m, &w->parts[others->places[i].what]))
			others->places[kept++] = others->places[i];
	others->n = kept;
}

static bool is_held(const struct object_walk *w, uint32_t claim)
{
	return claim && w->rows[w->parts[claim - 1].owner] != NO_NODE;
}

static void add_part(struct object_walk *w, struct model *m, const struct kept_part *p)
{
	size_t row = w->part_row++;

	m->parts.addr[row] = p->at;
	m->parts.size[row] = p->size;
	m->parts.owner[row] = w->rows[p->owner];
	m->parts.label[row] = w->labels[p->label];
}

static void add_slab_parts(struct object_walk *w, struct model *m,
			   const struct walk_slab *s, size_t *other,
			   const struct other_parts *others)
{
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t claim = w->claims[64 * (size_t)s->first_word + i];
		const struct kept_part *p;

		if (!is_held(w, claim))
			continue;
		p = &w->parts[claim - 1];
		for (; *other < others->n && others->places[*other].at < p->at; ++*other)
			add_part(w, m, &w->parts[others->places[*other].what]);
		add_footprint(w, m, w->rows[p->owner], s->block_size);
		add_part(w, m, p);
	}
}

static void add_parts(struct object_walk *w, struct model *m,
		      const struct other_parts *others)
{
	size_t n = others->n, other = 0;

	for (size_t i = 0; i < 64 * w->slabs.nwords; i++)
		n += is_held(w, w->claims[i]);
	model_table_resize(m, &model_tables[TABLE_parts], n);
	for (size_t i = 0; i < w->slabs.nslabs; i++)
		add_slab_parts(w, m, &w->slabs.slabs[i], &other, others);
	for (; other < others->n; other++)
		add_part(w, m, &w->parts[others->places[other].what]);
}

void build_block_types(struct model *m)
{
	for (size_t b = 0; b < m->blocks.n; b++) {
		uint32_t owner = m->blocks.owner[b];

		if (owner != 0 && owner != BLOCK_IS_POOL)
			m->blocks.type[b] = m->objects.type[owner - 1];
	}
}

void build_parts(struct object_walk *w, struct model *m)
{
	struct other_parts others = { 0 };

	build_pools(w, m);
	build_slabs(w, m);
	place_objects(w, m);
	list_other_parts(w, &others);
	place_other_parts(w, m, &others);
	add_parts(w, m, &others);
	free(others.places);
	free(w->claims);
	free(w->parts);
	w->claims = NULL;
	w->parts = NULL;
}
