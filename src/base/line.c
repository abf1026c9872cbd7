/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In two passes: sums of squares of what is far from 0 would lose what they differ in.
 *
 *	slope = Sxy / Sxx    error = sqrt((Syy - Sxy^2 / Sxx) / (n - 2) / Sxx)
 */
#include "base/line.h"

#include <math.h>

static double mean(const double *v, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += v[i];
	return sum / (double)n;
}

bool line_fit(const double *x, const double *y, size_t n, struct line *out)
{
	double x0, y0, xx = 0, xy = 0, yy = 0, rest = 0;

	if (n < 2)
		return false;
	x0 = mean(x, n), y0 = mean(y, n);
	for (size_t i = 0; i < n; i++) {
		xx += (x[i] - x0) * (x[i] - x0);
		xy += (x[i] - x0) * (y[i] - y0);
		yy += (y[i] - y0) * (y[i] - y0);
	}
	if (!(xx > 0))
		return false;
	*out = (struct line){ .slope = xy / xx, .r2 = 1 };
	out->at_0 = y0 - out->slope * x0;
	for (size_t i = 0; i < n; i++) {
		double off = y[i] - y0 - out->slope * (x[i] - x0);

		rest += off * off;
	}
	if (n > 2)
		out->error = sqrt(rest / (double)(n - 2) / xx);
	if (yy > 0)
		out->r2 = fmax(0, 1 - rest / yy);
	return true;
}
