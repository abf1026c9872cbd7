/* SPDX-License-Identifier: Apache-2.0 */
/* A heap made by hand: what is found in a sound one, and what is told of a broken one. */
#include "../support/seen_heap.h"

static void each_chunk_has_its_state(void **state)
{
	static struct fake_heap f;
	taddr tcache = fake_start(&f), used[4], cached, fast, binned, other;
	struct seen *s;

	(void)state;
	used[0] = fake_chunk(&f, 0, 0x20);
	cached = fake_chunk(&f, 0, 0x30);
	used[1] = fake_chunk(&f, 0, 0x1010);
	fast = fake_chunk(&f, 0, 0x20);
	used[2] = fake_chunk(&f, 0, 0x40);
	binned = fake_chunk(&f, 0, 0x200);
	used[3] = fake_chunk(&f, 0, 0x20);
	other = fake_chunk(&f, 1, 0x120);
	fake_tcache(&f, tcache, cached);
	fake_fastbin(&f, 0, fast);
	fake_bin(&f, 0, binned);
	fake_finish(&f);
	s = walk(&f);
	assert_sound(s);
	assert_block(s, tcache - 16, BLOCK_USED, 0x288);
	assert_block(s, used[0], BLOCK_USED, 0x18);
	assert_block(s, used[1], BLOCK_USED, 0x1008);
	assert_block(s, used[2], BLOCK_USED, 0x38);
	assert_block(s, used[3], BLOCK_USED, 0x18);
	assert_block(s, cached, BLOCK_TCACHE, 0x28);
	assert_block(s, fast, BLOCK_FASTBIN, 0x18);
	assert_block(s, binned, BLOCK_BIN, 0x1f8);
	assert_block(s, other, BLOCK_USED, 0x118);
	assert_int_equal(block_at(s, other + 16)->arena, 1);
	assert_int_equal(s->model->arenas.n, 2);
	/* all but heap_info and malloc_state of the second arena */
	assert_int_equal(s->bytes, FAKE_BREAK_SIZE + FAKE_HEAP_SIZE - 48 - 2208);
	seen_free(s);
}

static void assert_list(const struct seen *s, size_t row, enum bin_kind kind,
			uint16_t arena, uint64_t bytes)
{
	const struct model_bins *b = &s->model->bins;

	assert_true(row < b->n);
	assert_int_equal(b->kind[row], kind);
	assert_int_equal(b->arena[row], arena);
	assert_int_equal(b->count[row], 1);
	assert_int_equal(b->bytes[row], bytes);
}

/* A chunk in a bin of its size, one in the unsorted bin, one each in a cache and fastbin. */
static void each_list_is_told(void **state)
{
	static struct fake_heap f;
	taddr tcache = fake_start(&f), cached, fast, unsorted, small, header;
	struct seen *s;

	(void)state;
	cached = fake_chunk(&f, 0, 0x30);
	fast = fake_chunk(&f, 1, 0x20);
	fake_chunk(&f, 1, 0x40);
	unsorted = fake_chunk(&f, 0, 0x200);
	fake_chunk(&f, 0, 0x20);
	small = fake_chunk(&f, 0, 0x200);
	fake_chunk(&f, 0, 0x20);
	fake_tcache(&f, tcache, cached);
	fake_fastbin(&f, 1, fast);
	fake_bin(&f, 0, small);
	/* bin 1 is at top, of 16 bytes each: from there to that of its size */
	header = FAKE_MAIN + f.layout->top + 16 * (0x20 - 1);
	fake_set(&f, FAKE_MAIN + f.layout->top + 16, FAKE_MAIN + f.layout->top);
	fake_set(&f, FAKE_MAIN + f.layout->top + 24, FAKE_MAIN + f.layout->top);
	fake_set(&f, header + 16, small);
	fake_set(&f, header + 24, small);
	fake_set(&f, small + 16, header);
	fake_set(&f, small + 24, header);
	fake_bin(&f, 0, unsorted);
	fake_finish(&f);
	s = walk(&f);
	assert_sound(s);
	assert_list(s, 0, BIN_TCACHE, BIN_OF_THREAD, 0x30);
	assert_list(s, 1, BIN_FASTBIN, 1, 0x20);
	assert_list(s, 2, BIN_UNSORTED, 0, 0x200);
	assert_list(s, 3, BIN_SMALL, 0, 0x200);
	assert_int_equal(s->model->bins.n, 4);
	assert_int_equal(s->model->bins.low[3], 0x200);
	seen_free(s);
}

