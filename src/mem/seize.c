/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All threads of a process are brought to a stop with PTRACE_SEIZE and PTRACE_INTERRUPT.
 * Threads can be born by threads that do not stand yet, so the list of threads is read
 * again until a pass over it finds nobody new while all known ones stand.
 *
 * What a thread can say on its way to the stop:
 *
 *	EVENT_STOP with SIGTRAP		our interrupt: it stands
 *	EVENT_STOP with SIGSTOP...	the whole process was stopped before: it stands
 *	a signal			about to be delivered: it goes on with it, and, as any
 *					stop uses the interrupt up, is interrupted again
 *	exited				gone
 *
 * A thread that hangs in the kernel (the parent of a vfork, a dead disk) does not stop. Then
 * all the others are released at once rather than kept waiting with it, and the whole is
 * tried again when it has moved.
 *
 * SEIZE stops nobody, so all threads are seized before the first is interrupted.
 *
 * An exec by any thread ends all others, and waits until their tracer has heard of each
 * death; SEIZE in turn waits for an exec to end. So whenever nothing comes, all that died are
 * listened to, and SEIZE itself waits for a tick only. The thread that called exec goes on
 * under the id of the main one, whose own death nobody is told of.
 */
#include "mem/seize_int.h"

#include "mem/access_int.h"
#include "mem/frame_int.h"
#include "mem/proc_int.h"
#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum {
	PASSES = 1000,      /* over the list of threads */
	HANG_NS = 20000000, /* without progress: look whether a thread hangs */
	NUDGE_NS = 20000,
	TICK_US = 5000,
	SILENT_TICKS = 4,
	HANG_RELEASE_NS = 1000000000,
	STOP_NS = 5000000000, /* and for threads that merely get no processor */
};

struct seized_thread *seized_find(struct seized *s, pid_t tid)
{
	uint32_t i;

	return map_find(&s->by_tid, (uint64_t)tid, &i) ? &s->threads[i] : NULL;
}

static struct seized_thread *thread_add(struct seized *s, pid_t tid)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->threads = xrealloc(s->threads, s->cap, sizeof(*s->threads));
	}
	map_set(&s->by_tid, (uint64_t)tid, (uint32_t)s->n);
	s->threads[s->n] = (struct seized_thread){ .tid = tid };
	s->running++;
	return &s->threads[s->n++];
}

static void forget_all(struct seized *s)
{
	map_release(&s->by_tid);
	s->n = 0;
	s->running = 0;
	s->replaced = false;
}

/* ---- events ---- */

static void thread_gone(struct seized *s, struct seized_thread *t)
{
	if (!t->stopped && !t->gone)
		s->running--;
	t->gone = true;
	t->stopped = false;
}

static bool is_stop_event(int status)
{
	return status >> 16 == PTRACE_EVENT_STOP;
}

/* Its registers, and from now on no EINTR that would be ours, whatever becomes of us. Once
 * all stand: ptrace waits, a clock tick maybe, for a thread that has not left its processor
 * yet. */
static void read_registers(struct seized_thread *t)
{
	if (!t->stopped)
		return;
	t->has_regs = ptrace(PTRACE_GETREGS, t->tid, 0, &t->regs) == 0;
	/* A process that SIGSTOP had stopped before us has its EINTR from that. */
	if (t->has_regs && !t->group_stopped && regs_hide_eintr(&t->regs)) {
		t->hides_eintr = true;
		ptrace(PTRACE_SETREGS, t->tid, 0, &t->regs);
	}
}

/* It stood, but does so no more. */
static void thread_runs(struct seized *s, struct seized_thread *t)
{
	if (t->stopped || t->gone)
		s->running++;
	t->stopped = false;
	t->gone = false;
}

/* On its way to the stop; see the table above. */
static void thread_event(struct seized *s, struct seized_thread *t, int status)
{
	int sig = WSTOPSIG(status);

	if (!WIFSTOPPED(status)) {
		thread_gone(s, t);
		return;
	}
	if (is_stop_event(status)) {
		t->group_stopped = sig != SIGTRAP;
		thread_runs(s, t);
		s->running--;
		t->stopped = true;
		read_registers(t);
		return;
	}
	thread_runs(s, t);
	ptrace(PTRACE_INTERRUPT, t->tid, 0, 0);
	ptrace(PTRACE_CONT, t->tid, 0, status >> 16 ? 0 : (long)sig);
}

