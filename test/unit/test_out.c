/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows in order, text that fits, and documents that other people's readers (Python's json
 * and csv) agree with, all over hostile and random input.
 */
#include "base/utf8.h"
#include "out/out.h"
#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* ---- a table of numbers and words, some of them absent ---- */

enum { ROWS = 3000 };

struct grid {
	uint64_t number[ROWS];
	bool absent[ROWS];
	char word[ROWS][24];
};

static struct cell get_id(const void *source, size_t row, struct buf *scratch)
{
	(void)source, (void)scratch;
	return cell_number(row);
}

static struct cell get_number(const void *source, size_t row, struct buf *scratch)
{
	const struct grid *g = source;

	(void)scratch;
	return g->absent[row] ? cell_absent() : cell_number(g->number[row]);
}

static struct cell get_word(const void *source, size_t row, struct buf *scratch)
{
	const struct grid *g = source;

	buf_str(scratch, g->word[row]);
	return g->absent[row] ? cell_absent() : cell_text(buf_view(scratch));
}

static const struct column grid_columns[] = {
	{ "id", COLUMN_NUMBER, 0, get_id, "" },
	{ "number", COLUMN_BYTES, COLUMN_TOTAL, get_number, "" },
	{ "word", COLUMN_TEXT, 0, get_word, "" },
	{ "path", COLUMN_PATH, 0, get_word, "" },
	{ "name", COLUMN_NAME, 0, get_word, "" },
	{ "where", COLUMN_ADDRESS, 0, get_number, "" },
};

static void grid_fill(struct grid *g, uint64_t seed, uint64_t most)
{
	for (size_t i = 0; i < ROWS; i++) {
		g->number[i] = random_next(&seed) % most << most % 3 * 8; /* 0, 8 or 16 */
		g->absent[i] = random_next(&seed) % 8 == 0;
		snprintf(g->word[i], sizeof(g->word[i]), "%s%llu",
			 random_next(&seed) % 2 ? "日本語" : "word",
			 (unsigned long long)(random_next(&seed) % most % 1000000007));
	}
}

static struct buf written(const struct table *t, enum format format, unsigned width)
{
	struct model *m = model_new();
	const struct report r = { .command = "test", .model = m, .table = *t };
	struct buf out = { 0 };
	struct sink s;
	struct err e;
	bool cut;

	sink_init_buf(&s, &out);
	s.format = format;
	s.width = width;
	report_write(&r, &s, &cut);
	assert_true(sink_flush(&s, &e));
	assert_int_equal(cut, t->limit != 0 && t->limit < t->nrows);
	sink_release(&s);
	model_free(m);
	return out;
}

/* The ids of CSV's rows, in order. */
static size_t ids_of(const struct buf *csv, uint32_t ids[ROWS])
{
	size_t n = 0;

	for (char *line = strstr(csv->s, "\r\n"); line && line[2];
	     line = strstr(line + 2, "\r\n"))
		ids[n++] = (uint32_t)strtoul(line + 2, NULL, 10);
	return n;
}

/* Must `a` stand before `b`? Told without our sorting. */
static bool in_order(const struct grid *g, const struct table *t, uint32_t a, uint32_t b)
{
	int order = t->sort->type == COLUMN_TEXT ? strcmp(g->word[a], g->word[b])
						 : (g->number[a] > g->number[b]) -
							   (g->number[a] < g->number[b]);

	if (g->absent[a] || g->absent[b])
		return g->absent[a] == g->absent[b] ? a < b : g->absent[b];
	if (order == 0)
		return a < b;
	return (order < 0) == t->ascending;
}

