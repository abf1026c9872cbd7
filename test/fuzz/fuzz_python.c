/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPython's objects in memory that lies. A type for each rule there is, and instances whose
 * words are objects, are built; the input then changes words of it, three at a time: where,
 * how (set, add, xor, point at an object), what. Every address that could be an object's is
 * then read as one. Whatever comes of it: it ends, and nothing is told more often than
 * there are words.
 */
#include "../support/fake_instances.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	CHANGE = 12,
	MAX_CHANGES = 200,
	BODY = 200,
	OBJECTS = 512,
	TOLD_MAX = FAKE_PY_SIZE
};

struct world {
	struct fake_python f;
	taddr objects[OBJECTS];
	size_t n;
};

static taddr keep(struct world *w, taddr at)
{
	if (w->n < OBJECTS)
		w->objects[w->n++] = at;
	return at;
}

static void build_builtins(struct world *w)
{
	struct fake_python *f = &w->f;
	taddr a = keep(w, fake_py_text(f, "alpha")), b = keep(w, fake_py_text(f, "b"));
	taddr one = keep(w, fake_py_int(f, true, (uint32_t[]){ 7, 1, 3 }, 3));
	taddr items[] = { a, 0, b, one }, elements[] = { 0, a, 1, b };
	taddr list = keep(w, fake_py_list(f, items, 4)),
	      pairs[] = { a, list, 0, 0, b, one };

	keep(w, fake_py_tuple(f, items, 4));
	keep(w, fake_py_element_set(f, elements, 4));
	keep(w, fake_py_dict(f, 0, pairs, 3));
	keep(w, fake_py_dict(f, 1, pairs, 3));
	keep(w, f->type);
}

/* An instance whose body is full of objects, and small numbers now and then. */
static void build_instance(struct world *w, taddr type)
{
	taddr at = fake_py_object(&w->f, type, BODY);
	size_t n = w->n;

	for (size_t i = 16; i + 8 <= BODY; i += 8)
		fake_py_set(&w->f, at + i, i % 56 == 16 ? i % 5 : w->objects[i * 7 % n]);
	keep(w, at);
}

static void build_class(struct world *w)
{
	const struct cpy_layout *l = w->f.layout;
	taddr pairs[] = { w->objects[0], 0, w->objects[1], 0 };
	taddr class = fake_py_type(&w->f, "Class", w->f.object, 16,
				   CPY_HEAPTYPE | CPY_HAVE_GC | CPY_MANAGED_DICT |
					   CPY_INLINE_VALUES);

	fake_py_set(&w->f, class + l->type.ht_cached_keys,
		    fake_py_keys(&w->f, 2, pairs, 2));
	fake_py_set(&w->f, class + l->type.ht_qualname, w->objects[0]);
	keep(w, class);
	build_instance(w, class);
}

static bool build_table(struct world *w, const struct cpy_rules *r)
{
	for (; r->name; r++) {
		if (w->f.used > FAKE_PY_SIZE - 4096)
			return false;
		build_instance(w, fake_py_type(&w->f, r->name, w->f.object, BODY - 32,
					       CPY_HAVE_GC));
	}
	return true;
}

/* There is no room for all tables: those from `first` on. */
static void build(struct world *w, unsigned minor, size_t first)
{
	w->n = 0;
	fake_py_start(&w->f, minor);
	build_builtins(w);
	build_class(w);
	for (size_t i = 0; i < cpy_nrule_tables; i++)
		if (!build_table(w, cpy_rule_tables[(first + i) % cpy_nrule_tables]))
			return;
}

static void change(struct world *w, const uint8_t *c)
{
	size_t at = (c[0] | (size_t)c[1] << 8 | (size_t)(c[2] & 1) << 16) * 8 % w->f.used;
	uint64_t what, old;

	at -= at % 8;
	memcpy(&what, c + 4, sizeof(what));
	memcpy(&old, w->f.bytes + at, sizeof(old));
	switch (c[3] % 4) {
	case 0:
		break;
	case 1:
		what = old + (what & 0xfff);
		break;
	case 2:
		what ^= old;
		break;
	default:
		what = w->objects[what % w->n];
	}
	memcpy(w->f.bytes + at, &what, sizeof(what));
}

static void see_edge(void *context, taddr to, uint16_t label)
{
	size_t *told = context;

	(void)to;
	(void)label;
	++*told;
}

static void see_part(void *context, taddr at, uint64_t size, uint16_t label)
{
	size_t *told = context;

	(void)label;
	assert(at && size);
	++*told;
}

static void see_content(void *context, uint64_t hash, uint64_t bytes)
{
	size_t *told = context;

	(void)hash;
	assert(bytes > 0);
	++*told;
}

static void see_slack(void *context, enum slack_kind kind, uint64_t unused)
{
	size_t *told = context;

	assert((kind == SLACK_EMPTY) == (unused == 0));
	++*told;
}

static void read_all(struct world *w)
{
	fake_py_open(&w->f);
	for (taddr at = FAKE_PY_BASE; at < FAKE_PY_BASE + w->f.used; at += 16) {
		size_t told = 0;
		const struct python_sink sink = { .edge = see_edge,
						  .part = see_part,
						  .context = &told,
						  .content = see_content,
						  .slack = see_slack };
		struct python_object o;

		if (python_read_object(w->f.reader, at, true, &sink, &o))
			assert(o.refcount > 0 && o.start <= o.addr &&
			       o.type < python_type_count(&w->f.py));
		assert(told <= TOLD_MAX);
	}
	fake_py_close(&w->f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	size_t n = min_u64(size / CHANGE, MAX_CHANGES);

	/* What is left of the last change says which world it is. */
	build(&w, size % 2 ? 11 : 13,
	      size % CHANGE / 2 * cpy_nrule_tables / (CHANGE / 2));
	for (size_t i = 0; i < n; i++)
		change(&w, data + CHANGE * i);
	read_all(&w);
	return 0;
}
