/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders of a table's rows besides their own, each an array of row numbers made by counting:
 *
 *	an index   by a hash of a column's value, rows of one hash in a run. A value is then
 *	           looked for in its run alone. Eight bytes a row, no tree, no value kept
 *	by class   all rows of the class that comes first, then those of the next
 */
#include "query/query_int.h"

#include <stdlib.h>

enum { TICK = 1 << 16 };

struct query_index {
	uint32_t *first; /* of runs + 1: where each begins in rows */
	uint32_t *rows;
	uint64_t runs; /* a power of two */
};

static uint64_t mix(uint64_t x)
{
	x *= 0x9e3779b97f4a7c15;
	return x ^ x >> 32;
}

static uint64_t run_of(const struct query_index *x, bool is_text, int64_t number,
		       struct str text)
{
	return mix(is_text ? str_hash(text) : (uint64_t)number) & (x->runs - 1);
}

struct indexing {
	const struct query_shared *s;
	struct query_index *x;
	size_t column;
	struct buf scratch;
};

/* The run of a row; false: it has no value. */
static bool run_of_row(struct indexing *i, size_t row, uint64_t *run)
{
	const struct query_table *t = i->s->t;
	enum query_type type = t->columns[i->column].type;
	struct query_value v;

	if (t->is_there && !t->is_there(t->source, row))
		return false;
	buf_clear(&i->scratch);
	v = t->get(t->source, row, i->column, &i->scratch);
	if (v.kind == QUERY_IS_ABSENT)
		return false;
	*run = run_of(i->x, v.kind == QUERY_IS_TEXT, query_number(type, v.number),
		      v.text);
	return true;
}

static bool count_rows(struct indexing *i)
{
	uint64_t run;

	for (size_t row = 0; row < i->s->nrows; row++) {
		if (row % TICK == 0 && !query_db_goes_on(i->s->q, TICK))
			return false;
		if (run_of_row(i, row, &run))
			i->x->first[run + 1]++;
	}
	for (uint64_t r = 0; r < i->x->runs; r++)
		i->x->first[r + 1] += i->x->first[r];
	return true;
}

/* `first` moves on with each row, and so each stands in the end where the next began. */
static bool place_rows(struct indexing *i)
{
	uint64_t run;

	for (size_t row = 0; row < i->s->nrows; row++) {
		if (row % TICK == 0 && !query_db_goes_on(i->s->q, TICK))
			return false;
		if (run_of_row(i, row, &run))
			i->x->rows[i->x->first[run]++] = (uint32_t)row;
	}
	memmove(i->x->first + 1, i->x->first, i->x->runs * sizeof(*i->x->first));
	i->x->first[0] = 0;
	return true;
}

struct query_index *query_index_build(const struct query_shared *s, size_t column)
{
	struct indexing i = { .s = s, .column = column };
	bool ok;

	if (s->nrows == 0 || s->nrows >= UINT32_MAX)
		return NULL;
	i.x = xcalloc(1, sizeof(*i.x));
	for (i.x->runs = 1; i.x->runs < s->nrows;)
		i.x->runs *= 2;
	i.x->first = xcalloc(i.x->runs + 1, sizeof(*i.x->first));
	i.x->rows = xcalloc(s->nrows, sizeof(*i.x->rows));
	ok = count_rows(&i) && place_rows(&i);
	buf_release(&i.scratch);
	if (ok)
		return i.x;
	query_index_free(i.x);
	return NULL;
}

void query_index_find(const struct query_index *x, const struct query_test *test,
		      const uint32_t **rows, size_t *n)
{
	uint64_t run = run_of(x, test->is_text, test->number, test->text);

	*rows = x->rows + x->first[run];
	*n = x->first[run + 1] - x->first[run];
}

void query_index_free(struct query_index *x)
{
	if (!x)
		return;
	free(x->first);
	free(x->rows);
	free(x);
}

/* ---- by class ---- */

struct ordering {
	const struct query_table *t;
	const struct query_plan *plan;
};

