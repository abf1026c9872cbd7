/* SPDX-License-Identifier: Apache-2.0 */
/*
 * obmalloc's slabs (its word is pool): 16 KiB (4 up to 3.9), aligned, in an arena.
 *
 *   | head | block 0 | block 1 | ... | used once ... nextoffset | never used |
 *
 *   count u32 @0, freeblock @8, arenaindex u32 @32, szidx u32 @36, nextoffset u32 @40,
 *   maxnextoffset u32 @44; blocks of (szidx + 1) * 16 bytes from @48 on
 *   (struct pool_header: CPython 3.8 Objects/obmalloc.c, 3.12 pycore_obmalloc.h)
 *
 * A used block is one before nextoffset that is not on the list of free ones, which goes
 * through their first words. It is an object if some place in it looks like one whose type
 * wants just that much before it: nothing, the collector's head, or that and the words of
 * a managed dict. A larger offset is only tried when the smaller ones fail: the words
 * before an object are addresses, which no count of references is. A collector's head must
 * be one: two links, or what the collector counts while it works (pycore_gc.h).
 *
 * The slab is copied first: looking at types moves the reader's memory.
 */
#include "lang/cpython/cpy_runtime_int.h"

#include "base/search.h"

#include <stdlib.h>

enum {
	POOL_MAX = 16 << 10,
	COUNT_USUAL = 1 << 16,
	RAW_MAX = 512, /* bytes of the largest block */
	HEAD_MAX = 32, /* before an object, but for the debug hooks' words */
};

struct pool_head {
	uint32_t count, padding;
	uint64_t freeblock, next, prev;
	uint32_t arena, szidx, nextoffset, maxnextoffset;
};
_Static_assert(sizeof(struct pool_head) == 48, "struct pool_header");

struct walk {
	struct python_reader *r;
	const struct python_pool *arena;
	python_slab_fn *fn;
	void *context;
	uint8_t bytes[POOL_MAX];
	struct python_slab slab;
};

static uint64_t word_in(const uint8_t *p, size_t offset)
{
	uint64_t v;

	memcpy(&v, p + offset, 8);
	return v;
}

/* ---- is a block an object? ---- */

/* Immortal is 2^32 - 1 (CPython 3.13 object.h). Extensions built for the ABI of versions
 * before 3.12 count it all the same. */
static bool is_immortal(uint64_t word)
{
	return word - (UINT32_MAX - COUNT_USUAL) <= 2 * COUNT_USUAL;
}

/* 1 .. 2^31 - 1, or immortal. An element of an array can be as small as that in a program
 * that lies low: then it is somebody's address. */
static bool is_count(const struct python_reader *r, uint64_t word)
{
	uint32_t count = (uint32_t)word;

	if (r->layout->has_immortals && is_immortal(word))
		return true;
	if (word == 0 || word > INT32_MAX)
		return false;
	if (count <= COUNT_USUAL || count % 8)
		return true;
	return !mem_region_at(r->py->mem, count);
}

/* PYTHONMALLOC=debug puts 16 bytes before each block: size, a letter, seven times 0xfd
 * (obmalloc.c, _PyMem_DebugRawAlloc). */
static size_t debug_words(const uint8_t *block, size_t size)
{
	return size >= 32 && word_in(block, 8) >> 8 == 0xfdfdfdfdfdfdfd ? 16 : 0;
}

/* The head of an object that no list has is 0 but for flags; during a collection a count
 * can stand for the link to the one before. */
static bool is_gc_head(const uint8_t *head)
{
	uint64_t next = word_in(head, 0) & ~(uint64_t)3, prev = word_in(head, 8);

	if (next == 0)
		return prev <= 3;
	return next >= PAGE_SIZE_4K && next >> 47 == 0 && prev >> 47 == 0;
}

static bool is_object(struct python_reader *r, const uint8_t *block, size_t size,
		      uint8_t *start_of)
{
	size_t before = debug_words(block, size);

	for (size_t head = 0; head <= HEAD_MAX && before + head + 16 <= size;
	     head += 16) {
		const uint8_t *p = block + before + head;
		const struct cpy_type *t;

		if (!is_count(r, word_in(p, CPY_REFCOUNT)))
			continue;
		t = cpy_type_at(r, word_in(p, CPY_TYPE));
		if (!t || t->pre_header != head ||
		    (t->flags & CPY_HAVE_GC && !is_gc_head(p - CPY_GC_HEAD)))
			continue;
		*start_of = (uint8_t)(before + head);
		return true;
	}
	return false;
}

/* ---- a slab ---- */

