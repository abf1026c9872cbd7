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

void cell_show(const struct column *c, const struct cell *v, bool exact, struct buf *out)
{
	if (v->kind == CELL_ABSENT)
		return;
	switch (c->type) {
	case COLUMN_TEXT:
	case COLUMN_PATH:
		utf8_escape(out, v->text);
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
	case COLUMN_NUMBER:
		number_show(out, v->number);
		return;
	case COLUMN_BOOL:
		buf_str(out, v->number ? "yes" : "no");
		return;
	}
}

static void cell_write_json(const struct column *c, const struct cell *v, struct json *j)
{
	json_key(j, c->name);
	if (v->kind == CELL_TEXT)
		json_str(j, v->text);
	else if (c->type == COLUMN_ADDRESS)
		json_address(j, v->number);
	else if (c->type == COLUMN_BOOL)
		json_bool(j, v->number);
	else
		json_number(j, v->number);
}

void table_write_json(const struct table *t, const struct row_order *o, struct json *j)
{
	struct buf scratch = { 0 };

	json_open(j, '[');
	for (size_t i = 0; i < o->n; i++) {
		json_newline(j);
		json_open(j, '{');
		for (size_t c = 0; c < t->ncolumns; c++) {
			struct cell v;

			if (t->columns[c].flags & COLUMN_TEXT_ONLY)
				continue;
			buf_clear(&scratch);
			v = t->columns[c].get(t->source, row_order_at(o, i), &scratch);
			if (v.kind != CELL_ABSENT)
				cell_write_json(&t->columns[c], &v, j);
		}
		json_close(j, '}');
	}
	if (o->n)
		json_newline(j);
	json_close(j, ']');
	buf_release(&scratch);
}
