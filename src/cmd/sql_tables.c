/* SPDX-License-Identifier: Apache-2.0 */
/* The declared tables as query/ takes them: over the model's columns, or a command's. */
#include "cmd/sql_int.h"

#include <stdlib.h>

struct sql_values {
	const void *values; /* NULL: the column has a function */
	size_t size;
	bool is_text, zero_is_absent;
	size_t like; /* which column of the command */
};

/* ---- values ---- */

static struct query_value number(uint64_t n)
{
	return (struct query_value){ .kind = QUERY_IS_NUMBER, .number = n };
}

static uint64_t number_at(const struct sql_values *v, size_t row)
{
	switch (v->size) {
	case 1:
		return ((const uint8_t *)v->values)[row];
	case 2:
		return ((const uint16_t *)v->values)[row];
	case 4:
		return ((const uint32_t *)v->values)[row];
	default:
		return ((const uint64_t *)v->values)[row];
	}
}

static struct query_value number_of(const struct sql_values *v, size_t row)
{
	uint64_t n = number_at(v, row);

	return n == 0 && v->zero_is_absent
		       ? (struct query_value){ .kind = QUERY_IS_ABSENT }
		       : number(n);
}

static struct query_value text_of(const struct model *m, uint32_t id)
{
	if (id == 0)
		return (struct query_value){ .kind = QUERY_IS_ABSENT };
	return (struct query_value){ .kind = QUERY_IS_TEXT, .text = model_text(m, id) };
}

static struct query_value get(const void *source, size_t row, size_t column,
			      struct buf *scratch)
{
	const struct sql_rows *r = source;
	const struct sql_values *v = &r->values[column];

	if (r->t->like)
		return where_value(r->t->like->columns[v->like].get(
			r->like, r->pick ? r->pick[row] : row, scratch));
	if (!v->values)
		return where_value(r->t->columns[column].get(source, row, scratch));
	return v->is_text ? text_of(r->nodes.m, (uint32_t)number_at(v, row))
			  : number_of(v, row);
}

/* ---- types as classes of nodes ---- */

static size_t type_classes(const void *source)
{
	return ((const struct sql_rows *)source)->nodes.m->types.n + 1;
}

static uint32_t type_class_of(const void *source, size_t row)
{
	const struct model *m = ((const struct sql_rows *)source)->nodes.m;

	return (uint32_t)min_u64(node_type(m, (uint32_t)row), m->types.n);
}

static struct query_value type_class_get(const void *source, size_t class, size_t column)
{
	const struct sql_rows *r = source;
	const struct model *m = r->nodes.m;
	const char *name = r->columns[column].name;
	const uint32_t *words = strcmp(name, "domain") == 0 ? m->types.domain
				: strcmp(name, "kind") == 0 ? m->types.kind
							    : m->types.detail;

	if (class >= m->types.n)
		return (struct query_value){ .kind = QUERY_IS_ABSENT };
	return (struct query_value){ .kind = QUERY_IS_TEXT,
				     .text = model_text(m, words[class]) };
}

/* ---- putting a table together ---- */

static void values_find(struct sql_values *v, const struct sql_rows *r, const char *name)
{
	const struct model_table_def *def = &model_tables[r->t->rows];
	size_t i = 0;

	while (i < def->ncolumns && strcmp(def->columns[i].name, name) != 0)
		i++;
	assert(i < def->ncolumns);
	v->values = r->nodes.m ? model_table_column(r->nodes.m, def, i) : NULL;
	v->size = def->columns[i].size;
	v->is_text = def->columns[i].is_text;
}

static size_t columns_take(struct sql_rows *r)
{
	const struct sql_table *t = r->t;

	r->columns = xcalloc(t->ncolumns, sizeof(*r->columns));
	r->values = xcalloc(t->ncolumns, sizeof(*r->values));
	for (size_t i = 0; i < t->ncolumns; i++) {
		const struct sql_column *c = &t->columns[i];
		const struct column as = { .type = c->type };

		r->columns[i] = (struct query_column){ c->name, where_type(&as), c->help,
						       c->flags };
		r->values[i].zero_is_absent = c->flags & SQL_ZERO_IS_ABSENT;
		if (!c->get)
			values_find(&r->values[i], r, c->of ? c->of : c->name);
	}
	return t->ncolumns;
}

static size_t columns_take_like(struct sql_rows *r)
{
	const struct command *like = r->t->like;
	size_t n = 0;

	r->columns = xcalloc(like->ncolumns, sizeof(*r->columns));
	r->values = xcalloc(like->ncolumns, sizeof(*r->values));
	for (size_t i = 0; i < like->ncolumns; i++) {
		const struct column *c = &like->columns[i];

		if (c->flags & COLUMN_TEXT_ONLY)
			continue;
		r->columns[n] =
			(struct query_column){ c->name, where_type(c), c->help, 0 };
		r->values[n++].like = i;
	}
	return n;
}

static size_t rows_about(const struct sql_table *t, const struct model *m)
{
	if (!m)
		return 0;
	return t->count ? t->count(m) : model_table_rows(m, &model_tables[t->rows]);
}

static void table_take(struct sql_tables *s, size_t i, const struct model *m)
{
	const struct sql_table *t = sql_table_at(i);
	struct sql_rows *r = &s->rows[i];
	size_t ncolumns;

	*r = (struct sql_rows){ .nodes.m = m, .t = t, .worked_out = &s->worked_out };
	ncolumns = t->like ? columns_take_like(r) : columns_take(r);
	s->tables[i] = (struct query_table){
		.name = t->name,
		.help = t->help,
		.columns = r->columns,
		.ncolumns = ncolumns,
		.source = r,
		.nrows = rows_about(t, m),
		.get = get,
		.begin = t->begin,
		.is_there = t->is_there,
		.find = t->find,
		.nclasses = t->has_classes ? type_classes : NULL,
		.class_of = t->has_classes ? type_class_of : NULL,
		.class_get = t->has_classes ? type_class_get : NULL,
	};
}

size_t sql_table_count(void)
{
	return sql_ngraph_tables + sql_nmemory_tables;
}

const struct sql_table *sql_table_at(size_t i)
{
	return i < sql_ngraph_tables ? &sql_graph_tables[i]
				     : &sql_memory_tables[i - sql_ngraph_tables];
}

void sql_tables_init(struct sql_tables *s, const struct model *m)
{
	*s = (struct sql_tables){ .n = sql_table_count() };
	s->tables = xcalloc(s->n, sizeof(*s->tables));
	s->rows = xcalloc(s->n, sizeof(*s->rows));
	for (size_t i = 0; i < s->n; i++)
		table_take(s, i, m);
}

void sql_tables_release(struct sql_tables *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->rows[i].columns);
		free(s->rows[i].values);
	}
	block_pick_release(&s->worked_out.blocks);
	top_release(&s->worked_out.top.top);
	arena_rows_release(&s->worked_out.arenas);
	free(s->worked_out.is_string);
	free(s->worked_out.items);
	free(s->tables);
	free(s->rows);
}
