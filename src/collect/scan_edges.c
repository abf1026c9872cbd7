/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From words to references. Which block does an address lie in? A search over the sorted
 * addresses would touch memory all over; instead every span with several blocks gets a
 * bitmap, one bit per 16 bytes (malloc's grain), set where a used or free block starts,
 * and one running count per 64 bits. The block is then the count plus a popcount: two
 * cache lines, about 1.2 % of the heap. (A span with one block, a large mapping, needs
 * no bitmap.)
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

enum { GRAIN = 16 };

struct span_index {
	taddr start, end;
	size_t first, n; /* its blocks */
	uint64_t *starts;
	uint32_t *before; /* blocks that start before each 64 grains */
};

struct block_index {
	const struct model *m;
	struct span_index *spans;
	size_t nspans;
};

struct resolving {
	struct scan *scan;
	struct model *model;
	struct block_index index;
};

static void index_span(struct span_index *x, const struct model *m)
{
	size_t slots = (size_t)((x->end - x->start) / GRAIN / 64 + 1);
	uint32_t count = 0;

	if (x->n <= 1)
		return;
	x->starts = xcalloc(slots, sizeof(*x->starts));
	x->before = xcalloc(slots, sizeof(*x->before));
	for (size_t b = x->first; b < x->first + x->n; b++) {
		uint64_t grain = (m->blocks.addr[b] - x->start) / GRAIN;

		x->starts[grain / 64] |= (uint64_t)1 << (grain % 64);
	}
	for (size_t i = 0; i < slots; i++) {
		x->before[i] = count;
		count += (uint32_t)__builtin_popcountll(x->starts[i]);
	}
}

static void index_build(struct block_index *x, const struct scan *s,
			const struct model *m)
{
	size_t block = 0;

	x->m = m;
	x->nspans = s->nspans;
	x->spans = xcalloc(s->nspans, sizeof(*x->spans));
	for (size_t i = 0; i < s->nspans; i++) {
		struct span_index *span = &x->spans[i];

		*span = (struct span_index){ .start =
						     align_down(s->spans[i].start, GRAIN),
					     .end = s->spans[i].end,
					     .first = block };
		while (block < m->blocks.n && m->blocks.addr[block] < span->end)
			block++;
		span->n = block - span->first;
		index_span(span, m);
	}
}

static void index_release(struct block_index *x)
{
	for (size_t i = 0; i < x->nspans; i++) {
		free(x->spans[i].starts);
		free(x->spans[i].before);
	}
	free(x->spans);
}

static const struct span_index *span_at(const struct block_index *x, taddr at)
{
	size_t low = 0, high = x->nspans;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (x->spans[middle].end <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < x->nspans && x->spans[low].start <= at ? &x->spans[low] : NULL;
}

/* The used block that holds `at`, or m->blocks.n. */
static size_t used_block_at(const struct block_index *x, const struct span_index *span,
			    taddr at)
{
	const struct model *m = x->m;
	size_t block = span->first;

	if (span->starts) {
		uint64_t grain = (at - span->start) / GRAIN;
		uint64_t up_to = span->starts[grain / 64] << (63 - grain % 64);

		block += span->before[grain / 64] + (size_t)__builtin_popcountll(up_to);
		if (block == span->first)
			return m->blocks.n; /* before the first */
		block--;
	} else if (span->n == 0) {
		return m->blocks.n;
	}
	if (m->blocks.state[block] != BLOCK_USED ||
	    at - m->blocks.addr[block] >= m->blocks.size[block])
		return m->blocks.n;
	return block;
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

/* Turns the words of a segment into block indices and counts those of each block. */
static void resolve_segment(const struct block_index *x, struct row_segment *rows,
			    uint64_t *counts)
{
	struct word_stream in = { rows->words, 0 }, out = in;
	const struct span_index *span = NULL;

	rows->nwords = 0;
	for (size_t row = rows->first; row < rows->first + rows->n; row++) {
		uint64_t left = counts[row];

		for (counts[row] = 0; left > 0; left--) {
			taddr at = stream_read(&in);
			size_t block;

			if (!span || at < span->start || at >= span->end)
				span = span_at(x, at);
			if (!span)
				continue;
			block = used_block_at(x, span, at);
			if (block == x->m->blocks.n || block == row)
				continue;
			stream_write(&out, (uint32_t)block);
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
		move_edges(s->segments[i], m->edge_to.block + total);
		total += s->segments[i]->nwords;
	}
}
