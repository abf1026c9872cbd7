/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/analysis.h"

#include <stdlib.h>

void top_build(const struct model *m, struct top *out)
{
	struct top_row *rows = xcalloc(m->types.n, sizeof(*rows));
	size_t n = 0;

	for (size_t b = 0; b < m->blocks.n; b++) {
		uint32_t type = m->blocks.type[b];

		if (m->blocks.state[b] != BLOCK_USED || type >= m->types.n)
			continue;
		rows[type].count++;
		rows[type].size += m->blocks.size[b];
		rows[type].footprint += block_footprint(m, b);
	}
	for (size_t t = 0; t < m->types.n; t++) {
		if (rows[t].count == 0)
			continue;
		rows[n] = rows[t];
		rows[n++].type = (uint32_t)t;
	}
	*out = (struct top){ rows, n };
}

void top_release(struct top *t)
{
	free(t->rows);
	*t = (struct top){ 0 };
}
