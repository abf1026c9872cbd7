/* SPDX-License-Identifier: Apache-2.0 */
/* diff: who grew, and what that is called. */
#include "cmd/diff_int.h"
#include "cmd/graph_int.h"

#include <stdlib.h>

enum { STEPS_MOST = 24 };

bool diff_has_holders(const struct diff_models *d, size_t *which)
{
	for (*which = 0; *which < d->n; *which += d->n - 1)
		if (!has_retained(d->all[*which]))
			return false;
	return true;
}

/* ---- names ---- */

/* The way down to a holder from what a root holds, by dominators. */
struct name_way {
	uint32_t nodes[STEPS_MOST]; /* the holder last */
	size_t n;
	uint32_t
		group; /* that the first hangs on; NO_NODE: it is not reached by this few steps */
	uint32_t root; /* of the first; NO_NODE */
};

static struct name_way way_to(const struct holder_search *s, uint32_t node)
{
	const struct model *m = s->m;
	struct name_way w = { .group = NO_NODE, .root = NO_NODE };
	size_t at = STEPS_MOST;

	while (at > 0 && !dominator_is_group(m, node)) {
		w.nodes[--at] = node;
		node = m->dominators.parent[node];
	}
	w.n = STEPS_MOST - at;
	memmove(w.nodes, w.nodes + at, w.n * sizeof(*w.nodes));
	if (!dominator_is_group(m, node))
		return w;
	w.group = node - node_count(m);
	w.root = w.n ? root_of_node(s, w.nodes[0]) : NO_NODE;
	return w;
}

/* The reference from one to the other; NO_EDGE: it is held by way of others. */
static uint64_t edge_between(const struct model *m, uint32_t from, uint32_t to)
{
	uint64_t found = NO_EDGE;

	for (uint64_t e = m->edge_first.at[from]; e < m->edge_first.at[from + 1]; e++)
		if (m->edge_to.node[e] == to && !label_is_weak(m, m->edge_to.label[e]) &&
		    (found == NO_EDGE || (!label_is_certain(m, m->edge_to.label[found]) &&
					  label_is_certain(m, m->edge_to.label[e]))))
			found = e;
	return found;
}

/* ".requests" of "['requests']", for an instance whose attributes are a dict's. */
static bool add_attribute(struct str label, struct buf *out)
{
	if (!str_starts(label, "['") || !str_ends(label, "']"))
		return false;
	buf_char(out, '.');
	buf_add(out, label.s + 2, label.n - 4);
	return true;
}

/* One step on, as one would write it: a field as an attribute, a word somewhere in a native
 * block as an arrow. *in_dict: the step was to the dict of an instance. */
static void add_step(const struct model *m, uint32_t from, uint32_t to, bool *in_dict,
		     struct buf *out)
{
	uint64_t edge = edge_between(m, from, to);
	struct buf label = { 0 };
	bool was_in_dict = *in_dict;
	unsigned kind;

	*in_dict = false;
	if (edge == NO_EDGE) {
		buf_str(out, str_ends(buf_view(out), "…") ? "" : " …");
		return;
	}
	edge_label(m, from, edge, &label);
	kind = m->labels.kind[m->edge_to.label[edge]];
	*in_dict = kind == LABEL_FIELD && str_is(buf_view(&label), "__dict__");
	if (kind == LABEL_POSSIBLE || kind == LABEL_INTERIOR) {
		buf_str(out, " > ");
		node_show(m, to, out);
	} else if (!*in_dict && !(was_in_dict && add_attribute(buf_view(&label), out))) {
		buf_str(out, kind == LABEL_FIELD ? "." : "");
		buf_str(out,
			kind == LABEL_LOCAL || kind == LABEL_KEY || kind == LABEL_ELEMENT
				? " "
				: "");
		buf_add(out, label.s, label.n);
	}
	buf_release(&label);
}

static void name_build(const struct model *m, const struct name_way *w, uint32_t holder,
		       struct buf *out)
{
	bool in_dict = false;

	if (dominator_is_group(m, holder)) {
		group_show(m, holder - node_count(m), out);
		return;
	}
	if (w->root != NO_NODE)
		root_show_shortly(m, w->root, out);
	else if (w->group != NO_NODE)
		group_show(m, w->group, out);
	else
		buf_str(out, "…");
	for (size_t i = 1; i < w->n; i++)
		add_step(m, w->nodes[i - 1], w->nodes[i], &in_dict, out);
}

static const struct growth_row *row_at(const void *source, size_t row)
{
	return &((const struct holders *)source)->growth.rows[row];
}

