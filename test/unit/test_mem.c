/* SPDX-License-Identifier: Apache-2.0 */
#include "mem/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static void a_read_joins_regions_and_stops_at_holes(void **state)
{
	const struct mem_fake_range ranges[] = {
		{ 0x5000, "efgh", 4, PROT_R, "b" },
		{ 0x4ffc, "abcd", 4, PROT_R, "a" },
		{ 0x9000, NULL, 0x1000, PROT_R, NULL },
	};
	struct mem *m = mem_fake_new(ranges, countof(ranges));
	char got[8];

	(void)state;
	assert_true(mem_read(m, 0x4ffc, got, 8));
	assert_memory_equal(got, "abcdefgh", 8);
	assert_false(mem_read(m, 0x4ffd, got, 8));
	assert_false(mem_read(m, 0x9000, got, 1));
	assert_false(mem_read(m, UINT64_MAX - 2, got, 8));
	assert_int_equal(mem_range_end(m, 0x4ffd), 0x5004);
	assert_int_equal(mem_range_end(m, 0x5004), 0x5004);
	assert_string_equal(mem_region_at(m, 0x5003)->name, "b");
	assert_null(mem_region_at(m, 0x5004));
	mem_close(m);
}

static void a_string_ends_before_a_hole_or_is_none(void **state)
{
	char page[4096 + 6];
	char got[8192];
	struct mem *m;

	(void)state;
	memset(page, 'x', sizeof(page));
	memcpy(page + 4096, "seven", 6);
	m = mem_fake_new(&(struct mem_fake_range){ 0x1000, page, sizeof(page), 1, NULL },
			 1);
	assert_true(mem_read_string(m, 0x2000, got, 6));
	assert_string_equal(got, "seven");
	assert_false(mem_read_string(m, 0x2000, got, 5));
	assert_true(mem_read_string(m, 0x1ffe, got, sizeof(got)));
	assert_string_equal(got, "xxseven");
	mem_close(m);
}

/* Every byte by window, in steps, against the bytes themselves. */
static void check_walk(struct mem *m, taddr from, const uint8_t *truth, size_t n,
		       size_t step)
{
	struct mem_window *w = mem_window_new(m);
	size_t at = 0, have;

	while (at < n) {
		size_t want = step < n - at ? step : n - at;
		const uint8_t *p = mem_window_at(w, from + at, want, &have);

		assert_non_null(p);
		assert_true(have >= want);
		assert_memory_equal(p, truth + at, want);
		at += want;
	}
	mem_window_free(w);
}

static void a_window_gives_what_was_asked_for_in_one_piece(void **state)
{
	enum { N = 9 << 20 };
	uint8_t *bytes = malloc(N);
	struct mem_fake_range ranges[3];
	struct mem *m;

	(void)state;
	for (size_t i = 0; i < N; i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	ranges[0] = (struct mem_fake_range){ 0x10010, bytes, 5000, 1, NULL };
	ranges[1] =
		(struct mem_fake_range){ 0x10010 + 5000, bytes + 5000, 5 << 20, 1, NULL };
	ranges[2] = (struct mem_fake_range){ 0x10010 + 5000 + (5 << 20),
					     bytes + 5000 + (5 << 20),
					     N - 5000 - (5 << 20), 1, NULL };
	m = mem_fake_new(ranges, 3);
	check_walk(m, 0x10010, bytes, N, 65536);
	check_walk(m, 0x10010, bytes, N, 65535);
	check_walk(m, 0x10010, bytes, N, 331);
	mem_close(m);
	free(bytes);
}

static void random_windows_agree_with_reads(void **state)
{
	enum { N = 4 << 20, GAP = 300 << 10 };
	uint8_t *bytes = malloc(N), got[5000];
	struct mem_fake_range ranges[2];
	struct mem_window *w;
	struct mem *m;

	(void)state;
	for (size_t i = 0; i < N; i++)
		bytes[i] = (uint8_t)rand();
	ranges[0] = (struct mem_fake_range){ 0x100000, bytes, N / 2, 1, NULL };
	ranges[1] = (struct mem_fake_range){ 0x100000 + N / 2 + GAP, bytes + N / 2, N / 2,
					     1, NULL };
	m = mem_fake_new(ranges, 2);
	w = mem_window_new(m);
	for (int i = 0; i < 20000; i++) {
		taddr at = 0x100000 + (taddr)rand() % (N + GAP);
		size_t want = 1 + (size_t)rand() % sizeof(got), have;
		const uint8_t *p = mem_window_at(w, at, want, &have);

		assert_true(have >= 1);
		assert_int_equal(p != NULL, mem_read(m, at, got, 1));
		if (!p) {
			assert_int_equal(at + have, ranges[1].start);
			continue;
		}
		if (have > want)
			have = want;
		else if (have < want)
			assert_null(mem_region_at(m, at + have));
		assert_true(mem_read(m, at, got, have));
		assert_memory_equal(p, got, have);
	}
	mem_window_free(w);
	mem_close(m);
	free(bytes);
}

/* We are our own target: a page of secrets, a hole, a page again. */
static void a_running_process_is_read_around_a_hole(void **state)
{
	char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct mem *m;
	struct err e;
	struct mem_window *w;
	char got[16];
	size_t have;
	bool found = false;

	(void)state;
	strcpy(p, "before");
	strcpy(p + 2 * 4096, "after");
	munmap(p + 4096, 4096);
	assert_true(mem_open_running(getpid(), &m, &e));
	assert_true(mem_read_string(m, (taddr)p, got, sizeof(got)));
	assert_string_equal(got, "before");
	assert_false(mem_read(m, (taddr)p + 4095, got, 2));
	w = mem_window_new(m);
	assert_null(mem_window_at(w, (taddr)p + 4096, 1, &have));
	assert_int_equal(have, 4096);
	assert_string_equal(mem_window_at(w, (taddr)p + 8192, 6, &have), "after");
	for (size_t i = 0; i < m->nthreads; i++)
		found |= m->threads[i].tid == getpid();
	assert_true(found);
	assert_true(mem_region_at(
			    m, (taddr)(uintptr_t)&a_running_process_is_read_around_a_hole)
			    ->prot &
		    PROT_X);
	mem_window_free(w);
	mem_close(m);
	assert_false(mem_open_running(4194304 + 5, &m, &e));
	assert_int_equal(e.kind, ERR_PROCESS);
	munmap(p, 4096);
	munmap(p + 8192, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_joins_regions_and_stops_at_holes),
		cmocka_unit_test(a_string_ends_before_a_hole_or_is_none),
		cmocka_unit_test(a_window_gives_what_was_asked_for_in_one_piece),
		cmocka_unit_test(random_windows_agree_with_reads),
		cmocka_unit_test(a_running_process_is_read_around_a_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
