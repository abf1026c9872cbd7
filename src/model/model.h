/* SPDX-License-Identifier: Apache-2.0 */
/*
 * THE WAIST: everything known about a target at one moment, as columns. Readers build it
 * (collect/), everything that shows reads it, the snapshot file is it on disk.
 *
 * A table is `n` rows; each column is an array of n values, owned by the model. Rows are
 * addressed by 32-bit index, never by pointer. A column of strings holds string ids, id 0 is
 * the empty string; names are interned, so that one text has one id. `_add` returns the index of a new row of zeroes;
 * it may move the columns. Once built, a model is not changed but by analysis/, which
 * fills derived columns.
 *
 * Every table is declared once, by its X-list below; the struct, the descriptor that the
 * snapshot file walks (model_tables) and the SQL schema come from it. To add a column is
 * to add one line. Column values are integers, or string ids (marked `text`).
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "base/base.h"
#include "base/map.h"
#include "base/str.h"

enum target_kind { TARGET_LIVE, TARGET_CORE, TARGET_RAW, TARGET_SNAPSHOT };
enum snapshot_mode { MODE_AUTO, MODE_FORK, MODE_FREEZE, MODE_NOSTOP };
enum severity { SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_DAMAGE };

enum region_prot { PROT_R = 1, PROT_W = 2, PROT_X = 4, PROT_SHARED = 8 };

enum region_kind {
	REGION_ANON,    /* private anonymous, use unknown */
	REGION_HEAP,    /* lies in a malloc heap (brk or arena), as a whole or in part */
	REGION_MMAPPED, /* holds mmapped malloc chunks */
	REGION_STACK,   /* a thread's stack */
	REGION_FILE,    /* maps a file */
	REGION_SHARED,  /* anonymous shared, shm, memfd */
	REGION_SPECIAL, /* vdso, vvar, vsyscall */
	REGION_HUGE,    /* hugetlb: huge pages set aside; they do not count in RSS */
	REGION_DEVICE,  /* memory of a device; it does not count in RSS */
};

enum page_state {
	PAGE_RESIDENT, /* private anonymous memory in RAM: counts in RSS */
	PAGE_FILE, /* in RAM and belonging to a file or to shared memory: counts in RSS */
	PAGE_ZERO, /* the shared page of zeroes: in RAM, does not count in RSS */
	PAGE_SWAPPED,
	/* PAGE_RESIDENT and all zeroes, in RAM because the huge page around it is: what the
	 * kernel takes for unused, too (Linux mm/huge_memory.c, thp_underused). */
	PAGE_SLACK,
};

static inline bool page_is_resident(enum page_state state)
{
	return state == PAGE_RESIDENT || state == PAGE_FILE || state == PAGE_SLACK;
}

/* What is known of memory that is no block's. */
enum area_kind {
	AREA_TLS,         /* a thread's variables and its control block */
	AREA_STACK,       /* a stack that no thread we know runs on */
	AREA_LOADER,      /* the dynamic linker's records */
	AREA_INTERPRETER, /* an interpreter's records */
};

/*
 * Words of the graph. A NODE is a thing with an identity: a Python object (a row of
 * `objects`), or a used block of malloc's that nobody claims (a row of `blocks`). Their
 * numbers follow each other: node n < objects.n is objects row n, node objects.n + b is
 * blocks row b. Free blocks, and blocks that belong to an object or hold a pool, have a
 * number too but are no nodes: node_is_there. A PART is memory that one object owns: list
 * items, a dict's table. A POOL is memory that another allocator cuts up: an obmalloc
 * arena; it is cut into SLABS, runs of equal blocks (CPython's word for a slab is pool).
 */
enum { NO_NODE = UINT32_MAX };

enum label_kind {
	LABEL_POSSIBLE,  /* a word that is the node's address */
	LABEL_INTERIOR,  /* a word that points into the node, or into a part of it */
	LABEL_FIELD,     /* by name: __dict__, tb_frame, cell */
	LABEL_ATTRIBUTE, /* by name: .name of an instance or module */
	LABEL_ITEM,      /* [i]; i counts the source's item labels before this one */
	LABEL_KEY,       /* a dict's key */
	LABEL_VALUE,     /* ['key'], of the key that the edge before this one leads to */
	LABEL_ELEMENT,   /* of a set, or of anything whose order means nothing */
	LABEL_LOCAL,     /* by name: a local variable of a generator or frame object */
	LABEL_WEAK,      /* by name; keeps nothing alive */
};

