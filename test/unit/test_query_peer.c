/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions over tables with all that makes them fast (finding, indexes, classes), and the
 * same questions put to SQLite over the same rows in tables of its own: the answers are
 * equal. Where no order is asked for, rows may come in any.
 */
#include "query/query.h"
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THINGS = 3000, LINKS = 9000, CLASSES = 7, SPLIT = 1000 };

static const char *const words[CLASSES] = { "dict", "",    "list", "app.Order",
					    "list", "str", "size" };
static const char *const domains[CLASSES] = { "python",  "c",      "python", "python",
					      "cpython", "python", "c" };

/* Row r; each third is none. Rows from SPLIT on begin anew, as blocks do behind objects. */
struct thing {
	int64_t addr, size, count; /* count -1: absent */
	unsigned class;
	char name[8]; /* "": absent */
};
struct link {
	int64_t source, target; /* 0: absent */
};
struct rows {
	struct thing things[THINGS];
	struct link links[LINKS];
	unsigned begun, asked, classed;
};

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(*state >> 33);
}

static struct rows *rows_new(void)
{
	struct rows *r = calloc(1, sizeof(*r));
	uint64_t seed = 7;

	for (int i = 0; i < THINGS; i++) {
		struct thing *t = &r->things[i];

		t->addr = i < SPLIT ? 0x7f0000 + i * 16 : 0x10000 + i * 16;
		if (i == THINGS - 1)
			t->addr = -0xa00000; /* 0xffffffffff600000 */
		t->size = next_random(&seed) % 600;
		t->count = (int64_t)(next_random(&seed) % 5) - 1;
		t->class = next_random(&seed) % CLASSES;
		if (next_random(&seed) % 4)
			snprintf(t->name, sizeof(t->name), "n%u",
				 next_random(&seed) % 50);
	}
	for (int i = 0; i < LINKS; i++) {
		r->links[i].source = r->things[i / 3].addr;
		if (next_random(&seed) % 5)
			r->links[i].target = r->things[next_random(&seed) % THINGS].addr;
	}
	return r;
}

/* ---- as tables of ours ---- */

static struct query_value number(int64_t n)
{
	return (struct query_value){ .kind = QUERY_IS_NUMBER, .number = (uint64_t)n };
}

static struct query_value text(const char *s)
{
	return (struct query_value){ .kind = QUERY_IS_TEXT, .text = str_of(s) };
}

static const struct query_value absent = { .kind = QUERY_IS_ABSENT };

enum { ADDR, KIND, DOMAIN, SIZE, COUNT, NAME };

static struct query_value class_get(const void *source, size_t class, size_t column)
{
	(void)source;
	return text((column == KIND ? words : domains)[class]);
}

static struct query_value things_get(const void *source, size_t row, size_t column,
				     struct buf *scratch)
{
	const struct thing *t = &((const struct rows *)source)->things[row];

	((struct rows *)source)->asked++;
	assert_int_equal(scratch->n, 0);
	assert_int_not_equal(row % 3, 2);
	switch (column) {
	case ADDR:
		return number(t->addr);
	case SIZE:
		return number(t->size);
	case COUNT:
		return t->count < 0 ? absent : number(t->count);
	case NAME:
		buf_str(scratch, t->name);
		return t->name[0] ? (struct query_value){ .kind = QUERY_IS_TEXT,
							  .text = buf_view(scratch) }
				  : absent;
	default:
		return class_get(source, t->class, column);
	}
}

static size_t things_begin(const void *source)
{
	((struct rows *)source)->begun++;
	return THINGS;
}

static bool things_is_there(const void *source, size_t row)
{
	(void)source;
	return row % 3 != 2;
}

static size_t things_find(const void *source, size_t column, uint64_t low, uint64_t high,
			  struct query_span spans[QUERY_SPANS_MAX])
{
	const struct rows *r = source;

	assert_int_equal(column, ADDR);
	assert_true(low <= high);
	spans[0] = (struct query_span){ 0, SPLIT };
	spans[1] = (struct query_span){ SPLIT, THINGS };
	for (int i = 0; i < 2; i++) {
		while (spans[i].from < spans[i].to &&
		       (uint64_t)r->things[spans[i].from].addr < low)
			spans[i].from++;
		while (spans[i].to > spans[i].from &&
		       (uint64_t)r->things[spans[i].to - 1].addr > high)
			spans[i].to--;
	}
	return 2;
}

