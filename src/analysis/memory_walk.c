/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two descriptions of the same addresses are laid over each other: who owns a byte (blocks,
 * then the heaps around them, then stacks and other areas, then the region's kind) and what
 * is behind it (page runs). Each region is walked once, from boundary to boundary of either,
 * so every byte lands in one slot with one state, and the work is linear in all of them.
 *
 *	region   |---------------- heap ----------------|
 *	blocks     |used|free|  used    |free|    top   |
 *	pages    |resident |    zero     | resident |
 *	pieces   . |    |  | |  |       ||    |     |   |
 *
 * A block takes its footprint: chunks then touch each other and fill their heap, and a
 * mmapped chunk fills its mapping. What lies in a pool of another allocator is the pool's,
 * block by block of its slabs, wherever the pool itself lies.
 *
 * Of a block in use the first bytes are its header, the last its rounding. A page that is in
 * RAM for the sake of a huge one keeps its owner, but is resident in a slot of its own.
 */
#include "analysis/memory_walk_int.h"

#include "base/search.h"
#include <stdlib.h>

enum { RED_ZONE = 128 /* below sp: x86-64 psABI 3.2.2 */ };

enum slot memory_slot_of_block(const struct model *m, size_t b)
{
	static const enum slot slots[] = {
		[BLOCK_USED] = SLOT_USED,       [BLOCK_TCACHE] = SLOT_TCACHE,
		[BLOCK_FASTBIN] = SLOT_FASTBIN, [BLOCK_BIN] = SLOT_BIN,
		[BLOCK_TOP] = SLOT_TOP,         [BLOCK_FENCE] = SLOT_FENCE,
	};
	unsigned state = m->blocks.state[b];
	bool is_owned = m->blocks.owner[b] != 0;

	if (state == BLOCK_USED && m->blocks.owner[b] == BLOCK_IS_POOL)
		return SLOT_POOL_OVERHEAD;
	if (m->blocks.arena[b] == BLOCK_MMAPPED && state == BLOCK_USED)
		return is_owned ? SLOT_OWNED_MMAPPED : SLOT_MMAPPED;
	if (state == BLOCK_USED && is_owned)
		return SLOT_OWNED;
	return state < countof(slots) ? slots[state] : SLOT_RECORDS;
}

/* A chunk of an arena begins 16 bytes before its block and takes its footprint: its last
 * usable word is the first of the next one's header (glibc malloc.c,
 * malloc_chunk.mchunk_prev_size), and counted there. A mapping ends with its block. */
static struct span block_span(const struct model *m, size_t b)
{
	taddr end = m->blocks.addr[b] + m->blocks.size[b];

	if (m->blocks.arena[b] == BLOCK_MMAPPED)
		return (struct span){ end - block_footprint(m, b), end };
	return (struct span){ m->blocks.addr[b] - 16,
			      m->blocks.addr[b] - 16 + block_footprint(m, b) };
}

static taddr slab_end(const struct memory_walk *w, size_t i)
{
	const struct model_slabs *s = &w->m->slabs;

	return s->start[i] + (uint64_t)s->count[i] * s->block_size[i];
}

static taddr block_rounding(struct memory_walk *w, taddr start, uint64_t size,
			    bool is_mapped)
{
	if (w->rounded.start != start) {
		w->rounded.start = start;
		w->rounded.bytes = rounding_at_end(&w->rounding, start, size, is_mapped);
	}
	return w->rounded.bytes;
}

/* The free blocks of the slab from `at` on, or one in use, or the rounding at its end. */
static enum slot slab_slot(struct memory_walk *w, taddr at, taddr *end)
{
	const struct model_slabs *s = &w->m->slabs;
	uint64_t size = s->block_size[w->slab];
	uint32_t i = (uint32_t)((at - s->start[w->slab]) / size);
	taddr start = s->start[w->slab] + i * size, rounding;

	if (slab_block_is_used(w->m, w->slab, i)) {
		rounding = start + size - block_rounding(w, start, size, false);
		*end = min_u64(*end, at < rounding ? rounding : start + size);
		return at < rounding ? SLOT_POOL_USED : SLOT_POOL_ROUNDING;
	}
	do
		start += size, i++;
	while (i < s->count[w->slab] && start < *end &&
	       !slab_block_is_used(w->m, w->slab, i));
	*end = min_u64(*end, start);
	return SLOT_POOL_FREE;
}

/* The same as owner_at, if a pool has the byte. */
static bool pool_at(struct memory_walk *w, taddr at, taddr *end, enum slot *slot)
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

/* Which part of a block it is: its header, what is used, its rounding. */
static enum slot block_slot(struct memory_walk *w, taddr at, taddr *end)
{
	const struct model *m = w->m;
	struct span block = block_span(m, w->block);
	enum slot slot = memory_slot_of_block(m, w->block);
	taddr body = block.start + 8 * (uint64_t)m->blocks.extra[w->block];
	taddr rounding;

	*end = min_u64(*end, block.end);
	if (m->blocks.state[w->block] != BLOCK_USED || slot == SLOT_POOL_OVERHEAD)
		return slot;
	if (at < body) {
		*end = min_u64(*end, body);
		return SLOT_HEADER;
	}
	if (m->blocks.owner[w->block] == 0)
		return slot;
	rounding = block.end - block_rounding(w, m->blocks.addr[w->block],
					      m->blocks.size[w->block],
					      slot == SLOT_OWNED_MMAPPED);
	if (at >= rounding)
		return SLOT_ROUNDING;
	*end = min_u64(*end, rounding);
	return slot;
}

/* The same as owner_at, if a block of malloc's has the byte. */
static bool block_at(struct memory_walk *w, taddr at, taddr *end, enum slot *slot)
{
	const struct model *m = w->m;

	while (w->block < m->blocks.n && block_span(m, w->block).end <= at)
		w->block++;
	if (w->block == m->blocks.n)
		return false;
	if (block_span(m, w->block).start > at) {
		*end = min_u64(*end, block_span(m, w->block).start);
		return false;
	}
	*slot = block_slot(w, at, end);
	return true;
}

/* Likewise a heap, between its blocks. */
static bool heap_at(struct memory_walk *w, taddr at, taddr *end)
{
	while (w->heap < w->nheaps && w->heaps[w->heap].end <= at)
		w->heap++;
	if (w->heap == w->nheaps)
		return false;
	if (w->heaps[w->heap].start > at) {
		*end = min_u64(*end, w->heaps[w->heap].start);
		return false;
	}
	*end = min_u64(*end, w->heaps[w->heap].end);
	return true;
}

/* Likewise a stack, or another area that is none of a file's. */
static bool use_at(struct memory_walk *w, taddr at, taddr *end, enum slot *slot)
{
	const struct model *m = w->m;
	unsigned kind = m->regions.kind[w->region];

	if (kind >= REGION_FILE || m->regions.module[w->region] != 0)
		return false;
	while (w->use < w->nuses && w->uses[w->use].end <= at)
		w->use++;
	if (w->use == w->nuses)
		return false;
	if (w->uses[w->use].start > at) {
		*end = min_u64(*end, w->uses[w->use].start);
		return false;
	}
	*end = min_u64(*end, w->uses[w->use].end);
	*slot = w->uses[w->use].slot;
	return true;
}

/* Who owns the byte at `at`, and how far that holds (beyond `at`, at most `end`). */
static enum slot owner_at(struct memory_walk *w, taddr at, taddr *end)
{
	enum slot slot;

	if (pool_at(w, at, end, &slot) || block_at(w, at, end, &slot))
		return slot;
	if (heap_at(w, at, end))
		return SLOT_RECORDS;
	if (use_at(w, at, end, &slot))
		return slot;
	return SLOT_REST;
}

/* What is behind the byte at `at`, and how far that holds. False: nothing. */
static bool page_at(struct memory_walk *w, taddr at, taddr *end, enum page_state *state)
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

static taddr block_end(const struct memory_walk *w, size_t i)
{
	return block_span(w->m, i).end;
}

static taddr page_end(const struct memory_walk *w, size_t i)
{
	return w->m->pages.start[i] + w->m->pages.count[i] * PAGE_SIZE_4K;
}

static taddr heap_end(const struct memory_walk *w, size_t i)
{
	return w->heaps[i].end;
}

static taddr pool_end(const struct memory_walk *w, size_t i)
{
	return w->m->pools.end[i];
}

/* The first of n sorted things that ends behind `at`. */
static size_t first_behind(const struct memory_walk *w, size_t n,
			   taddr (*end_of)(const struct memory_walk *, size_t), taddr at)
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

static taddr use_end(const struct memory_walk *w, size_t i)
{
	return w->uses[i].end;
}

static void go_to(struct memory_walk *w, taddr at)
{
	const struct model *m = w->m;

	w->block = first_behind(w, m->blocks.n, block_end, at);
	w->page = first_behind(w, m->pages.n, page_end, at);
	w->heap = first_behind(w, w->nheaps, heap_end, at);
	w->pool = first_behind(w, m->pools.n, pool_end, at);
	w->slab = first_behind(w, m->slabs.n, slab_end, at);
	w->use = first_behind(w, w->nuses, use_end, at);
	w->rounded.start = UINT64_MAX;
	rounding_go_to(&w->rounding, at);
}

static void piece_add(struct tally *t, enum slot slot, uint64_t bytes, bool is_there,
		      enum page_state state)
{
	t->bytes[slot] += bytes;
	if (!is_there)
		return;
	if (state == PAGE_SWAPPED)
		t->swapped[slot] += bytes;
	else if (page_is_resident(state))
		t->resident[state == PAGE_SLACK ? SLOT_SLACK : slot] += bytes;
}

void memory_walk_region(struct memory_walk *w, size_t region, struct tally *t)
{
	const struct model *m = w->m;
	taddr at = m->regions.start[region], last = m->regions.end[region];
	bool is_file = m->regions.kind[region] == REGION_FILE &&
		       !(m->regions.prot[region] & PROT_SHARED);

	w->region = region;
	go_to(w, at);
	while (at < last) {
		enum page_state state = PAGE_ZERO;
		taddr end = last;
		bool is_there = page_at(w, at, &end, &state);
		enum slot slot = owner_at(w, at, &end);

		if (slot == SLOT_REST && is_file && is_there && state != PAGE_FILE &&
		    state != PAGE_ZERO)
			slot = SLOT_PRIVATE;
		if (slot >= SLOT_STACK && slot <= SLOT_INTERPRETER)
			t->starts[slot] += at == w->uses[w->use].start;
		piece_add(t, slot, end - at, is_there, state);
		at = end;
	}
}

/* ---- heaps and uses in order ---- */

static int by_start(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static void sort_heaps(struct memory_walk *w)
{
	const struct model *m = w->m;

	w->nheaps = m->heaps.n;
	w->heaps = xcalloc(w->nheaps + 1, sizeof(*w->heaps));
	for (size_t i = 0; i < m->heaps.n; i++)
		w->heaps[i] = (struct span){ m->heaps.start[i], m->heaps.end[i] };
	qsort(w->heaps, w->nheaps, sizeof(*w->heaps), by_start);
}

static int by_start_and_slot(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (int)x->slot - (int)y->slot;
}

static void use_add(struct memory_walk *w, taddr start, taddr end, enum slot slot)
{
	if (start < end)
		w->uses[w->nuses++] = (struct use){ start, end, slot };
}

/* A thread's variables lie at the top of its stack: they end it. Else the first one wins. */
static void part_uses(struct memory_walk *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->nuses; i++) {
		struct use u = w->uses[i], *last = kept ? &w->uses[kept - 1] : NULL;

		if (last && u.start < last->end && u.slot == SLOT_TLS)
			last->end = u.start;
		else if (last)
			u.start = max_u64(u.start, last->end);
		if (last && last->start >= last->end)
			kept--;
		if (u.start < u.end)
			w->uses[kept++] = u;
	}
	w->nuses = kept;
}

static void sort_uses(struct memory_walk *w)
{
	static const enum slot slots[] = { [AREA_TLS] = SLOT_TLS,
					   [AREA_STACK] = SLOT_OLD_STACK,
					   [AREA_LOADER] = SLOT_LOADER,
					   [AREA_INTERPRETER] = SLOT_INTERPRETER };
	const struct model *m = w->m;

	w->uses = xcalloc(m->areas.n + 2 * m->threads.n + 1, sizeof(*w->uses));
	for (size_t i = 0; i < m->areas.n; i++)
		use_add(w, m->areas.start[i], m->areas.end[i], slots[m->areas.kind[i]]);
	for (size_t i = 0; i < m->threads.n; i++) {
		taddr start = m->threads.stack_start[i], end = m->threads.stack_end[i];
		taddr used = m->threads.sp[i] - min_u64(m->threads.sp[i], RED_ZONE);

		used = min_u64(max_u64(used, start), end);
		use_add(w, start, used, SLOT_STACK_UNUSED);
		use_add(w, used, end, SLOT_STACK);
	}
	qsort(w->uses, w->nuses, sizeof(*w->uses), by_start_and_slot);
	part_uses(w);
}

void memory_walk_init(struct memory_walk *w, const struct model *m)
{
	*w = (struct memory_walk){ .m = m };
	rounding_init(&w->rounding, m);
	sort_heaps(w);
	sort_uses(w);
}

void memory_walk_release(struct memory_walk *w)
{
	free(w->heaps);
	free(w->uses);
	rounding_release(&w->rounding);
}
