/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What malloc_trim(0) gives back (glibc 2.10 to 2.44 malloc.c, mtrim and systrim, the same
 * in all of them): in each arena, after malloc_consolidate where there are fastbins,
 *
 *	a chunk in a bin	the whole pages behind the first 48 bytes of it (sizeof struct
 *				malloc_chunk), by MADV_DONTNEED
 *	the main arena's top	whole pages at its end, by sbrk: all but MINSIZE and a byte, in
 *				units of a page, or of a huge one where the tunable
 *				glibc.malloc.hugetlb=1 set mp_.thp_pagesize; if the break ends
 *				where the top does
 *	other arenas' tops	nothing
 */
#include "analysis/returnable_int.h"

#include "base/search.h"
#include <stdlib.h>

enum { CHUNK_STRUCT = 48, MIN_CHUNK = 32 };

/* ---- residency ---- */

void resident_init(struct resident *r, const struct model *m)
{
	uint64_t sum = 0;

	*r = (struct resident){ .m = m,
				.is_known = m->pages.n > 0 && model_knows_residency(m) };
	r->before = xcalloc(m->pages.n + 1, sizeof(*r->before));
	for (size_t i = 0; i < m->pages.n; i++) {
		r->before[i] = sum;
		if (page_is_resident(m->pages.state[i]))
			sum += m->pages.count[i] * PAGE_SIZE_4K;
	}
	r->before[m->pages.n] = sum;
}

void resident_release(struct resident *r)
{
	free(r->before);
}

/* All that is resident below `at`. */
static uint64_t resident_below(const struct resident *r, taddr at)
{
	const struct model_pages *p = &r->m->pages;
	size_t i = search_words(p->start, p->n, at); /* the first run that starts above */
	uint64_t inside;

	if (i == 0)
		return 0;
	if (!page_is_resident(p->state[i - 1]))
		return r->before[i - 1];
	inside = min_u64(at - p->start[i - 1], p->count[i - 1] * PAGE_SIZE_4K);
	return r->before[i - 1] + inside;
}

uint64_t resident_between(const struct resident *r, taddr start, taddr end)
{
	if (start >= end)
		return 0;
	return r->is_known ? resident_below(r, end) - resident_below(r, start)
			   : end - start;
}

/* ---- runs ---- */

struct free_run free_run_at(const struct model *m, size_t b)
{
	struct free_run run = { .start = chunk_start(m, b), .behind = b };

	run.end = run.start;
	while (chunk_is_free(m, run.behind)) {
		run.end = chunk_end(m, run.behind++);
		if (!chunk_is_followed(m, run.behind - 1))
			return run;
	}
	if (m->blocks.state[run.behind] == BLOCK_TOP) {
		run.end = chunk_end(m, run.behind++);
		run.has_top = true;
	}
	return run;
}

struct page_span trim_of_run(taddr start, taddr end)
{
	return (struct page_span){ align_up(start + CHUNK_STRUCT, PAGE_SIZE_4K),
				   align_down(end, PAGE_SIZE_4K) };
}

struct page_span trim_of_top(const struct model *m, taddr start, taddr end)
{
	uint64_t unit = m->processes.n > 0 ? m->processes.trim_unit[0] : 0;
	uint64_t room = end - start > MIN_CHUNK + 1 ? end - start - MIN_CHUNK - 1 : 0;

	unit = unit ? unit : PAGE_SIZE_4K;
	return (struct page_span){ end - room / unit * unit, end };
}

bool top_is_break(const struct model *m, size_t top)
{
	taddr end = chunk_end(m, top);
	size_t r = search_words_from(m->regions.end, m->regions.n, end);

	return m->arenas.is_main[m->blocks.arena[top]] && r < m->regions.n &&
	       m->regions.end[r] == end &&
	       str_is(model_text(m, m->regions.name[r]), "[heap]");
}
