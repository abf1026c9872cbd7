/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guardian process. Whatever happens to the tool, it undoes what it did to the target:
 *
 *	state		what ends it				then
 *	IDLE		the tool's end closes			exit
 *	STANDING	LET_GO, END, or the end closes		release all threads
 *	CHILD		END, or the end closes			kill the child, reap it
 *
 * Two things more end a state by themselves, as no harm may come of us: the target's death
 * (the child shares its descriptors, and would hold its ports), and a tool that is stopped
 * (^Z) while the target stands. What the tool reads after that is worth nothing; the answer
 * to its END tells it so.
 *
 * The child has exit signal 0, so the target hears nothing of it; but it stays a zombie of
 * the target until that waits for it. So the last thing is to have one thread of the target
 * make a wait4() for just that child. It stands for some 50 us.
 *
 * The guardian's own death leaves all threads where their registers lead home (inject.c).
 * Only the zombie then has nobody to bury it.
 */
#include "mem/guard_int.h"

#include "mem/cgroup_int.h"
#include "mem/live_int.h"
#include "mem/mem_int.h"
#include "mem/proc_int.h"
#include "mem/room_int.h"
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	TICK_MS = 100,
	BUSY_MS = 1500,  /* to wait for a vfork in the target to end */
	REAP_MS = 30000, /* to wait for one that can reap: a vfork may last */
	REAP_PAUSE_MS = 500,
	CHILD_BORN_MS = 10000,
	CHILD_DEAD_MS = 60000,
	MAX_CHILD_S = 600,
	SPARE_BYTES = 8 << 20, /* less than this to its memory limit: end the child */
	BURY_MS = 10000,
	FIND_MS = 300,
	TOUCH_MAX = 64 << 20,
};

enum guard_state { GUARD_IDLE, GUARD_STANDING, GUARD_CHILD };

struct guard {
	const struct guardian_plan *plan;
	struct guard_shared *shared;
	struct seized seized;
	int events; /* a signalfd for SIGCHLD */
	int target; /* pidfd, or -1 */
	enum guard_state state;
	struct frame_spots spots;
	pid_t via;              /* the two as planned; after an exec, as they are then */
	struct room main_stack; /* as it was before the last stop */
	pid_t child;
	uint64_t born;   /* clock */
	struct err lost; /* kind is not ERR_NONE: what is read is worth nothing */
};

static void set_phase(const struct guard *g, enum mem_phase phase)
{
	if (g->plan->probe)
		g->plan->probe->phase = phase;
}

static void lose(struct guard *g, const char *why)
{
	if (g->lost.kind == ERR_NONE && !fail(&g->lost, ERR_PROCESS, "%s", why))
		return;
}

/* ---- becoming a guardian ---- */

static void close_others(int keep)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < 3; fd++)
		if (fd != keep)
			dup2(null, fd);
	if (keep > 3)
		syscall(SYS_close_range, 3u, (unsigned)keep - 1, 0u);
	if (syscall(SYS_close_range, keep < 3 ? 3u : (unsigned)keep + 1, ~0u, 0u) == 0)
		return;
	for (int fd = 3; fd < 4096; fd++) /* before Linux 5.9 */
		if (fd != keep)
			close(fd);
}

static void write_oom_adj(const char *who, const char *value)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/oom_score_adj", who);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		errno = 0; /* lowering it needs a right that we may lack */
	close(fd);
}

/* That of our tool's memory is not ours. */
static void lift_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_DATA, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_DATA, &r);
	}
}

static void harden(struct guard *g, int tool)
{
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	/* Ignored, it would tell us nothing of our tracees. */
	sigaction(SIGCHLD, &plain, NULL);
	setsid();
	prctl(PR_SET_NAME, "heapsift-guard");
	/* Whoever stands waits for us, so on a busy machine we go first, if we may. */
	setpriority(PRIO_PROCESS, 0, -20);
	if (chdir("/") < 0)
		errno = 0;
	close_others(tool);
	write_oom_adj("self", "0"); /* the tool's is raised; lower than 0 takes a right */
	write_oom_adj("self", "-1000");
	lift_limit();

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	g->seized.tool = tool;
	g->events = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	g->target = (int)syscall(SYS_pidfd_open, g->plan->pid, 0);
}

