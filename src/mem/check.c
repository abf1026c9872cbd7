/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `check`: one row per thing that decides whether, and how, a process can be looked into.
 * Each says what it is, by what evidence, and, when it stands in the way, the cure.
 */
#include "mem/access_int.h"
#include "mem/cgroup_int.h"
#include "mem/live_int.h"
#include "mem/proc_int.h"

#include <errno.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct checking {
	struct model *model;
	pid_t pid;
	struct proc_status status;
	char evidence[64]; /* of the next row */
};

print_like(4, 5) static void row(struct checking *c, const char *item, const char *cure,
				 const char *fmt, ...)
{
	char answer[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(answer, sizeof(answer), fmt, ap);
	va_end(ap);
	model_evidence(c->model, item, answer, c->evidence, cure);
}

static void seen_in(struct checking *c, const char *file)
{
	snprintf(c->evidence, sizeof(c->evidence), "/proc/%d/%s", (int)c->pid, file);
}

static void check_exe(struct checking *c)
{
	char path[64], exe[400];
	ssize_t n;

	seen_in(c, "exe");
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)c->pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n < 0) {
		row(c, "executable", "", "unknown: %s", strerror(errno));
		return;
	}
	exe[n] = 0;
	row(c, "executable",
	    strstr(exe, " (deleted)") ? "keep the replaced file for its symbols" : "",
	    "%s", exe);
}

static void check_user(struct checking *c)
{
	const struct passwd *user = getpwuid(c->status.uid);
	bool ours = geteuid() == 0 || geteuid() == c->status.uid;

	seen_in(c, "status");
	row(c, "user", ours ? "" : "run heapsift as that user, or as root", "%s (%u)%s",
	    user ? user->pw_name : "?", c->status.uid,
	    geteuid() == c->status.uid ? ", as we are" : "");
}

static void check_state(struct checking *c)
{
	static const struct {
		char state;
		const char *words, *cure;
	} states[] = {
		{ 'R', "running", "" },
		{ 'S', "sleeping", "" },
		{ 'I', "idle", "" },
		{ 'D', "waits in the kernel", "if it goes on so, use --mode=nostop" },
		{ 'T', "stopped by a signal; will stay so", "" },
		{ 't', "stopped by its tracer", "" },
		{ 'Z', "a zombie: ended, its memory is gone", "look into a core of it" },
		{ 'X', "dead", "look into a core of it" },
	};

	seen_in(c, "status");
	if (c->status.is_kernel_thread) {
		row(c, "state", "", "a thread of the kernel, without memory of its own");
		return;
	}
	if (c->status.state == 'Z' && c->status.threads > 1)
		row(c, "state", "", "its main thread has ended, others live");
	for (size_t i = 0; i < countof(states); i++)
		if (states[i].state == c->status.state &&
		    (c->status.state != 'Z' || c->status.threads <= 1))
			row(c, "state", states[i].cure, "%s", states[i].words);
	row(c, "threads", "", "%u", c->status.threads);
}

static void check_rights(struct checking *c)
{
	uint64_t capable = (uint64_t)1 << CAP_SYS_PTRACE;
	struct proc_status own;
	unsigned scope;
	bool has_yama = access_ptrace_scope(&scope), has_cap;

	has_cap = proc_status_read(getpid(), &own) && (own.cap_effective & capable);
	snprintf(c->evidence, sizeof(c->evidence), "/proc/sys/kernel/yama/ptrace_scope");
	if (!has_yama)
		row(c, "ptrace_scope", "", "none: this kernel has no Yama");
	else
		row(c, "ptrace_scope",
		    scope == 0 || has_cap ? ""
		    : scope < 3           ? "run as root, or: "
					    "sysctl kernel.yama.ptrace_scope=0"
					  : "reboot: 3 cannot be taken back",
		    "%u", scope);
	snprintf(c->evidence, sizeof(c->evidence), "/proc/self/status");
	row(c, "capabilities",
	    has_cap || geteuid() == c->status.uid ? "" : "give us CAP_SYS_PTRACE",
	    has_cap ? "we have CAP_SYS_PTRACE" : "we have no CAP_SYS_PTRACE");
}

