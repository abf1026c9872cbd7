/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the walk over an interpreter's objects. Who does what:
 *
 *   objects.c           the walk's life: what is read, in which order, by how many
 *   objects_slab.c      slabs: which address is which object
 *   objects_outside.c   objects that lie in no slab, as they are met
 *   objects_keep.c      keeps what the reader tells of each object
 *   objects_judge.c     which of what looked like objects are none
 *   objects_claim.c     whose memory each block of a slab is
 *   objects_build.c     rows: objects
 *   objects_part.c      rows: pools, slabs, parts; owners of blocks; footprints
 *   objects_edge.c      rows: edges, and how many lead where
 *   objects_root.c      rows: groups and roots
 *   objects_waste.c     what objects waste
 *
 * While memory is read an object is known by its `id`: objects of slabs are numbered by
 * address, those outside follow in the order they are met. The model's rows are by address
 * alone, so ids become rows in one pass at the end.
 */
#ifndef COLLECT_OBJECTS_INT_H
#define COLLECT_OBJECTS_INT_H

#include "collect/collect_int.h"
#include "collect/waste_int.h"

#include <pthread.h>

/* The reader that a walk calls; a test puts its own here. As in lang.h. */
struct object_reader {
	size_t (*pools)(const struct python *py, const struct python_pool **out);
	struct python_reader *(*reader_new)(struct python *py);
	void (*reader_free)(struct python_reader *r);
	void (*read_pool)(struct python_reader *r, size_t pool, python_slab_fn *fn,
			  void *context);
	void (*read_lists)(struct python_reader *r, python_address_fn *fn, void *context);
	void (*read_roots)(struct python_reader *r, python_root_fn *fn, void *context);
	void (*read_frames)(struct python_reader *r, python_frame_fn *fn, void *context);
	bool (*read_object)(struct python_reader *r, taddr at, bool values,
			    const struct python_sink *sink, struct python_object *out);
	uint32_t (*type_count)(const struct python *py);
	struct str (*type_name)(const struct python *py, uint32_t type);
	uint32_t (*type_uncounted)(const struct python *py, uint32_t type);
	uint16_t (*label_count)(const struct python *py);
	enum label_kind (*label_kind)(const struct python *py, uint16_t label);
	struct str (*label_name)(const struct python *py, uint16_t label);
};

struct object_walk *object_walk_over(const struct object_reader *reader,
				     struct python *py, const struct collect_options *o);

/* ---- slabs (objects_slab.c) ---- */

/* 64 blocks of a slab, a bit for each. */
struct slab_word {
	uint64_t used, object;
	uint64_t at16, at32; /* objects that begin 16, or 32 bytes into their block */
	uint32_t first;      /* id of the first object here */
};

struct walk_slab {
	taddr start;
	uint32_t block_size, n;
	uint32_t pool;
	uint32_t first_word; /* of the table's words */
};

struct slab_table {
	const struct python_pool *pools;
	size_t npools;
	struct walk_slab *slabs; /* by address */
	size_t nslabs;
	struct slab_word *words;
	size_t nwords;
	/* slab + 1 of each 4 KiB of each pool; slabs begin and end with pages */
	uint32_t *by_page;
	size_t *first_page; /* in by_page, of each pool */
	struct map
		by_granule; /* address / POOL_GRANULE -> the first pool that reaches it */
	uint32_t nobjects;
};

/* One block: `number` counts the blocks of all slabs, 64 to each word. */
struct slab_block {
	uint32_t slab, i;
	uint64_t number;
};

/* What one pool holds, while pools are read side by side. */
struct pool_slabs {
	struct walk_slab *slabs;
	struct slab_word *words;
	size_t nslabs, nwords;
	taddr end; /* of the slab before */
};

void pool_slabs_add(struct pool_slabs *p, const struct python_pool *pool,
		    const struct python_slab *slab);
/* One table of what all pools hold; frees theirs. False: more than can be numbered. */
must_check bool slab_table_build(struct slab_table *t, struct pool_slabs *by_pool);
void slab_table_release(struct slab_table *t);

/* False: `at` lies in no slab. */
must_check bool slab_table_find(const struct slab_table *t, taddr at,
				struct slab_block *out);
static inline taddr slab_block_start(const struct slab_table *t,
				     const struct slab_block *b)
{
	const struct walk_slab *s = &t->slabs[b->slab];

	return s->start + (uint64_t)b->i * s->block_size;
}
enum {
	NO_OBJECT = UINT32_MAX,
	TORN = UINT32_MAX - 1, /* a reference into free memory */
};
/* The object that begins in this block, NO_OBJECT if none does, and its address. */
uint32_t slab_block_object(const struct slab_table *t, const struct slab_block *b,
			   taddr *at);
