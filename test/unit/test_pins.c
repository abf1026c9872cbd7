/* SPDX-License-Identifier: Apache-2.0 */
/* What trimming gives back and blocks pin, of heaps whose every page is known. */
#include "analysis/analysis.h"
#include "hand_model.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { PAGE = HAND_PAGE };

static size_t add_heap(struct model *m, taddr start, uint64_t pages, bool is_main)
{
	const struct hand_region region = { start,           pages,       pages, 0,
					    PROT_R | PROT_W, REGION_HEAP, "" };
	const struct hand_run run = { start, pages, PAGE_RESIDENT };
	size_t arena = model_arenas_add(m), heap = model_heaps_add(m);

	hand_add_region(m, &region);
	hand_add_pages(m, &run);
	if (is_main)
		m->regions.name[m->regions.n - 1] = model_intern(m, str_of("[heap]"));
	m->arenas.is_main[arena] = is_main;
	m->arenas.addr[arena] = is_main ? 0 : start + 32;
	m->heaps.arena[heap] = (uint32_t)arena;
	m->heaps.start[heap] = start;
	m->heaps.end[heap] = start + pages * PAGE;
	return arena;
}

static void add_top(struct model *m, taddr at, taddr end, size_t arena)
{
	size_t row = hand_add_chunk(m, &at, end - at, BLOCK_TOP, (uint16_t)arena, 0, "");

	m->arenas.top[arena] = m->blocks.addr[row] - 16;
}

static const struct pin *pin_of(const struct model *m, const struct pins *p, taddr addr)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->rows[i].row < m->blocks.n &&
		    m->blocks.addr[p->rows[i].row] == addr)
			return &p->rows[i];
	return NULL;
}

/*
 * Twenty pages: four free, but for 48 bytes whole; a block; five and a bit free, in two
 * chunks of which a fastbin has one; two blocks side by side in a page; free again; a cached
 * block; the top.
 */
static struct model *main_model(void)
{
	struct model *m = model_new();
	taddr at = 0x10000;

	model_processes_add(m);
	add_heap(m, at, 20, true);
	hand_add_chunk(m, &at, 4 * PAGE + 0x100, BLOCK_BIN, 0, 0, "");
	hand_add_chunk(m, &at, 0x200, BLOCK_USED, 0, 0, "");
	hand_add_chunk(m, &at, 0x80, BLOCK_FASTBIN, 0, 0, "");
	hand_add_chunk(m, &at, 5 * PAGE, BLOCK_BIN, 0, 0, "");
	hand_add_chunk(m, &at, 0x40, BLOCK_USED, 0, 0, "");
	hand_add_chunk(m, &at, 0x40, BLOCK_USED, 0, 0, "");
	hand_add_chunk(m, &at, 2 * PAGE, BLOCK_BIN, 0, 0, "");
	hand_add_chunk(m, &at, 0x100, BLOCK_TCACHE, 0, 0, "");
	add_top(m, at, 0x10000 + 20 * PAGE, 0);
	return m;
}

static void whole_free_pages_are_given_back(void **state)
{
	struct model *m = main_model();
	struct trim t;

	(void)state;
	trim_build(m, &t);
	assert_true(t.has_heap && t.has_residency);
	/* Pages 1 to 3; 5 to 8 (the run begins within page 4, ends within 9); 10; and of the
	 * top, from page 11 on, all whole ones. */
	assert_int_equal(t.returned, (3 + 4 + 1 + 8) * PAGE);
	assert_int_equal(t.free, 20 * PAGE - 0x200 - 2 * 0x40 - 0x100);
	m->pages.count[0] = 6; /* the rest was never touched */
	trim_build(m, &t);
	assert_int_equal(t.returned, (3 + 1) * PAGE);
	m->pages.count[0] = 20;
	m->regions.name[0] = 0; /* no break: it cannot be lowered */
	trim_build(m, &t);
	assert_int_equal(t.returned, (3 + 4 + 1) * PAGE);
	model_free(m);
}

static void a_block_pins_the_rest_of_its_page(void **state)
{
	struct model *m = main_model();
	const struct pin *pin;
	struct pins p;

	(void)state;
	pins_build(m, &p);
	pin = pin_of(m, &p, m->blocks.addr[1]);
	assert_non_null(pin);
	assert_int_equal(pin->what, PIN_PAGE);
	assert_int_equal(pin->pinned, PAGE - 0x200);
	/* Two in one page: neither is the one. */
	assert_null(pin_of(m, &p, m->blocks.addr[4]));
	assert_null(pin_of(m, &p, m->blocks.addr[5]));
	/* A cached one is the last below the top: freed, all from the run before it on goes. */
	pin = pin_of(m, &p, m->blocks.addr[7]);
	assert_non_null(pin);
	assert_int_equal(pin->what, PIN_TOP);
	assert_int_equal(pin->pinned, 2 * PAGE - 0x100);
	pins_release(&p);
	model_free(m);
}

/* Of another arena a few blocks in the heap on top, which is not its first. */
static struct model *heaps_model(void)
{
	struct model *m = main_model();
	taddr at = 0x4000040;
	size_t heap;

