/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database: in memory, empty but for our tables, and shut. Three fences, each enough
 * alone: the authorizer lets SELECT, our tables' columns and functions through and nothing
 * else; the database is defensive and loads no extensions; and a limit of 0 keeps others
 * from being attached. Sizes and depths are limited, for a question may come from anybody
 * who can reach the program.
 */
#include "query/query_int.h"

#include "base/progress.h"
#include <stdio.h>
#include <stdlib.h>

enum { INSTRUCTIONS_BETWEEN_LOOKS = 10000 };

static const struct {
	int what, most;
} limits[] = {
	{ SQLITE_LIMIT_LENGTH, 64 << 20 },
	{ SQLITE_LIMIT_SQL_LENGTH, 256 << 10 },
	{ SQLITE_LIMIT_COLUMN, 1000 },
	{ SQLITE_LIMIT_EXPR_DEPTH, 400 },
	{ SQLITE_LIMIT_COMPOUND_SELECT, 100 },
	{ SQLITE_LIMIT_VDBE_OP, 1000000 },
	{ SQLITE_LIMIT_FUNCTION_ARG, 64 },
	{ SQLITE_LIMIT_ATTACHED, 0 },
	{ SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 4096 },
	{ SQLITE_LIMIT_VARIABLE_NUMBER, 10 },
	{ SQLITE_LIMIT_TRIGGER_DEPTH, 0 },
	{ SQLITE_LIMIT_WORKER_THREADS, 0 },
};

/* ---- who may what ---- */

/* The number of a table, or ntables. */
static size_t table_of(const struct query_db *q, const char *name)
{
	size_t i = 0;

	while (i < q->o.ntables && sqlite3_stricmp(q->o.tables[i].name, name) != 0)
		i++;
	return i;
}

/* Functions that do more than work out a value. */
static bool function_is_shut(const char *name)
{
	static const char *const shut[] = { "load_extension", "fts3_tokenizer",
					    "sqlite_log" };

	for (size_t i = 0; i < countof(shut); i++)
		if (sqlite3_stricmp(shut[i], name) == 0)
			return true;
	return false;
}

static int refuse(struct query_db *q, const char *fmt, const char *name)
{
	if (!q->refused[0])
		snprintf(q->refused, sizeof(q->refused), fmt, name);
	return SQLITE_DENY;
}

/* Of a name in a WITH only that it is read is said, and no column. */
static int authorize_read(struct query_db *q, const char *table, const char *column)
{
	size_t i = table_of(q, table);

	if (i < q->o.ntables)
		q->reads[i] = true;
	else if (column[0] || sqlite3_strnicmp(table, "sqlite_", 7) == 0)
		return refuse(q, "no table '%.60s' can be read", table);
	return SQLITE_OK;
}

/* NOLINTNEXTLINE(readability-function-size): so SQLite calls it */
static int authorize(void *context, int action, const char *first, const char *second,
		     const char *database, const char *trigger)
{
	struct query_db *q = context;

	(void)database, (void)trigger;
	switch (action) {
	case SQLITE_SELECT:
		if (q->selects++ && q->one_select)
			return refuse(q, "an expression is about one row%s: no SELECT",
				      "");
		return SQLITE_OK;
	case SQLITE_READ:
		return authorize_read(q, first, second);
	case SQLITE_FUNCTION:
		if (!function_is_shut(second))
			return SQLITE_OK;
		return refuse(q, "the function '%.60s' is not to be had here", second);
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	default:
		return refuse(
			q,
			"only SELECT is possible here, over these tables%s: nothing "
			"can be changed",
			"");
	}
}

/* ---- how long ---- */

bool query_db_goes_on(struct query_db *q, uint64_t looked_at)
{
	q->looked_at += looked_at;
	progress_step(q->o.progress, q->looked_at, 0);
	if (q->o.seconds && (clock_ns() - q->began) / 1000000000 >= q->o.seconds)
		q->is_late = true;
	return !q->is_late;
}

static int look(void *context)
{
	return !query_db_goes_on(context, 0);
}

/* ---- opening ---- */

static bool shut(struct query_db *q)
{
	sqlite3 *db = q->db;

	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	for (size_t i = 0; i < countof(limits); i++)
		sqlite3_limit(db, limits[i].what, limits[i].most);
	/* What a sort or a group needs stays in memory, and counts there. */
	if (sqlite3_exec(db, "PRAGMA temp_store=MEMORY", NULL, NULL, NULL) != SQLITE_OK)
		return false;
	if (q->o.seconds || q->o.progress)
		sqlite3_progress_handler(db, INSTRUCTIONS_BETWEEN_LOOKS, look, q);
	return sqlite3_set_authorizer(db, authorize, q) == SQLITE_OK;
}

static bool open_all(struct query_db *q)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX;
	bool ok = sqlite3_open_v2(":memory:", &q->db, flags, NULL) == SQLITE_OK &&
		  query_functions_register(q);

	for (size_t i = 0; ok && i < q->o.ntables; i++)
		ok = query_table_register(q, &q->o.tables[i]);
	return ok && shut(q);
}

bool query_db_open(struct query_db *q, const struct query_options *o, struct err *e)
{
	bool ok;

	*q = (struct query_db){ .o = *o, .began = clock_ns() };
	q->reads = xcalloc(o->ntables + 1, sizeof(*q->reads));
	ok = open_all(q) || fail(e, ERR_BUG, "cannot set up SQLite: %.200s",
				 q->db ? sqlite3_errmsg(q->db) : "no memory");
	if (!ok)
		query_db_close(q);
	return ok;
}

void query_db_close(struct query_db *q)
{
	sqlite3_close(q->db);
	free(q->reads);
	*q = (struct query_db){ 0 };
}
