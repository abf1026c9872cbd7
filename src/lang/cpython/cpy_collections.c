/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collections, functools and operator.
 *
 * A deque is a list of blocks of 64 items, both of whose ends may be used in part; blocks
 * it does not need now it keeps in an array. An OrderedDict is a dict with a list of nodes,
 * each of which owns its key once more, and an array that finds them as the dict's table
 * finds its entries. A lru_cache keeps its results in objects (_lru_list_elem) that form a
 * ring with the cache itself, and are the values of its dict too.
 */
#include "lang/cpython/cpy_library_int.h"

/* CPython 3.11, 3.13 _collectionsmodule.c dequeobject, struct BLOCK */
enum {
	DEQUE_LEFT_BLOCK = 24,
	DEQUE_LEFT_INDEX = 40,
	DEQUE_FREE_COUNT = 72,
	DEQUE_FREE_BLOCKS = 80,
	DEQUE_FREE_MAX = 16,
	BLOCK_ITEMS = 64,
	BLOCK_DATA = 8,
	BLOCK_RIGHT = 520,
	BLOCK_BYTES = 528,
};

static void deque_free_blocks(struct python_reader *r, taddr at,
			      const struct python_sink *sink)
{
	uint64_t n = min_u64(cpy_word_or_0(r, at + DEQUE_FREE_COUNT), DEQUE_FREE_MAX);

	for (uint64_t i = 0; i < n; i++)
		cpy_part(r, sink, cpy_word_or_0(r, at + DEQUE_FREE_BLOCKS + i * 8),
			 BLOCK_BYTES, "freeblocks");
}

static void deque_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		       const struct python_sink *sink)
{
	taddr block = cpy_word_or_0(r, at + DEQUE_LEFT_BLOCK);
	uint64_t left = cpy_word_or_0(r, at + CPY_SIZE);
	uint64_t index = cpy_word_or_0(r, at + DEQUE_LEFT_INDEX);
	uint64_t n;

	(void)t;
	deque_free_blocks(r, at, sink);
	cpy_slack_items(sink, left, left,
			8); /* how full its blocks are is not looked at */
	/* Ends at a hole too: a damaged ring of blocks is read as often as ob_size says. */
	for (; cpy_may_be_address(block) && index <= BLOCK_ITEMS; index = 0) {
		cpy_part(r, sink, block, BLOCK_BYTES, "blocks");
		n = min_u64(BLOCK_ITEMS - index, left);
		cpy_words_edges(r, block + BLOCK_DATA + index * 8, n, LABEL_ITEM, sink);
		left -= n;
		if (left == 0 || left >> 32 || !cpy_word(r, block + BLOCK_RIGHT, &block))
			return;
	}
}

/* deque___sizeof__ */
static uint64_t deque_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	uint64_t n =
		cpy_word_or_0(r, at + DEQUE_LEFT_INDEX) + cpy_word_or_0(r, at + CPY_SIZE);

	return t->basicsize + (n + BLOCK_ITEMS - 1) / BLOCK_ITEMS * BLOCK_BYTES;
}

/* CPython 3.11, 3.13 odictobject.c struct _odictobject, struct _odictnode */
enum {
	ODICT_FIRST = 48,
	ODICT_FAST_NODES = 64,
	ODICT_FAST_COUNT = 72,
	ODICT_INSTANCE_DICT = 96,
	NODE_KEY = 0,
	NODE_NEXT = 16,
	NODE_BYTES = 32,
};

static uint64_t odict_used(struct python_reader *r, taddr at)
{
	return cpy_word_or_0(r, at + r->layout->dict.used);
}

static void odict_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		       const struct python_sink *sink)
{
	taddr node = cpy_word_or_0(r, at + ODICT_FIRST);
	uint64_t n = cpy_word_or_0(r, at + ODICT_FAST_COUNT);
	uint64_t left = min_u64(odict_used(r, at), INT32_MAX);
	uint16_t label = cpy_field(r->py, "node");

	(void)t;
	cpy_array_part(r, sink, at + ODICT_FAST_NODES,
		       (struct cpy_array){ &n, 8, "fast_nodes" });
	for (; left > 0 && cpy_may_be_address(node); left--) {
		uint64_t words[NODE_BYTES / 8];

		if (!cpy_read(r, node, words, sizeof(words)))
			return;
		cpy_part(r, sink, node, NODE_BYTES, "nodes");
		cpy_edge(sink, words[NODE_KEY / 8], label);
		node = words[NODE_NEXT / 8];
	}
}

/* odict_sizeof */
static uint64_t odict_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	return cpy_size_as(r, t, at, "dict") +
	       8 * cpy_word_or_0(r, at + ODICT_FAST_COUNT) +
	       NODE_BYTES * odict_used(r, at);
}

static const struct cpy_field_rule odict_fields[] = {
	{ .name = "__dict__", .offset = ODICT_INSTANCE_DICT },
	{ 0 },
};

/* odictiterobject */
static const struct cpy_field_rule odict_iterator_fields[] = {
	{ .name = "di_odict", .offset = 24 },
	{ .name = "di_current", .offset = 48 },
	{ .name = "di_result", .offset = 56 },
	{ 0 },
};

/* defdictobject */
static const struct cpy_field_rule defaultdict_fields[] = {
	{ .name = "default_factory", .offset = 48 },
	{ 0 },
};

