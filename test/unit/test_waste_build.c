/* SPDX-License-Identifier: Apache-2.0 */
/* What is wasted, from where it is met to its rows: sorting, arrays by three words. */
#include "collect/edges_int.h"
#include "graph_model.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- collect/waste_build.c ---- */

enum { TEXTS = 3000 };

/* Few values, many of which differ in one end of the hash alone. */
static struct wasted text_at_random(uint64_t *seed, uint32_t node)
{
	uint64_t value = graph_random(seed) % 40;

	return (struct wasted){ .value = value % 4 ? value << 58 | value % 3 : value,
				.node = node,
				.more = graph_random(seed) % 8 == 0 };
}

static bool say_the_same(const struct wasted *a, const struct wasted *b)
{
	return a->value == b->value && a->more == b->more;
}

/* The lowest node that says the same as text i; NO_NODE if it is alone. */
static uint32_t first_of(const struct wasted *texts, size_t i)
{
	uint32_t first = texts[i].node;
	bool is_alone = true;

	for (size_t k = 0; k < TEXTS; k++)
		if (k != i && say_the_same(&texts[k], &texts[i])) {
			first = texts[k].node < first ? texts[k].node : first;
			is_alone = false;
		}
	return is_alone ? NO_NODE : first;
}

static void duplicates_are_those_that_say_the_same(void **state)
{
	struct model *m = graph_new(TEXTS, 0, 2);
	struct wasted texts[TEXTS];
	struct waste_list list = { 0 };
	uint64_t seed = 7;
	size_t found = 0;
	bool *is_there = xcalloc(TEXTS, sizeof(*is_there));

	(void)state;
	for (uint32_t i = 0; i < TEXTS; i++) { /* in an order that is no node's */
		texts[i] = text_at_random(&seed, i * 1999 % TEXTS);
		waste_add(&list, &texts[i]);
	}
	build_duplicates(&list, m);
	assert_null(list.items);
	for (size_t row = 0; row < m->duplicates.n; row++) {
		uint32_t node = m->duplicates.node[row], before = node;

		if (row > 0 && m->duplicates.first[row] == m->duplicates.first[row - 1])
			before = m->duplicates.node[row - 1] + 1;
		else
			assert_int_equal(m->duplicates.first[row], node);
		assert_true(node >= before && !is_there[node]);
		is_there[node] = true;
		for (size_t i = 0; i < TEXTS; i++)
			if (texts[i].node == node)
				assert_int_equal(m->duplicates.first[row],
						 first_of(texts, i));
	}
	for (size_t i = 0; i < TEXTS; i++)
		found += first_of(texts, i) != NO_NODE;
	assert_true(found > TEXTS / 2);
	assert_int_equal(m->duplicates.n, found);
	free(is_there);
	model_free(m);
}

static void of_another_type_is_no_duplicate(void **state)
{
	struct model *m = graph_new(3, 1, 2);
	struct waste_list list = { 0 };

	(void)state;
	m->objects.type[1] = model_type(m, str_of("python"), str_of("bytes"), str_of(""));
	m->blocks.state[0] = BLOCK_BIN; /* no node */
	for (uint32_t node = 0; node < 4; node++)
		waste_add(&list, &(struct wasted){ .value = 5, .node = node });
	build_duplicates(&list, m);
	assert_int_equal(m->duplicates.n, 2);
	assert_int_equal(m->duplicates.node[0], 0);
	assert_int_equal(m->duplicates.node[1], 2);
	model_free(m);
}

static void slack_is_by_node_and_the_least_told(void **state)
{
	static const struct wasted first[] = { { 8, 70000, SLACK_SPARSE },
					       { 0, 2, SLACK_EMPTY } };
	static const struct wasted more[] = { { 90, 70002, SLACK_OVER_ALLOCATED },
					      { 30, 70002, SLACK_OVER_ALLOCATED },
					      { 50, 70001, SLACK_OVER_ALLOCATED },
					      { 40, 70002, SLACK_OVER_ALLOCATED } };
	static const uint32_t nodes[] = { 2, 70000, 70001, 70002 };
	static const uint64_t unused[] = { 0, 8, 50, 30 };
	struct model *m = model_new();
	struct waste_list list = { 0 };

	(void)state;
	for (size_t i = 0; i < countof(first); i++)
		waste_add(&list, &first[i]);
	build_slack(&list, m);
	for (size_t i = 0; i < countof(more); i++)
		waste_add(&list, &more[i]);
	build_slack(&list, m);
	assert_int_equal(m->slack.n, countof(nodes));
	for (size_t i = 0; i < countof(nodes); i++) {
		assert_int_equal(m->slack.node[i], nodes[i]);
		assert_int_equal(m->slack.unused[i], unused[i]);
	}
	assert_int_equal(m->slack.kind[0], SLACK_EMPTY);
	model_free(m);
}

/* ---- collect/vectors.c ---- */

static void an_array_is_as_large_as_was_asked_for(void **state)
{
	enum { AT = 0x10040, SIZE = 120 };
	static const struct {
		uint64_t end, room_end;
		bool is_array;
	} cases[] = {
		{ AT + 8, AT + SIZE, true },
		{ AT, AT + SIZE - 23, true }, /* nothing in it yet */
		{ AT + 8, AT + SIZE - 24, false },
		{ AT + 8, AT + SIZE + 1, false },
		{ AT - 1, AT + SIZE, false },
		{ AT + SIZE, AT + SIZE, false }, /* full */
		{ AT + SIZE + 8, AT + SIZE, false },
		{ AT + 8, 0, false },
		{ UINT64_MAX, 0, false },
	};
	struct model *m = graph_new(1, 2, 2);

	(void)state;
	m->blocks.size[1] = SIZE;
	for (size_t i = 0; i < countof(cases); i++) {
		const uint64_t words[] = { AT, cases[i].end, cases[i].room_end };
		struct waste_list found = { 0 };

		vector_see(&found, m, 0, words); /* an object */
		assert_int_equal(found.n, 0);
		vector_see(&found, m, 2, words);
		assert_int_equal(found.n, cases[i].is_array);
		if (found.n)
			assert_int_equal(found.items[0].value,
					 cases[i].room_end - cases[i].end);
		waste_list_release(&found);
	}
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(duplicates_are_those_that_say_the_same),
		cmocka_unit_test(of_another_type_is_no_duplicate),
		cmocka_unit_test(slack_is_by_node_and_the_least_told),
		cmocka_unit_test(an_array_is_as_large_as_was_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
