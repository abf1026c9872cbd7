/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Type objects. A word is believed to be a type's address if it leads, by ob_type, to the
 * one type whose type is itself, in a few steps over types of types, and if what it says of
 * itself makes sense. So nothing has to be known of where types lie: most are malloc
 * blocks, the others lie in any file's data.
 *
 * What instances look like (cpy_shape.c) is put together once, from the topmost base down.
 * Bases are walked by a list of addresses, never by recursion.
 *
 * A type is Python's if a class statement made it, which its tp_traverse tells: it is then
 * subtype_traverse, a function without a symbol in a stripped interpreter. The classes of
 * the frozen importlib, which every interpreter has, tell its address by majority; and that
 * of subtype_dealloc, by which classes are known that the collector does not look at.
 *
 * All types are in one table behind a lock; each reader remembers the types it met, and
 * lately met words that are none.
 */
#include "lang/cpython/cpy_type_int.h"

#include <stdlib.h>

enum {
	BASES_MAX = 256,
	META_STEPS = 5,
	BASICSIZE_MAX = 1 << 20,
	ITEMSIZE_MAX = 1 << 16,
};

struct cpy_types *cpy_types_new(void)
{
	struct cpy_types *types = xcalloc(1, sizeof(*types));

	pthread_mutex_init(&types->lock, NULL);
	return types;
}

void cpy_types_free(struct cpy_types *types)
{
	if (!types)
		return;
	for (size_t i = 0; i < types->n; i++)
		cpy_type_free(types->types[i]);
	free(types->types);
	cpy_typenames_free(types->names);
	map_release(&types->by_address);
	pthread_mutex_destroy(&types->lock);
	free(types);
}

struct cpy_type_cache *cpy_type_cache_new(void)
{
	return xcalloc(1, sizeof(struct cpy_type_cache));
}

void cpy_type_cache_free(struct cpy_type_cache *c)
{
	if (!c)
		return;
	map_release(&c->by_address);
	free(c->types);
	buf_release(&c->text);
	free(c);
}

/* ---- is it a type? ---- */

static uint64_t flags_of(struct python_reader *r, taddr type)
{
	return cpy_word_or_0(r, type + r->layout->type.flags);
}

bool cpy_string(struct python_reader *r, taddr at, size_t max, struct buf *out)
{
	for (size_t done = 0; done < max;) {
		size_t have;
		const char *bytes =
			(const char *)cpy_view(r, at + done, max - done, &have);
		size_t n = bytes ? strnlen(bytes, have) : 0;

		if (!bytes)
			return false;
		buf_add(out, bytes, n);
		if (n < have)
			return true;
		done += have;
	}
	return false;
}

/* Is this type of itself `type`? By its name, or, where that is left out, by its place right
 * below `object` and the size of its instances. */
static bool is_type_itself(struct python_reader *r, taddr at)
{
	const struct cpy_layout *l = r->layout;
	taddr name = cpy_word_or_0(r, at + l->type.name), base;
	char text[5];
	bool is;

	if (at == r->type_cache->itself)
		return true;
	if (cpy_read(r, name, text, sizeof(text))) {
		is = memcmp(text, "type", sizeof(text)) == 0;
	} else {
		base = cpy_word_or_0(r, at + l->type.base);
		is = cpy_is_left_out(r->memory->mem, name) && cpy_may_be_address(base) &&
		     cpy_word_or_0(r, at + l->type.basicsize) == l->type.heap_size &&
		     cpy_word_or_0(r, base + CPY_TYPE) == at &&
		     cpy_word_or_0(r, base + l->type.base) == 0;
	}
	if (is)
		r->type_cache->itself = at;
	return is;
}

bool cpy_leads_to_type(struct python_reader *r, taddr at)
{
	for (int step = 0; step < META_STEPS; step++) {
		taddr meta = cpy_word_or_0(r, at + CPY_TYPE);
		uint64_t flags;

		if (!cpy_may_be_address(meta))
			return false;
		flags = flags_of(r, meta);
		if (!(flags & CPY_TYPE_SUBCLASS) || !(flags & CPY_READY))
			return false;
		if (meta == at)
			return is_type_itself(r, at);
		at = meta;
	}
	return false;
}

static bool name_is_sane(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if ((uint8_t)name.s[i] < ' ' || name.s[i] == 0x7f)
			return false;
	return true;
}

