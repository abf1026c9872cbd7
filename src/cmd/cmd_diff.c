/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changed between two or three targets. All of them are open at once; the last is the
 * context's model, which the answer is about, and what is to be said of the others becomes
 * findings of it.
 */
#include "cmd/diff_int.h"
#include "cmd/graph_int.h"

#include <stdlib.h>

enum { HOLDERS_SHOWN = 3 };

const struct opt diff_args[DIFF_ARGS] = {
	ARG_STRING("A", struct diff_args, a, OFFER_TARGET,
		   "before: a process (its PID), a core file or a snapshot; alone: a "
		   "folder of snapshots"),
	ARG_STRING_OPTIONAL("B", struct diff_args, b, OFFER_TARGET,
			    "after: the same process or another"),
	ARG_STRING_OPTIONAL("C", struct diff_args, c, OFFER_TARGET,
			    "later still: then B tells what came early and stayed"),
};

static const char *const by_words[] = { "kind", "size", "holder", "object", NULL };
static const char *const state_words[] = { "changed",  "new", "recent", "gone",
					   "survived", "all", NULL };

const struct opt diff_opts[DIFF_OPTS] = {
	OPT_ENUM(0, "by", struct diff_args, by, "WHAT", by_words,
		 "what the rows are: kinds of objects (the default), sizes of blocks, "
		 "holders that grew, or objects one by one"),
	OPT_ENUM(0, "state", struct diff_args, state, "STATE", state_words,
		 "with --by object, which: changed (the default: all but those that "
		 "survived), new, recent (came after B), gone, survived, or all"),
	OPT_STRING(0, "fail-if", struct diff_args, fail_if, "EXPR", OFFER_NOTHING,
		   "exit with 1 if it is true of a row, also of one that did not change "
		   "and is not shown; say which"),
	OPT_SIZE(0, "until", struct diff_args, until, "SIZE",
		 "of a folder: tell when RSS gets there; else to the limit of the "
		 "process's cgroup"),
};

/* ---- the targets ---- */

void diff_models_release(struct diff_models *d)
{
	for (size_t i = 0; i < d->n; i++)
		model_free(d->owned[i]);
	buf_release(&d->why_not);
	*d = (struct diff_models){ 0 };
}

/* By the nanosecond where both know it: a core does not. */
static bool was_before(const struct model *a, const struct model *b)
{
	const struct model_processes *x = &a->processes, *y = &b->processes;

	if (x->n == 0 || y->n == 0 || x->time[0] == 0 || y->time[0] == 0)
		return false;
	if (x->time[0] != y->time[0])
		return x->time[0] < y->time[0];
	return x->time_ns[0] && y->time_ns[0] && x->time_ns[0] < y->time_ns[0];
}

static void say_order(struct model *m, const struct diff_models *d)
{
	for (size_t i = 1; i < d->n; i++)
		if (was_before(d->all[i], d->all[i - 1]))
			model_find_out(m, SEVERITY_NOTE, "",
				       "'%s' was taken before '%s': what is said to have "
				       "come may have gone",
				       d->names[i], d->names[i - 1]);
}

static void say_process(struct model *m, struct diff_models *d)
{
	d->is_of_one = true;
	for (size_t i = 0; i + 1 < d->n && d->is_of_one; i++)
		d->is_of_one = models_are_of_one(d->all[i], m, &d->why_not);
	if (!d->is_of_one)
		model_find_out(m, SEVERITY_NOTE, "",
			       "not one process (%s): an address in one means nothing in "
			       "the other, so kinds are compared, but no objects",
			       d->why_not.s);
}

static bool open_all(struct context *cx, const struct diff_args *a,
		     const struct collect_options *needs, struct diff_models *d,
		     struct err *e)
{
	struct model *m;

	for (size_t i = 0; i < d->n; i++) {
		if (!context_open_other(cx, d->names[i], needs, &m, e))
			return false;
		d->all[i] = m;
		if (i + 1 == d->n)
			cx->model = m;
		else
			d->owned[i] = m;
		/* What is retained is known; but they tell containers' values. */
		if (i + 1 < d->n && a->by != DIFF_BY_OBJECT)
			references_forget(m);
	}
	return true;
}

