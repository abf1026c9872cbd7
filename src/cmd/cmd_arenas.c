/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Four tables of allocators, one at a time. They share columns, and so sorting, filtering
 * and their names; what a table has nothing to say to is absent in all of its rows.
 */
#include "cmd/cmd.h"

#include "analysis/analysis.h"

struct arenas_args {
	const char *target;
	bool bins, obmalloc, classes;
};

static const struct arena_row *row_at(const void *source, size_t row)
{
	return &((const struct arena_rows *)source)->rows[row];
}

static struct cell get_kind(const void *source, size_t row, struct buf *scratch)
{
	const char *kind = row_at(source, row)->kind;

	(void)scratch;
	return kind ? cell_text(str_of(kind)) : cell_absent();
}

/* The rest are members of the row. */
#define GET(member) \
	static struct cell get_##member(const void *source, size_t row, \
					struct buf *scratch) \
	{ \
		uint64_t value = row_at(source, row)->member; \
\
		(void)scratch; \
		return value == NOT_TOLD ? cell_absent() : cell_number(value); \
	}
GET(arena)
GET(tid)
GET(addr)
GET(block_size)
GET(low)
GET(high)
GET(heaps)
GET(slabs)
GET(slabs_free)
GET(count)
GET(count_free)
GET(bytes)
GET(system)
GET(used)
GET(free)
GET(resident)
GET(fragmentation)
GET(top)
GET(bins)
GET(fastbin)
GET(tcache)
GET(overhead)
GET(mmapped)

/* That of a malloc_state is for gdb. */
static struct cell get_address(const void *source, size_t row, struct buf *scratch)
{
	return row_at(source, row)->kind ? cell_absent() : get_addr(source, row, scratch);
}

static struct cell get_holes(const void *source, size_t row, struct buf *scratch)
{
	uint64_t value = row_at(source, row)->fragmentation;

	if (value == NOT_TOLD)
		return cell_absent();
	percent_show(scratch, value, 1000);
	return cell_text(buf_view(scratch));
}

static const struct column arenas_columns[] = {
	{ "arena", COLUMN_NUMBER, 0, get_arena,
	  "its number; malloc's ring begins with 0" },
	{ "kind", COLUMN_TEXT, 0, get_kind,
	  "main, thread, mmapped, obmalloc; of a list tcache, fastbin, unsorted, small, "
	  "large" },
	{ "tid", COLUMN_NUMBER, 0, get_tid, "the thread whose tcache it is" },
	{ "addr", COLUMN_ADDRESS, COLUMN_NOT_TEXT, get_addr,
	  "of malloc's record of it, its malloc_state; of obmalloc's the arena itself" },
	{ "address", COLUMN_ADDRESS, COLUMN_TEXT_ONLY, get_address,
	  "of an arena of obmalloc's" },
	{ "block_size", COLUMN_COUNT, 0, get_block_size, "bytes of each block" },
	{ "low", COLUMN_COUNT, 0, get_low, "the least chunk that goes into the list" },
	{ "high", COLUMN_COUNT, 0, get_high, "the largest" },
	{ "heaps", COLUMN_COUNT, 0, get_heaps,
	  "contiguous pieces of it; of obmalloc's row its arenas" },
	{ "slabs", COLUMN_COUNT, 0, get_slabs,
	  "runs of equal blocks, of which some are in use (CPython's pools)" },
	{ "slabs_free", COLUMN_COUNT, 0, get_slabs_free, "room for so many more" },
	{ "count", COLUMN_COUNT, COLUMN_TOTAL, get_count,
	  "chunks in the list; of obmalloc blocks in use" },
	{ "count_free", COLUMN_COUNT, COLUMN_TOTAL, get_count_free,
	  "free blocks in its slabs" },
	{ "bytes", COLUMN_BYTES, COLUMN_TOTAL, get_bytes, "of the chunks in the list" },
	{ "system", COLUMN_BYTES, COLUMN_TOTAL | COLUMN_IF_ROOM, get_system,
	  "had from the system: used + free + overhead" },
	{ "used", COLUMN_BYTES, COLUMN_TOTAL, get_used, "handed out, with headers" },
	{ "free", COLUMN_BYTES, COLUMN_TOTAL, get_free,
	  "of malloc: top, bins, fastbins and tcache; of obmalloc: in slabs in use, and "
	  "slabs" },
	{ "resident", COLUMN_BYTES, COLUMN_TOTAL, get_resident, "in RAM" },
	{ "fragmentation", COLUMN_NUMBER, COLUMN_NOT_TEXT, get_fragmentation,
	  "free between blocks in use, thousandths of system: bins, fastbins and tcache; "
	  "free blocks in slabs in use" },
	{ "holes", COLUMN_TEXT, COLUMN_TEXT_ONLY | COLUMN_IF_ROOM, get_holes,
	  "fragmentation, in percent" },
	{ "top", COLUMN_BYTES, COLUMN_IF_ROOM, get_top,
	  "of free: the rest at its end, which malloc can give back" },
	{ "bins", COLUMN_BYTES, COLUMN_IF_ROOM, get_bins, "of free: in bins" },
	{ "fastbin", COLUMN_BYTES, COLUMN_IF_ROOM | COLUMN_NOT_ZERO, get_fastbin,
	  "of free: in fastbins" },
	{ "tcache", COLUMN_BYTES, COLUMN_IF_ROOM, get_tcache,
	  "of free: in threads' caches" },
	{ "overhead", COLUMN_BYTES, COLUMN_IF_ROOM, get_overhead,
	  "the allocator's own: records, heads, fences, what fits no block" },
	{ "mmapped", COLUMN_BYTES, COLUMN_NOT_TEXT, get_mmapped,
	  "of system: in blocks that have mappings of their own" },
};

