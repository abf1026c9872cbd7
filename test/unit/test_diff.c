/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models of one process compared: who is the same against a look at each pair of nodes, and
 * who grew in small heaps whose story is known.
 */
#include "analysis/analysis.h"
#include "hand_graph.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

/* ---- at random ---- */

enum { SPOTS = 60 };

static const char *const kind_names[] = { "list", "str", "int", "app.Order", "tuple" };

static uint32_t random_below(uint64_t *seed, uint32_t most)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33) % most;
}

/* Type rows in another order each time, some twice, so that numbers mean nothing. */
static void random_types(struct model *m, uint64_t *seed)
{
	uint32_t first = random_below(seed, countof(kind_names));

	for (uint32_t i = 0; i < countof(kind_names); i++)
		model_type(m, str_of("python"),
			   str_of(kind_names[(i + first) % countof(kind_names)]),
			   str_of(""));
	model_type(m, str_of("c"), str_of("list"), str_of(""));
	model_type(m, str_of("uncategorized"), str_of(""), str_of("24 bytes"));
}

static struct model *random_model(uint64_t *seed)
{
	static const char *const values[] = { "", "", "1", "2" };
	struct model *m = model_new();

	random_types(m, seed);
	for (uint32_t i = 0; i < SPOTS; i++) {
		uint32_t what = random_below(seed, 4);
		size_t row;

		if (what == 0) {
			row = model_objects_add(m);
			m->objects.addr[row] = 0x1000 + i * 16;
			m->objects.type[row] = random_below(seed, countof(kind_names));
			m->objects.size[row] = 16 + random_below(seed, 2);
			m->objects.value[row] =
				model_intern(m, str_of(values[random_below(seed, 4)]));
		} else if (what < 3) {
			row = model_blocks_add(m);
			m->blocks.addr[row] = 0x1000 + i * 16;
			m->blocks.type[row] =
				(uint32_t)countof(kind_names) + random_below(seed, 2);
			m->blocks.size[row] = 16 + random_below(seed, 2);
			m->blocks.state[row] =
				random_below(seed, 4) ? BLOCK_USED : BLOCK_BIN;
		}
	}
	return m;
}

static struct str kind_word(const struct model *m, uint32_t node, bool domain)
{
	uint32_t type = node_type(m, node);

	return model_text(m, domain ? m->types.domain[type] : m->types.kind[type]);
}

/* The rule in words of its own. */
static bool is_same_thing(const struct model *a, uint32_t x, const struct model *b,
			  uint32_t y)
{
	struct str kind = kind_word(a, x, false), v, w;

	if (node_addr(a, x) != node_addr(b, y) ||
	    !str_equal(kind, kind_word(b, y, false)) ||
	    !str_equal(kind_word(a, x, true), kind_word(b, y, true)))
		return false;
	if (!node_is_object(a, x))
		return node_size(a, x) == node_size(b, y);
	v = model_text(a, a->objects.value[x]);
	w = model_text(b, b->objects.value[y]);
	if ((str_is(kind, "int") || str_is(kind, "tuple")) &&
	    node_size(a, x) != node_size(b, y))
		return false;
	if (str_is(kind, "int") || str_is(kind, "str"))
		return v.n == 0 || w.n == 0 || str_equal(v, w);
	return true;
}

/* The node of `in` that this one is, NO_NODE if there is none; the address has another. */
static uint32_t twin_of(const struct model *m, uint32_t node, const struct model *in,
			bool *is_taken)
{
	for (uint32_t i = 0; i < node_count(in); i++) {
		if (!node_is_there(in, i) || node_addr(in, i) != node_addr(m, node))
			continue;
		*is_taken = true;
		if (is_same_thing(m, node, in, i))
			return i;
	}
	return NO_NODE;
}

struct counts {
	uint64_t of[DIFF_STATES], reused, size_new;
};

static struct counts counts_of(const struct model *const *models, size_t n)
{
	const struct model *first = models[0], *last = models[n - 1];
	struct counts c = { 0 };

