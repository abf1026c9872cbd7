/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/graph_int.h"

#include "base/utf8.h"

/* ---- cells of nodes ---- */

static const struct model *model_of(const void *source)
{
	return ((const struct node_source *)source)->m;
}

static uint32_t node_of(const void *source, size_t row)
{
	const struct node_source *s = source;

	return s->node_of ? s->node_of(source, row) : (uint32_t)row;
}

struct cell node_get_addr(const void *source, size_t row, struct buf *scratch)
{
	uint32_t node = node_of(source, row);

	(void)scratch;
	if (node == NO_NODE)
		return cell_absent();
	return cell_number(node_addr(model_of(source), node));
}

/* One of the words of a node's type. */
static struct cell type_word(const void *source, size_t row, bool kind)
{
	const struct model *m = model_of(source);
	uint32_t node = node_of(source, row), type;

	if (node == NO_NODE)
		return cell_absent();
	type = node_type(m, node);
	if (type >= m->types.n)
		return cell_absent();
	return cell_text(
		model_text(m, kind ? m->types.kind[type] : m->types.domain[type]));
}

struct cell node_get_domain(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return type_word(source, row, false);
}

struct cell node_get_kind(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return type_word(source, row, true);
}

struct cell node_get_size(const void *source, size_t row, struct buf *scratch)
{
	uint32_t node = node_of(source, row);

	(void)scratch;
	if (node == NO_NODE)
		return cell_absent();
	return cell_number(node_size(model_of(source), node));
}

struct cell node_get_footprint(const void *source, size_t row, struct buf *scratch)
{
	uint32_t node = node_of(source, row);

	(void)scratch;
	if (node == NO_NODE)
		return cell_absent();
	return cell_number(node_footprint(model_of(source), node));
}

struct cell node_get_retained(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);
	uint32_t node = node_of(source, row);

	(void)scratch;
	if (node >= m->dominators.n)
		return cell_absent();
	return cell_number(m->dominators.retained[node]);
}

struct cell node_get_retained_footprint(const void *source, size_t row,
					struct buf *scratch)
{
	const struct model *m = model_of(source);
	uint32_t node = node_of(source, row);

	(void)scratch;
	if (node >= m->dominators.n)
		return cell_absent();
	return cell_number(m->dominators.retained_footprint[node]);
}

struct cell node_get_possible(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);
	uint32_t node = node_of(source, row);

	(void)scratch;
	if (node >= m->dominators.n)
		return cell_absent();
	return cell_number((m->dominators.flags[node] & DOMINATOR_POSSIBLE) != 0);
}

struct cell node_get_value(const void *source, size_t row, struct buf *scratch)
{
	uint32_t node = node_of(source, row);

	if (node != NO_NODE)
		node_value(model_of(source), node, scratch);
	return scratch->n ? cell_text(buf_view(scratch)) : cell_absent();
}

struct cell node_get_what(const void *source, size_t row, struct buf *scratch)
{
	uint32_t node = node_of(source, row);

	if (node != NO_NODE)
		node_show(model_of(source), node, scratch);
	return scratch->n ? cell_text(buf_view(scratch)) : cell_absent();
}

struct cell node_get_held(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = model_of(source);
	uint32_t node = node_of(source, row);

	(void)scratch;
	if (node >= m->dominators.n)
		return cell_absent();
	if (m->dominators.flags[node] & DOMINATOR_UNREACHED)
		return cell_text(str_of("unreached"));
	if (m->dominators.flags[node] & DOMINATOR_POSSIBLE)
		return cell_text(str_of("possibly"));
	return cell_absent();
}

void type_show(const struct model *m, uint32_t type, struct buf *out)
{
	struct str domain, kind;

	if (type >= m->types.n)
		return;
	domain = model_text(m, m->types.domain[type]);
	kind = model_text(m, m->types.kind[type]);
	if (!str_is(domain, "python")) {
		buf_add(out, domain.s, domain.n);
		if (kind.n)
			buf_char(out, ' ');
	}
	buf_add(out, kind.s, kind.n);
}

void type_show_in_full(const struct model *m, uint32_t type, struct buf *out)
{
	struct str detail = model_text(m, m->types.detail[type]);

	type_show(m, type, out);
	if (detail.n) {
		buf_char(out, ' ');
		buf_add(out, detail.s, detail.n);
	}
}

void node_show(const struct model *m, uint32_t node, struct buf *out)
{
	type_show(m, node_type(m, node), out);
}

void node_describe(const struct model *m, uint32_t node, struct buf *out)
{
	uint32_t type = node_type(m, node);
	struct buf value = { 0 };

	type_show(m, type, out);
	if (type < m->types.n && m->types.kind[type] == 0 && m->types.detail[type]) {
		struct str detail = model_text(m, m->types.detail[type]);

		buf_char(out, ' ');
		buf_add(out, detail.s, detail.n);
	}
	node_value(m, node, &value);
	if (value.n) {
		buf_char(out, ' ');
		buf_add(out, value.s, value.n);
	}
	buf_release(&value);
}

