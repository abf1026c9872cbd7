/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a collection, of a live process:
 *
 *   running    modules, where allocator and interpreter keep their state (nothing is stopped)
 *   snapshot   the consistent view is taken; in freeze mode the target stands from here
 *   scan       arenas and lists, then every block once, then the vtables they name; an
 *              interpreter's objects; the words of stacks, registers and data
 *   released   the child is ended or the target let go; residency, names, tables, edges
 *
 * A core is found out about and scanned in the same steps, through one mem.
 */
#include "collect/collect_int.h"
#include "collect/memory_int.h"
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
	struct python_places *python_places;
	bool heap_quiet, python_quiet; /* at the last stop */
	bool for_core;                 /* its bytes are copied, and not looked into */
	struct mem *mem;
	struct heap *heap;
	struct cxx_vtables *vtables;
	struct python *python;
	struct object_walk
		*objects; /* NULL: there is no interpreter, or none we can read */
	struct root_scan *roots;
	struct area_list areas;
	struct need need;
};

/* The heap is of no interest then. */
static bool wants_bytes_only(const struct collection *c)
{
	return c->options->bytes_only;
}

static void describe_process(struct collection *c)
{
	struct model_processes *p = &c->model->processes;
	size_t row = model_processes_add(c->model);
	struct timespec now;
	char link[64], exe[4096];
	ssize_t n;

	p->pid[row] = (uint32_t)c->pid;
	p->kind[row] = TARGET_LIVE;
	clock_gettime(CLOCK_REALTIME, &now);
	p->time[row] = (uint64_t)now.tv_sec;
	p->time_ns[row] = (uint32_t)now.tv_nsec;
	p->started[row] = mem_started(c->pid);
	p->memory_limit[row] = mem_limit(c->pid);
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

/* Where allocator and interpreter keep their state. */
static void locate(struct collection *c, struct mem *mem)
{
	c->places = heap_locate(mem, &c->modules, c->model);
	if (c->places)
		c->model->processes.allocator[0] =
			model_intern(c->model, str_of(heap_places_name(c->places)));
	c->python_places = python_locate(mem, &c->modules, c->model);
	if (c->places && c->options->evidence_only) {
		mem_learn_pages(mem);
		look_at_heap(c, mem);
	}
	heap_free(c->heap);
	c->heap = NULL;
}

/* What can be learnt before anything is stopped. */
static bool look_at_running(struct collection *c, struct err *e)
{
	struct mem *running;
	char root[64];

	if (!mem_open_running(c->pid, &running, e))
		return false;
	snprintf(root, sizeof(root), "/proc/%d/root", (int)c->pid);
	module_set_build(running, &(struct module_files){ .root = root }, &c->modules);
	locate(c, running);
	mem_close(running);
	return true;
}

/* A mem_quiet_fn: the allocator marks who is inside it anew, the interpreter adds to them. */
static bool is_quiet(const struct mem *stopped, void *context)
{
	struct collection *c = context;

	for (size_t i = 0; i < stopped->nthreads; i++)
		stopped->threads[i].is_busy = false;
	c->heap_quiet = !c->places || heap_is_quiet(stopped, c->places);
	c->python_quiet = !c->python_places || python_is_quiet(stopped, c->python_places);
	return c->heap_quiet && c->python_quiet;
}

static bool take_snapshot(struct collection *c, struct err *e)
{
	struct mem_live_options o = { .mode = c->options->mode,
				      .max_child_s = c->options->max_child_s,
				      .for_core = c->for_core };

	if (c->places || c->python_places) {
		o.is_quiet = is_quiet;
		o.quiet_context = c;
	}
	return mem_open_live(c->pid, &o, &c->mem, e);
}

/* An interpreter that cannot be read is a finding: blocks are told all the same. */
static void open_python(struct collection *c)
{
	struct err why;

	if (!c->python_places)
		return;
	if (python_open(c->mem, c->python_places, c->model, &c->python, &why))
		c->objects = object_walk_new(c->python, c->options);
	else
		model_find_out(c->model, SEVERITY_WARNING, "python",
			       "its objects cannot be read: %s", why.text);
}

static void scan_heap(struct collection *c, struct scan *s)
{
	c->vtables = cxx_vtables_new(c->mem, &c->modules);
	s->vptrs = cxx_filter_of(c->vtables);
	scan_blocks(s);
	scan_read_vtables(s, c->vtables);
	heap_check(c->heap, c->model);
}

/* All that is read of the target's bytes. */
static bool scan_target(struct collection *c, struct scan *s, struct err *e)
{
	build_threads(c->mem, c->model);
	if (c->places && !heap_open(c->mem, c->places, c->model, &c->heap, e))
		return false;
	open_python(c);
	s->heap = c->heap;
	s->python = c->python;
	s->mem = c->mem;
	scan_find_bounds(s);
	if (c->heap)
		scan_heap(c, s);
	if (c->objects)
		objects_read(c->objects, &c->need);
	if (s->edges)
		c->roots = root_scan_read(s, &c->modules, c->objects);
	areas_read(s, &c->modules, &c->areas);
	return true;
}

static void tell_nameless_types(const struct collection *c)
{
	uint32_t n = c->python ? python_nameless_types(c->python) : 0;

	if (n > 0)
		model_find_out(
			c->model, SEVERITY_NOTE, "python",
			"%u types are told by their address: their names were left "
			"out of the core, and the files that have them were not "
			"found",
			n);
}

static void build_waste(const struct collection *c, struct scan *s)
{
	struct waste_list contents = { 0 }, slack = { 0 };

	if (c->objects)
		objects_list_waste(c->objects, &contents, &slack);
	scan_list_texts(s, c->model, &contents);
	build_duplicates(&contents, c->model);
	build_slack(&slack, c->model);
	c->model->processes.has_waste[0] = true;
}

/* All that is computed of it. */
static bool build_model(struct collection *c, struct scan *s, struct err *e)
{
	scan_name_types(s, c->vtables, c->model);
	scan_build_blocks(s, c->model);
	if (c->objects && !objects_build(c->objects, c->model, e))
		return false;
	tell_nameless_types(c);
	own_build(s, c->model);
	if (s->waste)
		build_waste(c, s);
	if (s->edges)
		edges_build(s, c->objects, c->roots, &c->modules, c->model);
	build_layout(c->mem, &c->modules, c->model);
	areas_build(&c->areas, c->model);
	return true;
}

static const char *what_is_not_quiet(const struct collection *c)
{
	if (c->python_quiet)
		return "a thread was inside malloc";
	return c->heap_quiet ? "the interpreter was in the middle of a change"
			     : "a thread was inside malloc, and the interpreter in the "
			       "middle of a change,";
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
	else if (!c->mem->quiet && m->processes.kind[0] == TARGET_CORE)
		model_find_out(m, SEVERITY_NOTE, "core",
			       "%s when it was made: what was done last may be half done",
			       what_is_not_quiet(c));
	else if (!c->mem->quiet)
		model_find_out(m, SEVERITY_NOTE, "snapshot",
			       "%s at each of %u tries: what it did last may be half "
			       "done",
			       what_is_not_quiet(c), c->mem->attempts);
}

/* The target runs again and may want all cores: it goes first. Threads to come inherit
 * this; where we may not be nicer, we are not. */
static void let_target_go_first(const struct mem *m)
{
	if (m->mode == MODE_FORK)
		(void)!nice(10);
}

static int by_tid(const void *a, const void *b)
{
	const struct mem_thread *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

/* /proc has them by age, a core has the one that died first: rows are in one order. */
static void sort_threads(struct mem *m)
{
	if (m->nthreads > 1)
		qsort(m->threads, m->nthreads, sizeof(*m->threads), by_tid);
}

/* From a view of the target to its model. */
static bool collect_view(struct collection *c, struct err *e)
{
	struct scan s = { .previews = c->options->previews,
			  .edges = c->options->edges && !wants_bytes_only(c),
			  .waste = c->options->waste,
			  .progress = c->options->progress,
			  .need = &c->need };
	struct err lost;
	bool ok;

	c->need.edges = s.edges;
	c->need.previews = s.previews;
	sort_threads(c->mem);
	ok = scan_target(c, &s, e);

	if (c->options->bytes.len > 0)
		copy_bytes(c->mem, c->options->bytes, c->model);
	if (ok && c->options->memory)
		ok = memory_keep(&s, &c->modules, c->options->memory, c->model, e);
	mem_release(c->mem);
	c->mem->wants_slack = c->options->huge_slack;
	/* That the target was lost explains best why its heap could not be read. */
	if (!wants_bytes_only(c) && !mem_account(c->mem, &lost)) {
		*e = lost;
		ok = false;
	}
	ok = ok && build_model(c, &s, e);
	if (ok)
		note_snapshot(c);
	scan_release(&s);
	return ok;
}

static bool collect_snapshot(struct collection *c, struct err *e)
{
	if (!take_snapshot(c, e))
		return false;
	let_target_go_first(c->mem);
	return collect_view(c, e);
}

/* A process that may not be read is an answer when just that was asked. */
static bool collect_evidence(struct collection *c, struct err *e)
{
	if (kill(c->pid, 0) < 0 && errno == ESRCH)
		return fail(e, ERR_PROCESS, "there is no process %d", (int)c->pid);
	return !mem_check(c->pid, c->model) || look_at_running(c, e);
}

static void collection_release(struct collection *c)
{
	root_scan_free(c->roots);
	areas_release(&c->areas);
	object_walk_free(c->objects);
	python_free(c->python);
	cxx_vtables_free(c->vtables);
	heap_free(c->heap);
	if (c->mem)
		mem_close(c->mem);
	python_places_free(c->python_places);
	heap_places_free(c->places);
	module_set_release(&c->modules);
}

static bool collect_live(pid_t pid, const struct collect_options *o, struct model **out,
			 struct err *e)
{
	struct collection c = { .pid = pid, .options = o, .model = model_new() };
	bool ok;

	describe_process(&c);
	ok = o->evidence_only ? collect_evidence(&c, e)
			      : (wants_bytes_only(&c) || look_at_running(&c, e)) &&
					collect_snapshot(&c, e);
	collection_release(&c);
	if (ok)
		*out = c.model;
	else
		model_free(c.model);
	return ok;
}

/* ---- cores ---- */

static void describe_core(struct collection *c)
{
	const struct core_process *core = core_process(c->mem);
	struct model_processes *p = &c->model->processes;
	size_t row = model_processes_add(c->model);

	p->pid[row] = (uint32_t)core->pid;
	p->kind[row] = TARGET_CORE;
	p->time[row] = core->time;
	p->signal[row] = core->signal;
	p->no_residency[row] = true;
	p->exe[row] =
		model_intern(c->model, str_of(core->exe[0] ? core->exe : core->name));
}

static bool mem_bytes_read(void *context, taddr at, void *dst, size_t len)
{
	return mem_read(context, at, dst, len);
}

static void mem_bytes_close(void *context)
{
	mem_close(context);
}

/* A core's bytes can be had at any time: the model takes c's mem. */
static void keep_bytes_open(struct collection *c)
{
	struct bytes_source *b = &c->model->bytes;

	if (b->close)
		b->close(b->context);
	*b = (struct bytes_source){ .read = mem_bytes_read,
				    .close = mem_bytes_close,
				    .context = c->mem };
	c->mem = NULL;
}

static void look_at_core(struct collection *c)
{
	const struct collect_options *o = c->options;
	const struct module_files where = { .root = o->sysroot ? o->sysroot : "",
					    .exe = o->exe,
					    .debug_dir = o->debug_dir,
					    .entry = core_process(c->mem)->entry,
					    .by_build_id = true };

	core_name_files(c->mem);
	if (o->evidence_only)
		core_check(c->mem, c->model);
	core_find(c->mem, c->model);
	module_set_build(c->mem, &where, &c->modules);
	module_set_back(&c->modules, c->mem);
	say_modules(&c->modules, o->evidence_only, where.entry, c->model);
	if (!wants_bytes_only(c))
		locate(c, c->mem);
}

/* Takes fd over. */
static bool collect_core_file(int fd, const char *name, const struct collect_options *o,
			      struct model **out, struct err *e)
{
	struct collection c = { .options = o, .model = model_new() };
	bool ok = mem_open_core(fd, name, &c.mem, e);

	if (!ok) {
		autoclose_fd(&fd);
	} else {
		describe_core(&c);
		look_at_core(&c);
		c.mem->quiet = is_quiet(c.mem, &c);
		if (!wants_bytes_only(&c) && !o->evidence_only)
			ok = collect_view(&c, e);
		keep_bytes_open(&c);
	}
	collection_release(&c);
	if (ok)
		*out = c.model;
	else
		model_free(c.model);
	return ok;
}

/* ---- files ---- */

/* Takes fd over. */
static bool collect_snapshot_file(int fd, const char *path,
				  const struct collect_options *o, struct model **out,
				  struct err *e)
{
	struct model *m;

	if (!snap_read_fd(fd, path, &m, e))
		return false;
	if (m->processes.n > 0)
		m->processes.kind[0] = TARGET_SNAPSHOT;
	if (o->memory && !memory_keep_again(o->memory, m, e)) {
		model_free(m);
		return false;
	}
	*out = m;
	return true;
}

static bool is_core_or_snapshot(const void *first_bytes, size_t n)
{
	return snap_is_snapshot(first_bytes, n) || core_is_core(first_bytes, n);
}

static bool not_a_target(const char *path, const void *head, size_t n, struct err *e)
{
	if (n == 0)
		return fail(e, ERR_FILE,
			    "'%s' is empty\nif a core was to be written there: see that "
			    "there is room on the disk, and ulimit -c",
			    path);
	if (core_is_program(head, n))
		return fail(e, ERR_FILE,
			    "'%s' is a program or a library, not a core of one\n"
			    "give the PID of a process that runs it, or a core file",
			    path);
	return fail(e, ERR_FILE, "'%s' is neither a core file nor a heapsift snapshot",
		    path);
}

/* Takes fd over. */
static bool collect_open_file(int fd, const char *name, const struct collect_options *o,
			      struct model **out, struct err *e)
{
	unsigned char head[64];
	ssize_t n = pread(fd, head, sizeof(head), 0);
	bool ok;

	if (n >= 0 && snap_is_snapshot(head, (size_t)n))
		return collect_snapshot_file(fd, name, o, out, e);
	if (n >= 0 && core_is_core(head, (size_t)n))
		return collect_core_file(fd, name, o, out, e);
	ok = n < 0 ? fail(e, ERR_FILE, "cannot read '%s': %s", name, strerror(errno))
		   : not_a_target(name, head, (size_t)n, e);
	autoclose_fd(&fd);
	return ok;
}

static bool collect_file(const char *path, const struct collect_options *o,
			 struct model **out, struct err *e)
{
	struct mem_file file = { .is_wanted = is_core_or_snapshot,
				 .progress = o->progress };
	const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
	bool ok;

	if (!mem_open_file(path, &file, e))
		return false;
	ok = collect_open_file(file.fd, name, o, out, e);
	if (ok && file.note.n)
		model_find_out(*out, SEVERITY_WARNING, "file", "%s", file.note.s);
	else if (file.note.n)
		ok = err_within(e, "%s", file.note.s);
	buf_release(&file.note);
	return ok;
}

static bool is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == 0;
}

static bool read_pid(const char *target, uint64_t *pid, struct err *e)
{
	if (str_to_u64(str_of(target), 10, pid) && *pid > 0 && *pid <= INT32_MAX)
		return true;
	return fail(e, ERR_USAGE,
		    "'%s' is no process number; for a file of that name give './%s'",
		    target, target);
}

bool collect_target(const char *target, const struct collect_options *o,
		    struct model **out, struct err *e)
{
	uint64_t pid;

	if (!is_number(target))
		return collect_file(target, o, out, e);
	return read_pid(target, &pid, e) && collect_live((pid_t)pid, o, out, e);
}

/* ---- a core of a process ---- */

/* What whoever asked for it is told of it. */
static void describe_written(struct collection *c, const struct core_writing *w)
{
	build_threads(c->mem, c->model);
	for (size_t i = 0; i < c->mem->nregions; i++) {
		size_t row = model_regions_add(c->model);

		c->model->regions.start[row] = c->mem->regions[i].start;
		c->model->regions.end[row] = c->mem->regions[i].end;
	}
	note_snapshot(c);
	if (w->left_out)
		model_find_out(c->model, SEVERITY_NOTE, "core",
			       "%llu KiB are left out, as the process wants them in no "
			       "core (MADV_DONTDUMP)",
			       (unsigned long long)w->left_out / 1024);
}

static bool write_core(struct collection *c, const struct new_file_options *to,
		       struct err *e)
{
	struct core_writing w = { .progress = c->options->progress };

	if (!look_at_running(c, e) || !take_snapshot(c, e))
		return false;
	let_target_go_first(c->mem);
	if (!mem_write_core(c->mem, c->pid, to, &w, e))
		return false;
	describe_written(c, &w);
	return true;
}

bool collect_write_core(const char *target, const struct collect_options *o,
			const struct new_file_options *to, struct model **out,
			struct err *e)
{
	struct collection c = { .options = o, .for_core = true };
	uint64_t pid;
	bool ok;

	if (!is_number(target))
		return fail(
			e, ERR_USAGE,
			"'%s' is no process number\n"
			"a core is made of a process that runs; 'heapsift FILE' reads "
			"one that is there",
			target);
	if (!read_pid(target, &pid, e))
		return false;
	c.pid = (pid_t)pid;
	c.model = model_new();
	describe_process(&c);
	ok = write_core(&c, to, e);
	collection_release(&c);
	if (ok)
		*out = c.model;
	else
		model_free(c.model);
	return ok;
}
