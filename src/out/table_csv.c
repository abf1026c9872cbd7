/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV as RFC 4180 has it: CRLF, a field with a comma, a quote or a space at its edge in
 * quotes, quotes doubled. Control bytes are escaped as in text, so a record is one line
 * and a terminal stays safe. An absent cell is an empty field.
 */
#include "out/out_int.h"

#include "base/utf8.h"

static void field_write(struct str text, struct buf *spare, struct sink *out)
{
	buf_clear(spare);
	utf8_escape(spare, text);
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

static void cell_write_csv(const struct column *c, const struct cell *v,
			   struct buf *spare, struct sink *out)
{
	if (v->kind == CELL_ABSENT)
		return;
	if (v->kind == CELL_TEXT)
		field_write(v->text, spare, out);
	else if (c->type == COLUMN_ADDRESS)
		sink_address(out, v->number);
	else if (c->type == COLUMN_BOOL)
		sink_str(out, v->number ? "true" : "false");
	else
		sink_number(out, v->number);
}

void table_write_csv(const struct table *t, const struct row_order *o, struct sink *out)
{
	struct buf scratch = { 0 }, spare = { 0 };

	for (size_t c = 0; c < t->ncolumns; c++) {
		sink_str(out, c ? "," : "");
		sink_str(out, t->columns[c].name);
	}
	sink_str(out, "\r\n");
	for (size_t i = 0; i < o->n; i++) {
		for (size_t c = 0; c < t->ncolumns; c++) {
			struct cell v;

			buf_clear(&scratch);
			v = t->columns[c].get(t->source, row_order_at(o, i), &scratch);
			sink_str(out, c ? "," : "");
			cell_write_csv(&t->columns[c], &v, &spare, out);
		}
		sink_str(out, "\r\n");
	}
	buf_release(&scratch);
	buf_release(&spare);
}
