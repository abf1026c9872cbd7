/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keeps Python objects alive from outside of them: the interpreter's state, and by
 * names that people know, what the modules hold. Threads are cpy_thread.c's, types that C
 * made without malloc cpy_root_type.c's.
 *
 * Told are all PyObject * fields of PyInterpreterState that own what they point to (CPython
 * 3.11 and 3.13 pycore_interp.h and what it includes). Left out on purpose:
 *
 *   free lists, slice_cache, memerrors_freelist     dead objects
 *   type_cache                                      bookkeeping: names as last looked up
 *   callable_cache, executor_list_head, objreduce, type_slots_pname   borrowed
 *   func_state, code watchers, type watchers        no objects
 *   static_objects, small integers, singletons      immortal, and part of the runtime
 *
 * What is read is believed only where it is the address of an object: a word of another
 * build's layout then tells nothing, rather than something wrong.
 */
#include "lang/cpython/cpy_int.h"

#include <stdlib.h>

enum { NAME_MAX_BYTES = 256, ATEXIT_MAX = 1 << 16, IDENTIFIERS_MAX = 1 << 16 };

void cpy_root_fields(struct cpy_root_sink *s, taddr at, uint32_t count, const char *name)
{
	struct python_root row = s->row;
	uint64_t word;

	row.kind = ROOT_FIELD;
	row.name = str_of(name);
	row.certain = row.counted = true;
	for (uint32_t i = 0; i < count; i++) {
		row.addr = at + 8 * (uint64_t)i;
		if (!cpy_word(s->r, row.addr, &word))
			return;
		if (!cpy_may_be_address(word) || !cpy_type_of(s->r, word))
			continue;
		row.to = word;
		s->fn(s->context, &row);
	}
}

/* ---- interpreters ---- */

/* A field by where the layout has its offset, or an array by its length's too. */
struct interp_field {
	const char *name;
	size_t offset, count;
};
#define FIELD(name, member) \
	{ \
		name, offsetof(struct cpy_layout, member), 0 \
	}
#define ARRAY(name, member, n) \
	{ \
		name, offsetof(struct cpy_layout, owned.member), \
			offsetof(struct cpy_layout, owned.n) \
	}

static const struct interp_field interp_fields[] = {
	FIELD("modules", interp.modules),
	FIELD("modules_by_index", interp.modules_by_index),
	FIELD("sysdict", interp.sysdict),
	FIELD("builtins", interp.builtins),
	FIELD("importlib", interp.importlib),
	FIELD("codec_search_path", interp.codec_search_path),
	FIELD("codec_search_cache", interp.codec_search_cache),
	FIELD("codec_error_registry", interp.codec_error_registry),
	FIELD("dict", interp.dict),
	FIELD("interned_strings", interp.interned),
	FIELD("import_func", owned.import_func),
	FIELD("sysdict_copy", owned.sysdict_copy),
	FIELD("builtins_copy", owned.builtins_copy),
	FIELD("before_forkers", owned.before_forkers),
	FIELD("after_forkers_parent", owned.after_forkers_parent),
	FIELD("after_forkers_child", owned.after_forkers_child),
	FIELD("warnings.filters", owned.warning_filters),
	FIELD("warnings.once_registry", owned.warning_once),
	FIELD("warnings.default_action", owned.warning_default),
	FIELD("audit_hooks", owned.audit_hooks),
	FIELD("errnomap", owned.errnomap),
	FIELD("ExceptionGroup", owned.exception_group),
	FIELD("NotShareableError", owned.not_shareable),
	FIELD("str_replace_inf", owned.str_replace_inf),
	FIELD("optimizer", owned.optimizer),
	ARRAY("ast", ast, ast_count),
	ARRAY("monitoring_callables", monitoring, monitoring_count),
	ARRAY("monitoring_tool_names", monitoring_tools, monitoring_tool_count),
	ARRAY("typing", typing, typing_count),
};

static uint32_t layout_value(const struct cpy_layout *l, size_t offset)
{
	uint32_t v;

	memcpy(&v, (const char *)l + offset, sizeof(v));
	return v;
}

/* atexit.register's functions with their arguments: an array of pointers to three words. */
static void atexit_roots(struct cpy_root_sink *s, taddr interp)
{
	const struct cpy_layout *l = s->r->layout;
	taddr callbacks = cpy_word_or_0(s->r, interp + l->owned.atexit);
	uint32_t n = cpy_u32_or_0(s->r, interp + l->owned.natexit);

	if (!cpy_may_be_address(callbacks) || n > ATEXIT_MAX)
		return;
	for (uint32_t i = 0; i < n; i++) {
		taddr callback = cpy_word_or_0(s->r, callbacks + 8 * (uint64_t)i);

		if (cpy_may_be_address(callback))
			cpy_root_fields(s, callback, 3, "atexit");
	}
}

