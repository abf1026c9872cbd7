/* SPDX-License-Identifier: Apache-2.0 */
/* What there is of each type, kept with the model: who compares a hundred snapshots, or
 * lists them, then reads some kilobytes of each. */
#include "analysis/analysis.h"

void totals_build(struct model *m)
{
	struct top top;

	if (m->totals.n > 0)
		return;
	top_build_sizes(m, &top);
	model_table_resize(m, &model_tables[TABLE_totals], m->types.n);
	for (size_t i = 0; i < top.n; i++) {
		const struct top_row *row = &top.rows[i];

		m->totals.count[row->type] = row->count;
		m->totals.size[row->type] = row->size;
		m->totals.footprint[row->type] = row->footprint;
	}
	top_release(&top);
}