enum group_kind {            /* of roots */
		  ROOTS_ALL, /* row 0: the top of the dominator tree, holds all that is reached */
		  ROOTS_UNREACHED, /* row 1: holds what no root reaches */
		  ROOTS_INTERPRETER,
		  ROOTS_MODULE,  /* name: the Python module's */
		  ROOTS_THREAD,  /* name: "1234 (worker)" */
		  ROOTS_GLOBALS, /* name: the mapped file's, without its folder */
};

enum root_kind {
	ROOT_FIELD,  /* of the interpreter or a thread state */
	ROOT_MODULE, /* the module object itself, name "" */
	ROOT_NAME,   /* a name in a module: name CACHE */
	ROOT_LOCAL,  /* name: "x in frame f (app.py:12)" */
	ROOT_FRAME, /* what a frame holds besides: its function, code, stack; name "frame f (app.py:12)" */
	ROOT_STACK, /* a word of a stack */
	ROOT_REGISTER,
	ROOT_TLS,
	ROOT_GLOBAL, /* a word of data or bss; name: "foo", "foo+16", "" */
};

enum dominator_flag {
	DOMINATOR_POSSIBLE = 1, /* only possible edges or roots lead here */
	DOMINATOR_UNREACHED = 2,
};

enum slack_kind {
	SLACK_OVER_ALLOCATED, /* there is room for more items than it has */
	SLACK_SPARSE, /* a table much larger than one that was made for its entries */
	SLACK_EMPTY,  /* a container of nothing */
};

enum block_state {
	BLOCK_USED,
	BLOCK_TCACHE,
	BLOCK_FASTBIN,
	BLOCK_BIN, /* in a bin of its arena, the unsorted one included */
	BLOCK_TOP,
	BLOCK_FENCE, /* a fencepost: malloc's own, never handed out */
};

enum bin_kind { BIN_TCACHE, BIN_FASTBIN, BIN_UNSORTED, BIN_SMALL, BIN_LARGE };

/* clang-format off */
/* X(type, name); string ids are declared with T(name). */
#define PROCESS_COLUMNS(X, T) \
	X(uint32_t, pid) \
	X(uint8_t, kind)		/* enum target_kind */ \
	X(uint8_t, mode)		/* enum snapshot_mode, the one taken */ \
	X(uint8_t, quiet)		/* 1: nobody was inside an allocator */ \
	X(uint64_t, time)		/* of the snapshot, seconds since 1970 */ \
	X(uint64_t, pause_ns)		/* how long the target stood */ \
	X(uint8_t, attempts)		/* how often it was stopped until it was quiet; 0 unknown */ \
	X(uint64_t, rss)		/* bytes, of all mappings after the target's release; 0 unknown */ \
	X(uint8_t, no_residency)	/* 1: rss, regions' resident and swapped, and pages are not known */ \
	X(uint32_t, signal)		/* of a core: what ended the process; 0 none, or not told */ \
	X(uint8_t, has_waste)		/* 1: duplicates and slack were looked for */ \
	X(uint64_t, mmap_threshold)	/* blocks of so many bytes and more malloc maps; 0 unknown */ \
	X(uint64_t, trim_unit)		/* malloc lowers the break by multiples of it; 0 unknown */ \
	X(uint32_t, time_ns)		/* of the snapshot: nanoseconds beyond `time` */ \
	X(uint64_t, started)		/* the process, nanoseconds after the machine; 0 unknown. With pid
					 * and exe this tells one process from another */ \
	X(uint64_t, memory_limit)	/* bytes: the least of its cgroups'; 0 none, or not known */ \
	T(exe) T(allocator) T(python) T(label)

#define REGION_COLUMNS(X, T) \
	X(uint64_t, start) X(uint64_t, end) X(uint64_t, offset) X(uint64_t, inode) \
	X(uint8_t, prot)		/* enum region_prot, or'ed */ \
	X(uint8_t, kind)		/* enum region_kind */ \
	X(uint32_t, module)		/* index + 1 into modules, 0 none */ \
	X(uint64_t, resident)		/* bytes that count in RSS */ \
	X(uint64_t, swapped) \
	T(name)

/* Runs of pages in one state, by address; pages in no run were never touched or given back. */
#define PAGE_COLUMNS(X, T) \
	X(uint64_t, start) X(uint64_t, count) X(uint8_t, state) /* enum page_state */

/* Memory beyond blocks whose use is known, by address; none overlap. */
#define AREA_COLUMNS(X, T) \
	X(uint64_t, start) X(uint64_t, end) X(uint8_t, kind) /* enum area_kind */ \
	T(name)

