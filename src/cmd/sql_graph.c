/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the graph: nodes by themselves and by type, strings, parts, edges, roots. */
#include "cmd/sql_int.h"

#include "base/search.h"
#include <stdlib.h>

static const struct model *model_of(const void *source)
{
	return ((const struct sql_rows *)source)->nodes.m;
}

static struct sql_worked_out *worked_out_of(const void *source)
{
	return ((const struct sql_rows *)source)->worked_out;
}

static struct cell addr_of(const struct model *m, uint32_t node)
{
	return node < node_count(m) ? cell_number(node_addr(m, node)) : cell_absent();
}

static struct cell word_of(const struct model *m, uint32_t id)
{
	return id ? cell_text(model_text(m, id)) : cell_absent();
}

/* ---- nodes ---- */

static size_t nodes_count(const struct model *m)
{
	return node_count(m);
}

static bool nodes_is_there(const void *source, size_t row)
{
	return node_is_there(model_of(source), (uint32_t)row);
}

/* By address objects are in order, and blocks. */
static size_t nodes_find(const void *source, size_t column, uint64_t low, uint64_t high,
			 struct query_span spans[QUERY_SPANS_MAX])
{
	const struct model *m = model_of(source);
	const struct sql_rows *r = source;

	if (strcmp(r->columns[column].name, "node") == 0) {
		spans[0].from = min_u64(low, node_count(m));
		spans[0].to = high >= node_count(m) ? node_count(m) : high + 1;
		return 1;
	}
	spans[0].from = search_words_from(m->objects.addr, m->objects.n, low);
	spans[0].to = search_words(m->objects.addr, m->objects.n, high);
	spans[1].from =
		m->objects.n + search_words_from(m->blocks.addr, m->blocks.n, low);
	spans[1].to = m->objects.n + search_words(m->blocks.addr, m->blocks.n, high);
	return 2;
}

static struct cell get_node(const void *source, size_t row, struct buf *scratch)
{
	(void)source, (void)scratch;
	return cell_number(row);
}

static struct cell get_detail(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);
	uint32_t type = node_type(m, (uint32_t)row);

	(void)scratch;
	return type < m->types.n ? cell_text(model_text(m, m->types.detail[type]))
				 : cell_absent();
}

static struct cell get_unreached(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	if (row >= m->dominators.n)
		return cell_absent();
	return cell_number((m->dominators.flags[row] & DOMINATOR_UNREACHED) != 0);
}

static struct cell get_refcount(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	if (row >= m->objects.n || m->objects.refcount[row] == OBJECT_IMMORTAL)
		return cell_absent();
	return cell_number(m->objects.refcount[row]);
}

static struct cell get_dominator(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return row < m->dominators.n ? addr_of(m, m->dominators.parent[row])
				     : cell_absent();
}

static struct cell get_held_by(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);
	uint32_t group;

	if (row >= m->dominators.n || m->dominators.parent[row] < node_count(m))
		return cell_absent();
	group = m->dominators.parent[row] - node_count(m);
	if (group >= m->groups.n)
		return cell_absent();
	group_show(m, group, scratch);
	return cell_text(buf_view(scratch));
}

static const struct sql_column nodes_columns[] = {
	{ "node", COLUMN_NUMBER, get_node, NULL, "its number", QUERY_FINDS },
	{ "addr", COLUMN_ADDRESS, node_get_addr, NULL, "where it is", QUERY_FINDS },
	{ "domain", COLUMN_TEXT, node_get_domain, NULL,
	  "whose it is: python, cpython, c++, c, uncategorized", QUERY_CLASS },
	{ "kind", COLUMN_NAME, node_get_kind, NULL,
	  "its type: dict, app.models.Order, std::string", QUERY_CLASS },
	{ "detail", COLUMN_TEXT, get_detail, NULL, "more about its type", QUERY_CLASS },
	{ "size", COLUMN_BYTES, node_get_size, NULL,
	  "bytes of its own, as sys.getsizeof has them; of a block what is usable", 0 },
	{ "footprint", COLUMN_BYTES, node_get_footprint, NULL,
	  "all bytes of its blocks: with headers and rounding", 0 },
	{ "retained", COLUMN_BYTES, node_get_retained, NULL,
	  "size of all that would go with it", 0 },
	{ "retained_footprint", COLUMN_BYTES, node_get_retained_footprint, NULL,
	  "footprint of all that would go with it", 0 },
	{ "possible", COLUMN_BOOL, node_get_possible, NULL,
	  "only what may be a reference leads to it", 0 },
	{ "unreached", COLUMN_BOOL, get_unreached, NULL, "no root leads to it", 0 },
	{ "dominator", COLUMN_ADDRESS, get_dominator, NULL,
	  "the node that alone keeps it alive; NULL: roots do, or several nodes", 0 },
	{ "held_by", COLUMN_TEXT, get_held_by, NULL,
	  "if no node does: which group of roots, a module, a thread", 0 },
	{ "refcount", COLUMN_COUNT, get_refcount, NULL,
	  "as a Python object has it; NULL of others and of immortal ones", 0 },
	{ "value", COLUMN_CODE, node_get_value, NULL,
	  "what it says, in short; NULL: nothing", 0 },
};

