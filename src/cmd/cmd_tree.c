/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dominator tree. Its first level are the groups of roots, and what several of them
 * hold together; below that, what each node alone keeps alive.
 *
 * A tree of millions of nodes is cut by one number per node: how many of its children, the
 * largest first, are shown. With -n or --depth these say it. Without, a terminal gets what
 * fits its screen: the largest node that is not shown yet is added, wherever it hangs,
 * until the lines are full. The rows are then written in one walk over what was chosen.
 */
#include "cmd/graph_int.h"

#include "base/utf8.h"
#include <stdlib.h>

enum {
	CHILDREN_SHOWN = 10,
	DEPTH_FIT = 8, /* below the first level, when it is to fit a screen */
	LINES_FIT = 20,
	SMALLEST_FIT = 1000, /* less than a 1000th of all is not worth a line */
	LABELLED_MOST = 64,  /* children whose labels are looked for */
	INDENT = 2,
};

#define TOP UINT32_MAX /* above the first level */
#define NO_ROW UINT32_MAX
#define NO_ADDR UINT64_MAX

struct tree_args {
	const char *target;
	taddr addr;
	uint64_t depth;
};

struct tree_row {
	uint32_t d; /* a node, or nodes + a group's row */
	uint32_t parent, depth;
	uint32_t children, shown;
};

struct tree {
	struct node_source nodes;
	struct dominator_tree below;
	uint32_t *first_level;
	size_t nfirst;
	uint64_t all;     /* what percentages are of */
	uint64_t breadth; /* children shown of each node; 0: all */
	uint64_t depth;   /* levels below the first */
	bool fits;        /* fit[] says how many children instead */
	struct fit {
		uint32_t d, depth, shown;
	} fit[LINES_FIT + 1];
	size_t nfit;
	struct tree_row *rows;
	size_t n, cap;
	uint32_t first_shown;
};

static bool is_group(const struct tree *t, uint32_t d)
{
	return d != TOP && dominator_is_group(t->nodes.m, d);
}

static uint32_t group_of(const struct tree *t, uint32_t d)
{
	return d - node_count(t->nodes.m);
}

static const uint32_t *children_of(const struct tree *t, uint32_t d, uint32_t *n)
{
	if (d == TOP) {
		*n = (uint32_t)t->nfirst;
		return t->first_level;
	}
	*n = (uint32_t)(t->below.first[d + 1] - t->below.first[d]);
	return t->below.children + t->below.first[d];
}

static uint64_t retained_of(const struct tree *t, uint32_t d)
{
	const struct model *m = t->nodes.m;

	return is_group(t, d) ? m->groups.retained[group_of(t, d)]
			      : m->dominators.retained[d];
}

/* ---- the first level ---- */

static int compare_first(const void *a, const void *b, void *tree)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	uint64_t of_x = retained_of(tree, x), of_y = retained_of(tree, y);

	if (of_x != of_y)
		return of_x > of_y ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Groups, and what hangs on none of them alone. */
static void first_level_build(struct tree *t)
{
	const struct model *m = t->nodes.m;
	uint32_t n, top = node_count(m) + ROOTS_ALL;
	const uint32_t *shared = children_of(t, top, &n);

	t->first_level = xcalloc(m->groups.n + n, sizeof(*t->first_level));
	for (uint32_t g = ROOTS_ALL + 1; g < m->groups.n; g++)
		if (t->below.first[node_count(m) + g + 1] >
		    t->below.first[node_count(m) + g])
			t->first_level[t->nfirst++] = node_count(m) + g;
	for (uint32_t i = 0; i < n; i++)
		if (!is_group(t, shared[i]))
			t->first_level[t->nfirst++] = shared[i];
	qsort_r(t->first_level, t->nfirst, sizeof(*t->first_level), compare_first, t);
}

/* ---- what fits a screen ---- */

static size_t fit_lines(const struct tree *t)
{
	size_t lines = t->nfit - 1;

	for (size_t i = 0; i < t->nfit; i++) {
		uint32_t n;

		children_of(t, t->fit[i].d, &n);
		lines += t->fit[i].shown > 0 && t->fit[i].shown < n;
	}
	return lines;
}

/* Where the largest node hangs that is not shown yet; NULL: all worth a line are. */
static struct fit *fit_next(struct tree *t)
{
	uint64_t largest = t->all / SMALLEST_FIT;
	struct fit *next = NULL;

