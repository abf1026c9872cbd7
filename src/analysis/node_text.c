/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What edges and nodes are called, in a few words. A container is told by its first edges,
 * each of them by its own value or its type: one level, whatever the graph looks like.
 */
#include "analysis/analysis.h"
#include "base/utf8.h"

enum {
	VALUE_MOST = 60, /* bytes of a value */
	TAIL_MOST = 24,  /* of those, kept for "... 1234567 items]" */
	CHILD_MOST = 24,
	OPEN_MOST = 12, /* "frozenset({": behind it one child is told, however long */
};

static struct str kind_of(const struct model *m, uint32_t node)
{
	uint32_t type = node_type(m, node);

	return type < m->types.n ? model_text(m, m->types.kind[type]) : str_of("");
}

static struct str value_of(const struct model *m, uint32_t node)
{
	return node_is_object(m, node) ? model_text(m, m->objects.value[node])
				       : str_of("");
}

/* At most `most` bytes of it, whole characters. */
static void add_cut(struct buf *out, struct str s, size_t most)
{
	size_t at = 0, fits = 0;

	while (at < s.n && at <= most - 3) {
		fits = at;
		utf8_next(s, &at);
	}
	if (s.n <= most)
		fits = s.n;
	buf_add(out, s.s, fits);
	if (fits < s.n)
		buf_str(out, "...");
}

/* ---- how types are written ---- */

struct str kind_last_word(struct str kind)
{
	for (size_t i = kind.n; i > 0 && kind.s[i - 1] != '>'; i--)
		if (kind.s[i - 1] == '.' || kind.s[i - 1] == ':')
			return (struct str){ kind.s + i, kind.n - i };
	return kind;
}

struct brackets {
	const char *kind, *open, *close, *empty;
};

static const struct brackets builtins[] = {
	{ "list", "[", "]", "[]" },
	{ "tuple", "(", ")", "()" },
	{ "dict", "{", "}", "{}" },
	{ "set", "{", "}", "set()" },
	{ "frozenset", "frozenset({", "})", "frozenset()" },
};

static const struct brackets *brackets_of(struct str kind)
{
	for (size_t i = 0; i < countof(builtins); i++)
		if (str_is(kind, builtins[i].kind))
			return &builtins[i];
	return NULL;
}

/* In a word: its value, or what it is. */
static void add_child(const struct model *m, uint32_t node, struct buf *out)
{
	const struct brackets *b;

	if (node >= node_count(m)) {
		buf_str(out, "...");
		return;
	}
	if (value_of(m, node).n) {
		add_cut(out, value_of(m, node), CHILD_MOST);
		return;
	}
	b = brackets_of(kind_of(m, node));
	if (b && m->edge_first.n && m->edge_first.at[node] == m->edge_first.at[node + 1])
		buf_str(out, b->empty);
	else if (b)
		buf_printf(out, "%s...%s", b->open, b->close);
	else {
		buf_char(out, '<');
		add_cut(out, kind_last_word(kind_of(m, node)), CHILD_MOST);
		buf_char(out, '>');
	}
}

/* ---- edges ---- */

static uint64_t items_before(const struct model *m, uint32_t source, uint64_t edge)
{
	uint64_t n = 0;

	for (uint64_t e = m->edge_first.at[source]; e < edge; e++)
		n += m->labels.kind[m->edge_to.label[e]] == LABEL_ITEM;
	return n;
}

/* The key of a dict's value: the edge before it. */
static bool key_of(const struct model *m, uint32_t source, uint64_t edge, uint32_t *key)
{
	if (edge == m->edge_first.at[source] ||
	    m->labels.kind[m->edge_to.label[edge - 1]] != LABEL_KEY ||
	    m->edge_to.node[edge - 1] == NO_NODE)
		return false;
	*key = m->edge_to.node[edge - 1];
	return true;
}

static void add_key(const struct model *m, uint32_t source, uint64_t edge,
		    struct buf *out)
{
	uint32_t key;

	if (!key_of(m, source, edge, &key)) {
		buf_str(out, "value");
		return;
	}
	buf_char(out, '[');
	if (value_of(m, key).n)
		add_cut(out, value_of(m, key), VALUE_MOST);
	else if (brackets_of(kind_of(m, key)))
		node_value(m, key, out);
	else
		add_cut(out, kind_of(m, key), VALUE_MOST);
	buf_char(out, ']');
}

/* Words for a kind that has a name, and for one that has none. */
static const struct {
	const char *before, *nameless;
} label_words[] = {
	[LABEL_POSSIBLE] = { "possible ", "possible" },
	[LABEL_INTERIOR] = { "inside ", "inside" },
	[LABEL_FIELD] = { "", "field" },
	[LABEL_ATTRIBUTE] = { ".", "attribute" },
	[LABEL_ITEM] = { "item ", "item" },
	[LABEL_KEY] = { "key ", "key" },
	[LABEL_VALUE] = { "value ", "value" },
	[LABEL_ELEMENT] = { "element ", "element" },
	[LABEL_LOCAL] = { "local ", "local" },
	[LABEL_WEAK] = { "weak ", "weak" },
};

