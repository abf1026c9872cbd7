/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of static types whose tp_name was left out: it lies in read-only data, which a core
 * of the kernel's has not, and the file may be missing. (Heap types have theirs on the heap.)
 * What is dumped is what modules call them, in order of trust:
 *
 *   builtins    the name is the attribute's; aliases (IOError) come later in the dict
 *   leads       sys.flags is of type "sys.flags"
 *   order       of those that no module has (cpy_typeorder.c)
 *   known       module.attribute is a name that there are rules for
 *   C module    module.attribute, of a module made in C
 *   package     package.attribute, of types that are not the interpreter's own
 *
 * The latter two only if there is but one such name: numpy.float64 is numpy.double, too.
 * What is told by none of these has no name: "type at 0x...".
 */
#include "lang/cpython/cpy_type_int.h"

#include <stdlib.h>

enum rank { RANK_NONE, RANK_PACKAGE, RANK_C_MODULE, RANK_KNOWN, RANK_SURE };

struct typename
{
	taddr type;
	char *name;
	enum rank rank;
	bool is_ambiguous;
};

struct cpy_typenames {
	struct map by_type; /* -> index */
	struct typename *names;
	size_t n, cap;
};

/* Types that modules do not have, but something that leads to them (CPython 3.11 and 3.13
 * Python/sysmodule.c; 3.11 Modules/_ctypes/_ctypes.c), or that have two names there. */
enum relation { ITSELF, TYPE_OF, BASE_OF, TYPE_OF_DICT };
static const struct lead {
	const char *module, *attribute;
	enum relation relation;
	const char *type;
} leads[] = {
	{ "sys", "flags", TYPE_OF, "sys.flags" },
	{ "sys", "float_info", TYPE_OF, "sys.float_info" },
	{ "sys", "hash_info", TYPE_OF, "sys.hash_info" },
	{ "sys", "int_info", TYPE_OF, "sys.int_info" },
	{ "sys", "thread_info", TYPE_OF, "sys.thread_info" },
	{ "sys", "version_info", TYPE_OF, "sys.version_info" },
	{ "_ctypes", "Array", TYPE_OF, "_ctypes.PyCArrayType" },
	{ "_ctypes", "CFuncPtr", TYPE_OF, "_ctypes.PyCFuncPtrType" },
	{ "_ctypes", "Structure", TYPE_OF, "_ctypes.PyCStructType" },
	{ "_ctypes", "Union", TYPE_OF, "_ctypes.UnionType" },
	{ "_ctypes", "_Pointer", TYPE_OF, "_ctypes.PyCPointerType" },
	{ "_ctypes", "_SimpleCData", TYPE_OF, "_ctypes.PyCSimpleType" },
	{ "_ctypes", "Structure", BASE_OF, "_ctypes._CData" },
	{ "ctypes", "c_bool", TYPE_OF_DICT, "StgDict" },
	{ "numpy", "dtype", TYPE_OF, "numpy._DTypeMeta" },
	{ "numpy", "int8", ITSELF, "numpy.int8" },
	{ "numpy", "int16", ITSELF, "numpy.int16" },
	{ "numpy", "int32", ITSELF, "numpy.int32" },
	{ "numpy", "int64", ITSELF, "numpy.int64" },
	{ "numpy", "uint8", ITSELF, "numpy.uint8" },
	{ "numpy", "uint16", ITSELF, "numpy.uint16" },
	{ "numpy", "uint32", ITSELF, "numpy.uint32" },
	{ "numpy", "uint64", ITSELF, "numpy.uint64" },
	{ "numpy", "float16", ITSELF, "numpy.float16" },
	{ "numpy", "float32", ITSELF, "numpy.float32" },
	{ "numpy", "float64", ITSELF, "numpy.float64" },
	{ "numpy", "complex64", ITSELF, "numpy.complex64" },
	{ "numpy", "complex128", ITSELF, "numpy.complex128" },
	{ "numpy", "str_", ITSELF, "numpy.str_" },
};

struct naming {
	struct python_reader *r;
	struct cpy_typenames *names;
	taddr module_type;
	struct str module;
	bool is_c; /* the module has a definition in C */
	struct buf text, module_text, attribute;
};

static void take(struct cpy_typenames *names, taddr type, struct str name, enum rank rank)
{
	struct typename *t;
	uint32_t i;

	if (!map_find(&names->by_type, type, &i)) {
		i = (uint32_t)names->n++;
		if (i == names->cap) {
			names->cap = names->cap ? 2 * names->cap : 256;
			names->names =
				xrealloc(names->names, names->cap, sizeof(*names->names));
		}
		names->names[i] = (struct typename){ .type = type };
		map_set(&names->by_type, type, i);
	}
	t = &names->names[i];
	if (rank == t->rank && rank < RANK_KNOWN && t->name && !str_is(name, t->name))
		t->is_ambiguous = true;
	if (rank <= t->rank)
		return;
	free(t->name);
	t->name = xcalloc(1, name.n + 1);
	memcpy(t->name, name.s, name.n);
	t->rank = rank;
	t->is_ambiguous = false;
}

