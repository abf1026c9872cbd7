/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/summary_int.h"

#include "analysis/analysis.h"

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

/* Slack is no range of its own: its bytes are in the rows of those who have it. */
static struct cell get_bytes(const void *source, size_t row, struct buf *scratch)
{
	uint64_t bytes = row_at(source, row)->bytes;

	(void)scratch;
	return bytes ? cell_number(bytes) : cell_absent();
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

static const struct opt summary_opts[] = {
	OPT_FLAG(0, "pins", struct summary_args, pins,
		 "blocks that keep free memory resident, and what would bring it back"),
};

static const struct command *summary_variant(const void *args)
{
	return ((const struct summary_args *)args)->pins ? &summary_pins : NULL;
}

static bool summary_run(struct context *cx, const void *args, struct sink *out,
			struct err *e)
{
	const struct summary_args *a = args;
	const struct collect_options needs = { .huge_slack = true };
	struct report_fact rss = { .name = "rss", .type = COLUMN_BYTES };
	struct summary s;
	bool ok;

	if (!context_open(cx, a->target, &needs, e))
		return false;
	if (cx->model->processes.n > 0)
		rss.value = cx->model->processes.rss[0];
	if (!model_knows_residency(cx->model) && !cx->shared.sort &&
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
	.text = "All mapped memory by who has it; each resident byte is in one row. "
		"malloc's "
		"rows tell blocks in use from free ones by where those are kept, and "
		"what "
		"malloc needs for itself: the headers of blocks in use, the records of "
		"its "
		"arenas. Used by objects is what Python's have; obmalloc's are Python's "
		"small blocks, its arena overhead heads, and room not cut into blocks "
		"yet."
		"\n\n"
		"Rounding is what blocks are larger than what was asked for. It is known "
		"of "
		"objects and their parts; of other blocks malloc keeps no record of it, "
		"so "
		"there it is in used."
		"\n\n"
		"Of a thread's stack what lies below its stack pointer is unused, though "
		"it "
		"may be resident; of no thread are stacks that glibc keeps for threads "
		"to "
		"come. tls is thread-local variables and libc's record of the thread."
		"\n\n"
		"Of files, private is what the process wrote to and has alone, shared is "
		"the "
		"page cache, which others may have too. Huge pages that were set aside "
		"(hugetlb) and devices' memory do not count in RSS: they have bytes "
		"alone."
		"\n\n"
		"Huge-page slack is pages of zeroes that are in RAM because a "
		"transparent "
		"huge page covers them; their bytes are in the rows of those who have "
		"them, "
		"and are resident in this one only. What a running process got between "
		"the "
		"snapshot and the count of its pages is in since the snapshot. "
		"Unexplained is private memory that "
		"neither malloc, nor an interpreter, nor anything else known here has: "
		"that "
		"of other allocators, and what the program maps for itself.",
	.example = "summary 1234",
	.example_text = "the first thing to look at",
	.flags = COMMAND_FORMATS | COMMAND_ROWS | COMMAND_TARGET,
	.args = summary_args,
	.nargs = countof(summary_args),
	.opts = summary_opts,
	.nopts = countof(summary_opts),
	.args_size = sizeof(struct summary_args),
	.columns = summary_columns,
	.ncolumns = countof(summary_columns),
	.sort = "resident",
	.limit = 20,
	.variant = summary_variant,
	.run = summary_run,
};
