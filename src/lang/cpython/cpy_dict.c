/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dicts (CPython 3.11 pycore_dict.h). A table of keys is one block:
 *
 *   head | 1 << log2_index_bytes bytes of indices | entries, in the order of insertion
 *
 * An entry is {hash, key, value}, or {key, value} if all keys are str. Of a split table the
 * keys belong to the type, and each dict has an array of values, entry by entry:
 *
 *   3.11  a block of its own; order and sizes lie before the first value
 *   3.13  {capacity, size, embedded, valid}, the values, their order; a block of its own,
 *         or (embedded) in the instance itself, which then tells them
 *
 * Keys are told by who owns the table. The dict of interned texts holds its keys and values
 * without counting them: they are weak, but for immortal keys (3.12, 3.13 unicodeobject.c
 * intern_common, immortalize_interned), of which nothing else may tell.
 */
#include "lang/cpython/cpy_int.h"

enum {
	KIND_GENERAL,
	KIND_TEXT,
	KIND_SPLIT,
	LOG2_MIN = 3,
	LOG2_MAX = 30,   /* more entries than any memory we read has room for */
	SPARSE_PART = 3, /* one that only grew is half full at least */
	BATCH_BYTES = 1536,
};

struct entry {
	taddr key, value;
};

static uint64_t usable_of(uint64_t size)
{
	return (size << 1) / 3;
}

bool cpy_keys_read(struct python_reader *r, taddr at, struct cpy_keys *k)
{
	const struct cpy_layout *l = r->layout;
	uint64_t refcount, n, usable;
	uint8_t log2[3]; /* dk_log2_size, dk_log2_index_bytes, dk_kind */

	if (!cpy_may_be_address(at) ||
	    !cpy_word(r, at + l->dict.keys_refcount, &refcount) ||
	    !cpy_read(r, at + l->dict.log2_size, log2, sizeof(log2)) ||
	    !cpy_word(r, at + l->dict.usable, &usable) ||
	    !cpy_word(r, at + l->dict.nentries, &n))
		return false;
	if (log2[0] > LOG2_MAX || log2[1] > LOG2_MAX + 3 || log2[2] > KIND_SPLIT ||
	    n > usable_of((uint64_t)1 << log2[0]) || usable > (uint64_t)1 << log2[0])
		return false;
	*k = (struct cpy_keys){
		.at = at,
		.entries = at + l->dict.indices + ((uint64_t)1 << log2[1]),
		.refcount = refcount,
		.n = n,
		.usable = usable,
		.entry_size = log2[2] == KIND_GENERAL ? 24 : 16,
		.key_offset = log2[2] == KIND_GENERAL ? 8 : 0,
		.is_split = log2[2] == KIND_SPLIT,
		.is_empty = log2[0] == 0,
	};
	k->most = usable_of((uint64_t)1 << log2[0]);
	k->size = k->entries - at + k->most * k->entry_size;
	return true;
}

/* Entries from number *at on, at most as many as fit `raw`; how many, 0 at the end or a
 * hole. */
static size_t entries_read(struct python_reader *r, const struct cpy_keys *k,
			   uint64_t *at, struct entry *out)
{
	uint8_t raw[BATCH_BYTES];
	size_t n = (size_t)min_u64(k->n - *at, BATCH_BYTES / k->entry_size);

	if (n == 0 ||
	    !cpy_read(r, k->entries + *at * k->entry_size, raw, n * k->entry_size))
		return 0;
	for (size_t i = 0; i < n; i++)
		memcpy(&out[i], raw + i * k->entry_size + k->key_offset, sizeof(*out));
	*at += n;
	return n;
}

enum { BATCH = BATCH_BYTES / 16 };

void cpy_keys_edges(struct python_reader *r, const struct cpy_keys *k,
		    const struct python_sink *sink)
{
	struct entry entries[BATCH];
	uint64_t at = 0;
	size_t n;

	while ((n = entries_read(r, k, &at, entries)) > 0)
		for (size_t i = 0; i < n; i++)
			cpy_edge(sink, entries[i].key, LABEL_KEY);
}