static struct str name_in_modules(struct python_reader *r, taddr type)
{
	struct cpy_types *types = r->py->types;
	struct str name;

	pthread_mutex_lock(&types->lock);
	if (!types->names)
		types->names = cpy_typenames_new(r);
	name = cpy_typenames_find(types->names, type);
	pthread_mutex_unlock(&types->lock);
	return name;
}

/* Reads its tp_name into the reader's text, or what serves instead. */
static bool name_read(struct python_reader *r, struct cpy_raw_type *raw)
{
	struct buf *text = &r->type_cache->text;
	taddr at = cpy_raw_word(raw, r->layout->type.name);
	struct str name;

	raw->has_no_name = false;
	buf_clear(text);
	if (cpy_string(r, at, CPY_TYPE_NAME_MAX, text))
		return name_is_sane(buf_view(text));
	if (!cpy_is_left_out(r->memory->mem, at))
		return false;
	name = name_in_modules(r, raw->at);
	buf_clear(text);
	buf_add(text, name.s, name.n);
	raw->has_no_name = name.n == 0;
	if (raw->has_no_name)
		buf_printf(text, "type at 0x%llx", (unsigned long long)raw->at);
	return true;
}

/* Reads it, and its tp_name into the reader's text. */
static bool raw_read(struct python_reader *r, taddr at, struct cpy_raw_type *raw)
{
	const struct cpy_layout *l = r->layout;

	assert(l->type.size <= CPY_TYPE_BYTES);
	raw->at = at;
	if (!cpy_leads_to_type(r, at) || !cpy_read(r, at, raw->bytes, l->type.size))
		return false;
	if (!(cpy_raw_word(raw, l->type.flags) & CPY_READY) ||
	    cpy_raw_word(raw, l->type.basicsize) - 16 > BASICSIZE_MAX ||
	    cpy_raw_word(raw, l->type.itemsize) > ITEMSIZE_MAX)
		return false;
	return name_read(r, raw);
}

/* ---- finding them ---- */

static const struct cpy_type *shared_find(struct cpy_types *types, taddr at)
{
	const struct cpy_type *t = NULL;
	uint32_t i;

	pthread_mutex_lock(&types->lock);
	if (map_find(&types->by_address, at, &i))
		t = types->types[i];
	pthread_mutex_unlock(&types->lock);
	return t;
}

/* Takes t, or drops it if another reader was first. */
static const struct cpy_type *shared_add(struct cpy_types *types, struct cpy_type *t)
{
	uint32_t i;

	pthread_mutex_lock(&types->lock);
	if (map_find(&types->by_address, t->at, &i)) {
		cpy_type_free(t);
		t = types->types[i];
	} else {
		if (types->n == types->cap) {
			types->cap = types->cap ? 2 * types->cap : 256;
			types->types = xrealloc(types->types, types->cap,
						sizeof(struct cpy_type *));
		}
		t->number = (uint32_t)types->n;
		map_set(&types->by_address, t->at, t->number);
		types->types[types->n++] = t;
	}
	pthread_mutex_unlock(&types->lock);
	return t;
}

/* The addresses of the type and its bases, up to one that is known (*known) or that has
 * none; their number, 0 if one of them is no type. */
static size_t list_bases(struct python_reader *r, taddr at, taddr bases[BASES_MAX],
			 const struct cpy_type **known)
{
	size_t n = 0;

	for (*known = NULL; at; at = cpy_word_or_0(r, at + r->layout->type.base)) {
		*known = shared_find(r->py->types, at);
		if (*known)
			return n;
		if (n == BASES_MAX || !cpy_may_be_address(at) ||
		    !cpy_leads_to_type(r, at))
			return 0;
		bases[n++] = at;
	}
	return n;
}

static const struct cpy_type *type_load(struct python_reader *r, taddr at)
{
	taddr bases[BASES_MAX];
	const struct cpy_type *t;
	size_t n = list_bases(r, at, bases, &t);

	if (n == 0 && !(t && t->at == at))
		return NULL;
	while (n > 0) {
		struct cpy_raw_type raw;

		if (!raw_read(r, bases[--n], &raw))
			return NULL;
		t = shared_add(r->py->types, cpy_type_build(r, &raw, t));
	}
	return t;
}