bool slab_block_in_use(const struct slab_table *t, const struct slab_block *b);

/* The objects of slabs one after the other: block is set for each. */
struct slab_iter {
	const struct slab_table *table;
	size_t slab, word;
	uint64_t left; /* of the word's object bits */
	struct slab_block block;
	uint32_t id;
	taddr at;
};
struct slab_iter slab_iter_from(const struct slab_table *t, uint32_t id);
must_check bool slab_iter_next(struct slab_iter *it);

/* ---- objects elsewhere (objects_outside.c) ---- */

/* A set of addresses, numbered as they come, for all threads. */
struct outside_set {
	pthread_mutex_t lock;
	struct map by_address;
	taddr *addrs;
	uint32_t first, n, max; /* ids: first, first + 1, ... */
	size_t cap;
	bool is_full;
};
uint32_t outside_id(struct outside_set *o, taddr at);
taddr outside_addr(struct outside_set *o, uint32_t id);
void outside_release(struct outside_set *o);

/* ---- what is kept of each object (objects_keep.c) ---- */

enum {
	KEEP_ROWS = 4096,
	KEEP_EDGES = 10922, /* with their labels and a pointer 64 KiB */
	NOT_READ = UINT32_MAX,
};

/* References of objects, one after the other. */
struct edge_chunk {
	uint32_t node[KEEP_EDGES]; /* ids, NO_OBJECT */
	uint16_t label[KEEP_EDGES];
};

struct keep_columns {
	uint32_t size[KEEP_ROWS], refcount[KEEP_ROWS];
	uint32_t type[KEEP_ROWS]; /* NOT_READ: it is no object */
	uint32_t value_end[KEEP_ROWS];
};

/* Of objects outside only. */
struct keep_places {
	taddr addr[KEEP_ROWS];
	uint64_t own[KEEP_ROWS];
	uint8_t before[KEEP_ROWS]; /* address - start */
};

struct kept_word {
	uint32_t row;
	uint64_t word;
};

/* KEEP_ROWS objects by id: those of segment s are s * KEEP_ROWS and on. */
struct keep_segment {
	uint32_t n; /* rows that were read, or tried */
	struct keep_columns *columns;
	struct keep_places *places; /* NULL: objects of slabs */
	uint32_t *edges_end;        /* of each row */
	struct edge_chunk **edges;
	size_t nchunks;
	uint32_t nedges;
	struct buf values;
	struct kept_word *words;
	size_t nwords;
	struct waste_list contents, slack; /* if they are wanted */
};

/* Memory of an object elsewhere; owner is an id until the rows are known. */
struct kept_part {
	taddr at;
	uint64_t size;
	uint32_t owner;
	uint16_t label;
};

struct large_object {
	uint32_t id;
	uint64_t size;
};

enum { NEAR_SLOTS = 1024 };

/* One thread's work. */
struct keeper {
	struct object_walk *walk;
	struct python_reader *reader;
	struct keep_segment *segment;
	uint32_t id;
	struct kept_part *parts;
	size_t nparts;
	struct large_object *large;
	size_t nlarge;
	uint32_t *misfits; /* objects that do not fit into their block */
	size_t nmisfits;
	taddr room; /* where the block ends that is read */
	taddr at;   /* of the object that is read */
	struct {    /* answers of outside_id; address 0 is no answer */
		taddr at;
		uint32_t id;
	} near[NEAR_SLOTS];
};

/* Reads one object into the next row of its segment. */
void keep_object(struct keeper *k, uint32_t id, taddr at);
/* The id of the object that is said to be at `to`. */
uint32_t keep_resolve(struct keeper *k, taddr to);
/* What is copied is given back: sizes, types and values, then edges and the rest. */
void keep_segment_free_columns(struct keep_segment *s);
void keep_segment_free_edges(struct keep_segment *s);
void keep_segment_release(struct keep_segment *s);

static inline uint32_t keep_edges_begin(const struct keep_segment *s, uint32_t row)
{
	return row ? s->edges_end[row - 1] : 0;
}
static inline uint32_t keep_edge_node(const struct keep_segment *s, uint32_t edge)
{
	return s->edges[edge / KEEP_EDGES]->node[edge % KEEP_EDGES];
}
static inline uint16_t keep_edge_label(const struct keep_segment *s, uint32_t edge)
{
	return s->edges[edge / KEEP_EDGES]->label[edge % KEEP_EDGES];
}

/* ---- roots (objects_root.c) ---- */

