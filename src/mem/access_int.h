/* SPDX-License-Identifier: Apache-2.0 */
/* May this process be looked into, and how? All asked of /proc, before anything is done. */
#ifndef MEM_ACCESS_INT_H
#define MEM_ACCESS_INT_H

#include "base/err.h"
#include "mem/smaps_int.h"
#include <sys/types.h>

/* Opens the memory of a process for reading. *via is the thread whose /proc files tell of
 * it: the main thread, or another when that has ended. False: *e says what stands in the
 * way, and the cure. */
must_check bool access_open_mem(pid_t pid, int *fd, pid_t *via, struct err *e);

/* Fails: what was being looked at is no more, as it exited, or replaced itself by exec. */
must_check bool access_lost(pid_t pid, struct err *e);

/* kernel.yama.ptrace_scope; false: the kernel has no Yama, *scope is 0. */
bool access_ptrace_scope(unsigned *scope);

enum stillness {
	STILL_NOT,
	STILL_FROZEN,  /* by its cgroup */
	STILL_TRACED,  /* each thread in a stop of the tracer that it has */
	TRACED_RUNNING /* a tracer has it, so we cannot stop it */
};
/* Does it stand by itself? *switches changes when one of its threads runs in between. */
enum stillness access_stillness(pid_t pid, uint64_t *switches, pid_t *tracer);

/* What forbids to fork it. */
struct fork_verdict {
	bool is_possible;
	char why[128]; /* when not: the reason */
	char cure[128];
};
/* `smaps` was read of it while it ran. */
void access_fork_verdict(pid_t pid, const struct smaps *smaps, const struct mem *running,
			 struct fork_verdict *v);

#endif
