/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows for which an expression is true. It stands in brackets behind the WHERE of a
 * statement of ours, which query_words.c makes sure it does not leave. SQLite may go through
 * the rows in any order, and twice for an OR: so they become bits first.
 */
#include "query/query_int.h"

#include <stdlib.h>

struct picking {
	struct query_db q;
	struct query_words words;
	const char *expr;
	sqlite3_stmt *statement;
};

static size_t place_of(const struct picking *p, int offset)
{
	if (offset < 0)
		return SIZE_MAX;
	return (size_t)offset < p->words.sql.n ? p->words.from[offset] : strlen(p->expr);
}

static bool prepare(struct picking *p, struct err *e)
{
	size_t end = strlen(p->expr);

	query_words_frame(&p->words, "SELECT rowid FROM \"", 0);
	query_words_frame(&p->words, p->q.o.tables[0].name, 0);
	query_words_frame(&p->words, "\" WHERE (", 0);
	if (!query_words_add(&p->words, p->expr, e))
		return false;
	query_words_frame(&p->words, "\n)", end);
	if (sqlite3_prepare_v2(p->q.db, p->words.sql.s, (int)p->words.sql.n,
			       &p->statement, NULL) == SQLITE_OK)
		return true;
	return query_fail_prepare(&p->q, p->expr,
				  place_of(p, sqlite3_error_offset(p->q.db)), e);
}

static bool picking_begin(struct picking *p, const struct query_table *t,
			  const char *expr, struct err *e)
{
	const struct query_options o = { .tables = t, .ntables = 1 };

	*p = (struct picking){ .expr = expr };
	if (!query_db_open(&p->q, &o, e))
		return false;
	p->q.one_select = true;
	return prepare(p, e);
}

static void picking_end(struct picking *p)
{
	sqlite3_finalize(p->statement);
	query_words_release(&p->words);
	query_db_close(&p->q);
}

bool query_check(const struct query_table *t, const char *expr, struct err *e)
{
	struct picking p;
	bool ok = picking_begin(&p, t, expr, e);

	picking_end(&p);
	return ok;
}

/* Sets a bit for each row; how many there are. */
static bool rows_mark(struct picking *p, uint64_t *bits, size_t *n, struct err *e)
{
	int code;

	while ((code = sqlite3_step(p->statement)) == SQLITE_ROW) {
		uint64_t row = (uint64_t)sqlite3_column_int64(p->statement, 0);
		uint64_t bit = (uint64_t)1 << row % 64;

		*n += !(bits[row / 64] & bit);
		bits[row / 64] |= bit;
	}
	return code == SQLITE_DONE || query_fail_step(&p->q, p->expr, e);
}

static uint32_t *rows_of(const uint64_t *bits, size_t words, size_t n)
{
	uint32_t *rows = xcalloc(n + 1, sizeof(*rows));
	size_t at = 0;

	for (size_t i = 0; i < words; i++)
		for (uint64_t left = bits[i]; left; left &= left - 1)
			rows[at++] = (uint32_t)(i * 64 + (size_t)__builtin_ctzll(left));
	return rows;
}

bool query_pick(const struct query_table *t, const char *expr, uint32_t **rows, size_t *n,
		struct err *e)
{
	size_t words = t->nrows / 64 + 1, found = 0;
	struct picking p;
	bool ok;

	assert(t->nrows <= UINT32_MAX);
	ok = picking_begin(&p, t, expr, e);
	if (ok) {
		uint64_t *bits = xcalloc(words, sizeof(*bits));

		ok = rows_mark(&p, bits, &found, e);
		if (ok) {
			*rows = rows_of(bits, words, found);
			*n = found;
		}
		free(bits);
	}
	picking_end(&p);
	return ok;
}
