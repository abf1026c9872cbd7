/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A type is known by its words, for each snapshot numbers its types by itself. What a type
 * had in each snapshot is kept (16 bytes each), as a line through it needs two passes.
 *
 * Growth in every step comes first, whatever the slope: that is what a leak looks like, and a
 * cache that fills once does not.
 */
#include "analysis/analysis.h"

#include <stdlib.h>

enum { LEAST_SNAPSHOTS = 3 };

static void make_room(struct trend *t)
{
	if (t->n < t->cap)
		return;
	t->cap = t->cap ? 2 * t->cap : 16;
	t->hours = xrealloc(t->hours, t->cap, sizeof(*t->hours));
	t->snapshots = xrealloc(t->snapshots, t->cap, sizeof(*t->snapshots));
}

static uint32_t name_of(struct trend *t, const struct model *m, size_t type)
{
	return model_type(t->names, model_text(m, m->types.domain[type]),
			  model_text(m, m->types.kind[type]),
			  model_text(m, m->types.detail[type]));
}

void trend_add(struct trend *t, uint64_t time, const struct model *m)
{
	struct trend_point *points;
	uint32_t *names = xcalloc(m->totals.n, sizeof(*names));

	if (!t->names)
		t->names = model_new();
	make_room(t);
	if (t->n == 0)
		t->first = time;
	for (size_t i = 0; i < m->totals.n; i++)
		if (m->totals.count[i] > 0)
			names[i] = name_of(t, m, i);
	points = xcalloc(t->names->types.n, sizeof(*points));
	for (size_t i = 0; i < m->totals.n; i++) {
		if (m->totals.count[i] == 0)
			continue;
		points[names[i]].count += m->totals.count[i];
		points[names[i]].size += m->totals.size[i];
	}
	free(names);
	t->hours[t->n] = (double)(time - t->first) / 3600e9;
	t->snapshots[t->n++] = (struct trend_snapshot){ points, t->names->types.n };
}

static struct trend_point point_of(const struct trend *t, size_t snapshot, size_t type)
{
	const struct trend_snapshot *s = &t->snapshots[snapshot];

	return type < s->n ? s->points[type] : (struct trend_point){ 0 };
}

/* `sizes` has room for one of each snapshot. False: it never changed. */
static bool row_build(const struct trend *t, uint32_t type, double *sizes,
		      struct trend_row *row)
{
	struct trend_point first = point_of(t, 0, type), last = first;
	bool has_changed = false;

	*row = (struct trend_row){ .type = type };
	for (size_t i = 0; i < t->n; i++) {
		struct trend_point p = point_of(t, i, type);

		row->steps_grown += p.size > last.size;
		has_changed |= p.size != last.size || p.count != last.count;
		sizes[i] = (double)p.size;
		last = p;
	}
	row->count_first = first.count, row->size_first = first.size;
	row->count_last = last.count, row->size_last = last.size;
	return has_changed && line_fit(t->hours, sizes, t->n, &row->line);
}

static int by_growth(const void *a, const void *b, void *context)
{
	const struct trend_row *x = a, *y = b;
	const struct trend *t = context;
	bool always_x = x->steps_grown == t->n - 1, always_y = y->steps_grown == t->n - 1;

	if (always_x != always_y)
		return always_x ? -1 : 1;
	if (x->line.slope != y->line.slope)
		return x->line.slope > y->line.slope ? -1 : 1;
	return (x->type > y->type) - (x->type < y->type);
}

bool trend_build(struct trend *t)
{
	double *sizes;

	if (t->n < LEAST_SNAPSHOTS || !(t->hours[t->n - 1] > 0))
		return false;
	sizes = xcalloc(t->n, sizeof(*sizes));
	t->rows = xcalloc(t->names->types.n, sizeof(*t->rows));
	for (uint32_t type = 0; type < t->names->types.n; type++)
		t->nrows += row_build(t, type, sizes, &t->rows[t->nrows]);
	if (t->nrows > 1)
		qsort_r(t->rows, t->nrows, sizeof(*t->rows), by_growth, t);
	free(sizes);
	return true;
}

void trend_release(struct trend *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->snapshots[i].points);
	free(t->snapshots);
	free(t->hours);
	free(t->rows);
	model_free(t->names);
	*t = (struct trend){ 0 };
}

/* How many standard errors hold 95 % on both sides: Student's t of n - 2 degrees of freedom,
 * for the few points there mostly are. */
static double errors_of_95(size_t n)
{
	static const double quantiles[] = { 12.706, 4.303, 3.182, 2.776, 2.571,
					    2.447,  2.365, 2.306, 2.262, 2.228,
					    2.201,  2.179, 2.160, 2.145, 2.131,
					    2.120,  2.110, 2.101, 2.093, 2.086 };

	assert(n > 2);
	return n - 3 < countof(quantiles) ? quantiles[n - 3] : 2;
}

struct trend_eta trend_eta(const struct line *l, size_t n, double y, double limit)
{
	struct trend_eta eta = { .is_reached = y >= limit };
	double off = errors_of_95(n) * l->error;

	if (eta.is_reached || !(l->slope > 0))
		return eta;
	eta.is_coming = true;
	eta.in = (limit - y) / l->slope;
	eta.least = (limit - y) / (l->slope + off);
	eta.has_most = l->slope > off;
	if (eta.has_most)
		eta.most = (limit - y) / (l->slope - off);
	return eta;
}
