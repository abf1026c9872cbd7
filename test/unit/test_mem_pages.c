/* SPDX-License-Identifier: Apache-2.0 */
/* Both ways to learn page states tell the same, and both tell the truth. */
#include "mem/pages_int.h"
#include "mem/slack_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGES = 512, GUARD_INSTALL = 102 };

static uint8_t *bytes;
static bool has_guard;

static void touch(void)
{
	bytes = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(bytes, PAGES * 4096, MADV_NOHUGEPAGE);
	for (int i = 0; i < PAGES; i++)
		if (i % 7 < 3)
			bytes[i * 4096] = 1;
	has_guard = madvise(bytes + 100 * 4096, 2 * 4096, GUARD_INSTALL) == 0;
}

static void scan(struct mem *m, bool by_pagemap)
{
	struct page_scan *s = page_scan_open(getpid(), by_pagemap);

	assert_non_null(s);
	assert_true(page_scan_is_slow(s) || !by_pagemap);
	page_scan_range(s, (taddr)bytes, (taddr)bytes + PAGES * 4096);
	page_scan_close(s, m);
}

static bool is_in_runs(const struct page_run *runs, size_t n, taddr at)
{
	size_t i = run_after(runs, n, at);

	return i < n && runs[i].start <= at;
}

static void both_ways_tell_the_truth(void **state)
{
	(void)state;
	touch();
	for (int by_pagemap = 0; by_pagemap < 2; by_pagemap++) {
		struct mem m = { 0 };

		scan(&m, by_pagemap);
		for (int i = 0; i < PAGES; i++) {
			taddr at = (taddr)bytes + (taddr)i * 4096;
			bool guard = has_guard && (i == 100 || i == 101);

			assert_int_equal(is_in_runs(m.pages, m.npages, at),
					 i % 7 < 3 && !guard);
			assert_int_equal(is_in_runs(m.guards, m.nguards, at), guard);
		}
		free(m.pages);
		free(m.guards);
	}
}

/* Only the newer way knows it: a page that was read but never written. */
static void the_zero_page_is_told(void **state)
{
	uint8_t *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	struct page_scan *s = page_scan_open(getpid(), false);
	struct mem m = { 0 };

	(void)state;
	madvise(p, 8192, MADV_NOHUGEPAGE);
	assert_int_equal(*(volatile uint8_t *)p, 0);
	if (page_scan_is_slow(s)) {
		print_message("NOT RUN: this kernel has no PAGEMAP_SCAN\n");
		page_scan_close(s, &m);
		return;
	}
	page_scan_range(s, (taddr)p, (taddr)p + 8192);
	page_scan_close(s, &m);
	assert_int_equal(m.npages, 1);
	assert_int_equal(m.pages[0].state, PAGE_ZERO);
	assert_int_equal(m.pages[0].count, 1);
	free(m.pages);
}

enum { HUGE_BYTES = 2 << 20, STEP = 16 };

/* A whole huge page, a byte written in each sixteenth page; NULL: the kernel gave none. */
static uint8_t *huge_page(struct mem *m, struct mem_region *r)
{
	uint8_t *room = mmap(NULL, 3 * HUGE_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *p = (uint8_t *)align_up((taddr)room, HUGE_BYTES);
	struct page_scan *s = page_scan_open(getpid(), false);

	madvise(p, HUGE_BYTES, MADV_HUGEPAGE);
	for (int i = 0; i < PAGES; i += STEP)
		p[i * 4096 + i] = 1;
	*r = (struct mem_region){ .start = (taddr)p, .end = (taddr)p + HUGE_BYTES };
	page_scan_range(s, r->start, r->end);
	page_scan_close(s, m);
	m->regions = r;
	m->nregions = 1;
	return m->nhuge == 1 && m->huge[0].count == PAGES ? p : NULL;
}

static void expect_slack(const struct mem *m, taddr start)
{
	for (int i = 0; i < PAGES; i++) {
		taddr at = start + (taddr)i * 4096;
		size_t run = run_after(m->pages, m->npages, at);

		assert_true(run < m->npages && m->pages[run].start <= at);
		assert_int_equal(m->pages[run].state,
				 i % STEP ? PAGE_SLACK : PAGE_RESIDENT);
	}
}

/* By the kernel's word on each page, and by its word on the mapping alone. */
static void pages_of_zeroes_in_huge_ones_are_slack(void **state)
{
	(void)state;
	for (int is_told = 0; is_told < 2; is_told++) {
		struct mem_region r;
		struct mem m = { 0 };
		uint8_t *p = huge_page(&m, &r);

		if (!p) {
			print_message("NOT RUN: no transparent huge page to be had\n");
			return;
		}
		if (!is_told) {
			m.nhuge = 0;
			r.huge = HUGE_BYTES - 4096; /* one that only might be huge */
			slack_find(&m, getpid());
			assert_int_equal(m.npages, 1);
			r.huge = HUGE_BYTES;
		}
		slack_find(&m, getpid());
		expect_slack(&m, r.start);
		free(m.pages);
		free(m.huge);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways_tell_the_truth),
		cmocka_unit_test(the_zero_page_is_told),
		cmocka_unit_test(pages_of_zeroes_in_huge_ones_are_slack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
