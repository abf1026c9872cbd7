/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which list of free chunks a size goes to, and what each arena's bins hold.
 *
 * A chunk that was freed waits in the unsorted bin, whatever its size, until malloc next
 * looks through it; then it goes to the bin of its size. The walk met every binned chunk
 * and counted it by that bin. What is left to tell is which of them are unsorted: that bin
 * is followed, and mostly short. After a mass of frees it is not, but then the others are:
 * they are followed instead, and the rest is unsorted. Following a link is a jump across
 * the heap, a million of them seconds, so either has a budget.
 *
 * No chunk that the walk did not find is believed: the sums stay those of the walk, however
 * a list lies.
 */
#include "heap/ptmalloc/ptm_int.h"
#include <stdio.h>
#include <stdlib.h>

enum {
	UNSORTED = 1, /* the bin's number */
	LAST_BIN = 126,
	MIN_LARGE = 1024,
	UNSORTED_LINKS = 1 << 16, /* followed of an arena's unsorted bin, */
	SORTED_LINKS = 1 << 18,   /* and of all sorted ones together */
};

/* Bins of equal width; the first row that reaches as far as a size has it (glibc 2.10 and 2.44
 * malloc.c, largebin_index_64). */
static const struct {
	unsigned shift, last,
		first; /* bin: first + size >> shift, which is at most last */
} large_bins[] = {
	{ 6, 48, 48 }, { 9, 20, 91 }, { 12, 10, 110 }, { 15, 4, 119 }, { 18, 2, 124 },
};

bool ptm_bin_is_small(size_t bin)
{
	return bin < MIN_LARGE / PTM_ALIGN;
}

size_t ptm_bin_of(uint64_t size)
{
	if (size < MIN_LARGE)
		return size / PTM_ALIGN;
	for (size_t i = 0; i < countof(large_bins); i++)
		if (size >> large_bins[i].shift <= large_bins[i].last)
			return large_bins[i].first + (size >> large_bins[i].shift);
	return LAST_BIN;
}

/* The least size of a bin: they rise with it. */
static uint64_t least_size(size_t bin)
{
	uint64_t low = 0, high = 1 << 20;

	while (low < high) {
		uint64_t middle = align_down(low + (high - low) / 2, PTM_ALIGN);

		if (ptm_bin_of(middle) < bin)
			low = middle + PTM_ALIGN;
		else
			high = middle;
	}
	return low;
}

struct ptm_sizes ptm_bin_sizes(size_t bin)
{
	return (struct ptm_sizes){ least_size(bin),
				   bin == LAST_BIN ? 0
						   : least_size(bin + 1) - PTM_ALIGN };
}

struct ptm_sizes ptm_fastbin_sizes(size_t bin)
{
	uint64_t size = PTM_MIN_CHUNK + bin * PTM_ALIGN;

	return (struct ptm_sizes){ size, size };
}

/* The bins behind the small ones hold sizes of one binary length each, from that of 1024
 * on, but what is small (glibc 2.42 malloc.c, large_csize2tidx). */
struct ptm_sizes ptm_tcache_sizes(size_t bin)
{
	struct ptm_sizes small =
		ptm_fastbin_sizes(min_u64(bin, PTM_TCACHE_SMALL_BINS - 1));
	uint64_t from;

	if (bin < PTM_TCACHE_SMALL_BINS)
		return small;
	from = (uint64_t)MIN_LARGE << (bin - PTM_TCACHE_SMALL_BINS);
	return (struct ptm_sizes){ max_u64(from, small.high + PTM_ALIGN),
				   2 * from - PTM_ALIGN };
}

void ptm_tell_list(struct model *m, enum bin_kind kind, uint16_t arena,
		   struct ptm_sizes sizes, struct ptm_sum sum)
{
	size_t row;

	if (sum.count == 0)
		return;
	row = model_bins_add(m);
	m->bins.kind[row] = (uint8_t)kind;
	m->bins.arena[row] = arena;
	m->bins.low[row] = sizes.low;
	m->bins.high[row] = sizes.high;
	m->bins.count[row] = sum.count;
	m->bins.bytes[row] = sum.bytes;
}

/* ---- one arena's bins ---- */

struct bins {
	const struct ptm_heap *heap;
	struct ptm_pages *pages;
	size_t arena, sorted_links;       /* of the budget, what is left */
	struct ptm_sum of[PTM_NBINS + 1]; /* by number */
};

