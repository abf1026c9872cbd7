/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arenas and the memory they cut up.
 *
 * Arenas form a ring. The main one lies in libc's data and cuts up the break, and mappings
 * of its own where it could not have that; each other one lies in the first of its heaps:
 *
 *     heap      aligned to the largest size a heap can have
 *     +0        heap_info: arena, previous heap (0 in the first), size
 *     +32|48    malloc_state, in the first heap only
 *     ...       chunks, to the end: the last heap's last one is top, the others end in
 *               two fenceposts
 *
 * The largest size is a constant, but for 2.35..2.41 with huge pages; so the last heap is
 * found as the nearest heap_info below top that names this arena, at rising alignments.
 */
#include "heap/ptmalloc/ptm_int.h"
#include <stdio.h>
#include <stdlib.h>

enum {
	HEAP_ALIGN_MIN = 1 << 20,
	MAX_HEAPS = 1 << 20,
};

static const uint64_t heap_align_max = (uint64_t)1 << 40;

static const char *hex(char text[static 24], taddr at)
{
	snprintf(text, 24, "0x%llx", (unsigned long long)at);
	return text;
}

static uint64_t state_word(const struct ptm_arena *a, size_t offset)
{
	uint64_t v;

	memcpy(&v, a->state + offset, 8);
	return v;
}

/* One arena's row in the model, and in h. */
static bool add_arena(struct ptm_heap *h, taddr addr, struct model *m)
{
	const struct ptm_state_layout *l = h->places->state;
	struct ptm_arena *a;
	uint32_t flags, mutex;
	size_t row;

	h->arenas = xrealloc(h->arenas, h->narenas + 1, sizeof(*h->arenas));
	a = &h->arenas[h->narenas];
	memset(a, 0, sizeof(*a));
	if (!mem_read(h->mem, addr, a->state, l->size))
		return false;
	memcpy(&mutex, a->state, 4);
	memcpy(&flags, a->state + 4, 4);
	a->addr = addr;
	a->is_main = h->narenas == 0;
	a->is_noncontiguous = flags & PTM_NONCONTIGUOUS;
	a->top = state_word(a, l->top);
	a->system_mem = state_word(a, l->system_mem);
	h->narenas++;
	row = model_arenas_add(m);
	m->arenas.addr[row] = addr;
	m->arenas.top[row] = a->top;
	m->arenas.system[row] = a->system_mem;
	m->arenas.max_system[row] = state_word(a, l->max_system_mem);
	m->arenas.is_main[row] = a->is_main;
	m->arenas.locked[row] = mutex != 0;
	return true;
}

/* From main around the ring. Where it is broken, what was reached is kept. */
static bool open_ring(struct ptm_heap *h, struct model *m, struct err *e)
{
	const struct ptm_state_layout *l = h->places->state;
	taddr main = h->places->main_arena, next;
	struct map seen = { 0 };
	char text[24];

	if (!add_arena(h, main, m))
		return fail(e, ERR_PROCESS, "main_arena at %s cannot be read",
			    hex(text, main));
	next = state_word(&h->arenas[0], l->next);
	while (next != main) {
		const struct ptm_heap_layout *heap = ptm_heap_layout_of(h->mem, next);

		if (!heap || map_has(&seen, next) || h->narenas == PTM_MAX_ARENAS ||
		    !add_arena(h, next, m)) {
			model_find_out(
				m, SEVERITY_DAMAGE, hex(text, next),
				"the ring of arenas leads here, where there is none; "
				"further arenas are missing");
			break;
		}
		map_set(&seen, next, 0);
		h->heap_layout = heap;
		next = state_word(&h->arenas[h->narenas - 1], l->next);
	}
	map_release(&seen);
	return true;
}

static void add_heap_row(struct ptm_heap *h, struct model *m, taddr start, taddr end,
			 size_t arena)
{
	size_t row = model_heaps_add(m);

	m->heaps.start[row] = start;
	m->heaps.end[row] = end;
	m->heaps.arena[row] = (uint32_t)arena;
	m->arenas.heaps[arena]++;
	h->arenas[arena].spans += end - start;
}

/* ---- heaps ---- */

/* The heap that top lies in; 0: none names this arena. */
static taddr find_last_heap(const struct ptm_heap *h, const struct ptm_arena *a)
{
	for (uint64_t align = HEAP_ALIGN_MIN; align <= heap_align_max; align *= 2) {
		taddr heap = align_down(a->top, align);

		if (ptm_word(h->mem, heap + h->heap_layout->arena) == a->addr)
			return heap;
	}
	return 0;
}

/* Does a chunk begin at top that ends with its heap? */
static bool is_top(const struct ptm_heap *h, taddr top, taddr first, taddr end)
{
	uint64_t size = ptm_word(h->mem, top + 8) & ~(uint64_t)PTM_FLAGS;

	return top >= first && top < end && top % PTM_ALIGN == 0 && size == end - top;
}

static void add_heap(struct ptm_heap *h, struct model *m, taddr heap, size_t arena)
{
	const struct ptm_heap_layout *l = h->heap_layout;
	const struct ptm_arena *a = &h->arenas[arena];
	uint64_t size = ptm_word(h->mem, heap + l->heap_size);
	taddr first = heap + l->size, readable = mem_range_end(h->mem, heap);
	struct ptm_span *span;
	char text[24];

	if (heap == a->addr - l->size)
		first = align_up(a->addr + h->places->state->size, PTM_ALIGN);
	if (size > readable - heap || size % PAGE_SIZE_4K || size <= first - heap) {
		model_find_out(
			m, SEVERITY_DAMAGE, hex(text, heap),
			"this heap gives its size as 0x%llx, mapped are 0x%llx bytes",
			(unsigned long long)size, (unsigned long long)(readable - heap));
		size = readable - heap;
		if (size <= first - heap)
			return;
	}
	add_heap_row(h, m, heap, heap + size, arena);
	span = ptm_add_span(h, first, heap + size, (uint16_t)arena);
	if (a->top < heap || a->top >= heap + size)
		return;
	if (is_top(h, a->top, first, heap + size))
		span->top = a->top;
	else
		model_find_out(
			m, SEVERITY_DAMAGE, hex(text, a->top),
			"the arena's top should reach to the end of its heap, 0x%llx",
			(unsigned long long)heap + size);
}

