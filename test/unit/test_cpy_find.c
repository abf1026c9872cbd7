/* SPDX-License-Identifier: Apache-2.0 */
/* Each way to CPython's runtime alone, and what must hold before it is believed. */
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
	fake_open(&fake);
	*state = &fake;
	alarm(20);
	return 0;
}

static int close_fake(void **state)
{
	fake_close(*state);
	return 0;
}

/* The fake's data as a module without a file: nothing but memory is left to go by. */
static struct module module = { .start = FAKE_DATA,
				.end = FAKE_DATA + FAKE_DATA_SIZE,
				.path = "/lib/libfake.so" };
static const struct module_set modules = { .modules = &module, .n = 1 };

/* ---- ways ---- */

static void a_scan_finds_the_main_interpreter(void **state)
{
	struct fake_python *f = *state;
	struct cpy_found found;

	assert_false(cpy_find_by_symbol(&modules, &found));
	assert_false(cpy_find_by_section(&modules, &found));
	assert_true(cpy_find_by_scan(f->mem, &modules, &found));
	assert_int_equal(found.runtime, FAKE_RUNTIME);
	fake_put(f, FAKE_RUNTIME + f->l->runtime.interpreters_main, fake_interp(f) + 8);
	assert_false(cpy_find_by_scan(f->mem, &modules, &found));
}

/* An object that happens to point as far behind itself as a runtime does. */
static void a_scan_believes_no_distance_alone(void **state)
{
	struct fake_python *f = *state;
	taddr other = FAKE_DATA + 0x8000;
	taddr distance = f->l->runtime.main_interpreter - f->l->runtime.interpreters_main;
	struct cpy_found found;

	fake_put(f, other, other + distance);
	fake_put(f, other + distance + f->l->interp.threads, FAKE_HEAP);
	assert_true(cpy_find_by_scan(f->mem, &modules, &found));
	assert_int_equal(found.runtime, FAKE_RUNTIME);
}

/* A core may claim as many as it has bytes for. */
static void many_modules_are_looked_through_once(void **state)
{
	enum { MANY = 200000 };
	struct mem_fake_range *ranges = calloc(MANY, sizeof(*ranges));
	struct module *many = calloc(MANY, sizeof(*many));
	const struct module_set set = { .modules = many, .n = MANY };
	struct cpy_found found;
	struct mem *m;

	(void)state;
	for (taddr i = 0; i < MANY; i++) {
		taddr at = FAKE_DATA + 2 * i * PAGE_SIZE_4K;

		ranges[i] = (struct mem_fake_range){ at, NULL, PAGE_SIZE_4K, PROT_R, "" };
		many[i] = (struct module){ .start = at,
					   .end = at + PAGE_SIZE_4K,
					   .path = "/x" };
	}
	m = mem_fake_new(ranges, MANY);
	assert_false(cpy_find_by_scan(m, &set, &found)); /* before the alarm */
	mem_close(m);
	free(ranges);
	free(many);
}

static void a_scan_finds_the_cookie(void **state)
{
	struct fake_python *f = *state;
	taddr at = FAKE_DATA + 0x10008;
	struct cpy_found found;
	struct cpy_version v;

	fake_put(f, FAKE_RUNTIME + f->l->runtime.interpreters_main, 0);
	memcpy(fake_at(f, FAKE_DATA + 0x8000), "xdebugpy", 8); /* the letters alone */
	assert_false(cpy_find_by_scan(f->mem, &modules, &found));
	memcpy(fake_at(f, at), "xdebugpy", 8);
	fake_put(f, at + 8, 0x40d05f0);
	assert_false(cpy_find_by_scan(f->mem, &modules, &found));
	fake_put(f, at + 8, 0x30d05f0);
	assert_true(cpy_find_by_scan(f->mem, &modules, &found));
	assert_int_equal(found.runtime, at);
	assert_true(cpy_version_of(f->mem, &found, &v));
	assert_string_equal(v.text, "3.13.5");
	assert_false(v.is_free_threaded);
	fake_put(f, at + 8, 0x30e00c2);
	fake_put(f, at + 16, 1);
	assert_true(cpy_version_of(f->mem, &found, &v));
	assert_string_equal(v.text, "3.14.0rc2");
	assert_true(v.is_free_threaded);
}

