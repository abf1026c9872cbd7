/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `heapsift TARGET` alone says: one screen of 24 lines, the answer first. Its rows
 * come from the other commands' sums; a row's bytes are resident ones in the section
 * memory, retained ones of holders, sizes of types. When something was found wrong, each
 * section gives a line up for it.
 */
#include "cmd/graph_int.h"

#include "base/utf8.h"
#include <ctype.h>
#include <stdlib.h>

enum {
	MEMORY_ROWS = 4, /* and one for the others */
	HOLDER_ROWS = 4,
	TYPE_ROWS = 3,
	FINDINGS_SHOWN = 1,
	ROWS_MOST = 32,
	STEPS_MOST = 1000,
	LITTLE = 10, /* who holds less than a tenth of all holds little */
	LITTLE_OF_MAPPED = 20,
};

struct overview_args {
	const char *target;
};

enum section { SECTION_MEMORY, SECTION_HOLDERS, SECTION_TYPES, SECTION_NEXT, SECTIONS };

struct over_row {
	enum section section;
	struct buf name, hint;
	uint64_t bytes, count;
	taddr addr;
	uint32_t type; /* of the section types */
	bool has_bytes, has_count;
};

struct overview {
	const struct model *m;
	const char *target;
	struct over_row rows[ROWS_MOST];
	size_t n;
	uint64_t whole[SECTIONS]; /* what percentages are of */
};

static struct over_row *row_add(struct overview *o, enum section section)
{
	struct over_row *r = &o->rows[o->n];

	assert(o->n < ROWS_MOST);
	o->n++;
	r->section = section;
	return r;
}

static void row_bytes(struct over_row *r, uint64_t bytes)
{
	r->bytes = bytes;
	r->has_bytes = true;
}

static void row_count(struct over_row *r, uint64_t count)
{
	r->count = count;
	r->has_count = true;
}

/* How many rows a section has, one less to make room for findings. */
static size_t rows_of(const struct overview *o, size_t rows)
{
	return rows - (o->m->findings.n > 0);
}

static void text_add(const struct model *m, uint32_t id, struct buf *out)
{
	struct str text = model_text(m, id);

	buf_add(out, text.s, text.n);
}

/* ---- where resident memory is ---- */

/* Where residency is not known: what is mapped, but for what nobody may touch. */
static uint64_t bytes_of(const struct summary *s, size_t row)
{
	if (s->has_residency)
		return s->rows[row].resident;
	return str_is(s->rows[row].detail, "reserved") ? 0 : s->rows[row].bytes;
}

/* Where residency is not known, much may never have been touched, stacks above all: then
 * what is certainly used goes before what is mapped, unless it is little. */
static bool goes_first(const struct overview *o, const struct summary *s, size_t row)
{
	return !s->has_residency && str_starts(s->rows[row].detail, "used") &&
	       bytes_of(s, row) >= o->whole[SECTION_MEMORY] / LITTLE_OF_MAPPED;
}

static bool goes_before(const struct overview *o, const struct summary *s, size_t row,
			size_t other)
{
	if (goes_first(o, s, row) != goes_first(o, s, other))
		return goes_first(o, s, row);
	return bytes_of(s, row) > bytes_of(s, other);
}

static size_t next_summary(const struct overview *o, const struct summary *s,
			   const bool *taken)
{
	size_t next = s->n;

	for (size_t i = 0; i < s->n; i++)
		if (!taken[i] && bytes_of(s, i) > 0 &&
		    (next == s->n || goes_before(o, s, i, next)))
			next = i;
	return next;
}

/* Of a file its name: summary has the path. */
static void detail_show(struct str detail, struct buf *out)
{
	if (str_starts(detail, "/"))
		detail = str_behind_last(detail, '/');
	buf_add(out, detail.s, detail.n);
}