	add_heap(m, 0x4000000, 8, false);
	heap = m->heaps.n - 1;
	m->arenas.addr[1] = 0x3000020;
	assert_int_equal(m->heaps.start[heap], 0x4000000);
	hand_add_chunk(m, &at, 2 * PAGE, BLOCK_BIN, 1, 0, "");
	hand_add_chunk(m, &at, 0x100, BLOCK_USED, 1, 0, "");
	hand_add_chunk(m, &at, PAGE, BLOCK_BIN, 1, 0, "");
	hand_add_chunk(m, &at, 0x100, BLOCK_USED, 1, 0, "");
	add_top(m, at, 0x4008000, 1);
	return m;
}

static void a_few_blocks_pin_a_heap(void **state)
{
	struct model *m = heaps_model();
	const struct pin *pin;
	struct pins p;

	(void)state;
	pins_build(m, &p);
	pin = pin_of(m, &p, m->blocks.addr[10]);
	assert_non_null(pin);
	assert_int_equal(pin->what, PIN_HEAP);
	assert_int_equal(pin->blocks, 2);
	assert_int_equal(pin->pinned, 8 * PAGE - 2 * 0x100);
	assert_null(pin_of(m, &p, m->blocks.addr[12]));
	pins_release(&p);
	m->arenas.addr[1] = 0x4000020; /* its first heap: that stays */
	pins_build(m, &p);
	for (size_t i = 0; i < p.n; i++)
		assert_int_not_equal(p.rows[i].what, PIN_HEAP);
	pins_release(&p);
	model_free(m);
}

static void bounds_are_what_they_say(void **state)
{
	struct model *m = heaps_model();
	struct trim t;

	(void)state;
	trim_build(m, &t);
	/* Its two blocks would find room in the first: all eight pages at most. */
	assert_int_equal(t.arenas_bound, 8 * PAGE);
	assert_int_equal(t.threshold_bound, 0); /* no free chunk is as long */
	for (size_t b = 0; b < 8; b++)          /* nothing free in the first */
		m->blocks.state[b] = BLOCK_USED;
	m->blocks.state[8] = BLOCK_USED;
	trim_build(m, &t);
	assert_int_equal(t.arenas_bound, 8 * PAGE - 2 * 0x100);
	model_free(m);
}

static void an_arena_of_slabs_is_pinned(void **state)
{
	struct model *m = main_model();
	const struct hand_region region = { 0x7f0000,        64,          64, 0,
					    PROT_R | PROT_W, REGION_ANON, "" };
	const struct hand_run run = { 0x7f0000, 10, PAGE_RESIDENT };
	size_t pool, slab;
	struct pins p;

	(void)state;
	hand_add_region(m, &region);
	hand_add_pages(m, &run);
	pool = model_pools_add(m);
	m->pools.start[pool] = 0x7f0000;
	m->pools.end[pool] = 0x7f0000 + 64 * PAGE;
	slab = model_slabs_add(m);
	m->slabs.start[slab] = 0x7f0030;
	m->slabs.block_size[slab] = 0x40;
	m->slabs.count[slab] = 63;
	m->slabs.bits[slab] = model_slab_bits_add(m);
	m->slab_bits.used[0] = 1 << 5;
	pins_build(m, &p);
	for (size_t i = 0; i < p.n; i++) {
		struct block_view v;

		if (p.rows[i].what != PIN_ARENA)
			continue;
		block_view(m, p.rows[i].row, &v);
		assert_int_equal(v.addr, 0x7f0030 + 5 * 0x40);
		assert_int_equal(p.rows[i].blocks, 1);
		assert_int_equal(p.rows[i].pinned, 10 * PAGE - 0x40);
		pins_release(&p);
		model_free(m);
		return;
	}
	fail_msg("no arena is pinned");
}

/* A snapshot file can say anything: it must end. */
static void a_lying_model_ends(void **state)
{
	struct model *m = heaps_model();
	struct trim t;
	struct pins p;

	(void)state;
	for (size_t b = 0; b < m->blocks.n; b++) {
		m->blocks.addr[b] = b % 3 ? m->blocks.addr[b] : UINT64_MAX - b;
		m->blocks.extra[b] = b % 2 ? UINT32_MAX : 1;
		m->blocks.state[b] = (uint8_t)(b % 6);
		m->blocks.arena[b] = b % 5 ? 1 : BLOCK_MMAPPED;
	}
	m->pages.count[0] = UINT64_MAX;
	m->heaps.end[1] = 0;
	m->processes.trim_unit[0] = UINT64_MAX;
	trim_build(m, &t);
	pins_build(m, &p);
	pins_release(&p);
	m->processes.no_residency[0] = 1; /* though it has pages */
	trim_build(m, &t);
	assert_false(t.has_residency);
	m->processes.no_residency[0] = 0;
	m->pages.n = 0;
	trim_build(m, &t);
	assert_false(t.has_residency);
	pins_build(m, &p);
	pins_release(&p);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_free_pages_are_given_back),
		cmocka_unit_test(a_block_pins_the_rest_of_its_page),
		cmocka_unit_test(a_few_blocks_pin_a_heap),
		cmocka_unit_test(bounds_are_what_they_say),
		cmocka_unit_test(an_arena_of_slabs_is_pinned),
		cmocka_unit_test(a_lying_model_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
