/* SPDX-License-Identifier: Apache-2.0 */
/* Packed files, unpacked as a stream: zstd, lz4 (its frame format), xz, gzip; and what is
 * not packed, as it is. */
#ifndef MEM_UNPACK_INT_H
#define MEM_UNPACK_INT_H

#include "base/base.h"

/* Both move on as a step takes and gives bytes. */
struct unpack_io {
	const uint8_t *in;
	size_t in_left;
	bool in_ends; /* nothing comes after these */
	uint8_t *out;
	size_t out_left;
	const char *wrong; /* of UNPACK_BAD: what, in the library's words */
};

enum unpack_result {
	UNPACK_ON,
	UNPACK_END, /* the file may end here; or go on with another frame */
	UNPACK_BAD,
};

struct packing;
struct unpacker;

/* By the first bytes of a file; never NULL. */
const struct packing *packing_of(const uint8_t *first_bytes, size_t n);
const char *packing_name(const struct packing *p);
/* What nobody packed is "packed" too, and unpacked by a copy. */
bool packing_is_none(const struct packing *p);
/* How large the file says it will be, at least; 0: it does not say. `fd` is a regular file,
 * or -1. */
uint64_t packing_size(const struct packing *p, const uint8_t *first_bytes, size_t n,
		      int fd);

struct unpacker *unpacker_new(const struct packing *p);
/* Takes and gives what it can. One that neither takes nor gives wants what is not there. */
enum unpack_result unpacker_step(struct unpacker *u, struct unpack_io *io);
void unpacker_free(struct unpacker *u);

#endif
