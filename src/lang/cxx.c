/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The class of a C++ object, by the first word of its block (Itanium C++ ABI, 2.5 and
 * 2.9.5, which gcc and clang follow on Linux):
 *
 *    block        vtable                   type_info         type_info of its class
 *   +------+     | offset to top, <= 0 |  +------+          +------+
 *   | vptr |--.  | type_info ----------|->| vptr |--> ... ->| vptr |
 *   +------+  '->| function            |  | name |-.        | name |-> "N10__cxxabiv1..."
 *                                         +------+ '-> "N3app5OrderE"
 *
 * It is a vtable if the type_info's own class is one of the three that describe classes
 * (__class_type_info, __si_class_type_info, __vmi_class_type_info of __cxxabiv1), by the
 * same two steps and their names: so nothing depends on symbols, on which library has the
 * C++ runtime, or on whether there is one (static programs). Secondary vtables, those of
 * multiple inheritance, name the whole class too.
 *
 * Without RTTI (-fno-rtti: the type_info is 0), the symbol `vtable for X` is the second
 * way, where it was left in the file. What has neither is not claimed.
 *
 * While the target stands only its own bytes are read (cxx_vtables_read): symbols and the
 * names that people read can wait until it runs again, and take far longer.
 */
#include "base/map.h"
#include "lang/lang.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	NAME_MAX_BYTES = 4096,
	TOP_MAX = 1 << 24,    /* no object has its subobjects further apart */
	CLASSES_MAX = 1 << 20 /* vtables looked up; then we stop believing the target */
};

/* What a vptr stands for. */
struct class
{
	char *type_name; /* by its RTTI, mangled; NULL: none. Owned */
	bool by_symbol;  /* a vtable without RTTI: its symbol may tell */
	bool named;
	char *name; /* once named; NULL: no vtable's, or nothing tells. Owned */
};

struct cxx_vtables {
	const struct mem *mem;
	const struct module_set *modules;
	pthread_mutex_t lock;
	struct cxx_filter filter;
	struct map by_vptr;      /* vptr -> index of classes */
	struct map type_vtables; /* vptr of a type_info -> whether it describes classes */
	struct class *classes;
	size_t n, cap;
};

/* ---- RTTI ---- */

struct type_info {
	taddr vptr, name;
};

/* The type_info that a vtable names, *ti 0 for none; false: vptr is no vtable's. */
static bool vtable_type(const struct cxx_vtables *v, taddr vptr, taddr *ti)
{
	uint64_t head[2];

	if (vptr < sizeof(head) || !mem_load(v->mem, vptr - sizeof(head), &head))
		return false;
	/* Offset to top: 0, or how far a base lies inside its object, negated. */
	if (head[0] != 0 && (head[0] % 8 != 0 || -head[0] > TOP_MAX))
		return false;
	*ti = head[1];
	return head[1] == 0 || (head[1] % 8 == 0 && module_at(v->modules, head[1]));
}

static bool read_name(const struct cxx_vtables *v, const struct type_info *ti,
		      char name[NAME_MAX_BYTES])
{
	return module_at(v->modules, ti->name) &&
	       mem_read_string(v->mem, ti->name, name, NAME_MAX_BYTES);
}

