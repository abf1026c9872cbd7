/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which words count as references, in a model made by hand:
 *
 *   0x10000   a heap: blocks A (used), F (free), O (belongs to object BIG), B (used),
 *             P (a pool with one slab of two blocks, one of them object TINY)
 *   0x40000   a pool with a slab of 64-byte blocks: objects at 16 bytes into number 3
 *             (HELD: all its references are known), 5 (IMMORTAL), 9 (OPEN: one is not);
 *             7 is a part of OPEN, 11 is raw
 *   0x50000   an object in a program's data
 */
#include "collect/edges_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	A = 0x10010,
	F = 0x10040,
	O = 0x10070,
	B = 0x10300,
	P = 0x10340,
	P_SLAB = 0x11000,
	SLAB = 0x40030,
	DATA = 0x50000,
};
/* Rows of blocks and objects. */
enum { ROW_A, ROW_F, ROW_O, ROW_B, ROW_P };
enum { BIG, TINY, HELD, IMMORTAL, OPEN, STATIC, OBJECTS };

static taddr slab_block(int i)
{
	return SLAB + 64 * (taddr)i;
}

static void add_block(struct model *m, taddr at, taddr next, int state, uint32_t owner)
{
	size_t row = model_blocks_add(m);

	m->blocks.addr[row] = at;
	m->blocks.size[row] = next - at - 8;
	m->blocks.extra[row] = 1;
	m->blocks.state[row] = (uint8_t)state;
	m->blocks.owner[row] = owner;
}

static void add_object(struct model *m, taddr at, uint32_t refcount)
{
	size_t row = model_objects_add(m);

	m->objects.addr[row] = at;
	m->objects.refcount[row] = refcount;
	m->objects.size[row] = 40;
}

static void add_pool(struct model *m, taddr start, taddr end, uint32_t block)
{
	size_t row = model_pools_add(m);

	m->pools.start[row] = start;
	m->pools.end[row] = end;
	m->pools.block[row] = block;
}

static void add_slab(struct model *m, taddr start, uint32_t size, uint32_t n,
		     uint64_t used)
{
	size_t row = model_slabs_add(m);

	m->slabs.start[row] = start;
	m->slabs.block_size[row] = size;
	m->slabs.count[row] = n;
	m->slabs.pool[row] = (uint32_t)(m->pools.n - 1);
	m->slabs.bits[row] = m->slab_bits.n;
	for (uint32_t i = 0; i < n; i += 64) {
		size_t bits = model_slab_bits_add(m);

		m->slab_bits.used[bits] = i == 0 ? used : 0;
	}
}

static struct model *hand_made(void)
{
	struct model *m = model_new();
	size_t part;

	add_block(m, A, F, BLOCK_USED, 0);
	add_block(m, F, O, BLOCK_TCACHE, 0);
	add_block(m, O, B, BLOCK_USED, BIG + 1);
	add_block(m, B, P, BLOCK_USED, 0);
	add_block(m, P, 0x20010, BLOCK_USED, BLOCK_IS_POOL);
	add_pool(m, P, 0x20000, ROW_P + 1);
	add_slab(m, P_SLAB, 4096, 2, 3);
	add_pool(m, 0x40000, 0x44000, 0);
	add_slab(m, SLAB, 64, 255, 1 << 3 | 1 << 5 | 1 << 7 | 1 << 9 | 1 << 11);
	add_object(m, O + 16, 4);
	add_object(m, P_SLAB + 4096, 9);
	add_object(m, slab_block(3) + 16, 2);
	add_object(m, slab_block(5) + 16, OBJECT_IMMORTAL);
	add_object(m, slab_block(9) + 16, 3);
	add_object(m, DATA, 9);
	part = model_parts_add(m);
	m->parts.addr[part] = slab_block(7);
	m->parts.size[part] = 64;
	m->parts.owner[part] = OPEN;
	return m;
}

static const struct heap_span heap = { 0x10000, 0x20010, 0 };

struct case_of {
	taddr word;
	uint32_t object; /* it leads to, or NO_NODE */
	uint32_t block;  /* likewise a block that nobody claims */
	bool interior, counts;
};