void cpy_values_edges(struct python_reader *r, const struct cpy_keys *k, taddr array,
		      const struct python_sink *sink)
{
	taddr values[CPY_VALUES_MAX];
	uint64_t n = min_u64(k->n, CPY_VALUES_MAX);

	if (!cpy_read(r, array, values, (size_t)n * sizeof(*values)))
		return;
	for (uint64_t i = 0; i < n; i++)
		if (values[i])
			sink->edge(sink->context, values[i],
				   cpy_attribute(r, cpy_key_at(r, k, i)));
}

void cpy_values_part(struct python_reader *r, taddr values, uint64_t n,
		     const struct python_sink *sink)
{
	uint8_t prefix = 0;

	if (r->layout->dict.values_array) { /* 3.13 */
		n = cpy_u32_or_0(r, values) & 0xff;
		cpy_part(r, sink, values, (n + 1) * 8 + align_up(n, 8), "values");
		return;
	}
	if (n <= CPY_VALUES_MAX && cpy_read(r, values - 1, &prefix, 1) && prefix % 8 == 0)
		cpy_part(r, sink, values - prefix, prefix + n * 8, "values");
}

/* ---- dict ---- */

struct dict {
	struct cpy_keys keys;
	taddr values,
		array; /* of a split one: PyDictValues, and its first value; else 0 */
	bool is_embedded;
};

static bool dict_load(struct python_reader *r, taddr at, struct dict *d)
{
	const struct cpy_layout *l = r->layout;
	uint8_t embedded = 0;
	taddr keys;

	if (!cpy_word(r, at + l->dict.keys, &keys) ||
	    !cpy_word(r, at + l->dict.values, &d->values) ||
	    !cpy_keys_read(r, keys, &d->keys))
		return false;
	d->array = d->values ? d->values + l->dict.values_array : 0;
	if (d->values && l->dict.values_array &&
	    !cpy_read(r, d->values + 2, &embedded, 1))
		return false;
	d->is_embedded = embedded != 0;
	return true;
}

/* Bytes of the least table with room for n entries (dictobject.c ESTIMATE_SIZE,
 * new_keys_object). */
static uint64_t least_bytes(const struct cpy_layout *l, const struct cpy_keys *k,
			    uint64_t n)
{
	unsigned log2 = LOG2_MIN;

	while (log2 < LOG2_MAX && (uint64_t)1 << log2 < (n * 3 + 1) / 2)
		log2++;
	return l->dict.indices + ((uint64_t)1 << log2 << (log2 >= 8) << (log2 >= 16)) +
	       usable_of((uint64_t)1 << log2) * k->entry_size;
}

static void tell_slack(struct python_reader *r, taddr at, const struct dict *d,
		       const struct python_sink *sink)
{
	uint64_t places = d->keys.n + d->keys.usable;
	struct cpy_table t = { .n = cpy_word_or_0(r, at + r->layout->dict.used),
			       .most = d->keys.most,
			       .part = SPARSE_PART,
			       .bytes = d->keys.size };

	t.n = min_u64(t.n, t.most);
	t.least = least_bytes(r->layout, &d->keys, t.n);
	if (d->values) /* the keys are the class's; of embedded ones the instance tells */
		t = (struct cpy_table){ .n = min_u64(t.n, places),
					.most = places,
					.part = SPARSE_PART,
					.bytes = d->is_embedded ? 0 : places * 8,
					.least = min_u64(t.n, places) * 8 };
	cpy_slack_table(sink, &t);
}

/* The dict of interned texts owns but the immortal ones, and no value. */
static void combined_edges(struct python_reader *r, const struct cpy_keys *k,
			   bool is_interned, const struct python_sink *sink)
{
	struct entry entries[BATCH];
	uint64_t at = 0;
	size_t n;

	while ((n = entries_read(r, k, &at, entries)) > 0)
		for (size_t i = 0; i < n; i++) {
			bool is_weak;

			if (!entries[i].value)
				continue;
			is_weak = is_interned && !cpy_is_immortal(r, entries[i].key);
			cpy_edge(sink, entries[i].key, is_weak ? LABEL_WEAK : LABEL_KEY);
			cpy_edge(sink, entries[i].value,
				 is_interned ? LABEL_WEAK : LABEL_VALUE);
		}
}

