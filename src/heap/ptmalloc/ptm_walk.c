/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One span, from its first chunk to its end, each chunk to the sink with its state:
 *
 *   successor says free                       in a bin
 *   says in use, a tcache or fastbin has it   that
 *   says in use, nobody has it                used
 *
 * Chunks are stepped over in batches: the iterator runs through the headers in one piece
 * of the window, then the sink may move the window as it reads contents.
 *
 * What stops the chain: two fenceposts (the end of a heap; or, in the main arena, memory
 * that somebody else took from the break), or damage. After both the walk resumes at the
 * next place chunks chain on from. The difference is only in what is told: foreign memory
 * is none of malloc's, a damaged stretch is lost and is a finding.
 */
#include "heap/ptmalloc/ptm_int.h"
#include <stdarg.h>
#include <stdio.h>

enum {
	BATCH = 128,
	MAX_REPORTS = 50,        /* of one span; then only their number */
	RESUME_BUDGET = 1 << 20, /* places tried, of one span */
};

struct walk {
	const struct ptm_heap *heap;
	struct ptm_span *span;
	struct mem_window *window;
	const struct heap_sink *sink;
	struct ptm_chunks chunks;
	size_t member; /* the next that may be met */
	uint32_t budget;
	size_t reports;
};

static void report(struct walk *w, taddr where, const char *fmt, ...) print_like(3, 4);
static void report(struct walk *w, taddr where, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	w->span->is_damaged = true;
	if (w->reports++ >= MAX_REPORTS)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	w->sink->damage(w->sink->context, where, text);
}

static void emit(const struct walk *w, taddr chunk, uint64_t footprint, uint64_t extra,
		 enum block_state state)
{
	struct heap_block b = {
		.addr = chunk + PTM_HEADER,
		.size = footprint - extra,
		.extra = extra,
		.state = state,
		.arena = w->span->base.arena,
	};

	w->sink->block(w->sink->context, &b, w->window);
}

static const char *kind_name(uint64_t kind)
{
	return kind == MEMBER_TCACHE ? "a tcache" : "a fastbin";
}

/* Members below `at` were stepped over: no chunk begins where a list says one does. */
static void report_missed(struct walk *w, taddr at)
{
	const struct ptm_members *m = &w->heap->members;

	for (; w->member < m->n && m->of[w->member] < at; w->member++)
		report(w, align_down(m->of[w->member], PTM_ALIGN),
		       "%s lists a chunk here, but none begins here",
		       kind_name(m->of[w->member] & MEMBER_KIND));
}

/* The kind of the list that has the chunk; 0: none. */
static unsigned membership(struct walk *w, taddr at)
{
	const struct ptm_members *m = &w->heap->members;

	if (w->member < m->n && m->of[w->member] < at)
		report_missed(w, at);
	if (w->member < m->n && m->of[w->member] < at + PTM_ALIGN)
		return m->of[w->member++] & MEMBER_KIND;
	return 0;
}

static void report_faults(struct walk *w, const struct ptm_chunk *c)
{
	if (c->faults & FAULT_PREV_SIZE)
		report(w, c->at,
		       "free chunk of 0x%llx bytes, but the next chunk's prev_size "
		       "differs",
		       (unsigned long long)c->size);
	if (c->faults & FAULT_TWO_FREE)
		report(w, c->at, "free chunk behind a free chunk: they should be one");
	if (c->faults & FAULT_FLAGS)
		report(w, c->at,
		       "flag bits of the size word 0x%llx do not fit this arena",
		       (unsigned long long)c->head);
}

/* A heap other than the main one may have had room for no more than 32 bytes before its
 * last fencepost: they look like a chunk in use, but carry no arena flag. */
static bool is_end_mark(const struct walk *w, const struct ptm_chunk *c)
{
	return !w->chunks.is_main && c->is_in_use && c->size == 2 * PTM_FENCE &&
	       !(c->head & PTM_NON_MAIN) && c->at + 3 * PTM_FENCE == w->span->base.end;
}

/* Of one span, so on one thread. */
static void count_binned(struct ptm_span *s, uint64_t size)
{
	struct ptm_sum *sum;

	if (!s->binned)
		s->binned = xcalloc(PTM_NBINS + 1, sizeof(*s->binned));
	sum = &s->binned[ptm_bin_of(size)];
	sum->count++;
	sum->bytes += size;
}

static enum block_state state_of(struct walk *w, const struct ptm_chunk *c)
{
	unsigned kind = membership(w, c->at);
	struct ptm_span *s = w->span;

	if (c->faults && is_end_mark(w, c))
		return BLOCK_FENCE;
	if (c->faults)
		report_faults(w, c);
	if (c->is_in_use && kind)
		return kind == MEMBER_TCACHE ? BLOCK_TCACHE : BLOCK_FASTBIN;
	if (c->is_in_use) {
		if (c->word[1] == w->heap->tcache_key && c->word[1]) {
			if (s->key_hits++ == 0)
				s->key_hit = c->at;
		}
		return BLOCK_USED;
	}
	if (kind)
		report(w, c->at,
		       "%s lists this chunk, but the next chunk says it is in a bin",
		       kind_name(kind));
	s->links += ptm_links(c->at, c->word[0], c->word[1]);
	count_binned(s, c->size);
	return BLOCK_BIN;
}

