/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consistent view of a live process. What can be found out beforehand is (while the
 * target runs): what forbids a fork, where code for an injected call lies. Then
 *
 *	stop -> read maps, ask is_quiet -+-> not quiet: let go, wait 5 ms, stop again
 *	                                 +-> fork: the target runs, its child is read
 *	                                 +-> stay: the target is read, until mem_release
 */
#include "mem/guardian_int.h"
#include "mem/live_int.h"
#include "mem/proc_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ATTEMPTS = 3, RETRY_NS = 5000000 };

struct snapshot {
	struct mem mem;
	pid_t pid;
	int fd; /* /proc/N/mem of the target, or of its child */
	char *names;
	struct guardian *guardian;
	bool held; /* the target or its child is still there for us */
	struct err lost;
};

static struct snapshot *snapshot_of(const struct mem *m)
{
	return (struct snapshot *)(uintptr_t)m;
}

/* ---- the source ---- */

/* Where the frames of the injected call lie in the child, the target had other bytes. */
static void uncover(const struct snapshot *s, taddr at, uint8_t *dst, size_t len)
{
	struct guardian_cover c = guardian_cover(s->guardian);
	taddr from = max_u64(at, c.at), to = min_u64(at + len, c.at + c.len);

	if (from < to)
		memcpy(dst + (from - at), c.bytes + (from - c.at), (size_t)(to - from));
}

static size_t snapshot_copy(const struct mem *m, const struct mem_region *r, taddr at,
			    void *dst, size_t len)
{
	const struct snapshot *s = snapshot_of(m);
	size_t n = live_pread(s->fd, at, dst, len);

	(void)r;
	if (m->mode == MODE_FORK)
		uncover(s, at, dst, n);
	return n;
}

static void snapshot_release(struct mem *m)
{
	struct snapshot *s = snapshot_of(m);

	if (!s->held)
		return;
	s->held = false;
	if (!guardian_end(s->guardian, &s->lost))
		assert(s->lost.kind != ERR_NONE);
	m->pause_ns = guardian_pause_ns(s->guardian);
}

static bool snapshot_account(struct mem *m, struct err *e)
{
	struct snapshot *s = snapshot_of(m);

	if (s->lost.kind == ERR_NONE)
		return true;
	*e = s->lost;
	return false;
}

static void snapshot_close(struct mem *m)
{
	struct snapshot *s = snapshot_of(m);

	autoclose_fd(&s->fd);
	guardian_free(s->guardian);
	free(s->names);
	free(s);
}

static const struct mem_ops snapshot_ops = {
	.copy = snapshot_copy,
	.release = snapshot_release,
	.account = snapshot_account,
	.close = snapshot_close,
};

/* ---- taking it ---- */

static void take_threads(struct snapshot *s)
{
	const struct mem_thread *threads;
	size_t n = guardian_threads(s->guardian, &threads);

	free(s->mem.threads);
	s->mem.threads = xcalloc(n, sizeof(*threads));
	memcpy(s->mem.threads, threads, n * sizeof(*threads));
	s->mem.nthreads = n;
}

static void name_threads(struct mem *m)
{
	for (size_t i = 0; i < m->nthreads; i++)
		live_thread_name(m->threads[i].tid, m->threads[i].name);
}

static bool stop(struct snapshot *s, struct err *e)
{
	if (!guardian_stop(s->guardian, e))
		return false;
	s->held = true;
	autoclose_fd(&s->fd);
	if (!live_open_mem(s->pid, &s->fd, e))
		return false;
	if (!live_read_regions(&s->mem, s->pid, &s->names))
		return fail(e, ERR_PROCESS, "process %d has exited", (int)s->pid);
	take_threads(s);
	return true;
}

/* Stops the target, up to three times, until nobody is inside an allocator. */
static bool stop_quiet(struct snapshot *s, const struct mem_live_options *o,
		       struct err *e)
{
	struct timespec pause = { 0, RETRY_NS };

	for (;;) {
		s->mem.attempts++;
		if (!stop(s, e))
			return false;
		s->mem.quiet = !o->is_quiet || o->is_quiet(&s->mem, o->quiet_context);
		if (s->mem.quiet || s->mem.attempts == ATTEMPTS)
			return true;
		guardian_let_go(s->guardian);
		s->held = false;
		nanosleep(&pause, NULL);
	}
}

static bool read_child(struct snapshot *s, pid_t child, struct err *e)
{
	autoclose_fd(&s->fd);
	s->mem.mode = MODE_FORK;
	return live_open_mem(child, &s->fd, e);
}

static bool fork_or_stay(struct snapshot *s, enum snapshot_mode mode, struct err *e)
{
	struct err why;
	pid_t child;

	s->mem.mode = MODE_FREEZE;
	if (mode == MODE_FREEZE) {
		snprintf(s->mem.note, sizeof(s->mem.note), "freeze, as asked");
		return true;
	}
	if (guardian_fork(s->guardian, &child, &why)) {
		snprintf(s->mem.note, sizeof(s->mem.note), "fork");
		return read_child(s, child, e);
	}
	if (mode == MODE_FORK) {
		*e = why;
		return err_within(e, "process %d cannot be forked", (int)s->pid);
	}
	snprintf(s->mem.note, sizeof(s->mem.note),
		 "freeze, as a fork cannot be had: %.180s", why.text);
	return true;
}

static bool take(struct snapshot *s, const struct mem_live_options *o,
		 const struct mem *running, struct err *e)
{
	struct guardian_plan plan = { .pid = s->pid, .phase = o->phase };
	enum snapshot_mode mode = o->mode;

	if (mode != MODE_FREEZE && !spots_find(running, &plan.spots) && mode == MODE_FORK)
		return fail(e, ERR_PROCESS, "no code to make a system call with");
	if (!guardian_start(&plan, &s->guardian, e))
		return false;
	if (!stop_quiet(s, o, e) || !fork_or_stay(s, mode, e))
		return false;
	s->mem.pause_ns = guardian_pause_ns(s->guardian);
	name_threads(&s->mem);
	return true;
}

bool mem_open_live(pid_t pid, const struct mem_live_options *o, struct mem **out,
		   struct err *e)
{
	struct snapshot *s;
	struct mem *running;
	bool taken;

	if (!mem_open_running(pid, &running, e))
		return false;
	if (o->mode == MODE_NOSTOP) {
		*out = running;
		return true;
	}
	s = xcalloc(1, sizeof(*s));
	s->mem.ops = &snapshot_ops;
	s->pid = pid;
	s->fd = -1;
	taken = take(s, o, running, e);
	mem_close(running);
	if (!taken) {
		mem_close(&s->mem);
		return false;
	}
	*out = &s->mem;
	return true;
}