	for (size_t i = 0; i < t->nfit; i++) {
		uint32_t n;
		const uint32_t *children = children_of(t, t->fit[i].d, &n);
		uint32_t at = t->fit[i].shown;

		if (at == n || (i > 0 && t->fit[i].depth >= DEPTH_FIT) ||
		    retained_of(t, children[at]) <= largest)
			continue;
		largest = retained_of(t, children[at]);
		next = &t->fit[i];
	}
	return next;
}

static void fit_build(struct tree *t)
{
	struct fit *next;

	t->fit[t->nfit++] = (struct fit){ .d = TOP };
	while (t->nfit <= LINES_FIT && (next = fit_next(t))) {
		uint32_t n;
		const uint32_t *children = children_of(t, next->d, &n);

		t->fit[t->nfit++] =
			(struct fit){ children[next->shown++],
				      next->d == TOP ? 0 : next->depth + 1, 0 };
		if (fit_lines(t) <= LINES_FIT)
			continue;
		next->shown--;
		t->nfit--;
		return;
	}
}

/* ---- rows ---- */

static uint32_t shown_of(const struct tree *t, uint32_t d, uint32_t depth, uint32_t n)
{
	if (!t->fits)
		return depth > t->depth ? 0
		       : t->breadth     ? (uint32_t)min_u64(t->breadth, n)
					: n;
	for (size_t i = 0; i < t->nfit; i++)
		if (t->fit[i].d == d)
			return t->fit[i].shown;
	return 0;
}

static uint32_t row_add(struct tree *t, uint32_t d, uint32_t parent, uint32_t depth)
{
	struct tree_row *r;

	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 64;
		t->rows = xrealloc(t->rows, t->cap, sizeof(*t->rows));
	}
	r = &t->rows[t->n];
	*r = (struct tree_row){ .d = d, .parent = parent, .depth = depth };
	children_of(t, d, &r->children);
	r->shown = shown_of(t, d, depth + 1, r->children);
	return (uint32_t)t->n++;
}

/* In order, with a stack of our own: targets make chains of any length. Each node hangs on
 * one other, so there are no more rows than nodes and groups; but a file may say that two
 * hang on each other. */
static void rows_build(struct tree *t)
{
	struct open {
		uint32_t d, row, depth, next, shown;
	} *stack = xcalloc(1, sizeof(*stack));
	size_t n = 1, cap = 1;
	uint32_t nfirst = (uint32_t)t->nfirst;
	size_t most = node_count(t->nodes.m) + t->nodes.m->groups.n;

	t->first_shown = shown_of(t, TOP, 0, nfirst);
	stack[0] = (struct open){ TOP, NO_ROW, 0, 0, t->first_shown };
	while (n > 0 && t->n < most) {
		struct open *o = &stack[n - 1];
		uint32_t ignored, row;

		if (o->next == o->shown) {
			n--;
			continue;
		}
		row = row_add(t, children_of(t, o->d, &ignored)[o->next++], o->row,
			      o->depth);
		if (t->rows[row].shown == 0)
			continue;
		if (n == cap) {
			cap *= 2;
			stack = xrealloc(stack, cap, sizeof(*stack));
		}
		stack[n] = (struct open){ t->rows[row].d, row, stack[n - 1].depth + 1, 0,
					  t->rows[row].shown };
		n++;
	}
	free(stack);
}

static bool is_cut(const struct tree *t)
{
	bool cut = t->first_shown < t->nfirst;

	for (size_t i = 0; i < t->n && !cut; i++)
		cut = t->rows[i].shown < t->rows[i].children;
	return cut;
}

/* ---- columns ---- */

static const struct tree_row *row_at(const void *source, size_t row)
{
	return &((const struct tree *)source)->rows[row];
}

static uint32_t tree_node_of(const void *source, size_t row)
{
	uint32_t d = row_at(source, row)->d;

	return is_group(source, d) ? NO_NODE : d;
}

static struct cell get_domain(const void *source, size_t row, struct buf *scratch)
{
	if (is_group(source, row_at(source, row)->d))
		return cell_text(str_of("roots"));
	return node_get_domain(source, row, scratch);
}

static struct cell get_kind(const void *source, size_t row, struct buf *scratch)
{
	const struct tree *t = source;
	uint32_t d = t->rows[row].d;

	if (is_group(t, d))
		return cell_text(
			str_of(group_kind_name(t->nodes.m->groups.kind[group_of(t, d)])));
	return node_get_kind(source, row, scratch);
}

static struct cell get_retained(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(retained_of(source, row_at(source, row)->d));
}

