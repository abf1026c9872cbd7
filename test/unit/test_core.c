/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of cores against cores made by hand. */
#include "mem/mem.h"

#include "../support/made_core.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The core, opened; *fd belongs to it. */
static struct mem *open_made(struct made_core *c)
{
	struct mem *m = NULL;
	struct err e = { 0 };

	if (!mem_open_core(made_core_open(c), "made", &m, &e))
		fail_msg("%s", e.text);
	made_core_release(c);
	return m;
}

static void its_bytes_and_threads_are_read(void **state)
{
	struct made_core c;
	struct mem *m;
	char got[8];

	(void)state;
	made_core_init(&c);
	made_core_thread(&c, 12, 11, 0x7000, 0x9000);
	made_core_process(&c, 11, "program");
	made_core_thread(&c, 13, 0, 0x8000, 0xa000);
	made_core_segment(
		&c, (struct made_segment){ 0x1000, 0x2000, 8, "abcdefgh", PF_R | PF_W });
	m = open_made(&c);
	assert_int_equal(m->nregions, 1);
	assert_int_equal(m->regions[0].prot, PROT_R | PROT_W);
	assert_true(mem_read(m, 0x1002, got, 6));
	assert_memory_equal(got, "cdefgh", 6);
	assert_false(mem_read(m, 0x1008, got, 1));
	assert_int_equal(m->nthreads, 2);
	assert_int_equal(m->threads[1].tid, 13);
	assert_int_equal(m->threads[1].sp, 0x8000);
	assert_int_equal(m->threads[1].tls, 0xa000);
	assert_int_equal(core_process(m)->pid, 11);
	assert_int_equal(core_process(m)->signal, 11);
	assert_string_equal(core_process(m)->name, "program");
	mem_close(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_bytes_and_threads_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
