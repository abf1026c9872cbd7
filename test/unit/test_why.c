/* SPDX-License-Identifier: Apache-2.0 */
/* Who refers to a node, what that is called, and which paths keep the node alive. */
#include "analysis/analysis.h"
#include "graph_model.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void referrers_are_all_edges_turned_around(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct model *m = graph_at_random(seed);
		struct referrers r;
		uint64_t n = 0;

		referrers_build(m, &r);
		for (uint32_t node = 0; node < node_count(m); node++)
			for (uint64_t i = r.first[node]; i < r.first[node + 1];
			     i++, n++) {
				assert_int_equal(m->edge_to.node[r.edge[i]], node);
				assert_true(m->edge_first.at[r.from[i]] <= r.edge[i]);
				assert_true(m->edge_first.at[r.from[i] + 1] > r.edge[i]);
				if (i > r.first[node])
					assert_true(r.edge[i - 1] < r.edge[i]);
			}
		for (size_t e = 0; e < m->edge_to.n; e++)
			n -= m->edge_to.node[e] != NO_NODE;
		assert_int_equal(n, 0);
		referrers_release(&r);
		model_free(m);
	}
}

static bool counts(const struct model *m, uint64_t edge, bool certain)
{
	uint16_t label = m->edge_to.label[edge];

	return certain ? label_is_certain(m, label) : !label_is_weak(m, label);
}

/* How many steps the shortest path has from a root that is in the set; 0 none. By rounds
 * over all edges. Names of modules are not made here, so no edge is left out. */
static size_t shortest(const struct model *m, uint32_t to, bool certain)
{
	size_t length[512] = { 0 };
	uint32_t nodes = node_count(m);

	for (size_t i = 0; i < m->roots.n; i++)
		if (m->roots.certain[i] || !certain)
			length[m->roots.node[i]] = 1;
	for (uint32_t round = 0; round < nodes; round++)
		for (uint32_t from = 0; from < nodes; from++)
			for (uint64_t e = m->edge_first.at[from];
			     e < m->edge_first.at[from + 1]; e++) {
				uint32_t node = m->edge_to.node[e];

				if (!length[from] || node == NO_NODE ||
				    !counts(m, e, certain))
					continue;
				if (!length[node] || length[node] > length[from] + 1)
					length[node] = length[from] + 1;
			}
	return length[to];
}

static void check_path(const struct model *m, const struct why_path *p, uint32_t node)
{
	bool certain = p->root == NO_NODE || m->roots.certain[p->root];

	assert_int_equal(p->steps[p->nsteps - 1].node, node);
	assert_true(p->steps[0].edge == NO_EDGE);
	if (p->root != NO_NODE)
		assert_int_equal(m->roots.node[p->root], p->steps[0].node);
	for (size_t i = 1; i < p->nsteps; i++) {
		uint64_t e = p->steps[i].edge;
		uint32_t from = p->steps[i - 1].node;
		bool is_weak = label_is_weak(m, m->edge_to.label[e]);

		assert_true(m->edge_first.at[from] <= e &&
			    e < m->edge_first.at[from + 1]);
		assert_int_equal(m->edge_to.node[e], p->steps[i].node);
		assert_int_equal(is_weak, p->weak && i == p->nsteps - 1);
		certain &= label_is_certain(m, m->edge_to.label[e]);
	}
	assert_int_equal(p->certain, certain);
}

static void check_why(const struct model *m, uint32_t node)
{
	size_t certain = shortest(m, node, true), any = shortest(m, node, false);
	struct why w;

	why_build(m, node, 5, &w);
	assert_true(w.n <= 5);
	for (size_t i = 0; i < w.n; i++)
		check_path(m, &w.paths[i], node);
	for (size_t i = 1; i < w.n; i++)
		if (w.paths[i - 1].certain == w.paths[i].certain && !w.paths[i].weak)
			assert_true(w.paths[i - 1].nsteps <= w.paths[i].nsteps);
	if (certain) {
		assert_true(w.paths[0].certain && w.paths[0].root != NO_NODE);
		assert_int_equal(w.paths[0].nsteps, certain);
	} else if (any) {
		assert_true(!w.paths[0].certain && w.paths[0].root != NO_NODE);
		assert_int_equal(w.paths[0].nsteps, any);
	} else if (w.n > 0 && !w.paths[0].weak) {
		assert_int_equal(w.paths[0].root, NO_NODE);
	}
	why_release(&w);
}

static void paths_are_the_shortest(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct model *m = graph_at_random(seed);

		if (seed % 2)
			dominators_build(m);
		for (size_t r = 0; r < m->roots.n; r++)
			m->roots.name[r] = model_intern(m, str_of(r % 3 ? "a" : "b"));
		for (uint32_t node = 0; node < node_count(m); node += 3)
			check_why(m, node);
		model_free(m);
	}
}

static size_t named_root(struct model *m, uint32_t group, uint32_t node,
			 enum root_kind kind, const char *name)
{
	size_t row = graph_root(m, group, node, true);

	m->roots.kind[row] = (uint8_t)kind;
	m->roots.name[row] = model_intern(m, str_of(name));
	return row;
}

/* Module 0 with dict 1 names the list 2 and the function 3, whose globals are the dict; 2
 * has 4, and so has 5, which the stack holds. */