/* ---- strings ---- */

static size_t strings_begin(const void *source)
{
	static const char *const kinds[] = { "str", "bytes", "bytearray", "string data",
					     "std::string" };
	const struct model *m = model_of(source);
	struct sql_worked_out *w = worked_out_of(source);

	free(w->is_string);
	w->is_string = xcalloc(m->types.n + 1, sizeof(*w->is_string));
	for (size_t t = 0; t < m->types.n; t++)
		for (size_t i = 0; i < countof(kinds); i++)
			w->is_string[t] |=
				str_is(model_text(m, m->types.kind[t]), kinds[i]);
	return node_count(m);
}

static bool strings_is_there(const void *source, size_t row)
{
	const struct model *m = model_of(source);
	size_t type = min_u64(node_type(m, (uint32_t)row), m->types.n);

	return worked_out_of(source)->is_string[type] && nodes_is_there(source, row);
}

static const struct sql_column strings_columns[] = {
	{ "node", COLUMN_NUMBER, get_node, NULL, "its number in nodes", QUERY_FINDS },
	{ "addr", COLUMN_ADDRESS, node_get_addr, NULL, "where it is", QUERY_FINDS },
	{ "domain", COLUMN_TEXT, node_get_domain, NULL, "python, c, c++", QUERY_CLASS },
	{ "kind", COLUMN_NAME, node_get_kind, NULL,
	  "str, bytes, bytearray, string data, std::string", QUERY_CLASS },
	{ "size", COLUMN_BYTES, node_get_size, NULL, "bytes, its header included", 0 },
	{ "retained", COLUMN_BYTES, node_get_retained, NULL,
	  "size of all that would go with it", 0 },
	{ "value", COLUMN_CODE, node_get_value, NULL,
	  "what it says; of a long one the beginning", 0 },
};

/* ---- types ---- */

static size_t types_begin(const void *source)
{
	struct sql_worked_out *w = worked_out_of(source);

	top_release(&w->top.top);
	w->top.m = model_of(source);
	top_build(w->top.m, &w->top.top);
	((struct sql_rows *)source)->like = &w->top;
	return w->top.top.n;
}

/* ---- parts ---- */

static struct cell get_part_owner(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return addr_of(m, m->parts.owner[row]);
}

static struct cell get_part_kind(const void *source, size_t row, struct buf *scratch)
{
	return node_get_kind(source, model_of(source)->parts.owner[row], scratch);
}

static struct cell get_part_label(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return word_of(m, m->labels.name[m->parts.label[row]]);
}

static size_t parts_find(const void *source, size_t column, uint64_t low, uint64_t high,
			 struct query_span spans[QUERY_SPANS_MAX])
{
	const struct model *m = model_of(source);

	(void)column;
	spans[0].from = search_words_from(m->parts.addr, m->parts.n, low);
	spans[0].to = search_words(m->parts.addr, m->parts.n, high);
	return 1;
}

static const struct sql_column parts_columns[] = {
	{ "addr", COLUMN_ADDRESS, NULL, NULL, "where it is",
	  QUERY_FINDS | QUERY_IN_ORDER },
	{ "size", COLUMN_BYTES, NULL, NULL, "bytes", 0 },
	{ "owner", COLUMN_ADDRESS, get_part_owner, NULL, "the object it belongs to", 0 },
	{ "owner_kind", COLUMN_NAME, get_part_kind, NULL, "that one's type", 0 },
	{ "label", COLUMN_TEXT, get_part_label, NULL, "what it is: items, entries", 0 },
};

/* ---- edges ---- */

static size_t edges_count(const struct model *m)
{
	return m->edge_first.n ? m->edge_to.n : 0;
}

static const char *edges_missing(const struct model *m)
{
	return m->edge_first.n ? NULL
			       : "there are none: it is not known who refers to whom";
}

static bool edges_is_there(const void *source, size_t row)
{
	return model_of(source)->edge_to.node[row] != NO_NODE;
}

