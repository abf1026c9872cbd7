/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers worked out of a model: pure functions, no output, no target. The result of each
 * belongs to the caller and is given back with its _release.
 */
#ifndef ANALYSIS_ANALYSIS_H
#define ANALYSIS_ANALYSIS_H

#include "base/line.h"
#include "model/model.h"

/* ---- top: nodes by what they are ---- */

/* Free blocks, blocks that belong to an object and pools are no nodes. Without dominators
 * (m->dominators.n == 0) what is retained is not known and 0. */

struct top_row {
	uint32_t type; /* row of m->types */
	uint64_t count, size, footprint;
	uint64_t retained, retained_footprint; /* of the set: nothing counted twice */
};

struct top {
	struct top_row *rows; /* in the order of m->types */
	size_t n;
};

void top_build(const struct model *m, struct top *out);
/* Only of these, a bit a node; NULL: of all. */
void top_build_of(const struct model *m, const uint64_t *nodes, struct top *out);
/* The same without what is retained, which takes longest. */
void top_build_sizes(const struct model *m, struct top *out);
void top_release(struct top *t);

/* Fills m->totals, unless they are there already (a snapshot file that has them). */
void totals_build(struct model *m);

/* ---- waste: memory that tells nothing, and who holds it ---- */

/* Duplicates and rounding count what others count too: an empty list is rounded. */
enum waste_category {
	WASTE_DUPLICATES,     /* says the same as another: all copies but one */
	WASTE_OVER_ALLOCATED, /* room for more items */
	WASTE_SPARSE,         /* tables with few entries: what smaller ones would save */
	WASTE_EMPTY,          /* containers of nothing: all of them */
	WASTE_ROUNDING,       /* footprint beyond size, and beyond what size leaves out */
	WASTE_CATEGORIES
};

enum { WASTE_HOLDERS = 3 };

/* Who holds what is wasted (holder_find). */
struct waste_holder {
	uint32_t dominator; /* a node, or nodes + a row of groups */
	uint32_t root;      /* row of m->roots that names it; NO_NODE: none does */
	uint64_t wasted;
};

struct waste_row {
	enum waste_category category;
	/* Of all its nodes; m->types.n: blocks that are perhaps arrays with room for more. */
	uint32_t type;
	uint32_t first;        /* the first of equal texts; NO_NODE: nodes that differ */
	uint64_t count, bytes; /* bytes: their footprint */
	uint64_t wasted;       /* never 0 */
	size_t holder,
		nholders; /* rows of holders, at most WASTE_HOLDERS, those of most first */
};

struct waste {
	struct waste_row *rows;
	size_t n, cap;
	struct waste_holder *holders;
	size_t nholders;
	uint64_t wasted[WASTE_CATEGORIES];
	bool is_known; /* false: nobody looked, there is rounding of native blocks only */
};

/* By category, then by type or by the first node. Without dominators there are no holders. */
void waste_build(const struct model *m, struct waste *out);
void waste_release(struct waste *w);

/* ---- trend: what grew from one snapshot to the next ---- */

struct trend_row {
	uint32_t type; /* row of names->types */
	uint64_t count_first, count_last, size_first, size_last;
	uint32_t steps_grown; /* of size; of trend.n - 1 */
	struct line line;     /* of size: bytes by hours */
};

/* Snapshots of one process in the order of time, one after the other: none of them has to be
 * kept. Zero-initialise. */
struct trend {
	struct model *names; /* has types: their words */
	uint64_t first;      /* time of the first */
	double *hours;       /* of each snapshot, since then */
	struct trend_snapshot {
		struct trend_point {
			uint64_t count, size;
		} * points; /* by type: */
		size_t n;   /* of those that were known by then */
	} * snapshots;
	size_t n, cap;
	struct trend_row *rows; /* those that ever changed, the steadiest growth first */
	size_t nrows;
};

/* `time` in nanoseconds since 1970; m has totals (totals_build). */
void trend_add(struct trend *t, uint64_t time, const struct model *m);
/* Fills rows. False: fewer than three snapshots, or all of one moment; there is no trend. */
must_check bool trend_build(struct trend *t);
void trend_release(struct trend *t);

/* When a line gets to `limit` from y at the last x: how much x is left, and the 95 % interval
 * of that by the line's error. */
