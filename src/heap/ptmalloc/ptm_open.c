/* SPDX-License-Identifier: Apache-2.0 */
/* glibc's malloc as one row of the allocators: a snapshot opened, its spans in order. */
#include "heap/ptmalloc/ptm_int.h"
#include <stdio.h>
#include <stdlib.h>

struct ptm_span *ptm_add_span(struct ptm_heap *h, taddr start, taddr end, uint16_t arena)
{
	if (h->nspans == h->cap_spans) {
		h->cap_spans = h->cap_spans ? 2 * h->cap_spans : 16;
		h->spans = xrealloc(h->spans, h->cap_spans, sizeof(*h->spans));
	}
	h->spans[h->nspans] = (struct ptm_span){
		.base = { .start = start, .end = end, .arena = arena }
	};
	return &h->spans[h->nspans++];
}

static int by_start(const void *a, const void *b)
{
	const struct ptm_span *x = a, *y = b;

	return x->base.start < y->base.start ? -1 : x->base.start > y->base.start;
}

void ptm_sort_spans(struct ptm_heap *h, struct model *m)
{
	size_t kept = 0;

	if (h->nspans)
		qsort(h->spans, h->nspans, sizeof(*h->spans), by_start);
	for (size_t i = 0; i < h->nspans; i++) {
		const struct ptm_span *s = &h->spans[i];
		char where[24];

		if (kept && s->base.start < h->spans[kept - 1].base.end) {
			snprintf(where, sizeof(where), "0x%llx",
				 (unsigned long long)s->base.start);
			model_find_out(
				m, SEVERITY_DAMAGE, where,
				"two heaps claim this memory; the second is left out");
			continue;
		}
		h->spans[kept++] = *s;
	}
	h->nspans = kept;
}

size_t ptm_span_after(const struct ptm_heap *h, taddr at)
{
	size_t low = 0, high = h->nspans;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (h->spans[mid].base.end <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void publish_spans(struct ptm_heap *h)
{
	h->base.nspans = h->nspans;
	h->base.spans = xcalloc(h->nspans ? h->nspans : 1, sizeof(*h->base.spans));
	for (size_t i = 0; i < h->nspans; i++)
		h->base.spans[i] = h->spans[i].base;
}

static void publish_own(struct ptm_heap *h)
{
	const struct ptm_places *p = h->places;
	struct heap_range *own = xcalloc(h->narenas + h->ntcaches + 1, sizeof(*own));
	size_t n = 0;

	for (size_t i = 0; i < h->narenas; i++)
		own[n++] = (struct heap_range){ h->arenas[i].addr,
						h->arenas[i].addr + p->state->size };
	if (p->mp)
		own[n++] = (struct heap_range){ p->mp, p->mp + p->par->size };
	for (size_t i = 0; i < h->ntcaches; i++)
		own[n++] = (struct heap_range){ h->tcaches[i].addr,
						h->tcaches[i].addr +
							h->tcaches[i].layout->size };
	h->base.own = own;
	h->base.nown = n;
}

static void ptm_free(struct heap *heap)
{
	struct ptm_heap *h = (struct ptm_heap *)heap;

	free(h->base.spans);
	free(h->base.own);
	for (size_t i = 0; i < h->nspans; i++)
		free(h->spans[i].binned);
	free(h->spans);
	free(h->arenas);
	free(h->tcaches);
	free(h->members.of);
	free(h);
}

static bool ptm_open(const struct mem *mem, const struct heap_places *p, struct model *m,
		     struct heap **out, struct err *e)
{
	struct ptm_heap *h = xcalloc(1, sizeof(*h));

	h->base.allocator = &ptmalloc;
	h->mem = mem;
	h->places = (const struct ptm_places *)p;
	if (!ptm_open_arenas(h, m, e)) {
		ptm_free(&h->base);
		return false;
	}
	ptm_open_mappings(h, m);
	ptm_open_tcaches(h, m);
	ptm_open_lists(h, m);
	ptm_cut_spans(h, m);
	publish_spans(h);
	publish_own(h);
	*out = &h->base;
	return true;
}

static void ptm_places_free(struct heap_places *places)
{
	struct ptm_places *p = (struct ptm_places *)places;

	free(p->text);
	free(p->callees);
	free(p);
}

const struct allocator ptmalloc = {
	.locate = ptm_locate,
	.places_free = ptm_places_free,
	.is_quiet = ptm_is_quiet,
	.open = ptm_open,
	.walk = ptm_walk,
	.check = ptm_check,
	.free = ptm_free,
};