/* Files of this machine: the symbol is where the section is. */
static void symbol_and_section_agree(void **state)
{
	struct module real = { .path = "/usr/bin/python3.11" };
	const struct module_set set = { .modules = &real, .n = 1 };
	struct cpy_found by_symbol, by_section;
	struct err e;

	(void)state;
	if (!image_open(real.path, &real.image, &e))
		skip();
	assert_true(cpy_find_by_symbol(&set, &by_symbol));
	assert_true(cpy_find_by_section(&set, &by_section));
	assert_int_equal(by_symbol.runtime, by_section.runtime);
	image_close(real.image);
}

static void versions_are_read_off_text_and_name(void **state)
{
	struct fake_python *f = *state;
	struct cpy_found found = { FAKE_RUNTIME, &module, "" };
	struct cpy_version v;

	assert_false(cpy_version_of(f->mem, &found, &v));
	module.path = "/opt/lib/libpython3.9.so.1.0";
	assert_true(cpy_version_of(f->mem, &found, &v));
	assert_string_equal(v.text, "3.9");
	strcpy((char *)fake_at(f, FAKE_DATA + 0x9000), "3.10 (no version)");
	strcpy((char *)fake_at(f, FAKE_DATA + 0x9040), "3.8.18+ (heads/3.8, Jan  1 2024");
	assert_true(cpy_version_of(f->mem, &found, &v));
	assert_int_equal(v.major << 8 | v.minor, 3 << 8 | 8);
	assert_string_equal(v.text, "3.8.18+");
	module.path = "/lib/libfake.so";
}

/* sys with one name, whose value is the int 0x30b05f0. */
static void put_sys(struct fake_python *f, const char *name)
{
	taddr dict = FAKE_HEAP + 0x8000, keys = dict + 0x100, text = dict + 0x200;
	taddr number = dict + 0x300, entry = keys + f->l->dict.indices + 8;

	fake_object(f, dict, FAKE_DICT);
	fake_put(f, dict + f->l->dict.used, 1);
	fake_put(f, dict + f->l->dict.keys, keys);
	fake_put32(f, keys + f->l->dict.log2_size, 3 | 3 << 8 | 1 << 16);
	fake_put(f, keys + f->l->dict.usable, 4);
	fake_put(f, keys + f->l->dict.nentries, 1);
	fake_put(f, entry, text);
	fake_put(f, entry + 8, number);
	fake_object(f, text, FAKE_STR);
	fake_put(f, text + f->l->text.length, strlen(name));
	fake_put32(f, text + f->l->text.state, 1 << 2 | 1 << 5 | 1 << 6); /* ascii */
	strcpy((char *)fake_at(f, text + f->l->text.ascii_size), name);
	fake_object(f, number, FAKE_INT);
	fake_put(f, number + CPY_SIZE, 1);
	fake_put32(f, number + f->l->int_digits, 0x30b05f0);
	fake_put(f, fake_interp(f) + f->l->interp.sysdict, dict);
}

static void sys_tells_version_and_build(void **state)
{
	struct fake_python *f = *state;
	struct cpy_found found = { FAKE_RUNTIME, &module, "" };
	struct cpy_version v;

	put_sys(f, "hexversion");
	assert_true(cpy_version_of(f->mem, &found, &v));
	assert_string_equal(v.text, "3.11.5");
	assert_null(cpy_unlike_release(f->mem, &found, f->l));
	put_sys(f, "gettotalrefcount");
	assert_false(cpy_version_of(f->mem, &found, &v));
	assert_string_equal(cpy_unlike_release(f->mem, &found, f->l), "debug build");
	put_sys(f, "getobjects");
	assert_string_equal(cpy_unlike_release(f->mem, &found, f->l), "trace-refs build");
}

/* ---- what must hold ---- */

static bool holds(struct fake_python *f, struct cpy_checked *c, struct err *e)
{
	return cpy_check_runtime(f->mem, f->l, FAKE_RUNTIME, c, e);
}

static void a_whole_runtime_holds(void **state)
{
	struct cpy_checked c;
	struct err e;

	assert_true(holds(*state, &c, &e));
	assert_int_equal(c.interps, 1);
	assert_int_equal(c.threads, 1);
	assert_true(c.has_modules);
	assert_false(c.is_finalizing);
}

