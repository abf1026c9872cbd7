/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of a snapshot's texts, most of which are values of objects, the few that some tables name:
 * their ids are collected and read in order, so that each frame is decoded once.
 */
#include "base/ending.h"
#include "snap/snap_int.h"

#include <stdlib.h>

struct wanted {
	uint32_t *ids; /* of the file, in order, none twice */
	uint32_t *own; /* of the model */
	size_t n;
};

/* Calls `fn` for each id of a text column. */
typedef void id_fn(struct wanted *w, uint32_t *id);

static void each_id(struct model *m, struct wanted *w, id_fn *fn)
{
	for (size_t i = 0; i < MODEL_NTABLES; i++) {
		const struct model_table_def *t = &model_tables[i];
		size_t rows = model_table_rows(m, t);

		for (size_t c = 0; c < t->ncolumns; c++) {
			uint32_t *ids = model_table_column(m, t, c);

			for (size_t row = 0; t->columns[c].is_text && row < rows; row++)
				fn(w, &ids[row]);
		}
	}
}

static void count_id(struct wanted *w, uint32_t *id)
{
	(void)id;
	w->n++;
}

static void add_id(struct wanted *w, uint32_t *id)
{
	w->ids[w->n++] = *id;
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void make_own(struct wanted *w, uint32_t *id)
{
	const uint32_t *at = bsearch(id, w->ids, w->n, sizeof(*id), by_number);

	assert(at);
	*id = w->own[at - w->ids];
}

static void collect_ids(struct model *m, struct wanted *w)
{
	size_t all;

	each_id(m, w, count_id);
	w->ids = xcalloc(w->n, sizeof(*w->ids));
	all = w->n, w->n = 0;
	each_id(m, w, add_id);
	if (all > 0)
		qsort(w->ids, all, sizeof(*w->ids), by_number);
	w->n = 0;
	for (size_t i = 0; i < all; i++)
		if (w->n == 0 || w->ids[w->n - 1] != w->ids[i])
			w->ids[w->n++] = w->ids[i];
	w->own = xcalloc(w->n, sizeof(*w->own));
}

/* Where text `id` is; the texts before it end at *behind at least. */
static bool find_text(struct section_reader *end, uint64_t bytes, uint32_t id,
		      uint64_t at[2], struct err *e)
{
	uint64_t behind = at[1];

	if (id >= end->section.values.rows)
		return fail(e, ERR_FILE, "there is no string %u", id);
	if (!section_copy(end, id - 1, at, 2))
		return section_damage(end, "strings.end", e);
	return (behind <= at[0] && at[0] <= at[1] && at[1] <= bytes) ||
	       fail(e, ERR_FILE, "string %u cannot be true", id);
}

static bool read_texts(struct model *m, struct wanted *w, struct section_reader *end,
		       struct section_reader *bytes, struct err *e)
{
	uint64_t at[2] = { 0, 0 };
	struct buf text = { 0 };
	bool ok = true;

	for (size_t i = 0; ok && i < w->n; i++) {
		if (w->ids[i] == 0)
			continue; /* the empty one, here as there */
		ok = find_text(end, bytes->section.values.rows, w->ids[i], at, e) &&
		     ending_allows(at[1] - at[0], e);
		if (!ok)
			break;
		text.s = xrealloc(text.s, at[1] - at[0] + 1, 1);
		ok = section_copy(bytes, at[0], text.s, at[1] - at[0]) ||
		     section_damage(bytes, "strings.bytes", e);
		if (ok)
			w->own[i] =
				model_intern(m, (struct str){ text.s, at[1] - at[0] });
	}
	buf_release(&text);
	return ok;
}

bool texts_adopt(struct model *m, struct section_reader *end,
		 struct section_reader *bytes, struct err *e)
{
	struct wanted w = { 0 };
	bool ok;

	collect_ids(m, &w);
	ok = read_texts(m, &w, end, bytes, e);
	if (ok)
		each_id(m, &w, make_own);
	free(w.ids);
	free(w.own);
	return ok;
}
