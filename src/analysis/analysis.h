/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers worked out of a model: pure functions, no output, no target. The result of each
 * belongs to the caller and is given back with its _release.
 */
#ifndef ANALYSIS_ANALYSIS_H
#define ANALYSIS_ANALYSIS_H

#include "model/model.h"

/* ---- top: blocks in use by what they are ---- */

struct top_row {
	uint32_t type; /* row of m->types */
	uint64_t count, size, footprint;
};

struct top {
	struct top_row *rows; /* in the order of m->types */
	size_t n;
};

void top_build(const struct model *m, struct top *out);
void top_release(struct top *t);

/* ---- blocks: which ones ---- */

enum block_choice { BLOCKS_USED, BLOCKS_FREE, BLOCKS_ALL };

struct block_pick {
	uint32_t *rows; /* of m->blocks, by address; NULL: all of them */
	size_t n;
};

void block_pick_build(const struct model *m, enum block_choice choice,
		      struct block_pick *out);
void block_pick_release(struct block_pick *p);

/* ---- summary: where every byte is ---- */

/*
 * Every mapped byte is in exactly one row, and so is every resident and swapped one: the
 * rows add up to the regions. A page that blocks in use and free ones share is split by
 * bytes. count: blocks of malloc's rows, else mappings.
 */
struct summary_row {
	const char *category;
	struct str detail; /* owned by the model, or static */
	uint64_t bytes, resident, swapped, count;
	bool has_count;
};

struct summary {
	struct summary_row *rows; /* malloc first, then by category and address */
	size_t n, cap;
	bool has_residency; /* false: a core or dump that does not tell */
	struct map by_name;
};

void summary_build(const struct model *m, struct summary *out);
void summary_release(struct summary *s);

#endif