static void rows_come_in_order(void **state)
{
	static const uint64_t limits[] = { 0, 1, 2, 7, 100, ROWS - 1, ROWS, ROWS + 1 };
	static const uint64_t mosts[] = { 1, 10, 70000, UINT64_MAX };
	static struct grid g;
	static uint32_t all[ROWS], some[ROWS];

	(void)state;
	for (size_t i = 0; i < countof(limits) * countof(mosts) * 4; i++) {
		struct table t = {
			.columns = grid_columns,
			.ncolumns = countof(grid_columns),
			.source = &g,
			.nrows = ROWS,
			.sort = &grid_columns[1 + i % 2],
			.ascending = i / 2 % 2,
		};
		uint64_t limit = limits[i / 4 % countof(limits)];
		struct buf csv;

		grid_fill(&g, i + 1, mosts[i / 4 / countof(limits)]);
		csv = written(&t, FORMAT_CSV, 0);
		assert_int_equal(ids_of(&csv, all), ROWS);
		for (size_t r = 1; r < ROWS; r++)
			assert_true(in_order(&g, &t, all[r - 1], all[r]));
		buf_release(&csv);
		t.limit = limit; /* the same rows, fewer of them */
		csv = written(&t, FORMAT_CSV, 0);
		assert_int_equal(ids_of(&csv, some),
				 limit && limit < ROWS ? limit : ROWS);
		assert_memory_equal(all, some, ids_of(&csv, some) * sizeof(*some));
		buf_release(&csv);
	}
}

static void picked_rows_are_the_only_ones(void **state)
{
	static const uint32_t pick[] = { 9, 4, 17 };
	static struct grid g;
	static uint32_t ids[ROWS];
	struct table t = { grid_columns, countof(grid_columns),
			   &g,           countof(pick),
			   pick,         NULL,
			   false,        0,
			   LAYOUT_TABLE, NULL };
	struct buf csv;

	(void)state;
	grid_fill(&g, 5, 100);
	csv = written(&t, FORMAT_CSV, 0);
	assert_int_equal(ids_of(&csv, ids), 3);
	assert_memory_equal(ids, pick, sizeof(pick));
	buf_release(&csv);
	t.sort = &grid_columns[0];
	t.ascending = true;
	csv = written(&t, FORMAT_CSV, 0);
	assert_int_equal(ids_of(&csv, ids), 3);
	assert_true(ids[0] == 4 && ids[1] == 9 && ids[2] == 17);
	buf_release(&csv);
}

/* ---- text ---- */

static void text_fits_and_keeps_its_numbers(void **state)
{
	static struct grid g;

	(void)state;
	for (unsigned width = 60; width <= 160; width += 7) {
		const struct table t = { .columns = grid_columns,
					 .ncolumns = countof(grid_columns),
					 .source = &g,
					 .nrows = 300 };
		struct buf text;
		char address[32];

		grid_fill(&g, width, UINT64_MAX);
		text = written(&t, FORMAT_TEXT, width);
		for (char *line = text.s; *line;) {
			size_t n = strcspn(line, "\n");

			assert_true(utf8_str_width((struct str){ line, n }) <= width);
			assert_true(n == 0 || line[n - 1] != ' ');
			line += n + 1;
		}
		for (size_t i = 0; i < t.nrows; i++) {
			snprintf(address, sizeof(address), "0x%llx\n",
				 (unsigned long long)g.number[i]);
			assert_true(g.absent[i] || strstr(text.s, address));
		}
		buf_release(&text);
	}
}

static void totals_are_named_in_any_table(void **state)
{
	static struct grid g = { .number = { 2048, 0, 1024 } };
	struct table t = { .columns = grid_columns,
			   .ncolumns = 2,
			   .source = &g,
			   .nrows = 3,
			   .limit = 1 };
	struct buf text;

	(void)state;
	text = written(&t, FORMAT_TEXT, 80);
	assert_string_equal(text.s, "    ID   NUMBER\n     0  2.0 KiB\nothers  1.0 KiB\n"
				    " TOTAL  3.0 KiB\n"
				    "… 1 of 3 rows; -n 0 shows all\n");
	buf_release(&text);
	t.columns = &grid_columns[1];
	t.ncolumns = 1; /* nowhere to say it */
	text = written(&t, FORMAT_TEXT, 80);
	assert_string_equal(text.s, " NUMBER\n2.0 KiB\n… 1 of 3 rows; -n 0 shows all\n");
	buf_release(&text);
}

