/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A glibc heap (layouts of 2.36, or of an older one) built by hand in memory of ours, as a fake target: a
 * main arena in the break, a second arena in a heap of its own, one thread with a tcache.
 * Written from glibc's structures, not with the walker's code, so that it can judge it.
 */
#ifndef SUPPORT_FAKE_HEAP_H
#define SUPPORT_FAKE_HEAP_H

#include "base/base.h"
#include "mem/mem.h"
#include <stdlib.h>
#include <string.h>

enum {
	FAKE_LIB_SIZE = 0x4000,
	FAKE_BREAK_SIZE = 0x8000,
	FAKE_HEAP_SIZE = 0x4000,
	FAKE_TLS_SIZE = 0x3000,
	FAKE_MAP_SIZE = 0x21000,
	FAKE_P = 1, /* PREV_INUSE */
	FAKE_M = 2, /* IS_MMAPPED */
	FAKE_A = 4, /* NON_MAIN_ARENA */
};

#define FAKE_LIB 0x7f0000000000u
#define FAKE_MAIN (FAKE_LIB + 0x2000)
#define FAKE_MP (FAKE_MAIN - 0x920)
#define FAKE_BREAK 0x555500000000u
#define FAKE_HEAP 0x7e0000000000u
#define FAKE_ARENA (FAKE_HEAP + 48) /* of 2.36: heap_info is shorter before */
#define FAKE_TLS 0x7d0000000000u
#define FAKE_THREAD (FAKE_TLS + 0x2800)
#define FAKE_MAP 0x7c0000000000u

/* malloc_state and malloc_par, as the source of one release has them. */
struct fake_layout {
	bool has_tcache; /* and safe-linking */
	unsigned heap_info, fastbins, top, next, attached, system_mem, size;
	unsigned n_mmaps, pagesize, mmapped_mem, sbrk_base;
};

static const struct fake_layout fake_2_36 = {
	.has_tcache = true,
	.heap_info = 48,
	.fastbins = 16,
	.top = 96,
	.next = 2160,
	.attached = 2176,
	.system_mem = 2184,
	.size = 2200,
	.n_mmaps = 60,
	.mmapped_mem = 80,
	.sbrk_base = 96,
};

struct fake_heap {
	const struct fake_layout *layout;
	uint8_t lib[FAKE_LIB_SIZE], brk[FAKE_BREAK_SIZE], heap[FAKE_HEAP_SIZE],
		tls[FAKE_TLS_SIZE], map[FAKE_MAP_SIZE];
	taddr next[2]; /* where the next chunk of each arena goes */
};

/* The 8 bytes at a target address. */
static inline void *fake_at(struct fake_heap *f, taddr at)
{
	if (at - FAKE_LIB < FAKE_LIB_SIZE)
		return f->lib + (at - FAKE_LIB);
	if (at - FAKE_BREAK < FAKE_BREAK_SIZE)
		return f->brk + (at - FAKE_BREAK);
	if (at - FAKE_HEAP < FAKE_HEAP_SIZE)
		return f->heap + (at - FAKE_HEAP);
	if (at - FAKE_TLS < FAKE_TLS_SIZE)
		return f->tls + (at - FAKE_TLS);
	assert(at - FAKE_MAP < FAKE_MAP_SIZE);
	return f->map + (at - FAKE_MAP);
}

static inline uint64_t fake_get(struct fake_heap *f, taddr at)
{
	uint64_t v;

	memcpy(&v, fake_at(f, at), 8);
	return v;
}

static inline void fake_set(struct fake_heap *f, taddr at, uint64_t v)
{
	memcpy(fake_at(f, at), &v, 8);
}

static inline taddr fake_arena(const struct fake_heap *f, int arena)
{
	return arena ? FAKE_HEAP + f->layout->heap_info : FAKE_MAIN;
}

static inline void fake_init_arena(struct fake_heap *f, int arena)
{
	taddr at = fake_arena(f, arena);

	for (taddr i = 0; i < 127; i++) {
		taddr header = at + f->layout->top + 16 + 16 * i;

		fake_set(f, header, header - 16);
		fake_set(f, header + 8, header - 16);
	}
	fake_set(f, at + f->layout->next, fake_arena(f, !arena));
	if (f->layout->attached)
		fake_set(f, at + f->layout->attached, 1);
}

/* The next chunk of an arena, in use; what malloc would return is 16 bytes further. */
static inline taddr fake_chunk(struct fake_heap *f, int arena, uint64_t size)
{
	taddr at = f->next[arena];

	fake_set(f, at + 8, size | FAKE_P | (arena ? FAKE_A : 0));
	f->next[arena] += size;
	return at;
}

/* Two fields that say a chunk is free, and the unsorted bin's ring. */
static inline void fake_bin(struct fake_heap *f, int arena, taddr chunk)
{
	uint64_t size = fake_get(f, chunk + 8) & ~(uint64_t)7;
	taddr head = fake_arena(f, arena) + f->layout->top,
	      first = fake_get(f, head + 16);

	fake_set(f, chunk + 8, size | FAKE_P);
	fake_set(f, chunk + size, size);
	fake_set(f, chunk + size + 8, fake_get(f, chunk + size + 8) & ~(uint64_t)FAKE_P);
	fake_set(f, chunk + 16, first);
	fake_set(f, chunk + 24, head);
	fake_set(f, first + 24, chunk);
	fake_set(f, head + 16, chunk);
}

/* 2.32's safe-linking. */
static inline uint64_t fake_mangle(taddr place, taddr to)
{
	return to ^ place >> 12;
}

