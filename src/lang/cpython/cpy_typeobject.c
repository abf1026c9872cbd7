/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types as objects: what a class holds (CPython 3.11 and 3.13 typeobject.c type_traverse,
 * type_dealloc).
 *
 * From 3.12 a type of the interpreter itself has its dict and its subclasses once in each
 * interpreter, in an array there; where tp_subclasses was is the number of its entry. The
 * base of a static type is borrowed, but its tuples of bases hold it.
 */
#include "lang/cpython/cpy_int.h"

enum { VALUE_MAX = 64, DOC_MAX = 1 << 20 };

static bool is_heap_type(struct python_reader *r, taddr at)
{
	return cpy_word_or_0(r, at + r->layout->type.flags) & CPY_HEAPTYPE;
}

/* ---- static types of 3.12 and later ---- */

/* Its entry in one interpreter; 0: it has none. */
static taddr static_state(struct python_reader *r, taddr interp, taddr type)
{
	const struct cpy_layout *l = r->layout;
	uint64_t index = cpy_word_or_0(r, type + l->type.subclasses) - 1;
	taddr entry = interp + l->interp.static_types + index * l->static_type.size;

	if (index < l->interp.static_types_max &&
	    cpy_word_or_0(r, entry + l->static_type.type) == type)
		return entry;
	entry = interp + l->interp.static_types_extension + index * l->static_type.size;
	if (l->interp.static_types_extension != CPY_ABSENT &&
	    index < l->interp.static_types_extension_max &&
	    cpy_word_or_0(r, entry + l->static_type.type) == type)
		return entry;
	return 0;
}

static bool is_per_interpreter(struct python_reader *r, taddr type)
{
	return r->layout->interp.static_types != CPY_ABSENT &&
	       cpy_word_or_0(r, type + r->layout->type.flags) & CPY_STATIC_BUILTIN;
}

taddr cpy_type_dict(struct python_reader *r, taddr type)
{
	if (!is_per_interpreter(r, type))
		return cpy_word_or_0(r, type + r->layout->type.dict);
	for (size_t i = 0; i < r->py->ninterps; i++) {
		taddr entry = static_state(r, r->py->interps[i].at, type);

		if (entry)
			return cpy_word_or_0(r, entry + r->layout->static_type.dict);
	}
	return 0;
}

taddr cpy_type_subclasses(struct python_reader *r, taddr type)
{
	taddr entry = 0;

	if (!is_per_interpreter(r, type))
		return cpy_word_or_0(r, type + r->layout->type.subclasses);
	for (size_t i = 0; i < r->py->ninterps && !entry; i++)
		entry = static_state(r, r->py->interps[i].at, type);
	return entry ? cpy_word_or_0(r, entry + r->layout->static_type.subclasses) : 0;
}

static void static_state_edges(struct python_reader *r, taddr type,
			       const struct python_sink *sink)
{
	for (size_t i = 0; i < r->py->ninterps; i++) {
		taddr entry = static_state(r, r->py->interps[i].at, type);

		if (!entry)
			continue;
		cpy_edge_field(r, sink, entry + r->layout->static_type.dict, "__dict__");
		cpy_edge_field(r, sink, entry + r->layout->static_type.subclasses,
			       "tp_subclasses");
	}
}

/* ---- any type ---- */

static void heap_type_read(struct python_reader *r, taddr at,
			   const struct python_sink *sink)
{
	const struct cpy_layout *l = r->layout;
	struct buf *doc = &r->value; /* free until values are asked for */
	taddr text = cpy_word_or_0(r, at + l->type.doc);
	struct cpy_keys k;

	cpy_edge_field(r, sink, at + l->type.base, "__base__");
	cpy_edge_field(r, sink, at + l->type.ht_name, "__name__");
	cpy_edge_field(r, sink, at + l->type.ht_qualname, "__qualname__");
	cpy_edge_field(r, sink, at + l->type.ht_slots, "__slots__");
	cpy_edge_field(r, sink, at + l->type.ht_module, "ht_module");
	if (cpy_keys_read(r, cpy_word_or_0(r, at + l->type.ht_cached_keys), &k)) {
		cpy_keys_edges(r, &k, sink);
		cpy_part(r, sink, k.at, k.size, "ht_cached_keys");
	}
	buf_clear(doc);
	if (text && cpy_string(r, text, DOC_MAX, doc))
		cpy_part(r, sink, text, doc->n + 1, "tp_doc");
	text = cpy_word_or_0(r, at + l->type.ht_tpname);
	buf_clear(doc);
	if (text && cpy_string(r, text, DOC_MAX, doc))
		cpy_part(r, sink, text, doc->n + 1, "_ht_tpname");
}

static void type_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		      const struct python_sink *sink)
{
	const struct cpy_layout *l = r->layout;

	(void)t;
	cpy_edge_field(r, sink, at + l->type.bases, "__bases__");
	cpy_edge_field(r, sink, at + l->type.mro, "__mro__");
	cpy_edge_field(r, sink, at + l->type.cache, "tp_cache");
	if (is_per_interpreter(r, at)) {
		static_state_edges(r, at, sink);
		return;
	}
	cpy_edge_field(r, sink, at + l->type.dict, "__dict__");
	cpy_edge_field(r, sink, at + l->type.subclasses, "tp_subclasses");
	if (is_heap_type(r, at))
		heap_type_read(r, at, sink);
}

/* type___sizeof__ */
static uint64_t type_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	const struct cpy_layout *l = r->layout;
	struct cpy_keys k;

	(void)t;
	if (!is_heap_type(r, at))
		return l->type.size;
	if (!cpy_keys_read(r, cpy_word_or_0(r, at + l->type.ht_cached_keys), &k))
		return l->type.heap_size;
	return l->type.heap_size + k.size;
}

/* A heap type and its members, which follow it. */
static uint64_t type_own(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	if (!is_heap_type(r, at))
		return r->layout->type.size;
	return t->basicsize + cpy_items(r, t, at) * (uint64_t)t->itemsize;
}

static void type_value(struct python_reader *r, const struct cpy_type *t, taddr at,
		       struct buf *out)
{
	const struct cpy_type *self = cpy_type_at(r, at);

	(void)t;
	if (self)
		buf_add(out, self->name.s, self->name.n);
}

const struct cpy_rules cpy_typeobject_rules[] = {
	{ .name = "type",
	  .read = type_read,
	  .size = type_size,
	  .value = type_value,
	  .own = type_own },
	{ 0 },
};
