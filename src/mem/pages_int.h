/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages have memory behind them. */
#ifndef MEM_PAGES_INT_H
#define MEM_PAGES_INT_H

#include "mem/mem_int.h"

/* Runs in order of address; one that goes on from the last in the same state is joined to
 * it. */
struct run_list {
	struct page_run *runs;
	size_t n, cap;
};
void run_list_add(struct run_list *l, taddr start, taddr end, enum page_state state);

struct page_scan;

/* Of the address space of `pid`, which need not be the target (its child has the same
 * pages). `by_pagemap` forces the way of kernels before 6.7. NULL: not to be had. */
struct page_scan *page_scan_open(pid_t pid, bool by_pagemap);

/* A range costs by its length, not by what is in it. */
bool page_scan_is_slow(const struct page_scan *s);

/* Adds the pages of [start, end). */
void page_scan_range(struct page_scan *s, taddr start, taddr end);

/* Puts what was added into m->pages and m->guards, beside what they hold; frees s. */
void page_scan_close(struct page_scan *s, struct mem *m);

#endif