static void a_name_is_a_path_and_functions_are_none(void **state)
{
	struct model *m = graph_new(6, 0, 4);
	struct why w;
	uint16_t dict = model_label(m, LABEL_FIELD, str_of("__dict__"));
	uint16_t globals = model_label(m, LABEL_FIELD, str_of("__globals__"));

	(void)state;
	graph_edge(m, 0, 1, dict);
	graph_edge(m, 1, 2, LABEL_VALUE);
	graph_edge(m, 1, 3, LABEL_VALUE);
	graph_edge(m, 2, 4, LABEL_ITEM);
	graph_edge(m, 3, 1, globals);
	graph_edge(m, 5, 4, LABEL_ITEM);
	named_root(m, 2, 0, ROOT_MODULE, "");
	named_root(m, 2, 2, ROOT_NAME, "CACHE");
	named_root(m, 2, 3, ROOT_NAME, "fill");
	named_root(m, 3, 5, ROOT_LOCAL, "x in frame f");
	named_root(m, 3, 5, ROOT_LOCAL, "x in frame f");
	why_build(m, 4, 5, &w);
	assert_int_equal(w.n, 2); /* and not: fill, its globals, CACHE, ... */
	assert_int_equal(w.in_edges, 2);
	assert_true(w.paths[0].certain && w.paths[1].certain);
	assert_int_equal(w.paths[0].nsteps, 2);
	assert_int_equal(w.paths[0].root, 1);
	assert_int_equal(w.paths[1].root, 3);
	assert_false(w.is_immortal);
	why_release(&w);
	why_build(m, 4, 1, &w);
	assert_int_equal(w.n, 1);
	why_release(&w);
	model_free(m);
}

/* 1 <-> 2 -> 0: what is not reached has its chain; a weak reference comes besides. */
static void the_unreached_has_a_chain(void **state)
{
	struct model *m = graph_new(4, 0, 3);
	struct why w;

	(void)state;
	graph_edge(m, 1, 2, LABEL_ITEM);
	graph_edge(m, 2, 1, LABEL_ITEM);
	graph_edge(m, 2, 0, LABEL_ITEM);
	graph_edge(m, 3, 0, LABEL_WEAK);
	graph_root(m, 2, 3, true);
	dominators_build(m);
	why_build(m, 0, 5, &w);
	assert_int_equal(w.n, 2);
	assert_int_equal(w.paths[0].root, NO_NODE);
	assert_int_equal(w.paths[0].nsteps, 3);
	assert_int_equal(w.paths[0].steps[0].node, 1);
	assert_int_equal(w.paths[0].steps[1].node, 2);
	assert_false(w.paths[0].weak);
	assert_true(w.paths[1].weak);
	assert_int_equal(w.paths[1].root, 0);
	why_release(&w);
	why_build(m, 1, 5, &w); /* its holder, though it stands at the top itself */
	assert_int_equal(w.n, 1);
	assert_int_equal(w.paths[0].steps[0].node, 2);
	why_release(&w);
	model_free(m);
}

static void many_references_come_in_groups(void **state)
{
	struct model *m = graph_new(1201, 0, 3);
	struct why w;

	(void)state;
	for (uint32_t i = 1; i <= 1200; i++)
		graph_edge(m, i, 0,
			   i % 3 == 0 ? LABEL_ITEM
				      : (i % 3 == 1 ? LABEL_KEY : LABEL_WEAK));
	m->objects.refcount[0] = OBJECT_IMMORTAL;
	why_build(m, 0, 5, &w);
	assert_int_equal(w.in_edges, 800);
	assert_int_equal(w.ngroups, 0);
	assert_true(w.is_immortal);
	why_release(&w);
	for (size_t e = 0; e < m->edge_to.n; e += 2)
		m->edge_to.label[e] = LABEL_ITEM;
	why_build(m, 0, 5, &w);
	assert_int_equal(w.in_edges, 1000);
	assert_int_equal(w.ngroups, 0);
	why_release(&w);
	m->edge_to.label[1] = LABEL_ITEM;
	why_build(m, 0, 5, &w);
	assert_int_equal(w.in_edges, 1001);
	assert_int_equal(w.ngroups, 2);
	assert_int_equal(w.groups[0].label, LABEL_ITEM);
	assert_int_equal(w.groups[0].count + w.groups[1].count, 1001);
	assert_true(w.groups[0].count > w.groups[1].count);
	why_release(&w);
	model_free(m);
}

static void references_nobody_accounts_for(void **state)
{
	struct model *m = graph_new(3, 0, 3);
	struct referrers r;

	(void)state;
	graph_edge(m, 0, 1, LABEL_ITEM);
	graph_edge(m, 0, 1, LABEL_POSSIBLE);
	graph_edge(m, 0, 1, LABEL_INTERIOR);
	graph_edge(m, 2, 1, LABEL_WEAK);
	named_root(m, 2, 1, ROOT_NAME, "x");
	named_root(m, 2, 1, ROOT_LOCAL, "x in frame f");
	referrers_build(m, &r);
	m->objects.refcount[1] = 5; /* two edges, a local */
	assert_int_equal(node_unexplained(m, &r, 1), 2);
	m->objects.refcount[1] = 2;
	assert_int_equal(node_unexplained(m, &r, 1), 0);
	m->objects.refcount[1] = OBJECT_IMMORTAL;
	assert_int_equal(node_unexplained(m, &r, 1), 0);
	referrers_release(&r);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(referrers_are_all_edges_turned_around),
		cmocka_unit_test(paths_are_the_shortest),
		cmocka_unit_test(a_name_is_a_path_and_functions_are_none),
		cmocka_unit_test(the_unreached_has_a_chain),
		cmocka_unit_test(many_references_come_in_groups),
		cmocka_unit_test(references_nobody_accounts_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
