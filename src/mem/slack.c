/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in RAM only because a huge page covers it. The kernel itself judges that by the
 * bytes: a huge page with many 4 KiB pages of zeroes is underused, and under pressure is
 * split so that they can go (Linux 6.12 mm/huge_memory.c, thp_underused). The same test is
 * made here, of every huge page, on all cores.
 *
 * It reads what it tests, some 5 GB/s, and so comes when the target runs again, from the
 * target itself: no pause is longer for it, and no copy is held. Memory that changed since
 * the snapshot can only make a page or two of one kind count as the other.
 *
 * A kernel before 6.7 does not tell which pages are huge, but how much of a mapping is
 * (AnonHugePages). Then it is known where all of a mapping that can be huge (whole, aligned
 * 2 MiB in RAM) comes to no more than that; else nothing is said of it.
 */
#include "mem/slack_int.h"

#include "base/pool.h"
#include "mem/pages_int.h"
#include "mem/proc_int.h"
#include <fcntl.h>
#include <stdlib.h>

enum { HUGE_PAGE = 2 << 20, PIECE_PAGES = HUGE_PAGE / PAGE_SIZE_4K };

/* A huge page, or the part of one that a mapping has. */
struct piece {
	taddr start;
	uint32_t pages;
	uint64_t zero[PIECE_PAGES / 64]; /* a bit for each page */
};

struct slack {
	const struct mem *m;
	int fd;
	struct piece *pieces; /* by address */
	size_t n, cap;
	uint8_t *buffers; /* HUGE_PAGE bytes for each worker */
};

/* ---- which pages are huge ---- */

static void add_pieces(struct slack *s, taddr start, taddr end)
{
	while (start < end) {
		taddr stop = min_u64(end, align_down(start, HUGE_PAGE) + HUGE_PAGE);

		if (s->n == s->cap) {
			s->cap = s->cap ? 2 * s->cap : 256;
			s->pieces = xrealloc(s->pieces, s->cap, sizeof(*s->pieces));
		}
		s->pieces[s->n++] = (struct piece){
			.start = start,
			.pages = (uint32_t)((stop - start) / PAGE_SIZE_4K),
		};
		start = stop;
	}
}

/* Filling a page in that the target handles faults of would make us wait for its handler. */
static bool may_read(const struct mem *m, taddr at)
{
	const struct mem_region *r = mem_region_at(m, at);

	return r && !(r->flags & (REGION_IO | REGION_USERFAULT));
}

static void take_huge_runs(struct slack *s)
{
	for (size_t i = 0; i < s->m->nhuge; i++)
		if (may_read(s->m, s->m->huge[i].start))
			add_pieces(s, s->m->huge[i].start, run_end(&s->m->huge[i]));
}

/* Of the pages from run `i` on that lie in the region: all that can be huge. */
static void take_candidates(struct slack *s, const struct mem_region *r, size_t i)
{
	size_t before = s->n;

	for (; i < s->m->npages && s->m->pages[i].start < r->end; i++) {
		const struct page_run *run = &s->m->pages[i];
		taddr start = align_up(max_u64(run->start, r->start), HUGE_PAGE);
		taddr end = align_down(min_u64(run_end(run), r->end), HUGE_PAGE);

		if (run->state == PAGE_RESIDENT && start < end)
			add_pieces(s, start, end);
	}
	if ((s->n - before) * HUGE_PAGE > r->huge)
		s->n = before;
}

static void take_huge_regions(struct slack *s)
{
	for (size_t i = 0; i < s->m->nregions; i++) {
		const struct mem_region *r = &s->m->regions[i];

		if (r->huge > 0 && may_read(s->m, r->start))
			take_candidates(s, r,
					run_after(s->m->pages, s->m->npages, r->start));
	}
}

/* ---- which of them are zeroes ---- */

static void look_at(const struct slack *s, struct piece *p, uint8_t *bytes)
{
	size_t have = read_at(s->fd, bytes, (size_t)p->pages * PAGE_SIZE_4K, p->start);

	for (size_t i = 0; (i + 1) * PAGE_SIZE_4K <= have; i++)
		if (bytes_are_zero(bytes + i * PAGE_SIZE_4K, PAGE_SIZE_4K))
			p->zero[i / 64] |= (uint64_t)1 << i % 64;
}

static void look_at_pieces(void *context, size_t begin, size_t end, unsigned worker)
{
	struct slack *s = context;

	for (size_t i = begin; i < end; i++)
		look_at(s, &s->pieces[i], s->buffers + (size_t)worker * HUGE_PAGE);
}

static void look(struct slack *s)
{
	unsigned workers = pool_cores();

	s->buffers = xmap((size_t)workers * HUGE_PAGE);
	pool_run(workers, s->n, 1, look_at_pieces, s);
	xunmap(s->buffers, (size_t)workers * HUGE_PAGE);
}

/* ---- runs of pages again ---- */

static void add_piece(struct run_list *out, const struct piece *p)
{
	for (uint32_t i = 0; i < p->pages; i++) {
		taddr at = p->start + (uint64_t)i * PAGE_SIZE_4K;

		run_list_add(out, at, at + PAGE_SIZE_4K,
			     p->zero[i / 64] >> i % 64 & 1 ? PAGE_SLACK : PAGE_RESIDENT);
	}
}

/* Adds a run of resident pages; pieces from *next on that lie in it say more of them. */
static void split_run(const struct slack *s, const struct page_run *run, size_t *next,
		      struct run_list *out)
{
	taddr at = run->start, end = run_end(run);

	for (; *next < s->n && s->pieces[*next].start < end; ++*next) {
		const struct piece *p = &s->pieces[*next];
		taddr stop = p->start + (uint64_t)p->pages * PAGE_SIZE_4K;

		if (p->start < at || stop > end)
			continue;
		run_list_add(out, at, p->start, PAGE_RESIDENT);
		add_piece(out, p);
		at = stop;
	}
	run_list_add(out, at, end, PAGE_RESIDENT);
}

static void split_runs(const struct slack *s, struct mem *m)
{
	struct run_list out = { 0 };
	size_t next = 0;

	for (size_t i = 0; i < m->npages; i++)
		if (m->pages[i].state == PAGE_RESIDENT)
			split_run(s, &m->pages[i], &next, &out);
		else
			run_list_add(&out, m->pages[i].start, run_end(&m->pages[i]),
				     m->pages[i].state);
	free(m->pages);
	m->pages = out.runs;
	m->npages = out.n;
}

void slack_find(struct mem *m, pid_t pid)
{
	struct slack s = { .m = m, .fd = proc_open(pid, "mem", O_RDONLY) };

	if (s.fd < 0)
		return;
	if (m->nhuge > 0)
		take_huge_runs(&s);
	else
		take_huge_regions(&s);
	if (s.n > 0) {
		look(&s);
		split_runs(&s, m);
	}
	free(s.pieces);
	autoclose_fd(&s.fd);
}