void edge_label(const struct model *m, uint32_t source, uint64_t edge, struct buf *out)
{
	uint16_t label = m->edge_to.label[edge];
	struct str name = model_text(m, m->labels.name[label]);
	unsigned kind = m->labels.kind[label];

	if (kind == LABEL_ITEM)
		buf_printf(out, "[%llu]",
			   (unsigned long long)items_before(m, source, edge));
	else if (kind == LABEL_VALUE)
		add_key(m, source, edge, out);
	else if (kind < countof(label_words)) {
		buf_str(out,
			name.n ? label_words[kind].before : label_words[kind].nameless);
		buf_add(out, name.s, name.n);
	}
}

/* ---- containers and instances ---- */

/* What of a node is told: the first of these that it has. */
enum content { ITEMS, KEYS, ELEMENTS, ATTRIBUTES, NCONTENTS };

static enum content content_of(unsigned label_kind)
{
	switch (label_kind) {
	case LABEL_ITEM:
		return ITEMS;
	case LABEL_VALUE:
		return KEYS;
	case LABEL_ELEMENT:
		return ELEMENTS;
	case LABEL_ATTRIBUTE:
		return ATTRIBUTES;
	}
	return NCONTENTS;
}

/* The one that has edges of its own for its attributes, or the dict that has them. */
static uint32_t attributes_of(const struct model *m, uint32_t node)
{
	for (uint64_t e = m->edge_first.at[node]; e < m->edge_first.at[node + 1]; e++) {
		uint16_t label = m->edge_to.label[e];

		if (m->labels.kind[label] == LABEL_FIELD &&
		    m->edge_to.node[e] != NO_NODE &&
		    str_is(model_text(m, m->labels.name[label]), "__dict__"))
			return m->edge_to.node[e];
	}
	return node;
}

static void count_contents(const struct model *m, uint32_t node,
			   uint64_t counts[NCONTENTS + 1])
{
	for (uint64_t e = m->edge_first.at[node]; e < m->edge_first.at[node + 1]; e++)
		counts[content_of(m->labels.kind[m->edge_to.label[e]])]++;
}

static uint64_t count_of(const struct model *m, uint32_t node, enum content what)
{
	uint64_t counts[NCONTENTS + 1] = { 0 };

	count_contents(m, node, counts);
	return counts[what];
}

/* A text without its quotation marks. */
static struct str unquoted(struct str s)
{
	if (s.n < 2 || (s.s[0] != '\'' && s.s[0] != '"'))
		return s;
	return (struct str){ s.s + 1, s.n - 2 };
}

/* An attribute, or the key of a dict that lends its values to an instance. */
static void add_name(struct buf *out, struct str name, bool is_key)
{
	buf_str(out, is_key ? "'" : "");
	add_cut(out, name, CHILD_MOST);
	buf_str(out, is_key ? "'" : "");
}

static void add_pair(const struct model *m, uint32_t source, uint64_t edge,
		     bool is_attribute, struct buf *out)
{
	uint16_t label = m->edge_to.label[edge];
	struct str name = model_text(m, m->labels.name[label]);
	uint32_t key;

	if (m->labels.kind[label] == LABEL_ATTRIBUTE)
		add_name(out, name, !is_attribute);
	else if (!key_of(m, source, edge, &key))
		buf_char(out, '?');
	else if (is_attribute)
		add_cut(out, unquoted(value_of(m, key)), CHILD_MOST);
	else
		add_child(m, key, out);
	buf_str(out, is_attribute ? "=" : ": ");
	add_child(m, m->edge_to.node[edge], out);
}

/* How many there are, when not all are told; of attributes only that there are more. */
static void add_tail(uint64_t left, uint64_t n, enum content what, struct buf *out)
{
	static const char *const words[] = { "items", "keys", "elements" };

	if (left > 0 && what == ATTRIBUTES)
		buf_str(out, "...");
	else if (left > 0)
		buf_printf(out, "... %llu %s", (unsigned long long)n, words[what]);
}

/* What is told of a node, and how far that has come. */
struct telling {
	const struct model *m;
	uint32_t source;
	enum content what, as; /* what its edges are, what they stand for */
	size_t start;          /* of the text, which may be VALUE_MOST bytes long */
	uint64_t left;
	struct buf *out;
};

/* Attributes with a value of their own say most: numbers and texts, but for private ones. */
static bool says_much(const struct telling *t, uint64_t edge)
{
	struct str value = value_of(t->m, t->m->edge_to.node[edge]);
	struct str name = model_text(t->m, t->m->labels.name[t->m->edge_to.label[edge]]);
	uint32_t key;

	if (name.n == 0 && key_of(t->m, t->source, edge, &key))
		name = unquoted(value_of(t->m, key));
	return value.n > 0 && !str_is(value, "None") && !str_starts(name, "_");
}

