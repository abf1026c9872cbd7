/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ELF core as the kernel writes one:
 *
 *	header, program headers		a PT_NOTE, then a PT_LOAD for each region
 *	notes				core_write_notes.c
 *	memory				of each region nothing or all (core_write_choose.c), its
 *					pages aligned in the file; zeroes are holes there
 *	[section header]		only when there are too many program headers to count
 *
 * Where each byte goes is known before the first is read. So memory is cut into pieces of a
 * megabyte, and several threads each read one, drop its pages of zeroes and write the rest
 * to its place: while one waits for the disk the others read. A stream takes one thread.
 *
 * The target is let go, or its copy ended, before the file gets its name: had one of them
 * been lost, what was read later would be holes.
 */
#include "mem/core_write_int.h"

#include "base/new_file.h"
#include "base/pool.h"
#include "base/progress.h"
#include "mem/live_int.h"
#include "mem/proc_int.h"
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 20, PIECES_AT_ONCE = 4, WRITERS_MAX = 4 };

/* A range of one region that is to be read, and where it goes. */
struct piece {
	taddr at;
	uint64_t offset;
	uint32_t len, region;
};

struct core_writer {
	struct mem *m;
	pid_t pid;
	struct new_file out;
	struct buf notes;
	enum core_part *parts; /* by region */
	Elf64_Phdr *headers;   /* of the notes, then by region */
	uint64_t end;          /* of the memory in the file */
	struct piece *pieces;
	size_t npieces, cap;
	uint8_t *buffers; /* PIECE bytes for each writer */
	struct progress *progress;
	pthread_mutex_t lock;
	struct err err; /* of the first writer that failed; ERR_NONE */
};

/* ---- layout ---- */

static uint32_t segment_flags(uint8_t prot)
{
	return (prot & PROT_R ? PF_R : 0u) | (prot & PROT_W ? PF_W : 0u) |
	       (prot & PROT_X ? PF_X : 0u);
}

static void lay_out(struct core_writer *c)
{
	const struct mem *m = c->m;
	uint64_t at = sizeof(Elf64_Ehdr) + (m->nregions + 1) * sizeof(Elf64_Phdr);

	c->headers = xcalloc(m->nregions + 1, sizeof(*c->headers));
	c->headers[0] = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = at, .p_filesz = c->notes.n, .p_align = 4
	};
	at = align_up(at + c->notes.n, PAGE_SIZE_4K);
	for (size_t i = 0; i < m->nregions; i++) {
		const struct mem_region *r = &m->regions[i];

		c->headers[i + 1] = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = segment_flags(r->prot),
			.p_offset = at,
			.p_vaddr = r->start,
			.p_filesz = c->parts[i] ? r->end - r->start : 0,
			.p_memsz = r->end - r->start,
			.p_align = PAGE_SIZE_4K,
		};
		at += c->headers[i + 1].p_filesz;
	}
	c->end = at;
}

/* More program headers than a half-word counts: the first section header tells (ELF gABI,
 * e_phnum). */
static bool has_too_many(const struct core_writer *c)
{
	return c->m->nregions + 1 >= PN_XNUM;
}

static bool write_head(struct core_writer *c, struct err *e)
{
	size_t n = c->m->nregions + 1;
	Elf64_Ehdr h = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_CORE,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(h),
		.e_ehsize = sizeof(h),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = has_too_many(c) ? PN_XNUM : (Elf64_Half)n,
	};

	if (has_too_many(c)) {
		h.e_shoff = c->end;
		h.e_shentsize = sizeof(Elf64_Shdr);
		h.e_shnum = 1;
	}
	return new_file_write(&c->out, &h, sizeof(h), e) &&
	       new_file_write(&c->out, c->headers, n * sizeof(*c->headers), e) &&
	       new_file_write(&c->out, c->notes.s, c->notes.n, e) &&
	       new_file_skip(&c->out, -c->out.written & (PAGE_SIZE_4K - 1), e);
}

static bool write_tail(struct core_writer *c, struct err *e)
{
	Elf64_Shdr s = { .sh_size = 1,
			 .sh_link = SHN_UNDEF,
			 .sh_info = (Elf64_Word)(c->m->nregions + 1) };

	return new_file_skip(&c->out, c->end - c->out.written, e) &&
	       (!has_too_many(c) || new_file_write(&c->out, &s, sizeof(s), e));
}

/* ---- which bytes ---- */

static void add_range(struct core_writer *c, size_t region, taddr from, taddr to)
{
	const Elf64_Phdr *h = &c->headers[region + 1];

	for (; from < to; from += PIECE) {
		if (c->npieces == c->cap) {
			c->cap = c->cap ? 2 * c->cap : 1024;
			c->pieces = xrealloc(c->pieces, c->cap, sizeof(*c->pieces));
		}
		c->pieces[c->npieces++] = (struct piece){
			.at = from,
			.offset = h->p_offset + (from - h->p_vaddr),
			.len = (uint32_t)min_u64(to - from, PIECE),
			.region = (uint32_t)region,
		};
	}
}

static void add_pages(struct core_writer *c, size_t region)
{
	const struct mem *m = c->m;
	const struct mem_region *r = &m->regions[region];
	size_t i = run_after(m->pages, m->npages, r->start);

	for (; i < m->npages && m->pages[i].start < r->end; i++)
		if (m->pages[i].state != PAGE_ZERO)
			add_range(c, region, max_u64(r->start, m->pages[i].start),
				  min_u64(r->end, run_end(&m->pages[i])));
}

static int open_mapped(pid_t pid, const struct mem_region *r)
{
	char name[64];

	snprintf(name, sizeof(name), "map_files/%llx-%llx", (unsigned long long)r->start,
		 (unsigned long long)r->end);
	return proc_open(pid, name, O_RDONLY);
}

