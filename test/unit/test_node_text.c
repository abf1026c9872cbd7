/* SPDX-License-Identifier: Apache-2.0 */
/* What edges and nodes are called. */
#include "analysis/analysis.h"
#include "base/utf8.h"
#include "graph_model.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint32_t typed(struct model *m, uint32_t node, const char *kind)
{
	m->objects.type[node] = model_type(m, str_of("python"), str_of(kind), str_of(""));
	return node;
}

static uint32_t valued(struct model *m, uint32_t node, const char *value)
{
	m->objects.value[node] = model_intern(m, str_of(value));
	return node;
}

static void check_value(const struct model *m, uint32_t node, const char *expected)
{
	struct buf out = { 0 };

	node_value(m, node, &out);
	assert_string_equal(out.s ? out.s : "", expected);
	buf_release(&out);
}

static void check_label(const struct model *m, uint32_t source, size_t nth,
			const char *expected)
{
	struct buf out = { 0 };

	edge_label(m, source, m->edge_first.at[source] + nth, &out);
	assert_string_equal(out.s, expected);
	buf_release(&out);
}

static void edges_have_names(void **state)
{
	struct model *m = graph_new(4, 0, 2);

	(void)state;
	typed(m, 3, "tuple");
	valued(m, 1, "'user'");
	graph_edge(m, 0, 1, LABEL_KEY);
	graph_edge(m, 0, 2, LABEL_VALUE);
	graph_edge(m, 0, 3, LABEL_KEY);
	graph_edge(m, 0, 2, LABEL_VALUE);
	graph_edge(m, 0, 2, LABEL_VALUE); /* a lie: no key comes before it */
	graph_edge(m, 2, 1, LABEL_ITEM);
	graph_edge(m, 2, 1, model_label(m, LABEL_FIELD, str_of("tb_frame")));
	graph_edge(m, 2, NO_NODE, LABEL_ITEM);
	graph_edge(m, 2, 3, LABEL_ITEM);
	graph_edge(m, 2, 1, model_label(m, LABEL_ATTRIBUTE, str_of("name")));
	graph_edge(m, 2, 1, model_label(m, LABEL_LOCAL, str_of("x")));
	graph_edge(m, 2, 1, LABEL_POSSIBLE);
	graph_edge(m, 2, 1, LABEL_INTERIOR);
	graph_edge(m, 3, 1, LABEL_ITEM);
	check_label(m, 0, 0, "key");
	check_label(m, 0, 1, "['user']");
	check_label(m, 0, 3, "[('user',)]");
	check_label(m, 0, 4, "value");
	check_label(m, 2, 0, "[0]");
	check_label(m, 2, 1, "tb_frame");
	check_label(m, 2, 3, "[2]");
	check_label(m, 2, 4, ".name");
	check_label(m, 2, 5, "local x");
	check_label(m, 2, 6, "possible");
	check_label(m, 2, 7, "inside");
	model_free(m);
}

static void containers_tell_their_first(void **state)
{
	struct model *m = graph_new(12, 0, 2);

	(void)state;
	typed(m, valued(m, 0, "1"), "int");
	typed(m, valued(m, 1, "'a'"), "str");
	typed(m, 2, "list");
	typed(m, 3, "tuple");
	typed(m, 4, "dict");
	typed(m, 5, "set");
	typed(m, 6, "list");
	typed(m, 7, "frozenset");
	typed(m, 8, "collections.deque");
	typed(m, 9, "app.Thing");
	graph_edge(m, 2, 0, LABEL_ITEM);
	graph_edge(m, 2, 1, LABEL_ITEM);
	graph_edge(m, 2, 6, LABEL_ITEM);
	graph_edge(m, 2, 4, LABEL_ITEM);
	graph_edge(m, 2, 9, LABEL_ITEM);
	graph_edge(m, 3, 2, LABEL_ITEM);
	graph_edge(m, 4, 1, LABEL_KEY);
	graph_edge(m, 4, 0, LABEL_VALUE);
	graph_edge(m, 4, 0, LABEL_KEY);
	graph_edge(m, 4, 2, LABEL_VALUE);
	graph_edge(m, 5, 0, LABEL_ELEMENT);
	graph_edge(m, 7, 1, LABEL_ELEMENT);
	for (int i = 0; i < 1000; i++)
		graph_edge(m, 8, 0, LABEL_ITEM);
	check_value(m, 0, "1");
	check_value(m, 2, "[1, 'a', [], {...}, <Thing>]");
	check_value(m, 3, "([...],)");
	check_value(m, 4, "{'a': 1, 1: [...]}");
	check_value(m, 5, "{1}");
	check_value(m, 6, "[]");
	check_value(m, 7, "frozenset({'a'})");
	check_value(m, 8, "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, ... 1000 items]");
	check_value(m, 9, "");
	typed(m, 8, "list");
	check_value(m, 8, "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, ... 1000 items]");
	typed(m, 6, "set");
	check_value(m, 6, "set()");
	model_free(m);
}

