/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node for people: what it is and where it lies as words, then a table for each list.
 * What a reference leads to stands under the one heading that says most of it, so the
 * attributes of an object are not told again as references.
 */
#include "cmd/show_int.h"

#include "base/utf8.h"

enum { WORDS_AT = 14 };

/* "  size        56 B, footprint 64 B", wrapped. */
static void fact_write(struct sink *out, const char *name, struct str words)
{
	struct wrap w = { .out = out, .indent = WORDS_AT, .width = out->width };

	sink_str(out, "  ");
	sink_str(out, name);
	sink_spaces(out, WORDS_AT - 2 - strlen(name));
	w.at = WORDS_AT;
	wrap_words(&w, words);
	sink_char(out, '\n');
}

static void size_show(struct buf *out, uint64_t bytes, const struct sink *sink)
{
	bytes_show(out, bytes, sink->exact);
}

static void title_write(const struct show *s, struct sink *out)
{
	const struct model *m = s->nodes.m;
	taddr addr = node_addr(m, s->node);
	struct buf words = { 0 };

	node_show(m, s->node, &words);
	sink_look(out, LOOK_HEAD);
	sink_escaped(out, buf_view(&words));
	sink_look(out, LOOK_PLAIN);
	sink_str(out, " at ");
	sink_address(out, addr);
	sink_char(out, '\n');
	buf_release(&words);
	if (s->part < m->parts.n) {
		sink_address(out, s->asked);
		sink_str(out, " lies in a part of it: ");
		sink_escaped(out, model_text(m, m->labels.name[m->parts.label[s->part]]));
		sink_char(out, '\n');
	} else if (s->asked != addr) {
		sink_address(out, s->asked);
		sink_str(out, " lies in it\n");
	}
}

/* The value keeps its spaces, and is cut where the line ends. */
static void value_write(const struct show *s, struct sink *out)
{
	struct buf value = { 0 }, shown = { 0 };

	if (show_text_write(s, out))
		return;
	node_value(s->nodes.m, s->node, &value);
	if (value.n) {
		utf8_escape_code(&shown, buf_view(&value));
		sink_str(out, "  value       ");
		sink_cut(out, buf_view(&shown),
			 out->width > WORDS_AT ? out->width - WORDS_AT : 0);
		sink_char(out, '\n');
	}
	buf_release(&value);
	buf_release(&shown);
}

static void retained_write(const struct show *s, struct sink *out)
{
	const struct model *m = s->nodes.m;
	struct buf words = { 0 };
	unsigned flags;

	if (!has_retained(m))
		return;
	flags = m->dominators.flags[s->node];
	size_show(&words, m->dominators.retained[s->node], out);
	buf_str(&words, " (");
	percent_show(&words, m->dominators.retained[s->node], s->all);
	buf_str(&words, " of all), footprint ");
	size_show(&words, m->dominators.retained_footprint[s->node], out);
	if (flags & DOMINATOR_UNREACHED)
		buf_str(&words, "; no root reaches it");
	else if (flags & DOMINATOR_POSSIBLE)
		buf_str(&words, "; only what may be a reference leads to it");
	fact_write(out, "retained", buf_view(&words));
	buf_release(&words);
}

static void refcount_write(const struct show *s, struct sink *out)
{
	const struct model *m = s->nodes.m;
	struct buf words = { 0 };

	if (!node_is_object(m, s->node))
		return;
	if (m->objects.refcount[s->node] == OBJECT_IMMORTAL) {
		fact_write(out, "refcount", str_of("immortal: never counted or freed"));
		return;
	}
	count_show(&words, m->objects.refcount[s->node]);
	if (s->unexplained) {
		buf_str(&words, ", of which ");
		count_show(&words, s->unexplained);
		buf_str(&words, " unexplained: held by code in C, or by what heapsift "
				"does not know");
	}
	fact_write(out, "refcount", buf_view(&words));
	buf_release(&words);
}

