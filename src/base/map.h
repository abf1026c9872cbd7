/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map from 64-bit keys to 32-bit values: open addressing, linear probing, no deletion.
 * Any key is allowed. Zero-initialise to get an empty map.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/base.h"

struct map {
	uint64_t *keys;
	uint32_t *values; /* value + 1; 0 marks a free slot */
	size_t n, cap;    /* cap is 0 or a power of two */
};

void map_release(struct map *m);
/* False: the key is absent. */
bool map_find(const struct map *m, uint64_t key, uint32_t *value);
static inline bool map_has(const struct map *m, uint64_t key)
{
	uint32_t ignored;

	return map_find(m, key, &ignored);
}
/* Adds the key or overwrites its value; value is below UINT32_MAX. */
void map_set(struct map *m, uint64_t key, uint32_t value);

#endif
