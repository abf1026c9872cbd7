/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `summary --pins`: what the allocators have free and the system does not have back. First
 * what would bring it back and how much that is, then the blocks that keep the rest.
 */
#include "cmd/graph_int.h"
#include "cmd/summary_int.h"

#include <stdlib.h>

enum { FACTS_MOST = 5 };

struct pins_source {
	const struct model *m;
	struct pins pins;
	struct trim trim;
	struct holder_search holders;
};

static void holder_show(const struct pins_source *s, uint32_t node, struct buf *out)
{
	const struct model *m = s->m;
	uint32_t holder = holder_find(&s->holders, node);
	uint32_t root = name_of_holder(&s->holders, holder);

	if (root != NO_NODE)
		root_show_shortly(m, root, out);
	else if (!dominator_is_group(m, holder) || holder == node_count(m) + ROOTS_ALL)
		buf_str(out, "several");
	else
		group_show(m, holder - node_count(m), out);
}

/* ---- columns ---- */

static const struct pin *pin_at(const void *source, size_t row)
{
	return &((const struct pins_source *)source)->pins.rows[row];
}

static struct block_view view_at(const void *source, size_t row)
{
	const struct pins_source *s = source;
	struct block_view v;

	block_view(s->m, pin_at(source, row)->row, &v);
	return v;
}

/* Whose it is; NO_NODE: it is free in a tcache, holds a pool, or is nobody's. */
static uint32_t node_at(const void *source, size_t row)
{
	const struct pins_source *s = source;
	struct block_view v = view_at(source, row);
	uint32_t node;

	if (v.owner != NO_NODE || v.block == s->m->blocks.n)
		return v.owner;
	node = node_of_block(s->m, v.block);
	return node_is_there(s->m, node) ? node : NO_NODE;
}

static struct cell get_pinned(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(pin_at(source, row)->pinned);
}

static struct cell get_what(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(str_of(pin_what_name(pin_at(source, row)->what)));
}

static struct cell get_blocks(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(pin_at(source, row)->blocks);
}

/* Of an object that begins in the block its own. */
static struct cell get_addr(const void *source, size_t row, struct buf *scratch)
{
	const struct pins_source *s = source;
	struct block_view v = view_at(source, row);
	uint32_t node = node_at(source, row);

	(void)scratch;
	if (node != NO_NODE && node_addr(s->m, node) - v.addr < v.size)
		return cell_number(node_addr(s->m, node));
	return cell_number(v.addr);
}

static enum block_state state_of(const struct model *m, uint32_t row)
{
	return row < m->blocks.n ? m->blocks.state[row] : BLOCK_USED;
}

static struct cell get_state(const void *source, size_t row, struct buf *scratch)
{
	const struct pins_source *s = source;

	(void)scratch;
	return cell_text(
		str_of(block_state_name(state_of(s->m, pin_at(source, row)->row))));
}

static struct cell type_word(const void *source, size_t row, const uint32_t *words)
{
	const struct pins_source *s = source;
	uint32_t node = node_at(source, row);

	return node == NO_NODE
		       ? cell_absent()
		       : cell_text(model_text(s->m, words[node_type(s->m, node)]));
}

static struct cell get_domain(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return type_word(source, row,
			 ((const struct pins_source *)source)->m->types.domain);
}

static struct cell get_kind(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return type_word(source, row,
			 ((const struct pins_source *)source)->m->types.kind);
}

/* For people: what it is, in one. */
static struct cell get_type(const void *source, size_t row, struct buf *scratch)
{
	const struct pins_source *s = source;
	uint32_t node = node_at(source, row);

	if (node != NO_NODE)
		type_show(s->m, node_type(s->m, node), scratch);
	else if (state_of(s->m, pin_at(source, row)->row) == BLOCK_TCACHE)
		buf_str(scratch, "free in tcache");
	return cell_text(buf_view(scratch));
}

static struct cell get_size(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(view_at(source, row).size);
}

static struct cell get_holder(const void *source, size_t row, struct buf *scratch)
{
	const struct pins_source *s = source;
	uint32_t node = node_at(source, row);

