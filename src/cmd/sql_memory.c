/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of memory and of the process: blocks, regions, arenas, threads, findings. */
#include "cmd/sql_int.h"

static const struct model *model_of(const void *source)
{
	return ((const struct sql_rows *)source)->nodes.m;
}

/* ---- blocks ---- */

static size_t blocks_count(const struct model *m)
{
	size_t n = m->blocks.n;

	for (size_t s = 0; s < m->slabs.n; s++)
		n += m->slabs.count[s];
	return n;
}

static size_t blocks_begin(const void *source)
{
	struct sql_rows *r = (struct sql_rows *)source;
	struct block_pick *pick = &r->worked_out->blocks;

	block_pick_release(pick);
	block_pick_build(r->nodes.m, BLOCKS_ALL, pick);
	r->like = r->nodes.m;
	r->pick = pick->rows;
	return pick->n;
}

/* ---- regions and pages ---- */

static struct cell get_region_size(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return cell_number(m->regions.end[row] - m->regions.start[row]);
}

static struct cell get_region_prot(const void *source, size_t row, struct buf *scratch)
{
	unsigned prot = model_of(source)->regions.prot[row];

	buf_char(scratch, prot & PROT_R ? 'r' : '-');
	buf_char(scratch, prot & PROT_W ? 'w' : '-');
	buf_char(scratch, prot & PROT_X ? 'x' : '-');
	buf_char(scratch, prot & PROT_SHARED ? 's' : 'p');
	return cell_text(buf_view(scratch));
}

static struct cell get_region_kind(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(str_of(region_kind_name(model_of(source)->regions.kind[row])));
}

static bool knows_residency(const struct model *m)
{
	return m->processes.n > 0 && !m->processes.no_residency[0];
}

static struct cell get_resident(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return knows_residency(m) ? cell_number(m->regions.resident[row]) : cell_absent();
}

static struct cell get_swapped(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return knows_residency(m) ? cell_number(m->regions.swapped[row]) : cell_absent();
}

static const struct sql_column regions_columns[] = {
	{ "start", COLUMN_ADDRESS, NULL, NULL, "first address", QUERY_IN_ORDER },
	{ "end", COLUMN_ADDRESS, NULL, NULL, "first address behind it", 0 },
	{ "size", COLUMN_BYTES, get_region_size, NULL, "bytes mapped", 0 },
	{ "resident", COLUMN_BYTES, get_resident, NULL, "of them in RAM", 0 },
	{ "swapped", COLUMN_BYTES, get_swapped, NULL, "of them swapped out", 0 },
	{ "prot", COLUMN_TEXT, get_region_prot, NULL, "rw-p, as maps has it", 0 },
	{ "kind", COLUMN_TEXT, get_region_kind, NULL,
	  "anonymous, heap, mmapped, stack, file, shared, special, hugetlb, device", 0 },
	{ "offset", COLUMN_NUMBER, NULL, NULL, "in the file", 0 },
	{ "inode", COLUMN_NUMBER, NULL, NULL, "of the file", 0 },
	{ "name", COLUMN_PATH, NULL, NULL, "path of the file, or [heap]", 0 },
};

static struct cell get_page_size(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(model_of(source)->pages.count[row] * PAGE_SIZE_4K);
}

static struct cell get_page_state(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(str_of(page_state_name(model_of(source)->pages.state[row])));
}

static const struct sql_column pages_columns[] = {
	{ "start", COLUMN_ADDRESS, NULL, NULL, "of the first", QUERY_IN_ORDER },
	{ "count", COLUMN_COUNT, NULL, NULL, "how many, of 4 KiB", 0 },
	{ "size", COLUMN_BYTES, get_page_size, NULL, "bytes of all of them", 0 },
	{ "state", COLUMN_TEXT, get_page_state, NULL,
	  "resident, file (in RAM, a file's), zero, swapped, slack (in RAM and all "
	  "zeroes, for the huge page around it is)",
	  0 },
};

/* ---- modules ---- */

static const struct sql_column modules_columns[] = {
	{ "start", COLUMN_ADDRESS, NULL, NULL, "first address", QUERY_IN_ORDER },
	{ "end", COLUMN_ADDRESS, NULL, NULL, "first address behind it", 0 },
	{ "bias", COLUMN_ADDRESS, NULL, NULL, "address in memory minus that in the file",
	  0 },
	{ "path", COLUMN_PATH, NULL, NULL, "the file", 0 },
	{ "build_id", COLUMN_TEXT, NULL, NULL, "the hash its linker gave it", 0 },
};

/* ---- arenas, bins, heaps, pools, slabs ---- */

static size_t arenas_about(const struct model *m)
{
	return m->arenas.n + 2;
}

static size_t arenas_begin(const void *source)
{
	struct sql_rows *r = (struct sql_rows *)source;
	struct arena_rows *rows = &r->worked_out->arenas;

	arena_rows_release(rows);
	arenas_build(r->nodes.m, rows);
	r->like = rows;
	return rows->n;
}