static void columns_that_say_nothing_are_left_out(void **state)
{
	static struct grid g;
	const struct table t = { .columns = grid_columns,
				 .ncolumns = countof(grid_columns),
				 .source = &g,
				 .nrows = 3 };
	struct buf text;

	(void)state;
	memset(g.absent, true, sizeof(g.absent));
	text = written(&t, FORMAT_TEXT, 80);
	assert_string_equal(text.s, "ID\n 0\n 1\n 2\n");
	buf_release(&text);
}

static void numbers_are_shown_for_people(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *human, *exact;
	} cases[] = {
		{ 0, "0 B", "0" },
		{ 1023, "1023 B", "1,023" },
		{ 1024, "1.0 KiB", "1,024" },
		{ 1075, "1.0 KiB", "1,075" },
		{ 1076, "1.1 KiB", "1,076" },
		{ 1048524, "1023.9 KiB", "1,048,524" },
		{ 1048525, "1.0 MiB", "1,048,525" },
		{ UINT64_MAX, "16.0 EiB", "18,446,744,073,709,551,615" },
	};
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		buf_clear(&out);
		bytes_show(&out, cases[i].bytes, false);
		assert_string_equal(out.s, cases[i].human);
		buf_clear(&out);
		bytes_show(&out, cases[i].bytes, true);
		assert_string_equal(out.s, cases[i].exact);
	}
	buf_clear(&out);
	duration_show(&out, 3140000);
	duration_show(&out, 840400);
	duration_show(&out, 1250000000);
	duration_show(&out, 999960000);
	assert_string_equal(out.s, "3.1 ms840 us1.25 s1.00 s");
	buf_release(&out);
}

static void unsafe_text_is_escaped(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{ "plain", "plain" },
		{ "\x1b[31m", "\\x1b[31m" },
		{ "a\r\nb\tc", "a\\r\\nb\\tc" },
		{ "C:\\", "C:\\\\" },
		{ "\x7f", "\\x7f" },
		{ "\xc2\x9b"
		  "2J",
		  "\\u009b2J" }, /* C1: CSI */
		{ "a\xe2\x80\xae"
		  "b",
		  "a\\u202eb" },
		{ "\xe2\x80\xa8", "\\u2028" },
		{ "\xff\xfe", "\\xff\\xfe" },
		{ "\xc0\xaf", "\\xc0\\xaf" },                   /* overlong */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },          /* a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" }, /* beyond Unicode */
		{ "\xe6\x97", "\\xe6\\x97" },                   /* cut */
		{ "日本語 ñ 😀", "日本語 ñ 😀" },
	};
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		buf_clear(&out);
		utf8_escape(&out, str_of(cases[i].text));
		assert_string_equal(out.s, cases[i].shown);
	}
	assert_int_equal(utf8_str_width(str_of("日本e\xcc\x81")), 5);
	buf_release(&out);
}

/* ---- documents, read back by Python ---- */

/* Strings of bytes, half of them like text; lines of hex and the document itself go to a
 * file each for Python to compare. */
enum { STRINGS = 2000, STRING_MOST = 24 };

struct strings {
	struct str all[STRINGS];
	char bytes[STRINGS][STRING_MOST];
};

static void strings_fill(struct strings *s)
{
	static const char *const pieces[] = {
		"\"", "\\",           ",",        "\n", "\r",      "\x1b[", " ",
		"é",  "\xe2\x80\xae", "\xc2\x85", "日", "\xf0\x9f"
	};
	uint64_t seed = 42;

	for (size_t i = 0; i < STRINGS; i++) {
		size_t n = random_next(&seed) % 8, at = 0;

		for (size_t k = 0; k < n; k++) {
			const char *piece = pieces[random_next(&seed) % countof(pieces)];

			if (random_next(&seed) % 2)
				s->bytes[i][at++] = (char)random_next(&seed);
			else
				at += (size_t)snprintf(s->bytes[i] + at, STRING_MOST - at,
						       "%s", piece);
			if (at > STRING_MOST - 5)
				break;
		}
		s->all[i] = (struct str){ s->bytes[i], at };
	}
}

