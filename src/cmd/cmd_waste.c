/* SPDX-License-Identifier: Apache-2.0 */
/* Rows come from analysis/waste.c; here they get names: what it is, and who holds it. */
#include "cmd/graph_int.h"

#include <stdlib.h>

struct waste_args {
	const char *target;
	uint64_t min;
};

struct waste_source {
	const struct model *m;
	struct waste waste;
	uint32_t *pick; /* those that waste enough */
	size_t npick;
	/* Of JSON: the holders of each row, as rows within it; NULL else. */
	struct table *tables;
	uint32_t *order; /* 0, 1, 2 … of holders: a table picks its own */
};

static const struct waste_row *row_of(const void *source, size_t row)
{
	return &((const struct waste_source *)source)->waste.rows[row];
}

static const struct model *model_of(const void *source)
{
	return ((const struct waste_source *)source)->m;
}

/* ---- holders ---- */

/* "catalog.cache.PAGES", "module app", "dict {1: ...}, held by several". Appends. */
static void holder_show(const struct model *m, const struct waste_holder *h,
			struct buf *out)
{
	if (dominator_is_group(m, h->dominator)) {
		group_show(m, h->dominator - node_count(m), out);
		return;
	}
	if (h->root != NO_NODE)
		root_show_shortly(m, h->root, out);
	else
		node_describe(m, h->dominator, out);
}

static const struct waste_holder *holder_of(const void *source, size_t row)
{
	return &((const struct waste_source *)source)->waste.holders[row];
}

static struct cell get_holder_addr(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);
	uint32_t d = holder_of(source, row)->dominator;

	(void)scratch;
	return dominator_is_group(m, d) ? cell_absent() : cell_number(node_addr(m, d));
}

static struct cell get_holder_kind(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);
	uint32_t d = holder_of(source, row)->dominator;

	(void)scratch;
	if (dominator_is_group(m, d) || node_type(m, d) >= m->types.n)
		return cell_absent();
	return cell_text(model_text(m, m->types.kind[node_type(m, d)]));
}

static struct cell get_holder_name(const void *source, size_t row, struct buf *scratch)
{
	holder_show(model_of(source), holder_of(source, row), scratch);
	return cell_text(buf_view(scratch));
}

static struct cell get_holder_wasted(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(holder_of(source, row)->wasted);
}

static const struct column holder_columns[] = {
	{ "addr", COLUMN_ADDRESS, 0, get_holder_addr, "where it is" },
	{ "kind", COLUMN_NAME, 0, get_holder_kind, "its type" },
	{ "name", COLUMN_TEXT, 0, get_holder_name, "what it is called" },
	{ "wasted", COLUMN_BYTES, 0, get_holder_wasted,
	  "bytes of the row that it holds" },
};

/* ---- rows ---- */

static const char *category_name(enum waste_category category)
{
	static const char *const names[] = {
		[WASTE_DUPLICATES] = "duplicates",
		[WASTE_OVER_ALLOCATED] = "over-allocated",
		[WASTE_SPARSE] = "sparse",
		[WASTE_EMPTY] = "empty",
		[WASTE_ROUNDING] = "rounding",
	};

	return names[category];
}

static struct cell get_category(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(str_of(category_name(row_of(source, row)->category)));
}

/* Blocks that three words make an array: of what language is not known. */
static bool is_array(const void *source, size_t row)
{
	return row_of(source, row)->type >= model_of(source)->types.n;
}

static struct cell get_domain(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return is_array(source, row)
		       ? cell_absent()
		       : cell_text(model_text(
				 m, m->types.domain[row_of(source, row)->type]));
}

static struct cell get_kind(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return cell_text(
		is_array(source, row)
			? str_of("vector")
			: model_text(m, m->types.kind[row_of(source, row)->type]));
}

static struct cell get_detail(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return is_array(source, row)
		       ? cell_absent()
		       : cell_text(model_text(
				 m, m->types.detail[row_of(source, row)->type]));
}

static struct cell get_possible(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(is_array(source, row));
}

static struct cell get_value(const void *source, size_t row, struct buf *scratch)
{
	uint32_t first = row_of(source, row)->first;

	if (first != NO_NODE)
		node_value(model_of(source), first, scratch);
	return scratch->n ? cell_text(buf_view(scratch)) : cell_absent();
}