	for (uint32_t i = 0; i < node_count(last); i++) {
		bool taken = false, ignored;
		bool before = node_is_there(last, i) &&
			      twin_of(last, i, first, &taken) != NO_NODE;
		bool between =
			node_is_there(last, i) &&
			(n == 2 || twin_of(last, i, models[1], &ignored) != NO_NODE);

		if (!node_is_there(last, i))
			continue;
		c.reused += taken && !(before && between);
		if (before && between) {
			c.of[DIFF_SURVIVED]++;
			continue;
		}
		c.of[between ? DIFF_NEW : DIFF_RECENT]++;
		c.size_new += between ? node_size(last, i) : 0;
	}
	for (uint32_t i = 0; i < node_count(first); i++)
		c.of[DIFF_GONE] += node_is_there(first, i);
	c.of[DIFF_GONE] -= c.of[DIFF_SURVIVED];
	return c;
}

static void expect_counts(const struct diff *d, const struct counts *want)
{
	struct counts got = { .reused = d->reused };

	for (size_t i = 0; i < d->n; i++) {
		const struct diff_row *r = &d->rows[i];

		for (size_t s = 0; s < DIFF_STATES; s++)
			got.of[s] += r->count[s];
		got.size_new += r->size_new;
		assert_int_equal(r->count_before,
				 r->count[DIFF_GONE] + r->count[DIFF_SURVIVED]);
		assert_int_equal(r->count_after, r->count[DIFF_NEW] +
							 r->count[DIFF_RECENT] +
							 r->count[DIFF_SURVIVED]);
		if (r->count[DIFF_NEW] || r->count[DIFF_GONE])
			assert_true(diff_row_changed(r));
	}
	assert_memory_equal(&got, want, sizeof(got));
}

static void expect_objects(const struct model *const *models, size_t n,
			   const struct counts *want)
{
	for (unsigned s = 0; s < DIFF_STATES; s++) {
		struct diff_objects o;

		diff_objects_build(models, n, 1u << s, &o);
		assert_int_equal(o.n, want->of[s]);
		for (size_t i = 0; i < o.n; i++)
			assert_int_equal(o.rows[i].state, s);
		diff_objects_release(&o);
	}
}

static void every_node_is_told_what_became_of_it(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 400; seed++) {
		uint64_t s = seed;
		struct model *models[3] = { random_model(&s), random_model(&s),
					    random_model(&s) };
		const struct model *const *all = (const struct model *const *)models;

		for (size_t n = 2; n <= 3; n++) {
			struct counts want = counts_of(all, n);
			struct diff d;

			diff_build(all, n, &d);
			assert_true(d.is_of_one);
			expect_counts(&d, &want);
			expect_objects(all, n, &want);
			diff_release(&d);
		}
		for (size_t i = 0; i < 3; i++)
			model_free(models[i]);
	}
}

static void a_node_is_itself(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		uint64_t s = seed;
		struct model *m = random_model(&s);
		uint64_t *bits = nodes_also_in(m, m);

		for (uint32_t i = 0; i < node_count(m); i++)
			assert_int_equal(bit_is_set(bits, i), node_is_there(m, i));
		free(bits);
		model_free(m);
	}
}

/* ---- one process ---- */

static struct model *process_of(uint32_t pid, taddr exe, taddr libc)
{
	struct model *m = model_new();
	size_t p = model_processes_add(m);
	const struct {
		taddr start;
		const char *path;
	} modules[] = { { exe, "/bin/app" },
			{ libc, "/lib/libc.so.6" },
			{ libc + 0x1000, "/lib/libc.so.6" },
			{ 0x7fff0000, "[vdso]" } };

	m->processes.pid[p] = pid;
	for (size_t i = 0; i < countof(modules); i++) {
		size_t row = model_modules_add(m);

		m->modules.start[row] = modules[i].start;
		m->modules.path[row] = model_intern(m, str_of(modules[i].path));
	}
	return m;
}