static void what_does_not_close_is_said(void **state)
{
	struct fake_python *f = *state;
	const struct {
		taddr at;
		uint64_t word;
		const char *said;
	} wrong[] = {
		{ FAKE_RUNTIME + f->l->runtime.interpreters_head, 0, "no interpreter" },
		{ FAKE_RUNTIME + f->l->runtime.interpreters_head, FAKE_HEAP, "close" },
		{ fake_interp(f) + f->l->interp.id, UINT64_MAX, "no id" },
		{ fake_interp(f) + f->l->interp.threads, 0, "no thread" },
		{ fake_thread(f) + f->l->thread.interp, FAKE_HEAP, "both ways" },
		{ fake_thread(f) + f->l->thread.next, fake_thread(f), "both ways" },
		{ fake_list(f, 0) + 8, FAKE_HEAP, "close" }, /* one alone may be torn */
		{ fake_list(f, 3), 0, "close" },
		{ fake_interp(f) + f->l->interp.modules, FAKE_HEAP, "no dict" },
		{ FAKE_TYPE + CPY_TYPE, FAKE_INT, "no dict" },
	};

	struct cpy_checked none;
	struct err ignored;

	fake_put(f, fake_list(f, 1), 0);
	fake_put(f, fake_thread(f) + f->l->thread.prev, FAKE_HEAP); /* a new one comes */
	assert_true(holds(f, &none, &ignored));
	for (size_t i = 0; i < countof(wrong); i++) {
		struct cpy_checked c;
		struct err e = { .text = "" };
		uint64_t right = cpy_peek(f->mem, wrong[i].at);

		fake_put(f, wrong[i].at, wrong[i].word);
		assert_false(holds(f, &c, &e));
		assert_non_null(strstr(e.text, wrong[i].said));
		fake_put(f, wrong[i].at, right);
	}
}

/* A process that runs is believed by what stands still in it. */
static void a_running_one_need_not_close(void **state)
{
	struct fake_python *f = *state;
	struct cpy_checked c;
	struct err e;

	for (unsigned i = 0; i < 4; i++)
		fake_put(f, fake_list(f, i), 0);
	assert_false(holds(f, &c, &e));
	assert_true(cpy_check_running(f->mem, f->l, FAKE_RUNTIME, &c, &e));
	assert_int_equal(c.threads, 1);
	assert_true(c.has_modules);
	fake_put(f, fake_interp(f) + f->l->interp.modules, FAKE_HEAP);
	assert_false(cpy_check_running(f->mem, f->l, FAKE_RUNTIME, &c, &e));
	assert_non_null(strstr(e.text, "no dict"));
}

/* In a core without constants. FAKE_INSTANCE, which has no base, poses as `object`. */
static void a_dict_is_known_without_its_name(void **state)
{
	struct fake_python *f = *state;
	taddr dict = cpy_peek(f->mem, fake_interp(f) + f->l->interp.modules);

	fake_put(f, FAKE_DICT + f->l->type.name, FAKE_HOLE + 8);
	fake_put(f, FAKE_TYPE + f->l->type.name, FAKE_HOLE + 16);
	assert_false(cpy_is_dict(f->mem, f->l, dict));
	fake_put(f, FAKE_DICT + f->l->type.base, FAKE_INSTANCE);
	fake_put(f, FAKE_TYPE + f->l->type.base, FAKE_INSTANCE);
	assert_true(cpy_is_dict(f->mem, f->l, dict));
	fake_put(f, FAKE_DICT + f->l->type.base, FAKE_TYPE); /* further down */
	assert_false(cpy_is_dict(f->mem, f->l, dict));
	fake_put(f, FAKE_DICT + f->l->type.base, FAKE_INSTANCE);
	fake_put(f, FAKE_DICT + f->l->type.name, FAKE_HOLE - 8); /* nowhere */
	assert_false(cpy_is_dict(f->mem, f->l, dict));
	fake_put(f, FAKE_DICT + f->l->type.name, FAKE_HOLE + 8);
	fake_put(f, FAKE_DICT + f->l->type.flags, CPY_LIST_SUBCLASS | CPY_READY);
	assert_false(cpy_is_dict(f->mem, f->l, dict));
}

static void rings_of_interpreters_end(void **state)
{
	struct fake_python *f = *state;
	struct cpy_checked c;
	struct err e;

	fake_put(f, fake_interp(f) + f->l->interp.next, fake_interp(f));
	(void)holds(f, &c, &e);
	assert_int_equal(c.interps, CPY_INTERPS_MAX);
}

/* 3.13: offsets it tells of itself. */
static void debug_offsets_must_agree(void **state)
{
	struct fake_python *f = *state;
	const struct cpy_layout *l = cpy_layout_of(3, 13);
	struct cpy_layout row = *l;
	struct err e;

	assert_false(cpy_fit_row(f->mem, FAKE_RUNTIME, &row, &e)); /* all zero */
	assert_non_null(strstr(e.text, "debug offsets"));
	row = *f->l;
	assert_true(cpy_fit_row(f->mem, FAKE_RUNTIME, &row, &e)); /* 3.11 has none */
}