/* glibc 2.36: malloc_state 2,200 bytes, tcache_perthread_struct 640, malloc_par 136. */
static void its_own_records_are_told(void **state)
{
	static struct fake_heap f;
	taddr tcache = fake_start(&f);
	const taddr expected[][2] = { { FAKE_MAIN, 2200 },
				      { FAKE_ARENA, 2200 },
				      { FAKE_MP, 136 },
				      { tcache, 640 } };
	struct model *m = model_new();
	const struct heap_range *own;
	struct heap_places *p;
	struct mem *mem;
	struct heap *h;
	struct err e;
	size_t n;

	(void)state;
	fake_chunk(&f, 1, 0x120);
	fake_finish(&f);
	mem = fake_mem(&f);
	p = locate(mem, m);
	assert_true(heap_open(mem, p, m, &h, &e));
	n = heap_own_ranges(h, &own);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < countof(expected); i++) {
		size_t k = 0;

		while (k < n && own[k].start != expected[i][0])
			k++;
		assert_in_range(k, 0, n - 1);
		assert_int_equal(own[k].end - own[k].start, expected[i][1]);
	}
	heap_free(h);
	heap_places_free(p);
	mem_close(mem);
	model_free(m);
}

static void a_broken_size_loses_one_chunk(void **state)
{
	static const uint64_t sizes[] = { 0, 0x18 | FAKE_P, 0x7fffffff0 | FAKE_P,
					  0x58 | FAKE_P };
	static struct fake_heap f;
	taddr chunk[40];

	(void)state;
	for (size_t i = 0; i < countof(sizes); i++) {
		struct seen *s;

		forty_chunks(&f, chunk);
		fake_finish(&f);
		fake_set(&f, chunk[20] + 8, sizes[i]);
		s = walk(&f);
		assert_told(s, chunk[20], "no chunk can begin here");
		assert_told(s, chunk[20], "0x50 bytes are lost");
		assert_null(block_at(s, chunk[20] + 16));
		assert_block(s, chunk[19], BLOCK_USED, 0x48);
		assert_block(s, chunk[21], BLOCK_USED, 0x48);
		assert_block(s, chunk[39], BLOCK_USED, 0x48);
		seen_free(s);
	}
}

static void a_size_grown_by_an_overrun_is_told(void **state)
{
	static struct fake_heap f;
	taddr chunk[40];
	struct seen *s;

	(void)state;
	forty_chunks(&f, chunk);
	fake_finish(&f);
	memset(fake_at(&f, chunk[20] + 16), 0x41, 0x40);
	fake_set(&f, chunk[20] + 8, 0x70 | FAKE_P); /* into the next one's contents */
	s = walk(&f);
	assert_told(s, chunk[20] + 0x70, "no chunk can begin here");
	assert_block(s, chunk[22], BLOCK_USED, 0x48);
	assert_block(s, chunk[39], BLOCK_USED, 0x48);
	seen_free(s);
}

static void what_neighbours_deny_is_told(void **state)
{
	static struct fake_heap f;
	taddr chunk[40];
	struct seen *s;

	(void)state;
	forty_chunks(&f, chunk);
	fake_bin(&f, 0, chunk[10]);
	fake_finish(&f);
	fake_set(&f, chunk[11], 0x60);
	fake_set(&f, chunk[30] + 8, 0x50 | FAKE_P | FAKE_A);
	s = walk(&f);
	assert_told(s, chunk[10], "prev_size");
	assert_told(s, chunk[30], "flag bits");
	assert_block(s, chunk[10], BLOCK_BIN, 0x48);
	assert_block(s, chunk[30], BLOCK_USED, 0x48);
	assert_int_equal(s->damage, 2);
	seen_free(s);
}

static void bins_that_disagree_name_the_place(void **state)
{
	static struct fake_heap f;
	taddr chunk[40];
	struct seen *s;

	(void)state;
	forty_chunks(&f, chunk);
	for (int i = 1; i < 20; i += 2)
		fake_bin(&f, 0, chunk[i]);
	fake_finish(&f);
	s = walk(&f);
	assert_sound(s);
	seen_free(s);
	fake_set(&f, chunk[7] + 24, chunk[2]);
	s = walk(&f);
	assert_told(s, chunk[7], "does not point back");
	seen_free(s);
}

