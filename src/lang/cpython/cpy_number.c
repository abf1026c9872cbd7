/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers, and what they say. An int is digits of 30 bits, the least first; their number
 * and the sign are ob_size's up to 3.11, lv_tag's from 3.12 (longintrepr.h).
 */
#include "lang/cpython/cpy_int.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	DIGIT_BITS = 30,
	SHOWN_DIGITS = 8, /* 240 bits: 73 decimal digits at most */
	DECIMALS = 9,     /* of 10^9, the largest power of ten below 2^30 */
	FLOAT_VALUE = 16,
	EXACT_DIGITS = 15, /* as many decimal digits any double keeps */
};

struct digits {
	uint64_t n;
	bool is_negative;
};

static struct digits digits_of(struct python_reader *r, taddr at)
{
	uint64_t word = cpy_word_or_0(r, at + CPY_SIZE);
	int64_t size = (int64_t)word;

	if (r->layout->int_has_tag)
		return (struct digits){ word >> 3, (word & 3) == 2 };
	return (struct digits){ size < 0 ? 0 - word : word, size < 0 };
}

/* long___sizeof__; up to 3.11 it does not count what a subclass adds. */
static uint64_t digits_size(struct python_reader *r, taddr at)
{
	uint64_t n = max_u64(digits_of(r, at).n, 1);

	return 4 * cpy_count(r, at, min_u64(n, (uint64_t)1 << 46), 4);
}

static uint64_t int_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	uint64_t head = r->layout->int_has_tag ? t->basicsize : r->layout->int_digits;

	return head + digits_size(r, at);
}

static uint64_t int_own(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	return t->basicsize + digits_size(r, at);
}

bool cpy_int(struct python_reader *r, taddr at, int64_t *value)
{
	struct digits d;
	uint32_t digits[2] = { 0 };

	if (!cpy_is_kind(r, at, CPY_LONG_SUBCLASS))
		return false;
	d = digits_of(r, at);
	if (d.n > countof(digits) ||
	    !cpy_read(r, at + r->layout->int_digits, digits, d.n * sizeof(*digits)))
		return false;
	*value = (int64_t)((uint64_t)digits[1] << DIGIT_BITS | digits[0]);
	if (d.is_negative)
		*value = -*value;
	return true;
}

/* Divides in place; the remainder. */
static uint32_t divide(uint32_t *digits, size_t n, uint32_t by)
{
	uint64_t rest = 0;

	while (n-- > 0) {
		rest = rest << DIGIT_BITS | digits[n];
		digits[n] = (uint32_t)(rest / by);
		rest %= by;
	}
	return (uint32_t)rest;
}

/* Numbers come by the million: no printf. */
static void put_u64(struct buf *out, uint64_t n)
{
	char text[20];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	buf_add(out, text + at, sizeof(text) - at);
}

static void put_decimal(struct buf *out, uint32_t *digits, size_t n)
{
	uint32_t groups[SHOWN_DIGITS + 1];
	size_t used = 0;

	while (used < countof(groups)) {
		groups[used++] = divide(digits, n, 1000000000);
		while (n > 0 && digits[n - 1] == 0)
			n--;
		if (n == 0)
			break;
	}
	buf_printf(out, "%u", groups[--used]);
	while (used > 0)
		buf_printf(out, "%0*u", DECIMALS, groups[--used]);
}

static void int_value(struct python_reader *r, const struct cpy_type *t, taddr at,
		      struct buf *out)
{
	struct digits d = digits_of(r, at);
	uint32_t digits[SHOWN_DIGITS] = { 0 }, top = 0;

	(void)t;
	if (d.n > SHOWN_DIGITS) {
		if (d.n >> 46 ||
		    !cpy_read(r, at + r->layout->int_digits + (d.n - 1) * 4, &top, 4))
			return;
		buf_printf(out, "int of %llu bits",
			   (unsigned long long)(d.n * DIGIT_BITS) -
				   (top ? (unsigned)__builtin_clz(top) - 2 : DIGIT_BITS));
		return;
	}
	if (!cpy_read(r, at + r->layout->int_digits, digits, d.n * sizeof(*digits)))
		return;
	if (d.is_negative)
		buf_char(out, '-');
	if (d.n <= 2)
		put_u64(out, (uint64_t)digits[1] << DIGIT_BITS | digits[0]);
	else
		put_decimal(out, digits, d.n);
}

