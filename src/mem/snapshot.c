/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The consistent view of a live process. What can be found out beforehand is (while the
 * target runs): does it stand by itself, what forbids a fork, where code for an injected
 * call lies. Then
 *
 *	stop -> read maps, ask is_quiet -+-> not quiet: those inside run on, the others stand;
 *	                                 |   after 2 ms let all go, wait 5 ms, stop again
 *	                                 +-> fork: the target runs, its child is read
 *	                                 +-> stay: the target is read, until mem_release
 *
 * A target that stands by itself, frozen or held by another tracer, is read as it stands:
 * no guardian is needed, and none could do anything.
 */
#include "mem/access_int.h"
#include "mem/guardian_int.h"
#include "mem/live_int.h"
#include "mem/proc_int.h"
#include "mem/saved_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	ATTEMPTS = 3,
	RETRY_NS = 5000000,
	NUDGES_NS = 2000000, /* of one attempt: the others stand that long */
	SPARE_THREADS = 256,
};

struct snapshot {
	struct mem mem;
	pid_t pid;
	pid_t via; /* the thread of it whose /proc files tell of its memory */
	int fd;    /* /proc/N/mem of the target, or of its child */
	char *names;
	struct guardian *guardian; /* NULL: the target stands by itself */
	struct saved saved;
	bool held;         /* the target or its child is still there for us */
	uint64_t switches; /* without a guardian: of the target, when it was opened */
	struct err lost;
	struct mem_probe *probe;
};

static struct snapshot *snapshot_of(const struct mem *m)
{
	return (struct snapshot *)(uintptr_t)m;
}

print_like(2, 3) static void note(struct snapshot *s, const char *fmt, ...)
{
	size_t n = strlen(s->mem.note);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->mem.note + n, sizeof(s->mem.note) - n, fmt, ap);
	va_end(ap);
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

static size_t child_copy(const struct snapshot *s, taddr at, uint8_t *dst, size_t len)
{
	size_t n, told;

	if (s->saved.n) {
		told = saved_copy(&s->saved, at, dst, len, &n);
		if (told)
			return n;
	}
	n = read_at(s->fd, dst, len, at);
	uncover(s, at, dst, n);
	return n;
}

/* A page that is missing where the target handles faults itself would make us wait for its
 * handler, which stands: only what is there is read. */
static size_t copy_what_is_there(const struct snapshot *s, taddr at, void *dst,
				 size_t len)
{
	const struct mem *m = &s->mem;
	size_t i = run_after(m->pages, m->npages, at);

	if (i == m->npages || m->pages[i].start > at)
		return 0;
	return read_at(s->fd, dst, (size_t)min_u64(len, run_end(&m->pages[i]) - at), at);
}

static size_t snapshot_copy(const struct mem *m, const struct mem_region *r, taddr at,
			    void *dst, size_t len)
{
	const struct snapshot *s = snapshot_of(m);

	if (m->mode == MODE_FORK)
		return child_copy(s, at, dst, len);
	if (r->flags & REGION_USERFAULT)
		return copy_what_is_there(s, at, dst, len);
	return read_at(s->fd, dst, len, at);
}

/* It stood by itself all the time, if none of its threads ran since. */
static void check_still(struct snapshot *s)
{
	uint64_t switches;
	pid_t tracer;

	if (access_stillness(s->pid, &switches, &tracer) == STILL_NOT ||
	    switches != s->switches) {
		if (fail(&s->lost, ERR_PROCESS,
			 "process %d went on while it was read\ntry again", (int)s->pid))
			return;
	}
}

static void let_go(struct snapshot *s)
{
	s->held = false;
	if (s->probe)
		s->probe->phase = PHASE_AFTER;
	if (!s->guardian)
		check_still(s);
	else if (!guardian_end(s->guardian, &s->lost))
		assert(s->lost.kind != ERR_NONE);
	if (s->guardian)
		s->mem.pause_ns = guardian_pause_ns(s->guardian);
}

static bool snapshot_release(struct mem *m, struct err *e)
{
	struct snapshot *s = snapshot_of(m);

	if (s->held)
		let_go(s);
	if (s->lost.kind != ERR_NONE)
		*e = s->lost;
	return s->lost.kind == ERR_NONE;
}

