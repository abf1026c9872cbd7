/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Free memory of glibc's heaps as the system could have it back.
 *
 * RUN: neighbouring chunks that malloc_consolidate joins: those in fastbins and bins. What
 * a tcache holds looks in use to malloc, and parts runs. A run at the top of its arena is
 * part of the top.
 */
#ifndef ANALYSIS_RETURNABLE_INT_H
#define ANALYSIS_RETURNABLE_INT_H

#include "analysis/analysis_int.h"

/* How many bytes of a range are resident. */
struct resident {
	const struct model *m;
	uint64_t *before; /* bytes resident in all runs of pages before this one */
	bool is_known;    /* false: everything counts as resident */
};
void resident_init(struct resident *r, const struct model *m);
void resident_release(struct resident *r);
uint64_t resident_between(const struct resident *r, taddr start, taddr end);

/* Where the chunk of block b lies; not of mmapped ones. */
static inline taddr chunk_start(const struct model *m, size_t b)
{
	return m->blocks.addr[b] - 16;
}

static inline taddr chunk_end(const struct model *m, size_t b)
{
	return chunk_start(m, b) + block_footprint(m, b);
}

static inline bool chunk_is_free(const struct model *m, size_t b)
{
	return m->blocks.state[b] == BLOCK_FASTBIN || m->blocks.state[b] == BLOCK_BIN;
}

/* Does the chunk after block b belong to the next block? */
static inline bool chunk_is_followed(const struct model *m, size_t b)
{
	return b + 1 < m->blocks.n && m->blocks.arena[b] != BLOCK_MMAPPED &&
	       m->blocks.arena[b + 1] == m->blocks.arena[b] &&
	       chunk_start(m, b + 1) == chunk_end(m, b);
}

struct free_run {
	taddr start, end; /* start == end: there is none */
	size_t behind;    /* the block behind it */
	bool has_top; /* it goes on to the end of the top, which is block behind - 1 */
};
/* The run that begins with block b, whose predecessor is not free. */
struct free_run free_run_at(const struct model *m, size_t b);

/* The pages that malloc_trim gives back of a run in the middle of a heap, and of the top;
 * start >= end: none. */
struct page_span {
	taddr start, end;
};
struct page_span trim_of_run(taddr start, taddr end);
struct page_span trim_of_top(const struct model *m, taddr start, taddr end);
/* Does the break end with this top, so that it can be lowered? */
bool top_is_break(const struct model *m, size_t top);

#endif
