/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of static types that no module has, where tp_name is left out of a core: by their
 * place among the subclasses of `object`. That dict is filled as types are made ready, the
 * interpreter's own in the order of its table (CPython 3.11 and 3.13 Objects/object.c
 * static_types, and the bases that its entries pull in), a module's as its source says:
 *
 *      ... int map [?] memoryview [?] [?] [?] property ... [?] [?] [?] _asyncio.Future ...
 *
 * Between types whose names are known, and next to the first and last of a module's, are as
 * many unknown ones as there are rows below, with instances of the same sizes: else none of
 * them gets a name. The rows were printed by object.__subclasses__() of 3.11.2, 3.11.7 and
 * 3.13.0 (docs/HOWTO-add-python-version.md), and name all of 3.13.5.
 */
#include "lang/cpython/cpy_type_int.h"

#include <stdlib.h>

enum { SUBCLASSES_MAX = 1 << 16, WEAKREF_OBJECT = 16 /* wr_object */ };

struct ordered {
	const char *name;
	uint16_t of_311, of_313; /* tp_basicsize; 0: there is none */
};

static const struct ordered own[] = {
	/* clang-format off */
	{ "type", 904, 928 },
	{ "async_generator", 152, 144 },
	{ "bytearray_iterator", 32, 32 },
	{ "bytearray", 56, 56 },
	{ "bytes_iterator", 32, 32 },
	{ "bytes", 33, 33 },
	{ "builtin_function_or_method", 56, 56 },
	{ "callable_iterator", 32, 32 },
	{ "PyCapsule", 48, 64 },
	{ "cell", 24, 24 },
	{ "classmethod_descriptor", 56, 56 },
	{ "classmethod", 32, 32 },
	{ "code", 184, 200 },
	{ "complex", 32, 32 },
	{ "_contextvars.Token", 48, 48 },
	{ "_contextvars.ContextVar", 64, 64 },
	{ "_contextvars.Context", 48, 48 },
	{ "coroutine", 152, 144 },
	{ "dict_items", 24, 24 },
	{ "dict_itemiterator", 56, 56 },
	{ "dict_keyiterator", 56, 56 },
	{ "dict_valueiterator", 56, 56 },
	{ "dict_keys", 24, 24 },
	{ "mappingproxy", 24, 24 },
	{ "dict_reverseitemiterator", 56, 56 },
	{ "dict_reversekeyiterator", 56, 56 },
	{ "dict_reversevalueiterator", 56, 56 },
	{ "dict_values", 24, 24 },
	{ "dict", 48, 48 },
	{ "ellipsis", 16, 16 },
	{ "enumerate", 56, 56 },
	{ "filter", 32, 32 },
	{ "float", 24, 24 },
	{ "frame", 120, 136 },
	{ "FrameLocalsProxy", 0, 24 },
	{ "frozenset", 200, 200 },
	{ "function", 136, 144 },
	{ "generator", 152, 144 },
	{ "getset_descriptor", 48, 48 },
	{ "instancemethod", 24, 24 },
	{ "list_iterator", 32, 32 },
	{ "list_reverseiterator", 32, 32 },
	{ "list", 40, 40 },
	{ "longrange_iterator", 48, 40 },
	{ "int", 24, 24 },
	{ "map", 32, 32 },
	{ "member_descriptor", 48, 48 },
	{ "memoryview", 144, 144 },
	{ "method_descriptor", 56, 56 },
	{ "method", 48, 48 },
	{ "moduledef", 104, 104 },
	{ "module", 56, 56 },
	{ "odict_iterator", 64, 64 },
	{ "pickle.PickleBuffer", 104, 104 },
	{ "property", 64, 64 },
	{ "range_iterator", 48, 40 },
	{ "range", 48, 48 },
	{ "reversed", 32, 32 },
	{ "symtable entry", 120, 144 },
	{ "iterator", 32, 32 },
	{ "set_iterator", 48, 48 },
	{ "set", 200, 200 },
	{ "slice", 40, 40 },
	{ "staticmethod", 32, 32 },
	{ "stderrprinter", 24, 24 },
	{ "super", 40, 40 },
	{ "traceback", 40, 40 },
	{ "tuple_iterator", 32, 32 },
	{ "tuple", 24, 24 },
	{ "str_iterator", 32, 32 },
	{ "str", 80, 64 },
	{ "wrapper_descriptor", 56, 56 },
	{ "zip", 48, 48 },
	{ "types.GenericAlias", 64, 64 },
	{ "anext_awaitable", 32, 32 },
	{ "async_generator_asend", 40, 40 },
	{ "async_generator_athrow", 40, 40 },
	{ "async_generator_wrapped_value", 24, 24 },
	{ "_buffer_wrapper", 0, 32 },
	{ "Token.MISSING", 16, 16 },
	{ "coroutine_wrapper", 24, 24 },
	{ "generic_alias_iterator", 24, 24 },
	{ "items", 168, 168 },
	{ "keys", 168, 168 },
	{ "values", 168, 168 },
	{ "hamt_array_node", 280, 280 },
	{ "hamt_bitmap_node", 32, 32 },
	{ "hamt_collision_node", 32, 32 },
	{ "hamt", 40, 40 },
	{ "InterpreterID", 24, 0 },
	{ "InstructionSequence", 0, 64 },
	{ "sys.legacy_event_handler", 0, 32 },
	{ "line_iterator", 0, 64 },
	{ "managedbuffer", 112, 112 },
	{ "memory_iterator", 48, 48 },
	{ "method-wrapper", 32, 32 },
	{ "types.SimpleNamespace", 24, 24 },
	{ "NoneType", 16, 16 },
	{ "NotImplementedType", 16, 16 },
	{ "positions_iterator", 0, 80 },
	{ "str_ascii_iterator", 32, 32 },
	{ "types.UnionType", 32, 32 },
	{ "weakref.CallableProxyType", 64, 64 },
	{ "weakref.ProxyType", 64, 64 },
	{ "weakref.ReferenceType", 64, 64 },
	{ "typing.TypeAliasType", 0, 56 },
	{ "NoDefaultType", 0, 16 },
	{ "EncodingMap", 64, 64 },
	{ "fieldnameiterator", 56, 56 },
	{ "formatteriterator", 48, 48 },
	{ "BaseException", 72, 72 },
	/* clang-format on */
};