static size_t nclasses(const void *source)
{
	(void)source;
	return CLASSES;
}

static uint32_t class_of(const void *source, size_t row)
{
	((struct rows *)source)->classed++;
	return ((const struct rows *)source)->things[row].class;
}

static struct query_value links_get(const void *source, size_t row, size_t column,
				    struct buf *scratch)
{
	const struct link *l = &((const struct rows *)source)->links[row];

	(void)scratch;
	((struct rows *)source)->asked++;
	if (column == 2)
		return number((int64_t)row);
	if (column == 0)
		return number(l->source);
	return l->target ? number(l->target) : absent;
}

static const struct query_column things_columns[] = {
	{ "addr", QUERY_ADDRESS, "", QUERY_FINDS },
	{ "kind", QUERY_NAME, "", QUERY_CLASS },
	{ "domain", QUERY_TEXT, "", QUERY_CLASS },
	{ "size", QUERY_BYTES, "", 0 },
	{ "count", QUERY_COUNT, "", 0 },
	{ "name", QUERY_TEXT, "", 0 },
};
static const struct query_column links_columns[] = {
	{ "source", QUERY_ADDRESS, "", 0 },
	{ "target", QUERY_ADDRESS, "", 0 },
	{ "number", QUERY_NUMBER, "", QUERY_IN_ORDER },
};

struct ours {
	struct query_table tables[2];
	struct query_options o;
};

static struct ours ours_of(const struct rows *r)
{
	return (struct ours){ .tables = {
				      { .name = "things",
					.columns = things_columns,
					.ncolumns = countof(things_columns),
					.source = r,
					.nrows = THINGS + 100, /* about */
					.get = things_get,
					.begin = things_begin,
					.is_there = things_is_there,
					.find = things_find,
					.nclasses = nclasses,
					.class_of = class_of,
					.class_get = class_get },
				      { .name = "links",
					.columns = links_columns,
					.ncolumns = countof(links_columns),
					.source = r,
					.nrows = LINKS,
					.get = links_get },
			      } };
}

/* ---- as tables of SQLite's ---- */

static void run(sqlite3 *db, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", sql, message);
}

static sqlite3 *peer_of(const struct rows *r)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	run(db, "CREATE TABLE things(addr INT, kind TEXT, domain TEXT, size INT, "
		"count INT, name TEXT); CREATE TABLE links(source INT, target INT, "
		"number INT); "
		"BEGIN");
	for (int i = 0; i < THINGS; i++) {
		const struct thing *t = &r->things[i];
		char *sql = sqlite3_mprintf(
			"INSERT INTO things VALUES(%lld, %Q, %Q, %lld, nullif(%lld, -1), "
			"nullif(%Q, ''))",
			(long long)t->addr, words[t->class], domains[t->class],
			(long long)t->size, (long long)t->count, t->name);

		if (i % 3 != 2)
			run(db, sql);
		sqlite3_free(sql);
	}
	for (int i = 0; i < LINKS; i++) {
		char *sql = sqlite3_mprintf(
			"INSERT INTO links VALUES(%lld, nullif(%lld, 0), %d)",
			(long long)r->links[i].source, (long long)r->links[i].target, i);

		run(db, sql);
		sqlite3_free(sql);
	}
	run(db, "COMMIT; CREATE INDEX a ON things(addr); CREATE INDEX s ON links(source);"
		"CREATE INDEX t ON links(target); ANALYZE");
	return db;
}

/* ---- answers as lines ---- */

struct lines {
	char **all;
	size_t n;
};

static void line_add(struct lines *l, const char *s)
{
	l->all = realloc(l->all, (l->n + 1) * sizeof(*l->all));
	l->all[l->n++] = strdup(s);
}

static void lines_release(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->all[i]);
	free(l->all);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void value_show(struct buf *out, struct query_value v)
{
	if (v.kind == QUERY_IS_NUMBER)
		buf_printf(out, "%lld|", (long long)v.number);
	else if (v.kind == QUERY_IS_REAL)
		buf_printf(out, "%.12g|", v.real);
	else if (v.kind == QUERY_IS_TEXT)
		buf_printf(out, "'%.*s'|", (int)v.text.n, v.text.s);
	else
		buf_str(out, "NULL|");
}

static struct lines ask_ours(const struct query_options *o, const char *sql)
{
	struct err e = { 0 };
	struct query *q = query_open(o, sql, &e);
	struct lines l = { 0 };
	struct buf line = { 0 };
	bool end = false;

