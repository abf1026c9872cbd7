/* SPDX-License-Identifier: Apache-2.0 */
#include "mem/saved_int.h"

#include "mem/live_int.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* About 50 ms of pause. */
enum { SAVED_MAX = 256 << 20 };

struct saved_range {
	taddr start, end;
	uint8_t *bytes; /* NULL: left out */
	bool *has;      /* by page: false is a hole */
};

void saved_prepare(struct saved *s, const struct smaps *smaps)
{
	uint64_t total = 0;

	*s = (struct saved){ 0 };
	for (size_t i = 0; i < smaps->n; i++) {
		const struct smaps_entry *entry = &smaps->entries[i];
		struct saved_range r = { entry->start, entry->end, NULL, NULL };
		uint64_t size = r.end - r.start;

		if (!(entry->flags & (REGION_DONTFORK | REGION_WIPEONFORK)) ||
		    (entry->flags & REGION_IO))
			continue;
		s->ranges = xrealloc(s->ranges, s->n + 1, sizeof(r));
		if (size <= SAVED_MAX - total) {
			r.bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
			if (r.bytes == MAP_FAILED)
				r.bytes = NULL;
		}
		if (r.bytes) {
			total += size;
			r.has = xcalloc(size / PAGE_SIZE_4K, 1);
		} else {
			s->left_out += entry->rss;
		}
		s->ranges[s->n++] = r;
	}
}

static void save_pages(struct saved_range *r, int fd, taddr from, taddr to)
{
	while (from < to) {
		taddr start = from;

		from += read_at(fd, r->bytes + (from - r->start), (size_t)(to - from),
				from);
		from = align_down(from, PAGE_SIZE_4K);
		memset(r->has + (start - r->start) / PAGE_SIZE_4K, 1,
		       (size_t)(from - start) / PAGE_SIZE_4K);
		from += PAGE_SIZE_4K; /* the page that refused, or one behind the end */
	}
}

/* Pages that were never touched are zeroes, and are not touched by us. */
static void save_runs(struct saved_range *r, int fd, const struct mem *m)
{
	size_t i = run_after(m->pages, m->npages, r->start);

	memset(r->has, 1, (size_t)(r->end - r->start) / PAGE_SIZE_4K);
	for (; i < m->npages && m->pages[i].start < r->end; i++) {
		taddr from = max_u64(m->pages[i].start, r->start);
		taddr to = min_u64(run_end(&m->pages[i]), r->end);

		memset(r->has + (from - r->start) / PAGE_SIZE_4K, 0,
		       (size_t)(to - from) / PAGE_SIZE_4K);
		save_pages(r, fd, from, to);
	}
}

void saved_take(struct saved *s, struct mem *m, pid_t pid, int fd)
{
	struct page_scan *scan = s->n ? page_scan_open(pid, false) : NULL;
	bool has_runs = scan != NULL;

	if (!s->n)
		return;
	for (size_t i = 0; scan && i < s->n; i++)
		if (s->ranges[i].bytes)
			page_scan_range(scan, s->ranges[i].start, s->ranges[i].end);
	if (scan)
		page_scan_close(scan, m);
	for (size_t i = 0; i < s->n; i++) {
		struct saved_range *r = &s->ranges[i];
		const struct mem_region *region = mem_region_at(m, r->start);

		if (!r->bytes || !region)
			continue;
		if (has_runs && region_is_anon(region))
			save_runs(r, fd, m);
		else
			save_pages(r, fd, r->start, r->end);
	}
}

size_t saved_copy(const struct saved *s, taddr at, void *dst, size_t len, size_t *copied)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct saved_range *r = &s->ranges[i];
		size_t n = 0, page;

		if (at - r->start >= r->end - r->start)
			continue;
		len = (size_t)min_u64(len, r->end - at);
		page = (size_t)(at - r->start) / PAGE_SIZE_4K;
		for (; n < len && r->bytes && r->has[page]; page++)
			n = (size_t)min_u64(len,
					    r->start + (page + 1) * PAGE_SIZE_4K - at);
		if (n)
			memcpy(dst, r->bytes + (at - r->start), n);
		*copied = n;
		return len;
	}
	return 0;
}

void saved_release(struct saved *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct saved_range *r = &s->ranges[i];

		if (r->bytes)
			munmap(r->bytes, r->end - r->start);
		free(r->has);
	}
	free(s->ranges);
	*s = (struct saved){ 0 };
}