/* Modules whose types are on the heap in 3.13. */
static const struct ordered io[] = {
	{ "_io._IOBase", 32, 0 },
	{ "_io.IncrementalNewlineDecoder", 40, 0 },
	{ "_io._BytesIOBuffer", 24, 0 },
};
static const struct ordered asyncio[] = {
	{ "_asyncio.FutureIter", 24, 0 },
	{ "TaskStepMethWrapper", 32, 0 },
	{ "_RunningLoopHolder", 32, 0 },
	{ "_asyncio.Future", 128, 0 },
};
static const struct ordered ctypes[] = {
	{ "CArgObject", 64, 0 },          { "_ctypes.CThunkObject", 128, 0 },
	{ "_ctypes._CData", 96, 0 },      { "_ctypes.CField", 72, 0 },
	{ "_ctypes.DictRemover", 32, 0 }, { "_ctypes.StructParam_Type", 32, 0 },
};
static const struct ordered pickle[] = {
	{ "_pickle.Pdata", 56, 0 },
	{ "_pickle.PicklerMemoProxy", 24, 0 },
	{ "_pickle.UnpicklerMemoProxy", 24, 0 },
	{ "_pickle.Pickler", 152, 0 },
};
static const struct ordered elementtree[] = {
	{ "_elementtree._element_iterator", 64, 0 },
	{ "xml.etree.ElementTree.TreeBuilder", 160, 0 },
};
static const struct ordered decimal[] = {
	{ "decimal.Context", 96, 0 },
	{ "decimal.SignalDictMixin", 24, 0 },
	{ "decimal.ContextManager", 32, 0 },
};

struct rows {
	const struct ordered *at;
	size_t n;
};
static const struct rows orders[] = {
	{ own, countof(own) },         { io, countof(io) },
	{ asyncio, countof(asyncio) }, { ctypes, countof(ctypes) },
	{ pickle, countof(pickle) },   { elementtree, countof(elementtree) },
	{ decimal, countof(decimal) },
};

