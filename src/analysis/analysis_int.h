/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The graph as dominators see it. A VERTEX is the top, a group of roots, or a node that was
 * reached, by its number in the order of a depth-first walk; the top is vertex 0. What no
 * root reaches is walked after the rest, from the vertex of group row 1.
 */
#ifndef ANALYSIS_ANALYSIS_INT_H
#define ANALYSIS_ANALYSIS_INT_H

#include "analysis/analysis.h"

/* ---- blocks of slabs (block_pick.c) ---- */

/* The row of a slab's block, as block_pick numbers them. False: they are too many, it has
 * none. */
must_check bool slab_block_row(const struct model *m, size_t slab, uint32_t i,
			       uint32_t *row);
void slab_block_view(const struct model *m, size_t slab, uint32_t i,
		     struct block_view *out);

/* ---- what of a block was not asked for (rounding.c) ---- */

struct rounding {
	const struct model *m;
	uint32_t *parts;     /* bytes of each object's parts */
	size_t object, part; /* cursors */
};

void rounding_init(struct rounding *r, const struct model *m);
void rounding_release(struct rounding *r);
/* The blocks asked about from now on lie at `at` or above, one above the other. */
void rounding_go_to(struct rounding *r, taddr at);
/* The bytes at the end of this block that are beyond what was asked for; 0 where that is not
 * known. is_mapped: it is a mapping of its own. */
uint64_t rounding_at_end(struct rounding *r, taddr start, uint64_t size, bool is_mapped);

/* What an edge means to the graph, by its label. */
enum edge_class { EDGE_WEAK, EDGE_POSSIBLE, EDGE_CERTAIN };

/* By label; of 65,536, so that no label is out of bounds. To be freed. */
uint8_t *edge_classes_new(const struct model *m);

struct flow_vertex {
	uint32_t parent; /* that it was first met from */
	uint32_t semi;   /* the least vertex that an edge from above comes from */
	union {
		uint64_t edge; /* while walking: the next one to follow */
		struct {       /* while finding dominators */
			union {
				uint32_t
					bucket; /* until it is treated: the first that waits in it, 0 none */
				uint32_t best;
			};
			uint32_t best_semi;
		};
	};
};

/* An edge that leads back to a vertex of a lower number. */
struct flow_back {
	uint32_t from, next; /* next of those to the same vertex, + 1; 0 none */
};

struct flow {
	uint32_t n; /* vertices */
	uint32_t
		unreached; /* the vertex of group row 1: it and all after it are not reached */
	uint32_t *id;      /* of a vertex: a node; nodes + g is row g of groups */
	struct flow_vertex *vertices;
	union {                    /* of a vertex */
		uint32_t *back_to; /* its first row of back, + 1 */
		uint32_t *
			dominator; /* once it is treated: that, or the next in its bucket */
	};
	struct flow_back *back;
	size_t nback, capback;
	uint8_t *certain; /* of a vertex: certain edges alone lead there */
	size_t most;      /* vertices that there is room for */
};

/* Walks all of the graph. m has groups rows 0 and 1, and fewer than 2^32 - 2 vertices and
 * edges. */
void flow_build(const struct model *m, struct flow *out);
/* Gives back what only finding dominators needs. */
void flow_forget_edges(struct flow *f);
void flow_release(struct flow *f);

#endif