#define MODULE_COLUMNS(X, T) \
	X(uint64_t, start) X(uint64_t, end) \
	X(uint64_t, bias)		/* address in memory minus address in the file's ELF headers */ \
	T(path) T(build_id)

#define THREAD_COLUMNS(X, T) \
	X(uint32_t, tid) X(uint64_t, pc) X(uint64_t, sp) X(uint64_t, tls) \
	X(uint64_t, stack_start) X(uint64_t, stack_end) \
	X(uint64_t, tcache)		/* address of its tcache, 0 none found */ \
	T(name)

/* Frames that run an interpreter's code, as a traceback has them: thread by thread, each
 * thread's newest first. */
#define FRAME_COLUMNS(X, T) \
	X(uint32_t, thread)		/* index + 1 into threads; 0 one that the kernel does not know */ \
	X(uint32_t, depth)		/* 0: the newest of its thread */ \
	X(uint32_t, line)		/* 0 none */ \
	T(function)			/* its qualified name */ \
	T(file)				/* as the compiler was told it */

#define ARENA_COLUMNS(X, T) \
	X(uint64_t, addr)		/* of its malloc_state */ \
	X(uint64_t, top)		/* address of the top chunk */ \
	X(uint64_t, system)		/* bytes had from the system, its own record */ \
	X(uint64_t, max_system) \
	X(uint8_t, is_main) X(uint8_t, locked) \
	X(uint32_t, heaps)		/* how many heap rows are its */

/* One contiguous span that an arena cuts into chunks. */
#define HEAP_COLUMNS(X, T) \
	X(uint64_t, start) X(uint64_t, end) X(uint32_t, arena)

/* malloc's lists of free chunks, those that have some. Sizes are chunks', headers included. */
#define BIN_COLUMNS(X, T) \
	X(uint8_t, kind)		/* enum bin_kind */ \
	X(uint16_t, arena)		/* index into arenas; BIN_OF_THREAD: a cache, of chunks of any */ \
	X(uint32_t, thread)		/* of a cache: index + 1 into threads, 0 not known whose */ \
	X(uint64_t, low)		/* the sizes it is for; 0 any */ \
	X(uint64_t, high)		/* 0 no end */ \
	X(uint64_t, count) X(uint64_t, bytes)

/* What allocators handed out or hold free, by address. */
#define BLOCK_COLUMNS(X, T) \
	X(uint64_t, addr)		/* what malloc returned */ \
	X(uint64_t, size)		/* usable bytes */ \
	X(uint32_t, extra)		/* footprint - size, in units of 8 bytes */ \
	X(uint8_t, state)		/* enum block_state */ \
	X(uint16_t, arena)		/* index into arenas; BLOCK_MMAPPED: none, a mapping of its own */ \
	X(uint32_t, type)		/* index into types; only of used blocks */ \
	X(uint32_t, owner)		/* objects row + 1: its memory, or a part's; 0 nobody's; BLOCK_IS_POOL */

/* Memory that another allocator than malloc cuts up, by address. */
#define POOL_COLUMNS(X, T) \
	X(uint64_t, start) X(uint64_t, end) \
	X(uint32_t, block)		/* blocks row + 1 that it lies in; 0 a mapping */ \
	T(allocator)			/* "obmalloc" */

/* Runs of equal blocks, by address: block i begins at start + i * block_size. */
#define SLAB_COLUMNS(X, T) \
	X(uint64_t, start) X(uint32_t, block_size) X(uint32_t, count) \
	X(uint32_t, pool) \
	X(uint64_t, bits)		/* row of slab_bits with blocks 0..63; the rest follow, then the next slab's */

#define SLAB_BIT_COLUMNS(X, T) X(uint64_t, used)

/* Things with an identity that a language tells: Python objects, by address. */
#define OBJECT_COLUMNS(X, T) \
	X(uint64_t, addr) \
	X(uint32_t, size)		/* sys.getsizeof, bytes; OBJECT_LARGE: look into large */ \
	X(uint32_t, footprint)		/* its and its parts' blocks, bytes; or OBJECT_LARGE */ \
	X(uint32_t, refcount)		/* OBJECT_IMMORTAL: not counted; ends at one less */ \
	X(uint32_t, type) \
	T(value)			/* what it says, shortly; containers and instances: "" */

/* Sizes that do not fit their 32 bits, by object. */
#define LARGE_COLUMNS(X, T) X(uint32_t, object) X(uint64_t, size) X(uint64_t, footprint)

