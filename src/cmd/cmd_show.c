/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node and all around it. References are kept as rows of the graph and named only when
 * they are printed: of a node with a million referrers as many are named as are shown.
 */
#include "cmd/show_int.h"

#include <stdlib.h>

enum { SHOWN = 10 };

struct show_args {
	const char *target;
	taddr addr;
};

/* ---- where it lies ---- */

static void place_find_block(const struct model *m, taddr at, struct place *p)
{
	size_t block = model_block_at(m, at), slab;
	uint32_t i;

	p->has_block = true;
	if (model_slab_block_at(m, at, &slab, &i)) {
		p->allocator = str_of("obmalloc");
		p->size = p->footprint = m->slabs.block_size[slab];
		p->block = m->slabs.start[slab] + i * p->size;
		p->state = slab_block_is_used(m, slab, i) ? "used" : "obmalloc-free";
	} else if (block < m->blocks.n) {
		p->allocator = allocator_name(m);
		p->block = m->blocks.addr[block];
		p->size = m->blocks.size[block];
		p->footprint = block_footprint(m, block);
		p->state = block_state_name(m->blocks.state[block]);
	} else {
		p->has_block = false;
	}
}

static struct place place_of(const struct model *m, taddr at)
{
	struct place p = { 0 };

	place_find_block(m, at, &p);
	for (size_t r = 0; r < m->regions.n && !p.has_region; r++) {
		p.has_region = at >= m->regions.start[r] && at < m->regions.end[r];
		p.region = (uint32_t)r;
	}
	return p;
}

/* ---- what there is ---- */

static uint64_t item_number(struct links *l, const struct link *link)
{
	const struct model *m = l->nodes.m;
	bool goes_on = l->last.source == link->source && l->last.edge <= link->edge &&
		       l->last.edge >= m->edge_first.at[link->source];
	uint64_t e = goes_on ? l->last.edge : m->edge_first.at[link->source];
	uint64_t items = goes_on ? l->last.item : 0;

	for (; e < link->edge; e++)
		items += m->labels.kind[m->edge_to.label[e]] == LABEL_ITEM;
	l->last = (struct link){ .source = link->source, .edge = e, .item = items };
	return items;
}

static void link_add(struct links *l, uint64_t limit, struct link link)
{
	l->n++;
	if (limit && l->kept == limit)
		return;
	if (l->kept == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 16;
		l->rows = xrealloc(l->rows, l->cap, sizeof(*l->rows));
	}
	if (l->nodes.m->labels.kind[l->nodes.m->edge_to.label[link.edge]] == LABEL_ITEM)
		link.item = item_number(l, &link);
	l->rows[l->kept++] = link;
}

static bool label_is(const struct model *m, uint16_t label, enum label_kind kind,
		     const char *name)
{
	return m->labels.kind[label] == kind &&
	       str_is(model_text(m, m->labels.name[label]), name);
}

/* What the object's __dict__ has: its attributes. A dict that lends its values to the
 * instance has them under their names. */
static void attributes_of_dict(struct show *s, uint32_t dict)
{
	const struct model *m = s->nodes.m;

	for (uint64_t e = m->edge_first.at[dict]; e < m->edge_first.at[dict + 1]; e++) {
		unsigned kind = m->labels.kind[m->edge_to.label[e]];

		if (m->edge_to.node[e] != NO_NODE &&
		    (kind == LABEL_VALUE || kind == LABEL_ATTRIBUTE))
			link_add(&s->links[SHOW_ATTRIBUTES], s->limit,
				 (struct link){ m->edge_to.node[e], dict, e, 0 });
	}
}

static enum show_list list_of(const struct model *m, uint16_t label)
{
	switch (m->labels.kind[label]) {
	case LABEL_ATTRIBUTE:
		return SHOW_ATTRIBUTES;
	case LABEL_ITEM:
	case LABEL_VALUE:
	case LABEL_ELEMENT:
		return SHOW_ELEMENTS;
	default:
		return SHOW_OTHERS;
	}
}

static void find_referents(struct show *s)
{
	const struct model *m = s->nodes.m;

	for (uint64_t e = m->edge_first.at[s->node]; e < m->edge_first.at[s->node + 1];
	     e++) {
		uint16_t label = m->edge_to.label[e];
		struct link link = { m->edge_to.node[e], s->node, e, 0 };

		if (link.other == NO_NODE)
			continue;
		link_add(&s->links[SHOW_REFERENTS], s->limit, link);
		if (label_is(m, label, LABEL_FIELD, "__dict__"))
			attributes_of_dict(s, link.other);
		if (m->labels.kind[label] != LABEL_KEY) /* the value says its key */
			link_add(&s->links[list_of(m, label)], s->limit, link);
	}
}

