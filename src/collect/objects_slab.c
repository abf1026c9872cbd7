/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which object is at this address? Asked for every reference, so it takes no search:
 *
 *   address / 256 KiB    -> pool (a small map)
 *   4 KiB page of pool   -> slab
 *   (address - start) / block size, one division
 *   64 blocks            -> a word of bits and the id of its first object: id = that plus
 *                           the bits before
 *
 * Where in its block an object begins (0, 16 or 32 bytes) is two bits beside, so the
 * address need not be kept to be compared. In all 40 bytes for 64 blocks.
 */
#include "collect/objects_int.h"

#include <stdlib.h>
#include <string.h>

enum { POOL_GRANULE = 256 << 10 };

static size_t words_of(uint32_t blocks)
{
	return (blocks + 63) / 64;
}

static void set_block(struct slab_word *w, unsigned bit, enum python_block kind,
		      uint8_t start_of)
{
	uint64_t mask = (uint64_t)1 << bit;

	if (kind == PYTHON_FREE)
		return;
	w->used |= mask;
	if (kind != PYTHON_OBJECT)
		return;
	w->object |= mask;
	if (start_of & 16)
		w->at16 |= mask;
	if (start_of & 32)
		w->at32 |= mask;
}

/* Slabs come by address, and no two share a page: what does not is not believed. */
static bool is_sound(const struct pool_slabs *p, const struct python_pool *pool,
		     const struct python_slab *slab)
{
	return slab->block_size > 0 && slab->n > 0 && slab->n <= PYTHON_SLAB_BLOCKS &&
	       slab->start >= pool->start && slab->start < pool->end &&
	       align_down(slab->start, PAGE_SIZE_4K) >= p->end &&
	       (uint64_t)slab->n * slab->block_size <= pool->end - slab->start;
}

void pool_slabs_add(struct pool_slabs *p, const struct python_pool *pool,
		    const struct python_slab *slab)
{
	size_t n = words_of(slab->n);
	struct slab_word *words;

	if (!is_sound(p, pool, slab))
		return;
	p->slabs = xrealloc(p->slabs, p->nslabs + 1, sizeof(*p->slabs));
	p->slabs[p->nslabs++] = (struct walk_slab){ .start = slab->start,
						    .block_size = slab->block_size,
						    .n = slab->n };
	p->words = xrealloc(p->words, p->nwords + n, sizeof(*p->words));
	words = p->words + p->nwords;
	memset(words, 0, n * sizeof(*words));
	for (uint32_t i = 0; i < slab->n; i++)
		set_block(&words[i / 64], i % 64,
			  slab->start_of[i] < slab->block_size
				  ? (enum python_block)slab->kind[i]
				  : PYTHON_RAW,
			  slab->start_of[i]);
	p->nwords += n;
	p->end = align_up(slab->start + (uint64_t)slab->n * slab->block_size,
			  PAGE_SIZE_4K);
}

/* Appends one pool's, with ids that go on from those before. */
static bool append_pool(struct slab_table *t, const struct pool_slabs *p, uint32_t pool)
{
	const struct slab_word *words = p->words;
	uint64_t id = t->nobjects;

	for (size_t i = 0; i < p->nslabs; i++) {
		struct walk_slab *slab = &t->slabs[t->nslabs++];

		*slab = p->slabs[i];
		slab->pool = pool;
		slab->first_word = (uint32_t)t->nwords;
		for (size_t k = 0; k < words_of(slab->n); k++) {
			struct slab_word *w = &t->words[t->nwords];

			*w = words[k];
			w->first = (uint32_t)id;
			id += (uint32_t)__builtin_popcountll(w->object);
			t->nwords++;
		}
		words += words_of(slab->n);
	}
	t->nobjects = (uint32_t)id;
	return id < NO_OBJECT / 2;
}

static void index_pages(struct slab_table *t, size_t npages)
{
	t->by_page = xcalloc(npages, sizeof(*t->by_page));
	for (size_t i = 0; i < t->nslabs; i++) {
		const struct walk_slab *s = &t->slabs[i];
		taddr base = align_down(t->pools[s->pool].start, PAGE_SIZE_4K);
		taddr end = s->start + (uint64_t)s->n * s->block_size;
		uint32_t *pages = t->by_page + t->first_page[s->pool];

		for (taddr at = align_down(s->start, PAGE_SIZE_4K); at < end;
		     at += PAGE_SIZE_4K)
			pages[(at - base) / PAGE_SIZE_4K] = (uint32_t)i + 1;
	}
}

static void index_pools(struct slab_table *t)
{
	size_t npages = 0;

	t->first_page = xcalloc(t->npools, sizeof(*t->first_page));
	for (size_t i = 0; i < t->npools; i++) {
		const struct python_pool *p = &t->pools[i];

		for (taddr at = align_down(p->start, POOL_GRANULE); at < p->end;
		     at += POOL_GRANULE)
			if (!map_has(&t->by_granule, at / POOL_GRANULE))
				map_set(&t->by_granule, at / POOL_GRANULE, (uint32_t)i);
		t->first_page[i] = npages;
		npages += (align_up(p->end, PAGE_SIZE_4K) -
			   align_down(p->start, PAGE_SIZE_4K)) /
			  PAGE_SIZE_4K;
	}
	index_pages(t, npages);
}

