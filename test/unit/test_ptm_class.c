/* SPDX-License-Identifier: Apache-2.0 */
/* Which list a size goes to, against what glibc's source says of the ends of each. */
#include "heap/ptmalloc/ptm_int.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { FIRST = 2, LAST = 126 };

/* No size of a chunk is in two bins, and none in no bin. */
static void bins_follow_each_other(void **state)
{
	uint64_t next = PTM_MIN_CHUNK;

	(void)state;
	for (size_t bin = FIRST; bin <= LAST; bin++) {
		struct ptm_sizes s = ptm_bin_sizes(bin);

		assert_int_equal(s.low, next);
		assert_int_equal(ptm_bin_of(s.low), bin);
		if (bin == LAST)
			break;
		assert_true(s.high >= s.low);
		assert_int_equal(ptm_bin_of(s.high), bin);
		next = s.high + PTM_ALIGN;
	}
	assert_int_equal(ptm_bin_sizes(LAST).high, 0);
	assert_int_equal(ptm_bin_of(UINT64_MAX), LAST);
}

/* Counted out by hand from the comment in glibc malloc.c ("Bins for sizes < 1024 bytes
 * contain chunks of all the same size", then 64 bytes apart, 512, 4096, 32768, 262144) and
 * largebin_index_64. */
static void ends_are_where_glibc_has_them(void **state)
{
	static const struct {
		uint64_t size;
		size_t bin;
	} ends[] = {
		{ 32, 2 },       { 1008, 63 },    { 1024, 64 },    { 1087, 64 },
		{ 1088, 65 },    { 3072, 96 },    { 3135, 96 },    { 3136, 97 },
		{ 10751, 111 },  { 10752, 112 },  { 45055, 120 },  { 65535, 120 },
		{ 65536, 121 },  { 163839, 123 }, { 163840, 124 }, { 262143, 124 },
		{ 262144, 125 }, { 524287, 125 }, { 524288, 126 }, { 1 << 30, 126 },
	};

	(void)state;
	for (size_t i = 0; i < countof(ends); i++)
		assert_int_equal(ptm_bin_of(ends[i].size), ends[i].bin);
	assert_true(ptm_bin_is_small(63));
	assert_false(ptm_bin_is_small(64));
}

static void caches_hold_small_sizes_one_by_one(void **state)
{
	static const struct {
		size_t bin;
		struct ptm_sizes sizes;
	} bins[] = {
		{ 0, { 32, 32 } },
		{ 63, { 1040, 1040 } },
		{ 64, { 1056, 2032 } },
		{ 65, { 2048, 4080 } },
		{ 75, { 2 << 20, (4 << 20) - 16 } },
	};

	(void)state;
	for (size_t i = 0; i < countof(bins); i++) {
		struct ptm_sizes s = ptm_tcache_sizes(bins[i].bin);

		assert_int_equal(s.low, bins[i].sizes.low);
		assert_int_equal(s.high, bins[i].sizes.high);
	}
	assert_int_equal(ptm_fastbin_sizes(9).low, 176);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bins_follow_each_other),
		cmocka_unit_test(ends_are_where_glibc_has_them),
		cmocka_unit_test(caches_hold_small_sizes_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