static void instances_tell_their_attributes(void **state)
{
	struct model *m = graph_new(10, 0, 2);
	uint16_t class = model_label(m, LABEL_FIELD, str_of("__class__"));

	(void)state;
	typed(m, valued(m, 0, "7"), "int");
	typed(m, valued(m, 1, "'id'"), "str");
	typed(m, valued(m, 2, "'a text that is far too long to be shown in full'"),
	      "str");
	typed(m, 3, "app.Order");
	typed(m, 4, "app.Late");
	typed(m, 5, "dict");
	typed(m, 6, "type");
	graph_edge(m, 3, 6, class);
	graph_edge(m, 3, 0, model_label(m, LABEL_ATTRIBUTE, str_of("id")));
	graph_edge(m, 3, 2, model_label(m, LABEL_ATTRIBUTE, str_of("text")));
	graph_edge(m, 3, 2, model_label(m, LABEL_ATTRIBUTE, str_of("more")));
	graph_edge(m, 4, 6, class);
	graph_edge(m, 4, 5, model_label(m, LABEL_FIELD, str_of("__dict__")));
	graph_edge(m, 5, 1, LABEL_KEY);
	graph_edge(m, 5, 0, LABEL_VALUE);
	typed(m, 7, "dict"); /* lends its values to an instance */
	graph_edge(m, 7, 0, model_label(m, LABEL_ATTRIBUTE, str_of("id")));
	typed(m, 8, "app.Shy");
	graph_edge(m, 8, 5, model_label(m, LABEL_ATTRIBUTE, str_of("parts")));
	graph_edge(m, 8, 0, model_label(m, LABEL_ATTRIBUTE, str_of("_lock")));
	graph_edge(m, 8, 0, model_label(m, LABEL_ATTRIBUTE, str_of("id")));
	typed(m, 9, "dict");
	graph_edge(m, 9, 0, LABEL_WEAK);
	check_value(m, 3, "id=7 text='a text that is far t... ...");
	check_value(m, 4, "id=7");
	check_value(m, 6, "");
	check_value(m, 7, "{'id': 7}");
	check_value(m, 8, "id=7 parts={...} _lock=7");
	check_value(m, 9, "{... 1 weak}");
	model_free(m);
}

/* Whatever it holds, it is short, and whole characters. */
static void values_are_short(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		static const char *const kinds[] = { "list", "tuple",     "dict",
						     "set",  "frozenset", "app.A" };
		struct model *m = graph_at_random(seed);

		for (uint32_t i = 0; i < m->objects.n; i++) {
			typed(m, i, kinds[(i + seed) % countof(kinds)]);
			if (i % 3 == 0)
				valued(m, i,
				       "'\303\244\303\266\303\274\303\244\303\266\303\274"
				       "\303\244\303\266\303\274\303\244\303\266\303\274"
				       "\303\244\303\266\303\274\303\244\303\266\303\274"
				       "\303\244\303\266\303\274\303\244\303\266\303\274"
				       "\303\244\303\266\303\274\303\244\303\266\303\274"
				       "\303\244\303\266\303\274\303\244\303\266\303\274"
				       "\303\244\303\266\303\274\303\244\303\266\303\274"
				       "\303\244\303\266\303\274\303\244\303\266\303\274"
				       "\303\244\303\266\303\274\303\244\303\266\303\274"
				       "'");
		}
		for (uint32_t i = 0; i < node_count(m); i++) {
			struct buf out = { 0 };

			node_value(m, i, &out);
			assert_true(out.n <= 90);
			for (size_t at = 0; at < out.n;)
				assert_true(utf8_next(buf_view(&out), &at) !=
					    UTF8_INVALID);
			for (uint64_t e = m->edge_first.at[i];
			     e < m->edge_first.at[i + 1]; e++)
				edge_label(m, i, e, &out);
			buf_release(&out);
		}
		model_free(m);
	}
}

static void blocks_tell_their_text(void **state)
{
	struct model *m = graph_new(0, 3, 2);
	const char *texts[] = { "hello", "a text of more than sixteen", "\x01\x02\x03" };

	(void)state;
	check_value(m, 0, "");
	for (size_t b = 0; b < 3; b++) {
		char bytes[16] = { 0 };
		size_t row = model_previews_add(m);

		memcpy(bytes, texts[b], min_u64(16, strlen(texts[b])));
		memcpy(&m->previews.low[row], bytes, 8);
		memcpy(&m->previews.high[row], bytes + 8, 8);
	}
	check_value(m, 0, "\"hello\"");
	check_value(m, 1, "\"a text of more t...\"");
	check_value(m, 2, "");
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edges_have_names),
		cmocka_unit_test(containers_tell_their_first),
		cmocka_unit_test(instances_tell_their_attributes),
		cmocka_unit_test(values_are_short),
		cmocka_unit_test(blocks_tell_their_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
