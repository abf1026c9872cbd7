/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CPython 3.11 made by hand: one interpreter and one thread in the runtime, four types,
 * and one arena of obmalloc's whose slabs a test fills.
 */
#ifndef TEST_FAKE_PYTHON_H
#define TEST_FAKE_PYTHON_H

#include "lang/cpython/cpy_runtime_int.h"
#include <stdlib.h>

#define FAKE_DATA ((taddr)0x10000000)      /* what a module has as data and bss */
#define FAKE_HEAP ((taddr)0x20000000)      /* malloc's */
#define FAKE_HOLE ((taddr)0x30000000)      /* what a core leaves out */
#define FAKE_ARENA ((taddr)0x7f0000003000) /* a page, but no slab, begins there */

enum {
	FAKE_DATA_SIZE = 512 << 10,
	FAKE_HEAP_SIZE = 64 << 10,
	FAKE_ARENA_SIZE = 1 << 20,
	FAKE_SLAB = 16 << 10,
	FAKE_ENTRIES = 32, /* of the table of arenas; ours is FAKE_INDEX */
	FAKE_INDEX = 17,
	FAKE_READY = 1 << 12, /* Py_TPFLAGS_READY */
};

#define FAKE_RUNTIME (FAKE_DATA + 0x20020)
#define FAKE_TYPES (FAKE_DATA + 0x1000)
#define FAKE_TYPE (FAKE_TYPES + 0x000)     /* type */
#define FAKE_INT (FAKE_TYPES + 0x400)      /* no collector's head */
#define FAKE_DICT (FAKE_TYPES + 0x800)     /* with one */
#define FAKE_INSTANCE (FAKE_TYPES + 0xc00) /* and the words of a managed dict */
#define FAKE_STR (FAKE_TYPES + 0x1000)
#define FAKE_NAMES (FAKE_DATA + 0x3000)
#define FAKE_ARENAS_WORD (FAKE_DATA + 0x60008)
#define FAKE_INTERNED_WORD (FAKE_DATA + 0x60028)
#define FAKE_TABLE (FAKE_HEAP + 0x100) /* of arenas */
#define FAKE_FIRST_SLAB ((FAKE_ARENA + FAKE_SLAB - 1) & ~(taddr)(FAKE_SLAB - 1))

struct fake_python {
	uint8_t data[FAKE_DATA_SIZE], heap[FAKE_HEAP_SIZE], arena[FAKE_ARENA_SIZE];
	const struct cpy_layout *l;
	struct python_places places;
	struct python py;
	struct python_pool pool;
	struct cpy_interp interp;
	struct mem *mem;
	size_t nnames;
};

static inline uint8_t *fake_at(struct fake_python *f, taddr at)
{
	if (at - FAKE_DATA < FAKE_DATA_SIZE)
		return f->data + (at - FAKE_DATA);
	if (at - FAKE_HEAP < FAKE_HEAP_SIZE)
		return f->heap + (at - FAKE_HEAP);
	assert(at - FAKE_ARENA < FAKE_ARENA_SIZE);
	return f->arena + (at - FAKE_ARENA) % FAKE_ARENA_SIZE;
}

static inline void fake_put(struct fake_python *f, taddr at, uint64_t word)
{
	memcpy(fake_at(f, at), &word, 8);
}

static inline void fake_put32(struct fake_python *f, taddr at, uint32_t word)
{
	memcpy(fake_at(f, at), &word, 4);
}

static inline void fake_type(struct fake_python *f, taddr at, const char *name,
			     uint64_t flags)
{
	taddr text = FAKE_NAMES + 32 * f->nnames++;

	strcpy((char *)fake_at(f, text), name);
	fake_put(f, at + CPY_REFCOUNT, 1);
	fake_put(f, at + CPY_TYPE, FAKE_TYPE);
	fake_put(f, at + f->l->type.name, text);
	fake_put(f, at + f->l->type.basicsize, 16);
	fake_put(f, at + f->l->type.flags, flags | FAKE_READY);
}

static inline taddr fake_interp(const struct fake_python *f)
{
	return FAKE_RUNTIME + f->l->runtime.main_interpreter;
}

static inline taddr fake_thread(const struct fake_python *f)
{
	return fake_interp(f) + f->l->interp.first_thread;
}

/* The head of generation 0 .. 2; 3: the permanent one. */
static inline taddr fake_list(const struct fake_python *f, unsigned generation)
{
	taddr gc = fake_interp(f) + f->l->interp.gc;

	return generation == 3 ? gc + f->l->gc.permanent
			       : gc + f->l->gc.generations +
					 generation * f->l->gc.generation_size;
}

static inline void fake_link(struct fake_python *f, taddr a, taddr b)
{
	fake_put(f, a, b);
	fake_put(f, b + 8, a);
}

/* ---- slabs ---- */

/* Slab number `slab` with blocks of `size` bytes, `once` of them used once, none free. */
static inline taddr fake_slab(struct fake_python *f, unsigned slab, uint32_t size,
			      uint32_t once)
{
	taddr at = FAKE_FIRST_SLAB + (taddr)slab * FAKE_SLAB;

	fake_put32(f, at, once);
	fake_put32(f, at + 32, FAKE_INDEX);
	fake_put32(f, at + 36, size / 16 - 1);
	fake_put32(f, at + 40, 48 + once * size);
	fake_put32(f, at + 44, FAKE_SLAB - size);
	return at;
}

