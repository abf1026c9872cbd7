/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions over a command's rows: --where, and whatever else asks something of a row. An
 * expression names columns as JSON has them: not those that only text shows, no lists.
 */
#ifndef CMD_WHERE_INT_H
#define CMD_WHERE_INT_H

#include "out/out.h"
#include "query/query.h"

/* Before the target is touched: is it an expression over these columns? `option` is what
 * it stands behind, "--where", for the message. */
must_check bool where_check(const struct column *columns, size_t n, const char *option,
			    const char *expr, struct err *e);

/* Which rows of the table it is true of, of those that the table picks: rows of its source,
 * in order. The caller frees them. */
must_check bool where_pick(const struct table *t, const char *expr, uint32_t **rows,
			   size_t *n, struct err *e);

/* A column's type and a cell of it as query/ has them; of none that is nested. */
enum query_type where_type(const struct column *c);
struct query_value where_value(struct cell cell);

#endif