static struct cell get_hex(const void *source, size_t row, struct buf *scratch)
{
	struct str s = ((const struct strings *)source)->all[row];

	for (size_t i = 0; i < s.n; i++)
		buf_printf(scratch, "%02x", (uint8_t)s.s[i]);
	return cell_text(buf_view(scratch));
}

static struct cell get_bytes(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(((const struct strings *)source)->all[row]);
}

static const struct column string_columns[] = {
	{ "hex", COLUMN_TEXT, 0, get_hex, "" },
	{ "text", COLUMN_TEXT, 0, get_bytes, "" },
	{ "big", COLUMN_COUNT, 0, get_id, "" },
};

/* Runs Python over the document on its stdin; its exit code. */
static int python(const char *program, const struct buf *document)
{
	char path[] = "/tmp/heapsift-out-XXXXXX", command[4096];
	int fd = mkstemp(path), code;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, document->s, document->n), document->n);
	close(fd);
	snprintf(command, sizeof(command), "python3 -c '%s' %s", program, path);
	code = system(command);
	unlink(path);
	return code;
}

static void python_agrees(void **state)
{
	static const char json_reader[] =
		"import json,re,sys\n"
		"raw=open(sys.argv[1],\"rb\").read().decode(\"utf-8\")\n"
		"assert not re.search(\"[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f"
		"\\u202a-\\u202e\\u2066-\\u2069\\u2028\\u2029\\ufeff]\",raw)\n"
		"d=json.loads(raw)\n"
		"one=lambda s: re.sub(\"\\ufffd+\",\"\\ufffd\",s)\n"
		"assert len(d[\"rows\"])==2000==d[\"total_rows\"]\n"
		"assert d[\"truncated\"] is False and d[\"schema\"]==\"heapsift/1\"\n"
		"for r in d[\"rows\"]:\n"
		" want=bytes.fromhex(r[\"hex\"]).decode(\"utf-8\",\"replace\")\n"
		" assert one(r[\"text\"])==one(want),r\n";
	static const char csv_reader[] =
		"import csv,re,sys\n"
		"raw=open(sys.argv[1],newline=\"\",encoding=\"utf-8\").read()\n"
		"assert raw.count(\"\\n\")==raw.count(\"\\r\\n\")==2001\n"
		"rows=list(csv.reader(raw.splitlines(True),strict=True))\n"
		"assert rows[0]==[\"hex\",\"text\",\"big\"] and len(rows)==2001\n"
		"unescape=lambda s: re.sub(r\"\\\\(\\\\|n|r|t|x..|u....)\",lambda m: "
		"{\"n\":\"\\n\",\"r\":\"\\r\",\"t\":\"\\t\",\"\\\\\":\"\\\\\"}.get(m[1]) "
		"or (chr(int(m[1][1:],16)) if m[1][0]==\"u\" or int(m[1][1:],16)<128 "
		"else chr(0xdc00+int(m[1][1:],16))),s)\n"
		"for h,t,n in rows[1:]:\n"
		" assert "
		"unescape(t).encode(\"utf-8\",\"surrogateescape\")==bytes.fromhex(h),t\n";
	static struct strings s;
	const struct table t = { .columns = string_columns,
				 .ncolumns = countof(string_columns),
				 .source = &s,
				 .nrows = STRINGS };
	struct buf document;

	(void)state;
	if (system("python3 -c 0 2>/dev/null") != 0) {
		printf("NOT RUN: no python3\n");
		skip();
	}
	strings_fill(&s);
	document = written(&t, FORMAT_JSON, 0);
	assert_int_equal(python(json_reader, &document), 0);
	buf_release(&document);
	document = written(&t, FORMAT_CSV, 0);
	assert_int_equal(python(csv_reader, &document), 0);
	buf_release(&document);
}

