/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Type objects. A word is believed to be a type's address if it leads, by ob_type, to the
 * one type whose type is itself, in a few steps over types of types, and if what it says of
 * itself makes sense. So nothing has to be known of where types lie: most are malloc
 * blocks, the others lie in any file's data.
 *
 * What instances look like is put together once, from the topmost base down: each type has
 * what its base has and adds its own (cpy_rules, slots, members). Bases are walked by a
 * list of addresses, never by recursion.
 *
 * A type is Python's if a class statement made it, which its tp_traverse tells: it is then
 * subtype_traverse, a function without a symbol in a stripped interpreter. The classes of
 * the frozen importlib, which every interpreter has, tell its address by majority; and that
 * of subtype_dealloc, by which classes are known that the collector does not look at.
 *
 * All types are in one table behind a lock; each reader remembers the types it met, and
 * lately met words that are none.
 */
#include "lang/cpython/cpy_int.h"

#include <pthread.h>
#include <stdlib.h>

enum {
	NEAR = 8192, /* a power of two */
	BASES_MAX = 256,
	META_STEPS = 5,
	NAME_MAX = 256,
	TYPE_BYTES = 512, /* of the struct, in any version */
	SLOTS_MAX = 2048,
	BASICSIZE_MAX = 1 << 20,
	ITEMSIZE_MAX = 1 << 16,
};

struct cpy_types {
	pthread_mutex_t lock;
	struct map by_address; /* -> index */
	struct cpy_type **types;
	size_t n, cap;
	bool is_learned;
	taddr traverse, dealloc; /* subtype_traverse, subtype_dealloc; 0 not known */
};

struct cpy_type_cache {
	struct {
		taddr at;
		const struct cpy_type *type; /* NULL: it is none */
	} near[NEAR];
	struct map by_address; /* -> index; only types */
	const struct cpy_type **types;
	size_t n, cap;
	struct buf text;
};

struct cpy_types *cpy_types_new(void)
{
	struct cpy_types *types = xcalloc(1, sizeof(*types));

	pthread_mutex_init(&types->lock, NULL);
	return types;
}

static void type_free(struct cpy_type *t)
{
	free((char *)(uintptr_t)t->name.s);
	free((char *)(uintptr_t)t->tp_name.s);
	free((struct cpy_slot *)(uintptr_t)t->slots);
	free(t->value_labels);
	free(t);
}

void cpy_types_free(struct cpy_types *types)
{
	if (!types)
		return;
	for (size_t i = 0; i < types->n; i++)
		type_free(types->types[i]);
	free(types->types);
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

/* The struct, as it lies in the target. */
struct raw_type {
	taddr at;
	uint8_t bytes[TYPE_BYTES];
};

static uint64_t raw_word(const struct raw_type *raw, uint32_t offset)
{
	uint64_t word = 0;

	if (offset <= TYPE_BYTES - sizeof(word))
		memcpy(&word, raw->bytes + offset, sizeof(word));
	return word;
}

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

static bool is_named(struct python_reader *r, taddr type, const char *name)
{
	char text[8];
	size_t n = strlen(name) + 1;

	assert(n <= sizeof(text));
	return cpy_read(r, cpy_word_or_0(r, type + r->layout->type.name), text, n) &&
	       memcmp(text, name, n) == 0;
}

/* By ob_type from type to type of types, to the one that is its own. */
static bool leads_to_type(struct python_reader *r, taddr at)
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
			return is_named(r, at, "type");
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

/* Reads it, and its tp_name into the reader's text. */
static bool raw_read(struct python_reader *r, taddr at, struct raw_type *raw)
{
	const struct cpy_layout *l = r->layout;
	struct buf *text = &r->type_cache->text;

	assert(l->type.size <= TYPE_BYTES);
	raw->at = at;
	if (!leads_to_type(r, at) || !cpy_read(r, at, raw->bytes, l->type.size))
		return false;
	if (!(raw_word(raw, l->type.flags) & CPY_READY) ||
	    raw_word(raw, l->type.basicsize) - 16 > BASICSIZE_MAX ||
	    raw_word(raw, l->type.itemsize) > ITEMSIZE_MAX)
		return false;
	buf_clear(text);
	return cpy_string(r, raw_word(raw, l->type.name), NAME_MAX, text) &&
	       name_is_sane(buf_view(text));
}

/* ---- what instances look like ---- */

static struct str copy_of(struct str s)
{
	char *copy = xcalloc(1, s.n + 1);

	if (s.n)
		memcpy(copy, s.s, s.n);
	return (struct str){ copy, s.n };
}

/* module.qualname, or what the type itself says. */
static struct str qualified_name(struct python_reader *r, const struct raw_type *raw,
				 struct str tp_name)
{
	const struct cpy_layout *l = r->layout;
	struct buf *text = &r->type_cache->text;
	taddr dict = raw_word(raw, l->type.dict);

	buf_clear(text);
	if (!(raw_word(raw, l->type.flags) & CPY_HEAPTYPE))
		return copy_of(tp_name);
	if (!cpy_text(r, cpy_dict_get(r, dict, "__module__"), NAME_MAX, text))
		return copy_of(tp_name);
	if (str_is(buf_view(text), "builtins"))
		buf_clear(text);
	else
		buf_char(text, '.');
	if (!cpy_text(r, cpy_word_or_0(r, raw->at + l->type.ht_qualname), NAME_MAX, text))
		return copy_of(tp_name);
	return copy_of(buf_view(text));
}

static bool is_of_python(const struct python_reader *r, const struct raw_type *raw)
{
	const struct cpy_types *types = r->py->types;
	uint64_t flags = raw_word(raw, r->layout->type.flags);

	if (!(flags & CPY_HEAPTYPE))
		return false;
	if (types->traverse && raw_word(raw, r->layout->type.traverse) == types->traverse)
		return true;
	/* One that the collector does not look at, and that has nothing of its own to free. */
	return !(flags & CPY_HAVE_GC) && types->dealloc &&
	       raw_word(raw, r->layout->type.dealloc) == types->dealloc;
}

/* Slots while a type is put together. */
struct slots {
	struct cpy_slot *at;
	uint32_t n, cap;
};

static bool slots_have(const struct slots *s, uint64_t offset)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->at[i].offset == offset)
			return true;
	return false;
}

