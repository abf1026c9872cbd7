/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a question a table takes over. SQLite asks several times, with other values known
 * each time (those of tables further out in a join), and takes the plan that costs least;
 * so costs need only be right beside each other:
 *
 *	find    a value or a span of a column whose rows can be found       a few rows
 *	index   a value of any other column: looked up once an index is     a few rows
 *	        there, which is made when a value is looked for again
 *	classes values that a class has: rows of those classes alone,    some rows
 *	        once they are put together, as with an index
 *	scan    all rows, with the other comparisons made on the way        all rows
 *
 * A comparison with a value that stands in the question, and is of the column's own kind, is
 * made by us alone; any other is made again by SQLite, which knows how unlike things compare.
 */
#include "query/query_int.h"

enum { ORDER_COLUMNS_MAX = 4 };

struct planning {
	const struct query_table *t;
	sqlite3_index_info *info;
	struct query_plan *plan;
	double rows, cost;
	bool is_narrow; /* some rows are found, not all gone through */
};

static bool is_comparison(unsigned op)
{
	switch (op) {
	case SQLITE_INDEX_CONSTRAINT_EQ:
	case SQLITE_INDEX_CONSTRAINT_GT:
	case SQLITE_INDEX_CONSTRAINT_LE:
	case SQLITE_INDEX_CONSTRAINT_LT:
	case SQLITE_INDEX_CONSTRAINT_GE:
		return true;
	default:
		return false;
	}
}

static const struct query_column *column_of(const struct planning *p, int i)
{
	return &p->t->columns[p->info->aConstraint[i].iColumn];
}

static bool is_ours(const struct planning *p, int i)
{
	const struct sqlite3_index_constraint *c = &p->info->aConstraint[i];

	return c->usable && c->iColumn >= 0 && is_comparison(c->op) &&
	       strcmp(sqlite3_vtab_collation(p->info, i), "BINARY") == 0;
}

/* Is the value known, and of the column's kind? */
static bool is_alike(const struct planning *p, int i)
{
	sqlite3_value *value;
	int wanted =
		query_type_is_text(column_of(p, i)->type) ? SQLITE_TEXT : SQLITE_INTEGER;

	return sqlite3_vtab_rhs_value(p->info, i, &value) == SQLITE_OK &&
	       sqlite3_value_type(value) == wanted;
}

/* Of a list that is compared once a row: a class is few of them. Any other list comes to us
 * value by value. */
static bool take_list(const struct planning *p, int i)
{
	return column_of(p, i)->flags & QUERY_CLASS && sqlite3_vtab_in(p->info, i, -1) &&
	       sqlite3_vtab_in(p->info, i, 1);
}

static void weigh(struct planning *p, const struct query_column *column,
		  const struct query_test *test)
{
	bool equal = test->op == SQLITE_INDEX_CONSTRAINT_EQ && !test->is_list;
	bool found = column->flags & QUERY_FINDS;

	if (equal && !(column->flags & QUERY_CLASS)) {
		p->rows = found ? 4 : p->rows < 40 ? p->rows : 40;
		p->is_narrow = true;
		return;
	}
	p->rows *= test->op == SQLITE_INDEX_CONSTRAINT_EQ ? 0.05 : 0.3;
	p->is_narrow |= found;
}

static void take_tests(struct planning *p)
{
	for (int i = 0; i < p->info->nConstraint; i++) {
		struct query_test *test = &p->plan->tests[p->plan->ntests];

		if (!is_ours(p, i))
			continue;
		*test = (struct query_test){
			.column = p->info->aConstraint[i].iColumn,
			.op = p->info->aConstraint[i].op,
			.is_list = take_list(p, i),
		};
		p->info->aConstraintUsage[i].argvIndex = (int)++p->plan->ntests;
		p->info->aConstraintUsage[i].omit = !test->is_list && is_alike(p, i);
		weigh(p, column_of(p, i), test);
	}
}

/* Rows can come by class, in any order of columns that a class has. */
static bool order_by_class(struct planning *p)
{
	const struct sqlite3_index_info *info = p->info;

	if (!p->t->nclasses || p->is_narrow || info->nOrderBy > ORDER_COLUMNS_MAX)
		return false;
	for (int i = 0; i < info->nOrderBy; i++) {
		int column = info->aOrderBy[i].iColumn;

		if (column < 0 || !(p->t->columns[column].flags & QUERY_CLASS))
			return false;
		p->plan->order |= (uint64_t)(column + 1) << 8 * i;
		p->plan->descending |= (unsigned)(info->aOrderBy[i].desc != 0) << i;
	}
	return info->nOrderBy > 0;
}

static bool order_as_it_is(const struct planning *p)
{
	const struct sqlite3_index_info *info = p->info;

	return info->nOrderBy == 1 && !info->aOrderBy[0].desc &&
	       (info->aOrderBy[0].iColumn < 0 ||
		p->t->columns[info->aOrderBy[0].iColumn].flags & QUERY_IN_ORDER);
}

int query_plan_build(sqlite3_vtab *vtab, sqlite3_index_info *info)
{
	const struct query_table *t = ((struct query_shared *)vtab)->t;
	struct planning p = { .t = t, .info = info, .rows = (double)t->nrows + 1 };
	size_t size =
		sizeof(*p.plan) + (size_t)info->nConstraint * sizeof(struct query_test);

	p.plan = sqlite3_malloc64(size);
	if (!p.plan)
		return SQLITE_NOMEM;
	*p.plan = (struct query_plan){ 0 };
	take_tests(&p);
	p.plan->is_in_order = order_as_it_is(&p);
	info->orderByConsumed = p.plan->is_in_order || order_by_class(&p);
	if (!info->orderByConsumed)
		p.plan->order = 0;
	info->estimatedRows = (sqlite3_int64)p.rows + 1;
	info->estimatedCost =
		p.is_narrow ? p.rows + 10 : p.rows + 0.2 * (double)t->nrows + 10;
	info->idxStr = (char *)p.plan;
	info->needToFreeIdxStr = 1;
	return SQLITE_OK;
}