bool slab_table_build(struct slab_table *t, struct pool_slabs *by_pool)
{
	size_t slabs = 0, words = 0;
	bool ok = true;

	for (size_t i = 0; i < t->npools; i++) {
		slabs += by_pool[i].nslabs;
		words += by_pool[i].nwords;
	}
	ok = words <= UINT32_MAX / 64;
	t->slabs = xcalloc(ok ? slabs : 0, sizeof(*t->slabs));
	t->words = xcalloc(ok ? words : 0, sizeof(*t->words));
	for (size_t i = 0; i < t->npools; i++) {
		ok = ok && append_pool(t, &by_pool[i], (uint32_t)i);
		free(by_pool[i].slabs);
		free(by_pool[i].words);
	}
	index_pools(t);
	return ok;
}

void slab_table_release(struct slab_table *t)
{
	free(t->slabs);
	free(t->words);
	free(t->by_page);
	free(t->first_page);
	map_release(&t->by_granule);
}

/* The pool that holds `at`; npools: none does. */
static size_t pool_at(const struct slab_table *t, taddr at)
{
	uint32_t i;

	if (!map_find(&t->by_granule, at / POOL_GRANULE, &i))
		return t->npools;
	while (i < t->npools && t->pools[i].end <= at)
		i++;
	return i < t->npools && t->pools[i].start <= at ? i : t->npools;
}

bool slab_table_find(const struct slab_table *t, taddr at, struct slab_block *out)
{
	size_t pool = pool_at(t, at);
	const struct walk_slab *s;
	uint32_t slab, i;
	taddr base;

	if (pool == t->npools)
		return false;
	base = align_down(t->pools[pool].start, PAGE_SIZE_4K);
	slab = t->by_page[t->first_page[pool] + (at - base) / PAGE_SIZE_4K];
	if (slab-- == 0)
		return false;
	s = &t->slabs[slab];
	if (at < s->start)
		return false;
	i = (uint32_t)(at - s->start) / s->block_size;
	if (i >= s->n)
		return false;
	*out = (struct slab_block){ slab, i, 64 * (uint64_t)s->first_word + i };
	return true;
}

static taddr begins_at(const struct slab_word *w, unsigned bit)
{
	return 16 * (w->at16 >> bit & 1) + 32 * (w->at32 >> bit & 1);
}

uint32_t slab_block_object(const struct slab_table *t, const struct slab_block *b,
			   taddr *at)
{
	const struct slab_word *w = &t->words[b->number / 64];
	unsigned bit = (unsigned)(b->number % 64);
	uint64_t before = w->object & (((uint64_t)1 << bit) - 1);

	if (!(w->object >> bit & 1))
		return NO_OBJECT;
	*at = slab_block_start(t, b) + begins_at(w, bit);
	return w->first + (uint32_t)__builtin_popcountll(before);
}

bool slab_block_in_use(const struct slab_table *t, const struct slab_block *b)
{
	return t->words[b->number / 64].used >> b->number % 64 & 1;
}

/* The last word whose first object is at most id, and so holds it if any does. */
static size_t word_of(const struct slab_table *t, uint32_t id)
{
	size_t low = 0, high = t->nwords;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->words[middle].first <= id)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? low - 1 : 0;
}

static size_t slab_of_word(const struct slab_table *t, size_t word)
{
	size_t low = 0, high = t->nslabs;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->slabs[middle].first_word <= word)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? low - 1 : 0;
}

struct slab_iter slab_iter_from(const struct slab_table *t, uint32_t id)
{
	struct slab_iter it = { .table = t, .word = word_of(t, id), .id = id };

	it.slab = slab_of_word(t, it.word);
	if (it.word < t->nwords)
		it.left = t->words[it.word].object;
	for (uint32_t skip = it.word < t->nwords ? id - t->words[it.word].first : 0;
	     skip > 0 && it.left; skip--)
		it.left &= it.left - 1;
	it.id--; /* next steps onto it */
	return it;
}

bool slab_iter_next(struct slab_iter *it)
{
	const struct slab_table *t = it->table;
	unsigned bit;

	while (it->left == 0) {
		if (it->word + 1 >= t->nwords)
			return false;
		it->left = t->words[++it->word].object;
	}
	while (it->slab + 1 < t->nslabs && t->slabs[it->slab + 1].first_word <= it->word)
		it->slab++;
	bit = (unsigned)__builtin_ctzll(it->left);
	it->left &= it->left - 1;
	it->block.slab = (uint32_t)it->slab;
	it->block.i = (uint32_t)(it->word - t->slabs[it->slab].first_word) * 64 + bit;
	it->block.number = it->word * 64 + bit;
	it->at = slab_block_start(t, &it->block) + begins_at(&t->words[it->word], bit);
	it->id++;
	return true;
}
