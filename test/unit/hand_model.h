/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model made by hand, whose every sum is known: a small server called orderbook. Its
 * regions, and what is resident of them (pages):
 *
 *	exe      2 pages of text in RAM; data: 1 page written, 1 page of the file
 *	[heap]   8 pages, 7 in RAM, the last never touched
 *	arena    4 pages: 3 in RAM, 1 swapped; a reserve of 60 behind it
 *	mmapped  34 pages, all in RAM, one block
 *	stacks   main 3 of 33 pages, one thread 2 of 8
 *	libc     10 of 400 pages
 *	anon     5 of 16 pages; a shared file in /dev/shm 2 of 4; [vdso] 0 of 2
 */
#ifndef TEST_HAND_MODEL_H
#define TEST_HAND_MODEL_H

#include "model/model.h"

enum { HAND_PAGE = 4096, HAND_RESIDENT_PAGES = 2 + 2 + 7 + 3 + 34 + 3 + 2 + 10 + 5 + 2 };

struct hand_region {
	taddr start;
	uint64_t pages, resident, swapped; /* pages */
	uint8_t prot, kind;
	const char *name;
};

static const struct hand_region hand_regions[] = {
	{ 0x555555554000, 2, 2, 0, PROT_R | PROT_X, REGION_FILE,
	  "/opt/shop/bin/orderbook" },
	{ 0x555555556000, 2, 2, 0, PROT_R | PROT_W, REGION_FILE,
	  "/opt/shop/bin/orderbook" },
	{ 0x555555560000, 8, 7, 0, PROT_R | PROT_W, REGION_HEAP, "[heap]" },
	{ 0x7fffe8000000, 4, 3, 1, PROT_R | PROT_W, REGION_HEAP, "" },
	{ 0x7fffe8004000, 60, 0, 0, 0, REGION_HEAP, "" },
	{ 0x7ffff0000000, 8, 2, 0, PROT_R | PROT_W, REGION_STACK, "" },
	{ 0x7ffff1000000, 34, 34, 0, PROT_R | PROT_W, REGION_MMAPPED, "" },
	{ 0x7ffff2000000, 16, 5, 0, PROT_R | PROT_W, REGION_ANON, "" },
	{ 0x7ffff3000000, 4, 2, 0, PROT_R | PROT_W | PROT_SHARED, REGION_SHARED,
	  "/dev/shm/orders" },
	{ 0x7ffff4000000, 400, 10, 0, PROT_R | PROT_X, REGION_FILE,
	  "/usr/lib/x86_64-linux-gnu/libc.so.6" },
	{ 0x7ffff7fc0000, 2, 0, 0, PROT_R | PROT_X, REGION_SPECIAL, "[vdso]" },
	{ 0x7ffffffde000, 33, 3, 0, PROT_R | PROT_W, REGION_STACK, "[stack]" },
};

struct hand_run {
	taddr start;
	uint64_t pages;
	uint8_t state;
};

static const struct hand_run hand_runs[] = {
	{ 0x555555554000, 2, PAGE_FILE },     { 0x555555556000, 1, PAGE_RESIDENT },
	{ 0x555555557000, 1, PAGE_FILE },     { 0x555555560000, 7, PAGE_RESIDENT },
	{ 0x7fffe8000000, 3, PAGE_RESIDENT }, { 0x7fffe8003000, 1, PAGE_SWAPPED },
	{ 0x7ffff0006000, 2, PAGE_RESIDENT }, { 0x7ffff1000000, 34, PAGE_RESIDENT },
	{ 0x7ffff2000000, 5, PAGE_RESIDENT }, { 0x7ffff2008000, 4, PAGE_ZERO },
	{ 0x7ffff3000000, 2, PAGE_FILE },     { 0x7ffff4000000, 10, PAGE_FILE },
	{ 0x7fffffffc000, 3, PAGE_RESIDENT },
};

static inline void hand_add_region(struct model *m, const struct hand_region *r)
{
	size_t row = model_regions_add(m);

	m->regions.start[row] = r->start;
	m->regions.end[row] = r->start + r->pages * HAND_PAGE;
	m->regions.resident[row] = r->resident * HAND_PAGE;
	m->regions.swapped[row] = r->swapped * HAND_PAGE;
	m->regions.prot[row] = r->prot;
	m->regions.kind[row] = r->kind;
	m->regions.name[row] = model_intern(m, str_of(r->name));
}

