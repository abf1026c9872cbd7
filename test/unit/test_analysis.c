/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/analysis.h"
#include "hand_model.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct summary_row *find_row(const struct summary *s, const char *category,
					  const char *detail)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->rows[i].category, category) == 0 &&
		    str_is(s->rows[i].detail, detail))
			return &s->rows[i];
	fail_msg("no row '%s' '%s'", category, detail);
	return NULL;
}

static void expect_row(const struct summary *s, const char *category, const char *detail,
		       uint64_t bytes, uint64_t resident, uint64_t count)
{
	const struct summary_row *r = find_row(s, category, detail);

	assert_int_equal(r->bytes, bytes);
	assert_int_equal(r->resident, resident);
	assert_int_equal(r->has_count ? r->count : 0, count);
}

/* The sums of all rows are those of the regions, whatever was done to the model. */
static void expect_sums(const struct model *m, const struct summary *s)
{
	uint64_t bytes = 0, resident = 0, swapped = 0;

	for (size_t i = 0; i < s->n; i++) {
		bytes += s->rows[i].bytes;
		resident += s->rows[i].resident;
		swapped += s->rows[i].swapped;
	}
	for (size_t r = 0; r < m->regions.n; r++) {
		bytes -= m->regions.end[r] - m->regions.start[r];
		resident -= m->regions.resident[r];
		swapped -= m->regions.swapped[r];
	}
	assert_int_equal(bytes, 0);
	assert_int_equal(resident, 0);
	assert_int_equal(swapped, 0);
}

static void summary_tells_every_byte_once(void **state)
{
	struct model *m = hand_model();
	struct summary s;
	uint64_t page = HAND_PAGE;

	(void)state;
	summary_build(m, &s);
	expect_sums(m, &s);
	assert_true(s.has_residency);
	/* 40 orders of 0x60, two of 0x40, one of 0x400; five sessions of 0x810, of which
	 * the last 0x110 bytes lie in the swapped page */
	expect_row(&s, "malloc", "used", 40 * 0x60 + 2 * 0x40 + 0x400 + 5 * 0x810,
		   40 * 0x60 + 2 * 0x40 + 0x400 + 5 * 0x810 - 0x110, 48);
	assert_int_equal(find_row(&s, "malloc", "used")->swapped, 0x110);
	expect_row(&s, "malloc", "free in tcache", 0x40, 0x40, 1);
	expect_row(&s, "malloc", "free in fastbins", 0x40, 0x40, 1);
	expect_row(&s, "malloc", "free in bins", 0x1000, 0x1000, 1);
	/* heap_info and malloc_state; the fence, whose page is swapped */
	expect_row(&s, "malloc", "overhead", 0x8c0 + 0x10, 0x8c0, 0);
	expect_row(&s, "malloc", "reserved", 60 * page, 0, 1);
	expect_row(&s, "mmapped malloc", "used", 34 * page, 34 * page, 1);
	expect_row(&s, "thread stacks", "main", 33 * page, 3 * page, 1);
	expect_row(&s, "thread stacks", "others", 8 * page, 2 * page, 1);
	expect_row(&s, "file, private", "/opt/shop/bin/orderbook", page, page, 1);
	expect_row(&s, "file, shared", "/opt/shop/bin/orderbook", 3 * page, 3 * page, 2);
	expect_row(&s, "file, shared", "/usr/lib/x86_64-linux-gnu/libc.so.6", 400 * page,
		   10 * page, 1);
	expect_row(&s, "anonymous", "other", 16 * page, 5 * page, 1);
	expect_row(&s, "shared memory", "/dev/shm/orders", 4 * page, 2 * page, 1);
	expect_row(&s, "special", "[vdso]", 2 * page, 0, 1);
	summary_release(&s);
	model_free(m);
}

static void a_shared_page_is_split_by_bytes(void **state)
{
	struct model *m = model_new();
	const struct hand_region region = { 0x10000,         2,           1, 0,
					    PROT_R | PROT_W, REGION_HEAP, "" };
	const struct hand_run run = { 0x10000, 1, PAGE_RESIDENT };
	struct summary s;
	taddr at = 0x10000;

	(void)state;
	hand_add_region(m, &region);
	hand_add_pages(m, &run);
	hand_add_chunk(m, &at, 0x300, BLOCK_USED, 0, 0, "");
	hand_add_chunk(m, &at, 0x1200, BLOCK_BIN, 0, 0, ""); /* over the page's end */
	hand_add_chunk(m, &at, 0x12000 - at, BLOCK_USED, 0, 0, "");
	summary_build(m, &s);
	expect_sums(m, &s);
	expect_row(&s, "malloc", "free in bins", 0x1200, 0x1000 - 0x300, 1);
	expect_row(&s, "malloc", "used", 0x2000 - 0x1200, 0x300, 2);
	summary_release(&s);
	model_free(m);
}

