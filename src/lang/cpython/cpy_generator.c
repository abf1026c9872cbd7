/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generators, coroutines and asynchronous generators: one layout, with the frame inside
 * (CPython 3.11 and 3.13 cpython/genobject.h, genobject.c:gen_traverse, gen_dealloc). Which
 * words of it mean something its state tells:
 *
 *   created .. completed   the frame holds what any frame holds; completed without having
 *                          run is what close() makes of a new one
 *   cleared                the frame holds nothing; from 3.12 on it still owns its code.
 *                          Up to 3.11 the generator has a field for that
 *
 * gi_origin_or_finalizer is written for coroutines and asynchronous generators alone: in a
 * plain generator it is what the memory held before.
 */
#include "lang/cpython/cpy_int.h"

enum { STATE_CLEARED = 4 };

/* False: it holds no frame any more. */
static bool generator_is_live(struct python_reader *r, taddr at)
{
	int8_t state;

	return cpy_read(r, at + r->layout->generator.frame_state, &state, 1) &&
	       state >= r->layout->generator.created && state < STATE_CLEARED;
}

static taddr generator_code(struct python_reader *r, taddr at)
{
	const struct cpy_layout *l = r->layout;

	if (l->generator.code != CPY_ABSENT)
		return cpy_word_or_0(r, at + l->generator.code);
	return cpy_word_or_0(r, at + l->generator.iframe + l->iframe.code);
}

static void generator_edges(struct python_reader *r, const struct cpy_type *t, taddr at,
			    const struct python_sink *sink)
{
	const struct cpy_layout *l = r->layout;
	taddr frame = at + l->generator.iframe;

	(void)t;
	cpy_edge_field(r, sink, at + l->generator.name, "__name__");
	cpy_edge_field(r, sink, at + l->generator.qualname, "__qualname__");
	cpy_edge_field(r, sink, at + l->generator.exc_value, "exc_value");
	if (l->generator.code != CPY_ABSENT)
		cpy_edge_field(r, sink, at + l->generator.code, "gi_code");
	if (generator_is_live(r, at))
		cpy_frame_edges(r, frame, sink);
	else if (l->generator.code == CPY_ABSENT)
		cpy_edge_field(r, sink, frame + l->iframe.code, "gi_code");
}

static void coroutine_edges(struct python_reader *r, const struct cpy_type *t, taddr at,
			    const struct python_sink *sink)
{
	generator_edges(r, t, at, sink);
	cpy_edge_field(r, sink, at + r->layout->generator.origin_or_finalizer,
		       "cr_origin");
}

static void async_generator_edges(struct python_reader *r, const struct cpy_type *t,
				  taddr at, const struct python_sink *sink)
{
	generator_edges(r, t, at, sink);
	cpy_edge_field(r, sink, at + r->layout->generator.origin_or_finalizer,
		       "ag_finalizer");
}

/* genobject.c:gen_sizeof, for all three */
static uint64_t generator_size(struct python_reader *r, const struct cpy_type *t,
			       taddr at)
{
	(void)t;
	return cpy_frame_holder_size(r, generator_code(r, at),
				     r->layout->generator.iframe);
}

static void generator_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			    struct buf *out)
{
	taddr code = generator_code(r, at);
	struct cpy_frame f;
	struct cpy_code c;
	uint32_t line = 0;

	(void)t;
	if (generator_is_live(r, at) &&
	    cpy_frame_read(r, at + r->layout->generator.iframe, NULL, &f))
		line = cpy_frame_line(r, &f);
	if (cpy_code_read(r, code, &c))
		cpy_code_describe(r, code, line, out);
}

/* CPython 3.11 and 3.13 genobject.c, iterobject.c, cpython/traceback.h */
static const struct cpy_field_rule wrapper_fields[] = {
	{ "cw_coroutine", 16, 0, 0, CPY_FIELD_HELD }, { 0 }
};
static const struct cpy_field_rule asend_fields[] = {
	{ "ags_gen", 16, 0, 0, CPY_FIELD_HELD },
	{ "ags_sendval", 24, 0, 0, CPY_FIELD_HELD },
	{ 0 }
};
static const struct cpy_field_rule athrow_fields[] = {
	{ "agt_gen", 16, 0, 0, CPY_FIELD_HELD },
	{ "agt_args", 24, 0, 0, CPY_FIELD_HELD },
	{ 0 }
};
static const struct cpy_field_rule wrapped_fields[] = {
	{ "agw_val", 16, 0, 0, CPY_FIELD_HELD }, { 0 }
};
static const struct cpy_field_rule anext_fields[] = {
	{ "wrapped", 16, 0, 0, CPY_FIELD_HELD },
	{ "default_value", 24, 0, 0, CPY_FIELD_HELD },
	{ 0 }
};
static const struct cpy_field_rule traceback_fields[] = {
	{ "tb_next", 16, 0, 0, CPY_FIELD_HELD },
	{ "tb_frame", 24, 0, 0, CPY_FIELD_HELD },
	{ 0 }
};

/* clang-format off */
const struct cpy_rules cpy_frame_rules[] = {
	{ .name = "code", .read = cpy_code_edges, .size = cpy_code_size,
	  .value = cpy_code_value, .fields = cpy_code_fields },
	{ .name = "frame", .read = cpy_frame_object_edges, .own = cpy_frame_object_size,
	  .value = cpy_frame_object_value },
	{ .name = "generator", .read = generator_edges, .own = generator_size,
	  .value = generator_value },
	{ .name = "coroutine", .read = coroutine_edges, .own = generator_size,
	  .value = generator_value },
	{ .name = "async_generator", .read = async_generator_edges, .own = generator_size,
	  .value = generator_value },
	{ .name = "coroutine_wrapper", .fields = wrapper_fields },
	{ .name = "async_generator_asend", .fields = asend_fields },
	{ .name = "async_generator_athrow", .fields = athrow_fields },
	{ .name = "async_generator_wrapped_value", .fields = wrapped_fields },
	{ .name = "anext_awaitable", .fields = anext_fields },
	{ .name = "traceback", .fields = traceback_fields },
	{ 0 },
};
/* clang-format on */