static inline void hand_add_pages(struct model *m, const struct hand_run *r)
{
	size_t row = model_pages_add(m);

	m->pages.start[row] = r->start;
	m->pages.count[row] = r->pages;
	m->pages.state[row] = r->state;
}

/* A chunk of `chunk` bytes at *at, its preview the start of `text`; *at moves behind. */
static inline size_t hand_add_chunk(struct model *m, taddr *at, uint64_t chunk,
				    enum block_state state, uint16_t arena, uint32_t type,
				    const char *text)
{
	size_t row = model_blocks_add(m), preview = model_previews_add(m);
	uint64_t words[2] = { 0 };

	memcpy(words, text, min_u64(sizeof(words), strlen(text)));
	m->blocks.addr[row] = *at + 16;
	m->blocks.size[row] = chunk - 8;
	m->blocks.extra[row] = 1;
	m->blocks.state[row] = (uint8_t)state;
	m->blocks.arena[row] = arena;
	m->blocks.type[row] = type;
	m->previews.low[preview] = words[0];
	m->previews.high[preview] = words[1];
	*at += chunk;
	return row;
}

static inline uint32_t hand_type(struct model *m, const char *domain, const char *kind,
				 const char *detail)
{
	return model_type(m, str_of(domain), str_of(kind), str_of(detail));
}

/* The main heap: eight pages, filled to the last byte. */
static inline void hand_fill_main(struct model *m)
{
	uint32_t order = hand_type(m, "c++", "shop::Order", "");
	uint32_t text = hand_type(m, "c", "string data", "");
	uint32_t other = hand_type(m, "uncategorized", "", "1000 bytes");
	uint32_t hostile = hand_type(
		m, "c++", "evil\x1b[2J\xe2\x80\xae\xff<日本語, \"q\">", "line\nbreak");
	taddr at = 0x555555560000;

	for (int i = 0; i < 40; i++)
		hand_add_chunk(m, &at, 0x60, BLOCK_USED, 0, order, "\x08\x7d\x55UU\x55");
	hand_add_chunk(m, &at, 0x40, BLOCK_USED, 0, text, "GET /orders/4711");
	hand_add_chunk(m, &at, 0x40, BLOCK_USED, 0, hostile, "\x1b[31mred");
	hand_add_chunk(m, &at, 0x40, BLOCK_TCACHE, 0, 0, "");
	hand_add_chunk(m, &at, 0x40, BLOCK_FASTBIN, 0, 0, "");
	hand_add_chunk(m, &at, 0x400, BLOCK_USED, 0, other, "\x01\x02\x03");
	hand_add_chunk(m, &at, 0x1000, BLOCK_BIN, 0, 0, "");
	hand_add_chunk(m, &at, 0x555555568000 - at, BLOCK_TOP, 0, 0, "");
}

static inline void hand_fill_arena(struct model *m)
{
	uint32_t session = hand_type(m, "c++",
				     "std::_Sp_counted_ptr_inplace<shop::Session, "
				     "std::allocator<shop::Session>, "
				     "(__gnu_cxx::_Lock_policy)2>",
				     "");
	taddr at = 0x7fffe80008c0; /* behind heap_info and malloc_state */

	for (int i = 0; i < 5; i++)
		hand_add_chunk(m, &at, 0x810, BLOCK_USED, 1, session, "\x10QUUUU");
	hand_add_chunk(m, &at, 0x7fffe8003ff0 - at, BLOCK_TOP, 1, 0, "");
	hand_add_chunk(m, &at, 0x10, BLOCK_FENCE, 1, 0, "");
}

