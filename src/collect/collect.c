/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a live collection:
 *
 *   running    modules, where the allocator's state lies (nothing is stopped)
 *   snapshot   the consistent view is taken; in freeze mode the target stands from here
 *   scan       arenas and lists, then every block once, then the vtables they name
 *   released   the child is ended or the target let go; residency, names, tables, edges
 */
#include "collect/collect_int.h"
#include "snap/snap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct collection {
	pid_t pid;
	const struct collect_options *options;
	struct model *model;
	struct module_set modules;
	struct heap_places *places;
	struct mem *mem;
	struct heap *heap;
	struct cxx_vtables *vtables;
};

/* Nothing but bytes: the heap is of no interest then. */
static bool wants_bytes(const struct collection *c)
{
	return c->options->bytes.len > 0;
}

static void describe_process(struct collection *c)
{
	struct model_processes *p = &c->model->processes;
	size_t row = model_processes_add(c->model);
	char link[64], exe[4096];
	ssize_t n;

	p->pid[row] = (uint32_t)c->pid;
	p->kind[row] = TARGET_LIVE;
	p->time[row] = (uint64_t)time(NULL);
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)c->pid);
	n = readlink(link, exe, sizeof(exe));
	if (n > 0)
		p->exe[row] = model_intern(c->model, (struct str){ exe, (size_t)n });
}

/* What the heap says of itself while it changes: for evidence. A list caught between two
 * words is no finding then. */
static void look_at_heap(struct collection *c, const struct mem *running)
{
	size_t findings = c->model->findings.n;
	struct err ignored;

	build_threads(running, c->model);
	if (!heap_open(running, c->places, c->model, &c->heap, &ignored))
		c->heap = NULL;
	c->model->findings.n = findings;
}

/* What can be learnt before anything is stopped. */
static bool look_at_running(struct collection *c, struct err *e)
{
	struct mem *running;
	char root[64];

	if (!mem_open_running(c->pid, &running, e))
		return false;
	snprintf(root, sizeof(root), "/proc/%d/root", (int)c->pid);
	module_set_build(running, root, &c->modules);
	c->places = heap_locate(running, &c->modules, c->model);
	if (c->places)
		c->model->processes.allocator[0] =
			model_intern(c->model, str_of(heap_places_name(c->places)));
	if (c->places && c->options->evidence_only) {
		mem_learn_pages(running);
		look_at_heap(c, running);
	}
	heap_free(c->heap);
	c->heap = NULL;
	mem_close(running);
	return true;
}

static bool take_snapshot(struct collection *c, struct err *e)
{
	struct mem_live_options o = { .mode = c->options->mode,
				      .max_child_s = c->options->max_child_s };

	if (c->places) {
		o.is_quiet = heap_is_quiet;
		o.quiet_context = c->places;
	}
	return mem_open_live(c->pid, &o, &c->mem, e);
}

static bool scan_heap(struct collection *c, struct scan *s, struct err *e)
{
	build_threads(c->mem, c->model);
	if (!c->places)
		return true;
	if (!heap_open(c->mem, c->places, c->model, &c->heap, e))
		return false;
	c->vtables = cxx_vtables_new(c->mem, &c->modules);
	s->heap = c->heap;
	s->mem = c->mem;
	s->vptrs = cxx_filter_of(c->vtables);
	scan_blocks(s);
	scan_read_vtables(s, c->vtables);
	heap_check(c->heap, c->model);
	return true;
}

static void note_snapshot(struct collection *c)
{
	struct model *m = c->model;

	m->processes.mode[0] = (uint8_t)c->mem->mode;
	m->processes.pause_ns[0] = c->mem->pause_ns;
	m->processes.rss[0] = c->mem->rss;
	m->processes.quiet[0] = c->mem->quiet;
	m->processes.attempts[0] = (uint8_t)c->mem->attempts;
	if (c->mem->note[0])
		model_find_out(m, SEVERITY_NOTE, "snapshot", "%s", c->mem->note);
	if (c->mem->mode == MODE_NOSTOP)
		model_find_out(m, SEVERITY_WARNING, "snapshot",
			       "read while the target ran: what is shown may be torn");
	else if (!c->mem->quiet)
		model_find_out(m, SEVERITY_NOTE, "snapshot",
			       "a thread was inside malloc at each of %u tries: its last "
			       "call may be half done",
			       c->mem->attempts);
}

