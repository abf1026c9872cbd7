/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks that keep free memory resident. What a block PINS is memory that nobody uses, that
 * the system does not get back as things are, and would if the block were freed. Four ways:
 *
 *	page	beside the block are free chunks. Freed, it joins them (RUN, returnable_int.h),
 *		and malloc_trim gives back whole pages of the joint run: those that it gives
 *		back of the two now do not count, nor do the block's own bytes. What is left is
 *		the free part of pages in which this block alone is used: less than two pages.
 *
 *		chunks	| free      |used| free        |
 *		pages	|    |    |    |    |    |    |
 *				  |pin |
 *
 *	top	the last block below the top of its arena. Freed, the run below it joins the
 *		top, which free() itself trims (_int_free: systrim, heap_trim), all of it: no
 *		malloc_trim is needed then, so whole pages of that run count, too.
 *	heap	a few blocks in the topmost heap of an arena that has several: without them
 *		heap_trim unmaps it. Counts what is resident there and not used.
 *	arena	a few blocks in an arena of obmalloc: without them it is given back
 *		(obmalloc.c, when nfreepools reaches ntotalpools). Counts likewise.
 *
 * Blocks in a tcache are live here: neither malloc_trim nor anything but their thread's use
 * gives them back. Of `few` blocks the row is the first by address.
 *
 * One pass over the blocks, each run of free chunks is looked at once from either side; a
 * binary search among runs of pages for those beside free memory.
 */
#include "analysis/returnable_int.h"

#include <stdlib.h>

enum { FEW = 8 };

/* An area that goes back as a whole. */
struct holdout {
	taddr start, end;
	uint64_t used; /* bytes */
	uint32_t first, blocks;
};

struct pinning {
	const struct model *m;
	struct resident resident;
	struct holdout *heaps; /* topmost ones, by address */
	size_t nheaps, heap;
	struct pins *out;
};

static void pin_add(struct pinning *p, const struct pin *pin)
{
	struct pins *l = p->out;

	if (pin->pinned == 0)
		return;
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 256;
		l->rows = xrealloc(l->rows, l->cap, sizeof(*l->rows));
	}
	l->rows[l->n++] = *pin;
}

/* ---- areas that a few blocks keep ---- */

static void holdout_count(struct holdout *h, uint32_t row, uint64_t bytes)
{
	if (h->blocks++ == 0)
		h->first = row;
	h->used += bytes;
}

static bool holdout_is_few(const struct holdout *h)
{
	return h->blocks > 0 && h->blocks <= FEW;
}

static void holdout_add(struct pinning *p, const struct holdout *h, enum pin_what what)
{
	uint64_t resident = resident_between(&p->resident, h->start, h->end);

	if (holdout_is_few(h))
		pin_add(p,
			&(struct pin){ .row = h->first,
				       .what = what,
				       .blocks = h->blocks,
				       .pinned = resident - min_u64(resident, h->used) });
}