/* Memory of objects outside their own block, by address. */
#define PART_COLUMNS(X, T) \
	X(uint64_t, addr) X(uint64_t, size) \
	X(uint32_t, owner)		/* objects row */ \
	X(uint16_t, label)

/* Texts and bytes that say the same as another of their type, copy by copy. */
#define DUPLICATE_COLUMNS(X, T) \
	X(uint32_t, node) \
	X(uint32_t, first)		/* the first node of those that are equal, itself included */

/* Nodes with memory that nothing is in, a kind each at most, by node. */
#define SLACK_COLUMNS(X, T) \
	X(uint32_t, node) \
	X(uint8_t, kind)		/* enum slack_kind */ \
	X(uint64_t, unused)		/* bytes; SLACK_EMPTY: 0, it is all of them */

/* The first bytes of each block: as many rows as blocks, or none (not asked for). */
#define PREVIEW_COLUMNS(X, T) X(uint64_t, low) X(uint64_t, high)

#define TYPE_COLUMNS(X, T) \
	T(domain) T(kind) T(detail) \
	X(uint32_t, uncounted)		/* of each instance: bytes for attributes that its size leaves out */

/* Derived (analysis/), for who wants nothing else: the nodes of each type. As many rows as
 * types, or none. */
#define TOTAL_COLUMNS(X, T) X(uint64_t, count) X(uint64_t, size) X(uint64_t, footprint)

/* What edges and parts are called. Rows 0 .. LABEL_WEAK are the kinds without a name. */
#define LABEL_COLUMNS(X, T) X(uint8_t, kind) /* enum label_kind */ T(name)

/* References between nodes in compressed rows: those of node n are edge_to rows
 * [edge_first[n], edge_first[n + 1]); edge_first has one row more than there are nodes, or
 * none. A possible edge to a mortal object is here only if its refcount allows it. */
#define EDGE_FIRST_COLUMNS(X, T) X(uint64_t, at)
#define EDGE_TO_COLUMNS(X, T) \
	X(uint32_t, node)		/* NO_NODE: nothing there; keeps its place among items */ \
	X(uint16_t, label)

/* What holds nodes from outside the heap, group by group; sorted by group. */
#define GROUP_COLUMNS(X, T) \
	X(uint8_t, kind)		/* enum group_kind */ \
	X(uint64_t, retained) X(uint64_t, retained_footprint) /* derived, with dominators */ \
	T(name)

#define ROOT_COLUMNS(X, T) \
	X(uint32_t, group) X(uint32_t, node) \
	X(uint8_t, kind)		/* enum root_kind */ \
	X(uint8_t, certain) \
	X(uint64_t, addr)		/* of the word that holds it; 0 a register, or not told */ \
	T(name)

/* Derived (analysis/): as many rows as nodes, or none. */
#define DOMINATOR_COLUMNS(X, T) \
	X(uint32_t, parent)		/* a node; nodes + g is row g of groups */ \
	X(uint8_t, flags)		/* enum dominator_flag */ \
	X(uint64_t, retained) X(uint64_t, retained_footprint)

/* Bytes of the target that the snapshot keeps (dump --memory), by address; m->bytes has them. */
#define MEMORY_COLUMNS(X, T) \
	X(uint64_t, start) X(uint64_t, end) \
	X(uint8_t, zeroes)		/* 1: all of them are 0, and none is stored */

#define FINDING_COLUMNS(X, T) X(uint8_t, severity) T(where) T(text)

/* What was found out about the target, by what evidence, and what would help: `check`. */
#define EVIDENCE_COLUMNS(X, T) T(item) T(answer) T(evidence) T(cure)