/* The first subclasses of others. */
static const struct {
	const char *base;
	struct ordered type;
} children[] = {
	{ "builtin_function_or_method", { "builtin_method", 64, 64 } },
	{ "dict_keys", { "odict_keys", 24, 24 } },
	{ "dict_values", { "odict_values", 24, 24 } },
	{ "dict_items", { "odict_items", 24, 24 } },
};

struct sequence {
	struct python_reader *r;
	struct cpy_typenames *names;
	taddr *types;
	size_t n, cap;
};

static uint64_t size_of(const struct sequence *s, const struct ordered *row)
{
	return s->r->layout->version < 0x30c ? row->of_311 : row->of_313;
}

static uint64_t basicsize(const struct sequence *s, taddr type)
{
	return cpy_word_or_0(s->r, type + s->r->layout->type.basicsize);
}

static bool see_subclass(void *context, taddr key, taddr reference)
{
	struct sequence *s = context;
	taddr type;

	(void)key;
	if (!cpy_may_be_address(reference))
		return true;
	type = cpy_word_or_0(s->r, reference + WEAKREF_OBJECT);
	if (!cpy_is_static_type(s->r, type))
		return true;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 256;
		s->types = xrealloc(s->types, s->cap, sizeof(*s->types));
	}
	s->types[s->n++] = type;
	return s->n < SUBCLASSES_MAX;
}

static void list_subclasses(struct sequence *s, taddr base)
{
	s->n = 0;
	if (base)
		(void)cpy_dict_each(s->r, cpy_type_subclasses(s->r, base), see_subclass,
				    s);
}

/* How many of the rows this version has. */
static size_t count_rows(const struct sequence *s, const struct ordered *rows, size_t n)
{
	size_t has = 0;

	for (size_t i = 0; i < n; i++)
		has += size_of(s, &rows[i]) != 0;
	return has;
}

/* The types [from, to) are those of the rows, or nobody knows. */
static void name_run(struct sequence *s, size_t from, size_t to,
		     const struct ordered *rows, size_t n)
{
	if (from > to || to > s->n || to - from != count_rows(s, rows, n))
		return;
	for (size_t i = 0, at = from; i < n; i++) {
		uint64_t size = size_of(s, &rows[i]);

		if (size && (basicsize(s, s->types[at]) != size ||
			     cpy_typenames_find(s->names, s->types[at]).n))
			return;
		at += size != 0;
	}
	for (size_t i = 0; i < n; i++)
		if (size_of(s, &rows[i]))
			cpy_typenames_take(s->names, s->types[from++],
					   str_of(rows[i].name));
}

static size_t row_named(const struct rows *rows, struct str name, size_t from)
{
	while (from < rows->n && !str_is(name, rows->at[from].name))
		from++;
	return from;
}

static void name_by_rows(struct sequence *s, const struct rows *rows)
{
	size_t from = 0, row = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct str name = cpy_typenames_find(s->names, s->types[i]);
		size_t found = name.n ? row_named(rows, name, row) : rows->n, n;

		if (found == rows->n)
			continue;
		n = count_rows(s, rows->at, found);
		if (row == 0)
			from = i - (size_t)min_u64(i, n);
		name_run(s, from, i, rows->at + row, found - row);
		from = i + 1;
		row = found + 1;
	}
	if (row > 0)
		name_run(s, from, from + count_rows(s, rows->at + row, rows->n - row),
			 rows->at + row, rows->n - row);
}

static void name_children(struct sequence *s)
{
	for (size_t i = 0; i < countof(children); i++) {
		list_subclasses(s, cpy_typenames_named(s->names, children[i].base));
		if (s->n > 0 &&
		    basicsize(s, s->types[0]) == size_of(s, &children[i].type))
			cpy_typenames_take(s->names, s->types[0],
					   str_of(children[i].type.name));
	}
}

void cpy_typenames_by_order(struct python_reader *r, struct cpy_typenames *names)
{
	struct sequence s = { .r = r, .names = names };

	list_subclasses(&s, cpy_typenames_named(names, "object"));
	for (size_t i = 0; i < countof(orders); i++)
		name_by_rows(&s, &orders[i]);
	name_children(&s);
	free(s.types);
}