static const struct opt arenas_opts[] = {
	OPT_FLAG(0, "bins", struct arenas_args, bins,
		 "malloc's lists of free chunks: bins of each arena, each thread's "
		 "tcache"),
	OPT_FLAG(0, "obmalloc", struct arenas_args, obmalloc,
		 "arenas of CPython's own allocator, those that fewest bytes hold first"),
	OPT_FLAG(0, "classes", struct arenas_args, classes, "its blocks by size"),
};

static const struct opt arenas_args[] = {
	ARG_STRING("TARGET", struct arenas_args, target, OFFER_TARGET, TARGET_HELP),
};

static bool arenas_check(const void *args, struct err *e)
{
	const struct arenas_args *a = args;

	return a->bins + a->obmalloc + a->classes <= 1 ||
	       fail(e, ERR_USAGE,
		    "arenas: one of --bins, --obmalloc and --classes at a time");
}

static void rows_build(struct model *m, const struct arenas_args *a,
		       struct arena_rows *out)
{
	if (a->bins)
		arena_bins_build(m, out);
	else if (a->obmalloc)
		arena_pools_build(m, out);
	else if (a->classes)
		arena_classes_build(m, out);
	else
		arenas_build(m, out);
}

/* Why there are no rows, where collecting had no reason to say so. */
static void say_missing(struct model *m, const struct arenas_args *a)
{
	if ((a->obmalloc || a->classes) && m->pools.n == 0)
		model_find_out(m, SEVERITY_NOTE, "obmalloc",
			       "there is none: no Python is here that we can read, or it "
			       "runs with PYTHONMALLOC=malloc");
	if (a->bins && arena_bins_are_missing(m))
		model_find_out(m, SEVERITY_NOTE, "bins",
			       "the snapshot does not have them: it was written by an "
			       "older heapsift");
}

static bool arenas_run(struct context *cx, const void *args, struct sink *out,
		       struct err *e)
{
	const struct arenas_args *a = args;
	const struct collect_options needs = { 0 };
	struct arena_rows rows;
	bool ok;

	if (!context_open(cx, a->target, &needs, e))
		return false;
	say_missing(cx->model, a);
	rows_build(cx->model, a, &rows);
	ok = context_report(
		cx, &(struct report){ .table = { .source = &rows, .nrows = rows.n } },
		out, e);
	arena_rows_release(&rows);
	return ok;
}

const struct command cmd_arenas = {
	.name = "arenas",
	.group = GROUP_LOOK,
	.brief = "what allocators hold: used, free, fragmented",
	.text = "One row for each arena of malloc, the largest first; then one for all "
		"blocks that have a mapping of their own, and one for obmalloc, "
		"CPython's "
		"allocator of small blocks. The rows add up: no byte is in two.\n\n"
		"Holes are what is free between blocks in use, as a share of what the "
		"arena has from the system. malloc reuses them for what fits, but does "
		"not give them back by itself; what is in top it can. Many arenas with "
		"much free in each are what MALLOC_ARENA_MAX is for.\n\n"
		"--bins shows where free chunks wait: in bins of their arena, or in the "
		"tcache of a thread, which holds chunks of any arena. Sizes are those of "
		"chunks, headers included. --obmalloc shows how few blocks can hold an "
		"arena of CPython's: it goes back to the system when its last block "
		"does. --classes shows which sizes of blocks leave room unused.",
	.example = "arenas 1234 --bins",
	.example_text = "what sizes the free chunks have",
	.flags = COMMAND_FORMATS | COMMAND_ROWS | COMMAND_TARGET,
	.args = arenas_args,
	.nargs = countof(arenas_args),
	.opts = arenas_opts,
	.nopts = countof(arenas_opts),
	.args_size = sizeof(struct arenas_args),
	.columns = arenas_columns,
	.ncolumns = countof(arenas_columns),
	.limit = 20,
	.check = arenas_check,
	.run = arenas_run,
};
