/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Location tables as Python 3.13 compiled them: co_linetable's bytes, and what co_lines()
 * said of them, for functions that make the compiler use every kind of entry (a call over
 * many lines; a loop, try and with; hundreds of empty lines).
 */
#include "lang/cpython/cpy_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct truth {
	uint32_t start, end, line; /* 0: none */
};

static const uint8_t table_module[] = { 0xf0, 0x03, 0x01, 0x01, 0x01, 0xf2, 0x04, 0x15,
					0x01, 0x11, 0xf7, 0x46, 0x0a, 0x6b, 0x01, 0x01,
					0x04, 0xf2, 0x00, 0x6b, 0x01, 0x01, 0x04 };
static const struct truth lines_module[] = { { 0, 2, 0 }, { 2, 8, 2 }, { 8, 30, 325 } };
static const uint8_t table_f[] = {
	0xf8, 0x80, 0x00, 0xe0, 0x08, 0x09, 0xd8, 0x08, 0x09, 0xe0, 0x08, 0x09, 0xf1,
	0x05, 0x02, 0x09, 0x0a, 0xf0, 0x05, 0x05, 0x09, 0x06, 0x80, 0x41, 0xf4, 0x0c,
	0x00, 0x0e, 0x13, 0xd8, 0x0c, 0x0e, 0xf6, 0x03, 0x01, 0x0e, 0x10, 0x88, 0x01,
	0xf0, 0x04, 0x09, 0x09, 0x13, 0xdc, 0x11, 0x15, 0x90, 0x63, 0x94, 0x19, 0x98,
	0x61, 0xa7, 0x16, 0xa1, 0x16, 0xa4, 0x18, 0x97, 0x19, 0xf0, 0x10, 0x00, 0x0d,
	0x0e, 0x90, 0x11, 0x89, 0x46, 0x8a, 0x41, 0xf1, 0x17, 0x01, 0x0e, 0x10, 0xf4,
	0x18, 0x00, 0x0d, 0x16, 0xd9, 0x18, 0x19, 0xf3, 0x00, 0x01, 0x0d, 0x10, 0x99,
	0x01, 0x90, 0x31, 0xdc, 0x0d, 0x0e, 0xf7, 0x03, 0x00, 0x0e, 0x0f, 0x99, 0x01,
	0xf1, 0x00, 0x01, 0x0d, 0x10, 0xf0, 0x03, 0x02, 0x0c, 0x11, 0xf0, 0x00, 0x02,
	0x05, 0x11, 0xf7, 0x13, 0x00, 0x12, 0x1b, 0x95, 0x19, 0xfb, 0xdc, 0x0f, 0x19,
	0xf3, 0x00, 0x01, 0x09, 0x15, 0xdc, 0x0c, 0x11, 0x90, 0x21, 0x8f, 0x48, 0x89,
	0x48, 0xfb, 0xf0, 0x03, 0x01, 0x09, 0x15, 0xfb, 0xf0, 0x0e, 0x00, 0x0d, 0x0e,
	0x90, 0x11, 0x89, 0x46, 0x89, 0x41, 0xfc, 0xf2, 0x04, 0x01, 0x0d, 0x10
};
static const struct truth lines_f[] = {
	{ 0, 2, 0 },      { 2, 4, 2 },      { 4, 6, 4 },      { 6, 8, 5 },
	{ 8, 10, 7 },     { 10, 14, 5 },    { 14, 18, 3 },    { 18, 28, 9 },
	{ 28, 30, 10 },   { 30, 46, 9 },    { 46, 48, 11 },   { 48, 118, 12 },
	{ 118, 132, 20 }, { 132, 136, 9 },  { 136, 146, 21 }, { 146, 164, 22 },
	{ 164, 174, 23 }, { 174, 198, 22 }, { 198, 202, 21 }, { 202, 230, 12 },
	{ 230, 238, 0 },  { 238, 256, 13 }, { 256, 288, 14 }, { 288, 296, 0 },
	{ 296, 298, 13 }, { 298, 306, 0 },  { 306, 318, 20 }, { 318, 328, 0 },
	{ 328, 334, 22 }
};
static const uint8_t table_g[] = { 0xe9, 0x00, 0x80, 0x00, 0xe0, 0x14, 0x18, 0xdf, 0x03,
				   0x04, 0x81, 0x31, 0xf7, 0x4c, 0x03, 0x00, 0x04, 0x05,
				   0x81, 0x31, 0x80, 0x54, 0xd8, 0x00, 0x01, 0xf3, 0x03,
				   0x01, 0x04, 0x03, 0xf7, 0x4f, 0x03, 0x68, 0x01, 0x09,
				   0x04, 0xf3, 0x00, 0x68, 0x01, 0x09, 0x04, 0xf9 };
