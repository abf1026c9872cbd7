/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Python process made by hand, whose graph is small enough to follow:
 *
 *	module app.cache   the module itself (72)
 *	                   CACHE (232 and a table of 4096): its only items are
 *	                     'user:17' -> Order (56): .items -> a list (56 and 800 of items)
 *	                                              __dict__ -> {'payload': 1,000,033 bytes}
 *	                     a hostile string -> 7, whose count says 4 and the graph 2
 *	                   SHARED, a tuple (64); the thread's rows[0] is it, too
 *	                   LOG, a list of 1,200 references to SHARED (56 and 9600 of items)
 *	                   log_of, a weak reference to the Order
 *	thread (worker)    rows: a list of SHARED; register rbx: a shop::Order block
 *	interpreter        sysdict: 30 lists, each in the one before
 *	libshop.so         shop_index: perhaps a block of 1000 bytes, which leads into another
 *	nobody             two objects that hold each other, and 'user:17'; a lost block
 */
#ifndef TEST_HAND_GRAPH_H
#define TEST_HAND_GRAPH_H

#include "hand_model.h"

enum { HAND_CHAIN = 30, HAND_LOG = 1200, HAND_SLAB_BLOCKS = 64 };

enum hand_object {
	H_NONE, /* in the program's own data, below all else */
	H_MODULE,
	H_CACHE,
	H_KEY,
	H_ORDER,
	H_ITEMS,
	H_DICT,
	H_PAYLOAD_KEY,
	H_HOSTILE,
	H_SEVEN,
	H_SHARED,
	H_LOG,
	H_WEAK,
	H_ROWS,
	H_GARBAGE,
	H_GARBAGE_LIST,
	H_CHAIN,
	H_PAYLOAD = H_CHAIN + HAND_CHAIN, /* in a block that malloc mapped */
	H_OBJECTS,
};

enum hand_block { HB_TABLE, HB_ITEMS, HB_LOG, HB_INDEX, HB_BUFFER, HB_ORDER, HB_LOST };

struct hand_row {
	const char *kind;
	uint32_t size, footprint, refcount;
	const char *value;
};

static const struct hand_row hand_rows[H_CHAIN] = {
	[H_NONE] = { "NoneType", 16, 16, OBJECT_IMMORTAL, "None" },
	[H_MODULE] = { "module", 72, 128, 1, "app.cache" },
	[H_CACHE] = { "dict", 232 + 4096, 256 + 4112, 1, "" },
	[H_KEY] = { "str", 56, 64, 2, "'user:17'" },
	[H_ORDER] = { "app.models.Order", 56, 64, 1, "" },
	[H_ITEMS] = { "list", 56 + 800, 64 + 816, 1, "" },
	[H_DICT] = { "dict", 232, 256, 1, "" },
	[H_PAYLOAD_KEY] = { "str", 56, 64, 1, "'payload'" },
	[H_HOSTILE] = { "str", 80, 128, 1, "'\x1b[2J\xe2\x80\xae line\n'" },
	[H_SEVEN] = { "int", 28, 64, 4, "7" },
	[H_SHARED] = { "tuple", 64, 64, HAND_LOG + 2, "" },
	[H_LOG] = { "list", 56 + 9600, 64 + 9616, 1, "" },
	[H_WEAK] = { "weakref.ReferenceType", 72, 128, 1, "" },
	[H_ROWS] = { "list", 64, 64, 1, "" },
	[H_GARBAGE] = { "app.models.Node", 56, 64, 1, "" },
	[H_GARBAGE_LIST] = { "list", 64, 64, 1, "" },
};

struct hand_edge {
	uint32_t from, to;
	enum label_kind kind;
	const char *name;
};

static inline void hand_graph_object(struct model *m, uint32_t i)
{
	static const struct hand_row chain = { "list", 64, 64, 1, "" };
	static const struct hand_row payload = { "bytes", 1000033, 1003520, 1,
						 "b'\\x89PNG…'" };
	const struct hand_row *r = i < H_CHAIN     ? &hand_rows[i]
				   : i < H_PAYLOAD ? &chain
						   : &payload;
	size_t row = model_objects_add(m);

	m->objects.addr[row] = i == H_NONE      ? 0x555555558040
			       : i == H_PAYLOAD ? 0x7ffff1000010
						: 0x7fffe0000030 + 256 * (uint64_t)i;
	m->objects.size[row] = r->size;
	m->objects.footprint[row] = r->footprint;
	m->objects.refcount[row] = r->refcount;
	m->objects.type[row] = hand_type(m, "python", r->kind, "");
	m->objects.value[row] = model_intern(m, str_of(r->value));
}