static void check_seccomp(struct checking *c)
{
	static const char *const kinds[] = { "none", "strict", "filter" };
	uint64_t admin = (uint64_t)1 << CAP_SYS_ADMIN;
	struct proc_status own;
	bool may_lift = proc_status_read(getpid(), &own) && (own.cap_effective & admin);

	seen_in(c, "status");
	row(c, "seccomp",
	    c->status.seccomp && !may_lift ? "run as root of the machine for --mode=fork"
					   : "",
	    "%s%s", c->status.seccomp < countof(kinds) ? kinds[c->status.seccomp] : "?",
	    c->status.seccomp && may_lift ? ", which we can suspend" : "");
}

static void check_tracer(struct checking *c, enum stillness still, pid_t tracer)
{
	char name[16];

	seen_in(c, "status");
	if (!tracer) {
		row(c, "tracer", "", "none");
		return;
	}
	live_thread_name(tracer, name);
	row(c, "tracer",
	    still == TRACED_RUNNING ? "end it (gdb: detach), or use --mode=nostop" : "",
	    "process %d (%s)", (int)tracer, name);
}

static void check_namespaces(struct checking *c)
{
	static const char *const kinds[] = { "pid", "mnt", "user", "net" };
	char words[64] = "";
	size_t n = 0;

	for (size_t i = 0; i < countof(kinds); i++) {
		struct stat ours, theirs;
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/ns/%s", kinds[i]);
		if (stat(path, &ours) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)c->pid, kinds[i]);
		if (stat(path, &theirs) == 0 && theirs.st_ino != ours.st_ino)
			n += (size_t)snprintf(words + n, sizeof(words) - n, "%s%s",
					      n ? ", " : "", kinds[i]);
	}
	seen_in(c, "ns");
	row(c, "namespaces", "", n ? "others than ours: %s" : "the same as ours%s",
	    words);
}

static void check_cgroup(struct checking *c, enum stillness still)
{
	uint64_t headroom = cgroup_headroom(c->pid);

	seen_in(c, "cgroup");
	row(c, "cgroup", "",
	    still == STILL_FROZEN ? "frozen; it is read as it stands" : "not frozen");
	if (headroom != UINT64_MAX)
		row(c, "memory", "", "%.1f MiB resident, room for %.1f MiB more",
		    (double)c->status.rss / (1 << 20), (double)headroom / (1 << 20));
}

static void say_mode(struct checking *c, const struct mem *running, enum stillness still)
{
	struct fork_verdict fork = { 0 };
	struct frame_spots spots;
	struct smaps smaps;

	seen_in(c, "smaps");
	if (still == STILL_FROZEN || still == STILL_TRACED) {
		row(c, "mode", "", "freeze: it stands by itself");
		return;
	}
	if (still == TRACED_RUNNING) {
		row(c, "mode", "", "nostop only: its tracer alone can stop it");
		return;
	}
	if (smaps_read(live_via(running), &smaps))
		access_fork_verdict(c->pid, &smaps, running, &fork);
	smaps_release(&smaps);
	if (fork.is_possible && !spots_find(running, &spots)) {
		fork.is_possible = false;
		snprintf(fork.why, sizeof(fork.why),
			 "it has no code to make a system call with");
	}
	if (fork.is_possible)
		row(c, "mode", "", "fork: it stands for some 10 ms per GiB");
	else
		row(c, "mode", fork.cure, "freeze, as it cannot be forked: %s", fork.why);
}

bool mem_check(pid_t pid, struct model *m)
{
	struct checking c = { .model = m, .pid = pid };
	struct mem *running = NULL;
	enum stillness still;
	uint64_t switches;
	pid_t tracer;
	struct err e;

	seen_in(&c, "status");
	if (!proc_status_read(pid, &c.status)) {
		row(&c, "process", "", "there is no process %d", (int)pid);
		return false;
	}
	row(&c, "process", "", "%d (%s)", (int)pid, c.status.name);
	still = access_stillness(pid, &switches, &tracer);
	check_exe(&c);
	check_user(&c);
	check_state(&c);
	check_rights(&c);
	check_tracer(&c, still, tracer);
	check_seccomp(&c);
	check_namespaces(&c);
	check_cgroup(&c, still);
	seen_in(&c, "mem");
	if (!mem_open_running(pid, &running, &e)) {
		char *cure = strchr(e.text, '\n');

		if (cure)
			*cure++ = 0;
		row(&c, "readable", cure ? cure : "", "no: %s", e.text);
		return false;
	}
	row(&c, "readable", "", "yes");
	say_mode(&c, running, still);
	mem_close(running);
	return true;
}