static const struct truth lines_g[] = { { 0, 6, 326 },   { 6, 8, 328 },   { 8, 28, 329 },
					{ 28, 50, 431 }, { 50, 52, 432 }, { 52, 60, 431 },
					{ 60, 84, 328 }, { 84, 88, 0 } };

static void lines_are_pythons(const uint8_t *table, size_t n, uint32_t first,
			      const struct truth *lines, size_t nlines)
{
	uint32_t end = lines[nlines - 1].end;

	for (size_t i = 0; i < nlines; i++)
		for (uint32_t at = lines[i].start; at < lines[i].end; at++)
			assert_int_equal(cpy_line_at(table, n, first, at), lines[i].line);
	assert_int_equal(cpy_line_at(table, n, first, end), 0);
	assert_int_equal(cpy_line_at(table, n, first, INT64_MAX), 0);
	/* A frame that has not begun: f_lineno is the first line. */
	assert_int_equal(cpy_line_at(table, n, first, -2), first);
}

static void tables_tell_what_python_tells(void **state)
{
	(void)state;
	lines_are_pythons(table_module, sizeof(table_module), 1, lines_module,
			  countof(lines_module));
	lines_are_pythons(table_f, sizeof(table_f), 2, lines_f, countof(lines_f));
	lines_are_pythons(table_g, sizeof(table_g), 326, lines_g, countof(lines_g));
}

/* Cut short or with any bits wrong it ends, and reads not a byte behind its end: what
 * lies there is ASan's or valgrind's to see, so each copy has just its size. */
static void damaged_tables_end(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof(table_f); n++) {
		uint8_t *cut = malloc(n ? n : 1);

		memcpy(cut, table_f, n);
		cpy_line_at(cut, n, 2, INT64_MAX);
		for (size_t i = 0; i < n; i++) {
			cut[i] ^= 0xff;
			cpy_line_at(cut, n, 2, 100);
			cpy_line_at(cut, n, 2, INT64_MAX);
		}
		free(cut);
	}
}

/* A number without end is cut to 32 bits; a line that is none is not told. */
static void lines_are_lines(void **state)
{
	static const uint8_t endless[] = { 0xe8, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f,
					   0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x3f };
	static const uint8_t below_one[] = { 0xe8, 0x07 }; /* three lines back */
	static const uint8_t no_entry[] = { 0x00, 0x80 };

	(void)state;
	assert_int_equal(cpy_line_at(endless, sizeof(endless), 1, 0), 0);
	assert_int_equal(cpy_line_at(below_one, sizeof(below_one), 3, 0), 0);
	assert_int_equal(cpy_line_at(below_one, sizeof(below_one), 4, 0), 1);
	assert_int_equal(cpy_line_at(no_entry, sizeof(no_entry), 1, 0), 0);
	assert_int_equal(cpy_line_at(NULL, 0, 7, 0), 0);
	assert_int_equal(cpy_line_at(NULL, 0, 7, -1), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_tell_what_python_tells),
		cmocka_unit_test(damaged_tables_end),
		cmocka_unit_test(lines_are_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
