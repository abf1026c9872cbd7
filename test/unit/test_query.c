/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions over a table of six rows whose every answer is known. */
#include "query/query.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ABSENT = 7777777 };

struct thing {
	uint64_t addr, size;
	const char *kind; /* NULL: absent */
	int flag;         /* ABSENT */
};

static const struct thing things[] = {
	{ 0x7f0000000010, 56, "dict", 0 },
	{ 0x7f0000000020, 600, "string data", 1 },
	{ 0x7f0000000030, 513, "string data", ABSENT },
	{ 0x7f0000000040, 100, "size", 0 },
	{ 0x7f0000000050, UINT64_MAX, "app.models.Order", 1 },
	{ 0xffffffffff600000, 400, NULL, 0 },
};

static const struct query_column columns[] = {
	{ "addr", QUERY_ADDRESS, "where", 0 },
	{ "size", QUERY_BYTES, "how much", 0 },
	{ "kind", QUERY_TEXT, "what", 0 },
	{ "flag", QUERY_BOOL, "whether", 0 },
	{ "dear", QUERY_NUMBER, "nobody may ask for it", 0 },
	{ "odd", QUERY_TEXT, "bytes that are no text", 0 },
	{ "grew", QUERY_CHANGE, "-2, -1, 0, 1 …", 0 },
};

static struct query_value number(uint64_t n)
{
	return (struct query_value){ .kind = QUERY_IS_NUMBER, .number = n };
}

static struct query_value get(const void *source, size_t row, size_t column,
			      struct buf *scratch)
{
	const struct thing *t = &((const struct thing *)source)[row];

	assert_int_equal(scratch->n, 0);
	switch (column) {
	case 0:
		return number(t->addr);
	case 1:
		return number(t->size);
	case 2:
		if (!t->kind)
			return (struct query_value){ .kind = QUERY_IS_ABSENT };
		buf_str(scratch, t->kind); /* built anew, as many cells are */
		return (struct query_value){ .kind = QUERY_IS_TEXT,
					     .text = buf_view(scratch) };
	case 3:
		if (t->flag == ABSENT)
			return (struct query_value){ .kind = QUERY_IS_ABSENT };
		return number((uint64_t)t->flag);
	case 5:
		return (struct query_value){ .kind = QUERY_IS_TEXT,
					     .text = { "a\0\xff"
						       "b",
						       row ? 4 : 0 } };
	case 6:
		return number(row - 2);
	default:
		fail_msg("column %zu was asked for", column);
		return number(0);
	}
}

static const struct query_table table = {
	.name = "rows",
	.columns = columns,
	.ncolumns = countof(columns),
	.source = things,
	.nrows = countof(things),
	.get = get,
};

/* The rows that it picks, as digits. */
static void picks(const char *expr, const char *want)
{
	char got[countof(things) + 1] = "";
	struct err e = { 0 };
	uint32_t *rows;
	size_t n;

	if (!query_pick(&table, expr, &rows, &n, &e))
		fail_msg("%s: %s", expr, e.text);
	for (size_t i = 0; i < n; i++)
		got[i] = (char)('0' + rows[i]);
	if (strcmp(got, want) != 0)
		fail_msg("%s picks '%s', not '%s'", expr, got, want);
	free(rows);
	assert_true(query_check(&table, expr, &e));
}

/* What is said of it, but for the lines behind the first `lines`. */
static void is_wrong(const char *expr, const char *want)
{
	struct err e = { 0 };

	if (query_check(&table, expr, &e))
		fail_msg("%s is taken", expr);
	assert_int_equal(e.kind, ERR_USAGE);
	if (strncmp(e.text, want, strlen(want)) != 0)
		fail_msg("%s: %s", expr, e.text);
}

static void the_questions_of_gdb_heap_work(void **state)
{
	(void)state;
	picks("kind=\"string data\" and size > 512", "12");
	picks("kind = \"dict\"", "0");
	picks("addr = 0x7f0000000040", "3");
	picks("NOT size < 400", "1245");
	picks("size >= 513 AND size <= 600", "12");
	picks("size != 56", "12345");
}

static void precedence_is_that_of_sql(void **state)
{
	(void)state;
	/* gdb-heap read this as (… or …) and … */
	picks("size = 56 or kind = \"string data\" and size = 600", "01");
	picks("(size = 56 or kind = \"string data\") and size = 600", "1");
	picks("not kind = 'dict' and not kind = 'size'", "124");
}

