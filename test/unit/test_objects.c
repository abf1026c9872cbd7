/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what a reader tells of objects to the model's rows, with a reader whose every word is
 * made up here: which address is which object, numbering, what only looked like an object,
 * whose memory each block is (every byte once), roots.
 */
#include "fake_objects.h"

static struct object_walk *build(struct python *py, struct model *m)
{
	const struct collect_options o = { .edges = true, .values = true };
	struct object_walk *w = object_walk_over(&fake_reader, py, &o);
	struct need need = { .edges = true };
	struct err e;

	objects_read(w, &need);
	assert_true(objects_build(w, m, &e));
	return w;
}

/* Row of the object at this very address, NO_NODE: none. */
static uint32_t row_at(const struct model *m, taddr at)
{
	for (size_t i = 0; i < m->objects.n; i++)
		if (m->objects.addr[i] == at)
			return (uint32_t)i;
	return NO_NODE;
}

static uint32_t edge_node(const struct model *m, uint32_t from, size_t i)
{
	assert_true(m->edge_first.at[from] + i < m->edge_first.at[from + 1]);
	return m->edge_to.node[m->edge_first.at[from] + i];
}

static uint8_t edge_kind(const struct model *m, uint32_t from, size_t i)
{
	return m->labels.kind[m->edge_to.label[m->edge_first.at[from] + i]];
}

static bool has_finding(const struct model *m, const char *text)
{
	for (size_t i = 0; i < m->findings.n; i++)
		if (str_find(model_text(m, m->findings.text[i]), text) >= 0)
			return true;
	return false;
}

/* ---- tests ---- */

enum { A = 0x7f0000040000, B = 0x7f0000140000 /* touches A's pool */ };

/* Every address of two pools, against a search that takes no shortcut. */
static void every_address_is_looked_up(void **state)
{
	struct python *py = world_new();
	struct model *m = model_new();
	struct object_walk *w;
	struct slab_table *t;
	uint32_t objects = 0;

	(void)state;
	add_pool(py, A);
	add_pool(py, B);
	for (size_t i = 0; i < 4; i++) {
		struct python_slab *s =
			add_slab(py, (i < 2 ? A : B) + (i % 2 + 1) * 5 * SLAB_BYTES,
				 (uint32_t)(48 + 48 * i));

		for (uint32_t b = 0; b < s->n; b++)
			if (b % 3)
				put_object(py, s, b, (uint8_t)(16 * (b % 3)));
	}
	w = build(py, m);
	t = &w->slabs;
	for (taddr at = A - 64; at < B + POOL_BYTES + 64; at++) {
		struct slab_block found;
		bool expected = false;
		taddr object_at = 0;

		for (size_t i = 0; i < py->nslabs; i++) {
			const struct python_slab *s = py->slabs[i];

			if (at < s->start || (at - s->start) / s->block_size >= s->n)
				continue;
			expected = true;
			assert_true(slab_table_find(t, at, &found));
			assert_int_equal(found.slab, i);
			assert_int_equal(found.i, (at - s->start) / s->block_size);
			if (s->kind[found.i] != PYTHON_OBJECT) {
				assert_int_equal(slab_block_object(t, &found, &object_at),
						 NO_OBJECT);
				continue;
			}
			(void)slab_block_object(t, &found, &object_at);
			assert_int_equal(object_at,
					 block_at(s, found.i) + s->start_of[found.i]);
			if (at == object_at)
				assert_int_equal(slab_block_object(t, &found, &object_at),
						 objects++);
		}
		assert_true(expected || !slab_table_find(t, at, &found));
	}
	assert_int_equal(objects, py->nobjects);
	object_walk_free(w);
	model_free(m);
	world_free(py);
}

/* Objects in slabs, below, between and above them, and in a block that was taken for raw
 * memory: all rows by address, edges by where they lead. */