bool diff_open(struct context *cx, const struct diff_args *a,
	       const struct collect_options *needs, struct diff_models *out,
	       struct err *e)
{
	*out = (struct diff_models){ .args = a,
				     .names = { a->a, a->b, a->c },
				     .n = a->c ? 3 : 2 };
	if (!targets_check(out->names, out->n, e) || !open_all(cx, a, needs, out, e))
		return false;
	for (size_t i = 0; i + 1 < out->n; i++)
		findings_take(cx->model, out->all[i], i ? "between" : "before");
	say_process(cx->model, out);
	say_order(cx->model, out);
	return true;
}

bool diff_needs_one(const struct diff_models *d, struct err *e)
{
	return d->is_of_one ||
	       fail(e, ERR_FILE,
		    "diff: '%s' and '%s' are not of one process (%s)\n"
		    "an address in one means nothing in the other; --by kind and "
		    "--by size compare them",
		    d->names[0], d->names[d->n - 1], d->why_not.s);
}

/* ---- by kind ---- */

struct kinds_source {
	const struct diff_models *models;
	struct diff diff;
	struct holders holders;
	uint32_t *
		holder_of; /* by kind: a row of the holders, or NO_NODE; NULL: none is known */
};

static const struct diff_row *row_at(const void *source, size_t row)
{
	return &((const struct kinds_source *)source)->diff.rows[row];
}

/* The type row that has the kind's words first, and the model it is of. */
static const struct model *type_at(const void *source, size_t row, uint32_t *type)
{
	const struct kinds_source *s = source;
	const struct kind_words *w = &s->diff.kinds.words[row_at(source, row)->kind];

	*type = w->type;
	return s->diff.kinds.models[w->model];
}

static struct cell get_domain(const void *source, size_t row, struct buf *scratch)
{
	uint32_t type;
	const struct model *m = type_at(source, row, &type);

	(void)scratch;
	return cell_text(model_text(m, m->types.domain[type]));
}

static struct cell get_kind(const void *source, size_t row, struct buf *scratch)
{
	uint32_t type;
	const struct model *m = type_at(source, row, &type);

	(void)scratch;
	return cell_text(model_text(m, m->types.kind[type]));
}

static struct cell get_detail(const void *source, size_t row, struct buf *scratch)
{
	uint32_t type;
	const struct model *m = type_at(source, row, &type);

	(void)scratch;
	return cell_text(model_text(m, m->types.detail[type]));
}

static struct cell get_what(const void *source, size_t row, struct buf *scratch)
{
	uint32_t type;
	const struct model *m = type_at(source, row, &type);

	type_show_in_full(m, type, scratch);
	return cell_text(buf_view(scratch));
}

static struct cell get_count_before(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->count_before);
}

static struct cell get_count_after(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->count_after);
}

static struct cell get_size_before(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->size_before);
}

static struct cell get_size_after(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->size_after);
}

static struct cell get_growth(const void *source, size_t row, struct buf *scratch)
{
	const struct diff_row *r = row_at(source, row);

	(void)scratch;
	return cell_signed((int64_t)(r->size_after - r->size_before));
}

static struct cell get_count_growth(const void *source, size_t row, struct buf *scratch)
{
	const struct diff_row *r = row_at(source, row);

	(void)scratch;
	return cell_signed((int64_t)(r->count_after - r->count_before));
}

static struct cell state_cell(const void *source, size_t row, enum diff_state state)
{
	const struct kinds_source *s = source;

	if (!s->diff.is_of_one || (state == DIFF_RECENT && s->models->n < 3))
		return cell_absent();
	return cell_number(row_at(source, row)->count[state]);
}

static struct cell get_new(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return state_cell(source, row, DIFF_NEW);
}

static struct cell get_recent(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return state_cell(source, row, DIFF_RECENT);
}

static struct cell get_gone(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return state_cell(source, row, DIFF_GONE);
}

static struct cell get_survived(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return state_cell(source, row, DIFF_SURVIVED);
}

static struct cell get_size_new(const void *source, size_t row, struct buf *scratch)
{
	const struct kinds_source *s = source;

	(void)scratch;
	return s->diff.is_of_one ? cell_number(row_at(source, row)->size_new)
				 : cell_absent();
}

static struct cell get_holder(const void *source, size_t row, struct buf *scratch)
{
	const struct kinds_source *s = source;
	uint32_t holder =
		s->holder_of ? s->holder_of[row_at(source, row)->kind] : NO_NODE;

	(void)scratch;
	return holder == NO_NODE ? cell_absent()
				 : cell_text(buf_view(&s->holders.names[holder]));
}