static void add_spans(struct bins *b)
{
	const struct ptm_heap *h = b->heap;

	memset(b->of, 0, sizeof(b->of));
	for (size_t i = 0; i < h->nspans; i++) {
		if (h->spans[i].base.arena != b->arena || !h->spans[i].binned)
			continue;
		for (size_t bin = 0; bin <= PTM_NBINS; bin++) {
			b->of[bin].count += h->spans[i].binned[bin].count;
			b->of[bin].bytes += h->spans[i].binned[bin].bytes;
		}
	}
}

/* Counts a bin's chunks by the bins of their sizes. A link that is not answered ends the
 * list; ptm_check tells it. False: it is longer than the budget. */
static bool follow_bin(struct bins *b, size_t bin, size_t *budget, struct ptm_sum *found)
{
	taddr header = ptm_header_of(b->heap, b->arena, bin - 1), before = header;
	uint64_t link[2], head[2];

	ptm_links_of(b->heap, b->arena, bin - 1, link);
	for (taddr at = link[0]; at != header; at = link[0]) {
		uint64_t size;

		if (*budget == 0)
			return false;
		--*budget;
		if (at % PTM_ALIGN || !ptm_two_words(b->pages, at, head) ||
		    !ptm_two_words(b->pages, at + PTM_HEADER, link) || link[1] != before)
			return true;
		size = head[1] & ~(uint64_t)PTM_FLAGS;
		found[ptm_bin_of(size)].count++;
		found[ptm_bin_of(size)].bytes += size;
		before = at;
	}
	return true;
}

/* So many of the chunks of a bin's sizes are unsorted. */
static void move(struct bins *b, size_t bin, struct ptm_sum sum)
{
	struct ptm_sum *from = &b->of[bin], *to = &b->of[UNSORTED];

	sum.count = min_u64(sum.count, from->count);
	sum.bytes =
		sum.count == from->count ? from->bytes : min_u64(sum.bytes, from->bytes);
	from->count -= sum.count;
	from->bytes -= sum.bytes;
	to->count += sum.count;
	to->bytes += sum.bytes;
}

/* False: not all could be followed. */
static bool follow_sorted(struct bins *b)
{
	struct ptm_sum found[PTM_NBINS + 1] = { 0 };
	bool is_whole = true;

	for (size_t bin = UNSORTED + 1; bin <= LAST_BIN && is_whole; bin++)
		is_whole = follow_bin(b, bin, &b->sorted_links, found);
	for (size_t bin = UNSORTED + 1; bin <= LAST_BIN && is_whole; bin++) {
		struct ptm_sum rest = b->of[bin];

		rest.count -= min_u64(rest.count, found[bin].count);
		rest.bytes -= min_u64(rest.bytes, found[bin].bytes);
		move(b, bin, rest);
	}
	return is_whole;
}

static bool part_unsorted(struct bins *b)
{
	struct ptm_sum found[PTM_NBINS + 1] = { 0 };
	size_t budget = UNSORTED_LINKS;
	bool is_whole = follow_bin(b, UNSORTED, &budget, found);

	if (!is_whole && follow_sorted(b))
		return true;
	for (size_t bin = UNSORTED + 1; bin <= LAST_BIN; bin++)
		move(b, bin, found[bin]);
	return is_whole;
}

static void tell_arena(const struct bins *b, struct model *m)
{
	const uint16_t arena = (uint16_t)b->arena;

	ptm_tell_list(m, BIN_UNSORTED, arena, (struct ptm_sizes){ 0, 0 },
		      b->of[UNSORTED]);
	for (size_t bin = UNSORTED + 1; bin <= LAST_BIN; bin++)
		ptm_tell_list(m, ptm_bin_is_small(bin) ? BIN_SMALL : BIN_LARGE, arena,
			      ptm_bin_sizes(bin), b->of[bin]);
}

void ptm_tell_bins(const struct ptm_heap *h, struct model *m)
{
	struct bins b = { .heap = h,
			  .pages = ptm_pages_new(h->mem),
			  .sorted_links = SORTED_LINKS };
	size_t cut = 0;

	for (; b.arena < h->narenas; b.arena++) {
		add_spans(&b);
		cut += !part_unsorted(&b);
		tell_arena(&b, m);
	}
	if (cut)
		model_find_out(m, SEVERITY_NOTE, "bins",
			       "%zu arenas have more unsorted chunks than were followed: "
			       "the rest is told as in the bins of its sizes",
			       cut);
	free(b.pages);
}
