/* SPDX-License-Identifier: Apache-2.0 */
/* One value: how it looks in text, in JSON, in CSV. */
#include "out/out_int.h"

#include "base/utf8.h"

const struct column *column_find(const struct column *columns, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(columns[i].name, name) == 0)
			return &columns[i];
	return NULL;
}

static void value_show(const struct cell *v, struct buf *out)
{
	if (v->kind == CELL_TEXT) {
		utf8_escape(out, v->text);
		return;
	}
	if (v->kind == CELL_REAL) {
		real_show(out, v->real);
		return;
	}
	if ((int64_t)v->number < 0)
		buf_char(out, '-');
	count_show(out, (int64_t)v->number < 0 ? -v->number : v->number);
}

void cell_show(const struct column *c, const struct cell *v, bool exact, struct buf *out)
{
	if (v->kind == CELL_ABSENT)
		return;
	switch (c->type) {
	case COLUMN_TEXT:
	case COLUMN_PATH:
	case COLUMN_NAME:
		utf8_escape(out, v->text);
		return;
	case COLUMN_CODE:
		utf8_escape_code(out, v->text);
		return;
	case COLUMN_ADDRESS:
		address_show(out, v->number);
		return;
	case COLUMN_BYTES:
		bytes_show(out, v->number, exact);
		return;
	case COLUMN_COUNT:
		count_show(out, v->number);
		return;
	case COLUMN_VALUE:
		value_show(v, out);
		return;
	case COLUMN_NUMBER:
		number_show(out, v->number);
		return;
	case COLUMN_BYTES_CHANGE:
		bytes_change_show(out, (int64_t)v->number, exact);
		return;
	case COLUMN_COUNT_CHANGE:
		count_change_show(out, (int64_t)v->number);
		return;
	case COLUMN_BOOL:
		buf_str(out, v->number ? "yes" : "no");
		return;
	case COLUMN_LIST:
	case COLUMN_OBJECT:
		return;
	}
}

static void row_write_json(const struct table *t, size_t row, struct json *j);

/* Tables stand in tables as deep as the columns of a command say, which is two.
 * NOLINTBEGIN(misc-no-recursion) */

/* Rows within a row; of lists also how many there are, if that is more than are shown. */
static void rows_write_json(const struct column *c, const struct table *t, struct json *j)
{
	struct row_order o = row_order_build(t);
	struct buf key = { 0 };

	if (c->type == COLUMN_LIST) {
		json_key(j, c->name);
		table_write_json(t, &o, j);
	} else if (o.n > 0) {
		json_key(j, c->name);
		row_write_json(t, row_order_at(&o, 0), j);
	}
	if (c->type == COLUMN_LIST && o.n < t->nrows) {
		buf_printf(&key, "%s_total", c->name);
		json_key(j, key.s);
		json_number(j, t->nrows);
	}
	row_order_release(&o);
	buf_release(&key);
}

static void cell_write_json(const struct column *c, const struct cell *v, struct json *j)
{
	if (v->kind == CELL_ROWS) {
		rows_write_json(c, v->rows, j);
		return;
	}
	json_key(j, c->name);
	if (v->kind == CELL_TEXT)
		json_str(j, v->text);
	else if (v->kind == CELL_REAL)
		json_real(j, v->real);
	else if (c->type == COLUMN_ADDRESS)
		json_address(j, v->number);
	else if (c->type == COLUMN_BOOL)
		json_bool(j, v->number);
	else if (column_is_signed(c))
		json_signed(j, (int64_t)v->number);
	else
		json_number(j, v->number);
}

static void row_write_json(const struct table *t, size_t row, struct json *j)
{
	struct buf scratch = { 0 };

	json_open(j, '{');
	for (size_t c = 0; c < t->ncolumns; c++) {
		struct cell v;

		if (t->columns[c].flags & COLUMN_TEXT_ONLY)
			continue;
		buf_clear(&scratch);
		v = table_cell(t, c, row, &scratch);
		if (v.kind != CELL_ABSENT)
			cell_write_json(&t->columns[c], &v, j);
	}
	json_close(j, '}');
	buf_release(&scratch);
}

void table_write_json(const struct table *t, const struct row_order *o, struct json *j)
{
	json_open(j, '[');
	for (size_t i = 0; i < o->n; i++) {
		json_newline(j);
		row_write_json(t, row_order_at(o, i), j);
	}
	if (o->n)
		json_newline(j);
	json_close(j, ']');
}
/* NOLINTEND(misc-no-recursion) */
