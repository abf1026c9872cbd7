/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a core's segments and the ranges of its files to regions as /proc/PID/maps has them.
 * The two are laid over each other:
 *
 *	segments   |-------------|      |----|  |------------|
 *	NT_FILE        |--- a ---|      |b|     |   c  |  d  |  |-- e --|
 *	regions    |   |    a    |      |b|  |  |   c  |  d  |  |   e   |
 *
 * gdb has no segment for what it does not dump (e): such a region is a hole, and what may be
 * done there is read off the program headers of its file, if the core has them.
 *
 * Names that the kernel gives to what is no file follow from NT_AUXV and the program's own
 * headers: the stack holds the random bytes, the heap is what follows the program's .bss,
 * at most as far away as the kernel shifts it (arch_randomize_brk, 1 GiB).
 */
#include "mem/core_int.h"

#include <stdlib.h>
#include <string.h>

#define VSYSCALL 0xffffffffff600000u
#define BREAK_SHIFT ((uint64_t)1 << 30)

enum { PHDRS_MAX = 64, EXECFN_MAX = 4096 };

/* ---- segments ---- */

static int by_start(const void *a, const void *b)
{
	const struct core_segment *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static uint8_t prot_of(uint32_t flags)
{
	return (uint8_t)((flags & PF_R ? PROT_R : 0) | (flags & PF_W ? PROT_W : 0) |
			 (flags & PF_X ? PROT_X : 0));
}

/* *left: bytes of the file that no segment claimed yet. Segments of one file share none; if
 * they could, a small file would be terabytes of memory. The last page is nobody's, so that
 * an address behind a region's never wraps. */
static void add_segment(struct core *c, const Elf64_Phdr *p, uint64_t *left)
{
	uint64_t promised = min_u64(p->p_filesz, p->p_memsz);
	uint64_t there = p->p_offset < c->file_size ? c->file_size - p->p_offset : 0;

	if (p->p_memsz == 0)
		return;
	there = min_u64(promised, min_u64(there, *left));
	*left -= there;
	if (p->p_memsz > UINT64_MAX - PAGE_SIZE_4K ||
	    p->p_vaddr > UINT64_MAX - PAGE_SIZE_4K - p->p_memsz) {
		c->damage.impossible++;
		return;
	}
	c->segments[c->nsegments++] = (struct core_segment){
		.start = p->p_vaddr,
		.end = p->p_vaddr + p->p_memsz,
		.offset = p->p_offset,
		.promised = promised,
		.filesz = there,
		.prot = prot_of(p->p_flags),
		.is_told = true,
	};
}

static void sort_segments(struct core *c)
{
	bool is_sorted = true;

	for (size_t i = 1; i < c->nsegments; i++)
		is_sorted &= c->segments[i - 1].start <= c->segments[i].start;
	if (!is_sorted)
		qsort(c->segments, c->nsegments, sizeof(*c->segments), by_start);
}

/* What of a segment lies in [start, end). */
static struct core_segment part_of(const struct core_segment *s, taddr start, taddr end)
{
	uint64_t skip = start - s->start, length = end - start;
	struct core_segment part = *s;

	part.start = start;
	part.end = end;
	part.offset += min_u64(skip, s->promised);
	part.promised = min_u64(length, s->promised - min_u64(skip, s->promised));
	part.filesz = min_u64(length, s->filesz - min_u64(skip, s->filesz));
	return part;
}

/* Of two that overlap, the second begins where the first ends. */
static void part_segments(struct core *c)
{
	size_t kept = 0;
	taddr end = 0;

	for (size_t i = 0; i < c->nsegments; i++) {
		const struct core_segment *s = &c->segments[i];

		c->damage.overlapping += s->start < end;
		if (s->end <= end)
			continue;
		c->segments[kept] = part_of(s, max_u64(s->start, end), s->end);
		end = c->segments[kept++].end;
	}
	c->nsegments = kept;
}

void core_take_segments(struct core *c, const Elf64_Phdr *p, size_t n)
{
	uint64_t left = c->file_size;

	c->segments = xcalloc(n, sizeof(*c->segments));
	for (size_t i = 0; i < n; i++)
		if (p[i].p_type == PT_LOAD)
			add_segment(c, &p[i], &left);
	sort_segments(c);
	part_segments(c);
	for (size_t i = 0; i < c->nsegments; i++) {
		const struct core_segment *s = &c->segments[i];

		c->process.dumped += s->promised;
		c->process.lost += s->promised - s->filesz;
	}
}

/* ---- laid over each other ---- */

struct overlay {
	struct core *c;
	struct core_segment *parts;
	struct mem_region *regions;
	size_t n, room;
};

/* What shmget and mmap make; a private mapping of /dev/zero is not " (deleted)". */
static bool is_shared_name(const char *name)
{
	return strncmp(name, "/SYSV", 5) == 0 || strcmp(name, "/dev/zero (deleted)") == 0;
}

static void add_region(struct overlay *o, const struct core_segment *s,
		       const struct core_file *f)
{
	struct mem_region r = {
		.start = s->start, .end = s->end, .prot = s->prot, .name = ""
	};

	if (o->n == o->room) {
		o->room = o->room ? 2 * o->room : 64;
		o->parts = xrealloc(o->parts, o->room, sizeof(*o->parts));
		o->regions = xrealloc(o->regions, o->room, sizeof(*o->regions));
	}
	if (f) {
		r.name = f->name;
		r.offset = f->offset + (s->start - f->start);
		r.flags = (uint8_t)(REGION_HAS_FILE |
				    (region_is_io_name(f->name) ? REGION_IO : 0));
		r.prot |= is_shared_name(f->name) ? PROT_SHARED : 0;
	}
	o->parts[o->n] = *s;
	o->regions[o->n++] = r;
}

/* The next region from `at` on, of segment s or file f (NULL: there are no more) or both.
 * Where it ends. */
static taddr add_next(struct overlay *o, taddr at, const struct core_segment *s,
		      const struct core_file *f)
{
	taddr s_start = s ? max_u64(at, s->start) : UINT64_MAX;
	taddr f_start = f ? max_u64(at, f->start) : UINT64_MAX;
	taddr start = min_u64(s_start, f_start);
	taddr s_stop = !s ? UINT64_MAX : s_start > start ? s_start : s->end;
	taddr f_stop = !f ? UINT64_MAX : f_start > start ? f_start : f->end;
	taddr end = min_u64(s_stop, f_stop);
	struct core_segment alone = { .start = start, .end = end, .is_told = false };

	if (s && s_start == start)
		alone = part_of(s, start, end);
	add_region(o, &alone, f_start == start ? f : NULL);
	return end;
}

static void lay_over(struct overlay *o)
{
	const struct core *c = o->c;
	size_t s = 0, f = 0;

	for (taddr at = 0; s < c->nsegments || f < c->nfiles;) {
		at = add_next(o, at, s < c->nsegments ? &c->segments[s] : NULL,
			      f < c->nfiles ? &c->files[f] : NULL);
		s += s < c->nsegments && c->segments[s].end <= at;
		f += f < c->nfiles && c->files[f].end <= at;
	}
}

/* ---- what gdb left out ---- */

/* The program headers of the file whose first page is mapped at `first`. */
struct headers {
	const struct mem_region *first;
	bool is_read;
	Elf64_Phdr p[PHDRS_MAX];
	size_t n; /* 0: they cannot be read */
	uint64_t bias;
};

static void read_headers(const struct mem *m, struct headers *h)
{
	taddr start = h->first->start;
	Elf64_Ehdr head;

	h->is_read = true;
	h->n = 0;
	if (!mem_load(m, start, &head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_phnum > PHDRS_MAX || head.e_phentsize != sizeof(h->p[0]) ||
	    !mem_read(m, start + head.e_phoff, h->p, head.e_phnum * sizeof(h->p[0])))
		return;
	for (size_t i = 0; i < head.e_phnum; i++)
		if (h->p[i].p_type == PT_LOAD && h->p[i].p_offset == 0) {
			h->bias = start - align_down(h->p[i].p_vaddr, PAGE_SIZE_4K);
			h->n = head.e_phnum;
		}
}

/* gdb leaves out only what nobody may write. */
static uint8_t prot_by_headers(const struct headers *h, const struct mem_region *r)
{
	uint64_t vaddr = r->start - h->bias;

	for (size_t i = 0; i < h->n; i++) {
		const Elf64_Phdr *p = &h->p[i];

		if (p->p_type == PT_LOAD &&
		    vaddr - align_down(p->p_vaddr, PAGE_SIZE_4K) <
			    p->p_vaddr % PAGE_SIZE_4K + p->p_memsz)
			return prot_of(p->p_flags) & (uint8_t)~PROT_W;
	}
	/* it leaves out what the files of programs have, and the header is dumped */
	return r->offset ? PROT_R | PROT_X : PROT_R;
}

static void find_protections(struct core *c)
{
	struct headers h = { .first = NULL };

	for (size_t i = 0; i < c->mem.nregions; i++) {
		struct mem_region *r = &c->mem.regions[i];

		if (!(r->flags & REGION_HAS_FILE))
			continue;
		if (r->offset == 0 || (h.first && strcmp(h.first->name, r->name) != 0))
			h = (struct headers){ .first = r->offset == 0 ? r : NULL };
		if (c->segments[i].is_told)
			continue;
		if (h.first && !h.is_read)
			read_headers(&c->mem, &h);
		r->prot |= prot_by_headers(&h, r);
	}
}

/* ---- names ---- */

static bool has_no_name(const struct mem_region *r)
{
	return r->name[0] == 0;
}

static struct mem_region *region_of(struct core *c, taddr at)
{
	const struct mem_region *r = at ? mem_region_at(&c->mem, at) : NULL;

	return r ? &c->mem.regions[r - c->mem.regions] : NULL;
}

/* Linux 6.13 made two mappings of the one below the vdso. */
static void name_kernels_own(struct core *c)
{
	static const char *const below[] = { "[vvar_vclock]", "[vvar]" };
	struct mem_region *vdso = region_of(c, c->process.vdso);
	struct mem_region *r = region_of(c, VSYSCALL), *first = c->mem.regions;
	size_t n = 0;

	if (r && r->start == VSYSCALL) {
		r->name = "[vsyscall]";
		r->flags |= REGION_IO;
	}
	if (!vdso || !has_no_name(vdso))
		return;
	vdso->name = "[vdso]";
	while (n < countof(below) && vdso - n > first && has_no_name(vdso - n - 1) &&
	       vdso[-(ptrdiff_t)n - 1].end == vdso[-(ptrdiff_t)n].start &&
	       vdso[-(ptrdiff_t)n - 1].prot == PROT_R)
		n++;
	for (size_t i = 1; i <= n; i++) {
		r = vdso - i;
		r->name = n == 1 ? "[vvar]" : below[i - 1];
		r->flags |= REGION_IO;
	}
}

static taddr main_stack(const struct core *c)
{
	if (c->aux.random || c->aux.execfn)
		return c->aux.random ? c->aux.random : c->aux.execfn;
	for (size_t i = 0; i < c->mem.nthreads; i++)
		if (c->mem.threads[i].tid == c->process.pid)
			return c->mem.threads[i].sp;
	return 0;
}

static void name_stack(struct core *c)
{
	struct mem_region *r = region_of(c, main_stack(c));

	if (r && has_no_name(r))
		r->name = "[stack]";
}

/* The end of the program's last segment; 0: not known. */
static taddr end_of_program(const struct core *c)
{
	Elf64_Phdr p[PHDRS_MAX];
	uint64_t n = c->aux.phnum, end = 0, bias = 0;
	bool has_bias = false;

	if (n > PHDRS_MAX || !mem_read(&c->mem, c->aux.phdr, p, n * sizeof(p[0])))
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i].p_type == PT_PHDR ||
		    (p[i].p_type == PT_LOAD && p[i].p_offset == 0)) {
			bias = c->aux.phdr - p[i].p_vaddr -
			       (p[i].p_type == PT_LOAD ? sizeof(Elf64_Ehdr) : 0);
			has_bias = true;
		}
		if (p[i].p_type == PT_LOAD)
			end = max_u64(end, p[i].p_vaddr + p[i].p_memsz);
	}
	return has_bias && end ? align_up(bias + end, PAGE_SIZE_4K) : 0;
}