static const struct cpy_type *cache_look(struct python_reader *r, taddr at)
{
	struct cpy_type_cache *c = r->type_cache;
	const struct cpy_type *t;
	uint32_t i;

	if (map_find(&c->by_address, at, &i))
		return c->types[i];
	t = type_load(r, at);
	if (!t)
		return NULL;
	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 256;
		c->types = xrealloc(c->types, c->cap, sizeof(struct cpy_type *));
	}
	map_set(&c->by_address, at, (uint32_t)c->n);
	c->types[c->n++] = t;
	return t;
}

const struct cpy_type *cpy_type_at(struct python_reader *r, taddr at)
{
	struct cpy_type_cache *c = r->type_cache;
	size_t i = (size_t)(at * 0x9e3779b97f4a7c15 >> 51) % CPY_TYPES_NEAR;

	if (!cpy_may_be_address(at))
		return NULL;
	if (c->near[i].at != at) {
		const struct cpy_type *t = cache_look(r, at);

		c->near[i].at = at;
		c->near[i].type = t;
	}
	return c->near[i].type;
}

const struct cpy_type *cpy_type_of(struct python_reader *r, taddr at)
{
	uint64_t type;

	if (!cpy_may_be_address(at) || !cpy_word(r, at + CPY_TYPE, &type))
		return NULL;
	return cpy_type_at(r, type);
}

uint32_t python_type_count(const struct python *py)
{
	uint32_t n;

	pthread_mutex_lock(&py->types->lock);
	n = (uint32_t)py->types->n;
	pthread_mutex_unlock(&py->types->lock);
	return n;
}

uint32_t python_nameless_types(const struct python *py)
{
	uint32_t n = 0;

	pthread_mutex_lock(&py->types->lock);
	for (size_t i = 0; i < py->types->n; i++)
		n += py->types->types[i]->has_no_name;
	pthread_mutex_unlock(&py->types->lock);
	return n;
}

struct str python_type_name(const struct python *py, uint32_t type)
{
	struct str name;

	pthread_mutex_lock(&py->types->lock);
	name = py->types->types[type]->name;
	pthread_mutex_unlock(&py->types->lock);
	return name;
}

uint32_t python_type_uncounted(const struct python *py, uint32_t type)
{
	uint32_t bytes;

	pthread_mutex_lock(&py->types->lock);
	bytes = py->types->types[type]->uncounted;
	pthread_mutex_unlock(&py->types->lock);
	return bytes;
}

/* ---- the marks of Python's own types ---- */

enum { CANDIDATES = 8 };

struct vote {
	struct python_reader *r;
	taddr traverse[CANDIDATES], dealloc[CANDIDATES];
	unsigned count[CANDIDATES];
};

static bool vote_for(void *context, taddr key, taddr value)
{
	struct vote *v = context;
	const struct cpy_layout *l = v->r->layout;
	taddr traverse, dealloc;

	(void)key;
	if (!cpy_may_be_address(value) || !cpy_leads_to_type(v->r, value) ||
	    !(flags_of(v->r, value) & CPY_HEAPTYPE))
		return true;
	traverse = cpy_word_or_0(v->r, value + l->type.traverse);
	dealloc = cpy_word_or_0(v->r, value + l->type.dealloc);
	for (int i = 0; i < CANDIDATES; i++) {
		if (v->count[i] &&
		    (v->traverse[i] != traverse || v->dealloc[i] != dealloc))
			continue;
		v->traverse[i] = traverse;
		v->dealloc[i] = dealloc;
		v->count[i]++;
		break;
	}
	return true;
}

static void learn_locked(struct python_reader *r)
{
	struct cpy_types *types = r->py->types;
	struct vote v = { .r = r };
	int best = 0;

	for (size_t i = 0; i < r->py->ninterps; i++) {
		taddr importlib = cpy_word_or_0(r, r->py->interps[i].at +
							   r->layout->interp.importlib);

		cpy_dict_each(r, cpy_word_or_0(r, importlib + r->layout->module.dict),
			      vote_for, &v);
	}
	for (int i = 1; i < CANDIDATES; i++)
		if (v.count[i] > v.count[best])
			best = i;
	types->traverse = r->py->places->subtype_traverse;
	if (!types->traverse)
		types->traverse = v.traverse[best];
	if (types->traverse == v.traverse[best])
		types->dealloc = v.dealloc[best];
	types->is_learned = true;
}

void cpy_types_learn(struct python_reader *r)
{
	pthread_mutex_lock(&r->py->types->lock);
	if (!r->py->types->is_learned)
		learn_locked(r);
	pthread_mutex_unlock(&r->py->types->lock);
}
