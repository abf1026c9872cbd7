/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all commands share. The order matters: words are parsed, then everything that can
 * be known to be wrong without the target is checked, then the command runs, then what it
 * wrote is flushed. So a typing error never stops a process, and a full disk is noticed.
 */
#include "cmd/cmd.h"

#include "analysis/analysis.h"
#include "base/ending.h"
#include "base/log.h"
#include "cmd/help_int.h"
#include "cmd/where_int.h"
#include "mem/mem.h"
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_NO = 1, EXIT_USAGE = 2 };

#define LIMIT_UNSAID \
	UINT64_MAX /* in place of -n; as a number no table has as many rows */

static const char *const mode_words[] = { "auto", "fork", "freeze", "nostop", NULL };

static const struct opt row_opts[] = {
	/* -n first: it comes without the others, too */
	OPT_UINT('n', "limit", struct shared_args, limit, "N",
		 "show at most N rows; 0 shows all"),
	OPT_STRING(
		0, "sort", struct shared_args, sort, "COLUMN", OFFER_COLUMN,
		"order by a column: numbers from the largest, names and addresses from "
		"the first; COLUMN:asc and COLUMN:desc say it outright"),
	OPT_STRING(
		0, "where", struct shared_args, where, "EXPR", OFFER_NOTHING,
		"only rows for which it is true: columns compared as in SQL, with AND, "
		"OR, NOT, IN, BETWEEN, LIKE, GLOB, REGEXP, and texts in quotes"),
};

static const struct opt format_opts[] = {
	OPT_FLAG(0, "json", struct shared_args, json, "write one JSON object"),
	OPT_FLAG(0, "csv", struct shared_args, csv, "write the rows as CSV"),
	OPT_FLAG(0, "bytes", struct shared_args, exact, "show sizes as whole bytes"),
	OPT_FLAG(0, "strict", struct shared_args, strict,
		 "exit with 1 if there are warnings or damage"),
};

static const struct opt live_opts[] = {
	OPT_ENUM(0, "mode", struct shared_args, mode, "MODE", mode_words,
		 "how to read a running process: from a fork of it, frozen while it is "
		 "read, without stopping it (torn), or what is safest here (auto)"),
	OPT_UINT(0, "max-child", struct shared_args, max_child, "SECONDS",
		 "how long a fork may live to be read; then it is ended, and the answer "
		 "is "
		 "an error (600)"),
};

static const struct opt limit_opts[] = {
	OPT_SIZE(0, "mem-limit", struct shared_args, mem_limit, "SIZE",
		 "how much memory heapsift itself may use, say 2G; else what can be "
		 "spared, "
		 "by the machine and its cgroup"),
	OPT_UINT(0, "time-limit", struct shared_args, time_limit, "SECONDS",
		 "how long it may take; then it ends, and the answer is an error"),
};

static const struct opt core_opts[] = {
	OPT_STRING(0, "exe", struct shared_args, exe, "FILE", OFFER_FILE,
		   "the program that a core is of, when it is not where it was"),
	OPT_STRING(0, "sysroot", struct shared_args, sysroot, "DIR", OFFER_FILE,
		   "where the files that a core's process had mapped are found by their "
		   "paths"),
	OPT_STRING(0, "debug-dir", struct shared_args, debug_dir, "DIR", OFFER_FILE,
		   "where they and their debug files are found by build-id, path or "
		   "name; 'check' lists those that are missing"),
};

const struct command *command_find(const struct command *const *commands,
				   const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

size_t command_opt_groups(const struct command *c, void *own, struct shared_args *shared,
			  struct opt_group groups[COMMAND_GROUPS_MAX])
{
	size_t n = 0;

	if (c->nopts)
		groups[n++] = (struct opt_group){ "Options", c->opts, c->nopts, own };
	if (c->flags & COMMAND_LIMIT)
		groups[n++] = (struct opt_group){
			"Rows", row_opts, c->flags & COMMAND_SORT ? countof(row_opts) : 1,
			shared
		};
	if (c->flags & COMMAND_FORMATS)
		groups[n++] = (struct opt_group){ "Output", format_opts,
						  countof(format_opts), shared };
	if (c->flags & COMMAND_LIVE)
		groups[n++] = (struct opt_group){ "Running processes", live_opts,
						  countof(live_opts), shared };
	if (c->flags & COMMAND_LIVE)
		groups[n++] = (struct opt_group){ "Limits", limit_opts,
						  countof(limit_opts), shared };
	if (c->flags & COMMAND_CORES)
		groups[n++] = (struct opt_group){ "Core files", core_opts,
						  countof(core_opts), shared };
	return n;
}

void command_synopsis(const struct command *c, struct buf *out)
{
	for (size_t i = 0; i < c->nargs; i++)
		buf_printf(out, c->args[i].optional ? "%s[%s]" : "%s%s", i ? " " : "",
			   c->args[i].name);
}

/* ---- context ---- */

void context_limit(const struct context *cx, const char *target)
{
	uint64_t said = cx->shared.mem_limit;
	bool is_process = target[strspn(target, "0123456789")] == 0;
	const struct ending_limits limits = {
		.memory = said ? said : mem_headroom(),
		.memory_is_said = said != 0,
		.seconds = cx->shared.time_limit,
		.kind = is_process ? ERR_PROCESS : ERR_FILE,
	};

	ending_limit(&limits);
}

static bool folder_is_there(const char *option, const char *path, struct err *e)
{
	struct stat st;

	return !path || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) ||
	       fail(e, ERR_USAGE, "%s: there is no folder '%s'", option, path);
}