/* Of a process that was forked it is several regions: what the child added is its own. */
static void name_heap(struct core *c)
{
	taddr end = end_of_program(c);
	size_t i = 0;

	if (end == 0)
		return;
	while (i < c->mem.nregions && c->mem.regions[i].end <= end)
		i++;
	if (i == c->mem.nregions)
		return;

	struct mem_region *r = &c->mem.regions[i];

	if (r->start > end && r->start - end > BREAK_SHIFT)
		return;
	for (taddr at = r->start; i < c->mem.nregions && r->start == at &&
				  has_no_name(r) && r->prot == (PROT_R | PROT_W);
	     i++, at = r++->end)
		r->name = "[heap]";
}

static void name_program(struct core *c)
{
	const struct mem_region *r = region_of(c, c->process.entry);

	if (r && (r->flags & REGION_HAS_FILE) && r->name[0] == '/') {
		c->process.exe = r->name;
		return;
	}
	c->exe = xcalloc(1, EXECFN_MAX);
	if (c->aux.execfn && mem_read_string(&c->mem, c->aux.execfn, c->exe, EXECFN_MAX))
		c->process.exe = c->exe;
}

void core_make_regions(struct core *c)
{
	struct overlay o = { .c = c };

	lay_over(&o);
	free(c->segments);
	c->segments = o.parts;
	c->nsegments = o.n;
	c->mem.regions = o.regions;
	c->mem.nregions = o.n;
	for (size_t i = 0; i < o.n; i++)
		c->process.left_out +=
			o.parts[i].end - o.parts[i].start - o.parts[i].promised;
	find_protections(c);
	name_kernels_own(c);
	name_stack(c);
	name_heap(c);
	name_program(c);
}
