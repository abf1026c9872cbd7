/* SPDX-License-Identifier: Apache-2.0 */
/* What grew over several snapshots, of models made by hand; and a folder of them. */
#include "analysis/analysis.h"
#include "cmd/folder_int.h"
#include "hand_model.h"
#include "snap/snap.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define HOUR_NS UINT64_C(3600000000000)

struct kind {
	const char *name;
	uint64_t count, size;
};

/* Adds a snapshot of these kinds, which are numbered as they come; a name of NULL ends. */
static void add(struct trend *t, uint64_t hour, const struct kind *kinds)
{
	struct model *m = model_new();

	for (; kinds->name; kinds++) {
		uint32_t type =
			model_type(m, str_of("c++"), str_of(kinds->name), str_of(""));

		model_table_resize(m, &model_tables[TABLE_totals], type + 1);
		m->totals.count[type] = kinds->count;
		m->totals.size[type] = kinds->size;
	}
	trend_add(t, 1000 * HOUR_NS + hour * HOUR_NS, m);
	model_free(m);
}

static void assert_row(const struct trend *t, size_t i, const char *kind,
		       uint32_t steps_grown, double slope)
{
	const struct trend_row *r = &t->rows[i];

	assert_true(str_is(model_text(t->names, t->names->types.kind[r->type]), kind));
	assert_int_equal(r->steps_grown, steps_grown);
	assert_true(fabs(r->line.slope - slope) < 1e-9);
}

/* a: 4, 5, 7, 9 at 1, 2, 3, 4 is the series of test_line: slope 1.7 by hand. */
static void steady_growth_comes_first(void **state)
{
	struct trend t = { 0 };

	(void)state;
	add(&t, 1,
	    (struct kind[]){ { "a", 4, 4 }, { "b", 1, 100 }, { "same", 2, 9 }, { 0 } });
	add(&t, 2,
	    (struct kind[]){ { "same", 2, 9 }, { "a", 5, 5 }, { "b", 1, 500 }, { 0 } });
	add(&t, 3,
	    (struct kind[]){ { "b", 1, 500 }, { "same", 2, 9 }, { "a", 7, 7 }, { 0 } });
	add(&t, 4,
	    (struct kind[]){ { "new", 1, 30 },
			     { "same", 2, 9 },
			     { "a", 8, 9 },
			     { "b", 1, 500 },
			     { 0 } });
	assert_true(trend_build(&t));
	assert_int_equal(t.nrows, 3);
	assert_row(&t, 0, "a", 3, 1.7);
	assert_row(&t, 1, "b", 1, 120); /* (-1.5 * -300 + 100 * (-.5 + .5 + 1.5)) / 5 */
	assert_row(&t, 2, "new", 1, 9); /* (1.5 * 22.5 + 7.5 * 1.5) / 5 */
	assert_int_equal(t.rows[0].count_first, 4);
	assert_int_equal(t.rows[0].count_last, 8);
	assert_int_equal(t.rows[2].size_first, 0);
	assert_int_equal(t.rows[2].size_last, 30);
	trend_release(&t);
}

static void what_is_gone_counts_as_nothing(void **state)
{
	struct trend t = { 0 };

	(void)state;
	add(&t, 0, (struct kind[]){ { "gone", 4, 40 }, { 0 } });
	add(&t, 1, (struct kind[]){ { "gone", 0, 0 }, { 0 } });
	add(&t, 2, (struct kind[]){ { 0 } });
	assert_true(trend_build(&t));
	assert_int_equal(t.nrows, 1);
	assert_row(&t, 0, "gone", 0, -20);
	assert_int_equal(t.rows[0].size_last, 0);
	trend_release(&t);
}

static void a_trend_takes_three_moments(void **state)
{
	const struct kind some[] = { { "a", 1, 1 }, { 0 } };
	struct trend t = { 0 };

	(void)state;
	assert_false(trend_build(&t));
	add(&t, 1, some);
	add(&t, 1, some);
	assert_false(trend_build(&t));
	add(&t, 1, some);
	assert_false(trend_build(&t)); /* all of one moment */
	trend_release(&t);
}

/* Student's t of one degree of freedom is 12.706, of 100 about 2. */
static void a_limit_is_reached_in_between(void **state)
{
	struct line l = { .slope = 10, .error = 0.5 };
	struct trend_eta eta = trend_eta(&l, 102, 100, 200);

	(void)state;
	assert_true(eta.is_coming && eta.has_most && !eta.is_reached);
	assert_true(eta.in == 10 && eta.least == 100 / 11.0 && eta.most == 100 / 9.0);
	eta = trend_eta(&l, 3, 100, 200);
	assert_true(eta.has_most && fabs(eta.most - 100 / (10 - 6.353)) < 1e-9);
	l.error = 1;
	eta = trend_eta(&l, 3, 100, 200);
	assert_true(eta.is_coming && !eta.has_most);
	l.slope = -1;
	assert_false(trend_eta(&l, 3, 100, 200).is_coming);
	assert_true(trend_eta(&l, 3, 200, 200).is_reached);
}

/* An older heapsift's snapshot has no totals: they are worked out. */
static void older_snapshots_have_sums_too(void **state)
{
	char folder[] = "/tmp/heapsift-test-XXXXXX", path[64];
	struct model *m = hand_model(), *texts = model_new(), *back;
	const struct new_file_options o = { .path = path };
	struct folder f;
	struct err e;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/old", folder);
	assert_true(snap_write(m, &o, &e));
	assert_true(folder_read(folder, texts, &f, &e));
	assert_int_equal(f.n, 1);
	assert_true(
		str_is(model_text(texts, f.entries[0].exe), "/opt/shop/bin/orderbook"));
	assert_true(folder_totals(&f, 0, &back, &e));
	totals_build(m);
	assert_int_equal(back->totals.n, m->totals.n);
	assert_memory_equal(back->totals.size, m->totals.size,
			    m->totals.n * sizeof(*m->totals.size));
	model_free(back);
	model_free(m);
	model_free(texts);
	folder_release(&f);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steady_growth_comes_first),
		cmocka_unit_test(what_is_gone_counts_as_nothing),
		cmocka_unit_test(a_trend_takes_three_moments),
		cmocka_unit_test(a_limit_is_reached_in_between),
		cmocka_unit_test(older_snapshots_have_sums_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