static void other_processes_are_told(void **state)
{
	static const struct {
		uint32_t pid;
		taddr exe, libc;
		uint64_t started;
		bool same;
	} others[] = {
		{ 7, 0x400000, 0x7f0000, 50, true },  /* itself */
		{ 0, 0x400000, 0x7f0000, 0, true },   /* a core that tells no PID */
		{ 8, 0x400000, 0x7f0000, 0, false },  /* another PID */
		{ 7, 0x555000, 0x7e0000, 0, false },  /* the PID again, laid out anew */
		{ 7, 0x400000, 0x7e0000, 0, true },   /* one library loaded again */
		{ 7, 0x400000, 0x7f0000, 60, false }, /* again, without randomisation */
	};
	struct model *m = process_of(7, 0x400000, 0x7f0000);

	(void)state;
	m->processes.started[0] = 50;
	for (size_t i = 0; i < countof(others); i++) {
		struct model *o =
			process_of(others[i].pid, others[i].exe, others[i].libc);
		const struct model *const both[] = { m, o };
		struct buf why = { 0 };
		struct diff d;

		o->processes.started[0] = others[i].started;
		assert_int_equal(models_are_of_one(m, o, &why), others[i].same);
		assert_int_equal(why.n == 0, others[i].same);
		diff_build(both, 2, &d);
		assert_int_equal(d.is_of_one, others[i].same);
		diff_release(&d);
		buf_release(&why);
		model_free(o);
	}
	model_free(m);
}

/* ---- who grew ---- */

/* An object: where, of which size, and the number of the one that holds it; HELD_BY_ROOT. */
enum { HELD_BY_ROOT = 100, HELD_BY_NONE = 101 };

struct thing {
	taddr addr;
	uint32_t size, holder;
	const char *kind; /* NULL: "str" */
};

static void hold(struct model *m, const struct thing *things, size_t n, uint32_t holder)
{
	for (uint32_t i = 0; i < n; i++) {
		size_t row;

		if (things[i].holder != holder)
			continue;
		row = model_edge_to_add(m);
		m->edge_to.node[row] = i;
		m->edge_to.label[row] = model_label(m, LABEL_ITEM, str_of(""));
	}
	m->edge_first.at[holder + 1] = m->edge_to.n;
}

static struct model *heap_of(const struct thing *things, size_t n)
{
	struct model *m = model_new();

	model_label(m, LABEL_POSSIBLE, str_of(""));
	model_table_resize(m, &model_tables[TABLE_groups], 3);
	m->groups.kind[1] = ROOTS_UNREACHED;
	m->groups.kind[2] = ROOTS_MODULE;
	m->groups.name[2] = model_intern(m, str_of("app"));
	model_table_resize(m, &model_tables[TABLE_edge_first], n + 1);
	for (uint32_t i = 0; i < n; i++) {
		size_t row = model_objects_add(m);

		m->objects.addr[row] = things[i].addr;
		m->objects.size[row] = m->objects.footprint[row] = things[i].size;
		m->objects.type[row] = model_type(
			m, str_of("python"),
			str_of(things[i].kind ? things[i].kind : "str"), str_of(""));
		if (things[i].holder == HELD_BY_ROOT) {
			size_t root = model_roots_add(m);

			m->roots.group[root] = 2;
			m->roots.node[root] = i;
			m->roots.certain[root] = 1;
		}
	}
	for (uint32_t i = 0; i < n; i++)
		hold(m, things, n, i);
	dominators_build(m);
	return m;
}

struct story {
	const char *name;
	struct thing before[8], after[8]; /* by address; size 0 ends */
	struct {
		uint32_t holder; /* of `after`; GROUP + g */
		uint64_t growth;
		bool is_new;
	} rows[4]; /* growth 0 ends */
};

enum { GROUP = 100 };

