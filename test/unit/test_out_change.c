/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of changes: numbers that may be negative, in every format. */
#include "out/out.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct buf written(const struct table *t, enum format format)
{
	struct model *m = model_new();
	const struct report r = { .command = "test", .model = m, .table = *t };
	struct buf out = { 0 };
	struct sink s;
	struct err e;
	bool cut;

	sink_init_buf(&s, &out);
	s.format = format;
	report_write(&r, &s, &cut);
	assert_true(sink_flush(&s, &e));
	sink_release(&s);
	model_free(m);
	return out;
}

static const int64_t changes[] = {
	0, 5, -5, 1536, -1536, -1, 1234567, INT64_MIN, INT64_MAX, -((int64_t)1 << 53) - 1,
};

static struct cell get_change(const void *source, size_t row, struct buf *scratch)
{
	(void)source, (void)scratch;
	return cell_signed(changes[row]);
}

static struct cell get_no_path(const void *source, size_t row, struct buf *scratch)
{
	(void)source, (void)row, (void)scratch;
	return cell_text(str_of("-"));
}

static const struct column change_columns[] = {
	{ "bytes", COLUMN_BYTES_CHANGE, 0, get_change, "" },
	{ "count", COLUMN_COUNT_CHANGE, 0, get_change, "" },
};

static void expect_written(const struct table *t, enum format format, const char *want)
{
	struct buf got = written(t, format);

	if (format == FORMAT_JSON) {
		char *rows = strstr(got.s, "[\n{"), *end = strstr(got.s, "\n],");

		assert_true(rows && end);
		*end = 0;
		assert_string_equal(rows + 2, want);
	} else {
		assert_string_equal(got.s, want);
	}
	buf_release(&got);
}

static void changes_have_a_sign_and_sort_by_it(void **state)
{
	struct table t = {
		.columns = change_columns,
		.ncolumns = countof(change_columns),
		.nrows = 6,
		.sort = &change_columns[0],
	};

	(void)state;
	expect_written(&t, FORMAT_TEXT,
		       "   BYTES   COUNT\n"
		       "+1.5 KiB  +1,536\n"
		       "    +5 B      +5\n"
		       "     0 B       0\n"
		       "    -1 B      -1\n"
		       "    -5 B      -5\n"
		       "-1.5 KiB  -1,536\n");
	t.limit = 2;
	t.ascending = true;
	expect_written(&t, FORMAT_CSV, "bytes,count\r\n-1536,-1536\r\n-5,-5\r\n");
	t = (struct table){ .columns = change_columns,
			    .ncolumns = 1,
			    .nrows = countof(changes),
			    .sort = &change_columns[0] };
	expect_written(&t, FORMAT_JSON,
		       "{\"bytes\": \"9223372036854775807\"},\n"
		       "{\"bytes\": 1234567},\n"
		       "{\"bytes\": 1536},\n"
		       "{\"bytes\": 5},\n"
		       "{\"bytes\": 0},\n"
		       "{\"bytes\": -1},\n"
		       "{\"bytes\": -5},\n"
		       "{\"bytes\": -1536},\n"
		       "{\"bytes\": \"-9007199254740993\"},\n"
		       "{\"bytes\": \"-9223372036854775808\"}");
}

static void changes_add_up(void **state)
{
	static const struct column columns[] = {
		{ "path", COLUMN_PATH, 0, get_no_path, "" },
		{ "bytes", COLUMN_BYTES_CHANGE, COLUMN_TOTAL, get_change, "" },
	};
	const struct table t = {
		.columns = columns, .ncolumns = 2, .nrows = 6, .limit = 5
	};

	(void)state;
	expect_written(&t, FORMAT_TEXT,
		       "PATH       BYTES\n"
		       "-            0 B\n"
		       "-           +5 B\n"
		       "-           -5 B\n"
		       "-       +1.5 KiB\n"
		       "-       -1.5 KiB\n"
		       "others      -1 B\n"
		       "TOTAL       -1 B\n"
		       "… 5 of 6 rows; -n 0 shows all\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_have_a_sign_and_sort_by_it),
		cmocka_unit_test(changes_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