/* "SafeString '<p>…'", "uncategorized 48 bytes", "possibly vectors". */
static struct cell get_what(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);
	const struct waste_row *r = row_of(source, row);
	struct str word;

	if (is_array(source, row))
		return cell_text(str_of("possibly vectors"));
	if (r->first != NO_NODE) { /* what it says is told, if there is little room */
		word = kind_last_word(model_text(m, m->types.kind[r->type]));
		buf_add(scratch, word.s, word.n);
		buf_char(scratch, ' ');
		node_value(m, r->first, scratch);
		return cell_text(buf_view(scratch));
	}
	type_show(m, r->type, scratch);
	word = model_text(m, m->types.detail[r->type]);
	if (word.n)
		buf_char(scratch, ' ');
	buf_add(scratch, word.s, word.n);
	return cell_text(buf_view(scratch));
}

static struct cell get_count(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_of(source, row)->count);
}

static struct cell get_bytes(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_of(source, row)->bytes);
}

static struct cell get_wasted(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_of(source, row)->wasted);
}

static const struct waste_holder *largest_of(const void *source, size_t row)
{
	const struct waste_source *s = source;
	const struct waste_row *r = row_of(source, row);

	return r->nholders ? &s->waste.holders[r->holder] : NULL;
}

static struct cell get_holder(const void *source, size_t row, struct buf *scratch)
{
	const struct waste_holder *h = largest_of(source, row);

	if (!h)
		return cell_absent();
	holder_show(model_of(source), h, scratch);
	return cell_text(buf_view(scratch));
}

/* "catalog.cache.PAGES", "71% global strs": what part of the row is its. */
static struct cell get_held_by(const void *source, size_t row, struct buf *scratch)
{
	const struct waste_holder *h = largest_of(source, row);
	uint64_t wasted = row_of(source, row)->wasted;

	if (!h)
		return cell_absent();
	if (h->wasted < wasted / 100)
		buf_str(scratch, "<1% ");
	else if (h->wasted < wasted)
		buf_printf(scratch, "%u%% ",
			   (unsigned)(100.0 * (double)h->wasted / (double)wasted));
	holder_show(model_of(source), h, scratch);
	return cell_text(buf_view(scratch));
}

static struct cell get_holders(const void *source, size_t row, struct buf *scratch)
{
	const struct waste_source *s = source;

	(void)scratch;
	return s->tables && s->waste.rows[row].nholders ? cell_rows(&s->tables[row])
							: cell_absent();
}

static const struct column waste_columns[] = {
	{ "category", COLUMN_TEXT, 0, get_category,
	  "duplicates, over-allocated, sparse, empty or rounding" },
	{ "domain", COLUMN_TEXT, COLUMN_NOT_TEXT, get_domain,
	  "whose it is: python, c++, c, uncategorized" },
	{ "kind", COLUMN_NAME, COLUMN_NOT_TEXT, get_kind,
	  "its type; vector: an array between two addresses, with a third where its room "
	  "ends" },
	{ "detail", COLUMN_TEXT, COLUMN_NOT_TEXT, get_detail, "more about it" },
	{ "value", COLUMN_CODE, COLUMN_NOT_TEXT, get_value,
	  "what duplicates say, in short" },
	{ "what", COLUMN_TEXT, COLUMN_TEXT_ONLY, get_what, "these in one" },
	{ "possible", COLUMN_BOOL, COLUMN_NOT_TEXT, get_possible,
	  "told by words that may be addresses" },
	{ "count", COLUMN_COUNT, 0, get_count, "how many waste something" },
	{ "bytes", COLUMN_BYTES, COLUMN_IF_ROOM, get_bytes, "what they take in all" },
	{ "wasted", COLUMN_BYTES, 0, get_wasted, "bytes of them that could be saved" },
	{ "held_by", COLUMN_TEXT, COLUMN_TEXT_ONLY, get_held_by,
	  "its holder, and what part of it that has if not all" },
	{ "holder", COLUMN_TEXT, COLUMN_NOT_TEXT, get_holder,
	  "what holds most of it: the nearest thing with a name without which it would "
	  "go" },
	{ "holders", COLUMN_LIST, COLUMN_NOT_CSV, get_holders,
	  "up to three of those, the largest first" },
};

static const struct opt waste_opts[] = {
	OPT_SIZE(0, "min", struct waste_args, min, "SIZE",
		 "only rows that waste at least so much"),
};

static const struct opt waste_args[] = {
	ARG_STRING("TARGET", struct waste_args, target, OFFER_TARGET, TARGET_HELP),
};

static void pick_rows(struct waste_source *s, uint64_t min)
{
	s->pick = xcalloc(s->waste.n + 1, sizeof(*s->pick));
	for (size_t i = 0; i < s->waste.n; i++)
		if (s->waste.rows[i].wasted >= min)
			s->pick[s->npick++] = (uint32_t)i;
}

