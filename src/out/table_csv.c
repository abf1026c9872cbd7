/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV as RFC 4180 has it: CRLF, a field with a comma, a quote or a space at its edge in
 * quotes, quotes doubled. Control bytes are escaped as in text, so a record is one line
 * and a terminal stays safe. An absent cell is an empty field.
 */
#include "out/out_int.h"

#include "base/utf8.h"

static void field_write(const struct column *c, struct str text, struct buf *spare,
			struct sink *out)
{
	if (utf8_plain_run(text, 0) == text.n && !memchr(text.s, ',', text.n) && text.n &&
	    text.s[0] != ' ' && text.s[text.n - 1] != ' ') {
		sink_add(out, text.s, text.n);
		return;
	}
	buf_clear(spare);
	(c->type == COLUMN_CODE ? utf8_escape_code : utf8_escape)(spare, text);
	if (spare->n == 0 || (!strpbrk(spare->s, ",\"") && spare->s[0] != ' ' &&
			      spare->s[spare->n - 1] != ' ')) {
		sink_add(out, spare->s, spare->n);
		return;
	}
	sink_char(out, '"');
	for (size_t i = 0; i < spare->n; i++) {
		if (spare->s[i] == '"')
			sink_char(out, '"');
		sink_char(out, spare->s[i]);
	}
	sink_char(out, '"');
}

enum { NOT_HERE = COLUMN_TEXT_ONLY | COLUMN_NOT_CSV };

static void real_field_write(double value, struct buf *spare, struct sink *out)
{
	buf_clear(spare);
	real_write(spare, value);
	sink_add(out, spare->s, spare->n);
}

static void cell_write_csv(const struct column *c, const struct cell *v,
			   struct buf *spare, struct sink *out)
{
	if (v->kind == CELL_ABSENT)
		return;
	if (v->kind == CELL_TEXT)
		field_write(c, v->text, spare, out);
	else if (v->kind == CELL_REAL)
		real_field_write(v->real, spare, out);
	else if (c->type == COLUMN_ADDRESS)
		sink_address(out, v->number);
	else if (c->type == COLUMN_BOOL)
		sink_str(out, v->number ? "true" : "false");
	else if (column_is_signed(c))
		sink_printf(out, "%lld", (long long)v->number);
	else
		sink_number(out, v->number);
}

static void record_write(const struct table *t, size_t row, struct buf *scratch,
			 struct buf *spare, struct sink *out)
{
	bool first = true;

	for (size_t c = 0; c < t->ncolumns; c++) {
		struct cell v;

		if (t->columns[c].flags & NOT_HERE)
			continue;
		buf_clear(scratch);
		v = table_cell(t, c, row, scratch);
		sink_str(out, first ? "" : ",");
		cell_write_csv(&t->columns[c], &v, spare, out);
		first = false;
	}
	sink_str(out, "\r\n");
}

void table_write_csv(const struct table *t, const struct row_order *o, struct sink *out)
{
	struct buf scratch = { 0 }, spare = { 0 };
	bool first = true;

	for (size_t c = 0; c < t->ncolumns; c++) {
		if (t->columns[c].flags & NOT_HERE)
			continue;
		sink_printf(out, first ? "%s" : ",%s", t->columns[c].name);
		first = false;
	}
	sink_str(out, "\r\n");
	for (size_t i = 0; i < o->n; i++)
		record_write(t, row_order_at(o, i), &scratch, &spare, out);
	buf_release(&scratch);
	buf_release(&spare);
}