/* Debian's 3.13.5 has them 4 bytes earlier than any compiler should put them. */
static void the_first_generation_is_pointed_to(void **state)
{
	struct fake_python *f = *state;
	struct cpy_layout row = *f->l;
	taddr gc = fake_interp(f) + row.interp.gc;
	struct err e;

	assert_true(cpy_fit_row(f->mem, FAKE_RUNTIME, &row, &e));
	assert_int_equal(row.gc.generations, f->l->gc.generations);
	fake_put(f, gc + row.gc.generation0, gc + 20);
	assert_true(cpy_fit_row(f->mem, FAKE_RUNTIME, &row, &e));
	assert_int_equal(row.gc.generations, 20);
	fake_put(f, gc + row.gc.generation0, gc + 8000);
	row = *f->l;
	assert_true(cpy_fit_row(f->mem, FAKE_RUNTIME, &row, &e));
	assert_int_equal(row.gc.generations, f->l->gc.generations);
}

/* ---- static data without names ---- */

/* The dict of interned texts in the heap: 40 texts. */
static taddr put_interned(struct fake_python *f)
{
	taddr dict = FAKE_HEAP + 0x4000, keys = FAKE_HEAP + 0x5000;

	fake_object(f, dict, FAKE_DICT);
	fake_put(f, dict + f->l->dict.used, 40);
	fake_put(f, dict + f->l->dict.keys, keys);
	fake_put32(f, keys + f->l->dict.log2_size, 6 | 6 << 8 | 1 << 16);
	fake_put(f, keys + f->l->dict.nentries, 41); /* one was deleted */
	for (taddr i = 0; i < 41; i++) {
		taddr text = FAKE_HEAP + 0x6000 + 64 * i;
		taddr entry = keys + f->l->dict.indices + 64 + 16 * i;

		fake_object(f, text, FAKE_STR);
		fake_put32(f, text + f->l->text.state, 1 | 1 << 2);
		if (i == 7)
			continue;
		fake_put(f, entry, text);
		fake_put(f, entry + 8, text);
	}
	return dict;
}

static void statics_are_found_by_what_they_point_to(void **state)
{
	struct fake_python *f = *state;
	taddr dict = put_interned(f);
	struct cpy_statics s;

	fake_put(f, FAKE_DATA + 0x5ff08, fake_interp(f)); /* others before them */
	fake_put(f, FAKE_DATA + 0x5ff10, FAKE_TABLE + 48);
	fake_put(f, FAKE_INTERNED_WORD, dict);
	s = cpy_find_statics(f->mem, &module, &f->places);
	assert_non_null(s.arenas);
	assert_non_null(s.interned);
	assert_int_equal(f->places.arenas, FAKE_ARENAS_WORD);
	assert_int_equal(f->places.interned, FAKE_INTERNED_WORD);
	/* one text that is not its own value */
	fake_put(f, FAKE_HEAP + 0x5000 + f->l->dict.indices + 64 + 16 * 20 + 8,
		 FAKE_HEAP);
	assert_false(cpy_interned_holds(f->mem, f->l, dict));
	/* a table that has another arena there */
	fake_put(f, FAKE_TABLE + 48 * FAKE_INDEX, FAKE_ARENA + FAKE_ARENA_SIZE);
	assert_false(cpy_arenas_hold(f->mem, f->l, FAKE_RUNTIME, FAKE_TABLE));
}

static void the_table_of_arenas_says_how_long_it_is(void **state)
{
	struct fake_python *f = *state;

	assert_int_equal(cpy_arena_count(f->mem, f->l, FAKE_TABLE), FAKE_ENTRIES);
	/* a freed arena links into the part behind */
	fake_put(f, FAKE_TABLE + 48 * 3 + 32, FAKE_TABLE + 48 * 30);
	assert_int_equal(cpy_arena_count(f->mem, f->l, FAKE_TABLE), FAKE_ENTRIES);
	/* zeroes behind it are not entries: only one can end the chain */
	fake_put(f, FAKE_TABLE + 48 * FAKE_ENTRIES, 0);
	assert_int_equal(cpy_arena_count(f->mem, f->l, FAKE_TABLE), FAKE_ENTRIES);
	assert_int_equal(cpy_arena_count(f->mem, f->l, FAKE_HEAP - 4096), 0);
}