static void emit_batch(struct walk *w, const struct ptm_chunk *c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		emit(w, c[i].at, c[i].size, 8, state_of(w, &c[i]));
}

/* Goes on where chunks chain on, or to the end; the bytes between. */
static uint64_t resume(struct walk *w)
{
	taddr from = w->chunks.at;

	ptm_chunks_resume(&w->chunks, w->heap->mem, &w->heap->members, &w->budget);
	if (w->member < w->heap->members.n)
		w->member = ptm_member_after(&w->heap->members, w->chunks.at);
	return w->chunks.at - from;
}

static void lose(struct walk *w)
{
	taddr at = w->chunks.at;
	uint64_t head = ptm_word(w->heap->mem, at + 8), lost;
	bool is_hole = w->chunks.stop == STOP_HOLE;

	/* the header that cannot be is not tried again */
	w->chunks.at += PTM_ALIGN;
	if (w->chunks.at > w->chunks.end)
		w->chunks.at = w->chunks.end;
	lost = w->chunks.at - at + resume(w);
	if (is_hole)
		report(w, at,
		       "cannot be read; 0x%llx bytes of this heap are not captured",
		       (unsigned long long)lost);
	else
		report(w, at,
		       "no chunk can begin here (size word 0x%llx); 0x%llx bytes are "
		       "lost",
		       (unsigned long long)head, (unsigned long long)lost);
}

static void pass_fences(struct walk *w)
{
	size_t n = ptm_chunks_fences(&w->chunks);
	uint64_t skipped;

	if (n == 0) {
		lose(w);
		return;
	}
	for (; n > 0; n--) {
		emit(w, w->chunks.at, PTM_FENCE, PTM_FENCE, BLOCK_FENCE);
		w->chunks.at += PTM_FENCE;
	}
	if (w->chunks.at == w->chunks.end)
		return;
	if (!w->chunks.is_main) {
		lose(w);
		return;
	}
	skipped = resume(w);
	w->span->foreign += skipped;
	if (w->chunks.at == w->span->base.end && !w->span->is_cut)
		w->span->foreign_tail = skipped;
}

static void walk_chunks(struct walk *w)
{
	struct ptm_chunk batch[BATCH];

	for (;;) {
		size_t n = ptm_chunks_next(&w->chunks, batch, BATCH);
		enum ptm_stop stop = w->chunks.stop;

		emit_batch(w, batch, n);
		if (stop == STOP_END)
			return;
		if (stop == STOP_FENCE)
			pass_fences(w);
		else if (stop != STOP_NOT)
			lose(w);
	}
}

/* From 2.43 a tcache with a raised limit may hold one. */
static void walk_mapping(struct walk *w)
{
	const struct ptm_span *s = w->span;
	uint64_t footprint = s->base.end - s->base.start;
	uint64_t before = s->chunk - s->base.start;
	uint64_t header = w->heap->places->state->mmap_overhead;
	struct heap_block b = {
		.addr = s->chunk + PTM_HEADER,
		.size = footprint - before - header,
		.extra = before + header,
		.state = membership(w, s->chunk) ? BLOCK_TCACHE : BLOCK_USED,
		.arena = BLOCK_MMAPPED,
	};

	w->sink->block(w->sink->context, &b, w->window);
}

void ptm_walk(struct heap *heap, size_t span, struct mem_window *window,
	      const struct heap_sink *sink)
{
	struct ptm_heap *h = (struct ptm_heap *)heap;
	struct ptm_span *s = &h->spans[span];
	struct walk w = {
		.heap = h,
		.span = s,
		.window = window,
		.sink = sink,
		.chunks = { .window = window,
			    .at = s->base.start,
			    .end = s->top ? s->top : s->base.end,
			    .is_main = s->base.arena == 0 },
		.member = ptm_member_after(&h->members, s->base.start),
		.budget = RESUME_BUDGET,
	};

	if (s->base.arena == BLOCK_MMAPPED) {
		walk_mapping(&w);
		return;
	}
	walk_chunks(&w);
	report_missed(&w, s->base.end);
	if (s->top && s->base.end - s->top >= PTM_MIN_CHUNK)
		emit(&w, s->top, s->base.end - s->top, PTM_HEADER, BLOCK_TOP);
	else if (s->top) /* cut from a moment ago: moved, its size not yet written */
		report(&w, s->top, "the top chunk has no size");
	if (w.reports > MAX_REPORTS) {
		char text[96];

		snprintf(text, sizeof(text), "%zu more contradictions in this heap",
			 w.reports - MAX_REPORTS);
		sink->damage(sink->context, s->base.start, text);
	}
}
