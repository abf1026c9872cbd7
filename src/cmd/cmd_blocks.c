/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/compare_int.h"
#include "cmd/graph_int.h"

struct blocks_args {
	const char *target;
	bool used, free, all;
	struct since_args since;
};

static struct block_view view_of(const struct model *m, size_t row)
{
	struct block_view v;

	block_view(m, (uint32_t)row, &v);
	return v;
}

static bool is_of_slab(const struct model *m, size_t row)
{
	return row >= m->blocks.n;
}

static struct cell get_addr(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(view_of(source, row).addr);
}

static struct cell get_size(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(view_of(source, row).size);
}

static struct cell get_footprint(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(view_of(source, row).footprint);
}

/* "obmalloc-free", or the state that malloc's block is in. */
static struct cell get_state(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;
	struct block_view v;

	if (!is_of_slab(m, row))
		return cell_text(str_of(block_state_name(m->blocks.state[row])));
	v = view_of(m, row);
	if (v.is_used)
		return cell_text(str_of(block_state_name(BLOCK_USED)));
	buf_add(scratch, v.pool.s, v.pool.n);
	buf_str(scratch, "-free");
	return cell_text(buf_view(scratch));
}

static struct cell get_allocator(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;
	struct str name = is_of_slab(m, row) ? view_of(m, row).pool : allocator_name(m);

	(void)scratch;
	return name.n ? cell_text(name) : cell_absent();
}

static struct cell get_arena(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	if (is_of_slab(m, row) || m->blocks.arena[row] == BLOCK_MMAPPED)
		return cell_absent();
	return cell_number(m->blocks.arena[row]);
}

/* Of a block in use that is an object's memory, the object's; of no other slab block. */
static uint32_t type_of(const struct model *m, size_t row)
{
	struct block_view v = view_of(m, row);

	if (v.owner != NO_NODE)
		return node_type(m, v.owner);
	return v.is_used && !is_of_slab(m, row) ? m->blocks.type[row] : UINT32_MAX;
}

/* One of the three words of a block in use. */
static struct cell type_word(const struct model *m, size_t row, const uint32_t *words)
{
	uint32_t type = type_of(m, row);

	if (type >= m->types.n)
		return cell_absent();
	return cell_text(model_text(m, words[type]));
}

static struct cell get_owner(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;
	uint32_t owner = view_of(m, row).owner;

	(void)scratch;
	return owner == NO_NODE ? cell_absent() : cell_number(node_addr(m, owner));
}

static struct cell get_domain(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return type_word(m, row, m->types.domain);
}

static struct cell get_kind(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return type_word(m, row, m->types.kind);
}

/* Of a part its name, "items"; else the type's. */
static struct cell get_detail(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;
	struct block_view v = view_of(m, row);
	size_t part = m->parts.n;

	(void)scratch;
	if (v.owner != NO_NODE && model_node_at(m, v.addr, &part) == v.owner &&
	    part < m->parts.n)
		return cell_text(model_text(m, m->labels.name[m->parts.label[part]]));
	return type_word(m, row, m->types.detail);
}

/* The three words in one, for people: "c++ shop::Order", "dict entries". Of what has no
 * kind the detail is its size, which stands beside it. */
static struct cell get_what(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;
	uint32_t type = type_of(m, row);
	struct str detail = get_detail(source, row, scratch).text;

	type_show(m, type, scratch);
	if (type < m->types.n && m->types.kind[type] && detail.n) {
		buf_char(scratch, ' ');
		buf_add(scratch, detail.s, detail.n);
	}
	return scratch->n ? cell_text(buf_view(scratch)) : cell_absent();
}

static struct cell get_preview(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;
	uint64_t words[2];
	size_t n;

	if (m->previews.n != m->blocks.n || is_of_slab(m, row) ||
	    m->blocks.state[row] == BLOCK_TOP)
		return cell_absent();
	words[0] = m->previews.low[row];
	words[1] = m->previews.high[row];
	n = min_u64(sizeof(words), m->blocks.size[row]);
	for (size_t i = 0; i < n; i++) {
		uint8_t byte = (uint8_t)(words[i / 8] >> i % 8 * 8);

		buf_char(scratch, byte >= ' ' && byte <= '~' ? (char)byte : '.');
	}
	return cell_text(buf_view(scratch));
}

