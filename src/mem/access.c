/* SPDX-License-Identifier: Apache-2.0 */
#include "mem/access_int.h"

#include "mem/cgroup_int.h"
#include "mem/proc_int.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { EXEC_LOOKS = 5, EXEC_NS = 5000000 };

/* ---- opening ---- */

bool access_ptrace_scope(unsigned *scope)
{
	struct buf text = { 0 };
	bool has_yama = file_read("/proc/sys/kernel/yama/ptrace_scope", &text);

	*scope = has_yama ? (unsigned)strtoul(text.s, NULL, 10) : 0;
	buf_release(&text);
	return has_yama;
}

static bool refuse_permission(pid_t pid, const struct proc_status *status, struct err *e)
{
	const struct passwd *user = getpwuid(status->uid);
	struct proc_status own;
	unsigned scope;

	if (geteuid() != 0 && status->uid != geteuid())
		return fail(e, ERR_PROCESS,
			    "process %d belongs to user %s (%u), not to us\n"
			    "run heapsift as that user, or as root",
			    (int)pid, user ? user->pw_name : "?", status->uid);
	if (geteuid() != 0 && access_ptrace_scope(&scope) && scope > 0)
		return fail(e, ERR_PROCESS,
			    "process %d may not be looked into: "
			    "kernel.yama.ptrace_scope is %u\n"
			    "run heapsift as root, or: sysctl kernel.yama.ptrace_scope=0",
			    (int)pid, scope);
	if (geteuid() != 0)
		return fail(
			e, ERR_PROCESS,
			"process %d may not be looked into: it has more rights than we, "
			"or is not dumpable\n"
			"run heapsift as root",
			(int)pid);
	if (proc_status_read(getpid(), &own) && (own.cap_effective >> CAP_SYS_PTRACE & 1))
		return fail(e, ERR_PROCESS,
			    "process %d may not be looked into, even by root: "
			    "a security module or a user namespace forbids it\n"
			    "look at the machine's SELinux or AppArmor rules",
			    (int)pid);
	return fail(e, ERR_PROCESS,
		    "process %d may not be looked into, even by root: "
		    "CAP_SYS_PTRACE is missing\n"
		    "give it to the container (docker run --cap-add=SYS_PTRACE)",
		    (int)pid);
}

/* The main thread can end before the others: then /proc/PID has no memory any more, but
 * /proc/TID of each other thread has. */
static pid_t live_thread(pid_t pid)
{
	struct proc_status status;
	pid_t *tids, found = 0;
	size_t n;

	if (!proc_threads(pid, &tids, &n))
		return pid;
	for (size_t i = 0; i < n && !found; i++)
		if (proc_status_read(tids[i], &status) && status.state != 'Z' &&
		    status.state != 'X')
			found = tids[i];
	free(tids);
	return found ? found : pid;
}

static bool looks_ended(pid_t pid)
{
	struct proc_status status;

	return !proc_status_read(pid, &status) ||
	       ((status.state == 'Z' || status.state == 'X') && live_thread(pid) == pid);
}

/* In the middle of an exec it looks like a dead one. */
static bool has_ended(pid_t pid)
{
	struct timespec moment = { 0, EXEC_NS };

	for (int look = 0; look < EXEC_LOOKS; look++) {
		if (!looks_ended(pid))
			return false;
		nanosleep(&moment, NULL);
	}
	return true;
}

bool access_lost(pid_t pid, struct err *e)
{
	if (has_ended(pid))
		return fail(e, ERR_PROCESS, "process %d has exited", (int)pid);
	return fail(e, ERR_PROCESS,
		    "process %d is ending, or replaced itself by another program (exec)\n"
		    "try again",
		    (int)pid);
}

static bool refuse_kind(pid_t pid, const struct proc_status *status, struct err *e)
{
	if (status->is_kernel_thread)
		return fail(e, ERR_PROCESS,
			    "process %d (%s) is a thread of the kernel: "
			    "it has no memory of its own",
			    (int)pid, status->name);
	if (status->state == 'Z' && has_ended(pid))
		return fail(
			e, ERR_PROCESS,
			"process %d (%s) is a zombie: it has ended, its memory is gone\n"
			"its parent %d has not waited for it yet; look into a core of it",
			(int)pid, status->name, (int)status->ppid);
	if (status->tgid != pid)
		return fail(e, ERR_PROCESS,
			    "%d is a thread of process %d\nlook into the process: %d",
			    (int)pid, (int)status->tgid, (int)status->tgid);
	return true;
}

bool access_open_mem(pid_t pid, int *fd, pid_t *via, struct err *e)
{
	struct proc_status status;

	if (!proc_status_read(pid, &status))
		return fail(e, ERR_PROCESS, "there is no process %d", (int)pid);
	if (!refuse_kind(pid, &status, e))
		return false;
	*via = status.state == 'Z' ? live_thread(pid) : pid;
	*fd = proc_open(*via, "mem", O_RDONLY);
	if (*fd >= 0)
		return true;
	if (errno == EACCES || errno == EPERM)
		return refuse_permission(pid, &status, e);
	if (errno == ENOENT || errno == ESRCH)
		return access_lost(pid, e);
	return fail(e, ERR_PROCESS, "cannot read the memory of process %d: %s", (int)pid,
		    strerror(errno));
}

/* ---- standing by itself ---- */

struct crowd {
	uint64_t switches;
	pid_t tracer;
	bool all_traced_stops, all_deep; /* in state t; in state D */
};