	if (!q)
		fail_msg("%s: %s", sql, e.text);
	while (query_next(q, &end, &e) && !end) {
		buf_clear(&line);
		for (size_t i = 0; i < query_width(q); i++)
			value_show(&line, query_get(q, i));
		line_add(&l, line.s);
	}
	if (!end)
		fail_msg("%s: %s", sql, e.text);
	buf_release(&line);
	query_close(q);
	return l;
}

static struct lines ask_peer(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s;
	struct lines l = { 0 };
	struct buf line = { 0 };

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	while (sqlite3_step(s) == SQLITE_ROW) {
		buf_clear(&line);
		for (int i = 0; i < sqlite3_column_count(s); i++) {
			struct query_value v = absent;

			switch (sqlite3_column_type(s, i)) {
			case SQLITE_INTEGER:
				v = number(sqlite3_column_int64(s, i));
				break;
			case SQLITE_FLOAT:
				v.kind = QUERY_IS_REAL;
				v.real = sqlite3_column_double(s, i);
				break;
			case SQLITE_TEXT:
				v = text((const char *)sqlite3_column_text(s, i));
			}
			value_show(&line, v);
		}
		line_add(&l, line.s);
	}
	sqlite3_finalize(s);
	buf_release(&line);
	return l;
}

static const char *const questions[] = {
	"SELECT count(*), sum(size), min(addr), max(addr), avg(count) FROM things",
	"SELECT * FROM things WHERE addr = 0x7f0010",
	"SELECT * FROM things WHERE addr = 0xffffffffff600000",
	"SELECT * FROM things WHERE addr = 1",
	"SELECT addr FROM things WHERE addr > 0x7f0100 AND addr <= 0x7f0200",
	"SELECT addr FROM things WHERE addr >= 0x14000 AND addr < 0x14100",
	"SELECT addr FROM things WHERE addr BETWEEN 0x13ff0 AND 0x7f0020",
	"SELECT addr FROM things WHERE addr BETWEEN 100 AND 50",
	"SELECT count(*) FROM things WHERE addr < 0x14000",
	"SELECT count(*) FROM things WHERE addr > 0x7f0100",
	"SELECT count(*) FROM things WHERE addr > -0xb00000 AND addr < 5",
	"SELECT addr FROM things WHERE addr IN (0x7f0010, 0x7f0040, 5, 0x14000)",
	"SELECT count(*), sum(size) FROM things WHERE size > 512",
	"SELECT count(*) FROM things WHERE size > 512.5 OR size < 3",
	"SELECT count(*) FROM things WHERE size = '17'",
	"SELECT count(*) FROM things WHERE size = 17.0",
	"SELECT count(*) FROM things WHERE size > 'a'",
	"SELECT count(*) FROM things WHERE count = NULL OR count > 2",
	"SELECT count(*) FROM things WHERE count IS NULL",
	"SELECT count(*) FROM things WHERE name = 'n7' AND size > 100",
	"SELECT count(*) FROM things WHERE name = 7",
	"SELECT count(*) FROM things WHERE name > 'n3' AND name <= 'n40'",
	"SELECT count(*) FROM things WHERE name = 'N7' COLLATE NOCASE",
	"SELECT count(*) FROM things WHERE kind = 'list'",
	"SELECT count(*) FROM things WHERE kind = 'list' AND domain = 'python'",
	"SELECT count(*) FROM things WHERE kind IN ('dict', 'str', 'none')",
	"SELECT count(*) FROM things WHERE kind IN (SELECT name FROM things)",
	"SELECT count(*) FROM things WHERE kind > 'dict' AND kind < 'str'",
	"SELECT count(*) FROM things WHERE kind IN ('dict', 5) AND kind != 'str'",
	"SELECT count(*) FROM things WHERE kind = domain",
	"SELECT count(*) FROM things WHERE kind = NULL",
	"SELECT count(*) FROM things WHERE kind = 'size' AND size > 'x'",
	"SELECT kind, count(*), sum(size) FROM things GROUP BY kind",
	("SELECT kind, domain, count(*) FROM things WHERE size > 100 GROUP BY kind, "
	 "domain"),
	"SELECT domain, kind, count(*) FROM things WHERE kind != 'str' GROUP BY 2, 1",
	"SELECT DISTINCT kind FROM things",
	"SELECT DISTINCT domain FROM things WHERE size < 50",
	"SELECT kind, name, count(*) FROM things GROUP BY kind, name",
	"SELECT domain, count(DISTINCT kind) FROM things GROUP BY domain",
	"SELECT kind, max(size) FROM things WHERE addr > 0x7f0000 GROUP BY kind",
	"SELECT kind, count(*) FROM things GROUP BY kind HAVING count(*) > 300",
	("SELECT kind, (SELECT group_concat(domain) FROM (SELECT domain FROM things "
	 "GROUP BY domain)), count(*) FROM things GROUP BY kind"),
	("SELECT kind, (SELECT count(*) FROM (SELECT DISTINCT domain, kind FROM things b "
	 "WHERE b.size > a.size)) FROM things a WHERE size > 590 GROUP BY kind, size"),
	("SELECT sum((SELECT sum(b.size) FROM things b WHERE b.kind = a.kind)) FROM "
	 "things a WHERE a.size > 500"),
	("SELECT sum((SELECT size FROM things b WHERE b.kind = a.kind AND b.size > "
	 "a.size "
	 "ORDER BY rowid LIMIT 1)) FROM things a"),
	"SELECT count(*), sum(t.size) FROM links l JOIN things t ON t.addr = l.target",
	("SELECT t.kind, count(*) FROM things t JOIN links l ON l.target = t.addr GROUP "
	 "BY 1"),
	("SELECT a.kind, b.kind, count(*) FROM things a JOIN links l ON l.source = "
	 "a.addr "
	 "JOIN things b ON b.addr = l.target WHERE a.size > 400 GROUP BY 1, 2"),
	("SELECT count(*) FROM things t LEFT JOIN links l ON l.target = t.addr "
	 "WHERE l.source IS NULL"),
	"SELECT count(*) FROM things WHERE addr IN (SELECT target FROM links)",
	("SELECT count(*) FROM things WHERE addr NOT IN (SELECT target FROM links "
	 "WHERE target IS NOT NULL)"),
	("SELECT count(*) FROM things t WHERE EXISTS (SELECT 1 FROM links WHERE target = "
	 "t.addr AND source > t.addr)"),
	("SELECT sum((SELECT count(*) FROM links l WHERE l.target = t.addr)) FROM things "
	 "t"),
	("SELECT a.name, count(*) FROM things a JOIN things b ON a.name = b.name "
	 "AND a.size = b.size GROUP BY 1"),
	"SELECT count(*) FROM things a JOIN things b ON a.count = b.size",
	("WITH RECURSIVE reach(a) AS (SELECT 0x7f0010 UNION SELECT l.target FROM links l "
	 "JOIN reach ON l.source = reach.a WHERE l.target > 0x7f0000) SELECT count(*) "
	 "FROM "
	 "reach"),
};

