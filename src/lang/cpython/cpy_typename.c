/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of static types whose tp_name was left out: it lies in read-only data, which a core
 * of the kernel's has not, and the file may be missing. (Heap types have theirs on the heap.)
 * What is dumped is what modules call them, in order of trust:
 *
 *   place       where CPython itself has it: types.FunctionType is "function", and so is
 *               what a function of _frozen_importlib's is an instance of
 *   builtins    the name is the attribute's; aliases (IOError) come later in the dict
 *   known       module.attribute is a name that there are rules for
 *   C module    module.attribute, of a module made in C
 *   package     package.attribute, of types that are not the interpreter's own
 *
 * The latter two only if there is but one such name: numpy.float64 is numpy.double, too.
 * What is told by none of these has no name: "type at 0x...".
 */
#include "lang/cpython/cpy_type_int.h"

#include <stdlib.h>

enum rank { RANK_NONE, RANK_PACKAGE, RANK_C_MODULE, RANK_KNOWN, RANK_PLACE };

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

/* Where CPython has types that no module has under their own name; the type itself, or one
 * of its instances (CPython 3.11 and 3.13 Lib/types.py, Lib/_collections_abc.py,
 * Python/sysmodule.c). */
static const struct place {
	const char *module, *attribute;
	bool is_instance;
	const char *name;
} places[] = {
	{ "builtins", "None", true, "NoneType" },
	{ "builtins", "Ellipsis", true, "ellipsis" },
	{ "builtins", "NotImplemented", true, "NotImplementedType" },
	{ "builtins", "len", true, "builtin_function_or_method" },
	{ "_frozen_importlib", "_verbose_message", true, "function" },
	{ "_frozen_importlib", "_thread", true, "module" },
	{ "_frozen_importlib_external", "_code_type", false, "code" },
	{ "types", "FunctionType", false, "function" },
	{ "types", "CodeType", false, "code" },
	{ "types", "ModuleType", false, "module" },
	{ "types", "MappingProxyType", false, "mappingproxy" },
	{ "types", "CellType", false, "cell" },
	{ "types", "GeneratorType", false, "generator" },
	{ "types", "CoroutineType", false, "coroutine" },
	{ "types", "AsyncGeneratorType", false, "async_generator" },
	{ "types", "MethodType", false, "method" },
	{ "types", "BuiltinFunctionType", false, "builtin_function_or_method" },
	{ "types", "WrapperDescriptorType", false, "wrapper_descriptor" },
	{ "types", "MethodWrapperType", false, "method-wrapper" },
	{ "types", "MethodDescriptorType", false, "method_descriptor" },
	{ "types", "ClassMethodDescriptorType", false, "classmethod_descriptor" },
	{ "types", "TracebackType", false, "traceback" },
	{ "types", "FrameType", false, "frame" },
	{ "types", "GetSetDescriptorType", false, "getset_descriptor" },
	{ "types", "MemberDescriptorType", false, "member_descriptor" },
	{ "types", "GenericAlias", false, "types.GenericAlias" },
	{ "types", "UnionType", false, "types.UnionType" },
	{ "types", "SimpleNamespace", false, "types.SimpleNamespace" },
	{ "types", "CapsuleType", false, "PyCapsule" },
	{ "sys", "implementation", true, "types.SimpleNamespace" },
	{ "sys", "flags", true, "sys.flags" },
	{ "sys", "float_info", true, "sys.float_info" },
	{ "sys", "hash_info", true, "sys.hash_info" },
	{ "sys", "int_info", true, "sys.int_info" },
	{ "sys", "thread_info", true, "sys.thread_info" },
	{ "sys", "version_info", true, "sys.version_info" },
	{ "_collections_abc", "bytes_iterator", false, "bytes_iterator" },
	{ "_collections_abc", "bytearray_iterator", false, "bytearray_iterator" },
	{ "_collections_abc", "dict_keyiterator", false, "dict_keyiterator" },
	{ "_collections_abc", "dict_valueiterator", false, "dict_valueiterator" },
	{ "_collections_abc", "dict_itemiterator", false, "dict_itemiterator" },
	{ "_collections_abc", "list_iterator", false, "list_iterator" },
	{ "_collections_abc", "list_reverseiterator", false, "list_reverseiterator" },
	{ "_collections_abc", "range_iterator", false, "range_iterator" },
	{ "_collections_abc", "longrange_iterator", false, "longrange_iterator" },
	{ "_collections_abc", "set_iterator", false, "set_iterator" },
	{ "_collections_abc", "str_iterator", false, "str_ascii_iterator" },
	{ "_collections_abc", "tuple_iterator", false, "tuple_iterator" },
	{ "_collections_abc", "dict_keys", false, "dict_keys" },
	{ "_collections_abc", "dict_values", false, "dict_values" },
	{ "_collections_abc", "dict_items", false, "dict_items" },
	{ "_collections_abc", "mappingproxy", false, "mappingproxy" },
	{ "_collections_abc", "framelocalsproxy", false, "FrameLocalsProxy" },
	{ "_collections_abc", "generator", false, "generator" },
	{ "_collections_abc", "coroutine", false, "coroutine" },
	{ "_collections_abc", "async_generator", false, "async_generator" },
	{ "_collections_abc", "GenericAlias", false, "types.GenericAlias" },
	{ "_socket", "CAPI", true, "PyCapsule" },
	{ "datetime", "datetime_CAPI", true, "PyCapsule" },
	{ "unicodedata", "_ucnhash_CAPI", true, "PyCapsule" },
	{ "pyexpat", "expat_CAPI", true, "PyCapsule" },
};

