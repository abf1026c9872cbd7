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
	uint64_t bytes = 0, resident = 0, swapped = 0, known = 0;

	for (size_t i = 0; i < s->n; i++) {
		bytes += s->rows[i].bytes;
		resident += s->rows[i].resident;
		swapped += s->rows[i].swapped;
	}
	for (size_t r = 0; r < m->regions.n; r++) {
		bytes -= m->regions.end[r] - m->regions.start[r];
		known += m->regions.resident[r];
		swapped -= m->regions.swapped[r];
	}
	assert_int_equal(bytes, 0);
	assert_int_equal(resident,
			 m->processes.n ? max_u64(known, m->processes.rss[0]) : known);
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
	expect_row(&s, "malloc", "used",
		   40 * 0x60 + 2 * 0x40 + 0x400 + 5 * 0x810 - 48 * 8,
		   40 * 0x60 + 2 * 0x40 + 0x400 + 5 * 0x810 - 48 * 8 - 0x110, 48);
	expect_row(&s, "malloc", "headers", 48 * 8 + 16, 48 * 8 + 16, 0);
	assert_int_equal(find_row(&s, "malloc", "used")->swapped, 0x110);
	expect_row(&s, "malloc", "free in tcache", 0x40, 0x40, 1);
	expect_row(&s, "malloc", "free in fastbins", 0x40, 0x40, 1);
	expect_row(&s, "malloc", "free in bins", 0x1000, 0x1000, 1);
	/* heap_info and malloc_state; the fence, whose page is swapped */
	expect_row(&s, "malloc", "arena records", 0x8c0, 0x8c0, 0);
	expect_row(&s, "malloc", "fenceposts", 0x10, 0, 1);
	expect_row(&s, "malloc", "reserved", 60 * page, 0, 1);
	expect_row(&s, "mmapped malloc", "used", 34 * page - 16, 34 * page - 16, 1);
	expect_row(&s, "thread stacks", "main", 33 * page, 3 * page, 1);
	expect_row(&s, "thread stacks", "others", 8 * page, 2 * page, 1);
	expect_row(&s, "file, private", "/opt/shop/bin/orderbook", page, page, 1);
	expect_row(&s, "file, shared", "/opt/shop/bin/orderbook", 3 * page, 3 * page, 2);
	expect_row(&s, "file, shared", "/usr/lib/x86_64-linux-gnu/libc.so.6", 400 * page,
		   10 * page, 1);
	expect_row(&s, "unexplained", "private memory", 16 * page, 5 * page, 1);
	expect_row(&s, "shared memory", "/dev/shm/orders", 4 * page, 2 * page, 1);
	expect_row(&s, "special", "[vdso]", 2 * page, 0, 1);
	summary_release(&s);
	model_free(m);
}

