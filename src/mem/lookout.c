/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process looked at from afar, for hours: what is read is small, and nothing of it is held.
 *
 * Who it is tells a pidfd, where the kernel has one (Linux 5.3), and the time it started: a
 * pid is given to another process some day.
 *
 * Memory pressure is the kernel's own measure of tasks that stand still for want of memory
 * (Documentation/accounting/psi.rst). "some SHARE WINDOW", written to an open pressure file,
 * makes its poll() wake us; an unprivileged writer may do so since Linux 6.5, with a window
 * that is a multiple of two seconds. Where we may not, avg10 is read instead.
 */
#include "mem/mem.h"

#include "mem/cgroup_int.h"
#include "mem/proc_int.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PSI_WINDOW_US = 2000000 };

struct mem_lookout {
	pid_t pid;
	int pidfd; /* -1: this kernel has none */
	uint64_t started;
	struct buf pressure_path; /* empty: nobody asked */
	unsigned pressure_percent;
	int pressure_fd; /* -1: it is read */
	bool is_pressed;
	struct buf events_path; /* memory.events; empty: nobody asked */
	uint64_t high;          /* how often memory.high was passed, when last asked */
};

bool mem_lookout_open(pid_t pid, struct mem_lookout **out, struct err *e)
{
	struct mem_lookout *l;
	struct mem *running;

	if (!mem_open_running(pid, &running, e))
		return false;
	mem_close(running);
	l = xcalloc(1, sizeof(*l));
	*l = (struct mem_lookout){ .pid = pid, .pressure_fd = -1 };
	l->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	l->started = mem_started(pid);
	*out = l;
	return true;
}

void mem_lookout_close(struct mem_lookout *l)
{
	if (!l)
		return;
	autoclose_fd(&l->pidfd);
	autoclose_fd(&l->pressure_fd);
	buf_release(&l->pressure_path);
	buf_release(&l->events_path);
	free(l);
}

uint64_t mem_lookout_started(const struct mem_lookout *l)
{
	return l->started;
}

bool mem_lookout_has_ended(const struct mem_lookout *l)
{
	struct pollfd p = { l->pidfd, POLLIN, 0 };

	return (l->pidfd >= 0 && poll(&p, 1, 0) > 0) || mem_started(l->pid) != l->started;
}

/* statm: size, resident, ... in pages */
uint64_t mem_lookout_rss(const struct mem_lookout *l)
{
	struct buf text = { 0 };
	uint64_t pages = 0;

	if (proc_read(l->pid, "statm", &text))
		pages = strtoull(text.s + strcspn(text.s, " "), NULL, 10);
	buf_release(&text);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- pressure ---- */

/* "some avg10=1.23 avg60=..." */
static bool pressure_read(const char *path, double *percent)
{
	struct buf text = { 0 };
	bool ok =
		file_read(path, &text) && sscanf(text.s, "some avg10=%lf", percent) == 1;

	buf_release(&text);
	return ok;
}

static int pressure_trigger(const char *path, unsigned percent)
{
	autoclose int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	char words[64];
	int n = snprintf(words, sizeof(words), "some %u %u",
			 PSI_WINDOW_US / 100 * percent, (unsigned)PSI_WINDOW_US);

	/* The terminating NUL belongs to it. */
	if (fd < 0 || write(fd, words, (size_t)n + 1) < 0)
		return -1;
	return steal_fd(&fd);
}

bool mem_lookout_on_pressure(struct mem_lookout *l, unsigned percent, struct err *e)
{
	double ignored;

	assert(percent > 0 && percent <= 100);
	if (!cgroup_file(l->pid, "memory.pressure", &l->pressure_path) ||
	    !pressure_read(l->pressure_path.s, &ignored)) {
		buf_clear(&l->pressure_path);
		buf_str(&l->pressure_path, "/proc/pressure/memory");
	}
	if (!pressure_read(l->pressure_path.s, &ignored))
		return fail(e, ERR_PROCESS,
			    "this kernel does not measure memory pressure (psi)\n"
			    "boot it with psi=1, or watch the process's size: rss>SIZE");
	l->pressure_percent = percent;
	l->pressure_fd = pressure_trigger(l->pressure_path.s, percent);
	return true;
}

bool mem_lookout_is_pressed(struct mem_lookout *l)
{
	bool is_pressed = l->is_pressed;
	double percent = 0;

	l->is_pressed = false;
	if (l->pressure_fd >= 0 || l->pressure_path.n == 0)
		return is_pressed;
	return pressure_read(l->pressure_path.s, &percent) &&
	       percent >= l->pressure_percent;
}

/* ---- memory.high ---- */

static bool high_read(const struct mem_lookout *l, uint64_t *count)
{
	struct buf text = { 0 };
	const char *at = NULL;

	if (file_read(l->events_path.s, &text))
		at = strstr(text.s, "high ");
	if (at)
		*count = strtoull(at + 5, NULL, 10);
	buf_release(&text);
	return at != NULL;
}

bool mem_lookout_on_high(struct mem_lookout *l, struct err *e)
{
	if (!cgroup_high_events(l->pid, &l->events_path) || !high_read(l, &l->high))
		return fail(e, ERR_PROCESS,
			    "no cgroup of process %d has a memory.high (version 2 alone "
			    "has it)\n"
			    "set one, or watch its size: rss>SIZE, or pressure: psi",
			    (int)l->pid);
	return true;
}

bool mem_lookout_passed_high(struct mem_lookout *l)
{
	uint64_t count;

	if (l->events_path.n == 0 || !high_read(l, &count) || count == l->high)
		return false;
	l->high = count;
	return true;
}

/* ---- waiting ---- */

static int milliseconds(uint64_t ns)
{
	return (int)min_u64((ns + 999999) / 1000000, INT32_MAX);
}

void mem_lookout_wait(struct mem_lookout *l, uint64_t ns)
{
	struct pollfd p[] = { { l->pidfd, POLLIN, 0 }, { l->pressure_fd, POLLPRI, 0 } };

	if (poll(p, countof(p), milliseconds(ns)) <= 0)
		return;
	if (p[1].revents & POLLPRI)
		l->is_pressed = true;
	else if (p[1].revents) /* its cgroup is gone */
		autoclose_fd(&l->pressure_fd), l->pressure_fd = -1;
}
