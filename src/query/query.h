/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions in SQL. The language is SQLite's; the rows stay where they are and are shown to
 * it as virtual tables of a database in memory that holds nothing else. Nothing can be
 * written, no file opened, no other table named.
 *
 * A table here is abstract: columns with names and types, and a function that gets one
 * value. Only the columns that a question names are asked for. What is absent is NULL.
 * Numbers are SQLite's integers: an address from 2^63 on is negative there (and written as
 * 0x… it is the same), any other number that large counts as 2^63 - 1.
 */
#ifndef QUERY_QUERY_H
#define QUERY_QUERY_H

#include "base/err.h"
#include "base/str.h"

/* How a value is meant: as out/ has them. A column of a result that is a table's column
 * keeps it. */
enum query_type {
	QUERY_TEXT,
	QUERY_PATH,
	QUERY_NAME,
	QUERY_CODE,
	QUERY_ADDRESS,
	QUERY_BYTES,
	QUERY_COUNT,
	QUERY_NUMBER,
	QUERY_CHANGE, /* a number in two's complement */
	QUERY_BOOL,
	QUERY_ANY, /* of a result: what was worked out */
};

static inline bool query_type_is_text(enum query_type type)
{
	return type <= QUERY_CODE;
}

struct query_value {
	enum {
		QUERY_IS_ABSENT,
		QUERY_IS_NUMBER,
		QUERY_IS_TEXT,
		QUERY_IS_REAL, /* only of results */
	} kind;
	union {
		uint64_t number;
		double real;
	};
	struct str text;
};

enum query_column_flag {
	QUERY_IN_ORDER = 1, /* rows come in order of it */
	QUERY_FINDS = 2,    /* the table's `find` knows where its values are */
	QUERY_CLASS = 4,    /* all rows of a class have the same */
};

struct query_column {
	const char *name;
	enum query_type type;
	const char *help;
	unsigned flags; /* enum query_column_flag */
};

struct query_span {
	size_t from, to; /* rows */
};
enum { QUERY_SPANS_MAX = 2 };

/*
 * The first members are all that a table needs. The others make questions fast, and may be
 * NULL. Of text columns `find` and the order are not asked.
 */
struct query_table {
	const char *name;
	const char *help;
	const struct query_column *columns;
	size_t ncolumns;
	const void *source;
	size_t nrows; /* with `begin`: about */
	/* Text points into the source, or into `scratch`, which comes empty. */
	struct query_value (*get)(const void *source, size_t row, size_t column,
				  struct buf *scratch);
	/* What is due only when a row is wanted; how many there are. */
	size_t (*begin)(const void *source);
	/* Rows of which it is false are none. */
	bool (*is_there)(const void *source, size_t row);
	/* Where the rows are whose value lies in [low, high], in order; how many spans. Rows
	 * in them whose value does not are no harm. */
	size_t (*find)(const void *source, size_t column, uint64_t low, uint64_t high,
		       struct query_span spans[QUERY_SPANS_MAX]);
	/* Each row is of a class below `nclasses`; class_get is `get` of its columns. */
	size_t (*nclasses)(const void *source);
	uint32_t (*class_of)(const void *source, size_t row);
	struct query_value (*class_get)(const void *source, size_t class, size_t column);
};

/* ---- expressions ---- */

/*
 * An expression about one row: `kind = "string data" and size > 512`. Words in double quotes
 * are texts, as those in single quotes are. X REGEXP Y takes POSIX extended expressions.
 * What is wrong with it is said with its place; ERR_USAGE.
 */
must_check bool query_check(const struct query_table *t, const char *expr, struct err *e);

/* The rows for which it is true, in order; there are at most UINT32_MAX. The caller frees
 * them. False: it is wrong, or cannot be worked out for some row. */
must_check bool query_pick(const struct query_table *t, const char *expr, uint32_t **rows,
			   size_t *n, struct err *e);

/* ---- questions ---- */

struct progress;

/* NAME(x): a number made of a number, NULL where there is none. */
struct query_function {
	const char *name;
	bool (*call)(const void *source, uint64_t value, uint64_t *result);
	const void *source;
};

/* All of it must outlive the query. */
struct query_options {
	const struct query_table *tables;
	size_t ntables;
	const struct query_function *functions;
	size_t nfunctions;
	uint64_t seconds; /* how long it may take; 0: for ever */
	struct progress *progress;
};

/* One SELECT, over any of the tables. NULL: it is wrong, ERR_USAGE says where. Here words in
 * double quotes are columns if there is one of the name, else texts. */
struct query *query_open(const struct query_options *o, const char *sql, struct err *e);
void query_close(struct query *q);

/* Does it read the table? */
bool query_reads(const struct query *q, size_t table);

size_t query_width(const struct query *q);
const char *query_name(const struct query *q, size_t column);
enum query_type query_type(const struct query *q, size_t column);

/* The next row of the result; *end: there is none. False: it cannot be worked out, or takes
 * too long. */
must_check bool query_next(struct query *q, bool *end, struct err *e);
/* Of the present row; text lives until the next. */
struct query_value query_get(struct query *q, size_t column);

#endif