static void slots_add(struct slots *s, uint64_t offset, uint16_t label)
{
	if (s->n == SLOTS_MAX || slots_have(s, offset))
		return;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 8;
		s->at = xrealloc(s->at, s->cap, sizeof(*s->at));
	}
	s->at[s->n++] = (struct cpy_slot){ (uint32_t)offset, label };
}

/* PyMemberDef (Include/descrobject.h) */
enum { MEMBER_SIZE = 40, T_OBJECT = 6, T_OBJECT_EX = 16 };

struct member {
	uint64_t name;
	uint32_t type, padding;
	uint64_t offset, flags, doc;
};

static void add_member(struct python_reader *r, const struct cpy_type *t, struct slots *s,
		       const struct member *m)
{
	struct buf *text = &r->type_cache->text;
	bool is_object = m->type == T_OBJECT_EX || (m->type == T_OBJECT && !t->is_python);

	if (!is_object || m->offset % 8 || m->offset < CPY_SIZE ||
	    m->offset > t->basicsize - 8)
		return;
	buf_clear(text);
	if (!cpy_string(r, m->name, NAME_MAX, text))
		buf_clear(text);
	slots_add(s, m->offset,
		  cpy_label(r->py, t->is_python ? LABEL_ATTRIBUTE : LABEL_FIELD,
			    buf_view(text)));
}

/* A heap type's members follow it, ob_size of them (PyHeapType_GET_MEMBERS); a static
 * type's end with one that has no name. */
static void add_members(struct python_reader *r, const struct raw_type *raw,
			const struct cpy_type *t, struct slots *s)
{
	const struct cpy_layout *l = r->layout;
	uint64_t n = SLOTS_MAX;
	taddr at = raw_word(raw, l->type.members);
	struct member m;

	if (t->flags & CPY_HEAPTYPE) {
		n = min_u64(raw_word(raw, CPY_SIZE), SLOTS_MAX);
		at = raw->at +
		     cpy_word_or_0(r, raw_word(raw, CPY_TYPE) + l->type.basicsize);
	}
	for (; at && n > 0; n--, at += MEMBER_SIZE) {
		if (!cpy_read(r, at, &m, sizeof(m)) || !m.name)
			return;
		add_member(r, t, s, &m);
	}
}

static void add_fields(struct python_reader *r, const struct cpy_rules *rules,
		       struct slots *s)
{
	uint32_t version = r->layout->version;

	for (const struct cpy_field_rule *f = rules->fields; f && f->name; f++)
		if (version >= f->from && (f->to == 0 || version < f->to))
			slots_add(s, f->offset,
				  cpy_label(r->py, f->weak ? LABEL_WEAK : LABEL_FIELD,
					    str_of(f->name)));
}

static void follow_rules(struct cpy_type *t, const struct cpy_rules *rules)
{
	t->rules = rules;
	t->is_singleton = rules->is_singleton;
	t->scan = (uint32_t)t->basicsize;
	t->scans_items = false;
	if (rules->read && t->nread < CPY_LEVELS)
		t->read[t->nread++] = rules->read;
	if (rules->size)
		t->size = rules->size;
	if (rules->own)
		t->own = rules->own;
	if (rules->value)
		t->value = rules->value;
}

