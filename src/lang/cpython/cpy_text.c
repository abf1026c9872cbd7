/* SPDX-License-Identifier: Apache-2.0 */
/*
 * str (CPython 3.11 and 3.13 cpython/unicodeobject.h). Nearly all are compact: the
 * characters follow the head, in 1, 2 or 4 bytes each. Instances of subclasses are not:
 * their characters are a block of their own. Two more blocks may hang on a text: a copy in
 * UTF-8, and up to 3.11 one in wchar_t.
 */
#include "base/utf8.h"
#include "lang/cpython/cpy_int.h"

#include <stdio.h>

enum {
	STATE_KIND_SHIFT = 2, /* the state's bits */
	STATE_COMPACT = 1 << 5,
	STATE_ASCII = 1 << 6,
	CHUNK = 64, /* characters */
	SURROGATES = 0xd800,
	SURROGATES_END = 0xe000,
};

struct text {
	uint64_t length; /* in characters of `kind` bytes */
	uint32_t kind;
	bool is_compact, is_ascii;
	taddr data;
};

static bool text_load(struct python_reader *r, taddr at, struct text *x)
{
	const struct cpy_layout *l = r->layout;
	uint32_t state;

	if (!cpy_word(r, at + l->text.length, &x->length) ||
	    !cpy_read(r, at + l->text.state, &state, sizeof(state)))
		return false;
	x->kind = state >> STATE_KIND_SHIFT & 7;
	x->is_compact = state & STATE_COMPACT;
	x->is_ascii = state & STATE_ASCII;
	x->data = at + (x->is_ascii ? l->text.ascii_size : l->text.compact_size);
	if (!x->is_compact)
		x->data = cpy_word_or_0(r, at + l->text.data);
	return (x->kind == 1 || x->kind == 2 || x->kind == 4) && x->length >> 48 == 0;
}

/* Characters from number `at` on, at most CHUNK; how many, 0 at the end or a hole. */
static size_t text_chunk(struct python_reader *r, const struct text *x, uint64_t at,
			 uint32_t points[CHUNK])
{
	uint8_t raw[CHUNK * 4];
	size_t n = (size_t)min_u64(x->length - at, CHUNK);

	if (n == 0 || !cpy_read(r, x->data + at * x->kind, raw, n * x->kind))
		return 0;
	for (size_t i = 0; i < n; i++) {
		points[i] = 0;
		memcpy(&points[i], raw + i * x->kind, x->kind);
	}
	return n;
}

/* The bytes of one character in UTF-8; how many. */
static size_t utf8_of(uint32_t point, char s[4])
{
	size_t n = 1;

	if (point < 0x80) {
		s[0] = (char)point;
	} else if (point < 0x800) {
		s[0] = (char)(0xc0 | point >> 6);
		n = 2;
	} else if (point < 0x10000) {
		s[0] = (char)(0xe0 | point >> 12);
		n = 3;
	} else {
		s[0] = (char)(0xf0 | point >> 18);
		n = 4;
	}
	for (size_t i = 1; i < n; i++)
		s[i] = (char)(0x80 | (point >> 6 * (n - 1 - i) & 0x3f));
	return n;
}

static bool is_character(uint32_t point)
{
	return point <= 0x10ffff && (point < SURROGATES || point >= SURROGATES_END);
}

static void put_utf8(struct buf *out, uint32_t point)
{
	char s[4];

	buf_add(out, s, utf8_of(point, s));
}

bool cpy_text(struct python_reader *r, taddr at, size_t max, struct buf *out)
{
	uint32_t points[CHUNK];
	size_t n, end = out->n + max;
	struct text x;

	if (!cpy_is_kind(r, at, CPY_TEXT_SUBCLASS) || !text_load(r, at, &x))
		return false;
	for (uint64_t done = 0; (n = text_chunk(r, &x, done, points)) > 0; done += n)
		for (size_t i = 0; i < n; i++) {
			if (end - out->n < 4 && (points[i] >= 0x80 || end == out->n))
				return true;
			put_utf8(out, is_character(points[i]) ? points[i] : '?');
		}
	return true;
}

bool cpy_text_is(struct python_reader *r, taddr at, const char *ascii)
{
	uint8_t bytes[CHUNK];
	size_t n = strlen(ascii);
	struct text x;

	assert(n <= sizeof(bytes));
	return cpy_is_kind(r, at, CPY_TEXT_SUBCLASS) && text_load(r, at, &x) &&
	       x.kind == 1 && x.length == n && cpy_read(r, x.data, bytes, n) &&
	       memcmp(bytes, ascii, n) == 0;
}

/* ---- as repr() writes it ---- */