static bool is_not_anon(const struct mem_region *r)
{
	return !(r->flags & REGION_IO) && !region_is_anon(r);
}

static bool snapshot_account(struct mem *m, struct err *e)
{
	struct snapshot *s = snapshot_of(m);

	if (!live_account(m, s->via, e))
		return access_lost(s->pid, e);
	/* A fork maps few pages of files: theirs are the target's own. */
	if (m->mode == MODE_FORK)
		live_scan_pages(m, s->via, is_not_anon);
	return true;
}

static void snapshot_close(struct mem *m)
{
	struct snapshot *s = snapshot_of(m);

	autoclose_fd(&s->fd);
	guardian_free(s->guardian);
	saved_release(&s->saved);
	free(s->names);
	free(s);
}

static const struct mem_ops snapshot_ops = {
	.copy = snapshot_copy,
	.release = snapshot_release,
	.account = snapshot_account,
	.close = snapshot_close,
};

/* ---- taking it from a running target ---- */

/* What was found out while it ran. */
struct before {
	struct smaps smaps;
	struct fork_verdict fork;
	struct frame_spots spots;
	size_t nthreads;
};

static bool find_out(struct snapshot *s, const struct mem *running, bool may_fork,
		     struct before *b, struct err *e)
{
	*b = (struct before){ .nthreads = running->nthreads };
	if (!smaps_read(s->via, &b->smaps))
		return access_lost(s->pid, e);
	if (!may_fork)
		return true;
	access_fork_verdict(s->pid, &b->smaps, running, &b->fork);
	if (b->fork.is_possible && !spots_find(running, &b->spots)) {
		b->fork.is_possible = false;
		snprintf(b->fork.why, sizeof(b->fork.why),
			 "it has no code to make a system call with");
	}
	if (b->fork.is_possible)
		saved_prepare(&s->saved, &b->smaps);
	return true;
}

static void take_threads(struct snapshot *s)
{
	const struct mem_thread *threads;
	size_t n = guardian_threads(s->guardian, &threads);

	free(s->mem.threads);
	s->mem.threads = xcalloc(n, sizeof(*threads));
	memcpy(s->mem.threads, threads, n * sizeof(*threads));
	s->mem.nthreads = n;
}

static bool read_standing(struct snapshot *s, struct err *e)
{
	autoclose_fd(&s->fd);
	s->fd = -1;
	if (!access_open_mem(s->pid, &s->fd, &s->via, e))
		return false;
	return live_read_regions(&s->mem, s->via, &s->names) || access_lost(s->pid, e);
}

static bool ask_quiet(struct snapshot *s, const struct mem_live_options *o)
{
	return !o->is_quiet || o->is_quiet(&s->mem, o->quiet_context);
}

static bool has_busy_threads(const struct mem *m)
{
	for (size_t i = 0; i < m->nthreads; i++)
		if (m->threads[i].is_busy)
			return true;
	return false;
}

/* Lets those that are inside an allocator come out, one little run after the other, while
 * the others stand. A process whose every thread allocates all the time would hardly ever
 * be found with nobody inside; this way each needs to be met outside just once. */
static bool nudge(struct snapshot *s, const struct mem_live_options *o, struct err *e)
{
	uint64_t end = clock_ns() + NUDGES_NS;

	while (!s->mem.quiet && has_busy_threads(&s->mem) && clock_ns() < end) {
		if (!guardian_nudge(s->guardian, s->mem.threads, e))
			return false;
		take_threads(s);
		s->mem.quiet = ask_quiet(s, o);
	}
	return true;
}

static bool stop_once(struct snapshot *s, const struct mem_live_options *o,
		      const struct smaps *smaps, struct err *e)
{
	if (!guardian_stop(s->guardian, e))
		return false;
	s->held = true;
	if (!read_standing(s, e))
		return false;
	smaps_apply(smaps, &s->mem, UINT64_MAX);
	take_threads(s);
	s->mem.quiet = ask_quiet(s, o);
	if (s->mem.quiet || !has_busy_threads(&s->mem))
		return true;
	if (!nudge(s, o, e))
		return false;
	/* Who ran may have mapped more memory. */
	if (!read_standing(s, e))
		return false;
	smaps_apply(smaps, &s->mem, UINT64_MAX);
	return true;
}

