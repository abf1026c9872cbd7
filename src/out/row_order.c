/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows are shown, and in which order. Rows are never copied: an order is an array of
 * row numbers, and there is none when rows come as they are.
 *
 *   a limit       a heap of the best so far, its worst on top: 20 of ten million rows
 *                 cost one pass and 20 numbers
 *   all, numbers  radix sort, 16 bits a pass; passes where all keys agree are skipped
 *   all, text     qsort
 *
 * Equal rows stay in the order they came in, and absent cells come last either way, so
 * the same memory gives the same rows.
 */
#include "out/out_int.h"

#include <stdlib.h>

enum { RADIX_BITS = 16, RADIX = 1 << RADIX_BITS };

struct sorter {
	const struct table *t;
	struct buf scratch[2];
};

static uint32_t source_row(const struct table *t, size_t i)
{
	return t->pick ? t->pick[i] : (uint32_t)i;
}

static struct cell cell_of(const struct table *t, uint32_t row, struct buf *scratch)
{
	buf_clear(scratch);
	return table_cell(t, (size_t)(t->sort - t->columns), row, scratch);
}

/* Numbers that sort as these do: negative ones before 0. */
static uint64_t sort_key(const struct column *c, const struct cell *v)
{
	return column_is_signed(c) ? v->number ^ (uint64_t)1 << 63 : v->number;
}

/* <0: row a comes before row b. Never 0. */
static int rows_compare(struct sorter *s, uint32_t a, uint32_t b)
{
	struct cell x = cell_of(s->t, a, &s->scratch[0]);
	struct cell y = cell_of(s->t, b, &s->scratch[1]);
	int order;

	if ((x.kind == CELL_ABSENT) != (y.kind == CELL_ABSENT))
		return x.kind == CELL_ABSENT ? 1 : -1;
	if (x.kind == CELL_TEXT)
		order = str_compare(x.text, y.text);
	else
		order = (sort_key(s->t->sort, &x) > sort_key(s->t->sort, &y)) -
			(sort_key(s->t->sort, &x) < sort_key(s->t->sort, &y));
	if (order != 0)
		return s->t->ascending ? order : -order;
	return a < b ? -1 : 1;
}

static int rows_compare_qsort(const void *a, const void *b, void *sorter)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x == y ? 0 : rows_compare(sorter, x, y);
}

static void heap_sink_root(struct sorter *s, uint32_t *heap, size_t n)
{
	size_t at = 0, child;

	while ((child = 2 * at + 1) < n) {
		if (child + 1 < n && rows_compare(s, heap[child], heap[child + 1]) < 0)
			child++;
		if (rows_compare(s, heap[child], heap[at]) < 0)
			return;

		uint32_t row = heap[at];

		heap[at] = heap[child];
		heap[child] = row;
		at = child;
	}
}

/* The first `limit` rows of the order, by size still unordered: a heap, worst on top. */
static void rows_select(struct sorter *s, uint32_t *rows, size_t limit)
{
	for (size_t i = 0; i < limit; i++)
		rows[i] = source_row(s->t, i);
	/* Descending, so every parent comes behind its children: a heap. */
	qsort_r(rows, limit, sizeof(*rows), rows_compare_qsort, s);
	for (size_t i = 0; i < limit / 2; i++) {
		uint32_t row = rows[i];

		rows[i] = rows[limit - 1 - i];
		rows[limit - 1 - i] = row;
	}
	for (size_t i = limit; i < s->t->nrows; i++) {
		uint32_t row = source_row(s->t, i);

		if (rows_compare(s, row, rows[0]) > 0)
			continue;
		rows[0] = row;
		heap_sink_root(s, rows, limit);
	}
}

static uint64_t key_of(struct sorter *s, uint32_t row)
{
	struct cell v = cell_of(s->t, row, &s->scratch[0]);
	uint64_t key = sort_key(s->t->sort, &v);

	return s->t->ascending ? key : ~key;
}

static void radix_pass(struct sorter *s, unsigned shift, const uint32_t *from,
		       uint32_t *to, size_t n)
{
	size_t *at = xcalloc(RADIX + 1, sizeof(*at));

	for (size_t i = 0; i < n; i++)
		at[(key_of(s, from[i]) >> shift & (RADIX - 1)) + 1]++;
	for (size_t d = 1; d <= RADIX; d++)
		at[d] += at[d - 1];
	for (size_t i = 0; i < n; i++)
		to[at[key_of(s, from[i]) >> shift & (RADIX - 1)]++] = from[i];
	free(at);
}

/* Rows with a cell before rows without one, each kept in order; how many have one. */
static size_t rows_split(struct sorter *s, uint32_t *rows, uint32_t *spare)
{
	size_t present = 0, absent = 0;

	for (size_t i = 0; i < s->t->nrows; i++) {
		uint32_t row = source_row(s->t, i);

		if (cell_of(s->t, row, &s->scratch[0]).kind == CELL_ABSENT)
			spare[absent++] = row;
		else
			rows[present++] = row;
	}
	for (size_t i = 0; i < absent; i++)
		rows[present + i] = spare[i];
	return present;
}

static void rows_radix_sort(struct sorter *s, uint32_t *rows)
{
	uint32_t *spare = xcalloc(s->t->nrows, sizeof(*spare)), *from = rows, *to = spare;
	size_t n = rows_split(s, rows, spare);
	uint64_t differ = 0;

	for (size_t i = 0; i < n; i++)
		differ |= key_of(s, rows[i]) ^ key_of(s, rows[0]);
	for (unsigned shift = 0; shift < 64; shift += RADIX_BITS) {
		uint32_t *swap = from;

		if ((differ >> shift & (RADIX - 1)) == 0)
			continue;
		radix_pass(s, shift, from, to, n);
		from = to;
		to = swap;
	}
	if (from != rows)
		memcpy(rows, from, n * sizeof(*rows));
	free(spare);
}

struct row_order row_order_build(const struct table *t)
{
	size_t n = t->limit ? min_u64(t->limit, t->nrows) : t->nrows;
	struct row_order o = { .rows = t->pick, .n = n };
	struct sorter s = { .t = t };

	assert(t->nrows <= UINT32_MAX);
	if (!t->sort || n == 0)
		return o;
	o.owned = xcalloc(n, sizeof(*o.owned));
	o.rows = o.owned;
	if (n < t->nrows) {
		rows_select(&s, o.owned, n);
		qsort_r(o.owned, n, sizeof(*o.owned), rows_compare_qsort, &s);
	} else if (!column_is_text(t->sort)) {
		rows_radix_sort(&s, o.owned);
	} else {
		for (size_t i = 0; i < n; i++)
			o.owned[i] = source_row(t, i);
		qsort_r(o.owned, n, sizeof(*o.owned), rows_compare_qsort, &s);
	}
	buf_release(&s.scratch[0]);
	buf_release(&s.scratch[1]);
	return o;
}

void row_order_release(struct row_order *o)
{
	free(o->owned);
	*o = (struct row_order){ 0 };
}