/* The escape of one character that is not printed; at most 10 bytes. */
static size_t escape_of(uint32_t point, char s[11])
{
	const char *format = "\\x%02x";

	if (point == '\n' || point == '\r' || point == '\t')
		return (size_t)snprintf(s, 11, "\\%c",
					point == '\n'   ? 'n'
					: point == '\r' ? 'r'
							: 't');
	if (point > 0xff)
		format = point > 0xffff ? "\\U%08x" : "\\u%04x";
	return (size_t)snprintf(s, 11, format, point);
}

static size_t repr_of(uint32_t point, char quote, bool is_text, char s[11])
{
	if (point >= ' ' && point < 0x7f) {
		bool is_marked = point == '\\' || point == (uint32_t)quote;

		s[0] = '\\';
		s[is_marked] = (char)point;
		return is_marked ? 2 : 1;
	}
	if (!is_text || point <= 0xa0 || point == 0xad || !is_character(point) ||
	    utf8_is_unsafe(point))
		return escape_of(point, s);
	return utf8_of(point, s);
}

static char quote_for(const uint32_t *points, size_t n)
{
	bool has_single = false, has_double = false;

	for (size_t i = 0; i < n; i++) {
		has_single |= points[i] == '\'';
		has_double |= points[i] == '"';
	}
	return has_single && !has_double ? '"' : '\'';
}

void cpy_put_repr(struct buf *out, const uint32_t *points, size_t n, bool is_text)
{
	char quote = quote_for(points, n), s[CHUNK * 10 + 16];
	size_t end = 0;

	assert(n <= CHUNK);
	s[end++] = quote;
	for (size_t i = 0; i < n; i++)
		end += repr_of(points[i], quote, is_text, s + end);
	s[end++] = quote;
	buf_add(out, s, end);
}

static void text_value(struct python_reader *r, const struct cpy_type *t, taddr at,
		       struct buf *out)
{
	uint32_t points[CHUNK];
	struct text x;
	size_t n;

	(void)t;
	if (!text_load(r, at, &x))
		return;
	n = text_chunk(r, &x, 0, points);
	if (n == 0 && x.length > 0)
		return;
	cpy_put_repr(out, points, n, true);
	if (n < x.length)
		buf_str(out, "...");
}

/* ---- sizes and blocks ---- */

static uint64_t text_head(const struct cpy_layout *l, const struct text *x)
{
	if (!x->is_compact)
		return l->text.size;
	return x->is_ascii ? l->text.ascii_size : l->text.compact_size;
}

/* The copies that a text has beside its characters; 0 none. */
struct copies {
	taddr utf8, wide;
	uint64_t utf8_size, wide_size;
};

static void copies_load(struct python_reader *r, taddr at, const struct text *x,
			struct copies *c)
{
	const struct cpy_layout *l = r->layout;
	bool is_short = x->is_compact && x->is_ascii; /* the struct ends before them */

	*c = (struct copies){ 0 };
	if (!is_short)
		c->utf8 = cpy_word_or_0(r, at + l->text.utf8);
	if (c->utf8 == x->data)
		c->utf8 = 0;
	if (c->utf8)
		c->utf8_size = cpy_word_or_0(r, at + l->text.utf8_length) + 1;
	if (l->text.wstr != CPY_ABSENT)
		c->wide = cpy_word_or_0(r, at + l->text.wstr);
	if (c->wide == x->data)
		c->wide = 0;
	if (c->wide)
		c->wide_size =
			4 * ((is_short ? x->length
				       : cpy_word_or_0(r, at + l->text.wstr_length)) +
			     1);
}

static uint64_t text_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	struct text x;
	struct copies c;

	if (!text_load(r, at, &x))
		return t->basicsize;
	copies_load(r, at, &x, &c);
	return text_head(r->layout, &x) + (x.data ? x.kind * (x.length + 1) : 0) +
	       c.utf8_size + c.wide_size;
}

static uint64_t text_own(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	struct text x;

	if (!text_load(r, at, &x) || !x.is_compact)
		return t->basicsize;
	return text_head(r->layout, &x) + x.kind * (x.length + 1);
}

static void text_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		      const struct python_sink *sink)
{
	struct text x;
	struct copies c;

	(void)t;
	if (!text_load(r, at, &x))
		return;
	if (!x.is_compact)
		cpy_part(r, sink, x.data, x.kind * (x.length + 1), "data");
	cpy_content(r, sink, x.data, x.kind * x.length, x.kind);
	copies_load(r, at, &x, &c);
	cpy_part(r, sink, c.utf8, c.utf8_size, "utf8");
	cpy_part(r, sink, c.wide, c.wide_size, "wstr");
}

static const struct cpy_field_rule iterator_fields[] = {
	{ .name = "text", .offset = 24 },
	{ 0 },
};

const struct cpy_rules cpy_text_rules[] = {
	{ .name = "str",
	  .read = text_read,
	  .size = text_size,
	  .value = text_value,
	  .own = text_own },
	{ .name = "str_iterator", .fields = iterator_fields },
	{ .name = "str_ascii_iterator", .fields = iterator_fields },
	{ 0 },
};
