/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of a block in use was not asked for. An allocator keeps no record of that; but an
 * object's size is known, and so is each part's: what an object has of its own is its size
 * less those of its parts, as sys.getsizeof counts them. A difference larger than rounding
 * can be (obmalloc's and malloc's sizes lie 16 apart, malloc's least is 24) means that an
 * object's size leaves something out: then nothing is said of that block.
 */
#include "analysis/analysis_int.h"

#include "base/search.h"
#include <stdlib.h>

enum { CLASS_STEP = 16, LEAST_BLOCK = 24 };

void rounding_init(struct rounding *r, const struct model *m)
{
	*r = (struct rounding){ .m = m };
	r->parts = xcalloc(m->objects.n + 1, sizeof(*r->parts));
	for (size_t i = 0; i < m->parts.n; i++) {
		uint32_t *sum = &r->parts[m->parts.owner[i]];

		*sum = (uint32_t)min_u64(UINT32_MAX, *sum + m->parts.size[i]);
	}
}

void rounding_release(struct rounding *r)
{
	free(r->parts);
}

void rounding_go_to(struct rounding *r, taddr at)
{
	r->object = search_words_from(r->m->objects.addr, r->m->objects.n, at);
	r->part = search_words_from(r->m->parts.addr, r->m->parts.n, at);
}

/* What was asked for the block [start, end); 0: not known. */
static uint64_t asked_for(struct rounding *r, taddr start, taddr end)
{
	const struct model *m = r->m;

	while (r->object < m->objects.n && m->objects.addr[r->object] < start)
		r->object++;
	while (r->part < m->parts.n && m->parts.addr[r->part] < start)
		r->part++;
	if (r->object < m->objects.n && m->objects.addr[r->object] < end) {
		uint64_t size = node_size(m, (uint32_t)r->object);
		uint64_t parts = r->parts[r->object];

		return parts < UINT32_MAX && size > parts ? size - parts : 0;
	}
	if (r->part < m->parts.n && m->parts.addr[r->part] == start)
		return m->parts.size[r->part];
	return 0;
}

uint64_t rounding_at_end(struct rounding *r, taddr start, uint64_t size, bool is_mapped)
{
	uint64_t asked = asked_for(r, start, start + size);
	uint64_t most = is_mapped             ? PAGE_SIZE_4K + CLASS_STEP
			: size <= LEAST_BLOCK ? LEAST_BLOCK
					      : CLASS_STEP;

	if (asked == 0 || asked > size || size - asked >= most)
		return 0;
	return size - asked;
}