static const struct column kinds_columns[] = {
	{ "domain", COLUMN_TEXT, COLUMN_NOT_TEXT, get_domain,
	  "whose it is: python, c++, c, uncategorized" },
	{ "kind", COLUMN_TEXT, COLUMN_NOT_TEXT, get_kind,
	  "what it is: a type or class, string data" },
	{ "detail", COLUMN_TEXT, COLUMN_NOT_TEXT, get_detail, "more about it" },
	{ "what", COLUMN_NAME, COLUMN_TEXT_ONLY, get_what, "these three in one" },
	{ "growth", COLUMN_BYTES_CHANGE, COLUMN_TOTAL, get_growth,
	  "size_after less size_before" },
	{ "count_growth", COLUMN_COUNT_CHANGE, COLUMN_IF_ROOM, get_count_growth,
	  "count_after less count_before" },
	{ "size_before", COLUMN_BYTES, COLUMN_NOT_TEXT, get_size_before,
	  "bytes of their own in A" },
	{ "size_after", COLUMN_BYTES, COLUMN_IF_ROOM, get_size_after,
	  "bytes of their own in B, or in C if there is one" },
	{ "count_before", COLUMN_COUNT, COLUMN_NOT_TEXT, get_count_before,
	  "how many there were in A" },
	{ "count_after", COLUMN_COUNT, 0, get_count_after,
	  "how many there are in B, or in C if there is one" },
	{ "new", COLUMN_COUNT, 0, get_new,
	  "those that A has not and B has; with C only those that C has, too" },
	{ "size_new", COLUMN_BYTES, COLUMN_NOT_TEXT, get_size_new, "their bytes" },
	{ "recent", COLUMN_COUNT, 0, get_recent, "with C: those that came after B" },
	{ "gone", COLUMN_COUNT, 0, get_gone, "those of A that are no more" },
	{ "survived", COLUMN_COUNT, COLUMN_NOT_TEXT, get_survived,
	  "those of A that are still there" },
	{ "holder", COLUMN_CODE, 0, get_holder,
	  "what holds most of what came: app.cache.PAGES" },
};

/* Who grew most, for people. */
static void kinds_above(const struct table *t, struct sink *out)
{
	const struct kinds_source *s = t->source;
	struct table holders = holders_table(&s->holders);

	if (holders.nrows == 0)
		return;
	holders.limit = HOLDERS_SHOWN;
	sink_look(out, LOOK_HEAD);
	sink_str(out, "WHO GREW");
	sink_look(out, LOOK_PLAIN);
	sink_char(out, '\n');
	table_show(&holders, out);
	sink_char(out, '\n');
}

/* Growth tells it by type of the last model. */
static uint32_t *holders_by_kind(const struct kinds_source *s)
{
	const struct kinds *k = &s->diff.kinds;
	const uint32_t *of = k->of[k->nmodels - 1];
	uint32_t *holder = xcalloc(k->n + (size_t)1, sizeof(*holder));

	memset(holder, 0xff, (k->n + (size_t)1) * sizeof(*holder));
	for (size_t t = 0; t < s->diff.after->types.n; t++)
		if (s->holders.growth.row_of_type[t] != NO_NODE)
			holder[of[t]] = s->holders.growth.row_of_type[t];
	return holder;
}

static void kinds_holders(struct context *cx, struct kinds_source *s)
{
	size_t which;

	if (!s->diff.is_of_one)
		return;
	if (diff_has_holders(s->models, &which)) {
		holders_build(s->models, &s->holders);
		s->holder_of = holders_by_kind(s);
		return;
	}
	model_find_out(cx->model, SEVERITY_NOTE, "",
		       "who grew is left out: '%s' does not tell who refers to whom",
		       s->models->names[which]);
}

/* Kinds that changed; how many. */
static size_t pick_changed(const struct diff *d, uint32_t *rows)
{
	size_t n = 0;

	for (uint32_t i = 0; i < d->n; i++)
		if (diff_row_changed(&d->rows[i]))
			rows[n++] = i;
	return n;
}

static bool kinds_report(struct context *cx, struct kinds_source *s, struct sink *out,
			 struct err *e)
{
	uint32_t *pick = xcalloc(s->diff.n + 1, sizeof(*pick));
	struct table holders = holders_table(&s->holders);
	struct diff_answer answer = {
		.source = s,
		.nrows = s->diff.n,
		.pick = pick,
		.npick = pick_changed(&s->diff, pick),
		.facts = { { .name = "unchanged_kinds", .type = COLUMN_COUNT },
			   { .name = "reused",
			     .type = COLUMN_COUNT,
			     .value = s->diff.reused,
			     .not_text = true },
			   { .name = "holders", .type = COLUMN_LIST, .list = &holders } },
		.nfacts = s->diff.is_of_one ? 3 : 1,
		.above = kinds_above,
	};
	bool ok;

