/* SPDX-License-Identifier: Apache-2.0 */
/* What allocators hold, of models whose sums are known. */
#include "analysis/analysis.h"
#include "hand_graph.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void sizes_count_chunks_in_use(void **state)
{
	static const struct size_row expected[] = {
		{ 34 * HAND_PAGE, 1, 34 * HAND_PAGE },
		{ 0x810, 5, 5 * 0x810 },
		{ 0x400, 1, 0x400 },
		{ 0x60, 40, 40 * 0x60 },
		{ 0x40, 2, 2 * 0x40 },
	};
	struct model *m = hand_model();
	struct sizes s;

	(void)state;
	sizes_build(m, &s);
	assert_int_equal(s.n, countof(expected));
	for (size_t i = 0; i < s.n; i++)
		assert_memory_equal(&s.rows[i], &expected[i], sizeof(expected[i]));
	sizes_release(&s);
	model_free(m);
}

static void arenas_add_up_to_what_they_had(void **state)
{
	struct model *m = hand_model();
	struct arena_rows rows;
	const struct arena_row *r;

	(void)state;
	arenas_build(m, &rows);
	r = rows.rows;
	assert_int_equal(rows.n, 3);
	assert_string_equal(r[0].kind, "main");
	assert_int_equal(r[0].used, 40 * 0x60 + 2 * 0x40 + 0x400);
	assert_int_equal(r[0].bins, 0x1000);
	assert_int_equal(r[0].fastbin, 0x40);
	assert_int_equal(r[0].tcache, 0x40);
	assert_int_equal(r[0].resident, 7 * HAND_PAGE);
	assert_int_equal(r[0].fragmentation, (0x1000 + 0x80) * 1000 / (8 * HAND_PAGE));
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(r[i].free,
				 r[i].top + r[i].bins + r[i].fastbin + r[i].tcache);
		assert_int_equal(r[i].used + r[i].free + r[i].overhead, r[i].system);
	}
	/* heap_info, malloc_state, and the fencepost */
	assert_int_equal(r[1].overhead, 0x8c0 + 0x10);
	assert_int_equal(r[1].resident, 3 * HAND_PAGE);
	assert_int_equal(r[2].arena, NOT_TOLD);
	assert_int_equal(r[2].mmapped, 34 * HAND_PAGE);
	assert_int_equal(r[2].used, 34 * HAND_PAGE);
	assert_int_equal(r[2].resident, 34 * HAND_PAGE);
	arena_rows_release(&rows);
	model_free(m);
}

/* A core that does not tell which pages were resident. */
static void what_is_resident_may_not_be_known(void **state)
{
	struct model *m = hand_graph();
	struct arena_rows rows;

	(void)state;
	m->processes.no_residency[0] = 1;
	arenas_build(m, &rows);
	for (size_t i = 0; i < rows.n; i++)
		assert_true(rows.rows[i].resident == NOT_TOLD);
	arena_rows_release(&rows);
	arena_pools_build(m, &rows);
	assert_true(rows.rows[0].resident == NOT_TOLD);
	arena_rows_release(&rows);
	model_free(m);
}

/* Contradictions of a damaged heap: more in use than it had. */
static void what_does_not_add_up_is_no_large_number(void **state)
{
	struct model *m = hand_model();
	struct arena_rows rows;

	(void)state;
	m->arenas.system[0] = 100;
	m->arenas.system[1] = 0;
	arenas_build(m, &rows);
	assert_int_equal(rows.rows[0].overhead, 0);
	assert_int_equal(rows.rows[1].overhead, 0);
	assert_int_equal(rows.rows[1].fragmentation, 0);
	arena_rows_release(&rows);
	model_free(m);
}

static void old_snapshots_have_no_bins(void **state)
{
	struct model *m = hand_model();

	(void)state;
	assert_false(arena_bins_are_missing(m));
	m->bins.n = 0;
	assert_true(arena_bins_are_missing(m));
	m->blocks.n = 0;
	assert_false(arena_bins_are_missing(m));
	model_free(m);
}

