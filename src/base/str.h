/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings. `struct str` is a borrowed <bytes, length>: never assumed terminated, valid
 * UTF-8 or printable. `struct buf` is bytes of our own that grow.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/base.h"
#include <string.h>

struct str {
	const char *s;
	size_t n;
};

struct buf {
	char *s; /* owned; NUL-terminated whenever not NULL */
	size_t n, cap;
};

static inline struct str str_of(const char *s)
{
	return (struct str){ s, s ? strlen(s) : 0 };
}

static inline bool str_equal(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.s, b.s, a.n) == 0);
}

static inline bool str_is(struct str a, const char *b)
{
	return str_equal(a, str_of(b));
}

bool str_starts(struct str s, const char *prefix);
bool str_ends(struct str s, const char *suffix);
/* Position of needle in s, or -1. */
ptrdiff_t str_find(struct str s, const char *needle);
/* What stands behind the last c in s; all of s if there is none. */
struct str str_behind_last(struct str s, char c);
/* Order by bytes, then by length: <0, 0, >0. */
int str_compare(struct str a, struct str b);
uint64_t str_hash(struct str s);
/* The whole of s as an unsigned number in the given base (10 or 16, "0x" allowed for 16
 * and 0 = either). False: empty, another character, or too large. */
must_check bool str_to_u64(struct str s, int base, uint64_t *value);

void buf_release(struct buf *b);
void buf_clear(struct buf *b);
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) print_like(2, 3);
static inline struct str buf_view(const struct buf *b)
{
	return (struct str){ b->s, b->n };
}

#endif