static inline taddr fake_block(taddr slab, uint32_t size, uint32_t i)
{
	return slab + 48 + (taddr)i * size;
}

static inline void fake_object(struct fake_python *f, taddr at, taddr type)
{
	fake_put(f, at + CPY_REFCOUNT, 1);
	fake_put(f, at + CPY_TYPE, type);
}

/* ---- the whole ---- */

static inline void fake_table(struct fake_python *f)
{
	for (taddr i = 0; i < FAKE_ENTRIES; i++)
		if (i + 1 < FAKE_ENTRIES)
			fake_put(f, FAKE_TABLE + 48 * i + 32, FAKE_TABLE + 48 * (i + 1));
	fake_put(f, FAKE_TABLE + 48 * FAKE_INDEX, FAKE_ARENA);
	fake_put(f, FAKE_TABLE + 48 * FAKE_INDEX + 8, FAKE_FIRST_SLAB + 8 * FAKE_SLAB);
	fake_put32(f, FAKE_TABLE + 48 * FAKE_INDEX + 20, 63);
	/* what follows the table is somebody else's */
	fake_put(f, FAKE_TABLE + 48 * FAKE_ENTRIES, 0x6c6f6f6b);
	fake_put(f, FAKE_ARENAS_WORD, FAKE_TABLE);
}

/* sys.modules, and some more dicts on the oldest list, so that slabs can be told by them. */
static inline void fake_dicts(struct fake_python *f)
{
	taddr before = fake_list(f, 2);

	for (unsigned slab = 4; slab < 8; slab++) {
		taddr node = fake_block(fake_slab(f, slab, 64, 1), 64, 0);

		fake_object(f, node + CPY_GC_HEAD, FAKE_DICT);
		fake_link(f, before, node);
		before = node;
		fake_put(f, fake_interp(f) + f->l->interp.modules, node + CPY_GC_HEAD);
	}
	fake_link(f, before, fake_list(f, 2));
}

static inline void fake_fill(struct fake_python *f)
{
	taddr interp;

	f->l = cpy_layout_of(3, 11);
	interp = fake_interp(f);
	fake_type(f, FAKE_TYPE, "type", CPY_HAVE_GC | CPY_TYPE_SUBCLASS);
	fake_type(f, FAKE_INT, "int", CPY_LONG_SUBCLASS);
	fake_type(f, FAKE_DICT, "dict", CPY_HAVE_GC | CPY_DICT_SUBCLASS);
	fake_type(f, FAKE_INSTANCE, "A", CPY_HAVE_GC | CPY_MANAGED_DICT);
	fake_type(f, FAKE_STR, "str", CPY_TEXT_SUBCLASS);
	fake_put(f, FAKE_RUNTIME + f->l->runtime.interpreters_head, interp);
	fake_put(f, FAKE_RUNTIME + f->l->runtime.interpreters_main, interp);
	fake_put(f, interp + f->l->interp.threads, fake_thread(f));
	fake_put(f, fake_thread(f) + f->l->thread.interp, interp);
	for (unsigned i = 0; i < 4; i++)
		fake_link(f, fake_list(f, i), fake_list(f, i));
	fake_dicts(f);
	fake_table(f);
}

static inline void fake_open(struct fake_python *f)
{
	const struct mem_fake_range ranges[] = {
		{ FAKE_DATA, f->data, FAKE_DATA_SIZE, PROT_R | PROT_W,
		  "/lib/libfake.so" },
		{ FAKE_HEAP, f->heap, FAKE_HEAP_SIZE, PROT_R | PROT_W, "[heap]" },
		{ FAKE_HOLE, NULL, FAKE_SLAB, PROT_R, "/lib/libfake.so" },
		{ FAKE_ARENA, f->arena, FAKE_ARENA_SIZE, PROT_R | PROT_W, "" },
	};

	f->mem = mem_fake_new(ranges, countof(ranges));
	f->places = (struct python_places){ .row = *f->l,
					    .runtime = FAKE_RUNTIME,
					    .runtime_size = f->l->runtime.size };
	f->places.layout = &f->places.row;
	f->interp = (struct cpy_interp){ .at = fake_interp(f) };
	f->pool = (struct python_pool){ .start = FAKE_ARENA,
					.end = FAKE_ARENA + FAKE_ARENA_SIZE,
					.fresh = FAKE_FIRST_SLAB + 8 * FAKE_SLAB,
					.index = FAKE_INDEX };
	f->py = (struct python){ .mem = f->mem,
				 .places = &f->places,
				 .layout = &f->places.row,
				 .interps = &f->interp,
				 .ninterps = 1,
				 .pools = &f->pool,
				 .npools = 1,
				 .types = cpy_types_new(),
				 .labels = cpy_labels_new() };
}

static inline void fake_close(struct fake_python *f)
{
	cpy_types_free(f->py.types);
	cpy_labels_free(f->py.labels);
	mem_close(f->mem);
}

#endif
