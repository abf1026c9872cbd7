/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is no interpreter in the middle of a change? Only the holder of a GIL changes objects. It
 * does not now if it is in a system call, or if its pc is in the interpreter's loop itself:
 * a list that grows, a dict that is resized, a collection are all functions called from
 * there. This runs while the target stands: two reads for each GIL, three for its holder.
 * A core without code does not tell whether its holder was in a call: locate says so.
 */
#include "lang/cpython/cpy_runtime_int.h"

static struct mem_thread *thread_of(const struct mem *m, const struct cpy_layout *l,
				    taddr thread)
{
	uint64_t self = cpy_peek(m, thread + l->thread.thread_id);

	for (size_t i = 0; i < m->nthreads; i++)
		if (self && m->threads[i].has_regs && m->threads[i].tls == self)
			return &m->threads[i];
	return NULL;
}

/* `syscall` is two bytes, and pc stands behind it. */
static bool is_in_system_call(const struct mem *m, const struct mem_thread *t)
{
	uint8_t code[2];

	return mem_load(m, t->pc - 2, &code) && code[0] == 0x0f && code[1] == 0x05;
}

static bool gil_is_quiet(const struct mem *m, const struct python_places *p, taddr gil)
{
	const struct cpy_layout *l = p->layout;
	struct mem_thread *t;

	if (cpy_peek_u32(m, gil + l->gil.locked) != 1)
		return true;
	t = thread_of(m, l, cpy_peek(m, gil + l->gil.last_holder));
	/* a holder that cannot be asked cannot be waited for either */
	if (!t || (t->pc >= p->eval_start && t->pc < p->eval_end) ||
	    is_in_system_call(m, t) || cpy_is_left_out(m, t->pc - 2))
		return true;
	t->is_busy = true;
	return false;
}

struct look {
	const struct mem *mem;
	const struct python_places *p;
	taddr last; /* interpreters that share one GIL follow each other */
	bool quiet;
};

static bool look_at_interp(void *context, taddr interp)
{
	struct look *k = context;
	taddr gil = cpy_peek(k->mem, interp + k->p->layout->interp.gil);

	if (gil != k->last)
		k->quiet &= gil_is_quiet(k->mem, k->p, gil);
	k->last = gil;
	return true;
}

bool python_is_quiet(const struct mem *stopped, void *places)
{
	const struct python_places *p = places;
	struct look k = { stopped, p, 0, true };

	if (p->layout->runtime.gil != CPY_ABSENT)
		return gil_is_quiet(stopped, p, p->runtime + p->layout->runtime.gil);
	cpy_each_interp(stopped, p->layout, p->runtime, look_at_interp, &k);
	return k.quiet;
}