static struct cell get_retained_footprint(const void *source, size_t row,
					  struct buf *scratch)
{
	const struct tree *t = source;
	uint32_t d = t->rows[row].d;

	if (is_group(t, d))
		return cell_number(t->nodes.m->groups.retained_footprint[group_of(t, d)]);
	return node_get_retained_footprint(source, row, scratch);
}

static struct cell get_value(const void *source, size_t row, struct buf *scratch)
{
	const struct tree *t = source;
	uint32_t d = t->rows[row].d;

	if (is_group(t, d))
		return cell_text(
			model_text(t->nodes.m, t->nodes.m->groups.name[group_of(t, d)]));
	return node_get_value(source, row, scratch);
}

static struct cell get_depth(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->depth);
}

/* The parent's address; a group has none, and is said. */
static struct cell get_parent(const void *source, size_t row, struct buf *scratch)
{
	const struct tree *t = source;
	uint32_t parent = t->rows[row].parent;

	if (parent == NO_ROW)
		return cell_absent();
	if (!is_group(t, t->rows[parent].d))
		return cell_number(node_addr(t->nodes.m, t->rows[parent].d));
	group_show(t->nodes.m, group_of(t, t->rows[parent].d), scratch);
	return cell_text(buf_view(scratch));
}

static struct cell get_children(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->children);
}

static const struct column tree_columns[] = {
	{ "addr", COLUMN_ADDRESS, 0, node_get_addr, "of a node; groups have none" },
	{ "domain", COLUMN_TEXT, 0, get_domain, "python, c++, …; of a group: roots" },
	{ "kind", COLUMN_TEXT, 0, get_kind,
	  "its type; of a group: module, thread, globals, interpreter, unreached" },
	{ "size", COLUMN_BYTES, 0, node_get_size, "bytes of its own" },
	{ "footprint", COLUMN_BYTES, 0, node_get_footprint, "all bytes of its blocks" },
	{ "retained", COLUMN_BYTES, 0, get_retained,
	  "size of all that would go with it" },
	{ "retained_footprint", COLUMN_BYTES, 0, get_retained_footprint,
	  "footprint of all that would go with it" },
	{ "possible", COLUMN_BOOL, 0, node_get_possible,
	  "only what may be a reference leads to it" },
	{ "value", COLUMN_CODE, 0, get_value,
	  "what it says, in short; of a group its name" },
	{ "depth", COLUMN_NUMBER, 0, get_depth, "0 is the first level" },
	{ "parent", COLUMN_ADDRESS, 0, get_parent,
	  "address of the row it hangs on; of a group its name" },
	{ "children", COLUMN_NUMBER, 0, get_children, "how many hang on it" },
};

/* ---- text ---- */

struct tree_text {
	const struct tree *t;
	struct sink *out;
	struct buf line;
	unsigned retained, addr; /* widths */
};

static void pad_left(struct buf *line, const struct buf *word, unsigned width)
{
	for (size_t i = word->n; i < width; i++)
		buf_char(line, ' ');
	if (word->n)
		buf_add(line, word->s, word->n);
}

/* "  1.1 GiB  81.2%  0x7f3a12345678  " and the indentation of its level. */
static void line_begin(struct tree_text *x, uint64_t retained, uint32_t node,
		       uint32_t depth)
{
	struct buf word = { 0 };

	buf_clear(&x->line);
	bytes_show(&word, retained, x->out->exact);
	pad_left(&x->line, &word, x->retained);
	buf_clear(&word);
	percent_show(&word, retained, x->t->all);
	pad_left(&x->line, &word, 8);
	buf_clear(&word);
	if (node != NO_NODE)
		address_show(&word, node_addr(x->t->nodes.m, node));
	pad_left(&x->line, &word, x->addr + 2);
	buf_release(&word);
	buf_str(&x->line, "  ");
	for (uint32_t i = 0; i < depth; i++)
		buf_str(&x->line, "  ");
}

/* What is too wide is cut before the tail. */
static void line_end(struct tree_text *x, const struct buf *tail)
{
	unsigned width = x->out->width, room = (unsigned)tail->n;

	sink_cut(x->out, buf_view(&x->line), width > room + 1 ? width - room : width);
	sink_add(x->out, tail->s, tail->n);
	sink_char(x->out, '\n');
}

/* The root that holds it, one of this group or (NO_ROW) of any; a certain one first. */
static uint32_t root_of(const struct model *m, uint32_t node, uint32_t group)
{
	uint32_t found = NO_ROW;

	for (uint32_t root = 0; root < m->roots.n; root++)
		if (m->roots.node[root] == node &&
		    (group == NO_ROW || m->roots.group[root] == group) &&
		    (found == NO_ROW || m->roots.certain[root] > m->roots.certain[found]))
			found = root;
	return found;
}

