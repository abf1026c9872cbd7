/* SPDX-License-Identifier: Apache-2.0 */
/* Both ways to learn page states tell the same, and both tell the truth. */
#include "mem/pages_int.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways_tell_the_truth),
		cmocka_unit_test(the_zero_page_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
