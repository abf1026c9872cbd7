/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table as SQLite sees it: connecting to it, and a cursor that goes through its rows. A
 * row's number is its rowid.
 *
 * A cursor has spans of places, which are rows, or of a list of rows (what an index has for
 * a value, rows by class). Comparisons of a column with a value are made here, before
 * SQLite's machine sees the row: most rows fail, and its several instructions a row are what
 * a question over millions of rows takes. Those of columns that a class has are made once a
 * class.
 */
#include "query/query_int.h"

#include <stdlib.h>

enum { TICK = 1 << 14, SEARCHES_BEFORE_INDEX = 2 };

struct cursor {
	sqlite3_vtab_cursor base;
	struct query_shared *s;
	const struct query_table *t;
	const uint32_t *list; /* NULL: places are rows */
	struct query_span found[QUERY_SPANS_MAX], *of_classes;
	const struct query_span *spans; /* one of the two */
	size_t nspans, span;
	size_t place, row;
	struct query_test *tests;
	size_t ntests;
	bool *class_passes; /* by class; NULL: all do */
	struct buf scratch;
	uint64_t looked_at;
};

/* ---- connecting ---- */

static const char *const type_words[] = {
	[QUERY_TEXT] = "TEXT",          [QUERY_PATH] = "TEXT PATH",
	[QUERY_NAME] = "TEXT NAME",     [QUERY_CODE] = "TEXT CODE",
	[QUERY_ADDRESS] = "ADDRESS",    [QUERY_BYTES] = "BYTES",
	[QUERY_COUNT] = "NUMBER COUNT", [QUERY_NUMBER] = "NUMBER",
	[QUERY_CHANGE] = "CHANGE",      [QUERY_BOOL] = "BOOL",
};

const char *query_type_word(enum query_type type)
{
	return type_words[type];
}

enum query_type query_type_of_word(const char *word)
{
	for (size_t i = 0; word && i < countof(type_words); i++)
		if (strcmp(type_words[i], word) == 0)
			return (enum query_type)i;
	return QUERY_ANY;
}

static void declare(const struct query_table *t, struct buf *sql)
{
	buf_str(sql, "CREATE TABLE x(");
	for (size_t i = 0; i < t->ncolumns; i++)
		buf_printf(sql, "%s\"%s\" %s", i ? ", " : "", t->columns[i].name,
			   type_words[t->columns[i].type]);
	buf_char(sql, ')');
}

struct connecting {
	struct query_db *q;
	const struct query_table *t;
};

/* NOLINTNEXTLINE(readability-function-size): so SQLite calls it */
static int table_connect(sqlite3 *db, void *aux, int argc, const char *const *argv,
			 sqlite3_vtab **out, char **message)
{
	const struct connecting *c = aux;
	struct buf sql = { 0 };
	struct query_shared *s;
	int code;

	(void)argc, (void)argv, (void)message;
	declare(c->t, &sql);
	code = sqlite3_declare_vtab(db, sql.s);
	buf_release(&sql);
	if (code != SQLITE_OK)
		return code;
	s = xcalloc(1, sizeof(*s));
	s->q = c->q;
	s->t = c->t;
	s->indexes = xcalloc(c->t->ncolumns + 1, sizeof(void *));
	s->searches = xcalloc(c->t->ncolumns + 1, sizeof(*s->searches));
	*out = &s->base;
	return SQLITE_OK;
}

static int table_disconnect(sqlite3_vtab *vtab)
{
	struct query_shared *s = (struct query_shared *)vtab;

	for (size_t i = 0; i < s->t->ncolumns; i++)
		query_index_free(s->indexes[i]);
	free(s->indexes);
	free(s->searches);
	query_orders_free(s->orders);
	free(s);
	return SQLITE_OK;
}

static int cursor_open(sqlite3_vtab *vtab, sqlite3_vtab_cursor **out)
{
	struct cursor *c = xcalloc(1, sizeof(*c));

	c->s = (struct query_shared *)vtab;
	c->t = c->s->t;
	*out = &c->base;
	return SQLITE_OK;
}

