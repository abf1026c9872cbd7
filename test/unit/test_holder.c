/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds a node, and which root tells it best. */
#include "analysis/analysis.h"
#include "graph_model.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void add_root(struct model *m, uint32_t node, enum root_kind kind, bool certain,
		     const char *name)
{
	size_t root = graph_root(m, 2, node, certain);

	m->roots.kind[root] = (uint8_t)kind;
	m->roots.name[root] = model_intern(m, str_of(name));
}

/* Each but the first is better than all before it, whatever the order they come in. */
static void the_root_that_tells_most_is_taken(void **state)
{
	static const struct {
		enum root_kind kind;
		bool certain;
		const char *name;
	} roots[] = {
		{ ROOT_REGISTER, false, "rbx" }, { ROOT_STACK, false, "" },
		{ ROOT_GLOBAL, false, "" },      { ROOT_TLS, false, "errors" },
		{ ROOT_GLOBAL, false, "index" }, { ROOT_FRAME, true, "frame f" },
		{ ROOT_LOCAL, true, "x" },       { ROOT_FIELD, true, "sysdict" },
		{ ROOT_NAME, true, "CACHE" },    { ROOT_MODULE, true, "" },
	};

	(void)state;
	for (size_t best = 0; best < countof(roots); best++) {
		struct model *m = graph_new(2, 0, 3);
		struct holder_search s;
		bool is_name = best > 2;

		for (size_t i = 0; i <= best; i++) {
			size_t r = (i + best / 2) % (best + 1);

			add_root(m, 1, roots[r].kind, roots[r].certain, roots[r].name);
		}
		dominators_build(m);
		holder_search_init(&s, m);
		assert_int_equal(m->roots.kind[root_of_node(&s, 1)], roots[best].kind);
		assert_int_equal(m->roots.certain[root_of_node(&s, 1)],
				 roots[best].certain);
		assert_int_equal(root_of_node(&s, 0), NO_NODE);
		assert_int_equal(holder_find(&s, 1), is_name ? 1 : node_count(m) + 2);
		assert_int_equal(name_of_holder(&s, holder_find(&s, 1)),
				 is_name ? root_of_node(&s, 1) : NO_NODE);
		assert_int_equal(holder_find(&s, 0), node_count(m) + ROOTS_UNREACHED);
		holder_search_release(&s);
		model_free(m);
	}
}

/* As it is defined, one node at a time. */
static uint32_t holder_by_definition(const struct holder_search *s, uint32_t node)
{
	const struct model *m = s->m;

	for (;;) {
		uint32_t parent = m->dominators.parent[node];

		for (size_t root = 0; root < m->roots.n; root++)
			if (m->roots.node[root] == node && m->roots.name[root] != 0)
				return node;
		if (parent == node_count(m) + ROOTS_ALL)
			return node;
		if (dominator_is_group(m, parent))
			return parent;
		node = parent;
	}
}

static void holders_are_what_they_are_defined_to_be(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct model *m = graph_at_random(seed);
		struct holder_search s;

		for (size_t i = 0; i < m->roots.n; i++)
			m->roots.name[i] = i % 2 ? model_intern(m, str_of("name")) : 0;
		dominators_build(m);
		holder_search_init(&s, m);
		for (uint32_t i = 0; i < 2 * node_count(m); i++) {
			uint32_t node = i * 7 % node_count(m);

			assert_int_equal(holder_find(&s, node),
					 node_is_there(m, node)
						 ? holder_by_definition(&s, node)
						 : NO_NODE);
		}
		holder_search_release(&s);
		model_free(m);
	}
}

/* What no target has, but a file may say. It must not be walked round for each node. */
static void a_ring_leads_to_the_top(void **state)
{
	enum { MANY = 1 << 20 };
	struct model *m = graph_new(MANY, 0, 3);
	struct holder_search s;

	(void)state;
	model_table_resize(m, &model_tables[TABLE_dominators], MANY);
	for (uint32_t node = 0; node < MANY; node++)
		m->dominators.parent[node] = (node + 1) % MANY;
	holder_search_init(&s, m);
	for (uint32_t node = 0; node < MANY; node++)
		assert_int_equal(holder_find(&s, node), node_count(m) + ROOTS_ALL);
	holder_search_release(&s);
	model_free(m);
}

static void without_dominators_nobody_holds(void **state)
{
	struct model *m = graph_new(2, 0, 3);
	struct holder_search s;

	(void)state;
	add_root(m, 1, ROOT_NAME, true, "CACHE");
	holder_search_init(&s, m);
	assert_int_equal(holder_find(&s, 1), NO_NODE);
	assert_int_equal(root_of_node(&s, 1), NO_NODE);
	holder_search_release(&s);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_root_that_tells_most_is_taken),
		cmocka_unit_test(holders_are_what_they_are_defined_to_be),
		cmocka_unit_test(a_ring_leads_to_the_top),
		cmocka_unit_test(without_dominators_nobody_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
