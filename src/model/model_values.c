/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a target's memory says, taken out again. The texts go with their ids: they would
 * stay readable in a snapshot's strings else.
 */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

/* The texts as they were, and what has become of each. */
struct renaming {
	struct model_strings old;
	uint32_t *ids; /* new id + 1; 0 not met yet */
};

static uint32_t rename_text(struct model *m, const struct renaming *r, uint32_t id)
{
	uint64_t start = id ? r->old.end[id - 1] : 0;

	if (r->ids[id] == 0)
		r->ids[id] = model_intern(m, (struct str){ r->old.bytes.s + start,
							   r->old.end[id] - start }) +
			     1;
	return r->ids[id] - 1;
}

static void rename_table(struct model *m, const struct renaming *r,
			 const struct model_table_def *t)
{
	for (size_t c = 0; c < t->ncolumns; c++) {
		uint32_t *column = model_table_column(m, t, c);

		for (size_t i = 0;
		     t->columns[c].is_text && column && i < model_table_rows(m, t); i++)
			column[i] = rename_text(m, r, column[i]);
	}
}

/* An identifier; may the characters of `also` be in it, too. */
static bool is_name(struct str s, const char *also)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.s[i];
		bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				 c == '_' || (c & 0x80);
		bool is_inner = (c >= '0' && c <= '9') || (c && strchr(also, c));

		if (!is_letter && (i == 0 || !is_inner))
			return false;
	}
	return true;
}

static void drop_odd_name(struct model *m, uint32_t *name, const char *also)
{
	if (!is_name(model_text(m, *name), also))
		*name = model_intern(m, str_of("?"));
}

/* A name that no program's text can hold is data: setattr(x, "bob@x", 1). */
static void drop_odd_names(struct model *m)
{
	for (size_t i = 0; i < m->labels.n; i++)
		if (m->labels.kind[i] == LABEL_ATTRIBUTE)
			drop_odd_name(m, &m->labels.name[i], "");
	for (size_t i = 0; i < m->roots.n; i++)
		if (m->roots.kind[i] == ROOT_NAME)
			drop_odd_name(m, &m->roots.name[i], "");
	for (size_t i = 0; i < m->groups.n; i++)
		if (m->groups.kind[i] == ROOTS_MODULE)
			drop_odd_name(m, &m->groups.name[i], ".");
	for (size_t i = 0; i < m->types.n; i++) /* f.<locals>.C, method-wrapper */
		if (str_is(model_text(m, m->types.domain[i]), "python"))
			drop_odd_name(m, &m->types.kind[i], ".<>-");
}

void model_drop_values(struct model *m)
{
	struct renaming r;

	drop_odd_names(m);
	r.old = m->strings;
	r.ids = xcalloc(r.old.n, sizeof(*r.ids));
	m->strings = (struct model_strings){ 0 };
	(void)rename_text(m, &r, 0);
	model_table_resize(m, &model_tables[TABLE_previews], 0);
	model_table_resize(m, &model_tables[TABLE_memory], 0);
	for (size_t i = 0; m->objects.value && i < m->objects.n; i++)
		m->objects.value[i] = 0;
	for (size_t i = 0; i < MODEL_NTABLES; i++)
		rename_table(m, &r, &model_tables[i]);
	/* These go by the ids of before. */
	map_release(&m->type_by_words);
	map_release(&m->label_by_name);
	buf_release(&r.old.bytes);
	free(r.old.end);
	map_release(&r.old.by_hash);
	free(r.ids);
}