/* Into the context's model, or another's. */
static bool collect_into(struct context *cx, const char *target,
			 const struct collect_options *needs, struct model **out,
			 struct err *e)
{
	struct collect_options o = *needs;
	struct progress progress;
	bool ok;

	if (!folder_is_there("--sysroot", cx->shared.sysroot, e) ||
	    !folder_is_there("--debug-dir", cx->shared.debug_dir, e))
		return false;
	if (!cx->is_limited)
		context_limit(cx, target);
	cx->is_limited = true;
	o.mode = (enum snapshot_mode)cx->shared.mode;
	o.max_child_s = (unsigned)min_u64(cx->shared.max_child, UINT32_MAX);
	o.exe = cx->shared.exe;
	o.sysroot = cx->shared.sysroot;
	o.debug_dir = cx->shared.debug_dir;
	progress = progress_begin("reading");
	progress.of = out == &cx->model ? NULL : target;
	o.progress = &progress;
	ok = collect_target(target, &o, out, e);
	progress_end(&progress);
	return ok;
}

bool context_collect(struct context *cx, const char *target,
		     const struct collect_options *needs, struct err *e)
{
	return cx->model || collect_into(cx, target, needs, &cx->model, e);
}

bool context_open(struct context *cx, const char *target,
		  const struct collect_options *needs, struct err *e)
{
	if (!context_collect(cx, target, needs, e))
		return false;
	if (needs->edges)
		dominators_build(cx->model);
	return true;
}

bool context_open_other(struct context *cx, const char *target,
			const struct collect_options *needs, struct model **out,
			struct err *e)
{
	if (!collect_into(cx, target, needs, out, e))
		return false;
	if (needs->edges)
		dominators_build(*out);
	return true;
}

/* A process may end at any time: that it is there is seen when it is read. */
static bool target_is_there(const char *target, struct err *e)
{
	bool is_process = target[strspn(target, "0123456789")] == 0;

	return is_process || strcmp(target, "-") == 0 || access(target, R_OK) == 0 ||
	       fail(e, ERR_FILE, "cannot open '%s': %s", target, strerror(errno));
}

bool targets_check(const char *const *targets, size_t n, struct err *e)
{
	size_t inputs = 0;

	for (size_t i = 0; i < n; i++) {
		inputs += strcmp(targets[i], "-") == 0;
		if (!target_is_there(targets[i], e))
			return false;
	}
	return inputs < 2 || fail(e, ERR_USAGE, "standard input can be one target only");
}

void context_release(struct context *cx)
{
	model_free(cx->model);
	cx->model = NULL;
}

/* Leaves the rows that --where is true of. The caller frees *picked. */
static bool report_pick(struct context *cx, struct report *r, uint32_t **picked,
			struct err *e)
{
	size_t n;

	if (!cx->shared.where)
		return true;
	if (!where_pick(&r->table, cx->shared.where, picked, &n, e))
		return err_within(e, "--where");
	r->table.pick = *picked;
	r->table.nrows = n;
	cx->answer_is_no |= n == 0;
	return true;
}

bool context_report(struct context *cx, struct report *r, struct sink *out, struct err *e)
{
	uint32_t *picked = NULL;
	bool cut;

	r->command = cx->command->name;
	r->model = cx->model;
	if (!r->table.columns) {
		r->table.columns = cx->command->columns;
		r->table.ncolumns = cx->command->ncolumns;
		r->table.sort = cx->sort;
		r->table.ascending = cx->ascending;
	}
	r->table.limit = cx->shared.limit;
	if (!report_pick(cx, r, &picked, e))
		return false;
	report_write(r, out, &cut);
	free(picked);
	if (cut && out->format == FORMAT_CSV)
		log_say("%llu of %zu rows; -n 0 shows all",
			(unsigned long long)r->table.limit, r->table.nrows);
	return true;
}

