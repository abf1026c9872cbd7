/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes for a reader who may take his time (a pager): they are copied while the target or
 * its child is held, and m->bytes reads the copy. Memory is there or not by the page, so
 * one mark for each page says where the holes are.
 */
#include "collect/collect_int.h"

#include <stdlib.h>

struct copy {
	struct byte_range range;
	uint8_t *bytes;
	bool *is_hole; /* of each page that the range touches */
};

static size_t page_of(const struct copy *c, taddr at)
{
	return at / PAGE_SIZE_4K - c->range.at / PAGE_SIZE_4K;
}

static bool copy_read(void *context, taddr at, void *dst, size_t len)
{
	const struct copy *c = context;
	uint64_t from = at - c->range.at;

	if (at < c->range.at || from > c->range.len || len > c->range.len - from)
		return false;
	for (size_t p = page_of(c, at); len && p <= page_of(c, at + len - 1); p++)
		if (c->is_hole[p])
			return false;
	memcpy(dst, c->bytes + from, len);
	return true;
}

static void copy_close(void *context)
{
	struct copy *c = context;

	free(c->bytes);
	free(c->is_hole);
	free(c);
}

void copy_bytes(const struct mem *mem, struct byte_range range, struct model *m)
{
	struct copy *c = xcalloc(1, sizeof(*c));
	uint64_t done = 0;

	c->range = range;
	c->bytes = xcalloc(range.len, 1);
	c->is_hole = xcalloc(page_of(c, range.at + range.len - 1) + 1, 1);
	while (done < range.len) {
		taddr at = range.at + done;
		size_t n = min_u64(range.len - done, PAGE_SIZE_4K - at % PAGE_SIZE_4K);

		c->is_hole[page_of(c, at)] = !mem_read(mem, at, c->bytes + done, n);
		done += n;
	}
	m->bytes = (struct bytes_source){ .read = copy_read,
					  .close = copy_close,
					  .context = c };
}
