/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bytes say, in 64 bits. Equal bytes have equal hashes; among a hundred million that
 * differ two are equal once in four thousand heaps. Bytes that are not at hand in one piece
 * are hashed in pieces of HASH_PIECE (the last may be shorter): the hash of one is the next
 * one's seed.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/base.h"

enum { HASH_PIECE = 4096 };

uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t n);

#endif