static void rows_are_by_address(void **state)
{
	const taddr below = 0x500010, between = A + POOL_BYTES - 64, above = B + 0x1000;
	struct python *py = world_new();
	struct model *m = model_new();
	struct python_slab *s;
	struct fake_object *first, *last;
	struct object_walk *w;
	uint32_t from;

	(void)state;
	add_pool(py, A);
	s = add_slab(py, A, 64);
	first = put_object(py, s, 0, 16);
	last = put_object(py, s, 5, 0);
	s->kind[3] = PYTHON_RAW;
	first->value = last->value = "12";
	add_object(py, block_at(s, 3) + 32, 32, 32)->value = "123456789";
	first->listed = true;
	add_edge(first, above, LABEL_ITEM);
	add_edge(first, 0, LABEL_ITEM);
	add_edge(first, last->addr, LABEL_NAME);
	add_edge(first, block_at(s, 3) + 32, LABEL_FIELD);
	add_edge(add_object(py, above, 0, 24), between, LABEL_REF);
	add_edge(add_object(py, between, 0, 24), below, LABEL_ITEM);
	add_object(py, below, 0, 24)->value = "below";
	w = build(py, m);
	assert_int_equal(m->objects.n, 6);
	for (size_t i = 1; i < m->objects.n; i++)
		assert_true(m->objects.addr[i - 1] < m->objects.addr[i]);
	from = row_at(m, first->addr);
	assert_int_equal(edge_node(m, from, 0), row_at(m, above));
	assert_int_equal(edge_node(m, from, 1), NO_NODE);
	assert_int_equal(edge_node(m, from, 2), row_at(m, last->addr));
	assert_int_equal(edge_kind(m, from, 2), LABEL_ATTRIBUTE);
	assert_int_equal(edge_node(m, from, 3), row_at(m, block_at(s, 3) + 32));
	assert_int_equal(edge_node(m, row_at(m, above), 0), row_at(m, between));
	assert_int_equal(edge_kind(m, row_at(m, above), 0), LABEL_WEAK);
	assert_true(str_is(model_text(m, m->objects.value[row_at(m, below)]), "below"));
	assert_true(str_is(model_text(m, m->objects.value[from]), "12"));
	assert_int_equal(m->objects.value[row_at(m, last->addr)], m->objects.value[from]);
	assert_true(
		str_is(model_text(m, m->objects.value[row_at(m, block_at(s, 3) + 32)]),
		       "123456789"));
	assert_int_equal(m->objects.value[row_at(m, above)], 0);
	/* Weak ones do not count. */
	assert_int_equal(objects_in_edges(w)[row_at(m, between)], 0);
	assert_int_equal(objects_in_edges(w)[row_at(m, below)], 1);
	assert_int_equal(m->findings.n, 0);
	object_walk_free(w);
	model_free(m);
	world_free(py);
}

/* A list's items in a block that looks like an object; a stale one that claims the block of
 * a living one; one that does not fit. */
static void what_looks_like_an_object_is_dropped(void **state)
{
	struct python *py = world_new();
	struct model *m = model_new();
	struct python_slab *s;
	struct fake_object *list, *items, *stale, *cat;
	struct object_walk *w;
	size_t part;

	(void)state;
	add_pool(py, A);
	s = add_slab(py, A, 64);
	list = put_object(py, s, 0, 16);
	items = put_object(py, s, 1, 0);
	stale = put_object(py, s, 2, 0);
	cat = put_object(py, s, 3, 16);
	put_object(py, s, 4, 0)->own = 65; /* does not fit */
	list->listed = true;
	add_part(list, block_at(s, 1), 64);
	add_edge(list, cat->addr, LABEL_ITEM);
	add_edge(items, 0x1234560, LABEL_ITEM); /* not torn: it is no object */
	add_part(stale, block_at(s, 3), 40);
	w = build(py, m);
	assert_int_equal(row_at(m, items->addr), NO_NODE);
	assert_int_equal(row_at(m, block_at(s, 4)), NO_NODE);
	assert_int_not_equal(row_at(m, cat->addr), NO_NODE);
	assert_int_equal(m->objects.n, 3);
	assert_int_equal(m->parts.n, 1);
	assert_int_equal(model_node_at(m, block_at(s, 1) + 9, &part),
			 row_at(m, list->addr));
	assert_int_equal(part, 0);
	assert_int_equal(m->objects.footprint[row_at(m, list->addr)], 128);
	assert_int_equal(m->objects.footprint[row_at(m, stale->addr)], 64);
	assert_true(has_finding(m, "1 blocks belong to two objects"));
	assert_false(has_finding(m, "lead to no object"));
	object_walk_free(w);
	model_free(m);
	world_free(py);
}

