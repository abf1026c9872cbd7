/* SPDX-License-Identifier: Apache-2.0 */
/* What would come back to the system, by each of the means there are. */
#include "analysis/returnable_int.h"

#include <stdlib.h>

enum { THRESHOLD = 128 << 10 /* DEFAULT_MMAP_THRESHOLD_MIN, malloc.c */ };

struct trimming {
	const struct model *m;
	struct resident resident;
	struct trim *out;
	uint64_t main_free, other_used; /* bytes */
};

static uint64_t resident_pages(const struct trimming *t, struct page_span s)
{
	return resident_between(&t->resident, s.start, s.end);
}

static bool is_main(const struct model *m, size_t b)
{
	return m->arenas.is_main[m->blocks.arena[b]];
}

static void take_run(struct trimming *t, size_t b, const struct free_run *run)
{
	uint64_t resident = resident_between(&t->resident, run->start, run->end);

	t->out->free += resident;
	if (is_main(t->m, b))
		t->main_free += resident;
	if (!run->has_top) {
		t->out->returned += resident_pages(t, trim_of_run(run->start, run->end));
		if (run->end - run->start >= THRESHOLD)
			t->out->threshold_bound += resident;
	} else if (top_is_break(t->m, run->behind - 1)) {
		t->out->returned +=
			resident_pages(t, trim_of_top(t->m, run->start, run->end));
	}
}

static void take_blocks(struct trimming *t)
{
	const struct model *m = t->m;

	for (size_t b = 0; b < m->blocks.n;) {
		struct free_run run = { 0 };

		if (m->blocks.arena[b] != BLOCK_MMAPPED)
			run = free_run_at(m, b);
		if (run.start < run.end) {
			take_run(t, b, &run);
			b = max_u64(run.behind, b + 1);
			continue;
		}
		if (m->blocks.arena[b] != BLOCK_MMAPPED && !is_main(m, b) &&
		    m->blocks.state[b] != BLOCK_FENCE)
			t->other_used += block_footprint(m, b);
		b++;
	}
}

/* Other arenas' blocks in the free memory of the first, as far as it reaches. */
static void bound_arenas(struct trimming *t)
{
	const struct model *m = t->m;
	uint64_t others = 0;
	uint64_t beyond = t->other_used - min_u64(t->other_used, t->main_free);

	for (size_t h = 0; h < m->heaps.n; h++)
		if (!m->arenas.is_main[m->heaps.arena[h]])
			others += resident_between(&t->resident, m->heaps.start[h],
						   m->heaps.end[h]);
	t->out->arenas_bound = others - min_u64(others, beyond);
}

void trim_build(const struct model *m, struct trim *out)
{
	struct trimming t = { .m = m, .out = out };

	*out = (struct trim){ .has_heap = m->arenas.n > 0 };
	resident_init(&t.resident, m);
	out->has_residency = t.resident.is_known;
	take_blocks(&t);
	bound_arenas(&t);
	resident_release(&t.resident);
}