struct trend_eta {
	bool is_reached; /* it is there already */
	bool is_coming;  /* the slope is up */
	bool has_most;   /* the least slope of the interval is up, too */
	double in, least, most;
};
struct trend_eta trend_eta(const struct line *l, size_t n, double y, double limit);

/* ---- blocks: which ones ---- */

/*
 * Blocks of all allocators have one numbering: row b < m->blocks.n is malloc's block b, and
 * m->blocks.n + i is the block of a slab whose bit is number i of m->slab_bits. Blocks of
 * malloc's that hold pools are not among them: each byte belongs to one block.
 */
enum block_choice { BLOCKS_USED, BLOCKS_FREE, BLOCKS_ALL };

struct block_pick {
	uint32_t *rows; /* by address; NULL: all of m->blocks, and there are no others */
	size_t n;
};

void block_pick_build(const struct model *m, enum block_choice choice,
		      struct block_pick *out);
void block_pick_release(struct block_pick *p);

/* What is known of one; by search, so for what is shown. */
struct block_view {
	taddr addr;
	uint64_t size, footprint;
	bool is_used;
	size_t block;    /* row of m->blocks; m->blocks.n: it is a slab's */
	struct str pool; /* of a slab's: which allocator, "obmalloc"; else "" */
	uint32_t owner;  /* object in whose memory it lies; NO_NODE */
};
void block_view(const struct model *m, uint32_t row, struct block_view *out);

/* ---- sizes: malloc's blocks in use, by chunk ---- */

struct size_row {
	uint64_t size; /* of a chunk: the block's footprint */
	uint64_t count, bytes;
};

struct sizes {
	struct size_row *rows; /* the largest size first */
	size_t n, cap;
};

void sizes_build(const struct model *m, struct sizes *out);
void sizes_release(struct sizes *s);

/* ---- arenas: what allocators hold, and what of it is free ---- */

/* One row of any of the tables below; each fills what it knows, the rest is NOT_TOLD. */
#define NOT_TOLD UINT64_MAX
struct arena_row {
	const char *kind;    /* NULL: all rows are of one */
	uint64_t arena;      /* row of m->arenas */
	uint64_t addr, tid;  /* of the arena; of the thread whose cache it is */
	uint64_t block_size; /* of each block */
	uint64_t low, high;  /* the chunks it is for */
	uint64_t heaps;
	uint64_t slabs, slabs_free; /* cut into blocks, and not */
	uint64_t count,
		count_free; /* blocks or chunks: in use (of a bin: in it), and not */
	uint64_t bytes;     /* of a bin's chunks */
	uint64_t system;    /* had from it; used + free + overhead */
	uint64_t used, free, overhead;
	uint64_t top, tcache, fastbin, bins; /* of what is free */
	uint64_t mmapped;                    /* of system: in mappings of their own */
	uint64_t resident;
	uint64_t fragmentation; /* free between blocks in use, thousandths of system */
};

struct arena_rows {
	struct arena_row *rows;
	size_t n, cap;
};

/* The arenas of malloc by what they have from the system, then all mmapped chunks in one
 * row, then obmalloc in one, with what lies in no block of malloc's. */
void arenas_build(const struct model *m, struct arena_rows *out);
/* malloc's lists of free chunks, those with most bytes first. */
void arena_bins_build(const struct model *m, struct arena_rows *out);
/* m->bins is empty, yet chunks are in lists: the snapshot is older than the table. */
bool arena_bins_are_missing(const struct model *m);
/* Pools of obmalloc's, those that fewest bytes in use hold first. */
void arena_pools_build(const struct model *m, struct arena_rows *out);
/* Its blocks by size. */
void arena_classes_build(const struct model *m, struct arena_rows *out);
void arena_rows_release(struct arena_rows *r);

/* ---- summary: where every byte is ---- */

/*
 * Every mapped byte is in exactly one row, and so is every resident and swapped one: the
 * rows add up to the regions, and what is resident to RSS. A page that blocks in use and
 * free ones share is split by bytes; one of PAGE_SLACK is mapped in its owner's row, and
 * resident in a row of its own. count: blocks of malloc's and obmalloc's rows, stacks and
 * the like of theirs, else mappings.
 */
struct summary_row {
	const char *category;
	struct str detail; /* owned by the model, or static */
	uint64_t bytes, resident, swapped, count;
	bool has_count;
};

struct summary {
	struct summary_row *rows; /* allocators first, then by category and address */
	size_t n, cap;
	bool has_residency; /* false: a core or dump that does not tell */
	struct map by_name;
};