/*
 * Waiting sleeps in waitpid() for just one thread: that wakes us once, when that thread is
 * there, and costs the same however many there are (waiting for any of n looks at all n).
 * A timer interrupts it every few milliseconds, so that nothing can make us wait for ever.
 *
 * The kernel starts a SEIZE over that waits for an exec to end: rip is back at its `syscall`
 * then. It is to return EINTR instead, as waitpid() does.
 */
static void on_tick(int sig, siginfo_t *info, void *context)
{
	static const uint8_t call[] = { 0x0f, 0x05 };
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig, (void)info;
	if (g[REG_RAX] == SYS_ptrace && g[REG_RDI] == PTRACE_SEIZE &&
	    memcmp((const void *)(uintptr_t)g[REG_RIP], call, sizeof(call)) == 0) {
		g[REG_RIP] += (greg_t)sizeof(call);
		g[REG_RAX] = -EINTR;
	}
}

static void tick(bool on)
{
	struct sigaction action = { .sa_sigaction = on_tick, .sa_flags = SA_SIGINFO };
	long us = on ? TICK_US : 0;
	struct itimerval timer = { { 0, us }, { 0, us } };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigaction(SIGALRM, &action, NULL);
	sigprocmask(on ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* What waitpid has to say of one tracee: as pid_wait, one tick at most. */
static int wait_one_tick(pid_t pid, int *status)
{
	pid_t got = waitpid(pid, status, __WALL);

	if (got == pid)
		return 1;
	return errno == EINTR ? 0 : -1;
}

static bool tool_dies(struct seized *s)
{
	struct pollfd fd = { .fd = s->tool_dead ? -1 : s->tool };

	if (poll(&fd, 1, 0) != 1)
		return false;
	s->tool_dead = true;
	return true;
}

/* Hears whoever has something to say, but not the child of the target that we may have. */
static bool hear_all(struct seized *s)
{
	bool any = false;
	int status;

	for (size_t i = 0; i < s->n; i++)
		if (waitpid(s->threads[i].tid, &status, __WALL | WNOHANG) > 0) {
			thread_event(s, &s->threads[i], status);
			any = true;
		}
	return any;
}

static bool is_dead(pid_t tid)
{
	struct proc_status status;

	return !proc_status_read(tid, &status) || status.state == 'Z' ||
	       status.state == 'X';
}

/* Thread number i, on its way to the stop, one tick at most. False: nobody said anything. */
static bool thread_wait_tick(struct seized *s, size_t i)
{
	struct seized_thread *t = &s->threads[i];
	int status, said = wait_one_tick(t->tid, &status);

	if (said > 0) {
		thread_event(s, t, status);
		return true;
	}
	if (said < 0) {
		s->replaced = true; /* nobody dies unheard, but by exec */
		thread_gone(s, t);
		return true;
	}
	if (hear_all(s))
		return true;
	/* A main thread that ended before the others says nothing until they have. */
	if (++s->threads[i].silent < SILENT_TICKS || !is_dead(s->threads[i].tid))
		return false;
	thread_gone(s, &s->threads[i]);
	return true;
}

int pid_wait(pid_t pid, unsigned ms, int *event)
{
	uint64_t end = clock_ns() + (uint64_t)ms * 1000000;
	int said;

	tick(true);
	do
		said = wait_one_tick(pid, event);
	while (said == 0 && clock_ns() < end);
	tick(false);
	return said;
}

bool seized_wait(struct seized *s, struct seized_thread *t, unsigned ms, int *event)
{
	int said = pid_wait(t->tid, ms, event);

	if (said > 0 && WIFSTOPPED(*event))
		return true;
	if (said != 0)
		thread_gone(s, t);
	return false;
}

/* ---- stopping ---- */

/* Why SEIZE said EPERM: a thread that has just died says so too, and is none. */
static bool seize_refused(struct seized *s, pid_t tid, struct err *e)
{
	struct proc_status status;

	if (!proc_status_read(tid, &status) || status.state == 'Z' || status.state == 'X')
		return true;
	if (status.tracer == getpid()) {
		/* One that took over this id by exec. */
		thread_add(s, tid);
		return true;
	}
	if (status.tracer)
		return fail(e, ERR_PROCESS,
			    "process %d is traced by another process, %d\n"
			    "end that tracer, or look with --mode=nostop",
			    (int)s->pid, (int)status.tracer);
	if (proc_status_read(getpid(), &status) &&
	    (status.cap_effective >> CAP_SYS_PTRACE & 1))
		return access_lost(s->pid, e);
	return fail(e, ERR_PROCESS,
		    "not allowed to stop process %d\n"
		    "run as the same user or root, with CAP_SYS_PTRACE",
		    (int)s->pid);
}

static bool seize_failed(struct seized *s, pid_t tid, struct err *e)
{
	if (errno == ESRCH)
		return true;
	if (errno == EPERM)
		return seize_refused(s, tid, e);
	return fail(e, ERR_PROCESS, "cannot stop thread %d of process %d: %s", (int)tid,
		    (int)s->pid, strerror(errno));
}

static bool seize_thread(struct seized *s, pid_t tid, struct err *e)
{
	while (ptrace(PTRACE_SEIZE, tid, 0, 0) < 0) {
		if (errno != EINTR)
			return seize_failed(s, tid, e);
		hear_all(s); /* whom the exec waits for */
		if (tool_dies(s))
			return fail(e, ERR_PROCESS, "the tool is gone");
	}
	if (!seized_find(s, tid))
		thread_add(s, tid);
	return true;
}

static bool seize_new(struct seized *s, struct err *e)
{
	pid_t *tids;
	size_t n;
	bool done = true;

	if (!proc_threads(s->pid, &tids, &n))
		return fail(e, ERR_PROCESS, "process %d has exited", (int)s->pid);
	tick(true);
	for (size_t i = 0; i < n && done; i++)
		done = seized_find(s, tids[i]) || seize_thread(s, tids[i], e);
	tick(false);
	free(tids);
	return done;
}

static bool somebody_hangs(const struct seized *s, struct err *e)
{
	struct proc_status status;

	for (size_t i = 0; i < s->n; i++) {
		const struct seized_thread *t = &s->threads[i];

		if (t->stopped || t->gone || !proc_status_read(t->tid, &status))
			continue;
		if (status.state == 'D')
			return !fail(e, ERR_PROCESS,
				     "thread %d of process %d does not stop: it waits in "
				     "the kernel\n(for the child of a vfork, or for a "
				     "device); try again, or use --mode=nostop",
				     (int)t->tid, (int)s->pid);
	}
	return false;
}

static bool is_on_its_way(const struct seized_thread *t)
{
	return !t->stopped && !t->gone;
}

static bool wait_for_each(struct seized *s, bool *busy, struct err *e)
{
	uint64_t start = clock_ns(), progress = start, now;

	for (size_t i = 0; i < s->n;) {
		if (!is_on_its_way(&s->threads[i])) {
			i++;
			continue;
		}
		if (thread_wait_tick(s, i)) {
			progress = clock_ns();
			continue;
		}
		if (tool_dies(s))
			return fail(e, ERR_PROCESS, "the tool is gone");
		now = clock_ns();
		if (now - progress > HANG_NS && somebody_hangs(s, e)) {
			*busy = true;
			return false;
		}
		if (now - start > (uint64_t)STOP_NS)
			return fail(e, ERR_PROCESS,
				    "%zu threads of process %d do not stop", s->running,
				    (int)s->pid);
	}
	return true;
}

static bool wait_until_all_stand(struct seized *s, bool *busy, struct err *e)
{
	bool stand;

	tick(true);
	stand = wait_for_each(s, busy, e);
	tick(false);
	return stand;
}

static bool has_threads(const struct seized *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->threads[i].gone)
			return true;
	return false;
}

/* Not one of those that we brought to stand, and not what was looked at before. */
static bool is_replaced(struct seized *s)
{
	struct seized_thread *t = seized_find(s, s->pid);
	struct user_regs_struct regs;

	if (t && t->stopped && ptrace(PTRACE_GETREGS, t->tid, 0, &regs) < 0) {
		thread_runs(s, t);
		s->replaced = true;
	}
	return s->replaced;
}

static bool all_stand(struct seized *s, struct err *e)
{
	return (!is_replaced(s) && has_threads(s)) || access_lost(s->pid, e);
}

static bool stop_passes(struct seized *s, bool *busy, struct err *e)
{
	size_t known;

	for (int pass = 0; pass < PASSES; pass++) {
		known = s->n;
		if (!seize_new(s, e))
			return false;
		if (s->n == known && pass > 0)
			return all_stand(s, e);
		if (!s->since)
			s->since = clock_ns();
		for (size_t i = known; i < s->n; i++)
			ptrace(PTRACE_INTERRUPT, s->threads[i].tid, 0, 0);
		if (!wait_until_all_stand(s, busy, e))
			return false;
	}
	return fail(e, ERR_PROCESS, "process %d starts threads faster than they stop",
		    (int)s->pid);
}

bool seize_all(struct seized *s, bool *busy, struct err *e)
{
	*busy = false;
	forget_all(s);
	if (!stop_passes(s, busy, e)) {
		release_all(s);
		return false;
	}
	return true;
}

/* What wakes one that was merely cut off in the middle of its work, and no more. */
static void run_on(struct seized *s)
{
	struct timespec moment = { 0, NUDGE_NS };

	for (size_t i = 0; i < s->n; i++) {
		struct seized_thread *t = &s->threads[i];

		if (!t->is_nudged || !t->stopped || t->group_stopped)
			continue;
		t->stopped = false;
		s->running++;
		ptrace(PTRACE_CONT, t->tid, 0, 0);
	}
	nanosleep(&moment, NULL);
	for (size_t i = 0; i < s->n; i++)
		if (!s->threads[i].stopped && !s->threads[i].gone)
			ptrace(PTRACE_INTERRUPT, s->threads[i].tid, 0, 0);
}

bool seized_nudge(struct seized *s, bool *busy, struct err *e)
{
	*busy = false;
	run_on(s);
	if (!wait_until_all_stand(s, busy, e) || !stop_passes(s, busy, e)) {
		release_all(s);
		return false;
	}
	return true;
}

bool seize_one(struct seized *s, pid_t tid, struct err *e)
{
	bool busy, stands;

	if (!s->running) {
		forget_all(s);
		tick(true);
		stands = seize_thread(s, tid, e);
		tick(false);
		if (!stands)
			return false;
		if (s->n == 0)
			return fail(e, ERR_PROCESS, "thread %d has exited", (int)tid);
		s->since = clock_ns();
		ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	}
	stands = wait_until_all_stand(s, &busy, e) && s->threads[0].stopped;
	if (!stands && !s->running)
		release_all(s);
	return stands;
}

/* Who cannot be detached was killed, and is heard once more, or goes on under this id since
 * an exec. */
static void release_thread(struct seized *s, struct seized_thread *t)
{
	if (!t->has_regs)
		read_registers(t);
	thread_runs(s, t);
	if (ptrace(PTRACE_DETACH, t->tid, 0, 0) == 0)
		thread_gone(s, t);
}

/* One that has not stopped yet cannot be detached: it is let go the moment it does. */
static void release_hanging(struct seized *s)
{
	uint64_t end = clock_ns() + HANG_RELEASE_NS;

	for (size_t i = 0; i < s->n && clock_ns() < end;) {
		tick(true);
		if (is_on_its_way(&s->threads[i]) && !thread_wait_tick(s, i))
			continue;
		if (s->threads[i].stopped)
			release_thread(s, &s->threads[i]);
		i += !is_on_its_way(&s->threads[i]);
	}
	tick(false);
}

void release_all(struct seized *s)
{
	/* The main thread last: a dead one is heard of only after the others. */
	for (size_t i = s->n; i-- > 0;)
		if (s->threads[i].stopped)
			release_thread(s, &s->threads[i]);
	if (s->since)
		s->paused += clock_ns() - s->since;
	s->since = 0;
	if (s->running)
		release_hanging(s);
	if (!s->running)
		forget_all(s);
}
