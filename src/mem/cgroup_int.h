/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroups of a process, of version 1 and 2: whether it is frozen, how much memory it may
 * still have. What cannot be found out counts as not frozen and not limited. */
#ifndef MEM_CGROUP_INT_H
#define MEM_CGROUP_INT_H

#include "base/base.h"
#include <sys/types.h>

bool cgroup_is_frozen(pid_t pid);

/* Bytes until the first memory limit on the way up (page cache that can be dropped counts
 * as free), the machine's own included; UINT64_MAX: no limit known. */
uint64_t cgroup_headroom(pid_t pid);

#endif
