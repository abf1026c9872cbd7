/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading files that may lie. A cursor is sticky: a read past the end returns 0 and marks
 * it, so a header is read straight down and checked once with cursor_ok(). Little-endian.
 */
#ifndef BASE_CURSOR_H
#define BASE_CURSOR_H

#include "base/str.h"

struct cursor {
	const uint8_t *at, *end;
	bool bad;
};

static inline struct cursor cursor_on(const void *bytes, size_t n)
{
	return (struct cursor){ bytes, (const uint8_t *)bytes + n, false };
}

static inline bool cursor_ok(const struct cursor *c)
{
	return !c->bad;
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
/* n bytes that stay owned by the file; NULL and bad when fewer are left. */
const uint8_t *cursor_bytes(struct cursor *c, size_t n);
/* A u32 length, then that many bytes. */
struct str cursor_str(struct cursor *c);

#endif
