/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dominators against their definition: x dominates v if v is out of reach once x is taken
 * away. So the oracle takes each node and group away in turn and looks what is left.
 */
#include "analysis/analysis.h"
#include "graph_model.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST = 256, NOTHING = -1 };

/* A graph as plain bits. Vertices: nodes, then groups. */
struct plain {
	const struct model *m;
	uint32_t nodes, n;
	bool edge[MOST][MOST], certain[MOST][MOST];
	bool reached[MOST];         /* from group row 0 */
	bool dominates[MOST][MOST]; /* [x][v] */
};

static void plain_edge(struct plain *p, uint32_t from, uint32_t to, bool certain)
{
	if (to >= p->nodes || !node_is_there(p->m, to))
		return;
	p->edge[from][to] = true;
	p->certain[from][to] |= certain;
}

static void reach(const struct plain *p, uint32_t from, int without, bool certain,
		  bool out[MOST])
{
	uint32_t todo[MOST], n = 0;

	memset(out, 0, MOST);
	out[from] = true;
	todo[n++] = from;
	while (n > 0) {
		uint32_t x = todo[--n];

		for (uint32_t v = 0; v < p->n; v++)
			if ((int)v != without && !out[v] &&
			    (certain ? p->certain[x][v] : p->edge[x][v]))
				out[todo[n++] = v] = true;
	}
}

static void plain_edges(struct plain *p)
{
	const struct model *m = p->m;

	for (uint32_t i = 0; i < p->nodes; i++)
		for (uint64_t e = m->edge_first.at[i]; e < m->edge_first.at[i + 1]; e++)
			if (!label_is_weak(m, m->edge_to.label[e]) && node_is_there(m, i))
				plain_edge(p, i, m->edge_to.node[e],
					   label_is_certain(m, m->edge_to.label[e]));
	for (size_t r = 0; r < m->roots.n; r++) {
		uint32_t group = p->nodes + m->roots.group[r];

		p->edge[p->nodes][group] = p->certain[p->nodes][group] = true;
		plain_edge(p, group, m->roots.node[r], m->roots.certain[r]);
	}
}

/* Of nodes that reach each other and that no other unreached node reaches, the first is an
 * entry. */
static void plain_entries(struct plain *p)
{
	static bool from[MOST][MOST];
	uint32_t top = p->nodes + ROOTS_UNREACHED;

	for (uint32_t v = 0; v < p->nodes; v++)
		reach(p, v, NOTHING, false, from[v]);
	for (uint32_t v = 0; v < p->nodes; v++) {
		bool is_entry = node_is_there(p->m, v) && !p->reached[v];

		for (uint32_t u = 0; u < p->nodes && is_entry; u++)
			if (!p->reached[u] && u != v && node_is_there(p->m, u) &&
			    from[u][v])
				is_entry = from[v][u] && v < u;
		if (is_entry)
			plain_edge(p, top, v, true);
	}
}

static void plain_build(struct plain *p, const struct model *m)
{
	*p = (struct plain){ .m = m, .nodes = node_count(m) };
	p->n = p->nodes + (uint32_t)m->groups.n;
	assert_true(p->n <= MOST);
	plain_edges(p);
	reach(p, p->nodes, NOTHING, false, p->reached);
	for (uint32_t v = 0; v < p->nodes; v++)
		for (uint32_t u = 0; u < p->nodes; u++)
			if (p->reached[v] && !p->reached[u])
				p->edge[u][v] = p->certain[u][v] = false;
	plain_entries(p);
	for (uint32_t x = 0; x < p->n; x++) {
		bool top[MOST], unreached[MOST], all[MOST];

		reach(p, p->nodes + ROOTS_UNREACHED, NOTHING, false, all);
		reach(p, p->nodes, (int)x, false, top);
		reach(p, p->nodes + ROOTS_UNREACHED, (int)x, false, unreached);
		for (uint32_t v = 0; v < p->n; v++)
			p->dominates[x][v] = v == x || (p->reached[v] && !top[v]) ||
					     (all[v] && !unreached[v]);
	}
	for (uint32_t v = 0; v < p->n; v++) /* a group without roots is nowhere */
		p->dominates[p->nodes][v] |= p->reached[v];
	for (uint32_t v = 0; v < p->nodes; v++)
		p->dominates[p->nodes + ROOTS_UNREACHED][v] |=
			!p->reached[v] && node_is_there(m, v);
}

static uint32_t plain_dominator(const struct plain *p, uint32_t v)
{
	uint32_t best = p->nodes, most = 0;

	for (uint32_t x = 0; x < p->n; x++) {
		uint32_t above = 0;

		if (x == v || !p->dominates[x][v])
			continue;
		for (uint32_t y = 0; y < p->n; y++)
			above += p->dominates[y][x];
		if (above > most)
			best = x, most = above;
	}
	return best;
}

static uint64_t plain_retained(const struct plain *p, uint32_t x, bool footprint)
{
	uint64_t sum = 0;

	for (uint32_t v = 0; v < p->nodes; v++)
		if (p->dominates[x][v] && node_is_there(p->m, v))
			sum += footprint ? node_footprint(p->m, v) : node_size(p->m, v);
	return sum;
}

