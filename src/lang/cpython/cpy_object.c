/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object, from its address. What an instance holds is told in this order: its type, if
 * that is a heap type (instances count as references to it); the words that hold objects,
 * which the type lists (cpy_shape.c); its attributes; what the rules of its bases tell; and
 * of a body that no rule knows, each word as a possible reference.
 *
 * Where attributes lie (CPython 3.11 and 3.13 pycore_object.h):
 *
 *   3.11  values* | dict* | collector's head | object
 *   3.13  weakrefs | dict* | collector's head | object | {capacity, size, embedded, valid}
 *         values ..., which count only while `valid`
 *   both  dict* at dictoffset from the object, or, below 0, from its end
 *
 * What is told is what an object owns, which is more than gc.get_referents() tells. Not
 * traversed, but given up in dealloc, are:
 *
 *   dict                 keys, where all of them are str (dictobject.c dict_traverse)
 *   type, of C           dict, bases, mro, subclasses (typeobject.c type_traverse: only heap
 *                        types are traversed)
 *   type                 ht_name, ht_qualname, ht_slots, tp_subclasses, keys of
 *                        ht_cached_keys (typeobject.c type_dealloc)
 *   code                 all of it (codeobject.c code_dealloc: no traverse)
 *   module               md_name (moduleobject.c)
 *   descriptors          d_name, d_qualname (descrobject.c descr_dealloc)
 *   range, its iterator  all of it (rangeobject.c: no traverse)
 *   symtable entry       all of it (symtable.c: no traverse)
 *   TypeVar and the like name (typevarobject.c)
 *   instances of types that the collector does not look at: all of it
 */
#include "base/search.h"
#include "lang/cpython/cpy_int.h"

#include <stdlib.h>

enum {
	BATCH = 64,
	COUNT_CHECKED = 1 << 17,
	COUNT_MAX = INT32_MAX,
	STATIC_COUNT = 900000000, /* 3.11's _PyObject_IMMORTAL_REFCNT, less some */
};

const struct cpy_rules *const cpy_rule_tables[] = {
	cpy_dict_rules,      cpy_set_rules,         cpy_sequence_rules,
	cpy_text_rules,      cpy_bytes_rules,       cpy_number_rules,
	cpy_function_rules,  cpy_typeobject_rules,  cpy_module_rules,
	cpy_exception_rules, cpy_iterator_rules,    cpy_misc_rules,
	cpy_frame_rules,     cpy_collections_rules, cpy_itertools_rules,
	cpy_io_rules,        cpy_concurrency_rules, cpy_datetime_rules,
	cpy_decimal_rules,   cpy_library_rules,     cpy_system_rules,
	cpy_ctypes_rules,    cpy_elementtree_rules, cpy_pickle_rules,
	cpy_numpy_rules,
};
const size_t cpy_nrule_tables = countof(cpy_rule_tables);

const struct cpy_rules *cpy_rules_of(struct str name)
{
	for (size_t i = 0; i < cpy_nrule_tables; i++)
		for (const struct cpy_rules *rules = cpy_rule_tables[i]; rules->name;
		     rules++)
			if (str_is(name, rules->name))
				return rules;
	return NULL;
}

struct python_reader *python_reader_new(struct python *py)
{
	struct python_reader *r = xcalloc(1, sizeof(*r));

	r->py = py;
	r->layout = py->layout;
	r->memory = cpy_memory_new(py->mem);
	r->type_cache = cpy_type_cache_new();
	r->name_cache = cpy_name_cache_new();
	r->content_left = mem_data_bytes(py->mem);
	cpy_types_learn(r);
	return r;
}

void python_reader_free(struct python_reader *r)
{
	if (!r)
		return;
	cpy_memory_free(r->memory);
	cpy_type_cache_free(r->type_cache);
	cpy_name_cache_free(r->name_cache);
	buf_release(&r->value);
	free(r);
}

/* ---- common steps ---- */

void cpy_edge_field(struct python_reader *r, const struct python_sink *sink, taddr at,
		    const char *name)
{
	taddr to = cpy_word_or_0(r, at);

	if (to)
		cpy_edge(sink, to, cpy_field(r->py, name));
}

/* Is it known what this word of an instance is? */
static bool word_is_known(const struct cpy_type *t, uint64_t offset)
{
	if ((int64_t)offset == t->weaklistoffset || offset == t->plain_dict)
		return true;
	for (uint32_t i = 0; i < t->nslots; i++)
		if (t->slots[i].offset == offset)
			return true;
	return false;
}

/* What C code keeps in a block of its own, arguments' defaults or a table of exceptions:
 * the words of that block, if `at` is one's start. No further, lest all were everyone's. */