static void open_heaps(struct ptm_heap *h, struct model *m, size_t arena)
{
	const struct ptm_heap_layout *l = h->heap_layout;
	const struct ptm_arena *a = &h->arenas[arena];
	taddr own = a->addr - l->size, heap = find_last_heap(h, a);
	struct map seen = { 0 };
	char text[24];

	if (!heap)
		model_find_out(m, SEVERITY_DAMAGE, hex(text, a->top),
			       "the arena's top lies in no heap of its");
	while (heap && heap != own) {
		if (ptm_word(h->mem, heap + l->arena) != a->addr ||
		    map_has(&seen, heap) || seen.n == MAX_HEAPS) {
			model_find_out(
				m, SEVERITY_DAMAGE, hex(text, heap),
				"the chain of heaps leads here, where there is none "
				"of this arena");
			break;
		}
		map_set(&seen, heap, 0);
		add_heap(h, m, heap, arena);
		heap = ptm_word(h->mem, heap + l->prev);
	}
	map_release(&seen);
	add_heap(h, m, own, arena);
}

/* ---- the main arena's break ---- */

/* The region where the main arena's first chunk is; NULL: it never had the break. Where
 * malloc had to map memory instead, mp_ names the first such mapping. */
static const struct mem_region *find_break(const struct ptm_heap *h)
{
	const struct ptm_arena *a = &h->arenas[0];
	taddr start = h->places->mp ? h->sbrk_base : a->top;
	const struct mem_region *r = mem_region_at(h->mem, start);

	if (!r || (a->is_noncontiguous && strcmp(r->name, "[heap]") != 0))
		return NULL;
	return r;
}

/* madvise cuts the break in several regions of one name. */
static taddr break_end(const struct ptm_heap *h, const struct mem_region *r)
{
	const struct mem_region *last = h->mem->regions + h->mem->nregions - 1;

	while (r < last && r[1].start == r->end && strcmp(r[1].name, r->name) == 0)
		r++;
	return r->end;
}

static void open_break(struct ptm_heap *h, struct model *m)
{
	const struct mem_region *r = find_break(h);
	const struct ptm_arena *a = &h->arenas[0];
	struct ptm_span *span;
	uint64_t top_size;
	taddr start, end;

	if (!r)
		return;
	start = h->places->mp ? h->sbrk_base : r->start;
	end = break_end(h, r);
	top_size = ptm_word(h->mem, a->top + 8) & ~(uint64_t)PTM_FLAGS;
	if (a->top < start || a->top >= end) {
		ptm_add_span(h, align_up(start, PTM_ALIGN), end, 0);
	} else if (top_size > end - a->top || a->top % PTM_ALIGN) {
		char text[24];

		model_find_out(
			m, SEVERITY_DAMAGE, hex(text, a->top),
			"the main arena's top gives its size as 0x%llx, the break has "
			"0x%llx bytes left",
			(unsigned long long)top_size, (unsigned long long)(end - a->top));
		ptm_add_span(h, align_up(start, PTM_ALIGN), end, 0);
	} else {
		end = a->top + top_size;
		span = ptm_add_span(h, align_up(start, PTM_ALIGN), end, 0);
		span->top = a->top;
	}
	add_heap_row(h, m, start, end, 0);
}

static void tell_parameters(const struct ptm_heap *h, struct model *m)
{
	const struct ptm_par_layout *l = h->places->par;
	uint64_t huge =
		l->thp_pagesize ? ptm_word(h->mem, h->places->mp + l->thp_pagesize) : 0;

	if (m->processes.n == 0)
		return;
	m->processes.mmap_threshold[0] =
		ptm_word(h->mem, h->places->mp + l->mmap_threshold);
	m->processes.trim_unit[0] = huge ? huge : PAGE_SIZE_4K;
}

static void read_par(struct ptm_heap *h, struct model *m)
{
	const struct ptm_par_layout *l = h->places->par;
	taddr mp = h->places->mp;

	if (!mp)
		return;
	h->want_mmaps = ptm_word(h->mem, mp + l->n_mmaps) & UINT32_MAX;
	h->want_mmapped = ptm_word(h->mem, mp + l->mmapped_mem);
	h->sbrk_base = ptm_word(h->mem, mp + l->sbrk_base);
	tell_parameters(h, m);
}

static void tell_arenas(const struct ptm_heap *h, struct model *m)
{
	char answer[64], evidence[128] = "main_arena's ring leads to itself";

	snprintf(answer, sizeof(answer), "%zu, in %zu heaps", h->narenas, m->heaps.n);
	if (h->heap_layout)
		snprintf(evidence, sizeof(evidence),
			 "the ring; each names its heap, and the heap names it (layout "
			 "%s)",
			 h->heap_layout->versions);
	model_evidence(m, "arenas", answer, evidence, "");
}

bool ptm_open_arenas(struct ptm_heap *h, struct model *m, struct err *e)
{
	read_par(h, m);
	if (!open_ring(h, m, e))
		return false;
	open_break(h, m);
	for (size_t i = 1; i < h->narenas; i++)
		open_heaps(h, m, i);
	tell_arenas(h, m);
	ptm_sort_spans(h, m);
	return true;
}
