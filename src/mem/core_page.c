/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which memory of a core is not all zeroes: what was never touched is a hole of the file
 * when the kernel wrote it, and if no copy filled it since. So the file's data between its
 * holes become runs of pages, as if they were resident; a reader passes over the rest
 * without reading. What was not dumped becomes guards: pages known to be unreadable.
 */
#include "mem/core_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct run_list {
	struct page_run *runs;
	size_t n, room;
};

/* The file's first data from `from` on. */
struct extent {
	int fd;
	uint64_t from, start, end;
};

/* Pages that [start, end) touches; runs come by address, and may share a page. */
static void run_add(struct run_list *l, taddr start, taddr end)
{
	struct page_run *last = l->n ? &l->runs[l->n - 1] : NULL;

	if (last && start <= run_end(last)) {
		if (end > run_end(last))
			last->count = (end - last->start) / PAGE_SIZE_4K;
		return;
	}
	if (start >= end)
		return;
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->runs = xrealloc(l->runs, l->room, sizeof(*l->runs));
	}
	l->runs[l->n++] =
		(struct page_run){ start, (end - start) / PAGE_SIZE_4K, PAGE_RESIDENT };
}

/* Where the file system knows of no holes, all is data. */
static void extent_find(struct extent *e, uint64_t at)
{
	off_t data = lseek(e->fd, (off_t)at, SEEK_DATA), hole;

	e->from = at;
	e->start = e->end = UINT64_MAX;
	if (data < 0 && errno == ENXIO)
		return;
	e->start = data < 0 ? at : (uint64_t)data;
	hole = data < 0 ? -1 : lseek(e->fd, data, SEEK_HOLE);
	e->end = hole < 0 ? UINT64_MAX : (uint64_t)hole;
}

static void add_data(struct run_list *l, struct extent *e, const struct core_segment *s)
{
	uint64_t at = s->offset, end = at + s->filesz;

	while (at < end) {
		taddr from, to;

		if (at < e->from || at >= e->end)
			extent_find(e, at);
		if (e->start >= end)
			return;
		from = s->start + (max_u64(at, e->start) - s->offset);
		to = s->start + (min_u64(end, e->end) - s->offset);
		run_add(l, align_down(from, PAGE_SIZE_4K), align_up(to, PAGE_SIZE_4K));
		at = min_u64(end, e->end);
	}
}

void core_find_pages(struct core *c)
{
	struct run_list pages = { 0 }, guards = { 0 };
	struct extent e = { .fd = c->fd };

	for (size_t i = 0; i < c->nsegments; i++) {
		const struct core_segment *s = &c->segments[i];
		taddr hole = align_up(s->start + s->filesz, PAGE_SIZE_4K);

		add_data(&pages, &e, s);
		if (hole >= s->start + s->filesz)
			run_add(&guards, hole, align_down(s->end, PAGE_SIZE_4K));
	}
	c->mem.pages = pages.runs;
	c->mem.npages = pages.n;
	c->mem.guards = guards.runs;
	c->mem.nguards = guards.n;
	c->mem.has_pages = true;
}

/* ---- holes that another file fills ---- */

/* No page that [start, end) touches is a guard any more. */
static void cut_guards(struct mem *m, taddr start, taddr end)
{
	size_t first = run_after(m->guards, m->nguards, start), next = first, n = 0;
	struct page_run kept[2];

	while (next < m->nguards && m->guards[next].start < end)
		next++;
	if (next == first)
		return;
	if (m->guards[first].start < start)
		kept[n++] = (struct page_run){ m->guards[first].start,
					       (start - m->guards[first].start) /
						       PAGE_SIZE_4K,
					       PAGE_RESIDENT };
	if (run_end(&m->guards[next - 1]) > end)
		kept[n++] = (struct page_run){ end,
					       (run_end(&m->guards[next - 1]) - end) /
						       PAGE_SIZE_4K,
					       PAGE_RESIDENT };
	m->guards = xrealloc(m->guards, m->nguards + 1, sizeof(*m->guards));
	memmove(&m->guards[first + n], &m->guards[next],
		(m->nguards - next) * sizeof(*m->guards));
	memcpy(&m->guards[first], kept, n * sizeof(*kept));
	m->nguards -= next - first;
	m->nguards += n;
}

void core_back(struct mem *m, taddr start, taddr end, int fd, uint64_t offset)
{
	struct core *c = (struct core *)m;
	int own = dup(fd);
	size_t at = c->nbackings;

	if (own < 0)
		return;
	c->backings = xrealloc(c->backings, c->nbackings + 1, sizeof(*c->backings));
	for (; at > 0 && c->backings[at - 1].start > start; at--)
		c->backings[at] = c->backings[at - 1];
	c->backings[at] = (struct core_backing){ start, end, own, offset };
	c->nbackings++;
	cut_guards(m, align_down(start, PAGE_SIZE_4K), align_up(end, PAGE_SIZE_4K));
}
