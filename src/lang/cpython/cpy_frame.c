/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a _PyInterpreterFrame holds, wherever it lies: on a thread's data stack, in a
 * generator, or, once its function returned while someone kept the frame object, in that
 * (CPython 3.11 and 3.13 pycore_frame.h; what it owns: Python/frame.c:_PyFrame_Traverse).
 *
 *   fields | localsplus: locals, cells, free variables | evaluation stack
 *                      <------- co_nlocalsplus ------->  <- co_stacksize ->
 *          <------------------- stacktop ------------------->
 *
 * stacktop is -1 while the frame runs: its stack pointer is in a register then, or on the C
 * stack below a call into C. Its locals are certain all the same; of its stack no more is
 * known than that what is on it lies among co_stacksize words, of which those above the top
 * are left over from before. A cell's slot holds the cell, or until the frame has made it
 * the plain value: a reference either way.
 */
#include "lang/cpython/cpy_int.h"

enum { HEADER_MAX = 96, SLOTS_AT_ONCE = 64 };

static uint64_t word_at(const uint8_t *bytes, uint32_t offset)
{
	uint64_t v;

	memcpy(&v, bytes + offset, sizeof(v));
	return v;
}

/* How many slots hold something, and may: see above. A stacktop that is neither is torn. */
static void frame_count_slots(struct cpy_frame *f, int32_t stacktop)
{
	uint32_t most = f->code.nslots + f->code.stacksize;

	f->ncertain = f->code.nslots;
	f->npossible = f->code.stacksize;
	if (stacktop >= 0 && (uint32_t)stacktop <= most) {
		f->ncertain = (uint32_t)stacktop;
		f->npossible = 0;
	}
}

bool cpy_frame_read(struct python_reader *r, taddr at, taddr *previous,
		    struct cpy_frame *out)
{
	const struct cpy_layout *l = r->layout;
	uint8_t h[HEADER_MAX];
	int32_t stacktop;

	assert(l->iframe.localsplus <= sizeof(h));
	if (previous)
		*previous = 0;
	if (!cpy_may_be_address(at) || !cpy_read(r, at, h, l->iframe.localsplus))
		return false;
	if (previous)
		*previous = word_at(h, l->iframe.previous);
	*out = (struct cpy_frame){
		.at = at,
		.previous = word_at(h, l->iframe.previous),
		.instruction = word_at(h, l->iframe.instruction),
		.frame_object = word_at(h, l->iframe.frame_object),
		.owner = h[l->iframe.owner],
	};
	if (out->owner >= CPY_OF_C_STACK ||
	    !cpy_code_read(r, word_at(h, l->iframe.code), &out->code))
		return false;
	memcpy(&stacktop, h + l->iframe.stacktop, sizeof(stacktop));
	frame_count_slots(out, stacktop);
	return true;
}

bool cpy_frame_is_incomplete(struct python_reader *r, const struct cpy_frame *f)
{
	/* pycore_frame.h:_PyFrame_IsIncomplete; an instruction is two bytes. */
	return f->owner != CPY_OF_GENERATOR &&
	       f->instruction < f->code.at + r->layout->code.adaptive +
					2 * (uint64_t)f->code.first_traceable;
}

uint32_t cpy_frame_line(struct python_reader *r, const struct cpy_frame *f)
{
	uint32_t line = 0;

	/* A debugger sets it, and so does tracing; frameobject.c:PyFrame_GetLineNumber */
	if (cpy_may_be_address(f->frame_object))
		line = cpy_u32_or_0(r, f->frame_object + r->layout->frame.lineno);
	return line ? line : cpy_code_line(r, &f->code, f->instruction);
}

/* ---- what it holds ---- */

static void frame_each_field(struct python_reader *r, const struct cpy_frame *f,
			     cpy_holding_fn *fn, void *context)
{
	const struct cpy_layout *l = r->layout;
	const struct {
		const char *name;
		uint32_t offset;
	} fields[] = { { "f_code", l->iframe.code },
		       { "f_func", l->iframe.function },
		       { "f_locals", l->iframe.locals },
		       { "frame_obj", l->iframe.frame_object } };

	for (size_t i = 0; i < countof(fields); i++) {
		taddr addr = f->at + fields[i].offset;

		fn(context, &(struct cpy_holding){ .kind = CPY_HELD_FIELD,
						   .field = fields[i].name,
						   .addr = addr,
						   .to = cpy_word_or_0(r, addr) });
	}
}

