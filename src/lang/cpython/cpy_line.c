/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The location table of code from CPython 3.11 on: which line an instruction is of. Source:
 * CPython 3.11 Objects/locations.md and codeobject.c, the same in 3.13. Entries follow each
 * other, for runs of instructions from the first on:
 *
 *   first byte   1 kkkk nnn: the run is nnn + 1 code units of two bytes long
 *   kkkk  0..9   the line before; columns in one more byte
 *       10..12   kkkk - 10 lines on; columns in two more bytes
 *           13   a signed number of lines on
 *           14   a signed number of lines on; end line and columns follow, three numbers
 *           15   no line: code the compiler made up
 *
 * Numbers have six bits a byte, low ones first, bit 6 says that more follow; a signed one
 * has its sign in the lowest bit. Only a first byte has bit 7: that is how what follows it
 * is skipped, and why damage cannot lead us astray for longer than an entry.
 */
#include "lang/cpython/cpy_int.h"

enum { ENTRY_ONE_LINE = 10, ENTRY_NO_COLUMNS = 13, ENTRY_LONG = 14, ENTRY_NO_LINE = 15 };

struct line_iter {
	const uint8_t *p, *end;
	uint64_t start, stop; /* the run: bytes of instructions */
	int64_t line;         /* of the entries so far; theirs unless !has_line */
	bool has_line;
};

/* A number's low 32 bits: more of them is damage. */
static uint32_t read_number(const uint8_t *p, const uint8_t *end)
{
	uint32_t value = 0;

	for (unsigned shift = 0; p < end && shift < 32; shift += 6) {
		value |= (uint32_t)(*p & 63) << shift;
		if (!(*p++ & 64))
			break;
	}
	return value;
}

static int64_t read_signed(const uint8_t *p, const uint8_t *end)
{
	uint32_t value = read_number(p, end);

	return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

static bool line_next(struct line_iter *it)
{
	if (it->p >= it->end || !(*it->p & 0x80))
		return false;
	unsigned kind = *it->p >> 3 & 15, units = (*it->p & 7) + 1u;

	it->p++;
	it->has_line = kind != ENTRY_NO_LINE;
	if (kind == ENTRY_NO_COLUMNS || kind == ENTRY_LONG)
		it->line += read_signed(it->p, it->end);
	else if (kind >= ENTRY_ONE_LINE && kind < ENTRY_NO_COLUMNS)
		it->line += kind - ENTRY_ONE_LINE;
	it->start = it->stop;
	it->stop += 2 * units;
	while (it->p < it->end && !(*it->p & 0x80))
		it->p++;
	return true;
}

uint32_t cpy_line_at(const uint8_t *table, size_t n, uint32_t first, int64_t offset)
{
	struct line_iter it = { .p = table, .end = table + n, .line = first };

	/* Before the first instruction: PyCode_Addr2Line. */
	if (offset < 0)
		return first;
	while (line_next(&it))
		if ((uint64_t)offset < it.stop)
			return it.has_line && it.line > 0 && it.line <= INT32_MAX
				       ? (uint32_t)it.line
				       : 0;
	return 0;
}