static bool look_at_threads(pid_t pid, struct crowd *out)
{
	struct proc_status status;
	pid_t *tids;
	size_t n;

	*out = (struct crowd){ .all_traced_stops = true, .all_deep = true };
	if (!proc_threads(pid, &tids, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!proc_status_read(tids[i], &status) || status.state == 'Z')
			continue;
		out->switches += status.switches;
		out->tracer = status.tracer ? status.tracer : out->tracer;
		out->all_traced_stops &= status.state == 't';
		out->all_deep &= status.state == 'D';
	}
	free(tids);
	return true;
}

enum stillness access_stillness(pid_t pid, uint64_t *switches, pid_t *tracer)
{
	struct crowd crowd;

	*switches = 0;
	*tracer = 0;
	if (!look_at_threads(pid, &crowd))
		return STILL_NOT;
	*switches = crowd.switches;
	*tracer = crowd.tracer;
	if (cgroup_is_frozen(pid))
		return STILL_FROZEN;
	if (!crowd.tracer)
		return STILL_NOT;
	return crowd.all_traced_stops ? STILL_TRACED : TRACED_RUNNING;
}

/* ---- forking ---- */

static void forbid(struct fork_verdict *v, const char *why, const char *cure)
{
	v->is_possible = false;
	snprintf(v->why, sizeof(v->why), "%s", why);
	snprintf(v->cure, sizeof(v->cure), "%s", cure);
}

static void judge_memory_kinds(const struct smaps *smaps, const struct mem *running,
			       struct fork_verdict *v)
{
	for (size_t i = 0; i < smaps->n; i++) {
		const struct smaps_entry *s = &smaps->entries[i];
		const struct mem_region *r = mem_region_at(running, s->start);

		if ((s->flags & REGION_HUGETLB) && r && !(r->prot & PROT_SHARED))
			forbid(v,
			       "it has private huge pages (hugetlb), of which a write "
			       "after a fork may find no second one",
			       "");
		else if (s->flags & REGION_USERFAULT)
			forbid(v, "it handles page faults of its own (userfaultfd)", "");
	}
}

static uint64_t meminfo_kib(const char *key)
{
	struct buf text = { 0 };
	const char *value;
	uint64_t kib = 0;

	if (file_read("/proc/meminfo", &text)) {
		value = proc_field(text.s, key);
		kib = value ? strtoull(value, NULL, 10) : 0;
	}
	buf_release(&text);
	return kib;
}

/* With strict accounting a fork has to reserve all private writable memory again. */
static bool commit_has_room(const struct mem *running)
{
	struct buf text = { 0 };
	bool strict =
		file_read("/proc/sys/vm/overcommit_memory", &text) && *text.s == '2';
	uint64_t limit = meminfo_kib("CommitLimit"), used = meminfo_kib("Committed_AS");
	uint64_t need = 0;

	buf_release(&text);
	for (size_t i = 0; i < running->nregions; i++)
		if ((running->regions[i].prot & (PROT_W | PROT_SHARED)) == PROT_W)
			need += running->regions[i].end - running->regions[i].start;
	return !strict || (limit > used && (limit - used) * 1024 > need);
}

/* A namespace that has no process yet cannot be read through its link. */
static bool same_namespace_for_children(pid_t pid)
{
	char path[64], uts[64], own[64] = "", children[64] = "";
	struct stat ignored;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	if (readlink(path, own, sizeof(own) - 1) < 0)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/ns/pid_for_children", (int)pid);
	if (readlink(path, children, sizeof(children) - 1) < 0) {
		snprintf(uts, sizeof(uts), "/proc/%d/ns/uts", (int)pid);
		/* Before Linux 4.12 there is no such link; who is exiting can read none. */
		return lstat(path, &ignored) < 0 || readlink(uts, own, sizeof(own)) < 0;
	}
	return strcmp(own, children) == 0;
}

static void judge_threads(pid_t pid, struct fork_verdict *v)
{
	struct proc_status status;
	pid_t *tids;
	size_t n;

	if (!proc_threads(pid, &tids, &n))
		return;
	/* Shadow stacks are the thread's; a few threads tell of all. */
	for (size_t i = 0; i < n && i < 16; i++) {
		if (!proc_status_read(tids[i], &status))
			continue;
		if (status.has_shadow_stack)
			forbid(v, "its threads have shadow stacks (CET)", "");
	}
	free(tids);
}

void access_fork_verdict(pid_t pid, const struct smaps *smaps, const struct mem *running,
			 struct fork_verdict *v)
{
	uint64_t rss = 0, headroom = cgroup_headroom(pid);

	*v = (struct fork_verdict){ .is_possible = true };
	for (size_t i = 0; i < smaps->n; i++)
		rss += smaps->entries[i].rss;
	judge_threads(pid, v);
	judge_memory_kinds(smaps, running, v);
	if (!commit_has_room(running))
		forbid(v,
		       "vm.overcommit_memory is 2 and there is no room for a second copy",
		       "sysctl vm.overcommit_memory=0");
	/* Pages that are written while the child lives are there twice. */
	if (headroom < rss / 8 + (16 << 20))
		forbid(v,
		       "its memory limit leaves no room for pages that it writes "
		       "meanwhile",
		       "raise the memory limit of its cgroup");
	if (!same_namespace_for_children(live_thread(pid)))
		forbid(v, "its children are born into another pid namespace", "");
}
