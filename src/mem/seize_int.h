/* SPDX-License-Identifier: Apache-2.0 */
/* Stopping and releasing all threads of a process. Runs in the guardian. */
#ifndef MEM_SEIZE_INT_H
#define MEM_SEIZE_INT_H

#include "base/err.h"
#include "base/map.h"
#include <sys/types.h>
#include <sys/user.h>

struct seized_thread {
	pid_t tid;
	bool stopped, gone;
	bool is_nudged;     /* to run on a little */
	bool group_stopped; /* the process was stopped already, by SIGSTOP or the like */
	uint8_t silent;     /* ticks that it was waited for in vain */
	bool has_regs;      /* regs are its own, as they will be when it goes on */
	bool hides_eintr;   /* and as the kernel had left them, but for rax */
	struct user_regs_struct regs;
};

struct seized {
	pid_t pid;
	int tool; /* our end of the tool's socket: closes when it dies */
	bool tool_dead;
	struct seized_thread *threads;
	size_t n, cap;
	struct map by_tid; /* tid -> index */
	size_t running;    /* threads that are neither stopped nor gone */
	bool replaced;     /* another program, by exec, since it was seized */
	uint64_t since;    /* clock of the first interrupt; 0: nothing stands */
	uint64_t paused;   /* nanoseconds it stood before that, in all */
};

/* All threads stand, and none is being born. False: it could not be had, all run again;
 * `busy` then tells that some thread hung in the kernel (vfork), and a later try may work. */
must_check bool seize_all(struct seized *s, bool *busy, struct err *e);
/* Those of the threads that stand that are marked is_nudged run for some microseconds, and
 * all stand again, also those that were born then. False: not so, and all run; `busy` as
 * above. */
must_check bool seized_nudge(struct seized *s, bool *busy, struct err *e);
/* One thread only, of a running process. False and s->running: it hangs in the kernel, and
 * is still ours; it has to be called again, for no other thread, until it stands. */
must_check bool seize_one(struct seized *s, pid_t tid, struct err *e);
void release_all(struct seized *s);

/* Waits until the thread stops, at most `ms`; *event is its wait status. False: it does
 * not stop, or it is gone (t->gone). */
must_check bool seized_wait(struct seized *s, struct seized_thread *t, unsigned ms,
			    int *event);
/* Of any tracee: 1, *event is its wait status; 0, it said nothing for so long; -1, it is
 * no tracee of ours (any more). */
must_check int pid_wait(pid_t pid, unsigned ms, int *event);

struct seized_thread *seized_find(struct seized *s, pid_t tid);

#endif
