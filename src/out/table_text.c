/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for people. Rows are pulled twice: once to learn how wide each column is and
 * whether it says anything at all, once to print. Nothing is kept of them in between.
 *
 * What is too wide for the terminal is made to fit by leaving out columns that said they
 * can be spared, then by cutting text columns, the widest first; addresses and numbers are
 * never cut, so the worst terminal still tells the truth.
 * Rows that a limit cuts are one line together, so that every column still adds up.
 * Without a terminal nothing is cut, and a text that is wider than most just overflows.
 */
#include "out/out_int.h"

#include "base/utf8.h"
#include <stdlib.h>

enum {
	GAP = 2,
	NARROWEST = 6, /* a text column is not cut below this */
	WIDEST = 48,   /* nor padded beyond this */
};

#define TOTAL_LABEL "TOTAL"
#define OTHERS_LABEL "others" /* where "the other 30 rows" has no room */

struct shape {
	unsigned width; /* 0: the column is not shown */
	bool says;      /* some row has something other than nothing (or 0) */
	bool has_total;
	uint64_t total, shown; /* of all rows, of those printed */
};

struct text_writer {
	const struct table *t;
	const struct row_order *order;
	struct sink *out;
	struct shape *shapes;
	struct buf scratch, shown;
	size_t pending; /* spaces owed before the next word of this line */
};

static struct cell cell_at(struct text_writer *w, size_t c, size_t row)
{
	buf_clear(&w->scratch);
	return table_cell(w->t, c, row, &w->scratch);
}

/* The cell in w->shown, its width. */
static unsigned cell_render(struct text_writer *w, size_t c, const struct cell *v)
{
	buf_clear(&w->shown);
	cell_show(&w->t->columns[c], v, w->out->exact, &w->shown);
	return utf8_str_width(buf_view(&w->shown));
}

static void shape_total(struct text_writer *w, size_t c)
{
	struct shape *s = &w->shapes[c];

	for (size_t i = 0; i < w->t->nrows; i++) {
		struct cell v = cell_at(w, c, w->t->pick ? w->t->pick[i] : i);

		if (v.kind == CELL_NUMBER) {
			s->has_total = true;
			s->total += v.number;
		}
	}
}

static void shape_see(struct text_writer *w, size_t c, size_t row)
{
	struct shape *s = &w->shapes[c];
	struct cell v = cell_at(w, c, row);
	unsigned width = cell_render(w, c, &v);

	if (width == 0)
		return;
	s->width = (unsigned)max_u64(s->width, width);
	s->shown += v.kind == CELL_NUMBER ? v.number : 0;
	s->says |= v.kind != CELL_NUMBER || v.number != 0 ||
		   !(w->t->columns[c].flags & COLUMN_NOT_ZERO);
}

static void shape_end(struct text_writer *w, size_t c)
{
	struct shape *s = &w->shapes[c];

	s->says |= s->total != 0;
	if (!s->says) {
		s->width = 0;
		return;
	}
	if (s->has_total) {
		struct cell total = cell_number(s->total);
		struct cell others = cell_number(s->total - s->shown);

		s->width = (unsigned)max_u64(s->width, cell_render(w, c, &total));
		s->width = (unsigned)max_u64(s->width, cell_render(w, c, &others));
	}
	s->width = (unsigned)max_u64(s->width, strlen(w->t->columns[c].name));
}

/* Where "TOTAL" stands: the first column that has none. ncolumns: nothing is added up. */
static size_t label_column(const struct text_writer *w)
{
	size_t label = w->t->ncolumns;
	bool any = false;

	for (size_t c = w->t->ncolumns; c > 0; c--) {
		if (w->shapes[c - 1].width && !w->shapes[c - 1].has_total)
			label = c - 1;
		any |= w->shapes[c - 1].width && w->shapes[c - 1].has_total;
	}
	return any ? label : w->t->ncolumns;
}

/* Row by row: in an order that is not memory's, a row is fetched once. */
static void shapes_see(struct text_writer *w)
{
	const struct column *columns = w->t->columns;

	for (size_t c = 0; c < w->t->ncolumns; c++)
		if (columns[c].flags & COLUMN_TOTAL)
			shape_total(w, c);
	for (size_t i = 0; i < w->order->n; i++)
		for (size_t c = 0; c < w->t->ncolumns; c++)
			if (!(columns[c].flags & COLUMN_NOT_TEXT))
				shape_see(w, c, row_order_at(w->order, i));
	for (size_t c = 0; c < w->t->ncolumns; c++)
		shape_end(w, c);

	size_t label = label_column(w);
	size_t least =
		w->order->n < w->t->nrows ? strlen(OTHERS_LABEL) : strlen(TOTAL_LABEL);

	if (label < w->t->ncolumns)
		w->shapes[label].width = (unsigned)max_u64(w->shapes[label].width, least);
}

static unsigned shapes_width(const struct text_writer *w)
{
	unsigned all = 0;

	for (size_t c = 0; c < w->t->ncolumns; c++)
		if (w->shapes[c].width)
			all += w->shapes[c].width + (all ? GAP : 0);
	return all;
}

/* The widest column that may be cut, or NULL. */
static struct shape *widest_text(const struct text_writer *w)
{
	struct shape *widest = NULL;

	for (size_t c = 0; c < w->t->ncolumns; c++)
		if (column_is_text(&w->t->columns[c]) &&
		    !(w->t->columns[c].flags & COLUMN_WHOLE) &&
		    (!widest || w->shapes[c].width > widest->width))
			widest = &w->shapes[c];
	return widest && widest->width > NARROWEST ? widest : NULL;
}