static inline void hand_graph_edge(struct model *m, const struct hand_edge *e)
{
	size_t row = model_edge_to_add(m);

	m->edge_to.node[row] = e->to;
	m->edge_to.label[row] = model_label(m, e->kind, str_of(e->name ? e->name : ""));
	for (size_t i = e->from + (size_t)1; i < m->edge_first.n; i++)
		m->edge_first.at[i] = row + 1;
}

static inline void hand_graph_edges(struct model *m)
{
	const struct hand_edge before[] = {
		{ H_MODULE, H_CACHE, LABEL_ATTRIBUTE, "CACHE" },
		{ H_MODULE, H_SHARED, LABEL_ATTRIBUTE, "SHARED" },
		{ H_MODULE, H_LOG, LABEL_ATTRIBUTE, "LOG" },
		{ H_MODULE, H_WEAK, LABEL_ATTRIBUTE, "log_of" },
		{ H_CACHE, H_KEY, LABEL_KEY, "" },
		{ H_CACHE, H_ORDER, LABEL_VALUE, "" },
		{ H_CACHE, H_HOSTILE, LABEL_KEY, "" },
		{ H_CACHE, H_SEVEN, LABEL_VALUE, "" },
		{ H_ORDER, H_ITEMS, LABEL_ATTRIBUTE, "items" },
		{ H_ORDER, H_DICT, LABEL_FIELD, "__dict__" },
		{ H_ITEMS, H_SEVEN, LABEL_ITEM, "" },
		{ H_ITEMS, NO_NODE, LABEL_ITEM, "" },
		{ H_ITEMS, H_NONE, LABEL_ITEM, "" },
		{ H_DICT, H_PAYLOAD_KEY, LABEL_KEY, "" },
		{ H_DICT, H_PAYLOAD, LABEL_VALUE, "" },
	};
	const struct hand_edge after[] = {
		{ H_WEAK, H_ORDER, LABEL_WEAK, "wr_object" },
		{ H_ROWS, H_SHARED, LABEL_ITEM, "" },
		{ H_GARBAGE, H_GARBAGE_LIST, LABEL_ATTRIBUTE, "children" },
		{ H_GARBAGE_LIST, H_GARBAGE, LABEL_ITEM, "" },
		{ H_GARBAGE_LIST, H_KEY, LABEL_ITEM, "" },
	};

	for (size_t i = 0; i < countof(before); i++)
		hand_graph_edge(m, &before[i]);
	for (uint32_t i = 0; i < HAND_LOG; i++)
		hand_graph_edge(m,
				&(struct hand_edge){ H_LOG, H_SHARED, LABEL_ITEM, "" });
	for (size_t i = 0; i < countof(after); i++)
		hand_graph_edge(m, &after[i]);
	for (uint32_t i = H_CHAIN; i + 1 < H_PAYLOAD; i++)
		hand_graph_edge(m, &(struct hand_edge){ i, i + 1, LABEL_ITEM, "" });
	hand_graph_edge(m,
			&(struct hand_edge){ H_OBJECTS + HB_INDEX, H_OBJECTS + HB_BUFFER,
					     LABEL_INTERIOR, "" });
}

static inline void hand_graph_root(struct model *m, uint32_t group, uint32_t node,
				   enum root_kind kind, const char *name)
{
	size_t row = model_roots_add(m);

	m->roots.group[row] = group;
	m->roots.node[row] = node;
	m->roots.kind[row] = (uint8_t)kind;
	m->roots.certain[row] = kind <= ROOT_FRAME;
	m->roots.name[row] = model_intern(m, str_of(name));
}

