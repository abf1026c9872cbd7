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
static struct sums *sums_build(const struct resident *resident)
{
	const struct model *m = resident->m;
	struct sums *sums = xcalloc(m->arenas.n + 1, sizeof(*sums));

	for (size_t b = 0; b < m->blocks.n; b++) {
		struct sums *s = &sums[min_u64(m->blocks.arena[b], m->arenas.n)];
		uint64_t footprint = block_footprint(m, b);
		taddr end = m->blocks.addr[b] + m->blocks.size[b];

		s->of[m->blocks.state[b]] += footprint;
		if (m->blocks.arena[b] == BLOCK_MMAPPED)
			s->resident += resident_between(resident, end - footprint, end);
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

static void add_arena(const struct resident *resident, struct arena_rows *out,
		      size_t arena, const struct sums *s)
{
	const struct model_arenas *a = &resident->m->arenas;
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
	if (resident->is_known)
		row->resident = 0;
}

static void add_resident(const struct resident *resident, struct arena_rows *out)
{
	const struct model_heaps *h = &resident->m->heaps;

	for (size_t i = 0; resident->is_known && i < h->n; i++)
		out->rows[h->arena[i]].resident +=
			resident_between(resident, h->start[i], h->end[i]);
}

static void add_mmapped(const struct resident *resident, struct arena_rows *out,
			const struct sums *s)
{
	struct arena_row *row;

	if (s->of[BLOCK_USED] + sum_free(s) == 0)
		return;
	row = arena_row_add(out, "mmapped");
	row->system = row->mmapped = s->of[BLOCK_USED] + sum_free(s);
	fill_sums(row, s);
	if (resident->is_known)
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
	struct resident resident;
	struct sums *sums;

	*out = (struct arena_rows){ 0 };
	resident_init(&resident, m);
	sums = sums_build(&resident);
	for (size_t i = 0; i < m->arenas.n; i++)
		add_arena(&resident, out, i, &sums[i]);
	add_resident(&resident, out);
	if (out->n)
		qsort(out->rows, out->n, sizeof(*out->rows), by_system);
	add_mmapped(&resident, out, &sums[m->arenas.n]);
	arena_add_pools(&resident, out);
	resident_release(&resident);
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
