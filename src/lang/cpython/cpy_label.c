/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels by number. Readers on several threads look the same few thousand names up a
 * million times and add one seldom: a look-up takes no lock. A label is written before its
 * number is put into the table of hashes (release), and is never changed after; whoever
 * adds one holds the lock, and looks again first.
 *
 * The tables have their full size from the start: pages of them that are not used cost
 * nothing, and nothing ever moves.
 */
#include "lang/cpython/cpy_int.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
	LABELS_MAX = UINT16_MAX, /* python_label_count fits 16 bits */
	SLOTS = 1 << 18,
	NAME_MAX = 200, /* of attributes: longer names are cut */
	NAMES = 4096,
};

struct label {
	struct str name; /* owned */
	uint32_t hash;
	uint8_t kind;
};

struct cpy_labels {
	pthread_mutex_t lock; /* of those that add */
	_Atomic uint32_t n;
	struct label *labels;    /* LABELS_MAX */
	_Atomic uint32_t *slots; /* label + 1; 0 free */
};

static uint32_t hash_of(enum label_kind kind, struct str name)
{
	uint64_t hash = (str_hash(name) + kind) * 0x9e3779b97f4a7c15;

	return (uint32_t)(hash >> 32);
}

static bool label_is(const struct label *label, enum label_kind kind, struct str name,
		     uint32_t hash)
{
	return label->hash == hash && label->kind == kind && str_equal(label->name, name);
}

/* The slot of these two, or the free one where they belong. */
static uint32_t slot_of(const struct cpy_labels *l, enum label_kind kind, struct str name,
			uint32_t hash)
{
	uint32_t slot = hash % SLOTS;

	for (;; slot = (slot + 1) % SLOTS) {
		uint32_t found =
			atomic_load_explicit(&l->slots[slot], memory_order_acquire);

		if (found == 0 || label_is(&l->labels[found - 1], kind, name, hash))
			return slot;
	}
}

static uint16_t add_locked(struct cpy_labels *l, enum label_kind kind, struct str name,
			   uint32_t hash)
{
	uint32_t slot = slot_of(l, kind, name, hash);
	uint32_t found = atomic_load_explicit(&l->slots[slot], memory_order_relaxed);
	uint32_t n = atomic_load_explicit(&l->n, memory_order_relaxed);
	char *copy;

	if (found)
		return (uint16_t)(found - 1);
	if (n == LABELS_MAX)
		return (uint16_t)kind;
	copy = xcalloc(1, name.n + 1);
	if (name.n)
		memcpy(copy, name.s, name.n);
	l->labels[n] = (struct label){ { copy, name.n }, hash, (uint8_t)kind };
	atomic_store_explicit(&l->slots[slot], n + 1, memory_order_release);
	atomic_store_explicit(&l->n, n + 1, memory_order_release);
	return (uint16_t)n;
}

static uint16_t label_add(struct cpy_labels *l, enum label_kind kind, struct str name,
			  uint32_t hash)
{
	uint16_t label;

	pthread_mutex_lock(&l->lock);
	label = add_locked(l, kind, name, hash);
	pthread_mutex_unlock(&l->lock);
	return label;
}

struct cpy_labels *cpy_labels_new(void)
{
	struct cpy_labels *l = xcalloc(1, sizeof(*l));

	pthread_mutex_init(&l->lock, NULL);
	l->labels = xmap(LABELS_MAX * sizeof(*l->labels));
	l->slots = xmap(SLOTS * sizeof(*l->slots));
	for (int kind = 0; kind <= LABEL_WEAK; kind++)
		label_add(l, (enum label_kind)kind, str_of(""),
			  hash_of((enum label_kind)kind, str_of("")));
	return l;
}

void cpy_labels_free(struct cpy_labels *l)
{
	if (!l)
		return;
	for (uint32_t i = 0; i < l->n; i++)
		free((char *)(uintptr_t)l->labels[i].name.s);
	xunmap(l->labels, LABELS_MAX * sizeof(*l->labels));
	xunmap((void *)l->slots, SLOTS * sizeof(*l->slots));
	pthread_mutex_destroy(&l->lock);
	free(l);
}

uint16_t cpy_label(struct python *py, enum label_kind kind, struct str name)
{
	struct cpy_labels *l = py->labels;
	uint32_t hash = hash_of(kind, name);
	uint32_t found = atomic_load_explicit(&l->slots[slot_of(l, kind, name, hash)],
					      memory_order_acquire);

	return found ? (uint16_t)(found - 1) : label_add(l, kind, name, hash);
}

uint16_t cpy_field(struct python *py, const char *name)
{
	return cpy_label(py, LABEL_FIELD, str_of(name));
}

uint16_t python_label_count(const struct python *py)
{
	return (uint16_t)atomic_load(&py->labels->n);
}

enum label_kind python_label_kind(const struct python *py, uint16_t label)
{
	return (enum label_kind)py->labels->labels[label].kind;
}

struct str python_label_name(const struct python *py, uint16_t label)
{
	return py->labels->labels[label].name;
}

/* ---- attributes, by the address of their name ---- */

struct cpy_name_cache {
	struct {
		taddr name;
		uint16_t label;
	} entries[NAMES];
	struct buf text;
};

struct cpy_name_cache *cpy_name_cache_new(void)
{
	return xcalloc(1, sizeof(struct cpy_name_cache));
}

void cpy_name_cache_free(struct cpy_name_cache *c)
{
	if (!c)
		return;
	buf_release(&c->text);
	free(c);
}

uint16_t cpy_attribute(struct python_reader *r, taddr name)
{
	struct cpy_name_cache *c = r->name_cache;
	size_t i = (size_t)(name * 0x9e3779b97f4a7c15 >> 52) % NAMES;

	if (c->entries[i].name == name && name)
		return c->entries[i].label;
	buf_clear(&c->text);
	if (!cpy_text(r, name, NAME_MAX, &c->text))
		return LABEL_ATTRIBUTE;
	c->entries[i].name = name;
	c->entries[i].label = cpy_label(r->py, LABEL_ATTRIBUTE, buf_view(&c->text));
	return c->entries[i].label;
}
