/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What malloc's arenas hold, and its lists of free chunks. All of it is sums over blocks:
 * what an arena has from the system is in use, free, or its own.
 *
 *	system = used + free + overhead        free = top + tcache + fastbin + bins
 *
 * Fragmentation is what is free between blocks, in thousandths of system: holes that only
 * a block that fits can fill. top is none of it: it is one piece, serves any size, and
 * is what malloc gives back. mmapped chunks have no arena, so they are a row of their own;
 * then the column adds up to all that malloc has.
 */
#include "analysis/arenas_int.h"

#include "base/search.h"
#include <stdlib.h>

struct arena_row *arena_row_add(struct arena_rows *r, const char *kind)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 16;
		r->rows = xrealloc(r->rows, r->cap, sizeof(*r->rows));
	}
	memset(&r->rows[r->n], 0xff, sizeof(*r->rows));
	r->rows[r->n].kind = kind;
	return &r->rows[r->n++];
}

void arena_rows_release(struct arena_rows *r)
{
	free(r->rows);
	*r = (struct arena_rows){ 0 };
}

uint64_t thousandths(uint64_t part, uint64_t whole)
{
	return whole ? (uint64_t)((unsigned __int128)part * 1000 / whole) : 0;
}

bool pages_are_known(const struct model *m)
{
	return m->pages.n > 0 && !(m->processes.n > 0 && m->processes.no_residency[0]);
}

uint64_t resident_in(const struct model *m, taddr start, taddr end)
{
	const struct model_pages *p = &m->pages;
	size_t i = search_words(p->start, p->n, start);
	uint64_t bytes = 0;

	for (i -= i > 0; i < p->n && p->start[i] < end; i++) {
		taddr from = max_u64(p->start[i], start);
		taddr to = min_u64(p->start[i] + p->count[i] * PAGE_SIZE_4K, end);

		if (to > from && page_is_resident(p->state[i]))
			bytes += to - from;
	}
	return bytes;
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* ---- arenas ---- */

/* Sums over the blocks of an arena, or over those that are mappings. */
struct sums {
	uint64_t of[BLOCK_FENCE + 1]; /* footprints by state */
	uint64_t resident;            /* of the mappings */
};

static uint64_t sum_free(const struct sums *s)
{
	return s->of[BLOCK_TCACHE] + s->of[BLOCK_FASTBIN] + s->of[BLOCK_BIN] +
	       s->of[BLOCK_TOP];
}

/* By arena; the last is that of mappings. */
static struct sums *sums_build(const struct model *m)
{
	struct sums *sums = xcalloc(m->arenas.n + 1, sizeof(*sums));

	for (size_t b = 0; b < m->blocks.n; b++) {
		struct sums *s = &sums[min_u64(m->blocks.arena[b], m->arenas.n)];
		uint64_t footprint = block_footprint(m, b);
		taddr end = m->blocks.addr[b] + m->blocks.size[b];

		s->of[m->blocks.state[b]] += footprint;
		if (m->blocks.arena[b] == BLOCK_MMAPPED)
			s->resident += resident_in(m, end - footprint, end);
	}
	return sums;
}

static void fill_sums(struct arena_row *row, const struct sums *s)
{
	row->used = s->of[BLOCK_USED];
	row->free = sum_free(s);
	row->tcache = s->of[BLOCK_TCACHE];
	/* what does not add up is a finding already */
	row->overhead = row->system - min_u64(row->system, row->used + row->free);
}

static void add_arena(const struct model *m, struct arena_rows *out, size_t arena,
		      const struct sums *s)
{
	const struct model_arenas *a = &m->arenas;
	struct arena_row *row = arena_row_add(out, a->is_main[arena] ? "main" : "thread");

	row->arena = arena;
	row->addr = a->addr[arena];
	row->heaps = a->heaps[arena];
	row->system = a->system[arena];
	fill_sums(row, s);
	row->top = s->of[BLOCK_TOP];
	row->fastbin = s->of[BLOCK_FASTBIN];
	row->bins = s->of[BLOCK_BIN];
	row->fragmentation = thousandths(row->free - row->top, row->system);
	if (pages_are_known(m))
		row->resident = 0;
}

static void add_resident(const struct model *m, struct arena_rows *out)
{
	for (size_t i = 0; pages_are_known(m) && i < m->heaps.n; i++)
		out->rows[m->heaps.arena[i]].resident +=
			resident_in(m, m->heaps.start[i], m->heaps.end[i]);
}

static void add_mmapped(const struct model *m, struct arena_rows *out,
			const struct sums *s)
{
	struct arena_row *row;

	if (s->of[BLOCK_USED] + sum_free(s) == 0)
		return;
	row = arena_row_add(out, "mmapped");
	row->system = row->mmapped = s->of[BLOCK_USED] + sum_free(s);
	fill_sums(row, s);
	if (pages_are_known(m))
		row->resident = s->resident;
}

/* By what they had from the system; then as malloc has them in its ring. */
static int by_system(const void *a, const void *b)
{
	const struct arena_row *x = a, *y = b;

	return x->system != y->system ? compare(y->system, x->system)
				      : compare(x->arena, y->arena);
}

void arenas_build(const struct model *m, struct arena_rows *out)
{
	struct sums *sums = sums_build(m);

	*out = (struct arena_rows){ 0 };
	for (size_t i = 0; i < m->arenas.n; i++)
		add_arena(m, out, i, &sums[i]);
	add_resident(m, out);
	if (out->n)
		qsort(out->rows, out->n, sizeof(*out->rows), by_system);
	add_mmapped(m, out, &sums[m->arenas.n]);
	arena_add_pools(m, out);
	free(sums);
}

/* ---- bins ---- */

/* Those with most in them first. */
static int by_list(const void *a, const void *b)
{
	const struct arena_row *x = a, *y = b;
	const int orders[] = { compare(y->bytes, x->bytes), compare(x->arena, y->arena),
			       compare(x->tid, y->tid),     compare(x->low, y->low),
			       compare(x->count, y->count), strcmp(x->kind, y->kind) };

	for (size_t i = 0; i < countof(orders); i++)
		if (orders[i])
			return orders[i];
	return 0;
}

void arena_bins_build(const struct model *m, struct arena_rows *out)
{
	const struct model_bins *b = &m->bins;

	*out = (struct arena_rows){ 0 };
	for (size_t i = 0; i < b->n; i++) {
		struct arena_row *row = arena_row_add(out, bin_kind_name(b->kind[i]));

		if (b->arena[i] != BIN_OF_THREAD)
			row->arena = b->arena[i];
		if (b->thread[i])
			row->tid = m->threads.tid[b->thread[i] - 1];
		if (b->low[i])
			row->low = b->low[i];
		if (b->high[i])
			row->high = b->high[i];
		row->count = b->count[i];
		row->bytes = b->bytes[i];
	}
	if (out->n)
		qsort(out->rows, out->n, sizeof(*out->rows), by_list);
}

bool arena_bins_are_missing(const struct model *m)
{
	if (m->bins.n > 0)
		return false;
	for (size_t b = 0; b < m->blocks.n; b++)
		if (m->blocks.state[b] == BLOCK_TCACHE ||
		    m->blocks.state[b] == BLOCK_FASTBIN ||
		    m->blocks.state[b] == BLOCK_BIN)
			return true;
	return false;
}
