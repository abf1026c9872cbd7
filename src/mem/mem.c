/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the same for every source of bytes: finding the region of an address and cutting
 * a read at region borders. A source only copies bytes inside one region.
 */
#include "mem/mem_int.h"

#include "base/search.h"
#include <stdlib.h>
#include <string.h>

const struct mem_region *mem_region_at(const struct mem *m, taddr at)
{
	size_t low = search_structs(m->regions, m->nregions, end, at);

	if (low == m->nregions || m->regions[low].start > at)
		return NULL;
	return &m->regions[low];
}

taddr mem_range_end(const struct mem *m, taddr at)
{
	const struct mem_region *r = mem_region_at(m, at);
	const struct mem_region *last = m->regions + m->nregions;

	for (; r && r < last && r->start <= at && !(r->flags & REGION_IO); r++)
		at = r->end;
	return at;
}

size_t run_after(const struct page_run *runs, size_t n, taddr at)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (run_end(&runs[middle]) <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

taddr mem_next_data(const struct mem *m, taddr at)
{
	const struct mem_region *r = m->has_pages ? mem_region_at(m, at) : NULL;
	size_t i;

	if (!r || !region_is_zeroes(r))
		return at;
	i = run_after(m->pages, m->npages, at);
	if (i == m->npages)
		return r->end;
	return max_u64(at, min_u64(m->pages[i].start, r->end));
}

uint64_t mem_data_bytes(const struct mem *m)
{
	uint64_t bytes = 0;

	for (size_t i = 0; m->has_pages && i < m->npages; i++)
		bytes += m->pages[i].count * PAGE_SIZE_4K;
	for (size_t i = 0; !m->has_pages && i < m->nregions; i++)
		bytes += m->regions[i].end - m->regions[i].start;
	return bytes;
}

void mem_learn_pages(struct mem *m)
{
	if (!m->has_pages && m->ops->learn_pages)
		m->ops->learn_pages(m);
}

bool mem_read(const struct mem *m, taddr at, void *dst, size_t len)
{
	uint8_t *out = dst;

	while (len > 0) {
		const struct mem_region *r = mem_region_at(m, at);

		if (!r || (r->flags & REGION_IO))
			return false;
		/* at < r->end, so take is at least 1 and at + take cannot wrap. */
		size_t take = min_u64(len, r->end - at);

		if (m->ops->copy(m, r, at, out, take) != take)
			return false;
		at += take, out += take, len -= take;
	}
	return true;
}

bool mem_read_string(const struct mem *m, taddr at, char *dst, size_t cap)
{
	taddr end = mem_range_end(m, at);
	size_t n = 0;

	while (n < cap && at + n < end) {
		/* Page by page: the string may end just before a hole. */
		taddr page_end = align_down(at + n, PAGE_SIZE_4K) + PAGE_SIZE_4K;
		size_t take = (size_t)(min_u64(page_end, end) - (at + n));

		if (take > cap - n)
			take = cap - n;
		if (!mem_read(m, at + n, dst + n, take))
			return false;
		if (memchr(dst + n, 0, take))
			return true;
		n += take;
	}
	return false;
}

bool mem_finish(struct mem *m, struct err *e)
{
	return !m->ops->release || m->ops->release(m, e);
}

void mem_release(struct mem *m)
{
	struct err ignored;

	if (!mem_finish(m, &ignored))
		return;
}

bool mem_account(struct mem *m, struct err *e)
{
	return mem_finish(m, e) && (!m->ops->account || m->ops->account(m, e));
}

void mem_close(struct mem *m)
{
	if (!m)
		return;
	mem_release(m);
	free(m->regions);
	free(m->threads);
	free(m->pages);
	free(m->guards);
	free(m->huge);
	m->ops->close(m);
}
