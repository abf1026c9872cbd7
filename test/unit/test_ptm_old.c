/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heaps of glibcs that no mirror has any more, laid out by hand. The structures are written
 * down as malloc/malloc.c has them at the tags named, and the compiler tells the offsets.
 */
#include "../support/seen_heap.h"
#include <stddef.h>

/* To the list of arenas all releases before 2.27 are the same. */
#define STATE_HEAD \
	int mutex, flags; \
	void *fastbins[10], *top, *last_remainder, *bins[254]; \
	unsigned binmap[4]; \
	void *next
#define PAR_HEAD size_t trim_threshold, top_pad, mmap_threshold
#define PAR_MMAPS int n_mmaps, n_mmaps_max, max_n_mmaps, no_dyn_threshold

/* glibc-2.12; the same in 2.10 to 2.14 */
struct state_2_12 {
	STATE_HEAD;
	size_t system_mem, max_system_mem;
};
struct par_2_12 {
	PAR_HEAD;
	PAR_MMAPS;
	unsigned pagesize;
	size_t mmapped_mem, max_mmapped_mem, max_total_mem;
	void *sbrk_base;
};
/* glibc-2.12 with PER_THREAD defined */
struct state_2_12_threads {
	STATE_HEAD;
	void *next_free;
	size_t system_mem, max_system_mem;
};
struct par_2_12_threads {
	PAR_HEAD;
	size_t arena_test, arena_max;
	PAR_MMAPS;
	unsigned pagesize;
	size_t mmapped_mem, max_mmapped_mem, max_total_mem;
	void *sbrk_base;
};
/* glibc-2.15, which defines it always; its malloc_state to 2.22, its malloc_par to 2.23 */
struct par_2_15 {
	PAR_HEAD;
	size_t arena_test, arena_max;
	PAR_MMAPS;
	size_t mmapped_mem, max_mmapped_mem, max_total_mem;
	void *sbrk_base;
};
/* glibc-2.23 to 2.26 */
struct state_2_23 {
	STATE_HEAD;
	void *next_free;
	size_t attached_threads, system_mem, max_system_mem;
};
/* glibc-2.24 and 2.25 */
struct par_2_24 {
	PAR_HEAD;
	size_t arena_test, arena_max;
	PAR_MMAPS;
	size_t mmapped_mem, max_mmapped_mem;
	void *sbrk_base;
};

#define STATE(type) \
	.heap_info = 32, .fastbins = offsetof(type, fastbins), \
	.top = offsetof(type, top), .next = offsetof(type, next), \
	.system_mem = offsetof(type, system_mem), .size = sizeof(type)
#define PAR(type) \
	.n_mmaps = offsetof(type, n_mmaps), .mmapped_mem = offsetof(type, mmapped_mem), \
	.sbrk_base = offsetof(type, sbrk_base)

static const struct release {
	const char *name, *state, *par;
	bool is_state_tested, is_par_tested;
	struct fake_layout layout;
} releases[] = {
	{ "2.12",
	  "2.10-2.14",
	  "2.10-2.14",
	  false,
	  false,
	  { STATE(struct state_2_12), PAR(struct par_2_12),
	    .pagesize = offsetof(struct par_2_12, pagesize) } },
	{ "2.12, an arena each thread",
	  "2.10-2.22",
	  "2.10-2.14",
	  false,
	  false,
	  { STATE(struct state_2_12_threads), PAR(struct par_2_12_threads),
	    .pagesize = offsetof(struct par_2_12_threads, pagesize) } },
	{ "2.17",
	  "2.10-2.22",
	  "2.15-2.23",
	  false,
	  true,
	  { STATE(struct state_2_12_threads), PAR(struct par_2_15) } },
	{ "2.23",
	  "2.23-2.26",
	  "2.15-2.23",
	  true,
	  true,
	  { STATE(struct state_2_23), PAR(struct par_2_15),
	    .attached = offsetof(struct state_2_23, attached_threads) } },
	{ "2.24",
	  "2.23-2.26",
	  "2.24-2.25",
	  true,
	  false,
	  { STATE(struct state_2_23), PAR(struct par_2_24),
	    .attached = offsetof(struct state_2_23, attached_threads) } },
};

/* That row of the evidence has those words in its answer, and "untested" as the cure if so. */
static void assert_evidence(const struct model *m, const char *item, const char *answer,
			    bool is_tested)
{
	for (size_t i = 0; i < m->evidence.n; i++) {
		if (!str_is(model_text(m, m->evidence.item[i]), item))
			continue;
		assert_true(str_find(model_text(m, m->evidence.answer[i]), answer) >= 0);
		assert_int_equal(
			str_find(model_text(m, m->evidence.cure[i]), "untested") >= 0,
			!is_tested);
		return;
	}
	fail_msg("no evidence on %s", item);
}

struct made {
	taddr used, fast[2], binned, other, mapping;
};

static struct made make_heap(struct fake_heap *f, bool has_mapping)
{
	struct made made = { .used = fake_chunk(f, 0, 0x50) };

	for (int i = 0; i < 2; i++)
		made.fast[i] = fake_chunk(f, 0, 0x40);
	made.binned = fake_chunk(f, 0, 0x400);
	fake_chunk(f, 0, 0x60);
	made.other = fake_chunk(f, 1, 0x70);
	fake_fastbin(f, 0, made.fast[0]);
	fake_fastbin(f, 0, made.fast[1]);
	fake_bin(f, 0, made.binned);
	fake_finish(f);
	if (has_mapping)
		made.mapping = fake_mapping(f, FAKE_MAP_SIZE, 0) - 16;
	return made;
}

static void assert_release(const struct release *r, bool has_mapping)
{
	static struct fake_heap f;
	struct made made;
	struct seen *s;

	print_message("%s%s\n", r->name, has_mapping ? ", with a mapping" : "");
	fake_start_as(&f, &r->layout);
	made = make_heap(&f, has_mapping);
	s = walk(&f);
	assert_sound(s);
	assert_block(s, made.used, BLOCK_USED, 0x48);
	assert_block(s, made.fast[0], BLOCK_FASTBIN, 0x38);
	assert_block(s, made.fast[1], BLOCK_FASTBIN, 0x38);
	assert_block(s, made.binned, BLOCK_BIN, 0x3f8);
	assert_block(s, made.other, BLOCK_USED, 0x68);
	assert_int_equal(s->model->arenas.n, 2);
	assert_int_equal(s->model->arenas.system[0], FAKE_BREAK_SIZE);
	assert_int_equal(s->model->arenas.max_system[1], FAKE_HEAP_SIZE);
	if (has_mapping)
		assert_block(s, made.mapping, BLOCK_USED, FAKE_MAP_SIZE - 16);
	assert_evidence(s->model, "layout of malloc_state", r->state, r->is_state_tested);
	assert_evidence(s->model, "mp_", r->par, r->is_par_tested);
	assert_evidence(s->model, "mp_", "0x7f00000016e0", r->is_par_tested);
	assert_evidence(s->model, "thread caches", "none", true);
	seen_free(s);
}

static void each_release_is_told_from_the_others(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(releases); i++) {
		assert_release(&releases[i], false);
		assert_release(&releases[i], true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_release_is_told_from_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
