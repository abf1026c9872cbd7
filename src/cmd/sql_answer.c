/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of an answer: what a cell holds is kept as eight bytes and its kind as one, as
 * many rows as are shown; of the others it is counted how many there are.
 */
#include "cmd/sql_int.h"

#include "base/utf8.h"
#include <stdio.h>
#include <stdlib.h>

static enum column_type column_type_of(enum query_type type)
{
	static const enum column_type types[] = {
		[QUERY_TEXT] = COLUMN_TEXT,       [QUERY_PATH] = COLUMN_PATH,
		[QUERY_NAME] = COLUMN_NAME,       [QUERY_CODE] = COLUMN_CODE,
		[QUERY_ADDRESS] = COLUMN_ADDRESS, [QUERY_BYTES] = COLUMN_BYTES,
		[QUERY_COUNT] = COLUMN_COUNT,     [QUERY_NUMBER] = COLUMN_NUMBER,
		[QUERY_CHANGE] = COLUMN_VALUE,    [QUERY_BOOL] = COLUMN_BOOL,
		[QUERY_ANY] = COLUMN_VALUE,
	};

	return types[type];
}

static bool name_is_taken(const struct sql_answer *a, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(a->columns[i].name, name) == 0)
			return true;
	return false;
}

/* A key of JSON is there once: "size", "size_2". */
static char *name_of(const struct sql_answer *a, size_t column, const char *said)
{
	struct buf name = { 0 };

	utf8_escape(&name, str_of(said));
	buf_add(&name, "", 0);
	for (size_t n = 2; name_is_taken(a, column, name.s); n++) {
		buf_clear(&name);
		utf8_escape(&name, str_of(said));
		buf_printf(&name, "_%zu", n);
	}
	return name.s;
}

/* ---- how what was worked out looks ---- */

/* "size" of "size", "sum(n.size)", "max(size)"; an address can only be picked. */
static void name_inside(const char *said, char *name, size_t room, bool *is_sum)
{
	static const char *const words[] = { "sum(", "total(", "min(", "max(" };
	const char *dot;
	size_t n;

	*is_sum = false;
	for (size_t i = 0; i < countof(words); i++)
		if (strncasecmp(said, words[i], strlen(words[i])) == 0) {
			*is_sum = i < 2;
			said += strlen(words[i]);
			break;
		}
	dot = strrchr(said, '.');
	said = dot ? dot + 1 : said;
	n = strcspn(said, ")");
	snprintf(name, room, "%.*s", (int)min_u64(n, room - 1), said);
}

/* A number that has the name of a column, or is one's sum, least or most, looks like it. */
static enum query_type type_by_name(const struct sql_tables *s, const struct query *q,
				    const char *said)
{
	char name[64];
	bool is_sum;

	name_inside(said, name, sizeof(name), &is_sum);
	for (size_t t = 0; t < s->n; t++)
		for (size_t c = 0; c < s->tables[t].ncolumns && query_reads(q, t); c++) {
			enum query_type type = s->tables[t].columns[c].type;

			if (strcasecmp(s->tables[t].columns[c].name, name) != 0)
				continue;
			if (type == QUERY_BYTES || (type == QUERY_ADDRESS && !is_sum))
				return type;
		}
	return QUERY_ANY;
}

static void answer_begin(struct sql_answer *a, const struct query *q,
			 const struct sql_tables *s)
{
	*a = (struct sql_answer){ .ncolumns = query_width(q) };
	a->columns = xcalloc(a->ncolumns, sizeof(*a->columns));
	a->is_guessed = xcalloc(a->ncolumns, sizeof(*a->is_guessed));
	for (size_t i = 0; i < a->ncolumns; i++) {
		enum query_type type = query_type(q, i);

		a->is_guessed[i] = type == QUERY_ANY;
		if (type == QUERY_ANY)
			type = type_by_name(s, q, query_name(q, i));
		a->columns[i].type = column_type_of(type);
		a->columns[i].name = name_of(a, i, query_name(q, i));
	}
}

void sql_answer_release(struct sql_answer *a)
{
	for (size_t i = 0; i < a->ncolumns; i++)
		free((char *)a->columns[i].name);
	free(a->columns);
	free(a->is_guessed);
	free(a->kinds);
	free(a->contents);
	buf_release(&a->texts);
}

