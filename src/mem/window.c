/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A window on a mem: a few slots, each a contiguous piece of the target. A reader that
 * follows the addresses upward doubles the piece with each step up to SLOT_MAX, as the
 * kernel's read-ahead does; one that jumps gets SLOT_MIN. So a walk pays few system calls a
 * megabyte and a random look-up does not pay for a megabyte.
 *
 * A slot keeps a bit for each page that is a hole. Private pages that no run of m->pages
 * holds are not read: alone they are zeroes from `zeros`, beside others they are cleared.
 *
 * `near` is the piece around the last answer without holes: nearly every call ends there.
 */
#include "mem/mem_int.h"

#include "base/search.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	SLOTS = 8,
	SLOT_MIN = 64 << 10,
	SLOT_MAX = 256 << 10, /* all slots together stay within a core's cache */
	WANT_MAX = 64 << 10,
	SLOT_PAGES = SLOT_MAX / PAGE_SIZE_4K,
	ZEROS = 1 << 20,
};

struct slot {
	taddr start;
	size_t len;    /* 0: empty */
	uint64_t used; /* tick of the last use */
	uint8_t *bytes;
	uint64_t holes[SLOT_PAGES / 64 + 1]; /* a slot need not start on a page */
};

struct mem_window {
	const struct mem *mem;
	struct {
		taddr start;
		size_t len;
		const uint8_t *bytes;
	} near;
	const uint8_t *zeros; /* ZEROS bytes of the kernel's zero page */
	uint64_t tick;
	struct slot slots[SLOTS];
};

struct mem_window *mem_window_new(const struct mem *m)
{
	struct mem_window *w = xcalloc(1, sizeof(*w));

	w->mem = m;
	w->zeros = mmap(NULL, ZEROS, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w->zeros == MAP_FAILED)
		w->zeros = xcalloc(ZEROS, 1);
	return w;
}

void mem_window_free(struct mem_window *w)
{
	if (!w)
		return;
	munmap((void *)(uintptr_t)w->zeros, ZEROS);
	for (size_t i = 0; i < SLOTS; i++)
		free(w->slots[i].bytes);
	free(w);
}

/* ---- filling a slot ---- */

static size_t page_in(const struct slot *s, taddr at)
{
	return (size_t)(at / PAGE_SIZE_4K - s->start / PAGE_SIZE_4K);
}

static void mark_holes(struct slot *s, taddr from, taddr to)
{
	for (size_t page = page_in(s, from); page <= page_in(s, to - 1); page++)
		s->holes[page / 64] |= (uint64_t)1 << page % 64;
}

/* Bytes that have to be asked for: a page that refuses is a hole, the next is tried. */
static void fill_by_copy(const struct mem *m, struct slot *s, const struct mem_region *r,
			 taddr from, taddr to)
{
	while (from < to) {
		from += m->ops->copy(m, r, from, s->bytes + (from - s->start),
				     (size_t)(to - from));
		if (from >= to)
			return;
		mark_holes(s, from, from + 1);
		from = align_down(from, PAGE_SIZE_4K) + PAGE_SIZE_4K;
	}
}

/* The part of private memory that has runs: reads them, clears what lies between. */
static void fill_by_runs(const struct mem *m, struct slot *s, const struct mem_region *r,
			 taddr from, taddr to)
{
	size_t i = run_after(m->pages, m->npages, from);

	while (from < to) {
		const struct page_run *run = i < m->npages ? &m->pages[i++] : NULL;
		taddr start = run ? max_u64(from, min_u64(run->start, to)) : to;
		taddr end = run ? max_u64(start, min_u64(run_end(run), to)) : to;

		memset(s->bytes + (from - s->start), 0, (size_t)(start - from));
		if (run && run->state == PAGE_ZERO)
			memset(s->bytes + (start - s->start), 0, (size_t)(end - start));
		else
			fill_by_copy(m, s, r, start, end);
		from = end;
	}
}

static void mark_guards(const struct mem *m, struct slot *s)
{
	taddr end = s->start + s->len;
	size_t i = run_after(m->guards, m->nguards, s->start);

	for (; i < m->nguards && m->guards[i].start < end; i++)
		mark_holes(s, max_u64(m->guards[i].start, s->start),
			   min_u64(run_end(&m->guards[i]), end));
}

static void slot_fill(const struct mem *m, struct slot *s, const struct mem_region *r)
{
	taddr at = s->start, end = s->start + s->len;

	memset(s->holes, 0, sizeof(s->holes));
	for (; at < end; r++) {
		taddr stop = min_u64(r->end, end);

		if (r->flags & REGION_IO)
			mark_holes(s, at, stop);
		else if (m->has_pages && region_is_zeroes(r))
			fill_by_runs(m, s, r, at, stop);
		else
			fill_by_copy(m, s, r, at, stop);
		at = stop;
	}
	if (m->nguards)
		mark_guards(m, s);
}

/* ---- choosing what to load ---- */

static struct slot *slot_of(struct mem_window *w, taddr at)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (at - w->slots[i].start < w->slots[i].len)
			return &w->slots[i];
	return NULL;
}

static struct slot *slot_oldest(struct mem_window *w)
{
	struct slot *oldest = &w->slots[0];

	for (size_t i = 1; i < SLOTS; i++)
		if (w->slots[i].used < oldest->used)
			oldest = &w->slots[i];
	return oldest;
}

