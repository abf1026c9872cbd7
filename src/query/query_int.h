/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of query/. */
#ifndef QUERY_QUERY_INT_H
#define QUERY_QUERY_INT_H

#include "query/query.h"
#include <sqlite3.h>

/* ---- the database (query_db.c) ---- */

struct query_db {
	sqlite3 *db;
	const struct query_table *tables;
	size_t ntables;
	bool one_select; /* a second SELECT is refused */
	unsigned selects;
	char refused[160]; /* why the authorizer said no; "" it did not */
};

/* Opens it with these tables, which must outlive it. False: our own fault. */
must_check bool query_db_open(struct query_db *q, const struct query_table *tables,
			      size_t n, struct err *e);
void query_db_close(struct query_db *q);

/* ---- tables (query_table.c) ---- */

/* Before there is an authorizer. */
must_check bool query_table_register(sqlite3 *db, const struct query_table *t);

/* ---- words of an expression (query_words.c) ---- */

/* An expression as SQLite is to read it, and where each of its bytes came from. */
struct query_words {
	struct buf sql;
	size_t *from, cap; /* by byte of sql */
};

/* Appends the expression, double quotes made single. False: it is not one expression, or
 * begins what it does not end. */
must_check bool query_words_add(struct query_words *w, const char *expr, struct err *e);
/* Appends what no user wrote: errors there are at the expression's end. */
void query_words_frame(struct query_words *w, const char *sql, size_t place);
void query_words_release(struct query_words *w);

/* ---- what is wrong, and where (query_error.c) ---- */

/* ERR_USAGE: `what`, the line of `text` that has byte `at`, a mark below that byte, and
 * `more` if it is not NULL. */
must_check bool query_fail_at(struct err *e, const char *text, size_t at,
			      const char *what, const char *more);
/* What SQLite says about the statement that it could not prepare; `at` as above, SIZE_MAX
 * if it has no place. */
must_check bool query_fail_prepare(const struct query_db *q, const char *text, size_t at,
				   struct err *e);

/* ---- functions of ours (query_functions.c) ---- */

must_check bool query_functions_register(sqlite3 *db);

#endif
