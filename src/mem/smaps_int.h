/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/smaps: what the kernel only tells by walking page tables (30 ms per GiB), so
 * never read while a target stands. */
#ifndef MEM_SMAPS_INT_H
#define MEM_SMAPS_INT_H

#include "mem/mem_int.h"

struct smaps_entry {
	taddr start, end;
	uint8_t flags; /* enum region_flag */
	uint64_t rss, swap, huge;
};

struct smaps {
	struct smaps_entry *entries; /* by address */
	size_t n;
};

/* False: the process has gone, or forbids it. */
must_check bool smaps_read(pid_t pid, struct smaps *out);
/* The kernel tells a mapping again that grew between two of its pages of text: then it starts
 * before the end of the one before it (fs/proc/task_mmu.c, m_next). What was told before is
 * taken out of it. smaps_read does this. */
void smaps_part(struct smaps *s);
void smaps_release(struct smaps *s);

/* Sets flags, rss, swap and huge of the regions from the entries that overlap them. A region
 * that no entry overlaps keeps its flags and gets `unknown` as its rss. */
void smaps_apply(const struct smaps *s, struct mem *m, uint64_t unknown);

#endif
