/* SPDX-License-Identifier: Apache-2.0 */
/* What is wasted, in rows, and who holds it. */
#include "analysis/analysis.h"
#include "graph_model.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void add_slack(struct model *m, uint32_t node, enum slack_kind kind,
		      uint64_t unused)
{
	size_t row = model_slack_add(m);

	m->slack.node[row] = node;
	m->slack.kind[row] = (uint8_t)kind;
	m->slack.unused[row] = unused;
}

static void add_equal(struct model *m, uint32_t node, uint32_t first)
{
	size_t row = model_duplicates_add(m);

	m->duplicates.node[row] = node;
	m->duplicates.first[row] = first;
}

/*
 * Module M has the names "a" for node 1, which holds 2, and "b" for 4, which holds 5; both
 * hold 6; of 7 it has no name. Object i takes 16 + i bytes, its size is 10 + i. Nodes 8 and
 * 9 are blocks, the first of which 7 holds; nothing holds the other. Node 0 is nobody's.
 */
static struct model *model_of_waste(void)
{
	struct model *m = graph_new(8, 2, 3);

	model_processes_add(m);
	m->processes.has_waste[0] = 1;
	m->groups.name[2] = model_intern(m, str_of("M"));
	graph_root(m, 2, 1, true);
	graph_root(m, 2, 4, true);
	graph_root(m, 2, 7, true);
	m->roots.name[0] = model_intern(m, str_of("a"));
	m->roots.name[1] = model_intern(m, str_of("b"));
	graph_edge(m, 1, 2, LABEL_ITEM);
	graph_edge(m, 1, 6, LABEL_ITEM);
	graph_edge(m, 4, 5, LABEL_ITEM);
	graph_edge(m, 4, 6, LABEL_ITEM);
	graph_edge(m, 7, 8, LABEL_ITEM);
	dominators_build(m);
	return m;
}

static const struct waste_row *row_of(const struct waste *w, enum waste_category category)
{
	const struct waste_row *found = NULL;

	for (size_t i = 0; i < w->n; i++)
		if (w->rows[i].category == category) {
			assert_null(found);
			found = &w->rows[i];
		}
	return found;
}

static void assert_holder(const struct waste *w, const struct waste_row *r, size_t i,
			  struct waste_holder want)
{
	const struct waste_holder *h = &w->holders[r->holder + i];

	assert_true(i < r->nholders);
	assert_int_equal(h->dominator, want.dominator);
	assert_int_equal(h->root, want.root);
	assert_int_equal(h->wasted, want.wasted);
}

static void duplicates_waste_all_but_the_smallest(void **state)
{
	struct model *m = model_of_waste();
	const struct waste_row *r;
	struct waste w;

	(void)state;
	add_equal(m, 2, 2);
	add_equal(m, 5, 2);
	add_equal(m, 6, 2);
	waste_build(m, &w);
	r = row_of(&w, WASTE_DUPLICATES);
	assert_int_equal(r->first, 2);
	assert_int_equal(r->count, 3);
	assert_int_equal(r->bytes, 18 + 21 + 22);
	assert_int_equal(r->wasted, 21 + 22);
	assert_int_equal(w.wasted[WASTE_DUPLICATES], 21 + 22);
	assert_int_equal(r->nholders, 2);
	assert_holder(&w, r, 0, (struct waste_holder){ node_count(m) + 2, NO_NODE, 22 });
	assert_holder(&w, r, 1, (struct waste_holder){ 4, 1, 21 });
	waste_release(&w);
	model_free(m);
}

static void slack_is_one_row_a_type(void **state)
{
	struct model *m = model_of_waste();
	const struct waste_row *r;
	struct waste w;

	(void)state;
	add_slack(m, 0, SLACK_EMPTY, 0);
	add_slack(m, 2, SLACK_OVER_ALLOCATED, 7);
	add_slack(m, 5, SLACK_SPARSE, 5);
	add_slack(m, 7, SLACK_SPARSE, 6);
	waste_build(m, &w);
	r = row_of(&w, WASTE_EMPTY);
	assert_int_equal(r->wasted, 16); /* all of it */
	assert_holder(
		&w, r, 0,
		(struct waste_holder){ node_count(m) + ROOTS_UNREACHED, NO_NODE, 16 });
	r = row_of(&w, WASTE_OVER_ALLOCATED);
	assert_int_equal(r->wasted, 7);
	assert_int_equal(r->bytes, 18);
	assert_holder(&w, r, 0, (struct waste_holder){ 1, 0, 7 });
	r = row_of(&w, WASTE_SPARSE);
	assert_int_equal(r->count, 2);
	assert_int_equal(r->wasted, 11);
	assert_int_equal(r->first, NO_NODE);
	assert_holder(&w, r, 0, (struct waste_holder){ node_count(m) + 2, NO_NODE, 6 });
	assert_holder(&w, r, 1, (struct waste_holder){ 4, 1, 5 });
	assert_true(w.is_known);
	waste_release(&w);
	model_free(m);
}