/* ---- a system call of the target ---- */

/* Are the bytes that we mean to run still there? */
static bool check_spots(const struct injection *in, struct err *e)
{
	static const uint8_t call[] = { 0x0f, 0x05, 0xc3 };
	uint8_t got[8];

	if (pread(in->memory, got, sizeof(call), (off_t)in->spots.syscall_ret) !=
		    sizeof(call) ||
	    memcmp(got, call, sizeof(call)) != 0 ||
	    pread(in->memory, got, 5, (off_t)in->spots.restorer) != 5 ||
	    (got[0] != 0xb8 && got[0] != 0x48))
		return fail(e, ERR_PROCESS, "its code changed while we looked");
	return true;
}

static bool call_in_target(struct guard *g, struct injection *in, struct injected *out,
			   struct err *e)
{
	bool done;

	in->seized = &g->seized;
	in->spots = g->spots;
	if (!in->spots.syscall_ret)
		return fail(e, ERR_PROCESS, "it has no code to make a system call with");
	in->memory = proc_open(g->via, "mem", O_RDWR);
	if (in->memory < 0)
		return fail(e, ERR_PROCESS, "its memory cannot be written: %s",
			    strerror(errno));
	done = check_spots(in, e) &&
	       room_choose(&g->seized, g->via, g->main_stack, in, e) &&
	       inject(in, out, e);
	close(in->memory);
	return done;
}

/* ---- the child ---- */

static bool child_born(struct guard *g, struct err *e)
{
	char number[16];
	int event;

	if (pid_wait(g->child, CHILD_BORN_MS, &event) <= 0 || !WIFSTOPPED(event) ||
	    ptrace(PTRACE_SETOPTIONS, g->child, 0, PTRACE_O_EXITKILL) < 0)
		return fail(e, ERR_PROCESS,
			    "the child that was to be read died at birth");
	snprintf(number, sizeof(number), "%d", (int)g->child);
	write_oom_adj(number, "1000");
	g->born = clock_ns();
	return true;
}

/* Its pid where the target lives; 0: it is no zombie of the target (any more). */
static pid_t zombie_pid(const struct guard *g)
{
	struct proc_status status;

	if (!proc_status_read(g->child, &status) || status.state != 'Z' ||
	    status.ppid != g->plan->pid)
		return 0;
	return status.ns_pid;
}

/* Nothing that can be done for it: it has exited, and its children are init's. */
static bool target_gone(const struct guard *g)
{
	struct pollfd fd = { .fd = g->target, .events = POLLIN };

	if (g->target >= 0)
		return poll(&fd, 1, 0) == 1;
	return kill(g->plan->pid, 0) < 0 && errno == ESRCH;
}

/* Who waits for the child of a vfork cannot be stopped until that ends. */
static bool hangs(pid_t tid)
{
	struct proc_status status;

	return proc_status_read(tid, &status) && status.state == 'D';
}

static bool reap_by(struct guard *g, pid_t tid)
{
	struct injection in = {
		.nr = SYS_wait4,
		.args = { (uint64_t)zombie_pid(g), 0, __WALL | WNOHANG, 0 },
	};
	struct injected result;
	struct err ignored;
	bool done;

	if (in.args[0] == 0 || (!g->seized.running && hangs(tid)) ||
	    !seize_one(&g->seized, tid, &ignored))
		return false;
	done = call_in_target(g, &in, &result, &ignored);
	release_all(&g->seized);
	return done && !zombie_pid(g);
}

/* By one thread or another. One that was caught and hangs all the same is waited for: given
 * up, it would stand later on, and nobody would know. */
static bool reap_once(struct guard *g)
{
	bool done = reap_by(g, g->plan->pid);
	pid_t *tids;
	size_t n;

	if (done || g->seized.running || !proc_threads(g->plan->pid, &tids, &n))
		return done;
	for (size_t i = 0; i < n && i < 8 && !done && !g->seized.running; i++)
		done = tids[i] != g->plan->pid && reap_by(g, tids[i]);
	free(tids);
	return done;
}