/* Says of a word of localsplus what it is. */
static void frame_name_slot(struct python_reader *r, const struct cpy_frame *f,
			    uint32_t slot, struct cpy_holding *h)
{
	if (slot >= f->ncertain)
		h->kind = CPY_HELD_POSSIBLE;
	else if (slot >= f->code.nslots)
		h->kind = CPY_HELD_STACK;
	else {
		h->kind = CPY_HELD_LOCAL;
		h->name = h->to ? cpy_code_slot_name(r, &f->code, slot) : 0;
	}
}

void cpy_frame_each(struct python_reader *r, const struct cpy_frame *f,
		    cpy_holding_fn *fn, void *context)
{
	uint64_t words[SLOTS_AT_ONCE];
	uint32_t end = f->ncertain + f->npossible;
	taddr slots = f->at + r->layout->iframe.localsplus;

	frame_each_field(r, f, fn, context);
	for (uint32_t at = 0, n; at < end; at += n) {
		n = (uint32_t)min_u64(end - at, SLOTS_AT_ONCE);
		if (!cpy_read(r, slots + 8 * (uint64_t)at, words, 8 * (size_t)n))
			return;
		for (uint32_t i = 0; i < n; i++) {
			struct cpy_holding h = { .to = words[i],
						 .addr = slots + 8 * (uint64_t)(at + i) };

			frame_name_slot(r, f, at + i, &h);
			fn(context, &h);
		}
	}
}

struct edge_context {
	struct python_reader *r;
	const struct python_sink *sink;
};

static void tell_edge(void *context, const struct cpy_holding *h)
{
	struct edge_context *c = context;
	struct python *py = c->r->py;
	struct buf name = { 0 };
	uint16_t label = LABEL_POSSIBLE;

	if (!cpy_may_be_address(h->to))
		return;
	if (h->kind == CPY_HELD_FIELD)
		label = cpy_field(py, h->field);
	else if (h->kind == CPY_HELD_STACK)
		label = cpy_field(py, "stack");
	else if (h->kind == CPY_HELD_LOCAL) {
		if (!h->name || !cpy_text(c->r, h->name, 256, &name))
			buf_char(&name, '?');
		label = cpy_label(py, LABEL_LOCAL, buf_view(&name));
		buf_release(&name);
	}
	c->sink->edge(c->sink->context, h->to, label);
}

void cpy_frame_edges(struct python_reader *r, taddr iframe,
		     const struct python_sink *sink)
{
	struct edge_context c = { r, sink };
	struct cpy_frame f;

	if (cpy_frame_read(r, iframe, NULL, &f))
		cpy_frame_each(r, &f, tell_edge, &c);
}

uint64_t cpy_frame_holder_size(struct python_reader *r, taddr code, uint32_t before)
{
	struct cpy_code c;
	uint64_t size = (uint64_t)before + r->layout->iframe.localsplus;

	if (cpy_code_read(r, code, &c))
		size += 8 * ((uint64_t)c.nslots + c.stacksize);
	return size;
}

/* ---- frame objects ---- */

/* Its interpreter frame, wherever that lies; 0: it cannot be read. */
static taddr frame_object_frame(struct python_reader *r, taddr at, struct cpy_frame *out)
{
	taddr frame = cpy_word_or_0(r, at + r->layout->frame.iframe);

	return cpy_frame_read(r, frame, NULL, out) ? frame : 0;
}

/* CPython 3.11 and 3.13 frameobject.c:frame_traverse */
void cpy_frame_object_edges(struct python_reader *r, const struct cpy_type *t, taddr at,
			    const struct python_sink *sink)
{
	const struct cpy_layout *l = r->layout;
	struct cpy_frame f = { 0 };

	(void)t;
	cpy_edge_field(r, sink, at + l->frame.back, "f_back");
	cpy_edge_field(r, sink, at + l->frame.trace, "f_trace");
	if (l->frame.extra_locals != CPY_ABSENT)
		cpy_edge_field(r, sink, at + l->frame.extra_locals, "f_extra_locals");
	if (l->frame.locals_cache != CPY_ABSENT)
		cpy_edge_field(r, sink, at + l->frame.locals_cache, "f_locals_cache");
	/* Other frames are their thread's or generator's, which tell them. */
	if (frame_object_frame(r, at, &f) == at + l->frame.body &&
	    f.owner == CPY_OF_FRAME)
		cpy_frame_edges(r, f.at, sink);
}

uint64_t cpy_frame_object_size(struct python_reader *r, const struct cpy_type *t,
			       taddr at)
{
	struct cpy_frame f;

	if (!frame_object_frame(r, at, &f))
		return t->basicsize;
	return cpy_frame_holder_size(r, f.code.at, r->layout->frame.body);
}

void cpy_frame_object_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			    struct buf *out)
{
	struct cpy_frame f;

	(void)t;
	if (frame_object_frame(r, at, &f))
		cpy_code_describe(r, f.code.at, cpy_frame_line(r, &f), out);
}