static const struct case_of cases[] = {
	{ A, NO_NODE, ROW_A, false, true },
	{ A + 1, NO_NODE, ROW_A, true, true },
	{ A + 39, NO_NODE, ROW_A, true, true },
	{ A + 40, NO_NODE, NO_NODE, false, false }, /* the next chunk's size */
	{ A - 1, NO_NODE, NO_NODE, false, false },
	{ B, NO_NODE, ROW_B, false, true },
	{ F, NO_NODE, NO_NODE, false, false },
	{ F + 8, NO_NODE, NO_NODE, false, false },
	{ O + 16, BIG, NO_NODE, false, true },
	{ O, BIG, NO_NODE, true, true }, /* the collector's head */
	{ O + 600, BIG, NO_NODE, true, true },
	{ P + 8, NO_NODE, NO_NODE, false, false }, /* of the pool, no slab's */
	{ P_SLAB + 4096, TINY, NO_NODE, false, true },
	{ P_SLAB + 4095, NO_NODE, NO_NODE, false, false },
	{ P_SLAB + 8192, NO_NODE, NO_NODE, false, false },
	{ SLAB + 3 * 64 + 16, HELD, NO_NODE, false, false },
	{ SLAB + 5 * 64 + 16, IMMORTAL, NO_NODE, false, false },
	{ SLAB + 9 * 64 + 16, OPEN, NO_NODE, false, true },
	{ SLAB + 9 * 64 + 63, OPEN, NO_NODE, true, true },
	{ SLAB + 7 * 64, OPEN, NO_NODE, true, true }, /* its part */
	{ SLAB + 7 * 64 + 63, OPEN, NO_NODE, true, true },
	{ SLAB + 8 * 64, NO_NODE, NO_NODE, false, false },  /* free */
	{ SLAB + 11 * 64, NO_NODE, NO_NODE, false, false }, /* raw */
	{ 0x40000, NO_NODE, NO_NODE, false, false },        /* the slab's own head */
	{ 0x43ff8, NO_NODE, NO_NODE, false, false },
	{ 0x44000, NO_NODE, NO_NODE, false, false },
	{ DATA, NO_NODE, NO_NODE, false, false }, /* never asked for: no word is kept */
	{ 0, NO_NODE, NO_NODE, false, false },
	{ UINT64_MAX, NO_NODE, NO_NODE, false, false },
};

static void every_address_leads_to_its_node(void **state)
{
	struct model *m = hand_made();
	uint32_t in_edges[OBJECTS] = { 3, 0, 2, 1, 2, 0 };
	struct references refs = { .in_edges = in_edges };

	(void)state;
	node_index_build(&refs.index, &heap, 1, m);
	for (size_t i = 0; i < countof(cases); i++) {
		const struct case_of *c = &cases[i];
		struct index_hit hit = node_index_find(&refs.index, c->word);
		uint32_t node =
			c->block == NO_NODE ? c->object : node_of_block(m, c->block);

		if (hit.node != node || hit.label != c->interior ||
		    reference_counts(&refs, hit.node) != c->counts)
			fail_msg("word 0x%llx: node %u, label %u, counts %d",
				 (unsigned long long)c->word, hit.node, hit.label,
				 reference_counts(&refs, hit.node));
	}
	node_index_release(&refs.index);
	model_free(m);
}

/* The scan's one segment: `n` words of block A, one each of O and B. */
static void make_scan(struct scan *s, const uint64_t *words, uint32_t n, uint64_t of_o,
		      uint64_t of_b)
{
	struct row_segment *rows = xcalloc(1, sizeof(*rows));

	rows->n = 5;
	rows->counts = xmap(SEGMENT_ROWS * sizeof(*rows->counts));
	rows->words = rows->last_words = xmap(sizeof(*rows->words));
	memcpy(rows->words->words, words, n * sizeof(*words));
	rows->words->words[n] = of_o;
	rows->words->words[n + 1] = of_b;
	rows->counts[ROW_A] = n;
	rows->counts[ROW_O] = rows->counts[ROW_B] = 1;
	*s = (struct scan){ .spans = &heap, .nspans = 1, .nsegments = 1, .nblocks = 5 };
	s->segments = xcalloc(1, sizeof(struct row_segment *));
	s->segments[0] = rows;
}

/* OPEN refers to HELD for certain, as the walk over objects left it. */
static void add_certain_edge(struct model *m)
{
	model_table_resize(m, &model_tables[TABLE_edge_first], OBJECTS + 1);
	model_table_resize(m, &model_tables[TABLE_edge_to], 1);
	m->edge_first.at[STATIC] = m->edge_first.at[OBJECTS] = 1;
	m->edge_to.node[0] = HELD;
	m->edge_to.label[0] = model_label(m, LABEL_FIELD, str_of("next"));
}

