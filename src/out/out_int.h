/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of out/. */
#ifndef OUT_OUT_INT_H
#define OUT_OUT_INT_H

#include "out/out.h"

/* Which rows are shown, in order. */
struct row_order {
	const uint32_t *rows; /* NULL: 0, 1, 2 … */
	uint32_t *owned;
	size_t n;
};

struct row_order row_order_build(const struct table *t);
void row_order_release(struct row_order *o);

static inline size_t row_order_at(const struct row_order *o, size_t i)
{
	return o->rows ? o->rows[i] : i;
}

/* A cell as people see it, escaped. Absent: nothing. */
void cell_show(const struct column *c, const struct cell *v, bool exact, struct buf *out);

/* Shortens s to at most `width` columns, in place of what is cut a mark. Returns the width
 * it has now: a wide character may not have fitted. The type says which end is cut. */
unsigned text_cut(struct sink *out, struct str s, unsigned width, enum column_type type);

void table_write_text(const struct table *t, const struct row_order *o, struct sink *out);
void table_write_cards(const struct table *t, const struct row_order *o,
		       struct sink *out);
void table_write_csv(const struct table *t, const struct row_order *o, struct sink *out);
/* The rows alone: a JSON array. */
void table_write_json(const struct table *t, const struct row_order *o, struct json *j);

#endif