static inline void hand_graph_roots(struct model *m)
{
	static const struct {
		enum group_kind kind;
		const char *name;
	} groups[] = {
		{ ROOTS_ALL, "" },
		{ ROOTS_UNREACHED, "" },
		{ ROOTS_INTERPRETER, "" },
		{ ROOTS_MODULE, "app.cache" },
		{ ROOTS_THREAD, "4713 (worker)" },
		{ ROOTS_GLOBALS, "libshop.so" },
	};

	for (size_t g = 0; g < countof(groups); g++) {
		size_t row = model_groups_add(m);

		m->groups.kind[row] = (uint8_t)groups[g].kind;
		m->groups.name[row] = model_intern(m, str_of(groups[g].name));
	}
	hand_graph_root(m, 2, H_CHAIN, ROOT_FIELD, "sysdict");
	hand_graph_root(m, 2, H_NONE, ROOT_FIELD, "builtins");
	hand_graph_root(m, 3, H_MODULE, ROOT_MODULE, "");
	hand_graph_root(m, 3, H_CACHE, ROOT_NAME, "CACHE");
	hand_graph_root(m, 3, H_SHARED, ROOT_NAME, "SHARED");
	hand_graph_root(m, 3, H_LOG, ROOT_NAME, "LOG");
	hand_graph_root(m, 3, H_WEAK, ROOT_NAME, "log_of");
	hand_graph_root(m, 4, H_ROWS, ROOT_LOCAL, "rows in frame load (app.py:12)");
	hand_graph_root(m, 4, H_OBJECTS + HB_ORDER, ROOT_REGISTER, "rbx");
	hand_graph_root(m, 4, H_OBJECTS + HB_ORDER, ROOT_STACK, "");
	hand_graph_root(m, 5, H_OBJECTS + HB_INDEX, ROOT_GLOBAL, "shop_index");
}

static inline void hand_graph_part(struct model *m, uint32_t owner, size_t block,
				   uint64_t size, const char *label)
{
	size_t row = model_parts_add(m);

	m->parts.addr[row] = m->blocks.addr[block];
	m->parts.size[row] = size;
	m->parts.owner[row] = owner;
	m->parts.label[row] = model_label(m, LABEL_FIELD, str_of(label));
	m->blocks.owner[block] = owner + 1;
}

static inline void hand_graph_blocks(struct model *m)
{
	taddr at = 0x555555560000, mapped = 0x7ffff1000000;
	uint32_t plain = hand_type(m, "uncategorized", "", "1000 bytes");
	uint32_t order = hand_type(m, "c++", "shop::Order", "");
	size_t heap = model_heaps_add(m), arena = model_arenas_add(m), payload;

	m->arenas.is_main[arena] = 1;
	m->arenas.addr[arena] = 0x7ffff41d3c60;
	m->arenas.system[arena] = 16 * HAND_PAGE;
	m->arenas.heaps[arena] = 1;
	m->heaps.start[heap] = at;
	m->heaps.end[heap] = at + 16 * (uint64_t)HAND_PAGE;
	hand_add_chunk(m, &at, 0x1010, BLOCK_USED, 0, plain, "");
	hand_add_chunk(m, &at, 0x330, BLOCK_USED, 0, plain, "");
	hand_add_chunk(m, &at, 0x2590, BLOCK_USED, 0, plain, "");
	hand_add_chunk(m, &at, 0x400, BLOCK_USED, 0, plain, "");
	hand_add_chunk(m, &at, 0x400, BLOCK_USED, 0, plain, "");
	hand_add_chunk(m, &at, 0x60, BLOCK_USED, 0, order, "\x08\x7d\x55UU\x55");
	hand_add_chunk(m, &at, 0x400, BLOCK_USED, 0, plain, "GET /orders/4711");
	hand_add_chunk(m, &at, 0x40, BLOCK_TCACHE, 0, 0, "");
	hand_add_chunk(m, &at, 0x555555570000 - at, BLOCK_TOP, 0, 0, "");
	payload = hand_add_chunk(m, &mapped, 245 * HAND_PAGE, BLOCK_USED, BLOCK_MMAPPED,
				 plain, "");
	m->blocks.size[payload] = 245 * HAND_PAGE - 16;
	m->blocks.extra[payload] = 2;
	m->blocks.owner[payload] = H_PAYLOAD + 1;
	hand_graph_part(m, H_CACHE, HB_TABLE, 4096, "entries");
	hand_graph_part(m, H_ITEMS, HB_ITEMS, 800, "items");
	hand_graph_part(m, H_LOG, HB_LOG, 9600, "items");
}

