/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decimal (CPython 3.11, 3.13 _decimal.c, mpdecimal.h). A Decimal has room for four words
 * of its coefficient; a longer one is a block of its own. A word is 19 decimal digits, the
 * lowest first.
 */
#include "lang/cpython/cpy_library_int.h"

#include <inttypes.h>
#include <stdio.h>

/* PyDecObject: mpd_t at 24 {flags u8, exp, digits, len, alloc, data*} */
enum {
	FLAGS = 24,
	EXPONENT = 32,
	LENGTH = 48,
	ALLOCATED = 56,
	WORDS = 64,
	MPD_NEGATIVE = 1,
	MPD_INFINITE = 2,
	MPD_NAN = 4,
	MPD_SNAN = 8,
	MPD_DATA_FLAGS = 0x20 | 0x40 | 0x80, /* static, shared, constant */
	SHOWN_WORDS = 4,
};

static uint64_t dynamic_words(struct python_reader *r, taddr at)
{
	uint8_t flags;

	if (!cpy_read(r, at + FLAGS, &flags, 1) || flags & MPD_DATA_FLAGS)
		return 0;
	return cpy_word_or_0(r, at + ALLOCATED);
}

static void decimal_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			 const struct python_sink *sink)
{
	uint64_t n = dynamic_words(r, at);

	(void)t;
	cpy_array_part(r, sink, at + WORDS, (struct cpy_array){ &n, 8, "digits" });
}

/* dec_sizeof */
static uint64_t decimal_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	return t->basicsize + 8 * dynamic_words(r, at);
}

/* The point among the digits, or zeroes before them, or an exponent: as str() does. */
static void put_number(struct buf *out, struct str digits, int64_t exponent)
{
	int64_t n = (int64_t)digits.n, point = n + exponent;

	if (exponent > 0 || point <= -6) {
		buf_char(out, digits.s[0]);
		if (n > 1)
			buf_char(out, '.');
		buf_add(out, digits.s + 1, digits.n - 1);
		buf_printf(out, "E%+" PRId64, point - 1);
		return;
	}
	if (point <= 0)
		buf_str(out, "0.");
	for (; point < 0; point++)
		buf_char(out, '0');
	for (int64_t i = 0; i < n; i++) {
		if (i == point && i > 0)
			buf_char(out, '.');
		buf_char(out, digits.s[i]);
	}
}

static void decimal_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			  struct buf *out)
{
	uint64_t words[SHOWN_WORDS], n = cpy_word_or_0(r, at + LENGTH);
	char digits[SHOWN_WORDS * 20 + 1] = "";
	uint8_t flags;

	(void)t;
	if (!cpy_read(r, at + FLAGS, &flags, 1))
		return;
	if (flags & MPD_NEGATIVE)
		buf_char(out, '-');
	if (flags & (MPD_INFINITE | MPD_NAN | MPD_SNAN)) {
		buf_str(out, flags & MPD_INFINITE ? "Infinity" : "NaN");
		return;
	}
	if (n == 0 || n > SHOWN_WORDS ||
	    !cpy_read(r, cpy_word_or_0(r, at + WORDS), words, n * 8)) {
		buf_clear(out);
		return;
	}
	for (size_t i = n, done = 0; i-- > 0;)
		done += (size_t)snprintf(digits + done, sizeof(digits) - done,
					 i == n - 1 ? "%" PRIu64 : "%019" PRIu64,
					 words[i]);
	put_number(out, str_of(digits), (int64_t)cpy_word_or_0(r, at + EXPONENT));
}

/* PyDecContextObject */
static const struct cpy_field_rule context_fields[] = {
	{ .name = "traps", .offset = 64 },
	{ .name = "flags", .offset = 72 },
	{ 0 },
};

/* PyDecContextManagerObject */
static const struct cpy_field_rule manager_fields[] = {
	{ .name = "local", .offset = 16 },
	{ .name = "global", .offset = 24 },
	{ 0 },
};

const struct cpy_rules cpy_decimal_rules[] = {
	{ .name = "decimal.Decimal",
	  .read = decimal_read,
	  .size = decimal_size,
	  .value = decimal_value },
	{ .name = "decimal.Context", .fields = context_fields },
	{ .name = "decimal.ContextManager", .fields = manager_fields },
	{ .name = "decimal.SignalDictMixin" },
	{ 0 },
};
