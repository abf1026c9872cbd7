/* SPDX-License-Identifier: Apache-2.0 */
/* Cores of what no process on this machine has: too many regions to count, streams. */
#include "base/new_file.h"
#include "mem/mem.h"

#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGE = 4096 };

/* n regions of a page with a page of nothing between them; few hold more than zeroes. */
static struct mem *many_regions(size_t n, uint8_t *bytes)
{
	struct mem_fake_range *ranges = calloc(n, sizeof(*ranges));
	struct mem *m;

	for (size_t i = 0; i < n; i++) {
		if (i % 1000 == 0)
			memset(bytes + i * PAGE, (int)(i / 1000) + 1, PAGE);
		ranges[i] =
			(struct mem_fake_range){ 0x10000 + i * 2 * PAGE, bytes + i * PAGE,
						 PAGE, PROT_R | PROT_W, NULL };
	}
	m = mem_fake_new(ranges, n);
	free(ranges);
	return m;
}

static int write_to_file(struct mem *m)
{
	char path[] = "/dev/shm/heapsift-test-XXXXXX";
	int fd = mkstemp(path);
	struct new_file_options to = { .path = path, .force = true };
	struct core_writing w = { 0 };
	struct err e;

	assert_true(fd >= 0);
	close(fd);
	assert_true(mem_write_core(m, getpid(), &to, &w, &e));
	fd = open(path, O_RDONLY);
	unlink(path);
	return fd;
}

static void check_regions(size_t n)
{
	uint8_t *bytes = calloc(n, PAGE), got[PAGE];
	struct mem *m = many_regions(n, bytes), *back;
	struct err e;

	assert_true(mem_open_core(write_to_file(m), "core", &back, &e));
	assert_int_equal(back->nregions, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(back->regions[i].start, m->regions[i].start);
		assert_int_equal(back->regions[i].end, m->regions[i].end);
		assert_true(mem_load(back, m->regions[i].start, &got));
		assert_memory_equal(got, bytes + i * PAGE, PAGE);
	}
	mem_close(back);
	mem_close(m);
	free(bytes);
}

static void regions_beyond_what_the_header_counts(void **state)
{
	(void)state;
	check_regions(1);
	check_regions(70000);
}

static void check_header_count(size_t n, unsigned phnum, unsigned section_info)
{
	uint8_t *bytes = calloc(n, PAGE);
	struct mem *m = many_regions(n, bytes);
	int fd = write_to_file(m);
	Elf64_Shdr s = { 0 };
	Elf64_Ehdr h;

	assert_int_equal(pread(fd, &h, sizeof(h), 0), sizeof(h));
	assert_int_equal(h.e_phnum, phnum);
	assert_int_equal(h.e_shnum, section_info > 0);
	if (h.e_shnum)
		assert_int_equal(pread(fd, &s, sizeof(s), (off_t)h.e_shoff), sizeof(s));
	assert_int_equal(s.sh_info, section_info);
	close(fd);
	mem_close(m);
	free(bytes);
}

static void too_many_headers_are_counted_by_a_section(void **state)
{
	(void)state;
	check_header_count(PN_XNUM - 2, PN_XNUM - 1, 0);
	check_header_count(PN_XNUM - 1, PN_XNUM, PN_XNUM);
}

/* Holes in the file, zeroes in a stream. */
static void zeroes_take_no_room(void **state)
{
	enum { PAGES = 4096, DATA = 1000 };
	uint8_t *bytes = calloc(PAGES, PAGE);
	struct mem_fake_range range = { 0x10000, bytes, (size_t)PAGES * PAGE, PROT_R,
					NULL };
	struct mem *m, *back;
	struct stat st;
	uint8_t *got = malloc(range.n);
	struct err e;
	int fd;

	(void)state;
	memset(bytes + (size_t)DATA * PAGE, 'x', 3 * PAGE);
	m = mem_fake_new(&range, 1);
	fd = write_to_file(m);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size > (off_t)range.n);
	assert_true(st.st_blocks * 512 < 16 * PAGE);
	assert_true(mem_open_core(fd, "core", &back, &e));
	assert_true(mem_read(back, range.start, got, range.n));
	assert_memory_equal(got, bytes, range.n);
	mem_close(back);
	mem_close(m);
	free(got);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regions_beyond_what_the_header_counts),
		cmocka_unit_test(too_many_headers_are_counted_by_a_section),
		cmocka_unit_test(zeroes_take_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
