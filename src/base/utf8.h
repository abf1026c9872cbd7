/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that may be anything: stepping through bytes that claim to be UTF-8, and which code
 * points must never reach a terminal as they are.
 *
 * unsafe: control bytes (C0, DEL, C1), what reorders a line (bidi controls), what breaks
 * one (U+2028, U+2029), and the invisible byte order mark. Shown escaped everywhere.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/str.h"

enum { UTF8_INVALID = 0x110000 };

/* The code point at s[*at], which is moved behind it; UTF8_INVALID steps over one byte.
 * Overlong forms and surrogates are invalid. *at < s.n. */
uint32_t utf8_next(struct str s, size_t *at);

/* How many bytes from s[at] on are printable ASCII but for a backslash and a quotation
 * mark: all of most texts, and nothing in it needs care. */
static inline size_t utf8_plain_run(struct str s, size_t at)
{
	size_t start = at;

	while (at < s.n && s.s[at] >= ' ' && s.s[at] <= '~' && s.s[at] != '\\' &&
	       s.s[at] != '"')
		at++;
	return at - start;
}

/* Never to be shown as it is. */
bool utf8_is_unsafe(uint32_t point);

/* Columns of a terminal that it takes: 0, 1 or 2. By the C library's tables, so a UTF-8
 * locale must have been set; without one everything counts 1. */
unsigned utf8_width(uint32_t point);
unsigned utf8_str_width(struct str s);

/* Appends s for the eyes of a person: unsafe points as \n, \t, \x1b, \u202e; invalid
 * bytes as \xff; a backslash as two. The result is valid UTF-8 on one line. */
void utf8_escape(struct buf *out, struct str s);
/* The same for what has escapes of its own, as repr() writes it: a backslash stays one. */
void utf8_escape_code(struct buf *out, struct str s);

#endif
