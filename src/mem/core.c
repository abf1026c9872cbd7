/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ELF core. Each PT_LOAD header is a region; what it has no bytes for in the file is a
 * hole, unless another file is known to hold it (core_back). The notes tell the rest:
 *
 *	NT_PRSTATUS   of each thread: its id and registers; the one that died comes first
 *	NT_PRPSINFO   the process's id and the start of its program's name
 *	NT_FILE       which mapping maps which part of which file
 *	NT_AUXV       where its program and the vdso are
 *	NT_SIGINFO    why it ended
 *
 * The file is read with pread and never mapped: it may be a hundred gigabytes, and one that
 * shrinks meanwhile is a hole and not a SIGBUS. Sources: Linux fs/binfmt_elf.c, elf.h.
 */
#include "mem/mem_int.h"

#include "base/search.h"
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOTES_MAX = 256 << 20, HEADERS_MAX = 1 << 22 };

struct segment {
	taddr start, end;
	uint64_t offset, filesz; /* filesz: as much as the file really holds */
	uint8_t prot;
};

struct backing {
	taddr start, end;
	int fd;
	uint64_t offset;
};

struct core {
	struct mem mem;
	int fd;
	uint64_t file_size;
	struct segment *segments; /* segments[i] is mem.regions[i] */
	size_t nsegments;
	struct backing *backings; /* by start */
	size_t nbackings;
	uint8_t **notes; /* as read; region names and others point into them */
	size_t nnotes;
	char name[17];
	struct core_process process;
};

