/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a row of offsets fit the runtime at this address? Nothing is believed by version
 * alone. From 3.13 the target tells many offsets itself (_Py_DebugOffsets): those that we
 * use must be the row's, sizes are taken over, as patch releases lengthen structs. In all
 * versions the structures must then close upon themselves:
 *
 *   runtime -> interpreter -> thread -> interpreter; thread.next.prev == thread
 *   the generations' lists: head.next.prev == head == head.prev.next
 *   sys.modules: an object of a type called "dict", whose type is `type`, its own type
 *
 * A running process is caught between two words: its lists may never close while it makes
 * objects and threads. There only what hardly ever changes is asked for, some times over:
 * the main interpreter, its number, its sys.modules. All the rest is the snapshot's.
 */
#include "lang/cpython/cpy_runtime_int.h"

#include <stdio.h>

/* ---- what the target says of itself ---- */

/* Where struct _Py_DebugOffsets of 3.13 has what, and which field of ours it is. */
static const struct told {
	uint16_t at, field; /* field: of struct cpy_layout */
	bool is_size;
	const char *name;
} told_3_13[] = {
#define TOLD(offset, member) \
	{ \
		offset, offsetof(struct cpy_layout, member), false, #member \
	}
#define TOLD_SIZE(offset, member) \
	{ \
		offset, offsetof(struct cpy_layout, member), true, #member \
	}
	TOLD_SIZE(24, runtime.size),
	TOLD(32, runtime.finalizing),
	TOLD(40, runtime.interpreters_head),
	TOLD_SIZE(48, interp.size),
	TOLD(56, interp.id),
	TOLD(64, interp.next),
	TOLD(72, interp.threads),
	TOLD(80, interp.gc),
	TOLD(88, interp.modules),
	TOLD(96, interp.sysdict),
	TOLD(104, interp.builtins),
	TOLD(112, interp.gil),
	TOLD(120, interp.own_gil),
	TOLD_SIZE(152, thread.size),
	TOLD(160, thread.prev),
	TOLD(168, thread.next),
	TOLD(176, thread.interp),
	TOLD(184, thread.current_frame),
	TOLD(192, thread.thread_id),
	TOLD(200, thread.native_thread_id),
	TOLD(208, thread.datastack),
	TOLD(232, iframe.previous),
	TOLD(240, iframe.code),
	TOLD(248, iframe.instruction),
	TOLD(256, iframe.localsplus),
	TOLD(264, iframe.owner),
	TOLD(280, code.filename),
	TOLD(288, code.name),
	TOLD(296, code.qualname),
	TOLD(304, code.linetable),
	TOLD(312, code.firstlineno),
	TOLD(320, code.argcount),
	TOLD(328, code.localsplusnames),
	TOLD(336, code.localspluskinds),
	TOLD(344, code.adaptive),
	TOLD(376, type.name),
	TOLD(392, type.flags),
	TOLD(408, tuple_items),
	TOLD(432, list_items),
	TOLD(456, dict.keys),
	TOLD(464, dict.values),
	TOLD(504, int_digits),
	TOLD(544, text.state),
	TOLD(552, text.length),
	TOLD(560, text.ascii_size),
	TOLD(576, gc.collecting),
#undef TOLD
#undef TOLD_SIZE
};

enum { TOLD_BYTES = 584, SIZE_MAX_SANE = 16 << 20 };

static bool take_told(const struct told *t, uint64_t value, struct cpy_layout *row,
		      struct err *e)
{
	uint32_t *field = (uint32_t *)((char *)row + t->field);

	if (t->is_size && value > 0 && value < SIZE_MAX_SANE) {
		/* a thread state is longer than what is told of it */
		*field = value > *field ? (uint32_t)value : *field;
		return true;
	}
	if (value == *field)
		return true;
	return fail(e, ERR_PROCESS,
		    "its debug offsets say %s is %llu, our row of this version %u",
		    t->name, (unsigned long long)value, *field);
}

/* Where compilers and patch releases differ: the runtime's middle grows, and in Debian's
 * 3.13.5 the generations begin 4 bytes earlier, off any alignment. Both are pointed to. */
