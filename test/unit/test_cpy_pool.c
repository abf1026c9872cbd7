/* SPDX-License-Identifier: Apache-2.0 */
/* obmalloc's slabs and the collector's lists, made by hand, whole and hostile. */
#include "../support/fake_python.h"
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static struct fake_python fake;

static int fresh_fake(void **state)
{
	memset(&fake, 0, sizeof(fake));
	fake_fill(&fake);
	*state = &fake;
	alarm(20); /* a walk that does not end */
	return 0;
}

/* ---- slabs ---- */

struct seen {
	struct python_slab slab; /* the one at FAKE_FIRST_SLAB */
	unsigned n;
};

static void see_slab(void *context, const struct python_slab *slab)
{
	struct seen *s = context;

	if (slab->start != FAKE_FIRST_SLAB + 48)
		return;
	s->slab = *slab;
	s->n++;
}

static struct python_slab read_first(struct fake_python *f)
{
	struct seen s = { .n = 0 };
	struct python_reader *r;

	fake_open(f);
	r = python_reader_new(&f->py);
	python_read_pool(r, 0, see_slab, &s);
	python_reader_free(r);
	fake_close(f);
	assert_true(s.n <= 1);
	if (s.n == 0)
		s.slab.n = 0;
	return s.slab;
}

static uint32_t count_kind(const struct python_slab *s, enum python_block kind)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n; i++)
		n += s->kind[i] == kind;
	return n;
}

static void objects_are_told_by_what_lies_before_them(void **state)
{
	struct fake_python *f = *state;
	taddr at = fake_slab(f, 0, 64, 6);
	struct python_slab s;

	fake_object(f, fake_block(at, 64, 0), FAKE_INT);
	fake_object(f, fake_block(at, 64, 1) + 16, FAKE_DICT);
	fake_object(f, fake_block(at, 64, 2) + 32, FAKE_INSTANCE);
	/* a collected type without a head, and a type without one behind a head */
	fake_object(f, fake_block(at, 64, 3), FAKE_DICT);
	fake_object(f, fake_block(at, 64, 4) + 16, FAKE_INT);
	/* an address is no count */
	fake_put(f, fake_block(at, 64, 5), FAKE_ARENA);
	fake_put(f, fake_block(at, 64, 5) + 8, FAKE_INT);
	s = read_first(f);
	assert_int_equal(s.n, (FAKE_SLAB - 48) / 64);
	assert_int_equal(s.block_size, 64);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(s.kind[i], i < 3 ? PYTHON_OBJECT : PYTHON_RAW);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(s.start_of[i], 16 * i);
	assert_int_equal(count_kind(&s, PYTHON_FREE), s.n - 6);
	assert_false(s.torn);
}

static void counts_must_be_counts(void **state)
{
	struct fake_python *f = *state;
	taddr at = fake_slab(f, 0, 32, 5);
	struct python_slab s;

	for (uint32_t i = 0; i < 5; i++)
		fake_object(f, fake_block(at, 32, i), FAKE_INT);
	fake_put(f, fake_block(at, 32, 0), 0);         /* a dead one */
	fake_put(f, fake_block(at, 32, 1), FAKE_DICT); /* low, but somebody's address */
	fake_put(f, fake_block(at, 32, 2), 1 << 20);   /* many, and nobody's */
	fake_put(f, fake_block(at, 32, 3), (uint64_t)1 << 32 | 1);
	s = read_first(f);
	assert_int_equal(s.kind[0], PYTHON_RAW);
	assert_int_equal(s.kind[1], PYTHON_RAW);
	assert_int_equal(s.kind[2], PYTHON_OBJECT);
	assert_int_equal(s.kind[3], PYTHON_RAW);
	assert_int_equal(s.kind[4], PYTHON_OBJECT);
}