static void torn_references_are_told(void **state)
{
	struct python *py = world_new();
	struct model *m = model_new();
	struct python_slab *s;
	struct fake_object *list;
	struct object_walk *w;

	(void)state;
	add_pool(py, A);
	s = add_slab(py, A, 64);
	list = put_object(py, s, 0, 16);
	add_edge(list, block_at(s, 9), LABEL_ITEM); /* free */
	add_edge(list, 0x1234560, LABEL_ITEM);      /* nothing */
	add_edge(list, 0x1234570, LABEL_REF);       /* weak: says nothing */
	add_edge(list, list->addr, LABEL_ITEM);
	w = build(py, m);
	assert_int_equal(m->objects.n, 1);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(edge_node(m, 0, i), NO_NODE);
	assert_int_equal(edge_node(m, 0, 3), 0);
	assert_true(has_finding(m, "2 references lead to no object"));
	object_walk_free(w);
	model_free(m);
	world_free(py);
}

static uint64_t sum_of_footprints(const struct model *m)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < m->objects.n; i++)
		sum += node_footprint(m, i);
	return sum;
}

/* Each byte that malloc or obmalloc handed out to an object is counted once. */
static void footprints_count_each_block_once(void **state)
{
	struct python *py = world_new();
	struct model *m = model_new();
	struct python_slab *s;
	struct fake_object *list, *big, *array, *other;
	struct object_walk *w;
	taddr embedded;
	size_t big_block, items_block, free_block, shared_block, others_block;

	(void)state;
	big_block = add_block(m, 0x600010, 1016, BLOCK_USED);
	items_block = add_block(m, 0x601010, 5000000000, BLOCK_USED);
	others_block = add_block(m, 0x200000010, 248, BLOCK_USED);
	shared_block = add_block(m, 0x700000010, 56, BLOCK_USED);
	free_block = add_block(m, 0x700001010, 56, BLOCK_BIN);
	add_block(m, 0x700002010, POOL_BYTES + 64, BLOCK_USED);
	add_pool(py, align_up(0x700002010, PAGE_SIZE_4K));
	s = add_slab(py, py->pools[0].start, 96);
	list = put_object(py, s, 0, 16);
	array = put_object(py, s, 1, 0);
	other = put_object(py, s, 2, 0);
	s->kind[7] = PYTHON_RAW;
	list->listed = array->listed = other->listed = true;
	big = add_object(py, 0x600020, 16, 1000);
	add_object(py, 0x600100, 0, 24); /* inside of big's block: embedded */
	add_object(py, 0x700001010, 0, 40);
	embedded = add_object(py, 0x200000030, 0, 24)->addr;
	add_edge(list, big->addr, LABEL_ITEM);
	add_edge(list, embedded, LABEL_ITEM);
	add_edge(list, 0x700001010, LABEL_ITEM); /* freed: torn */
	add_part(list, 0x601010, 5000000000);
	add_part(list, block_at(s, 7), 90);
	add_part(array, 0x700000010, 50);
	add_part(other, 0x700000010, 50); /* the second claims lose */
	add_part(other, block_at(s, 7), 90);
	add_part(other, 0x900000000, 5000);
	w = build(py, m);
	assert_int_equal(m->objects.n, 5);
	assert_int_equal(m->blocks.owner[others_block], 0);
	assert_int_equal(node_footprint(m, row_at(m, embedded)), 0);
	assert_int_equal(m->blocks.owner[big_block], row_at(m, big->addr) + 1);
	assert_int_equal(m->blocks.owner[items_block], row_at(m, list->addr) + 1);
	assert_int_equal(m->blocks.owner[shared_block], row_at(m, array->addr) + 1);
	assert_int_equal(m->blocks.owner[free_block], 0);
	assert_int_equal(m->blocks.owner[5], BLOCK_IS_POOL);
	assert_int_equal(m->pools.block[0], 6);
	assert_int_equal(m->large.n, 1);
	assert_int_equal(node_footprint(m, row_at(m, list->addr)), 5000000008 + 96 + 96);
	assert_int_equal(node_size(m, row_at(m, list->addr)), 96);
	assert_int_equal(node_footprint(m, row_at(m, other->addr)), 96 + 8192);
	assert_int_equal(sum_of_footprints(m), 4 * 96 + 1024 + 5000000008 + 64 + 8192);
	for (size_t i = 1; i < m->parts.n; i++)
		assert_true(m->parts.addr[i - 1] < m->parts.addr[i]);
	assert_int_equal(m->parts.n, 4);
	assert_true(has_finding(m, "2 blocks belong to two objects"));
	assert_true(has_finding(m, "1 references lead to no object"));
	object_walk_free(w);
	model_free(m);
	world_free(py);
}