static bool collect_snapshot(struct collection *c, struct err *e)
{
	struct scan s = { .previews = c->options->previews,
			  .edges = c->options->edges,
			  .progress = c->options->progress };
	struct err lost;
	bool ok;

	if (!take_snapshot(c, e))
		return false;
	ok = scan_heap(c, &s, e);
	if (wants_bytes(c))
		copy_bytes(c->mem, c->options->bytes, c->model);
	mem_release(c->mem);
	/* That the target was lost explains best why its heap could not be read. */
	if (!wants_bytes(c) && !mem_account(c->mem, &lost)) {
		*e = lost;
		ok = false;
	}
	if (ok) {
		scan_name_types(&s, c->vtables, c->model);
		scan_build_blocks(&s, c->model);
		if (s.edges)
			scan_build_edges(&s, c->model);
		build_layout(c->mem, &c->modules, c->model);
		note_snapshot(c);
	}
	scan_release(&s);
	return ok;
}

/* A process that may not be read is an answer when just that was asked. */
static bool collect_evidence(struct collection *c, struct err *e)
{
	if (kill(c->pid, 0) < 0 && errno == ESRCH)
		return fail(e, ERR_PROCESS, "there is no process %d", (int)c->pid);
	return !mem_check(c->pid, c->model) || look_at_running(c, e);
}

static bool collect_live(pid_t pid, const struct collect_options *o, struct model **out,
			 struct err *e)
{
	struct collection c = { .pid = pid, .options = o, .model = model_new() };
	bool ok;

	describe_process(&c);
	ok = o->evidence_only ? collect_evidence(&c, e)
			      : (wants_bytes(&c) || look_at_running(&c, e)) &&
					collect_snapshot(&c, e);
	cxx_vtables_free(c.vtables);
	heap_free(c.heap);
	if (c.mem)
		mem_close(c.mem);
	heap_places_free(c.places);
	module_set_release(&c.modules);
	if (ok)
		*out = c.model;
	else
		model_free(c.model);
	return ok;
}

static bool collect_snapshot_file(const char *path, struct model **out, struct err *e)
{
	if (!snap_read(path, out, e))
		return false;
	if ((*out)->processes.n > 0)
		(*out)->processes.kind[0] = TARGET_SNAPSHOT;
	return true;
}

static bool collect_file(const char *path, struct model **out, struct err *e)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char head[64];
	ssize_t n;

	if (fd < 0)
		return fail(e, ERR_FILE, "cannot open '%s': %s", path, strerror(errno));
	n = pread(fd, head, sizeof(head), 0);
	if (n < 0)
		return fail(e, ERR_FILE, "cannot read '%s': %s", path, strerror(errno));
	if (snap_is_snapshot(head, (size_t)n))
		return collect_snapshot_file(path, out, e);
	if (n >= 4 && memcmp(head, "\177ELF", 4) == 0)
		return fail(e, ERR_FILE,
			    "'%s' is an ELF file: core files cannot be read yet\n"
			    "give the PID of a live process, or a snapshot made with "
			    "'heapsift dump'",
			    path);
	return fail(e, ERR_FILE, "'%s' is not a heapsift snapshot", path);
}

static bool is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == 0;
}

bool collect_target(const char *target, const struct collect_options *o,
		    struct model **out, struct err *e)
{
	uint64_t pid;

	if (!is_number(target))
		return collect_file(target, out, e);
	if (!str_to_u64(str_of(target), 10, &pid) || pid == 0 || pid > INT32_MAX)
		return fail(
			e, ERR_USAGE,
			"'%s' is no process number; for a file of that name give './%s'",
			target, target);
	return collect_live((pid_t)pid, o, out, e);
}