/* The node an edge comes from. */
static uint32_t edge_source(const void *source, size_t row)
{
	const struct model *m = model_of(source);
	struct sql_edge_place *p = &worked_out_of(source)->place;
	const uint64_t *first = m->edge_first.at;

	if (row < first[p->node] || row >= first[p->node + (size_t)1]) {
		p->node = (uint32_t)search_words(first, m->edge_first.n, row) - 1;
		p->counted = first[p->node];
		p->items = 0;
	}
	return p->node;
}

static struct cell get_edge_source(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return addr_of(model_of(source), edge_source(source, row));
}

static struct cell get_edge_source_node(const void *source, size_t row,
					struct buf *scratch)
{
	(void)scratch;
	return cell_number(edge_source(source, row));
}

static struct cell get_edge_target(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return addr_of(m, m->edge_to.node[row]);
}

static unsigned edge_kind(const struct model *m, size_t row)
{
	return m->labels.kind[m->edge_to.label[row]];
}

enum { ITEM_STRIDE = 256 };

static uint64_t *items_count(const struct model *m)
{
	uint64_t *marks = xcalloc(m->edge_to.n / ITEM_STRIDE + 1, sizeof(*marks));
	uint64_t n = 0;

	for (size_t row = 0; row < m->edge_to.n; row++) {
		if (row % ITEM_STRIDE == 0)
			marks[row / ITEM_STRIDE] = n;
		n += edge_kind(m, row) == LABEL_ITEM;
	}
	return marks;
}

/* How many of all edges before this one are items. */
static uint64_t items_before(const void *source, uint64_t row)
{
	const struct model *m = model_of(source);
	struct sql_worked_out *w = worked_out_of(source);
	uint64_t n;

	if (!w->items)
		w->items = items_count(m);
	n = w->items[row / ITEM_STRIDE];
	for (uint64_t i = row / ITEM_STRIDE * ITEM_STRIDE; i < row; i++)
		n += edge_kind(m, i) == LABEL_ITEM;
	return n;
}

/* "[i]": counted on from where the last one was, if that is near: a list may have millions,
 * and be asked in any order. */
static void item_label(const void *source, size_t row, struct buf *out)
{
	const struct model *m = model_of(source);
	struct sql_edge_place *p = &worked_out_of(source)->place;
	uint64_t first = m->edge_first.at[edge_source(source, row)];

	if (p->counted > row) {
		p->counted = first;
		p->items = 0;
	}
	if (row - p->counted > ITEM_STRIDE) {
		p->items = items_before(source, row) - items_before(source, first);
		p->counted = row;
	}
	for (; p->counted < row; p->counted++)
		p->items += edge_kind(m, p->counted) == LABEL_ITEM;
	buf_printf(out, "[%llu]", (unsigned long long)p->items);
}

static struct cell get_edge_label(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	if (edge_kind(m, row) == LABEL_ITEM)
		item_label(source, row, scratch);
	else
		edge_label(m, edge_source(source, row), row, scratch);
	return cell_text(buf_view(scratch));
}

static struct cell get_edge_certain(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return cell_number(edge_kind(m, row) > LABEL_INTERIOR);
}

static struct cell get_edge_weak(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(edge_kind(model_of(source), row) == LABEL_WEAK);
}

/* Nodes lie one behind the other, and so do the edges of several. */
static size_t edges_find(const void *source, size_t column, uint64_t low, uint64_t high,
			 struct query_span spans[QUERY_SPANS_MAX])
{
	const uint64_t *first = model_of(source)->edge_first.at;
	const struct sql_rows *r = source;
	size_t n;

	if (model_of(source)->edge_first.n == 0)
		return 0;
	if (strcmp(r->columns[column].name, "source_node") == 0) {
		uint32_t nodes = node_count(model_of(source));

		spans[0].from = min_u64(low, nodes);
		spans[0].to = high >= nodes ? nodes : high + 1;
		n = 1;
	} else {
		n = nodes_find(source, column, low, high, spans);
	}
	for (size_t i = 0; i < n; i++)
		spans[i] =
			(struct query_span){ first[spans[i].from], first[spans[i].to] };
	return n;
}

static const struct sql_column edges_columns[] = {
	{ "source", COLUMN_ADDRESS, get_edge_source, NULL, "the node that refers",
	  QUERY_FINDS },
	{ "target", COLUMN_ADDRESS, get_edge_target, NULL, "the node it refers to", 0 },
	{ "source_node", COLUMN_NUMBER, get_edge_source_node, NULL, "their numbers",
	  QUERY_FINDS | QUERY_IN_ORDER },
	{ "target_node", COLUMN_NUMBER, NULL, "node", "in nodes", 0 },
	{ "label", COLUMN_TEXT, get_edge_label, NULL, "by what: .name, [3], ['key']", 0 },
	{ "certain", COLUMN_BOOL, get_edge_certain, NULL,
	  "known from a type's layout; else a word with the address", 0 },
	{ "weak", COLUMN_BOOL, get_edge_weak, NULL, "keeps nothing alive", 0 },
};