static void shapes_fit(struct text_writer *w)
{
	unsigned room = w->out->width;
	struct shape *widest;

	for (size_t c = 0; !room && c < w->t->ncolumns; c++)
		if (column_is_text(&w->t->columns[c]))
			w->shapes[c].width =
				(unsigned)min_u64(w->shapes[c].width, WIDEST);
	for (size_t c = w->t->ncolumns; room && c > 0 && shapes_width(w) > room; c--)
		if (w->t->columns[c - 1].flags & COLUMN_IF_ROOM &&
		    &w->t->columns[c - 1] != w->t->sort)
			w->shapes[c - 1].width = 0;
	while (room && shapes_width(w) > room && (widest = widest_text(w)))
		widest->width--;
}

/* A word of this width in column c, the line's spaces before it as they are due. */
static void field_write(struct text_writer *w, size_t c, struct str word, unsigned width)
{
	const struct column *column = &w->t->columns[c];
	unsigned room = w->shapes[c].width;
	bool cut = width > room && w->out->width && column_is_text(column);

	if (!column_is_text(column)) { /* to the right */
		w->pending += room > width ? room - width : 0;
		width = room;
	}
	if (word.n) {
		sink_spaces(w->out, w->pending);
		w->pending = 0;
		if (cut)
			width = text_cut(w->out, word, room, column->type);
		else
			sink_add(w->out, word.s, word.n);
	}
	w->pending += (room > width ? room - width : 0) + GAP;
}

static void line_end(struct text_writer *w)
{
	sink_char(w->out, '\n');
	w->pending = 0;
}

static void heading_write(struct text_writer *w)
{
	sink_look(w->out, LOOK_HEAD);
	for (size_t c = 0; c < w->t->ncolumns; c++) {
		if (!w->shapes[c].width)
			continue;
		buf_clear(&w->shown);
		capitals_show(&w->shown, w->t->columns[c].name);
		field_write(w, c, buf_view(&w->shown), (unsigned)w->shown.n);
	}
	sink_look(w->out, LOOK_PLAIN);
	line_end(w);
}

static void row_write(struct text_writer *w, size_t row)
{
	for (size_t c = 0; c < w->t->ncolumns; c++) {
		struct cell v;
		unsigned width;

		if (!w->shapes[c].width)
			continue;
		v = cell_at(w, c, row);
		width = cell_render(w, c, &v);
		field_write(w, c, buf_view(&w->shown), width);
	}
	line_end(w);
}

/* "the other 30 rows" from column c on up to the next that is added up; that one. */
static size_t others_label_write(struct text_writer *w, size_t c, size_t others)
{
	unsigned room = w->shapes[c++].width, width;

	for (; c < w->t->ncolumns && !w->shapes[c].has_total; c++)
		room += w->shapes[c].width ? GAP + w->shapes[c].width : 0;
	buf_clear(&w->shown);
	buf_str(&w->shown, "the other ");
	count_show(&w->shown, others);
	buf_str(&w->shown, others == 1 ? " row" : " rows");
	if (w->shown.n > room) {
		buf_clear(&w->shown);
		buf_str(&w->shown, OTHERS_LABEL);
	}
	width = (unsigned)min_u64(w->shown.n, room);
	sink_add(w->out, w->shown.s, w->shown.n);
	w->pending = room - width + GAP;
	return c;
}

/* What the rows add up to that a limit left out: with it the columns add up again. */
static void others_write(struct text_writer *w)
{
	size_t others = w->t->nrows - w->order->n, label = label_column(w);

	if (others == 0 || label == w->t->ncolumns)
		return;
	for (size_t c = 0; c < w->t->ncolumns; c++) {
		struct cell v;
		unsigned width;

		if (c == label)
			c = others_label_write(w, c, others);
		if (c == w->t->ncolumns || !w->shapes[c].width)
			continue;
		v = w->shapes[c].has_total
			    ? cell_number(w->shapes[c].total - w->shapes[c].shown)
			    : cell_absent();
		width = cell_render(w, c, &v);
		field_write(w, c, buf_view(&w->shown), width);
	}
	line_end(w);
}

static void total_write(struct text_writer *w)
{
	size_t label = label_column(w);
	unsigned width;

	if (label == w->t->ncolumns)
		return;
	sink_look(w->out, LOOK_HEAD);
	for (size_t c = 0; c < w->t->ncolumns; c++) {
		struct cell v = w->shapes[c].has_total ? cell_number(w->shapes[c].total)
						       : cell_absent();

		if (!w->shapes[c].width)
			continue;
		width = cell_render(w, c, &v);
		if (c == label)
			field_write(w, c, str_of(TOTAL_LABEL), strlen(TOTAL_LABEL));
		else
			field_write(w, c, buf_view(&w->shown), width);
	}
	sink_look(w->out, LOOK_PLAIN);
	line_end(w);
}

void table_write_text(const struct table *t, const struct row_order *o, struct sink *out)
{
	struct text_writer w = {
		.t = t,
		.order = o,
		.out = out,
		.shapes = xcalloc(t->ncolumns, sizeof(*w.shapes)),
	};

	shapes_see(&w);
	shapes_fit(&w);
	if (o->n) {
		heading_write(&w);
		for (size_t i = 0; i < o->n; i++)
			row_write(&w, row_order_at(o, i));
		others_write(&w);
		total_write(&w);
	} else {
		sink_str(out, "(no rows)\n");
	}
	free(w.shapes);
	buf_release(&w.scratch);
	buf_release(&w.shown);
}

void table_show(const struct table *t, struct sink *out)
{
	struct row_order o = row_order_build(t);

	table_write_text(t, &o, out);
	row_order_release(&o);
}
