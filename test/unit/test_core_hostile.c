/* SPDX-License-Identifier: Apache-2.0 */
/* Cores whose headers would have a reader do more than the file could ever hold. */
#include "mem/mem.h"

#include "../support/made_core.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { MANY = 3000 };

static struct mem *open_made(struct made_core *c)
{
	struct mem *m = NULL;
	struct err e = { 0 };

	if (!mem_open_core(made_core_open(c), "made", &m, &e))
		fail_msg("%s", e.text);
	made_core_release(c);
	return m;
}

/* Terabytes that were not dumped are gone through in a few steps. */
static void a_hole_is_passed_over(void **state)
{
	static const char page[PAGE_SIZE_4K] = "page";
	const taddr start = 0x10000, end = start + ((taddr)1 << 46);
	struct made_core c;
	struct mem_window *w;
	struct mem *m;
	size_t have, steps = 0;

	(void)state;
	made_core_init(&c);
	made_core_segment(&c, (struct made_segment){ start, end - start, sizeof(page),
						     page, PF_R });
	m = open_made(&c);
	w = mem_window_new(m);
	assert_non_null(mem_window_at(w, start, 8, &have));
	for (taddr at = start + sizeof(page); at < end; at += have, steps++) {
		assert_null(mem_window_at(w, at, 8, &have));
		assert_true(steps < 10);
	}
	mem_window_free(w);
	mem_close(m);
}

/* Where a backing is, it is none. */
static void a_backing_ends_it(void **state)
{
	struct made_core c;
	struct mem_window *w;
	struct mem *m;
	size_t have;

	(void)state;
	made_core_init(&c);
	made_core_segment(&c, (struct made_segment){ 0x10000, 0x10000, 0, NULL, PF_R });
	m = open_made(&c);
	core_back(m, 0x14000, 0x15000, open("/dev/zero", O_RDONLY), 0);
	w = mem_window_new(m);
	assert_null(mem_window_at(w, 0x10000, 8, &have));
	assert_int_equal(have, 0x4000);
	assert_non_null(mem_window_at(w, 0x14ff8, 8, &have));
	assert_null(mem_window_at(w, 0x15000, 8, &have));
	assert_int_equal(have, 0xb000);
	mem_window_free(w);
	mem_close(m);
}

static void segments_share_no_bytes(void **state)
{
	static const char page[PAGE_SIZE_4K] = "page";
	struct made_core c;
	struct mem *m;
	uint64_t there = 0;
	char got[4];

	(void)state;
	made_core_init(&c);
	made_core_segment(&c, (struct made_segment){ 0x1000, sizeof(page), sizeof(page),
						     page, PF_R });
	for (taddr i = 2; i < MANY; i++)
		made_core_segment(&c, (struct made_segment){ i << 12, sizeof(page), 0,
							     NULL, PF_R });
	made_core_layout(&c);
	for (size_t i = 0; i < c.nsegments; i++) {
		c.p[c.nnotes + i].p_offset = c.p[c.nnotes].p_offset;
		c.p[c.nnotes + i].p_filesz = sizeof(page);
	}
	int fd = memfd_create("core", MFD_CLOEXEC);
	struct err e = { 0 };

	made_core_write(&c, fd);
	assert_true(mem_open_core(fd, "made", &m, &e));
	for (size_t i = 0; i < m->nregions; i++)
		there += mem_read(m, m->regions[i].start, got, 4) ? sizeof(page) : 0;
	assert_true(there >= sizeof(page) && there < c.size + sizeof(page));
	made_core_release(&c);
	mem_close(m);
}

/* Only mappings that follow each other have names. */
static void files_follow_each_other(void **state)
{
	struct made_core c;
	struct mem *m;

	(void)state;
	made_core_init(&c);
	made_core_segment(&c, (struct made_segment){ 0x1000, 0x1000, 0, NULL, PF_R });
	made_core_segment(&c, (struct made_segment){ 0x5000, 0x1000, 0, NULL, PF_R });
	made_core_file(&c, 0x1000, 0x2000, 0, "/first");
	made_core_file(&c, 0x1000, 0x9000, 0, "/all");
	made_core_file(&c, 0x5000, 0x6000, 0, "/second");
	made_core_files(&c);
	m = open_made(&c);
	assert_string_equal(m->regions[0].name, "/first");
	assert_string_equal(m->regions[1].name, "/second");
	mem_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hole_is_passed_over),
		cmocka_unit_test(a_backing_ends_it),
		cmocka_unit_test(segments_share_no_bytes),
		cmocka_unit_test(files_follow_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
