/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks in use by the size of their chunk: one pass, with a map from size to row. */
#include "analysis/analysis.h"

#include <stdlib.h>

static struct size_row *row_of(struct sizes *s, struct map *rows, uint64_t size)
{
	uint32_t i;

	if (map_find(rows, size, &i))
		return &s->rows[i];
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->rows = xrealloc(s->rows, s->cap, sizeof(*s->rows));
	}
	map_set(rows, size, (uint32_t)s->n);
	s->rows[s->n] = (struct size_row){ .size = size };
	return &s->rows[s->n++];
}

/* The largest first. */
static int by_size(const void *a, const void *b)
{
	const struct size_row *x = a, *y = b;

	return (x->size < y->size) - (x->size > y->size);
}

void sizes_build(const struct model *m, struct sizes *out)
{
	struct map rows = { 0 };

	*out = (struct sizes){ 0 };
	for (size_t b = 0; b < m->blocks.n; b++) {
		struct size_row *row;

		if (m->blocks.state[b] != BLOCK_USED)
			continue;
		row = row_of(out, &rows, block_footprint(m, b));
		row->count++;
		row->bytes += row->size;
	}
	if (out->n)
		qsort(out->rows, out->n, sizeof(*out->rows), by_size);
	map_release(&rows);
}

void sizes_release(struct sizes *s)
{
	free(s->rows);
	*s = (struct sizes){ 0 };
}
