/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main heap is one chain of chunks, and a chain is walked from its start: one core
 * would do all the work. But malloc itself names places where chunks begin: what a tcache
 * or a fastbin holds, and what is linked, forward and back, in a bin. At such a place,
 * a long span is cut into pieces that are walked apart.
 *
 * A list that lies about one (a torn or corrupt heap) makes the walk of the piece before it
 * end with a finding: the same that the walk of the whole would have told.
 */
#include "heap/ptmalloc/ptm_int.h"
#include <stdlib.h>

enum {
	PIECES =
		16, /* of a long span: some for each core, and few enough to keep apart */
	PIECE_MIN = 8 << 20,
	PER_BIN = 16, /* chunks of a bin that are asked */
};

struct anchors {
	taddr at[PTM_NBINS * PER_BIN];
	size_t n;
};

static int by_address(const void *a, const void *b)
{
	taddr x = *(const taddr *)a, y = *(const taddr *)b;

	return (x > y) - (x < y);
}

/* The first chunks of one bin, as long as each next one points back. */
static void add_bin(const struct ptm_heap *h, struct anchors *a, size_t bin)
{
	const struct ptm_arena *main = &h->arenas[0];
	size_t offset = h->places->state->bins + 16 * bin;
	taddr head = main->addr + offset - PTM_HEADER, before = head, at;

	memcpy(&at, main->state + offset, sizeof(at));
	for (size_t i = 0; i < PER_BIN && at != head; i++) {
		uint64_t link[2];

		if (at % PTM_ALIGN ||
		    !mem_read(h->mem, at + PTM_HEADER, link, sizeof(link)) ||
		    link[1] != before)
			return;
		a->at[a->n++] = at;
		before = at;
		at = link[0];
	}
}

/* The first place from `at` on where a chunk is known to begin, or UINT64_MAX. */
static taddr anchor_after(const struct ptm_heap *h, const struct anchors *a, taddr at)
{
	size_t member = ptm_member_after(&h->members, at);
	taddr first = member < h->members.n ? h->members.of[member] & ~(taddr)MEMBER_KIND
					    : UINT64_MAX;

	for (size_t i = 0; i < a->n; i++)
		if (a->at[i] >= at)
			return min_u64(first, a->at[i]);
	return first;
}

/* Cuts span i at `at`; the new one behind it is the last of h->spans. */
static void cut_span(struct ptm_heap *h, size_t i, taddr at)
{
	struct ptm_span rest = h->spans[i];

	rest.base.start = at;
	*ptm_add_span(h, at, rest.base.end, rest.base.arena) = rest;
	h->spans[i].base.end = at;
	h->spans[i].top = 0;
	h->spans[i].is_cut = true;
}

/* What a cut leaves behind is cut again, until it is short enough. */
static void cut_long_span(struct ptm_heap *h, size_t i, const struct anchors *a)
{
	uint64_t length = h->spans[i].base.end - h->spans[i].base.start;
	uint64_t piece = max_u64(PIECE_MIN, length / PIECES);

	for (;;) {
		const struct ptm_span *s = &h->spans[i];
		taddr end = s->top ? s->top : s->base.end, at;

		if (end - s->base.start < 2 * piece)
			return;
		at = anchor_after(h, a, s->base.start + piece);
		if (at >= end)
			return;
		cut_span(h, i, at);
		i = h->nspans - 1;
	}
}

void ptm_cut_spans(struct ptm_heap *h, struct model *m)
{
	struct anchors *a = xcalloc(1, sizeof(*a));
	size_t n = h->nspans;

	for (size_t bin = 0; bin < PTM_NBINS; bin++)
		add_bin(h, a, bin);
	qsort(a->at, a->n, sizeof(*a->at), by_address);
	for (size_t i = 0; i < n; i++)
		if (h->spans[i].base.arena == 0)
			cut_long_span(h, i, a);
	free(a);
	ptm_sort_spans(h, m);
}