static void build_tables(struct waste_source *s)
{
	s->order = xcalloc(s->waste.nholders + 1, sizeof(*s->order));
	for (size_t i = 0; i < s->waste.nholders; i++)
		s->order[i] = (uint32_t)i;
	s->tables = xcalloc(s->waste.n + 1, sizeof(*s->tables));
	for (size_t i = 0; i < s->waste.n; i++)
		s->tables[i] = (struct table){ .columns = holder_columns,
					       .ncolumns = countof(holder_columns),
					       .source = s,
					       .pick = s->order + s->waste.rows[i].holder,
					       .nrows = s->waste.rows[i].nholders };
}

static void source_release(struct waste_source *s)
{
	free(s->pick);
	free(s->tables);
	free(s->order);
	waste_release(&s->waste);
}

/* What one saw nothing of is not 0. */
static size_t facts_build(const struct waste *w,
			  struct report_fact facts[WASTE_CATEGORIES])
{
	static const char *const names[] = {
		[WASTE_DUPLICATES] = "duplicates_wasted",
		[WASTE_OVER_ALLOCATED] = "over_allocated_wasted",
		[WASTE_SPARSE] = "sparse_wasted",
		[WASTE_EMPTY] = "empty_wasted",
		[WASTE_ROUNDING] = "rounding_wasted",
	};
	size_t n = 0;

	for (size_t i = w->is_known ? 0 : WASTE_ROUNDING; i < WASTE_CATEGORIES; i++)
		facts[n++] = (struct report_fact){ .name = names[i],
						   .type = COLUMN_BYTES,
						   .value = w->wasted[i] };
	return n;
}

static bool waste_run(struct context *cx, const void *args, struct sink *out,
		      struct err *e)
{
	const struct waste_args *a = args;
	const struct collect_options needs = {
		.edges = true, .values = true, .previews = true, .waste = true
	};
	struct report_fact facts[WASTE_CATEGORIES];
	struct waste_source s = { 0 };
	struct report r = { 0 };
	bool ok;

	if (!context_open(cx, a->target, &needs, e))
		return false;
	s.m = cx->model;
	waste_build(s.m, &s.waste);
	pick_rows(&s, a->min);
	if (out->format == FORMAT_JSON)
		build_tables(&s);
	if (!s.waste.is_known)
		model_find_out(cx->model, SEVERITY_NOTE, "waste",
			       "this snapshot is of a version that did not look for it: "
			       "only rounding of native blocks is known");
	r.table = (struct table){ .source = &s, .nrows = s.npick, .pick = s.pick };
	r.facts = facts;
	r.nfacts = facts_build(&s.waste, facts);
	ok = context_report(cx, &r, out, e);
	source_release(&s);
	return ok;
}

const struct command cmd_waste = {
	.name = "waste",
	.group = GROUP_LOOK,
	.brief = "what memory is wasted on, and who holds it",
	.text = "Memory that the same data could do without:\n\n"
		"duplicates: texts and bytes that say the same, in full, as another of "
		"their type; all copies but the smallest. Strings of C count if they "
		"fill "
		"a third of their block.\n\n"
		"over-allocated: lists, bytearrays, arrays and texts being written that "
		"have room for more. Of native memory what three words tell, begin, end "
		"and end of room, as a std::vector has them: possible, and no more.\n\n"
		"sparse: dicts less than a third full, sets less than an eighth (one "
		"that only "
		"grew never is); wasted is what a table made for their entries would "
		"save. "
		"And instances that have less than a third of the attributes that their "
		"class makes room for.\n\n"
		"empty: containers of nothing, all of them.\n\n"
		"rounding: what a type takes beyond its size, for headers and size "
		"classes of "
		"the allocator; the places of an instance's attributes, which "
		"sys.getsizeof "
		"leaves out, are no waste. How much of a native block was asked for is "
		"not "
		"known, so there it is the header alone.\n\n"
		"Categories overlap: what is empty is rounded, too. A holder is the "
		"nearest "
		"thing with a name that keeps it alive alone.",
	.example = "waste 1234 --min 1M",
	.example_text = "what is worth the work",
	.flags = COMMAND_FORMATS | COMMAND_ROWS | COMMAND_TARGET,
	.args = waste_args,
	.nargs = countof(waste_args),
	.opts = waste_opts,
	.nopts = countof(waste_opts),
	.args_size = sizeof(struct waste_args),
	.columns = waste_columns,
	.ncolumns = countof(waste_columns),
	.sort = "wasted",
	.limit = 20,
	.run = waste_run,
};