static bool name_describes_classes(const char *name)
{
	static const char *const names[] = {
		"N10__cxxabiv117__class_type_infoE",
		"N10__cxxabiv120__si_class_type_infoE",
		"N10__cxxabiv121__vmi_class_type_infoE",
	};

	for (size_t i = 0; i < countof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Is this the vptr of type_infos that describe classes? */
static bool describes_classes(struct cxx_vtables *v, taddr vptr)
{
	struct type_info ti;
	char name[NAME_MAX_BYTES];
	uint32_t known;
	taddr at;

	if (map_find(&v->type_vtables, vptr, &known))
		return known;
	known = vptr % 8 == 0 && module_at(v->modules, vptr) &&
		vtable_type(v, vptr, &at) && at != 0 && mem_load(v->mem, at, &ti) &&
		read_name(v, &ti, name) && name_describes_classes(name);
	map_set(&v->type_vtables, vptr, known);
	return known;
}

/* "typeinfo for X" or "vtable for X", without the words before X. */
static char *demangled(const char *prefix, const char *name, const char *words)
{
	struct buf symbol = { 0 }, out = { 0 };
	char *class_name = NULL;

	buf_printf(&symbol, "%s%s", prefix, name);
	demangle(buf_view(&symbol), &out);
	if (str_starts(buf_view(&out), words))
		class_name = xstrdup(out.s + strlen(words));
	buf_release(&symbol);
	buf_release(&out);
	return class_name;
}

static char *type_name_read(struct cxx_vtables *v, taddr at)
{
	struct type_info ti;
	char name[NAME_MAX_BYTES];

	if (!mem_load(v->mem, at, &ti) || !describes_classes(v, ti.vptr) ||
	    !read_name(v, &ti, name))
		return NULL;
	/* A star marks a name that is compared by address: it is no part of it. */
	return xstrdup(name + (name[0] == '*'));
}

/* ---- symbols ---- */

static char *class_by_symbol(const struct cxx_vtables *v, taddr vptr)
{
	const struct module *mod = module_at(v->modules, vptr);
	char name[NAME_MAX_BYTES];
	uint64_t offset;
	struct str symbol;

	if (!mod || !mod->image ||
	    !image_symbol_at(mod->image, vptr - mod->bias, &symbol, &offset) ||
	    offset < 2 * sizeof(uint64_t) || symbol.n >= sizeof(name) ||
	    !str_starts(symbol, "_ZTV"))
		return NULL;
	snprintf(name, sizeof(name), "%.*s", (int)symbol.n, symbol.s);
	return demangled("", name, "vtable for ");
}

/* ---- answers ---- */

static struct class class_read(struct cxx_vtables *v, taddr vptr)
{
	struct class c = { 0 };
	taddr ti;

	if (vptr % 8 != 0 || !vtable_type(v, vptr, &ti))
		return c;
	c.by_symbol = ti == 0;
	if (ti)
		c.type_name = type_name_read(v, ti);
	return c;
}

static void class_name(struct cxx_vtables *v, taddr vptr, struct class *c)
{
	if (c->type_name)
		c->name = demangled("_ZTI", c->type_name, "typeinfo for ");
	else if (c->by_symbol)
		c->name = class_by_symbol(v, vptr);
	c->named = true;
}

/* NULL: no vptr, or one too many. */
static struct class *class_locked(struct cxx_vtables *v, taddr vptr)
{
	uint32_t known;

	if (map_find(&v->by_vptr, vptr, &known))
		return &v->classes[known];
	if (!module_at(v->modules, vptr) || v->n == CLASSES_MAX)
		return NULL;
	if (v->n == v->cap) {
		v->cap = v->cap ? 2 * v->cap : 64;
		v->classes = xrealloc(v->classes, v->cap, sizeof(*v->classes));
	}
	v->classes[v->n] = class_read(v, vptr);
	map_set(&v->by_vptr, vptr, (uint32_t)v->n);
	return &v->classes[v->n++];
}

void cxx_vtables_read(struct cxx_vtables *v, taddr vptr)
{
	pthread_mutex_lock(&v->lock);
	class_locked(v, vptr);
	pthread_mutex_unlock(&v->lock);
}

bool cxx_class_of(struct cxx_vtables *v, taddr vptr, struct str *name)
{
	struct class *c;

	pthread_mutex_lock(&v->lock);
	c = class_locked(v, vptr);
	if (c && !c->named)
		class_name(v, vptr, c);
	if (c && c->name)
		*name = str_of(c->name);
	else
		c = NULL;
	pthread_mutex_unlock(&v->lock);
	return c != NULL;
}

const struct cxx_filter *cxx_filter_of(const struct cxx_vtables *v)
{
	return &v->filter;
}

static void filter_add(struct cxx_filter *f, taddr start, taddr end)
{
	for (uint64_t page = start >> 16; page <= (end - 1) >> 16; page++) {
		f->bits[page % 65536 / 64] |= 1ull << page % 64;
		if (page - (start >> 16) >= 65536)
			return; /* every bit is set */
	}
}

struct cxx_vtables *cxx_vtables_new(const struct mem *m, const struct module_set *set)
{
	struct cxx_vtables *v = xcalloc(1, sizeof(*v));

	v->mem = m;
	v->modules = set;
	pthread_mutex_init(&v->lock, NULL);
	/* Whole modules: vtables lie in .data.rel.ro, .rodata or, copied, in .bss. */
	for (size_t i = 0; i < set->n; i++)
		if (set->modules[i].end > set->modules[i].start)
			filter_add(&v->filter, set->modules[i].start,
				   set->modules[i].end);
	return v;
}

void cxx_vtables_free(struct cxx_vtables *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n; i++) {
		free(v->classes[i].type_name);
		free(v->classes[i].name);
	}
	free(v->classes);
	map_release(&v->by_vptr);
	map_release(&v->type_vtables);
	pthread_mutex_destroy(&v->lock);
	free(v);
}
