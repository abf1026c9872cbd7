/* SPDX-License-Identifier: Apache-2.0 */
/* The conditions of watch --when: how they are read, and what counts as growth. */
#include "cmd/when_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SECOND_NS UINT64_C(1000000000)

static void conditions_are_read(void **state)
{
	static const struct {
		const char *text;
		struct condition is;
	} cases[] = {
		{ "rss>6G", { WHEN_RSS, .bytes = (uint64_t)6 << 30 } },
		{ "rss > 1.5M", { WHEN_RSS, .bytes = 3 << 19 } },
		{ "psi", { WHEN_PRESSURE, .percent = 10 } },
		{ "psi>20%", { WHEN_PRESSURE, .percent = 20 } },
		{ "memory.high", { .kind = WHEN_HIGH } },
		{ "growth>10%/h",
		  { WHEN_GROWTH, .percent = 10, .period = 3600 * SECOND_NS } },
		{ "growth>200M/min",
		  { WHEN_GROWTH, .bytes = 200 << 20, .period = 60 * SECOND_NS } },
		{ "growth>1K/s", { WHEN_GROWTH, .bytes = 1024, .period = SECOND_NS } },
		{ "growth>300%/d",
		  { WHEN_GROWTH, .percent = 300, .period = 86400 * SECOND_NS } },
	};
	struct when w;
	struct err e;

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		const struct condition *c = &w.conditions[0], *is = &cases[i].is;

		assert_true(when_parse(cases[i].text, &w, &e));
		assert_int_equal(w.n, 1);
		assert_int_equal(c->kind, is->kind);
		assert_true(c->bytes == is->bytes && c->percent == is->percent);
		assert_true(c->period == is->period);
	}
	assert_true(when_parse("rss>1G, psi,growth>1%/h", &w, &e));
	assert_int_equal(w.n, 3);
	assert_string_equal(w.conditions[0].text, "rss>1G");
	assert_string_equal(w.conditions[1].text, "psi");
	assert_int_equal(w.conditions[2].kind, WHEN_GROWTH);
}

static void what_is_none_is_named(void **state)
{
	static const char *const bad[] = {
		"",
		"rss",
		"rss>",
		"rss>0",
		"rss<6G",
		"rss>6X",
		"rss>=6G",
		"psi>",
		"psi>20",
		"psi>0%",
		"psi>101%",
		"memory",
		"memory.high>1",
		"growth",
		"growth>10%",
		"growth>h",
		"growth>%/h",
		"growth>10%/y",
		"growth>0%/h",
		"growth>-1%/h",
		"growth>1%/",
		"load>3",
		"rss>1G,",
		",rss>1G",
		"rss>1G,,psi",
	};
	struct when w;
	struct err e;

	(void)state;
	for (size_t i = 0; i < countof(bad); i++) {
		if (when_parse(bad[i], &w, &e))
			fail_msg("'%s' is taken", bad[i]);
		assert_int_equal(e.kind, ERR_USAGE);
		assert_non_null(strstr(e.text, "growth>10%/h"));
	}
	assert_false(when_parse("rss>1,rss>2,rss>3,rss>4,rss>5,rss>6,rss>7,rss>8,rss>9",
				&w, &e));
	assert_non_null(strstr(e.text, "8 conditions"));
	assert_false(when_parse("psi>1%, rss>1G, psi>90%", &w, &e));
	assert_non_null(strstr(e.text, "'psi>90%' again"));
}

/* A process whose size at second t is size(t); when its growth is met, or -1. */
static int met_at(const char *text, int seconds, uint64_t (*size)(int))
{
	struct when w;
	struct err e;

	assert_true(when_parse(text, &w, &e));
	for (int t = 0; t < seconds; t++)
		if (when_grows(&w.conditions[0], (uint64_t)(t + 1000) * SECOND_NS,
			       size(t)))
			return t;
	return -1;
}

static uint64_t steady(int t)
{
	return 1000000 + 100 * (uint64_t)t; /* 360,000 an hour: 36 % */
}

static uint64_t breathing(int t)
{
	return 1000000 + (uint64_t)(t % 97) * 4000;
}

static uint64_t late(int t)
{
	return t < 2000 ? 1000000 : steady(t - 2000);
}

static uint64_t shrinking(int t)
{
	return 1000000 - 100 * (uint64_t)t;
}

static void growth_is_seen_when_the_while_is_over(void **state)
{
	(void)state;
	assert_int_equal(met_at("growth>35%/h", 5000, steady), 600);
	assert_int_equal(met_at("growth>37%/h", 5000, steady), -1);
	assert_int_equal(met_at("growth>359K/h", 5000, steady), -1);
	assert_int_equal(met_at("growth>350K/h", 5000, steady), 600);
}

static void what_breathes_does_not_grow(void **state)
{
	(void)state;
	assert_int_equal(met_at("growth>30%/h", 20000, breathing), -1);
	assert_int_equal(met_at("growth>1%/h", 5000, shrinking), -1);
}

static void what_was_long_ago_is_forgotten(void **state)
{
	int met = met_at("growth>35%/h", 5000, late);

	(void)state;
	assert_true(met > 2300 && met <= 2601);
}

static void it_is_looked_at_often_enough(void **state)
{
	struct when w;
	struct err e;

	(void)state;
	assert_true(when_parse("growth>10%/h", &w, &e));
	assert_true(when_pace(&w) == SECOND_NS);
	assert_true(when_parse("rss>1G,growth>10%/s", &w, &e));
	assert_true(when_pace(&w) == SECOND_NS / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_are_read),
		cmocka_unit_test(what_is_none_is_named),
		cmocka_unit_test(growth_is_seen_when_the_while_is_over),
		cmocka_unit_test(what_breathes_does_not_grow),
		cmocka_unit_test(what_was_long_ago_is_forgotten),
		cmocka_unit_test(it_is_looked_at_often_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
