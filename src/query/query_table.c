/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table as SQLite sees it. Rows are 0, 1, 2 … and come in this order; a row's number is
 * its rowid.
 *
 * Comparisons of a column with a value (`size > 512`, `kind = 'dict'`) are handed to us by
 * xBestIndex. Those of which both sides are alike, two numbers or two texts, are made here,
 * before SQLite's machine sees the row: most rows fail, and its several instructions a row
 * are what a question over millions of rows takes. What is not alike is left to SQLite,
 * which knows the rules, and looks again at every row that passes here.
 */
#include "query/query_int.h"

#include <stdlib.h>

/* A comparison: of xBestIndex, then with its value. */
struct test {
	int column;
	unsigned char op; /* SQLITE_INDEX_CONSTRAINT_… */
	bool is_text;
	int64_t number;
	struct str text; /* owned by the cursor */
};

struct table {
	sqlite3_vtab base;
	const struct query_table *t;
};

struct cursor {
	sqlite3_vtab_cursor base;
	const struct query_table *t;
	size_t row;
	struct test *tests;
	size_t ntests;
	struct buf scratch;
};

/* ---- connecting ---- */

static const char *const type_names[] = {
	[QUERY_TEXT] = "TEXT",     [QUERY_ADDRESS] = "ADDRESS", [QUERY_BYTES] = "BYTES",
	[QUERY_NUMBER] = "NUMBER", [QUERY_BOOL] = "BOOL",       [QUERY_CHANGE] = "CHANGE",
};

static void declare(const struct query_table *t, struct buf *sql)
{
	buf_str(sql, "CREATE TABLE x(");
	for (size_t i = 0; i < t->ncolumns; i++)
		buf_printf(sql, "%s\"%s\" %s", i ? ", " : "", t->columns[i].name,
			   type_names[t->columns[i].type]);
	buf_char(sql, ')');
}

/* NOLINTNEXTLINE(readability-function-size): so SQLite calls it */
static int table_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
			 sqlite3_vtab **out, char **message)
{
	struct buf sql = { 0 };
	struct table *table;
	int code;

	(void)argc, (void)argv, (void)message;
	declare(aux, &sql);
	code = sqlite3_declare_vtab(db, sql.s);
	buf_release(&sql);
	if (code != SQLITE_OK)
		return code;
	table = xcalloc(1, sizeof(*table));
	table->t = aux;
	*out = &table->base;
	return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *vtab)
{
	free(vtab);
	return SQLITE_OK;
}

/* ---- what may be asked of us ---- */

static bool is_ours(sqlite3_index_info *info, int i)
{
	const struct sqlite3_index_constraint *c = &info->aConstraint[i];

	if (!c->usable || c->iColumn < 0 || sqlite3_vtab_in(info, i, -1) ||
	    strcmp(sqlite3_vtab_collation(info, i), "BINARY") != 0)
		return false;
	switch (c->op) {
	case SQLITE_INDEX_CONSTRAINT_EQ:
	case SQLITE_INDEX_CONSTRAINT_GT:
	case SQLITE_INDEX_CONSTRAINT_LE:
	case SQLITE_INDEX_CONSTRAINT_LT:
	case SQLITE_INDEX_CONSTRAINT_GE:
		return true;
	default:
		return false;
	}
}

static int best_index(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
	const struct query_table *t = ((struct table *)vtab)->t;
	struct test *tests = sqlite3_malloc64((sqlite3_uint64)(info->nConstraint + 1) *
					      sizeof(*tests));
	int n = 0;

	if (!tests)
		return SQLITE_NOMEM;
	info->estimatedCost = (double)t->nrows + 1;
	for (int i = 0; i < info->nConstraint; i++) {
		if (!is_ours(info, i))
			continue;
		tests[n] = (struct test){ .column = info->aConstraint[i].iColumn,
					  .op = info->aConstraint[i].op };
		info->aConstraintUsage[i].argvIndex = ++n;
		info->estimatedCost *= n == 1 ? 0.25 : 1;
	}
	info->estimatedRows = (sqlite3_int64)info->estimatedCost + 1;
	info->idxNum = n;
	info->idxStr = (char *)tests;
	info->needToFreeIdxStr = 1;
	return SQLITE_OK;
}

/* ---- going through the rows ---- */

static int cursor_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
	struct cursor *c = xcalloc(1, sizeof(*c));

	c->t = ((struct table *)vtab)->t;
	*out = &c->base;
	return SQLITE_OK;
}

static void tests_forget(struct cursor *c)
{
	for (size_t i = 0; i < c->ntests; i++)
		free((char *)c->tests[i].text.s);
	free(c->tests);
	c->tests = NULL;
	c->ntests = 0;
}

static int cursor_close(sqlite3_vtab_cursor *cursor)
{
	struct cursor *c = (struct cursor *)cursor;

	tests_forget(c);
	buf_release(&c->scratch);
	free(c);
	return SQLITE_OK;
}

static struct str copy_of(const void *bytes, size_t n)
{
	char *copy = xcalloc(n + 1, 1);

	if (n)
		memcpy(copy, bytes, n);
	return (struct str){ copy, n };
}