static const struct story stories[] = {
	{ "a cache in an application: the cache",
	  { { 0x10, 50, HELD_BY_ROOT, "App" }, { 0x20, 60, 0, "dict" } },
	  { { 0x10, 50, HELD_BY_ROOT, "App" },
	    { 0x20, 100, 0, "dict" }, /* its table grew, too */
	    { 0x30, 1000, 1, NULL },
	    { 0x40, 1000, 1, NULL } },
	  { { 1, 2040, false } } },
	{ "two of them share the growth",
	  { { 0x10, 50, HELD_BY_ROOT, "App" },
	    { 0x20, 60, 0, "dict" },
	    { 0x28, 60, 0, "list" } },
	  { { 0x10, 50, HELD_BY_ROOT, "App" },
	    { 0x20, 60, 0, "dict" },
	    { 0x28, 60, 0, "list" },
	    { 0x30, 400, 1, NULL },
	    { 0x38, 500, 1, NULL },
	    { 0x40, 300, 2, NULL },
	    { 0x48, 500, 2, NULL } },
	  { { 1, 900, false }, { 2, 800, false } } },
	{ "what is thrown away and made anew is no growth",
	  { { 0x10, 50, HELD_BY_ROOT, "dict" }, { 0x20, 500, 0, NULL } },
	  { { 0x10, 50, HELD_BY_ROOT, "dict" }, { 0x30, 500, 0, NULL } },
	  { { 0, 0, false } } },
	{ "nor is what moves to another holder",
	  { { 0x10, 50, HELD_BY_ROOT, "dict" },
	    { 0x20, 50, HELD_BY_ROOT, "list" },
	    { 0x30, 500, 0, NULL } },
	  { { 0x10, 50, HELD_BY_ROOT, "dict" },
	    { 0x20, 50, HELD_BY_ROOT, "list" },
	    { 0x30, 500, 1, NULL } },
	  { { 0, 0, false } } },
	{ "links put before a list: what holds the list",
	  { { 0x10, 50, HELD_BY_ROOT, "Queue" }, { 0x20, 500, 0, "Link" } },
	  { { 0x10, 50, HELD_BY_ROOT, "Queue" },
	    { 0x20, 500, 2, "Link" },
	    { 0x30, 90, 3, "Link" },
	    { 0x40, 90, 4, "Link" },
	    { 0x50, 90, 5, "Link" },
	    { 0x60, 90, 6, "Link" },
	    { 0x70, 90, 0, "Link" } },
	  { { 0, 450, false } } },
	{ "a cache that is new in an old object",
	  { { 0x10, 50, HELD_BY_ROOT, "App" } },
	  { { 0x10, 50, HELD_BY_ROOT, "App" },
	    { 0x20, 50, 0, "dict" },
	    { 0x30, 300, 1, NULL },
	    { 0x40, 300, 1, NULL } },
	  { { 1, 650, true } } },
	{ "what nothing reaches any more",
	  { { 0x10, 50, HELD_BY_ROOT, "App" } },
	  { { 0x10, 50, HELD_BY_ROOT, "App" },
	    { 0x20, 300, HELD_BY_NONE, NULL },
	    { 0x30, 400, HELD_BY_NONE, NULL } },
	  { { GROUP + ROOTS_UNREACHED, 700, false } } },
	{ "new names of a module",
	  { { 0x10, 50, HELD_BY_ROOT, "App" } },
	  { { 0x10, 50, HELD_BY_ROOT, "App" },
	    { 0x20, 300, HELD_BY_ROOT, NULL },
	    { 0x30, 400, HELD_BY_ROOT, NULL } },
	  { { GROUP + 2, 700, false } } },
	{ "a hundredth is little",
	  { { 0x10, 50, HELD_BY_ROOT, "dict" }, { 0x20, 50, 0, "list" } },
	  { { 0x10, 50, HELD_BY_ROOT, "dict" },
	    { 0x20, 50, 0, "list" },
	    { 0x30, 99990, 0, NULL },
	    { 0x40, 900, 1, NULL } },
	  { { 2, 100890, true } } },
	{ "what shrinks does not hide what grows",
	  { { 0x10, 50, HELD_BY_ROOT, "dict" },
	    { 0x20, 50, HELD_BY_ROOT, "list" },
	    { 0x28, 9000, 0, NULL } },
	  { { 0x10, 50, HELD_BY_ROOT, "dict" },
	    { 0x20, 50, HELD_BY_ROOT, "list" },
	    { 0x30, 30, 1, NULL },
	    { 0x38, 30, 1, NULL } },
	  { { 1, 60, false } } },
};

static size_t things_in(const struct thing *things)
{
	size_t n = 0;

	while (n < 8 && things[n].size)
		n++;
	return n;
}

