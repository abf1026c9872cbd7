/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as people read them. */
#include "out/out.h"

#include <stdio.h>

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

void bytes_show(struct buf *out, uint64_t bytes, bool exact)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (exact) {
		count_show(out, bytes);
		return;
	}
	if (bytes < 1024) {
		buf_printf(out, "%u B", (unsigned)bytes);
		return;
	}
	/* 1023.95 would be shown as 1024.0: that is 1.0 of the next. */
	for (; value >= 1023.95 && unit + 1 < countof(units); unit++)
		value /= 1024;
	buf_printf(out, "%.1f %s", value, units[unit]);
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