/* X(list, table): every table of the model. */
#define MODEL_TABLES(X) \
	X(PROCESS_COLUMNS, processes) \
	X(REGION_COLUMNS, regions) \
	X(PAGE_COLUMNS, pages) \
	X(MODULE_COLUMNS, modules) \
	X(THREAD_COLUMNS, threads) \
	X(FRAME_COLUMNS, frames) \
	X(ARENA_COLUMNS, arenas) \
	X(HEAP_COLUMNS, heaps) \
	X(BIN_COLUMNS, bins) \
	X(BLOCK_COLUMNS, blocks) \
	X(PREVIEW_COLUMNS, previews) \
	X(POOL_COLUMNS, pools) \
	X(SLAB_COLUMNS, slabs) \
	X(SLAB_BIT_COLUMNS, slab_bits) \
	X(OBJECT_COLUMNS, objects) \
	X(LARGE_COLUMNS, large) \
	X(PART_COLUMNS, parts) \
	X(DUPLICATE_COLUMNS, duplicates) \
	X(SLACK_COLUMNS, slack) \
	X(TYPE_COLUMNS, types) \
	X(TOTAL_COLUMNS, totals) \
	X(LABEL_COLUMNS, labels) \
	X(EDGE_FIRST_COLUMNS, edge_first) \
	X(EDGE_TO_COLUMNS, edge_to) \
	X(GROUP_COLUMNS, groups) \
	X(ROOT_COLUMNS, roots) \
	X(DOMINATOR_COLUMNS, dominators) \
	X(MEMORY_COLUMNS, memory) \
	X(AREA_COLUMNS, areas) \
	X(FINDING_COLUMNS, findings) \
	X(EVIDENCE_COLUMNS, evidence)

/* clang-format on */

#define MODEL_COLUMN(type, name) type *name;
#define MODEL_TEXT(name) uint32_t *name;
#define MODEL_TABLE(list, table) \
	struct model_##table { \
		size_t n, cap; \
		list(MODEL_COLUMN, MODEL_TEXT) \
	};
MODEL_TABLES(MODEL_TABLE)
#undef MODEL_TABLE
#undef MODEL_COLUMN
#undef MODEL_TEXT

enum { BLOCK_MMAPPED = UINT16_MAX };
enum { BIN_OF_THREAD = UINT16_MAX };
enum { BLOCK_IS_POOL = UINT32_MAX };
enum { OBJECT_LARGE = UINT32_MAX, OBJECT_IMMORTAL = UINT32_MAX };

struct model_strings {
	struct buf bytes;
	size_t n, cap;
	uint64_t *end; /* string i is bytes [end[i - 1], end[i]) */
	struct map
		by_hash; /* of those interned: hash -> id; a collision steps to hash + 1 */
};

/*
 * Target bytes for the commands that show raw memory, alive as long as the model: a copy
 * of what was asked for of a live process, an open core, a snapshot's memory section.
 */
struct err;
struct bytes_source {
	/* Copies [at, at + len); false is a hole. For one thread at a time. */
	bool (*read)(void *context, taddr at, void *dst, size_t len);
	/* False: a read met damage of the file, *e says which; it looked like a hole. May be
	 * NULL: that cannot happen. */
	bool (*check)(void *context, struct err *e);
	void (*close)(void *context);
	void *context;
};

typedef bool memory_take(void *context, const void *bytes, size_t n, struct err *e);

struct model {
#define MODEL_MEMBER(list, table) struct model_##table table;
	MODEL_TABLES(MODEL_MEMBER)
#undef MODEL_MEMBER
	struct model_strings strings;
	struct map type_by_words;  /* of model_type */
	struct map label_by_name;  /* of model_label */
	struct bytes_source bytes; /* .read is NULL when there is none */
};

/* How code that knows no table by name (the snapshot file, SQL) walks them all. */
struct model_column_def {
	const char *name;
	size_t size;  /* bytes of one value */
	bool is_text; /* values are string ids */
};

struct model_table_def {
	const char *name;
	size_t offset; /* of the table in struct model: n, cap, then the columns */
	const struct model_column_def *columns;
	size_t ncolumns;
};

/* model_tables[TABLE_blocks] and so on, in the order of MODEL_TABLES. */
enum model_table_id {
#define MODEL_ID(list, table) TABLE_##table,
	MODEL_TABLES(MODEL_ID)
#undef MODEL_ID
		MODEL_NTABLES
};
extern const struct model_table_def model_tables[MODEL_NTABLES];

struct model *model_new(void);
void model_free(struct model *m);

/* Rows in use, and the values of column `c`. */
size_t model_table_rows(const struct model *m, const struct model_table_def *t);
void *model_table_column(const struct model *m, const struct model_table_def *t,
			 size_t c);
/* Makes room for `rows` rows in all. */
void model_table_reserve(struct model *m, const struct model_table_def *t, size_t rows);

/* Makes it have exactly `rows` rows; new ones are zeroes. */
void model_table_resize(struct model *m, const struct model_table_def *t, size_t rows);

/* Gives back a column that nobody looks at any more; the table keeps its rows, and its
 * column is NULL. */
void model_table_forget(struct model *m, const struct model_table_def *t,
			const char *column);

/* model_blocks_add(m) and so on: one row of zeroes, its index. */
#define MODEL_ADD(list, table) size_t model_##table##_add(struct model *m);
MODEL_TABLES(MODEL_ADD)
#undef MODEL_ADD

