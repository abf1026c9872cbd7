/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a block says, when its bytes can be had: more of a text than its preview holds, or
 * the first bytes of whatever else it is. JSON has the preview alone, so that its rows are
 * the same from wherever they were read; hexdump has all of the bytes.
 */
#include "cmd/show_int.h"

#include "base/utf8.h"
#include "cmd/hexdump_int.h"

enum { HEX_MOST = 8 * HEX_LINE, WORDS_AT = 14 };

bool show_bytes_read(struct show *s, struct err *e)
{
	const struct bytes_source *b = &s->nodes.m->bytes;
	struct block_bytes *t = &s->bytes;

	if (!b->read || node_is_object(s->nodes.m, s->node))
		return true;
	t->at = node_addr(s->nodes.m, s->node);
	t->size = node_size(s->nodes.m, s->node);
	while (t->n < min_u64(t->size, sizeof(t->bytes))) {
		taddr at = t->at + t->n;
		size_t n = PAGE_SIZE_4K - at % PAGE_SIZE_4K;

		n = min_u64(n, min_u64(t->size, sizeof(t->bytes)) - t->n);
		if (!b->read(b->context, at, t->bytes + t->n, n))
			break;
		t->n += n;
	}
	return !b->check || b->check(b->context, e);
}

/* A text up to a NUL, or to the end of what there is; or nothing. */
static struct str text_of(const struct block_bytes *t)
{
	const char *s = (const char *)t->bytes;
	struct str text = { s, strnlen(s, t->n) };
	size_t at = 0, good = 0;

	while (at < text.n) {
		uint32_t point = utf8_next(text, &at);
		bool is_space = point == '\n' || point == '\t' || point == '\r';

		if (point == UTF8_INVALID && text.n == t->n && text.n - good < 4)
			break; /* a character that is cut in two */
		if (point == UTF8_INVALID || (utf8_is_unsafe(point) && !is_space))
			return (struct str){ s, 0 };
		good = at;
	}
	return (struct str){ s, good < 3 ? 0 : good };
}

/* Character by character, into as many lines as it takes. */
static void text_wrap(struct str text, struct sink *out)
{
	size_t room = out->width > WORDS_AT ? out->width - WORDS_AT : SIZE_MAX;
	struct buf shown = { 0 };
	size_t used = 1, at = 0;

	while (at < text.n) {
		size_t start = at, width;

		utf8_next(text, &at);
		buf_clear(&shown);
		utf8_escape(&shown, (struct str){ text.s + start, at - start });
		width = utf8_str_width(buf_view(&shown));
		if (used + width > room) {
			sink_char(out, '\n');
			sink_spaces(out, WORDS_AT);
			used = 0;
		}
		sink_add(out, shown.s, shown.n);
		used += width;
	}
	buf_release(&shown);
}

bool show_text_write(const struct show *s, struct sink *out)
{
	const struct block_bytes *t = &s->bytes;
	struct str text = text_of(t);
	struct buf more = { 0 };

	if (text.n == 0)
		return false;
	sink_str(out, "  value       \"");
	text_wrap(text, out);
	sink_str(out, "\"\n");
	if (t->size - text.n > 3 && t->n - text.n < 4) {
		sink_spaces(out, WORDS_AT);
		buf_str(&more, "… of the block's ");
		count_show(&more, t->size);
		buf_str(&more, " bytes these are the first ");
		count_show(&more, text.n);
		buf_char(&more, '\n');
		sink_add(out, more.s, more.n);
		buf_release(&more);
	}
	return true;
}

void show_bytes_write(const struct show *s, struct sink *out)
{
	const struct block_bytes *t = &s->bytes;
	size_t n = min_u64(t->n, HEX_MOST);
	struct buf text = { 0 };

	if (n == 0 || text_of(t).n)
		return;
	sink_look(out, LOOK_HEAD);
	buf_str(&text, "\nBytes: ");
	count_show(&text, n);
	if (n < t->size) {
		buf_str(&text, " of ");
		count_show(&text, t->size);
		buf_str(&text, "; heapsift hexdump shows more");
	}
	buf_char(&text, '\n');
	sink_add(out, text.s, text.n);
	sink_look(out, LOOK_PLAIN);
	for (size_t at = 0; at < n; at += HEX_LINE) {
		buf_clear(&text);
		hex_line_add(&text, t->at + at, t->bytes + at, min_u64(HEX_LINE, n - at));
		sink_add(out, text.s, text.n);
	}
	buf_release(&text);
}