void summary_build(const struct model *m, struct summary *out);
void summary_release(struct summary *s);

/* ---- free memory that the system does not have back ---- */

/* What would come back, in bytes that are resident now; where residency is not known, as if
 * all were. */
struct trim {
	uint64_t free;     /* in heaps: bins, fastbins, tops */
	uint64_t returned; /* of it, by malloc_trim(0) */
	/* At most, with all blocks in the main arena: what other arenas' heaps have, if their
	 * blocks lay in the free memory of the first as far as that reaches. */
	uint64_t arenas_bound;
	/* At most, with blocks of 128 KiB and more in mappings of their own: free chunks of
	 * that size, if each was one such block. */
	uint64_t threshold_bound;
	bool has_heap; /* false: malloc's is not known, and nothing of this */
	bool has_residency;
};
void trim_build(const struct model *m, struct trim *out);

/* Blocks that keep free memory from going back: see pins.c. */
enum pin_what { PIN_PAGE, PIN_TOP, PIN_HEAP, PIN_ARENA };

struct pin {
	uint32_t row; /* a block, numbered as in block_pick; the first of `blocks` */
	enum pin_what what;
	uint32_t blocks; /* that hold it together */
	uint64_t pinned; /* bytes, resident and free */
};

struct pins {
	struct pin *rows;
	size_t n, cap;
};
void pins_build(const struct model *m, struct pins *out);
void pins_release(struct pins *p);
const char *pin_what_name(enum pin_what what);

/* ---- the graph: who keeps what alive (dominators.c, flow.c) ---- */

/*
 * A node's dominator is the last thing that all paths from the roots to it pass: when that
 * goes, the node goes. Its retained size is its own size and those of all it dominates.
 *
 * The first level below the top are the groups of roots; what two groups hold hangs on the
 * top itself (group row 0). What no root reaches hangs on group row 1, and its references
 * into what is reached count for nothing. Weak edges never count.
 *
 * Fills m->dominators and the derived columns of m->groups, unless they are there already
 * (a snapshot file that has them). m has edge_first, groups (rows 0 and 1 at least) and
 * roots; else there are none after it, either. Numbers that are no nodes get the top as
 * their parent, and retain 0.
 *
 * What no root reaches: of each cycle that nothing else holds, its first node hangs on group
 * row 1, and holds the rest. DOMINATOR_POSSIBLE: no path of certain roots and edges leads
 * there (of what is not reached: from what hangs on group row 1).
 *
 * Near-linear, no recursion; some 35 bytes a node at most, those of the columns included,
 * and 8 per edge that leads back or across.
 */
void dominators_build(struct model *m);
/* Is there something to build, and not built yet? That there is too much of it is a finding.
 * Building adds no texts then, and looks at no addresses, types and values. */
bool dominators_are_wanted(struct model *m);

/* Where a node or group stands among dominators: nodes + g is groups row g. */
static inline bool dominator_is_group(const struct model *m, uint32_t d)
{
	return d >= node_count(m);
}

/* The nodes that each dominator holds directly, the largest retained first, then by address:
 * those of d are children[first[d] .. first[d + 1]). Without dominators they have none. */
struct dominator_tree {
	uint64_t *first; /* of nodes + groups + 1 */
	uint32_t *children;
};
void dominator_tree_build(const struct model *m, struct dominator_tree *out);
void dominator_tree_release(struct dominator_tree *t);

/* Edges the other way round: those into node n are rows first[n] .. first[n + 1], in the
 * order of edge_to. Without edges in the model there are none. */
struct referrers {
	uint64_t *first;
	uint32_t *from;      /* the node each comes from */
	uint64_t *edge;      /* its row of m->edge_to */
	size_t nodes, edges; /* that there is room for */
};
void referrers_build(const struct model *m, struct referrers *out);
void referrers_release(struct referrers *r);

/* What an edge is called: ".name", "[3]", "['key']", "key", "__dict__", "local x",
 * "possible", "inside". Appends. Takes as long as the source has edges before this one. */
void edge_label(const struct model *m, uint32_t source, uint64_t edge, struct buf *out);
/* What a node says beside its type: its value, or of containers and instances their first
 * edges ("[1, 2]", "id=17 name='a'"), at most some 60 characters. Appends. */
