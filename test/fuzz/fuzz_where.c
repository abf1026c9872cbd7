/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expressions and queries that may be anything: the first byte says which of the two the
 * rest is. What is taken ends, with rows or in words; what is refused is so in at most four
 * lines. (REGEXP is libc's, and its patterns can ask for any amount of memory.)
 */
#include "query/query.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 5 };

static const struct query_column columns[] = {
	{ "addr", QUERY_ADDRESS, "", QUERY_IN_ORDER | QUERY_FINDS },
	{ "kind", QUERY_NAME, "", QUERY_CLASS },
	{ "size", QUERY_BYTES, "", 0 },
	{ "value", QUERY_CODE, "", 0 },
};

static struct query_value class_get(const void *source, size_t class, size_t column)
{
	static const char *const kinds[] = { "dict", "string data" };

	(void)source;
	assert(class < countof(kinds) && column == 1);
	return (struct query_value){ .kind = QUERY_IS_TEXT,
				     .text = str_of(kinds[class]) };
}

static size_t nclasses(const void *source)
{
	(void)source;
	return 2;
}

static uint32_t class_of(const void *source, size_t row)
{
	(void)source;
	assert(row < ROWS);
	return row % 2;
}

static struct query_value get(const void *source, size_t row, size_t column,
			      struct buf *scratch)
{
	assert(row < ROWS && column < countof(columns) && scratch->n == 0);
	if (column == 1)
		return class_get(source, row % 2, column);
	if (column == 3 && row == 2)
		return (struct query_value){ .kind = QUERY_IS_ABSENT };
	if (column == 3) {
		buf_add(scratch, "a\0\xff'\"", row);
		return (struct query_value){ .kind = QUERY_IS_TEXT,
					     .text = buf_view(scratch) };
	}
	return (struct query_value){ .kind = QUERY_IS_NUMBER, .number = row * 1000 };
}

static size_t find(const void *source, size_t column, uint64_t low, uint64_t high,
		   struct query_span spans[QUERY_SPANS_MAX])
{
	(void)source;
	assert(column == 0 && low <= high);
	spans[0].from = min_u64((low + 999) / 1000, ROWS);
	spans[0].to = min_u64(high / 1000 + 1, ROWS);
	return 1;
}

static const struct query_table table = {
	.name = "rows",
	.columns = columns,
	.ncolumns = countof(columns),
	.nrows = ROWS,
	.get = get,
	.find = find,
	.nclasses = nclasses,
	.class_of = class_of,
	.class_get = class_get,
};

static void check_words(const struct err *e)
{
	size_t lines = 1;

	assert(e->kind == ERR_USAGE && e->text[0]);
	for (const char *s = e->text; *s; s++)
		lines += *s == '\n';
	assert(lines <= 4);
}

static void pick(const char *text)
{
	struct err e = { 0 };
	uint32_t *rows;
	size_t n;

	if (!query_check(&table, text, &e)) {
		check_words(&e);
		return;
	}
	if (!query_pick(&table, text, &rows, &n, &e)) {
		check_words(&e);
		return;
	}
	for (size_t i = 0; i < n; i++)
		assert(rows[i] < ROWS && (i == 0 || rows[i] > rows[i - 1]));
	free(rows);
}

static void ask(const char *text)
{
	const struct query_options o = { .tables = &table, .ntables = 1, .seconds = 1 };
	struct err e = { 0 };
	struct query *q = query_open(&o, text, &e);
	bool end = !q, ok = q != NULL;

	for (unsigned i = 0; !end && ok && i < 1000; i++) {
		ok = query_next(q, &end, &e);
		for (size_t c = 0; ok && !end && c < query_width(q); c++)
			(void)query_get(q, c);
	}
	if (!ok)
		check_words(&e);
	query_close(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text;

	if (n == 0 || n > 4096)
		return 0;
	text = xcalloc(n, 1);
	memcpy(text, data + 1, n - 1);
	if (!strcasestr(text, "regexp"))
		(data[0] % 2 ? ask : pick)(text);
	free(text);
	return 0;
}