static void who_grew_is_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(stories); i++) {
		const struct story *s = &stories[i];
		struct model *a = heap_of(s->before, things_in(s->before));
		struct model *b = heap_of(s->after, things_in(s->after));
		struct growth g;
		size_t n = 0;

		growth_build(a, b, &g);
		for (; n < countof(s->rows) && s->rows[n].growth; n++) {
			uint32_t holder = s->rows[n].holder;

			if (holder >= GROUP)
				holder += node_count(b) - GROUP;
			if (n >= g.n || g.rows[n].holder != holder ||
			    g.rows[n].growth != s->rows[n].growth ||
			    (g.rows[n].before == NO_NODE) != s->rows[n].is_new)
				fail_msg("%s: row %zu of %zu is %u, %llu", s->name, n,
					 g.n, n < g.n ? g.rows[n].holder : 0,
					 n < g.n ? (unsigned long long)g.rows[n].growth
						 : 0);
		}
		if (g.n != n)
			fail_msg("%s: %zu rows", s->name, g.n);
		growth_release(&g);
		model_free(a);
		model_free(b);
	}
}

/* A list of a module and a thread hold the same new texts: no one holds them alone. */
static void what_is_shared_is_told_of_who_refers_to_it(void **state)
{
	static const struct thing before[] = { { 0x10, 50, HELD_BY_ROOT, "list" },
					       { 0x20, 50, HELD_BY_ROOT, "list" } };
	static const struct thing after[] = { { 0x10, 50, HELD_BY_ROOT, "list" },
					      { 0x20, 50, HELD_BY_ROOT, "list" },
					      { 0x30, 500, 1, NULL },
					      { 0x40, 500, 1, NULL } };
	struct model *a = heap_of(before, countof(before));
	struct model *b = heap_of(after, countof(after));
	struct growth g;

	(void)state;
	b->dominators.parent[2] = b->dominators.parent[3] = node_count(b) + ROOTS_ALL;
	growth_build(a, b, &g);
	assert_int_equal(g.n, 1);
	assert_int_equal(g.rows[0].holder, 1);
	assert_int_equal(g.rows[0].growth, 1000);
	assert_int_equal(g.rows[0].gained, node_count(b) + ROOTS_ALL);
	assert_true(g.rows[0].is_shared);
	growth_release(&g);
	model_free(a);
	model_free(b);
}

/* What no target has, but a file may say: who holds whom goes round. */
static void rings_of_dominators_end(void **state)
{
	struct model *m = heap_of(stories[1].after, things_in(stories[1].after));
	struct growth g;

	(void)state;
	for (uint32_t node = 0; node < m->dominators.n; node++)
		m->dominators.parent[node] = (node + 1) % (uint32_t)m->dominators.n;
	growth_build(m, m, &g);
	assert_int_equal(g.n, 0);
	growth_release(&g);
	struct model *b = heap_of(stories[0].before, things_in(stories[0].before));

	growth_build(m, b, &g);
	growth_release(&g);
	growth_build(b, m, &g);
	growth_release(&g);
	model_free(b);
	model_free(m);
}

/* The bits of a slab may begin where no number of a block reaches: it is there nevertheless. */
static void a_slab_beyond_all_numbers_is_compared(void **state)
{
	const size_t word = (size_t)UINT32_MAX / 64 + 1, bytes = (word + 1) * 8;
	struct model *m = hand_graph(), *far = hand_graph();
	uint64_t *bits = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t *own = far->slab_bits.used;
	struct block_pick p;
	struct pins pins;

	(void)state;
	assert_true(bits != MAP_FAILED);
	bits[word] = own[0];
	far->slab_bits.used = bits;
	far->slabs.bits[0] = word;
	block_pick_build(m, BLOCKS_ALL, &p);
	block_pick_keep(m, far, false, &p);
	assert_int_equal(p.n, 0);
	block_pick_release(&p);
	block_pick_build(far, BLOCKS_ALL, &p); /* what has no number is no row */
	assert_int_equal(p.n, far->blocks.n);
	block_pick_release(&p);
	pins_build(far, &pins);
	pins_release(&pins);
	far->slab_bits.used = own;
	munmap(bits, bytes);
	model_free(far);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_node_is_told_what_became_of_it),
		cmocka_unit_test(a_node_is_itself),
		cmocka_unit_test(other_processes_are_told),
		cmocka_unit_test(who_grew_is_named),
		cmocka_unit_test(what_is_shared_is_told_of_who_refers_to_it),
		cmocka_unit_test(rings_of_dominators_end),
		cmocka_unit_test(a_slab_beyond_all_numbers_is_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
