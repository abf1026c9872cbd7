/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an address falls among things in order of address: by their starts, or by their
 * ends when they do not overlap.
 */
#ifndef BASE_SEARCH_H
#define BASE_SEARCH_H

#include "base/base.h"
#include <string.h>

/* How many of n 64-bit numbers, in order, are at most `at`: each lies `offset` bytes inside
 * a struct, and these `stride` bytes apart. So it is the number of the first one above
 * `at`, and n if there is none. */
static inline size_t search_strided(const void *structs, size_t n, size_t stride,
				    size_t offset, uint64_t at)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		uint64_t word;

		memcpy(&word, (const char *)structs + middle * stride + offset,
		       sizeof(word));
		if (word <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The number of the first of n words above `at`. */
static inline size_t search_words(const uint64_t *words, size_t n, uint64_t at)
{
	return search_strided(words, n, sizeof(*words), 0, at);
}

/* The number of the first of n words at `at` or above. */
static inline size_t search_words_from(const uint64_t *words, size_t n, uint64_t at)
{
	return at ? search_words(words, n, at - 1) : 0;
}

/* The number of the first of n structs whose `member`, a 64-bit number, is above `at`. With
 * a member of another width it does not compile. */
#define search_structs(structs, n, member, at) \
	search_strided( \
		(structs), (n), sizeof(*(structs)), \
		offsetof(__typeof__(*(structs)), member) + \
			0 * sizeof(char[sizeof((structs)->member) == 8 ? 1 : -1]), \
		(at))

#endif
