/* SPDX-License-Identifier: Apache-2.0 */
/* A heap made by hand: what is found in a sound one, and what is told of a broken one. */
#include "../support/fake_heap.h"
#include "heap/heap.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_BLOCKS = 2000 };

#define RESERVE ((taddr)32 << 40)

struct seen {
	struct heap_block blocks[MAX_BLOCKS];
	size_t n, damage;
	taddr where[64];
	char text[64][256];
	struct model *model;
	uint64_t bytes; /* of all footprints */
};

static void see_block(void *context, const struct heap_block *b, struct mem_window *w)
{
	struct seen *s = context;

	(void)w;
	assert_true(s->n < MAX_BLOCKS);
	s->blocks[s->n++] = *b;
	s->bytes += b->size + b->extra;
}

static void see_damage(void *context, taddr where, const char *text)
{
	struct seen *s = context;

	assert_true(s->damage < countof(s->where));
	s->where[s->damage] = where;
	snprintf(s->text[s->damage++], sizeof(s->text[0]), "%s", text);
}

static void walk_spans(const struct mem *mem, const struct heap_places *p, struct seen *s)
{
	const struct heap_sink sink = { see_block, see_damage, s };
	const struct heap_span *spans;
	struct mem_window *w = mem_window_new(mem);
	struct heap *h;
	struct err e;
	size_t n;

	assert_true(heap_open(mem, p, s->model, &h, &e));
	n = heap_spans(h, &spans);
	for (size_t i = 0; i < n; i++) {
		if (i)
			assert_true(spans[i].start >= spans[i - 1].end);
		heap_walk(h, i, w, &sink);
	}
	heap_check(h, s->model);
	heap_free(h);
	mem_window_free(w);
}

static struct heap_places *locate(struct mem *mem, struct model *m)
{
	const struct module_set none = { NULL, 0 };

	return heap_locate(mem, &none, m);
}

static struct seen *seen_new(void)
{
	struct seen *s = xcalloc(1, sizeof(*s));

	s->model = model_new();
	return s;
}

static struct seen *walk(const struct fake_heap *f)
{
	struct seen *s = seen_new();
	struct mem *mem = fake_mem(f);
	struct heap_places *p = locate(mem, s->model);

	assert_non_null(p);
	walk_spans(mem, p, s);
	heap_places_free(p);
	mem_close(mem);
	return s;
}

static void seen_free(struct seen *s)
{
	model_free(s->model);
	free(s);
}

static const struct heap_block *block_at(const struct seen *s, taddr addr)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->blocks[i].addr == addr)
			return &s->blocks[i];
	return NULL;
}

static void assert_block(const struct seen *s, taddr chunk, enum block_state state,
			 uint64_t size)
{
	const struct heap_block *b = block_at(s, chunk + 16);

	assert_non_null(b);
	assert_int_equal(b->state, state);
	assert_int_equal(b->size, size);
}

/* Is there damage, or a finding, at `where` whose text holds `words`? */
static void assert_told(const struct seen *s, taddr where, const char *words)
{
	char hex[24];

	snprintf(hex, sizeof(hex), "0x%" PRIx64, where);
	for (size_t i = 0; i < s->damage; i++)
		if (s->where[i] == where && strstr(s->text[i], words))
			return;
	for (size_t i = 0; i < s->model->findings.n; i++)
		if (str_is(model_text(s->model, s->model->findings.where[i]), hex) &&
		    str_find(model_text(s->model, s->model->findings.text[i]), words) >=
			    0)
			return;
	for (size_t i = 0; i < s->damage; i++)
		print_error("0x%" PRIx64 ": %s\n", s->where[i], s->text[i]);
	fail_msg("nobody says '%s' of 0x%" PRIx64, words, where);
}

static void assert_sound(const struct seen *s)
{
	for (size_t i = 0; i < s->damage; i++)
		print_error("0x%" PRIx64 ": %s\n", s->where[i], s->text[i]);
	assert_int_equal(s->damage, 0);
	for (size_t i = 0; i < s->model->findings.n; i++) {
		struct str text = model_text(s->model, s->model->findings.text[i]);

		print_error("%.*s\n", (int)text.n, text.s);
	}
	assert_int_equal(s->model->findings.n, 0);
}

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