static inline void fake_fastbin(struct fake_heap *f, int arena, taddr chunk)
{
	uint64_t size = fake_get(f, chunk + 8) & ~(uint64_t)7;
	taddr bin = fake_arena(f, arena) + f->layout->fastbins + 8 * (size / 16 - 2);

	fake_set(f, chunk + 16,
		 f->layout->has_tcache ? fake_mangle(chunk + 16, fake_get(f, bin))
				       : fake_get(f, bin));
	fake_set(f, bin, chunk);
}

/* `tcache` is what fake_start returned. */
static inline void fake_tcache(struct fake_heap *f, taddr tcache, taddr chunk)
{
	uint64_t size = fake_get(f, chunk + 8) & ~(uint64_t)7;
	uint64_t bin = size / 16 - 2;
	taddr entry = tcache + 128 + 8 * bin;
	uint16_t count;

	fake_set(f, chunk + 16, fake_mangle(chunk + 16, fake_get(f, entry)));
	fake_set(f, chunk + 24, 0x1122334455667788u);
	fake_set(f, entry, chunk + 16);
	memcpy(&count, fake_at(f, tcache + 2 * bin), 2);
	count++;
	memcpy(fake_at(f, tcache + 2 * bin), &count, 2);
}

/* Everything empty, laid out as that release does it. */
static inline void fake_start_as(struct fake_heap *f, const struct fake_layout *l)
{
	taddr arena = FAKE_HEAP + l->heap_info;

	memset(f, 0, sizeof(*f));
	f->layout = l;
	fake_init_arena(f, 0);
	fake_init_arena(f, 1);
	f->next[0] = FAKE_BREAK;
	f->next[1] = (arena + l->size + 15) & ~(taddr)15;
	fake_set(f, FAKE_HEAP, arena);
	fake_set(f, FAKE_HEAP + 16, FAKE_HEAP_SIZE);
	fake_set(f, FAKE_MP + 16, 0x20000);
	fake_set(f, FAKE_MP + l->n_mmaps, (uint64_t)65536 << 32); /* n_mmaps_max */
	fake_set(f, FAKE_MP + l->sbrk_base, FAKE_BREAK);
	if (l->pagesize)
		fake_set(f, FAKE_MP + l->pagesize, 4096);
}

/* As 2.36 does it; the first chunk of the break is the thread's tcache. */
static inline taddr fake_start(struct fake_heap *f)
{
	taddr tcache;

	fake_start_as(f, &fake_2_36);
	fake_set(f, FAKE_MP + 104, 64);
	fake_set(f, FAKE_MP + 112, 0x408);
	fake_set(f, FAKE_MP + 120, 7);
	tcache = fake_chunk(f, 0, 0x290) + 16;
	fake_set(f, FAKE_THREAD - 0x48, tcache);
	return tcache;
}

/* Gives the rest of both arenas' memory to their tops. */
static inline void fake_finish(struct fake_heap *f)
{
	const taddr end[] = { FAKE_BREAK + FAKE_BREAK_SIZE, FAKE_HEAP + FAKE_HEAP_SIZE };
	const uint64_t system[] = { FAKE_BREAK_SIZE, FAKE_HEAP_SIZE };

	for (int i = 0; i < 2; i++) {
		/* a binned last chunk has left its word here */
		uint64_t flag = fake_get(f, f->next[i] + 8) & FAKE_P;
		bool is_free = fake_get(f, f->next[i]) != 0 && !flag;

		fake_set(f, f->next[i] + 8,
			 (end[i] - f->next[i]) | (is_free ? 0 : FAKE_P));
		fake_set(f, fake_arena(f, i) + f->layout->top, f->next[i]);
		fake_set(f, fake_arena(f, i) + f->layout->system_mem, system[i]);
		fake_set(f, fake_arena(f, i) + f->layout->system_mem + 8, system[i]);
	}
}

/* A mapping of its own at FAKE_MAP, `before` bytes of it left by memalign. */
static inline taddr fake_mapping(struct fake_heap *f, uint64_t size, uint64_t before)
{
	const struct fake_layout *l = f->layout;

	fake_set(f, FAKE_MAP + 8, size | FAKE_M);
	if (before) {
		fake_set(f, FAKE_MAP + before, before);
		fake_set(f, FAKE_MAP + before + 8, (size - before) | FAKE_M);
	}
	fake_set(f, FAKE_MP + l->n_mmaps, 1 | (uint64_t)65536 << 32); /* n_mmaps_max */
	fake_set(f, FAKE_MP + l->n_mmaps + 8, 1);                     /* max_n_mmaps */
	fake_set(f, FAKE_MP + l->mmapped_mem, size);
	fake_set(f, FAKE_MP + l->mmapped_mem + 8, size);
	return FAKE_MAP + before + 16;
}

/* The target. The bytes stay f's: changes show. */
static inline struct mem *fake_mem(const struct fake_heap *f)
{
	const struct mem_fake_range ranges[] = {
		{ FAKE_BREAK, f->brk, FAKE_BREAK_SIZE, PROT_R | PROT_W, "[heap]" },
		{ FAKE_MAP, f->map, FAKE_MAP_SIZE, PROT_R | PROT_W, "" },
		{ FAKE_TLS, f->tls, FAKE_TLS_SIZE, PROT_R | PROT_W, "" },
		{ FAKE_HEAP, f->heap, FAKE_HEAP_SIZE, PROT_R | PROT_W, "" },
		{ FAKE_LIB, f->lib, FAKE_LIB_SIZE, PROT_R | PROT_W, "" },
	};
	struct mem *mem = mem_fake_new(ranges, countof(ranges));

	mem->threads = xcalloc(1, sizeof(*mem->threads));
	mem->threads[0] =
		(struct mem_thread){ .tid = 1, .has_regs = true, .tls = FAKE_THREAD };
	mem->nthreads = 1;
	return mem;
}

#endif