/* False: there is no room for the one at this edge. */
static bool add_one(struct telling *t, uint64_t edge, struct buf *one)
{
	size_t tail = t->as == ATTRIBUTES ? strlen(" ...") : TAIL_MOST;

	buf_clear(one);
	if (t->what == KEYS || t->what == ATTRIBUTES)
		add_pair(t->m, t->source, edge, t->as == ATTRIBUTES, one);
	else
		add_child(t->m, t->m->edge_to.node[edge], one);
	if (t->out->n > t->start + OPEN_MOST &&
	    t->out->n - t->start + one->n + tail > VALUE_MOST)
		return false;
	buf_add(t->out, one->s, one->n);
	if (--t->left > 0)
		buf_str(t->out, t->as == ATTRIBUTES ? " " : ", ");
	return true;
}

/* Its contents, as far as they fit; attributes that say much come first. */
static void add_contents(struct telling *t)
{
	const struct model *m = t->m;
	uint64_t n = count_of(m, t->source, t->what);
	uint64_t end = m->edge_first.at[t->source + 1];
	struct buf one = { 0 };
	bool fits = true;

	t->left = n;
	for (int pass = t->as == ATTRIBUTES ? 0 : 1; pass < 2; pass++)
		for (uint64_t e = m->edge_first.at[t->source]; fits && e < end; e++)
			if (content_of(m->labels.kind[m->edge_to.label[e]]) == t->what &&
			    (t->as != ATTRIBUTES || says_much(t, e) == !pass))
				fits = add_one(t, e, &one);
	add_tail(t->left, n, t->as, t->out);
	buf_release(&one);
}

static enum content first_content(const struct model *m, uint32_t node)
{
	uint64_t counts[NCONTENTS + 1] = { 0 };
	enum content what = ITEMS;

	count_contents(m, node, counts);
	while (what < NCONTENTS && counts[what] == 0)
		what++;
	return what;
}

/* "id=7 name='a'": its type, which stands beside it, is not said again. */
static void add_instance(const struct model *m, uint32_t node, struct buf *out)
{
	static const char *const open[] = { "[", "{", "{", "" }, *const close[] = {
		"]", "}", "}", ""
	};
	struct telling t = { .m = m, .source = node, .start = out->n, .out = out };

	t.what = t.as = first_content(m, node);
	if (t.what == NCONTENTS) { /* perhaps a dict has its attributes */
		t.source = attributes_of(m, node);
		t.what = t.source == node ? NCONTENTS : first_content(m, t.source);
		t.as = ATTRIBUTES;
	}
	if (t.what == NCONTENTS)
		return;
	buf_str(out, open[t.as]);
	add_contents(&t);
	buf_str(out, close[t.as]);
}

/* What it refers to without keeping it alive: "{... 5301 weak}". */
static void add_weak(const struct model *m, uint32_t node, const struct brackets *b,
		     struct buf *out)
{
	uint64_t n = 0;

	for (uint64_t e = m->edge_first.at[node]; e < m->edge_first.at[node + 1]; e++)
		n += label_is_weak(m, m->edge_to.label[e]);
	if (n == 0)
		buf_str(out, b->empty);
	else
		buf_printf(out, "%s... %llu weak%s", b->open, (unsigned long long)n,
			   b->close);
}

static void add_builtin(const struct model *m, uint32_t node, const struct brackets *b,
			struct buf *out)
{
	enum content what = first_content(m, node);
	struct telling t = { .m = m, .source = node, .what = what, .as = what };

	if (what == NCONTENTS) {
		add_weak(m, node, b, out);
		return;
	}
	if (what == ATTRIBUTES)
		t.as = KEYS;
	t.start = out->n;
	t.out = out;
	buf_str(out, b->open);
	add_contents(&t);
	if (b->open[0] == '(' && count_of(m, node, ITEMS) == 1)
		buf_char(out, ',');
	buf_str(out, b->close);
}

/* ---- blocks ---- */

/* Text that a block begins with: at least three characters, up to a NUL or all we have. */
static void add_preview(const struct model *m, size_t block, struct buf *out)
{
	char bytes[16];
	struct str text = { bytes, 0 };
	size_t at = 0;

	if (m->previews.n != m->blocks.n)
		return;
	memcpy(bytes, &m->previews.low[block], 8);
	memcpy(bytes + 8, &m->previews.high[block], 8);
	text.n = strnlen(bytes, min_u64(sizeof(bytes), m->blocks.size[block]));
	while (at < text.n) {
		uint32_t point = utf8_next(text, &at);

		if (point == UTF8_INVALID || utf8_is_unsafe(point))
			return;
	}
	if (text.n < 3)
		return;
	buf_char(out, '"');
	buf_add(out, text.s, text.n);
	buf_str(out, text.n == sizeof(bytes) ? "...\"" : "\"");
}

void node_value(const struct model *m, uint32_t node, struct buf *out)
{
	const struct brackets *b;

	if (!node_is_object(m, node)) {
		if (node < node_count(m))
			add_preview(m, node - m->objects.n, out);
		return;
	}
	if (value_of(m, node).n || m->edge_first.n == 0) {
		add_cut(out, value_of(m, node), VALUE_MOST);
		return;
	}
	b = brackets_of(kind_of(m, node));
	if (b)
		add_builtin(m, node, b, out);
	else
		add_instance(m, node, out);
}
