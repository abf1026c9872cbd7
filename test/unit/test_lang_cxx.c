/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classes of the objects of a running C++ program are those it says they are, however
 * it was built. The program is compiled here, as many ways as matter.
 */
#include "lang/lang.h"
#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct variant {
	const char *flags;
	bool is_static; /* and has the library's classes linked in */
	bool is_stripped;
};

struct tally {
	unsigned claimed, unclaimed, wrong;
};

static char folder[] = "/tmp/heapsift-test-XXXXXX";

static void run(const char *fmt, ...) print_like(1, 2);
static void run(const char *fmt, ...)
{
	char command[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	assert_int_equal(system(command), 0);
}

static void compile(const struct variant *v)
{
	char here[] = __FILE__, sources[4096];

	snprintf(sources, sizeof(sources), "%s/../fixture/cxx", dirname(here));
	if (v->is_static)
		run("cd %s && c++ -O1 -static %s -o classes %s/classes.cc %s/shapes.cc",
		    folder, v->flags, sources, sources);
	else
		run("cd %s && c++ -O1 %s -fPIC -shared -o libshapes.so %s/shapes.cc && "
		    "c++ -O1 %s -o classes %s/classes.cc ./libshapes.so",
		    folder, strstr(v->flags, "-fno-rtti") ? "-fno-rtti" : "", sources,
		    v->flags, sources);
	if (v->is_stripped)
		run("cd %s && strip -s classes", folder);
}

/* What the program printed of one block, against what its first word tells us. */
static void check_block(struct cxx_vtables *v, const struct mem *m, taddr at,
			const char *truth, struct tally *t)
{
	struct str name = { NULL, 0 };
	uint64_t word;
	bool claimed;

	assert_true(mem_load(m, at, &word));
	claimed = cxx_may_be_vptr(cxx_filter_of(v), word) && cxx_class_of(v, word, &name);
	t->claimed += claimed;
	t->unclaimed += !claimed && strcmp(truth, "-") != 0;
	if (claimed && !str_is(name, truth)) {
		print_message("%lx is %s, claimed as %s\n", at, truth, name.s);
		t->wrong++;
	}
}

/* All that the program says, up to "ready": from then on it stands still. */
static struct buf listen(FILE *said)
{
	struct buf lines = { 0 };
	char line[512];

	while (fgets(line, sizeof(line), said) && strcmp(line, "ready\n") != 0)
		buf_str(&lines, line);
	assert_string_equal(line, "ready\n");
	return lines;
}

static struct tally look(pid_t pid, char *lines)
{
	struct tally t = { 0 };
	struct module_set set;
	struct cxx_vtables *v;
	struct mem *m = NULL;
	struct err e;

	assert_true(mem_open_running(pid, &m, &e));
	module_set_build(m, &(struct module_files){ .root = "" }, &set);
	v = cxx_vtables_new(m, &set);
	for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n")) {
		char *truth = strchr(line, ' ');

		assert_non_null(truth);
		check_block(v, m, strtoul(line, NULL, 16), truth + 1, &t);
	}
	cxx_vtables_free(v);
	module_set_release(&set);
	mem_close(m);
	return t;
}

static pid_t start(int *in, FILE **out)
{
	int to[2], from[2];
	pid_t pid;

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		if (chdir(folder) == 0)
			execl("./classes", "classes", NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	*in = to[1];
	*out = fdopen(from[0], "r");
	return pid;
}

static struct tally try(const struct variant *v)
{
	struct buf lines;
	struct tally t;
	FILE *said;
	int in, status;
	pid_t pid;

	compile(v);
	pid = start(&in, &said);
	lines = listen(said);
	t = look(pid, lines.s);
	buf_release(&lines);
	close(in);
	fclose(said);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	return t;
}

/* 100 Foo, 50 Bar, 20 + 10 Box, 5 Diamond, 6 Concrete, 4 Ring, 7 Hidden, 3 Local, 2
 * streams, 30 Circle, and one Both seen from two sides. */
enum { OBJECTS = 100 + 50 + 20 + 10 + 5 + 6 + 4 + 7 + 3 + 2 + 30 + 2 };

static void assert_all_named(const struct variant *v)
{
	struct tally t = try(v);

	assert_int_equal(t.wrong, 0);
	assert_int_equal(t.claimed, OBJECTS);
	assert_int_equal(t.unclaimed, 0);
}

static void stripped(void **state)
{
	(void)state;
	assert_all_named(&(struct variant){ "-pie", false, true });
}

static void exporting(void **state)
{
	(void)state;
	assert_all_named(&(struct variant){ "-rdynamic", false, false });
}

static void at_a_fixed_address(void **state)
{
	(void)state;
	assert_all_named(&(struct variant){ "-no-pie", false, true });
}

static void in_text_pages(void **state)
{
	(void)state;
	assert_all_named(
		&(struct variant){ "-no-pie -Wl,-z,noseparate-code", false, true });
}

static void statically_linked(void **state)
{
	(void)state;
	assert_all_named(&(struct variant){ "", true, true });
}

static void without_rtti_by_symbols(void **state)
{
	(void)state;
	assert_all_named(&(struct variant){ "-fno-rtti", false, false });
}

/* Only the streams, whose library exports its symbols and has RTTI, and the shared
 * library's own class, by its exported symbol. */
static void without_rtti_and_symbols_nothing_is_claimed(void **state)
{
	struct tally t = try(&(struct variant){ "-fno-rtti", false, true });

	(void)state;
	assert_int_equal(t.wrong, 0);
	assert_int_equal(t.claimed, 2 + 30);
	assert_int_equal(t.unclaimed, OBJECTS - 2 - 30);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	run("rm -r %s", folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stripped),
		cmocka_unit_test(exporting),
		cmocka_unit_test(at_a_fixed_address),
		cmocka_unit_test(in_text_pages),
		cmocka_unit_test(statically_linked),
		cmocka_unit_test(without_rtti_by_symbols),
		cmocka_unit_test(without_rtti_and_symbols_nothing_is_claimed),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