static void immortal_is_one_number(void **state)
{
	struct fake_python *f = *state;
	struct cpy_layout row = *f->l;
	taddr at = fake_slab(f, 0, 32, 6);
	struct python_slab s;

	row.has_immortals = true;
	f->l = &row;
	for (uint32_t i = 0; i < 6; i++)
		fake_object(f, fake_block(at, 32, i), FAKE_INT);
	fake_put(f, fake_block(at, 32, 0), UINT32_MAX);
	fake_put(f, fake_block(at, 32, 1), 0x80008001);
	fake_put(f, fake_block(at, 32, 2), UINT32_MAX - 3); /* an old extension's doing */
	fake_put(f, fake_block(at, 32, 3), (uint64_t)UINT32_MAX + 3);
	fake_put(f, fake_block(at, 32, 4), (uint64_t)7 << 32 | UINT32_MAX);
	s = read_first(f);
	assert_int_equal(s.kind[0], PYTHON_OBJECT);
	assert_int_equal(s.kind[1], PYTHON_RAW);
	assert_int_equal(s.kind[2], PYTHON_OBJECT);
	assert_int_equal(s.kind[3], PYTHON_OBJECT);
	assert_int_equal(s.kind[4], PYTHON_RAW);
	assert_int_equal(s.kind[5], PYTHON_OBJECT);
}

static void the_collectors_head_must_be_one(void **state)
{
	struct fake_python *f = *state;
	static const struct {
		uint64_t next, prev;
		bool is_head;
	} heads[] = {
		{ 0, 0, true },                            /* on no list */
		{ 0, 1, true },                            /* finalized */
		{ FAKE_HEAP + 64, FAKE_HEAP + 128, true }, /* listed */
		{ FAKE_HEAP + 65, FAKE_HEAP + 130, true }, /* being collected */
		{ FAKE_HEAP + 64, 5 << 2 | 2, true },      /* with a count */
		{ 0, FAKE_HEAP + 128, false },
		{ 17, FAKE_HEAP + 128, false },
		{ 0x4031000000000000, FAKE_HEAP, false }, /* a double */
		{ FAKE_HEAP + 64, UINT64_MAX, false },
	};
	taddr at = fake_slab(f, 0, 64, countof(heads));
	struct python_slab s;

	for (uint32_t i = 0; i < countof(heads); i++) {
		fake_object(f, fake_block(at, 64, i) + 16, FAKE_DICT);
		fake_put(f, fake_block(at, 64, i), heads[i].next);
		fake_put(f, fake_block(at, 64, i) + 8, heads[i].prev);
	}
	s = read_first(f);
	for (uint32_t i = 0; i < countof(heads); i++)
		assert_int_equal(s.kind[i],
				 heads[i].is_head ? PYTHON_OBJECT : PYTHON_RAW);
}

static void debug_hooks_move_objects(void **state)
{
	struct fake_python *f = *state;
	taddr block = fake_block(fake_slab(f, 0, 80, 1), 80, 0);
	struct python_slab s;

	fake_put(f, block, 0x30);
	fake_put(f, block + 8, 0xfdfdfdfdfdfdfd6f);
	fake_object(f, block + 16 + 16, FAKE_DICT);
	s = read_first(f);
	assert_int_equal(s.kind[0], PYTHON_OBJECT);
	assert_int_equal(s.start_of[0], 32);
}

/* Blocks 1, 3 and 5 of 8 free, in this order. */
static taddr slab_with_free_blocks(struct fake_python *f)
{
	taddr at = fake_slab(f, 0, 64, 8);

	fake_put32(f, at, 5);
	fake_put(f, at + 8, fake_block(at, 64, 1));
	fake_put(f, fake_block(at, 64, 1), fake_block(at, 64, 3));
	fake_put(f, fake_block(at, 64, 3), fake_block(at, 64, 5));
	return at;
}

static void free_lists_are_followed(void **state)
{
	struct python_slab s;

	slab_with_free_blocks(*state);
	s = read_first(*state);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(s.kind[i] == PYTHON_FREE, i == 1 || i == 3 || i == 5);
	assert_false(s.torn);
}

