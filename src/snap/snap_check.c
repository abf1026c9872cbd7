/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What everything that reads a model relies on and a file may break: indices lead into
 * their tables, enums are known ones, rows that are searched are in order. The rules are
 * data; a column that is an index or an enum gets its line here.
 */
#include "snap/snap_int.h"

struct column_rule {
	enum model_table_id table;
	const char *column;
	enum model_table_id into; /* an index into this table ... */
	uint64_t more;            /* ... or up to that many past its end */
	uint64_t also;            /* one more value that is fine, if not 0 */
	uint64_t below;           /* not an index: values below this */
};

static const struct column_rule column_rules[] = {
	{ TABLE_processes, "kind", .below = TARGET_SNAPSHOT + 1 },
	{ TABLE_processes, "mode", .below = MODE_NOSTOP + 1 },
	{ TABLE_regions, "kind", .below = REGION_DEVICE + 1 },
	{ TABLE_regions, "module", .into = TABLE_modules, .more = 1 },
	{ TABLE_pages, "state", .below = PAGE_SLACK + 1 },
	{ TABLE_frames, "thread", .into = TABLE_threads, .more = 1 },
	{ TABLE_areas, "kind", .below = AREA_INTERPRETER + 1 },
	{ TABLE_heaps, "arena", .into = TABLE_arenas },
	{ TABLE_bins, "kind", .below = BIN_LARGE + 1 },
	{ TABLE_bins, "arena", .into = TABLE_arenas, .also = BIN_OF_THREAD },
	{ TABLE_bins, "thread", .into = TABLE_threads, .more = 1 },
	{ TABLE_blocks, "state", .below = BLOCK_FENCE + 1 },
	{ TABLE_blocks, "arena", .into = TABLE_arenas, .also = BLOCK_MMAPPED },
	{ TABLE_pools, "block", .into = TABLE_blocks, .more = 1 },
	{ TABLE_slabs, "pool", .into = TABLE_pools },
	{ TABLE_objects, "type", .into = TABLE_types },
	{ TABLE_large, "object", .into = TABLE_objects },
	{ TABLE_parts, "owner", .into = TABLE_objects },
	{ TABLE_parts, "label", .into = TABLE_labels },
	{ TABLE_slack, "kind", .below = SLACK_EMPTY + 1 },
	{ TABLE_labels, "kind", .below = LABEL_WEAK + 1 },
	{ TABLE_edge_to, "label", .into = TABLE_labels },
	{ TABLE_groups, "kind", .below = ROOTS_GLOBALS + 1 },
	{ TABLE_roots, "group", .into = TABLE_groups },
	{ TABLE_roots, "kind", .below = ROOT_GLOBAL + 1 },
	{ TABLE_findings, "severity", .below = SEVERITY_DAMAGE + 1 },
};

static const struct order_rule {
	enum model_table_id table;
	const char *column;
	bool strictly;
} order_rules[] = {
	{ TABLE_regions, "start", true },  { TABLE_pages, "start", true },
	{ TABLE_modules, "start", false }, { TABLE_blocks, "addr", true },
	{ TABLE_edge_first, "at", false }, { TABLE_pools, "start", true },
	{ TABLE_slabs, "start", true },    { TABLE_objects, "addr", true },
	{ TABLE_parts, "addr", true },     { TABLE_areas, "start", true },
};

/* "start" and "end". What is walked region by region must not be there twice: a small file
 * would take hours. */
static const struct span_rule {
	enum model_table_id table;
	bool is_apart;
} spans[] = {
	{ TABLE_regions, true }, { TABLE_modules, false }, { TABLE_heaps, false },
	{ TABLE_pools, false },  { TABLE_areas, true },
};

static bool row_is_wrong(const struct model_table_def *t, size_t c, size_t row,
			 struct err *e)
{
	return fail(e, ERR_FILE, "row %zu of '%s.%s' cannot be true", row, t->name,
		    t->columns[c].name);
}

static size_t column_named(const struct model_table_def *t, const char *column)
{
	size_t c = 0;

	while (c < t->ncolumns && strcmp(t->columns[c].name, column) != 0)
		c++;
	assert(c < t->ncolumns);
	return c;
}

struct limit {
	uint64_t below, also;
};

/* The first row with a value that the limit refuses; rows if there is none. Inlined by
 * width: these columns have as many rows as the heap has blocks, or references. */
