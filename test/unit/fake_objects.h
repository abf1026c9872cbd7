/* SPDX-License-Identifier: Apache-2.0 */
/* A reader of objects whose every word is made up, and worlds for it to read. */
#ifndef TEST_FAKE_OBJECTS_H
#define TEST_FAKE_OBJECTS_H

#include "collect/objects_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- the reader ---- */

enum {
	MAX_OBJECTS = 40000,
	MAX_EDGES = 4,
	MAX_PARTS = 3,
	MAX_SLABS = 600,
	POOL_BYTES = 1 << 20,
	SLAB_BYTES = 16 << 10,
	SLAB_HEAD = 48,
};

enum { LABEL_NAME = LABEL_WEAK + 1, LABEL_REF, LABEL_TABLE, LABELS };

struct fake_edge {
	taddr to;
	uint16_t label;
};

struct fake_part {
	taddr at;
	uint64_t size;
};

struct fake_object {
	taddr addr;
	uint8_t before;
	uint64_t own, size;
	uint32_t refcount, type;
	const char *value;
	struct fake_edge edges[MAX_EDGES];
	size_t nedges;
	struct fake_part parts[MAX_PARTS];
	size_t nparts;
	bool listed;
};

struct python {
	struct python_pool pools[16];
	size_t npools;
	struct python_slab *slabs[MAX_SLABS]; /* by address */
	size_t nslabs;
	struct fake_object *objects;
	size_t nobjects;
	struct map by_address;
	struct python_root roots[16];
	size_t nroots;
};

struct python_reader {
	struct python *py;
};

static const char *const type_names[] = { "list", "zoo.Cat", "int", "dict" };

static inline size_t fake_pools(const struct python *py, const struct python_pool **out)
{
	*out = py->pools;
	return py->npools;
}

static inline struct python_reader *fake_reader_new(struct python *py)
{
	struct python_reader *r = xcalloc(1, sizeof(*r));

	r->py = py;
	return r;
}

static inline void fake_reader_free(struct python_reader *r)
{
	free(r);
}

static inline void fake_read_pool(struct python_reader *r, size_t pool,
				  python_slab_fn *fn, void *context)
{
	const struct python_pool *p = &r->py->pools[pool];

	for (size_t i = 0; i < r->py->nslabs; i++)
		if (r->py->slabs[i]->start >= p->start && r->py->slabs[i]->start < p->end)
			fn(context, r->py->slabs[i]);
}

static inline void fake_read_lists(struct python_reader *r, python_address_fn *fn,
				   void *context)
{
	for (size_t i = 0; i < r->py->nobjects; i++)
		if (r->py->objects[i].listed)
			fn(context, r->py->objects[i].addr);
}

static inline void fake_read_roots(struct python_reader *r, python_root_fn *fn,
				   void *context)
{
	for (size_t i = 0; i < r->py->nroots; i++)
		fn(context, &r->py->roots[i]);
}

static inline void fake_read_frames(struct python_reader *r, python_frame_fn *fn,
				    void *context)
{
	(void)r, (void)fn, (void)context; /* its threads run no code */
}

static inline bool fake_read_object(struct python_reader *r, taddr at, bool values,
				    const struct python_sink *sink,
				    struct python_object *out)
{
	const struct fake_object *o;
	uint32_t i;

	if (!map_find(&r->py->by_address, at, &i))
		return false;
	o = &r->py->objects[i];
	for (size_t k = 0; k < o->nedges; k++)
		sink->edge(sink->context, o->edges[k].to, o->edges[k].label);
	for (size_t k = 0; k < o->nparts; k++)
		sink->part(sink->context, o->parts[k].at, o->parts[k].size, LABEL_TABLE);
	*out = (struct python_object){ .addr = at,
				       .start = at - o->before,
				       .own = o->own,
				       .size = o->size,
				       .refcount = o->refcount,
				       .type = o->type,
				       .value = str_of(values && o->value ? o->value
									  : "") };
	return true;
}

static inline uint32_t fake_type_count(const struct python *py)
{
	(void)py;
	return countof(type_names);
}

static inline uint32_t fake_type_uncounted(const struct python *py, uint32_t type)
{
	(void)py;
	return type; /* a number for each, to be told apart */
}

static inline struct str fake_type_name(const struct python *py, uint32_t type)
{
	(void)py;
	return str_of(type_names[type]);
}

