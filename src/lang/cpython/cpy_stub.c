/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for what is not built yet; each function goes when its file comes. */
#include "lang/cpython/cpy_int.h"

#include <stdio.h>
#include <stdlib.h>

#define UNUSED(x) (void)(x)

/* cpy_find.c, cpy_open.c, cpy_quiet.c, cpy_pool.c, cpy_list.c */
struct python_places *python_locate(struct mem *running, const struct module_set *set,
				    struct model *m)
{
	UNUSED(running);
	UNUSED(set);
	UNUSED(m);
	return NULL;
}
void python_places_free(struct python_places *p)
{
	free(p);
}
bool python_is_quiet(const struct mem *stopped, void *places)
{
	UNUSED(stopped);
	UNUSED(places);
	return true;
}
bool python_open(const struct mem *m, const struct python_places *p,
		 const struct module_set *set, struct model *model, struct python **out,
		 struct err *e)
{
	UNUSED(m);
	UNUSED(p);
	UNUSED(set);
	UNUSED(model);
	UNUSED(out);
	return fail(e, ERR_PROCESS, "not built yet");
}
void python_free(struct python *py)
{
	UNUSED(py);
}
size_t python_pools(const struct python *py, const struct python_pool **out)
{
	*out = py->pools;
	return py->npools;
}
void python_read_pool(struct python_reader *r, size_t pool, python_slab_fn *fn,
		      void *context)
{
	UNUSED(r);
	UNUSED(pool);
	UNUSED(fn);
	UNUSED(context);
}
void python_read_lists(struct python_reader *r, python_address_fn *fn, void *context)
{
	UNUSED(r);
	UNUSED(fn);
	UNUSED(context);
}
size_t python_own_ranges(const struct python *py, const struct python_range **out)
{
	*out = py->own;
	return py->nown;
}

/* cpy_memory.c, cpy_label.c, cpy_type.c, cpy_object.c and the rules */
struct python_reader *python_reader_new(struct python *py)
{
	UNUSED(py);
	return NULL;
}
void python_reader_free(struct python_reader *r)
{
	UNUSED(r);
}
bool python_read_object(struct python_reader *r, taddr at, bool values,
			const struct python_sink *sink, struct python_object *out)
{
	UNUSED(r);
	UNUSED(at);
	UNUSED(values);
	UNUSED(sink);
	UNUSED(out);
	return false;
}
uint32_t python_type_count(const struct python *py)
{
	UNUSED(py);
	return 0;
}
struct str python_type_name(const struct python *py, uint32_t type)
{
	UNUSED(py);
	UNUSED(type);
	return str_of("");
}
uint16_t python_label_count(const struct python *py)
{
	UNUSED(py);
	return 0;
}
enum label_kind python_label_kind(const struct python *py, uint16_t label)
{
	UNUSED(py);
	return (enum label_kind)label;
}
struct str python_label_name(const struct python *py, uint16_t label)
{
	UNUSED(py);
	UNUSED(label);
	return str_of("");
}
struct cpy_memory *cpy_memory_new(const struct mem *m)
{
	UNUSED(m);
	return NULL;
}
void cpy_memory_free(struct cpy_memory *c)
{
	UNUSED(c);
}
bool cpy_read(struct python_reader *r, taddr at, void *dst, size_t len)
{
	return mem_read(r->py->mem, at, dst, len);
}
bool cpy_word(struct python_reader *r, taddr at, uint64_t *out)
{
	return cpy_read(r, at, out, 8);
}
uint64_t cpy_word_or_0(struct python_reader *r, taddr at)
{
	uint64_t v;
	return cpy_word(r, at, &v) ? v : 0;
}
uint32_t cpy_u32_or_0(struct python_reader *r, taddr at)
{
	uint32_t v;
	return cpy_read(r, at, &v, 4) ? v : 0;
}
const uint8_t *cpy_view(struct python_reader *r, taddr at, size_t want, size_t *have)
{
	UNUSED(r);
	UNUSED(at);
	UNUSED(want);
	*have = 1;
	return NULL;
}
struct cpy_labels *cpy_labels_new(void)
{
	return NULL;
}
void cpy_labels_free(struct cpy_labels *l)
{
	UNUSED(l);
}
uint16_t cpy_label(struct python *py, enum label_kind kind, struct str name)
{
	UNUSED(py);
	UNUSED(name);
	return (uint16_t)kind;
}
uint16_t cpy_field(struct python *py, const char *name)
{
	return cpy_label(py, LABEL_FIELD, str_of(name));
}
uint16_t cpy_attribute(struct python_reader *r, taddr name)
{
	UNUSED(name);
	return cpy_label(r->py, LABEL_ATTRIBUTE, str_of(""));
}
const struct cpy_type *cpy_type_at(struct python_reader *r, taddr at)
{
	UNUSED(r);
	UNUSED(at);
	return NULL;
}
const struct cpy_type *cpy_type_of(struct python_reader *r, taddr at)
{
	UNUSED(r);
	UNUSED(at);
	return NULL;
}
const struct cpy_rules *cpy_rules_of(const char *name)
{
	UNUSED(name);
	return NULL;
}
unsigned cpy_start_offset(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	UNUSED(r);
	UNUSED(t);
	UNUSED(at);
	return 0;
}
void cpy_edge_field(struct python_reader *r, const struct python_sink *sink, taddr at,
		    const char *name)
{
	cpy_edge(sink, cpy_word_or_0(r, at), cpy_field(r->py, name));
}
void cpy_scan(struct python_reader *r, const struct python_sink *sink, taddr at,
	      uint64_t size)
{
	UNUSED(r);
	UNUSED(sink);
	UNUSED(at);
	UNUSED(size);
}
bool cpy_text(struct python_reader *r, taddr at, size_t max, struct buf *out)
{
	UNUSED(r);
	UNUSED(at);
	UNUSED(max);
	UNUSED(out);
	return false;
}
bool cpy_dict_each(struct python_reader *r, taddr dict, cpy_item_fn *fn, void *context)
{
	UNUSED(r);
	UNUSED(dict);
	UNUSED(fn);
	UNUSED(context);
	return false;
}
taddr cpy_dict_get(struct python_reader *r, taddr dict, const char *key)
{
	UNUSED(r);
	UNUSED(dict);
	UNUSED(key);
	return 0;
}
const struct cpy_rules cpy_core_rules[] = { { 0 } };

/* cpy_library.c */
const struct cpy_rules cpy_library_rules[] = { { 0 } };
