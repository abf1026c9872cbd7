/* SPDX-License-Identifier: Apache-2.0 */
#include "base/opt.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct things {
	bool loud;
	uint64_t limit, length, address, every;
	const char *name;
	int mode;
	const char *target;
	uint64_t at;
};

static const char *const modes[] = { "auto", "fork", "freeze", NULL };

static const struct opt first_opts[] = {
	OPT_FLAG('l', "loud", struct things, loud, "say more"),
	OPT_UINT('n', "limit", struct things, limit, "N", "show N"),
	OPT_SIZE(0, "length", struct things, length, "SIZE", "how far"),
};
static const struct opt second_opts[] = {
	OPT_STRING('o', "output", struct things, name, "FILE", OFFER_FILE, "where to"),
	OPT_DURATION(0, "every", struct things, every, "TIME", "how often"),
	OPT_ENUM(0, "mode", struct things, mode, "MODE", modes, "how"),
};
static const struct opt some_args[] = {
	ARG_STRING("TARGET", struct things, target, OFFER_TARGET, "what to look at"),
	ARG_ADDRESS("ADDR", struct things, at, "where"),
	ARG_SIZE_OPTIONAL("LEN", struct things, length, "how far"),
};

/* Parses a command line given as one string of words; exit code as main would have it. */
static int parse(const char *line, struct things *t, bool *help, struct err *e)
{
	const struct opt_group groups[] = {
		{ "One", first_opts, countof(first_opts), t },
		{ "Two", second_opts, countof(second_opts), t },
	};
	const struct opt_spec spec = {
		.command = "look",
		.groups = groups,
		.ngroups = countof(groups),
		.args = some_args,
		.nargs = countof(some_args),
		.args_into = t,
	};
	static char words[256];
	char *argv[16], *save = NULL;
	int argc = 0;

	*t = (struct things){ 0 };
	*e = (struct err){ 0 };
	strcpy(words, line);
	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	return opt_parse(&spec, argc, argv, help, e) ? 0 : err_exit_code(e);
}

static void options_stand_anywhere(void **state)
{
	static const char *const lines[] = {
		"-l -n 5 --length 64K --mode=fork -o out 123 0x10",
		"123 0x10 -ln5 --length=64KiB --mode fork --output=out",
		"123 -l 0x10 -n 5 --length 65536 --mode fork -oout",
	};
	struct things t;
	struct err e;
	bool help;

	(void)state;
	for (size_t i = 0; i < countof(lines); i++) {
		assert_int_equal(parse(lines[i], &t, &help, &e), 0);
		assert_false(help);
		assert_true(t.loud);
		assert_int_equal(t.limit, 5);
		assert_int_equal(t.length, 65536);
		assert_int_equal(t.mode, 1);
		assert_string_equal(t.name, "out");
		assert_string_equal(t.target, "123");
		assert_int_equal(t.at, 0x10);
	}
}

static void two_dashes_end_options(void **state)
{
	struct things t;
	struct err e;
	bool help;

	(void)state;
	assert_int_equal(parse("-n 3 -- -l 16 32", &t, &help, &e), 0);
	assert_string_equal(t.target, "-l");
	assert_false(t.loud);
	assert_int_equal(t.at, 16);
	assert_int_equal(t.length, 32);
}