static inline uint16_t fake_label_count(const struct python *py)
{
	(void)py;
	return LABELS;
}

static inline enum label_kind fake_label_kind(const struct python *py, uint16_t label)
{
	(void)py;
	return label == LABEL_NAME    ? LABEL_ATTRIBUTE
	       : label == LABEL_REF   ? LABEL_WEAK
	       : label == LABEL_TABLE ? LABEL_FIELD
				      : (enum label_kind)label;
}

static inline struct str fake_label_name(const struct python *py, uint16_t label)
{
	(void)py;
	return str_of(label == LABEL_NAME    ? "name"
		      : label == LABEL_REF   ? "ref"
		      : label == LABEL_TABLE ? "table"
					     : "");
}

static const struct object_reader fake_reader = {
	fake_pools,      fake_reader_new, fake_reader_free,    fake_read_pool,
	fake_read_lists, fake_read_roots, fake_read_frames,    fake_read_object,
	fake_type_count, fake_type_name,  fake_type_uncounted, fake_label_count,
	fake_label_kind, fake_label_name,
};

/* ---- worlds ---- */

static inline struct python *world_new(void)
{
	struct python *py = xcalloc(1, sizeof(*py));

	py->objects = xcalloc(MAX_OBJECTS, sizeof(*py->objects));
	return py;
}

static inline void world_free(struct python *py)
{
	for (size_t i = 0; i < py->nslabs; i++)
		free(py->slabs[i]);
	free(py->objects);
	map_release(&py->by_address);
	free(py);
}

static inline void add_pool(struct python *py, taddr start)
{
	py->pools[py->npools++] = (struct python_pool){ .start = start,
							.end = start + POOL_BYTES,
							.fresh = start + POOL_BYTES };
}

/* All blocks free. */
static inline struct python_slab *add_slab(struct python *py, taddr page,
					   uint32_t block_size)
{
	struct python_slab *s = xcalloc(1, sizeof(*s));

	s->start = page + SLAB_HEAD;
	s->block_size = block_size;
	s->n = (SLAB_BYTES - SLAB_HEAD) / block_size;
	py->slabs[py->nslabs++] = s;
	return s;
}

static inline taddr block_at(const struct python_slab *s, uint32_t i)
{
	return s->start + (uint64_t)i * s->block_size;
}

static inline struct fake_object *add_object(struct python *py, taddr at, uint8_t before,
					     uint64_t own)
{
	struct fake_object *o = &py->objects[py->nobjects];

	assert_true(py->nobjects < MAX_OBJECTS);
	map_set(&py->by_address, at, (uint32_t)py->nobjects++);
	*o = (struct fake_object){
		.addr = at, .before = before, .own = own, .size = own, .refcount = 1
	};
	return o;
}

/* An object in a slab's block. */
static inline struct fake_object *put_object(struct python *py, struct python_slab *s,
					     uint32_t i, uint8_t start_of)
{
	s->kind[i] = PYTHON_OBJECT;
	s->start_of[i] = start_of;
	return add_object(py, block_at(s, i) + start_of, start_of, s->block_size);
}

static inline void add_edge(struct fake_object *o, taddr to, uint16_t label)
{
	assert_true(o->nedges < MAX_EDGES);
	o->edges[o->nedges++] = (struct fake_edge){ to, label };
}

static inline void add_part(struct fake_object *o, taddr at, uint64_t size)
{
	o->parts[o->nparts++] = (struct fake_part){ at, size };
}

static inline void add_root(struct python *py, enum group_kind group,
			    const char *group_name, const char *name, taddr to)
{
	py->roots[py->nroots++] = (struct python_root){
		.group = group,
		.group_name = str_of(group_name),
		.kind = group == ROOTS_INTERPRETER ? ROOT_FIELD : ROOT_NAME,
		.name = str_of(name),
		.to = to,
		.certain = true,
		.counted = true,
	};
}

static inline size_t add_block(struct model *m, taddr addr, uint64_t size,
			       enum block_state state)
{
	size_t row = model_blocks_add(m);

	m->blocks.addr[row] = addr;
	m->blocks.size[row] = size;
	m->blocks.extra[row] = 1;
	m->blocks.state[row] = (uint8_t)state;
	return row;
}

#endif
