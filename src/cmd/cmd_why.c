/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/graph_int.h"

#include "base/utf8.h"
#include <stdlib.h>

enum {
	PATHS = 5,
	PATHS_MOST = 100000,
	STEPS_SHOWN = 16, /* of a longer path the middle is left out in text */
	STEPS_HEAD = 8,
	WHAT_MOST = 40,
};

struct why_args {
	const char *target;
	taddr addr;
};

/* The steps of one path: the source of a table of them. And the tables it has. */
struct steps {
	struct node_source nodes;
	const struct why_path *path;
	struct table root, table;
};

struct why_source {
	const struct model *m;
	uint32_t node;
	size_t part;
	taddr asked;
	struct why why;
	struct steps *steps; /* of each path */
};

/* ---- columns of steps ---- */

static uint32_t step_node_of(const void *source, size_t row)
{
	return ((const struct steps *)source)->path->steps[row].node;
}

/* What the step before calls this one. */
static struct cell get_label(const void *source, size_t row, struct buf *scratch)
{
	const struct steps *s = source;
	const struct why_step *step = &s->path->steps[row];

	if (row == 0 || step->edge == NO_EDGE)
		return cell_absent();
	edge_label(s->nodes.m, step[-1].node, step->edge, scratch);
	return cell_text(buf_view(scratch));
}

static const struct column step_columns[] = {
	{ "addr", COLUMN_ADDRESS, 0, node_get_addr, "where it is" },
	{ "domain", COLUMN_TEXT, 0, node_get_domain, "whose it is" },
	{ "kind", COLUMN_TEXT, 0, node_get_kind, "its type" },
	{ "label", COLUMN_CODE, 0, get_label, "what the step before calls it" },
	{ "size", COLUMN_BYTES, 0, node_get_size, "bytes of its own" },
	{ "retained", COLUMN_BYTES, 0, node_get_retained, "with all it holds" },
	{ "value", COLUMN_CODE, 0, node_get_value, "what it says" },
};

/* ---- columns of paths ---- */

static const struct why_path *path_at(const void *source, size_t row)
{
	return &((const struct why_source *)source)->why.paths[row];
}

static struct cell get_root(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_rows(&((const struct why_source *)source)->steps[row].root);
}

static struct cell get_steps(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_rows(&((const struct why_source *)source)->steps[row].table);
}

static struct cell get_weak(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(path_at(source, row)->weak);
}

static struct cell get_certain(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(path_at(source, row)->certain);
}

static const struct column why_columns[] = {
	{ "root", COLUMN_OBJECT, COLUMN_NOT_TEXT, get_root,
	  "where the path starts: group, kind, name; absent if nothing reaches it" },
	{ "steps", COLUMN_LIST, COLUMN_NOT_TEXT, get_steps,
	  "from the root's node to the one asked for; label is what the step before "
	  "calls it" },
	{ "weak", COLUMN_BOOL, COLUMN_NOT_TEXT, get_weak,
	  "some reference is weak, and keeps nothing alive" },
	{ "certain", COLUMN_BOOL, COLUMN_NOT_TEXT, get_certain,
	  "every reference is known from a layout" },
};

/* ---- columns of the groups of a node with very many referrers ---- */

static const struct why_group *group_at(const void *source, size_t row)
{
	return &((const struct why_source *)source)->why.groups[row];
}

static struct cell get_group_count(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(group_at(source, row)->count);
}

static struct cell get_group_kind(const void *source, size_t row, struct buf *scratch)
{
	const struct why_source *s = source;

	type_show(s->m, group_at(source, row)->type, scratch);
	return cell_text(buf_view(scratch));
}

static struct cell get_group_label(const void *source, size_t row, struct buf *scratch)
{
	static const char *const words[] = {
		"a word that may be its address",
		"a word that points into it",
		"",
		".",
		"[…]",
		"a key",
		"['…']",
		"an element",
		"local ",
		"weak ",
	};
	const struct why_source *s = source;
	uint16_t label = group_at(source, row)->label;
	struct str name = model_text(s->m, s->m->labels.name[label]);
	unsigned kind = s->m->labels.kind[label];

	buf_str(scratch, kind < countof(words) ? words[kind] : "?");
	buf_add(scratch, name.s, name.n);
	return cell_text(buf_view(scratch));
}

