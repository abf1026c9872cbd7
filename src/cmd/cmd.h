/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands. One command is one row, in a file of its own: words for people, options, the
 * columns of its rows, and a function. The row is all there is to it: dispatch, --help, man
 * pages, completion and the checks of arguments are made from it. docs/HOWTO-add-command.md
 * walks through one.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "base/err.h"
#include "base/new_file.h"
#include "base/opt.h"
#include "collect/collect.h"
#include "model/model.h"
#include "out/out.h"

enum command_flag {
	COMMAND_FORMATS = 1, /* takes --json, --csv, --bytes, --strict */
	COMMAND_LIMIT = 2,   /* takes -n */
	COMMAND_SORT = 4,    /* takes --sort and --where */
	COMMAND_ROWS = COMMAND_LIMIT | COMMAND_SORT,
	COMMAND_LIVE = 8, /* takes --mode, --mem-limit, --time-limit */
	COMMAND_HIDDEN = 16,
	COMMAND_CORES = 64, /* takes --exe, --sysroot, --debug-dir */
	COMMAND_TARGET = COMMAND_LIVE | COMMAND_CORES,
	COMMAND_SAME_LIMIT = 32, /* its limit holds in JSON and CSV, too */
};

#define TARGET_HELP "a process (its PID), a core file or a snapshot"

enum command_group { GROUP_LOOK, GROUP_BYTES, GROUP_KEEP, GROUP_HELP };

struct context;

struct command {
	const char *name;
	enum command_group group;
	const char *brief;   /* one line, no full stop */
	const char *text;    /* paragraphs, parted by "\n\n" */
	const char *example; /* one command line, without "heapsift" */
	const char *example_text;
	unsigned flags;         /* enum command_flag */
	const struct opt *args; /* positional */
	size_t nargs;
	const struct opt *opts;
	size_t nopts;
	size_t args_size;     /* of the struct that args and opts fill */
	const void *defaults; /* what it holds before; NULL: zeroes */
	const struct column *columns;
	size_t ncolumns;
	const char *sort; /* the column rows are sorted by unless --sort says otherwise */
	uint64_t limit;   /* rows shown in text unless -n says otherwise; 0 all */
	const char *limit_help; /* what -n is; NULL: rows */
	/* The row that takes this one's place for these arguments, where they ask for another
	 * answer: it has the same options and check, and columns, sort, limit and run of its own.
	 * NULL: none does. */
	const struct command *(*variant)(const void *args);
	/* What can be known to be wrong before the target is touched. May be NULL. */
	bool (*check)(const void *args, struct err *e);
	bool (*run)(struct context *cx, const void *args, struct sink *out,
		    struct err *e);
};

/* What the shared options say. */
struct shared_args {
	bool json, csv, exact, strict;
	uint64_t limit;
	const char *sort, *where;
	int mode;            /* enum snapshot_mode */
	uint64_t max_child;  /* seconds; 0: the default */
	uint64_t mem_limit;  /* bytes; 0: what the machine can spare */
	uint64_t time_limit; /* seconds; 0: none */
	const char *exe, *sysroot, *debug_dir;
};

struct context {
	const struct command *const *commands; /* NULL ends */
	const struct command *command;
	struct shared_args shared;
	const struct column *sort; /* of --sort, or the command's own */
	bool ascending;
	bool limit_is_said;  /* by -n */
	struct model *model; /* once opened */
	bool answer_is_no;   /* exit code 1 */
	bool is_limited;     /* context_limit was called */
};

/* Opens the target into cx->model, as needed; a model that is there already is kept. With
 * needs->edges the derived columns are filled too, if the target has references at all. */
must_check bool context_open(struct context *cx, const char *target,
			     const struct collect_options *needs, struct err *e);
/* The same without the derived columns. */
must_check bool context_collect(struct context *cx, const char *target,
				const struct collect_options *needs, struct err *e);
/* Another target beside cx->model, into a model that the caller frees. */
must_check bool context_open_other(struct context *cx, const char *target,
				   const struct collect_options *needs,
				   struct model **out, struct err *e);
/* Before several are opened: of the files among them all can be read. */
must_check bool targets_check(const char *const *targets, size_t n, struct err *e);
/* Of this process: memory and time, by the options and what the machine can spare. What
 * opens a target by another way calls it before. */
void context_limit(const struct context *cx, const char *target);
void context_release(struct context *cx);

/* Where -o says to write to: "-" is standard output. */
struct new_file_options output_options(const char *output, bool force);
/* -o was given (output is NULL when not), and `what` ("a snapshot") may be written there, as
 * far as can be said beforehand. */
must_check bool output_check(const char *command, const char *what, const char *output,
			     bool force, struct err *e);

/* Sets the sorting: "size", "size:asc". False: the command has no such column. */
must_check bool context_sort_by(struct context *cx, const char *word, struct err *e);

/* Fills in what the row and the options know (command, model, sorting, limit; columns if
 * the report has none of its own, which are then not sorted), leaves the rows that --where
 * is true of (none: the answer is "no"), and writes the report. False: *e says what in the
 * options does not fit the rows. */
must_check bool context_report(struct context *cx, struct report *r, struct sink *out,
			       struct err *e);

const struct command *command_find(const struct command *const *commands,
				   const char *name);
/* The option groups that a command takes, its own first; how many. */
enum { COMMAND_GROUPS_MAX = 7 };
size_t command_opt_groups(const struct command *c, void *own, struct shared_args *shared,
			  struct opt_group groups[COMMAND_GROUPS_MAX]);
/* "TARGET ADDR [LEN]" */
void command_synopsis(const struct command *c, struct buf *out);

/* All there are, in the order of the help; NULL ends (src/rows.c). */
extern const struct command *const command_rows[];

/* Runs heapsift with these words; the exit code. */
int commands_main(const struct command *const *commands, int argc, char **argv);

extern const struct command cmd_overview, cmd_summary, cmd_top, cmd_objects, cmd_tree;
extern const struct command cmd_show, cmd_why, cmd_blocks, cmd_hexdump, cmd_check;
extern const struct command cmd_sizes, cmd_arenas, cmd_waste, cmd_sql, cmd_diff, cmd_log;
extern const struct command cmd_watch;
extern const struct command cmd_dump, cmd_core, cmd_help, cmd_version, cmd_completion,
	cmd_complete;

#endif
