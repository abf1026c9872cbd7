/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges that a fork would not have (MADV_DONTFORK) or would have as zeroes (WIPEONFORK):
 * copied while the target stands, into memory made ready before. */
#ifndef MEM_SAVED_INT_H
#define MEM_SAVED_INT_H

#include "mem/pages_int.h"
#include "mem/smaps_int.h"

struct saved_range;

struct saved {
	struct saved_range *ranges; /* by address */
	size_t n;
	uint64_t left_out; /* bytes that were too many to copy: holes */
};

/* Of a running target: finds the ranges, makes memory ready. */
void saved_prepare(struct saved *s, const struct smaps *smaps);
/* Of the standing target: copies. `m` gets the runs of pages. */
void saved_take(struct saved *s, struct mem *m, pid_t pid, int fd);
/* How many bytes at `at`, up to len, are told by a saved range; 0: none holds `at`.
 * *copied of them are in dst, then comes a hole or the end. */
size_t saved_copy(const struct saved *s, taddr at, void *dst, size_t len, size_t *copied);
void saved_release(struct saved *s);

#endif