/* One arena of obmalloc, one slab of it with blocks of 256 bytes. */
static inline void hand_graph_slabs(struct model *m)
{
	size_t pool = model_pools_add(m), slab = model_slabs_add(m);
	size_t bits = model_slab_bits_add(m);

	m->pools.start[pool] = 0x7fffe0000000;
	m->pools.end[pool] = 0x7fffe0000000 + 16 * (uint64_t)HAND_PAGE;
	m->pools.allocator[pool] = model_intern(m, str_of("obmalloc"));
	m->slabs.start[slab] = 0x7fffe0000030;
	m->slabs.block_size[slab] = 256;
	m->slabs.count[slab] = HAND_SLAB_BLOCKS - 1;
	m->slabs.pool[slab] = (uint32_t)pool;
	m->slabs.bits[slab] = bits;
	for (uint32_t i = H_MODULE; i <= H_PAYLOAD; i++) /* the last one is raw memory */
		m->slab_bits.used[bits] |= (uint64_t)1 << i;
}

/* Two texts that are the same, though what is shown of them is not; a list with room for
 * 100 that has three items, the table of CACHE, and the last list of the chain; and a block
 * that another has three words of. */
static inline void hand_graph_waste(struct model *m)
{
	static const struct {
		uint32_t node;
		enum slack_kind kind;
		uint64_t unused;
	} slack[] = {
		{ H_CACHE, SLACK_SPARSE, 3904 },
		{ H_ITEMS, SLACK_OVER_ALLOCATED, 776 },
		{ H_PAYLOAD - 1, SLACK_EMPTY, 0 },
		{ H_OBJECTS + HB_BUFFER, SLACK_OVER_ALLOCATED, 96 },
	};

	m->processes.has_waste[0] = 1;
	model_table_resize(m, &model_tables[TABLE_duplicates], 2);
	m->duplicates.node[0] = H_PAYLOAD_KEY;
	m->duplicates.node[1] = H_HOSTILE;
	m->duplicates.first[0] = m->duplicates.first[1] = H_PAYLOAD_KEY;
	for (size_t i = 0; i < countof(slack); i++) {
		size_t row = model_slack_add(m);

		m->slack.node[row] = slack[i].node;
		m->slack.kind[row] = (uint8_t)slack[i].kind;
		m->slack.unused[row] = slack[i].unused;
	}
}

static inline struct model *hand_graph(void)
{
	static const struct hand_region regions[] = {
		{ 0x555555558000, 1, 1, 0, PROT_R | PROT_W, REGION_FILE,
		  "/usr/bin/python3.11" },
		{ 0x555555560000, 16, 5, 0, PROT_R | PROT_W, REGION_HEAP, "[heap]" },
		{ 0x7fffe0000000, 16, 4, 0, PROT_R | PROT_W, REGION_ANON, "" },
		{ 0x7ffff1000000, 245, 245, 0, PROT_R | PROT_W, REGION_MMAPPED, "" },
		{ 0x7ffffffde000, 33, 3, 0, PROT_R | PROT_W, REGION_STACK, "[stack]" },
	};
	static const struct hand_run runs[] = {
		{ 0x555555558000, 1, PAGE_RESIDENT },
		{ 0x555555560000, 5, PAGE_RESIDENT },
		{ 0x7fffe0000000, 4, PAGE_RESIDENT },
		{ 0x7ffff1000000, 245, PAGE_RESIDENT },
		{ 0x7fffffffc000, 3, PAGE_RESIDENT },
	};
	struct model *m = model_new();
	size_t p = model_processes_add(m);

	m->processes.pid[p] = 4713;
	m->processes.kind[p] = TARGET_LIVE;
	m->processes.mode[p] = MODE_FORK;
	m->processes.quiet[p] = 1;
	m->processes.time[p] = 1763632800;
	m->processes.pause_ns[p] = 3140000;
	m->processes.attempts[p] = 1;
	m->processes.rss[p] = 258 * HAND_PAGE;
	m->processes.exe[p] = model_intern(m, str_of("/usr/bin/python3.11"));
	m->processes.allocator[p] = model_intern(m, str_of("glibc 2.36"));
	m->processes.python[p] = model_intern(m, str_of("CPython 3.11.2"));
	model_label(m, LABEL_POSSIBLE, str_of(""));
	for (size_t i = 0; i < countof(regions); i++)
		hand_add_region(m, &regions[i]);
	for (size_t i = 0; i < countof(runs); i++)
		hand_add_pages(m, &runs[i]);
	for (uint32_t i = 0; i < H_OBJECTS; i++)
		hand_graph_object(m, i);
	hand_graph_blocks(m);
	hand_graph_slabs(m);
	model_table_resize(m, &model_tables[TABLE_edge_first], (size_t)node_count(m) + 1);
	hand_graph_edges(m);
	hand_graph_roots(m);
	hand_graph_waste(m);
	return m;
}

#endif
