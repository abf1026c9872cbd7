/* SPDX-License-Identifier: Apache-2.0 */
/* One SELECT of somebody's own, and its rows one by one. */
#include "query/query_int.h"

#include <stdlib.h>

struct query {
	struct query_db db;
	sqlite3_stmt *statement;
	char *sql;
};

static bool is_blank(const char *s)
{
	return s[strspn(s, " \t\r\n;")] == 0;
}

static bool prepare(struct query *q, struct err *e)
{
	const char *rest;
	int offset;

	if (is_blank(q->sql))
		return fail(e, ERR_USAGE, "the query is empty");
	if (sqlite3_prepare_v2(q->db.db, q->sql, -1, &q->statement, &rest) != SQLITE_OK) {
		offset = sqlite3_error_offset(q->db.db);
		return query_fail_prepare(&q->db, q->sql,
					  offset < 0 ? SIZE_MAX : (size_t)offset, e);
	}
	if (!q->statement)
		return fail(e, ERR_USAGE, "the query is nothing but a comment");
	if (!is_blank(rest))
		return query_fail_at(e, q->sql, (size_t)(rest - q->sql),
				     "one SELECT only, and it ends here", NULL);
	if (sqlite3_bind_parameter_count(q->statement) > 0)
		return fail(e, ERR_USAGE, "nothing can be filled in: '%.60s'",
			    sqlite3_bind_parameter_name(q->statement, 1));
	if (!sqlite3_stmt_readonly(q->statement) ||
	    sqlite3_column_count(q->statement) == 0)
		return fail(e, ERR_USAGE, "only SELECT is possible here");
	return true;
}

struct query *query_open(const struct query_options *o, const char *sql, struct err *e)
{
	struct query *q = xcalloc(1, sizeof(*q));

	q->sql = xstrdup(sql);
	if (query_db_open(&q->db, o, e) && prepare(q, e))
		return q;
	query_close(q);
	return NULL;
}

void query_close(struct query *q)
{
	if (!q)
		return;
	sqlite3_finalize(q->statement);
	query_db_close(&q->db);
	free(q->sql);
	free(q);
}

bool query_reads(const struct query *q, size_t table)
{
	return q->db.reads[table];
}

size_t query_width(const struct query *q)
{
	return (size_t)sqlite3_column_count(q->statement);
}

const char *query_name(const struct query *q, size_t column)
{
	return sqlite3_column_name(q->statement, (int)column);
}

enum query_type query_type(const struct query *q, size_t column)
{
	return query_type_of_word(sqlite3_column_decltype(q->statement, (int)column));
}

bool query_next(struct query *q, bool *end, struct err *e)
{
	int code = sqlite3_step(q->statement);

	*end = code != SQLITE_ROW;
	return code == SQLITE_ROW || code == SQLITE_DONE ||
	       query_fail_step(&q->db, q->sql, e);
}

struct query_value query_get(struct query *q, size_t column)
{
	sqlite3_stmt *s = q->statement;
	int i = (int)column;
	const char *text;

	switch (sqlite3_column_type(s, i)) {
	case SQLITE_NULL:
		return (struct query_value){ .kind = QUERY_IS_ABSENT };
	case SQLITE_INTEGER:
		return (struct query_value){
			.kind = QUERY_IS_NUMBER,
			.number = (uint64_t)sqlite3_column_int64(s, i),
		};
	case SQLITE_FLOAT:
		return (struct query_value){ .kind = QUERY_IS_REAL,
					     .real = sqlite3_column_double(s, i) };
	default: /* the bytes of a blob are a text's, too */
		text = sqlite3_column_blob(s, i);
		return (struct query_value){
			.kind = QUERY_IS_TEXT,
			.text = { text, (size_t)sqlite3_column_bytes(s, i) },
		};
	}
}
