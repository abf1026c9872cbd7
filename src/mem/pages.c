/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page states, by one of two ways:
 *
 *	ioctl PAGEMAP_SCAN	Linux 6.7: runs of pages in one state; what is not mapped
 *				costs nothing, so terabytes of reserved space are free; tells
 *				the zero page
 *	read of pagemap		8 bytes a page; so only for regions that smaps says have
 *				memory (the caller's part), and the zero page counts as resident
 *
 * A guard page is a marker in the page table. pagemap shows it as swapped with bit 58, the
 * ioctl has a category for it, newer than the ioctl itself. Only the ioctl tells which pages
 * lie in a huge one.
 */
#include "mem/pages_int.h"

#include "mem/proc_int.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* include/uapi/linux/fs.h of Linux 6.16; Debian 12's headers are older. */
enum {
	CATEGORY_FILE = 1 << 2,
	CATEGORY_PRESENT = 1 << 3,
	CATEGORY_SWAPPED = 1 << 4,
	CATEGORY_ZERO = 1 << 5,
	CATEGORY_HUGE = 1 << 6,
	CATEGORY_GUARD = 1 << 8,
};

struct scan_range {
	uint64_t start, end, categories;
};

struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define PAGEMAP_SCAN_IOCTL _IOWR('f', 16, struct scan_arg)

enum { BATCH = 4096 };

struct page_scan {
	int fd;
	bool by_pagemap;
	uint64_t categories; /* that this kernel knows */
	struct run_list pages, guards, huge;
	union {
		struct scan_range ranges[BATCH];
		uint64_t entries[BATCH];
	};
};

void run_list_add(struct run_list *l, taddr start, taddr end, enum page_state state)
{
	struct page_run *last = l->n ? &l->runs[l->n - 1] : NULL;
	uint64_t count = (end - start) / PAGE_SIZE_4K;

	if (count == 0)
		return;
	if (last && last->state == state && run_end(last) == start) {
		last->count += count;
		return;
	}
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->runs = xrealloc(l->runs, l->cap, sizeof(*l->runs));
	}
	assert(l->runs);
	l->runs[l->n++] = (struct page_run){ start, count, state };
}

static void add_by_categories(struct page_scan *s, const struct scan_range *r)
{
	if (r->categories & CATEGORY_GUARD)
		run_list_add(&s->guards, r->start, r->end, PAGE_RESIDENT);
	else if (r->categories & CATEGORY_SWAPPED)
		run_list_add(&s->pages, r->start, r->end, PAGE_SWAPPED);
	else if (r->categories & CATEGORY_ZERO)
		run_list_add(&s->pages, r->start, r->end, PAGE_ZERO);
	else if (r->categories & CATEGORY_FILE)
		run_list_add(&s->pages, r->start, r->end, PAGE_FILE);
	else
		run_list_add(&s->pages, r->start, r->end, PAGE_RESIDENT);
	if ((r->categories & CATEGORY_HUGE) &&
	    !(r->categories & (CATEGORY_FILE | CATEGORY_ZERO | CATEGORY_SWAPPED)))
		run_list_add(&s->huge, r->start, r->end, PAGE_RESIDENT);
}

static long scan(struct page_scan *s, taddr start, taddr end, taddr *walk_end)
{
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = start,
		.end = end,
		.vec = (uint64_t)(uintptr_t)s->ranges,
		.vec_len = BATCH,
		.category_anyof_mask = CATEGORY_PRESENT | CATEGORY_SWAPPED |
				       (s->categories & CATEGORY_GUARD),
		.return_mask = s->categories,
	};
	long n = ioctl(s->fd, PAGEMAP_SCAN_IOCTL, &arg);

	*walk_end = arg.walk_end;
	return n;
}

static void range_by_scan(struct page_scan *s, taddr start, taddr end)
{
	while (start < end) {
		taddr walked;
		long n = scan(s, start, end, &walked);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || walked <= start)
			return; /* the address space has gone */
		for (long i = 0; i < n; i++)
			add_by_categories(s, &s->ranges[i]);
		/* The kernel (seen with 6.18) walks on after each 512 ranges, but
		 * when it then comes to the end it still says where the last of those
		 * stops was: what lies behind it would be told twice. */
		start = walked;
		if (n > 0)
			start = max_u64(start, s->ranges[n - 1].end);
	}
}

static void add_by_entry(struct page_scan *s, uint64_t entry, taddr at)
{
	bool present = entry >> 63 & 1, swapped = entry >> 62 & 1;

	if (entry >> 58 & 1)
		run_list_add(&s->guards, at, at + PAGE_SIZE_4K, PAGE_RESIDENT);
	else if (swapped)
		run_list_add(&s->pages, at, at + PAGE_SIZE_4K, PAGE_SWAPPED);
	else if (present)
		run_list_add(&s->pages, at, at + PAGE_SIZE_4K,
			     entry >> 61 & 1 ? PAGE_FILE : PAGE_RESIDENT);
}

static void range_by_pagemap(struct page_scan *s, taddr start, taddr end)
{
	while (start < end) {
		size_t pages = (size_t)min_u64((end - start) / PAGE_SIZE_4K, BATCH);
		ssize_t got = pread(s->fd, s->entries, 8 * pages,
				    (off_t)(start / PAGE_SIZE_4K * 8));

		if (got < 8)
			return;
		for (size_t i = 0; i < (size_t)got / 8; i++, start += PAGE_SIZE_4K)
			add_by_entry(s, s->entries[i], start);
	}
}

struct page_scan *page_scan_open(pid_t pid, bool by_pagemap)
{
	int fd = proc_open(pid, "pagemap", O_RDONLY);
	struct page_scan *s;
	taddr ignored;

	if (fd < 0)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->fd = fd;
	s->by_pagemap = by_pagemap;
	s->categories = CATEGORY_FILE | CATEGORY_PRESENT | CATEGORY_SWAPPED |
			CATEGORY_ZERO | CATEGORY_HUGE | CATEGORY_GUARD;
	/* An empty range tells which categories the kernel knows. */
	if (!by_pagemap && scan(s, 0, 0, &ignored) < 0) {
		s->categories &= ~(uint64_t)CATEGORY_GUARD;
		s->by_pagemap = scan(s, 0, 0, &ignored) < 0;
	}
	return s;
}

bool page_scan_is_slow(const struct page_scan *s)
{
	return s->by_pagemap;
}

void page_scan_range(struct page_scan *s, taddr start, taddr end)
{
	if (s->by_pagemap)
		range_by_pagemap(s, start, end);
	else
		range_by_scan(s, start, end);
}

static int run_order(const void *a, const void *b)
{
	const struct page_run *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static bool is_sorted(const struct page_run *runs, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (runs[i].start < runs[i - 1].start)
			return false;
	return true;
}

static void hand_over(struct run_list *l, struct page_run **runs, size_t *n)
{
	if (l->n) {
		*runs = xrealloc(*runs, *n + l->n, sizeof(**runs));
		memcpy(*runs + *n, l->runs, l->n * sizeof(**runs));
		*n += l->n;
		if (!is_sorted(*runs, *n))
			qsort(*runs, *n, sizeof(**runs), run_order);
	}
	free(l->runs);
}

void page_scan_close(struct page_scan *s, struct mem *m)
{
	hand_over(&s->pages, &m->pages, &m->npages);
	hand_over(&s->guards, &m->guards, &m->nguards);
	hand_over(&s->huge, &m->huge, &m->nhuge);
	close(s->fd);
	free(s);
}