/* Texts that C code looked up by _Py_Identifier. */
static void identifier_roots(struct cpy_root_sink *s, taddr interp)
{
	const struct cpy_layout *l = s->r->layout;
	taddr array = cpy_word_or_0(s->r, interp + l->owned.identifiers);
	uint64_t n = cpy_word_or_0(s->r, interp + l->owned.nidentifiers);

	if (cpy_may_be_address(array) && n <= IDENTIFIERS_MAX)
		cpy_root_fields(s, array, (uint32_t)n, "identifiers");
}

static void interp_roots(struct cpy_root_sink *s, taddr interp)
{
	const struct cpy_layout *l = s->r->layout;

	for (size_t i = 0; i < countof(interp_fields); i++) {
		const struct interp_field *f = &interp_fields[i];
		uint32_t offset = layout_value(l, f->offset);

		if (offset != CPY_ABSENT)
			cpy_root_fields(s, interp + offset,
					f->count ? layout_value(l, f->count) : 1,
					f->name);
	}
	cpy_root_fields(s, interp + l->interp.gc + l->gc.garbage, 1, "gc.garbage");
	cpy_root_fields(s, interp + l->interp.gc + l->gc.callbacks, 1, "gc.callbacks");
	atexit_roots(s, interp);
	identifier_roots(s, interp);
}

/* ---- modules ---- */

/* A dict's items, copied: reading what they lead to may move the reader's view of it. */
struct items {
	struct {
		taddr key, value;
	} * at;
	size_t n, cap;
};

static bool items_add(void *context, taddr key, taddr value)
{
	struct items *items = context;

	if (items->n == items->cap) {
		items->cap = items->cap ? 2 * items->cap : 256;
		items->at = xrealloc(items->at, items->cap, sizeof(*items->at));
	}
	items->at[items->n].key = key;
	items->at[items->n++].value = value;
	return true;
}

static struct items items_of(struct python_reader *r, taddr dict)
{
	struct items items = { 0 };

	/* What was told before a dict's end that is torn is true all the same. */
	if (cpy_may_be_address(dict))
		(void)cpy_dict_each(r, dict, items_add, &items);
	return items;
}

/* Keys that are no str have no name. */
static struct str key_name(struct python_reader *r, taddr key, struct buf *out)
{
	buf_clear(out);
	if (!cpy_may_be_address(key) || !cpy_text(r, key, NAME_MAX_BYTES, out)) {
		buf_clear(out);
		buf_str(out, "?");
	}
	return buf_view(out);
}

static bool is_module(struct python_reader *r, taddr at)
{
	const struct cpy_type *t = cpy_type_of(r, at);

	return t && str_is(t->native->tp_name, "module");
}

/* `name` is the module's, by which sys.modules knows it. */
static void module_roots(const struct cpy_root_sink *s, struct str name, taddr module)
{
	struct python_reader *r = s->r;
	struct python_root row = { .group = ROOTS_MODULE,
				   .group_name = name,
				   .kind = ROOT_MODULE,
				   .name = str_of(""),
				   .to = module,
				   .certain = true };
	struct buf text = { 0 };

	s->fn(s->context, &row);
	if (!is_module(r, module))
		return;
	struct items names =
		items_of(r, cpy_word_or_0(r, module + r->layout->module.dict));

	row.kind = ROOT_NAME;
	for (size_t i = 0; i < names.n; i++) {
		row.name = key_name(r, names.at[i].key, &text);
		row.to = names.at[i].value;
		if (cpy_may_be_address(row.to))
			s->fn(s->context, &row);
	}
	free(names.at);
	buf_release(&text);
}

/* sys.modules may hold None, to forbid an import, and anything that was put there. */
static void modules_roots(const struct cpy_root_sink *s, taddr interp)
{
	struct items modules = items_of(
		s->r, cpy_word_or_0(s->r, interp + s->r->layout->interp.modules));
	struct buf name = { 0 };

	for (size_t i = 0; i < modules.n; i++) {
		taddr module = modules.at[i].value;

		if (!cpy_may_be_address(module) || !cpy_type_of(s->r, module))
			continue;
		module_roots(s, key_name(s->r, modules.at[i].key, &name), module);
	}
	free(modules.at);
	buf_release(&name);
}

void python_read_roots(struct python_reader *r, python_root_fn *fn, void *context)
{
	const struct python *py = r->py;
	struct cpy_root_sink s = { .r = r, .fn = fn, .context = context };

	s.row.group = ROOTS_INTERPRETER;
	for (size_t i = 0; i < py->ninterps; i++)
		interp_roots(&s, py->interps[i].at);
	if (py->interned && py->places->interned)
		cpy_root_fields(&s, py->places->interned, 1, "interned");
	cpy_static_type_roots(&s);
	for (size_t i = 0; i < py->ninterps; i++)
		modules_roots(&s, py->interps[i].at);
	for (size_t i = 0; i < py->nthreads; i++)
		cpy_thread_roots(r, &py->threads[i], fn, context);
}