/* pread up to the end of the file. */
static size_t read_some(int fd, void *dst, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
			pread(fd, (char *)dst + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

static const struct backing *backing_at(const struct core *c, taddr at)
{
	size_t low = search_structs(c->backings, c->nbackings, start, at);

	if (low == 0 || at >= c->backings[low - 1].end)
		return NULL;
	return &c->backings[low - 1];
}

static size_t core_copy(const struct mem *m, const struct mem_region *r, taddr at,
			void *dst, size_t len)
{
	const struct core *c = (const struct core *)m;
	const struct segment *s = &c->segments[r - m->regions];
	const struct backing *b;

	if (at - s->start < s->filesz) {
		size_t take = (size_t)min_u64(len, s->filesz - (at - s->start));
		size_t got = read_some(c->fd, dst, take, s->offset + (at - s->start));

		if (got < take || take == len)
			return got;
		return take + core_copy(m, r, at + take, (char *)dst + take, len - take);
	}
	b = backing_at(c, at);
	if (!b)
		return 0;
	return read_some(b->fd, dst, (size_t)min_u64(len, b->end - at),
			 b->offset + (at - b->start));
}

static void core_close(struct mem *m)
{
	struct core *c = (struct core *)m;

	for (size_t i = 0; i < c->nbackings; i++)
		close(c->backings[i].fd);
	for (size_t i = 0; i < c->nnotes; i++)
		free(c->notes[i]);
	free(c->backings);
	free(c->notes);
	free(c->segments);
	autoclose_fd(&c->fd);
	free(c);
}

static const struct mem_ops core_ops = { .copy = core_copy, .close = core_close };

/* ---- notes ---- */

static void take_status(struct core *c, const uint8_t *desc, size_t n)
{
	struct elf_prstatus s;
	struct mem_thread *t;

	if (n < sizeof(s))
		return;
	memcpy(&s, desc, sizeof(s));
	c->mem.threads = xrealloc(c->mem.threads, c->mem.nthreads + 1, sizeof(*t));
	t = &c->mem.threads[c->mem.nthreads++];

	const struct user_regs_struct *r = (const struct user_regs_struct *)&s.pr_reg;

	*t = (struct mem_thread){
		.tid = s.pr_pid,
		.has_regs = true,
		.pc = r->rip,
		.sp = r->rsp,
		.tls = r->fs_base,
		.gpr = { r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp, r->r8,
			 r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 },
	};
	if (c->mem.nthreads == 1)
		c->process.signal = (unsigned)s.pr_cursig;
}

static void take_process(struct core *c, const uint8_t *desc, size_t n)
{
	struct elf_prpsinfo p;

	if (n < sizeof(p))
		return;
	memcpy(&p, desc, sizeof(p));
	c->process.pid = p.pr_pid;
	memcpy(c->name, p.pr_fname, sizeof(p.pr_fname));
}

static void take_auxv(struct core *c, const uint8_t *desc, size_t n)
{
	for (size_t at = 0; n - at >= 16; at += 16) {
		uint64_t pair[2];

		memcpy(pair, desc + at, sizeof(pair));
		if (pair[0] == AT_ENTRY)
			c->process.entry = pair[1];
		if (pair[0] == AT_SYSINFO_EHDR)
			c->process.vdso = pair[1];
	}
}

/* count, page size, count x (start, end, offset in pages), count names. */
static void take_files(struct core *c, const uint8_t *desc, size_t n)
{
	const char *name, *end = (const char *)desc + n;
	uint64_t head[2], entry[3];

	if (n < sizeof(head))
		return;
	memcpy(head, desc, sizeof(head));
	if (head[0] > (n - sizeof(head)) / sizeof(entry))
		return;
	c->process.has_files = true;
	name = (const char *)desc + sizeof(head) + head[0] * sizeof(entry);
	for (uint64_t i = 0; i < head[0]; i++) {
		const char *nul = memchr(name, 0, (size_t)(end - name));
		size_t low;

		if (!nul)
			return;
		memcpy(entry, desc + sizeof(head) + i * sizeof(entry), sizeof(entry));
		low = search_structs(c->mem.regions, c->mem.nregions, end, entry[0]);
		for (; low < c->mem.nregions && c->mem.regions[low].start < entry[1];
		     low++) {
			struct mem_region *r = &c->mem.regions[low];

			r->name = name;
			r->offset = entry[2] * head[1] + (r->start - entry[0]);
			r->flags |= REGION_HAS_FILE;
		}
		name = nul + 1;
	}
}

static void take_note(struct core *c, uint32_t type, const uint8_t *desc, size_t n)
{
	switch (type) {
	case NT_PRSTATUS:
		take_status(c, desc, n);
		break;
	case NT_PRPSINFO:
		take_process(c, desc, n);
		break;
	case NT_AUXV:
		take_auxv(c, desc, n);
		break;
	case NT_FILE:
		take_files(c, desc, n);
		break;
	default:
		break;
	}
}

static void take_notes(struct core *c, const uint8_t *notes, size_t n)
{
	size_t at = 0;

	while (n - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr h;
		size_t name = at + sizeof(h), desc;

		memcpy(&h, notes + at, sizeof(h));
		if (h.n_namesz > n - name)
			return;
		desc = name + align_up(h.n_namesz, 4);
		if (desc > n || h.n_descsz > n - desc)
			return;
		if (h.n_namesz == 5 && memcmp(notes + name, "CORE", 5) == 0)
			take_note(c, h.n_type, notes + desc, h.n_descsz);
		at = (size_t)min_u64(n, desc + align_up(h.n_descsz, 4));
	}
}

static void read_notes(struct core *c, const Elf64_Phdr *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t *bytes;

		if (p[i].p_type != PT_NOTE || p[i].p_filesz > NOTES_MAX)
			continue;
		bytes = xcalloc(1, p[i].p_filesz);
		c->notes = xrealloc(c->notes, c->nnotes + 1, sizeof(*c->notes));
		c->notes[c->nnotes++] = bytes;
		take_notes(c, bytes,
			   read_some(c->fd, bytes, p[i].p_filesz, p[i].p_offset));
	}
}

/* ---- segments ---- */

static int by_start(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static void add_segment(struct core *c, const Elf64_Phdr *p)
{
	uint64_t promised = min_u64(p->p_filesz, p->p_memsz);
	uint64_t there = p->p_offset < c->file_size ? c->file_size - p->p_offset : 0;

	if (p->p_memsz == 0 || p->p_vaddr > UINT64_MAX - p->p_memsz)
		return;
	c->segments[c->nsegments++] = (struct segment){
		.start = p->p_vaddr,
		.end = p->p_vaddr + p->p_memsz,
		.offset = p->p_offset,
		.filesz = min_u64(promised, there),
		.prot = (uint8_t)((p->p_flags & PF_R ? PROT_R : 0) |
				  (p->p_flags & PF_W ? PROT_W : 0) |
				  (p->p_flags & PF_X ? PROT_X : 0)),
	};
	c->process.dumped += promised;
	c->process.lost += promised - min_u64(promised, there);
	c->process.left_out += p->p_memsz - promised;
}

static void make_regions(struct core *c, const Elf64_Phdr *p, size_t n)
{
	size_t kept = 0;

	c->segments = xcalloc(n, sizeof(*c->segments));
	for (size_t i = 0; i < n; i++)
		if (p[i].p_type == PT_LOAD)
			add_segment(c, &p[i]);
	qsort(c->segments, c->nsegments, sizeof(*c->segments), by_start);
	for (size_t i = 0; i < c->nsegments; i++)
		if (kept == 0 || c->segments[i].start >= c->segments[kept - 1].end)
			c->segments[kept++] = c->segments[i];
	c->nsegments = kept;
	c->mem.regions = xcalloc(kept, sizeof(*c->mem.regions));
	c->mem.nregions = kept;
	for (size_t i = 0; i < kept; i++)
		c->mem.regions[i] = (struct mem_region){
			.start = c->segments[i].start,
			.end = c->segments[i].end,
			.prot = c->segments[i].prot,
			.name = "",
		};
}

/* ---- the file ---- */

bool core_is_core(const void *first_bytes, size_t n)
{
	const unsigned char *b = first_bytes;

	return n >= EI_NIDENT + 2 && memcmp(b, ELFMAG, SELFMAG) == 0 &&
	       b[b[EI_DATA] == ELFDATA2MSB ? EI_NIDENT + 1 : EI_NIDENT] == ET_CORE;
}

static bool check_header(const Elf64_Ehdr *h, const char *name, struct err *e)
{
	if (!core_is_core(h, sizeof(*h)))
		return fail(e, ERR_FILE, "'%s' is no core file", name);
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_machine != EM_X86_64)
		return fail(e, ERR_FILE,
			    "'%s' is a core of another kind of processor: only those of "
			    "x86_64 are read",
			    name);
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		return fail(e, ERR_FILE, "'%s' has damaged headers", name);
	return true;
}

/* How many program headers: more than 65,534 are told by the first section header. */
static uint64_t header_count(const struct core *c, const Elf64_Ehdr *h)
{
	Elf64_Shdr s;

	if (h->e_phnum != PN_XNUM)
		return h->e_phnum;
	return read_some(c->fd, &s, sizeof(s), h->e_shoff) == sizeof(s) ? s.sh_info : 0;
}

static bool read_core(struct core *c, const char *name, struct err *e)
{
	Elf64_Ehdr h = { 0 };
	Elf64_Phdr *p;
	uint64_t n;
	size_t got;

	if (read_some(c->fd, &h, sizeof(h), 0) != sizeof(h))
		return fail(e, ERR_FILE, "'%s' is cut short", name);
	if (!check_header(&h, name, e))
		return false;
	n = header_count(c, &h);
	if (n > HEADERS_MAX || n > c->file_size / sizeof(*p))
		return fail(e, ERR_FILE, "'%s' has damaged headers", name);
	p = xcalloc(n, sizeof(*p));
	got = read_some(c->fd, p, n * sizeof(*p), h.e_phoff) / sizeof(*p);
	make_regions(c, p, got);
	read_notes(c, p, got);
	free(p);
	return true;
}

bool mem_open_core(int fd, const char *name, struct mem **out, struct err *e)
{
	struct core *c = xcalloc(1, sizeof(*c));
	struct stat st;

	c->mem.ops = &core_ops;
	c->mem.quiet = true;
	c->mem.no_residency = true;
	c->fd = fd;
	if (fstat(fd, &st) == 0) {
		c->file_size = (uint64_t)st.st_size;
		c->process.time = (uint64_t)st.st_mtime;
	}
	c->process.name = c->name;
	c->process.exe = "";
	if (!read_core(c, name, e)) {
		c->fd = -1; /* stays the caller's */
		mem_close(&c->mem);
		return false;
	}
	*out = &c->mem;
	return true;
}

const struct core_process *core_process(const struct mem *m)
{
	return &((const struct core *)m)->process;
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
	c->backings[at] = (struct backing){ start, end, own, offset };
	c->nbackings++;
}
