/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers of an x86_64 thread: how an interrupted system call is carried on, and the
 * signal frame that leads a thread home by itself.
 */
#ifndef MEM_FRAME_INT_H
#define MEM_FRAME_INT_H

#include "base/base.h"
#include <sys/types.h>
#include <sys/user.h>

enum { XSTATE_MAX = 16384 };

/* The FP, SSE and AVX registers of a thread, as PTRACE_GETREGSET(NT_X86_XSTATE) gives them. */
struct xstate {
	_Alignas(64) uint8_t bytes[XSTATE_MAX];
	size_t len;
};

/* All that a debugger shows of a thread that stands. */
struct thread_registers {
	pid_t tid;        /* 0: they are not known */
	uint64_t blocked; /* signals */
	struct user_regs_struct general;
	size_t fp_len; /* 512: of an old processor, no more than FXSAVE's area */
	_Alignas(64) uint8_t fp[]; /* as struct xstate, of xstate_size() bytes */
};

/* How many bytes a struct xstate holds on this machine. */
size_t xstate_size(void);

/* Is it 64-bit code that runs there? */
bool regs_are_64(const struct user_regs_struct *r);

/* The thread stands in a system call that our stop made return EINTR, one that is as good
 * done again: makes the kernel do it again unless a signal handler is to run. */
bool regs_hide_eintr(struct user_regs_struct *r);

/*
 * What an injected call needs on the stack, from `low` up:
 *
 *	home	signal frame of the thread; the `ret` behind the call pops its first word,
 *		the restorer, which does rt_sigreturn
 *	child	the same for the child that clone makes; it comes home in exit_group(0)
 *	fp	the thread's FP state, pointed to by home
 *
 * Signal handlers that run in between write below `home`, so none of it is overwritten.
 */
struct frames {
	taddr low;
	taddr home, child;
	size_t len;
	uint8_t bytes[XSTATE_MAX + 2048];
};

/* How many bytes the frames take at most. */
size_t frames_size(const struct xstate *fp);

struct frame_spots {
	taddr syscall_ret; /* 0f 05 c3 */
	taddr restorer;    /* mov $15,%eax; syscall */
};

/* All that the frames are to restore of a thread. */
struct frame_state {
	const struct user_regs_struct *regs; /* as they were read */
	const struct xstate *fp;
	uint64_t sigmask;
};

/* Builds the frames of a thread in state `was` to end at `top` or below. */
void frames_build(struct frames *f, taddr top, const struct frame_spots *spots,
		  const struct frame_state *was);

#endif
