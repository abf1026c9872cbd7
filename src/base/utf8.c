/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder accepts exactly the well-formed sequences of the Unicode standard: the lead
 * byte gives the length and the least value that length may hold, so an overlong form is
 * a value below it.
 */
#include "base/utf8.h"

#include <wchar.h>

uint32_t utf8_next(struct str s, size_t *at)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t lead = (uint8_t)s.s[(*at)++];
	size_t length = lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	uint32_t point;

	if (lead < 0x80)
		return lead;
	if (length == 0 || lead > 0xf4 || length - 1 > s.n - *at)
		return UTF8_INVALID;
	point = lead & (0x7fu >> length);
	for (size_t i = 0; i + 1 < length; i++) {
		uint8_t byte = (uint8_t)s.s[*at + i];

		if ((byte & 0xc0) != 0x80)
			return UTF8_INVALID;
		point = point << 6 | (byte & 0x3f);
	}
	if (point < least[length] || point > 0x10ffff ||
	    (point >= 0xd800 && point <= 0xdfff))
		return UTF8_INVALID;
	*at += length - 1;
	return point;
}

bool utf8_is_unsafe(uint32_t point)
{
	static const struct {
		uint32_t first, last;
	} unsafe[] = {
		{ 0x00, 0x1f },     { 0x7f, 0x9f },     { 0x061c, 0x061c },
		{ 0x200e, 0x200f }, { 0x2028, 0x202e }, { 0x2066, 0x2069 },
		{ 0xfeff, 0xfeff },
	};

	for (size_t i = 0; i < countof(unsafe) && point >= unsafe[i].first; i++)
		if (point <= unsafe[i].last)
			return true;
	return false;
}

unsigned utf8_width(uint32_t point)
{
	if (point < 0x7f)
		return 1;

	int width = wcwidth((wchar_t)point);

	return width < 0 ? 1 : (unsigned)width;
}

unsigned utf8_str_width(struct str s)
{
	size_t at = utf8_plain_run(s, 0);
	unsigned width = (unsigned)at;

	while (at < s.n)
		width += utf8_width(utf8_next(s, &at));
	return width;
}

static void escape_point(struct buf *out, uint32_t point)
{
	switch (point) {
	case '\n':
		buf_str(out, "\\n");
		break;
	case '\r':
		buf_str(out, "\\r");
		break;
	case '\t':
		buf_str(out, "\\t");
		break;
	case '\\':
		buf_str(out, "\\\\");
		break;
	default:
		buf_printf(out, point < 0x80 ? "\\x%02x" : "\\u%04x", point);
	}
}

static void escape(struct buf *out, struct str s, bool backslashes)
{
	size_t clean = 0; /* s[clean, at) is to be copied as it is */

	for (size_t at = utf8_plain_run(s, 0); at < s.n;) {
		size_t start = at;
		uint32_t point = utf8_next(s, &at);

		if ((point != '\\' || !backslashes) && point != UTF8_INVALID &&
		    !utf8_is_unsafe(point))
			continue;
		buf_add(out, s.s + clean, start - clean);
		if (point == UTF8_INVALID)
			buf_printf(out, "\\x%02x", (uint8_t)s.s[start]);
		else
			escape_point(out, point);
		clean = at;
	}
	buf_add(out, s.s + clean, s.n - clean);
}

void utf8_escape(struct buf *out, struct str s)
{
	escape(out, s, true);
}

void utf8_escape_code(struct buf *out, struct str s)
{
	escape(out, s, false);
}