static struct cell get_bin_kind(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(str_of(bin_kind_name(model_of(source)->bins.kind[row])));
}

static struct cell get_bin_arena(const void *source, size_t row, struct buf *scratch)
{
	uint16_t arena = model_of(source)->bins.arena[row];

	(void)scratch;
	return arena == BIN_OF_THREAD ? cell_absent() : cell_number(arena);
}

static struct cell get_bin_tid(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);
	uint32_t thread = m->bins.thread[row];

	(void)scratch;
	return thread ? cell_number(m->threads.tid[thread - 1]) : cell_absent();
}

static const char *bins_missing(const struct model *m)
{
	return arena_bins_are_missing(m) ? "the snapshot does not have them: it was "
					   "written by an older heapsift"
					 : NULL;
}

static const struct sql_column bins_columns[] = {
	{ "kind", COLUMN_TEXT, get_bin_kind, NULL,
	  "tcache, fastbin, unsorted, small, large", 0 },
	{ "arena", COLUMN_NUMBER, get_bin_arena, NULL, "whose it is; NULL: a thread's",
	  0 },
	{ "tid", COLUMN_NUMBER, get_bin_tid, NULL, "of a cache: its thread", 0 },
	{ "low", COLUMN_NUMBER, NULL, NULL, "the least chunk it is for; NULL: any",
	  SQL_ZERO_IS_ABSENT },
	{ "high", COLUMN_NUMBER, NULL, NULL, "and the largest; NULL: no end",
	  SQL_ZERO_IS_ABSENT },
	{ "count", COLUMN_COUNT, NULL, NULL, "chunks in it", 0 },
	{ "bytes", COLUMN_BYTES, NULL, NULL, "of these, headers included", 0 },
};

static struct cell get_heap_size(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return cell_number(m->heaps.end[row] - m->heaps.start[row]);
}

static const struct sql_column heaps_columns[] = {
	{ "start", COLUMN_ADDRESS, NULL, NULL, "first address", 0 },
	{ "end", COLUMN_ADDRESS, NULL, NULL, "first address behind it", 0 },
	{ "size", COLUMN_BYTES, get_heap_size, NULL, "bytes", 0 },
	{ "arena", COLUMN_NUMBER, NULL, NULL, "whose it is", 0 },
};

static struct cell get_pool_size(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return cell_number(m->pools.end[row] - m->pools.start[row]);
}

static const struct sql_column pools_columns[] = {
	{ "start", COLUMN_ADDRESS, NULL, NULL, "first address", QUERY_IN_ORDER },
	{ "end", COLUMN_ADDRESS, NULL, NULL, "first address behind it", 0 },
	{ "size", COLUMN_BYTES, get_pool_size, NULL, "bytes", 0 },
	{ "allocator", COLUMN_TEXT, NULL, NULL, "who cuts it: obmalloc", 0 },
};

static struct cell get_slab_pool(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return cell_number(m->pools.start[m->slabs.pool[row]]);
}

static struct cell get_slab_used(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);
	uint64_t n = 0;

	(void)scratch;
	for (uint32_t i = 0; i < m->slabs.count[row]; i++)
		n += slab_block_is_used(m, row, i);
	return cell_number(n);
}

static const struct sql_column slabs_columns[] = {
	{ "start", COLUMN_ADDRESS, NULL, NULL, "of the first block", QUERY_IN_ORDER },
	{ "block_size", COLUMN_BYTES, NULL, NULL, "of each block", 0 },
	{ "count", COLUMN_COUNT, NULL, NULL, "how many blocks", 0 },
	{ "used", COLUMN_COUNT, get_slab_used, NULL, "of them in use", 0 },
	{ "pool", COLUMN_ADDRESS, get_slab_pool, NULL, "start of the pool it lies in",
	  0 },
};

/* ---- threads ---- */

static struct cell get_frame_tid(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);
	uint32_t thread = m->frames.thread[row];

	(void)scratch;
	return thread ? cell_number(m->threads.tid[thread - 1]) : cell_absent();
}

static const struct sql_column threads_columns[] = {
	{ "tid", COLUMN_NUMBER, NULL, NULL, "the kernel's number", 0 },
	{ "name", COLUMN_TEXT, NULL, NULL, "the kernel's name", 0 },
	{ "pc", COLUMN_ADDRESS, NULL, NULL, "where it was", 0 },
	{ "sp", COLUMN_ADDRESS, NULL, NULL, "end of its stack in use", 0 },
	{ "tls", COLUMN_ADDRESS, NULL, NULL, "of its thread-local variables",
	  SQL_ZERO_IS_ABSENT },
	{ "stack_start", COLUMN_ADDRESS, NULL, NULL, "its stack", SQL_ZERO_IS_ABSENT },
	{ "stack_end", COLUMN_ADDRESS, NULL, NULL, "and its end", SQL_ZERO_IS_ABSENT },
};