	if (node == NO_NODE || !has_retained(s->m))
		return cell_absent();
	holder_show(s, node, scratch);
	return cell_text(buf_view(scratch));
}

static struct cell get_value(const void *source, size_t row, struct buf *scratch)
{
	const struct pins_source *s = source;
	uint32_t node = node_at(source, row);

	if (node == NO_NODE)
		return cell_absent();
	node_value(s->m, node, scratch);
	return scratch->n ? cell_text(buf_view(scratch)) : cell_absent();
}

static const struct column pins_columns[] = {
	{ "type", COLUMN_NAME, COLUMN_TEXT_ONLY, get_type, "what it is" },
	{ "pinned", COLUMN_BYTES, COLUMN_TOTAL, get_pinned,
	  "free and resident, and would go back if the blocks were freed" },
	{ "what", COLUMN_TEXT, 0, get_what,
	  "what they keep: a page, all below the top, a heap, an arena of obmalloc" },
	{ "blocks", COLUMN_COUNT, 0, get_blocks, "blocks that keep it together" },
	{ "addr", COLUMN_ADDRESS, 0, get_addr, "of the first of them" },
	{ "state", COLUMN_TEXT, COLUMN_NOT_TEXT, get_state,
	  "of that one: used, or free in a tcache" },
	{ "domain", COLUMN_TEXT, COLUMN_NOT_TEXT, get_domain, "whose it is" },
	{ "kind", COLUMN_NAME, COLUMN_NOT_TEXT, get_kind, "what it is" },
	{ "size", COLUMN_BYTES, COLUMN_IF_ROOM, get_size, "usable bytes of it" },
	{ "holder", COLUMN_PATH, 0, get_holder,
	  "the nearest thing with a name that keeps it alive alone; several: more do" },
	{ "value", COLUMN_CODE, COLUMN_IF_ROOM, get_value, "what it says, shortly" },
};

/* ---- what would bring memory back ---- */

static void amount_show(struct buf *out, uint64_t bytes, bool exact)
{
	bytes_show(out, bytes, exact);
	buf_str(out, exact ? " bytes" : "");
}

static void say_arenas(const struct pins_source *s, bool exact, struct buf *out)
{
	buf_str(out, "With one arena (MALLOC_ARENA_MAX=1) at most ");
	amount_show(out, s->trim.arenas_bound, exact);
	buf_str(out, " less would be resident, if the blocks of the other arenas lay in "
		     "the first without holes.");
}

static void say_threshold(const struct pins_source *s, bool exact, struct buf *out)
{
	buf_str(out, "With M_MMAP_THRESHOLD set to 128 KiB (now it is ");
	amount_show(out, s->m->processes.mmap_threshold[0], exact);
	if (s->trim.threshold_bound == 0) {
		buf_str(out, ") nothing less would be resident.");
		return;
	}
	buf_str(out, ") at most ");
	amount_show(out, s->trim.threshold_bound, exact);
	buf_str(out, " less would be resident, if each free chunk of that size was one "
		     "block.");
}

static bool knows_arenas(const struct pins_source *s)
{
	return s->trim.has_heap && s->trim.has_residency && s->m->arenas.n > 1;
}

static bool knows_threshold(const struct pins_source *s)
{
	return s->trim.has_heap && s->trim.has_residency && s->m->processes.n > 0 &&
	       s->m->processes.mmap_threshold[0] != 0;
}

typedef void say_fn(const struct pins_source *s, bool exact, struct buf *out);

static void paragraph(const struct pins_source *s, say_fn *say, struct sink *out)
{
	struct wrap w = { .out = out, .indent = 2, .width = out->width };
	struct buf words = { 0 };

	say(s, out->exact, &words);
	wrap_words(&w, buf_view(&words));
	sink_char(out, '\n');
	buf_release(&words);
}

static void say_trim(const struct pins_source *s, bool exact, struct buf *out)
{
	amount_show(out, s->trim.free, exact);
	buf_str(out, " of malloc's heaps is free and resident. malloc_trim(0) would give "
		     "back ");
	amount_show(out, s->trim.returned, exact);
	buf_str(out,
		" of it now; the rest shares pages with blocks in use, or is the top of "
		"an arena that malloc_trim leaves.");
}

