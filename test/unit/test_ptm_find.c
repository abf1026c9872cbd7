/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A heap made by hand: what is found where nothing links to it, and what is taken for
 * nothing of malloc's.
 */
#include "../support/seen_heap.h"
#include <unistd.h>

#define RESERVE ((taddr)32 << 40)

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

static void set_word(uint8_t *bytes, taddr at, uint64_t v)
{
	memcpy(bytes + (at - FAKE_BREAK), &v, 8);
}

/* A long span is cut where a binned chunk is; contents that would be one, but for where
 * its links lead, are none. */
static void a_used_block_is_not_cut(void **state)
{
	static struct fake_heap f;
	const size_t size = 24 << 20, big = size - 0x290 - 0x1000;
	const taddr chunk = FAKE_BREAK + 0x290, top = chunk + big;
	const taddr lure = FAKE_BREAK + (8 << 20) + 0x100, odd = lure + 0x108;
	uint8_t *brk = xcalloc(size, 1);
	const struct mem_fake_range ranges[] = {
		{ FAKE_BREAK, brk, size, PROT_R | PROT_W, "[heap]" },
		{ FAKE_HEAP, f.heap, FAKE_HEAP_SIZE, PROT_R | PROT_W, "" },
		{ FAKE_LIB, f.lib, FAKE_LIB_SIZE, PROT_R | PROT_W, "" },
	};
	struct mem *mem = mem_fake_new(ranges, countof(ranges));
	struct seen *s = seen_new();
	struct heap_places *p;

	(void)state;
	fake_start(&f);
	fake_finish(&f);
	memcpy(brk, f.brk, 0x290);
	set_word(brk, chunk + 8, big | FAKE_P);
	set_word(brk, top + 8, 0x1000 | FAKE_P);
	fake_set(&f, FAKE_MAIN + 96, top);
	fake_set(&f, FAKE_MAIN + 2184, size);
	fake_set(&f, FAKE_MAIN + 2192, size);
	set_word(brk, lure + 8, 0x40 | FAKE_P);
	set_word(brk, lure + 16, odd);
	set_word(brk, lure + 24, odd);
	set_word(brk, lure + 0x40, 0x40);
	set_word(brk, lure + 0x48, 0x20);
	set_word(brk, odd + 24, lure);
	set_word(brk, odd + 16, lure);
	p = locate(mem, s->model);
	assert_non_null(p);
	walk_spans(mem, p, s);
	assert_sound(s);
	assert_block(s, chunk, BLOCK_USED, big - 8);
	heap_places_free(p);
	mem_close(mem);
	seen_free(s);
	free(brk);
}

/* A bin's links lead to chunks, and these are aligned: else any words could be an arena. */
static void bins_that_lead_to_odd_places_are_none(void **state)
{
	static struct fake_heap f;
	struct model *m = model_new();
	struct mem *mem;

	(void)state;
	fake_start(&f);
	fake_finish(&f);
	for (int i = 0; i < 2; i++) {
		taddr head = fake_arena(&f, i) + 96 + 16 * 60;
		taddr odd = f.next[0] + 0x108 + 0x100 * (taddr)i;

		fake_set(&f, head + 16, odd);
		fake_set(&f, head + 24, odd);
		fake_set(&f, odd + 16, head);
		fake_set(&f, odd + 24, head);
	}
	mem = fake_mem(&f);
	assert_null(locate(mem, m));
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
		cmocka_unit_test(a_mapping_is_one_block),
		cmocka_unit_test(reserved_memory_is_passed_over),
		cmocka_unit_test(memory_that_reads_as_chunks_is_walked_once),
		cmocka_unit_test(a_used_block_is_not_cut),
		cmocka_unit_test(bins_that_lead_to_odd_places_are_none),
		cmocka_unit_test(no_arena_no_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