static void an_opened_python_has_its_own(void **state)
{
	struct fake_python *f = *state;
	const struct python_pool *pools;
	const struct python_range *own;
	struct model *m = model_new();
	struct python *py;
	struct err e;

	f->places.arenas = FAKE_ARENAS_WORD;
	/* a chunk of the stack of frames; the one before it is itself */
	fake_put(f, fake_thread(f) + f->l->thread.datastack, FAKE_HEAP + 0xe000);
	fake_put(f, FAKE_HEAP + 0xe000, FAKE_HEAP + 0xe000);
	fake_put(f, FAKE_HEAP + 0xe008, 0x800);
	assert_true(python_open(f->mem, &f->places, m, &py, &e));
	assert_int_equal(python_pools(py, &pools), 1);
	assert_int_equal(pools[0].start, FAKE_ARENA);
	assert_int_equal(pools[0].index, FAKE_INDEX);
	assert_int_equal(python_own_ranges(py, &own), 3);
	assert_int_equal(own[2].start, FAKE_HEAP + 0xe000);
	assert_int_equal(own[2].end, FAKE_HEAP + 0xe800);
	assert_int_equal(own[0].start, FAKE_RUNTIME);
	assert_int_equal(own[0].end, FAKE_RUNTIME + f->l->runtime.size);
	assert_int_equal(own[1].start, FAKE_TABLE);
	assert_int_equal(own[1].end, FAKE_TABLE + 48 * FAKE_ENTRIES);
	assert_int_equal(m->findings.n, 0);
	python_free(py);
	fake_put(f, fake_interp(f) + f->l->interp.modules, FAKE_HEAP);
	assert_false(python_open(f->mem, &f->places, m, &py, &e));
	model_free(m);
}

/* ---- quiet ---- */

static void only_a_holder_in_the_middle_of_something_is_busy(void **state)
{
	struct fake_python *f = *state;
	taddr gil = FAKE_RUNTIME + f->l->runtime.gil, code = FAKE_HEAP + 0xf000;
	struct mem_thread *t = f->mem->threads = xcalloc(2, sizeof(*t));

	f->mem->nthreads = 2;
	t[0] = (struct mem_thread){
		.tid = 1, .has_regs = true, .tls = 0x1111, .pc = code
	};
	t[1] = (struct mem_thread){
		.tid = 2, .has_regs = true, .tls = 0x2222, .pc = code
	};
	fake_put(f, fake_thread(f) + f->l->thread.thread_id, 0x2222);
	f->places.eval_start = 0x400000;
	f->places.eval_end = 0x401000;
	fake_put(f, gil + f->l->gil.last_holder, fake_thread(f));
	assert_true(python_is_quiet(f->mem, &f->places)); /* nobody has it */
	fake_put32(f, gil + f->l->gil.locked, 1);
	assert_false(python_is_quiet(f->mem, &f->places));
	assert_true(t[1].is_busy);
	assert_false(t[0].is_busy);
	t[1].is_busy = false;
	t[1].pc = 0x400ff0; /* between instructions */
	assert_true(python_is_quiet(f->mem, &f->places));
	t[1].pc = code;
	memcpy(fake_at(f, code - 2), "\x0f\x05", 2); /* in a system call */
	assert_true(python_is_quiet(f->mem, &f->places));
	t[1].pc = FAKE_HOLE + 64; /* nobody can tell */
	assert_true(python_is_quiet(f->mem, &f->places));
	assert_false(t[1].is_busy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_fake, close_fake)
		TEST(a_scan_finds_the_main_interpreter),
		TEST(a_scan_believes_no_distance_alone),
		TEST(many_modules_are_looked_through_once),
		TEST(a_scan_finds_the_cookie),
		TEST(symbol_and_section_agree),
		TEST(versions_are_read_off_text_and_name),
		TEST(sys_tells_version_and_build),
		TEST(a_whole_runtime_holds),
		TEST(what_does_not_close_is_said),
		TEST(a_running_one_need_not_close),
		TEST(a_dict_is_known_without_its_name),
		TEST(rings_of_interpreters_end),
		TEST(debug_offsets_must_agree),
		TEST(the_first_generation_is_pointed_to),
		TEST(statics_are_found_by_what_they_point_to),
		TEST(the_table_of_arenas_says_how_long_it_is),
		TEST(an_opened_python_has_its_own),
		TEST(only_a_holder_in_the_middle_of_something_is_busy),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