/* Stops the target, up to three times, until nobody is inside an allocator. */
static bool stop_quiet(struct snapshot *s, const struct mem_live_options *o,
		       const struct smaps *smaps, struct err *e)
{
	struct timespec pause = { 0, RETRY_NS };

	for (;;) {
		s->mem.attempts++;
		if (!stop_once(s, o, smaps, e))
			return false;
		if (s->mem.quiet || s->mem.attempts == ATTEMPTS)
			return true;
		guardian_let_go(s->guardian);
		s->held = false;
		nanosleep(&pause, NULL);
	}
}

static bool is_child_anon(const struct mem_region *r)
{
	return region_is_anon(r) &&
	       !(r->flags & (REGION_IO | REGION_DONTFORK | REGION_WIPEONFORK));
}

/* Pages of private mappings of files, too: those that were written are the process's own. */
static bool is_child_private(const struct mem_region *r)
{
	return is_child_anon(r) || (!region_is_anon(r) && !(r->flags & REGION_IO) &&
				    !(r->prot & PROT_SHARED));
}

static bool read_child(struct snapshot *s, pid_t child, bool for_core, struct err *e)
{
	autoclose_fd(&s->fd);
	s->mem.reader = child;
	s->mem.mode = MODE_FORK;
	s->fd = proc_open(child, "mem", 0);
	if (s->fd < 0)
		return guardian_end(s->guardian, e) &&
		       fail(e, ERR_PROCESS,
			    "the copy of process %d was killed before it was read",
			    (int)s->pid);
	live_scan_pages(&s->mem, child, for_core ? is_child_private : is_child_anon);
	if (s->saved.left_out)
		note(s, "%llu bytes marked MADV_DONTFORK were too many to copy",
		     (unsigned long long)s->saved.left_out);
	return true;
}

static bool fork_or_stay(struct snapshot *s, const struct before *b,
			 const struct mem_live_options *o, struct err *e)
{
	struct err why;
	pid_t child;

	s->mem.mode = MODE_FREEZE;
	if (o->for_core && !guardian_keep(s->guardian, e))
		return false;
	if (o->mode != MODE_FREEZE && b->fork.is_possible) {
		saved_take(&s->saved, &s->mem, s->via, s->fd);
		if (guardian_fork(s->guardian, &child, &why))
			return read_child(s, child, o->for_core, e);
		if (o->mode == MODE_FORK) {
			*e = why;
			return err_within(e, "process %d cannot be forked", (int)s->pid);
		}
		note(s, "freeze, as it cannot be forked: %.*s",
		     (int)strcspn(why.text, "\n"), why.text);
	} else if (o->mode != MODE_FREEZE) {
		note(s, "freeze, as it cannot be forked: %s", b->fork.why);
	}
	if (s->probe)
		s->probe->phase = PHASE_READING;
	live_scan_pages(&s->mem, s->via, live_every_region);
	return true;
}

static bool take_running(struct snapshot *s, const struct mem_live_options *o,
			 const struct before *b, struct err *e)
{
	struct guardian_plan plan = {
		.pid = s->pid,
		.via = s->via,
		.spots = b->spots,
		.max_child_s = o->max_child_s,
		.probe = o->probe,
		/* More may be born until it stands. */
		.register_room = o->for_core ? 2 * b->nthreads + SPARE_THREADS : 0,
	};

	if (o->mode == MODE_FORK && !b->fork.is_possible)
		return fail(e, ERR_PROCESS, "process %d cannot be forked: %s\n%s%s",
			    (int)s->pid, b->fork.why, b->fork.cure,
			    *b->fork.cure ? ", or use --mode=freeze"
					  : "use --mode=freeze");
	if (!guardian_start(&plan, &s->guardian, e) || !stop_quiet(s, o, &b->smaps, e) ||
	    !fork_or_stay(s, b, o, e))
		return false;
	s->mem.pause_ns = guardian_pause_ns(s->guardian);
	for (size_t i = 0; i < s->mem.nthreads; i++)
		live_thread_name(s->mem.threads[i].tid, s->mem.threads[i].name);
	return true;
}

