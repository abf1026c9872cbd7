/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside ptmalloc/: glibc's malloc (ptmalloc2), x86_64, 2.10 and later.
 *
 * chunk: `at` is the address of its prev_size word, `size` its size without flag bits;
 * what malloc returned is at + 16. `head` is the size word with its flags. A chunk is in
 * use when its successor says so (PREV_INUSE), unless a tcache or a fastbin has it: those
 * look in use and are free.
 */
#ifndef HEAP_PTM_INT_H
#define HEAP_PTM_INT_H

#include "heap/heap_int.h"

enum {
	PTM_HEADER = 16, /* from a chunk to what malloc returned */
	PTM_ALIGN = 16,
	PTM_MIN_CHUNK = 32,
	PTM_FENCE = 16, /* a fencepost is smaller than any chunk */

	PTM_PREV_INUSE = 1,
	PTM_IS_MMAPPED = 2,
	PTM_NON_MAIN = 4,
	PTM_FLAGS = 7,

	PTM_NFASTBINS = 10,
	PTM_NBINS = 127,      /* headers; the first is that of bin 1, the unsorted one */
	PTM_STATE_MAX = 2200, /* the largest malloc_state of any row */
	PTM_NONCONTIGUOUS = 2,

	PTM_MAX_ARENAS = 4096,
	PTM_TCACHE_BINS = 76,       /* of the longest row, */
	PTM_TCACHE_SMALL_BINS = 64, /* of one size each */
};

/* ---- ptm_layout.c: offsets, one row per class ---- */

struct ptm_state_layout {
	const char *versions, *since; /* for people */
	uint8_t first, last;          /* the same: 2.first to 2.last */
	bool untested;      /* no real libc could be had: from the source alone */
	bool shared_arenas; /* built without an arena for each thread */
	uint16_t fastbins;  /* 0: this class has none */
	uint16_t top, bins, next, system_mem, max_system_mem, size;
	uint16_t next_free, attached; /* 0: this class has none */
	/* Of an mmapped chunk: what its size field leaves out of its mapping, and how many
	 * bytes of the mapping are not for use. */
	uint16_t mmap_left_out, mmap_overhead;
	/* A flag bit in its prev_size: huge pages. */
	uint16_t mmap_huge;
};

struct ptm_par_layout {
	const char *versions, *since;
	uint8_t first, last;
	bool untested, shared_arenas;
	/* mmapped_mem gains 16 bytes at each mremap (glibc 2.43 malloc.c:mremap_chunk takes
	 * away the chunk's size, which no longer has the header's 16). */
	bool mmapped_drifts;
	uint16_t n_mmaps, n_mmaps_max, max_n_mmaps; /* ints; then no_dyn_threshold */
	uint16_t mmapped_mem, max_mmapped_mem, sbrk_base, size;
	/* 0: this class has none */
	uint16_t pagesize, max_total_mem, tcache_bins, tcache_max_bytes, tcache_count;
	uint16_t mmap_threshold, thp_pagesize;
};

struct ptm_heap_layout {
	const char *versions, *since;
	uint16_t arena, prev, heap_size, size;
};

enum ptm_counts { COUNT_USED, COUNT_FREE }; /* slots in use, or still free */

struct ptm_tcache_layout {
	const char *versions, *since;
	uint16_t chunk; /* the least size of the chunk it lives in */
	uint16_t bins, count_size, entries, size;
	enum ptm_counts counts;
};

extern const struct ptm_state_layout ptm_state_layouts[];
extern const size_t ptm_nstate_layouts;
extern const struct ptm_par_layout ptm_par_layouts[];
extern const size_t ptm_npar_layouts;
extern const struct ptm_heap_layout ptm_heap_layouts[];
extern const size_t ptm_nheap_layouts;
extern const struct ptm_tcache_layout ptm_tcache_layouts[];
extern const size_t ptm_ntcache_layouts;

/* Whose tcache lives in chunks of this size: they differ by far. NULL: nobody's. */
const struct ptm_tcache_layout *ptm_tcache_layout_of(uint64_t chunk_size);

/* ---- ptm_find.c, ptm_quiet.c: what stays true while the target runs ---- */

struct ptm_range {
	taddr start, end;
};

struct ptm_places {
	struct heap_places base;
	taddr main_arena;
	const struct ptm_state_layout *state;
	taddr mp; /* 0: not found */
	const struct ptm_par_layout *par;
	/* Functions of the allocator, and those outside it that they call; sorted. */
	struct ptm_range *text, *callees;
	size_t ntext, ncallees;
	struct ptm_range library; /* the module they are in */
};

struct heap_places *ptm_locate(struct mem *mem, const struct module_set *modules,
			       struct model *m, const char **why);
