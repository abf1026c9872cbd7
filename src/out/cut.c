/* SPDX-License-Identifier: Apache-2.0 */
/* Text in less room than it needs. */
#include "out/out_int.h"

#include "base/utf8.h"
#include <ctype.h>

/* Bytes of s that fill at most `width` columns. */
static size_t head_within(struct str s, unsigned width)
{
	size_t at = 0;

	for (unsigned used = 0; at < s.n;) {
		size_t next = at;

		used += utf8_width(utf8_next(s, &next));
		if (used > width)
			break;
		at = next;
	}
	return at;
}

/* Where the tail of s starts that fills at most `width` columns. */
static size_t tail_within(struct str s, unsigned width)
{
	unsigned all = utf8_str_width(s);
	size_t at = 0;

	while (all > width && at < s.n)
		all -= utf8_width(utf8_next(s, &at));
	return at;
}

/* Template arguments come last and matter least. */
static bool is_template(struct str name)
{
	return name.n > 0 && name.s[name.n - 1] == '>';
}

/* Where the next word of a dotted name starts from `at` on; `at` if there is none. */
static size_t next_word(struct str name, size_t at)
{
	for (size_t i = at; i + 1 < name.n; i++)
		if (i > 0 && name.s[i] != ':' &&
		    (name.s[i - 1] == '.' || name.s[i - 1] == ':'))
			return i;
	return at;
}

/* A value that is nothing but a name is that of a type, a function or a module. */
static bool is_name(struct str s, enum column_type type)
{
	for (size_t i = 0; type == COLUMN_CODE && i < s.n; i++)
		if (!isalnum((unsigned char)s.s[i]) && s.s[i] != '_' && s.s[i] != '.')
			return false;
	return type == COLUMN_CODE || (type == COLUMN_NAME && !is_template(s));
}

unsigned text_cut(struct sink *out, struct str s, unsigned width, enum column_type type)
{
	bool by_words = is_name(s, type), keep_tail = by_words || type == COLUMN_PATH;
	size_t from = keep_tail ? tail_within(s, width - 1) : 0;
	struct str kept;

	if (by_words)
		from = next_word(s, from);
	kept = (struct str){ s.s + from,
			     keep_tail ? s.n - from : head_within(s, width - 1) };
	if (keep_tail)
		sink_str(out, "…");
	sink_add(out, kept.s, kept.n);
	if (!keep_tail)
		sink_str(out, "…");
	return utf8_str_width(kept) + 1;
}

unsigned sink_cut_as(struct sink *s, struct str shown, unsigned room,
		     enum column_type type)
{
	unsigned width = utf8_str_width(shown);

	if (room && width > room)
		return text_cut(s, shown, room, type);
	sink_add(s, shown.s, shown.n);
	return width;
}

unsigned sink_cut(struct sink *s, struct str shown, unsigned room)
{
	return sink_cut_as(s, shown, room, COLUMN_TEXT);
}