void node_value(const struct model *m, uint32_t node, struct buf *out);
/* What stands behind the last dot or "::" of a name that has no template arguments. */
struct str kind_last_word(struct str kind);

/*
 * ---- who holds a node (holder.c) ----
 *
 * Its HOLDER is the nearest thing with a name that dominates it: a node that is a root of
 * that name. Without one it is the group of roots that holds it alone; and of what several
 * groups hold, the last node below them.
 */
struct holder_search {
	const struct model *m;
	uint32_t *root, *holder; /* of each node; NULL: no dominators. Inner. */
};

void holder_search_init(struct holder_search *s, const struct model *m);
void holder_search_release(struct holder_search *s);
/* A node, or nodes + a row of groups; NO_NODE: there is no such node, or no dominators. */
uint32_t holder_find(const struct holder_search *s, uint32_t node);
/* The root that names a holder; NO_NODE: none does. */
uint32_t name_of_holder(const struct holder_search *s, uint32_t holder);
/* The root of a node that tells most, of whatever kind; NO_NODE: it is none. */
uint32_t root_of_node(const struct holder_search *s, uint32_t node);

/* ---- why: the paths that keep a node alive ---- */

struct why_step {
	uint32_t node;
	uint64_t edge; /* from the step before; of the first step NO_EDGE: the root's */
};
#define NO_EDGE UINT64_MAX

struct why_path {
	uint32_t root; /* row of m->roots; NO_NODE: none, the first step is unreached */
	struct why_step *steps;
	size_t nsteps;
	bool certain, weak;
};

struct why {
	struct why_path *paths; /* certain first, then short; one per root name */
	size_t n;
	uint64_t in_edges;
	/* Above 1,000 in-edges: how many come by kind of source and label. */
	struct why_group {
		uint32_t type;
		uint16_t label;
		uint64_t count;
	} * groups;
	size_t ngroups;
	bool is_immortal;
};
/*
 * The shortest paths from roots to the node, those of certain roots and edges first, one
 * per name of a root. A node that no root reaches has one path, from the first of those
 * that hold it. One more, of a weak reference, may come last.
 *
 * A name of a module is a path of its own; none goes on from there to the module's dict,
 * and the functions that have it. in_edges are those that are not weak. is_immortal: it is
 * never freed, and no part of the heap.
 *
 * Most of the time goes into turning the edges around (once through all of them); then at
 * most some 34 million are looked at, and a million once a path was found: what lies
 * beyond may then be missing.
 */
void why_build(const struct model *m, uint32_t node, size_t max_paths, struct why *out);
void why_release(struct why *w);

/* References to an object that nobody in the graph accounts for: its count less the edges
 * that own it (not weak ones, not those into its middle) and the roots, but for those that
 * a module names: its dict owns them. 0 for what is not counted. */
uint64_t node_unexplained(const struct model *m, const struct referrers *r,
			  uint32_t node);

/* ---- identity: the same thing in two models of one process ---- */

/*
 * A node is the same in both if it has the same address and type, and besides
 *
 *	a native block	the same size
 *	a Python object	the same start of its value where both tell one, and the same size,
 *			if its type allows neither to change (str: its size may)
 *
 * What was freed and made anew alike at its old address cannot be told from that.
 */

/* Is there any sense in that: can both be of one process? False: *why says what differs. */
bool models_are_of_one(const struct model *a, const struct model *b, struct buf *why);

/* Types of several models by their three words: one number for the same words. */
enum { KINDS_MODELS = 3, NO_KIND = UINT32_MAX };
struct kinds {
	const struct model *models[KINDS_MODELS];
	size_t nmodels;
	uint32_t *of[KINDS_MODELS]; /* by type row; one past the last: NO_KIND */
	struct kind_words {
		uint32_t model, type; /* the first that has it */
	} * words;
	uint32_t n;
};
void kinds_build(const struct model *const *models, size_t n, struct kinds *out);
void kinds_release(struct kinds *k);
static inline uint32_t node_kind(const struct kinds *k, size_t model, uint32_t node)
{
	const struct model *m = k->models[model];

	return k->of[model][min_u64(node_type(m, node), m->types.n)];
}

