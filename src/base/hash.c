/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <xxhash.h>

uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t n)
{
	return XXH3_64bits_withSeed(bytes, n, seed);
}
