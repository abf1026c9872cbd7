/* SPDX-License-Identifier: Apache-2.0 */
/* Where nodes can be, and which memory is bookkeeping. */
#include "collect/collect_int.h"

#include <stdlib.h>
#include <string.h>

static int by_start(const void *a, const void *b)
{
	const struct address_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

size_t ranges_merge(struct address_range *r, size_t n)
{
	size_t kept = 0;

	if (n > 0)
		qsort(r, n, sizeof(*r), by_start);
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && r[i].start <= r[kept - 1].end)
			r[kept - 1].end = max_u64(r[kept - 1].end, r[i].end);
		else
			r[kept++] = r[i];
	}
	return kept;
}

size_t scan_nodes_memory(const struct scan *s, struct address_range **out)
{
	const struct python_pool *pools = NULL;
	size_t npools = s->python ? python_pools(s->python, &pools) : 0, n = 0;
	struct address_range *r = xcalloc(s->nspans + npools + 1, sizeof(*r));

	for (size_t i = 0; i < s->nspans; i++)
		r[n++] = (struct address_range){ s->spans[i].start, s->spans[i].end };
	for (size_t i = 0; i < npools; i++)
		r[n++] = (struct address_range){ pools[i].start, pools[i].end };
	*out = r;
	return ranges_merge(r, n);
}

static void find_own(struct scan *s)
{
	const struct heap_range *heap = NULL;
	const struct python_range *python = NULL;
	size_t nheap = s->heap ? heap_own_ranges(s->heap, &heap) : 0;
	size_t npython = s->python ? python_own_ranges(s->python, &python) : 0;

	s->own = xcalloc(nheap + npython + 1, sizeof(*s->own));
	for (size_t i = 0; i < nheap; i++)
		s->own[s->nown++] = (struct address_range){ heap[i].start, heap[i].end };
	for (size_t i = 0; i < npython; i++)
		s->own[s->nown++] =
			(struct address_range){ python[i].start, python[i].end };
	s->nown = ranges_merge(s->own, s->nown);
}

void scan_find_bounds(struct scan *s)
{
	struct address_range *r;
	size_t n, split = 0;
	uint64_t widest = 0;

	s->nspans = s->heap ? heap_spans(s->heap, &s->spans) : 0;
	find_own(s);
	n = scan_nodes_memory(s, &r);
	for (size_t i = 1; i < n; i++)
		if (r[i].start - r[i - 1].end > widest)
			widest = r[i].start - r[i - 1].end, split = i;
	if (n > 0) {
		s->low_start = r[0].start;
		s->low_end = r[split ? split - 1 : n - 1].end;
	}
	if (split) {
		s->high_start = r[split].start;
		s->high_end = r[n - 1].end;
	}
	free(r);
}
