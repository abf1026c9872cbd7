/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml.etree's C half and pyexpat (CPython 3.11, 3.13 _elementtree.c, pyexpat.c). An element
 * has its attributes and children in a block of their own, which has room for four; more
 * are in one more block. The lowest bit of text and tail is a mark (JOIN_SET).
 */
#include "lang/cpython/cpy_library_int.h"

/* ElementObject, ElementObjectExtra */
enum {
	TEXT = 24,
	TAIL = 32,
	EXTRA = 40,
	EXTRA_ATTRIBUTES = 0,
	EXTRA_LENGTH = 8,
	EXTRA_ALLOCATED = 16,
	EXTRA_CHILDREN = 24,
	EXTRA_OWN = 32,
	EXTRA_BYTES = 64,
};

static const struct cpy_field_rule element_fields[] = {
	{ .name = "tag", .offset = 16 },
	{ 0 },
};

static void children_edges(struct python_reader *r, taddr extra,
			   const struct python_sink *sink)
{
	uint64_t n = cpy_word_or_0(r, extra + EXTRA_ALLOCATED);
	uint64_t length = cpy_word_or_0(r, extra + EXTRA_LENGTH);
	taddr children = cpy_word_or_0(r, extra + EXTRA_CHILDREN);

	if (children != extra + EXTRA_OWN)
		children = cpy_array_part(r, sink, extra + EXTRA_CHILDREN,
					  (struct cpy_array){ &n, 8, "children" });
	else
		n = min_u64(n, (EXTRA_BYTES - EXTRA_OWN) / 8);
	if (children)
		cpy_words_edges(r, children, min_u64(length, n), LABEL_ITEM, sink);
}

static void element_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			 const struct python_sink *sink)
{
	taddr extra = cpy_word_or_0(r, at + EXTRA);

	(void)t;
	cpy_edge(sink, cpy_word_or_0(r, at + TEXT) & ~(taddr)1, cpy_field(r->py, "text"));
	cpy_edge(sink, cpy_word_or_0(r, at + TAIL) & ~(taddr)1, cpy_field(r->py, "tail"));
	if (!cpy_may_be_address(extra))
		return;
	cpy_part(r, sink, extra, EXTRA_BYTES, "extra");
	cpy_edge_field(r, sink, extra + EXTRA_ATTRIBUTES, "attrib");
	children_edges(r, extra, sink);
}

/* _elementtree_Element___sizeof__ */
static uint64_t element_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	taddr extra = cpy_word_or_0(r, at + EXTRA);
	uint64_t size = t->basicsize;

	if (!extra)
		return size;
	size += EXTRA_BYTES;
	if (cpy_word_or_0(r, extra + EXTRA_CHILDREN) != extra + EXTRA_OWN)
		size += 8 * cpy_word_or_0(r, extra + EXTRA_ALLOCATED);
	return size;
}

/* ElementIterObject; ParentLocator {parent, child_index} */
enum { PARENTS = 16, PARENTS_USED = 24, PARENTS_SIZE = 32, PARENT_BYTES = 16 };

static const struct cpy_field_rule iterator_fields[] = {
	{ .name = "root", .offset = 40 },
	{ .name = "sought_tag", .offset = 48 },
	{ 0 },
};

static void iterator_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			  const struct python_sink *sink)
{
	uint64_t n = cpy_word_or_0(r, at + PARENTS_SIZE);
	taddr parents = cpy_array_part(r, sink, at + PARENTS,
				       (struct cpy_array){ &n, PARENT_BYTES, "parents" });
	uint16_t label = cpy_field(r->py, "parent");

	(void)t;
	n = min_u64(n, cpy_word_or_0(r, at + PARENTS_USED));
	for (uint64_t i = 0; i < n; i++)
		cpy_edge(sink, cpy_word_or_0(r, parents + i * PARENT_BYTES), label);
}

/* TreeBuilderObject */
static const struct cpy_field_rule builder_fields[] = {
	{ .name = "root", .offset = 16 },
	{ .name = "this", .offset = 24 },
	{ .name = "last", .offset = 32 },
	{ .name = "last_for_tail", .offset = 40 },
	{ .name = "data", .offset = 48 },
	{ .name = "stack", .offset = 56 },
	{ .name = "element_factory", .offset = 72 },
	{ .name = "comment_factory", .offset = 80 },
	{ .name = "pi_factory", .offset = 88 },
	{ .name = "events_append", .offset = 96 },
	{ .name = "start_event", .offset = 104 },
	{ .name = "end_event", .offset = 112 },
	{ .name = "start_ns_event", .offset = 120 },
	{ .name = "end_ns_event", .offset = 128 },
	{ .name = "comment_event", .offset = 136 },
	{ .name = "pi_event", .offset = 144 },
	{ 0 },
};

/* XMLParserObject */
static const struct cpy_field_rule parser_fields[] = {
	{ .name = "parser", .offset = 16, .kind = CPY_FIELD_NATIVE },
	{ .name = "target", .offset = 24 },
	{ .name = "entity", .offset = 32 },
	{ .name = "names", .offset = 40 },
	{ .name = "handle_start_ns", .offset = 48 },
	{ .name = "handle_end_ns", .offset = 56 },
	{ .name = "handle_start", .offset = 64 },
	{ .name = "handle_data", .offset = 72 },
	{ .name = "handle_end", .offset = 80 },
	{ .name = "handle_comment", .offset = 88 },
	{ .name = "handle_pi", .offset = 96 },
	{ .name = "handle_doctype", .offset = 104 },
	{ .name = "handle_close", .offset = 112 },
	{ .name = "module", .offset = 128, .from = 0x30d },
	{ 0 },
};

/* xmlparseobject; enum HandlerTypes has 22 of them */
enum { EXPAT_BUFFER = 40, EXPAT_BUFFER_SIZE = 48, EXPAT_HANDLERS = 22 };

static const struct cpy_field_rule expat_fields[] = {
	{ .name = "itself", .offset = 16, .kind = CPY_FIELD_NATIVE },
	{ .name = "intern", .offset = 56, .to = 0x30d },
	{ .name = "intern", .offset = 64, .from = 0x30d },
	{ 0 },
};

static void expat_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		       const struct python_sink *sink)
{
	uint64_t n = EXPAT_HANDLERS, size = cpy_u32_or_0(r, at + EXPAT_BUFFER_SIZE);
	taddr handlers = cpy_array_part(r, sink, at + t->native->basicsize - 8,
					(struct cpy_array){ &n, 8, "handlers" });

	if (handlers)
		cpy_words_edges(r, handlers, n, cpy_field(r->py, "handler"), sink);
	cpy_array_part(r, sink, at + EXPAT_BUFFER,
		       (struct cpy_array){ &size, 1, "buffer" });
}

const struct cpy_rules cpy_elementtree_rules[] = {
	{ .name = "xml.etree.ElementTree.Element",
	  .read = element_read,
	  .size = element_size,
	  .fields = element_fields },
	{ .name = "_elementtree._element_iterator",
	  .read = iterator_read,
	  .fields = iterator_fields },
	{ .name = "xml.etree.ElementTree.TreeBuilder", .fields = builder_fields },
	{ .name = "xml.etree.ElementTree.XMLParser", .fields = parser_fields },
	{ .name = "pyexpat.xmlparser", .read = expat_read, .fields = expat_fields },
	{ 0 },
};
