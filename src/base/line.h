/* SPDX-License-Identifier: Apache-2.0 */
/* The straight line through points that lies nearest to them (least squares). */
#ifndef BASE_LINE_H
#define BASE_LINE_H

#include "base/base.h"

struct line {
	double slope, at_0;
	double error; /* standard error of the slope; of two points 0, which means nothing */
	double r2; /* how much of y's spread the line explains: 0 to 1; 1 if it has none */
};

/* False: fewer than two points, or all have the same x. */
must_check bool line_fit(const double *x, const double *y, size_t n, struct line *out);

#endif
