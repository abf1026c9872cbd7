/* SPDX-License-Identifier: Apache-2.0 */
/* Roots and their groups, as rows. */
#include "collect/edges_int.h"

#include <stdlib.h>
#include <string.h>

static uint32_t group_add(struct model *m, enum group_kind kind, uint32_t name)
{
	size_t row = model_groups_add(m);

	m->groups.kind[row] = (uint8_t)kind;
	m->groups.name[row] = name;
	return (uint32_t)row;
}

uint32_t group_row(struct model *m, enum group_kind kind, struct str name)
{
	uint32_t text = model_intern(m, name);

	if (m->groups.n == 0) {
		group_add(m, ROOTS_ALL, 0);
		group_add(m, ROOTS_UNREACHED, 0);
	}
	/* Roots come group by group: it is the last one, as a rule. */
	for (size_t row = m->groups.n; row-- > 0;)
		if (m->groups.kind[row] == kind && m->groups.name[row] == text)
			return (uint32_t)row;
	return group_add(m, kind, text);
}

void root_add(struct model *m, uint32_t group, const struct root *root)
{
	uint32_t text = model_intern(m, root->name);
	size_t row = model_roots_add(m);

	m->roots.group[row] = group;
	m->roots.kind[row] = (uint8_t)root->kind;
	m->roots.name[row] = text;
	m->roots.node[row] = root->node;
	m->roots.certain[row] = root->certain;
	m->roots.addr[row] = root->addr;
}

struct root_row {
	uint32_t group, node, name;
	uint8_t kind, certain;
	taddr addr;
};

static struct root_row root_at(const struct model *m, size_t row)
{
	return (struct root_row){ m->roots.group[row],   m->roots.node[row],
				  m->roots.name[row],    m->roots.kind[row],
				  m->roots.certain[row], m->roots.addr[row] };
}

static void root_put(struct model *m, size_t row, const struct root_row *r)
{
	m->roots.group[row] = r->group;
	m->roots.kind[row] = r->kind;
	m->roots.name[row] = r->name;
	m->roots.node[row] = r->node;
	m->roots.certain[row] = r->certain;
	m->roots.addr[row] = r->addr;
}

static int compare(uint64_t x, uint64_t y)
{
	return (x > y) - (x < y);
}

/* What a root is called, all but the node. */
static int by_words(const struct model *m, const struct root_row *x,
		    const struct root_row *y)
{
	int order = compare(x->group, y->group);

	if (order == 0 && x->name != y->name)
		order = str_compare(model_text(m, x->name), model_text(m, y->name));
	return order ? order : compare(x->kind, y->kind);
}

static int by_name(const void *a, const void *b, void *context)
{
	const struct root_row *x = a, *y = b;
	int order = by_words(context, x, y);

	if (order == 0)
		order = compare(y->certain, x->certain);
	if (order == 0)
		order = compare(x->addr, y->addr);
	return order ? order : compare(x->node, y->node);
}

/* So that equal words and nodes are neighbours, the one to keep first. */
static int by_node(const void *a, const void *b, void *context)
{
	const struct root_row *x = a, *y = b;
	int order = by_words(context, x, y);

	if (order == 0)
		order = compare(x->node, y->node);
	return order ? order : by_name(a, b, context);
}

static bool is_repeated(const struct root_row *x, const struct root_row *y)
{
	return x->group == y->group && x->name == y->name && x->kind == y->kind &&
	       x->node == y->node;
}

void roots_sort(struct model *m)
{
	size_t n = 0, kept = 0;
	struct root_row *rows = xcalloc(m->roots.n + 1, sizeof(*rows));

	group_row(m, ROOTS_ALL, str_of(""));
	/* Words that may have been references, and are none. */
	for (size_t i = 0; i < m->roots.n; i++)
		if (m->roots.node[i] != NO_NODE)
			rows[n++] = root_at(m, i);
	qsort_r(rows, n, sizeof(*rows), by_node, m);
	for (size_t i = 0; i < n; i++)
		if (rows[i].node != NO_NODE &&
		    (kept == 0 || !is_repeated(&rows[kept - 1], &rows[i])))
			rows[kept++] = rows[i];
	qsort_r(rows, kept, sizeof(*rows), by_name, m);
	for (size_t i = 0; i < kept; i++)
		root_put(m, i, &rows[i]);
	model_table_resize(m, &model_tables[TABLE_roots], kept);
	free(rows);
}
