/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that no interpreter would make. A thread of CPython 3.13 built by hand, from its
 * headers (cpython/pystate.h, cpython/code.h, pycore_frame.h) and not by our layout, so
 * that it can judge what we read; then damaged, word by word.
 */
#include "lang/cpython/cpy_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BASE 0x7f0000000000u

struct fake_type {
	uint64_t refcount, type, size, name, basicsize, itemsize, slots[15], flags;
	uint64_t rest[40];
};
struct fake_text {
	uint64_t refcount, type, length, hash, state;
	char ascii[24];
};
struct fake_tuple {
	uint64_t refcount, type, size, items[3];
};
struct fake_bytes {
	uint64_t refcount, type, size, hash;
	uint8_t bytes[8];
};
struct fake_code {
	uint64_t refcount, type, size, consts, names, exceptiontable;
	int32_t flags, argcount, posonly, kwonly, stacksize, firstlineno, nlocalsplus,
		framesize, nlocals, ncellvars, nfreevars;
	uint32_t version;
	uint64_t localsplusnames, localspluskinds, filename, name, qualname, linetable,
		weakreflist, executors, cached, instrumentation, monitoring;
	int32_t firsttraceable;
	uint64_t extra;
	uint8_t instructions[16];
};
struct fake_frame {
	uint64_t executable, previous, function, globals, builtins, locals, frame_object,
		instr_ptr;
	int32_t stacktop;
	uint16_t return_offset;
	uint8_t owner, padding;
	uint64_t localsplus[6];
};
struct fake_thread {
	uint64_t prev, next, interp, rest[6], current_frame, more[40];
};

enum { FRAMES = 3 };

/* All that is read, in one range. */
struct fake {
	struct fake_type type_type, code_type, text_type, tuple_type, thing_type;
	struct fake_text qualname, filename, name_a, name_b;
	struct fake_tuple names;
	struct fake_bytes linetable;
	struct fake_code code;
	struct fake_frame frames[FRAMES];
	struct fake_thread thread;
	uint64_t things[12][2];
	char strings[64];
};

/* Memory is read by pages. */
static union {
	struct fake fake;
	uint8_t pages[3 * PAGE_SIZE_4K];
} memory;

#define ADDR(member) (BASE + offsetof(struct fake, member))
static taddr thing(unsigned i)
{
	return ADDR(things) + 16 * i;
}

static void make_type(struct fake *f, struct fake_type *t, const char *name,
		      uint64_t basicsize, uint64_t flags)
{
	size_t at = 0;

	while (f->strings[at])
		at += strlen(f->strings + at) + 1;
	strcpy(f->strings + at, name);
	*t = (struct fake_type){ .refcount = 1,
				 .type = ADDR(type_type),
				 .name = ADDR(strings) + at,
				 .basicsize = basicsize,
				 .flags = CPY_READY | flags };
}

static void make_text(struct fake_text *t, const char *text)
{
	/* kind 1, compact, ascii */
	*t = (struct fake_text){ .refcount = 1,
				 .type = ADDR(text_type),
				 .length = strlen(text),
				 .state = 1 << 2 | 1 << 5 | 1 << 6 };
	strcpy(t->ascii, text);
}

static void make_code(struct fake *f)
{
	make_text(&f->qualname, "f");
	make_text(&f->filename, "/srv/app.py");
	make_text(&f->name_a, "a");
	make_text(&f->name_b, "b");
	f->names = (struct fake_tuple){
		1, ADDR(tuple_type), 2, { ADDR(name_a), ADDR(name_b) }
	};
	/* Two units on line 10, six on line 12. */
	f->linetable = (struct fake_bytes){ .refcount = 1, .size = 4 };
	memcpy(f->linetable.bytes, "\xe9\x00\xed\x04", 4);
	f->code = (struct fake_code){ .refcount = 1,
				      .type = ADDR(code_type),
				      .size = 8,
				      .stacksize = 4,
				      .nlocalsplus = 2,
				      .firstlineno = 10,
				      .localsplusnames = ADDR(names),
				      .filename = ADDR(filename),
				      .qualname = ADDR(qualname),
				      .linetable = ADDR(linetable),
				      .firsttraceable = 1 };
}