static unsigned plain_flags(const struct plain *p, uint32_t v)
{
	bool top[MOST], unreached[MOST];
	unsigned flags = p->reached[v] ? 0 : DOMINATOR_UNREACHED;

	reach(p, p->nodes, NOTHING, true, top);
	reach(p, p->nodes + ROOTS_UNREACHED, NOTHING, true, unreached);
	return flags | (top[v] || unreached[v] ? 0 : DOMINATOR_POSSIBLE);
}

static void check_graph(const struct plain *p)
{
	const struct model_dominators *d = &p->m->dominators;

	assert_int_equal(d->n, p->nodes);
	for (uint32_t v = 0; v < p->nodes; v++) {
		if (!node_is_there(p->m, v)) {
			assert_int_equal(d->parent[v], p->nodes);
			assert_int_equal(d->retained[v], 0);
			continue;
		}
		assert_int_equal(d->parent[v], plain_dominator(p, v));
		assert_int_equal(d->retained[v], plain_retained(p, v, false));
		assert_int_equal(d->retained_footprint[v], plain_retained(p, v, true));
		assert_int_equal(d->flags[v], plain_flags(p, v));
	}
	for (uint32_t g = 0; g < p->m->groups.n; g++) {
		assert_int_equal(p->m->groups.retained[g],
				 plain_retained(p, p->nodes + g, false));
		assert_int_equal(p->m->groups.retained_footprint[g],
				 plain_retained(p, p->nodes + g, true));
	}
}

/* Bytes that some node of the type dominates. */
static void check_top(const struct plain *p)
{
	struct top t;
	uint64_t count = 0;

	top_build(p->m, &t);
	for (size_t i = 0; i < t.n; i++) {
		uint64_t size = 0;

		for (uint32_t v = 0; v < p->nodes; v++) {
			bool is_held = false;

			for (uint32_t x = 0; x < p->nodes && node_is_there(p->m, v); x++)
				is_held |= node_is_there(p->m, x) && p->dominates[x][v] &&
					   node_type(p->m, x) == t.rows[i].type;
			size += is_held ? node_size(p->m, v) : 0;
		}
		assert_int_equal(t.rows[i].retained, size);
		count += t.rows[i].count;
	}
	for (uint32_t v = 0; v < p->nodes; v++)
		count -= node_is_there(p->m, v);
	assert_int_equal(count, 0);
	top_release(&t);
}

static void check_tree(const struct model *m)
{
	struct dominator_tree t;
	size_t all = (size_t)node_count(m) + m->groups.n, n = 0;

	dominator_tree_build(m, &t);
	for (uint32_t x = 0; x < all; x++)
		for (uint64_t i = t.first[x]; i < t.first[x + 1]; i++, n++) {
			uint32_t child = t.children[i];

			assert_int_equal(m->dominators.parent[child], x);
			assert_true(node_is_there(m, child));
			if (i > t.first[x])
				assert_true(m->dominators.retained[t.children[i - 1]] >=
					    m->dominators.retained[child]);
		}
	for (uint32_t v = 0; v < node_count(m); v++)
		n -= node_is_there(m, v);
	assert_int_equal(n, 0);
	dominator_tree_release(&t);
}

static void dominators_are_what_they_are_said_to_be(void **state)
{
	static struct plain p;

	(void)state;
	for (uint64_t seed = 1; seed <= 1000; seed++) {
		struct model *m = graph_at_random(seed);

		dominators_build(m);
		plain_build(&p, m);
		check_graph(&p);
		check_top(&p);
		check_tree(m);
		model_free(m);
	}
}

/* 0 -> 1 -> 2 -> 3, and 0 -> 3: the least that passes all ways to 3 is 0. */
static void a_diamond(void **state)
{
	struct model *m = graph_new(4, 0, 3);

	(void)state;
	graph_edge(m, 0, 1, LABEL_ITEM);
	graph_edge(m, 0, 3, LABEL_ITEM);
	graph_edge(m, 1, 2, LABEL_ITEM);
	graph_edge(m, 2, 3, LABEL_ITEM);
	graph_root(m, 2, 0, true);
	dominators_build(m);
	assert_int_equal(m->dominators.parent[0], 4 + 2);
	assert_int_equal(m->dominators.parent[1], 0);
	assert_int_equal(m->dominators.parent[2], 1);
	assert_int_equal(m->dominators.parent[3], 0);
	assert_int_equal(m->dominators.retained[1], 11 + 12);
	assert_int_equal(m->dominators.retained[0], 10 + 11 + 12 + 13);
	assert_int_equal(m->groups.retained[2], 46);
	assert_int_equal(m->groups.retained[0], 46);
	assert_int_equal(m->groups.retained[1], 0);
	model_free(m);
}