static void memory_build(struct overview *o)
{
	struct summary s;
	bool *taken;
	uint64_t others;
	size_t i;

	summary_build(o->m, &s);
	taken = xcalloc(s.n + 1, sizeof(*taken));
	for (i = 0; i < s.n; i++)
		o->whole[SECTION_MEMORY] += bytes_of(&s, i);
	others = o->whole[SECTION_MEMORY];
	for (size_t n = 0;
	     n < rows_of(o, MEMORY_ROWS) && (i = next_summary(o, &s, taken)) < s.n; n++) {
		struct over_row *r = row_add(o, SECTION_MEMORY);

		taken[i] = true;
		others -= bytes_of(&s, i);
		buf_str(&r->name, s.rows[i].category);
		if (s.rows[i].detail.n > 0)
			buf_str(&r->name, ", ");
		detail_show(s.rows[i].detail, &r->name);
		row_bytes(r, bytes_of(&s, i));
		if (s.rows[i].has_count)
			row_count(r, s.rows[i].count);
	}
	if (others > 0) {
		struct over_row *r = row_add(o, SECTION_MEMORY);

		buf_str(&r->name, "all else");
		row_bytes(r, others);
	}
	free(taken);
	summary_release(&s);
}

/* ---- who holds most ---- */

struct holder {
	uint32_t node, group, root;
};

struct holders {
	struct holder rows[HOLDER_ROWS];
	size_t n, most;
};

/* Keeps the largest, in order. */
static void holders_offer(const struct model *m, struct holders *h, struct holder new)
{
	size_t at = h->n;

	while (at > 0 &&
	       node_retained(m, new.node) > node_retained(m, h->rows[at - 1].node))
		at--;
	if (at == h->most)
		return;
	if (h->n < h->most)
		h->n++;
	for (size_t i = h->n - 1; i > at; i--)
		h->rows[i] = h->rows[i - 1];
	h->rows[at] = new;
}

/* A name for each: a certain root of its own group before any other. */
static void holders_find_roots(const struct model *m, struct holders *h)
{
	for (uint32_t root = 0; root < m->roots.n; root++)
		for (size_t i = 0; i < h->n; i++) {
			uint32_t *known = &h->rows[i].root;

			if (m->roots.node[root] == h->rows[i].node &&
			    (*known == NO_NODE ||
			     (m->roots.certain[root] && !m->roots.certain[*known])))
				*known = root;
		}
}

static void holders_find(const struct overview *o, const struct dominator_tree *t,
			 struct holders *h)
{
	const struct model *m = o->m;

	for (uint32_t g = 0; g < m->groups.n; g++) {
		uint32_t d = node_count(m) + g;
		uint64_t end = min_u64(t->first[d + 1], t->first[d] + h->most);

		for (uint64_t i = t->first[d]; i < end; i++)
			if (!dominator_is_group(m, t->children[i]))
				holders_offer(
					m, h,
					(struct holder){ t->children[i], g, NO_NODE });
	}
	holders_find_roots(m, h);
}

/* Where the memory of this node really is: down while one child has nearly all of it. */
static uint32_t gathering_point(const struct model *m, const struct dominator_tree *t,
				uint32_t node)
{
	for (int step = 0; step < STEPS_MOST && t->first[node + 1] > t->first[node];
	     step++) {
		uint32_t child = t->children[t->first[node]];

		if (node_retained(m, child) < node_retained(m, node) / 5 * 4)
			break;
		node = child;
	}
	return node;
}

static void holder_add(struct overview *o, const struct holder *h)
{
	struct over_row *r = row_add(o, SECTION_HOLDERS);

	node_show(o->m, h->node, &r->name);
	buf_str(&r->name, ": ");
	if (h->root != NO_NODE)
		root_show_shortly(o->m, h->root, &r->name);
	else
		group_show(o->m, h->group, &r->name);
	row_bytes(r, node_retained(o->m, h->node));
	r->addr = node_addr(o->m, h->node);
}

static void hint_add(struct overview *o, uint32_t node)
{
	struct over_row *r = row_add(o, SECTION_NEXT);

	buf_printf(&r->hint, "heapsift why %s ", o->target);
	address_show(&r->hint, node_addr(o->m, node));
	r->addr = node_addr(o->m, node);
	buf_str(&r->name, "what keeps ");
	bytes_show(&r->name, node_retained(o->m, node), false);
	buf_str(&r->name, " alive");
}

