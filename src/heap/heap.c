/* SPDX-License-Identifier: Apache-2.0 */
/* The door: the table of allocators, and the calls passed on to the one that was found. */
#include "heap/heap_int.h"

static const struct allocator *const allocators[] = {
	&ptmalloc,
};

/* Every command's reader is to know why blocks are missing, not only that of `check`. */
static void tell_what_is_missing(struct model *m, const struct heap_places *found,
				 const char *foreign, const char *why)
{
	if (!found && foreign)
		model_find_out(m, SEVERITY_NOTE, "heap",
			       "no glibc heap: this process uses %s; totals by mapping "
			       "still hold",
			       foreign);
	else if (!found)
		model_find_out(m, SEVERITY_NOTE, "heap",
			       "no glibc heap: %s; totals by mapping still hold", why);
	else if (foreign)
		model_find_out(m, SEVERITY_NOTE, "heap",
			       "%s is mapped beside glibc: its blocks are not told, "
			       "totals by mapping still hold",
			       foreign);
}

struct heap_places *heap_locate(struct mem *mem, const struct module_set *modules,
				struct model *m)
{
	const char *foreign = foreign_allocators(mem, modules, m), *why = "";
	struct heap_places *found = NULL;

	for (size_t i = 0; i < countof(allocators) && !found; i++)
		found = allocators[i]->locate(mem, modules, m, &why);
	tell_what_is_missing(m, found, foreign, why);
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

size_t heap_own_ranges(const struct heap *h, const struct heap_range **out)
{
	*out = h->own;
	return h->nown;
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
