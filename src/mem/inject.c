/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of steps is what makes the tracer's death harmless at any of them:
 *
 *	1  frames are written below the thread's stack pointer	nobody looks there
 *	2  SETREGS: at a `syscall; ret`, rsp at the home frame	it makes the call, `ret`
 *								leads into rt_sigreturn
 *	3  SETSIGMASK: everything blocked			the frame restores the mask
 *	4  SYSCALL to the entry, [clone's event,] to the exit	same
 *	5  SETREGS: what it was, the restart code included	detached, the kernel carries
 *								the interrupted call on
 *	6  SETSIGMASK: what it was
 *	7  the bytes under the frames are put back
 *
 * Only between 5 and 6 a death would leave its mark, a mask that blocks signals: so 6 goes
 * before 5, where the frame still leads home. The child that clone makes stands at birth,
 * traced by us; without us it runs into its own frame, exit_group(0).
 */
#include "mem/inject_int.h"

#include "mem/fit_int.h"
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PTRACE_O_SUSPEND_SECCOMP
#define PTRACE_O_SUSPEND_SECCOMP (1 << 21)
#endif

enum {
	RED_ZONE = 128,
	STEP_MS = 60000, /* clone copies page tables: some 10 ms per GiB */
	KERNEL_MASK = 8, /* bytes of a signal mask */
};

static bool read_xstate(pid_t tid, struct xstate *fp)
{
	struct iovec io = { fp->bytes, sizeof(fp->bytes) };

	if (ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &io) < 0)
		return false;
	fp->len = io.iov_len;
	return true;
}

static bool swap_memory(const struct injection *in, const struct frames *f,
			struct injected *out)
{
	ssize_t n = (ssize_t)f->len;

	out->at = f->low;
	out->len = f->len;
	return pread(in->memory, out->covered, f->len, (off_t)f->low) == n &&
	       pwrite(in->memory, f->bytes, f->len, (off_t)f->low) == n;
}

static void put_back(const struct injection *in, const struct injected *out)
{
	/* Fails only when the target has gone. */
	if (pwrite(in->memory, out->covered, out->len, (off_t)out->at) < 0)
		return;
}

static void start_call(const struct injection *in, const struct frames *f)
{
	struct user_regs_struct r = in->thread->regs;

	r.rip = in->spots.syscall_ret;
	r.rsp = f->home;
	r.rax = (uint64_t)in->nr;
	r.orig_rax = (uint64_t)-1;
	r.rdi = in->args[0];
	r.rsi = in->args[1] ? f->child : 0;
	r.rdx = in->args[2];
	r.r10 = in->args[3];
	r.r8 = 0;
	ptrace(PTRACE_SETREGS, in->thread->tid, 0, &r);
}

static bool is_syscall_stop(int status)
{
	return WIFSTOPPED(status) && status >> 16 == 0 &&
	       WSTOPSIG(status) == (SIGTRAP | 0x80);
}

/* On to the next stop at the entry or the exit of the call; notes the child on the way. */
static bool run_to_syscall_stop(const struct injection *in, struct injected *out,
				struct err *e)
{
	struct seized_thread *t = in->thread;
	long sig = 0;

	for (;;) {
		int status;

		/* Fails when it was killed just now; the wait then says so. */
		ptrace(PTRACE_SYSCALL, t->tid, 0, sig);
		if (!seized_wait(in->seized, t, STEP_MS, &status))
			return fail(e, ERR_PROCESS,
				    t->gone ? "process %d has exited"
					    : "process %d hangs in the kernel",
				    (int)in->seized->pid);
		if (is_syscall_stop(status))
			return true;
		sig = 0;
		if (status >> 16 == PTRACE_EVENT_CLONE) {
			unsigned long child = 0;

			ptrace(PTRACE_GETEVENTMSG, t->tid, 0, &child);
			out->child = (pid_t)child;
		} else if (status >> 16 == 0) {
			sig = WSTOPSIG(status); /* SIGSTOP: cannot be blocked */
		}
	}
}

static bool make_call(const struct injection *in, struct injected *out, struct err *e)
{
	struct user_regs_struct r;

	for (int stop = 0; stop < 2; stop++) /* going in, coming out */
		if (!run_to_syscall_stop(in, out, e))
			return false;
	if (ptrace(PTRACE_GETREGS, in->thread->tid, 0, &r) < 0)
		return fail(e, ERR_PROCESS, "process %d has exited",
			    (int)in->seized->pid);
	out->result = (long)r.rax;
	return true;
}

static bool set_options(const struct injection *in, bool has_filter, struct err *e)
{
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE;

	if (has_filter)
		options |= PTRACE_O_SUSPEND_SECCOMP;
	if (ptrace(PTRACE_SETOPTIONS, in->thread->tid, 0, options) == 0)
		return true;
	if (has_filter)
		return fail(e, ERR_PROCESS,
			    "its seccomp filter may forbid the call, and only root "
			    "(CAP_SYS_ADMIN of the machine) can lift it");
	return fail(e, ERR_PROCESS, "cannot trace thread %d: %s", (int)in->thread->tid,
		    strerror(errno));
}

bool inject(const struct injection *in, struct injected *out, struct err *e)
{
	struct seized_thread *t = in->thread;
	uint64_t mask, all = ~(uint64_t)0;
	struct xstate fp;
	struct frames f;
	taddr top = in->top ? in->top : t->regs.rsp - RED_ZONE;
	bool has_filter, done;

	out->child = 0;
	out->len = 0;
	if (!fit_for_call(t, in->memory, &has_filter, e) ||
	    !set_options(in, has_filter, e))
		return false;
	if (!read_xstate(t->tid, &fp) || fp.len + 1024 > sizeof(f.bytes) ||
	    ptrace(PTRACE_GETSIGMASK, t->tid, KERNEL_MASK, &mask) < 0)
		return fail(e, ERR_PROCESS, "cannot read the registers of thread %d",
			    (int)t->tid);
	frames_build(&f, top, &in->spots, &(struct frame_state){ &t->regs, &fp, mask });
	if (!swap_memory(in, &f, out)) {
		out->len = 0;
		return fail(e, ERR_PROCESS, "no room on the stack of thread %d",
			    (int)t->tid);
	}
	start_call(in, &f);
	ptrace(PTRACE_SETSIGMASK, t->tid, KERNEL_MASK, &all);
	done = make_call(in, out, e);
	ptrace(PTRACE_SETSIGMASK, t->tid, KERNEL_MASK, &mask);
	ptrace(PTRACE_SETREGS, t->tid, 0, &t->regs);
	if (done)
		put_back(in, out); /* else it may still be on its way through them */
	return done;
}
