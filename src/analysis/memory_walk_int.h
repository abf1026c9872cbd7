/* SPDX-License-Identifier: Apache-2.0 */
/* One region's bytes, by who has them and what is behind them. */
#ifndef ANALYSIS_MEMORY_WALK_INT_H
#define ANALYSIS_MEMORY_WALK_INT_H

#include "analysis/analysis_int.h"

/* What a byte of one region may count for. */
enum slot {
	SLOT_USED,
	SLOT_OWNED,    /* used, and an object's or a part's of one */
	SLOT_ROUNDING, /* of those: not asked for */
	SLOT_HEADER,   /* of blocks in use */
	SLOT_TCACHE,
	SLOT_FASTBIN,
	SLOT_BIN,
	SLOT_TOP,
	SLOT_FENCE,
	SLOT_RECORDS, /* of a heap, but no block */
	SLOT_MMAPPED,
	SLOT_OWNED_MMAPPED,
	SLOT_POOL_USED,
	SLOT_POOL_ROUNDING,
	SLOT_POOL_FREE,
	SLOT_POOL_OVERHEAD, /* heads, and what is not cut into blocks */
	SLOT_STACK,
	SLOT_STACK_UNUSED, /* below the stack pointer */
	SLOT_OLD_STACK,
	SLOT_TLS,
	SLOT_LOADER,
	SLOT_INTERPRETER,
	SLOT_SLACK,   /* whoever has it */
	SLOT_SINCE,   /* came after the snapshot was taken */
	SLOT_REST,    /* what the region is, beyond all that */
	SLOT_PRIVATE, /* of a file's region: pages that were written and are its own */
	NSLOTS,
};

struct tally {
	uint64_t bytes[NSLOTS], resident[NSLOTS], swapped[NSLOTS];
	uint64_t starts
		[NSLOTS]; /* of SLOT_STACK to SLOT_INTERPRETER: how many begin here */
};

struct span {
	taddr start, end;
};

/* Memory of no block, and its use; sorted, none overlap. */
struct use {
	taddr start, end;
	enum slot slot;
};

struct memory_walk {
	const struct model *m;
	struct span *heaps; /* sorted */
	size_t nheaps;
	struct use *uses;
	size_t nuses;
	struct rounding rounding;
	/* Inner; the cursors only move up while one region is walked. */
	size_t region, block, page, heap, pool, slab, use;
	struct {
		taddr start;
		uint64_t bytes;
	} rounded; /* of the last block asked for */
};

void memory_walk_init(struct memory_walk *w, const struct model *m);
void memory_walk_release(struct memory_walk *w);
/* Adds a region's bytes. */
void memory_walk_region(struct memory_walk *w, size_t region, struct tally *t);
/* What a block of malloc's counts for as a whole. */
enum slot memory_slot_of_block(const struct model *m, size_t block);

#endif
