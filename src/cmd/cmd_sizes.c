/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "analysis/analysis.h"

struct sizes_args {
	const char *target;
};

static const struct size_row *row_at(const void *source, size_t row)
{
	return &((const struct sizes *)source)->rows[row];
}

static struct cell get_size(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->size);
}

static struct cell get_count(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->count);
}

static struct cell get_bytes(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->bytes);
}

static const struct column sizes_columns[] = {
	{ "size", COLUMN_COUNT, 0, get_size,
	  "bytes of a chunk, header and rounding included; of a mmapped one its "
	  "mapping's" },
	{ "count", COLUMN_COUNT, COLUMN_TOTAL, get_count, "chunks in use" },
	{ "bytes", COLUMN_BYTES, COLUMN_TOTAL, get_bytes, "all of them together" },
};

static const struct opt sizes_args[] = {
	ARG_STRING("TARGET", struct sizes_args, target, OFFER_TARGET, TARGET_HELP),
};

static bool sizes_run(struct context *cx, const void *args, struct sink *out,
		      struct err *e)
{
	const struct sizes_args *a = args;
	const struct collect_options needs = { 0 };
	struct sizes s;
	bool ok;

	if (!context_open(cx, a->target, &needs, e))
		return false;
	sizes_build(cx->model, &s);
	ok = context_report(
		cx, &(struct report){ .table = { .source = &s, .nrows = s.n } }, out, e);
	sizes_release(&s);
	return ok;
}

const struct command cmd_sizes = {
	.name = "sizes",
	.group = GROUP_LOOK,
	.brief = "blocks in use by chunk size",
	.text = "How many chunks malloc has handed out of each size, in all arenas and "
		"in "
		"mappings of their own. A chunk is a block with its header, rounded up "
		"to 16 bytes: malloc(1000) takes one of 1,008. One size that stands out "
		"is one type of object, or one buffer, that is there too often: blocks "
		"and top show what is in them. What another allocator takes from malloc "
		"to cut it up is one chunk here; see arenas --classes for CPython's.",
	.example = "sizes 1234 --sort count",
	.example_text = "the sizes of which there are most",
	.flags = COMMAND_FORMATS | COMMAND_ROWS | COMMAND_TARGET,
	.args = sizes_args,
	.nargs = countof(sizes_args),
	.args_size = sizeof(struct sizes_args),
	.columns = sizes_columns,
	.ncolumns = countof(sizes_columns),
	.sort = "bytes",
	.limit = 20,
	.run = sizes_run,
};