static void cursor_forget(struct cursor *c)
{
	for (size_t i = 0; i < c->ntests; i++)
		free((char *)c->tests[i].text.s);
	free(c->tests);
	free(c->class_passes);
	free(c->of_classes);
	c->of_classes = NULL;
	c->tests = NULL;
	c->class_passes = NULL;
	c->ntests = c->nspans = c->span = 0;
	c->list = NULL;
}

static int cursor_close(sqlite3_vtab_cursor *cursor)
{
	struct cursor *c = (struct cursor *)cursor;

	cursor_forget(c);
	buf_release(&c->scratch);
	free(c);
	return SQLITE_OK;
}

/* ---- comparisons ---- */

int64_t query_number(enum query_type type, uint64_t number)
{
	bool as_it_is = type == QUERY_ADDRESS || type == QUERY_CHANGE;

	return (int64_t)(as_it_is ? number : min_u64(number, INT64_MAX));
}

bool query_test_passes(const struct query_test *test, enum query_type type,
		       const struct query_value *v)
{
	int64_t number = query_number(type, v->number);
	int order;

	if (v->kind == QUERY_IS_ABSENT)
		return false;
	order = test->is_text ? str_compare(v->text, test->text)
			      : (number > test->number) - (number < test->number);
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

static struct str copy_of(const void *bytes, size_t n)
{
	char *copy = xcalloc(n + 1, 1);

	if (n)
		memcpy(copy, bytes, n);
	return (struct str){ copy, n };
}

/* A whole number, which 5.5e2 is, too. */
static bool number_fill(struct query_test *test, sqlite3_value *value)
{
	double real = sqlite3_value_double(value);

	if (sqlite3_value_type(value) == SQLITE_FLOAT &&
	    !(real > -0x1p63 && real < 0x1p63 && real == (double)(int64_t)real))
		return false;
	test->number = sqlite3_value_int64(value);
	return true;
}

/* Is it a comparison of what is alike? It is then ready to be made. */
static bool test_fill(struct query_test *test, const struct query_table *t,
		      sqlite3_value *value)
{
	int type = sqlite3_value_type(value);

	test->is_text = query_type_is_text(t->columns[test->column].type);
	if (test->is_text && type == SQLITE_TEXT) {
		test->text = copy_of(sqlite3_value_text(value),
				     (size_t)sqlite3_value_bytes(value));
		return true;
	}
	return !test->is_text && (type == SQLITE_INTEGER || type == SQLITE_FLOAT) &&
	       number_fill(test, value);
}

static enum query_type type_of(const struct cursor *c, int column)
{
	return c->t->columns[column].type;
}

static struct query_value value_at(struct cursor *c, int column)
{
	buf_clear(&c->scratch);
	return c->t->get(c->t->source, c->row, (size_t)column, &c->scratch);
}

static bool row_passes(struct cursor *c)
{
	if (c->t->is_there && !c->t->is_there(c->t->source, c->row))
		return false;
	if (c->class_passes && !c->class_passes[c->t->class_of(c->t->source, c->row)])
		return false;
	for (size_t i = 0; i < c->ntests; i++) {
		const struct query_test *test = &c->tests[i];
		struct query_value v = value_at(c, test->column);

		if (!query_test_passes(test, type_of(c, test->column), &v))
			return false;
	}
	return true;
}

/* ---- going through the rows ---- */

/* On to the first row from `place` on that passes. */
static int cursor_settle(struct cursor *c)
{
	for (; c->span < c->nspans; c->place = c->spans[++c->span].from) {
		size_t end = c->spans[c->span].to;

		for (; c->place < end; c->place++) {
			if (++c->looked_at % TICK == 0 &&
			    !query_db_goes_on(c->s->q, TICK))
				return SQLITE_INTERRUPT;
			c->row = c->list ? c->list[c->place] : c->place;
			if (row_passes(c))
				return SQLITE_OK;
		}
		if (c->span + 1 == c->nspans)
			break;
	}
	c->span = c->nspans;
	return SQLITE_OK;
}

static void begin(struct query_shared *s)
{
	if (s->has_begun)
		return;
	s->nrows = s->t->begin ? s->t->begin(s->t->source) : s->t->nrows;
	s->has_begun = true;
}

/* Between which values of a column rows are wanted. False: none are told, or negative ones
 * may be, as SQLite sees high addresses. */
static bool bounds_of(const struct cursor *c, int column, uint64_t *low, uint64_t *high)
{
	int64_t from = type_of(c, column) == QUERY_ADDRESS ? INT64_MIN : 0;
	int64_t to = INT64_MAX;

	for (size_t i = 0; i < c->ntests; i++) {
		const struct query_test *t = &c->tests[i];
		unsigned op = t->op;

		if (t->column != column)
			continue;
		if (op != SQLITE_INDEX_CONSTRAINT_LT && op != SQLITE_INDEX_CONSTRAINT_LE)
			from = t->number > from ? t->number : from;
		if (op != SQLITE_INDEX_CONSTRAINT_GT && op != SQLITE_INDEX_CONSTRAINT_GE)
			to = t->number < to ? t->number : to;
	}
	*low = (uint64_t)from;
	*high = (uint64_t)to;
	return from >= 0 && (from > 0 || to < INT64_MAX);
}

/* The spans of a column that can be found. */
static bool cursor_find(struct cursor *c)
{
	uint64_t low, high;

	for (size_t i = 0; i < c->ntests; i++) {
		int column = c->tests[i].column;

		if (!(c->t->columns[column].flags & QUERY_FINDS) ||
		    !bounds_of(c, column, &low, &high))
			continue;
		c->nspans = (int64_t)low > (int64_t)high
				    ? 0
				    : c->t->find(c->t->source, (size_t)column, low, high,
						 c->found);
		return true;
	}
	return false;
}

/* Rows of a value by an index, if one is there or has become worth its while. */
static bool cursor_look_up(struct cursor *c)
{
	struct query_shared *s = c->s;
	const uint32_t *rows;
	size_t n;

	for (size_t i = 0; i < c->ntests; i++) {
		const struct query_test *test = &c->tests[i];
		size_t column = (size_t)test->column;

		if (test->op != SQLITE_INDEX_CONSTRAINT_EQ)
			continue;
		if (!s->indexes[column] && s->searches[column]++ == SEARCHES_BEFORE_INDEX)
			s->indexes[column] = query_index_build(s, column);
		if (!s->indexes[column])
			continue;
		query_index_find(s->indexes[column], test, &rows, &n);
		c->list = rows;
		c->found[0] = (struct query_span){ 0, n };
		c->nspans = 1;
		return true;
	}
	return false;
}

/* Rows of the classes that pass, put together once that has become worth its while. They
 * come class by class. False: time is up. */
static bool cursor_pick_classes(struct cursor *c)
{
	static const struct query_plan by_number;
	const struct query_order *order;
	size_t n = c->t->nclasses(c->t->source), from = 0;

	if (c->s->class_searches++ < SEARCHES_BEFORE_INDEX)
		return true;
	order = query_order_get(c->s, &by_number);
	if (!order)
		return false;
	c->of_classes = xcalloc(n + 1, sizeof(*c->of_classes));
	c->spans = c->of_classes;
	c->nspans = 0;
	for (size_t class = 0; class < n; from = order->ends[class ++])
		if (c->class_passes[class])
			c->of_classes[c->nspans++] =
				(struct query_span){ from, order->ends[class] };
	c->list = order->rows;
	return true;
}

static bool cursor_place(struct cursor *c, const struct query_plan *plan)
{
	c->spans = c->found;
	c->found[0] = (struct query_span){ 0, c->s->nrows };
	c->nspans = 1;
	if (plan->order) {
		const struct query_order *order = query_order_get(c->s, plan);

		if (!order)
			return false;
		c->list = order->rows;
		c->found[0].to = order->n;
	} else if (!cursor_find(c) && !cursor_look_up(c) && c->class_passes &&
		   !plan->is_in_order && !cursor_pick_classes(c)) {
		return false;
	}
	c->place = c->nspans ? c->spans[0].from : 0;
	return true;
}

/* ---- comparisons of a class ---- */

/* Does the list have a value that the class has? */
static bool list_passes(int column, const struct query_table *t, sqlite3_value *list,
			const struct query_value *v)
{
	sqlite3_value *one = NULL;
	bool passes = false;
	int code;

	for (code = sqlite3_vtab_in_first(list, &one);
	     code == SQLITE_OK && one && !passes;
	     code = sqlite3_vtab_in_next(list, &one)) {
		struct query_test test = { .column = column,
					   .op = SQLITE_INDEX_CONSTRAINT_EQ };

		passes = test_fill(&test, t, one) &&
			 query_test_passes(&test, t->columns[column].type, v);
		free((char *)test.text.s);
	}
	return passes;
}

/* Makes the comparison for all classes; then rows need not be asked. */
static void classes_test(struct cursor *c, const struct query_test *test,
			 sqlite3_value *list)
{
	const struct query_table *t = c->t;
	size_t n = t->nclasses(t->source);
	bool is_new = !c->class_passes;

	if (is_new)
		c->class_passes = xcalloc(n + 1, sizeof(*c->class_passes));
	for (size_t class = 0; class < n; class ++) {
		struct query_value v =
			t->class_get(t->source, class, (size_t)test->column);
		bool passes =
			list ? list_passes(test->column, t, list, &v)
			     : query_test_passes(test, type_of(c, test->column), &v);

		c->class_passes[class] = passes && (is_new || c->class_passes[class]);
	}
}

static bool is_of_class(const struct cursor *c, const struct query_test *test)
{
	return c->t->nclasses && c->t->columns[test->column].flags & QUERY_CLASS;
}

/* Takes over a comparison. False: nothing is like that, and there are no rows. */
static bool cursor_take(struct cursor *c, const struct query_test *planned,
			sqlite3_value *value)
{
	struct query_test test = *planned;

	if (!test.is_list && sqlite3_value_type(value) == SQLITE_NULL)
		return false;
	if (test.is_list) {
		classes_test(c, &test, value);
	} else if (test_fill(&test, c->t, value)) {
		if (is_of_class(c, &test)) {
			classes_test(c, &test, NULL);
			free((char *)test.text.s);
		} else {
			c->tests[c->ntests++] = test;
		}
	}
	return true;
}

/* ---- what SQLite calls ---- */

static int cursor_filter(sqlite3_vtab_cursor *cursor, int n, const char *text, int argc,
			 sqlite3_value **values)
{
	struct cursor *c = (struct cursor *)cursor;
	const struct query_plan *plan = (const void *)text;

	(void)n, (void)argc;
	cursor_forget(c);
	begin(c->s);
	c->tests = xcalloc(plan->ntests + 1, sizeof(*c->tests));
	for (size_t i = 0; i < plan->ntests; i++)
		if (!cursor_take(c, &plan->tests[i], values[i]))
			return SQLITE_OK;
	return cursor_place(c, plan) ? cursor_settle(c) : SQLITE_INTERRUPT;
}

static int cursor_next(sqlite3_vtab_cursor *cursor)
{
	struct cursor *c = (struct cursor *)cursor;

	c->place++;
	return cursor_settle(c);
}

static int cursor_eof(sqlite3_vtab_cursor *cursor)
{
	const struct cursor *c = (const struct cursor *)cursor;

	return c->span >= c->nspans;
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
		sqlite3_result_int64(context, query_number(type_of(c, column), v.number));
	else if (v.kind == QUERY_IS_TEXT)
		text_result(c, context, v.text);
	return SQLITE_OK; /* without a result it is NULL */
}

static int cursor_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid)
{
	*rowid = (sqlite3_int64)((const struct cursor *)cursor)->row;
	return SQLITE_OK;
}

/* Without xCreate the table is there by its name alone, and there is nothing to create. */
static const sqlite3_module module = {
	.xConnect = table_connect,
	.xBestIndex = query_plan_build,
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

bool query_table_register(struct query_db *q, const struct query_table *t)
{
	struct connecting *c = xcalloc(1, sizeof(*c));

	*c = (struct connecting){ q, t };
	return sqlite3_create_module_v2(q->db, t->name, &module, c, free) == SQLITE_OK &&
	       connect_now(q->db, t->name);
}
