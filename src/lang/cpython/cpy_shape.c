/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What instances of a type look like, put together once from the type's struct. Each type
 * has what its base has and adds its own: the fields and functions of its rules, its
 * __slots__, the members that a C type gives to Python. A slot is a word at the same place
 * in every instance; what is told by no rule, slot or member is scanned.
 */
#include "lang/cpython/cpy_type_int.h"

#include <stdlib.h>

enum { SLOTS_MAX = 2048 };

static struct str copy_of(struct str s)
{
	char *copy = xcalloc(1, s.n + 1);

	if (s.n)
		memcpy(copy, s.s, s.n);
	return (struct str){ copy, s.n };
}

/* module.qualname, or what the type itself says. */
static struct str qualified_name(struct python_reader *r, const struct cpy_raw_type *raw,
				 struct str tp_name)
{
	const struct cpy_layout *l = r->layout;
	struct buf *text = &r->type_cache->text;
	taddr dict = cpy_raw_word(raw, l->type.dict);

	buf_clear(text);
	if (!(cpy_raw_word(raw, l->type.flags) & CPY_HEAPTYPE))
		return copy_of(tp_name);
	if (!cpy_text(r, cpy_dict_get(r, dict, "__module__"), CPY_TYPE_NAME_MAX, text))
		return copy_of(tp_name);
	if (str_is(buf_view(text), "builtins"))
		buf_clear(text);
	else
		buf_char(text, '.');
	if (!cpy_text(r, cpy_word_or_0(r, raw->at + l->type.ht_qualname),
		      CPY_TYPE_NAME_MAX, text))
		return copy_of(tp_name);
	return copy_of(buf_view(text));
}