/* These ask for an order that is the only one. */
static const char *const in_order[] = {
	"SELECT kind, domain, addr FROM things ORDER BY kind, domain, addr",
	"SELECT kind FROM things ORDER BY kind",
	"SELECT kind, domain FROM things ORDER BY kind DESC, domain",
	("SELECT domain, kind, size FROM things WHERE size < 20 ORDER BY domain, kind "
	 "DESC, size, addr"),
	"SELECT DISTINCT kind FROM things ORDER BY kind DESC",
	"SELECT kind, count(*) FROM things GROUP BY kind ORDER BY kind",
	"SELECT kind, count(*) FROM things GROUP BY kind ORDER BY count(*) DESC, kind",
	"SELECT addr FROM things ORDER BY addr LIMIT 5 OFFSET 2",
	"SELECT addr FROM things WHERE addr > 0x7f0000 ORDER BY addr DESC LIMIT 5",
	"SELECT kind, size FROM things WHERE kind IN ('str', 'dict') ORDER BY kind, size",
	"SELECT addr, size FROM things ORDER BY size DESC, addr LIMIT 20",
	"SELECT number FROM links WHERE target > 0x7f0000 ORDER BY number LIMIT 5",
	"SELECT number FROM links WHERE target > 0x7f0000 ORDER BY number DESC LIMIT 5",
	"SELECT number FROM links WHERE target = 0x7f0000 ORDER BY number",
};