/* After an exec nothing is where it was. */
static void look_again(struct guard *g)
{
	struct mem *running;
	struct err ignored;

	if (!mem_open_running(g->plan->pid, &running, &ignored))
		return;
	g->via = live_via(running);
	if (!spots_find(running, &g->spots))
		g->spots = (struct frame_spots){ 0 };
	g->main_stack = room_main_stack(g->via);
	mem_close(running);
}

static void reap_child(struct guard *g)
{
	uint64_t end = clock_ns() + (uint64_t)REAP_MS * 1000000;
	uint64_t pause_ms = 10;

	while (zombie_pid(g) && clock_ns() < end && !reap_once(g)) {
		struct timespec pause = { 0, (long)pause_ms * 1000000 };

		if (g->seized.running)
			continue;
		nanosleep(&pause, NULL);
		look_again(g);
		pause_ms = min_u64(pause_ms + 5, REAP_PAUSE_MS);
	}
}

static void end_child(struct guard *g)
{
	int event;

	kill(g->child, SIGKILL);
	while (pid_wait(g->child, CHILD_DEAD_MS, &event) > 0 && WIFSTOPPED(event))
		continue;
	reap_child(g);
	g->child = 0;
	g->shared->fork.child = 0;
	g->state = GUARD_IDLE;
}

/* ---- commands ---- */

static void tell_threads(struct guard *g)
{
	struct guard_shared *shared = g->shared;

	shared->nthreads = 0;
	for (size_t i = 0; i < g->seized.n && shared->nthreads < GUARD_THREADS; i++) {
		const struct seized_thread *t = &g->seized.threads[i];
		const struct user_regs_struct *r = &t->regs;

		if (t->gone)
			continue;
		shared->threads[shared->nthreads++] = (struct mem_thread){
			.tid = t->tid,
			.has_regs = t->has_regs,
			.pc = r->rip,
			.sp = r->rsp,
			.tls = r->fs_base,
			.gpr = { r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp,
				 r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14,
				 r->r15 },
		};
	}
}

static bool do_stop(struct guard *g, struct err *e)
{
	uint64_t end = clock_ns() + (uint64_t)BUSY_MS * 1000000;
	struct timespec pause = { 0, 5000000 };
	bool busy;

	set_phase(g, PHASE_SEIZING);
	g->main_stack = room_main_stack(g->via); /* dear, when there are many regions */
	while (!seize_all(&g->seized, &busy, e)) {
		/* A thread still in our hands: only our end frees it. */
		if (!busy || g->seized.running || clock_ns() > end)
			return false;
		nanosleep(&pause, NULL);
	}
	tell_threads(g);
	g->state = GUARD_STANDING;
	return true;
}

static bool do_nudge(struct guard *g, struct err *e)
{
	const struct guard_shared *shared = g->shared;
	bool busy;

	if (g->state != GUARD_STANDING)
		return fail(e, ERR_PROCESS, "process %d does not stand", g->plan->pid);
	for (size_t i = 0; i < shared->nthreads; i++) {
		struct seized_thread *t = seized_find(&g->seized, shared->threads[i].tid);

		if (t)
			t->is_nudged = shared->threads[i].is_busy;
	}
	if (!seized_nudge(&g->seized, &busy, e)) {
		g->state = GUARD_IDLE;
		return busy && do_stop(g, e);
	}
	tell_threads(g);
	return true;
}

static void read_fp(struct thread_registers *r, size_t room)
{
	struct iovec io = { r->fp, room };

	if (ptrace(PTRACE_GETREGSET, r->tid, NT_X86_XSTATE, &io) == 0)
		r->fp_len = io.iov_len;
	else if (ptrace(PTRACE_GETFPREGS, r->tid, 0, r->fp) == 0)
		r->fp_len = sizeof(struct user_fpregs_struct);
	else
		r->fp_len = 0;
}

/* Page faults would be most of the time that this takes while threads stand. */
static void touch_registers(const struct guard *g)
{
	size_t size = g->plan->register_room * g->shared->register_size;

	if (size)
		memset(g->shared->registers, 0, min_u64(size, TOUCH_MAX));
}