/* ---- roots ---- */

static struct cell get_root_group(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	group_show(m, m->roots.group[row], scratch);
	return cell_text(buf_view(scratch));
}

static struct cell get_root_kind(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(str_of(root_kind_name(model_of(source)->roots.kind[row])));
}

static struct cell get_root_target(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);

	(void)scratch;
	return addr_of(m, m->roots.node[row]);
}

static const struct sql_column roots_columns[] = {
	{ "held_by", COLUMN_TEXT, get_root_group, NULL,
	  "its group: a module, a thread, globals of a library", 0 },
	{ "kind", COLUMN_TEXT, get_root_kind, NULL, "name, local, stack, global …", 0 },
	{ "name", COLUMN_TEXT, NULL, NULL, "its name there", 0 },
	{ "target", COLUMN_ADDRESS, get_root_target, NULL, "the node it holds", 0 },
	{ "target_node", COLUMN_NUMBER, NULL, "node", "that one's number", 0 },
	{ "addr", COLUMN_ADDRESS, NULL, NULL, "of the word that holds it",
	  SQL_ZERO_IS_ABSENT },
	{ "certain", COLUMN_BOOL, NULL, NULL, "known from a layout", 0 },
};

static struct cell get_group_name(const void *source, size_t row, struct buf *scratch)
{
	group_show(model_of(source), (uint32_t)row, scratch);
	return cell_text(buf_view(scratch));
}

static struct cell get_group_kind(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_text(str_of(group_kind_name(model_of(source)->groups.kind[row])));
}

static const struct sql_column groups_columns[] = {
	{ "held_by", COLUMN_TEXT, get_group_name, NULL, "as in nodes and roots", 0 },
	{ "kind", COLUMN_TEXT, get_group_kind, NULL, "module, thread, globals …", 0 },
	{ "retained", COLUMN_BYTES, NULL, NULL, "size of what it alone keeps alive", 0 },
	{ "retained_footprint", COLUMN_BYTES, NULL, NULL, "footprint of that", 0 },
};

#define COLUMNS(list) .columns = (list), .ncolumns = countof(list)

const struct sql_table sql_graph_tables[] = {
	{ .name = "nodes",
	  .help = "Python objects, and blocks in use that belong to none",
	  .needs = SQL_EDGES | SQL_VALUES | SQL_PREVIEWS,
	  COLUMNS(nodes_columns),
	  .count = nodes_count,
	  .is_there = nodes_is_there,
	  .find = nodes_find,
	  .has_classes = true },
	{ .name = "types",
	  .help = "nodes by type, added up: the rows of 'top'",
	  .needs = SQL_EDGES,
	  .rows = TABLE_types,
	  .like = &cmd_top,
	  .begin = types_begin },
	{ .name = "strings",
	  .help = "those of nodes that are texts or bytes",
	  .needs = SQL_EDGES | SQL_VALUES | SQL_PREVIEWS,
	  COLUMNS(strings_columns),
	  .count = nodes_count,
	  .begin = strings_begin,
	  .is_there = strings_is_there,
	  .find = nodes_find,
	  .has_classes = true },
	{ .name = "parts",
	  .help = "memory that one object owns outside its own block",
	  .rows = TABLE_parts,
	  COLUMNS(parts_columns),
	  .find = parts_find },
	{ .name = "edges",
	  .help = "references between nodes",
	  .needs = SQL_EDGES | SQL_VALUES,
	  .rows = TABLE_edge_to,
	  .missing = edges_missing,
	  COLUMNS(edges_columns),
	  .count = edges_count,
	  .is_there = edges_is_there,
	  .find = edges_find },
	{ .name = "roots",
	  .help = "what holds nodes from outside the heap",
	  .needs = SQL_EDGES,
	  .rows = TABLE_roots,
	  .missing = edges_missing,
	  COLUMNS(roots_columns) },
	{ .name = "root_groups",
	  .help = "roots by what they belong to",
	  .needs = SQL_EDGES,
	  .rows = TABLE_groups,
	  .missing = edges_missing,
	  COLUMNS(groups_columns) },
};
const size_t sql_ngraph_tables = countof(sql_graph_tables);