static void say_unknown(const struct pins_source *s, bool exact, struct buf *out)
{
	(void)exact;
	buf_str(out, s->trim.has_heap
			     ? "Which memory was resident is not known here: all counts "
			       "as if it were."
			     : "Its allocator is not known: see 'heapsift check'.");
}

static void text_write(const struct table *t, struct sink *out)
{
	const struct pins_source *s = t->source;
	uint64_t shown = t->limit ? min_u64(t->limit, t->nrows) : t->nrows;

	if (s->trim.has_heap && s->trim.has_residency)
		paragraph(s, say_trim, out);
	else
		paragraph(s, say_unknown, out);
	if (knows_arenas(s))
		paragraph(s, say_arenas, out);
	if (knows_threshold(s))
		paragraph(s, say_threshold, out);
	sink_char(out, '\n');
	if (t->nrows == 0 && s->trim.has_heap)
		sink_str(out, "No block alone keeps free memory from going back.\n");
	if (t->nrows == 0)
		return;
	table_show(t, out);
	if (shown < t->nrows)
		sink_printf(out, "… %llu of %zu rows; -n 0 shows all\n",
			    (unsigned long long)shown, t->nrows);
}

/* Programs get the assumptions as notes. */
static void note(struct pins_source *s, struct model *m, const char *where, say_fn *say)
{
	struct buf words = { 0 };

	say(s, true, &words);
	model_find_out(m, SEVERITY_NOTE, where, "%s", words.s);
	buf_release(&words);
}

static void notes_add(struct pins_source *s, struct model *m)
{
	if (!s->trim.has_residency || !s->trim.has_heap)
		note(s, m, "pins", say_unknown);
	if (knows_arenas(s))
		note(s, m, "arena_max_bound", say_arenas);
	if (knows_threshold(s))
		note(s, m, "mmap_threshold_bound", say_threshold);
}

static size_t facts_list(const struct pins_source *s,
			 struct report_fact facts[FACTS_MOST])
{
	size_t n = 0;

	if (s->trim.has_heap && s->trim.has_residency) {
		facts[n++] = (struct report_fact){ .name = "free_resident",
						   .type = COLUMN_BYTES,
						   .value = s->trim.free };
		facts[n++] = (struct report_fact){ .name = "trim_would_return",
						   .type = COLUMN_BYTES,
						   .value = s->trim.returned };
	}
	if (knows_arenas(s))
		facts[n++] = (struct report_fact){ .name = "arena_max_bound",
						   .type = COLUMN_BYTES,
						   .value = s->trim.arenas_bound };
	if (knows_threshold(s)) {
		facts[n++] = (struct report_fact){ .name = "mmap_threshold_bound",
						   .type = COLUMN_BYTES,
						   .value = s->trim.threshold_bound };
		facts[n++] =
			(struct report_fact){ .name = "mmap_threshold",
					      .type = COLUMN_BYTES,
					      .value =
						      s->m->processes.mmap_threshold[0] };
	}
	return n;
}

static bool pins_run(struct context *cx, const void *args, struct sink *out,
		     struct err *e)
{
	const struct summary_args *a = args;
	const struct collect_options needs = { .edges = true,
					       .values = true,
					       .previews = true };
	struct pins_source s = { 0 };
	struct report_fact facts[FACTS_MOST];
	bool ok;

	if (!context_open(cx, a->target, &needs, e))
		return false;
	s.m = cx->model;
	trim_build(s.m, &s.trim);
	pins_build(s.m, &s.pins);
	holder_search_init(&s.holders, s.m);
	if (out->format != FORMAT_TEXT)
		notes_add(&s, cx->model);
	ok = context_report(
		cx,
		&(struct report){ .table = { .source = &s, .nrows = s.pins.n },
				  .facts = facts,
				  .nfacts = facts_list(&s, facts),
				  .text = text_write },
		out, e);
	pins_release(&s.pins);
	holder_search_release(&s.holders);
	return ok;
}

const struct command summary_pins = {
	.name = "summary",
	.columns = pins_columns,
	.ncolumns = countof(pins_columns),
	.sort = "pinned",
	.limit = 20,
	.run = pins_run,
};
