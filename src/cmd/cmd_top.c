/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/compare_int.h"
#include "cmd/graph_int.h"

struct top_args {
	const char *target;
	struct since_args since;
};

static struct cell get_domain(const void *source, size_t row, struct buf *scratch)
{
	const struct top_source *s = source;

	(void)scratch;
	return cell_text(model_text(s->m, s->m->types.domain[s->top.rows[row].type]));
}

static struct cell get_kind(const void *source, size_t row, struct buf *scratch)
{
	const struct top_source *s = source;

	(void)scratch;
	return cell_text(model_text(s->m, s->m->types.kind[s->top.rows[row].type]));
}

static struct cell get_detail(const void *source, size_t row, struct buf *scratch)
{
	const struct top_source *s = source;

	(void)scratch;
	return cell_text(model_text(s->m, s->m->types.detail[s->top.rows[row].type]));
}

static struct cell get_count(const void *source, size_t row, struct buf *scratch)
{
	const struct top_source *s = source;

	(void)scratch;
	return cell_number(s->top.rows[row].count);
}

static struct cell get_size(const void *source, size_t row, struct buf *scratch)
{
	const struct top_source *s = source;

	(void)scratch;
	return cell_number(s->top.rows[row].size);
}

static struct cell get_footprint(const void *source, size_t row, struct buf *scratch)
{
	const struct top_source *s = source;

	(void)scratch;
	return cell_number(s->top.rows[row].footprint);
}

static struct cell get_retained(const void *source, size_t row, struct buf *scratch)
{
	const struct top_source *s = source;

	(void)scratch;
	return s->m->dominators.n ? cell_number(s->top.rows[row].retained)
				  : cell_absent();
}

static struct cell get_retained_footprint(const void *source, size_t row,
					  struct buf *scratch)
{
	const struct top_source *s = source;

	(void)scratch;
	return s->m->dominators.n ? cell_number(s->top.rows[row].retained_footprint)
				  : cell_absent();
}

static const struct column top_columns[] = {
	{ "domain", COLUMN_TEXT, 0, get_domain,
	  "whose it is: python, c++, c, uncategorized" },
	{ "kind", COLUMN_NAME, 0, get_kind, "what it is: a type or class, string data" },
	{ "detail", COLUMN_TEXT, 0, get_detail, "more about it" },
	{ "count", COLUMN_COUNT, COLUMN_TOTAL, get_count,
	  "objects, or blocks that are none of an object's" },
	{ "size", COLUMN_BYTES, COLUMN_TOTAL, get_size,
	  "bytes of their own: of objects as sys.getsizeof has them, parts included" },
	{ "footprint", COLUMN_BYTES, COLUMN_TOTAL | COLUMN_IF_ROOM, get_footprint,
	  "bytes taken: with headers and rounding" },
	{ "retained", COLUMN_BYTES, 0, get_retained,
	  "size of all that would go with them; nothing counted twice" },
	{ "retained_footprint", COLUMN_BYTES, COLUMN_NOT_TEXT, get_retained_footprint,
	  "footprint of all that would go with them" },
};

static const struct opt top_opts[] = {
	SINCE_OPTS(struct top_args),
};

static const struct opt top_args[] = {
	ARG_STRING("TARGET", struct top_args, target, OFFER_TARGET, TARGET_HELP),
};

static bool top_run(struct context *cx, const void *args, struct sink *out, struct err *e)
{
	const struct top_args *a = args;
	const struct collect_options needs = {
		.edges = true, .values = a->since.new_since || a->since.still_in
	};
	struct report r = { 0 };
	struct since since;
	struct top_source s;
	bool ok;

	if (!context_open(cx, a->target, &needs, e))
		return false;
	ok = since_open(cx, &a->since, &since, e);
	if (ok) {
		s.m = cx->model;
		top_build_of(s.m, since.nodes, &s.top);
		r.table.source = &s;
		r.table.nrows = s.top.n;
		since_tell(&since, &r);
		ok = context_report(cx, &r, out, e);
		top_release(&s.top);
	}
	since_release(&since);
	return ok;
}

static bool top_check(const void *args, struct err *e)
{
	const struct top_args *a = args;

	return since_check(a->target, &a->since, e);
}

const struct command cmd_top = {
	.name = "top",
	.group = GROUP_LOOK,
	.brief = "what there is, by kind",
	.text = "Objects, and blocks that belong to none, grouped by domain, kind and "
		"detail. Python objects have their type's name; C++ objects are told by "
		"their vtable, C strings by their bytes; the rest is uncategorized and "
		"told apart by size. What a kind retains is what would be freed if all "
		"of it went.",
	.example = "top 1234 --sort count",
	.example_text = "the kinds of which there are most",
	.flags = COMMAND_FORMATS | COMMAND_ROWS | COMMAND_TARGET,
	.args = top_args,
	.nargs = countof(top_args),
	.opts = top_opts,
	.nopts = countof(top_opts),
	.args_size = sizeof(struct top_args),
	.columns = top_columns,
	.ncolumns = countof(top_columns),
	.sort = "size",
	.limit = 20,
	.check = top_check,
	.run = top_run,
};