static struct fake *make_fake(void)
{
	struct fake *f = &memory.fake;

	memset(&memory, 0, sizeof(memory));
	make_type(f, &f->type_type, "type", 928, CPY_TYPE_SUBCLASS);
	make_type(f, &f->code_type, "code", 200, 0);
	make_type(f, &f->text_type, "str", 64, CPY_TEXT_SUBCLASS);
	make_type(f, &f->tuple_type, "tuple", 24, CPY_TUPLE_SUBCLASS);
	make_type(f, &f->thing_type, "thing", 16, 0);
	make_code(f);
	for (unsigned i = 0; i < countof(f->things); i++)
		f->things[i][0] = 1, f->things[i][1] = ADDR(thing_type);
	for (unsigned i = 0; i < FRAMES; i++) {
		struct fake_frame *frame = &f->frames[i];

		*frame = (struct fake_frame){
			.executable = ADDR(code),
			.previous = i + 1 < FRAMES
					    ? ADDR(frames) + (i + 1) * sizeof(*frame)
					    : 0,
			.function = thing(11),
			.instr_ptr = ADDR(code.instructions) + 4,
			.stacktop = 3,
			.localsplus = { thing(0), thing(1), thing(2), thing(3), thing(4),
					thing(5) },
		};
	}
	f->thread.current_frame = ADDR(frames);
	return f;
}

/* ---- reading it ---- */

struct told {
	unsigned n, locals, frames, possible, counted;
	char text[8192];
};

static void tell(void *context, const struct python_root *root)
{
	struct told *t = context;
	size_t have = strlen(t->text);

	t->n++;
	t->locals += root->kind == ROOT_LOCAL;
	t->frames += root->kind == ROOT_FRAME;
	t->possible += !root->certain;
	t->counted += root->counted;
	snprintf(t->text + have, sizeof(t->text) - have, "%.*s %llx%s\n",
		 (int)root->name.n, root->name.s, (unsigned long long)(root->to - BASE),
		 root->certain ? root->counted ? "" : " not counted" : " possible");
}

static struct told roots_told(void)
{
	const struct mem_fake_range range = { .start = BASE,
					      .bytes = &memory,
					      .n = sizeof(memory),
					      .prot = PROT_R | PROT_W };
	struct mem *m = mem_fake_new(&range, 1);
	struct cpy_thread thread = { .at = ADDR(thread), .tid = 7 };
	const struct python_places places = { .layout = cpy_layout_of(3, 13) };
	struct python py = { .mem = m,
			     .places = &places,
			     .layout = places.layout,
			     .threads = &thread,
			     .nthreads = 1,
			     .types = cpy_types_new(),
			     .labels = cpy_labels_new() };
	struct python_reader *r = python_reader_new(&py);
	struct told t = { 0 };

	python_read_roots(r, tell, &t);
	python_reader_free(r);
	cpy_types_free(py.types);
	cpy_labels_free(py.labels);
	mem_close(m);
	return t;
}

static void assert_told(const struct told *t, const char *name, taddr to, const char *how)
{
	char line[256];

	snprintf(line, sizeof(line), "%s %llx%s\n", name, (unsigned long long)(to - BASE),
		 how);
	if (!strstr(t->text, line))
		fail_msg("no '%s' in:\n%s", line, t->text);
}

static void a_frame_tells_what_it_holds(void **state)
{
	(void)state;
	make_fake();
	struct told t = roots_told();

	assert_int_equal(t.n, FRAMES * 5);
	assert_int_equal(t.counted, FRAMES * 5);
	assert_told(&t, "frame f (app.py:12)", ADDR(code), "");
	assert_told(&t, "frame f (app.py:12)", thing(11), "");
	assert_told(&t, "a in frame f (app.py:12)", thing(0), "");
	assert_told(&t, "b in frame f (app.py:12)", thing(1), "");
	assert_told(&t, "frame f (app.py:12)", thing(2), "");
}