static void follow_base(struct cpy_type *t, const struct cpy_type *base, struct slots *s)
{
	memcpy(t->read, base->read, sizeof(t->read));
	t->nread = base->nread;
	t->rules = base->rules;
	t->size = base->size;
	t->own = base->own;
	t->value = base->value;
	t->scan = base->scan;
	t->scans_items = base->scans_items;
	t->native = base->native;
	for (uint32_t i = 0; i < base->nslots; i++)
		slots_add(s, base->slots[i].offset, base->slots[i].label);
}

static void add_own_level(struct python_reader *r, const struct raw_type *raw,
			  struct cpy_type *t, struct slots *s)
{
	const struct cpy_rules *rules = t->is_python ? NULL : cpy_rules_of(t->tp_name);
	bool has_items = t->itemsize && (!t->base || t->base->itemsize != t->itemsize);

	if (!t->is_python)
		t->native = t;
	if (rules) {
		follow_rules(t, rules);
		add_fields(r, rules, s);
		return;
	}
	if (t->base && t->base->itemsize && t->flags & CPY_TUPLE_SUBCLASS) {
		t->scan = (uint32_t)t->basicsize; /* a structseq: all of it is items */
		return;
	}
	t->scans_items |= has_items && t->itemsize % 8 == 0 && !t->is_metatype;
	add_members(r, raw, t, s);
}

/* The names under which instances keep values without a dict. */
static void add_values(struct python_reader *r, struct cpy_type *t)
{
	struct cpy_keys k;

	if (!(t->flags & CPY_HEAPTYPE) || r->layout->type.ht_cached_keys == CPY_ABSENT)
		return;
	t->cached_keys = cpy_word_or_0(r, t->at + r->layout->type.ht_cached_keys);
	if (!t->cached_keys || !cpy_keys_read(r, t->cached_keys, &k) || !k.is_split)
		return;
	t->nvalues = (uint32_t)min_u64(k.n, CPY_VALUES_MAX);
	t->values_size = (uint32_t)min_u64(k.n + k.usable, CPY_VALUES_MAX);
	t->value_labels = xcalloc(t->nvalues + 1, sizeof(*t->value_labels));
	for (uint32_t i = 0; i < t->nvalues; i++)
		t->value_labels[i] = cpy_attribute(r, cpy_key_at(r, &k, i));
}

static uint8_t pre_header_of(const struct cpy_layout *l, uint64_t flags)
{
	uint64_t managed = l->version >= 0x30c ? CPY_MANAGED_DICT | CPY_MANAGED_WEAKREF
					       : CPY_MANAGED_DICT;

	if (l->version < 0x30b)
		managed = 0;
	return (uint8_t)((flags & CPY_HAVE_GC ? CPY_GC_HEAD : 0) +
			 (flags & managed ? 16 : 0));
}

/* raw is just read: its tp_name is the reader's text. */
static struct cpy_type *type_build(struct python_reader *r, const struct raw_type *raw,
				   const struct cpy_type *base)
{
	const struct cpy_layout *l = r->layout;
	struct cpy_type *t = xcalloc(1, sizeof(*t));
	struct slots s = { 0 };

	t->at = raw->at;
	t->base = base;
	t->tp_name = copy_of(buf_view(&r->type_cache->text));
	t->name = qualified_name(r, raw, t->tp_name);
	t->flags = raw_word(raw, l->type.flags);
	t->basicsize = raw_word(raw, l->type.basicsize);
	t->itemsize = (int64_t)raw_word(raw, l->type.itemsize);
	t->dictoffset = (int64_t)raw_word(raw, l->type.dictoffset);
	t->weaklistoffset = (int64_t)raw_word(raw, l->type.weaklistoffset);
	t->is_metatype = t->flags & CPY_TYPE_SUBCLASS;
	t->is_python = base && is_of_python(r, raw);
	t->pre_header = pre_header_of(l, t->flags);
	add_values(r, t);
	t->scan = CPY_SIZE;
	if (base)
		follow_base(t, base, &s);
	add_own_level(r, raw, t, &s);
	if (t->dictoffset > 0 && t->dictoffset < (int64_t)t->basicsize &&
	    !slots_have(&s, (uint64_t)t->dictoffset) && !t->is_metatype)
		t->plain_dict = (uint32_t)t->dictoffset;
	t->slots = s.at;
	t->nslots = s.n;
	return t;
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
		type_free(t);
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
		if (n == BASES_MAX || !cpy_may_be_address(at) || !leads_to_type(r, at))
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
		struct raw_type raw;

		if (!raw_read(r, bases[--n], &raw))
			return NULL;
		t = shared_add(r->py->types, type_build(r, &raw, t));
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
	size_t i = (size_t)(at * 0x9e3779b97f4a7c15 >> 51) % NEAR;

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

struct str python_type_name(const struct python *py, uint32_t type)
{
	struct str name;

	pthread_mutex_lock(&py->types->lock);
	name = py->types->types[type]->name;
	pthread_mutex_unlock(&py->types->lock);
	return name;
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
	if (!cpy_may_be_address(value) || !leads_to_type(v->r, value) ||
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