/* Finds the allocator's functions in the module's file; evidence says how many. */
void ptm_find_text(struct ptm_places *p, const struct module *module, struct model *m);
bool ptm_is_quiet(const struct mem *stopped, const struct heap_places *p);

/* The word at `at`; 0 for a hole. */
static inline uint64_t ptm_word(const struct mem *mem, taddr at)
{
	uint64_t word;

	return mem_load(mem, at, &word) ? word : 0;
}

/* Private memory that could be malloc's: readable, writable, no file behind it. */
bool ptm_is_anonymous(const struct mem_region *r);
/* The heap_info row if `arena` lies in a heap of its own, NULL for the main arena. */
const struct ptm_heap_layout *ptm_heap_layout_of(const struct mem *mem, taddr arena);

/* ---- one snapshot ---- */

struct ptm_arena {
	taddr addr, top;
	uint64_t system_mem;
	bool is_main, is_noncontiguous;
	uint64_t
		spans; /* bytes of its spans, what lies before their first chunk included */
	uint8_t state[PTM_STATE_MAX];
};

/* Chunks that look in use and are free: at | kind, sorted. */
enum ptm_member_kind { MEMBER_TCACHE = 1, MEMBER_FASTBIN = 2, MEMBER_KIND = 15 };

struct ptm_members {
	uint64_t *of;
	size_t n, cap;
};

/* Chunks of a list, or of the sizes that one is for. */
struct ptm_sum {
	uint64_t count, bytes;
};

/* A span, with what the walk needs of it and what it leaves for ptm_check. */
struct ptm_span {
	struct heap_span base;
	taddr top;      /* the top chunk is in this span, here; 0: it is not */
	taddr chunk;    /* mmapped: inside the mapping when memalign moved it */
	uint64_t links; /* sum over its binned chunks; balances the headers' */
	struct ptm_sum
		*binned;  /* its binned chunks by the bin of their size; NULL: none */
	uint64_t foreign; /* bytes between its chunks that are not malloc's, */
	uint64_t foreign_tail; /* and of them those behind the last chunk */
	uint64_t key_hits;     /* chunks in use that carry the tcache key, */
	taddr key_hit;         /* and the first of them */
	bool is_damaged;
	bool is_cut; /* at its end another piece of the same heap begins */
};

/* Read off the data, not off a version. */
enum ptm_safe_linking { LINKS_UNKNOWN, LINKS_PLAIN, LINKS_MANGLED };

struct ptm_tcache {
	taddr addr;
	const struct ptm_tcache_layout *layout;
	uint64_t entries[PTM_TCACHE_BINS];
};

struct ptm_heap {
	struct heap base; /* first */
	const struct mem *mem;
	const struct ptm_places *places;
	const struct ptm_heap_layout *heap_layout; /* NULL: no heap but the main one */
	struct ptm_arena *arenas;                  /* [0] is the main one */
	size_t narenas;
	struct ptm_span *spans; /* as base.spans */
	size_t nspans, cap_spans;
	struct ptm_tcache *tcaches;
	size_t ntcaches, nthreads;
	struct ptm_members members;
	enum ptm_safe_linking safe_linking;
	uint64_t tcache_key; /* 0: unknown, or not one for all */
	/* As mp_ has them, and as found. */
	taddr sbrk_base;
	uint64_t want_mmaps, want_mmapped, nmmaps, mmapped;
	/* Of those found: shorter than the huge pages they lie in. */
	uint64_t short_huge, short_huge_bytes;
};

/* One more span; `top` and the rest are the caller's to set. */
struct ptm_span *ptm_add_span(struct ptm_heap *h, taddr start, taddr end, uint16_t arena);
/* By address; the second of two that overlap is dropped, and told. */
void ptm_sort_spans(struct ptm_heap *h, struct model *m);
/* The index of the first span that ends after `at`; spans are sorted. */
size_t ptm_span_after(const struct ptm_heap *h, taddr at);

/* ptm_arena.c: the ring, and the heaps of each arena. */
must_check bool ptm_open_arenas(struct ptm_heap *h, struct model *m, struct err *e);
/* ptm_mmapped.c: mmapped chunks, and pieces of the main arena outside the break. */
void ptm_open_mappings(struct ptm_heap *h, struct model *m);
/* Are they as many and as large as mp_ counts? mp_ is known. */
bool ptm_has_all_mmapped(const struct ptm_heap *h);
/* Is what was found beyond that count explained by chunks that are free, yet mapped? */
bool ptm_has_unmappable(const struct ptm_heap *h);
/* ptm_tcache.c: the caches of all threads. */
void ptm_open_tcaches(struct ptm_heap *h, struct model *m);
/* ptm_lists.c: what tcaches and fastbins list becomes members. */
void ptm_open_lists(struct ptm_heap *h, struct model *m);