static const struct column group_columns[] = {
	{ "count", COLUMN_COUNT, 0, get_group_count, "references" },
	{ "kind", COLUMN_NAME, 0, get_group_kind, "from these" },
	{ "label", COLUMN_TEXT, 0, get_group_label, "called so" },
};

static struct table groups_table(const struct why_source *s, uint64_t limit)
{
	return (struct table){
		.columns = group_columns,
		.ncolumns = countof(group_columns),
		.source = s,
		.nrows = s->why.ngroups,
		.sort = &group_columns[0],
		.limit = limit,
	};
}

/* ---- text ---- */

struct path_text {
	const struct why_source *s;
	struct sink *out;
	unsigned what, retained; /* widths */
	struct buf word, shown;
};

/* The cell as people see it, in x->shown. */
static unsigned cell_of(struct path_text *x, const struct column *c,
			const struct steps *steps, size_t row)
{
	struct cell v;

	buf_clear(&x->word);
	buf_clear(&x->shown);
	v = c->get(steps, row, &x->word);
	if (v.kind == CELL_TEXT)
		utf8_escape_code(&x->shown, v.text);
	else if (v.kind == CELL_NUMBER)
		bytes_show(&x->shown, v.number, x->out->exact);
	return utf8_str_width(buf_view(&x->shown));
}

static const struct column what_column = { .get = node_get_what };
static const struct column retained_column = { .get = node_get_retained };
static const struct column value_column = { .get = node_get_value };
static const struct column label_column = { .get = get_label };

/* Of a long path the ends matter: which rows are shown. */
static bool is_shown(const struct why_path *p, size_t row)
{
	return p->nsteps <= STEPS_SHOWN || row < STEPS_HEAD ||
	       row >= p->nsteps - (STEPS_SHOWN - STEPS_HEAD);
}

static void widths_find(struct path_text *x)
{
	for (size_t i = 0; i < x->s->why.n; i++)
		for (size_t row = 0; row < x->s->why.paths[i].nsteps; row++) {
			if (!is_shown(&x->s->why.paths[i], row))
				continue;
			x->what = (unsigned)max_u64(
				x->what, cell_of(x, &what_column, &x->s->steps[i], row));
			x->retained = (unsigned)max_u64(
				x->retained,
				cell_of(x, &retained_column, &x->s->steps[i], row));
		}
	x->what = (unsigned)min_u64(x->what, WHAT_MOST);
	if (x->out->width) /* address, size and a word of the label stand beside it */
		x->what = (unsigned)min_u64(x->what, max_u64(x->out->width / 3, 8));
}

/* "  0x7f3a12345678  dict    1.1 GiB  ['user:17']": what it calls the next, or its value. */
static void step_write(struct path_text *x, size_t path, size_t row)
{
	const struct steps *steps = &x->s->steps[path];
	bool is_last = row + 1 == steps->path->nsteps;
	unsigned used, width, room = x->out->width;
	struct buf addr = { 0 };

	address_show(&addr, node_addr(x->s->m, steps->path->steps[row].node));
	sink_str(x->out, "  ");
	sink_add(x->out, addr.s, addr.n);
	sink_spaces(x->out, 16 - min_u64(addr.n, 14));
	cell_of(x, &what_column, steps, row);
	width = sink_cut_as(x->out, buf_view(&x->shown), x->what, COLUMN_NAME);
	sink_spaces(x->out, x->what - width);
	width = cell_of(x, &retained_column, steps, row);
	sink_spaces(x->out, 2 + x->retained - width);
	sink_add(x->out, x->shown.s, x->shown.n);
	used = 2 + (unsigned)max_u64(addr.n, 14) + 2 + x->what + 2 + x->retained + 2;
	cell_of(x, is_last ? &value_column : &label_column, steps, row + !is_last);
	if (x->shown.n && (!room || room > used)) {
		sink_str(x->out, "  ");
		sink_cut_as(x->out, buf_view(&x->shown), room ? room - used : 0,
			    COLUMN_CODE);
	}
	sink_char(x->out, '\n');
	buf_release(&addr);
}

