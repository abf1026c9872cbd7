/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question in SQL. It is compiled before the target is touched, over tables without rows;
 * what it names tells what of the target is needed.
 */
#include "cmd/sql_int.h"

#include "base/progress.h"
#include <stdlib.h>

struct sql_args {
	const char *target, *query;
	bool schema;
	uint64_t timeout;
};

static const struct opt sql_opts[] = {
	OPT_FLAG(0, "schema", struct sql_args, schema,
		 "print the tables and their columns; no TARGET is needed"),
	OPT_UINT(0, "timeout", struct sql_args, timeout, "SECONDS",
		 "how long the query may take once the target is read; then it ends, and "
		 "the answer is an error"),
};

static const struct opt sql_args[] = {
	ARG_STRING_OPTIONAL("TARGET", struct sql_args, target, OFFER_TARGET, TARGET_HELP),
	ARG_STRING_OPTIONAL("QUERY", struct sql_args, query, OFFER_NOTHING,
			    "one SELECT, in SQLite's language"),
};

/* ---- functions ---- */

/* owner(ADDR): the address of the node whose memory that is. */
static bool call_owner(const void *source, uint64_t at, uint64_t *result)
{
	const struct model *m = source;
	size_t part;
	uint32_t node = model_node_at(m, at, &part);

	if (node == NO_NODE)
		return false;
	*result = node_addr(m, node);
	return true;
}

/* ---- asking ---- */

struct asking {
	struct sql_tables tables;
	struct query_function owner;
	struct progress progress;
	struct query *query;
};

static bool asking_begin(struct asking *a, const struct model *m,
			 const struct sql_args *args, struct err *e)
{
	sql_tables_init(&a->tables, m);
	a->owner = (struct query_function){ "owner", call_owner, m };
	a->progress = progress_begin("asking, rows looked at");
	a->query = query_open(
		&(struct query_options){
			.tables = a->tables.tables,
			.ntables = a->tables.n,
			.functions = &a->owner,
			.nfunctions = 1,
			.seconds = args->timeout,
			.progress = &a->progress,
		},
		args->query, e);
	return a->query != NULL;
}

static void asking_end(struct asking *a)
{
	progress_end(&a->progress);
	query_close(a->query);
	sql_tables_release(&a->tables);
}

static bool sql_check(const void *args, struct err *e)
{
	const struct sql_args *a = args;
	struct asking asking;
	bool ok;

	if (a->schema && a->target)
		return fail(e, ERR_USAGE,
			    "sql: --schema takes no TARGET and no QUERY\n%s",
			    "the tables are the same of all");
	if (a->schema)
		return true;
	if (!a->target || !a->query)
		return fail(e, ERR_USAGE, "sql: %s is missing\n%s",
			    a->target ? "QUERY" : "TARGET",
			    "'heapsift sql --schema' prints the tables");
	ok = asking_begin(&asking, NULL, a, e);
	asking_end(&asking);
	return ok || err_within(e, "sql");
}

/* What the query needs of the target: of all tables that it names. */
static struct collect_options needs_of(const struct asking *a)
{
	unsigned all = 0;

	for (size_t i = 0; i < a->tables.n; i++)
		if (query_reads(a->query, i))
			all |= sql_table_at(i)->needs;
	return (struct collect_options){ .edges = all & SQL_EDGES,
					 .values = all & SQL_VALUES,
					 .previews = all & SQL_PREVIEWS,
					 .huge_slack = all & SQL_SLACK };
}

/* That a table has no rows may be an answer, or not: it is a note then. */
static void missing_say(struct context *cx, const struct asking *a)
{
	for (size_t i = 0; i < a->tables.n; i++) {
		const struct sql_table *t = sql_table_at(i);
		const char *why = query_reads(a->query, i) && t->missing
					  ? t->missing(cx->model)
					  : NULL;

		if (why)
			model_find_out(cx->model, SEVERITY_NOTE, t->name, "%s", why);
	}
}

/* Opens the target as far as the query needs it. */
static bool target_open(struct context *cx, const struct sql_args *args, struct err *e)
{
	struct asking a;
	struct collect_options needs;
	bool ok = asking_begin(&a, NULL, args, e);

	if (ok) {
		needs = needs_of(&a);
		ok = context_open(cx, args->target, &needs, e);
	}
	if (ok)
		missing_say(cx, &a);
	asking_end(&a);
	return ok;
}

/* ---- the answer ---- */

static bool answer_report(struct context *cx, struct sql_answer *a, struct sink *out,
			  struct err *e)
{
	return context_report(cx,
			      &(struct report){ .table = { .columns = a->columns,
							   .ncolumns = a->ncolumns,
							   .source = a,
							   .nrows = a->nrows,
							   .get = sql_answer_get } },
			      out, e);
}

/* ---- the schema ---- */

struct schema_row {
	const struct query_table *table;
	const struct query_column *column;
};

static struct cell get_table(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(str_of(((const struct schema_row *)source)[row].table->name));
}

static struct cell get_column(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(str_of(((const struct schema_row *)source)[row].column->name));
}