static void the_stack_of_a_running_frame_is_possible(void **state)
{
	struct fake *f = make_fake();

	(void)state;
	for (unsigned i = 0; i < FRAMES; i++)
		f->frames[i].stacktop = i == 0 ? -1 : i == 1 ? 7 : INT32_MAX;
	struct told t = roots_told();

	assert_int_equal(t.possible, FRAMES * 4);
	assert_int_equal(t.counted, FRAMES * 4);
	assert_told(&t, "frame f (app.py:12)", thing(5), " possible");
}

static void a_running_generators_frame_is_not_counted(void **state)
{
	struct fake *f = make_fake();

	(void)state;
	f->frames[0].owner = 1;
	struct told t = roots_told();

	assert_int_equal(t.counted, (FRAMES - 1) * 5);
	assert_told(&t, "a in frame f (app.py:12)", thing(0), " not counted");
}

static void entries_from_c_are_passed_over(void **state)
{
	struct fake *f = make_fake();

	(void)state;
	f->frames[0].owner = 3;
	f->frames[1].executable = thing(0); /* None, say */
	struct told t = roots_told();

	assert_int_equal(t.n, 5);
}

static void a_call_that_has_not_begun_names_no_local(void **state)
{
	struct fake *f = make_fake();

	(void)state;
	f->frames[0].instr_ptr = ADDR(code.instructions);
	struct told t = roots_told();

	assert_int_equal(t.locals, (FRAMES - 1) * 2);
	assert_told(&t, "call of f (app.py)", thing(0), "");
}

static void a_debuggers_line_is_believed(void **state)
{
	struct fake *f = make_fake();

	(void)state;
	f->frames[0].frame_object = thing(6);
	memset(&f->things[6][0], 0, sizeof(f->things) - sizeof(f->things[0]) * 6);
	memcpy((char *)&f->things[6][0] + 40, &(int32_t){ 77 }, 4); /* f_lineno */
	struct told t = roots_told();

	assert_told(&t, "a in frame f (app.py:77)", thing(0), "");
}

static void chains_without_end_end(void **state)
{
	struct fake *f = make_fake();

	(void)state;
	for (unsigned back = 0; back < FRAMES; back++) {
		f->frames[FRAMES - 1].previous =
			ADDR(frames) + back * sizeof(struct fake_frame);
		struct told t = roots_told();

		assert_in_range(t.n, FRAMES * 5, 3 * FRAMES * 5);
	}
}

static void sizes_that_cannot_be_are_not_believed(void **state)
{
	struct fake *f = make_fake();

	(void)state;
	f->code.nlocalsplus = -1;
	assert_int_equal(roots_told().n, 0);
	f->code.nlocalsplus = 1 << 20; /* as many as may be, more than there is memory */
	struct told t = roots_told();

	assert_true(t.n > 0 && t.n < sizeof(struct fake) / 8 * FRAMES);
	f->code.nlocalsplus = 2;
	f->linetable.size = UINT64_MAX;
	t = roots_told();
	assert_told(&t, "a in frame f (app.py)", thing(0), "");
	f->names.size = 1;
	t = roots_told();
	assert_told(&t, "? in frame f (app.py)", thing(1), "");
}

/* Any word may be anything: it ends, and (ASan sees to it) touches only what is there. */
static void damage_is_survived(void **state)
{
	static const uint64_t values[] = { 0, 1, UINT64_MAX, 1ull << 47, BASE, BASE + 8 };
	struct fake *f = make_fake();
	uint64_t *words = (uint64_t *)f;

	(void)state;
	for (size_t i = 0; i < sizeof(*f) / 8; i++)
		for (size_t v = 0; v < countof(values); v++) {
			uint64_t old = words[i];

			words[i] = values[v];
			assert_true(roots_told().n < 10000);
			words[i] = old;
		}
	assert_int_equal(roots_told().n, FRAMES * 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_tells_what_it_holds),
		cmocka_unit_test(the_stack_of_a_running_frame_is_possible),
		cmocka_unit_test(a_running_generators_frame_is_not_counted),
		cmocka_unit_test(entries_from_c_are_passed_over),
		cmocka_unit_test(a_call_that_has_not_begun_names_no_local),
		cmocka_unit_test(a_debuggers_line_is_believed),
		cmocka_unit_test(chains_without_end_end),
		cmocka_unit_test(sizes_that_cannot_be_are_not_believed),
		cmocka_unit_test(damage_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
