/* SPDX-License-Identifier: Apache-2.0 */
/* The other types that every interpreter has (CPython 3.11 and 3.13; each by its struct). */
#include "lang/cpython/cpy_int.h"

enum { RANGE_START = 16, RANGE_STOP = 24, RANGE_STEP = 32 };

static void none_value(struct python_reader *r, const struct cpy_type *t, taddr at,
		       struct buf *out)
{
	(void)r;
	(void)at;
	buf_str(out, str_is(t->tp_name, "NoneType")   ? "None"
		     : str_is(t->tp_name, "ellipsis") ? "Ellipsis"
						      : "NotImplemented");
}

static void put_int(struct python_reader *r, taddr at, struct buf *out)
{
	const struct cpy_type *t = cpy_type_of(r, at);

	if (t && t->value && t->flags & CPY_LONG_SUBCLASS)
		t->value(r, t, at, out);
	else
		buf_char(out, '?');
}

static void range_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			struct buf *out)
{
	taddr step = cpy_word_or_0(r, at + RANGE_STEP);
	int64_t by;

	(void)t;
	buf_str(out, "range(");
	put_int(r, cpy_word_or_0(r, at + RANGE_START), out);
	buf_str(out, ", ");
	put_int(r, cpy_word_or_0(r, at + RANGE_STOP), out);
	if (!cpy_int(r, step, &by) || by != 1) {
		buf_str(out, ", ");
		put_int(r, step, out);
	}
	buf_char(out, ')');
}

/* ---- weak references: the object is not held, nor are the links ---- */

enum { WR_OBJECT = 16 };

static void weakref_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			 const struct python_sink *sink)
{
	(void)t;
	cpy_edge(sink, cpy_word_or_0(r, at + WR_OBJECT),
		 cpy_label(r->py, LABEL_WEAK, str_of("weakref")));
}

/* ---- hamt.c: the tree behind a context ---- */

enum {
	BITMAP_ITEMS = 32,
	ARRAY_ITEMS = 16,
	ARRAY_COUNT = 32,
	COLLISION_ITEMS = 32,
	NODE_MAX = 1 << 20,
};

static void node_edges(struct python_reader *r, taddr at, uint64_t n,
		       const struct python_sink *sink)
{
	for (uint64_t i = 0; i < min_u64(n, NODE_MAX); i++)
		cpy_edge(sink, cpy_word_or_0(r, at + i * 8), LABEL_ELEMENT);
}

static void bitmap_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			const struct python_sink *sink)
{
	node_edges(r, at + BITMAP_ITEMS, cpy_items(r, t, at), sink);
}

static void collision_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			   const struct python_sink *sink)
{
	node_edges(r, at + COLLISION_ITEMS, cpy_items(r, t, at), sink);
}

static void array_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		       const struct python_sink *sink)
{
	(void)t;
	node_edges(r, at + ARRAY_ITEMS, ARRAY_COUNT, sink);
}

/* ---- encoding_map: three levels of tables in one block (unicodeobject.c) ---- */

static uint64_t map_own(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	uint64_t n2 = cpy_u32_or_0(r, at + 48), n3 = cpy_u32_or_0(r, at + 52);

	return t->basicsize + 16 * min_u64(n2, UINT16_MAX) +
	       128 * min_u64(n3, UINT16_MAX);
}

static uint64_t map_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	(void)r;
	(void)at;
	return t->basicsize;
}

/* ---- fields alone ---- */

