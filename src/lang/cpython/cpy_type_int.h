/* SPDX-License-Identifier: Apache-2.0 */
/* Type objects: what finds them (cpy_type.c) and what reads them (cpy_shape.c). */
#ifndef LANG_CPYTHON_CPY_TYPE_INT_H
#define LANG_CPYTHON_CPY_TYPE_INT_H

#include "lang/cpython/cpy_int.h"

#include <pthread.h>

enum {
	CPY_TYPES_NEAR = 8192, /* a power of two */
	CPY_TYPE_BYTES = 512,  /* of the struct, in any version */
	CPY_TYPE_NAME_MAX = 256,
};

struct cpy_types {
	pthread_mutex_t lock;
	struct map by_address; /* -> index */
	struct cpy_type **types;
	size_t n, cap;
	bool is_learned;
	taddr traverse, dealloc;     /* subtype_traverse, subtype_dealloc; 0 not known */
	struct cpy_typenames *names; /* made when a type's own is left out */
};

struct cpy_type_cache {
	struct {
		taddr at;
		const struct cpy_type *type; /* NULL: it is none */
	} near[CPY_TYPES_NEAR];
	struct map by_address; /* -> index; only types */
	const struct cpy_type **types;
	size_t n, cap;
	taddr itself; /* `type`; 0 not met yet */
	struct buf text;
};

/* The struct, as it lies in the target. */
struct cpy_raw_type {
	taddr at;
	bool has_no_name;
	uint8_t bytes[CPY_TYPE_BYTES];
};

static inline uint64_t cpy_raw_word(const struct cpy_raw_type *raw, uint32_t offset)
{
	uint64_t word = 0;

	if (offset <= CPY_TYPE_BYTES - sizeof(word))
		memcpy(&word, raw->bytes + offset, sizeof(word));
	return word;
}

/* By ob_type from type to type of types, to the one that is its own. */
bool cpy_leads_to_type(struct python_reader *r, taddr at);

/* Names of static types where tp_name is not in memory (cpy_typename.c). */
struct cpy_typenames *cpy_typenames_new(struct python_reader *r);
void cpy_typenames_free(struct cpy_typenames *names);
/* Empty: there is none. Lives as long as names. */
struct str cpy_typenames_find(const struct cpy_typenames *names, taddr type);
/* The type that surely has this name; 0: none. */
taddr cpy_typenames_named(const struct cpy_typenames *names, const char *name);
/* This is its name, unless it has a sure one. */
void cpy_typenames_take(struct cpy_typenames *names, taddr type, struct str name);
/* Names the interpreter's own by the order in which they were made (cpy_typeorder.c). */
void cpy_typenames_by_order(struct python_reader *r, struct cpy_typenames *names);
bool cpy_is_static_type(struct python_reader *r, taddr at);

/* Does it lie in the interpreter's own file? */
static inline bool cpy_is_own(const struct python *py, taddr at)
{
	return at >= py->places->image_start && at < py->places->image_end;
}

/* What instances of the type look like. raw is just read: its tp_name is the text of the
 * reader's type cache. */
struct cpy_type *cpy_type_build(struct python_reader *r, const struct cpy_raw_type *raw,
				const struct cpy_type *base);
void cpy_type_free(struct cpy_type *t);
/* The rules that hold for the type itself, NULL if there are none (cpy_struct.c). */
const struct cpy_rules *cpy_rules_for(struct python_reader *r, const struct cpy_type *t);

#endif
