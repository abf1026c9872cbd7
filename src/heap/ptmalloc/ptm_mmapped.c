/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What malloc mapped and linked nowhere. Two kinds begin at a page of private memory:
 *
 *   an mmapped chunk         prev_size 0, size | IS_MMAPPED, size the mapping's length
 *                            (2.43: less the header). The next may follow at once.
 *   a piece of the main      prev_size 0, a plain chunk with PREV_INUSE; chunks chain on
 *   arena (the break was     to top or to two fenceposts. Only if main_arena says that it
 *   blocked, or huge pages)  is not contiguous.
 *
 * memalign leaves a whole-size header at the base of the mapping, and puts the real one
 * 16 bytes before an address aligned as asked: prev_size there is its distance from the
 * base, its size the rest.
 *
 * Mappings merge with their neighbours (stacks, other libraries' bss), so every page of
 * private memory that belongs to no heap is looked at, but for those never touched: they
 * may be terabytes. mp_ counts mmapped chunks and their bytes: once both are reached, the
 * rest need not be read.
 *
 * In huge pages more may be found than are counted. mremap_chunk rounds the chunk's size
 * to small pages (glibc 2.36 malloc.c), the kernel keeps the mapping's length; free then
 * counts the chunk down, munmap refuses its length, and header and memory stay for ever.
 *
 * Anybody's memory may read as chunks for a long way. A chain that fails after CREDIBLE of
 * them is not tried again from within, and all steps that led nowhere have a budget.
 */
#include "heap/ptmalloc/ptm_int.h"
#include <stdio.h>

enum {
	CREDIBLE = 64,
	WRONG_STEPS = 1 << 22,   /* over chunks that led nowhere, in all */
	UNKNOWN_PAGES = 1 << 20, /* looked at where nobody says which were touched */
};

struct search {
	struct ptm_heap *heap;
	struct model *model;
	struct mem_window *window;
	size_t nheap_spans; /* the spans before the search: sorted */
	size_t next_span;   /* of these, the first that may end after where we are */
	uint32_t wrong_steps, unknown_pages; /* left of the budgets */
};

static bool header_at(struct mem_window *w, taddr at, uint64_t header[2])
{
	size_t have;
	const uint8_t *p = mem_window_at(w, at, PTM_HEADER, &have);

	if (!p || have < PTM_HEADER)
		return false;
	memcpy(header, p, PTM_HEADER);
	return true;
}

/* Of an mmapped chunk from its mapping's start. */
static uint64_t distance(const struct search *s, const uint64_t header[2])
{
	return header[0] & ~(uint64_t)s->heap->places->state->mmap_huge;
}

/* The length of the mapping whose chunk's header this is, 0: it is none. */
static uint64_t mapping_length(const struct search *s, const uint64_t header[2],
			       uint64_t left)
{
	uint64_t size = header[1] & ~(uint64_t)PTM_FLAGS;
	uint64_t length = size + s->heap->places->state->mmap_left_out;

	if (distance(s, header) != 0 || (header[1] & PTM_FLAGS) != PTM_IS_MMAPPED)
		return 0;
	if (size < PTM_MIN_CHUNK || length % PAGE_SIZE_4K || length > left)
		return 0;
	return length;
}

/* Does memalign's own header stand `offset` bytes into the mapping? */
static bool is_inner(const struct search *s, taddr start, uint64_t length,
		     uint64_t offset)
{
	uint64_t header[2], size;

	if (offset + PTM_MIN_CHUNK > length ||
	    !header_at(s->window, start + offset, header))
		return false;
	size = header[1] & ~(uint64_t)PTM_FLAGS;
	return distance(s, header) == offset &&
	       (header[1] & PTM_FLAGS) == PTM_IS_MMAPPED &&
	       size + offset + s->heap->places->state->mmap_left_out == length;
}

/* Where memalign put the chunk in a mapping; the mapping's start if it did not. Up to 2.42
 * it leaves at least a chunk before it. */
static taddr inner_chunk(const struct search *s, taddr start, uint64_t length)
{
	for (uint64_t align = 2 * PTM_ALIGN; align < length; align *= 2) {
		uint64_t offset =
			align_up(start + PTM_HEADER, align) - PTM_HEADER - start;

		if (is_inner(s, start, length, offset))
			return start + offset;
		if (offset < PTM_MIN_CHUNK && is_inner(s, start, length, offset + align))
			return start + offset + align;
	}
	return start;
}

/* Steps on while chunks are sound; how many. At a fault it stops with STOP_DAMAGE. */
static uint64_t follow_chunks(struct ptm_chunks *it)
{
	struct ptm_chunk chunks[CREDIBLE];
	uint64_t steps = 0;

	do {
		size_t n = ptm_chunks_next(it, chunks, countof(chunks));

		for (size_t i = 0; i < n; i++)
			if (chunks[i].faults)
				it->stop = STOP_DAMAGE;
		steps += n;
	} while (it->stop == STOP_NOT);
	return steps;
}

/* Where the piece of the main arena ends whose chunks led to it->at; 0: it is none. */
static taddr end_of_piece(const struct search *s, const struct ptm_chunks *it,
			  taddr start, taddr end)
{
	taddr top = s->heap->arenas[0].top;
	uint64_t top_size = ptm_word(s->heap->mem, top + 8) & ~(uint64_t)PTM_FLAGS;
	size_t fences;

	if (it->stop == STOP_END && it->end == top && top < end && top_size <= end - top)
		return top + top_size;
	fences = it->stop == STOP_FENCE && it->at > start ? ptm_chunks_fences(it) : 0;
	return fences ? it->at + fences * PTM_FENCE : 0;
}

/* A chunk in huge pages that ends before they do. */
static bool is_short_huge(const struct mem *mem, taddr at, uint64_t length)
{
	const struct mem_region *r = mem_region_at(mem, at);

	return strncmp(r->name, "/anon_hugepage", 14) == 0 && at + length < r->end;
}

static void take_mapping(struct search *s, taddr at, uint64_t length)
{
	struct ptm_span *span = ptm_add_span(s->heap, at, at + length, BLOCK_MMAPPED);

	span->chunk = inner_chunk(s, at, length);
	s->heap->nmmaps++;
	s->heap->mmapped += length;
	if (is_short_huge(s->heap->mem, at, length)) {
		s->heap->short_huge++;
		s->heap->short_huge_bytes += length;
	}
}

static void take_piece(struct search *s, taddr at, taddr end)
{
	struct ptm_arena *main = &s->heap->arenas[0];
	struct ptm_span *span = ptm_add_span(s->heap, at, end, 0);
	size_t row = model_heaps_add(s->model);

	if (main->top >= at && main->top < end)
		span->top = main->top;
	s->model->heaps.start[row] = at;
	s->model->heaps.end[row] = end;
	s->model->arenas.heaps[0]++;
	main->spans += end - at;
}

bool ptm_has_all_mmapped(const struct ptm_heap *h)
{
	uint64_t drift = h->want_mmapped - h->mmapped;

	if (h->nmmaps != h->want_mmaps || h->mmapped > h->want_mmapped)
		return false;
	return drift == 0 || (h->places->par->mmapped_drifts && drift % PTM_HEADER == 0);
}

bool ptm_has_unmappable(const struct ptm_heap *h)
{
	return h->nmmaps > h->want_mmaps && h->mmapped > h->want_mmapped &&
	       h->nmmaps - h->want_mmaps <= h->short_huge &&
	       h->mmapped - h->want_mmapped <= h->short_huge_bytes;
}

static bool has_all_of_main(const struct search *s)
{
	const struct ptm_arena *main = &s->heap->arenas[0];

	return main->spans == main->system_mem;
}

static bool is_done(const struct search *s)
{
	const struct ptm_heap *h = s->heap;

	return h->places->mp && has_all_of_main(s) && ptm_has_all_mmapped(h);
}

/* A piece of the main arena at this page, if there is one. Where to go on. */
static taddr look_for_piece(struct search *s, taddr at, taddr end,
			    const uint64_t header[2])
{
	taddr top = s->heap->arenas[0].top, next = at + PAGE_SIZE_4K, piece;
	struct ptm_chunks it = { .window = s->window,
				 .at = at,
				 .end = top >= at && top < end ? top : end,
				 .is_main = true };
	uint64_t steps;

	if (s->wrong_steps == 0 || has_all_of_main(s) || header[0] != 0 ||
	    (header[1] & PTM_FLAGS) != PTM_PREV_INUSE)
		return next;
	steps = follow_chunks(&it);
	piece = end_of_piece(s, &it, at, end);
	if (piece) {
		take_piece(s, at, piece);
		return align_up(piece, PAGE_SIZE_4K);
	}
	s->wrong_steps -= (uint32_t)min_u64(steps, s->wrong_steps);
	if (steps < CREDIBLE)
		return next;
	return max_u64(next, align_down(it.at, PAGE_SIZE_4K));
}

/* Takes what begins at this page, if it is malloc's. Where to go on. */
static taddr take_page(struct search *s, taddr at, taddr end)
{
	uint64_t header[2], length;

	if (!header_at(s->window, at, header) || header[1] == 0)
		return mem_next_data(s->heap->mem, at + PAGE_SIZE_4K);
	length = mapping_length(s, header, end - at);
	if (length == 0)
		return look_for_piece(s, at, end, header);
	take_mapping(s, at, length);
	return at + length;
}

static bool has_budget(struct search *s)
{
	if (s->heap->mem->has_pages)
		return true;
	if (s->unknown_pages == 0)
		return false;
	s->unknown_pages--;
	return true;
}

/* Every page of [start, end) that lies in none of the heaps. */
static void search_range(struct search *s, taddr start, taddr end)
{
	const struct ptm_heap *h = s->heap;

	for (taddr at = start; at < end && !is_done(s);) {
		while (s->next_span < s->nheap_spans &&
		       h->spans[s->next_span].base.end <= at)
			s->next_span++;
		if (s->next_span < s->nheap_spans &&
		    h->spans[s->next_span].base.start <= at) {
			at = align_up(h->spans[s->next_span].base.end, PAGE_SIZE_4K);
			continue;
		}
		if (!has_budget(s))
			return;
		at = take_page(s, at, end);
	}
}

static bool may_hold_mappings(const struct mem_region *r)
{
	return ptm_is_anonymous(r) && strcmp(r->name, "[heap]") != 0 &&
	       strcmp(r->name, "[stack]") != 0;
}

static void tell_mapped(const struct ptm_heap *h, struct model *m)
{
	char answer[96];

	snprintf(answer, sizeof(answer), "%llu of %llu bytes",
		 (unsigned long long)h->nmmaps, (unsigned long long)h->mmapped);
	model_evidence(m, "mmapped chunks", answer,
		       !h->places->mp           ? "mp_ is not known"
		       : ptm_has_all_mmapped(h) ? "as many as malloc counts"
						: "malloc counts others",
		       "");
}

static void tell_given_up(const struct search *s)
{
	if (s->wrong_steps == 0 || s->unknown_pages == 0)
		model_find_out(
			s->model, SEVERITY_WARNING, "",
			"the search for %s was given up: too much memory looks like it",
			s->wrong_steps ? "mmapped chunks"
				       : "the main arena's parts outside the break");
}

void ptm_open_mappings(struct ptm_heap *h, struct model *m)
{
	const struct mem *mem = h->mem;
	struct search s = {
		.heap = h,
		.model = m,
		.nheap_spans = h->nspans,
		.window = mem_window_new(mem),
		.wrong_steps = WRONG_STEPS,
		.unknown_pages = UNKNOWN_PAGES,
	};

	for (size_t i = 0; i < mem->nregions; i++) {
		taddr start = mem->regions[i].start, end = mem->regions[i].end;

		if (!may_hold_mappings(&mem->regions[i]))
			continue;
		/* one mapping may be cut in regions by madvise */
		while (i + 1 < mem->nregions && mem->regions[i + 1].start == end &&
		       may_hold_mappings(&mem->regions[i + 1]))
			end = mem->regions[++i].end;
		search_range(&s, start, end);
	}
	mem_window_free(s.window);
	tell_given_up(&s);
	tell_mapped(h, m);
	ptm_sort_spans(h, m);
}