static uint64_t bool_own(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	(void)t;
	(void)at;
	return r->layout->int_digits + 4;
}

static void bool_value(struct python_reader *r, const struct cpy_type *t, taddr at,
		       struct buf *out)
{
	(void)t;
	buf_str(out, digits_of(r, at).n && cpy_u32_or_0(r, at + r->layout->int_digits)
			     ? "True"
			     : "False");
}

/* ---- float ---- */

/* The shortest digits that read back as v: 15 nearly always do, 17 always. Their zeros at
 * the end go; but subnormal numbers have fewer digits to begin with. */
static int shortest(double v, char *text, size_t size)
{
	int precision = v < DBL_MIN ? 1 : EXACT_DIGITS;

	do
		snprintf(text, size, "%.*e", precision - 1, v);
	while (precision++ < 17 && strtod(text, NULL) != v);
	return atoi(strchr(text, 'e') + 1);
}

/* Writes digits d.ddd as repr() does: with an exponent below -4 and from 16 on. */
static void put_digits(struct buf *out, const char *digits, int n, int exponent)
{
	if (exponent < -4 || exponent >= 16) {
		buf_char(out, digits[0]);
		if (n > 1)
			buf_printf(out, ".%.*s", n - 1, digits + 1);
		buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
	} else if (exponent < 0) {
		buf_printf(out, "0.%.*s%.*s", -exponent - 1, "0000", n, digits);
	} else if (n <= exponent + 1) {
		buf_printf(out, "%.*s%.*s.0", n, digits, exponent + 1 - n,
			   "0000000000000000");
	} else {
		buf_printf(out, "%.*s.%.*s", exponent + 1, digits, n - exponent - 1,
			   digits + exponent + 1);
	}
}

static void put_float(struct buf *out, double v)
{
	char text[40], digits[24] = "";
	int n = 0, exponent;

	if (isnan(v) || isinf(v)) {
		buf_str(out, isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
		return;
	}
	if (fabs(v) < 1e15 && v == (double)(int64_t)v && (v != 0 || !signbit(v))) {
		if (v < 0)
			buf_char(out, '-');
		put_u64(out, (uint64_t)fabs(v));
		buf_str(out, ".0");
		return;
	}
	if (signbit(v))
		buf_char(out, '-');
	exponent = shortest(fabs(v), text, sizeof(text));
	for (const char *s = text; *s != 'e'; s++)
		if (*s != '.')
			digits[n++] = *s;
	while (n > 1 && digits[n - 1] == '0')
		n--;
	put_digits(out, digits, n, exponent);
}

static void float_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			struct buf *out)
{
	double v;

	(void)t;
	if (cpy_read(r, at + FLOAT_VALUE, &v, sizeof(v)))
		put_float(out, v);
}

/* As repr() writes a part of a complex number: without .0. */
static void put_part(struct buf *out, double v)
{
	put_float(out, v);
	if (out->n >= 2 && memcmp(out->s + out->n - 2, ".0", 2) == 0) {
		out->n -= 2;
		out->s[out->n] = 0;
	}
}

static void complex_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			  struct buf *out)
{
	double v[2];
	bool has_real;

	(void)t;
	if (!cpy_read(r, at + FLOAT_VALUE, v, sizeof(v)))
		return;
	has_real = v[0] != 0 || signbit(v[0]);
	if (has_real) {
		buf_char(out, '(');
		put_part(out, v[0]);
		if (isnan(v[1]) || !signbit(v[1]))
			buf_char(out, '+');
	}
	put_part(out, v[1]);
	buf_str(out, has_real ? "j)" : "j");
}

const struct cpy_rules cpy_number_rules[] = {
	{ .name = "int", .size = int_size, .value = int_value, .own = int_own },
	{ .name = "bool", .value = bool_value, .own = bool_own, .is_singleton = true },
	{ .name = "float", .value = float_value },
	{ .name = "complex", .value = complex_value },
	{ 0 },
};