/* Is it a comparison of what is alike? It is then ready to be made. */
static bool test_fill(struct test *test, const struct query_table *t,
		      sqlite3_value *value)
{
	int type = sqlite3_value_type(value);

	test->is_text = t->columns[test->column].type == QUERY_TEXT;
	if (type != (test->is_text ? SQLITE_TEXT : SQLITE_INTEGER))
		return false;
	if (test->is_text)
		test->text = copy_of(sqlite3_value_text(value),
				     (size_t)sqlite3_value_bytes(value));
	else
		test->number = sqlite3_value_int64(value);
	return true;
}

static int64_t number_of(enum query_type type, uint64_t number)
{
	bool as_it_is = type == QUERY_ADDRESS || type == QUERY_CHANGE;

	return (int64_t)(as_it_is ? number : min_u64(number, INT64_MAX));
}

static struct query_value value_at(struct cursor *c, int column)
{
	buf_clear(&c->scratch);
	return c->t->get(c->t->source, c->row, (size_t)column, &c->scratch);
}

static int compare(const struct cursor *c, const struct test *test,
		   const struct query_value *v)
{
	int64_t number;

	if (test->is_text)
		return str_compare(v->text, test->text);
	number = number_of(c->t->columns[test->column].type, v->number);
	return (number > test->number) - (number < test->number);
}

static bool test_passes(struct cursor *c, const struct test *test)
{
	struct query_value v = value_at(c, test->column);
	int order;

	if (v.kind == QUERY_IS_ABSENT)
		return false;
	order = compare(c, test, &v);
	switch (test->op) {
	case SQLITE_INDEX_CONSTRAINT_EQ:
		return order == 0;
	case SQLITE_INDEX_CONSTRAINT_GT:
		return order > 0;
	case SQLITE_INDEX_CONSTRAINT_LE:
		return order <= 0;
	case SQLITE_INDEX_CONSTRAINT_LT:
		return order < 0;
	default:
		return order >= 0;
	}
}

static bool row_passes(struct cursor *c)
{
	for (size_t i = 0; i < c->ntests; i++)
		if (!test_passes(c, &c->tests[i]))
			return false;
	return true;
}

static void row_settle(struct cursor *c)
{
	while (c->row < c->t->nrows && !row_passes(c))
		c->row++;
}

static int cursor_filter(sqlite3_vtab_cursor *cursor, int n, const char *tests, int argc,
			 sqlite3_value **values)
{
	struct cursor *c = (struct cursor *)cursor;

	(void)argc;
	tests_forget(c);
	c->tests = xcalloc((size_t)n + 1, sizeof(*c->tests));
	for (int i = 0; i < n; i++) {
		struct test *test = &c->tests[c->ntests];

		*test = ((const struct test *)(const void *)tests)[i];
		c->ntests += test_fill(test, c->t, values[i]);
	}
	c->row = 0;
	row_settle(c);
	return SQLITE_OK;
}

static int cursor_next(sqlite3_vtab_cursor *cursor)
{
	struct cursor *c = (struct cursor *)cursor;

	c->row++;
	row_settle(c);
	return SQLITE_OK;
}

static int cursor_eof(sqlite3_vtab_cursor *cursor)
{
	const struct cursor *c = (const struct cursor *)cursor;

	return c->row >= c->t->nrows;
}

static void text_result(struct cursor *c, sqlite3_context *context, struct str text)
{
	bool is_built = text.s && text.s == c->scratch.s;

	sqlite3_result_text64(context, text.s ? text.s : "", text.n,
			      is_built ? SQLITE_TRANSIENT : SQLITE_STATIC, SQLITE_UTF8);
}

static int cursor_column(sqlite3_vtab_cursor *cursor, sqlite3_context *context,
			 int column)
{
	struct cursor *c = (struct cursor *)cursor;
	struct query_value v = value_at(c, column);

	if (v.kind == QUERY_IS_NUMBER)
		sqlite3_result_int64(context,
				     number_of(c->t->columns[column].type, v.number));
	else if (v.kind == QUERY_IS_TEXT)
		text_result(c, context, v.text);
	return SQLITE_OK; /* without a result it is NULL */
}

static int cursor_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid)
{
	const struct cursor *c = (const struct cursor *)cursor;

	*rowid = (sqlite3_int64)c->row;
	return SQLITE_OK;
}

/* Without xCreate the table is there by its name alone, and there is nothing to create. */
static const sqlite3_module module = {
	.xConnect = table_connect,
	.xBestIndex = best_index,
	.xDisconnect = table_disconnect,
	.xOpen = cursor_open,
	.xClose = cursor_close,
	.xFilter = cursor_filter,
	.xNext = cursor_next,
	.xEof = cursor_eof,
	.xColumn = cursor_column,
	.xRowid = cursor_rowid,
};

/* Connecting makes SQLite write into a schema of its own, which our authorizer would not
 * have: so a statement that names the table comes before all others. */
static bool connect_now(sqlite3 *db, const char *name)
{
	char *sql = sqlite3_mprintf("SELECT 1 FROM \"%w\"", name);
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	sqlite3_finalize(statement);
	sqlite3_free(sql);
	return code == SQLITE_OK;
}

bool query_table_register(sqlite3 *db, const struct query_table *t)
{
	assert(t->nrows <= UINT32_MAX);
	return sqlite3_create_module_v2(db, t->name, &module, (void *)t, NULL) ==
		       SQLITE_OK &&
	       connect_now(db, t->name);
}