/* The id of a text, added if it is new: if no call of this function gave it one yet. */
uint32_t model_intern(struct model *m, struct str text);
/* A new id, whether the text has one or not: for texts that seldom come twice. */
uint32_t model_text_add(struct model *m, struct str text);
/* The text of an id; lives until the next text is added. */
struct str model_text(const struct model *m, uint32_t id);

void model_find_out(struct model *m, enum severity severity, const char *where,
		    const char *fmt, ...) print_like(4, 5);
void model_evidence(struct model *m, const char *item, const char *answer,
		    const char *evidence, const char *cure);
/* The type row of these three words, added if it is new. */
uint32_t model_type(struct model *m, struct str domain, struct str kind,
		    struct str detail);

/* Hands over the bytes of m->memory, by address; rows of zeroes are left out. False: so said
 * `take`, or they cannot be read. */
must_check bool model_each_memory(const struct model *m, memory_take *take, void *context,
				  struct err *e);

/* Takes out what memory says: previews, objects' values, their texts, kept memory. For a model that
 * gets no more types and labels. */
void model_drop_values(struct model *m);

static inline uint64_t block_footprint(const struct model *m, size_t block)
{
	return m->blocks.size[block] + 8 * (uint64_t)m->blocks.extra[block];
}

/* Is it known what of the memory was resident? Of most cores it is not. */
bool model_knows_residency(const struct model *m);

/* The index of the block that holds `at` (anywhere inside its usable bytes), or
 * blocks.n: nobody's. */
size_t model_block_at(const struct model *m, taddr at);

/* ---- nodes (node.c) ---- */

static inline uint32_t node_count(const struct model *m)
{
	return (uint32_t)(m->objects.n + m->blocks.n);
}

static inline uint32_t node_of_block(const struct model *m, size_t block)
{
	return (uint32_t)(m->objects.n + block);
}

static inline bool node_is_object(const struct model *m, uint32_t node)
{
	return node < m->objects.n;
}

/* Is there a node of this number? */
static inline bool node_is_there(const struct model *m, uint32_t node)
{
	size_t block = node - m->objects.n;

	return node < m->objects.n ||
	       (block < m->blocks.n && m->blocks.state[block] == BLOCK_USED &&
		m->blocks.owner[block] == 0);
}

/* Row of m->types. */
static inline uint32_t node_type(const struct model *m, uint32_t node)
{
	return node_is_object(m, node) ? m->objects.type[node]
				       : m->blocks.type[node - m->objects.n];
}

taddr node_addr(const struct model *m, uint32_t node);
uint64_t node_size(const struct model *m, uint32_t node);
uint64_t node_footprint(const struct model *m, uint32_t node);

/* Whose memory `at` is: a node (anywhere in it or in a part of it), or NO_NODE. *part is
 * then the row of m->parts that holds it, m->parts.n when it is the node itself. */
uint32_t model_node_at(const struct model *m, taddr at, size_t *part);

/* The slab block that holds `at`: its slab, and its number there. False: none does. */
must_check bool model_slab_block_at(const struct model *m, taddr at, size_t *slab,
				    uint32_t *block);
static inline bool slab_block_is_used(const struct model *m, size_t slab, uint32_t block)
{
	return m->slab_bits.used[m->slabs.bits[slab] + block / 64] >> block % 64 & 1;
}
/* How many of its blocks are. */
uint64_t model_slab_used(const struct model *m, size_t slab);

/* The labels row of these two, added if it is new. Names past 65,535 become "". */
uint16_t model_label(struct model *m, enum label_kind kind, struct str name);

/* Known from a type's layout, and keeps its target alive. */
static inline bool label_is_certain(const struct model *m, uint16_t label)
{
	return m->labels.kind[label] > LABEL_INTERIOR &&
	       m->labels.kind[label] != LABEL_WEAK;
}

static inline bool label_is_weak(const struct model *m, uint16_t label)
{
	return m->labels.kind[label] == LABEL_WEAK;
}

const char *block_state_name(enum block_state state);
const char *bin_kind_name(enum bin_kind kind);
const char *snapshot_mode_name(enum snapshot_mode mode);
const char *region_kind_name(enum region_kind kind);
const char *page_state_name(enum page_state state);
const char *severity_name(enum severity severity);
const char *target_kind_name(enum target_kind kind);
/* "SIGSEGV"; "signal 34" is "?". */
const char *signal_name(unsigned signal);

#endif