static void rounding_is_what_no_size_explains(void **state)
{
	struct model *m = model_of_waste();
	const struct waste_row *r;
	struct waste w;

	(void)state;
	m->blocks.type[0] = m->blocks.type[1] = 0;
	m->objects.footprint[3] = 1; /* most of it lies elsewhere */
	m->types.uncounted[0] = 4;
	waste_build(m, &w);
	r = row_of(&w, WASTE_ROUNDING);
	assert_int_equal(r->count, 7 + 2);
	assert_int_equal(r->wasted, 7 * 2 + 2 * 4);
	assert_int_equal(w.n, 1);
	waste_release(&w);
	m->processes.has_waste[0] = 0; /* then uncounted is not known, either */
	waste_build(m, &w);
	r = row_of(&w, WASTE_ROUNDING);
	assert_int_equal(r->count, 2);
	assert_false(w.is_known);
	waste_release(&w);
	model_free(m);
}

static void arrays_are_a_row_of_their_own(void **state)
{
	struct model *m = model_of_waste();
	const struct waste_row *r;
	struct waste w;

	(void)state;
	add_slack(m, 8, SLACK_OVER_ALLOCATED, 11);
	add_slack(m, 9, SLACK_OVER_ALLOCATED, 12);
	waste_build(m, &w);
	r = row_of(&w, WASTE_OVER_ALLOCATED);
	assert_int_equal(r->type, m->types.n);
	assert_int_equal(r->count, 2);
	assert_int_equal(r->wasted, 23);
	waste_release(&w);
	model_free(m);
}

/* Each node's waste has one holder, whatever the graph, and whatever a file says. */
static void shares_add_up(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct model *m = graph_at_random(seed);
		struct waste w;

		for (size_t i = 0; i < m->roots.n; i++)
			m->roots.name[i] = i % 2 ? model_intern(m, str_of("name")) : 0;
		dominators_build(m);
		for (uint32_t node = 0; seed % 2 && node < node_count(m); node++)
			if (node % 3 == 0)
				m->dominators.parent[node] =
					node ? node - 1 : node_count(m) - 1;
		waste_build(m, &w);
		for (size_t i = 0; i < w.n; i++) {
			uint64_t sum = 0;

			for (size_t h = 0; h < w.rows[i].nholders; h++)
				sum += w.holders[w.rows[i].holder + h].wasted;
			assert_true(sum <= w.rows[i].wasted && sum > 0);
			if (w.rows[i].nholders < WASTE_HOLDERS)
				assert_int_equal(sum, w.rows[i].wasted);
		}
		waste_release(&w);
		model_free(m);
	}
}

static void no_file_makes_it_look_outside(void **state)
{
	struct model *m = model_of_waste();
	struct waste w;

	(void)state;
	m->blocks.state[0] = BLOCK_BIN; /* node 8 is not there */
	add_equal(m, 8, 8);
	add_equal(m, 8, 8);
	add_equal(m, 3, 8);
	add_slack(m, 8, SLACK_SPARSE, UINT64_MAX);
	m->blocks.type[0] = UINT32_MAX;
	waste_build(m, &w);
	assert_null(row_of(&w, WASTE_SPARSE));
	waste_release(&w);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(duplicates_waste_all_but_the_smallest),
		cmocka_unit_test(slack_is_one_row_a_type),
		cmocka_unit_test(rounding_is_what_no_size_explains),
		cmocka_unit_test(arrays_are_a_row_of_their_own),
		cmocka_unit_test(shares_add_up),
		cmocka_unit_test(no_file_makes_it_look_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