static inline void hand_fill_rest(struct model *m)
{
	uint32_t buffer = hand_type(m, "uncategorized", "", "139248 bytes");
	taddr at = 0x7ffff1000000;
	size_t row = hand_add_chunk(m, &at, 34 * HAND_PAGE, BLOCK_USED, BLOCK_MMAPPED,
				    buffer, "\x89PNG\r\n\x1a\n");

	m->blocks.size[row] = 34 * HAND_PAGE - 16;
	m->blocks.extra[row] = 2;
	for (size_t i = 0; i < 2; i++) {
		size_t arena = model_arenas_add(m), heap = model_heaps_add(m);

		m->arenas.is_main[arena] = i == 0;
		m->arenas.addr[arena] = i ? 0x7fffe8000030 : 0x7ffff41d3c60;
		m->arenas.system[arena] = i ? 4 * HAND_PAGE : 8 * HAND_PAGE;
		m->arenas.heaps[arena] = 1;
		m->heaps.arena[heap] = (uint32_t)i;
		m->heaps.start[heap] = i ? 0x7fffe8000000 : 0x555555560000;
		m->heaps.end[heap] = i ? 0x7fffe8004000 : 0x555555568000;
	}
}

/* The free chunks of the main heap, one in each list. */
static inline void hand_fill_bins(struct model *m)
{
	static const struct {
		uint8_t kind;
		uint16_t arena;
		uint64_t low, high, bytes;
	} lists[] = {
		{ BIN_TCACHE, BIN_OF_THREAD, 0x40, 0x40, 0x40 },
		{ BIN_FASTBIN, 0, 0x40, 0x40, 0x40 },
		{ BIN_LARGE, 0, 0x1000, 0x11f0, 0x1000 },
	};

	for (size_t i = 0; i < countof(lists); i++) {
		size_t row = model_bins_add(m);

		m->bins.kind[row] = lists[i].kind;
		m->bins.arena[row] = lists[i].arena;
		m->bins.low[row] = lists[i].low;
		m->bins.high[row] = lists[i].high;
		m->bins.count[row] = 1;
		m->bins.bytes[row] = lists[i].bytes;
	}
}

static inline bool hand_read(void *context, taddr at, void *dst, size_t len)
{
	const taddr start = 0x555555560000, end = 0x555555562000;

	(void)context;
	if (at < start || at >= end || len > end - at)
		return false;
	for (size_t i = 0; i < len; i++) { /* a counting page, then one of zeroes */
		taddr byte = at + i - start;

		((uint8_t *)dst)[i] = byte < HAND_PAGE ? (uint8_t)byte : 0;
	}
	return true;
}

static inline struct model *hand_model(void)
{
	struct model *m = model_new();
	size_t p = model_processes_add(m);

	m->processes.pid[p] = 4711;
	m->processes.kind[p] = TARGET_LIVE;
	m->processes.mode[p] = MODE_FORK;
	m->processes.quiet[p] = 1;
	m->processes.time[p] = 1763632800;
	m->processes.pause_ns[p] = 3140000;
	m->processes.attempts[p] = 1;
	m->processes.rss[p] = HAND_RESIDENT_PAGES * HAND_PAGE;
	m->processes.exe[p] = model_intern(m, str_of("/opt/shop/bin/orderbook"));
	m->processes.allocator[p] = model_intern(m, str_of("glibc 2.36"));
	for (size_t i = 0; i < countof(hand_regions); i++)
		hand_add_region(m, &hand_regions[i]);
	for (size_t i = 0; i < countof(hand_runs); i++)
		hand_add_pages(m, &hand_runs[i]);
	hand_fill_main(m);
	hand_fill_arena(m);
	hand_fill_rest(m);
	hand_fill_bins(m);
	m->bytes.read = hand_read;
	model_find_out(m, SEVERITY_NOTE, "", "2 of 4 threads were in a system call");
	model_find_out(m, SEVERITY_DAMAGE, "arena 1, 0x7fffe8001900",
		       "chunk size 0x41 denies its neighbour; the walk resumes at "
		       "0x7fffe8002110");
	model_find_out(m, SEVERITY_NOTE, "", "2 of 4 threads were in a system call");
	model_evidence(m, "readable", "yes", "ptrace is allowed: same user, no Yama", "");
	model_evidence(
		m, "allocator", "glibc 2.36",
		"main_arena at 0x7ffff41d3c60: its empty bins point to themselves, its "
		"top lies in [heap], the ring of 2 arenas closes; the relocation of "
		"main_arena.next agrees",
		"");
	model_evidence(m, "fork mode", "no", "seccomp filters clone in 4 threads",
		       "run as root with CAP_SYS_ADMIN, or use --mode=freeze");
	return m;
}

#endif