static void roots_have_groups(void **state)
{
	struct python *py = world_new();
	struct model *m = model_new();
	struct python_slab *s;
	struct fake_object *modules, *zoo;
	const struct possible_word *words;
	struct object_walk *w;
	size_t thread = model_threads_add(m);

	(void)state;
	m->threads.tid[thread] = 77;
	m->threads.name[thread] = model_intern(m, str_of("keeper"));
	add_pool(py, A);
	s = add_slab(py, A, 64);
	modules = put_object(py, s, 0, 16);
	zoo = put_object(py, s, 1, 16);
	modules->type = 3;
	add_edge(modules, zoo->addr, LABEL_KEY);
	add_edge(modules, zoo->addr, LABEL_VALUE);
	add_root(py, ROOTS_INTERPRETER, "", "modules", modules->addr);
	add_root(py, ROOTS_MODULE, "zoo", "CAT", zoo->addr);
	py->roots[1].counted = false;
	add_root(py, ROOTS_MODULE, "ark", "CAT", zoo->addr);
	add_root(py, ROOTS_THREAD, "", "x", zoo->addr);
	py->roots[3].tid = 77;
	add_root(py, ROOTS_THREAD, "", "stack", zoo->addr + 8);
	py->roots[4].tid = 77;
	py->roots[4].certain = false;
	w = build(py, m);
	assert_int_equal(m->groups.n, 6);
	assert_int_equal(m->groups.kind[0], ROOTS_ALL);
	assert_int_equal(m->groups.kind[1], ROOTS_UNREACHED);
	assert_true(str_is(model_text(m, m->groups.name[2]), "interpreter"));
	assert_true(str_is(model_text(m, m->groups.name[3]), "zoo"));
	assert_true(str_is(model_text(m, m->groups.name[4]), "ark"));
	assert_true(str_is(model_text(m, m->groups.name[5]), "77 (keeper)"));
	assert_int_equal(m->roots.n, 5);
	assert_int_equal(m->roots.group[3], 5);
	assert_int_equal(m->roots.node[2], 1);
	/* What sys.modules says is counted, and keeps nothing alive. */
	assert_int_equal(edge_kind(m, 0, 0), LABEL_KEY);
	assert_int_equal(edge_kind(m, 0, 1), LABEL_WEAK);
	assert_int_equal(objects_in_edges(w)[1], 4);
	assert_int_equal(objects_in_edges(w)[0], 1);
	assert_int_equal(m->findings.n, 1);
	assert_true(has_finding(m, "1 objects are referred to more often than"));
	assert_int_equal(objects_possible(w, &words), 1);
	assert_true(words[0].is_root && words[0].word == zoo->addr + 8);
	assert_int_equal(words[0].object, 4);
	assert_int_equal(m->roots.node[4], NO_NODE);
	object_walk_free(w);
	model_free(m);
	world_free(py);
}

/* ---- many ---- */

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Ten pools full of objects and as many outside, whose edges go everywhere. */
static struct python *random_world(void)
{
	struct python *py = world_new();
	uint32_t seed = 5;