	answer.facts[0].value = s->diff.n - answer.npick;
	ok = diff_report(cx, s->models, &answer, out, e);
	free(pick);
	return ok;
}

static bool diff_run(struct context *cx, const void *args, struct sink *out,
		     struct err *e)
{
	const struct diff_args *a = args;
	const struct collect_options needs = { .edges = true, .values = true };
	struct diff_models d;
	struct kinds_source s = { .models = &d };
	bool ok = diff_open(cx, a, &needs, &d, e);

	if (ok) {
		diff_build(d.all, d.n, &s.diff);
		if (s.diff.is_of_one)
			identity_say(cx->model, s.diff.reused);
		kinds_holders(cx, &s);
		ok = kinds_report(cx, &s, out, e);
		free(s.holder_of);
		holders_release(&s.holders);
		diff_release(&s.diff);
	}
	diff_models_release(&d);
	return ok;
}

/* ---- the command ---- */

static bool is_of_folder(const struct diff_args *a)
{
	return !a->b && diff_is_folder(a->a);
}

static const struct command *diff_variant(const void *args)
{
	static const struct command *const by[] = { &cmd_diff, &diff_by_size,
						    &diff_by_holder, &diff_by_object };
	const struct diff_args *a = args;

	return is_of_folder(a) ? &diff_of_folder : by[a->by];
}

static bool diff_check(const void *args, struct err *e)
{
	const struct diff_args *a = args;

	if (is_of_folder(a)) {
		if (a->by || a->state)
			return fail(e, ERR_USAGE,
				    "diff: of a folder the rows are kinds: no --by and "
				    "no --state");
		return diff_gate_check(a, &diff_of_folder, e);
	}
	if (!a->b)
		return fail(e, ERR_USAGE,
			    "diff: B is missing, and '%.200s' is no folder\n"
			    "try 'heapsift help diff'",
			    a->a);
	if (a->until)
		return fail(e, ERR_USAGE,
			    "diff: --until is of a folder of snapshots, given alone");
	if (a->state && a->by != DIFF_BY_OBJECT)
		return fail(e, ERR_USAGE, "diff: --state is of objects: add --by object");
	return diff_gate_check(a, diff_variant(a), e);
}

const struct command cmd_diff = {
	DIFF_COMMAND,
	.group = GROUP_LOOK,
	.brief = "what grew, came and went between targets, or in a folder of them",
	.text = "A, B and C are any of running processes, cores and snapshots, the "
		"oldest first. Who grew stands above, then the kinds that changed, by "
		"how many bytes they grew. Of one process objects are told apart: one "
		"is the same if it has the same address and type, and besides a native "
		"block the same size, an immutable Python object the same start of its "
		"value. What was freed and made anew alike at its old address looks as "
		"if it had survived.\n\n"
		"With C, new is what came between A and B and is still there in C: "
		"what a program keeps, and not what it has in hand. Columns of before "
		"and after are of A and C then.\n\n"
		"A holder is named when it gained a hundredth of all growth, and only "
		"for what no holder below it is named for: the cache, not the module "
		"it is in.\n\n"
		"Of a folder alone, all its snapshots of one process are compared, as "
		"'watch' or 'dump' wrote them: what grew, in how many of the steps "
		"between them, and how fast, by a line through all sizes with its "
		"standard error; and when RSS reaches --until or the limit of its "
		"cgroup, if it goes on like that. A kind that grew in every step comes "
		"first: a cache fills up, a leak does not.\n\n"
		"Other rows have other columns, as --sort, --where and --fail-if name "
		"them. --by size: allocator, size, growth, count_growth, count_before, "
		"count_after, bytes_before, bytes_after. --by holder: addr, domain, "
		"kind, growth, retained_before, retained_after, name. --by object: "
		"state, addr, domain, kind, size, retained, value. Of a folder: "
		"domain, kind, detail, count_first, count_last, size_first, size_last, "
		"steps_grown, steps, per_hour, error, fit.",
	.example = "diff before.hsift 1234",
	.example_text = "what a process has got since then",
	.columns = kinds_columns,
	.ncolumns = countof(kinds_columns),
	.sort = "growth",
	.variant = diff_variant,
	.check = diff_check,
	.run = diff_run,
};
