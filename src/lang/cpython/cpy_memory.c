/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader's eyes. Objects refer to each other all over the heap, so a window that follows
 * addresses upward is of no use: this is a direct-mapped cache of lines, where a hit costs
 * a compare and a copy (cpy_hit in the header). Lines are small enough that a far jump is
 * not dear. 16 MiB are as fast as 64 on a heap that was filled in order; a service that
 * mixes its objects all day takes a third less time than with 4, and gains little more.
 *
 * A line's tag is its address, its state, and a bit for each of its four pages that is a
 * hole (from TAG_HOLES on). Pages that were never touched are not asked for.
 */
#include "lang/cpython/cpy_int.h"

#include <stdlib.h>

enum { LINE_PAGES = CPY_LINE / PAGE_SIZE_4K, TAG_HOLES = 4 };

struct cpy_memory *cpy_memory_new(const struct mem *m)
{
	struct cpy_memory *c = xcalloc(1, sizeof(*c));

	c->mem = m;
	c->bytes = xmap((size_t)CPY_LINES * CPY_LINE);
	c->tags = xcalloc(CPY_LINES, sizeof(*c->tags));
	return c;
}

void cpy_memory_free(struct cpy_memory *c)
{
	if (!c)
		return;
	xunmap(c->bytes, (size_t)CPY_LINES * CPY_LINE);
	free(c->tags);
	free(c);
}

/* Page by page: a hole is remembered, and not asked for again. */
static uint64_t load_pages(struct cpy_memory *c, taddr start, uint8_t *bytes)
{
	uint64_t holes = 0;

	for (size_t page = 0; page < LINE_PAGES; page++) {
		size_t offset = page * PAGE_SIZE_4K;

		if (!mem_read(c->mem, start + offset, bytes + offset, PAGE_SIZE_4K))
			holes |= (uint64_t)1 << (TAG_HOLES + page);
	}
	return holes ? CPY_LINE_HOLED | holes : CPY_LINE_WHOLE;
}

static uint64_t line_load(struct cpy_memory *c, taddr start, size_t line)
{
	uint8_t *bytes = c->bytes + line * CPY_LINE;
	uint64_t state = CPY_LINE_WHOLE;

	if (mem_next_data(c->mem, start) - start >= CPY_LINE && !c->mem->nguards)
		memset(bytes, 0, CPY_LINE);
	else if (!mem_read(c->mem, start, bytes, CPY_LINE))
		state = load_pages(c, start, bytes);
	c->tags[line] = start | state;
	return c->tags[line];
}

static uint64_t line_tag(struct cpy_memory *c, taddr at)
{
	size_t line = cpy_line_of(at);
	uint64_t tag = c->tags[line];

	if (tag && align_down(tag, CPY_LINE) == align_down(at, CPY_LINE))
		return tag;
	return line_load(c, align_down(at, CPY_LINE), line);
}

static bool page_is_hole(uint64_t tag, size_t inside)
{
	return tag >> (TAG_HOLES + inside / PAGE_SIZE_4K) & 1;
}

const uint8_t *cpy_view(struct python_reader *r, taddr at, size_t want, size_t *have)
{
	uint64_t tag = line_tag(r->memory, at);
	size_t inside = at % CPY_LINE, end = inside;

	while (end < CPY_LINE && !page_is_hole(tag, end))
		end = align_down(end, PAGE_SIZE_4K) + PAGE_SIZE_4K;
	if (end == inside)
		return NULL;
	*have = (size_t)min_u64(end - inside, want ? want : 1);
	return r->memory->bytes + cpy_line_of(at) * CPY_LINE + inside;
}

bool cpy_read_slowly(struct python_reader *r, taddr at, void *dst, size_t len)
{
	uint8_t *out = dst;

	while (len > 0) {
		size_t have;
		const uint8_t *bytes = cpy_view(r, at, len, &have);

		if (!bytes)
			return false;
		memcpy(out, bytes, have);
		out += have, at += have, len -= have;
	}
	return true;
}

bool cpy_is_left_out(const struct mem *m, taddr at)
{
	uint8_t byte;

	return mem_region_at(m, at) && !mem_load(m, at, &byte);
}
