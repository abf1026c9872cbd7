/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that write a core share. */
#ifndef MEM_CORE_WRITE_INT_H
#define MEM_CORE_WRITE_INT_H

#include "base/str.h"
#include "mem/core_int.h"

/* How much of a region is in the file. */
enum core_part {
	PART_NONE,
	PART_PAGES,  /* all of it: what is in no run of m->pages is zeroes */
	PART_SHARED, /* all of it: what is in no extent of its file is zeroes */
	PART_ALL,
};

/* By region of m; bytes left out because the target wishes so go to *left_out. */
void core_choose(const struct mem *m, enum core_part *parts, uint64_t *left_out);

/* Adds all notes. */
void core_notes_build(const struct mem *m, pid_t pid, struct buf *out);

#endif