/* What our stop changed is told as the kernel had it. */
static void keep_registers(const struct guard_shared *shared,
			   const struct seized_thread *t, struct thread_registers *r)
{
	if (!t || !t->has_regs)
		return;
	r->tid = t->tid;
	r->general = t->regs;
	if (t->hides_eintr)
		r->general.rax = (uint64_t)-EINTR;
	if (ptrace(PTRACE_GETSIGMASK, t->tid, sizeof(r->blocked), &r->blocked) < 0)
		r->blocked = 0;
	read_fp(r, shared->register_size - sizeof(*r));
}

static bool do_keep(struct guard *g, struct err *e)
{
	const struct guard_shared *shared = g->shared;
	size_t n = min_u64(shared->nthreads, g->plan->register_room);

	if (g->state != GUARD_STANDING)
		return fail(e, ERR_PROCESS, "process %d does not stand", g->plan->pid);
	for (size_t i = 0; i < n; i++)
		keep_registers(shared, seized_find(&g->seized, shared->threads[i].tid),
			       guard_registers(shared, i));
	return true;
}

static void do_let_go(struct guard *g)
{
	if (g->state == GUARD_STANDING) {
		release_all(&g->seized);
		g->state = GUARD_IDLE;
	}
	g->shared->pause_ns = g->seized.paused;
}

static bool do_fork(struct guard *g, struct err *e)
{
	struct injection in = {
		.nr = SYS_clone,
		/* No exit signal. Shared descriptors: a second set would keep pipes and
		 * ports open that the target closes. The stack is the child's frame. */
		.args = { CLONE_FILES, true, 0, 0 },
	};
	bool done;

	if (g->state != GUARD_STANDING)
		return fail(e, ERR_PROCESS, "process %d does not stand", g->plan->pid);
	set_phase(g, PHASE_INJECTED);
	g->shared->is_forking = true;
	done = call_in_target(g, &in, &g->shared->fork, e);
	g->shared->is_forking = false;
	if (!done)
		return false;
	g->child = g->shared->fork.child;
	if (!g->child)
		return fail(e, ERR_PROCESS, "clone: %s%s",
			    strerror((int)-g->shared->fork.result),
			    g->shared->fork.result == -EAGAIN
				    ? " (RLIMIT_NPROC or pids.max is reached)"
				    : "");
	do_let_go(g);
	g->state = GUARD_CHILD;
	if (!child_born(g, e)) {
		end_child(g);
		return false;
	}
	g->shared->child = g->child;
	set_phase(g, PHASE_READING);
	return true;
}

/* ---- what happens while nobody commands ---- */

static bool tool_is_stopped(const struct guard *g)
{
	struct proc_status tool;

	return proc_status_read(getppid(), &tool) && tool.state == 'T' && g;
}

static void watch_standing(struct guard *g)
{
	if (target_gone(g)) {
		lose(g, "the process exited while it was read");
	} else if (tool_is_stopped(g)) {
		lose(g, "we were stopped while the process stood, so it was let go");
	} else {
		return;
	}
	do_let_go(g);
}

static void watch_child(struct guard *g)
{
	uint64_t age_s = (clock_ns() - g->born) / 1000000000;
	uint64_t max_s = g->plan->max_child_s ? g->plan->max_child_s : MAX_CHILD_S;
	struct proc_status child;

	if (target_gone(g)) {
		lose(g, "the process exited while it was read");
	} else if (!proc_status_read(g->child, &child) || child.state == 'Z' ||
		   child.state == 'X') {
		lose(g, "the copy of the process that we read was killed\n"
			"(out of memory?); try --mode=freeze");
	} else if (age_s >= max_s) {
		lose(g, "the copy of the process that we read grew too old, so that was "
			"ended\ngive it longer with --max-child, or try --mode=freeze");
	} else if (cgroup_headroom(g->plan->pid) < SPARE_BYTES) {
		lose(g,
		     "the process ran short of memory while its copy was read, so that "
		     "was ended\ntry --mode=freeze, or raise the limit of its cgroup");
	} else {
		return;
	}
	end_child(g);
}

static void watch(struct guard *g)
{
	if (g->state == GUARD_STANDING)
		watch_standing(g);
	else if (g->state == GUARD_CHILD)
		watch_child(g);
	else if (g->seized.running)
		release_all(&g->seized);
}