uint64_t node_retained(const struct model *m, uint32_t node)
{
	return node < m->dominators.n ? m->dominators.retained[node] : 0;
}

uint64_t retained_of_all(const struct model *m)
{
	return m->groups.n <= ROOTS_UNREACHED
		       ? 0
		       : m->groups.retained[ROOTS_ALL] +
				 m->groups.retained[ROOTS_UNREACHED];
}

struct str allocator_name(const struct model *m)
{
	struct str name;
	ptrdiff_t space;

	if (m->processes.n == 0)
		return (struct str){ 0 };
	name = model_text(m, m->processes.allocator[0]);
	space = str_find(name, " ");
	if (space > 0)
		name.n = (size_t)space;
	return name;
}

/* ---- names of groups and roots ---- */

/* A value that came from a file may be anything. */
#define NAME_OF(names, value) ((value) < countof(names) ? (names)[value] : "?")

const char *group_kind_name(unsigned kind)
{
	static const char *const names[] = { "all",    "unreached", "interpreter",
					     "module", "thread",    "globals" };

	return NAME_OF(names, kind);
}

const char *root_kind_name(unsigned kind)
{
	static const char *const names[] = {
		[ROOT_FIELD] = "field",       [ROOT_MODULE] = "module",
		[ROOT_NAME] = "name",         [ROOT_LOCAL] = "local",
		[ROOT_FRAME] = "frame",       [ROOT_STACK] = "stack",
		[ROOT_REGISTER] = "register", [ROOT_TLS] = "tls",
		[ROOT_GLOBAL] = "global",
	};

	return NAME_OF(names, kind);
}

static void text_add(const struct model *m, uint32_t id, struct buf *out)
{
	struct str text = model_text(m, id);

	buf_add(out, text.s, text.n);
}

void group_show(const struct model *m, uint32_t group, struct buf *out)
{
	static const char *const before[] = {
		"several groups of roots",
		"nothing reaches it",
		"interpreter",
		"module ",
		"thread ",
		"globals of ",
	};
	unsigned kind = m->groups.kind[group];

	buf_str(out, NAME_OF(before, kind));
	if (kind >= ROOTS_MODULE)
		text_add(m, m->groups.name[group], out);
}

/* How a root is said: the words before its name, and before its group's. */
struct root_words {
	const char *before, *nameless, *of;
};

void root_show(const struct model *m, uint32_t root, struct buf *out)
{
	static const struct root_words words[] = {
		[ROOT_LOCAL] = { "local ", "a local", ", " },
		[ROOT_FRAME] = { "", "a frame", ", " },
		[ROOT_STACK] = { "stack", "stack", " of " },
		[ROOT_REGISTER] = { "register ", "a register", " of " },
		[ROOT_TLS] = { "thread-local ", "thread-local memory", " of " },
		[ROOT_GLOBAL] = { "global ", "data", " in " },
	};
	unsigned kind = m->roots.kind[root];
	uint32_t group = m->roots.group[root];
	struct str name = model_text(m, m->roots.name[root]);

	if (kind >= countof(words) || !words[kind].of) { /* the group comes first */
		group_show(m, group, out);
		if (name.n)
			buf_str(out, kind == ROOT_NAME ? ", name " : ", ");
		buf_add(out, name.s, name.n);
		return;
	}
	buf_str(out, name.n ? words[kind].before : words[kind].nameless);
	buf_add(out, name.s, kind == ROOT_STACK ? 0 : name.n);
	buf_str(out, words[kind].of);
	if (kind == ROOT_GLOBAL && m->groups.kind[group] == ROOTS_GLOBALS)
		text_add(m, m->groups.name[group], out);
	else
		group_show(m, group, out);
}

void root_name_show(const struct model *m, uint32_t root, struct buf *out)
{
	unsigned kind = m->roots.kind[root];

	if (m->roots.name[root] == 0 || kind == ROOT_STACK || kind == ROOT_REGISTER)
		buf_str(out, root_kind_name(kind));
	if (kind == ROOT_REGISTER)
		buf_char(out, ' ');
	if (kind != ROOT_STACK)
		text_add(m, m->roots.name[root], out);
}

/* "rows in f (app.py:12)": the name of a local without the word frame. */
static void local_show_shortly(struct str name, struct buf *out)
{
	ptrdiff_t at = str_find(name, " in frame ");

	buf_add(out, name.s, at < 0 ? name.n : (size_t)at);
	if (at >= 0) {
		size_t behind = (size_t)at + strlen(" in frame ");

		buf_str(out, " in ");
		buf_add(out, name.s + behind, name.n - behind);
	}
}

void root_show_shortly(const struct model *m, uint32_t root, struct buf *out)
{
	struct str name = model_text(m, m->roots.name[root]);
	unsigned kind = m->roots.kind[root];

	if (name.n && kind == ROOT_NAME) {
		text_add(m, m->groups.name[m->roots.group[root]], out);
		buf_char(out, '.');
		buf_add(out, name.s, name.n);
	} else if (name.n && kind == ROOT_LOCAL) {
		buf_str(out, "local ");
		local_show_shortly(name, out);
	} else if (name.n && kind == ROOT_GLOBAL) {
		buf_str(out, "global ");
		buf_add(out, name.s, name.n);
	} else {
		root_show(m, root, out);
	}
}