/* ---- checks before the target is touched ---- */

static bool unknown_column(const struct command *c, const char *word, struct err *e)
{
	const char *names[64], *nearest;
	struct buf list = { 0 };
	size_t n = 0;

	for (; n < c->ncolumns && n < countof(names); n++) {
		names[n] = c->columns[n].name;
		buf_printf(&list, "%s%s", n ? ", " : "", names[n]);
	}
	nearest = opt_nearest(word, names, n);
	bool told =
		fail(e, ERR_USAGE, "%s: no column '%.64s' to sort by%s%s%s\ncolumns: %s",
		     c->name, word, nearest ? "; did you mean '" : "",
		     nearest ? nearest : "", nearest ? "'?" : "", list.s);

	buf_release(&list);
	return told;
}

bool context_sort_by(struct context *cx, const char *word, struct err *e)
{
	const struct command *c = cx->command;
	char name[64];
	const char *colon = strchr(word, ':');
	size_t n = colon ? (size_t)(colon - word) : strlen(word);

	snprintf(name, sizeof(name), "%.*s", (int)min_u64(n, sizeof(name)), word);
	cx->sort = column_find(c->columns, c->ncolumns, name);
	if (!cx->sort)
		return unknown_column(c, name, e);
	cx->ascending = column_is_text(cx->sort) || cx->sort->type == COLUMN_ADDRESS;
	if (!colon)
		return true;
	cx->ascending = strcmp(colon, ":asc") == 0;
	if (cx->ascending || strcmp(colon, ":desc") == 0)
		return true;
	return fail(e, ERR_USAGE, "%s: a column is sorted :asc or :desc, not '%.64s'",
		    c->name, colon);
}

static bool shared_check(struct context *cx, struct err *e)
{
	const struct command *c = cx->command;

	if (cx->shared.json && cx->shared.csv)
		return fail(e, ERR_USAGE, "%s: either --json or --csv", c->name);
	for (size_t i = 0; cx->shared.csv && i < c->ncolumns; i++)
		if (column_is_nested(&c->columns[i]) &&
		    !(c->columns[i].flags & COLUMN_NOT_CSV))
			return fail(e, ERR_USAGE,
				    "%s: its rows hold lists, for which CSV has no room\n"
				    "try --json",
				    c->name);
	if (cx->shared.where &&
	    !where_check(c->columns, c->ncolumns, "--where", cx->shared.where, e))
		return false;
	return !cx->shared.sort || context_sort_by(cx, cx->shared.sort, e);
}

/* ---- running ---- */

static bool environment_says(const char *name)
{
	const char *value = getenv(name);

	return value && *value;
}

static unsigned terminal_width(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t width;

	if (columns && str_to_u64(str_of(columns), 10, &width) && width > 0 &&
	    width < 10000)
		return (unsigned)width;
	if (isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0)
		return size.ws_col;
	return 0;
}

static void sink_dress(struct sink *s, const struct shared_args *shared, int fd)
{
	const char *term = getenv("TERM");

	s->format = shared->json ? FORMAT_JSON : shared->csv ? FORMAT_CSV : FORMAT_TEXT;
	s->exact = shared->exact;
	s->width = terminal_width(fd);
	s->colour = isatty(fd) && !environment_says("NO_COLOR") && term &&
		    strcmp(term, "dumb") != 0;
}

static bool has_bad_findings(const struct model *m)
{
	for (size_t i = 0; m && i < m->findings.n; i++)
		if (m->findings.severity[i] >= SEVERITY_WARNING)
			return true;
	return false;
}

/* The words behind the command's name. */
struct words {
	int n;
	char **all;
	bool ask_help;
};

/* People want the first rows; a program that adds them up wants them all. */
static void limit_settle(struct context *cx)
{
	bool for_people = !cx->shared.json && !cx->shared.csv;

	cx->limit_is_said = cx->shared.limit != LIMIT_UNSAID;
	if (cx->limit_is_said)
		return;
	cx->shared.limit = for_people || cx->command->flags & COMMAND_SAME_LIMIT
				   ? cx->command->limit
				   : 0;
}

static bool command_prepare(struct context *cx, void *args, struct words *w,
			    struct err *e)
{
	const struct command *c = cx->command;
	struct opt_group groups[COMMAND_GROUPS_MAX];
	const struct opt_spec spec = {
		.command = c->name,
		.groups = groups,
		.ngroups = command_opt_groups(c, args, &cx->shared, groups),
		.args = c->args,
		.nargs = c->nargs,
		.args_into = args,
	};

