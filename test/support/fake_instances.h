/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of an interpreter, made by hand in one range of memory: types that lead to
 * `type`, and instances of them. By the offsets of our layouts, which test/matrix holds
 * against the real ones; what the objects say, and to whom they refer, is the caller's.
 */
#ifndef TEST_FAKE_INSTANCES_H
#define TEST_FAKE_INSTANCES_H

#include "lang/cpython/cpy_int.h"
#include <sys/mman.h>

#define FAKE_PY_BASE ((taddr)0x7f0000100000)
enum { FAKE_PY_SIZE = 256 << 10, FAKE_PY_KEYS = 8 };

/* tp_flags of a type that is ready. */
enum { FAKE_PY_READY = 1 << 12 };

struct fake_python {
	uint8_t bytes[FAKE_PY_SIZE];
	size_t used;
	const struct cpy_layout *layout;
	taddr type, object, text, integer, list, tuple, dict, set;
	struct python_places places;
	struct cpy_interp interp;
	struct python py;
	struct python_reader *reader;
};

static inline taddr fake_py_room(struct fake_python *f, size_t size)
{
	taddr at = FAKE_PY_BASE + f->used;

	f->used = align_up(f->used + size, 16);
	assert(f->used <= FAKE_PY_SIZE);
	return at;
}

static inline void fake_py_put(struct fake_python *f, taddr at, const void *bytes,
			       size_t n)
{
	assert(at >= FAKE_PY_BASE && at + n <= FAKE_PY_BASE + FAKE_PY_SIZE);
	memcpy(f->bytes + (at - FAKE_PY_BASE), bytes, n);
}

static inline void fake_py_set(struct fake_python *f, taddr at, uint64_t word)
{
	fake_py_put(f, at, &word, sizeof(word));
}

static inline void fake_py_set32(struct fake_python *f, taddr at, uint32_t word)
{
	fake_py_put(f, at, &word, sizeof(word));
}

/* An object behind room for two words of a managed dict and the collector's head. */
static inline taddr fake_py_object(struct fake_python *f, taddr type, size_t size)
{
	taddr at = fake_py_room(f, size + 32) + 32;

	fake_py_set(f, at, 1);
	fake_py_set(f, at + 8, type);
	return at;
}

static inline taddr fake_py_string(struct fake_python *f, const char *s)
{
	taddr at = fake_py_room(f, strlen(s) + 1);

	fake_py_put(f, at, s, strlen(s) + 1);
	return at;
}

static inline taddr fake_py_type(struct fake_python *f, const char *name, taddr base,
				 uint64_t basicsize, uint64_t flags)
{
	const struct cpy_layout *l = f->layout;
	taddr at = fake_py_object(f, f->type, 1024);

	fake_py_set(f, at + l->type.name, fake_py_string(f, name));
	fake_py_set(f, at + l->type.basicsize, basicsize);
	fake_py_set(f, at + l->type.flags, flags | FAKE_PY_READY);
	fake_py_set(f, at + l->type.base, base);
	return at;
}

static inline taddr fake_py_text(struct fake_python *f, const char *ascii)
{
	const struct cpy_layout *l = f->layout;
	size_t n = strlen(ascii);
	taddr at = fake_py_object(f, f->text, l->text.ascii_size + n + 1);

	fake_py_set(f, at + l->text.length, n);
	fake_py_set32(f, at + l->text.state, 1 << 2 | 1 << 5 | 1 << 6 | 1 << 7);
	fake_py_put(f, at + l->text.ascii_size, ascii, n + 1);
	return at;
}

/* ndigits of 30 bits, the least first. */
static inline taddr fake_py_int(struct fake_python *f, bool is_negative,
				const uint32_t *digits, size_t n)
{
	taddr at = fake_py_object(f, f->integer, 24 + 4 * n);
	uint64_t tag = n << 3 | (is_negative ? 2 : n == 0),
		 size = is_negative ? 0 - n : n;

	fake_py_set(f, at + 16, f->layout->int_has_tag ? tag : size);
	if (n)
		fake_py_put(f, at + 24, digits, 4 * n);
	return at;
}

static inline taddr fake_py_list(struct fake_python *f, const taddr *items, size_t n)
{
	taddr at = fake_py_object(f, f->list, 40), room = fake_py_room(f, 8 * (n + 2));

	fake_py_set(f, at + 16, n);
	fake_py_set(f, at + f->layout->list_items, room);
	fake_py_set(f, at + f->layout->list_allocated, n + 2);
	fake_py_put(f, room, items, 8 * n);
	return at;
}

static inline taddr fake_py_tuple(struct fake_python *f, const taddr *items, size_t n)
{
	taddr at = fake_py_object(f, f->tuple, 24 + 8 * n);

	fake_py_set(f, at + 16, n);
	fake_py_put(f, at + 24, items, 8 * n);
	return at;
}