static void same_answer(const struct query_options *o, sqlite3 *peer, const char *sql,
			bool ordered)
{
	struct lines got = ask_ours(o, sql), want = ask_peer(peer, sql);

	if (!ordered && got.n)
		qsort(got.all, got.n, sizeof(*got.all), compare);
	if (!ordered && want.n)
		qsort(want.all, want.n, sizeof(*want.all), compare);
	if (got.n != want.n)
		fail_msg("%s: %zu rows, not %zu", sql, got.n, want.n);
	for (size_t i = 0; i < got.n; i++)
		if (strcmp(got.all[i], want.all[i]) != 0)
			fail_msg("%s: row %zu is %s, not %s", sql, i, got.all[i],
				 want.all[i]);
	lines_release(&got);
	lines_release(&want);
}

static void answers_are_those_of_sqlite(void **state)
{
	struct rows *r = rows_new();
	struct ours ours = ours_of(r);
	sqlite3 *peer = peer_of(r);

	(void)state;
	ours.o.tables = ours.tables;
	ours.o.ntables = 2;
	for (size_t i = 0; i < countof(questions); i++)
		same_answer(&ours.o, peer, questions[i], false);
	for (size_t i = 0; i < countof(in_order); i++)
		same_answer(&ours.o, peer, in_order[i], true);
	sqlite3_close(peer);
	free(r);
}

/* How many cells a question asks for. */
static unsigned costs_and_classes(const char *sql, unsigned *classed)
{
	struct rows *r = rows_new();
	struct ours ours = ours_of(r);
	unsigned asked;

	ours.o.tables = ours.tables;
	ours.o.ntables = 2;

	struct lines l = ask_ours(&ours.o, sql);

	asked = r->asked;
	*classed = r->classed;
	assert_true(r->begun <= 1);
	lines_release(&l);
	free(r);
	return asked;
}

static unsigned costs(const char *sql)
{
	unsigned classed;

	return costs_and_classes(sql, &classed);
}

static void what_is_found_costs_what_it_is(void **state)
{
	(void)state;
	assert_true(costs("SELECT size FROM things WHERE addr = 0x7f0010") < 10);
	assert_true(costs("SELECT addr FROM things WHERE addr > 0x7f0000 AND "
			  "addr < 0x7f0100") < 100);
	assert_true(costs("SELECT count(*) FROM things WHERE addr = NULL") == 0);
	/* A class is compared once, and its rows come together. */
	assert_true(costs("SELECT count(*) FROM things WHERE kind = 'str'") == 0);
	assert_true(costs("SELECT count(*) FROM things WHERE kind IN ('str', 'a')") <
		    500);
	/* An index is made once, and then each look-up costs what it finds. */
	assert_true(costs("SELECT count(*) FROM things t JOIN links l ON l.target = "
			  "t.addr") < 6 * LINKS);
	assert_true(costs("SELECT count(*) FROM links l JOIN things t ON t.addr = "
			  "l.target") < 6 * LINKS);
}

/* So it is with the rows of a class. */
static void classes_are_put_together_once(void **state)
{
	unsigned classed;

	(void)state;
	costs_and_classes("SELECT sum((SELECT count(*) FROM things t WHERE t.kind = "
			  "l.number || 'x')) FROM links l",
			  &classed);
	assert_true(classed < 5 * THINGS);
}

static void columns_keep_their_type(void **state)
{
	struct rows *r = rows_new();
	struct ours ours = ours_of(r);
	struct err e = { 0 };
	struct query *q;

	(void)state;
	ours.o.tables = ours.tables;
	ours.o.ntables = 2;
	q = query_open(&ours.o,
		       "WITH x AS (SELECT addr AS a, kind FROM things) SELECT a, x.kind, "
		       "size, size + 1, s.name AS \"two words\" FROM x JOIN things s ON "
		       "s.addr = x.a",
		       &e);
	assert_non_null(q);
	assert_int_equal(query_width(q), 5);
	assert_int_equal(query_type(q, 0), QUERY_ADDRESS);
	assert_int_equal(query_type(q, 1), QUERY_NAME);
	assert_int_equal(query_type(q, 2), QUERY_BYTES);
	assert_int_equal(query_type(q, 3), QUERY_ANY);
	assert_int_equal(query_type(q, 4), QUERY_TEXT);
	assert_string_equal(query_name(q, 0), "a");
	assert_string_equal(query_name(q, 3), "size + 1");
	assert_string_equal(query_name(q, 4), "two words");
	assert_true(query_reads(q, 0));
	assert_false(query_reads(q, 1));
	query_close(q);
	free(r);
}

static bool twice(const void *source, uint64_t value, uint64_t *result)
{
	*result = 2 * value + *(const uint64_t *)source;
	return value < 100;
}

