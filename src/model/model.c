/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every table has the same shape in memory: n, cap, then one pointer per column, in the
 * order of its X-list. So one reserve, one add and one release serve them all, by the
 * descriptors made here from the same lists.
 */
#include "model/model.h"

#include "base/err.h"
#include "base/search.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The shape shared by every struct model_<table>. */
struct any_table {
	size_t n, cap;
	void *columns[];
};

#define DEF_COLUMN(type, name) { #name, sizeof(type), false },
#define DEF_TEXT(name) { #name, sizeof(uint32_t), true },
#define DEF_TABLE(list, table) \
	static const struct model_column_def table##_columns[] = { list(DEF_COLUMN, \
									DEF_TEXT) }; \
	_Static_assert(sizeof(struct model_##table) == \
			       sizeof(struct any_table) + \
				       countof(table##_columns) * sizeof(void *), \
		       "a table is its head and one pointer per column");
MODEL_TABLES(DEF_TABLE)

#define ROW_TABLE(list, table) \
	{ #table, offsetof(struct model, table), table##_columns, \
	  countof(table##_columns) },
const struct model_table_def model_tables[MODEL_NTABLES] = { MODEL_TABLES(ROW_TABLE) };

static struct any_table *table_of(const struct model *m, const struct model_table_def *t)
{
	return (struct any_table *)((char *)(uintptr_t)m + t->offset);
}

size_t model_table_rows(const struct model *m, const struct model_table_def *t)
{
	return table_of(m, t)->n;
}

void *model_table_column(const struct model *m, const struct model_table_def *t, size_t c)
{
	assert(c < t->ncolumns);
	return table_of(m, t)->columns[c];
}

void model_table_reserve(struct model *m, const struct model_table_def *t, size_t rows)
{
	struct any_table *table = table_of(m, t);

	if (rows <= table->cap)
		return;
	for (size_t c = 0; c < t->ncolumns; c++)
		table->columns[c] = xrealloc(table->columns[c], rows, t->columns[c].size);
	table->cap = rows;
}

void model_table_resize(struct model *m, const struct model_table_def *t, size_t rows)
{
	struct any_table *table = table_of(m, t);

	if (table->cap ==
	    0) { /* the kernel's zeroes: no page is touched before it is used */
		for (size_t c = 0; c < t->ncolumns && rows > 0; c++)
			table->columns[c] = xcalloc(rows, t->columns[c].size);
		table->n = table->cap = rows;
		return;
	}
	model_table_reserve(m, t, rows);
	for (size_t c = 0; c < t->ncolumns && rows > table->n; c++) {
		size_t size = t->columns[c].size;

		memset((char *)table->columns[c] + table->n * size, 0,
		       (rows - table->n) * size);
	}
	table->n = rows;
}

void model_table_forget(struct model *m, const struct model_table_def *t,
			const char *column)
{
	struct any_table *table = table_of(m, t);

	for (size_t c = 0; c < t->ncolumns; c++)
		if (strcmp(t->columns[c].name, column) == 0) {
			free(table->columns[c]);
			table->columns[c] = NULL;
		}
}

static size_t table_add(struct model *m, enum model_table_id id)
{
	const struct model_table_def *t = &model_tables[id];
	struct any_table *table = table_of(m, t);

	if (table->n == table->cap)
		model_table_reserve(m, t, table->cap ? 2 * table->cap : 16);
	model_table_resize(m, t, table->n + 1);
	return table->n - 1;
}

#define DEF_ADD(list, table) \
	size_t model_##table##_add(struct model *m) \
	{ \
		return table_add(m, TABLE_##table); \
	}
MODEL_TABLES(DEF_ADD)

struct model *model_new(void)
{
	struct model *m = xcalloc(1, sizeof(*m));
	uint32_t empty = model_intern(m, (struct str){ "", 0 });

	assert(empty == 0);
	return m;
}

void model_free(struct model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < MODEL_NTABLES; i++) {
		struct any_table *table = table_of(m, &model_tables[i]);

		for (size_t c = 0; c < model_tables[i].ncolumns; c++)
			free(table->columns[c]);
	}
	if (m->bytes.close)
		m->bytes.close(m->bytes.context);
	buf_release(&m->strings.bytes);
	free(m->strings.end);
	map_release(&m->strings.by_hash);
	map_release(&m->type_by_words);
	map_release(&m->label_by_name);
	free(m);
}

struct str model_text(const struct model *m, uint32_t id)
{
	const struct model_strings *s = &m->strings;

	assert(id < s->n);
	uint64_t start = id ? s->end[id - 1] : 0;

	return (struct str){ s->bytes.s + start, s->end[id] - start };
}

uint32_t model_text_add(struct model *m, struct str text)
{
	struct model_strings *s = &m->strings;

	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->end = xrealloc(s->end, s->cap, sizeof(*s->end));
	}
	buf_add(&s->bytes, text.s, text.n);
	s->end[s->n] = s->bytes.n;
	return (uint32_t)s->n++;
}

uint32_t model_intern(struct model *m, struct str text)
{
	struct model_strings *s = &m->strings;
	uint64_t hash = str_hash(text);
	uint32_t id;

	if (text.n == 0 && s->n > 0)
		return 0;
	for (; map_find(&s->by_hash, hash, &id); hash++)
		if (str_equal(model_text(m, id), text))
			return id;
	id = model_text_add(m, text);
	map_set(&s->by_hash, hash, id);
	return id;
}

void model_find_out(struct model *m, enum severity severity, const char *where,
		    const char *fmt, ...)
{
	size_t row = model_findings_add(m);
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	m->findings.severity[row] = (uint8_t)severity;
	m->findings.where[row] = model_intern(m, str_of(where));
	m->findings.text[row] = model_intern(m, str_of(text));
}

void model_evidence(struct model *m, const char *item, const char *answer,
		    const char *evidence, const char *cure)
{
	size_t row = model_evidence_add(m);

	m->evidence.item[row] = model_intern(m, str_of(item));
	m->evidence.answer[row] = model_intern(m, str_of(answer));
	m->evidence.evidence[row] = model_intern(m, str_of(evidence));
	m->evidence.cure[row] = model_intern(m, str_of(cure));
}

uint32_t model_type(struct model *m, struct str domain, struct str kind,
		    struct str detail)
{
	uint32_t d = model_intern(m, domain), k = model_intern(m, kind);
	uint32_t t = model_intern(m, detail), row;
	uint64_t hash = ((uint64_t)d * 0x9e3779b97f4a7c15u ^ k) * 0x9e3779b97f4a7c15u ^ t;

	for (; map_find(&m->type_by_words, hash, &row); hash++)
		if (m->types.domain[row] == d && m->types.kind[row] == k &&
		    m->types.detail[row] == t)
			return row;
	row = (uint32_t)model_types_add(m);
	m->types.domain[row] = d;
	m->types.kind[row] = k;
	m->types.detail[row] = t;
	map_set(&m->type_by_words, hash, row);
	return row;
}

static uint16_t label_add(struct model *m, enum label_kind kind, uint32_t name)
{
	size_t row = model_labels_add(m);

	m->labels.kind[row] = (uint8_t)kind;
	m->labels.name[row] = name;
	return (uint16_t)row;
}

uint16_t model_label(struct model *m, enum label_kind kind, struct str name)
{
	uint32_t row, text = model_intern(m, name);
	uint64_t key = (uint64_t)text << 8 | kind;

	for (uint32_t k = 0; m->labels.n <= LABEL_WEAK && k <= LABEL_WEAK; k++)
		label_add(m, (enum label_kind)k, 0);
	if (text == 0 || m->labels.n > UINT16_MAX)
		return (uint16_t)kind;
	if (map_find(&m->label_by_name, key, &row))
		return (uint16_t)row;
	row = label_add(m, kind, text);
	map_set(&m->label_by_name, key, row);
	return (uint16_t)row;
}

bool model_knows_residency(const struct model *m)
{
	if (m->processes.n > 0 && m->processes.no_residency[0])
		return false;
	if (m->pages.n > 0)
		return true;
	for (size_t r = 0; r < m->regions.n; r++) /* older files do not say it */
		if (m->regions.resident[r] > 0)
			return true;
	return false;
}

size_t model_block_at(const struct model *m, taddr at)
{
	size_t low = search_words(m->blocks.addr, m->blocks.n, at);

	if (low == 0 || at - m->blocks.addr[low - 1] >= m->blocks.size[low - 1])
		return m->blocks.n;
	return low - 1;
}

static bool read_memory(const struct bytes_source *b, taddr at, uint8_t *bytes, size_t n,
			struct err *e)
{
	if (b->read(b->context, at, bytes, n))
		return true;
	return (!b->check || b->check(b->context, e)) &&
	       fail(e, ERR_FILE, "memory at 0x%lx cannot be read", at);
}

bool model_each_memory(const struct model *m, memory_take *take, void *context,
		       struct err *e)
{
	const size_t most = 1 << 20;
	const struct bytes_source *b = &m->bytes;
	uint8_t *bytes = xcalloc(1, most);
	bool ok = true;

	for (size_t i = 0; i < m->memory.n; i++) {
		taddr at = m->memory.start[i], end = m->memory.end[i];

		for (size_t n; ok && !m->memory.zeroes[i] && at < end; at += n) {
			n = (size_t)min_u64(most, end - at);
			ok = read_memory(b, at, bytes, n, e) &&
			     take(context, bytes, n, e);
		}
	}
	free(bytes);
	return ok;
}
