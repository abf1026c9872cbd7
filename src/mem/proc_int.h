/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID: small files read whole, and what the status files say. */
#ifndef MEM_PROC_INT_H
#define MEM_PROC_INT_H

#include "base/err.h"
#include "base/str.h"
#include <sys/types.h>

/* Opens /proc/PID/NAME; -1 and errno when it cannot. */
int proc_open(pid_t pid, const char *name, int flags);
/* The whole of /proc/PID/NAME, in place of what is in `out`. False: errno says why. */
must_check bool proc_read(pid_t pid, const char *name, struct buf *out);
/* The same for any path. */
must_check bool file_read(const char *path, struct buf *out);

/* From /proc/PID/status, which exists for threads too. */
struct proc_status {
	char name[16];
	char state; /* R S D T t Z X I */
	pid_t tgid, ppid, tracer;
	uid_t uid, euid;
	unsigned threads;
	unsigned seccomp; /* 0 none, 1 strict, 2 filter */
	bool is_kernel_thread, has_shadow_stack;
	uint64_t pending, blocked; /* signals: pending for the thread or the process */
	uint64_t cap_effective;
	uint64_t rss;      /* bytes */
	uint64_t switches; /* how often it gave up the processor */
	pid_t ns_pid;      /* its pid in its own, innermost pid namespace */
	unsigned ns_depth; /* how many namespaces below ours */
};
must_check bool proc_status_read(pid_t pid, struct proc_status *out);

/* The thread ids of a process, in any order; free() them. False: no such process. */
must_check bool proc_threads(pid_t pid, pid_t **tids, size_t *n);

/* The value behind "KEY:" at the start of a line of `text`, or NULL. */
const char *proc_field(const char *text, const char *key);

#endif