static inline __attribute__((always_inline)) size_t
first_refused(const uint8_t *column, size_t rows, const struct limit *l, size_t width)
{
	for (size_t row = 0; row < rows; row++) {
		uint64_t value = 0;

		memcpy(&value, column + row * width, width);
		if (value >= l->below && !(l->also && value == l->also))
			return row;
	}
	return rows;
}

static bool check_column(const struct model *m, const struct model_table_def *t, size_t c,
			 const struct limit *l, struct err *e)
{
	const uint8_t *column = model_table_column(m, t, c);
	size_t rows = model_table_rows(m, t), row;

	switch (t->columns[c].size) {
	case 1:
		row = first_refused(column, rows, l, 1);
		break;
	case 2:
		row = first_refused(column, rows, l, 2);
		break;
	case 4:
		row = first_refused(column, rows, l, 4);
		break;
	default:
		row = first_refused(column, rows, l, 8);
	}
	return row == rows || row_is_wrong(t, c, row, e);
}

static bool check_rule(const struct model *m, const struct column_rule *r, struct err *e)
{
	const struct model_table_def *t = &model_tables[r->table];
	struct limit l = { r->below, r->also };

	if (l.below == 0)
		l.below = model_table_rows(m, &model_tables[r->into]) + r->more;
	return check_column(m, t, column_named(t, r->column), &l, e);
}

static bool check_texts(const struct model *m, const struct model_table_def *t,
			struct err *e)
{
	const struct limit l = { m->strings.n, 0 };

	for (size_t c = 0; c < t->ncolumns; c++)
		if (t->columns[c].is_text && !check_column(m, t, c, &l, e))
			return false;
	return true;
}

static const uint64_t *words_of(const struct model *m, const struct model_table_def *t,
				size_t c)
{
	assert(t->columns[c].size == sizeof(uint64_t));
	return model_table_column(m, t, c);
}

static bool check_order(const struct model *m, const struct order_rule *r, struct err *e)
{
	const struct model_table_def *t = &model_tables[r->table];
	size_t c = column_named(t, r->column);
	const uint64_t *v = words_of(m, t, c);

	for (size_t i = 1; i < model_table_rows(m, t); i++)
		if (v[i] < v[i - 1] || (r->strictly && v[i] == v[i - 1]))
			return row_is_wrong(t, c, i, e);
	return true;
}

static bool check_span(const struct model *m, const struct span_rule *r, struct err *e)
{
	const struct model_table_def *t = &model_tables[r->table];
	size_t c = column_named(t, "end");
	const uint64_t *start = words_of(m, t, column_named(t, "start"));
	const uint64_t *end = words_of(m, t, c);

	for (size_t i = 0; i < model_table_rows(m, t); i++)
		if (end[i] < start[i] || (r->is_apart && i && start[i] < end[i - 1]))
			return row_is_wrong(t, c, i, e);
	return true;
}

/* Free blocks have no type; theirs is 0, whether there is a type 0 or not. */
static bool check_types(const struct model *m, struct err *e)
{
	const struct model_table_def *t = &model_tables[TABLE_blocks];

	for (size_t i = 0; i < m->blocks.n; i++) {
		bool used = m->blocks.state[i] == BLOCK_USED;

		if (m->blocks.type[i] >= m->types.n && (used || m->blocks.type[i] != 0))
			return row_is_wrong(t, column_named(t, "type"), i, e);
	}
	return true;
}

/* Columns of nodes, which are rows of two tables. */
static bool check_nodes(const struct model *m, struct err *e)
{
	const uint64_t nodes = (uint64_t)m->objects.n + m->blocks.n;
	const struct {
		enum model_table_id table;
		const char *column;
		struct limit limit;
	} rules[] = {
		{ TABLE_edge_to, "node", { nodes, NO_NODE } },
		{ TABLE_roots, "node", { nodes, 0 } },
		{ TABLE_duplicates, "node", { nodes, 0 } },
		{ TABLE_duplicates, "first", { nodes, 0 } },
		{ TABLE_slack, "node", { nodes, 0 } },
		{ TABLE_dominators, "parent", { nodes + m->groups.n, 0 } },
		{ TABLE_blocks, "owner", { (uint64_t)m->objects.n + 1, BLOCK_IS_POOL } },
	};

	if (nodes >= NO_NODE)
		return fail(e, ERR_FILE, "it holds more nodes than there can be");
	for (size_t i = 0; i < countof(rules); i++) {
		const struct model_table_def *t = &model_tables[rules[i].table];

		if (!check_column(m, t, column_named(t, rules[i].column), &rules[i].limit,
				  e))
			return false;
	}
	return true;
}

