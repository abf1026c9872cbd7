/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C strings. Text is: printable ASCII, tab, newline, return, and UTF-8 that is well made
 * (The Unicode Standard, table 3-7) and no control character. The rules, in this order:
 *
 *   fewer than 3 characters                                      never
 *   8 or more, to the NUL, the block's end or as far as we look  a string
 *   3 to 7 and a NUL                                             a string, if it explains
 *                                                                the block
 *
 * Of blocks of random bytes 1 in 3,000 starts with 3 to 7 characters and a NUL; so do
 * structs that start with a small number. A short text explains a block if malloc would
 * have given none much smaller for it (up to 24 bytes: what malloc(1) gets, plus room for
 * alignment), or if the 16 bytes behind the NUL are zeroes or text again, as in a buffer
 * that was cleared or used for other texts.
 *
 * And an address may look like text: the bytes of 0x555a6b607060 read "`p`kZU". Heaps of
 * position-independent programs lie there (0x55..., 0x56...), so one process in seven has
 * lists some of whose nodes begin with text. A first word that leads into mapped memory is an
 * address; up to four characters, which small programs at fixed addresses have mapped by
 * chance, are text all the same where the rest is quiet.
 */
#include "lang/lang.h"

enum { SHORT_TEXT = 8, SHORT_ADDRESS = 4, SHORT_BLOCK = 24, SLACK_LOOK = 16 };

/* ---- eight bytes at once: most blocks are rejected by their first word ---- */

static const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;

/* The top bit of each byte below n. The lowest one set is right; above it, borrows. */
static uint64_t bytes_below(uint64_t word, uint64_t n)
{
	return (word - ones * n) & ~word & tops;
}

static bool word_is_plain(uint64_t word)
{
	return ((word & tops) | bytes_below(word, 0x20) |
		bytes_below(word ^ ones * 0x7f, 1)) == 0;
}

/* Are the bytes of the word, up to a NUL, three at least, none a control character, every
 * lead byte of UTF-8 followed by a continuation and every continuation preceded? */
static bool word_may_be_text(uint64_t word)
{
	const uint64_t blanks = 1 << '\t' | 1 << '\n' | 1 << '\r';
	uint64_t zero = bytes_below(word, 1);
	uint64_t kept = zero ? ((zero & -zero) >> 7) - 1 : UINT64_MAX;
	uint64_t control = bytes_below(word, 0x20) & kept;
	uint64_t high = word & tops & kept, lead = high & word << 1, next = high & ~lead;

	if (kept < 0xffffff || (bytes_below(word ^ ones * 0x7f, 1) & kept) ||
	    (next & ~(high << 8)) || (lead << 8 & ~next))
		return false;
	return control == 0 ||
	       (blanks >> (word >> (__builtin_ctzll(control) - 7) & 0xff) & 1);
}

static uint64_t word_at(const uint8_t *at, size_t have)
{
	uint64_t word = 0;

	memcpy(&word, at, have < sizeof(word) ? have : sizeof(word));
	return word;
}

/* ---- byte by byte ---- */

static bool byte_is_ascii_text(uint8_t c)
{
	return (c >= 0x20 && c < 0x7f) || c == '\t' || c == '\n' || c == '\r';
}

static bool is_continuation(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

/* Length of the UTF-8 sequence at `at`, 0 if it is not one. A sequence that the end of
 * what we look at cuts off is taken on trust. */
static size_t utf8_length(const uint8_t *at, size_t left)
{
	uint8_t lead = at[0];
	size_t n = lead < 0xc2   ? 0
		   : lead < 0xe0 ? 2
		   : lead < 0xf0 ? 3
		   : lead < 0xf5 ? 4
				 : 0;

	if (n == 0)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (i == left)
			return left;
		if (!is_continuation(at[i]))
			return 0;
	}
	if ((lead == 0xc2 && at[1] < 0xa0) ||  /* C1 controls */
	    (lead == 0xe0 && at[1] < 0xa0) ||  /* longer than need be */
	    (lead == 0xed && at[1] >= 0xa0) || /* surrogates */
	    (lead == 0xf0 && at[1] < 0x90) ||  /* longer than need be */
	    (lead == 0xf4 && at[1] >= 0x90))   /* above U+10FFFF */
		return 0;
	return n;
}

/* Bytes of text at `at`; *chars says how many characters they are. */
static size_t text_length(const uint8_t *at, size_t have, size_t *chars)
{
	size_t n = 0, step;

	while (have - n >= sizeof(uint64_t) && word_is_plain(word_at(at + n, have - n)))
		n += sizeof(uint64_t);
	for (*chars = n; n < have; n += step, ++*chars) {
		step = byte_is_ascii_text(at[n]) ? 1 : utf8_length(at + n, have - n);
		if (step == 0)
			break;
	}
	return n;
}

/* Zeroes, or text: nothing that speaks against a buffer. */
static bool slack_is_quiet(const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (at[i] != 0 && !byte_is_ascii_text(at[i]))
			return false;
	return true;
}

/* n bytes of text and a NUL: do they explain the block? */
static bool short_text_explains(const struct mem *m, const uint8_t *bytes, size_t n,
				size_t look, uint64_t size)
{
	size_t slack = look - n - 1;
	bool quiet =
		slack_is_quiet(bytes + n + 1, slack < SLACK_LOOK ? slack : SLACK_LOOK);

	if (look >= sizeof(uint64_t) && mem_region_at(m, word_at(bytes, look)))
		return n <= SHORT_ADDRESS && quiet;
	return size <= SHORT_BLOCK || quiet;
}

bool text_is_string(const struct mem *m, const uint8_t *bytes, size_t have, uint64_t size)
{
	size_t look = (size_t)min_u64(min_u64(have, TEXT_LOOK), size), n, chars;

	if (look < 3 || !word_may_be_text(word_at(bytes, look)))
		return false;
	n = text_length(bytes, look, &chars);
	if (chars < 3 || (n < look && bytes[n] != 0))
		return false;
	if (chars >= SHORT_TEXT)
		return true;
	if (n == look)
		return look == size; /* it fills a tiny block; else a hole cut it off */
	return short_text_explains(m, bytes, n, look, size);
}