static void roots_write(const struct show *s, struct sink *out)
{
	struct buf words = { 0 }, shown = { 0 };
	size_t n = s->limit ? min_u64(s->limit, s->nroots) : s->nroots;

	for (size_t i = 0; i < n; i++) {
		buf_clear(&words);
		buf_clear(&shown);
		root_show(s->nodes.m, s->roots[i], &words);
		utf8_escape(&shown, buf_view(&words));
		if (!s->nodes.m->roots.certain[s->roots[i]])
			buf_str(&shown, " (possibly)");
		fact_write(out, i ? "" : "root", buf_view(&shown));
	}
	if (n < s->nroots) {
		buf_clear(&shown);
		buf_str(&shown, "… and ");
		count_show(&shown, s->nroots - n);
		buf_str(&shown, " more roots");
		fact_write(out, "", buf_view(&shown));
	}
	buf_release(&words);
	buf_release(&shown);
}

static void place_write(const struct show *s, struct sink *out)
{
	const struct model *m = s->nodes.m;
	const struct place *p = &s->place;
	struct buf words = { 0 };

	if (p->has_block) {
		size_show(&words, p->size, out);
		buf_str(&words, " at ");
		address_show(&words, p->block);
		if (p->allocator.n)
			buf_str(&words, ", ");
		utf8_escape(&words, p->allocator);
		fact_write(out, "block", buf_view(&words));
	}
	buf_clear(&words);
	if (p->has_region) {
		address_show(&words, m->regions.start[p->region]);
		buf_char(&words, '-');
		address_show(&words, m->regions.end[p->region]);
		buf_char(&words, ' ');
		if (m->regions.name[p->region])
			utf8_escape(&words, model_text(m, m->regions.name[p->region]));
		else
			buf_str(&words, "(anonymous)");
		fact_write(out, "region", buf_view(&words));
	}
	buf_release(&words);
}

/* "Referrers: 10 of 12,034" and the table. */
static void section_write(const char *name, const struct table *t, struct sink *out)
{
	size_t shown = t->limit ? min_u64(t->limit, t->nrows) : t->nrows;
	struct buf words = { 0 };

	if (t->nrows == 0)
		return;
	buf_printf(&words, "\n%s: ", name);
	if (shown < t->nrows) {
		count_show(&words, shown);
		buf_str(&words, " of ");
	}
	count_show(&words, t->nrows);
	if (shown < t->nrows)
		buf_str(&words, "; -n 0 shows all");
	buf_char(&words, '\n');
	sink_look(out, LOOK_HEAD);
	sink_add(out, words.s, words.n);
	sink_look(out, LOOK_PLAIN);
	table_show(t, out);
	buf_release(&words);
}

static void lists_write(const struct show *s, struct sink *out)
{
	static const struct {
		enum show_list list;
		const char *name;
	} sections[] = {
		{ SHOW_ATTRIBUTES, "Attributes" },
		{ SHOW_ELEMENTS, "Elements" },
		{ SHOW_OTHERS, "Other references" },
		{ SHOW_REFERRERS, "Referrers" },
		{ SHOW_PARTS, "Parts" },
	};

	for (size_t i = 0; i < countof(sections); i++)
		section_write(sections[i].name, &s->tables[sections[i].list], out);
}

void show_write(const struct table *t, struct sink *out)
{
	const struct show *s = t->source;
	const struct model *m = s->nodes.m;
	struct buf words = { 0 };

	title_write(s, out);
	value_write(s, out);
	size_show(&words, node_size(m, s->node), out);
	buf_str(&words, ", footprint ");
	size_show(&words, node_footprint(m, s->node), out);
	fact_write(out, "size", buf_view(&words));
	buf_release(&words);
	retained_write(s, out);
	refcount_write(s, out);
	roots_write(s, out);
	place_write(s, out);
	show_bytes_write(s, out);
	lists_write(s, out);
	if (m->edge_first.n > 0 && s->nroots == 0) {
		sink_str(out, "\nheapsift why ");
		sink_escaped(out, str_of(s->target));
		sink_char(out, ' ');
		sink_address(out, node_addr(m, s->node));
		sink_str(out, " tells what keeps it alive\n");
	}
}
