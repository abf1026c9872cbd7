/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two descriptions of the same addresses are laid over each other: who owns a byte (blocks,
 * then the heaps around them, then the region's kind) and what is behind it (page runs).
 * Each region is walked once, from boundary to boundary of either, so every byte lands in
 * one row with one state, and the work is linear in blocks and runs.
 *
 *	region   |---------------- heap ----------------|
 *	blocks     |used|free|  used    |free|    top   |
 *	pages    |resident |    zero     | resident |
 *	pieces   . |    |  | |  |       ||    |     |   |
 *
 * What a region says of itself (regions.resident, read once, by the kernel) is the truth
 * that the rows add up to. Pages were looked at in another moment, so the pieces of a
 * region are fitted to it: a surplus of pages is taken off all its pieces in proportion;
 * pages that came since are nobody's block, so they go to the region's rest.
 *
 * A block takes its footprint: chunks then touch each other and fill their heap, and a
 * mmapped chunk fills its mapping. What lies in a pool of another allocator is the pool's,
 * block by block of its slabs, wherever the pool itself lies.
 */
#include "analysis/analysis.h"

#include <stdlib.h>

/* What a byte of one region may count for. */
enum slot {
	SLOT_USED,
	SLOT_OWNED, /* used, and an object's or a part's of one */
	SLOT_TCACHE,
	SLOT_FASTBIN,
	SLOT_BIN,
	SLOT_TOP,
	SLOT_OVERHEAD,
	SLOT_MMAPPED,
	SLOT_OWNED_MMAPPED,
	SLOT_POOL_USED,
	SLOT_POOL_FREE,
	SLOT_POOL_OVERHEAD, /* heads, and what is not cut into blocks */
	SLOT_REST,          /* what the region is, beyond blocks */
	SLOT_PRIVATE, /* of a file's region: pages that were written and are its own */
	NSLOTS,
};

struct tally {
	uint64_t bytes[NSLOTS], resident[NSLOTS], swapped[NSLOTS];
};

struct span {
	taddr start, end;
};

/* A walk over one region; the cursors only move up. */
struct walk {
	const struct model *m;
	const struct span *heaps; /* sorted */
	size_t nheaps;
	size_t region, block, page, heap, pool, slab;
};

static enum slot slot_of_block(const struct model *m, size_t b)
{
	static const enum slot slots[] = {
		[BLOCK_USED] = SLOT_USED,       [BLOCK_TCACHE] = SLOT_TCACHE,
		[BLOCK_FASTBIN] = SLOT_FASTBIN, [BLOCK_BIN] = SLOT_BIN,
		[BLOCK_TOP] = SLOT_TOP,         [BLOCK_FENCE] = SLOT_OVERHEAD,
	};
	unsigned state = m->blocks.state[b];
	bool is_owned = m->blocks.owner[b] != 0;

	if (state == BLOCK_USED && m->blocks.owner[b] == BLOCK_IS_POOL)
		return SLOT_POOL_OVERHEAD;
	if (m->blocks.arena[b] == BLOCK_MMAPPED && state == BLOCK_USED)
		return is_owned ? SLOT_OWNED_MMAPPED : SLOT_MMAPPED;
	if (state == BLOCK_USED && is_owned)
		return SLOT_OWNED;
	return state < countof(slots) ? slots[state] : SLOT_OVERHEAD;
}

/* The last usable word of an arena's chunk is the first of the next one's header (glibc
 * malloc.c, malloc_chunk.mchunk_prev_size); it is counted there. */
static struct span block_span(const struct model *m, size_t b)
{
	uint64_t lent = m->blocks.arena[b] == BLOCK_MMAPPED ? 0 : 8;
	taddr end = m->blocks.addr[b] + m->blocks.size[b] - lent;

	return (struct span){ end - block_footprint(m, b), end };
}

static taddr slab_end(const struct walk *w, size_t i)
{
	const struct model_slabs *s = &w->m->slabs;

	return s->start[i] + (uint64_t)s->count[i] * s->block_size[i];
}

/* The blocks of the slab from `at` on that are in the same state. */
static enum slot slab_slot(const struct walk *w, taddr at, taddr *end)
{
	const struct model_slabs *s = &w->m->slabs;
	taddr start = s->start[w->slab];
	uint64_t size = s->block_size[w->slab];
	uint32_t i = (uint32_t)((at - start) / size);
	bool is_used = slab_block_is_used(w->m, w->slab, i);

	do
		i++;
	while (i < s->count[w->slab] && start + i * size < *end &&
	       slab_block_is_used(w->m, w->slab, i) == is_used);
	*end = min_u64(*end, start + i * size);
	return is_used ? SLOT_POOL_USED : SLOT_POOL_FREE;
}

/* The same as owner_at, if a pool has the byte. */
static bool pool_at(struct walk *w, taddr at, taddr *end, enum slot *slot)
{
	const struct model *m = w->m;

	while (w->pool < m->pools.n && m->pools.end[w->pool] <= at)
		w->pool++;
	if (w->pool == m->pools.n)
		return false;
	if (m->pools.start[w->pool] > at) {
		*end = min_u64(*end, m->pools.start[w->pool]);
		return false;
	}
	*end = min_u64(*end, m->pools.end[w->pool]);
	while (w->slab < m->slabs.n && slab_end(w, w->slab) <= at)
		w->slab++;
	*slot = SLOT_POOL_OVERHEAD;
	if (w->slab == m->slabs.n)
		return true;
	if (m->slabs.start[w->slab] > at)
		*end = min_u64(*end, m->slabs.start[w->slab]);
	else
		*slot = slab_slot(w, at, end);
	return true;
}

/* Who owns the byte at `at`, and how far that holds (beyond `at`, at most `end`). */
static enum slot owner_at(struct walk *w, taddr at, taddr *end)
{
	const struct model *m = w->m;
	bool is_heap = m->regions.kind[w->region] == REGION_HEAP;
	enum slot of_pool;

	if (pool_at(w, at, end, &of_pool))
		return of_pool;
	while (w->block < m->blocks.n && block_span(m, w->block).end <= at)
		w->block++;
	if (w->block < m->blocks.n) {
		struct span block = block_span(m, w->block);

		if (block.start <= at) {
			*end = min_u64(*end, block.end);
			return slot_of_block(m, w->block);
		}
		*end = min_u64(*end, block.start);
	}
	while (w->heap < w->nheaps && w->heaps[w->heap].end <= at)
		w->heap++;
	if (w->heap < w->nheaps && w->heaps[w->heap].start <= at) {
		*end = min_u64(*end, w->heaps[w->heap].end);
		return SLOT_OVERHEAD;
	}
	if (w->heap < w->nheaps)
		*end = min_u64(*end, w->heaps[w->heap].start);
	return is_heap && m->regions.prot[w->region] & (PROT_R | PROT_W) ? SLOT_OVERHEAD
									 : SLOT_REST;
}

/* What is behind the byte at `at`, and how far that holds. False: nothing. */
static bool page_at(struct walk *w, taddr at, taddr *end, enum page_state *state)
{
	const struct model_pages *p = &w->m->pages;

	while (w->page < p->n &&
	       p->start[w->page] + p->count[w->page] * PAGE_SIZE_4K <= at)
		w->page++;
	if (w->page == p->n)
		return false;
	if (p->start[w->page] > at) {
		*end = min_u64(*end, p->start[w->page]);
		return false;
	}
	*end = min_u64(*end, p->start[w->page] + p->count[w->page] * PAGE_SIZE_4K);
	*state = p->state[w->page];
	return true;
}

static taddr block_end(const struct walk *w, size_t i)
{
	return block_span(w->m, i).end;
}

static taddr page_end(const struct walk *w, size_t i)
{
	return w->m->pages.start[i] + w->m->pages.count[i] * PAGE_SIZE_4K;
}

static taddr heap_end(const struct walk *w, size_t i)
{
	return w->heaps[i].end;
}

static taddr pool_end(const struct walk *w, size_t i)
{
	return w->m->pools.end[i];
}

/* The first of n sorted things that ends behind `at`. */
static size_t first_behind(const struct walk *w, size_t n,
			   taddr (*end_of)(const struct walk *, size_t), taddr at)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (end_of(w, middle) <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void region_walk(struct walk *w, struct tally *t)
{
	const struct model *m = w->m;
	taddr at = m->regions.start[w->region], last = m->regions.end[w->region];
	bool is_file = m->regions.kind[w->region] == REGION_FILE &&
		       !(m->regions.prot[w->region] & PROT_SHARED);

	w->block = first_behind(w, m->blocks.n, block_end, at);
	w->page = first_behind(w, m->pages.n, page_end, at);
	w->heap = first_behind(w, w->nheaps, heap_end, at);
	w->pool = first_behind(w, m->pools.n, pool_end, at);
	w->slab = first_behind(w, m->slabs.n, slab_end, at);
	while (at < last) {
		enum page_state state = PAGE_ZERO;
		taddr end = last;
		bool is_there = page_at(w, at, &end, &state);
		enum slot slot = owner_at(w, at, &end);

		if (slot == SLOT_REST && is_file && is_there &&
		    (state == PAGE_RESIDENT || state == PAGE_SWAPPED))
			slot = SLOT_PRIVATE;
		t->bytes[slot] += end - at;
		if (is_there && (state == PAGE_RESIDENT || state == PAGE_FILE))
			t->resident[slot] += end - at;
		else if (is_there && state == PAGE_SWAPPED)
			t->swapped[slot] += end - at;
		at = end;
	}
}

/* Makes the slots add up to `total`: see the top of this file. */
static void fit(uint64_t slots[NSLOTS], const uint64_t bytes[NSLOTS], enum slot rest,
		uint64_t total)
{
	uint64_t sum = 0, left = total;
	const uint64_t *share = slots;

	for (size_t i = 0; i < NSLOTS; i++)
		sum += slots[i];
	if (sum > 0 && sum <= total) {
		slots[rest] += total - sum;
		return;
	}
	if (sum == 0) { /* nothing is known of its pages: by what is mapped */
		share = bytes;
		for (size_t i = 0; i < NSLOTS; i++)
			sum += bytes[i];
	}
	for (size_t i = 0; i < NSLOTS && sum > 0; i++) {
		slots[i] = (uint64_t)((unsigned __int128)share[i] * total / sum);
		left -= slots[i];
	}
	for (size_t i = 0; i < NSLOTS && left > 0; i++) { /* what rounding left */
		uint64_t room = i == rest ? left : min_u64(left, bytes[i] - slots[i]);

		slots[i] += room;
		left -= room;
	}
}

static struct summary_row *row_of(struct summary *s, const char *category,
				  struct str detail)
{
	uint64_t hash = str_hash(str_of(category)) * 31 + str_hash(detail);
	uint32_t i;

	for (; map_find(&s->by_name, hash, &i); hash++)
		if (strcmp(s->rows[i].category, category) == 0 &&
		    str_equal(s->rows[i].detail, detail))
			return &s->rows[i];
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 32;
		s->rows = xrealloc(s->rows, s->cap, sizeof(*s->rows));
	}
	map_set(&s->by_name, hash, (uint32_t)s->n);
	s->rows[s->n] = (struct summary_row){ .category = category, .detail = detail };
	return &s->rows[s->n++];
}

/* The row of an allocator's slot. */
static struct summary_row *malloc_row(struct summary *s, enum slot slot)
{
	static const struct {
		const char *category, *detail;
	} names[] = {
		[SLOT_USED] = { "malloc", "used" },
		[SLOT_OWNED] = { "malloc", "used, by objects" },
		[SLOT_TCACHE] = { "malloc", "free in tcache" },
		[SLOT_FASTBIN] = { "malloc", "free in fastbins" },
		[SLOT_BIN] = { "malloc", "free in bins" },
		[SLOT_TOP] = { "malloc", "top" },
		[SLOT_OVERHEAD] = { "malloc", "overhead" },
		[SLOT_MMAPPED] = { "mmapped malloc", "used" },
		[SLOT_OWNED_MMAPPED] = { "mmapped malloc", "used, by objects" },
		[SLOT_POOL_USED] = { "obmalloc", "used" },
		[SLOT_POOL_FREE] = { "obmalloc", "free in pools" },
		[SLOT_POOL_OVERHEAD] = { "obmalloc", "overhead" },
	};

	return row_of(s, names[slot].category, str_of(names[slot].detail));
}

/* The row of what a region is beyond its blocks. */
static struct summary_row *rest_row(const struct model *m, struct summary *s, size_t r)
{
	struct str name = model_text(m, m->regions.name[r]);
	bool is_reserved = !(m->regions.prot[r] & (PROT_R | PROT_W | PROT_X));

	switch (m->regions.kind[r]) {
	case REGION_HEAP:
		return row_of(s, "malloc", str_of("reserved"));
	case REGION_STACK:
		return row_of(s, "thread stacks",
			      str_of(str_is(name, "[stack]") ? "main" : "others"));
	case REGION_FILE:
		return row_of(s, "file, shared", name);
	case REGION_SHARED:
		return row_of(s, "shared memory", name);
	case REGION_SPECIAL:
		return row_of(s, "special", name);
	}
	if (is_reserved)
		return row_of(s, "anonymous", str_of("reserved"));
	return row_of(s, "anonymous", name.n ? name : str_of("other"));
}

static void tally_add(const struct model *m, struct summary *s, size_t r,
		      const struct tally *t)
{
	for (enum slot i = 0; i < NSLOTS; i++) {
		struct summary_row *row;

		if (t->bytes[i] == 0 && t->resident[i] == 0 && t->swapped[i] == 0)
			continue;
		if (i == SLOT_PRIVATE)
			row = row_of(s, "file, private",
				     model_text(m, m->regions.name[r]));
		else
			row = i == SLOT_REST ? rest_row(m, s, r) : malloc_row(s, i);
		row->bytes += t->bytes[i];
		row->resident += t->resident[i];
		row->swapped += t->swapped[i];
		if (i == SLOT_REST || i == SLOT_PRIVATE) {
			row->count++;
			row->has_count = true;
		}
	}
}

static int span_compare(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static struct span *heaps_sorted(const struct model *m)
{
	struct span *heaps = xcalloc(m->heaps.n, sizeof(*heaps));

	for (size_t i = 0; i < m->heaps.n; i++)
		heaps[i] = (struct span){ m->heaps.start[i], m->heaps.end[i] };
	qsort(heaps, m->heaps.n, sizeof(*heaps), span_compare);
	return heaps;
}

static void slabs_count(const struct model *m, uint64_t counts[NSLOTS])
{
	for (size_t s = 0; s < m->slabs.n; s++)
		for (uint32_t i = 0; i < m->slabs.count[s]; i++)
			counts[slab_block_is_used(m, s, i) ? SLOT_POOL_USED
							   : SLOT_POOL_FREE]++;
}

static void blocks_count(const struct model *m, struct summary *s)
{
	uint64_t counts[NSLOTS] = { 0 };

	for (size_t b = 0; b < m->blocks.n; b++)
		counts[slot_of_block(m, b)]++;
	slabs_count(m, counts);
	for (enum slot i = 0; i < SLOT_REST; i++) {
		if (counts[i] == 0 || i == SLOT_OVERHEAD || i == SLOT_POOL_OVERHEAD)
			continue;

		struct summary_row *row = malloc_row(s, i);

		row->count = counts[i];
		row->has_count = true;
	}
}

void summary_build(const struct model *m, struct summary *out)
{
	struct span *heaps = heaps_sorted(m);
	struct walk w = { .m = m, .heaps = heaps, .nheaps = m->heaps.n };

	*out = (struct summary){ .has_residency = m->pages.n > 0 };
	blocks_count(m, out); /* first, so that malloc's rows come first */
	for (; w.region < m->regions.n; w.region++) {
		struct tally t = { 0 };
		enum slot rest = m->regions.kind[w.region] == REGION_HEAP ? SLOT_OVERHEAD
									  : SLOT_REST;

		region_walk(&w, &t);
		fit(t.resident, t.bytes, rest, m->regions.resident[w.region]);
		fit(t.swapped, t.bytes, rest, m->regions.swapped[w.region]);
		tally_add(m, out, w.region, &t);
		out->has_residency |= m->regions.resident[w.region] > 0;
	}
	free(heaps);
}

void summary_release(struct summary *s)
{
	free(s->rows);
	map_release(&s->by_name);
	*s = (struct summary){ 0 };
}