static struct cell get_type(const void *source, size_t row, struct buf *scratch)
{
	static const char *const words[] = {
		[QUERY_TEXT] = "text",       [QUERY_PATH] = "text",
		[QUERY_NAME] = "text",       [QUERY_CODE] = "text",
		[QUERY_ADDRESS] = "address", [QUERY_BYTES] = "bytes",
		[QUERY_COUNT] = "number",    [QUERY_NUMBER] = "number",
		[QUERY_CHANGE] = "number",   [QUERY_BOOL] = "bool",
	};

	(void)scratch;
	return cell_text(
		str_of(words[((const struct schema_row *)source)[row].column->type]));
}

static struct cell get_help(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(str_of(((const struct schema_row *)source)[row].column->help));
}

static const struct column schema_columns[] = {
	{ "table", COLUMN_TEXT, 0, get_table, "its name" },
	{ "column", COLUMN_TEXT, 0, get_column, "its name" },
	{ "type", COLUMN_TEXT, 0, get_type, "how its values are meant" },
	{ "text", COLUMN_TEXT, 0, get_help, "what it holds" },
};

/* For people: a table's line, then a line for each column. */
static void schema_show(const struct table *t, struct sink *out)
{
	enum { COLUMN_ROOM = 20, TYPE_ROOM = 9 };
	const struct schema_row *rows = t->source;
	struct buf none = { 0 };

	for (size_t i = 0; i < t->nrows; i++) {
		struct wrap w = { .out = out, .width = out->width };
		const struct query_column *c = rows[i].column;

		if (i == 0 || rows[i].table != rows[i - 1].table) {
			sink_str(out, i ? "\n" : "");
			sink_look(out, LOOK_HEAD);
			sink_str(out, rows[i].table->name);
			sink_look(out, LOOK_PLAIN);
			sink_printf(out, ": %s\n", rows[i].table->help);
		}
		w.indent = 2 + COLUMN_ROOM + TYPE_ROOM;
		sink_printf(out, "  %-*s%-*s", COLUMN_ROOM, c->name, TYPE_ROOM,
			    get_type(rows, i, &none).text.s);
		w.at = w.indent;
		wrap_words(&w, str_of(c->help));
		sink_char(out, '\n');
	}
	sink_str(out, "\nowner(ADDR) is the address of the node whose memory ADDR is, "
		      "X REGEXP Y takes\nPOSIX extended expressions; the rest is "
		      "SQLite's.\n");
}

static bool schema_run(struct context *cx, struct sink *out, struct err *e)
{
	struct sql_tables s;
	struct schema_row *rows;
	size_t n = 0;
	bool ok;

	cx->model = model_new();
	sql_tables_init(&s, cx->model);
	for (size_t t = 0; t < s.n; t++)
		n += s.tables[t].ncolumns;
	rows = xcalloc(n, sizeof(*rows));
	n = 0;
	for (size_t t = 0; t < s.n; t++)
		for (size_t c = 0; c < s.tables[t].ncolumns; c++)
			rows[n++] = (struct schema_row){ &s.tables[t],
							 &s.tables[t].columns[c] };
	if (!cx->limit_is_said)
		cx->shared.limit = 0;
	ok = context_report(
		cx,
		&(struct report){ .table = { .columns = schema_columns,
					     .ncolumns = countof(schema_columns),
					     .source = rows,
					     .nrows = n },
				  .text = schema_show },
		out, e);
	free(rows);
	sql_tables_release(&s);
	return ok;
}

/* ---- the command ---- */

static bool sql_run(struct context *cx, const void *args, struct sink *out, struct err *e)
{
	const struct sql_args *a = args;
	struct asking asking;
	struct sql_answer answer = { 0 };
	bool ok;

	if (a->schema)
		return schema_run(cx, out, e);
	if (!target_open(cx, a, e))
		return false;
	ok = asking_begin(&asking, cx->model, a, e);
	if (ok) {
		ok = sql_answer_fill(&answer, asking.query, &asking.tables,
				     cx->shared.limit, e);
	}
	asking_end(&asking);
	if (ok)
		ok = answer_report(cx, &answer, out, e);
	else
		(void)!err_within(e, "sql");
	sql_answer_release(&answer);
	return ok;
}

const struct command cmd_sql = {
	.name = "sql",
	.group = GROUP_LOOK,
	.brief = "any question, in SQL",
	.text = "The target as tables, which 'heapsift sql --schema' prints, and one "
		"SELECT "
		"over them, in SQLite's language. Nothing is copied: what is looked for "
		"by "
		"address or found by type costs what it finds.\n\n"
		"Text in the query stands in single quotes, or in double ones where no "
		"column has the name. Addresses are numbers, 0x7f08e44d9180, and sizes "
		"bytes; what is not known is NULL. A column of a table looks in the "
		"answer "
		"as it does everywhere; what is worked out is shown as the number or "
		"text it "
		"is.\n\n"
		"Nothing can be changed, and no file opened. No row is an answer, too: "
		"the "
		"exit code is 0.",
	.example = "sql 1234 'SELECT kind, max(size) FROM nodes GROUP BY kind'",
	.example_text = "how large the largest of each kind is",
	.flags = COMMAND_FORMATS | COMMAND_LIMIT | COMMAND_TARGET,
	.args = sql_args,
	.nargs = countof(sql_args),
	.opts = sql_opts,
	.nopts = countof(sql_opts),
	.args_size = sizeof(struct sql_args),
	.limit = 100,
	.check = sql_check,
	.run = sql_run,
};