/* Some bytes each, and none twice. */
static bool check_memory_ranges(const struct model *m, struct err *e)
{
	const struct model_table_def *t = &model_tables[TABLE_memory];
	taddr end = 0;

	for (size_t i = 0; i < m->memory.n; i++) {
		if (m->memory.start[i] < end || m->memory.end[i] <= m->memory.start[i])
			return row_is_wrong(t, column_named(t, "end"), i, e);
		end = m->memory.end[i];
	}
	return true;
}

/* Each has its own bits, which follow those of the slab before. */
static bool check_slabs(const struct model *m, struct err *e)
{
	const struct model_table_def *t = &model_tables[TABLE_slabs];
	uint64_t next = 0;

	for (size_t i = 0; i < m->slabs.n; i++) {
		if (m->slabs.bits[i] < next || m->slabs.bits[i] > m->slab_bits.n ||
		    m->slabs.count[i] > (m->slab_bits.n - m->slabs.bits[i]) * 64)
			return row_is_wrong(t, column_named(t, "bits"), i, e);
		next = m->slabs.bits[i] + (m->slabs.count[i] + 63ull) / 64;
	}
	return true;
}

/* The dominator tree begins with rows 0 and 1; roots follow group by group. */
static bool check_groups(const struct model *m, struct err *e)
{
	const struct model_table_def *t = &model_tables[TABLE_roots];

	if (m->groups.n == 0 ? m->dominators.n > 0
			     : m->groups.n < 2 || m->groups.kind[0] != ROOTS_ALL ||
				       m->groups.kind[1] != ROOTS_UNREACHED)
		return fail(e, ERR_FILE, "'groups' does not begin as it must");
	for (size_t i = 1; i < m->roots.n; i++)
		if (m->roots.group[i] < m->roots.group[i - 1])
			return row_is_wrong(t, column_named(t, "group"), i, e);
	return true;
}

static bool check_shapes(const struct model *m, struct err *e)
{
	const struct model_edge_first *f = &m->edge_first;
	const size_t nodes = m->objects.n + m->blocks.n;

	if (m->processes.n == 0)
		return fail(e, ERR_FILE, "it holds no process");
	if (m->previews.n != 0 && m->previews.n != m->blocks.n)
		return fail(e, ERR_FILE, "'previews' has not as many rows as 'blocks'");
	if (f->n == 0 ? m->edge_to.n != 0
		      : f->n != nodes + 1 || f->at[0] != 0 ||
				f->at[f->n - 1] != m->edge_to.n)
		return fail(e, ERR_FILE, "'edge_first' does not fit 'edge_to'");
	if (m->dominators.n != 0 && m->dominators.n != nodes)
		return fail(e, ERR_FILE,
			    "'dominators' has not as many rows as there are nodes");
	if (m->totals.n != 0 && m->totals.n != m->types.n)
		return fail(e, ERR_FILE, "'totals' has not as many rows as 'types'");
	if (m->labels.n > UINT16_MAX + (size_t)1 ||
	    (m->labels.n > 0 && m->labels.n <= LABEL_WEAK))
		return fail(e, ERR_FILE, "'labels' has a number of rows that cannot be");
	return true;
}

static bool check_tables(const struct model *m, struct err *e)
{
	for (size_t i = 0; i < countof(column_rules); i++)
		if (!check_rule(m, &column_rules[i], e))
			return false;
	for (size_t i = 0; i < countof(order_rules); i++)
		if (!check_order(m, &order_rules[i], e))
			return false;
	for (size_t i = 0; i < countof(spans); i++)
		if (!check_span(m, &spans[i], e))
			return false;
	for (size_t i = 0; i < MODEL_NTABLES; i++)
		if (!check_texts(m, &model_tables[i], e))
			return false;
	return true;
}

bool snap_check_model(const struct model *m, struct err *e)
{
	return check_shapes(m, e) && check_types(m, e) && check_tables(m, e) &&
	       check_nodes(m, e) && check_slabs(m, e) && check_groups(m, e) &&
	       check_memory_ranges(m, e);
}
