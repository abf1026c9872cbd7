/* SPDX-License-Identifier: Apache-2.0 */
#include "base/line.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool is_near(double a, double b)
{
	return fabs(a - b) <= 1e-9 * fmax(1, fabs(b));
}

/* By hand: means 2.5 and 6.25, Sxx 5, Sxy 8.5, Syy 14.75; the rest is 14.75 - 8.5^2 / 5 = 0.3. */
static void a_line_lies_nearest(void **state)
{
	const double x[] = { 1, 2, 3, 4 }, y[] = { 4, 5, 7, 9 };
	struct line l;

	(void)state;
	assert_true(line_fit(x, y, 4, &l));
	assert_true(is_near(l.slope, 1.7));
	assert_true(is_near(l.at_0, 2));
	assert_true(is_near(l.error, sqrt(0.3 / 2 / 5)));
	assert_true(is_near(l.r2, 1 - 0.3 / 14.75));
}

static void far_from_0_nothing_is_lost(void **state)
{
	double x[100], y[100];
	struct line l;

	(void)state;
	for (int i = 0; i < 100; i++)
		x[i] = 1.7e9 + i, y[i] = 1e12 + 3.0 * i;
	assert_true(line_fit(x, y, 100, &l));
	assert_true(is_near(l.slope, 3));
	assert_true(l.error < 1e-6 && l.r2 > 0.999999);
}

static void what_does_not_change_is_flat(void **state)
{
	const double x[] = { 1, 2, 5 }, y[] = { 7, 7, 7 };
	struct line l;

	(void)state;
	assert_true(line_fit(x, y, 3, &l));
	assert_true(l.slope == 0 && l.error == 0 && l.r2 == 1 && l.at_0 == 7);
}

static void two_points_have_no_error(void **state)
{
	const double x[] = { 0, 2 }, y[] = { 1, 5 };
	struct line l;

	(void)state;
	assert_true(line_fit(x, y, 2, &l));
	assert_true(is_near(l.slope, 2) && l.error == 0);
}

static void one_moment_is_no_line(void **state)
{
	const double x[] = { 3, 3, 3 }, y[] = { 1, 2, 3 };
	struct line l;

	(void)state;
	assert_false(line_fit(x, y, 3, &l));
	assert_false(line_fit(x, y, 1, &l));
	assert_false(line_fit(x, y, 0, &l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_lies_nearest),
		cmocka_unit_test(far_from_0_nothing_is_lost),
		cmocka_unit_test(what_does_not_change_is_flat),
		cmocka_unit_test(two_points_have_no_error),
		cmocka_unit_test(one_moment_is_no_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