/* 40 chunks of 0x50 bytes; the 20th is then broken by each test. */
static taddr forty_chunks(struct fake_heap *f, taddr chunk[40])
{
	taddr tcache = fake_start(f);

	for (int i = 0; i < 40; i++)
		chunk[i] = fake_chunk(f, 0, 0x50);
	return tcache;
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

static void a_mapping_is_one_block(void **state)
{
	static struct fake_heap f;
	taddr p;
	struct seen *s;

	(void)state;
	fake_start(&f);
	fake_finish(&f);
	p = fake_mapping(&f, FAKE_MAP_SIZE, 0);
	s = walk(&f);
	assert_sound(s);
	assert_block(s, p - 16, BLOCK_USED, FAKE_MAP_SIZE - 16);
	assert_int_equal(block_at(s, p)->arena, BLOCK_MMAPPED);
	seen_free(s);

	p = fake_mapping(&f, FAKE_MAP_SIZE, 0x1ff0); /* memalign(0x2000) */
	s = walk(&f);
	assert_sound(s);
	assert_null(block_at(s, FAKE_MAP + 16));
	assert_block(s, p - 16, BLOCK_USED, FAKE_MAP_SIZE - 0x1ff0 - 16);
	assert_int_equal(block_at(s, p)->extra, 0x2000);
	seen_free(s);

	fake_set(&f, FAKE_MP + 80, FAKE_MAP_SIZE - 0x1000);
	s = walk(&f);
	assert_told(s, FAKE_MP, "malloc counts 1 mmapped chunks");
	seen_free(s);
}

/* As fake_mem, with 33 TiB reserved and never touched before and behind the mapping. */
static struct mem *mem_with_a_reserve(const struct fake_heap *f)
{
	const struct mem_fake_range ranges[] = {
		{ FAKE_MAP - RESERVE, NULL, RESERVE, PROT_R | PROT_W, "" },
		{ FAKE_BREAK, f->brk, FAKE_BREAK_SIZE, PROT_R | PROT_W, "[heap]" },
		{ FAKE_MAP, f->map, FAKE_MAP_SIZE, PROT_R | PROT_W, "" },
		{ FAKE_MAP + FAKE_MAP_SIZE, NULL, FAKE_TLS - FAKE_MAP - FAKE_MAP_SIZE,
		  PROT_R | PROT_W, "" },
		{ FAKE_TLS, f->tls, FAKE_TLS_SIZE, PROT_R | PROT_W, "" },
		{ FAKE_HEAP, f->heap, FAKE_HEAP_SIZE, PROT_R | PROT_W, "" },
		{ FAKE_LIB, f->lib, FAKE_LIB_SIZE, PROT_R | PROT_W, "" },
	};
	struct mem *mem = mem_fake_new(ranges, countof(ranges));

	/* no registers: control blocks are searched for in all memory */
	mem->threads = xcalloc(1, sizeof(*mem->threads));
	mem->threads[0] = (struct mem_thread){ .tid = 1 };
	mem->nthreads = 1;
	mem->has_pages = true;
	mem->pages = xcalloc(countof(ranges), sizeof(*mem->pages));
	for (size_t i = 0; i < mem->nregions; i++) {
		const struct mem_region *r = &mem->regions[i];

		if (r->end - r->start <= FAKE_MAP_SIZE)
			mem->pages[mem->npages++] =
				(struct page_run){ r->start, (r->end - r->start) / 4096,
						   PAGE_RESIDENT };
	}
	return mem;
}

/* A page of it costs nothing: page by page it would take minutes, and the alarm ends us. */
static void reserved_memory_is_passed_over(void **state)
{
	static struct fake_heap f;
	struct seen *s = seen_new();
	struct heap_places *p;
	struct mem *mem;
	taddr block, tcache;

	(void)state;
	tcache = fake_start(&f);
	fake_chunk(&f, 0, 0x50);
	fake_tcache(&f, tcache, fake_chunk(&f, 0, 0x30));
	fake_finish(&f);
	block = fake_mapping(&f, FAKE_MAP_SIZE, 0);
	/* one that is not there: the search goes through all memory */
	fake_set(&f, FAKE_MP + 60, 2 | (uint64_t)65536 << 32);
	fake_set(&f, FAKE_MP + 68, 2);
	fake_set(&f, FAKE_THREAD, FAKE_THREAD);
	fake_set(&f, FAKE_THREAD + 16, FAKE_THREAD);
	mem = mem_with_a_reserve(&f);
	alarm(10);
	p = locate(mem, s->model);
	assert_non_null(p);
	walk_spans(mem, p, s);
	alarm(0);
	assert_block(s, block - 16, BLOCK_USED, FAKE_MAP_SIZE - 16);
	assert_told(s, FAKE_MP, "found are 1 of");
	assert_block(s, FAKE_BREAK + 0x290 + 0x50, BLOCK_TCACHE, 0x28);
	heap_places_free(p);
	mem_close(mem);
	seen_free(s);
}

/* A mapping full of {0, 33}: from each of its pages chunks chain on to its end. */
static void memory_that_reads_as_chunks_is_walked_once(void **state)
{
	static struct fake_heap f;
	const size_t size = 64 << 20;
	uint64_t *words = xcalloc(size, 1);
	const struct mem_fake_range ranges[] = {
		{ FAKE_BREAK, f.brk, FAKE_BREAK_SIZE, PROT_R | PROT_W, "[heap]" },
		{ FAKE_MAP, words, size, PROT_R | PROT_W, "" },
		{ FAKE_HEAP, f.heap, FAKE_HEAP_SIZE, PROT_R | PROT_W, "" },
		{ FAKE_LIB, f.lib, FAKE_LIB_SIZE, PROT_R | PROT_W, "" },
	};
	struct seen *s = seen_new();
	struct mem *mem = mem_fake_new(ranges, countof(ranges));
	struct heap_places *p;

	(void)state;
	for (size_t i = 1; i < size / 8; i += 4)
		words[i] = 0x20 | FAKE_P;
	fake_start(&f);
	fake_finish(&f);
	fake_set(&f, FAKE_MAIN + 2184, FAKE_BREAK_SIZE + 0x1000);
	alarm(20);
	p = locate(mem, s->model);
	assert_non_null(p);
	walk_spans(mem, p, s);
	alarm(0);
	assert_told(s, FAKE_MAIN, "this arena counts");
	heap_places_free(p);
	mem_close(mem);
	seen_free(s);
	free(words);
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

static void no_arena_no_places(void **state)
{
	static struct fake_heap f;
	struct model *m = model_new();
	struct mem *mem;

	(void)state;
	memset(&f, 0, sizeof(f));
	mem = fake_mem(&f);
	assert_null(locate(mem, m));
	fake_start(&f);
	fake_finish(&f);
	fake_set(&f, FAKE_MAIN + 112 + 16 * 60, 0x1230); /* one header of 127 */
	fake_set(&f, FAKE_ARENA + 112 + 16 * 60, 0x1230);
	assert_null(locate(mem, m));
	mem_close(mem);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_chunk_has_its_state),
		cmocka_unit_test(a_broken_size_loses_one_chunk),
		cmocka_unit_test(a_size_grown_by_an_overrun_is_told),
		cmocka_unit_test(what_neighbours_deny_is_told),
		cmocka_unit_test(bins_that_disagree_name_the_place),
		cmocka_unit_test(a_free_chunk_on_no_list_is_told),
		cmocka_unit_test(lists_that_turn_in_circles_end),
		cmocka_unit_test(lists_that_lead_away_are_told),
		cmocka_unit_test(a_heap_with_memory_missing_goes_on_behind_it),
		cmocka_unit_test(a_mapping_is_one_block),
		cmocka_unit_test(reserved_memory_is_passed_over),
		cmocka_unit_test(memory_that_reads_as_chunks_is_walked_once),
		cmocka_unit_test(totals_that_disagree_are_told),
		cmocka_unit_test(a_broken_ring_keeps_what_was_reached),
		cmocka_unit_test(a_locked_arena_is_not_quiet),
		cmocka_unit_test(no_arena_no_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