/* The certain ones first. */
static void find_referrers(struct show *s)
{
	const struct model *m = s->nodes.m;
	struct referrers r;

	referrers_build(m, &r);
	for (int certain = 1; certain >= 0; certain--)
		for (uint64_t i = r.first[s->node]; i < r.first[s->node + 1]; i++) {
			uint16_t label = m->edge_to.label[r.edge[i]];

			if (label_is_certain(m, label) == certain)
				link_add(&s->links[SHOW_REFERRERS], s->limit,
					 (struct link){ r.from[i], r.from[i], r.edge[i],
							0 });
		}
	s->unexplained = node_unexplained(m, &r, s->node);
	referrers_release(&r);
}

/* Rows of a table whose column is this node. */
static uint32_t *rows_of(const uint32_t *column, size_t n, uint32_t node, size_t *found)
{
	uint32_t *rows;

	*found = 0;
	for (size_t i = 0; i < n; i++)
		*found += column[i] == node;
	rows = xcalloc(*found + 1, sizeof(*rows));
	for (size_t i = 0, at = 0; i < n; i++)
		if (column[i] == node)
			rows[at++] = (uint32_t)i;
	return rows;
}

static void show_build(struct show *s)
{
	const struct model *m = s->nodes.m;

	for (int i = 0; i < SHOW_LINKS; i++)
		s->links[i].nodes.m = m;
	s->links[SHOW_ATTRIBUTES].by_dot = true;
	if (m->edge_first.n > 0) {
		find_referents(s);
		find_referrers(s);
	}
	s->parts = rows_of(m->parts.owner, node_is_object(m, s->node) ? m->parts.n : 0,
			   s->node, &s->nparts);
	s->roots = rows_of(m->roots.node, m->roots.n, s->node, &s->nroots);
	s->place = place_of(m, node_addr(m, s->node));
	s->all = retained_of_all(m);
}

static void show_release(struct show *s)
{
	for (int i = 0; i < SHOW_LINKS; i++)
		free(s->links[i].rows);
	free(s->parts);
	free(s->roots);
}

static bool is_cut(const struct show *s)
{
	bool cut = false;

	for (int i = 0; i < SHOW_LISTS; i++)
		cut |= s->tables[i].limit && s->tables[i].limit < s->tables[i].nrows;
	return cut;
}

/* ---- columns of references ---- */

static const struct link *link_at(const void *source, size_t row)
{
	return &((const struct links *)source)->rows[row];
}

static uint32_t link_node_of(const void *source, size_t row)
{
	const struct links *l = source;

	return row < l->kept ? l->rows[row].other : NO_NODE;
}

static uint16_t link_label(const void *source, size_t row)
{
	const struct links *l = source;

	return l->nodes.m->edge_to.label[l->rows[row].edge];
}

static struct cell get_label(const void *source, size_t row, struct buf *scratch)
{
	const struct links *l = source;
	const struct link *k = link_at(source, row);

	if (l->nodes.m->labels.kind[link_label(source, row)] == LABEL_ITEM)
		buf_printf(scratch, "[%llu]", (unsigned long long)k->item);
	else
		edge_label(l->nodes.m, k->source, k->edge, scratch);
	if (l->by_dot && scratch->n > 4 && str_starts(buf_view(scratch), "['") &&
	    str_ends(buf_view(scratch), "']")) {
		memmove(scratch->s + 1, scratch->s + 2, scratch->n - 4);
		scratch->s[0] = '.';
		scratch->n -= 3;
		scratch->s[scratch->n] = 0;
	}
	return cell_text(buf_view(scratch));
}

static struct cell get_certain(const void *source, size_t row, struct buf *scratch)
{
	const struct links *l = source;

	(void)scratch;
	return cell_number(l->nodes.m->labels.kind[link_label(source, row)] >
			   LABEL_INTERIOR);
}

static struct cell get_weak(const void *source, size_t row, struct buf *scratch)
{
	const struct links *l = source;

	(void)scratch;
	return cell_number(label_is_weak(l->nodes.m, link_label(source, row)));
}