/* Descriptors of `object` and `type`, which every type has: by what their dicts hold. */
static const struct {
	const char *type, *attribute, *name;
} descriptors[] = {
	{ "object", "__init__", "wrapper_descriptor" },
	{ "object", "__reduce__", "method_descriptor" },
	{ "object", "__class__", "getset_descriptor" },
	{ "type", "__base__", "member_descriptor" },
	{ "dict", "fromkeys", "classmethod_descriptor" },
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

static bool is_static_type(struct python_reader *r, taddr at)
{
	return cpy_may_be_address(at) && cpy_leads_to_type(r, at) &&
	       !(cpy_word_or_0(r, at + r->layout->type.flags) & CPY_HEAPTYPE);
}

static void take_place(struct naming *n, struct str attribute, taddr value)
{
	for (size_t i = 0; i < countof(places); i++) {
		const struct place *p = &places[i];
		taddr type =
			p->is_instance ? cpy_word_or_0(n->r, value + CPY_TYPE) : value;

		if (str_is(n->module, p->module) && str_is(attribute, p->attribute) &&
		    is_static_type(n->r, type))
			take(n->names, type, str_of(p->name), RANK_PLACE);
	}
}

/* Is the type in the interpreter's own file? */
static bool is_own(const struct naming *n, taddr type)
{
	const struct python_places *p = n->r->py->places;

	return type >= p->image_start && type < p->image_end;
}

/* A name that a program imports a type under is not told from an alias that it made up:
 * only whole packages' public names count. */
static enum rank rank_of(const struct naming *n, struct str name, taddr type)
{
	if (cpy_rules_of(name))
		return RANK_KNOWN;
	if (is_own(n, type))
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
	take_place(n, attribute, value);
	if (attribute.n == 0 || !is_static_type(n->r, value))
		return true;
	buf_clear(&n->text);
	if (str_is(n->module, "builtins")) {
		take(n->names, value, attribute, RANK_PLACE);
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

static void take_descriptors(struct naming *n, taddr builtins)
{
	for (size_t i = 0; i < countof(descriptors); i++) {
		taddr type = cpy_dict_get(n->r, builtins, descriptors[i].type), found;

		if (!is_static_type(n->r, type))
			continue;
		found = cpy_dict_get(n->r, cpy_type_dict(n->r, type),
				     descriptors[i].attribute);
		type = found ? cpy_word_or_0(n->r, found + CPY_TYPE) : 0;
		if (is_static_type(n->r, type))
			take(n->names, type, str_of(descriptors[i].name), RANK_PLACE);
	}
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
		take_descriptors(&n,
				 cpy_word_or_0(r, interp + r->layout->interp.builtins));
	}
	buf_release(&n.text);
	buf_release(&n.module_text);
	buf_release(&n.attribute);
	return names;
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