static void a_free_chunk_on_no_list_is_told(void **state)
{
	static struct fake_heap f;
	taddr chunk[40];
	struct seen *s;

	(void)state;
	forty_chunks(&f, chunk);
	fake_bin(&f, 0, chunk[5]);
	fake_finish(&f);
	/* the bin's header and its neighbour forget it */
	fake_set(&f, FAKE_MAIN + 112, FAKE_MAIN + 96);
	fake_set(&f, FAKE_MAIN + 120, FAKE_MAIN + 96);
	s = walk(&f);
	assert_told(s, FAKE_MAIN, "not those of its bins");
	seen_free(s);
}

static void lists_that_turn_in_circles_end(void **state)
{
	static struct fake_heap f;
	taddr chunk[40];
	struct seen *s;

	(void)state;
	forty_chunks(&f, chunk);
	for (int i = 0; i < 6; i++)
		fake_fastbin(&f, 0, chunk[2 * i]);
	fake_finish(&f);
	fake_set(&f, chunk[0] + 16, fake_mangle(chunk[0] + 16, chunk[4]));
	s = walk(&f);
	assert_told(s, chunk[4], "listed twice");
	assert_block(s, chunk[0], BLOCK_FASTBIN, 0x48);
	seen_free(s);
}

static void lists_that_lead_away_are_told(void **state)
{
	static struct fake_heap f;
	taddr chunk[40], tcache, nowhere = 0x123456789a0;
	struct seen *s;

	(void)state;
	tcache = forty_chunks(&f, chunk);
	for (int i = 0; i < 3; i++)
		fake_tcache(&f, tcache, chunk[2 * i]);
	fake_finish(&f);
	fake_set(&f, chunk[2] + 16, fake_mangle(chunk[2] + 16, nowhere + 16));
	s = walk(&f);
	assert_told(s, nowhere, "out of malloc's memory");
	assert_block(s, chunk[4], BLOCK_TCACHE, 0x48);
	assert_block(s, chunk[0], BLOCK_USED, 0x48);
	seen_free(s);
	/* into the middle of a chunk */
	fake_set(&f, chunk[2] + 16, fake_mangle(chunk[2] + 16, chunk[8] + 48));
	s = walk(&f);
	assert_told(s, chunk[8] + 32, "none begins here");
	seen_free(s);
}

/* As fake_mem, with the break's second page not to be had. */
static struct mem *mem_with_a_hole(const struct fake_heap *f)
{
	const struct mem_fake_range ranges[] = {
		{ FAKE_BREAK, f->brk, 0x1000, PROT_R | PROT_W, "[heap]" },
		{ FAKE_BREAK + 0x1000, NULL, 0x1000, PROT_R | PROT_W, "[heap]" },
		{ FAKE_BREAK + 0x2000, f->brk + 0x2000, FAKE_BREAK_SIZE - 0x2000,
		  PROT_R | PROT_W, "[heap]" },
		{ FAKE_HEAP, f->heap, FAKE_HEAP_SIZE, PROT_R | PROT_W, "" },
		{ FAKE_LIB, f->lib, FAKE_LIB_SIZE, PROT_R | PROT_W, "" },
	};

	return mem_fake_new(ranges, countof(ranges));
}

static void a_heap_with_memory_missing_goes_on_behind_it(void **state)
{
	static struct fake_heap f;
	taddr first, chunk[40];
	struct seen *s = seen_new();
	struct heap_places *p;
	struct mem *mem;

	(void)state;
	fake_start(&f);
	first = fake_chunk(&f, 0, 0x1000 - 0x290 - 0x40);
	for (int i = 0; i < 40; i++)
		chunk[i] = fake_chunk(&f, 0, 0x150);
	fake_finish(&f);
	mem = mem_with_a_hole(&f);
	p = locate(mem, s->model);
	assert_non_null(p);
	walk_spans(mem, p, s);
	assert_block(s, first, BLOCK_USED, 0x1000 - 0x290 - 0x48);
	assert_block(s, chunk[39], BLOCK_USED, 0x148);
	assert_told(s, chunk[1], "cannot be read");
	assert_null(block_at(s, chunk[5] + 16));
	heap_places_free(p);
	mem_close(mem);
	seen_free(s);
}