static struct cell get_how(const void *source, size_t row, struct buf *scratch)
{
	const struct links *l = source;
	uint16_t label = link_label(source, row);

	(void)scratch;
	if (label_is_weak(l->nodes.m, label))
		return cell_text(str_of("weak"));
	if (!label_is_certain(l->nodes.m, label))
		return cell_text(str_of("possible"));
	return cell_absent();
}

static const struct column link_columns[] = {
	{ "label", COLUMN_CODE, 0, get_label, "what the reference is called" },
	{ "addr", COLUMN_ADDRESS, 0, node_get_addr, "of the other end" },
	{ "domain", COLUMN_TEXT, COLUMN_NOT_TEXT, node_get_domain, "whose" },
	{ "kind", COLUMN_TEXT, COLUMN_NOT_TEXT, node_get_kind, "its type" },
	{ "what", COLUMN_NAME, COLUMN_TEXT_ONLY, node_get_what, "these two" },
	{ "size", COLUMN_BYTES, COLUMN_IF_ROOM, node_get_size, "of its own" },
	{ "retained", COLUMN_BYTES, 0, node_get_retained, "with all it holds" },
	{ "how", COLUMN_TEXT, COLUMN_TEXT_ONLY, get_how, "weak, or possible" },
	{ "value", COLUMN_CODE, 0, node_get_value, "what it says" },
	{ "certain", COLUMN_BOOL, COLUMN_NOT_TEXT, get_certain, "by layout" },
	{ "weak", COLUMN_BOOL, COLUMN_NOT_TEXT, get_weak, "holds nothing" },
};

/* ---- columns of parts ---- */

static struct cell get_part_label(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return cell_text(model_text(m, m->labels.name[m->parts.label[row]]));
}

static struct cell get_part_addr(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return cell_number(m->parts.addr[row]);
}

static struct cell get_part_size(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return cell_number(m->parts.size[row]);
}

static const struct column part_columns[] = {
	{ "label", COLUMN_TEXT, 0, get_part_label, "what it is" },
	{ "addr", COLUMN_ADDRESS, 0, get_part_addr, "where it is" },
	{ "size", COLUMN_BYTES, 0, get_part_size, "bytes" },
};

/* ---- columns of where it lies ---- */

static const struct place *place_at(const void *source)
{
	return &((const struct show *)source)->place;
}

static struct cell get_allocator(const void *source, size_t row, struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_text(place_at(source)->allocator);
}

static struct cell get_block_addr(const void *source, size_t row, struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_number(place_at(source)->block);
}

static struct cell get_block_size(const void *source, size_t row, struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_number(place_at(source)->size);
}

static struct cell get_block_footprint(const void *source, size_t row,
				       struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_number(place_at(source)->footprint);
}

static struct cell get_state(const void *source, size_t row, struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_text(str_of(place_at(source)->state));
}

static const struct column block_columns[] = {
	{ "allocator", COLUMN_TEXT, 0, get_allocator, "whose it is" },
	{ "addr", COLUMN_ADDRESS, 0, get_block_addr, "where it begins" },
	{ "size", COLUMN_BYTES, 0, get_block_size, "usable bytes" },
	{ "footprint", COLUMN_BYTES, 0, get_block_footprint, "with its header" },
	{ "state", COLUMN_TEXT, 0, get_state, "used" },
};

static struct cell get_region_start(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return cell_number(m->regions.start[row]);
}

static struct cell get_region_end(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return cell_number(m->regions.end[row]);
}

static struct cell get_region_name(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return cell_text(model_text(m, m->regions.name[row]));
}

static const struct column region_columns[] = {
	{ "start", COLUMN_ADDRESS, 0, get_region_start, "where it begins" },
	{ "end", COLUMN_ADDRESS, 0, get_region_end, "where it ends" },
	{ "name", COLUMN_TEXT, 0, get_region_name, "the file, or [heap]" },
};

/* ---- columns of the node ---- */

static const struct show *show_of(const void *source)
{
	return source;
}

static uint32_t show_node_of(const void *source, size_t row)
{
	(void)row;
	return show_of(source)->node;
}

static struct cell get_refcount(const void *source, size_t row, struct buf *scratch)
{
	const struct show *s = source;