struct kept_root {
	struct python_root root; /* its texts are offsets into root_texts */
	size_t group_at, name_at;
	uint32_t id;
};

struct root_list {
	struct kept_root *roots;
	size_t n, cap;
	struct buf texts;
};
void root_list_add(struct root_list *l, const struct python_root *root, uint32_t id);
void root_list_release(struct root_list *l);

/* ---- frames (objects_frame.c) ---- */

struct frame_list {
	struct kept_frame *frames;
	size_t n, cap;
	struct buf texts;
};
void frame_list_add(struct frame_list *l, const struct python_frame *frame);
void frame_list_release(struct frame_list *l);
void build_frames(const struct frame_list *l, struct model *m);

/* ---- the walk ---- */

/* How sure it is that what looks like an object is one. */
enum object_grade {
	GRADE_GUESS,      /* by its first words alone */
	GRADE_REFERENCED, /* something that looks like an object refers to it */
	GRADE_REACHED,    /* from a root or the collector's lists, along certain edges */
	GRADE_NONE,       /* it is none */
};

struct large_row {
	uint32_t row;
	uint64_t size, footprint;
};

/* What lies at an address: an id, or an index of parts. */
struct place {
	taddr at;
	uint32_t what;
};

struct object_walk {
	const struct object_reader *reader;
	struct python *py;
	bool values, edges, waste; /* as asked for */
	struct progress *progress;
	struct need *need; /* while memory is read */

	struct pool_slabs *by_pool; /* while pools are read */
	struct slab_table slabs;
	struct outside_set outside;
	struct keep_segment *segments;
	size_t nsegments;
	struct keeper *keepers;
	unsigned nkeepers;
	uint32_t *sources; /* ids that lists and roots lead to */
	size_t nsources, sources_cap;
	struct root_list roots;
	struct frame_list frames;
	uint32_t round_begin, round_end; /* ids */
	bool is_full;                    /* there is more than ids can number */

	/* From here on memory is gone. */
	uint8_t *grades;    /* enum object_grade of each id */
	uint8_t *is_weak;   /* of each label */
	struct map modules; /* rows of dicts of all modules */
	uint32_t *claims;   /* of each slab block: part + 1, 0 nobody's */
	struct map guests;  /* objects met by reference in slab blocks: block -> id */
	struct kept_part *parts;
	size_t nparts;
	struct place *others; /* objects outside, by address */
	size_t nothers;
	uint32_t *rows; /* of each id; NO_NODE: it is no object */
	uint32_t nrows;
	size_t part_row;  /* the next */
	uint16_t *labels; /* rows of the model */
	struct large_row *large;
	size_t nlarge;
	struct map large_by_row;
	uint32_t *in_edges;
	struct possible_word *possible;
	size_t npossible;

	/* For findings: how many, and where first. */
	uint64_t ntorn, ntwice, nover;
	taddr torn_at, twice_at, over_at;
};

static inline uint32_t walk_ids(const struct object_walk *w)
{
	return w->outside.first + w->outside.n;
}
static inline struct keep_segment *walk_segment(const struct object_walk *w, uint32_t id)
{
	return &w->segments[id / KEEP_ROWS];
}
static inline bool walk_is_object(const struct object_walk *w, uint32_t id)
{
	return w->grades[id] != GRADE_NONE;
}

/* Where this object outside lies. */
static inline taddr walk_outside_addr(const struct object_walk *w, uint32_t id)
{
	return w->outside.addrs[id - w->outside.first];
}

/* Where its own memory begins. */
static inline taddr walk_start(const struct object_walk *w, uint32_t id)
{
	return walk_outside_addr(w, id) -
	       walk_segment(w, id)->places->before[id % KEEP_ROWS];
}

/* Orders places by address. */
void places_sort(struct place *places, size_t n);

/* Finds out which objects are none (objects_judge.c); sets others. */
void judge_objects(struct object_walk *w, const struct model *m);
/* Whose each slab block is: claims (objects_claim.c). May find more that are none. */
void claim_slabs(struct object_walk *w);

/* Steps of objects_build, in this order: rows have addresses (objects_part.c) ... */
void build_labels(struct object_walk *w, struct model *m);
void build_parts(struct object_walk *w, struct model *m);
/* ... the other columns are there ... */
void build_large(struct object_walk *w, struct model *m);
void build_block_types(struct model *m);
/* ... and edges, if wanted (objects_edge.c, objects_root.c). */
void learn_modules(struct object_walk *w);
void build_edges(struct object_walk *w, struct model *m);
void build_roots(struct object_walk *w, struct model *m);
void find_overcounted(struct object_walk *w, const struct model *m);

#endif