static int compare_values(const struct query_value *a, const struct query_value *b)
{
	if (a->kind != b->kind) /* NULL comes first */
		return a->kind == QUERY_IS_ABSENT ? -1 : 1;
	if (a->kind == QUERY_IS_TEXT)
		return str_compare(a->text, b->text);
	return (a->number > b->number) - (a->number < b->number);
}

static int compare_classes(const void *left, const void *right, void *ordering)
{
	const struct ordering *o = ordering;
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
	uint64_t columns = o->plan->order;

	for (unsigned i = 0; columns; columns >>= 8, i++) {
		size_t column = (columns & 0xff) - 1;
		struct query_value x = o->t->class_get(o->t->source, a, column);
		struct query_value y = o->t->class_get(o->t->source, b, column);
		int order = compare_values(&x, &y);

		if (order != 0)
			return o->plan->descending >> i & 1 ? -order : order;
	}
	return (a > b) - (a < b);
}

/* By class: its place in the order. */
static uint32_t *classes_rank(const struct query_table *t, const struct query_plan *p,
			      size_t n)
{
	struct ordering o = { t, p };
	uint32_t *order = xcalloc(n + 1, sizeof(*order));
	uint32_t *rank = xcalloc(n + 1, sizeof(*rank));

	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	qsort_r(order, n, sizeof(*order), compare_classes, &o);
	for (size_t i = 0; i < n; i++)
		rank[order[i]] = (uint32_t)i;
	free(order);
	return rank;
}

static bool is_there(const struct query_table *t, size_t row)
{
	return !t->is_there || t->is_there(t->source, row);
}

/* at[r + 1]: how many rows there are of rank r, then of all before it. */
static bool count_classes(const struct query_shared *s, const uint32_t *rank, size_t *at,
			  size_t n)
{
	const struct query_table *t = s->t;

	for (size_t row = 0; row < s->nrows; row++) {
		if (row % TICK == 0 && !query_db_goes_on(s->q, TICK))
			return false;
		if (is_there(t, row))
			at[rank[t->class_of(t->source, row)] + (size_t)1]++;
	}
	for (size_t i = 0; i < n; i++)
		at[i + 1] += at[i];
	return true;
}

static bool place_classes(const struct query_shared *s, const uint32_t *rank, size_t *at,
			  uint32_t *rows)
{
	const struct query_table *t = s->t;

	for (size_t row = 0; row < s->nrows; row++) {
		if (row % TICK == 0 && !query_db_goes_on(s->q, TICK))
			return false;
		if (is_there(t, row))
			rows[at[rank[t->class_of(t->source, row)]]++] = (uint32_t)row;
	}
	return true;
}

static bool order_fill(struct query_order *o, const struct query_shared *s,
		       const struct query_plan *p)
{
	size_t n = s->t->nclasses(s->t->source);
	size_t *at = xcalloc(n + 1, sizeof(*at));
	uint32_t *rank = classes_rank(s->t, p, n);
	bool ok = count_classes(s, rank, at, n);

	o->ends = at;
	if (ok) {
		o->n = at[n];
		o->rows = xcalloc(o->n + 1, sizeof(*o->rows));
		ok = place_classes(s, rank, at, o->rows);
	}
	free(rank);
	return ok;
}

/* A query has few orders, and they stay: a cursor may be within one while the next is made. */
const struct query_order *query_order_get(struct query_shared *s,
					  const struct query_plan *p)
{
	uint64_t key = p->order << 8 | p->descending;
	struct query_order *o;

	for (o = s->orders; o; o = o->next)
		if (o->key == key)
			return o;
	o = xcalloc(1, sizeof(*o));
	o->key = key;
	if (!order_fill(o, s, p)) {
		query_orders_free(o);
		return NULL;
	}
	o->next = s->orders;
	s->orders = o;
	return o;
}

void query_orders_free(struct query_order *all)
{
	while (all) {
		struct query_order *next = all->next;

		free(all->rows);
		free(all->ends);
		free(all);
		all = next;
	}
}
