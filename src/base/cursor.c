/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cursor.h"

const uint8_t *cursor_bytes(struct cursor *c, size_t n)
{
	const uint8_t *at = c->at;

	if (c->bad || n > cursor_left(c)) {
		c->bad = true;
		return NULL;
	}
	c->at += n;
	return at;
}

static uint64_t cursor_uint(struct cursor *c, size_t n)
{
	const uint8_t *at = cursor_bytes(c, n);
	uint64_t v = 0;

	for (size_t i = 0; at && i < n; i++)
		v |= (uint64_t)at[i] << (8 * i);
	return v;
}

uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)cursor_uint(c, 1);
}

uint16_t cursor_u16(struct cursor *c)
{
	return (uint16_t)cursor_uint(c, 2);
}

uint32_t cursor_u32(struct cursor *c)
{
	return (uint32_t)cursor_uint(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
	return cursor_uint(c, 8);
}

struct str cursor_str(struct cursor *c)
{
	size_t n = cursor_u32(c);
	const uint8_t *at = cursor_bytes(c, n);

	return at ? (struct str){ (const char *)at, n } : (struct str){ NULL, 0 };
}