/* ---- taking it from one that stands by itself ---- */

/* "running", or "NR ARGS... SP PC" of a thread that does not run. */
static void ask_place(struct mem_thread *t)
{
	struct buf text = { 0 };
	const char *sp;

	if (proc_read(t->tid, "syscall", &text) && (sp = strrchr(text.s, ' '))) {
		t->pc = strtoull(sp, NULL, 16);
		while (sp > text.s && sp[-1] != ' ')
			sp--;
		t->sp = strtoull(sp, NULL, 16);
	}
	buf_release(&text);
}

static bool learn_flags(struct mem *m)
{
	struct smaps smaps;
	bool known = smaps_read(m->reader, &smaps);

	if (known)
		smaps_apply(&smaps, m, UINT64_MAX);
	smaps_release(&smaps);
	return known;
}

static bool take_still(struct snapshot *s, const struct mem_live_options *o,
		       const char *why, struct err *e)
{
	if (o->mode == MODE_FORK)
		return fail(e, ERR_PROCESS,
			    "process %d cannot be forked: it is %s\nuse --mode=freeze",
			    (int)s->pid, why);
	if (!read_standing(s, e) || !live_read_threads(&s->mem, s->pid) ||
	    !learn_flags(&s->mem))
		return access_lost(s->pid, e);
	s->held = true;
	s->mem.mode = MODE_FREEZE;
	s->mem.attempts = 1;
	for (size_t i = 0; i < s->mem.nthreads; i++)
		ask_place(&s->mem.threads[i]);
	live_scan_pages(&s->mem, s->via, live_every_region);
	s->mem.quiet = !o->is_quiet || o->is_quiet(&s->mem, o->quiet_context);
	note(s, "read as it stands: it is %s", why);
	return true;
}

static void tracer_words(pid_t tracer, char *out, size_t cap)
{
	char name[16];

	live_thread_name(tracer, name);
	snprintf(out, cap, "traced by process %d (%s)", (int)tracer, name);
}

static bool take(struct snapshot *s, const struct mem_live_options *o,
		 const struct mem *running, struct err *e)
{
	struct before before;
	char words[64];
	pid_t tracer;
	bool taken;

	switch (access_stillness(s->pid, &s->switches, &tracer)) {
	case STILL_FROZEN:
		return take_still(s, o, "frozen by its cgroup", e);
	case STILL_TRACED:
		tracer_words(tracer, words, sizeof(words));
		return take_still(s, o, words, e);
	case TRACED_RUNNING:
		tracer_words(tracer, words, sizeof(words));
		return fail(e, ERR_PROCESS,
			    "process %d is %s, so nobody else can stop it\n"
			    "end that tracer (gdb: detach), or use --mode=nostop",
			    (int)s->pid, words);
	case STILL_NOT:
		break;
	}
	taken = find_out(s, running, o->mode != MODE_FREEZE, &before, e) &&
		take_running(s, o, &before, e);
	smaps_release(&before.smaps);
	return taken;
}

const struct thread_registers *live_registers(const struct mem *m, size_t i)
{
	const struct snapshot *s = snapshot_of(m);

	if (m->ops != &snapshot_ops || !s->guardian)
		return NULL;
	return guardian_registers(s->guardian, i);
}

static bool open_nostop(pid_t pid, struct mem *running, const struct mem_live_options *o,
			struct err *e)
{
	if (o->for_core && !learn_flags(running)) {
		mem_close(running);
		return access_lost(pid, e);
	}
	mem_learn_pages(running);
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
		return open_nostop(pid, running, o, e);
	}
	s = xcalloc(1, sizeof(*s));
	s->mem.ops = &snapshot_ops;
	s->pid = pid;
	s->via = live_via(running);
	s->mem.reader = s->via;
	s->fd = -1;
	s->probe = o->probe;
	if (pid == getpid())
		taken = fail(e, ERR_PROCESS, "process %d is heapsift itself", (int)pid);
	else
		taken = take(s, o, running, e);
	mem_close(running);
	if (!taken) {
		mem_close(&s->mem);
		return false;
	}
	*out = &s->mem;
	return true;
}