static struct cell get_root_group(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	group_show(m, m->roots.group[row], scratch);
	return cell_text(buf_view(scratch));
}

static struct cell get_root_kind(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return cell_text(str_of(root_kind_name(m->roots.kind[row])));
}

static struct cell get_root_name(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return cell_text(model_text(m, m->roots.name[row]));
}

static struct cell get_root_certain(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return cell_number(m->roots.certain[row]);
}

const struct column root_columns[ROOT_COLUMNS_N] = {
	{ "group", COLUMN_TEXT, 0, get_root_group, "what it belongs to" },
	{ "kind", COLUMN_TEXT, 0, get_root_kind, "what it is" },
	{ "name", COLUMN_TEXT, 0, get_root_name, "its name there" },
	{ "certain", COLUMN_BOOL, 0, get_root_certain, "known from a layout" },
};

/* ---- addresses that are nobody's ---- */

static void block_say(const struct model *m, size_t block, struct buf *out)
{
	bool is_free = m->blocks.state[block] != BLOCK_USED;

	buf_printf(out, "a %s block of %llu bytes at 0x%llx", is_free ? "free" : "used",
		   (unsigned long long)m->blocks.size[block],
		   (unsigned long long)m->blocks.addr[block]);
	if (is_free)
		buf_printf(out, " (%s)", block_state_name(m->blocks.state[block]));
	else if (m->blocks.owner[block] == BLOCK_IS_POOL)
		buf_str(out, " that another allocator cuts up");
}

static void slab_block_say(const struct model *m, size_t slab, uint32_t block,
			   struct buf *out)
{
	bool is_used = slab_block_is_used(m, slab, block);
	taddr at = m->slabs.start[slab] + (uint64_t)block * m->slabs.block_size[slab];

	buf_printf(out, "a %s block of %u bytes at 0x%llx of obmalloc%s",
		   is_used ? "used" : "free", m->slabs.block_size[slab],
		   (unsigned long long)at,
		   is_used ? ", raw memory that no object owns" : "");
}

static bool region_say(const struct model *m, taddr at, struct buf *out)
{
	for (size_t r = 0; r < m->regions.n; r++) {
		if (at < m->regions.start[r] || at >= m->regions.end[r])
			continue;

		struct str name = model_text(m, m->regions.name[r]);

		buf_str(out, name.n ? "in " : "in anonymous memory");
		utf8_escape(out, name);
		buf_str(out, ", but in no block that is in use and in no object");
		return true;
	}
	return false;
}

/* "0x10 is not mapped". */
static void nobody_say(const struct model *m, taddr at, struct buf *out)
{
	size_t block = model_block_at(m, at), slab;
	uint32_t i;

	buf_printf(out, "0x%llx is ", (unsigned long long)at);
	if (model_slab_block_at(m, at, &slab, &i)) {
		buf_str(out, "in ");
		slab_block_say(m, slab, i, out);
	} else if (block < m->blocks.n) {
		buf_str(out, "in ");
		block_say(m, block, out);
	} else if (!region_say(m, at, out)) {
		buf_str(out, "not mapped");
	}
}

/* As a paragraph, and what shows the bytes that are there. */
static void nobody_write(const struct model *m, taddr at, struct str text,
			 struct sink *out)
{
	struct wrap w = { .out = out, .width = out->width };
	bool is_mapped = false;

	wrap_words(&w, text);
	sink_char(out, '\n');
	for (size_t r = 0; r < m->regions.n && !is_mapped; r++)
		is_mapped = at >= m->regions.start[r] && at < m->regions.end[r];
	if (is_mapped && m->processes.n > 0 && m->processes.kind[0] == TARGET_LIVE) {
		sink_printf(out, "'heapsift hexdump %u ", m->processes.pid[0]);
		sink_address(out, at);
		sink_str(out, "' shows the bytes there\n");
	}
	report_footer(m, out);
}

uint32_t context_node_at(struct context *cx, taddr at, size_t *part, struct sink *out)
{
	uint32_t node = model_node_at(cx->model, at, part);
	struct buf text = { 0 };
	struct err ignored;

	if (node != NO_NODE && node_is_there(cx->model, node))
		return node;
	cx->answer_is_no = true;
	nobody_say(cx->model, at, &text);
	if (out->format == FORMAT_TEXT) {
		nobody_write(cx->model, at, buf_view(&text), out);
	} else {
		model_find_out(cx->model, SEVERITY_NOTE, "", "%s", text.s);
		/* No rows: nothing in the options can be wrong for them. */
		(void)!context_report(cx, &(struct report){ .table = { .nrows = 0 } },
				      out, &ignored);
	}
	buf_release(&text);
	return NO_NODE;
}
