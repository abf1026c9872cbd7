/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From words to references. Which block does an address lie in? A search over the sorted
 * addresses would touch memory all over, and so would a look at the block found. Instead
 * every range of memory that malloc cuts up gets a table with a slot for each KiB: where
 * in it blocks start, bit by bit (malloc's grain is 16 bytes), which of them are used, and
 * how many start before. One slot, and so one cache line, answers nearly all questions;
 * the tables are about 2.4 % of the heap.
 *
 * A block ends 8 bytes into its last grain, where the next chunk's size stands. So only an
 * address in the second half of a grain, or in a KiB where no block starts below it, or in
 * a range with gaps between its blocks, has to be compared with the block itself.
 *
 * Until then m->edge_first holds how many words each block has, and then how many
 * references: only at the end is it summed up.
 *
 * A reference counts when it falls inside a used block's usable bytes and not into the
 * block it comes from. Several words to the same block are several references.
 */
#include "base/pool.h"
#include "collect/collect_int.h"

#include <stdlib.h>
#include <string.h>

enum {
	GRAIN = 16,
	SLOT_BYTES = 64 * GRAIN,
	AHEAD = 16, /* words: their slots are fetched while earlier ones are looked up */
};

struct slot {
	uint64_t starts, used; /* a bit for each grain */
	uint32_t before;       /* blocks of the range that start before this slot */
};

/* Spans that touch, or one large mapping. */
struct range {
	taddr start, end;
	size_t first, n; /* its blocks */
	bool has_gaps;
	struct slot *slots; /* NULL: one block at most */
};

struct block_index {
	const struct model *m;
	struct range *ranges;
	size_t n;
};

struct resolving {
	struct scan *scan;
	struct model *model;
	struct block_index index;
};

/* Sets the bits of the range's blocks; a gap is where one does not touch the next. */
static void mark_blocks(struct range *r, const struct model *m)
{
	for (size_t b = r->first; b < r->first + r->n; b++) {
		taddr at = m->blocks.addr[b];
		uint64_t grain = (at - r->start) / GRAIN;
		uint64_t bit = (uint64_t)1 << (grain % 64);

		r->slots[grain / 64].starts |= bit;
		if (m->blocks.state[b] == BLOCK_USED)
			r->slots[grain / 64].used |= bit;
		if (b + 1 < r->first + r->n &&
		    at + m->blocks.size[b] + GRAIN / 2 != m->blocks.addr[b + 1])
			r->has_gaps = true;
	}
}

static void range_build(struct range *r, const struct model *m)
{
	size_t n = (size_t)((r->end - r->start) / SLOT_BYTES + 1);
	uint32_t count = 0;

	if (r->n <= 1)
		return;
	r->slots = xcalloc(n, sizeof(*r->slots));
	mark_blocks(r, m);
	for (size_t i = 0; i < n; i++) {
		r->slots[i].before = count;
		count += (uint32_t)__builtin_popcountll(r->slots[i].starts);
	}
}

static bool goes_on(const struct range *r, const struct heap_span *s)
{
	return s->arena != BLOCK_MMAPPED && r->end == s->start && r->n > 1;
}

static void index_build(struct block_index *x, const struct scan *s,
			const struct model *m)
{
	size_t block = 0;

	x->m = m;
	x->ranges = xcalloc(s->nspans, sizeof(*x->ranges));
	for (size_t i = 0; i < s->nspans; i++) {
		const struct heap_span *span = &s->spans[i];

		if (x->n == 0 || !goes_on(&x->ranges[x->n - 1], span))
			x->ranges[x->n++] =
				(struct range){ .start = align_down(span->start, GRAIN),
						.first = block };
		struct range *r = &x->ranges[x->n - 1];

		r->end = span->end;
		while (block < m->blocks.n && m->blocks.addr[block] < r->end)
			block++;
		r->n = block - r->first;
	}
	for (size_t i = 0; i < x->n; i++)
		range_build(&x->ranges[i], m);
}

static void index_release(struct block_index *x)
{
	for (size_t i = 0; i < x->n; i++)
		free(x->ranges[i].slots);
	free(x->ranges);
}

static const struct range *range_at(const struct block_index *x, taddr at)
{
	size_t low = 0, high = x->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (x->ranges[middle].end <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < x->n && x->ranges[low].start <= at ? &x->ranges[low] : NULL;
}

enum { NOBODY = UINT32_MAX };

static uint32_t if_inside(const struct model *m, size_t block, taddr at)
{
	if (m->blocks.state[block] != BLOCK_USED || at < m->blocks.addr[block] ||
	    at - m->blocks.addr[block] >= m->blocks.size[block])
		return NOBODY;
	return (uint32_t)block;
}

/* The used block that holds `at`, or NOBODY. */
static inline uint32_t used_block_at(const struct model *m, const struct range *r,
				     taddr at)
{
	uint64_t grain = (at - r->start) / GRAIN, up_to;
	const struct slot *slot;
	size_t block;

	if (!r->slots)
		return r->n ? if_inside(m, r->first, at) : NOBODY;
	slot = &r->slots[grain / 64];
	up_to = slot->starts << (63 - grain % 64);
	block = r->first + slot->before + (size_t)__builtin_popcountll(up_to);
	if (block == r->first)
		return NOBODY; /* before the first */
	block--;
	if (up_to == 0 || at % GRAIN >= GRAIN / 2 || r->has_gaps)
		return if_inside(m, block, at);
	/* The last start at or below `at` has as many zeroes above it as up_to leads with. */
	return slot->used >> (grain % 64 - (uint64_t)__builtin_clzll(up_to)) & 1
		       ? (uint32_t)block
		       : NOBODY;
}

/* The words of a segment, one after the other, and places for what becomes of them: an
 * edge never lies ahead of the word it was made of, so they share the memory. */
struct word_stream {
	struct word_segment *at;
	size_t i;
};

static inline uint64_t stream_read(struct word_stream *w)
{
	if (w->i == SEGMENT_WORDS)
		*w = (struct word_stream){ w->at->next, 0 };
	return w->at->words[w->i++];
}

enum { SEGMENT_EDGES = 2 * SEGMENT_WORDS };

static inline void stream_write(struct word_stream *w, uint32_t edge)
{
	if (w->i == SEGMENT_EDGES)
		*w = (struct word_stream){ w->at->next, 0 };
	memcpy((char *)w->at->words + 4 * w->i++, &edge, sizeof(edge));
}

static inline void fetch_ahead(const struct word_stream *w, const struct range *r)
{
	if (w->i + AHEAD < SEGMENT_WORDS) {
		uint64_t offset = w->at->words[w->i + AHEAD] - r->start;

		if (r->slots && offset < r->end - r->start)
			__builtin_prefetch(&r->slots[offset / SLOT_BYTES]);
	}
}

/* Turns the words of a segment into block indices and counts those of each block. */
static void resolve_segment(const struct block_index *x, struct row_segment *rows,
			    uint64_t *counts)
{
	static const struct range nowhere;
	struct word_stream in = { rows->words, 0 }, out = in;
	const struct range *r = &nowhere;

	rows->nwords = 0;
	for (size_t row = rows->first; row < rows->first + rows->n; row++) {
		uint64_t left = counts[row];

		for (counts[row] = 0; left > 0; left--) {
			taddr at = stream_read(&in);
			const struct range *here;
			uint32_t block;

			fetch_ahead(&in, r);
			here = at - r->start < r->end - r->start ? r : range_at(x, at);
			if (!here)
				continue;
			r = here;
			block = used_block_at(x->m, r, at);
			if (block == NOBODY || block == row)
				continue;
			stream_write(&out, block);
			counts[row]++;
		}
		rows->nwords += counts[row];
	}
}

static void resolve_segments(void *context, size_t begin, size_t end, unsigned worker)
{
	struct resolving *r = context;

	if (worker == 0)
		progress_step(r->scan->progress, begin, r->scan->nsegments);
	for (size_t i = begin; i < end; i++)
		resolve_segment(&r->index, r->scan->segments[i], r->model->edge_first.at);
}

/* Moves a segment's edges to `to` and gives their memory back. */
static void move_edges(struct row_segment *rows, uint32_t *to)
{
	size_t left = rows->nwords;

	for (const struct word_segment *w = rows->words; left > 0; w = w->next) {
		size_t n = left < SEGMENT_EDGES ? left : SEGMENT_EDGES;

		memcpy(to, w->words, n * sizeof(*to));
		to += n;
		left -= n;
	}
	segment_free_words(rows);
}

static void sum_up(struct model *m)
{
	uint64_t total = 0;

	for (size_t row = 0; row < m->edge_first.n; row++) {
		uint64_t count = m->edge_first.at[row];

		m->edge_first.at[row] = total;
		total += count;
	}
}

void scan_build_edges(struct scan *s, struct model *m)
{
	struct resolving r = { .scan = s, .model = m };
	size_t total = 0;

	index_build(&r.index, s, m);
	progress_stage(s->progress, "finding references");
	pool_run(pool_cores(), s->nsegments, 1, resolve_segments, &r);
	index_release(&r.index);
	sum_up(m);
	for (size_t i = 0; i < s->nsegments; i++)
		total += s->segments[i]->nwords;
	model_table_resize(m, &model_tables[TABLE_edge_to], total);
	total = 0;
	for (size_t i = 0; i < s->nsegments; i++) {
		move_edges(s->segments[i], m->edge_to.node + total);
		total += s->segments[i]->nwords;
	}
}