/* An arena grew into its reserve before the kernel was asked. */
static void what_is_in_a_reserve_came_since(void **state)
{
	struct model *m = hand_model();
	struct summary s;
	uint64_t page = HAND_PAGE;

	(void)state;
	assert_string_equal(hand_regions[4].name, "");
	assert_int_equal(hand_regions[4].prot, 0);
	m->regions.resident[4] = 3 * page;
	summary_build(m, &s);
	expect_sums(m, &s);
	expect_row(&s, "malloc", "reserved", 60 * page, 0, 1);
	assert_int_equal(find_row(&s, "since the snapshot", "")->resident, 3 * page);
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
	expect_row(&s, "malloc", "used", 0x2000 - 0x1200 - 16, 0x300 - 8, 2);
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

static void pages_that_came_later_are_no_blocks(void **state)
{
	struct model *m = hand_model();
	struct summary s;

	(void)state;
	m->regions.resident[2] += HAND_PAGE;
	summary_build(m, &s);
	expect_row(&s, "malloc", "arena records", 0x8c0, 0x8c0, 0);
	expect_row(&s, "since the snapshot", "", 0, HAND_PAGE, 0);
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

static size_t add_slab(struct model *m, taddr start, uint32_t size, uint32_t count,
		       uint64_t used)
{
	size_t row = model_slabs_add(m), bits = model_slab_bits_add(m);

	m->slabs.start[row] = start;
	m->slabs.block_size[row] = size;
	m->slabs.count[row] = count;
	m->slabs.pool[row] = (uint32_t)(m->pools.n - 1);
	m->slabs.bits[row] = bits;
	m->slab_bits.used[bits] = used;
	return row;
}

static void add_pool(struct model *m, taddr start, taddr end, uint32_t block)
{
	size_t row = model_pools_add(m);

	m->pools.start[row] = start;
	m->pools.end[row] = end;
	m->pools.block[row] = block;
	m->pools.allocator[row] = model_intern(m, str_of("obmalloc"));
}

/*
 * A heap of 16 pages, all resident: a chunk of an object's; one that holds a pool of 4
 * pages with a slab of 3 blocks; a free one. A mapping of 4 pages, one resident: a pool
 * with two slabs, of which an object has block 1 of the second.
 */
static struct model *pool_model(void)
{
	static const struct hand_region regions[] = {
		{ 0x10000, 16, 16, 0, PROT_R | PROT_W, REGION_HEAP, "" },
		{ 0x7f0000, 4, 1, 0, PROT_R | PROT_W, REGION_ANON, "" },
	};
	static const struct hand_run runs[] = { { 0x10000, 16, PAGE_RESIDENT },
						{ 0x7f1000, 1, PAGE_RESIDENT } };
	struct model *m = model_new();
	taddr at = 0x10000;
	size_t object, block;

	for (size_t i = 0; i < 2; i++) {
		hand_add_region(m, &regions[i]);
		hand_add_pages(m, &runs[i]);
	}
	block = hand_add_chunk(m, &at, 0x1000, BLOCK_USED, 0, 0, "");
	m->blocks.owner[block] = 1;
	block = hand_add_chunk(m, &at, 0x5000, BLOCK_USED, 0, 0, "");
	m->blocks.owner[block] = BLOCK_IS_POOL;
	hand_add_chunk(m, &at, 0x20000 - at, BLOCK_BIN, 0, 0, "");
	add_pool(m, 0x12000, 0x16000, 2);
	add_slab(m, 0x12030, 0x100, 3, 5);
	add_pool(m, 0x7f0000, 0x7f4000, 0);
	add_slab(m, 0x7f0030, 0x40, 40, 0xf0);
	add_slab(m, 0x7f1000, 0x80, 32, 3);
	object = model_objects_add(m);
	m->objects.addr[object] = 0x7f1090;
	m->objects.size[object] = 0x50;
	return m;
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
	m = pool_model();
	m->pools.end[0] = UINT64_MAX; /* over all that comes, and no order of ends */
	m->slabs.block_size[0] = 0;
	m->slabs.block_size[1] = UINT32_MAX;
	m->slabs.start[2] = UINT64_MAX - 2;
	summary_build(m, &s);
	expect_sums(m, &s);
	summary_release(&s);
	model_free(m);
}

static void summary_tells_what_pools_hold(void **state)
{
	struct model *m = pool_model();
	struct summary s;

	(void)state;
	summary_build(m, &s);
	expect_sums(m, &s);
	expect_row(&s, "malloc", "used, by objects", 0x1000 - 8, 0x1000 - 8, 1);
	expect_row(&s, "malloc", "free in bins", 0xa000, 0xa000, 1);
	expect_row(&s, "obmalloc", "used", 2 * 0x100 + 4 * 0x40 + 2 * 0x80,
		   2 * 0x100 + 2 * 0x80, 2 + 4 + 2);
	expect_row(&s, "obmalloc", "free in pools", 0x100 + 36 * 0x40 + 30 * 0x80,
		   0x100 + 30 * 0x80, 1 + 36 + 30);
	expect_row(&s, "obmalloc", "arena overhead",
		   0x5000 - 3 * 0x100 + 0x4000 - 40 * 0x40 - 32 * 0x80,
		   0x5000 - 3 * 0x100, 0);
	summary_release(&s);
	model_free(m);
}

/*
 * Where no block is: a stack of 16 pages, its thread's variables at the top; one of no
 * thread; mappings of huge pages and of a device; a module's .bss; JIT code; what only came
 * later.
 */
static struct model *areas_model(void)
{
	static const struct hand_region regions[] = {
		{ 0x100000, 4, 3, 0, PROT_R | PROT_W, REGION_ANON, "" },
		{ 0x200000, 512, 0, 0, PROT_R | PROT_W, REGION_HUGE, "/anon_hugepage" },
		{ 0x500000, 8, 0, 0, PROT_R | PROT_W, REGION_DEVICE, "/dev/dri/card0" },
		{ 0x600000, 16, 5, 0, PROT_R | PROT_W, REGION_STACK, "" },
		{ 0x700000, 16, 2, 0, PROT_R | PROT_W, REGION_ANON, "" },
		{ 0x800000, 4, 1, 0, PROT_R | PROT_W | PROT_X, REGION_ANON, "" },
		{ 0x900000, 4, 1, 0, PROT_R | PROT_W, REGION_ANON, "[anon:cache]" },
	};
	static const struct hand_run runs[] = {
		{ 0x100000, 3, PAGE_RESIDENT }, { 0x600000, 1, PAGE_RESIDENT },
		{ 0x60c000, 2, PAGE_RESIDENT }, { 0x60e000, 2, PAGE_RESIDENT },
		{ 0x70e000, 2, PAGE_RESIDENT }, { 0x800000, 1, PAGE_RESIDENT },
		{ 0x900000, 1, PAGE_RESIDENT },
	};
	static const struct {
		taddr start, end;
		enum area_kind kind;
	} areas[] = {
		{ 0x101000, 0x102000, AREA_INTERPRETER },
		{ 0x102000, 0x102800, AREA_LOADER },
		{ 0x60f800, 0x610000, AREA_TLS },
		{ 0x700000, 0x710000, AREA_STACK },
	};
	struct model *m = model_new();
	size_t p = model_processes_add(m), thread = model_threads_add(m);
	size_t module = model_modules_add(m);

	for (size_t i = 0; i < countof(regions); i++)
		hand_add_region(m, &regions[i]);
	for (size_t i = 0; i < countof(runs); i++)
		hand_add_pages(m, &runs[i]);
	for (size_t i = 0; i < countof(areas); i++) {
		size_t row = model_areas_add(m);

		m->areas.start[row] = areas[i].start;
		m->areas.end[row] = areas[i].end;
		m->areas.kind[row] = (uint8_t)areas[i].kind;
	}
	m->processes.rss[p] = (3 + 5 + 2 + 1 + 1 + 7) * HAND_PAGE;
	m->threads.sp[thread] = 0x60d080;
	m->threads.stack_start[thread] = 0x600000;
	m->threads.stack_end[thread] = 0x610000;
	m->modules.path[module] = model_intern(m, str_of("/lib/one.so"));
	return m;
}

static void what_is_no_block_is_told_by_its_use(void **state)
{
	struct model *m = areas_model();
	struct summary s;
	uint64_t page = HAND_PAGE;

	(void)state;
	summary_build(m, &s);
	expect_sums(m, &s);
	expect_row(&s, "interpreter", "", page, page, 1);
	expect_row(&s, "dynamic linker", "", 0x800, 0x800, 1);
	expect_row(&s, "tls", "", 0x800, 0x800, 1);
	expect_row(&s, "thread stacks", "others, in use", 0x2800, 0x2800, 1);
	expect_row(&s, "thread stacks", "others, unused", 13 * page, 2 * page, 1);
	expect_row(&s, "thread stacks", "of no thread", 16 * page, 2 * page, 1);
	expect_row(&s, "hugetlb", "/anon_hugepage", 512 * page, 0, 1);
	expect_row(&s, "device", "/dev/dri/card0", 8 * page, 0, 1);
	expect_row(&s, "anonymous", "code", 4 * page, page, 1);
	expect_row(&s, "anonymous", "[anon:cache]", 4 * page, page, 1);
	expect_row(&s, "unexplained", "private memory", 0x2800, 0x1800, 1);
	expect_row(&s, "since the snapshot", "", 0, 7 * page, 0);
	summary_release(&s);
	m->regions.module[0] = 1;
	summary_build(m, &s);
	expect_sums(m, &s);
	expect_row(&s, "file, private", "/lib/one.so", 4 * page, 3 * page, 1);
	summary_release(&s);
	model_free(m);
}

/* Whoever has such a page, it is resident in a row of its own. */
static void slack_is_told_apart(void **state)
{
	struct model *m = hand_model();
	struct summary s;
	uint64_t page = HAND_PAGE;

	(void)state;
	m->pages.state[7] = PAGE_SLACK; /* all of the mmapped block */
	summary_build(m, &s);
	expect_sums(m, &s);
	expect_row(&s, "mmapped malloc", "used", 34 * page - 16, 0, 1);
	expect_row(&s, "huge-page slack", "", 0, 34 * page, 0);
	summary_release(&s);
	model_free(m);
}

/* An object of 0x78 bytes in a block of 0x80, a part of 100 in a chunk of 104; what sizes do
 * not explain is no rounding. */
static void rounding_is_told_where_sizes_are_known(void **state)
{
	struct model *m = pool_model();
	size_t part;
	struct summary s;

	(void)state;
	m->objects.size[0] = 0x78 + 0xff0;
	part = model_parts_add(m);
	m->parts.addr[part] = 0x10010;
	m->parts.size[part] = 0xff0;
	summary_build(m, &s);
	expect_sums(m, &s);
	expect_row(&s, "obmalloc", "rounding", 8, 8, 0);
	expect_row(&s, "malloc", "rounding", 8, 8, 0);
	expect_row(&s, "malloc", "used, by objects", 0x1000 - 16, 0x1000 - 16, 1);
	summary_release(&s);
	m->objects.size[0] = 0x81 + 0xff0;
	m->parts.size[part] = 0xff0 - 16;
	summary_build(m, &s);
	for (size_t i = 0; i < s.n; i++)
		assert_false(str_is(s.rows[i].detail, "rounding"));
	summary_release(&s);
	model_free(m);
}

/* Every block once: those of slabs in place of those of malloc's that hold pools. */
static void blocks_of_slabs_are_blocks(void **state)
{
	static const struct {
		enum block_choice choice;
		size_t n, slabs;
	} expected[] = { { BLOCKS_USED, 1 + 8, 8 },
			 { BLOCKS_FREE, 1 + 67, 67 },
			 { BLOCKS_ALL, 2 + 75, 75 } };
	struct model *m = pool_model();
	struct block_pick p;

	(void)state;
	for (size_t i = 0; i < countof(expected); i++) {
		struct block_view v;
		taddr before = 0;
		size_t slabs = 0;

		block_pick_build(m, expected[i].choice, &p);
		assert_int_equal(p.n, expected[i].n);
		for (size_t k = 0; k < p.n; k++, before = v.addr) {
			block_view(m, p.rows[k], &v);
			assert_true(v.addr > before);
			slabs += v.block == m->blocks.n;
			if (v.addr == 0x7f1080 || v.addr == 0x10010)
				assert_int_equal(v.owner, 0);
			else
				assert_int_equal(v.owner, NO_NODE);
			if (expected[i].choice != BLOCKS_ALL)
				assert_int_equal(v.is_used,
						 expected[i].choice == BLOCKS_USED);
			assert_true(
				str_is(v.pool, v.block < m->blocks.n ? "" : "obmalloc"));
		}
		assert_int_equal(slabs, expected[i].slabs);
		block_pick_release(&p);
	}
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

static void totals_are_those_of_top(void **state)
{
	struct model *m = hand_model();
	uint64_t count = 0;

	(void)state;
	totals_build(m);
	assert_int_equal(m->totals.n, m->types.n);
	for (size_t t = 0; t < m->types.n; t++) {
		count += m->totals.count[t];
		if (!str_is(model_text(m, m->types.kind[t]), "shop::Order"))
			continue;
		assert_int_equal(m->totals.count[t], 40);
		assert_int_equal(m->totals.size[t], 40 * 0x58);
		assert_int_equal(m->totals.footprint[t], 40 * 0x60);
	}
	assert_int_equal(count, 49); /* all blocks in use */
	m->totals.count[0] = 7;
	totals_build(m); /* what a file tells stays */
	assert_int_equal(m->totals.count[0], 7);
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
		cmocka_unit_test(what_is_in_a_reserve_came_since),
		cmocka_unit_test(a_shared_page_is_split_by_bytes),
		cmocka_unit_test(rows_fit_what_the_region_says),
		cmocka_unit_test(pages_that_came_later_are_no_blocks),
		cmocka_unit_test(without_residency_there_is_none),
		cmocka_unit_test(a_lying_model_ends),
		cmocka_unit_test(summary_tells_what_pools_hold),
		cmocka_unit_test(what_is_no_block_is_told_by_its_use),
		cmocka_unit_test(slack_is_told_apart),
		cmocka_unit_test(rounding_is_told_where_sizes_are_known),
		cmocka_unit_test(blocks_of_slabs_are_blocks),
		cmocka_unit_test(top_counts_blocks_in_use),
		cmocka_unit_test(totals_are_those_of_top),
		cmocka_unit_test(blocks_are_chosen_by_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
