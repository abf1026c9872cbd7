/* SPDX-License-Identifier: Apache-2.0 */
/*
 * THE WAIST: everything known about a target at one moment, as columns. Readers build it
 * (collect/), everything that shows reads it, the snapshot file is it on disk.
 *
 * A table is `n` rows; each column is an array of n values, owned by the model. Rows are
 * addressed by 32-bit index, never by pointer. Text is interned: a column of strings holds
 * string ids, id 0 is the empty string. `_add` returns the index of a new row of zeroes;
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
	REGION_SPECIAL, /* vdso, vvar, vsyscall, device memory */
};

enum page_state {
	PAGE_RESIDENT, /* private anonymous memory in RAM: counts in RSS */
	PAGE_FILE, /* in RAM and belonging to a file or to shared memory: counts in RSS */
	PAGE_ZERO, /* the shared page of zeroes: in RAM, does not count in RSS */
	PAGE_SWAPPED,
};

enum block_state {
	BLOCK_USED,
	BLOCK_TCACHE,
	BLOCK_FASTBIN,
	BLOCK_BIN, /* in a bin of its arena, the unsorted one included */
	BLOCK_TOP,
	BLOCK_FENCE, /* a fencepost: malloc's own, never handed out */
};

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
	X(uint64_t, rss)		/* bytes, smaps_rollup's, after the target's release; 0 unknown */ \
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

#define MODULE_COLUMNS(X, T) \
	X(uint64_t, start) X(uint64_t, end) \
	X(uint64_t, bias)		/* address in memory minus address in the file's ELF headers */ \
	T(path) T(build_id)

#define THREAD_COLUMNS(X, T) \
	X(uint32_t, tid) X(uint64_t, pc) X(uint64_t, sp) X(uint64_t, tls) \
	X(uint64_t, stack_start) X(uint64_t, stack_end) \
	X(uint64_t, tcache)		/* address of its tcache, 0 none found */ \
	T(name)

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

/* What allocators handed out or hold free, by address. */
#define BLOCK_COLUMNS(X, T) \
	X(uint64_t, addr)		/* what malloc returned */ \
	X(uint64_t, size)		/* usable bytes */ \
	X(uint32_t, extra)		/* footprint - size, in units of 8 bytes */ \
	X(uint8_t, state)		/* enum block_state */ \
	X(uint16_t, arena)		/* index into arenas; BLOCK_MMAPPED: none, a mapping of its own */ \
	X(uint32_t, type)		/* index into types; only of used blocks */

/* The first bytes of each block: as many rows as blocks, or none (not asked for). */
#define PREVIEW_COLUMNS(X, T) X(uint64_t, low) X(uint64_t, high)

#define TYPE_COLUMNS(X, T) T(domain) T(kind) T(detail)

/* References between blocks in compressed rows: those of block b are edge_to rows
 * [edge_first[b], edge_first[b + 1]); edge_first has one row more than blocks. */
#define EDGE_FIRST_COLUMNS(X, T) X(uint64_t, at)
#define EDGE_TO_COLUMNS(X, T) X(uint32_t, block)

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
	X(ARENA_COLUMNS, arenas) \
	X(HEAP_COLUMNS, heaps) \
	X(BLOCK_COLUMNS, blocks) \
	X(PREVIEW_COLUMNS, previews) \
	X(TYPE_COLUMNS, types) \
	X(EDGE_FIRST_COLUMNS, edge_first) \
	X(EDGE_TO_COLUMNS, edge_to) \
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

struct model_strings {
	struct buf bytes;
	size_t n, cap;
	uint64_t *end;      /* string i is bytes [end[i - 1], end[i]) */
	struct map by_hash; /* hash -> id; a collision steps to hash + 1 */
};

/*
 * Target bytes for the commands that show raw memory, alive as long as the model: a copy
 * of what was asked for of a live process, an open core, a snapshot's memory section.
 */
struct bytes_source {
	/* Copies [at, at + len); false is a hole. */
	bool (*read)(void *context, taddr at, void *dst, size_t len);
	void (*close)(void *context);
	void *context;
};

struct model {
#define MODEL_MEMBER(list, table) struct model_##table table;
	MODEL_TABLES(MODEL_MEMBER)
#undef MODEL_MEMBER
	struct model_strings strings;
	struct map type_by_words;  /* of model_type */
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

/* model_blocks_add(m) and so on: one row of zeroes, its index. */
#define MODEL_ADD(list, table) size_t model_##table##_add(struct model *m);
MODEL_TABLES(MODEL_ADD)
#undef MODEL_ADD

/* The id of a text, added if it is new. */
uint32_t model_intern(struct model *m, struct str text);
/* The text of an id; lives until the next model_intern. */
struct str model_text(const struct model *m, uint32_t id);

void model_find_out(struct model *m, enum severity severity, const char *where,
		    const char *fmt, ...) print_like(4, 5);
void model_evidence(struct model *m, const char *item, const char *answer,
		    const char *evidence, const char *cure);
/* The type row of these three words, added if it is new. */
uint32_t model_type(struct model *m, struct str domain, struct str kind,
		    struct str detail);

static inline uint64_t block_footprint(const struct model *m, size_t block)
{
	return m->blocks.size[block] + 8 * (uint64_t)m->blocks.extra[block];
}

/* The index of the block that holds `at` (anywhere inside its usable bytes), or
 * blocks.n: nobody's. */
size_t model_block_at(const struct model *m, taddr at);

const char *block_state_name(enum block_state state);
const char *snapshot_mode_name(enum snapshot_mode mode);
const char *severity_name(enum severity severity);
const char *target_kind_name(enum target_kind kind);

#endif