/* NO_NODE: a group of roots. */
static uint32_t node_at(const void *source, size_t row)
{
	const struct holders *h = source;
	uint32_t holder = row_at(source, row)->holder;

	return dominator_is_group(h->after, holder) ? NO_NODE : holder;
}

void holders_build(const struct diff_models *d, struct holders *out)
{
	const struct model *m = diff_last(d);
	struct holder_search search;

	*out = (struct holders){ .nodes = { m, node_at },
				 .before = d->all[0],
				 .after = m };
	growth_build(out->before, m, &out->growth);
	out->names = xcalloc(out->growth.n + 1, sizeof(*out->names));
	holder_search_init(&search, m);
	for (size_t i = 0; i < out->growth.n; i++) {
		uint32_t holder = out->growth.rows[i].holder;
		struct name_way way = way_to(&search, holder);

		name_build(m, &way, holder, &out->names[i]);
		buf_str(&out->names[i],
			out->growth.rows[i].is_shared ? ", with others" : "");
	}
	holder_search_release(&search);
}

void holders_release(struct holders *h)
{
	for (size_t i = 0; h->names && i < h->growth.n; i++)
		buf_release(&h->names[i]);
	free(h->names);
	growth_release(&h->growth);
	*h = (struct holders){ 0 };
}

/* ---- columns ---- */

static struct cell get_growth(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_signed((int64_t)row_at(source, row)->growth);
}

static uint64_t retained_of(const struct model *m, uint32_t d)
{
	return dominator_is_group(m, d) ? m->groups.retained[d - node_count(m)]
					: m->dominators.retained[d];
}

static struct cell get_before(const void *source, size_t row, struct buf *scratch)
{
	const struct holders *h = source;
	const struct growth_row *r = row_at(source, row);

	(void)scratch;
	return r->before == NO_NODE ? cell_absent()
				    : cell_number(retained_of(h->before, r->before));
}

static struct cell get_after(const void *source, size_t row, struct buf *scratch)
{
	const struct holders *h = source;

	(void)scratch;
	return cell_number(retained_of(h->after, row_at(source, row)->holder));
}

static struct cell get_name(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(buf_view(&((const struct holders *)source)->names[row]));
}

static const struct column holders_columns[] = {
	{ "addr", COLUMN_ADDRESS, 0, node_get_addr,
	  "where it is; absent: a group of roots" },
	{ "domain", COLUMN_TEXT, COLUMN_NOT_TEXT, node_get_domain, "whose it is" },
	{ "kind", COLUMN_TEXT, COLUMN_NOT_TEXT, node_get_kind, "its type" },
	{ "what", COLUMN_NAME, COLUMN_TEXT_ONLY, node_get_what, "these two in one" },
	{ "growth", COLUMN_BYTES_CHANGE, 0, get_growth,
	  "what came to what it holds less what went, but for what other rows have" },
	{ "retained_after", COLUMN_BYTES, COLUMN_IF_ROOM, get_after,
	  "what would go with it now" },
	{ "retained_before", COLUMN_BYTES, COLUMN_IF_ROOM, get_before,
	  "what would have gone with it; absent: it is new" },
	{ "name", COLUMN_CODE, 0, get_name, "how it is held: app.cache.PAGES" },
};

struct table holders_table(const struct holders *h)
{
	return (struct table){
		.columns = holders_columns,
		.ncolumns = countof(holders_columns),
		.source = h,
		.nrows = h->growth.n,
	};
}

static bool by_holder_run(struct context *cx, const void *args, struct sink *out,
			  struct err *e)
{
	const struct diff_args *a = args;
	const struct collect_options needs = { .edges = true, .values = true };
	struct diff_models d;
	struct holders h;
	size_t which;
	bool ok = diff_open(cx, a, &needs, &d, e) && diff_needs_one(&d, e);

	if (ok && !diff_has_holders(&d, &which))
		ok = fail(e, ERR_FILE,
			  "'%s' does not tell who refers to whom: it holds no references",
			  d.names[which]);
	if (ok) {
		holders_build(&d, &h);
		ok = diff_report(
			cx, &d,
			&(struct diff_answer){ .source = &h, .nrows = h.growth.n }, out,
			e);
		holders_release(&h);
	}
	diff_models_release(&d);
	return ok;
}

const struct command diff_by_holder = {
	DIFF_COMMAND,
	.columns = holders_columns,
	.ncolumns = countof(holders_columns),
	.sort = "growth",
	.run = by_holder_run,
};