static void json_says_what_it_can_hold(void **state)
{
	struct buf out = { 0 };
	struct sink s;
	struct json j = { .out = &s };
	struct err e;

	(void)state;
	sink_init_buf(&s, &out);
	json_open(&j, '[');
	json_number(&j, (uint64_t)1 << 53);
	json_number(&j, ((uint64_t)1 << 53) + 1);
	json_address(&j, UINT64_MAX);
	json_bool(&j, true);
	json_ms(&j, 20000700);
	json_open(&j, '{');
	json_key(&j, "a");
	json_str(&j, str_of("b"));
	json_close(&j, '}');
	json_close(&j, ']');
	assert_true(sink_flush(&s, &e));
	assert_string_equal(out.s,
			    "[9007199254740992, \"9007199254740993\", "
			    "\"0xffffffffffffffff\", true, 20.000, {\"a\": \"b\"}]");
	sink_release(&s);
	buf_release(&out);
}

/* ---- sinks that fail ---- */

static bool write_fails(void *context, const void *bytes, size_t n)
{
	(void)bytes, (void)n;
	errno = *(int *)context;
	return false;
}

/* ---- rows within rows ---- */

struct family {
	struct table children, parent;
};

static struct cell get_children(const void *source, size_t row, struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_rows(&((const struct family *)source)->children);
}

static struct cell get_parent(const void *source, size_t row, struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_rows(&((const struct family *)source)->parent);
}

static void rows_stand_in_rows(void **state)
{
	static const struct column leaf[] = { { "id", COLUMN_NUMBER, 0, get_id, "" } };
	static const struct column columns[] = {
		{ "id", COLUMN_NUMBER, 0, get_id, "" },
		{ "children", COLUMN_LIST, COLUMN_NOT_TEXT, get_children, "" },
		{ "parent", COLUMN_OBJECT, COLUMN_NOT_TEXT, get_parent, "" },
	};
	struct family f = {
		.children = { .columns = leaf, .ncolumns = 1, .nrows = 3 },
		.parent = { .columns = leaf, .ncolumns = 1, .nrows = 1 },
	};
	const struct table t = {
		.columns = columns, .ncolumns = 3, .source = &f, .nrows = 1
	};
	struct buf out = written(&t, FORMAT_JSON, 0);

	(void)state;
	assert_non_null(strstr(out.s,
			       "{\"id\": 0, \"children\": [\n{\"id\": 0},\n{\"id\": 1},\n"
			       "{\"id\": 2}\n], \"parent\": {\"id\": 0}}\n]"));
	buf_release(&out);
	f.children.limit = 2; /* cut: how many there are is said */
	f.parent.nrows = 0;   /* none: left out */
	out = written(&t, FORMAT_JSON, 0);
	assert_non_null(strstr(
		out.s, "{\"id\": 0, \"children\": [\n{\"id\": 0},\n{\"id\": 1}\n], "
		       "\"children_total\": 3}\n]"));
	buf_release(&out);
	out = written(&t, FORMAT_TEXT, 80);
	assert_string_equal(out.s, "ID\n 0\n");
	buf_release(&out);
}

static void code_keeps_its_backslashes(void **state)
{
	struct buf out = { 0 };

	(void)state;
	utf8_escape_code(&out, str_of("'a\\nb'\n\x1b\xff"));
	assert_string_equal(out.s, "'a\\nb'\\n\\x1b\\xff");
	buf_release(&out);
}