static void path_head_write(struct path_text *x, const struct why_path *p)
{
	struct wrap w = { .out = x->out, .indent = 4, .width = x->out->width };
	struct buf words = { 0 }, shown = { 0 };

	if (p->root == NO_NODE)
		buf_str(&words, "reached by no root");
	else
		root_show(x->s->m, p->root, &words);
	utf8_escape(&shown, buf_view(&words));
	if (p->weak)
		buf_str(&shown, " (weak: keeps nothing alive)");
	else if (!p->certain)
		buf_str(&shown, " (possibly)");
	sink_char(x->out, '\n');
	sink_look(x->out, LOOK_HEAD);
	wrap_words(&w, buf_view(&shown));
	sink_look(x->out, LOOK_PLAIN);
	sink_char(x->out, '\n');
	buf_release(&words);
	buf_release(&shown);
}

static void path_write(struct path_text *x, size_t path)
{
	const struct why_path *p = &x->s->why.paths[path];

	path_head_write(x, p);
	for (size_t row = 0; row < p->nsteps; row++) {
		if (is_shown(p, row)) {
			step_write(x, path, row);
		} else if (row == STEPS_HEAD) {
			buf_clear(&x->shown);
			buf_str(&x->shown, "  … ");
			count_show(&x->shown, p->nsteps - STEPS_SHOWN);
			buf_str(&x->shown, " more steps\n");
			sink_add(x->out, x->shown.s, x->shown.n);
		}
	}
}

static void words_write(struct sink *out, const char *words)
{
	struct wrap w = { .out = out, .width = out->width };

	wrap_words(&w, str_of(words));
	sink_char(out, '\n');
}

/* "retains 1.4 KiB, 3 references to it" */
static void facts_show(const struct why_source *s, const struct sink *out,
		       struct buf *words)
{
	if (has_retained(s->m)) {
		buf_str(words, "retains ");
		bytes_show(words, node_retained(s->m, s->node), out->exact);
		buf_str(words, ", ");
	}
	count_show(words, s->why.in_edges);
	buf_str(words, s->why.in_edges == 1 ? " reference to it" : " references to it");
}

static void title_write(const struct why_source *s, struct sink *out)
{
	struct wrap w = { .out = out, .indent = 2, .width = out->width };
	struct buf words = { 0 }, shown = { 0 };

	node_show(s->m, s->node, &words);
	utf8_escape(&shown, buf_view(&words));
	sink_look(out, LOOK_HEAD);
	wrap_add(&w, buf_view(&shown));
	sink_look(out, LOOK_PLAIN);
	buf_clear(&words);
	buf_str(&words, " at ");
	address_show(&words, node_addr(s->m, s->node));
	wrap_add(&w, buf_view(&words));
	buf_clear(&words);
	facts_show(s, out, &words);
	wrap_add(&w, str_of(","));
	if (w.width && w.at + 1 + words.n > w.width)
		wrap_line(&w);
	wrap_words(&w, buf_view(&words));
	sink_char(out, '\n');
	if (s->part < s->m->parts.n) {
		sink_address(out, s->asked);
		sink_str(out, " lies in a part of it\n");
	}
	buf_release(&words);
	buf_release(&shown);
}

static const char *unreached_words(const struct why *w)
{
	if (w->n > 0)
		return "Nothing that is alive reaches it: it is garbage, or leaked. "
		       "These "
		       "refer to it:";
	if (w->in_edges > 0)
		return "Nothing that is alive reaches it: it is garbage, or leaked. It "
		       "refers to itself.";
	return "Nothing refers to it: it is leaked, or held by what heapsift does not "
	       "know.";
}

/* What the paths do not say by themselves. */
static void sentence_write(const struct why_source *s, struct sink *out)
{
	const struct why *w = &s->why;
	bool has_root = false, is_certain = false;

	for (size_t i = 0; i < w->n; i++) {
		has_root |= w->paths[i].root != NO_NODE && !w->paths[i].weak;
		is_certain |= w->paths[i].root != NO_NODE && w->paths[i].certain;
	}
	if (w->is_immortal)
		words_write(out,
			    "It is immortal: the interpreter never frees it, whoever "
			    "refers to it.");
	else if (!has_root)
		words_write(out, unreached_words(w));
	else if (!is_certain)
		words_write(out, "It is only possibly alive: some word on each path has "
				 "the value of an address, and need not be a reference.");
}

