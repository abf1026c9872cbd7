/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the command diff. */
#ifndef CMD_DIFF_INT_H
#define CMD_DIFF_INT_H

#include "analysis/analysis.h"
#include "cmd/compare_int.h"
#include "cmd/graph_int.h"

enum diff_by { DIFF_BY_KIND, DIFF_BY_SIZE, DIFF_BY_HOLDER, DIFF_BY_OBJECT };

struct diff_args {
	const char *a, *b, *c;
	int by;    /* enum diff_by */
	int state; /* of objects: index into the words of --state */
	const char *fail_if;
	uint64_t until; /* of a folder: bytes of RSS; 0: the limit of its cgroup */
};
enum { DIFF_ARGS = 3, DIFF_OPTS = 4 };
extern const struct opt diff_args[DIFF_ARGS], diff_opts[DIFF_OPTS];

/* What all rows of the command have: its own are the default's. */
#define DIFF_COMMAND \
	.name = "diff", .flags = COMMAND_FORMATS | COMMAND_ROWS | COMMAND_TARGET, \
	.args = diff_args, .nargs = DIFF_ARGS, .opts = diff_opts, .nopts = DIFF_OPTS, \
	.args_size = sizeof(struct diff_args), .limit = 20
extern const struct command diff_by_size, diff_by_holder, diff_by_object, diff_of_folder;

/* The targets, the oldest first; the last is the context's model. */
struct diff_models {
	const struct diff_args *args;
	const struct model *all[KINDS_MODELS];
	struct model *owned[KINDS_MODELS];
	const char *names[KINDS_MODELS]; /* as on the command line */
	size_t n;
	bool is_of_one;
	struct buf why_not; /* when it is not */
};

static inline const struct model *diff_last(const struct diff_models *d)
{
	return d->all[d->n - 1];
}

/* Opens them, and says as findings what stands in the way. Released in any case. */
must_check bool diff_open(struct context *cx, const struct diff_args *a,
			  const struct collect_options *needs, struct diff_models *out,
			  struct err *e);
void diff_models_release(struct diff_models *d);
/* They must be of one process: else *e says that they are not. */
must_check bool diff_needs_one(const struct diff_models *d, struct err *e);

/* Rows, and what stands beside them. */
enum { DIFF_FACTS = 4 };
struct diff_answer {
	const void *source;
	size_t nrows; /* of the source */
	/* Those that changed, which are shown. NULL: all. */
	const uint32_t *pick;
	size_t npick;
	struct report_fact facts[DIFF_FACTS];
	size_t nfacts; /* there is room for one more */
	void (*above)(const struct table *t, struct sink *out);
};
/* Reports them with all targets told, once --fail-if was asked of all rows. */
must_check bool diff_report(struct context *cx, const struct diff_models *d,
			    struct diff_answer *answer, struct sink *out, struct err *e);

/* ---- the gate (diff_gate.c) ---- */

/* Is --fail-if an expression over these columns? */
must_check bool diff_gate_check(const struct diff_args *a, const struct command *c,
				struct err *e);

struct diff_gate {
	const char *expr; /* NULL: none was asked for, and all of this does nothing */
	/* Of the command's columns: all rows when it is opened, then those that failed. */
	struct table table;
	uint32_t *rows;
};
/* Asks all rows. Closed if true. */
must_check bool diff_gate_open(struct context *cx, struct diff_gate *g, struct err *e);
/* Appends the rows as a fact, for which there is room. */
void diff_gate_tell(const struct diff_gate *g, struct report_fact *facts, size_t *nfacts);
/* The exit code is the gate's from here on: 1 if it is true of a row. say: tells people of
 * which. */
void diff_gate_close(struct context *cx, struct diff_gate *g, bool say);

/* ---- holders ---- */

struct holders {
	struct node_source nodes; /* of its rows; NO_NODE: a group of roots */
	const struct model *before, *after;
	struct growth growth;
	struct buf *names; /* of each row: "app.cache.PAGES", "global index" */
};
/* Does each of the models know who refers to whom? Else *which does not. */
bool diff_has_holders(const struct diff_models *d, size_t *which);
void holders_build(const struct diff_models *d, struct holders *out);
void holders_release(struct holders *h);
/* A table of them; the source is the holders. */
struct table holders_table(const struct holders *h);

/* ---- a folder (diff_folder.c) ---- */

/* Is A a folder? Then all its snapshots are compared. */
bool diff_is_folder(const char *path);

#endif