/* What two groups hold hangs on the top, and neither retains it. */
static void two_groups(void **state)
{
	struct model *m = graph_new(2, 0, 4);

	(void)state;
	graph_edge(m, 0, 1, LABEL_ITEM);
	graph_root(m, 3, 1, true);
	graph_root(m, 2, 0, true);
	dominators_build(m);
	assert_int_equal(m->dominators.parent[0], 2 + 2);
	assert_int_equal(m->dominators.parent[1], 2 + ROOTS_ALL);
	assert_int_equal(m->groups.retained[2], 10);
	assert_int_equal(m->groups.retained[3], 0);
	assert_int_equal(m->groups.retained[0], 21);
	model_free(m);
}

/* Garbage 3 <-> 4 holds 2 and 0, but not what is reached; it hangs on its first node. */
static void garbage_has_a_size_of_its_own(void **state)
{
	struct model *m = graph_new(5, 0, 3);

	(void)state;
	graph_edge(m, 2, 0, LABEL_ITEM);
	graph_edge(m, 3, 4, LABEL_ITEM);
	graph_edge(m, 4, 3, LABEL_ITEM);
	graph_edge(m, 4, 2, LABEL_ITEM);
	graph_edge(m, 4, 1, LABEL_ITEM);
	graph_root(m, 2, 1, true);
	dominators_build(m);
	assert_int_equal(m->dominators.parent[3], 5 + ROOTS_UNREACHED);
	assert_int_equal(m->dominators.parent[4], 3);
	assert_int_equal(m->dominators.parent[2], 4);
	assert_int_equal(m->dominators.parent[1], 5 + 2);
	assert_int_equal(m->dominators.flags[3], DOMINATOR_UNREACHED);
	assert_int_equal(m->groups.retained[ROOTS_UNREACHED], 10 + 12 + 13 + 14);
	assert_int_equal(m->groups.retained[0], 11);
	model_free(m);
}

/* A long list whose every element's value is held by something else, too: quadratic for
 * some algorithms, and deadly for recursion. */
static void a_deep_list_with_shared_values(void **state)
{
	enum { N = 100000 };
	struct model *m = graph_new(2 * N, 0, 4);

	(void)state;
	model_table_resize(m, &model_tables[TABLE_edge_to], 2 * N);
	for (uint32_t i = 0; i < N; i++) {
		m->edge_to.node[2 * i] = i + 1 < N ? i + 1 : NO_NODE;
		m->edge_to.node[2 * i + 1] = i + N;
		m->edge_to.label[2 * i] = m->edge_to.label[2 * i + 1] = LABEL_ITEM;
		graph_root(m, 3, i + N, true);
	}
	for (size_t i = 0; i <= 2 * N; i++)
		m->edge_first.at[i] = min_u64(2 * i, 2 * N);
	graph_root(m, 2, 0, true);
	dominators_build(m);
	for (uint32_t i = 1; i < N; i++) {
		assert_int_equal(m->dominators.parent[i], i - 1);
		assert_int_equal(m->dominators.parent[i + N], 2 * N + ROOTS_ALL);
	}
	assert_int_equal(m->dominators.retained[N - 1], 10 + N - 1);
	assert_int_equal(m->groups.retained[2],
			 (uint64_t)N * 10 + (uint64_t)N * (N - 1) / 2);
	model_free(m);
}

static void large_objects_count_in_full(void **state)
{
	struct model *m = graph_new(3, 0, 3);
	size_t row = model_large_add(m);

	(void)state;
	m->objects.size[1] = m->objects.footprint[1] = OBJECT_LARGE;
	m->large.object[row] = 1;
	m->large.size[row] = 1ull << 40;
	m->large.footprint[row] = (1ull << 40) + 16;
	graph_edge(m, 0, 1, LABEL_ITEM);
	graph_root(m, 2, 0, true);
	dominators_build(m);
	assert_int_equal(m->dominators.retained[0], (1ull << 40) + 10);
	assert_int_equal(m->dominators.retained_footprint[0], (1ull << 40) + 16 + 16);
	model_free(m);
}

static void without_edges_there_are_none(void **state)
{
	struct model *m = graph_new(3, 0, 3);

	(void)state;
	m->edge_first.n = 0;
	dominators_build(m);
	assert_int_equal(m->dominators.n, 0);
	model_free(m);
	m = graph_new(3, 0, 0);
	dominators_build(m);
	assert_int_equal(m->dominators.n, 0);
	model_free(m);
}

static void those_of_a_file_are_kept(void **state)
{
	struct model *m = graph_new(3, 0, 3);

	(void)state;
	graph_root(m, 2, 0, true);
	dominators_build(m);
	m->dominators.retained[0] = 7;
	dominators_build(m);
	assert_int_equal(m->dominators.retained[0], 7);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dominators_are_what_they_are_said_to_be),
		cmocka_unit_test(a_diamond),
		cmocka_unit_test(two_groups),
		cmocka_unit_test(garbage_has_a_size_of_its_own),
		cmocka_unit_test(a_deep_list_with_shared_values),
		cmocka_unit_test(large_objects_count_in_full),
		cmocka_unit_test(without_edges_there_are_none),
		cmocka_unit_test(those_of_a_file_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