/* How the parent calls it: "['user:17']", "CACHE". Only a direct reference has one. */
static void label_show(const struct tree *t, const struct tree_row *r, struct buf *out)
{
	const struct model *m = t->nodes.m;
	uint32_t parent = r->parent == NO_ROW ? TOP : t->rows[r->parent].d;

	if (is_group(t, r->d))
		return;
	if (parent == TOP || is_group(t, parent)) {
		uint32_t group = parent == TOP ? NO_ROW : group_of(t, parent);
		uint32_t root = root_of(m, r->d, group);

		if (root != NO_ROW)
			(group == NO_ROW ? root_show_shortly : root_name_show)(m, root,
									       out);
		if (root != NO_ROW)
			buf_char(out, ':');
		return;
	}
	for (uint64_t e = m->edge_first.at[parent]; e < m->edge_first.at[parent + 1]; e++)
		if (m->edge_to.node[e] == r->d &&
		    m->labels.kind[m->edge_to.label[e]] > LABEL_INTERIOR) {
			edge_label(m, parent, e, out);
			return;
		}
}

static void what_show(const struct tree *t, const struct tree_row *r, struct buf *out)
{
	if (is_group(t, r->d))
		group_show(t->nodes.m, group_of(t, r->d), out);
	else
		node_describe(t->nodes.m, r->d, out);
}

static void row_write(struct tree_text *x, const struct tree_row *r)
{
	const struct tree *t = x->t;
	uint32_t siblings = r->parent == NO_ROW ? 0 : t->rows[r->parent].shown;
	struct buf words = { 0 };

	line_begin(x, retained_of(t, r->d), is_group(t, r->d) ? NO_NODE : r->d, r->depth);
	if (siblings <= LABELLED_MOST)
		label_show(t, r, &words);
	if (words.n)
		buf_char(&words, ' ');
	what_show(t, r, &words);
	utf8_escape_code(&x->line, buf_view(&words));
	buf_clear(&words);
	if (r->shown == 0 && r->children > 0) {
		buf_str(&words, " (holds ");
		count_show(&words, r->children);
		buf_char(&words, ')');
	}
	line_end(x, &words);
	buf_release(&words);
}

/* "… 12,034 more", what is not shown of a node's children. */
static void more_write(struct tree_text *x, uint32_t d, uint32_t depth, uint32_t shown)
{
	uint32_t n;
	const uint32_t *children = children_of(x->t, d, &n);
	uint64_t retained = 0;

	if (shown == n || (shown == 0 && d != TOP))
		return;
	for (uint32_t i = shown; i < n; i++)
		retained += retained_of(x->t, children[i]);
	line_begin(x, retained, NO_NODE, depth);
	buf_str(&x->line, "… ");
	count_show(&x->line, n - shown);
	buf_str(&x->line, " more");
	line_end(x, &(struct buf){ 0 });
}

static void widths_find(struct tree_text *x)
{
	struct buf word = { 0 };

	x->retained = (unsigned)strlen("RETAINED");
	for (size_t i = 0; i < x->t->n; i++) {
		const struct tree_row *r = &x->t->rows[i];

		buf_clear(&word);
		bytes_show(&word, retained_of(x->t, r->d), x->out->exact);
		x->retained = (unsigned)max_u64(x->retained, word.n);
		buf_clear(&word);
		if (!is_group(x->t, r->d))
			address_show(&word, node_addr(x->t->nodes.m, r->d));
		x->addr = (unsigned)max_u64(x->addr, word.n);
	}
	buf_release(&word);
}

static void heading_write(struct tree_text *x)
{
	sink_look(x->out, LOOK_HEAD);
	sink_spaces(x->out, x->retained - strlen("RETAINED"));
	sink_str(x->out, "RETAINED       %  ");
	sink_spaces(x->out, x->addr > 4 ? x->addr - 4 : 0);
	sink_str(x->out, x->addr ? "ADDR  WHAT" : "WHAT");
	sink_look(x->out, LOOK_PLAIN);
	sink_char(x->out, '\n');
}

