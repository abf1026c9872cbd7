/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What locate found in the running process is checked once more in the snapshot, and then
 * taken: interpreters, their threads, the allocator's arenas, the texts' dict. A thread of
 * Python's is one of the kernel's by its thread register (pthread_self is fs_base on
 * x86_64); its native_thread_id is a number in the target's own pid namespace.
 */
#include "lang/cpython/cpy_runtime_int.h"

#include <stdlib.h>

enum { TRIES_RUNNING = 100 };

struct opening {
	struct python *py;
	size_t interps_cap, threads_cap;
};

/* ---- interpreters and threads ---- */

static uint32_t tid_of(const struct python *py, taddr thread)
{
	uint64_t self = cpy_peek(py->mem, thread + py->layout->thread.thread_id);
	uint64_t tid = cpy_peek(py->mem, thread + py->layout->thread.native_thread_id);
	const struct mem *m = py->mem;

	for (size_t i = 0; i < m->nthreads; i++)
		if (self && m->threads[i].tls == self)
			return (uint32_t)m->threads[i].tid;
	for (size_t i = 0; i < m->nthreads; i++)
		if (m->threads[i].tls == 0 && (uint64_t)m->threads[i].tid == tid)
			return (uint32_t)tid;
	return 0;
}

static bool take_thread(void *context, taddr at)
{
	struct opening *o = context;
	struct python *py = o->py;

	if (py->nthreads == o->threads_cap) {
		o->threads_cap = o->threads_cap ? 2 * o->threads_cap : 16;
		py->threads = xrealloc(py->threads, o->threads_cap, sizeof(*py->threads));
	}
	py->threads[py->nthreads++] = (struct cpy_thread){
		.at = at,
		.interp = (uint32_t)(py->ninterps - 1),
		.tid = tid_of(py, at),
	};
	return py->nthreads < CPY_THREADS_MAX;
}

/* Interpreters with an allocator of their own have texts of their own. */
static taddr own_interned(const struct python *py, taddr interp)
{
	taddr dict;

	if (py->layout->interp.interned == CPY_ABSENT)
		return 0;
	dict = cpy_peek(py->mem, interp + py->layout->interp.interned);
	return cpy_interned_holds(py->mem, py->layout, dict) ? dict : 0;
}

static bool take_interp(void *context, taddr at)
{
	struct opening *o = context;
	struct python *py = o->py;

	if (py->ninterps == o->interps_cap) {
		o->interps_cap = o->interps_cap ? 2 * o->interps_cap : 4;
		py->interps = xrealloc(py->interps, o->interps_cap, sizeof(*py->interps));
	}
	py->interps[py->ninterps++] = (struct cpy_interp){
		.at = at,
		.id = (int64_t)cpy_peek(py->mem, at + py->layout->interp.id),
		.interned = own_interned(py, at),
	};
	(void)cpy_each_thread(py->mem, py->layout, at, take_thread, o);
	return true;
}

/* ---- texts ---- */

static taddr find_interned(const struct python *py)
{
	const struct python_places *p = py->places;
	taddr dict = 0;

	if (py->layout->interp.interned != CPY_ABSENT && py->ninterps > 0)
		dict = cpy_peek(
			py->mem,
			cpy_peek(py->mem,
				 p->runtime + py->layout->runtime.interpreters_main) +
				py->layout->interp.interned);
	else if (p->interned)
		dict = cpy_peek(py->mem, p->interned);
	return cpy_interned_holds(py->mem, py->layout, dict) ? dict : 0;
}

/* ---- findings ---- */

static void tell(const struct python *py, const struct cpy_checked *c, struct model *m)
{
	const struct cpy_layout *l = py->layout;

	for (size_t i = 0; i < py->ninterps; i++)
		if (cpy_peek_u32(py->mem,
				 py->interps[i].at + l->interp.gc + l->gc.collecting))
			model_find_out(m, SEVERITY_NOTE, "python",
				       "a garbage collection was running in interpreter "
				       "%lld: its lists are not whole",
				       (long long)py->interps[i].id);
	if (c->is_finalizing)
		model_find_out(m, SEVERITY_NOTE, "python",
			       "the interpreter is ending: modules are half gone");
}

/* ---- the door ---- */

/* In nostop mode the target runs on: what does not close now does a moment later. */
static bool check(const struct mem *m, const struct python_places *p,
		  struct cpy_checked *checked, struct err *e)
{
	unsigned tries = m->mode == MODE_NOSTOP ? TRIES_RUNNING : 1;

	while (tries-- > 0)
		if (cpy_check_runtime(m, p->layout, p->runtime, checked, e))
			return true;
	return false;
}

bool python_open(const struct mem *m, const struct python_places *p, struct model *model,
		 struct python **out, struct err *e)
{
	struct python *py;
	struct opening o = { 0 };
	struct cpy_checked checked;

	if (!check(m, p, &checked, e))
		return err_within(e, "the runtime of %s at 0x%llx", p->name,
				  (unsigned long long)p->runtime);
	py = o.py = xcalloc(1, sizeof(*py));
	py->mem = m;
	py->places = p;
	py->layout = p->layout;
	cpy_each_interp(m, p->layout, p->runtime, take_interp, &o);
	cpy_open_pools(py, model);
	cpy_open_own(py);
	py->interned = find_interned(py);
	py->types = cpy_types_new();
	py->labels = cpy_labels_new();
	tell(py, &checked, model);
	*out = py;
	return true;
}

void python_free(struct python *py)
{
	if (!py)
		return;
	cpy_types_free(py->types);
	cpy_labels_free(py->labels);
	free(py->interps);
	free(py->threads);
	free(py->pools);
	free(py->ranges);
	free(py);
}

size_t python_pools(const struct python *py, const struct python_pool **out)
{
	*out = py->pools;
	return py->npools;
}

size_t python_own_ranges(const struct python *py, const struct python_range **out)
{
	*out = py->ranges;
	return py->nranges;
}