/* dequeiterobject */
static const struct cpy_field_rule deque_iterator_fields[] = {
	{ .name = "deque", .offset = 32 },
	{ 0 },
};

/* _tuplegetterobject */
static const struct cpy_field_rule tuplegetter_fields[] = {
	{ .name = "doc", .offset = 24 },
	{ 0 },
};

/* CPython 3.11, 3.13 _functoolsmodule.c partialobject */
static const struct cpy_field_rule partial_fields[] = {
	{ .name = "func", .offset = 16 },
	{ .name = "args", .offset = 24 },
	{ .name = "keywords", .offset = 32 },
	{ .name = "__dict__", .offset = 40 },
	{ 0 },
};

/* keyobject */
static const struct cpy_field_rule key_fields[] = {
	{ .name = "cmp", .offset = 16 },
	{ .name = "obj", .offset = 24 },
	{ 0 },
};

/* struct lru_list_elem */
static const struct cpy_field_rule lru_element_fields[] = {
	{ .name = "key", .offset = 40 },
	{ .name = "result", .offset = 48 },
	{ 0 },
};

/* lru_cache_object, which begins with a struct lru_list_elem */
static const struct cpy_field_rule lru_fields[] = {
	{ .name = "cache", .offset = 72 },
	{ .name = "func", .offset = 88 },
	{ .name = "kwd_mark", .offset = 112 },
	{ .name = "lru_list_elem_type", .offset = 120 },
	{ .name = "cache_info_type", .offset = 128 },
	{ .name = "__dict__", .offset = 136 },
	{ 0 },
};
enum { LRU_NEXT = 24, LRU_CACHE = 72 };

/* The ring's elements, which the cache owns once and its dict once more. */
static void lru_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		     const struct python_sink *sink)
{
	taddr cache = cpy_word_or_0(r, at + LRU_CACHE);
	uint64_t left =
		min_u64(cpy_word_or_0(r, cache + r->layout->dict.used), INT32_MAX);
	taddr link = cpy_word_or_0(r, at + LRU_NEXT);
	uint16_t label = cpy_field(r->py, "link");

	(void)t;
	for (; left > 0 && cpy_may_be_address(link) && link != at; left--) {
		cpy_edge(sink, link, label);
		link = cpy_word_or_0(r, link + LRU_NEXT);
	}
}

/* CPython 3.11, 3.13 _operator.c */
static const struct cpy_field_rule itemgetter_fields[] = {
	{ .name = "item", .offset = 24 },
	{ 0 },
};
static const struct cpy_field_rule attrgetter_fields[] = {
	{ .name = "attr", .offset = 24 },
	{ 0 },
};
static const struct cpy_field_rule methodcaller_fields[] = {
	{ .name = "name", .offset = 16 },
	{ .name = "args", .offset = 24 },
	{ .name = "kwds", .offset = 32 },
	{ 0 },
};

/* 3.13: borrowed pointers to its own args and values, once it was called; until then the
 * names of these were never written (_operator.c, methodcaller_new). */
static void methodcaller_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			      const struct python_sink *sink)
{
	uint64_t n = cpy_word_or_0(r, cpy_word_or_0(r, at + 24) + CPY_SIZE);

	if (t->native->basicsize <= 40 || !cpy_word_or_0(r, at + 40))
		return;
	cpy_edge(sink, cpy_word_or_0(r, at + 48), cpy_field(r->py, "vectorcall_kwnames"));
	n += cpy_word_or_0(r, cpy_word_or_0(r, at + 48) + CPY_SIZE);
	cpy_array_part(r, sink, at + 40, (struct cpy_array){ &n, 8, "vectorcall_args" });
}

const struct cpy_rules cpy_collections_rules[] = {
	{ .name = "collections.deque", .read = deque_read, .size = deque_size },
	{ .name = "_collections._deque_iterator", .fields = deque_iterator_fields },
	{ .name = "_collections._deque_reverse_iterator",
	  .fields = deque_iterator_fields },
	{ .name = "collections._deque_iterator", .fields = deque_iterator_fields },
	{ .name = "collections._deque_reverse_iterator",
	  .fields = deque_iterator_fields },
	{ .name = "_collections._tuplegetter", .fields = tuplegetter_fields },
	{ .name = "collections._tuplegetter", .fields = tuplegetter_fields },
	{ .name = "collections.defaultdict", .fields = defaultdict_fields },
	{ .name = "collections.OrderedDict",
	  .read = odict_read,
	  .size = odict_size,
	  .fields = odict_fields },
	{ .name = "odict_iterator", .fields = odict_iterator_fields },
	{ .name = "functools.partial", .fields = partial_fields },
	{ .name = "functools.KeyWrapper", .fields = key_fields },
	{ .name = "functools._lru_list_elem", .fields = lru_element_fields },
	{ .name = "functools._lru_cache_wrapper",
	  .read = lru_read,
	  .fields = lru_fields },
	{ .name = "operator.itemgetter", .fields = itemgetter_fields },
	{ .name = "operator.attrgetter", .fields = attrgetter_fields },
	{ .name = "operator.methodcaller",
	  .read = methodcaller_read,
	  .fields = methodcaller_fields },
	{ 0 },
};
