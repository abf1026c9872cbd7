/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of sentences, which no column would hold: the first word of a row stands left, all
 * else of it to the right of that, wrapped at the width of the terminal.
 *
 *	allocator   glibc 2.36
 *	            evidence: main_arena is where its own bins point to
 */
#include "out/out_int.h"

#include "base/utf8.h"

enum { LABEL_MOST = 24, LABEL_GAP = 2 };

static unsigned label_width(const struct table *t, const struct row_order *o)
{
	struct buf scratch = { 0 };
	unsigned width = 0;

	for (size_t i = 0; i < o->n; i++) {
		buf_clear(&scratch);

		struct cell v = table_cell(t, 0, row_order_at(o, i), &scratch);

		width = (unsigned)max_u64(width, utf8_str_width(v.text));
	}
	buf_release(&scratch);
	return (unsigned)min_u64(width, LABEL_MOST);
}

static void label_write(struct wrap *w, struct str label)
{
	sink_look(w->out, LOOK_HEAD);
	wrap_add(w, label);
	sink_look(w->out, LOOK_PLAIN);
	if (w->at >= w->indent) {
		wrap_line(w);
		return;
	}
	sink_spaces(w->out, w->indent - w->at);
	w->at = w->indent;
}

static void card_write(const struct table *t, size_t row, struct wrap *w)
{
	struct buf scratch = { 0 }, shown = { 0 };

	w->at = 0;
	for (size_t c = 0; c < t->ncolumns; c++) {
		struct cell v;

		buf_clear(&scratch);
		buf_clear(&shown);
		v = table_cell(t, c, row, &scratch);
		cell_show(&t->columns[c], &v, w->out->exact, &shown);
		if (c == 0) {
			label_write(w, buf_view(&shown));
			continue;
		}
		if (shown.n == 0)
			continue;
		if (w->at > w->indent)
			wrap_line(w);
		if (c > 1) {
			wrap_add(w, str_of(t->columns[c].name));
			wrap_add(w, str_of(":"));
		}
		wrap_words(w, buf_view(&shown));
	}
	sink_char(w->out, '\n');
	buf_release(&scratch);
	buf_release(&shown);
}

void table_write_cards(const struct table *t, const struct row_order *o, struct sink *out)
{
	struct wrap w = {
		.out = out,
		.indent = label_width(t, o) + LABEL_GAP,
		.width = out->width,
	};

	for (size_t i = 0; i < o->n; i++)
		card_write(t, row_order_at(o, i), &w);
	if (o->n == 0)
		sink_str(out, "(no rows)\n");
}