	for (taddr p = 0; p < 10; p++) {
		add_pool(py, A + p * 3 * POOL_BYTES + p * PAGE_SIZE_4K);
		for (taddr k = 0; k < 50; k++) {
			struct python_slab *s =
				add_slab(py, py->pools[p].start + k * SLAB_BYTES,
					 16 * (3 + next_random(&seed) % 30));

			for (uint32_t i = 0; i < s->n; i++)
				if (next_random(&seed) % 2)
					put_object(py, s, i, 16);
		}
	}
	for (taddr at = 0x600000; py->nobjects < MAX_OBJECTS - 10; at += 64)
		add_object(py, at, 0, 64);
	for (size_t i = 0; i < py->nobjects; i++) {
		struct fake_object *o = &py->objects[i];

		o->refcount = 1000;
		o->size = next_random(&seed);
		o->type = next_random(&seed) % countof(type_names);
		o->listed = next_random(&seed) % 2;
		for (size_t k = 0; k < i % MAX_EDGES; k++)
			add_edge(o, py->objects[next_random(&seed) % py->nobjects].addr,
				 LABEL_ITEM);
	}
	return py;
}

static int by_address(const void *a, const void *b)
{
	const taddr *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void check_random(const struct python *py, const struct model *m, size_t i)
{
	const struct fake_object *o = &py->objects[i];
	const taddr *found = bsearch(&o->addr, m->objects.addr, m->objects.n,
				     sizeof(o->addr), by_address);
	uint32_t row = found ? (uint32_t)(found - m->objects.addr) : NO_NODE;

	if (row == NO_NODE) { /* outside, and nothing leads there */
		assert_true(o->addr < A && !o->listed);
		return;
	}
	assert_int_equal(m->objects.addr[row], o->addr);
	assert_int_equal(m->objects.size[row], o->size);
	assert_true(str_is(model_text(m, m->types.kind[m->objects.type[row]]),
			   type_names[o->type]));
	assert_int_equal(m->edge_first.at[row + 1] - m->edge_first.at[row], o->nedges);
	for (size_t k = 0; k < o->nedges; k++)
		assert_int_equal(m->objects.addr[edge_node(m, row, k)], o->edges[k].to);
}

static void a_large_graph_is_the_same_in_rows(void **state)
{
	struct python *py = random_world();
	struct model *m = model_new();
	struct object_walk *w = build(py, m);

	(void)state;
	assert_true(m->objects.n > 30000);
	assert_int_equal(m->findings.n, 0);
	for (size_t i = 0; i < py->nobjects; i++)
		check_random(py, m, i);
	object_walk_free(w);
	model_free(m);
	world_free(py);
}

/* ---- whatever a reader tells ---- */

enum { HOSTILE_BLOCKS = 60, HOSTILE_OBJECTS = 300 };

/* Where something might be: in slabs, at or near malloc's blocks, a page of its own. */
static taddr hostile_address(const struct python *py, uint32_t *seed)
{
	const struct python_slab *s = py->slabs[next_random(seed) % py->nslabs];
	uint32_t kind = next_random(seed) % 8;

	if (kind < 4)
		return block_at(s, next_random(seed) % s->n) +
		       (kind == 3 ? next_random(seed) % 4 * 16 : 0);
	if (kind < 7)
		return 0x600010 + next_random(seed) % (2 * HOSTILE_BLOCKS) * 128 +
		       (kind == 6 ? next_random(seed) % 8 * 16 : 0);
	return 0x70000000 + next_random(seed) % 50 * PAGE_SIZE_4K;
}

static void hostile_object(struct python *py, uint32_t *seed)
{
	taddr at = hostile_address(py, seed);
	struct fake_object *o;

	if (map_has(&py->by_address, at))
		return;
	o = add_object(py, at, (uint8_t)(next_random(seed) % 3 * 16),
		       next_random(seed) % 200);
	o->listed = next_random(seed) % 4 == 0;
	for (size_t i = 0; i < MAX_EDGES; i++)
		add_edge(o, hostile_address(py, seed),
			 next_random(seed) % 5 ? LABEL_ITEM : LABEL_REF);
	for (size_t i = 0; i < MAX_PARTS; i++)
		add_part(o, hostile_address(py, seed),
			 next_random(seed) % 9 ? next_random(seed) % 20000
					       : UINT64_MAX - next_random(seed));
}

static struct python *hostile_world(struct model *m, uint32_t seed)
{
	struct python *py = world_new();

	for (taddr i = 0; i < 6; i++) {
		struct python_slab *s;

		if (i % 3 == 0)
			add_pool(py, A + i * POOL_BYTES);
		s = add_slab(py, A + i / 3 * 3 * POOL_BYTES + i % 3 * SLAB_BYTES,
			     16 * (1 + next_random(&seed) % 32));
		for (uint32_t k = 0; k < s->n; k++) {
			s->kind[k] = (uint8_t)(next_random(&seed) % 3);
			s->start_of[k] = (uint8_t)(next_random(&seed) % 3 * 16);
		}
	}
	for (taddr i = 0; i < HOSTILE_BLOCKS; i++)
		add_block(m, 0x600010 + i * 256, i % 2 ? 248 : 120,
			  next_random(&seed) % 4 ? BLOCK_USED : BLOCK_BIN);
	for (size_t i = 0; i < HOSTILE_OBJECTS; i++)
		hostile_object(py, &seed);
	return py;
}

static void assert_ascending(const uint64_t *column, size_t n)
{
	for (size_t i = 1; i < n; i++)
		assert_true(column[i - 1] < column[i]);
}

/* How many rows of this column lie in [start, end). */
static size_t count_in(const uint64_t *column, size_t n, taddr start, taddr end)
{
	size_t in = 0;

	for (size_t i = 0; i < n; i++)
		in += column[i] >= start && column[i] < end;
	return in;
}

/* What is owned, block by block, from the rows alone. */
static uint64_t owned_bytes(const struct model *m)
{
	uint64_t sum = 0;

	for (size_t s = 0; s < m->slabs.n; s++)
		for (uint32_t i = 0; i < m->slabs.count[s]; i++) {
			uint64_t size = m->slabs.block_size[s];
			taddr at = m->slabs.start[s] + i * size;
			size_t objects =
				count_in(m->objects.addr, m->objects.n, at, at + size);
			size_t parts = count_in(m->parts.addr, m->parts.n, at, at + size);

			assert_true(objects + parts <= 1);
			if (objects + parts == 1) {
				assert_true(slab_block_is_used(m, s, i));
				sum += size;
			}
		}
	for (size_t b = 0; b < m->blocks.n; b++) {
		assert_true(m->blocks.owner[b] <= m->objects.n);
		if (m->blocks.owner[b] == 0)
			continue;
		assert_int_equal(m->blocks.state[b], BLOCK_USED);
		sum += block_footprint(m, b);
	}
	for (size_t p = 0; p < m->parts.n; p++)
		if (m->parts.addr[p] >= 0x70000000 && m->parts.addr[p] < A)
			sum += align_up(m->parts.size[p], PAGE_SIZE_4K);
	return sum;
}

static void check_hostile(uint32_t seed)
{
	struct model *m = model_new();
	struct python *py = hostile_world(m, seed);
	struct object_walk *w = build(py, m);
	uint64_t sum = 0;

	assert_ascending(m->objects.addr, m->objects.n);
	assert_ascending(m->parts.addr, m->parts.n);
	assert_int_equal(m->edge_first.n, m->objects.n + 1);
	assert_int_equal(m->edge_first.at[m->objects.n], m->edge_to.n);
	for (size_t i = 0; i < m->edge_to.n; i++)
		assert_true(m->edge_to.node[i] == NO_NODE ||
			    m->edge_to.node[i] < m->objects.n);
	for (size_t i = 0; i < m->parts.n; i++)
		assert_true(m->parts.owner[i] < m->objects.n);
	for (uint32_t i = 0; i < m->objects.n; i++)
		sum += node_footprint(m, i);
	assert_int_equal(sum, owned_bytes(m));
	object_walk_free(w);
	model_free(m);
	world_free(py);
}

/* An object, a part or a reference anywhere, and slabs that say anything of their blocks:
 * still every block has one owner, and every index leads somewhere. */
static void anything_told_becomes_a_sound_model(void **state)
{
	(void)state;
	for (uint32_t seed = 0; seed < 300; seed++)
		check_hostile(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_address_is_looked_up),
		cmocka_unit_test(rows_are_by_address),
		cmocka_unit_test(what_looks_like_an_object_is_dropped),
		cmocka_unit_test(torn_references_are_told),
		cmocka_unit_test(footprints_count_each_block_once),
		cmocka_unit_test(roots_have_groups),
		cmocka_unit_test(a_large_graph_is_the_same_in_rows),
		cmocka_unit_test(anything_told_becomes_a_sound_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