static void follow_pointers(const struct mem *m, taddr runtime, struct cpy_layout *row)
{
	taddr main = cpy_peek(m, runtime + row->runtime.interpreters_main);
	taddr gc = main + row->interp.gc, first;

	if (main > runtime && main - runtime < row->runtime.size)
		row->runtime.main_interpreter = (uint32_t)(main - runtime);
	if (row->gc.generation0 == CPY_ABSENT)
		return;
	first = cpy_peek(m, gc + row->gc.generation0);
	if (first > gc && first - gc < row->gc.generation0)
		row->gc.generations = (uint32_t)(first - gc);
}

bool cpy_fit_row(const struct mem *m, taddr runtime, struct cpy_layout *row,
		 struct err *e)
{
	uint64_t told[TOLD_BYTES / 8];
	bool tells = row->version >= (3 << 8 | 13);

	if (tells && !mem_load(m, runtime, &told))
		return fail(e, ERR_PROCESS, "its debug offsets cannot be read");
	for (size_t i = 0; tells && i < countof(told_3_13); i++)
		if (!take_told(&told_3_13[i], told[told_3_13[i].at / 8], row, e))
			return false;
	follow_pointers(m, runtime, row);
	return true;
}

/* ---- what must close ---- */

void cpy_each_interp(const struct mem *m, const struct cpy_layout *l, taddr runtime,
		     cpy_interp_fn *fn, void *context)
{
	taddr at = cpy_peek(m, runtime + l->runtime.interpreters_head);

	for (size_t i = 0; i < CPY_INTERPS_MAX && cpy_may_be_address(at); i++) {
		if (!fn(context, at))
			return;
		at = cpy_peek(m, at + l->interp.next);
	}
}

/* Each thread's prev is the one before it: a walk that comes back to one it has seen would
 * need two before that, and the first is known. Its prev may not be 0: a new thread is
 * linked to before it is the first (pystate.c). */
bool cpy_each_thread(const struct mem *m, const struct cpy_layout *l, taddr interp,
		     cpy_thread_fn *fn, void *context)
{
	taddr before = 0, at = cpy_peek(m, interp + l->interp.threads), first = at;

	for (size_t i = 0; at && i < CPY_THREADS_MAX; i++) {
		if (!cpy_may_be_address(at) || (before && at == first) ||
		    cpy_peek(m, at + l->thread.interp) != interp ||
		    (before && cpy_peek(m, at + l->thread.prev) != before))
			return false;
		if (!fn(context, at))
			return true;
		before = at;
		at = cpy_peek(m, at + l->thread.next);
	}
	return at == 0;
}

/* Is the list with its head here closed? */
static bool list_closes(const struct mem *m, taddr head)
{
	taddr next = cpy_peek(m, head) & ~(uint64_t)3;
	taddr last = cpy_peek(m, head + 8) & ~(uint64_t)3;

	return next && last && (cpy_peek(m, next + 8) & ~(uint64_t)3) == head &&
	       (cpy_peek(m, last) & ~(uint64_t)3) == head;
}

/* All but one: the youngest changes with each object, and we may look in between. */
static bool lists_close(const struct mem *m, const struct cpy_layout *l, taddr interp)
{
	taddr gc = interp + l->interp.gc;
	unsigned closed = list_closes(m, gc + l->gc.permanent);

	for (unsigned i = 0; i < 3; i++)
		closed += list_closes(m,
				      gc + l->gc.generations + i * l->gc.generation_size);
	return closed >= 3;
}

/* Is it the static type of this name? Without the name (a core has no read-only data), the
 * one right below `object` that has the flag of such types: OrderedDict is further down. */
static bool is_type(const struct mem *m, const struct cpy_layout *l, taddr type,
		    const char *name, uint64_t flag)
{
	taddr at = cpy_peek(m, type + l->type.name);
	taddr base = cpy_peek(m, type + l->type.base);
	uint64_t flags = cpy_peek(m, type + l->type.flags);
	char text[8];

	if (!cpy_is_left_out(m, at))
		return mem_read_string(m, at, text, sizeof(text)) &&
		       strcmp(text, name) == 0;
	return flags & flag && flags & CPY_READY && !(flags & CPY_HEAPTYPE) &&
	       cpy_may_be_address(base) && cpy_peek(m, base + l->type.base) == 0;
}