static void double_quotes_are_texts(void **state)
{
	(void)state;
	picks("kind = \"size\"", "3"); /* and not the column */
	picks("kind = \"it's\" or \"a\"\"b\" = 'a\"b' and size = 56", "0");
	picks("'a\"b' = \"a\"\"b\" and kind = 'dict'", "0");
	picks("[kind] = 'dict' or `size` = 100", "03");
	picks("size = 56 -- \"nobody reads this\"", "0");
	picks("size /* or \" this */ = 56", "0");
}

static void what_sqlite_can_do_comes_along(void **state)
{
	(void)state;
	picks("kind LIKE 'APP.%'", "4");
	picks("kind GLOB 'app.*'", "4");
	picks("kind REGEXP '^app\\.[a-z]+\\.Order$'", "4");
	picks("kind NOT REGEXP '^(dict|size)$'", "124");
	picks("odd REGEXP 'b$' and size < 101", "3");
	picks("kind in ('dict', \"size\")", "03");
	picks("size between 100 and 513", "235");
	picks("size + 1 = 57", "0");
	picks("size > 5.5e2", "14");
	picks("size = '56'", "0");
	picks("length(kind) = 4", "03");
	picks("kind = 'DICT' collate nocase", "0");
	picks("CASE kind WHEN 'dict' THEN 1 END", "0");
}

static void absent_is_null(void **state)
{
	(void)state;
	picks("kind is null", "5");
	picks("kind is not null", "01234");
	picks("kind = ''", "");
	picks("kind != 'dict'", "1234");
	picks("flag", "14");
	picks("not flag", "035");
	picks("flag is null", "2");
	picks("flag = true", "14");
}

static void numbers_may_be_large(void **state)
{
	(void)state;
	picks("addr = 0xffffffffff600000", "5");
	picks("size > 1000", "4"); /* and is not -1 */
	picks("grew < 0", "01");
	picks("grew between -1 and 1 and size > 0", "123");
	picks("odd = ''", "0");
	picks("length(cast(odd as blob)) = 4", "12345");
}

static void rows_come_once_and_in_order(void **state)
{
	(void)state;
	picks("size > 500 or kind = 'dict' or size > 5", "012345");
	picks("kind = 'size' or kind = 'dict'", "03");
	picks("1", "012345");
	picks("1 -- ) union select 1", "012345");
	picks("0", "");
	picks("'dict'", "");
}

static void the_place_is_told(void **state)
{
	(void)state;
	is_wrong("sze > 5", "no column 'sze'; did you mean 'size'?\n  sze > 5\n  ^\n"
			    "columns: addr, size, kind, flag, dear, odd, grew");
	is_wrong("kind = dict", "no column 'dict'; a text stands in quotes\n"
				"  kind = dict\n         ^\ncolumns: ");
	/* what was longer before it was rewritten, and characters of two columns */
	is_wrong("kind = \"a\"\"b's\" and sze", "no column 'sze'; did you mean 'size'?\n"
						"  kind = \"a\"\"b's\" and sze\n"
						"                      ^\n");
	is_wrong("kind = 'é' and\n size > 5 AM 3",
		 "near \"AM\": syntax error\n   size > 5 AM 3\n            ^");
	is_wrong("`\n`", "no column ' '; a text stands in quotes\n  `\n  ^\ncolumns: ");
	is_wrong("size >", "something is missing at its end\n  size >\n        ^");
	is_wrong("nosuch(size)", "no such function: nosuch\n  nosuch(size)\n  ^");
	is_wrong("size = 1e", "unrecognized token: \"1e\"\n  size = 1e\n         ^");
	is_wrong("kind = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' and "
		 "sze "
		 "or kind = 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'",
		 "no column 'sze'; did you mean 'size'?\n"
		 "  …aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' and sze or kind = "
		 "'bbbbbbbbbbbbb…\n"
		 "                                           ^\n");
}