static int by_start(const void *a, const void *b)
{
	const struct holdout *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* The heap with the top, of arenas that have more than one: the others cannot go. */
static void find_heaps(struct pinning *p)
{
	const struct model *m = p->m;

	p->heaps = xcalloc(m->heaps.n + 1, sizeof(*p->heaps));
	for (size_t h = 0; h < m->heaps.n; h++) {
		uint32_t arena = m->heaps.arena[h];
		taddr top = m->arenas.top[arena];

		if (!m->arenas.is_main[arena] && m->heaps.start[h] <= top &&
		    top < m->heaps.end[h] &&
		    !(m->arenas.addr[arena] >= m->heaps.start[h] &&
		      m->arenas.addr[arena] < m->heaps.end[h]))
			p->heaps[p->nheaps++] =
				(struct holdout){ .start = m->heaps.start[h],
						  .end = m->heaps.end[h] };
	}
	qsort(p->heaps, p->nheaps, sizeof(*p->heaps), by_start);
}

/* The topmost heap that block b lies in, or NULL; b only goes up. */
static struct holdout *heap_of(struct pinning *p, size_t b)
{
	taddr at = p->m->blocks.addr[b];

	while (p->heap < p->nheaps && p->heaps[p->heap].end <= at)
		p->heap++;
	return p->heap < p->nheaps && p->heaps[p->heap].start <= at ? &p->heaps[p->heap]
								    : NULL;
}

static bool is_live(const struct model *m, size_t b)
{
	return m->blocks.arena[b] != BLOCK_MMAPPED &&
	       (m->blocks.state[b] == BLOCK_USED || m->blocks.state[b] == BLOCK_TCACHE);
}

static void count_heaps(struct pinning *p)
{
	const struct model *m = p->m;

	for (size_t b = 0; b < m->blocks.n && p->nheaps > 0; b++) {
		struct holdout *h = is_live(m, b) ? heap_of(p, b) : NULL;

		if (h)
			holdout_count(h, (uint32_t)b, block_footprint(m, b));
	}
	p->heap = 0;
	for (size_t h = 0; h < p->nheaps; h++)
		holdout_add(p, &p->heaps[h], PIN_HEAP);
}

static void count_slab(const struct model *m, size_t s, struct holdout *pool)
{
	uint32_t row;

	for (uint32_t i = 0; i < m->slabs.count[s]; i++)
		if (slab_block_is_used(m, s, i) && slab_block_row(m, s, i, &row))
			holdout_count(pool, row, m->slabs.block_size[s]);
}

static void count_pools(struct pinning *p)
{
	const struct model *m = p->m;
	struct holdout *pools = xcalloc(m->pools.n + 1, sizeof(*pools));

	for (size_t i = 0; i < m->pools.n; i++) {
		pools[i].start = m->pools.start[i];
		pools[i].end = m->pools.end[i];
	}
	for (size_t s = 0; s < m->slabs.n; s++)
		count_slab(m, s, &pools[m->slabs.pool[s]]);
	for (size_t i = 0; i < m->pools.n; i++)
		holdout_add(p, &pools[i], PIN_ARENA);
	free(pools);
}

/* ---- blocks beside free chunks ---- */

static uint64_t resident_span(const struct pinning *p, struct page_span s)
{
	return resident_between(&p->resident, s.start, s.end);
}

/* What of block b lies in these pages. */
static uint64_t own_bytes(const struct pinning *p, size_t b, struct page_span s)
{
	return resident_between(&p->resident, max_u64(chunk_start(p->m, b), s.start),
				min_u64(chunk_end(p->m, b), s.end));
}

static uint64_t pinned_pages(const struct pinning *p, size_t b, taddr before, taddr end)
{
	struct page_span joint = trim_of_run(before, end);
	uint64_t now = resident_span(p, trim_of_run(before, chunk_start(p->m, b))) +
		       resident_span(p, trim_of_run(chunk_end(p->m, b), end)) +
		       own_bytes(p, b, joint);
	uint64_t then = resident_span(p, joint);

	return then - min_u64(then, now);
}

/* Of the last block of a heap, whose top begins behind it and ends at `end`. */
static uint64_t pinned_below_top(const struct pinning *p, size_t b, taddr before,
				 taddr end)
{
	struct page_span joint = trim_of_top(p->m, before, end);
	uint64_t now = resident_span(p, trim_of_top(p->m, chunk_end(p->m, b), end)) +
		       own_bytes(p, b, joint);
	uint64_t then = resident_span(p, joint);

	return then - min_u64(then, now);
}

static bool can_lower_top(struct pinning *p, size_t b, size_t top)
{
	const struct holdout *h = heap_of(p, b);

	if (p->m->arenas.is_main[p->m->blocks.arena[top]])
		return top_is_break(p->m, top);
	return !(h && holdout_is_few(h)); /* else it is a row already */
}

/* before: where the free run begins that ends at block b; its chunk's start: there is none. */
static void look_at(struct pinning *p, size_t b, taddr before)
{
	const struct model *m = p->m;
	struct free_run after = { .start = chunk_end(m, b), .end = chunk_end(m, b) };
	struct pin pin = { .row = (uint32_t)b, .what = PIN_PAGE, .blocks = 1 };

	if (chunk_is_followed(m, b))
		after = free_run_at(m, b + 1);
	if (after.has_top) {
		if (!can_lower_top(p, b, after.behind - 1))
			return;
		pin.what = PIN_TOP;
		pin.pinned = pinned_below_top(p, b, before, after.end);
	} else if (before < chunk_start(m, b) || after.end > after.start) {
		pin.pinned = pinned_pages(p, b, before, after.end);
	}
	pin_add(p, &pin);
}

static void look_at_blocks(struct pinning *p)
{
	const struct model *m = p->m;
	struct page_span free = { 0, 0 }; /* the last run, if it ends with block b - 1 */

	for (size_t b = 0; b < m->blocks.n; b++) {
		if (m->blocks.arena[b] == BLOCK_MMAPPED)
			continue;
		if (chunk_is_free(m, b)) {
			struct free_run run = free_run_at(m, b);

			free = (struct page_span){ run.start, run.end };
			b = max_u64(run.behind, b + 1) - 1;
			continue;
		}
		if (is_live(m, b))
			look_at(p, b,
				b > 0 && chunk_is_followed(m, b - 1) &&
						free.end == chunk_start(m, b)
					? free.start
					: chunk_start(m, b));
		free = (struct page_span){ 0, 0 };
	}
}

void pins_build(const struct model *m, struct pins *out)
{
	struct pinning p = { .m = m, .out = out };

	*out = (struct pins){ 0 };
	resident_init(&p.resident, m);
	find_heaps(&p);
	count_heaps(&p);
	count_pools(&p);
	look_at_blocks(&p);
	resident_release(&p.resident);
	free(p.heaps);
}

void pins_release(struct pins *p)
{
	free(p->rows);
	*p = (struct pins){ 0 };
}

const char *pin_what_name(enum pin_what what)
{
	static const char *const names[] = { [PIN_PAGE] = "page",
					     [PIN_TOP] = "top",
					     [PIN_HEAP] = "heap",
					     [PIN_ARENA] = "arena" };

	return names[what];
}
