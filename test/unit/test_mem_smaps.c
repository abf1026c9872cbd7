/* SPDX-License-Identifier: Apache-2.0 */
/* smaps is read when the target runs again: its entries need not be our regions any more. */
#include "mem/smaps_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { M = 1 << 20 };

static void apply(const struct smaps_entry *entries, size_t n, struct mem_region *regions,
		  size_t nregions)
{
	struct smaps_entry copy[8];
	struct smaps s = { copy, n };
	struct mem m = { .regions = regions, .nregions = nregions };

	memcpy(copy, entries, n * sizeof(*entries));
	smaps_apply(&s, &m, 77);
}

static void an_entry_over_two_regions_counts_once(void **state)
{
	/* An arena of 1 MiB with a reserve of 63 that has grown to 9 MiB. */
	const struct smaps_entry grown[] = { { 64 * M, 73 * M, 0, 8 * M, 2 * M, 0 },
					     { 73 * M, 128 * M, 0, 0, 0, 0 } };
	struct mem_region regions[] = { { .start = 64 * M, .end = 65 * M },
					{ .start = 65 * M, .end = 128 * M } };

	(void)state;
	apply(grown, 2, regions, 2);
	assert_int_equal(regions[0].rss, 1 * M);
	assert_int_equal(regions[1].rss, 7 * M);
	assert_int_equal(regions[0].swap, 1 * M);
	assert_int_equal(regions[1].swap, 1 * M);
}

static void two_entries_in_one_region_add_up(void **state)
{
	const struct smaps_entry cut[] = { { 1 * M, 2 * M, REGION_DONTFORK, 4096, 0, 0 },
					   { 2 * M, 4 * M, 0, 8192, 4096, 0 } };
	struct mem_region regions[] = { { .start = 1 * M, .end = 4 * M } };

	(void)state;
	apply(cut, 2, regions, 1);
	assert_int_equal(regions[0].rss, 12288);
	assert_int_equal(regions[0].swap, 4096);
	assert_int_equal(regions[0].flags, REGION_DONTFORK);
}

static void what_is_told_again_counts_once(void **state)
{
	/* Between two pages of text 16 MiB grew to 20, and a mapping behind it came. */
	struct smaps_entry told[] = { { 1 * M, 2 * M, 0, 4096, 0, 0 },
				      { 16 * M, 32 * M, 0, 16 * M, 1 * M, 0 },
				      { 16 * M, 36 * M, 0, 18 * M, 1 * M, 0 },
				      { 30 * M, 36 * M, 0, 2 * M, 0, 0 },
				      { 40 * M, 41 * M, 0, 8192, 0, 0 } };
	struct smaps s = { told, 5 };

	(void)state;
	smaps_part(&s);
	assert_int_equal(s.n, 4);
	assert_int_equal(told[1].rss, 16 * M);
	assert_int_equal(told[2].start, 32 * M);
	assert_int_equal(told[2].end, 36 * M);
	assert_int_equal(told[2].rss, 2 * M);
	assert_int_equal(told[2].swap, 0);
	assert_int_equal(told[3].start, 40 * M);
	assert_int_equal(told[3].rss, 8192);
}

static void a_region_that_went_is_unknown(void **state)
{
	const struct smaps_entry entries[] = { { 1 * M, 2 * M, 0, 4096, 0, 0 },
					       { 5 * M, 6 * M, 0, 8192, 0, 0 } };
	struct mem_region regions[] = { { .start = 1 * M, .end = 2 * M },
					{ .start = 3 * M, .end = 4 * M },
					{ .start = 5 * M, .end = 6 * M },
					{ .start = 7 * M, .end = 8 * M } };

	(void)state;
	apply(entries, 2, regions, 4);
	assert_int_equal(regions[0].rss, 4096);
	assert_int_equal(regions[1].rss, 77);
	assert_int_equal(regions[2].rss, 8192);
	assert_int_equal(regions[3].rss, 77);
	apply(entries, 0, regions, 4);
	assert_int_equal(regions[0].rss, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_over_two_regions_counts_once),
		cmocka_unit_test(two_entries_in_one_region_add_up),
		cmocka_unit_test(what_is_told_again_counts_once),
		cmocka_unit_test(a_region_that_went_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
