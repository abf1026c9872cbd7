/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of a collection. What must read the target's bytes (scan_blocks,
 * scan_read_vtables, copy_bytes) comes before mem_release; what only computes comes after.
 */
#ifndef COLLECT_COLLECT_INT_H
#define COLLECT_COLLECT_INT_H

#include "collect/collect.h"
#include "collect/waste_int.h"
#include "heap/heap.h"
#include "image/image.h"
#include "lang/lang.h"
#include "mem/mem.h"

#include <stdatomic.h>

struct address_range {
	taddr start, end;
};

/* ---- how much memory of ours it will take (need.c) ---- */

struct need {
	bool edges, previews;
	/* Found so far; bytes: of values; wastes: texts and slack. */
	_Atomic uint64_t nodes, words, bytes, wastes;
	_Atomic uint64_t done;  /* of `total`, in any unit: this stage's work */
	uint64_t total, before; /* before: what earlier stages come to */
};

struct found {
	uint64_t done, nodes, words, bytes, wastes;
};

/* Other work begins. */
void need_stage(struct need *n, uint64_t total);
/* By any thread. Ends us if all that was found is more than the limit of memory. */
void need_add(struct need *n, const struct found *f);
/* Until more is known: there are pools of objects of so many bytes. */
void need_guess(const struct need *n, uint64_t pool_bytes);

/* What a used block is, before types have rows. */
enum block_tag {
	TAG_UNKNOWN,
	TAG_STRING,
	TAG_VTABLE, /* + index into the part's vtables */
};

enum { SEGMENT_ROWS = 32768, SEGMENT_WORDS = 65535 };

/* Words that may be addresses of blocks, block after block. */
struct word_segment {
	struct word_segment *next;
	uint64_t words[SEGMENT_WORDS];
};

struct row_columns {
	taddr addr[SEGMENT_ROWS];
	uint64_t size[SEGMENT_ROWS];
	uint32_t extra[SEGMENT_ROWS];
	uint32_t tag[SEGMENT_ROWS]; /* enum block_tag */
	uint16_t arena[SEGMENT_ROWS];
	uint8_t state[SEGMENT_ROWS];
};

struct row_previews {
	uint64_t low[SEGMENT_ROWS], high[SEGMENT_ROWS];
};

/* Some blocks, by address; its successor goes on from there. */
struct row_segment {
	struct row_segment *next;
	const struct scan_part *part;
	size_t n, first; /* first: index of its first block in the model */
	struct row_columns *columns;
	struct row_previews *previews; /* NULL when not wanted */
	uint32_t *counts; /* words kept of each block, then edges; NULL when not wanted */
	struct waste_list texts; /* if they are wanted */
	struct word_segment *words, *last_words;
	size_t nwords, room; /* room: what the last word segment can still take */
};

struct damage {
	taddr where;
	char *text; /* owned */
};

/*
 * What one thread found in a row of neighbouring heap spans. Blocks lie by address, so
 * the parts of a scan, one behind the other, are the model's blocks table.
 */
struct scan_part {
	size_t first_span, nspans;
	struct row_segment *rows, *last_rows;

	/* First words that may be vtables: tag - TAG_VTABLE indexes them. */
	struct map by_vtable;
	uint64_t *vtables;
	uint32_t *vtable_types; /* rows of m->types, filled by scan_name_types */
	size_t nvtables;

	struct damage *damages;
	size_t ndamages, lost_damages;
};

struct scan {
	struct heap *heap;
	const struct mem *mem;
	const struct cxx_filter *vptrs; /* which first words may be vtable pointers */
	bool previews, edges, waste;
	struct progress *progress; /* may be NULL; of the calling thread */
	struct need *need;
	const struct python *python; /* may be NULL */
	/* Read by layout alone: bookkeeping of the allocator and of interpreters. No word in
	 * a block there is a reference. By address; found by scan_find_bounds. */
	struct address_range *own;
	size_t nown;
	const struct heap_span *spans;
	size_t nspans;
	/* Where nodes are: spans and pools below and above the widest gap between two of them
	 * (the brk heap lies far from what is mmapped). A word elsewhere is no reference. */
	taddr low_start, low_end, high_start, high_end;

	struct scan_part *parts;
	size_t nparts;
	/* The parts' segments in one row, and their blocks in all; set by scan_blocks. */
	struct row_segment **segments;
	size_t nsegments, nblocks;
};

/* Finds the spans, own ranges, and where nodes are. s->heap (may be NULL) and python are
 * set. */
void scan_find_bounds(struct scan *s);
/* Sorts n ranges; two that touch or overlap become one. Returns how many there are then. */
size_t ranges_merge(struct address_range *r, size_t n);
/* All spans and pools, by address; *out is the caller's. */
size_t scan_nodes_memory(const struct scan *s, struct address_range **out);
/* Then: walks every span on all cores. s->mem, vptrs, previews and edges are set. */
void scan_blocks(struct scan *s);
/* May the word be the address of a node? */
static inline bool scan_may_refer(const struct scan *s, uint64_t word)
{
	return (word - s->low_start < s->low_end - s->low_start) |
	       (word - s->high_start < s->high_end - s->high_start);
}
/* Reads the vtables that the first words point to, if they do. */
void scan_read_vtables(struct scan *s, struct cxx_vtables *vtables);
/* Turns the first words that may be vtables into rows of m->types. */
void scan_name_types(struct scan *s, struct cxx_vtables *vtables, struct model *m);
/* Fills m->blocks, m->previews and m->findings. */
void scan_build_blocks(struct scan *s, struct model *m);
void scan_release(struct scan *s);