/* malloc moves top first, then writes the rest's size: between the two it has none. */
static void a_top_without_a_size_is_told(void **state)
{
	static struct fake_heap f;
	taddr chunk[40], top;
	struct seen *s;

	(void)state;
	forty_chunks(&f, chunk);
	fake_finish(&f);
	top = f.next[0];
	fake_set(&f, top + 8, 0);
	s = walk(&f);
	assert_told(s, top, "the top chunk has no size");
	assert_block(s, chunk[38], BLOCK_USED, 0x48);
	assert_null(block_at(s, top + 16));
	assert_in_range(s->bytes, 0, FAKE_BREAK_SIZE + FAKE_HEAP_SIZE);
	seen_free(s);
}

/* Behind the last chunk of a span no other comes that would show what was missed. */
static void a_listed_chunk_inside_top_is_told(void **state)
{
	static struct fake_heap f;
	taddr chunk[40], tcache = forty_chunks(&f, chunk), inside = f.next[0] + 0x400;
	struct seen *s;

	(void)state;
	fake_finish(&f);
	fake_set(&f, inside + 8, 0x50 | FAKE_P);
	fake_tcache(&f, tcache, inside);
	s = walk(&f);
	assert_told(s, inside, "none begins here");
	assert_int_equal(s->damage, 1);
	seen_free(s);
}

static void totals_that_disagree_are_told(void **state)
{
	static struct fake_heap f;
	struct seen *s;

	(void)state;
	fake_start(&f);
	fake_finish(&f);
	fake_set(&f, FAKE_ARENA + 2184, FAKE_HEAP_SIZE + 0x1000);
	s = walk(&f);
	assert_told(s, FAKE_ARENA, "this arena counts");
	seen_free(s);
}

static void a_broken_ring_keeps_what_was_reached(void **state)
{
	static struct fake_heap f;
	struct seen *s = seen_new();
	struct heap_places *p;
	struct mem *mem;

	(void)state;
	fake_start(&f);
	fake_finish(&f);
	mem = fake_mem(&f);
	p = locate(mem, s->model);
	assert_non_null(p);
	fake_set(&f, FAKE_ARENA + 2160, FAKE_BREAK + 0x100);
	walk_spans(mem, p, s);
	assert_told(s, FAKE_BREAK + 0x100, "ring of arenas");
	assert_int_equal(s->model->arenas.n, 2);
	heap_places_free(p);
	mem_close(mem);
	seen_free(s);
}

static void a_locked_arena_is_not_quiet(void **state)
{
	static struct fake_heap f;
	struct model *m = model_new();
	struct heap_places *p;
	struct mem *mem;

	(void)state;
	fake_start(&f);
	fake_finish(&f);
	mem = fake_mem(&f);
	p = locate(mem, m);
	assert_true(heap_is_quiet(mem, p));
	fake_set(&f, FAKE_ARENA, 1);
	assert_false(heap_is_quiet(mem, p));
	heap_places_free(p);
	mem_close(mem);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_chunk_has_its_state),
		cmocka_unit_test(each_list_is_told),
		cmocka_unit_test(its_own_records_are_told),
		cmocka_unit_test(a_broken_size_loses_one_chunk),
		cmocka_unit_test(a_size_grown_by_an_overrun_is_told),
		cmocka_unit_test(what_neighbours_deny_is_told),
		cmocka_unit_test(bins_that_disagree_name_the_place),
		cmocka_unit_test(a_free_chunk_on_no_list_is_told),
		cmocka_unit_test(lists_that_turn_in_circles_end),
		cmocka_unit_test(lists_that_lead_away_are_told),
		cmocka_unit_test(a_heap_with_memory_missing_goes_on_behind_it),
		cmocka_unit_test(a_top_without_a_size_is_told),
		cmocka_unit_test(a_listed_chunk_inside_top_is_told),
		cmocka_unit_test(totals_that_disagree_are_told),
		cmocka_unit_test(a_broken_ring_keeps_what_was_reached),
		cmocka_unit_test(a_locked_arena_is_not_quiet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
