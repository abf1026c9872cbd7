/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/analysis.h"

#include <stdlib.h>

static bool is_chosen(enum block_choice choice, unsigned state)
{
	switch (choice) {
	case BLOCKS_USED:
		return state == BLOCK_USED;
	case BLOCKS_FREE: /* a fencepost is neither used nor to be had */
		return state != BLOCK_USED && state != BLOCK_FENCE;
	case BLOCKS_ALL:
		break;
	}
	return true;
}

void block_pick_build(const struct model *m, enum block_choice choice,
		      struct block_pick *out)
{
	size_t n = 0;

	if (choice == BLOCKS_ALL) {
		*out = (struct block_pick){ .n = m->blocks.n };
		return;
	}
	for (size_t b = 0; b < m->blocks.n; b++)
		n += is_chosen(choice, m->blocks.state[b]);
	*out = (struct block_pick){ .rows = xcalloc(n, sizeof(*out->rows)) };
	for (size_t b = 0; b < m->blocks.n; b++)
		if (is_chosen(choice, m->blocks.state[b]))
			out->rows[out->n++] = (uint32_t)b;
}

void block_pick_release(struct block_pick *p)
{
	free(p->rows);
	*p = (struct block_pick){ 0 };
}