	(void)row, (void)scratch;
	if (!node_is_object(s->nodes.m, s->node) ||
	    s->nodes.m->objects.refcount[s->node] == OBJECT_IMMORTAL)
		return cell_absent();
	return cell_number(s->nodes.m->objects.refcount[s->node]);
}

static struct cell get_immortal(const void *source, size_t row, struct buf *scratch)
{
	const struct show *s = source;

	(void)row, (void)scratch;
	if (!node_is_object(s->nodes.m, s->node))
		return cell_absent();
	return cell_number(s->nodes.m->objects.refcount[s->node] == OBJECT_IMMORTAL);
}

static struct cell get_unexplained(const void *source, size_t row, struct buf *scratch)
{
	const struct show *s = source;

	if (get_refcount(source, row, scratch).kind == CELL_ABSENT)
		return cell_absent();
	return cell_number(s->unexplained);
}

static struct cell get_attributes(const void *source, size_t row, struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_rows(&show_of(source)->tables[SHOW_ATTRIBUTES]);
}

static struct cell get_elements(const void *source, size_t row, struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_rows(&show_of(source)->tables[SHOW_ELEMENTS]);
}

static struct cell get_parts(const void *source, size_t row, struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_rows(&show_of(source)->tables[SHOW_PARTS]);
}

static struct cell get_referents(const void *source, size_t row, struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_rows(&show_of(source)->tables[SHOW_REFERENTS]);
}

static struct cell get_referrers(const void *source, size_t row, struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_rows(&show_of(source)->tables[SHOW_REFERRERS]);
}

static struct cell get_roots(const void *source, size_t row, struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_rows(&show_of(source)->tables[SHOW_ROOTS]);
}

static struct cell get_block(const void *source, size_t row, struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_rows(&show_of(source)->tables[SHOW_BLOCK]);
}

static struct cell get_region(const void *source, size_t row, struct buf *scratch)
{
	(void)row, (void)scratch;
	return cell_rows(&show_of(source)->tables[SHOW_REGION]);
}

static const struct column show_columns[] = {
	{ "addr", COLUMN_ADDRESS, 0, node_get_addr, "where it is" },
	{ "domain", COLUMN_TEXT, 0, node_get_domain,
	  "whose it is: python, c++, c, uncategorized" },
	{ "kind", COLUMN_TEXT, 0, node_get_kind, "its type" },
	{ "size", COLUMN_BYTES, 0, node_get_size, "bytes of its own" },
	{ "footprint", COLUMN_BYTES, 0, node_get_footprint, "all bytes of its blocks" },
	{ "retained", COLUMN_BYTES, 0, node_get_retained,
	  "size of all that would go with it" },
	{ "retained_footprint", COLUMN_BYTES, 0, node_get_retained_footprint,
	  "footprint of all that would go with it" },
	{ "possible", COLUMN_BOOL, 0, node_get_possible,
	  "only what may be a reference leads to it" },
	{ "value", COLUMN_CODE, 0, node_get_value, "what it says, in short" },
	{ "refcount", COLUMN_COUNT, 0, get_refcount, "as the object has it" },
	{ "immortal", COLUMN_BOOL, 0, get_immortal, "it is never freed" },
	{ "unexplained", COLUMN_COUNT, 0, get_unexplained,
	  "how many of these references nothing here accounts for" },
	{ "attributes", COLUMN_LIST, COLUMN_NOT_TEXT, get_attributes,
	  "by name: of itself and of its __dict__" },
	{ "elements", COLUMN_LIST, COLUMN_NOT_TEXT, get_elements,
	  "items of a list, values of a dict by key, members of a set" },
	{ "parts", COLUMN_LIST, COLUMN_NOT_TEXT, get_parts,
	  "memory that is its own but lies elsewhere" },
	{ "referents", COLUMN_LIST, COLUMN_NOT_TEXT, get_referents,
	  "all that it refers to" },
	{ "referrers", COLUMN_LIST, COLUMN_NOT_TEXT, get_referrers,
	  "all that refers to it" },
	{ "roots", COLUMN_LIST, COLUMN_NOT_TEXT, get_roots,
	  "what holds it from outside the heap" },
	{ "block", COLUMN_OBJECT, COLUMN_NOT_TEXT, get_block, "the block it lies in" },
	{ "region", COLUMN_OBJECT, COLUMN_NOT_TEXT, get_region,
	  "the mapping it lies in" },
};

/* ---- tables ---- */