static void assert_edges(const struct model *m, uint32_t from, size_t n, ...)
{
	uint64_t at = m->edge_first.at[from];
	va_list ap;

	assert_int_equal(m->edge_first.at[from + 1] - at, n);
	va_start(ap, n);
	for (size_t i = 0; i < n; i++, at++) {
		assert_int_equal(m->edge_to.node[at], va_arg(ap, uint32_t));
		assert_int_equal(m->labels.kind[m->edge_to.label[at]], va_arg(ap, int));
	}
	va_end(ap);
}

static void words_become_edges(void **state)
{
	const uint64_t of_a[] = { A, B + 8, slab_block(3) + 16, slab_block(9) + 16, F };
	const struct possible_word possible[] = {
		{ BIG, false, B },  { BIG, false, O + 16 }, /* itself */
		{ HELD, false, F }, { OPEN, false, A + 1 },
		{ OPEN, false, B }, { STATIC, false, slab_block(9) + 16 },
	};
	uint32_t in_edges[OBJECTS] = { 3, 0, 2, 1, 2, 0 };
	struct references refs = { .in_edges = in_edges,
				   .possible = possible,
				   .npossible = countof(possible) };
	struct model *m = hand_made();
	struct scan s;

	(void)state;
	add_certain_edge(m);
	make_scan(&s, of_a, countof(of_a), A, A);
	references_build(&refs, &s, NULL, NULL, m);
	assert_int_equal(m->edge_first.n, OBJECTS + 5 + 1);
	assert_edges(m, BIG, 1, node_of_block(m, ROW_B), LABEL_POSSIBLE);
	assert_edges(m, TINY, 0);
	assert_edges(m, HELD, 0);
	assert_edges(m, IMMORTAL, 0);
	assert_edges(m, OPEN, 3, HELD, LABEL_FIELD, node_of_block(m, ROW_A),
		     LABEL_INTERIOR, node_of_block(m, ROW_B), LABEL_POSSIBLE);
	assert_edges(m, STATIC, 1, OPEN, LABEL_POSSIBLE);
	assert_edges(m, node_of_block(m, ROW_A), 2, node_of_block(m, ROW_B),
		     LABEL_INTERIOR, OPEN, LABEL_POSSIBLE);
	assert_edges(m, node_of_block(m, ROW_F), 0);
	assert_edges(m, node_of_block(m, ROW_O), 0); /* read by its owner's layout */
	assert_edges(m, node_of_block(m, ROW_B), 1, node_of_block(m, ROW_A),
		     LABEL_POSSIBLE);
	assert_edges(m, node_of_block(m, ROW_P), 0);
	assert_int_equal(m->edge_first.at[OBJECTS + 5], m->edge_to.n);
	scan_release(&s);
	model_free(m);
}

static void roots_wait_for_their_nodes(void **state)
{
	const struct possible_word possible[] = {
		{ 0, true, slab_block(9) + 16 },
		{ 1, true, slab_block(3) + 16 },
		{ 2, true, slab_block(9) + 16 },
	};
	uint32_t in_edges[OBJECTS] = { 3, 0, 2, 1, 2, 0 };
	struct references refs = { .in_edges = in_edges,
				   .possible = possible,
				   .npossible = countof(possible) };
	struct model *m = hand_made();
	struct scan s = { 0 };
	uint32_t group = group_row(m, ROOTS_THREAD, str_of("1 (x)"));

	(void)state;
	for (int i = 0; i < 3; i++)
		root_add(m, group,
			 &(struct root){ .kind = ROOT_FRAME,
					 .name = str_of("frame f"),
					 .node = NO_NODE });
	root_add(m, group,
		 &(struct root){ .kind = ROOT_FIELD,
				 .name = str_of("dict"),
				 .node = TINY,
				 .certain = true,
				 .addr = 8 });
	references_build(&refs, &s, NULL, NULL, m);
	assert_int_equal(m->groups.n, 3);
	assert_int_equal(m->groups.kind[0], ROOTS_ALL);
	assert_int_equal(m->groups.kind[1], ROOTS_UNREACHED);
	assert_int_equal(m->roots.n, 2); /* one does not count, one is said twice */
	assert_int_equal(m->roots.node[0], TINY);
	assert_int_equal(m->roots.node[1], OPEN);
	assert_int_equal(m->roots.certain[1], 0);
	scan_release(&s);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_address_leads_to_its_node),
		cmocka_unit_test(words_become_edges),
		cmocka_unit_test(roots_wait_for_their_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
