/* SPDX-License-Identifier: Apache-2.0 */
/* One node and all around it, between the files of the command `show`. */
#ifndef CMD_SHOW_INT_H
#define CMD_SHOW_INT_H

#include "cmd/graph_int.h"

/* A reference; edge is a row of m->edge_to, source the node it is of. */
struct link {
	uint32_t other, source;
	uint64_t edge;
	uint64_t item; /* of LABEL_ITEM: its number */
};

/* Some references, those that are shown: the source of a table of them. */
struct links {
	struct node_source nodes;
	struct link *rows; /* owned */
	size_t n, cap;     /* how many there are in all, how many are kept */
	size_t kept;
	bool by_dot; /* "['x']" of a __dict__ is the attribute ".x" */
	/* Items are counted on from the last one of the same source, edge and number: each
	 * source is walked once, however many of its items are shown. */
	struct link last;
};

/* What a row of `show` has lists of; the first ones are references. */
enum show_list {
	SHOW_ATTRIBUTES,
	SHOW_ELEMENTS,
	SHOW_OTHERS, /* references that are neither; of JSON's referents a part */
	SHOW_REFERENTS,
	SHOW_REFERRERS,
	SHOW_LINKS,
	SHOW_PARTS = SHOW_LINKS,
	SHOW_ROOTS,
	SHOW_BLOCK,
	SHOW_REGION,
	SHOW_LISTS,
};

/* Where it lies. */
struct place {
	bool has_block, has_region;
	struct str allocator;
	taddr block;
	uint64_t size, footprint;
	const char *state;
	uint32_t region; /* of m->regions */
};

/* The first bytes of a block that is no object, as far as they can be had. */
struct block_bytes {
	taddr at;
	uint64_t size; /* of the block */
	uint8_t bytes[1024];
	size_t n; /* how many of them there are */
};

struct show {
	struct node_source nodes;
	uint32_t node;
	size_t part; /* of m->parts, that the address lies in; m->parts.n: in none */
	taddr asked;
	const char *target; /* the word for it, for hints */
	uint64_t limit;     /* of each list; 0: all */
	uint64_t all;       /* what everything retains together */
	struct links links[SHOW_LINKS];
	struct table tables[SHOW_LISTS];
	uint32_t *parts, *roots; /* rows of m->parts and m->roots, owned */
	size_t nparts, nroots;
	uint64_t unexplained;
	struct place place;
	struct block_bytes bytes;
};

void show_write(const struct table *t, struct sink *out);

/* ---- the bytes of a block, where they can be had (show_bytes.c) ---- */

/* False: the file is damaged there. */
must_check bool show_bytes_read(struct show *s, struct err *e);
/* The text it holds, as its value. False: none. */
bool show_text_write(const struct show *s, struct sink *out);
/* The first bytes, if it holds no text. */
void show_bytes_write(const struct show *s, struct sink *out);

#endif