/* Twice the piece that ends where this one starts. */
static size_t size_to_load(const struct mem_window *w, taddr start)
{
	for (size_t i = 0; i < SLOTS; i++) {
		const struct slot *s = &w->slots[i];
		taddr end = s->start + s->len;

		if (s->len && start <= end && end - start <= WANT_MAX)
			return (size_t)min_u64(2 * s->len, SLOT_MAX);
	}
	return SLOT_MIN;
}

/* How far the address space is mapped from `at` on, at most `most` bytes. */
static size_t mapped_from(const struct mem *m, const struct mem_region *r, taddr at,
			  size_t most)
{
	const struct mem_region *last = m->regions + m->nregions - 1;

	while (r < last && r->end - at < most && r[1].start == r->end)
		r++;
	return (size_t)min_u64(r->end - at, most);
}

static struct slot *slot_load(struct mem_window *w, const struct mem_region *r, taddr at,
			      size_t want)
{
	taddr start = max_u64(align_down(at, PAGE_SIZE_4K), r->start);
	size_t size = size_to_load(w, start);
	struct slot *s = slot_oldest(w);

	if (size < (size_t)(at - start) + want)
		size = align_up((at - start) + want, PAGE_SIZE_4K);
	if (!s->bytes)
		s->bytes = xcalloc(1, SLOT_MAX);
	w->near.len = 0; /* it may lie in the bytes that go */
	s->start = start;
	s->len = mapped_from(w->mem, r, start, size);
	slot_fill(w->mem, s, r);
	return s;
}

/* ---- answering ---- */

/* The first page from `page` on whose hole bit is not `is_hole`, or one behind the slot. */
static size_t page_unlike(const struct slot *s, size_t page, bool is_hole)
{
	size_t n = page_in(s, s->start + s->len - 1) + 1;

	while (page < n) {
		uint64_t word = (is_hole ? ~s->holes[page / 64] : s->holes[page / 64]) >>
				page % 64;

		if (word)
			return (size_t)min_u64(page + (size_t)__builtin_ctzll(word), n);
		page = (page / 64 + 1) * 64;
	}
	return n;
}

static const uint8_t *answer(struct mem_window *w, taddr at, const uint8_t *bytes,
			     size_t have)
{
	w->near.start = at;
	w->near.len = have;
	w->near.bytes = bytes;
	return bytes;
}

static const uint8_t *slot_answer(struct mem_window *w, const struct slot *s, taddr at,
				  size_t *have)
{
	size_t page = page_in(s, at);
	bool is_hole = s->holes[page / 64] >> page % 64 & 1;
	taddr reach = align_down(s->start, PAGE_SIZE_4K) +
		      page_unlike(s, page, is_hole) * PAGE_SIZE_4K;

	*have = (size_t)(min_u64(reach, s->start + s->len) - at);
	return is_hole ? NULL : answer(w, at, s->bytes + (at - s->start), *have);
}

/* Private pages never touched, at least `want` bytes of them. */
static size_t zeros_at(const struct mem *m, const struct mem_region *r, taddr at,
		       size_t want)
{
	size_t i = run_after(m->pages, m->npages, at);
	size_t g = run_after(m->guards, m->nguards, at);
	taddr end = r->end;

	if (i < m->npages)
		end = min_u64(end, max_u64(at, m->pages[i].start));
	if (g < m->nguards)
		end = min_u64(end, max_u64(at, m->guards[g].start));
	if (end - at < want)
		return 0;
	return (size_t)min_u64(end - at, ZEROS);
}

static size_t unmapped_from(const struct mem *m, taddr at)
{
	size_t low = search_structs(m->regions, m->nregions, start, at);

	return (size_t)((low < m->nregions ? m->regions[low].start : UINT64_MAX) - at);
}

static size_t guarded_from(const struct mem *m, taddr at)
{
	size_t i = run_after(m->guards, m->nguards, at);

	if (i == m->nguards || m->guards[i].start > at)
		return 0;
	return (size_t)(run_end(&m->guards[i]) - at);
}

/* The slot holds `at`, but its bytes end too early and the target's go on. */
static bool is_cut_short(const struct mem_window *w, const struct slot *s, taddr at,
			 size_t want, size_t have)
{
	taddr end = s->start + s->len;

	return have < want && at + have == end && mem_region_at(w->mem, end);
}

static const uint8_t *look(struct mem_window *w, taddr at, size_t want, size_t *have)
{
	struct slot *s = slot_of(w, at);
	const struct mem_region *r;
	const uint8_t *bytes;

	if (s) {
		s->used = ++w->tick;
		bytes = slot_answer(w, s, at, have);
		if (!is_cut_short(w, s, at, want, *have))
			return bytes;
	}
	r = mem_region_at(w->mem, at);
	*have = r ? guarded_from(w->mem, at) : unmapped_from(w->mem, at);
	if (!r || *have)
		return NULL;
	if (w->mem->has_pages && region_is_zeroes(r)) {
		*have = zeros_at(w->mem, r, at, want);
		if (*have)
			return answer(w, at, w->zeros, *have);
	}
	s = slot_load(w, r, at, want);
	s->used = ++w->tick;
	return slot_answer(w, s, at, have);
}

const uint8_t *mem_window_at(struct mem_window *w, taddr at, size_t want, size_t *have)
{
	taddr step = at - w->near.start;

	assert(want <= WANT_MAX);
	if (step < w->near.len && w->near.len - step >= want) {
		*have = w->near.len - (size_t)step;
		return w->near.bytes + step;
	}
	return look(w, at, want ? want : 1, have);
}