/* Rows, and the one that the hint shall be about; NO_NODE: none. */
static uint32_t holders_build(struct overview *o)
{
	struct holders h = { .most = rows_of(o, HOLDER_ROWS) };
	struct dominator_tree t;
	uint32_t node = NO_NODE;

	if (!has_retained(o->m))
		return NO_NODE;
	o->whole[SECTION_HOLDERS] = retained_of_all(o->m);
	dominator_tree_build(o->m, &t);
	holders_find(o, &t, &h);
	for (size_t i = 0; i < h.n; i++)
		holder_add(o, &h.rows[i]);
	if (h.n > 0)
		node = gathering_point(o->m, &t, h.rows[0].node);
	dominator_tree_release(&t);
	return node;
}

/* ---- of what there is most ---- */

static void type_add(struct overview *o, const struct top_row *t)
{
	const struct model *m = o->m;
	struct over_row *r = row_add(o, SECTION_TYPES);

	type_show(m, t->type, &r->name);
	if (m->types.detail[t->type]) {
		buf_char(&r->name, ' ');
		text_add(m, m->types.detail[t->type], &r->name);
	}
	r->type = t->type;
	row_bytes(r, t->size);
	row_count(r, t->count);
}

static void types_build(struct overview *o)
{
	struct top t;
	bool *taken;

	top_build(o->m, &t);
	taken = xcalloc(t.n + 1, sizeof(*taken));
	for (size_t i = 0; i < t.n; i++)
		o->whole[SECTION_TYPES] += t.rows[i].size;
	for (size_t n = 0; n < rows_of(o, TYPE_ROWS); n++) {
		size_t largest = t.n;

		for (size_t i = 0; i < t.n; i++)
			if (!taken[i] &&
			    (largest == t.n || t.rows[i].size > t.rows[largest].size))
				largest = i;
		if (largest == t.n)
			break;
		taken[largest] = true;
		type_add(o, &t.rows[largest]);
	}
	free(taken);
	top_release(&t);
}

static void next_add(struct overview *o, const char *command, const char *what)
{
	struct over_row *r = row_add(o, SECTION_NEXT);

	buf_printf(&r->hint, "heapsift %s %s", command, o->target);
	buf_str(&r->name, what);
}

/* May it stand in a command line as it is? */
static bool is_plain_word(struct str word)
{
	for (size_t i = 0; i < word.n; i++)
		if (!isalnum((unsigned char)word.s[i]) && !strchr("_.:", word.s[i]))
			return false;
	return word.n > 0;
}

/* Where no node holds much, it is many of a kind that matter. False: one does, or none. */
static bool hint_type_add(struct overview *o, uint64_t held)
{
	const struct over_row *type = NULL;
	struct over_row *r;
	struct str kind;

	for (size_t i = o->n; i-- > 0 && o->rows[i].section == SECTION_TYPES;)
		type = &o->rows[i];
	if (!type || type->bytes <= held || held >= o->whole[SECTION_HOLDERS] / LITTLE)
		return false;
	kind = model_text(o->m, o->m->types.kind[type->type]);
	if (!is_plain_word(kind))
		return false;
	r = row_add(o, SECTION_NEXT);
	buf_printf(&r->hint, "heapsift objects %s --type ", o->target);
	buf_add(&r->hint, kind.s, kind.n);
	buf_str(&r->name, "those ");
	count_show(&r->name, type->count);
	return true;
}

static void overview_build(struct overview *o)
{
	uint32_t node;

	memory_build(o);
	node = holders_build(o);
	types_build(o);
	if (node != NO_NODE) {
		if (!hint_type_add(o, node_retained(o->m, node)))
			hint_add(o, node);
		next_add(o, "tree", "what holds what, down from the roots");
	} else {
		next_add(o, "summary", "all of the memory, row by row");
		next_add(o, "top", "what there is, by kind");
	}
}

/* ---- columns ---- */

static const struct over_row *row_at(const void *source, size_t row)
{
	return &((const struct overview *)source)->rows[row];
}

static struct cell get_section(const void *source, size_t row, struct buf *scratch)
{
	static const char *const names[] = { "memory", "holders", "types", "next" };

	(void)scratch;
	return cell_text(str_of(names[row_at(source, row)->section]));
}

