/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damage that a checksum would catch says nothing about the code behind the checksum. This
 * makes the checksums of a damaged snapshot right again, wherever they can be found.
 */
#ifndef MEND_SNAPSHOT_H
#define MEND_SNAPSHOT_H

#include <stdint.h>
#include <string.h>
#include <xxhash.h>

enum { MEND_HEADER = 16, MEND_FOOTER = 32 };

static inline uint64_t mend_get(const uint8_t *at, size_t width)
{
	uint64_t value = 0;

	memcpy(&value, at, width);
	return value;
}

/* The frames of the section whose entry is at p, up to end; where the next entry is. */
static inline uint8_t *mend_section(uint8_t *bytes, size_t size, uint8_t *p, uint8_t *end)
{
	uint64_t name = mend_get(p, 4), offset, n;

	if (name > (size_t)(end - p) - 36)
		return end;
	p += 4 + name;
	offset = mend_get(p + 12, 8), n = mend_get(p + 24, 4);
	p += 28;
	for (; n > 0 && end - p >= 12; n--, p += 12) {
		uint64_t stored = mend_get(p, 4), hash;

		if (offset > size || stored > size - offset)
			break;
		hash = XXH64(bytes + offset, stored, 0);
		memcpy(p + 4, &hash, 8);
		offset += stored;
	}
	return n ? end : p;
}

/* Rights the place of the contents (from its offset on, up to the footer) and all hashes. */
static inline void mend_snapshot(uint8_t *bytes, size_t size)
{
	uint8_t *footer, *p, *end;
	uint64_t offset, length, hash;
	XXH64_state_t *state;

	if (size < MEND_HEADER + MEND_FOOTER)
		return;
	footer = bytes + size - MEND_FOOTER;
	offset = mend_get(footer, 8);
	if (offset < MEND_HEADER || offset > size - MEND_FOOTER)
		return;
	length = size - MEND_FOOTER - offset;
	memcpy(footer + 8, &length, 8);
	p = bytes + offset + 4, end = footer;
	while (p < end && end - p >= 36)
		p = mend_section(bytes, size, p, end);
	state = XXH64_createState();
	XXH64_reset(state, 0);
	XXH64_update(state, bytes, MEND_HEADER);
	XXH64_update(state, bytes + offset, length + 16);
	hash = XXH64_digest(state);
	XXH64_freeState(state);
	memcpy(footer + 16, &hash, 8);
}

#endif
