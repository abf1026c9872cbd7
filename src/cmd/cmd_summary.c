/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "analysis/analysis.h"

struct summary_args {
	const char *target;
};

static const struct summary_row *row_at(const void *source, size_t row)
{
	return &((const struct summary *)source)->rows[row];
}

static struct cell get_category(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(str_of(row_at(source, row)->category));
}

static struct cell get_detail(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(row_at(source, row)->detail);
}

static struct cell get_bytes(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->bytes);
}

static struct cell get_resident(const void *source, size_t row, struct buf *scratch)
{
	const struct summary *s = source;

	(void)scratch;
	return s->has_residency ? cell_number(s->rows[row].resident) : cell_absent();
}

static struct cell get_swapped(const void *source, size_t row, struct buf *scratch)
{
	const struct summary *s = source;

	(void)scratch;
	return s->has_residency ? cell_number(s->rows[row].swapped) : cell_absent();
}

static struct cell get_count(const void *source, size_t row, struct buf *scratch)
{
	const struct summary_row *r = row_at(source, row);

	(void)scratch;
	return r->has_count ? cell_number(r->count) : cell_absent();
}

static const struct column summary_columns[] = {
	{ "category", COLUMN_TEXT, 0, get_category, "who has it" },
	{ "detail", COLUMN_PATH, 0, get_detail, "which part, or which file" },
	{ "bytes", COLUMN_BYTES, COLUMN_TOTAL, get_bytes, "mapped" },
	{ "resident", COLUMN_BYTES, COLUMN_TOTAL, get_resident,
	  "in RAM; a page that several rows share is split by bytes" },
	{ "swapped", COLUMN_BYTES, COLUMN_TOTAL | COLUMN_NOT_ZERO, get_swapped,
	  "in swap" },
	{ "count", COLUMN_COUNT, 0, get_count,
	  "blocks of an allocator's rows, else mappings" },
};

static const struct opt summary_args[] = {
	ARG_STRING("TARGET", struct summary_args, target, OFFER_TARGET, TARGET_HELP),
};

static bool has_no_residency(const struct model *m)
{
	return m->processes.n > 0 && m->processes.no_residency[0];
}

static bool summary_run(struct context *cx, const void *args, struct sink *out,
			struct err *e)
{
	const struct summary_args *a = args;
	const struct collect_options needs = { 0 };
	struct report_fact rss = { .name = "rss", .type = COLUMN_BYTES };
	struct summary s;
	bool ok;

	if (!context_open(cx, a->target, &needs, e))
		return false;
	if (cx->model->processes.n > 0)
		rss.value = cx->model->processes.rss[0];
	if (has_no_residency(cx->model) && !cx->shared.sort &&
	    !context_sort_by(cx, "bytes", e))
		return false;
	summary_build(cx->model, &s);
	ok = context_report(cx,
			    &(struct report){ .table = { .source = &s, .nrows = s.n },
					      .facts = &rss,
					      .nfacts = rss.value != 0 },
			    out, e);
	summary_release(&s);
	return ok;
}

const struct command cmd_summary = {
	.name = "summary",
	.group = GROUP_LOOK,
	.brief = "where every resident byte is; adds up to RSS",
	.text = "All mapped memory by who has it. malloc's rows tell blocks in use from "
		"free ones by where they are kept, and what malloc needs for itself; "
		"used by "
		"objects is what Python's have. obmalloc's are Python's small blocks; "
		"its "
		"overhead is heads, and room not cut into blocks yet. Of "
		"files, private is what the process wrote to and has alone, shared is "
		"the "
		"page cache, which others may have too.",
	.example = "summary 1234",
	.example_text = "the first thing to look at",
	.flags = COMMAND_FORMATS | COMMAND_ROWS | COMMAND_TARGET,
	.args = summary_args,
	.nargs = countof(summary_args),
	.args_size = sizeof(struct summary_args),
	.columns = summary_columns,
	.ncolumns = countof(summary_columns),
	.sort = "resident",
	.limit = 20,
	.run = summary_run,
};
