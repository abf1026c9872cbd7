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

enum { WIDTH_UNKNOWN = 80, LABEL_MOST = 24, LABEL_GAP = 2 };

struct card_writer {
	struct sink *out;
	unsigned indent, width; /* of the words: where they start, where they end */
	unsigned at;            /* where this line stands */
};

static void words_write(struct card_writer *w, struct str text)
{
	for (size_t at = 0; at < text.n;) {
		struct str word = { text.s + at, 0 };
		unsigned width;

		while (at + word.n < text.n && word.s[word.n] != ' ')
			word.n++;
		width = utf8_str_width(word);
		if (w->at > w->indent && w->at + 1 + width > w->width) {
			sink_char(w->out, '\n');
			sink_spaces(w->out, w->indent);
			w->at = w->indent;
		} else if (w->at > w->indent) {
			sink_char(w->out, ' ');
			w->at++;
		}
		sink_add(w->out, word.s, word.n);
		w->at += width;
		for (at += word.n; at < text.n && text.s[at] == ' ';)
			at++;
	}
}

static unsigned label_width(const struct table *t, const struct row_order *o)
{
	struct buf scratch = { 0 };
	unsigned width = 0;

	for (size_t i = 0; i < o->n; i++) {
		buf_clear(&scratch);

		struct cell v =
			t->columns[0].get(t->source, row_order_at(o, i), &scratch);

		width = (unsigned)max_u64(width, utf8_str_width(v.text));
	}
	buf_release(&scratch);
	return (unsigned)min_u64(width, LABEL_MOST);
}

static void card_write(const struct table *t, size_t row, struct card_writer *w)
{
	struct buf scratch = { 0 }, shown = { 0 };

	for (size_t c = 0; c < t->ncolumns; c++) {
		buf_clear(&scratch);
		buf_clear(&shown);

		struct cell v = t->columns[c].get(t->source, row, &scratch);

		cell_show(&t->columns[c], &v, w->out->exact, &shown);
		if (c > 0 && shown.n == 0)
			continue;
		if (c == 0) {
			sink_look(w->out, LOOK_HEAD);
			sink_add(w->out, shown.s, shown.n);
			sink_look(w->out, LOOK_PLAIN);
			w->at = utf8_str_width(buf_view(&shown));
			continue;
		}
		if (w->at >= w->indent) {
			sink_char(w->out, '\n');
			w->at = 0;
		}
		sink_spaces(w->out, w->indent - w->at);
		w->at = w->indent;
		if (c > 1) {
			words_write(w, str_of(t->columns[c].name));
			sink_char(w->out, ':');
			w->at++;
		}
		words_write(w, buf_view(&shown));
	}
	sink_char(w->out, '\n');
	buf_release(&scratch);
	buf_release(&shown);
}

void table_write_cards(const struct table *t, const struct row_order *o, struct sink *out)
{
	struct card_writer w = {
		.out = out,
		.indent = label_width(t, o) + LABEL_GAP,
		.width = out->width ? out->width : WIDTH_UNKNOWN,
	};

	for (size_t i = 0; i < o->n; i++)
		card_write(t, row_order_at(o, i), &w);
	if (o->n == 0)
		sink_str(out, "(no rows)\n");
}
