/* SPDX-License-Identifier: Apache-2.0 */
/* Names and numbers as people read them. */
#include "out/out.h"

#include <stdio.h>
#include <stdlib.h>

void capitals_show(struct buf *out, const char *name)
{
	for (; *name; name++) {
		bool is_small = *name >= 'a' && *name <= 'z';

		buf_char(out, *name == '_' ? ' ' : (char)(is_small ? *name - 32 : *name));
	}
}

void count_show(struct buf *out, uint64_t count)
{
	char digits[32], *at = digits + sizeof(digits);

	for (unsigned n = 0; count > 0 || n == 0; n++, count /= 10) {
		if (n > 0 && n % 3 == 0)
			*--at = ',';
		*--at = (char)('0' + count % 10);
	}
	buf_add(out, at, (size_t)(digits + sizeof(digits) - at));
}

void number_show(struct buf *out, uint64_t number)
{
	char digits[20], *at = digits + sizeof(digits);

	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	buf_add(out, at, (size_t)(digits + sizeof(digits) - at));
}

/* By hand, for a table of ten million rows shows twenty million sizes. */
void bytes_show(struct buf *out, uint64_t bytes, bool exact)
{
	static const char *const units[] = { " KiB", " MiB", " GiB",
					     " TiB", " PiB", " EiB" };
	double value = (double)bytes / 1024;
	size_t unit = 0;
	uint64_t tenths;

	if (exact) {
		count_show(out, bytes);
		return;
	}
	if (bytes < 1024) {
		number_show(out, bytes);
		buf_str(out, " B");
		return;
	}
	/* 1023.95 would be shown as 1024.0: that is 1.0 of the next. */
	for (; value >= 1023.95 && unit + 1 < countof(units); unit++)
		value /= 1024;
	tenths = (uint64_t)(value * 10 + 0.5);
	number_show(out, tenths / 10);
	buf_char(out, '.');
	number_show(out, tenths % 10);
	buf_str(out, units[unit]);
}

/* The sign, and what stands behind it: the least number has no positive twin. */
static uint64_t sign_show(struct buf *out, int64_t change)
{
	if (change > 0)
		buf_char(out, '+');
	if (change < 0)
		buf_char(out, '-');
	return change < 0 ? -(uint64_t)change : (uint64_t)change;
}

void bytes_change_show(struct buf *out, int64_t bytes, bool exact)
{
	bytes_show(out, sign_show(out, bytes), exact);
}

void count_change_show(struct buf *out, int64_t count)
{
	count_show(out, sign_show(out, count));
}

void real_show(struct buf *out, double value)
{
	bool is_small = value > -1 && value < 1 && value != 0;

	buf_printf(out, is_small ? "%.3g" : "%.2f", value);
}

void real_write(struct buf *out, double value)
{
	char text[32];

	snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) != value)
		snprintf(text, sizeof(text), "%.17g", value);
	buf_str(out, text);
}

void address_show(struct buf *out, taddr at)
{
	char digits[16], *start = digits + sizeof(digits);

	do
		*--start = "0123456789abcdef"[at & 15];
	while (at >>= 4);
	buf_str(out, "0x");
	buf_add(out, start, (size_t)(digits + sizeof(digits) - start));
}

void percent_show(struct buf *out, uint64_t part, uint64_t whole)
{
	buf_printf(out, "%.1f%%", whole ? 100 * (double)part / (double)whole : 0.0);
}

void duration_show(struct buf *out, uint64_t ns)
{
	double value = (double)ns;

	if (value < 999.5e3)
		buf_printf(out, "%.0f us", value / 1e3);
	else if (value < 999.95e6)
		buf_printf(out, "%.1f ms", value / 1e6);
	else
		buf_printf(out, "%.2f s", value / 1e9);
}