static void scan_block(struct python_reader *r, taddr at, const struct python_sink *sink)
{
	uint64_t words[BATCH], n = cpy_raw_block(r, at) / 8;

	assert(n <= BATCH);
	if (n == 0 || !cpy_read(r, at, words, n * 8))
		return;
	for (uint64_t i = 0; i < n; i++)
		if (cpy_may_be_address(words[i]))
			cpy_edge(sink, words[i], LABEL_POSSIBLE);
}

struct body {
	const struct cpy_type *type; /* NULL: no word of it is told otherwise */
	taddr at;
	uint64_t from, to; /* offsets */
};

/* The words of a body, but for those that are told otherwise. */
static void scan_words(struct python_reader *r, const struct body *b,
		       const struct python_sink *sink)
{
	uint64_t words[BATCH], from = b->from;

	while (from < b->to) {
		size_t n = (size_t)min_u64((b->to - from) / 8, BATCH);

		if (n == 0 || !cpy_read(r, b->at + from, words, n * 8))
			return;
		for (size_t i = 0; i < n; i++, from += 8) {
			if (!cpy_may_be_address(words[i]) ||
			    (b->type && word_is_known(b->type, from)))
				continue;
			cpy_edge(sink, words[i], LABEL_POSSIBLE);
			scan_block(r, words[i], sink);
		}
	}
}

void cpy_scan(struct python_reader *r, const struct python_sink *sink, taddr at,
	      uint64_t size)
{
	scan_words(r, &(struct body){ NULL, at, 0, size }, sink);
}

uint64_t cpy_count(struct python_reader *r, taddr at, uint64_t n, uint64_t size)
{
	if (n <= COUNT_CHECKED)
		return n;
	if (size >= sizeof(taddr)) /* of bytes and texts none is walked */
		n = min_u64(n, COUNT_MAX);
	return min_u64(n, (mem_range_end(r->py->mem, at) - at) / size);
}

bool cpy_is_pooled(const struct python *py, taddr at)
{
	size_t i = search_structs(py->pools, py->npools, end, at);

	return i < py->npools && py->pools[i].start <= at;
}

/* A damaged length must not have each of many objects read the rest of the heap. One more
 * than a block of the largest size has: the object is seen not to fit. */
uint64_t cpy_items(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	int64_t word = (int64_t)cpy_word_or_0(r, at + CPY_SIZE);
	uint64_t n,
		pooled = CPY_POOLED_MAX / (t->itemsize ? (uint64_t)t->itemsize : 1) + 1;

	if (t->itemsize == 0 || word == INT64_MIN)
		return 0;
	n = (uint64_t)(word < 0 ? -word : word);
	if (n > pooled && cpy_is_pooled(r->py, at))
		return pooled;
	return cpy_count(r, at, n, (uint64_t)t->itemsize);
}

unsigned cpy_start_offset(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	if (t->is_metatype &&
	    !(cpy_word_or_0(r, at + r->layout->type.flags) & CPY_HEAPTYPE))
		return 0;
	return t->pre_header;
}

/* ---- sizes ---- */

static uint64_t default_own(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	return t->basicsize +
	       (t->itemsize ? cpy_items(r, t, at) * (uint64_t)t->itemsize : 0);
}

/* _PyInlineValuesSize: the values' head, values, and their order. */
static uint64_t inline_values_size(struct python_reader *r, const struct cpy_type *t,
				   taddr at)
{
	uint64_t n;

	if (!(t->flags & CPY_INLINE_VALUES) || r->layout->managed.values != CPY_NO_VALUES)
		return 0;
	n = cpy_u32_or_0(r, at + t->basicsize) & 0xff; /* capacity */
	return (n + 1) * 8 + align_up(n, 8);
}

/* ---- attributes ---- */

enum { SPARSE_PART = 3 }; /* as of dicts */

/* Of an array with so many places. */
static void values_edges(struct python_reader *r, const struct cpy_type *t, taddr array,
			 uint32_t places, const struct python_sink *sink)
{
	taddr values[CPY_VALUES_MAX];
	uint32_t used = 0;

	if (!cpy_read(r, array, values, t->nvalues * sizeof(*values)))
		return;
	for (uint32_t i = 0; i < t->nvalues; i++) {
		cpy_edge(sink, values[i], t->value_labels[i]);
		used += values[i] != 0;
	}
	if (sink->slack && used < places / SPARSE_PART)
		sink->slack(sink->context, SLACK_SPARSE, 8 * (uint64_t)(places - used));
}

