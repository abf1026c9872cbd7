/* SPDX-License-Identifier: Apache-2.0 */
/* What objects waste, by their rows. */
#include "collect/objects_int.h"

static void list_items(const struct waste_list *kept, const uint32_t *rows,
		       struct waste_list *out)
{
	for (size_t i = 0; i < kept->n; i++) {
		struct wasted item = kept->items[i];

		item.node = rows[item.node];
		if (item.node != NO_NODE)
			waste_add(out, &item);
	}
}

void objects_list_waste(struct object_walk *w, struct waste_list *contents,
			struct waste_list *slack)
{
	for (size_t s = 0; s < w->nsegments; s++) {
		const uint32_t *rows = w->rows + s * KEEP_ROWS;

		list_items(&w->segments[s].contents, rows, contents);
		list_items(&w->segments[s].slack, rows, slack);
		waste_list_release(&w->segments[s].contents);
		waste_list_release(&w->segments[s].slack);
	}
}