static uint64_t text_keep(struct sql_answer *a, struct str text)
{
	uint32_t n = (uint32_t)text.n; /* SQLite's are below 2^31 */
	uint64_t at = a->texts.n;

	buf_add(&a->texts, &n, sizeof(n));
	buf_add(&a->texts, text.s, text.n);
	return at;
}

static void cell_keep(struct sql_answer *a, size_t at, struct query_value v)
{
	a->kinds[at] = (uint8_t)v.kind;
	switch (v.kind) {
	case QUERY_IS_ABSENT:
		break;
	case QUERY_IS_NUMBER:
		a->contents[at] = v.number;
		break;
	case QUERY_IS_REAL:
		memcpy(&a->contents[at], &v.real, sizeof(v.real));
		break;
	case QUERY_IS_TEXT:
		a->contents[at] = text_keep(a, v.text);
		break;
	}
}

static void row_keep(struct sql_answer *a, struct query *q)
{
	size_t at = a->kept * a->ncolumns;

	if (a->kept == a->cap) {
		a->cap = a->cap ? 2 * a->cap : 64;
		a->kinds = xrealloc(a->kinds, a->cap * a->ncolumns, sizeof(*a->kinds));
		a->contents =
			xrealloc(a->contents, a->cap * a->ncolumns, sizeof(*a->contents));
	}
	for (size_t i = 0; i < a->ncolumns; i++)
		cell_keep(a, at + i, query_get(q, i));
	a->kept++;
}

/* Keeps at most `limit` rows. */
static bool rows_keep(struct sql_answer *a, struct query *q, uint64_t limit,
		      struct err *e)
{
	bool end;

	while (query_next(q, &end, e)) {
		if (end)
			return true;
		if (a->nrows == UINT32_MAX)
			return fail(e, ERR_USAGE, "these are more than %u rows",
				    UINT32_MAX);
		if (limit == 0 || a->kept < limit)
			row_keep(a, q);
		a->nrows++;
	}
	return false;
}

struct cell sql_answer_get(const void *source, size_t row, size_t column,
			   struct buf *scratch)
{
	const struct sql_answer *a = source;
	size_t at = row * a->ncolumns + column;
	uint32_t n;
	double real;

	(void)scratch;
	switch (a->kinds[at]) {
	case QUERY_IS_NUMBER:
		return cell_number(a->contents[at]);
	case QUERY_IS_REAL:
		memcpy(&real, &a->contents[at], sizeof(real));
		return cell_real(real);
	case QUERY_IS_TEXT:
		memcpy(&n, a->texts.s + a->contents[at], sizeof(n));
		return cell_text(
			(struct str){ a->texts.s + a->contents[at] + sizeof(n), n });
	default:
		return cell_absent();
	}
}

/* What all cells of a column are. */
struct holds {
	bool text, number, negative;
};

static struct holds column_holds(const struct sql_answer *a, size_t column)
{
	struct holds h = { 0 };

	for (size_t i = 0; i < a->kept; i++) {
		size_t at = i * a->ncolumns + column;

		h.text |= a->kinds[at] == QUERY_IS_TEXT;
		h.number |= a->kinds[at] == QUERY_IS_NUMBER;
		h.negative |=
			a->kinds[at] == QUERY_IS_NUMBER && (int64_t)a->contents[at] < 0;
	}
	return h;
}

/* Of what was worked out it is seen only now what it is. */
static void columns_settle(struct sql_answer *a)
{
	for (size_t c = 0; c < a->ncolumns; c++) {
		struct holds h = column_holds(a, c);

		if (!a->is_guessed[c])
			continue;
		if (h.text || (h.negative && a->columns[c].type == COLUMN_BYTES))
			a->columns[c].type = COLUMN_VALUE;
		if (h.text && !h.number)
			a->columns[c].type = COLUMN_TEXT;
	}
}

bool sql_answer_fill(struct sql_answer *a, struct query *q, const struct sql_tables *s,
		     uint64_t limit, struct err *e)
{
	answer_begin(a, q, s);
	if (!rows_keep(a, q, limit, e))
		return false;
	columns_settle(a);
	return true;
}
