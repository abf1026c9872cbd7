/* SPDX-License-Identifier: Apache-2.0 */
/* What the ways to look into a live process share. */
#ifndef MEM_LIVE_INT_H
#define MEM_LIVE_INT_H

#include "mem/frame_int.h"
#include "mem/mem_int.h"

/* Of a mem_open_running: the thread whose /proc files tell of its memory. */
pid_t live_via(const struct mem *running);
/* Reads maps, in place of the regions that m has; *text owns the names. */
must_check bool live_read_regions(struct mem *m, pid_t pid, char **text);
/* The threads with their names, without registers. */
must_check bool live_read_threads(struct mem *m, pid_t pid);
/* comm of a thread, "" when it is gone. */
void live_thread_name(pid_t tid, char name[16]);
/* rss and swap of all and of each region, by the smaps of the process as it is now. */
must_check bool live_account(struct mem *m, pid_t pid, struct err *e);
/* Page states of the regions that `which` picks, as process `pid` has them. */
typedef bool live_region_fn(const struct mem_region *r);
void live_scan_pages(struct mem *m, pid_t pid, live_region_fn *which);
bool live_every_region(const struct mem_region *r);

/* All registers of thread number i of a view from mem_open_live; NULL: they were not asked for, or could
 * not be had. */
const struct thread_registers *live_registers(const struct mem *m, size_t i);

/* Where a system call can be injected into a running process; false: nowhere. */
must_check bool spots_find(const struct mem *running, struct frame_spots *spots);

#endif