static void tables_build(struct show *s)
{
	for (int i = 0; i < SHOW_LINKS; i++)
		s->tables[i] =
			(struct table){ .columns = link_columns,
					.ncolumns = countof(link_columns),
					.source = &s->links[i],
					.nrows = min_u64(s->links[i].n, UINT32_MAX),
					.limit = s->limit };
	s->tables[SHOW_PARTS] = (struct table){ .columns = part_columns,
						.ncolumns = countof(part_columns),
						.source = s->nodes.m,
						.pick = s->parts,
						.nrows = s->nparts,
						.limit = s->limit };
	s->tables[SHOW_ROOTS] = (struct table){ .columns = root_columns,
						.ncolumns = ROOT_COLUMNS_N,
						.source = s->nodes.m,
						.pick = s->roots,
						.nrows = s->nroots,
						.limit = s->limit };
	s->tables[SHOW_BLOCK] = (struct table){ .columns = block_columns,
						.ncolumns = countof(block_columns),
						.source = s,
						.nrows = s->place.has_block };
	s->tables[SHOW_REGION] = (struct table){ .columns = region_columns,
						 .ncolumns = countof(region_columns),
						 .source = s->nodes.m,
						 .pick = &s->place.region,
						 .nrows = s->place.has_region };
}

/* ---- the command ---- */

static const struct opt show_args[] = {
	ARG_STRING("TARGET", struct show_args, target, OFFER_TARGET, TARGET_HELP),
	ARG_ADDRESS("ADDR", struct show_args, addr,
		    "of it, or anywhere in it or in a part of it"),
};

static bool show_check(const void *args, struct err *e)
{
	const struct show_args *a = args;

	return a->addr < UINT64_MAX - 2 * PAGE_SIZE_4K ||
	       fail(e, ERR_USAGE, "show: ADDR is not in user space");
}

static bool show_run(struct context *cx, const void *args, struct sink *out,
		     struct err *e)
{
	const struct show_args *a = args;
	/* Of a running process: of a block around it, should it be one. */
	const struct collect_options needs = {
		.edges = true,
		.values = true,
		.previews = true,
		.bytes = { align_down(a->addr, PAGE_SIZE_4K), 2 * PAGE_SIZE_4K }
	};
	struct show s = { .nodes = { .node_of = show_node_of },
			  .asked = a->addr,
			  .target = a->target,
			  .limit = cx->shared.limit };
	bool ok;

	if (!context_open(cx, a->target, &needs, e))
		return false;
	s.node = context_node_at(cx, a->addr, &s.part, out);
	if (s.node == NO_NODE)
		return true;
	s.nodes.m = cx->model;
	if (!show_bytes_read(&s, e))
		return false;
	for (int i = 0; i < SHOW_LINKS; i++)
		s.links[i].nodes.node_of = link_node_of;
	show_build(&s);
	tables_build(&s);
	cx->shared.limit = 0; /* it was of each list */
	ok = context_report(cx,
			    &(struct report){ .table = { .source = &s, .nrows = 1 },
					      .is_cut = is_cut(&s),
					      .text = show_write },
			    out, e);
	show_release(&s);
	return ok;
}

const struct command cmd_show = {
	.name = "show",
	.group = GROUP_LOOK,
	.brief = "one object: what it is, what it holds, what refers to it",
	.text = "Shows the node at ADDR: its type and value, what it retains, its "
		"attributes and elements, its parts (memory that is its own but lies "
		"elsewhere, such as the items of a list), what refers to it, and the "
		"block it lies in. Of a block that is no object its text or its first "
		"bytes are shown, if they can be had: of a process, a core, a snapshot "
		"with memory. An address inside a part answers for the owner. "
		"References that nothing in the graph accounts for are held by code in "
		"C, "
		"or by what heapsift does not know. If the address is nobody's, the "
		"exit "
		"code is 1.",
	.example = "show 1234 0x7f3a5c0421c0",
	.example_text = "an object that 'heapsift objects' showed",
	.flags = COMMAND_FORMATS | COMMAND_LIMIT | COMMAND_TARGET,
	.args = show_args,
	.nargs = countof(show_args),
	.args_size = sizeof(struct show_args),
	.columns = show_columns,
	.ncolumns = countof(show_columns),
	.limit = SHOWN,
	.limit_help = "show at most N of each list; 0 shows all",
	.check = show_check,
	.run = show_run,
};
