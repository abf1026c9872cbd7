/* SPDX-License-Identifier: Apache-2.0 */
/* What the ways to look into a live process share. */
#ifndef MEM_LIVE_INT_H
#define MEM_LIVE_INT_H

#include "mem/frame_int.h"
#include "mem/mem_int.h"

/* Reads maps, in place of the regions that m has; *text owns the names. */
must_check bool live_read_regions(struct mem *m, pid_t pid, char **text);
/* The threads with their names, without registers. */
must_check bool live_read_threads(struct mem *m, pid_t pid);
/* comm of a thread, "" when it is gone. */
void live_thread_name(pid_t tid, char name[16]);
/* pread of /proc/PID/mem up to the first hole. */
size_t live_pread(int fd, taddr at, void *dst, size_t len);

/* Opens /proc/PID/mem for reading, or says what stands in the way, with the cure. */
must_check bool live_open_mem(pid_t pid, int *fd, struct err *e);

/* Where a system call can be injected into a running process; false: nowhere. */
must_check bool spots_find(const struct mem *running, struct frame_spots *spots);

#endif