/* A second slab, of 31 blocks of 512 bytes, 16 KiB as the first. */
static void slabs_are_counted_by_pool_and_by_size(void **state)
{
	struct model *m = hand_graph();
	struct arena_rows rows;
	size_t slab = model_slabs_add(m);
	const uint64_t used = 46;

	(void)state;
	m->slabs.start[slab] = m->pools.start[0] + 0x4030;
	m->slabs.block_size[slab] = 512;
	m->slabs.count[slab] = 31;
	m->slabs.bits[slab] = model_slab_bits_add(m);
	m->slab_bits.used[m->slabs.bits[slab]] =
		~(uint64_t)0; /* more than it has blocks */
	arena_pools_build(m, &rows);
	assert_int_equal(rows.n, 1);
	assert_int_equal(rows.rows[0].slabs, 2);
	assert_int_equal(rows.rows[0].slabs_free, 2);
	assert_int_equal(rows.rows[0].count, used + 31);
	assert_int_equal(rows.rows[0].used, used * 256 + 31 * 512);
	assert_int_equal(rows.rows[0].free, (63 - used) * 256 + 2 * 4 * HAND_PAGE);
	arena_rows_release(&rows);
	arena_classes_build(m, &rows);
	assert_int_equal(rows.n, 2);
	assert_int_equal(rows.rows[0].block_size, 256);
	assert_int_equal(rows.rows[0].count_free, 63 - used);
	assert_int_equal(rows.rows[1].block_size, 512);
	assert_int_equal(rows.rows[1].count, 31);
	assert_int_equal(rows.rows[1].overhead, 4 * HAND_PAGE - 31 * 512);
	arena_rows_release(&rows);
	model_free(m);
}

/* Memory that malloc handed out is in its row already. */
static void a_pool_in_a_block_is_counted_once(void **state)
{
	struct model *m = hand_graph();
	struct arena_rows rows;
	size_t n;

	(void)state;
	arenas_build(m, &rows);
	n = rows.n;
	assert_string_equal(rows.rows[n - 1].kind, "obmalloc");
	arena_rows_release(&rows);
	m->pools.block[0] = 1;
	arenas_build(m, &rows);
	assert_int_equal(rows.n, n - 1);
	arena_rows_release(&rows);
	model_free(m);
}

/* As no heap has them, but a file may: mappings that overlap, over pages that lie apart. */
static void mappings_may_overlap(void **state)
{
	enum { MANY = 1 << 19 };
	struct model *m = model_new();
	struct arena_rows rows;

	(void)state;
	model_table_resize(m, &model_tables[TABLE_blocks], MANY);
	model_table_resize(m, &model_tables[TABLE_pages], MANY);
	for (size_t i = 0; i < MANY; i++) {
		m->blocks.addr[i] = 0x1000000010 + 32 * i;
		m->blocks.size[i] = (uint64_t)1 << 40;
		m->blocks.arena[i] = BLOCK_MMAPPED;
		m->pages.start[i] = 0x1008000000 + 2 * HAND_PAGE * (taddr)i;
		m->pages.count[i] = 1;
	}
	arenas_build(m, &rows);
	assert_int_equal(rows.n, 1);
	assert_int_equal(rows.rows[0].resident, (uint64_t)MANY * MANY * HAND_PAGE);
	arena_rows_release(&rows);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_count_chunks_in_use),
		cmocka_unit_test(arenas_add_up_to_what_they_had),
		cmocka_unit_test(what_is_resident_may_not_be_known),
		cmocka_unit_test(what_does_not_add_up_is_no_large_number),
		cmocka_unit_test(old_snapshots_have_no_bins),
		cmocka_unit_test(slabs_are_counted_by_pool_and_by_size),
		cmocka_unit_test(a_pool_in_a_block_is_counted_once),
		cmocka_unit_test(mappings_may_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
