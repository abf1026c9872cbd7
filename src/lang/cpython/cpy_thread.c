/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread holds: the objects of its state, and those of its frames, newest first.
 *
 *   3.11        thread state -> cframe (on the C stack) -> current_frame -> previous ...
 *   from 3.13   thread state -> current_frame -> previous ...
 *
 * In between lie frames without code, where C called into the interpreter (3.12 on), and
 * frames of running generators: those are in the generator, a node that tells what they
 * hold, so here they only give it names. The exceptions being handled are each their
 * generator's likewise; the thread's own state holds only the lowest.
 */
#include "lang/cpython/cpy_int.h"

/* Deeper than any data stack: 1 TiB of the smallest frames would be. */
enum { FRAMES_MAX = 1 << 24 };

struct frame_context {
	struct cpy_root_sink *s;
	struct buf where, name; /* "frame f (app.py:12)", "x in frame f (app.py:12)" */
	bool owned;             /* by the thread */
	bool incomplete;
};

static void tell_holding(void *context, const struct cpy_holding *h)
{
	struct frame_context *c = context;
	struct cpy_root_sink *s = c->s;
	struct python_root row = s->row;

	if (!cpy_may_be_address(h->to))
		return;
	row.kind = ROOT_FRAME;
	row.name = buf_view(&c->where);
	row.to = h->to;
	row.addr = h->addr;
	row.certain = h->kind != CPY_HELD_POSSIBLE;
	row.counted = row.certain && c->owned;
	if (h->kind == CPY_HELD_LOCAL && !c->incomplete) {
		buf_clear(&c->name);
		if (!h->name || !cpy_text(s->r, h->name, 256, &c->name))
			buf_str(&c->name, "?");
		buf_str(&c->name, " in ");
		buf_add(&c->name, c->where.s, c->where.n);
		row.kind = ROOT_LOCAL;
		row.name = buf_view(&c->name);
	}
	s->fn(s->context, &row);
}

/* The generator or frame object that the frame lies in. */
static void tell_holder(struct frame_context *c, const struct cpy_frame *f)
{
	const struct cpy_layout *l = c->s->r->layout;
	taddr addr = f->at + l->iframe.frame_object;
	taddr holder = f->owner == CPY_OF_GENERATOR ? f->at - l->generator.iframe
						    : f->at - l->frame.body;

	if (cpy_may_be_address(holder) && cpy_type_of(c->s->r, holder))
		tell_holding(c, &(struct cpy_holding){ .kind = CPY_HELD_FIELD,
						       .addr = addr,
						       .to = holder });
}

static void frame_roots(void *context, const struct cpy_frame *f)
{
	struct frame_context *c = context;
	struct python_reader *r = c->s->r;

	c->owned = f->owner == CPY_OF_THREAD;
	c->incomplete = cpy_frame_is_incomplete(r, f);
	buf_clear(&c->where);
	buf_str(&c->where, c->incomplete ? "call of " : "frame ");
	cpy_code_describe(r, f->code.at, c->incomplete ? 0 : cpy_frame_line(r, f),
			  &c->where);
	if (!c->owned)
		tell_holder(c, f);
	cpy_frame_each(r, f, tell_holding, c);
}

static taddr current_frame(struct python_reader *r, taddr thread)
{
	const struct cpy_layout *l = r->layout;

	if (l->thread.cframe == CPY_ABSENT)
		return cpy_word_or_0(r, thread + l->thread.current_frame);
	taddr cframe = cpy_word_or_0(r, thread + l->thread.cframe);

	return cpy_may_be_address(cframe) ? cpy_word_or_0(r, cframe + l->cframe_current)
					  : 0;
}

typedef void each_frame_fn(void *context, const struct cpy_frame *f);

/* A chain that bites its tail is met again where we last stopped to look: each stop is as
 * far on as all the way before it. */
static void each_frame(struct python_reader *r, taddr thread, each_frame_fn *fn,
		       void *context)
{
	taddr at = current_frame(r, thread), next, seen = 0;
	struct cpy_frame f;

	for (uint32_t n = 0, look = 1; at && at != seen && n < FRAMES_MAX;
	     n++, at = next) {
		if (n == look) {
			seen = at;
			look *= 2;
		}
		if (cpy_frame_read(r, at, &next, &f))
			fn(context, &f);
	}
}

static void frames_roots(struct cpy_root_sink *s, taddr thread)
{
	struct frame_context c = { .s = s };

	each_frame(s->r, thread, frame_roots, &c);
	buf_release(&c.where);
	buf_release(&c.name);
}

/* Owned fields of PyThreadState (CPython 3.11 and 3.13 cpython/pystate.h). Not delete_later:
 * what is on that list is dying, nobody holds it. */
static void state_roots(struct cpy_root_sink *s, taddr thread)
{
	const struct cpy_layout *l = s->r->layout;
	const struct {
		const char *name;
		uint32_t offset;
	} fields[] = {
		{ "dict", l->thread.dict },
		{ "exc_state", l->thread.exc_state_value },
		{ "async_exc", l->thread.async_exc },
		{ "context", l->thread.context },
		{ "profile", l->thread.profile_object },
		{ "trace", l->thread.trace_object },
		{ "async_gen_firstiter", l->thread.async_gen_firstiter },
		{ "async_gen_finalizer", l->thread.async_gen_finalizer },
		{ "on_delete_data", l->thread.on_delete_data },
		{ "threading_local_key", l->thread.local_key },
		{ "threading_local_sentinel", l->thread.local_sentinel },
	};

	/* Up to 3.11 its type, value and traceback. */
	cpy_root_fields(s, thread + l->thread.current_exception,
			l->version < 0x30c ? 3 : 1, "current_exception");
	for (size_t i = 0; i < countof(fields); i++)
		if (fields[i].offset != CPY_ABSENT)
			cpy_root_fields(s, thread + fields[i].offset, 1, fields[i].name);
}

void cpy_thread_roots(struct python_reader *r, const struct cpy_thread *t,
		      python_root_fn *fn, void *context)
{
	struct cpy_root_sink s = {
		.r = r,
		.fn = fn,
		.context = context,
		.row = { .group = ROOTS_THREAD, .tid = t->tid },
	};

	state_roots(&s, t->at);
	frames_roots(&s, t->at);
}

/* ---- frames ---- */

struct telling {
	struct python_reader *r;
	python_frame_fn *fn;
	void *context;
	struct python_frame frame;
	struct buf function, file;
};

static void tell_frame(void *context, const struct cpy_frame *f)
{
	struct telling *t = context;

	if (cpy_frame_is_incomplete(t->r, f))
		return;
	buf_clear(&t->function);
	buf_clear(&t->file);
	cpy_code_function(t->r, f->code.at, &t->function);
	cpy_code_file(t->r, f->code.at, &t->file);
	t->frame.function = buf_view(&t->function);
	t->frame.file = buf_view(&t->file);
	t->frame.line = cpy_frame_line(t->r, f);
	t->fn(t->context, &t->frame);
	t->frame.depth++;
}

void python_read_frames(struct python_reader *r, python_frame_fn *fn, void *context)
{
	const struct python *py = r->py;
	struct telling t = { .r = r, .fn = fn, .context = context };

	for (size_t i = 0; i < py->nthreads; i++) {
		t.frame = (struct python_frame){ .tid = py->threads[i].tid };
		each_frame(r, py->threads[i].at, tell_frame, &t);
	}
	buf_release(&t.function);
	buf_release(&t.file);
}