static const struct column blocks_columns[] = {
	{ "addr", COLUMN_ADDRESS, 0, get_addr, "what malloc returned" },
	{ "size", COLUMN_BYTES, 0, get_size, "usable bytes" },
	{ "footprint", COLUMN_BYTES, COLUMN_IF_ROOM, get_footprint,
	  "with header and rounding" },
	{ "state", COLUMN_TEXT, 0, get_state,
	  "used; free in tcache, fastbin or bin; top; fence (malloc's own); "
	  "obmalloc-free" },
	{ "allocator", COLUMN_TEXT, COLUMN_NOT_TEXT, get_allocator, "whose it is" },
	{ "arena", COLUMN_NUMBER, 0, get_arena,
	  "its arena; absent if mmapped, or obmalloc's" },
	{ "domain", COLUMN_TEXT, COLUMN_NOT_TEXT, get_domain,
	  "who made it: c, c++, uncategorized" },
	{ "kind", COLUMN_TEXT, COLUMN_NOT_TEXT, get_kind,
	  "what it is: a class, string data" },
	{ "detail", COLUMN_TEXT, COLUMN_NOT_TEXT, get_detail, "more about it" },
	{ "what", COLUMN_NAME, COLUMN_TEXT_ONLY, get_what, "these three in one" },
	{ "owner", COLUMN_ADDRESS, COLUMN_IF_ROOM | COLUMN_NOT_ZERO, get_owner,
	  "the object in whose memory it lies" },
	{ "preview", COLUMN_TEXT, 0, get_preview,
	  "its first bytes, a dot for what is not printable ASCII" },
};

static const struct opt blocks_opts[] = {
	OPT_FLAG(0, "used", struct blocks_args, used, "blocks in use (the default)"),
	OPT_FLAG(0, "free", struct blocks_args, free,
		 "free ones: tcache, fastbin, bin, top"),
	OPT_FLAG(0, "all", struct blocks_args, all, "both, and malloc's own fenceposts"),
	SINCE_OPTS(struct blocks_args),
};

static const struct opt blocks_args[] = {
	ARG_STRING("TARGET", struct blocks_args, target, OFFER_TARGET, TARGET_HELP),
};

static enum block_choice choice_of(const struct blocks_args *a)
{
	if (a->all || (a->used && a->free))
		return BLOCKS_ALL;
	return a->free ? BLOCKS_FREE : BLOCKS_USED;
}

static bool blocks_run(struct context *cx, const void *args, struct sink *out,
		       struct err *e)
{
	const struct blocks_args *a = args;
	const struct collect_options needs = {
		.previews = true, .values = a->since.new_since || a->since.still_in
	};
	struct block_pick pick;
	struct since since;
	bool ok;

	if (!context_open(cx, a->target, &needs, e))
		return false;
	ok = since_open(cx, &a->since, &since, e);
	if (ok) {
		struct report r = { .table = { .source = cx->model } };

		block_pick_build(cx->model, choice_of(a), &pick);
		since_keep_blocks(cx, &a->since, &since, &pick);
		r.table.pick = pick.rows;
		r.table.nrows = pick.n;
		since_tell(&since, &r);
		ok = context_report(cx, &r, out, e);
		block_pick_release(&pick);
	}
	since_release(&since);
	return ok;
}

static bool blocks_check(const void *args, struct err *e)
{
	const struct blocks_args *a = args;

	return since_check(a->target, &a->since, e);
}

const struct command cmd_blocks = {
	.name = "blocks",
	.group = GROUP_LOOK,
	.brief = "blocks one by one, the largest first",
	.text = "One row for each block that malloc or obmalloc handed out or holds "
		"free; those "
		"of malloc's that obmalloc cuts up are told by their pieces. --sort addr "
		"gives "
		"them as they lie in memory.",
	.example = "blocks 1234 --free --csv",
	.example_text = "every free block, for a spreadsheet",
	.flags = COMMAND_FORMATS | COMMAND_ROWS | COMMAND_TARGET,
	.args = blocks_args,
	.nargs = countof(blocks_args),
	.opts = blocks_opts,
	.nopts = countof(blocks_opts),
	.args_size = sizeof(struct blocks_args),
	.columns = blocks_columns,
	.ncolumns = countof(blocks_columns),
	.sort = "size",
	.limit = 20,
	.check = blocks_check,
	.run = blocks_run,
};
