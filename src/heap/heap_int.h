/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside heap/: what an allocator is. To add one is to write these functions in a folder
 * of its own and add one row to the table in heap.c (docs/HOWTO-add-allocator.md).
 */
#ifndef HEAP_INT_H
#define HEAP_INT_H

#include "heap/heap.h"

struct allocator {
	/* NULL: not here, or nothing that can be walked; *why is then words for people.
	 * Adds evidence either way. */
	struct heap_places *(*locate)(struct mem *mem, const struct module_set *modules,
				      struct model *m, const char **why);
	void (*places_free)(struct heap_places *p);
	bool (*is_quiet)(const struct mem *stopped, const struct heap_places *p);
	bool (*open)(const struct mem *mem, const struct heap_places *p, struct model *m,
		     struct heap **out, struct err *e);
	void (*walk)(struct heap *h, size_t span, struct mem_window *w,
		     const struct heap_sink *sink);
	void (*check)(struct heap *h, struct model *m);
	void (*free)(struct heap *h);
};

/* The first member of each allocator's own places and heap. */
struct heap_places {
	const struct allocator *allocator;
	char name[64]; /* "glibc 2.36" */
};

struct heap {
	const struct allocator *allocator;
	struct heap_span *spans; /* by address, no two overlap; owned by the allocator */
	size_t nspans;
	struct heap_range *own; /* likewise */
	size_t nown;
};

extern const struct allocator ptmalloc;

/* Evidence of allocators that we cannot walk, one row each; the first one's name, or NULL. */
const char *foreign_allocators(const struct mem *mem, const struct module_set *modules,
			       struct model *m);

#endif