static const struct cpy_field_rule slice_fields[] = {
	{ .name = "start", .offset = 16 },
	{ .name = "stop", .offset = 24 },
	{ .name = "step", .offset = 32 },
	{ 0 },
};
static const struct cpy_field_rule range_fields[] = {
	{ .name = "start", .offset = 16 },
	{ .name = "stop", .offset = 24 },
	{ .name = "step", .offset = 32 },
	{ .name = "length", .offset = 40 },
	{ 0 },
};
static const struct cpy_field_rule weakref_fields[] = {
	{ .name = "__callback__", .offset = 24 },
	{ 0 },
};
static const struct cpy_field_rule mapping_fields[] = {
	{ .name = "mapping", .offset = 16 },
	{ 0 },
};
static const struct cpy_field_rule namespace_fields[] = {
	{ .name = "__dict__", .offset = 16 },
	{ 0 },
};
static const struct cpy_field_rule alias_fields[] = {
	{ .name = "__origin__", .offset = 16 },
	{ .name = "__args__", .offset = 24 },
	{ .name = "__parameters__", .offset = 32 },
	{ 0 },
};
static const struct cpy_field_rule union_fields[] = {
	{ .name = "__args__", .offset = 16 },
	{ .name = "__parameters__", .offset = 24 },
	{ 0 },
};
static const struct cpy_field_rule hamt_fields[] = {
	{ .name = "h_root", .offset = 16 },
	{ 0 },
};
/* ctx_prev takes over the reference that the thread had. */
static const struct cpy_field_rule context_fields[] = {
	{ .name = "ctx_prev", .offset = 16 },
	{ .name = "ctx_vars", .offset = 24 },
	{ 0 },
};
static const struct cpy_field_rule contextvar_fields[] = {
	{ .name = "name", .offset = 16 },
	{ .name = "default", .offset = 24 },
	{ .name = "var_cached", .offset = 32, .kind = CPY_FIELD_WEAK },
	{ 0 },
};
static const struct cpy_field_rule token_fields[] = {
	{ .name = "ctx", .offset = 16 },
	{ .name = "var", .offset = 24 },
	{ .name = "old_value", .offset = 32 },
	{ 0 },
};
static const struct cpy_field_rule symtable_fields[] = {
	{ .name = "id", .offset = 16 },
	{ .name = "symbols", .offset = 24 },
	{ .name = "name", .offset = 32 },
	{ .name = "varnames", .offset = 40 },
	{ .name = "children", .offset = 48 },
	{ .name = "ste_directives", .offset = 56 },
	{ .name = "ste_mangled_names", .offset = 64, .from = 0x30d },
	{ 0 },
};
static const struct cpy_field_rule typevar_fields[] = {
	{ .name = "__name__", .offset = 16 },
	{ .name = "__bound__", .offset = 24 },
	{ .name = "evaluate_bound", .offset = 32 },
	{ .name = "__constraints__", .offset = 40 },
	{ .name = "evaluate_constraints", .offset = 48 },
	{ .name = "__default__", .offset = 56, .from = 0x30d },
	{ .name = "evaluate_default", .offset = 64, .from = 0x30d },
	{ 0 },
};
static const struct cpy_field_rule paramspec_fields[] = {
	{ .name = "__name__", .offset = 16 },
	{ .name = "__bound__", .offset = 24 },
	{ .name = "__default__", .offset = 32, .from = 0x30d },
	{ .name = "evaluate_default", .offset = 40, .from = 0x30d },
	{ 0 },
};
static const struct cpy_field_rule typevartuple_fields[] = {
	{ .name = "__name__", .offset = 16 },
	{ .name = "__default__", .offset = 24, .from = 0x30d },
	{ .name = "evaluate_default", .offset = 32, .from = 0x30d },
	{ 0 },
};
static const struct cpy_field_rule typealias_fields[] = {
	{ .name = "__name__", .offset = 16 },
	{ .name = "__type_params__", .offset = 24 },
	{ .name = "compute_value", .offset = 32 },
	{ .name = "__value__", .offset = 40 },
	{ .name = "__module__", .offset = 48 },
	{ 0 },
};
static const struct cpy_field_rule origin_fields[] = {
	{ .name = "__origin__", .offset = 16 },
	{ 0 },
};

const struct cpy_rules cpy_misc_rules[] = {
	{ .name = "object" },
	{ .name = "NoneType", .value = none_value, .is_singleton = true },
	{ .name = "ellipsis", .value = none_value, .is_singleton = true },
	{ .name = "NotImplementedType", .value = none_value, .is_singleton = true },
	{ .name = "slice", .fields = slice_fields },
	{ .name = "range", .value = range_value, .fields = range_fields },
	{ .name = "weakref.ReferenceType",
	  .read = weakref_read,
	  .fields = weakref_fields },
	{ .name = "weakref.ProxyType", .read = weakref_read, .fields = weakref_fields },
	{ .name = "weakref.CallableProxyType",
	  .read = weakref_read,
	  .fields = weakref_fields },
	{ .name = "mappingproxy", .fields = mapping_fields },
	{ .name = "types.SimpleNamespace", .fields = namespace_fields },
	{ .name = "types.GenericAlias", .fields = alias_fields },
	{ .name = "types.UnionType", .fields = union_fields },
	{ .name = "hamt", .fields = hamt_fields },
	{ .name = "hamt_bitmap_node", .read = bitmap_read },
	{ .name = "hamt_collision_node", .read = collision_read },
	{ .name = "hamt_array_node", .read = array_read },
	{ .name = "_contextvars.Context", .fields = context_fields },
	{ .name = "_contextvars.ContextVar", .fields = contextvar_fields },
	{ .name = "_contextvars.Token", .fields = token_fields },
	{ .name = "EncodingMap", .size = map_size, .own = map_own },
	{ .name = "symtable entry", .fields = symtable_fields },
	{ .name = "typing.TypeVar", .fields = typevar_fields },
	{ .name = "typing.ParamSpec", .fields = paramspec_fields },
	{ .name = "typing.TypeVarTuple", .fields = typevartuple_fields },
	{ .name = "typing.TypeAliasType", .fields = typealias_fields },
	{ .name = "typing.ParamSpecArgs", .fields = origin_fields },
	{ .name = "typing.ParamSpecKwargs", .fields = origin_fields },
	{ 0 },
};
