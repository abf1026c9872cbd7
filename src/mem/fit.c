/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What else looks at the system calls of a thread, and what it costs to be wrong:
 *
 *	seccomp			a filter may kill for the call; it can be suspended
 *	Syscall User Dispatch	sends SIGSYS for the call, by force: death, as the call is made
 *				with all signals blocked
 *	shadow stack		the `ret` behind the call is not on it
 *	rseq			see below
 *
 * A restartable sequence is code that the kernel leaves by its abort address when the thread
 * was interrupted in it (linux/rseq.h). The kernel looks at that when the thread goes on:
 * then it is at our call, outside, and the sequence is forgotten. So what the kernel would
 * have done is done here, to the registers that it comes back to.
 */
#include "mem/fit_int.h"

#include "mem/frame_int.h"
#include "mem/proc_int.h"
#include <errno.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GET_RSEQ 0x420f     /* PTRACE_GET_RSEQ_CONFIGURATION, Linux 5.13 */
#define GET_DISPATCH 0x4211 /* PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, Linux 6.4 */

enum { RSEQ_CS = 8 }; /* offset of the pointer to the sequence in struct rseq */

static bool is_dispatched(pid_t tid)
{
	struct {
		uint64_t mode, selector, offset, len;
	} config = { 0 };

	if (ptrace(GET_DISPATCH, tid, sizeof(config), &config) == 0)
		return config.mode != 0;
	return errno != EIO; /* a kernel that cannot say */
}

/* struct rseq_cs */
struct sequence {
	uint32_t version, flags;
	uint64_t start, len, abort;
};

/* Where its struct rseq is; *at is 0 when it has none. False: the kernel cannot say. */
static bool rseq_area(pid_t tid, taddr *at)
{
	struct {
		uint64_t pointer;
		uint32_t size, signature, flags, pad;
	} config = { 0 };

	*at = 0;
	if (ptrace(GET_RSEQ, tid, sizeof(config), &config) < 0)
		return errno == EIO && syscall(SYS_rseq, NULL, 0, 0, 0) < 0 &&
		       errno == ENOSYS;
	*at = config.pointer;
	return true;
}

static bool leave_sequence(struct seized_thread *t, int memory)
{
	struct sequence s = { 0 };
	taddr area, at = 0;

	/* There are no system calls in a sequence. */
	if ((int64_t)t->regs.orig_rax >= 0)
		return true;
	if (!rseq_area(t->tid, &area))
		return false;
	if (!area)
		return true;
	if (pread(memory, &at, sizeof(at), (off_t)(area + RSEQ_CS)) != sizeof(at))
		return false;
	if (!at)
		return true;
	if (pread(memory, &s, sizeof(s), (off_t)at) != sizeof(s))
		return false;
	if (t->regs.rip - s.start < s.len)
		t->regs.rip = s.abort;
	return true;
}

bool fit_for_call(struct seized_thread *t, int memory, bool *has_filter, struct err *e)
{
	struct proc_status status;

	if (!t->has_regs || !regs_are_64(&t->regs))
		return fail(e, ERR_PROCESS, "thread %d runs 32-bit code", (int)t->tid);
	if (!proc_status_read(t->tid, &status))
		return fail(e, ERR_PROCESS, "thread %d has exited", (int)t->tid);
	if (status.has_shadow_stack)
		return fail(e, ERR_PROCESS, "thread %d has a shadow stack (CET)",
			    (int)t->tid);
	if (is_dispatched(t->tid))
		return fail(e, ERR_PROCESS,
			    "the system calls of thread %d are sent back to it "
			    "(Syscall User Dispatch, as Wine does)\nuse --mode=freeze",
			    (int)t->tid);
	if (!leave_sequence(t, memory))
		return fail(e, ERR_PROCESS,
			    "the kernel cannot say whether thread %d is in a restartable "
			    "sequence (rseq)\nuse --mode=freeze",
			    (int)t->tid);
	*has_filter = status.seccomp != 0;
	return true;
}
