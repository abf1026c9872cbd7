/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Static types: structs in a file's data, which no one refers to but their subclasses'
 * tuples and, weakly, their base. What they hold (dicts, from 3.12 on those in each
 * interpreter) is on the heap all the same, and lives as long as the interpreter. So each
 * is told as a root; what it holds are its own edges.
 *
 * From 3.12 on the interpreter lists its own. Others, and all up to 3.11, are found from
 * base to subclass, by a list and never by recursion: tp_subclasses is a dict with weak
 * references for values.
 */
#include "base/map.h"
#include "lang/cpython/cpy_int.h"

#include <stdlib.h>

enum { TYPES_MAX = 1 << 20, WEAKREF_OBJECT = 16 }; /* wr_object */

struct search {
	struct cpy_root_sink *s;
	struct map seen; /* types */
	struct {
		taddr at, subclasses;
	} * types;
	size_t n, cap;
};

static void search_add(struct search *f, taddr type, taddr subclasses)
{
	if (map_has(&f->seen, type) || f->n == TYPES_MAX || !cpy_type_at(f->s->r, type))
		return;
	map_set(&f->seen, type, (uint32_t)f->n);
	if (f->n == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 256;
		f->types = xrealloc(f->types, f->cap, sizeof(*f->types));
	}
	f->types[f->n].at = type;
	f->types[f->n++].subclasses = subclasses;
}

/* Where tp_subclasses lies is known for those that the interpreter lists. */
static void search_add_other(struct search *f, taddr type)
{
	const struct cpy_layout *l = f->s->r->layout;
	const struct cpy_type *t = cpy_type_at(f->s->r, type);

	if (t && !(l->static_type.size != CPY_ABSENT && t->flags & CPY_STATIC_BUILTIN))
		search_add(f, type, cpy_word_or_0(f->s->r, type + l->type.subclasses));
}

static void add_listed(struct search *f, taddr entries, uint32_t count)
{
	const struct cpy_layout *l = f->s->r->layout;

	for (uint32_t i = 0; i < count; i++) {
		taddr entry = entries + i * (uint64_t)l->static_type.size;
		taddr type = cpy_word_or_0(f->s->r, entry + l->static_type.type);

		if (type)
			search_add(f, type,
				   cpy_word_or_0(f->s->r,
						 entry + l->static_type.subclasses));
	}
}

static void add_interp(struct search *f, taddr interp)
{
	struct python_reader *r = f->s->r;
	const struct cpy_layout *l = r->layout;
	taddr builtins = cpy_word_or_0(r, interp + l->interp.builtins);

	if (l->interp.static_types != CPY_ABSENT)
		add_listed(f, interp + l->interp.static_types,
			   l->interp.static_types_max);
	if (l->interp.static_types_extension != CPY_ABSENT)
		add_listed(f, interp + l->interp.static_types_extension,
			   l->interp.static_types_extension_max);
	if (cpy_may_be_address(builtins))
		search_add_other(f, cpy_dict_get(r, builtins, "object"));
}

static bool add_subclass(void *context, taddr key, taddr reference)
{
	struct search *f = context;

	(void)key;
	if (cpy_may_be_address(reference))
		search_add_other(f, cpy_word_or_0(f->s->r, reference + WEAKREF_OBJECT));
	return true;
}

void cpy_static_type_roots(struct cpy_root_sink *s)
{
	struct search f = { .s = s };
	struct python_root row = s->row;

	row.kind = ROOT_FIELD;
	row.name = str_of("static types");
	row.certain = true;
	for (size_t i = 0; i < s->r->py->ninterps; i++)
		add_interp(&f, s->r->py->interps[i].at);
	for (size_t i = 0; i < f.n; i++) {
		if (cpy_may_be_address(f.types[i].subclasses))
			(void)cpy_dict_each(s->r, f.types[i].subclasses, add_subclass,
					    &f);
		row.to = f.types[i].at;
		if (!(cpy_type_at(s->r, row.to)->flags & CPY_HEAPTYPE))
			s->fn(s->context, &row);
	}
	free(f.types);
	map_release(&f.seen);
}