/* Nodes of a and of b, each once, by address: those at the same address together. */
struct node_pair {
	uint32_t a, b; /* NO_NODE: none is there */
	bool same; /* a and b are the same thing; else what was at the address is gone */
};
struct node_walk {
	const struct model *m;
	uint32_t object, block; /* what comes next */
};
struct node_pairs {
	struct node_walk a, b;
	struct kinds kinds;
	uint8_t *fixed; /* by kind: what of its objects never changes */
	uint32_t next_a, next_b;
};
void node_pairs_begin(const struct model *a, const struct model *b,
		      struct node_pairs *out);
must_check bool node_pairs_next(struct node_pairs *p, struct node_pair *out);
void node_pairs_release(struct node_pairs *p);

/* A bit for each node of m, set if the node is the same in `other`. To be freed. */
uint64_t *nodes_also_in(const struct model *m, const struct model *other);
/* Leaves those blocks of m that are in `other` (or are not): of the same allocator, address
 * and size, free in both or in use in both for the same thing. */
void block_pick_keep(const struct model *m, const struct model *other, bool is_there,
		     struct block_pick *p);
static inline bool bit_is_set(const uint64_t *bits, uint64_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}

/* ---- diff: what changed from the first of two or three models to the last ---- */

/* Of two models: not in the first, but in the last; and the other way round. Of three: new
 * is what came by the second and is still in the last, recent what came later; what the
 * second lacks did not survive, though the last has its like again. */
enum diff_state { DIFF_NEW, DIFF_RECENT, DIFF_GONE, DIFF_SURVIVED, DIFF_STATES };

struct diff_row {
	uint32_t kind;
	uint64_t count_before, count_after, size_before, size_after;
	uint64_t count[DIFF_STATES]; /* 0 where objects are not told apart */
	uint64_t size_new;
};

struct diff {
	struct kinds kinds; /* of all models, in their order */
	const struct model *before, *after;
	bool is_of_one;        /* else addresses mean nothing, and states are not known */
	struct diff_row *rows; /* kinds that either has, those of the first model first */
	size_t n;
	uint64_t reused; /* addresses at which something else is now */
};
void diff_build(const struct model *const *models, size_t n, struct diff *out);
void diff_release(struct diff *d);
static inline bool diff_row_changed(const struct diff_row *r)
{
	return r->count_before != r->count_after || r->size_before != r->size_after ||
	       r->count[DIFF_NEW] || r->count[DIFF_RECENT] || r->count[DIFF_GONE];
}

/* The objects behind it, by address; of a survivor as it is in the last model. */
struct diff_object {
	uint32_t node; /* of the first model if it is gone, else of the last */
	enum diff_state state;
};
struct diff_objects {
	struct diff_object *rows;
	size_t n, cap;
	uint64_t reused;
};
/* `states`: which, 1 << enum diff_state each. Of models of one process. */
void diff_objects_build(const struct model *const *models, size_t n, unsigned states,
			struct diff_objects *out);
void diff_objects_release(struct diff_objects *d);

/* Blocks in use by allocator and size: malloc's with their header, "" is malloc. */
struct diff_size {
	struct str allocator; /* of one of the models */
	uint64_t size, count_before, count_after;
};
struct diff_sizes {
	struct diff_size *rows; /* in no order of use */
	size_t n, cap;
	struct map by_size;
};
void diff_sizes_build(const struct model *before, const struct model *after,
		      struct diff_sizes *out);
void diff_sizes_release(struct diff_sizes *d);

/* ---- growth: which holders grew ---- */

/*
 * What came to a holder: the bytes that are new in what it dominates, and those by which it
 * and what it dominates grew, less those that went from there. Each byte counts for one row:
 * the deepest holder that was there before and gained at least a hundredth of all that was
 * gained; where nearly all of it came in one new object, for that. So rows add up. For what
 * several groups of roots hold together it is the survivor that refers to nearly all of it.
 */
struct growth_row {
	uint32_t holder; /* of the later model: a node, or nodes + g: groups row g */
	uint32_t before; /* the same in the earlier one; NO_NODE: it is new */
	uint32_t gained; /* where that was booked: the holder itself, or what holds it */
	bool is_shared;  /* others hold it, too: the holder does not dominate it */
	uint64_t growth;
};
struct growth {
	struct growth_row *rows; /* the largest first */
	size_t n, cap;
	/* By type row of the later model: the row that has more than half of what came of
	 * that type; NO_NODE: none has. */
	uint32_t *row_of_type;
};
/* Models of one process; without dominators in both there are no rows. */
void growth_build(const struct model *before, const struct model *after,
		  struct growth *out);
void growth_release(struct growth *g);

#endif