static void hostile_free_lists_end(void **state)
{
	struct fake_python *f = *state;
	taddr at = slab_with_free_blocks(f);
	const taddr links[] = {
		fake_block(at, 64, 1),      /* a circle */
		fake_block(at, 64, 5),      /* itself */
		fake_block(at, 64, 9),      /* never used */
		fake_block(at, 64, 2) + 16, /* inside a block */
		at,                         /* the head */
		at - 64,
		FAKE_DATA,
		0x4141414141414141,
		UINT64_MAX,
	};

	for (size_t i = 0; i < countof(links); i++) {
		struct python_slab s;

		fake_put(f, fake_block(at, 64, 5), links[i]);
		s = read_first(f);
		assert_int_equal(count_kind(&s, PYTHON_FREE), s.n - 5);
		assert_false(s.torn); /* what went before was right */
	}
	fake_put(f, fake_block(at, 64, 3), 0);
	assert_true(read_first(f).torn);
}

static void slabs_with_wrong_heads_are_none(void **state)
{
	struct fake_python *f = *state;
	taddr at = fake_slab(f, 0, 64, 8);
	const struct {
		unsigned offset;
		uint32_t value;
	} wrong[] = {
		{ 0, 0 },           { 32, FAKE_INDEX + 1 }, { 36, 32 },
		{ 36, UINT32_MAX }, { 44, FAKE_SLAB },      { 40, FAKE_SLAB + 1 },
		{ 40, 47 },         { 40, UINT32_MAX },     { 40, 48 + 64 + 8 },
	};

	assert_int_not_equal(read_first(f).n, 0);
	for (size_t i = 0; i < countof(wrong); i++) {
		fake_slab(f, 0, 64, 8);
		fake_put32(f, at + wrong[i].offset, wrong[i].value);
		assert_int_equal(read_first(f).n, 0);
	}
}

static void every_size_fits_a_slab(void **state)
{
	struct fake_python *f = *state;

	for (uint32_t size = 16; size <= 512; size += 16) {
		uint32_t n = (FAKE_SLAB - 48) / size;
		struct python_slab s;

		fake_slab(f, 0, size, n);
		s = read_first(f);
		assert_int_equal(s.n, n);
		assert_int_equal(count_kind(&s, PYTHON_FREE), 0);
	}
}

/* ---- lists ---- */

static void count_address(void *context, taddr at)
{
	(void)at;
	++*(size_t *)context;
}

static size_t count_listed(struct fake_python *f)
{
	struct python_reader *r;
	size_t n = 0;

	fake_open(f);
	r = python_reader_new(&f->py);
	python_read_lists(r, count_address, &n);
	python_reader_free(r);
	fake_close(f);
	return n;
}

static void all_lists_are_read(void **state)
{
	struct fake_python *f = *state;

	assert_int_equal(count_listed(f), 4);
	for (unsigned i = 0; i < 4; i++) { /* one more on each */
		taddr node = FAKE_HEAP + 0x8000 + 64 * i;

		fake_put(f, node, fake_list(f, i) | 1); /* a flag of the link */
		fake_put(f, fake_list(f, i), node);
	}
	assert_int_equal(count_listed(f), 4);
}

static void hostile_lists_end(void **state)
{
	struct fake_python *f = *state;
	taddr ring = FAKE_HEAP + 0x8000;

	/* a ring of 1000 that the list runs into and does not come back from */
	for (unsigned i = 0; i < 1000; i++)
		fake_put(f, ring + 32 * i, ring + 32 * ((i + 1) % 1000));
	fake_put(f, fake_list(f, 0), ring);
	assert_true(count_listed(f) >= 1004 && count_listed(f) < 4004);
	fake_put(f, ring + 32 * 999, ring + 32 * 999); /* itself */
	assert_true(count_listed(f) >= 1004 && count_listed(f) < 4004);
	fake_put(f, ring + 32 * 9, 0x10);
	assert_int_equal(count_listed(f), 14);
	fake_put(f, ring + 32 * 9,
		 (taddr)0x666 << 32); /* a hole: an address all the same */
	assert_int_equal(count_listed(f), 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, fresh_fake)
		TEST(objects_are_told_by_what_lies_before_them),
		TEST(counts_must_be_counts),
		TEST(immortal_is_one_number),
		TEST(the_collectors_head_must_be_one),
		TEST(debug_hooks_move_objects),
		TEST(free_lists_are_followed),
		TEST(hostile_free_lists_end),
		TEST(slabs_with_wrong_heads_are_none),
		TEST(every_size_fits_a_slab),
		TEST(all_lists_are_read),
		TEST(hostile_lists_end),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