bool cpy_is_static_type(struct python_reader *r, taddr at)
{
	return cpy_may_be_address(at) && cpy_leads_to_type(r, at) &&
	       !(cpy_word_or_0(r, at + r->layout->type.flags) & CPY_HEAPTYPE);
}

static taddr follow(struct python_reader *r, taddr value, enum relation relation)
{
	taddr dict;

	if (relation == ITSELF)
		return value;
	if (relation == TYPE_OF)
		return cpy_word_or_0(r, value + CPY_TYPE);
	if (!cpy_leads_to_type(r, value))
		return 0;
	if (relation == BASE_OF)
		return cpy_word_or_0(r, value + r->layout->type.base);
	dict = cpy_type_dict(r, value);
	return dict ? cpy_word_or_0(r, dict + CPY_TYPE) : 0;
}

static void take_leads(struct naming *n, struct str attribute, taddr value)
{
	for (size_t i = 0; i < countof(leads); i++) {
		taddr type;

		if (!str_is(n->module, leads[i].module) ||
		    !str_is(attribute, leads[i].attribute))
			continue;
		type = follow(n->r, value, leads[i].relation);
		if (cpy_is_static_type(n->r, type))
			take(n->names, type, str_of(leads[i].type), RANK_SURE);
	}
}

/* A name that a program imports a type under is not told from an alias that it made up:
 * only whole packages' public names count. */
static enum rank rank_of(const struct naming *n, struct str name, taddr type)
{
	if (cpy_rules_of(name))
		return RANK_KNOWN;
	if (cpy_is_own(n->r->py, type))
		return n->is_c ? RANK_C_MODULE : RANK_NONE;
	if (n->module.s[0] == '_' || n->attribute.s[0] == '_' ||
	    memchr(n->module.s, '.', n->module.n))
		return RANK_NONE;
	return n->is_c ? RANK_C_MODULE : RANK_PACKAGE;
}

static bool see_attribute(void *context, taddr key, taddr value)
{
	struct naming *n = context;
	struct str attribute;

	buf_clear(&n->attribute);
	if (!cpy_may_be_address(key) || !cpy_may_be_address(value) ||
	    !cpy_text(n->r, key, CPY_TYPE_NAME_MAX, &n->attribute))
		return true;
	attribute = buf_view(&n->attribute);
	take_leads(n, attribute, value);
	if (attribute.n == 0 || !cpy_is_static_type(n->r, value))
		return true;
	buf_clear(&n->text);
	if (str_is(n->module, "builtins")) {
		take(n->names, value, attribute, RANK_SURE);
	} else {
		buf_printf(&n->text, "%.*s.%.*s", (int)n->module.n, n->module.s,
			   (int)attribute.n, attribute.s);
		take(n->names, value, buf_view(&n->text),
		     rank_of(n, buf_view(&n->text), value));
	}
	return true;
}

static bool see_module(void *context, taddr key, taddr module)
{
	struct naming *n = context;
	const struct cpy_layout *l = n->r->layout;

	buf_clear(&n->module_text);
	if (!cpy_may_be_address(key) || !cpy_may_be_address(module) ||
	    !cpy_text(n->r, key, CPY_TYPE_NAME_MAX, &n->module_text))
		return true;
	n->module = buf_view(&n->module_text);
	n->is_c = cpy_word_or_0(n->r, module + CPY_TYPE) == n->module_type &&
		  cpy_word_or_0(n->r, module + l->module.def) != 0;
	(void)cpy_dict_each(n->r, cpy_word_or_0(n->r, module + l->module.dict),
			    see_attribute, n);
	return true;
}

struct cpy_typenames *cpy_typenames_new(struct python_reader *r)
{
	struct cpy_typenames *names = xcalloc(1, sizeof(*names));
	struct naming n = { .r = r, .names = names };

	for (size_t i = 0; i < r->py->ninterps; i++) {
		taddr interp = r->py->interps[i].at;
		taddr importlib = cpy_word_or_0(r, interp + r->layout->interp.importlib);

		n.module_type = cpy_word_or_0(r, importlib + CPY_TYPE);
		(void)cpy_dict_each(r,
				    cpy_word_or_0(r, interp + r->layout->interp.modules),
				    see_module, &n);
	}
	cpy_typenames_by_order(r, names);
	buf_release(&n.text);
	buf_release(&n.module_text);
	buf_release(&n.attribute);
	return names;
}

void cpy_typenames_take(struct cpy_typenames *names, taddr type, struct str name)
{
	take(names, type, name, RANK_SURE);
}

taddr cpy_typenames_named(const struct cpy_typenames *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (names->names[i].rank == RANK_SURE &&
		    strcmp(names->names[i].name, name) == 0)
			return names->names[i].type;
	return 0;
}

void cpy_typenames_free(struct cpy_typenames *names)
{
	if (!names)
		return;
	for (size_t i = 0; i < names->n; i++)
		free(names->names[i].name);
	free(names->names);
	map_release(&names->by_type);
	free(names);
}

struct str cpy_typenames_find(const struct cpy_typenames *names, taddr type)
{
	uint32_t i;

	if (!map_find(&names->by_type, type, &i) || !names->names[i].name ||
	    names->names[i].is_ambiguous)
		return (struct str){ NULL, 0 };
	return str_of(names->names[i].name);
}