/* A head that is one of this arena's; its offsets then mean what they say. */
static bool head_fits(const struct cpy_layout *l, const struct python_pool *arena,
		      const struct pool_head *h)
{
	uint32_t size = (h->szidx + 1) * 16;

	return h->count > 0 && h->szidx < 32 && h->arena == arena->index &&
	       h->maxnextoffset == l->obmalloc.pool_size - size &&
	       h->nextoffset >= l->obmalloc.pool_head &&
	       h->nextoffset <= l->obmalloc.pool_size &&
	       (h->nextoffset - l->obmalloc.pool_head) % size == 0;
}

/* Marks the free blocks, each at most once, so that a list in a circle ends. Returns how
 * many there are. */
static uint32_t mark_free(struct walk *w, const struct pool_head *h, uint32_t n)
{
	struct python_slab *s = &w->slab;
	taddr at = h->freeblock;
	uint32_t marked = 0;

	while (at) {
		uint64_t offset = at - s->start;
		uint64_t i = offset / s->block_size;

		if (at < s->start || offset % s->block_size || i >= n ||
		    s->kind[i] == PYTHON_FREE)
			break;
		s->kind[i] = PYTHON_FREE;
		marked++;
		at = word_in(w->bytes, sizeof(*h) + (size_t)offset);
	}
	return marked;
}

static void read_slab(struct walk *w, taddr at)
{
	struct python_slab *s = &w->slab;
	struct pool_head h;
	uint32_t once;

	memcpy(&h, w->bytes, sizeof(h));
	if (!head_fits(w->r->layout, w->arena, &h))
		return;
	s->start = at + sizeof(h);
	s->block_size = (h.szidx + 1) * 16;
	s->n = (w->r->layout->obmalloc.pool_size - (uint32_t)sizeof(h)) / s->block_size;
	once = (uint32_t)min_u64((h.nextoffset - sizeof(h)) / s->block_size, s->n);
	memset(s->kind, PYTHON_RAW, once);
	memset(s->kind + once, PYTHON_FREE, s->n - once);
	memset(s->start_of, 0, s->n);
	s->torn = once - mark_free(w, &h, once) != h.count;
	for (uint32_t i = 0; i < once; i++)
		if (s->kind[i] != PYTHON_FREE &&
		    is_object(w->r, w->bytes + sizeof(h) + (size_t)i * s->block_size,
			      s->block_size, &s->start_of[i]))
			s->kind[i] = PYTHON_OBJECT;
	w->fn(w->context, s);
}

/* The slab's bytes; what follows a hole is zeroes, and no objects. False: no head. */
static bool load_slab(struct walk *w, taddr at)
{
	size_t size = w->r->layout->obmalloc.pool_size, done = 0;

	while (done < size) {
		size_t have;
		const uint8_t *p = cpy_view(w->r, at + done, size - done, &have);

		if (!p)
			break;
		have = have < size - done ? have : size - done;
		memcpy(w->bytes + done, p, have);
		done += have;
	}
	memset(w->bytes + done, 0, size - done);
	return done >= sizeof(struct pool_head);
}

void python_read_pool(struct python_reader *r, size_t pool, python_slab_fn *fn,
		      void *context)
{
	const struct python_pool *arena = &r->py->pools[pool];
	uint64_t size = r->layout->obmalloc.pool_size;
	struct walk *w = xcalloc(1, sizeof(*w));

	assert(pool < r->py->npools && size <= POOL_MAX);
	*w = (struct walk){ .r = r, .arena = arena, .fn = fn, .context = context };
	for (taddr at = align_up(arena->start, size); at < arena->fresh; at += size)
		if (load_slab(w, at))
			read_slab(w, at);
	free(w);
}

/* ---- one block ---- */

static const struct python_pool *arena_of(const struct python *py, taddr at)
{
	size_t low = search_structs(py->pools, py->npools, start, at);

	return low > 0 && at < py->pools[low - 1].fresh ? &py->pools[low - 1] : NULL;
}

uint64_t cpy_raw_block(struct python_reader *r, taddr at)
{
	const struct python_pool *arena = arena_of(r->py, at);
	taddr slab = at - at % r->layout->obmalloc.pool_size;
	uint8_t bytes[RAW_MAX], start_of;
	struct pool_head h;
	uint64_t offset = at - slab, size;

	if (!arena || slab < arena->start || !cpy_read(r, slab, &h, sizeof(h)) ||
	    !head_fits(r->layout, arena, &h) || offset < sizeof(h) ||
	    offset >= h.nextoffset)
		return 0;
	size = (h.szidx + 1) * 16;
	if ((offset - sizeof(h)) % size || !cpy_read(r, at, bytes, size) ||
	    is_object(r, bytes, size, &start_of))
		return 0;
	return size;
}