/* Words of the target, through a cache of pages: lists jump about, but mostly within few. */
struct ptm_pages;
struct ptm_pages *ptm_pages_new(const struct mem *mem);
/* The two words at `at`, 16-aligned; false: a hole. */
must_check bool ptm_two_words(struct ptm_pages *p, taddr at, uint64_t word[2]);

/* ---- ptm_class.c: which list a size goes to ---- */

struct ptm_sizes {
	uint64_t low, high; /* 0: no limit */
};
/* A bin by its number, 2 .. 126: small ones are of one size each. */
size_t ptm_bin_of(uint64_t size);
bool ptm_bin_is_small(size_t bin);
struct ptm_sizes ptm_bin_sizes(size_t bin);
struct ptm_sizes ptm_fastbin_sizes(size_t bin);
struct ptm_sizes ptm_tcache_sizes(size_t bin);

/* A row of m->bins, if there is anything in the list. */
void ptm_tell_list(struct model *m, enum bin_kind kind, uint16_t arena,
		   struct ptm_sizes sizes, struct ptm_sum sum);

/* After the walk: every arena's bins into m->bins. */
void ptm_tell_bins(const struct ptm_heap *h, struct model *m);

/* ptm_cut.c: long spans of the main arena become several, to be walked side by side. */
void ptm_cut_spans(struct ptm_heap *h, struct model *m);

/* ---- ptm_chunk.c: validate and step ---- */

enum ptm_fault {
	FAULT_FLAGS = 1,     /* flag bits of another arena, or of a mapping */
	FAULT_PREV_SIZE = 2, /* free, and the successor gives another size for it */
	FAULT_TWO_FREE = 4,  /* free, and so is the chunk before it */
};

struct ptm_chunk {
	taddr at;
	uint64_t size, head;
	uint64_t word[2]; /* the first two of what malloc returned: fd and bk when free */
	bool is_in_use;   /* by its successor's PREV_INUSE */
	uint8_t faults;   /* enum ptm_fault, or'ed */
};

enum ptm_stop {
	STOP_NOT,   /* the batch is full */
	STOP_END,   /* stands exactly at the end */
	STOP_FENCE, /* before a fencepost */
	STOP_HOLE,  /* what comes next cannot be read */
	STOP_DAMAGE /* no chunk can begin here */
};

struct ptm_chunks {
	struct mem_window *window;
	taddr at, end; /* the header at `end` is read too, if there is one */
	bool is_main;
	enum ptm_stop stop;
};

/* Steps over up to `cap` chunks into `out`. Each step proves that the chunk lies inside
 * [at, end) and moves up by at least one header. Fewer than cap: `stop` says why. */
size_t ptm_chunks_next(struct ptm_chunks *it, struct ptm_chunk *out, size_t cap);
/* It stands before a fencepost: how many there are in a row. Two as a rule; three where
 * top had no room for a chunk before them; one of size 0 at the very end. 0: this is none
 * of malloc's ends. */
size_t ptm_chunks_fences(const struct ptm_chunks *it);
/* Moves on to the first place from `at` on that chunks credibly chain on from; false:
 * none, and `at` is `end`. Each place tried costs one of the budget. */
bool ptm_chunks_resume(struct ptm_chunks *it, const struct mem *mem,
		       const struct ptm_members *members, uint32_t *budget);
/* The index of the first member at or after `at`. */
size_t ptm_member_after(const struct ptm_members *m, taddr at);

/* ptm_walk.c */
void ptm_walk(struct heap *heap, size_t span, struct mem_window *w,
	      const struct heap_sink *sink);
/* ptm_bins.c */
void ptm_check(struct heap *heap, struct model *m);

/* The address of a bin's header, as if it were a chunk; its links. By header, not number. */
static inline taddr ptm_header_of(const struct ptm_heap *h, size_t arena, size_t header)
{
	return h->arenas[arena].addr + h->places->state->bins + 16 * header - PTM_HEADER;
}

static inline void ptm_links_of(const struct ptm_heap *h, size_t arena, size_t header,
				uint64_t link[2])
{
	memcpy(link, h->arenas[arena].state + h->places->state->bins + 16 * header, 16);
}

/* The share of one binned chunk, or bin header, in a sum that is 0 when all lists are
 * sound: each link is added where it starts and taken away where it is answered. */
static inline uint64_t ptm_hash_link(taddr from, taddr to)
{
	uint64_t x = from * 0x9e3779b97f4a7c15u ^
		     (to + 0x632be59bd9b4e019u) * 0xff51afd7ed558ccdu;

	return x ^ x >> 32;
}

static inline uint64_t ptm_links(taddr self, taddr fd, taddr bk)
{
	return ptm_hash_link(self, fd) - ptm_hash_link(bk, self);
}

#endif