bool cpy_is_dict(const struct mem *m, const struct cpy_layout *l, taddr dict)
{
	taddr type = cpy_peek(m, dict + CPY_TYPE);
	taddr meta = cpy_peek(m, type + CPY_TYPE);

	return cpy_may_be_address(dict) && cpy_peek(m, meta + CPY_TYPE) == meta &&
	       is_type(m, l, type, "dict", CPY_DICT_SUBCLASS) &&
	       is_type(m, l, meta, "type", CPY_TYPE_SUBCLASS);
}

struct walk {
	const struct mem *mem;
	const struct cpy_layout *l;
	taddr runtime;
	struct cpy_checked *out;
	struct err *e;
	bool ok;
};

static bool count_thread(void *context, taddr thread)
{
	(void)thread;
	((struct walk *)context)->out->threads++;
	return true;
}

static bool check_interp(void *context, taddr interp)
{
	struct walk *w = context;
	int64_t id = (int64_t)cpy_peek(w->mem, interp + w->l->interp.id);
	taddr modules = cpy_peek(w->mem, interp + w->l->interp.modules);
	unsigned long long at = interp;

	w->ok = false;
	if (id < 0 || id > INT32_MAX)
		w->ok = fail(w->e, ERR_PROCESS, "the interpreter at 0x%llx has no id",
			     at);
	else if (!cpy_each_thread(w->mem, w->l, interp, count_thread, w))
		w->ok = fail(w->e, ERR_PROCESS,
			     "the threads of the interpreter at 0x%llx are not linked "
			     "both ways",
			     at);
	else if (cpy_peek(w->mem, interp + w->l->interp.gc + w->l->gc.collecting) == 0 &&
		 !lists_close(w->mem, w->l, interp))
		w->ok = fail(w->e, ERR_PROCESS,
			     "the collector's lists of the interpreter at 0x%llx do not "
			     "close",
			     at);
	else if (modules && !cpy_is_dict(w->mem, w->l, modules))
		w->ok = fail(w->e, ERR_PROCESS,
			     "sys.modules of the interpreter at 0x%llx is no dict", at);
	else
		w->ok = true;
	w->out->interps++;
	w->out->has_modules |= modules != 0;
	return w->ok;
}

static bool fail_no_interpreter(const struct mem *m, taddr at, struct err *e)
{
	taddr interp;

	if (!mem_load(m, at, &interp))
		return fail(e, ERR_PROCESS, "its state is in memory that cannot be read");
	return fail(e, ERR_PROCESS, "it has no interpreter (yet, or any more)");
}

bool cpy_check_runtime(const struct mem *m, const struct cpy_layout *l, taddr runtime,
		       struct cpy_checked *out, struct err *e)
{
	struct walk w = { m, l, runtime, out, e, false };

	*out = (struct cpy_checked){ 0 };
	if (!cpy_peek(m, runtime + l->runtime.interpreters_head))
		return fail_no_interpreter(m, runtime + l->runtime.interpreters_head, e);
	cpy_each_interp(m, l, runtime, check_interp, &w);
	if (w.ok && out->threads == 0)
		return fail(e, ERR_PROCESS, "it has no thread");
	out->is_finalizing = cpy_peek(m, runtime + l->runtime.finalizing) != 0;
	return w.ok;
}

bool cpy_check_running(const struct mem *m, const struct cpy_layout *l, taddr runtime,
		       struct cpy_checked *out, struct err *e)
{
	taddr interp = cpy_peek(m, runtime + l->runtime.interpreters_main);
	taddr modules = cpy_peek(m, interp + l->interp.modules);
	struct walk w = { .out = out };

	*out = (struct cpy_checked){ 0 };
	if (!cpy_may_be_address(interp))
		return fail_no_interpreter(m, runtime + l->runtime.interpreters_main, e);
	if (cpy_peek(m, interp + l->interp.id) != 0)
		return fail(e, ERR_PROCESS, "its main interpreter is not number 0");
	if (modules && !cpy_is_dict(m, l, modules))
		return fail(e, ERR_PROCESS, "sys.modules is no dict");
	(void)cpy_each_thread(m, l, interp, count_thread, &w);
	if (out->threads == 0)
		return fail(e, ERR_PROCESS, "its main interpreter has no thread");
	out->has_modules = modules != 0;
	return true;
}
