/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocators. Work in three steps, so that little happens while a target stands:
 *
 *   locate   in the running process: where the allocator keeps its own state. Addresses
 *            only, they stay true.
 *   open     in the snapshot: arenas, heaps, bins, tcaches; into the model's arenas,
 *            heaps, findings, evidence. What it needs to walk is held in `struct heap`.
 *   walk     span by span, in any order, on several threads: each block to a sink.
 *   check    when all spans were walked: do the allocator's own totals and free lists
 *            agree with what was found?
 *
 * The bytes of a block's footprint begin at addr - 16 (glibc), and the footprints of a
 * span's blocks lie end to end: what is missing between them was told as damage, or is
 * memory that somebody else took (a foreign sbrk).
 */
#ifndef HEAP_HEAP_H
#define HEAP_HEAP_H

#include "base/err.h"
#include "image/image.h"
#include "mem/mem.h"
#include "model/model.h"

struct heap_places; /* what locate found */
struct heap;

/* Which allocator is there. NULL: none that we can walk; the model's evidence then says
 * which one it looks like, and a finding that its blocks are not told. `m` gets evidence rows (which libc, which
 * method found main_arena, which layout row, what cross-checks it). May learn mem's pages. */
struct heap_places *heap_locate(struct mem *mem, const struct module_set *modules,
				struct model *m);
void heap_places_free(struct heap_places *p);
/* "glibc 2.36" or the like, for people. */
const char *heap_places_name(const struct heap_places *p);

/* Is nobody inside the allocator? No arena mutex held, no thread's pc or innermost call in
 * the allocator's text; those that are are marked is_busy. A mem_quiet_fn; context is a
 * struct heap_places. */
bool heap_is_quiet(const struct mem *stopped, void *places);

/* Fills m's arenas and heaps, and the tcache column of thread rows that are already there
 * (by tls). */
must_check bool heap_open(const struct mem *mem, const struct heap_places *p,
			  struct model *m, struct heap **out, struct err *e);
void heap_free(struct heap *h);

/* Contiguous pieces that can be walked on their own, by address; none overlap. */
struct heap_span {
	taddr start, end;
	uint16_t arena; /* index into m->arenas; BLOCK_MMAPPED: one mapping, one block */
};
size_t heap_spans(const struct heap *h, const struct heap_span **out);

/* The allocator's own records, wherever they lie: arenas, parameters, caches of threads
 * (these are blocks too). What they point to is not thereby in use. In no order. */
struct heap_range {
	taddr start, end;
};
size_t heap_own_ranges(const struct heap *h, const struct heap_range **out);

struct heap_block {
	taddr addr;     /* what malloc returned */
	uint64_t size;  /* usable bytes */
	uint64_t extra; /* footprint - size, bytes */
	enum block_state state;
	uint16_t arena;
};

/* What one walk reports to, all on the walking thread. Blocks of a span come by address. */
struct heap_sink {
	/* May move the window. */
	void (*block)(void *context, const struct heap_block *b, struct mem_window *w);
	/* Memory that contradicts itself: where, and what was expected there. */
	void (*damage)(void *context, taddr where, const char *text);
	void *context;
};
/* Different spans may be walked at the same time, each once. */
void heap_walk(struct heap *h, size_t span, struct mem_window *w,
	       const struct heap_sink *sink);
/* After all spans were walked: contradictions between what was found and the allocator's
 * own totals and lists become findings of m. The memory must still be readable. */
void heap_check(struct heap *h, struct model *m);

#endif
