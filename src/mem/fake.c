/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of byte ranges that poses as a target. Each range is a region; a range without
 * bytes is a region that is a hole throughout.
 */
#include "mem/mem_int.h"

#include <stdlib.h>
#include <string.h>

struct fake {
	struct mem mem;
	struct mem_fake_range *ranges; /* ranges[i] is regions[i] */
};

static size_t fake_copy(const struct mem *m, const struct mem_region *r, taddr at,
			void *dst, size_t len)
{
	const struct fake *f = (const struct fake *)m;
	const struct mem_fake_range *range = &f->ranges[r - m->regions];

	if (!range->bytes)
		return 0;
	memcpy(dst, (const char *)range->bytes + (at - range->start), len);
	return len;
}

static void fake_close(struct mem *m)
{
	struct fake *f = (struct fake *)m;

	free(f->ranges);
	free(f);
}

static int range_order(const void *a, const void *b)
{
	const struct mem_fake_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static const struct mem_ops fake_ops = { .copy = fake_copy, .close = fake_close };

struct mem *mem_fake_new(const struct mem_fake_range *ranges, size_t n)
{
	struct fake *f = xcalloc(1, sizeof(*f));

	f->mem.ops = &fake_ops;
	f->mem.quiet = true;
	f->mem.regions = xcalloc(n, sizeof(*f->mem.regions));
	f->ranges = xcalloc(n, sizeof(*ranges));
	for (size_t i = 0; i < n; i++)
		if (ranges[i].n > 0)
			f->ranges[f->mem.nregions++] = ranges[i];
	qsort(f->ranges, f->mem.nregions, sizeof(*ranges), range_order);
	for (size_t i = 0; i < f->mem.nregions; i++) {
		const struct mem_fake_range *range = &f->ranges[i];

		assert(i == 0 || range->start >= f->mem.regions[i - 1].end);
		f->mem.regions[i] = (struct mem_region){
			.start = range->start,
			.end = range->start + range->n,
			.prot = range->prot,
			.name = range->name ? range->name : "",
		};
	}
	return &f->mem;
}