static void why_write(const struct table *t, struct sink *out)
{
	const struct why_source *s = t->source;
	struct path_text x = { .s = s, .out = out };
	struct table groups = groups_table(s, 20);

	title_write(s, out);
	sentence_write(s, out);
	if (s->why.ngroups > 0) {
		sink_char(out, '\n');
		table_show(&groups, out);
		if (groups.nrows > groups.limit)
			sink_printf(out, "… and %zu more kinds of references\n",
				    (size_t)(groups.nrows - groups.limit));
	}
	widths_find(&x);
	for (size_t i = 0; i < s->why.n; i++)
		path_write(&x, i);
	buf_release(&x.word);
	buf_release(&x.shown);
}

/* ---- the command ---- */

static const struct opt why_args[] = {
	ARG_STRING("TARGET", struct why_args, target, OFFER_TARGET, TARGET_HELP),
	ARG_ADDRESS("ADDR", struct why_args, addr,
		    "of it, or anywhere in it or in a part of it"),
};

static void steps_build(struct why_source *s)
{
	s->steps = xcalloc(s->why.n + 1, sizeof(*s->steps));
	for (size_t i = 0; i < s->why.n; i++) {
		const struct why_path *p = &s->why.paths[i];

		s->steps[i] = (struct steps){
			.nodes = { s->m, step_node_of },
			.path = p,
			.root = { .columns = root_columns,
				  .ncolumns = ROOT_COLUMNS_N,
				  .source = s->m,
				  .pick = &p->root,
				  .nrows = p->root != NO_NODE },
			.table = { .columns = step_columns,
				   .ncolumns = countof(step_columns),
				   .source = &s->steps[i],
				   .nrows = p->nsteps },
		};
	}
}

static bool why_show(struct context *cx, struct why_source *s, struct sink *out,
		     struct err *e)
{
	struct table groups = groups_table(s, 0);
	bool ok;
	const struct report_fact facts[] = {
		{ .name = "in_edges", .type = COLUMN_COUNT, .value = s->why.in_edges },
		{ .name = "immortal", .type = COLUMN_BOOL, .value = s->why.is_immortal },
		{ .name = "in_edges_by_kind", .type = COLUMN_LIST, .list = &groups },
	};

	steps_build(s);
	cx->shared.limit = 0; /* it was of paths to look for */
	ok = context_report(cx,
			    &(struct report){ .table = { .source = s, .nrows = s->why.n },
					      .facts = facts,
					      .nfacts = countof(facts),
					      .text = why_write },
			    out, e);
	free(s->steps);
	return ok;
}

static bool why_run(struct context *cx, const void *args, struct sink *out, struct err *e)
{
	const struct why_args *a = args;
	const struct collect_options needs = { .edges = true,
					       .values = true,
					       .previews = true };
	struct why_source s = { .asked = a->addr };
	uint64_t most = cx->shared.limit ? cx->shared.limit : PATHS_MOST;
	bool ok;

	if (!context_open(cx, a->target, &needs, e))
		return false;
	if (!has_retained(cx->model))
		return fail(
			e, ERR_FILE,
			"'%s' does not tell who refers to whom: it holds no references",
			a->target);
	s.m = cx->model;
	s.node = context_node_at(cx, a->addr, &s.part, out);
	if (s.node == NO_NODE)
		return true;
	why_build(s.m, s.node, (size_t)min_u64(most, PATHS_MOST), &s.why);
	ok = why_show(cx, &s, out, e);
	why_release(&s.why);
	return ok;
}

const struct command cmd_why = {
	.name = "why",
	.group = GROUP_LOOK,
	.brief = "what keeps an object alive: paths from roots to it",
	.text = "Shows paths of references from roots (modules, frames, stacks, globals, "
		"the "
		"interpreter) to the node at ADDR: one for each root name, certain ones "
		"first, then short ones. Each line is a node, with what it retains and "
		"what it calls the next. A path is possible when a word on it only "
		"looks "
		"like a reference. Of a node with more than 1,000 references the kinds "
		"of "
		"what refers to it are counted first. If the address is nobody's, the "
		"exit code is 1.",
	.example = "why 1234 0x7f3a5c0421c0",
	.example_text = "what to cut so that it can be freed",
	.flags = COMMAND_FORMATS | COMMAND_LIMIT | COMMAND_SAME_LIMIT | COMMAND_TARGET,
	.args = why_args,
	.nargs = countof(why_args),
	.args_size = sizeof(struct why_args),
	.columns = why_columns,
	.ncolumns = countof(why_columns),
	.limit = PATHS,
	.limit_help = "show at most N paths; 0 shows all there are, up to 100,000",
	.run = why_run,
};
