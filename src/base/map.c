/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdlib.h>

static size_t slot_of(uint64_t key, size_t cap)
{
	key ^= key >> 32;
	key *= 0x9e3779b97f4a7c15u; /* Fibonacci hashing: the high bits are the mixed ones */
	return (size_t)(key >> 20) & (cap - 1);
}

void map_release(struct map *m)
{
	free(m->keys);
	free(m->values);
	*m = (struct map){ 0 };
}

bool map_find(const struct map *m, uint64_t key, uint32_t *value)
{
	if (m->cap == 0)
		return false;
	for (size_t i = slot_of(key, m->cap); m->values[i]; i = (i + 1) & (m->cap - 1)) {
		if (m->keys[i] == key) {
			*value = m->values[i] - 1;
			return true;
		}
	}
	return false;
}

static void map_put(struct map *m, uint64_t key, uint32_t stored)
{
	size_t i = slot_of(key, m->cap);

	while (m->values[i] && m->keys[i] != key)
		i = (i + 1) & (m->cap - 1);
	m->n += m->values[i] == 0;
	m->keys[i] = key;
	m->values[i] = stored;
}

static void map_grow(struct map *m)
{
	struct map old = *m;
	size_t cap = old.cap ? 2 * old.cap : 16;

	*m = (struct map){
		.cap = cap,
		.keys = xcalloc(cap, sizeof(*m->keys)),
		.values = xcalloc(cap, sizeof(*m->values)),
	};
	for (size_t i = 0; i < old.cap; i++)
		if (old.values[i])
			map_put(m, old.keys[i], old.values[i]);
	map_release(&old);
}

void map_set(struct map *m, uint64_t key, uint32_t value)
{
	assert(value < UINT32_MAX);
	if (2 * (m->n + 1) > m->cap)
		map_grow(m);
	map_put(m, key, value + 1);
}