/* The kernel's word on a region is kept to, whichever way pages disagree with it. */
static void rows_fit_what_the_region_says(void **state)
{
	(void)state;
	for (uint64_t resident = 0; resident <= 16; resident++)
		for (size_t r = 0; r < countof(hand_regions); r++) {
			struct model *m = hand_model();
			struct summary s;

			m->regions.resident[r] = resident * HAND_PAGE / 2 + resident;
			m->regions.swapped[r] = (16 - resident) * 100;
			summary_build(m, &s);
			expect_sums(m, &s);
			summary_release(&s);
			model_free(m);
		}
}

static void pages_that_came_later_are_overhead(void **state)
{
	struct model *m = hand_model();
	struct summary s;

	(void)state;
	m->regions.resident[2] += HAND_PAGE;
	summary_build(m, &s);
	expect_row(&s, "malloc", "overhead", 0x8c0 + 0x10, 0x8c0 + HAND_PAGE, 0);
	summary_release(&s);
	model_free(m);
}

static void without_residency_there_is_none(void **state)
{
	struct model *m = hand_model();
	struct summary s;

	(void)state;
	m->pages.n = 0;
	for (size_t r = 0; r < m->regions.n; r++)
		m->regions.resident[r] = m->regions.swapped[r] = 0;
	summary_build(m, &s);
	assert_false(s.has_residency);
	expect_sums(m, &s);
	summary_release(&s);
	model_free(m);
}

/* A snapshot file can say anything: it must end, and still add up. */
static void a_lying_model_ends(void **state)
{
	struct model *m = hand_model();
	struct summary s;

	(void)state;
	for (size_t b = 0; b < m->blocks.n; b += 3) {
		m->blocks.addr[b] = UINT64_MAX - b;
		m->blocks.extra[b] = UINT32_MAX;
		m->blocks.state[b] = 250;
		m->blocks.type[b] = UINT32_MAX;
	}
	m->pages.count[3] = UINT64_MAX;
	m->pages.start[5] = UINT64_MAX - 1;
	m->heaps.end[0] = 0;
	m->regions.start[4] = m->regions.end[4];
	summary_build(m, &s);
	expect_sums(m, &s);
	summary_release(&s);
	model_free(m);
}

static void top_counts_blocks_in_use(void **state)
{
	struct model *m = hand_model();
	struct top t;

	(void)state;
	top_build(m, &t);
	assert_int_equal(t.n, 6);
	assert_true(str_is(model_text(m, m->types.kind[t.rows[0].type]), "shop::Order"));
	assert_int_equal(t.rows[0].count, 40);
	assert_int_equal(t.rows[0].size, 40 * 0x58);
	assert_int_equal(t.rows[0].footprint, 40 * 0x60);
	assert_int_equal(t.rows[1].count,
			 1); /* free blocks have type 0 and do not count */
	assert_int_equal(t.rows[5].footprint, 34 * HAND_PAGE);
	top_release(&t);
	model_free(m);
}

static void blocks_are_chosen_by_state(void **state)
{
	struct model *m = hand_model();
	struct block_pick p;

	(void)state;
	block_pick_build(m, BLOCKS_USED, &p);
	assert_int_equal(p.n, 49);
	block_pick_release(&p);
	block_pick_build(m, BLOCKS_FREE, &p);
	assert_int_equal(p.n, 5);
	for (size_t i = 0; i < p.n; i++)
		assert_int_not_equal(m->blocks.state[p.rows[i]], BLOCK_USED);
	block_pick_release(&p);
	block_pick_build(m, BLOCKS_ALL, &p);
	assert_int_equal(p.n, m->blocks.n);
	assert_null(p.rows);
	block_pick_release(&p);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(summary_tells_every_byte_once),
		cmocka_unit_test(a_shared_page_is_split_by_bytes),
		cmocka_unit_test(rows_fit_what_the_region_says),
		cmocka_unit_test(pages_that_came_later_are_overhead),
		cmocka_unit_test(without_residency_there_is_none),
		cmocka_unit_test(a_lying_model_ends),
		cmocka_unit_test(top_counts_blocks_in_use),
		cmocka_unit_test(blocks_are_chosen_by_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
