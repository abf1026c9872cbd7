/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do the bins, and malloc's own totals, agree with what the walk found?
 *
 * A bin is a ring: its header, then chunks, linked forward and back. Following a million
 * links across the heap costs a second; instead each chunk that the walk finds in a bin,
 * and each header, adds a hash of the link (it, fd) and takes away that of (bk, it). If
 * every link is answered and every listed chunk was met, the sum is 0. Only if it is not
 * are the lists followed, to say where.
 */
#include "heap/ptmalloc/ptm_int.h"
#include <stdio.h>

enum {
	MAX_TOLD = 8,
	LINK_BUDGET = 200000, /* links followed, of one arena */
};

struct bins {
	const struct ptm_heap *heap;
	struct model *model;
	size_t arena;
	size_t told, budget;
};

static const char *hex(char text[static 24], taddr at)
{
	snprintf(text, 24, "0x%llx", (unsigned long long)at);
	return text;
}

static uint64_t sum_headers(const struct bins *b)
{
	uint64_t sum = 0, link[2];

	for (size_t i = 0; i < PTM_NBINS; i++) {
		ptm_links_of(b->heap, b->arena, i, link);
		sum += ptm_links(ptm_header_of(b->heap, b->arena, i), link[0], link[1]);
	}
	return sum;
}

static void contradict(struct bins *b, taddr where, const char *text, taddr other)
{
	char at[24];

	b->told++;
	model_find_out(b->model, SEVERITY_DAMAGE, hex(at, where), text,
		       (unsigned long long)other);
}

/* From the header forward to the first link that is not answered. */
static void follow_bin(struct bins *b, size_t bin)
{
	taddr head = ptm_header_of(b->heap, b->arena, bin), at = head;
	uint64_t link[2];

	ptm_links_of(b->heap, b->arena, bin, link);
	while (b->budget-- > 0 && b->told < MAX_TOLD) {
		taddr next = link[0];

		if (next == head) {
			if (ptm_word(b->heap->mem, head + 24) != at)
				contradict(b, head,
					   "the bin's last chunk should be 0x%llx", at);
			return;
		}
		if (!mem_read(b->heap->mem, next + 16, link, sizeof(link))) {
			contradict(b, at,
				   "its bin leads on to 0x%llx, where no memory is",
				   next);
			return;
		}
		if (link[1] != at) {
			contradict(b, next,
				   "this chunk of a bin does not point back to 0x%llx",
				   at);
			return;
		}
		at = next;
	}
	b->budget = 0;
}

static void check_bins(struct bins *b)
{
	const struct ptm_heap *h = b->heap;
	uint64_t sum = sum_headers(b);
	bool is_damaged = false;
	char text[24];

	for (size_t i = 0; i < h->nspans; i++) {
		if (h->spans[i].base.arena != b->arena)
			continue;
		sum += h->spans[i].links;
		is_damaged |= h->spans[i].is_damaged;
	}
	if (sum == 0)
		return;
	b->budget = LINK_BUDGET;
	for (size_t i = 0; i < PTM_NBINS && b->budget; i++)
		follow_bin(b, i);
	if (b->told == 0 && !is_damaged)
		model_find_out(
			b->model, SEVERITY_DAMAGE, hex(text, h->arenas[b->arena].addr),
			"the free chunks found in this arena are not those of its bins");
}

/* The break behind malloc's last fencepost is not in its count. */
static uint64_t foreign_tail(const struct ptm_heap *h, size_t arena)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < h->nspans; i++)
		if (h->spans[i].base.arena == arena)
			bytes += h->spans[i].foreign_tail;
	return bytes;
}

static void check_arena_totals(const struct ptm_heap *h, struct model *m)
{
	for (size_t i = 0; i < h->narenas; i++) {
		uint64_t found = h->arenas[i].spans - foreign_tail(h, i);
		char text[24];

		if (found != h->arenas[i].system_mem)
			model_find_out(
				m, SEVERITY_DAMAGE, hex(text, h->arenas[i].addr),
				"this arena counts %llu bytes from the system, its "
				"heaps have %llu",
				(unsigned long long)h->arenas[i].system_mem,
				(unsigned long long)found);
	}
}

static void check_mmapped(const struct ptm_heap *h, struct model *m)
{
	unsigned long long found = h->nmmaps, bytes = h->mmapped;
	char text[24];

	if (!h->places->mp || ptm_has_all_mmapped(h))
		return;
	hex(text, h->places->mp);
	if (ptm_has_unmappable(h))
		model_find_out(m, SEVERITY_NOTE, text,
			       "%llu mmapped chunks of %llu bytes in huge pages are told "
			       "as used, but were freed: malloc could not unmap them",
			       found - h->want_mmaps, bytes - h->want_mmapped);
	else
		model_find_out(m, SEVERITY_DAMAGE, text,
			       "malloc counts %llu mmapped chunks of %llu bytes, found "
			       "are %llu of %llu",
			       (unsigned long long)h->want_mmaps,
			       (unsigned long long)h->want_mmapped, found, bytes);
}

/* A thread's cache that was not found would show: its chunks look used, and carry the key.
 * A used chunk may carry an old key too, so it says nothing when all caches are known. */
static void check_keys(const struct ptm_heap *h, struct model *m)
{
	uint64_t hits = 0;
	taddr first = 0;
	char text[24];

	for (size_t i = 0; i < h->nspans; i++) {
		hits += h->spans[i].key_hits;
		if (!first)
			first = h->spans[i].key_hit;
	}
	if (hits && h->ntcaches < h->nthreads)
		model_find_out(
			m, SEVERITY_WARNING, hex(text, first),
			"%llu chunks that look used carry the tcache's mark, this one "
			"first: a thread's cache may not have been found",
			(unsigned long long)hits);
}

static void tell_foreign(const struct ptm_heap *h, struct model *m)
{
	char text[24];

	for (size_t i = 0; i < h->nspans; i++)
		if (h->spans[i].foreign)
			model_find_out(m, SEVERITY_NOTE,
				       hex(text, h->spans[i].base.start),
				       "0x%llx bytes of the break in this heap are not "
				       "malloc's: somebody else called sbrk",
				       (unsigned long long)h->spans[i].foreign);
}

void ptm_check(struct heap *heap, struct model *m)
{
	const struct ptm_heap *h = (const struct ptm_heap *)heap;

	for (size_t i = 0; i < h->narenas; i++) {
		struct bins b = { .heap = h, .model = m, .arena = i };

		check_bins(&b);
	}
	ptm_tell_bins(h, m);
	check_arena_totals(h, m);
	check_mmapped(h, m);
	check_keys(h, m);
	tell_foreign(h, m);
}