static void help_needs_no_arguments(void **state)
{
	struct things t;
	struct err e;
	bool help = false;

	(void)state;
	assert_int_equal(parse("--help", &t, &help, &e), 0);
	assert_true(help);
	assert_int_equal(parse("123 -h", &t, &help, &e), 0);
	assert_true(help);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *line, *text;
	} cases[] = {
		{ "123 1 --limt 5",
		  "look: unknown option '--limt'; did you mean '--limit'?\n"
		  "try 'heapsift help look'" },
		{ "123 1 --zebra=5",
		  "look: unknown option '--zebra'\ntry 'heapsift help look'" },
		{ "123 1 -lx", "look: unknown option '-x'\ntry 'heapsift help look'" },
		{ "123 1 -n",
		  "look: --limit wants a value: N\ntry 'heapsift help look'" },
		{ "123 1 --loud=yes",
		  "look: --loud takes no value\ntry 'heapsift help look'" },
		{ "123 1 -n many", "look: --limit takes a whole number, not 'many'\n"
				   "try 'heapsift help look'" },
		{ "123 1 --mode=sleep",
		  "look: --mode takes auto, fork or freeze, not 'sleep'\n"
		  "try 'heapsift help look'" },
		{ "123 abc", "look: ADDR takes an address such as 0x7f0010, not 'abc'\n"
			     "try 'heapsift help look'" },
		{ "123", "look: ADDR is missing\ntry 'heapsift help look'" },
		{ "123 1 2 3",
		  "look: one argument too many: '3'\ntry 'heapsift help look'" },
	};
	struct things t;
	struct err e;
	bool help;

	(void)state;
	for (size_t i = 0; i < countof(cases); i++) {
		assert_int_equal(parse(cases[i].line, &t, &help, &e), 2);
		assert_string_equal(e.text, cases[i].text);
	}
}

static void sizes_have_suffixes(void **state)
{
	static const struct {
		const char *line;
		uint64_t length;
	} good[] = {
		{ "1 1 4096", 4096 },
		{ "1 1 0x20", 32 },
		{ "1 1 1.5M", 3 << 19 },
		{ "1 1 2GiB", (uint64_t)2 << 30 },
		{ "1 1 1t", (uint64_t)1 << 40 },
	};
	static const char *const bad[] = { "1 1 1.5", "1 1 K",    "1 1 -5",  "1 1 5X",
					   "1 1 5Kb", "1 1 9e9T", "1 1 nanK" };
	struct things t;
	struct err e;
	bool help;

	(void)state;
	for (size_t i = 0; i < countof(good); i++) {
		assert_int_equal(parse(good[i].line, &t, &help, &e), 0);
		assert_true(t.length == good[i].length);
	}
	for (size_t i = 0; i < countof(bad); i++)
		assert_int_equal(parse(bad[i], &t, &help, &e), 2);
}

static void durations_have_units(void **state)
{
	static const struct {
		const char *line;
		uint64_t ns;
	} good[] = {
		{ "1 1 --every 500ms", 500000000 },
		{ "1 1 --every 30s", 30000000000 },
		{ "1 1 --every=5m", 300000000000 },
		{ "1 1 --every 1.5h", 5400000000000 },
		{ "1 1 --every 2d", 172800000000000 },
		{ "1 1 --every 0s", 0 },
	};
	static const char *const bad[] = { "30",  "s",    "-5s",     "5x",  "5 s",
					   "5ss", "5min", "99999d9", "nans" };
	char line[64];
	struct things t;
	struct err e;
	bool help;

	(void)state;
	for (size_t i = 0; i < countof(good); i++) {
		assert_int_equal(parse(good[i].line, &t, &help, &e), 0);
		assert_true(t.every == good[i].ns);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		snprintf(line, sizeof(line), "1 1 --every=%s", bad[i]);
		assert_int_equal(parse(line, &t, &help, &e), 2);
		assert_non_null(strstr(
			e.text, "--every takes a time such as 500ms, 30s, 5m or 1h"));
	}
	assert_int_equal(parse("1 1 --every 200000d", &t, &help, &e), 2); /* 2^63 ns */
}

static void the_nearest_word_is_found(void **state)
{
	static const char *const words[] = { "summary", "top", "blocks", "hexdump",
					     "dump" };

	(void)state;
	assert_string_equal(opt_nearest("sumary", words, countof(words)), "summary");
	assert_string_equal(opt_nearest("sum", words, countof(words)), "summary");
	assert_string_equal(opt_nearest("tpo", words, countof(words)), "top");
	assert_string_equal(opt_nearest("dmup", words, countof(words)), "dump");
	assert_null(opt_nearest("frobnicate", words, countof(words)));
	assert_null(opt_nearest("x", words, countof(words)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_anywhere),
		cmocka_unit_test(two_dashes_end_options),
		cmocka_unit_test(help_needs_no_arguments),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(sizes_have_suffixes),
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(the_nearest_word_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
