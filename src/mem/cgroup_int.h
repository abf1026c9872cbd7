/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroups of a process, of version 1 and 2: whether it is frozen, how much memory it may
 * still have. What cannot be found out counts as not frozen and not limited. */
#ifndef MEM_CGROUP_INT_H
#define MEM_CGROUP_INT_H

#include "base/str.h"
#include <sys/types.h>

bool cgroup_is_frozen(pid_t pid);

/* Bytes until the first memory limit on the way up (page cache that can be dropped counts
 * as free), the machine's own included; UINT64_MAX: no limit known. */
uint64_t cgroup_headroom(pid_t pid);

/* The path of a file of its own cgroup of version 2, which need not be there. */
must_check bool cgroup_file(pid_t pid, const char *file, struct buf *path);
/* Of memory.events, of the nearest cgroup on the way up that has a memory.high. */
must_check bool cgroup_high_events(pid_t pid, struct buf *path);

#endif