static void tree_write(const struct table *table, struct sink *out)
{
	struct tree_text x = { .t = table->source, .out = out };
	const struct tree *t = x.t;

	widths_find(&x);
	if (t->n > 0)
		heading_write(&x);
	else
		sink_str(out, "(no rows)\n");
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t next = i + 1 < t->n ? t->rows[i + 1].depth : 0;

		row_write(&x, &t->rows[i]);
		for (uint32_t r = i; r != NO_ROW && t->rows[r].depth >= next;
		     r = t->rows[r].parent)
			more_write(&x, t->rows[r].d, t->rows[r].depth + 1,
				   t->rows[r].shown);
	}
	more_write(&x, TOP, 0, t->first_shown);
	if (t->n > 0 && is_cut(t))
		sink_str(out,
			 "… add an address to see what is below it; -n 0 shows all\n");
	buf_release(&x.line);
}

/* ---- the command ---- */

static const struct opt tree_opts[] = {
	OPT_UINT('d', "depth", struct tree_args, depth, "N",
		 "show N levels below the first (default: text as many as fit a screen, "
		 "JSON and CSV all)"),
};

static const struct opt tree_args[] = {
	ARG_STRING("TARGET", struct tree_args, target, OFFER_TARGET, TARGET_HELP),
	ARG_ADDRESS_OPTIONAL("ADDR", struct tree_args, addr,
			     "only what the node at this address keeps alive"),
};

static const struct tree_args tree_defaults = { .addr = NO_ADDR, .depth = UINT64_MAX };

/* What is shown: all, or the one node at the address. False: nobody is there. */
static bool tree_begin(struct context *cx, const struct tree_args *a, struct tree *t,
		       struct sink *out)
{
	size_t part;
	uint32_t node;

	dominator_tree_build(cx->model, &t->below);
	if (a->addr == NO_ADDR) {
		first_level_build(t);
		t->all = retained_of_all(cx->model);
		return true;
	}
	node = context_node_at(cx, a->addr, &part, out);
	if (node == NO_NODE)
		return false;
	t->first_level = xcalloc(1, sizeof(*t->first_level));
	t->first_level[t->nfirst++] = node;
	t->all = retained_of(t, node);
	return true;
}

static bool tree_show(struct context *cx, const struct tree_args *a, struct tree *t,
		      struct sink *out, struct err *e)
{
	t->breadth = cx->shared.limit;
	t->depth = a->depth;
	t->fits = out->format == FORMAT_TEXT && !cx->limit_is_said &&
		  a->depth == UINT64_MAX;
	if (t->fits)
		fit_build(t);
	rows_build(t);
	cx->shared.limit = 0; /* it was of children */
	return context_report(cx,
			      &(struct report){ .table = { .source = t, .nrows = t->n },
						.is_cut = is_cut(t),
						.text = tree_write },
			      out, e);
}

static bool tree_run(struct context *cx, const void *args, struct sink *out,
		     struct err *e)
{
	const struct tree_args *a = args;
	const struct collect_options needs = { .edges = true,
					       .values = true,
					       .previews = true };
	struct tree t = { .nodes = { .node_of = tree_node_of } };
	bool ok = true;

	if (!context_open(cx, a->target, &needs, e))
		return false;
	if (!has_retained(cx->model))
		return fail(
			e, ERR_FILE,
			"'%s' does not tell who refers to whom: it holds no references",
			a->target);
	t.nodes.m = cx->model;
	if (tree_begin(cx, a, &t, out))
		ok = tree_show(cx, a, &t, out, e);
	dominator_tree_release(&t.below);
	free(t.first_level);
	free(t.rows);
	return ok;
}

const struct command cmd_tree = {
	.name = "tree",
	.group = GROUP_LOOK,
	.brief = "who holds memory: the dominator tree",
	.text = "What hangs on a node would be freed with it. The first level are the "
		"groups of roots (modules, threads, globals of a file, the interpreter), "
		"what several of them hold together, and what nothing reaches. Below "
		"that stands what each alone keeps alive, the largest first. On a "
		"terminal the largest nodes that fit a screen are shown; --depth and -n "
		"say it outright. ADDR shows what one node keeps alive.",
	.example = "tree 1234 --depth 2 -n 5",
	.example_text = "the five largest of each group, and the five largest of those",
	.flags = COMMAND_FORMATS | COMMAND_LIMIT | COMMAND_TARGET,
	.args = tree_args,
	.nargs = countof(tree_args),
	.opts = tree_opts,
	.nopts = countof(tree_opts),
	.args_size = sizeof(struct tree_args),
	.defaults = &tree_defaults,
	.columns = tree_columns,
	.ncolumns = countof(tree_columns),
	.limit = CHILDREN_SHOWN,
	.limit_help = "show at most N children of each node; 0 shows all",
	.run = tree_run,
};