static void text_is_cut_to_its_room(void **state)
{
	static const struct {
		const char *text;
		unsigned room;
		const char *shown;
	} cases[] = {
		{ "word", 4, "word" },    { "words", 4, "wor…" },
		{ "words", 0, "words" },  { "日本語", 6, "日本語" },
		{ "日本語", 5, "日本…" }, { "日本語", 4, "日…" },
	};

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		struct buf out = { 0 };
		struct sink s;
		struct err e;
		unsigned width;

		sink_init_buf(&s, &out);
		width = sink_cut(&s, str_of(cases[i].text), cases[i].room);
		assert_true(sink_flush(&s, &e));
		assert_string_equal(out.s, cases[i].shown);
		assert_int_equal(width, utf8_str_width(buf_view(&out)));
		sink_release(&s);
		buf_release(&out);
	}
}

/* The last word of a name says most, unless it ends with arguments of a template. */
static void names_keep_their_last_word(void **state)
{
	static const struct {
		const char *name;
		unsigned room;
		const char *shown;
		enum column_type type;
	} cases[] = {
		{ "app.models.Order", 16, "app.models.Order", COLUMN_NAME },
		{ "app.models.Order", 15, "…models.Order", COLUMN_NAME },
		{ "app.models.Order", 12, "…Order", COLUMN_NAME },
		{ "app.models.Order", 4, "…der", COLUMN_NAME },
		{ "market::LimitOrder", 14, "…LimitOrder", COLUMN_NAME },
		{ "std::map<int, float>", 12, "std::map<in…", COLUMN_NAME },
		{ "numpy.dtype[float64]", 15, "…dtype[float64]", COLUMN_NAME },
		{ "app.f.<locals>.Order", 12, "…Order", COLUMN_NAME },
		{ "app.models.Order", 15, "…models.Order", COLUMN_CODE },
		{ "'app.models.Order'", 15, "'app.models.Or…", COLUMN_CODE },
		{ "/usr/lib/libc.so", 9, "…/libc.so", COLUMN_PATH },
	};

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		struct buf out = { 0 };
		struct sink s;
		struct err e;
		unsigned width;

		sink_init_buf(&s, &out);
		width = sink_cut_as(&s, str_of(cases[i].name), cases[i].room,
				    cases[i].type);
		assert_true(sink_flush(&s, &e));
		assert_string_equal(out.s, cases[i].shown);
		assert_int_equal(width, utf8_str_width(buf_view(&out)));
		sink_release(&s);
		buf_release(&out);
	}
}

static void a_failed_write_is_told_once_at_the_end(void **state)
{
	static const int errors[] = { ENOSPC, EPIPE };

	(void)state;
	for (size_t i = 0; i < countof(errors); i++) {
		int error = errors[i];
		struct sink s;
		struct err e = { 0 };

		sink_init(&s, write_fails, &error);
		for (int k = 0; k < 100000; k++)
			sink_str(&s, "a line of output\n");
		assert_false(sink_flush(&s, &e));
		assert_int_equal(err_exit_code(&e), 4);
		if (error == EPIPE)
			assert_string_equal(e.text, "");
		else
			assert_non_null(strstr(e.text, "No space left on device"));
		sink_release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_come_in_order),
		cmocka_unit_test(picked_rows_are_the_only_ones),
		cmocka_unit_test(text_fits_and_keeps_its_numbers),
		cmocka_unit_test(totals_are_named_in_any_table),
		cmocka_unit_test(columns_that_say_nothing_are_left_out),
		cmocka_unit_test(numbers_are_shown_for_people),
		cmocka_unit_test(unsafe_text_is_escaped),
		cmocka_unit_test(python_agrees),
		cmocka_unit_test(json_says_what_it_can_hold),
		cmocka_unit_test(rows_stand_in_rows),
		cmocka_unit_test(code_keeps_its_backslashes),
		cmocka_unit_test(text_is_cut_to_its_room),
		cmocka_unit_test(names_keep_their_last_word),
		cmocka_unit_test(a_failed_write_is_told_once_at_the_end),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
