/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of query/. */
#ifndef QUERY_QUERY_INT_H
#define QUERY_QUERY_INT_H

#include "query/query.h"
#include <sqlite3.h>

/* ---- the database (query_db.c) ---- */

struct query_db {
	sqlite3 *db;
	struct query_options o;
	bool one_select; /* a second SELECT is refused */
	unsigned selects;
	char refused[160]; /* why the authorizer said no; "" it did not */
	bool *reads;       /* by table */
	uint64_t began, looked_at;
	bool is_late;
};

/* Opens it with these tables. False: our own fault. */
must_check bool query_db_open(struct query_db *q, const struct query_options *o,
			      struct err *e);
void query_db_close(struct query_db *q);
/* Every so often, with how much was looked at since: shows progress. False: time is up. */
must_check bool query_db_goes_on(struct query_db *q, uint64_t looked_at);

/* ---- tables (query_table.c, query_plan.c, query_index.c) ---- */

/* Before there is an authorizer. */
must_check bool query_table_register(struct query_db *q, const struct query_table *t);

/* What SQLite's words for the types are. */
const char *query_type_word(enum query_type type);
enum query_type query_type_of_word(const char *word); /* NULL: QUERY_ANY */

struct query_index;

/* Rows by class, for an order of columns. */
struct query_order {
	uint64_t key; /* which order */
	uint32_t *rows;
	size_t n;
	size_t *ends; /* by rank of a class: where its rows end */
	struct query_order *next;
};

/* One table, for all that go through it. */
struct query_shared {
	sqlite3_vtab base;
	struct query_db *q;
	const struct query_table *t;
	bool has_begun;
	size_t nrows;
	struct query_index **indexes; /* by column; NULL: none yet */
	unsigned *searches;           /* by column: how often a value was looked for */
	unsigned class_searches;      /* how often only some classes were wanted */
	struct query_order *orders; /* those asked for; cursors are inside any of them */
};

/* A comparison of a column. */
struct query_test {
	int column;
	unsigned char op; /* SQLITE_INDEX_CONSTRAINT_… */
	bool is_list;     /* = any of several */
	bool is_text;
	int64_t number;
	struct str text; /* owned */
};

/* What xBestIndex tells xFilter. Columns of an order are numbers + 1 in bytes of `order`,
 * the first in the lowest; `descending` has a bit for each. */
struct query_plan {
	size_t ntests;
	uint64_t order;
	unsigned descending;
	bool is_in_order; /* rows are to come in their own order */
	struct query_test tests[];
};
int query_plan_build(sqlite3_vtab *vtab, sqlite3_index_info *info);

/* A number as SQLite gets it. */
int64_t query_number(enum query_type type, uint64_t number);
bool query_test_passes(const struct query_test *test, enum query_type type,
		       const struct query_value *v);

/* Rows by the value of a column; NULL: it would be too large, or time is up. Rows of a value
 * are among those that query_index_find tells, which are in order. */
struct query_index *query_index_build(const struct query_shared *s, size_t column);
void query_index_find(const struct query_index *x, const struct query_test *test,
		      const uint32_t **rows, size_t *n);
void query_index_free(struct query_index *x);

/* The rows in the plan's order, there as long as the table is; without one they are in order
 * of the classes' numbers, which are their ranks. NULL: time is up. */
const struct query_order *query_order_get(struct query_shared *s,
					  const struct query_plan *p);
void query_orders_free(struct query_order *all);

/* ---- words of an expression (query_words.c) ---- */

/* An expression as SQLite is to read it, and where each of its bytes came from. */
struct query_words {
	struct buf sql;
	size_t *from, cap; /* by byte of sql */
};

/* Appends the expression, double quotes made single. False: it is not one expression, or
 * begins what it does not end. */
must_check bool query_words_add(struct query_words *w, const char *expr, struct err *e);
/* Appends what no user wrote: errors there are at the expression's `place`. */
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
/* What it says when a step fails. */
must_check bool query_fail_step(const struct query_db *q, const char *text,
				struct err *e);

/* ---- functions of ours (query_functions.c) ---- */

must_check bool query_functions_register(struct query_db *q);

#endif