static const struct sql_column frames_columns[] = {
	{ "tid", COLUMN_NUMBER, get_frame_tid, NULL, "of its thread", 0 },
	{ "depth", COLUMN_NUMBER, NULL, NULL, "0: the newest", 0 },
	{ "function", COLUMN_TEXT, NULL, NULL, "its qualified name", 0 },
	{ "file", COLUMN_PATH, NULL, NULL, "where that is", 0 },
	{ "line", COLUMN_NUMBER, NULL, NULL, "that it was at", SQL_ZERO_IS_ABSENT },
};

/* ---- the process, findings, evidence ---- */

static struct cell get_severity(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(str_of(severity_name(model_of(source)->findings.severity[row])));
}

static struct cell get_target_kind(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(str_of(target_kind_name(model_of(source)->processes.kind[row])));
}

static const struct sql_column process_columns[] = {
	{ "pid", COLUMN_NUMBER, NULL, NULL, "its number", SQL_ZERO_IS_ABSENT },
	{ "source", COLUMN_TEXT, get_target_kind, NULL, "live, core, snapshot", 0 },
	{ "exe", COLUMN_PATH, NULL, NULL, "its program", 0 },
	{ "allocator", COLUMN_TEXT, NULL, NULL, "and its version", 0 },
	{ "python", COLUMN_TEXT, NULL, NULL, "the interpreter and its version", 0 },
	{ "label", COLUMN_TEXT, NULL, NULL, "of dump --label", 0 },
	{ "time", COLUMN_NUMBER, NULL, NULL, "seconds since 1970", SQL_ZERO_IS_ABSENT },
	{ "rss", COLUMN_BYTES, NULL, NULL, "resident bytes", SQL_ZERO_IS_ABSENT },
};

static const struct sql_column findings_columns[] = {
	{ "severity", COLUMN_TEXT, get_severity, NULL, "note, warning, damage", 0 },
	{ "place", COLUMN_TEXT, NULL, "where", "what it is about", 0 },
	{ "text", COLUMN_TEXT, NULL, NULL, "what was found", 0 },
};

static const struct sql_column evidence_columns[] = {
	{ "item", COLUMN_TEXT, NULL, NULL, "what was asked", 0 },
	{ "answer", COLUMN_TEXT, NULL, NULL, "what it is", 0 },
	{ "evidence", COLUMN_TEXT, NULL, NULL, "how that is known", 0 },
	{ "cure", COLUMN_TEXT, NULL, NULL, "what would help", 0 },
};

#define COLUMNS(table, list) \
	.rows = TABLE_##table, .columns = (list), .ncolumns = countof(list)

const struct sql_table sql_memory_tables[] = {
	{ .name = "blocks",
	  .help = "blocks of malloc and obmalloc, in use and free: the rows of 'blocks'",
	  .needs = SQL_PREVIEWS,
	  .rows = TABLE_blocks,
	  .like = &cmd_blocks,
	  .count = blocks_count,
	  .begin = blocks_begin },
	{ .name = "arenas",
	  .help = "what allocators hold, added up: the rows of 'arenas'",
	  .rows = TABLE_arenas,
	  .like = &cmd_arenas,
	  .count = arenas_about,
	  .begin = arenas_begin },
	{ .name = "bins",
	  .help = "malloc's lists of free chunks",
	  COLUMNS(bins, bins_columns),
	  .missing = bins_missing },
	{ .name = "heaps",
	  .help = "pieces that arenas of malloc have",
	  COLUMNS(heaps, heaps_columns) },
	{ .name = "pools",
	  .help = "memory that another allocator than malloc cuts up",
	  COLUMNS(pools, pools_columns) },
	{ .name = "slabs",
	  .help = "their runs of equal blocks",
	  COLUMNS(slabs, slabs_columns) },
	{ .name = "regions",
	  .help = "mapped ranges of addresses",
	  COLUMNS(regions, regions_columns) },
	{ .name = "pages",
	  .help = "runs of pages in one state",
	  .needs = SQL_SLACK,
	  COLUMNS(pages, pages_columns) },
	{ .name = "modules",
	  .help = "programs and libraries",
	  COLUMNS(modules, modules_columns) },
	{ .name = "threads",
	  .help = "threads of the kernel",
	  COLUMNS(threads, threads_columns) },
	{ .name = "frames",
	  .help = "functions that Python threads are in",
	  .needs = SQL_EDGES,
	  COLUMNS(frames, frames_columns) },
	{ .name = "process",
	  .help = "the process, one row",
	  COLUMNS(processes, process_columns) },
	{ .name = "findings",
	  .help = "what was noticed while it was read",
	  COLUMNS(findings, findings_columns) },
	{ .name = "evidence",
	  .help = "what is known of it, and how",
	  COLUMNS(evidence, evidence_columns) },
};
const size_t sql_nmemory_tables = countof(sql_memory_tables);
