/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a walk of a fake heap tells, kept: each block, each damage, the model's findings;
 * and assertions on it.
 */
#ifndef SUPPORT_SEEN_HEAP_H
#define SUPPORT_SEEN_HEAP_H

#include "fake_heap.h"
#include "heap/heap.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { MAX_BLOCKS = 2000 };

struct seen {
	struct heap_block blocks[MAX_BLOCKS];
	size_t n, damage;
	taddr where[64];
	char text[64][256];
	struct model *model;
	uint64_t bytes; /* of all footprints */
};

static inline void see_block(void *context, const struct heap_block *b,
			     struct mem_window *w)
{
	struct seen *s = context;

	(void)w;
	assert_true(s->n < MAX_BLOCKS);
	s->blocks[s->n++] = *b;
	s->bytes += b->size + b->extra;
}

static inline void see_damage(void *context, taddr where, const char *text)
{
	struct seen *s = context;

	assert_true(s->damage < countof(s->where));
	s->where[s->damage] = where;
	snprintf(s->text[s->damage++], sizeof(s->text[0]), "%s", text);
}

static inline void walk_spans(const struct mem *mem, const struct heap_places *p,
			      struct seen *s)
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

static inline struct heap_places *locate(struct mem *mem, struct model *m)
{
	const struct module_set none = { .n = 0 };

	return heap_locate(mem, &none, m);
}

static inline struct seen *seen_new(void)
{
	struct seen *s = xcalloc(1, sizeof(*s));

	s->model = model_new();
	return s;
}

static inline struct seen *walk(const struct fake_heap *f)
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

static inline void seen_free(struct seen *s)
{
	model_free(s->model);
	free(s);
}

static inline const struct heap_block *block_at(const struct seen *s, taddr addr)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->blocks[i].addr == addr)
			return &s->blocks[i];
	return NULL;
}

static inline void assert_block(const struct seen *s, taddr chunk, enum block_state state,
				uint64_t size)
{
	const struct heap_block *b = block_at(s, chunk + 16);

	assert_non_null(b);
	assert_int_equal(b->state, state);
	assert_int_equal(b->size, size);
}

/* Is there damage, or a finding, at `where` whose text holds `words`? */
static inline void assert_told(const struct seen *s, taddr where, const char *words)
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

static inline void assert_sound(const struct seen *s)
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

/* 40 chunks of 0x50 bytes; the 20th is then broken by each test. */
static inline taddr forty_chunks(struct fake_heap *f, taddr chunk[40])
{
	taddr tcache = fake_start(f);

	for (int i = 0; i < 40; i++)
		chunk[i] = fake_chunk(f, 0, 0x50);
	return tcache;
}

#endif