static void it_is_one_expression(void **state)
{
	(void)state;
	is_wrong("", "the expression is empty");
	is_wrong(" \t\n", "the expression is empty");
	is_wrong("1) or (1", "no bracket is open here\n  1) or (1\n   ^");
	is_wrong("1 /* ) */ ) or (1", "no bracket is open here");
	is_wrong("(size > (3)", "this bracket is not closed\n  (size > (3)\n  ^");
	is_wrong("1; drop table rows", "one expression only, and it ends here");
	is_wrong("kind = 'abc", "what is quoted here has no end");
	is_wrong("kind = \"abc'", "what is quoted here has no end");
	is_wrong("[kind = 3", "this name has no end");
	is_wrong("size /* > 3", "this comment has no end");
	is_wrong("size /*/ > 3", "this comment has no end");
	is_wrong("size > ?1", "nothing can be filled in here");
	is_wrong("size > :x", "nothing can be filled in here");
	is_wrong("size, kind", "row value misused");
	is_wrong("1 group by 1", "near \"group\": syntax error");
}

static void it_reads_nothing_else(void **state)
{
	(void)state;
	is_wrong("size in (select 1)", "an expression is about one row");
	is_wrong("exists (values(1))", "an expression is about one row");
	is_wrong("(with x as (select 1) select * from x)",
		 "an expression is about one row");
	is_wrong("(select max(size) from rows)", "an expression is about one row");
	is_wrong("kind in (select name from sqlite_master)",
		 "no table 'sqlite_master' can be read");
	is_wrong("size in sqlite_master", "");
	is_wrong("size in pragma_database_list", "");
	is_wrong("load_extension('x')", "the function 'load_extension'");
	is_wrong("count(*) > 1", "misuse of aggregate");
	is_wrong("row_number() over () = 1", "misuse of window function");
}

static void what_fails_at_a_row_is_a_failure(void **state)
{
	static const char *const fails[] = { "abs(-9223372036854775807 - 1)",
					     "json(kind) = 1", "kind regexp '('" };

	(void)state;
	for (size_t i = 0; i < countof(fails); i++) {
		struct err e = { 0 };
		uint32_t *rows;
		size_t n;

		assert_false(query_pick(&table, fails[i], &rows, &n, &e));
		assert_int_equal(e.kind, ERR_USAGE);
		assert_non_null(strstr(e.text, "cannot be worked out"));
	}
}

/* Of '(((…a…)))', of a text n long: what regcomp would need stack or memory for. */
static void regexp_is_refused(const char *pattern, const char *why)
{
	struct buf expr = { 0 };
	struct err e = { 0 };
	uint32_t *rows;
	size_t n;

	buf_printf(&expr, "kind regexp '%s'", pattern);
	assert_false(query_pick(&table, expr.s, &rows, &n, &e));
	if (!strstr(e.text, why))
		fail_msg("'%s' does not say '%s'", e.text, why);
	buf_release(&expr);
}

static void expressions_too_dear_are_refused(void **state)
{
	struct buf deep = { 0 };

	(void)state;
	picks("'0f1e2d3c-aaaa-bbbb-cccc-0123456789ab' REGEXP "
	      "'^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' and grew = -1",
	      "1");
	picks("'a)' REGEXP '^a[)]$' and 'ab' REGEXP '^(a|x){1,20}b{0,3}$' and grew = -1",
	      "1");
	for (int i = 0; i < 3000; i++)
		buf_char(&deep, '(');
	regexp_is_refused(deep.s, "100 deep");
	regexp_is_refused("((((a{1,255}){1,255}){1,255}){1,255})", "too much");
	regexp_is_refused("(.*)(.*)\\2\\1x", "refers back");
	buf_clear(&deep);
	for (int i = 0; i < 5000; i++)
		buf_char(&deep, 'a');
	regexp_is_refused(deep.s, "4,096 bytes");
	buf_release(&deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expressions_too_dear_are_refused),
		cmocka_unit_test(the_questions_of_gdb_heap_work),
		cmocka_unit_test(precedence_is_that_of_sql),
		cmocka_unit_test(double_quotes_are_texts),
		cmocka_unit_test(what_sqlite_can_do_comes_along),
		cmocka_unit_test(absent_is_null),
		cmocka_unit_test(numbers_may_be_large),
		cmocka_unit_test(rows_come_once_and_in_order),
		cmocka_unit_test(the_place_is_told),
		cmocka_unit_test(it_is_one_expression),
		cmocka_unit_test(it_reads_nothing_else),
		cmocka_unit_test(what_fails_at_a_row_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
