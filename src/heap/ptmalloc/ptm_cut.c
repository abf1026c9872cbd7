/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main heap is one chain of chunks, and a chain is walked from its start: one core
 * would do all the work. But some places say themselves that a chunk begins there: a
 * chunk in a bin has its size written behind it too, and is linked from both neighbours
 * of its ring; what a tcache or a fastbin holds, a list names. At such a place, a long
 * span is cut into pieces that are walked apart. Headers that merely look right, left
 * over in a block's contents, are on no ring.
 *
 * A list that lies about one (a torn or corrupt heap) makes the walk of the piece before it
 * end with a finding: the same that the walk of the whole would have told.
 */
#include "heap/ptmalloc/ptm_int.h"

enum {
	PIECES =
		16, /* of a long span: some for each core, and few enough to keep apart */
	PIECE_MIN = 8 << 20,
	SEARCH = 1 << 20, /* looked through for a binned chunk */
};

/* Does a chunk of a bin begin at `at`, whose first four words these are? */
static bool is_binned(const struct ptm_heap *h, taddr at, taddr end,
		      const uint64_t word[4])
{
	uint64_t size = word[1] & ~(uint64_t)PTM_FLAGS, next[2];

	if ((word[1] & PTM_FLAGS) != PTM_PREV_INUSE || size < PTM_MIN_CHUNK ||
	    size % PTM_ALIGN || size > end - at)
		return false;
	if (word[2] % PTM_ALIGN || word[3] % PTM_ALIGN)
		return false;
	if (!mem_load(h->mem, at + size, &next) || next[0] != size ||
	    next[1] & PTM_PREV_INUSE)
		return false;
	return ptm_word(h->mem, word[2] + 24) == at &&
	       ptm_word(h->mem, word[3] + 16) == at;
}

/* The first binned chunk in [from, to), or UINT64_MAX. */
static taddr find_binned(const struct ptm_heap *h, struct mem_window *w, taddr from,
			 taddr to)
{
	for (taddr at = from; to - at >= PTM_MIN_CHUNK;) {
		size_t have, i;
		const uint8_t *p = mem_window_at(w, at, PAGE_SIZE_4K, &have);

		have = (size_t)min_u64(have, to - at);
		if (!p || have < PTM_MIN_CHUNK)
			return UINT64_MAX;
		for (i = 0; i + PTM_MIN_CHUNK <= have; i += PTM_ALIGN) {
			uint64_t word[4];

			memcpy(word, p + i, sizeof(word));
			if (is_binned(h, at + i, to, word))
				return at + i;
		}
		at += i;
	}
	return UINT64_MAX;
}

/* The first place from `at` on where a chunk is known to begin, or UINT64_MAX. */
static taddr anchor_after(const struct ptm_heap *h, struct mem_window *w, taddr at,
			  taddr end)
{
	taddr binned = find_binned(h, w, at, min_u64(end, at + SEARCH));
	size_t member = ptm_member_after(&h->members, at);

	if (binned != UINT64_MAX || member == h->members.n)
		return binned;
	return h->members.of[member] & ~(taddr)MEMBER_KIND;
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
static void cut_long_span(struct ptm_heap *h, size_t i, struct mem_window *w)
{
	uint64_t length = h->spans[i].base.end - h->spans[i].base.start;
	uint64_t piece = max_u64(PIECE_MIN, length / PIECES);

	for (;;) {
		const struct ptm_span *s = &h->spans[i];
		taddr end = s->top ? s->top : s->base.end, at;

		if (end - s->base.start < 2 * piece)
			return;
		at = anchor_after(h, w, align_up(s->base.start + piece, PTM_ALIGN), end);
		if (at >= end)
			return;
		cut_span(h, i, at);
		i = h->nspans - 1;
	}
}

void ptm_cut_spans(struct ptm_heap *h, struct model *m)
{
	struct mem_window *w = mem_window_new(h->mem);
	size_t n = h->nspans;

	for (size_t i = 0; i < n; i++)
		if (h->spans[i].base.arena == 0)
			cut_long_span(h, i, w);
	mem_window_free(w);
	ptm_sort_spans(h, m);
}