/*
 * Reading a page of shared memory that nobody ever touched would make one, and another
 * process's are in no page table of this one. Its file tells which there are. To open that
 * takes a right that root has; without it there are those that the process itself mapped.
 */
static void add_shared(struct core_writer *c, size_t region)
{
	const struct mem_region *r = &c->m->regions[region];
	autoclose int fd = open_mapped(c->m->reader, r);
	off_t end = (off_t)(r->offset + (r->end - r->start)), data, hole;

	if (fd < 0) {
		add_pages(c, region);
		return;
	}
	for (data = (off_t)r->offset; data < end; data = hole) {
		data = lseek(fd, data, SEEK_DATA);
		hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (data < 0 || hole <= data || data >= end)
			return;
		add_range(c, region, r->start + ((uint64_t)data - r->offset),
			  min_u64(r->end, r->start + ((uint64_t)hole - r->offset)));
	}
}

static void cut_pieces(struct core_writer *c)
{
	for (size_t i = 0; i < c->m->nregions; i++) {
		const struct mem_region *r = &c->m->regions[i];

		if (c->parts[i] == PART_SHARED)
			add_shared(c, i);
		else if (c->parts[i] == PART_PAGES)
			add_pages(c, i);
		else if (c->parts[i] == PART_ALL)
			add_range(c, i, r->start, r->end);
	}
}

/* ---- reading and writing ---- */

/* A page that refuses is zeroes. */
static void read_piece(const struct core_writer *c, const struct piece *p, uint8_t *bytes)
{
	const struct mem *m = c->m;
	const struct mem_region *r = &m->regions[p->region];
	size_t at = 0, n, page;

	while (at < p->len) {
		n = m->ops->copy(m, r, p->at + at, bytes + at, p->len - at);
		at += n;
		if (n > 0)
			continue;
		page = (size_t)min_u64(p->len,
				       align_down(at, PAGE_SIZE_4K) + PAGE_SIZE_4K);
		memset(bytes + at, 0, page - at);
		at = page;
	}
}

/* The end of the pages from `at` on that are alike: zeroes or not. */
static size_t pages_alike(const uint8_t *bytes, size_t at, size_t len, bool zero)
{
	while (at < len && bytes_are_zero(bytes + at, PAGE_SIZE_4K) == zero)
		at += PAGE_SIZE_4K;
	return at;
}

static bool write_piece(struct core_writer *c, const struct piece *p,
			const uint8_t *bytes, struct err *e)
{
	size_t at, end;

	if (!c->out.has_holes)
		return new_file_skip(&c->out, p->offset - c->out.written, e) &&
		       new_file_write(&c->out, bytes, p->len, e);
	for (at = pages_alike(bytes, 0, p->len, true); at < p->len;
	     at = pages_alike(bytes, end, p->len, true)) {
		end = pages_alike(bytes, at, p->len, false);
		if (!new_file_write_at(&c->out, p->offset + at, bytes + at, end - at, e))
			return false;
	}
	return true;
}

static bool has_failed(struct core_writer *c, const struct err *e)
{
	bool failed;

	pthread_mutex_lock(&c->lock);
	if (e && c->err.kind == ERR_NONE)
		c->err = *e;
	failed = c->err.kind != ERR_NONE;
	pthread_mutex_unlock(&c->lock);
	return failed;
}

/* A pool_fn. */
static void copy_pieces(void *context, size_t begin, size_t end, unsigned worker)
{
	struct core_writer *c = context;
	uint8_t *bytes = c->buffers + (size_t)worker * PIECE;
	struct err e;

	if (has_failed(c, NULL))
		return;
	if (worker == 0)
		progress_step(c->progress, begin, c->npieces);
	for (size_t i = begin; i < end; i++) {
		read_piece(c, &c->pieces[i], bytes);
		if (!write_piece(c, &c->pieces[i], bytes, &e) && has_failed(c, &e))
			return;
	}
}

static bool write_memory(struct core_writer *c, struct err *e)
{
	unsigned writers = c->out.has_holes ? pool_cores() : 1;

	writers = writers < WRITERS_MAX ? writers : WRITERS_MAX;
	c->buffers = xmap((size_t)writers * PIECE);
	pool_run(writers, c->npieces, PIECES_AT_ONCE, copy_pieces, c);
	xunmap(c->buffers, (size_t)writers * PIECE);
	*e = c->err;
	return c->err.kind == ERR_NONE;
}

/* ---- all of it ---- */

static void prepare(struct core_writer *c, struct core_writing *w)
{
	struct mem *m = c->m;

	c->parts = xcalloc(m->nregions, sizeof(*c->parts));
	core_choose(m, c->parts, &w->left_out);
	core_notes_build(m, c->pid, &c->notes);
	lay_out(c);
	cut_pieces(c);
	w->mapped = 0;
	for (size_t i = 0; i < m->nregions; i++)
		w->mapped += m->regions[i].end - m->regions[i].start;
}

bool mem_write_core(struct mem *m, pid_t pid, const struct new_file_options *to,
		    struct core_writing *w, struct err *e)
{
	struct core_writer c = { .m = m,
				 .pid = pid,
				 .progress = w->progress,
				 .lock = PTHREAD_MUTEX_INITIALIZER };
	bool ok;

	prepare(&c, w);
	ok = new_file_open(&c.out, to, e) && write_head(&c, e) && write_memory(&c, e) &&
	     mem_finish(m, e) && write_tail(&c, e) && new_file_commit(&c.out, e);
	mem_release(m);
	new_file_close(&c.out);
	buf_release(&c.notes);
	free(c.parts);
	free(c.headers);
	free(c.pieces);
	return ok;
}