/* A table of 8 places, 5 of them usable: n pairs of key and value. kind: 0 with hashes, 1
 * all keys are texts, 2 split (values are not in it). */
static inline taddr fake_py_keys(struct fake_python *f, unsigned kind, const taddr *pairs,
				 size_t n)
{
	const struct cpy_layout *l = f->layout;
	taddr at = fake_py_room(f, l->dict.indices + FAKE_PY_KEYS + 5 * 24);
	const uint8_t log2[3] = { 3, 3, (uint8_t)kind };
	size_t step = kind == 0 ? 24 : 16;
	taddr entry = at + l->dict.indices + FAKE_PY_KEYS;

	fake_py_set(f, at + l->dict.keys_refcount, 1);
	fake_py_put(f, at + l->dict.log2_size, log2, 3);
	fake_py_set(f, at + l->dict.usable, 5 - n);
	fake_py_set(f, at + l->dict.nentries, n);
	for (size_t i = 0; i < n; i++, entry += step)
		fake_py_put(f, entry + (kind == 0 ? 8 : 0), pairs + 2 * i, 16);
	return at;
}

static inline taddr fake_py_dict(struct fake_python *f, unsigned kind, const taddr *pairs,
				 size_t n)
{
	taddr at = fake_py_object(f, f->dict, 48);

	fake_py_set(f, at + f->layout->dict.used, n);
	fake_py_set(f, at + f->layout->dict.keys, fake_py_keys(f, kind, pairs, n));
	return at;
}

/* Elements 0 are unused places, 1 a dummy's; n a power of two. */
static inline taddr fake_py_element_set(struct fake_python *f, const taddr *elements,
					size_t n)
{
	taddr at = fake_py_object(f, f->set, 200), table = fake_py_room(f, 16 * n);

	fake_py_set(f, at + 32, n - 1);
	fake_py_set(f, at + 40, table);
	for (size_t i = 0; i < n; i++) {
		fake_py_set(f, table + 16 * i, elements[i] == 1 ? f->type : elements[i]);
		fake_py_set(f, table + 16 * i + 8, elements[i] == 1 ? UINT64_MAX : i);
	}
	return at;
}

static inline void fake_py_types(struct fake_python *f)
{
	taddr object;

	f->type = 0;
	f->type = fake_py_type(f, "type", 0, 900, CPY_TYPE_SUBCLASS | CPY_HAVE_GC);
	fake_py_set(f, f->type + 8, f->type);
	object = f->object = fake_py_type(f, "object", 0, 16, 0);
	fake_py_set(f, f->type + f->layout->type.base, object);
	f->text = fake_py_type(f, "str", object, f->layout->text.size, CPY_TEXT_SUBCLASS);
	f->integer = fake_py_type(f, "int", object, 24, CPY_LONG_SUBCLASS);
	f->list = fake_py_type(f, "list", object, 40, CPY_HAVE_GC | CPY_LIST_SUBCLASS);
	f->tuple = fake_py_type(f, "tuple", object, 24, CPY_HAVE_GC | CPY_TUPLE_SUBCLASS);
	f->dict = fake_py_type(f, "dict", object, 48, CPY_HAVE_GC | CPY_DICT_SUBCLASS);
	f->set = fake_py_type(f, "set", object, 200, CPY_HAVE_GC);
	fake_py_set(f, f->type + f->layout->type.itemsize, 40);
	fake_py_set(f, f->integer + f->layout->type.itemsize, 4);
	fake_py_set(f, f->tuple + f->layout->type.itemsize, 8);
}

static inline void fake_py_start(struct fake_python *f, unsigned minor)
{
	memset(f, 0, sizeof(*f));
	f->layout = cpy_layout_of(3, minor);
	assert(f->layout);
	fake_py_types(f);
}

/* Reads what is there now; more may be made and damaged, but is not seen once read. */
static inline void fake_py_open(struct fake_python *f)
{
	const struct mem_fake_range range = { .start = FAKE_PY_BASE,
					      .bytes = f->bytes,
					      .n = FAKE_PY_SIZE,
					      .prot = PROT_R | PROT_W,
					      .name = "" };

	f->places = (struct python_places){ .layout = f->layout,
					    .image_start = FAKE_PY_BASE,
					    .image_end = FAKE_PY_BASE + FAKE_PY_SIZE };
	f->py = (struct python){
		.mem = mem_fake_new(&range, 1),
		.places = &f->places,
		.layout = f->layout,
		.interps = &f->interp,
		.ninterps = 1,
		.types = cpy_types_new(),
		.labels = cpy_labels_new(),
	};
	f->interp.at = FAKE_PY_BASE;
	f->reader = python_reader_new(&f->py);
}

static inline void fake_py_close(struct fake_python *f)
{
	python_reader_free(f->reader);
	cpy_types_free(f->py.types);
	cpy_labels_free(f->py.labels);
	mem_close((struct mem *)(uintptr_t)f->py.mem);
}

#endif
