/* SPDX-License-Identifier: Apache-2.0 */
/* The door: the table of allocators, and the calls passed on to the one that was found. */
#include "heap/heap_int.h"

static const struct allocator *const allocators[] = {
	&ptmalloc,
};

struct heap_places *heap_locate(struct mem *mem, const struct module_set *modules,
				struct model *m)
{
	struct heap_places *found = NULL;

	foreign_allocators(mem, modules, m);
	for (size_t i = 0; i < countof(allocators) && !found; i++)
		found = allocators[i]->locate(mem, modules, m);
	return found;
}

void heap_places_free(struct heap_places *p)
{
	if (p)
		p->allocator->places_free(p);
}

const char *heap_places_name(const struct heap_places *p)
{
	return p->name;
}

bool heap_is_quiet(const struct mem *stopped, void *places)
{
	const struct heap_places *p = places;

	return p->allocator->is_quiet(stopped, p);
}

bool heap_open(const struct mem *mem, const struct heap_places *p, struct model *m,
	       struct heap **out, struct err *e)
{
	return p->allocator->open(mem, p, m, out, e);
}

size_t heap_spans(const struct heap *h, const struct heap_span **out)
{
	*out = h->spans;
	return h->nspans;
}

void heap_walk(struct heap *h, size_t span, struct mem_window *w,
	       const struct heap_sink *sink)
{
	assert(span < h->nspans);
	h->allocator->walk(h, span, w, sink);
}

void heap_check(struct heap *h, struct model *m)
{
	h->allocator->check(h, m);
}

void heap_free(struct heap *h)
{
	if (h)
		h->allocator->free(h);
}