static void functions_can_be_had(void **state)
{
	static const uint64_t one = 1;
	const struct query_function f = { "twice_and_one", twice, &one };
	const struct query_options o = { .functions = &f, .nfunctions = 1 };
	struct lines l = ask_ours(&o, "SELECT twice_and_one(20), twice_and_one(100), "
				      "twice_and_one('x'), 'abc' REGEXP 'b.$'");

	(void)state;
	assert_int_equal(l.n, 1);
	assert_string_equal(l.all[0], "41|NULL|NULL|1|");
	lines_release(&l);
}

static void is_wrong(const char *sql, const char *want)
{
	struct rows *r = rows_new();
	struct ours ours = ours_of(r);
	struct err e = { 0 };

	ours.o.tables = ours.tables;
	ours.o.ntables = 2;
	if (query_open(&ours.o, sql, &e))
		fail_msg("%s is taken", sql);
	assert_int_equal(e.kind, ERR_USAGE);
	if (strncmp(e.text, want, strlen(want)) != 0)
		fail_msg("%s: %s", sql, e.text);
	assert_int_equal(r->asked + r->begun, 0);
	free(r);
}

static void nothing_but_a_select_is_taken(void **state)
{
	static const char *const writes[] = {
		"ATTACH 'x.db' AS x",
		"PRAGMA table_list",
		"PRAGMA writable_schema = 1",
		"CREATE TABLE x(a)",
		"CREATE TEMP TABLE x AS SELECT * FROM things",
		"CREATE VIRTUAL TABLE x USING fts5(a)",
		"CREATE VIEW v AS SELECT 1",
		"DROP TABLE things",
		"INSERT INTO things VALUES (1)",
		"UPDATE things SET size = 0",
		"DELETE FROM things",
		"VACUUM INTO '/tmp/x'",
		"BEGIN",
		"SAVEPOINT a",
		"REINDEX",
		"ANALYZE",
		"DETACH main",
		"SELECT * FROM sqlite_master",
		"SELECT * FROM pragma_database_list",
		"SELECT load_extension('x')",
		"SELECT fts3_tokenizer('x', 'y')",
		"SELECT * FROM things; DROP TABLE things",
		"SELECT 1; SELECT 2",
		"",
		" ; ",
		"-- nothing",
	};

	(void)state;
	for (size_t i = 0; i < countof(writes); i++)
		is_wrong(writes[i], "");
	is_wrong("SELECT * FROM thing", "no table 'thing'; did you mean 'things'?\n"
					"  SELECT * FROM thing\n"
					"                ^\ntables: things, links");
	is_wrong("SELECT size,\n  t.sise FROM things t",
		 "no column 'sise'; did you mean 'size'?\n    t.sise FROM things t\n    "
		 "^");
	is_wrong("SELECT size, target FROM things",
		 "no column 'target' here; 'links' has one\n  SELECT size, target FROM "
		 "things\n               ^");
	is_wrong("SELECT size FROM things WHERE size > ?1", "nothing can be filled in");
	is_wrong("SELECT size FROM things WHERE", "something is missing at its end\n");
	is_wrong("SELECT 1; SELECT 2", "one SELECT only, and it ends here\n"
				       "  SELECT 1; SELECT 2\n           ^");
}

static void time_is_limited(void **state)
{
	static const char *const slow[] = {
		("SELECT count(*) FROM things a, things b, things c "
		 "WHERE a.size + b.size + c.size = -1"),
		("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
		 "SELECT count(*) FROM n"),
	};
	struct rows *r = rows_new();
	struct ours ours = ours_of(r);

	(void)state;
	ours.o = (struct query_options){ ours.tables, 2, NULL, 0, 1, NULL };
	for (size_t i = 0; i < countof(slow); i++) {
		struct err e = { 0 };
		struct query *q = query_open(&ours.o, slow[i], &e);
		bool end;

		assert_non_null(q);
		assert_false(query_next(q, &end, &e));
		assert_int_equal(e.kind, ERR_USAGE);
		assert_non_null(strstr(e.text, "took longer than 1 second"));
		query_close(q);
	}
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_those_of_sqlite),
		cmocka_unit_test(what_is_found_costs_what_it_is),
		cmocka_unit_test(classes_are_put_together_once),
		cmocka_unit_test(columns_keep_their_type),
		cmocka_unit_test(functions_can_be_had),
		cmocka_unit_test(nothing_but_a_select_is_taken),
		cmocka_unit_test(time_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