/* Keeps what the string says that is the segment's next row. */
void scan_keep_text(struct row_segment *rows, taddr at, uint64_t size,
		    struct mem_window *w);
/* What the strings say, after objects_build. Gives back what was kept of it. */
void scan_list_texts(struct scan *s, const struct model *m, struct waste_list *out);

/* Give back what of a segment is no longer needed. */
void segment_free_words(struct row_segment *rows);
void segment_free_columns(struct row_segment *rows);

/* Copies these bytes and keeps them as m->bytes, for when the target is let go. */
void copy_bytes(const struct mem *mem, struct byte_range range, struct model *m);

/* m->threads, but for their stacks; before heap_open, which adds their tcaches. */
void build_threads(const struct mem *mem, struct model *m);
/* The mapping that sp is in, up to the thread control block if that is above; {0, 0}: not
 * known. Where stacks lie end to end in one mapping it begins too low. */
struct address_range thread_stack(const struct mem *mem, const struct mem_thread *t);
/* What a module may write, or the loader before it was made read-only; how many ranges. *out
 * is the caller's. */
size_t module_data(const struct mem *m, const struct module *mod,
		   struct address_range **out);
/* m->modules, regions, pages and the threads' stacks; after mem_account and the blocks. */
void build_layout(const struct mem *mem, const struct module_set *modules,
		  struct model *m);

/* ---- memory beyond blocks (areas.c) ---- */

struct area {
	taddr start, end;
	enum area_kind kind;
	const char *name; /* static */
};

struct area_list {
	struct area *areas;
	size_t n, cap;
};

/* Thread-local variables, records of the dynamic linker and of interpreters, stacks that
 * are no thread's; memory is readable. */
void areas_read(const struct scan *s, const struct module_set *modules,
		struct area_list *out);
/* m->areas. */
void areas_build(struct area_list *l, struct model *m);
void areas_release(struct area_list *l);

/* ---- objects of interpreters (objects.c and its kin) ---- */

/*
 * Objects become rows in three steps. objects_read (memory is readable): slabs tell which
 * blocks are objects, each object tells its references and parts; what lies outside the
 * slabs is read as it is met, until nothing new comes. objects_build (after
 * scan_build_blocks): m's pools, slabs, objects, large, parts, labels, types; blocks.owner
 * of malloc's blocks that belong to objects or hold pools; certain edges into edge_first
 * and edge_to (rows of objects only); python's groups and roots. Then edges_build adds what
 * is possible.
 */
struct object_walk;

/* A word of an object whose layout is not known. */
struct possible_word {
	uint32_t object; /* row, after objects_build */
	bool is_root;    /* then object is the row of m->roots that waits for its node */
	uint64_t word;
};

struct object_walk *object_walk_new(struct python *py, const struct collect_options *o);
void objects_read(struct object_walk *w, struct need *need);
/* False: there is more than can be numbered. */
must_check bool objects_build(struct object_walk *w, struct model *m, struct err *e);
/* By object, then those of roots, whose rows have node NO_NODE until edges_build; valid until object_walk_free. */
size_t objects_possible(const struct object_walk *w, const struct possible_word **out);
/* How many certain edges and roots lead to each object; grows as roots are added. */
uint32_t *objects_in_edges(struct object_walk *w);
/* After objects_read: blocks of slabs in use that are nobody's, by address. */
typedef void objects_raw_fn(void *context, taddr start, uint64_t size);
void objects_each_raw(const struct object_walk *w, objects_raw_fn *fn, void *context);
void object_walk_free(struct object_walk *w);

/* The row of this group, added if it is new; rows 0 and 1 always are. */
uint32_t group_row(struct model *m, enum group_kind kind, struct str name);
/* The group of a thread: "1234 (worker)"; "1234" without a name of its own: it has the
 * process's then, and cores keep that one alone. "unknown" for 0. */
uint32_t thread_group(struct model *m, uint32_t tid);
struct root {
	enum root_kind kind;
	struct str name;
	uint32_t node;
	bool certain;
	taddr addr;
};

void root_add(struct model *m, uint32_t group, const struct root *root);

/* ---- the files of a core's modules (module_say.c) ---- */

/* Rows of evidence, or a note, on files that are missing; a warning when --exe is none of
 * the core's. */
void say_modules(const struct module_set *set, bool evidence, taddr entry,
		 struct model *m);

/* ---- bookkeeping (own.c) ---- */

/* Types of the blocks that hold records of the allocator or of an interpreter, and roots
 * for the latter; after objects_build. */
void own_build(const struct scan *s, struct model *m);

/* ---- what the target holds besides its heap (roots.c) ---- */

/*
 * Words of stacks (from sp - 128 up), registers, TLS, data and bss of mapped files that fall
 * among blocks and pools, kept while memory is readable; own ranges of interpreters and of
 * the allocator, and memory of objects, are left out. After objects_build they become
 * possible roots by the same test as possible edges.
 */
struct root_scan;
struct root_scan *root_scan_read(const struct scan *s, const struct module_set *modules,
				 const struct object_walk *objects);
void root_scan_free(struct root_scan *r);

/*
 * Words become edges and roots: those of blocks nobody claims, of objects of unknown layout
 * (w may be NULL: no interpreter), of the target's own memory (r). A word that leads to a
 * mortal object counts only while more references to it are counted than are certain.
 * Makes edge_first and edge_to complete, sorts groups and roots.
 */
void edges_build(struct scan *s, struct object_walk *w, struct root_scan *r,
		 const struct module_set *modules, struct model *m);

#endif
