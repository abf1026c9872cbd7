/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"
#include "base/pool.h"
#include "base/search.h"
#include "base/str.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

static void map_keeps_every_key(void **state)
{
	struct map m = { 0 };
	uint32_t v;

	(void)state;
	for (uint32_t i = 0; i < 10000; i++)
		map_set(&m, (uint64_t)i << 12, i);
	map_set(&m, 0, 77);
	assert_int_equal(m.n, 10000);
	assert_true(map_find(&m, 0, &v));
	assert_int_equal(v, 77);
	for (uint32_t i = 1; i < 10000; i++) {
		assert_true(map_find(&m, (uint64_t)i << 12, &v));
		assert_int_equal(v, i);
		assert_false(map_has(&m, ((uint64_t)i << 12) + 1));
	}
	map_release(&m);
}

static void numbers_are_read_whole_or_not_at_all(void **state)
{
	uint64_t v = 0;

	(void)state;
	assert_true(str_to_u64(str_of("18446744073709551615"), 10, &v));
	assert_true(v == UINT64_MAX);
	assert_true(str_to_u64(str_of("0x1F"), 0, &v));
	assert_int_equal(v, 31);
	assert_false(str_to_u64(str_of("18446744073709551616"), 10, &v));
	assert_false(str_to_u64(str_of("12x"), 10, &v));
	assert_false(str_to_u64(str_of(""), 10, &v));
	assert_false(str_to_u64(str_of("0x"), 16, &v));
	assert_int_equal(v, 31);
}

static void count_part(void *context, size_t begin, size_t end, unsigned worker)
{
	atomic_size_t *seen = context;

	(void)worker;
	for (size_t i = begin; i < end; i++)
		atomic_fetch_add(&seen[i], 1);
}

static void pool_visits_each_index_once(void **state)
{
	enum { N = 1003 };
	static atomic_size_t seen[N];

	(void)state;
	pool_run(4, N, 10, count_part, seen);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(seen[i], 1);
}

/* ---- search ---- */

static void search_counts_what_is_at_most(void **state)
{
	static const uint64_t words[] = { 3, 5, 5, 9, UINT64_MAX };
	static const struct {
		uint32_t other;
		uint64_t end;
	} ranges[] = { { 9, 10 }, { 9, 20 }, { 9, 30 } };

	(void)state;
	assert_int_equal(search_words(words, 0, 3), 0);
	assert_int_equal(search_words(words, 5, 2), 0);
	assert_int_equal(search_words(words, 5, 3), 1);
	assert_int_equal(search_words(words, 5, 5), 3);
	assert_int_equal(search_words(words, 5, UINT64_MAX - 1), 4);
	assert_int_equal(search_words(words, 5, UINT64_MAX), 5);
	assert_int_equal(search_words_from(words, 5, 0), 0);
	assert_int_equal(search_words_from(words, 5, 5), 1);
	assert_int_equal(search_words_from(words, 5, 6), 3);
	assert_int_equal(search_structs(ranges, countof(ranges), end, 9), 0);
	assert_int_equal(search_structs(ranges, countof(ranges), end, 10), 1);
	assert_int_equal(search_structs(ranges, countof(ranges), end, 30), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(search_counts_what_is_at_most),
		cmocka_unit_test(map_keeps_every_key),
		cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
		cmocka_unit_test(pool_visits_each_index_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