static void dict_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		      const struct python_sink *sink)
{
	struct dict d;

	(void)t;
	if (!dict_load(r, at, &d))
		return;
	tell_slack(r, at, &d, sink);
	if (!d.values)
		combined_edges(r, &d.keys, cpy_is_interned(r->py, at), sink);
	else if (!d.is_embedded)
		cpy_values_edges(r, &d.keys, d.array, sink);
	if (d.values && !d.is_embedded)
		cpy_values_part(r, d.values, d.keys.n + d.keys.usable, sink);
	if (d.keys.is_empty || d.keys.refcount != 1)
		return;
	if (d.values) /* the type is gone, or has other keys now: these are the dict's */
		cpy_keys_edges(r, &d.keys, sink);
	cpy_part(r, sink, d.keys.at, d.keys.size, "keys");
}

/* dict_sizeof */
static uint64_t dict_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	uint64_t size = t->basicsize;
	struct dict d;

	if (!dict_load(r, at, &d))
		return size;
	if (d.values)
		size += 8 * (d.keys.n + d.keys.usable);
	return size + (d.keys.refcount == 1 ? d.keys.size : 0);
}

/* ---- for others that look into one ---- */

static bool each_combined(struct python_reader *r, const struct cpy_keys *k,
			  cpy_item_fn *fn, void *context)
{
	struct entry entries[BATCH];
	uint64_t at = 0;
	size_t n;

	while ((n = entries_read(r, k, &at, entries)) > 0)
		for (size_t i = 0; i < n; i++)
			if (entries[i].value &&
			    !fn(context, entries[i].key, entries[i].value))
				return true;
	return true;
}

static bool each_split(struct python_reader *r, const struct dict *d, cpy_item_fn *fn,
		       void *context)
{
	for (uint64_t i = 0; i < min_u64(d->keys.n, CPY_VALUES_MAX); i++) {
		taddr value = cpy_word_or_0(r, d->array + i * 8);

		if (value && !fn(context, cpy_key_at(r, &d->keys, i), value))
			break;
	}
	return true;
}

bool cpy_dict_each(struct python_reader *r, taddr dict, cpy_item_fn *fn, void *context)
{
	struct dict d;

	if (!cpy_is_kind(r, dict, CPY_DICT_SUBCLASS) || !dict_load(r, dict, &d))
		return false;
	return d.values ? each_split(r, &d, fn, context)
			: each_combined(r, &d.keys, fn, context);
}

struct search {
	struct python_reader *r;
	const char *key;
	taddr found;
};

static bool search_step(void *context, taddr key, taddr value)
{
	struct search *s = context;

	if (cpy_text_is(s->r, key, s->key))
		s->found = value;
	return !s->found;
}

taddr cpy_dict_get(struct python_reader *r, taddr dict, const char *key)
{
	struct search s = { r, key, 0 };

	cpy_dict_each(r, dict, search_step, &s);
	return s.found;
}

static const struct cpy_field_rule view_fields[] = { { .name = "dict", .offset = 16 },
						     { 0 } };
static const struct cpy_field_rule iterator_fields[] = {
	{ .name = "dict", .offset = 16 },
	{ .name = "result", .offset = 40 },
	{ 0 },
};

const struct cpy_rules cpy_dict_rules[] = {
	{ .name = "dict", .read = dict_read, .size = dict_size },
	{ .name = "dict_keys", .fields = view_fields },
	{ .name = "dict_values", .fields = view_fields },
	{ .name = "dict_items", .fields = view_fields },
	{ .name = "dict_keyiterator", .fields = iterator_fields },
	{ .name = "dict_valueiterator", .fields = iterator_fields },
	{ .name = "dict_itemiterator", .fields = iterator_fields },
	{ .name = "dict_reversekeyiterator", .fields = iterator_fields },
	{ .name = "dict_reversevalueiterator", .fields = iterator_fields },
	{ .name = "dict_reverseitemiterator", .fields = iterator_fields },
	{ 0 },
};