static struct cell get_name(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(buf_view(&row_at(source, row)->name));
}

static struct cell get_bytes(const void *source, size_t row, struct buf *scratch)
{
	const struct over_row *r = row_at(source, row);

	(void)scratch;
	return r->has_bytes ? cell_number(r->bytes) : cell_absent();
}

static struct cell get_count(const void *source, size_t row, struct buf *scratch)
{
	const struct over_row *r = row_at(source, row);

	(void)scratch;
	return r->has_count ? cell_number(r->count) : cell_absent();
}

static struct cell get_addr(const void *source, size_t row, struct buf *scratch)
{
	const struct over_row *r = row_at(source, row);

	(void)scratch;
	return r->addr ? cell_number(r->addr) : cell_absent();
}

static struct cell get_hint(const void *source, size_t row, struct buf *scratch)
{
	const struct over_row *r = row_at(source, row);

	(void)scratch;
	return r->hint.n ? cell_text(buf_view(&r->hint)) : cell_absent();
}

static const struct column overview_columns[] = {
	{ "section", COLUMN_TEXT, 0, get_section,
	  "memory: where it is; holders: who keeps most alive; types: of what there is "
	  "most; next: what to ask" },
	{ "name", COLUMN_TEXT, 0, get_name, "what it is" },
	{ "bytes", COLUMN_BYTES, 0, get_bytes,
	  "of memory resident (of a core mapped), of holders retained, of types their "
	  "size" },
	{ "count", COLUMN_COUNT, 0, get_count, "how many" },
	{ "addr", COLUMN_ADDRESS, 0, get_addr, "of a holder" },
	{ "hint", COLUMN_TEXT, 0, get_hint, "a command line that tells more" },
};

/* ---- text ---- */

enum { BYTES_WIDE = 12, PERCENT_WIDE = 8, SUBJECT_WIDE = 14 };

/* By how many columns it is wider than that. */
static unsigned pad_left(struct sink *out, const struct buf *word, unsigned width)
{
	sink_spaces(out, word->n < width ? width - word->n : 0);
	sink_add(out, word->s, word->n);
	return word->n > width ? (unsigned)word->n - width : 0;
}

/* "CPython 3.11.2, glibc 2.36, RSS 1.4 GiB", of a core "ended by SIGSEGV" */
static void head_write(const struct overview *o, struct sink *out)
{
	const struct model *m = o->m;
	struct buf line = { 0 }, shown = { 0 };

	if (m->processes.n == 0)
		return;
	if (m->processes.python[0]) {
		text_add(m, m->processes.python[0], &line);
		buf_str(&line, ", ");
	}
	if (m->processes.allocator[0]) {
		text_add(m, m->processes.allocator[0], &line);
		buf_str(&line, ", ");
	}
	if (m->processes.rss[0]) {
		buf_str(&line, "RSS ");
		bytes_show(&line, m->processes.rss[0], out->exact);
	} else if (m->processes.signal[0]) {
		buf_printf(&line, "ended by %s", signal_name(m->processes.signal[0]));
	} else if (line.n > 2) {
		line.n -= 2;
	}
	utf8_escape(&shown, buf_view(&line));
	sink_cut(out, buf_view(&shown), out->width);
	sink_str(out, line.n ? "\n" : "");
	buf_release(&line);
	buf_release(&shown);
}

/* "   1.1 GiB  81.2%  0x7f3a12345678  dict: module app.cache, name CACHE" */
static void row_write(const struct overview *o, const struct over_row *r,
		      struct sink *out)
{
	unsigned used = BYTES_WIDE + PERCENT_WIDE + 2;
	struct buf word = { 0 };

	bytes_show(&word, r->bytes, out->exact);
	used += pad_left(out, &word, BYTES_WIDE);
	buf_clear(&word);
	percent_show(&word, r->bytes, o->whole[r->section]);
	used += pad_left(out, &word, PERCENT_WIDE);
	sink_str(out, "  ");
	buf_clear(&word);
	if (r->addr)
		address_show(&word, r->addr);
	else if (r->has_count)
		count_show(&word, r->count);
	used += pad_left(out, &word, SUBJECT_WIDE) + SUBJECT_WIDE + 2;
	sink_str(out, "  ");
	buf_clear(&word);
	utf8_escape(&word, buf_view(&r->name));
	sink_cut(out, buf_view(&word), out->width > used ? out->width - used : 0);
	sink_char(out, '\n');
	buf_release(&word);
}