static void managed_edges(struct python_reader *r, const struct cpy_type *t, taddr at,
			  const struct python_sink *sink)
{
	const struct cpy_layout *l = r->layout;
	taddr values;
	uint8_t head[4]; /* capacity, size, embedded, valid */

	cpy_edge_field(r, sink, at + (taddr)(int64_t)l->managed.dict, "__dict__");
	if (l->managed.values != CPY_NO_VALUES) {
		values = cpy_word_or_0(r, at + (taddr)(int64_t)l->managed.values);
		if (!values)
			return;
		values_edges(r, t, values, t->values_size, sink);
		cpy_values_part(r, values, t->values_size, sink);
	} else if (t->flags & CPY_INLINE_VALUES &&
		   cpy_read(r, at + t->basicsize, head, sizeof(head)) && head[3] == 1 &&
		   head[0] >= t->nvalues) {
		values_edges(r, t, at + t->basicsize + l->dict.values_array, head[0],
			     sink);
	}
}

static void attribute_edges(struct python_reader *r, const struct cpy_type *t, taddr at,
			    const struct python_sink *sink)
{
	uint64_t end;

	if (t->flags & CPY_MANAGED_DICT && r->layout->version >= 0x30b) {
		managed_edges(r, t, at, sink);
	} else if (t->plain_dict) {
		cpy_edge_field(r, sink, at + t->plain_dict, "__dict__");
	} else if (t->dictoffset < 0) { /* _PyObject_ComputedDictPointer */
		end = align_up(default_own(r, t, at), 8);
		cpy_edge_field(r, sink, at + end + (uint64_t)t->dictoffset, "__dict__");
	}
}

/* ---- reading one ---- */

static void tell(struct python_reader *r, const struct cpy_type *t, taddr at,
		 const struct python_sink *sink)
{
	if (t->flags & CPY_HEAPTYPE)
		cpy_edge(sink, t->at, cpy_field(r->py, "__class__"));
	for (uint32_t i = 0; i < t->nslots; i++)
		cpy_edge(sink, cpy_word_or_0(r, at + t->slots[i].offset),
			 t->slots[i].label);
	attribute_edges(r, t, at, sink);
	for (uint32_t i = 0; i < t->nread; i++)
		t->read[i](r, t, at, sink);
	if (t->scan < t->native->basicsize)
		scan_words(r, &(struct body){ t, at, t->scan, t->native->basicsize },
			   sink);
	if (t->scans_items)
		cpy_scan(r, sink, at + t->basicsize,
			 cpy_items(r, t, at) * (uint64_t)t->itemsize);
}

/* 3.12 object.h _Py_IsImmortal: the lower half is negative. */
bool cpy_is_immortal(struct python_reader *r, taddr at)
{
	return r->layout->has_immortals &&
	       cpy_u32_or_0(r, at + CPY_REFCOUNT) & (uint32_t)1 << 31;
}

/* 3.11 counts its static objects, but those of frozen code do not count each other: they
 * start at 999999999. */
static bool is_immortal(const struct cpy_layout *l, const struct cpy_type *t,
			uint64_t count)
{
	if (l->has_immortals)
		return count & (uint64_t)1 << 31;
	return count > STATIC_COUNT || t->is_singleton;
}

static bool refcount_read(const struct cpy_layout *l, const struct cpy_type *t,
			  uint64_t count, uint32_t *refcount)
{
	if (count == 0 || count >> 40)
		return false;
	*refcount = (uint32_t)min_u64(count, PYTHON_IMMORTAL - 1);
	if (is_immortal(l, t, count))
		*refcount = PYTHON_IMMORTAL;
	return true;
}

/* 3.11 _PySys_GetSizeOf: heads are those of the type's flags, even of static objects. 3.13
 * makes an exception for a static type, if its own type is `type` and not derived of it. */
static uint64_t heads_size(struct python_reader *r, const struct cpy_type *t,
			   unsigned start)
{
	if (t->is_metatype && start == 0 && t->base && !t->base->is_metatype)
		return r->layout->static_type_size_extra;
	return t->pre_header;
}

bool python_read_object(struct python_reader *r, taddr at, bool values,
			const struct python_sink *sink, struct python_object *out)
{
	uint64_t head[2];
	const struct cpy_type *t;
	unsigned start;

	if (!cpy_may_be_address(at) || !cpy_read(r, at, head, sizeof(head)))
		return false;
	t = cpy_type_at(r, head[1]);
	if (!t || !refcount_read(r->layout, t, head[0], &out->refcount))
		return false;
	start = cpy_start_offset(r, t, at);
	out->addr = at;
	out->start = at - start;
	out->type = t->number;
	out->own = (t->own ? t->own : default_own)(r, t, at);
	out->size = (t->size ? t->size(r, t, at) : out->own) + heads_size(r, t, start);
	out->own += start + inline_values_size(r, t, at);
	if (sink)
		tell(r, t, at, sink);
	buf_clear(&r->value);
	if (values && t->value)
		t->value(r, t, at, &r->value);
	out->value = buf_view(&r->value);
	return true;
}
