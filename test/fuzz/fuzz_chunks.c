/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap walker over memory that lies. A sound heap with chunks in every state is built;
 * the input then changes words of it, three at a time: where (two bytes into the memory of
 * choice), how (set, add, xor, point somewhere; fill all of the mapping), what. Whatever comes of it: it ends, no
 * block reaches out of its span, none begins before the one before it ends.
 */
#include "../support/fake_heap.h"
#include "heap/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGE = 12, MAX_CHANGES = 200, FILL = 4 };

struct seen {
	const struct heap_span *span;
	taddr end; /* of the last block's footprint */
	size_t n;
};

static void see_block(void *context, const struct heap_block *b, struct mem_window *w)
{
	struct seen *s = context;
	size_t have;

	s->n++;
	if (s->span->arena != BLOCK_MMAPPED) {
		taddr start = b->addr - 16;

		assert(start >= s->end);
		s->end = start + b->size + b->extra;
		assert(s->end >= start && s->end <= s->span->end);
	}
	/* as a consumer that reads contents does */
	(void)mem_window_at(w, b->addr, 16, &have);
}

static void see_damage(void *context, taddr where, const char *text)
{
	(void)context;
	(void)where;
	assert(text[0]);
}

static void build(struct fake_heap *f)
{
	taddr tcache = fake_start(f), chunk[60];

	for (size_t i = 0; i < 60; i++)
		chunk[i] = fake_chunk(f, i % 5 == 4, 0x20 + 16 * (i % 9));
	for (size_t i = 0; i < 60; i += 4)
		fake_bin(f, i % 5 == 4, chunk[i]);
	for (size_t i = 1; i < 60; i += 8)
		fake_tcache(f, tcache, chunk[i]);
	for (size_t i = 3; i < 60; i += 8)
		fake_fastbin(f, i % 5 == 4, chunk[i]);
	fake_finish(f);
	fake_mapping(f, FAKE_MAP_SIZE, 0xff0);
}

/* Each 32 bytes of the mapping are {0, what, 0, 0}: a chain of chunks for many a what. */
static void fill(struct fake_heap *f, uint64_t what)
{
	memset(f->map, 0, sizeof(f->map));
	for (size_t i = 8; i + 8 <= sizeof(f->map); i += 32)
		memcpy(f->map + i, &what, 8);
}

static void change(struct fake_heap *f, const uint8_t *c)
{
	static const struct {
		taddr start;
		uint32_t size;
	} part[] = {
		{ FAKE_BREAK, FAKE_BREAK_SIZE },
		{ FAKE_HEAP, FAKE_HEAP_SIZE },
		{ FAKE_LIB, FAKE_LIB_SIZE },
		{ FAKE_TLS, FAKE_TLS_SIZE },
		{ FAKE_MAP, 0x2000 },
		{ FAKE_BREAK, 0x1000 },
		{ FAKE_MAIN, 2304 },
		{ FAKE_HEAP, 4096 },
	};
	size_t i = c[0] % countof(part);
	uint64_t what;
	taddr at;

	memcpy(&what, c + 4, 8);
	if (c[3] == FILL) {
		fill(f, what);
		return;
	}
	at = part[i].start + (c[1] | (uint32_t)c[2] << 8) * 8u % (part[i].size - 8);
	switch (c[3] % 4) {
	case 0:
		fake_set(f, at, what);
		break;
	case 1:
		fake_set(f, at, fake_get(f, at) + (what & 0xfff));
		break;
	case 2:
		fake_set(f, at, fake_get(f, at) ^ what);
		break;
	default:
		fake_set(f, at, part[what % countof(part)].start + (what >> 8 & 0xfff8));
	}
}

static void walk(const struct mem *mem, const struct heap_places *p, struct model *m)
{
	struct seen seen = { 0 };
	const struct heap_sink sink = { see_block, see_damage, &seen };
	const struct heap_span *spans;
	struct mem_window *w;
	struct heap *h;
	struct err e;
	size_t n;

	if (!heap_open(mem, p, m, &h, &e))
		return;
	w = mem_window_new(mem);
	n = heap_spans(h, &spans);
	for (size_t i = 0; i < n; i++) {
		assert(i == 0 || spans[i].start >= spans[i - 1].end);
		seen.span = &spans[i];
		seen.end = spans[i].start;
		heap_walk(h, i, w, &sink);
	}
	heap_check(h, m);
	heap_free(h);
	mem_window_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fake_heap f;
	const struct module_set none = { .n = 0 };
	struct model *m = model_new();
	struct heap_places *p;
	size_t n = min_u64(size / CHANGE, MAX_CHANGES), before = size % 2 ? n / 2 : 0;
	struct mem *mem;

	build(&f);
	mem = fake_mem(&f);
	/* an odd input changes half of it before the arena is looked for */
	for (size_t i = 0; i < before; i++)
		change(&f, data + CHANGE * i);
	p = heap_locate(mem, &none, m);
	for (size_t i = before; i < n; i++)
		change(&f, data + CHANGE * i);
	if (p) {
		(void)heap_is_quiet(mem, p);
		walk(mem, p, m);
	}
	heap_places_free(p);
	mem_close(mem);
	model_free(m);
	return 0;
}