	cx->shared.limit = LIMIT_UNSAID;
	if (!opt_parse(&spec, w->n, w->all, &w->ask_help, e))
		return false;
	if (w->ask_help)
		return true;
	if (c->variant && c->variant(args))
		cx->command = c->variant(args);
	limit_settle(cx);
	if (cx->command->sort && !cx->shared.sort &&
	    !context_sort_by(cx, cx->command->sort, e))
		return false;
	return shared_check(cx, e) && (!c->check || c->check(args, e));
}

static bool command_run(struct context *cx, struct words *w, struct err *e)
{
	static const int fd = STDOUT_FILENO;
	void *args = xcalloc(1, cx->command->args_size);
	struct sink out;
	bool ok;

	if (cx->command->defaults)
		memcpy(args, cx->command->defaults, cx->command->args_size);
	sink_init_fd(&out, &fd);
	ok = command_prepare(cx, args, w, e);
	sink_dress(&out, &cx->shared, fd);
	if (ok && w->ask_help)
		help_command(cx->command, &out);
	else if (ok)
		ok = cx->command->run(cx, args, &out, e);
	ok = ok && sink_flush(&out, e);
	sink_release(&out);
	free(args);
	return ok;
}

/* What a target alone stands for. */
#define COMMAND_OF_TARGET "overview"

static bool is_target(const char *word)
{
	struct stat st;

	return word[strspn(word, "0123456789")] == 0 || strcmp(word, "-") == 0 ||
	       stat(word, &st) == 0;
}

/* A command that needs words, and has none, may be meant as a file: "core" is the kernel's
 * own name for one. */
static bool is_meant_as_file(const struct command *c, const char *word, int argc)
{
	struct stat st;

	return argc == 2 && c->nargs && !c->args[0].optional && stat(word, &st) == 0 &&
	       S_ISREG(st.st_mode);
}

static bool unknown_command(const struct command *const *commands, const char *word,
			    struct err *e)
{
	const char *names[64], *nearest;
	size_t n = 0;

	if (word[0] == '-')
		return fail(e, ERR_USAGE,
			    "a command comes first, then its options: '%.64s'\n"
			    "try 'heapsift help'",
			    word);
	if (strpbrk(word, "./"))
		return fail(e, ERR_FILE, "cannot read '%.200s': no such file", word);
	for (size_t i = 0; commands[i] && n < countof(names); i++)
		if (!(commands[i]->flags & COMMAND_HIDDEN))
			names[n++] = commands[i]->name;
	nearest = opt_nearest(word, names, n);
	return fail(e, ERR_USAGE, "unknown command '%.64s'%s%s%s\ntry 'heapsift help'",
		    word, nearest ? "; did you mean '" : "", nearest ? nearest : "",
		    nearest ? "'?" : "");
}

/* heapsift's own options stand for commands. */
static const char *command_word(const char *word)
{
	static const char *const stand_for[][2] = {
		{ "-h", "help" },
		{ "--help", "help" },
		{ "-V", "version" },
		{ "--version", "version" },
	};

	for (size_t i = 0; i < countof(stand_for); i++)
		if (strcmp(word, stand_for[i][0]) == 0)
			return stand_for[i][1];
	return word;
}

int commands_main(const struct command *const *commands, int argc, char **argv)
{
	const char *word = argc > 1 ? command_word(argv[1]) : "help";
	struct words words = { .n = argc > 2 ? argc - 2 : 0, .all = argv + 2 };
	struct context cx = { .commands = commands };
	struct err e = { 0 };
	int code;
	bool ok;

	setlocale(LC_CTYPE, "C.UTF-8"); /* for the widths of characters */
	signal(SIGPIPE, SIG_IGN);       /* a reader that left is an error of write */
	ending_prepare();
	cx.command = command_find(commands, word);
	if (cx.command ? is_meant_as_file(cx.command, word, argc) : is_target(word)) {
		cx.command = command_find(commands, COMMAND_OF_TARGET);
		words = (struct words){ .n = argc - 1, .all = argv + 1 };
	}
	if (!cx.command)
		ok = unknown_command(commands, word, &e);
	else
		ok = command_run(&cx, &words, &e);
	if (!ok && e.text[0])
		log_failure(&e);
	code = ok ? 0 : err_exit_code(&e);
	if (ok && (cx.answer_is_no || (cx.shared.strict && has_bad_findings(cx.model))))
		code = EXIT_NO;
	context_release(&cx);
	return code;
}
