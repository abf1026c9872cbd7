/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of mem/ share: a growing list of regions and runs, and the kinds of region. */
#ifndef MEM_MEM_INT_H
#define MEM_MEM_INT_H

#include "mem/mem.h"

#include <string.h>

/* Cuts `text`, the whole of a maps file, into regions by address; their names point into
 * it. Lines that are no maps lines are skipped. */
struct mem_region *regions_parse(char *text, size_t *n);

/*
 * Device memory must not be read: a read there can act on the device. The flags io and pf
 * of smaps tell it for sure; maps is all there is inside the pause, so names decide there.
 */
bool region_is_io_name(const char *name);

/* Private and backed by nothing. */
static inline bool region_is_anon(const struct mem_region *r)
{
	return !(r->flags & REGION_HAS_FILE) && !(r->prot & PROT_SHARED);
}

/* A page in no run of m->pages reads as zeroes. Those of the vdso are the kernel's, in no
 * run either; it is small, whatever a core calls so. */
static inline bool region_is_zeroes(const struct mem_region *r)
{
	return region_is_anon(r) &&
	       (r->end - r->start > 16 * PAGE_SIZE_4K || strcmp(r->name, "[vdso]") != 0);
}

/* The index of the first run that ends after `at`; n when none does. */
size_t run_after(const struct page_run *runs, size_t n, taddr at);

static inline taddr run_end(const struct page_run *r)
{
	return r->start + r->count * PAGE_SIZE_4K;
}

#endif