/* "  heapsift why 4711 0x7f3a12345678   what keeps 1.1 GiB alive": the command is whole. */
static void next_write(const struct over_row *r, unsigned room, struct sink *out)
{
	unsigned width = utf8_str_width(buf_view(&r->hint));
	unsigned used = (unsigned)max_u64(room, width) + 4;
	struct buf name = { 0 };

	sink_str(out, "  ");
	sink_escaped(out, buf_view(&r->hint));
	if (!out->width || out->width > used) {
		utf8_escape(&name, buf_view(&r->name));
		sink_spaces(out, used - 2 - width);
		sink_cut(out, buf_view(&name), out->width ? out->width - used : 0);
		buf_release(&name);
	}
	sink_char(out, '\n');
}

static const char *title_of(const struct overview *o, enum section section)
{
	static const char *const titles[] = { "RESIDENT MEMORY", "WHO HOLDS MOST",
					      "OF WHAT THERE IS MOST", "NEXT" };

	if (section == SECTION_MEMORY && o->m->processes.n &&
	    o->m->processes.no_residency[0])
		return "MAPPED MEMORY";
	return titles[section];
}

static void overview_write(const struct table *t, struct sink *out)
{
	const struct overview *o = t->source;
	unsigned room = 0;

	head_write(o, out);
	for (size_t i = 0; i < o->n; i++)
		room = (unsigned)max_u64(room,
					 utf8_str_width(buf_view(&o->rows[i].hint)));
	for (size_t i = 0; i < o->n; i++) {
		const struct over_row *r = &o->rows[i];

		if (i == 0 || r->section != o->rows[i - 1].section) {
			sink_str(out, i ? "\n" : "");
			sink_look(out, LOOK_HEAD);
			sink_str(out, title_of(o, r->section));
			sink_look(out, LOOK_PLAIN);
			sink_char(out, '\n');
		}
		if (r->section == SECTION_NEXT)
			next_write(r, room, out);
		else
			row_write(o, r, out);
	}
}

/* ---- the command ---- */

static const struct opt overview_args[] = {
	ARG_STRING("TARGET", struct overview_args, target, OFFER_TARGET, TARGET_HELP),
};

static bool overview_run(struct context *cx, const void *args, struct sink *out,
			 struct err *e)
{
	const struct overview_args *a = args;
	const struct collect_options needs = { .edges = true, .huge_slack = true };
	struct report_fact rss = { .name = "rss", .type = COLUMN_BYTES };
	struct overview o = { .target = a->target };
	bool ok;

	if (!context_open(cx, a->target, &needs, e))
		return false;
	o.m = cx->model;
	if (o.m->processes.n > 0)
		rss.value = o.m->processes.rss[0];
	overview_build(&o);
	ok = context_report(cx,
			    &(struct report){ .table = { .source = &o, .nrows = o.n },
					      .facts = &rss,
					      .nfacts = rss.value != 0,
					      .findings_shown = FINDINGS_SHOWN,
					      .text = overview_write },
			    out, e);
	for (size_t i = 0; i < o.n; i++) {
		buf_release(&o.rows[i].name);
		buf_release(&o.rows[i].hint);
	}
	return ok;
}

const struct command cmd_overview = {
	.name = "overview",
	.group = GROUP_LOOK,
	.brief = "one screen: what matters most; the same as heapsift TARGET",
	.text = "Where memory is, who keeps most of the heap alive, of what "
		"there is most, what was found wrong, and which command to try next. "
		"heapsift TARGET without a command says this.",
	.example = "overview 1234",
	.example_text = "or shorter: heapsift 1234",
	.flags = COMMAND_FORMATS | COMMAND_TARGET,
	.args = overview_args,
	.nargs = countof(overview_args),
	.args_size = sizeof(struct overview_args),
	.columns = overview_columns,
	.ncolumns = countof(overview_columns),
	.run = overview_run,
};
