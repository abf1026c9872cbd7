/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two pieces of the target's own code that an injected call runs through, searched for
 * in its executable mappings while it runs. Any occurrence will do, in the midst of other
 * instructions too. The C library has both; so has every static program with signals.
 */
#include "mem/live_int.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 20, OVERLAP = 16, SEARCH_MAX = 256 << 20 };

struct pattern {
	const char *bytes;
	size_t n;
};

static const struct pattern syscall_ret = { "\x0f\x05\xc3", 3 };
static const struct pattern restorers[] = {
	{ "\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05", 9 }, /* mov $15,%rax; syscall */
	{ "\xb8\x0f\x00\x00\x00\x0f\x05", 7 },         /* mov $15,%eax; syscall */
};

static void find(const struct pattern *p, const uint8_t *piece, size_t n, taddr at,
		 taddr *found)
{
	const uint8_t *hit = *found ? NULL : memmem(piece, n, p->bytes, p->n);

	if (hit)
		*found = at + (taddr)(hit - piece);
}

static void search_region(const struct mem *m, const struct mem_region *r, uint8_t *piece,
			  struct frame_spots *spots)
{
	for (taddr at = r->start; at < r->end; at += PIECE - OVERLAP) {
		size_t n = m->ops->copy(m, r, at, piece, min_u64(PIECE, r->end - at));

		find(&syscall_ret, piece, n, at, &spots->syscall_ret);
		for (size_t i = 0; i < countof(restorers); i++)
			find(&restorers[i], piece, n, at, &spots->restorer);
		if (spots->syscall_ret && spots->restorer)
			return;
	}
}

static bool looks_like_libc(const struct mem_region *r)
{
	return strstr(r->name, "/libc") || strstr(r->name, "/ld-musl");
}

bool spots_find(const struct mem *m, struct frame_spots *spots)
{
	uint8_t *piece = xcalloc(1, PIECE);
	uint64_t searched = 0;

	*spots = (struct frame_spots){ 0 };
	/* First where both are sure to be, then everywhere. */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < m->nregions && searched < SEARCH_MAX; i++) {
			const struct mem_region *r = &m->regions[i];

			if (!(r->prot & PROT_X) || (r->flags & REGION_IO) ||
			    looks_like_libc(r) != (pass == 0) ||
			    (spots->syscall_ret && spots->restorer))
				continue;
			search_region(m, r, piece, spots);
			searched += r->end - r->start;
		}
	free(piece);
	return spots->syscall_ret && spots->restorer;
}