static bool wait_command(struct guard *g, char *command)
{
	for (;;) {
		struct pollfd fds[3] = { { .fd = g->seized.tool, .events = POLLIN },
					 { .fd = g->events, .events = POLLIN },
					 { .fd = g->target, .events = POLLIN } };
		struct signalfd_siginfo ignored[8];
		bool idle = g->state == GUARD_IDLE && !g->seized.running;

		poll(fds, idle ? 1 : 3, idle ? -1 : TICK_MS);
		if (fds[0].revents)
			return recv(g->seized.tool, command, 1, 0) == 1;
		if (fds[1].revents && read(fds[1].fd, ignored, sizeof(ignored)) < 0)
			errno = 0;
		watch(g);
	}
}

static bool do_command(struct guard *g, char command, struct err *e)
{
	switch (command) {
	case GUARD_STOP:
		return do_stop(g, e);
	case GUARD_NUDGE:
		return do_nudge(g, e);
	case GUARD_KEEP:
		return do_keep(g, e);
	case GUARD_FORK:
		return do_fork(g, e);
	case GUARD_LET_GO:
		do_let_go(g);
		return true;
	case GUARD_END:
		watch(g);
		do_let_go(g);
		*e = g->lost;
		return g->lost.kind == ERR_NONE;
	}
	return fail(e, ERR_BUG, "no such command");
}

void guard_main(const struct guardian_plan *plan, struct guard_shared *shared, int tool)
{
	struct guard g = { .plan = plan, .shared = shared };
	char command;

	g.seized.pid = plan->pid;
	g.spots = plan->spots;
	g.via = plan->via;
	harden(&g, tool);
	touch_registers(&g);
	while (wait_command(&g, &command)) {
		bool end = command == GUARD_END;

		command =
			do_command(&g, command, &shared->err) ? GUARD_DONE : GUARD_FAILED;
		if (send(tool, &command, 1, MSG_NOSIGNAL) != 1 || end)
			break;
	}
	g.seized.tool_dead = true; /* or as good as: its death changes nothing now */
	do_let_go(&g);
	if (g.child)
		end_child(&g);
	_exit(0);
}

/* ---- after the death of a guardian ---- */

/* A child without exit signal, which is how ours are born: fields 4 and 38 of its stat.
 * Nobody else but ancient thread libraries has such. */
static bool is_ours(pid_t pid, pid_t target)
{
	struct buf text = { 0 };
	const char *at = proc_read(pid, "stat", &text) ? strrchr(text.s, ')') : NULL;
	bool ours = at && strtol(at + 4, NULL, 10) == target;

	for (int field = 2; ours && field < 38; field++) {
		at = strchr(at + 1, ' ');
		ours = at != NULL;
	}
	ours = ours && strtol(at, NULL, 10) == 0;
	buf_release(&text);
	return ours;
}

/* The guardian may have died before it heard of the child. */
static pid_t find_child(pid_t target)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	pid_t found = 0;

	while (dir && !found && (entry = readdir(dir))) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0 && is_ours(pid, target))
			found = pid;
	}
	if (dir)
		closedir(dir);
	return found;
}

void guard_bury(const struct guardian_plan *plan, struct guard_shared *shared)
{
	struct guard g = { .plan = plan, .shared = shared, .child = shared->fork.child };
	struct timespec pause = { 0, 5000000 };
	uint64_t end = clock_ns() + (uint64_t)BURY_MS * 1000000;

	g.seized.pid = plan->pid;
	g.spots = plan->spots;
	g.via = plan->via;
	g.seized.tool_dead = true;
	harden(&g, -1);
	while (!g.child && clock_ns() < end - (uint64_t)(BURY_MS - FIND_MS) * 1000000) {
		g.child = find_child(plan->pid);
		nanosleep(&pause, NULL);
	}
	/* Its tracer's death was its own: it is on its way. */
	while (g.child && is_ours(g.child, plan->pid) && !zombie_pid(&g) &&
	       clock_ns() < end)
		nanosleep(&pause, NULL);
	if (g.child)
		reap_child(&g);
	_exit(0);
}