static bool is_of_python(const struct python_reader *r, const struct cpy_raw_type *raw)
{
	const struct cpy_types *types = r->py->types;
	uint64_t flags = cpy_raw_word(raw, r->layout->type.flags);

	if (!(flags & CPY_HEAPTYPE))
		return false;
	if (types->traverse &&
	    cpy_raw_word(raw, r->layout->type.traverse) == types->traverse)
		return true;
	/* One that the collector does not look at, and that has nothing of its own to free. */
	return !(flags & CPY_HAVE_GC) && types->dealloc &&
	       cpy_raw_word(raw, r->layout->type.dealloc) == types->dealloc;
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

/* The member's name where its bytes are left out: the type's dict has its descriptor, which
 * leads to it (PyMemberDescrObject, Include/cpython/descrobject.h). */
struct member_search {
	struct python_reader *r;
	taddr type, member;
};
enum { DESCRIPTOR_TYPE = 16, DESCRIPTOR_MEMBER = 40 };

static bool see_descriptor(void *context, taddr key, taddr value)
{
	struct member_search *s = context;
	struct python_reader *r = s->r;

	if (!cpy_may_be_address(key) || !cpy_may_be_address(value) ||
	    cpy_word_or_0(r, value + DESCRIPTOR_TYPE) != s->type ||
	    cpy_word_or_0(r, value + DESCRIPTOR_MEMBER) != s->member)
		return true;
	(void)cpy_text(r, key, CPY_TYPE_NAME_MAX, &r->type_cache->text);
	return false;
}

static void member_name(struct python_reader *r, const struct cpy_type *t, taddr at,
			const struct member *m)
{
	struct buf *text = &r->type_cache->text;

	buf_clear(text);
	if (cpy_string(r, m->name, CPY_TYPE_NAME_MAX, text))
		return;
	buf_clear(text);
	if (cpy_is_left_out(r->memory->mem, m->name))
		(void)cpy_dict_each(r, cpy_type_dict(r, t->at), see_descriptor,
				    &(struct member_search){ r, t->at, at });
}

static void add_member(struct python_reader *r, const struct cpy_type *t, struct slots *s,
		       taddr at, const struct member *m)
{
	bool is_object = m->type == T_OBJECT_EX || (m->type == T_OBJECT && !t->is_python);

	if (!is_object || m->offset % 8 || m->offset < CPY_SIZE ||
	    m->offset > t->basicsize - 8)
		return;
	member_name(r, t, at, m);
	slots_add(s, m->offset,
		  cpy_label(r->py, t->is_python ? LABEL_ATTRIBUTE : LABEL_FIELD,
			    buf_view(&r->type_cache->text)));
}

/* A heap type's members follow it, ob_size of them (PyHeapType_GET_MEMBERS); a static
 * type's end with one that has no name. */
static void add_members(struct python_reader *r, const struct cpy_raw_type *raw,
			const struct cpy_type *t, struct slots *s)
{
	const struct cpy_layout *l = r->layout;
	uint64_t n = SLOTS_MAX;
	taddr at = cpy_raw_word(raw, l->type.members);
	struct member m;

	if (t->flags & CPY_HEAPTYPE) {
		n = min_u64(cpy_raw_word(raw, CPY_SIZE), SLOTS_MAX);
		at = raw->at +
		     cpy_word_or_0(r, cpy_raw_word(raw, CPY_TYPE) + l->type.basicsize);
	}
	for (; at && n > 0; n--, at += MEMBER_SIZE) {
		if (!cpy_read(r, at, &m, sizeof(m)) || !m.name)
			return;
		add_member(r, t, s, at, &m);
	}
}

static uint16_t field_label(struct python_reader *r, const struct cpy_field_rule *f)
{
	if (f->kind == CPY_FIELD_NATIVE)
		return LABEL_POSSIBLE;
	return cpy_label(r->py, f->kind == CPY_FIELD_WEAK ? LABEL_WEAK : LABEL_FIELD,
			 str_of(f->name));
}

/* What lies beyond the struct is none of its fields: a foreign type has the same name. */
static void add_fields(struct python_reader *r, const struct cpy_type *t,
		       const struct cpy_rules *rules, struct slots *s)
{
	uint32_t version = r->layout->version;

	for (const struct cpy_field_rule *f = rules->fields; f && f->name; f++)
		if (version >= f->from && (f->to == 0 || version < f->to) &&
		    f->offset + sizeof(taddr) <= t->basicsize)
			slots_add(s, f->offset, field_label(r, f));
}

static void follow_rules(struct cpy_type *t, const struct cpy_rules *rules,
			 struct slots *s)
{
	if (rules->is_whole) {
		t->nread = s->n = 0;
		t->size = t->own = NULL;
		t->value = NULL;
	}
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

static void add_own_level(struct python_reader *r, const struct cpy_raw_type *raw,
			  struct cpy_type *t, struct slots *s)
{
	const struct cpy_rules *rules = cpy_rules_for(r, t);
	bool has_items = t->itemsize && (!t->base || t->base->itemsize != t->itemsize);

	if (!t->is_python)
		t->native = t;
	if (rules) {
		follow_rules(t, rules, s);
		add_fields(r, t, rules, s);
		return;
	}
	if (t->base && t->base->itemsize && t->flags & CPY_TUPLE_SUBCLASS) {
		t->scan = (uint32_t)t->basicsize; /* a structseq: all of it is items */
		return;
	}
	t->scans_items |= has_items && t->itemsize % 8 == 0 && !t->is_metatype;
	add_members(r, raw, t, s);
}

/* Of a new instance (CPython 3.11 dictobject.c new_values, 3.13 pycore_dict.h
 * _PyInlineValuesSize). */
static uint32_t values_bytes(const struct cpy_layout *l, const struct cpy_type *t)
{
	uint32_t n = t->values_size;

	if (!(t->flags & CPY_MANAGED_DICT) || l->version < 0x30b)
		return 0;
	if (l->dict.values_array) /* 3.13 */
		return (n + 1) * 8 + (uint32_t)align_up(n, 8);
	return (uint32_t)align_up(n + 2, 8) + n * 8;
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
	t->uncounted = values_bytes(r->layout, t);
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

struct cpy_type *cpy_type_build(struct python_reader *r, const struct cpy_raw_type *raw,
				const struct cpy_type *base)
{
	const struct cpy_layout *l = r->layout;
	struct cpy_type *t = xcalloc(1, sizeof(*t));
	struct slots s = { 0 };

	t->at = raw->at;
	t->base = base;
	t->tp_name = copy_of(buf_view(&r->type_cache->text));
	t->name = qualified_name(r, raw, t->tp_name);
	t->has_no_name = raw->has_no_name && str_is(t->name, t->tp_name.s);
	t->flags = cpy_raw_word(raw, l->type.flags);
	t->basicsize = cpy_raw_word(raw, l->type.basicsize);
	t->itemsize = (int64_t)cpy_raw_word(raw, l->type.itemsize);
	t->dictoffset = (int64_t)cpy_raw_word(raw, l->type.dictoffset);
	t->weaklistoffset = (int64_t)cpy_raw_word(raw, l->type.weaklistoffset);
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

void cpy_type_free(struct cpy_type *t)
{
	free((char *)(uintptr_t)t->name.s);
	free((char *)(uintptr_t)t->tp_name.s);
	free((struct cpy_slot *)(uintptr_t)t->slots);
	free(t->value_labels);
	free(t);
}
