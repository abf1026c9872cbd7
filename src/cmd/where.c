/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/where_int.h"

#include <stdlib.h>

/* A table of cells as a table of values. */
struct rows {
	struct query_table query;
	struct query_column *columns;
	size_t *cells; /* which column of the table each is */
	const struct table *table;
};

enum query_type where_type(const struct column *c)
{
	static const enum query_type types[] = {
		[COLUMN_TEXT] = QUERY_TEXT,
		[COLUMN_PATH] = QUERY_PATH,
		[COLUMN_NAME] = QUERY_NAME,
		[COLUMN_CODE] = QUERY_CODE,
		[COLUMN_ADDRESS] = QUERY_ADDRESS,
		[COLUMN_BYTES] = QUERY_BYTES,
		[COLUMN_COUNT] = QUERY_COUNT,
		[COLUMN_NUMBER] = QUERY_NUMBER,
		[COLUMN_BOOL] = QUERY_BOOL,
		[COLUMN_BYTES_CHANGE] = QUERY_CHANGE,
		[COLUMN_COUNT_CHANGE] = QUERY_CHANGE,
		[COLUMN_VALUE] = QUERY_CHANGE,
	};

	assert(!column_is_nested(c));
	return types[c->type];
}

struct query_value where_value(struct cell cell)
{
	switch (cell.kind) {
	case CELL_NUMBER:
		return (struct query_value){ .kind = QUERY_IS_NUMBER,
					     .number = cell.number };
	case CELL_TEXT:
		return (struct query_value){ .kind = QUERY_IS_TEXT, .text = cell.text };
	default:
		return (struct query_value){ .kind = QUERY_IS_ABSENT };
	}
}

static size_t source_row(const struct table *t, size_t i)
{
	return t->pick ? t->pick[i] : i;
}

static struct query_value get(const void *source, size_t row, size_t column,
			      struct buf *scratch)
{
	const struct rows *r = source;
	const struct column *c = &r->table->columns[r->cells[column]];

	return where_value(c->get(r->table->source, source_row(r->table, row), scratch));
}

static void rows_init(struct rows *r, const struct table *t)
{
	size_t n = 0;

	*r = (struct rows){
		.columns = xcalloc(t->ncolumns + 1, sizeof(*r->columns)),
		.cells = xcalloc(t->ncolumns + 1, sizeof(*r->cells)),
		.table = t,
	};
	for (size_t i = 0; i < t->ncolumns; i++) {
		const struct column *c = &t->columns[i];

		if (c->flags & COLUMN_TEXT_ONLY || column_is_nested(c))
			continue;
		r->columns[n] =
			(struct query_column){ c->name, where_type(c), c->help, 0 };
		r->cells[n++] = i;
	}
	r->query = (struct query_table){ .name = "rows",
					 .columns = r->columns,
					 .ncolumns = n,
					 .source = r,
					 .nrows = t->nrows,
					 .get = get };
}

static void rows_release(struct rows *r)
{
	free(r->columns);
	free(r->cells);
}

bool where_check(const struct column *columns, size_t n, const char *option,
		 const char *expr, struct err *e)
{
	const struct table t = { .columns = columns, .ncolumns = n };
	struct rows r;
	bool ok;

	rows_init(&r, &t);
	ok = query_check(&r.query, expr, e);
	rows_release(&r);
	return ok || err_within(e, "%s", option);
}

bool where_pick(const struct table *t, const char *expr, uint32_t **rows, size_t *n,
		struct err *e)
{
	struct rows r;
	bool ok;

	rows_init(&r, t);
	ok = query_pick(&r.query, expr, rows, n, e);
	for (size_t i = 0; ok && i < *n; i++)
		(*rows)[i] = (uint32_t)source_row(t, (*rows)[i]);
	rows_release(&r);
	return ok;
}
