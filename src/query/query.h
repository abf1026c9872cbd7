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

/* How a value is meant; a column of a result that is a table's column keeps it. */
enum query_type {
	QUERY_TEXT,
	QUERY_ADDRESS,
	QUERY_BYTES,
	QUERY_NUMBER,
	QUERY_CHANGE, /* a number in two's complement */
	QUERY_BOOL,
};

struct query_value {
	enum { QUERY_IS_ABSENT, QUERY_IS_NUMBER, QUERY_IS_TEXT } kind;
	uint64_t number;
	struct str text;
};

struct query_column {
	const char *name;
	enum query_type type;
	const char *help;
};

struct query_table {
	const char *name;
	const char *help;
	const struct query_column *columns;
	size_t ncolumns;
	const void *source;
	size_t nrows; /* at most UINT32_MAX */
	/* Text points into the source, or into `scratch`, which comes empty. */
	struct query_value (*get)(const void *source, size_t row, size_t column,
				  struct buf *scratch);
};

/*
 * An expression about one row: `kind = "string data" and size > 512`. Words in double quotes
 * are texts, as those in single quotes are. X REGEXP Y takes POSIX extended expressions.
 * What is wrong with it is said with its place; ERR_USAGE.
 */
must_check bool query_check(const struct query_table *t, const char *expr, struct err *e);

/* The rows for which it is true, in order. The caller frees them. False: it is wrong, or
 * cannot be worked out for some row. */
must_check bool query_pick(const struct query_table *t, const char *expr, uint32_t **rows,
			   size_t *n, struct err *e);

#endif
