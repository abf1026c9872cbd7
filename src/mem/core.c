/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ELF core. Each PT_LOAD header is a region, or several where several files are mapped
 * in it; what it has no bytes for in the file is a hole, unless another file is known to
 * hold it (core_back).
 *
 * The file is read with pread and never mapped: it may be a hundred gigabytes, and one that
 * shrinks meanwhile is a hole and not a SIGBUS. Sources: Linux fs/binfmt_elf.c, elf.h.
 */
#include "mem/core_int.h"

#include "base/search.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADERS_MAX = 1 << 22 };

/* ---- bytes ---- */

static const struct core_backing *backing_at(const struct core *c, taddr at)
{
	size_t low = search_structs(c->backings, c->nbackings, start, at);

	if (low == 0 || at >= c->backings[low - 1].end)
		return NULL;
	return &c->backings[low - 1];
}

static size_t copy_backing(const struct core *c, taddr at, void *dst, size_t len)
{
	const struct core_backing *b = backing_at(c, at);

	if (!b)
		return 0;
	return read_at(b->fd, dst, (size_t)min_u64(len, b->end - at),
		       b->offset + (at - b->start));
}

static size_t core_copy(const struct mem *m, const struct mem_region *r, taddr at,
			void *dst, size_t len)
{
	const struct core *c = (const struct core *)m;
	const struct core_segment *s = &c->segments[r - m->regions];
	size_t dumped = 0, got;

	if (at - s->start < s->filesz) {
		dumped = (size_t)min_u64(len, s->filesz - (at - s->start));
		got = read_at(c->fd, dst, dumped, s->offset + (at - s->start));
		if (got < dumped || got == len)
			return got;
	}
	return dumped + copy_backing(c, at + dumped, (char *)dst + dumped, len - dumped);
}

static void core_close(struct mem *m)
{
	struct core *c = (struct core *)m;

	for (size_t i = 0; i < c->nbackings; i++)
		close(c->backings[i].fd);
	for (size_t i = 0; i < c->npaths; i++)
		free(c->paths[i]);
	free(c->paths);
	free(c->backings);
	free(c->files);
	free(c->file_note);
	free(c->segments);
	free(c->exe);
	autoclose_fd(&c->fd);
	free(c);
}

static const struct mem_ops core_ops = { .copy = core_copy, .close = core_close };

/* ---- what kind of file ---- */

static const struct {
	uint16_t machine;
	const char *name;
} machines[] = {
	{ EM_386, "i386" },
	{ EM_X86_64, "x86_64" },
	{ EM_ARM, "arm" },
	{ EM_AARCH64, "aarch64" },
	{ EM_PPC, "powerpc" },
	{ EM_PPC64, "powerpc64" },
	{ EM_S390, "s390" },
	{ EM_MIPS, "mips" },
	{ EM_SPARCV9, "sparc64" },
	{ EM_RISCV, "riscv" },
	{ 258 /* EM_LOONGARCH */, "loongarch" },
};

/* By the file's own order of bytes. */
static uint16_t half_of(const unsigned char *ident, size_t at)
{
	bool is_big = ident[EI_DATA] == ELFDATA2MSB;

	return (uint16_t)(ident[at + is_big] | ident[at + !is_big] << 8);
}

static bool is_elf(const void *bytes, size_t n)
{
	return n >= EI_NIDENT + 4 && memcmp(bytes, ELFMAG, SELFMAG) == 0;
}

bool core_is_core(const void *first_bytes, size_t n)
{
	return is_elf(first_bytes, n) && half_of(first_bytes, EI_NIDENT) == ET_CORE;
}

bool core_is_program(const void *first_bytes, size_t n)
{
	return is_elf(first_bytes, n) && half_of(first_bytes, EI_NIDENT) != ET_CORE;
}

static bool other_machine(const unsigned char *ident, const char *name, struct err *e)
{
	uint16_t machine = half_of(ident, EI_NIDENT + 2);
	const char *of = "an unknown processor";

	if (machine == EM_X86_64 && ident[EI_CLASS] == ELFCLASS32)
		of = "x32 (x86_64 with 32-bit pointers)";
	else if (ident[EI_OSABI] != ELFOSABI_NONE && ident[EI_OSABI] != ELFOSABI_GNU)
		of = "a system that is not Linux";
	else
		for (size_t i = 0; i < countof(machines); i++)
			if (machines[i].machine == machine)
				of = machines[i].name;
	return fail(e, ERR_FILE,
		    "'%s' is a core of %s%s%s: only those of Linux on x86_64 are read",
		    name, of,
		    ident[EI_CLASS] == ELFCLASS32 && machine != EM_386 &&
				    machine != EM_X86_64
			    ? ", 32 bits"
			    : "",
		    ident[EI_DATA] == ELFDATA2MSB ? ", big-endian" : "");
}

static bool check_header(const Elf64_Ehdr *h, const char *name, struct err *e)
{
	const unsigned char *ident = h->e_ident;

	if (!core_is_core(h, sizeof(*h)))
		return fail(e, ERR_FILE, "'%s' is no core file", name);
	if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != ELFDATA2LSB ||
	    h->e_machine != EM_X86_64 ||
	    (ident[EI_OSABI] != ELFOSABI_NONE && ident[EI_OSABI] != ELFOSABI_GNU))
		return other_machine(ident, name, e);
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		return fail(e, ERR_FILE,
			    "'%s' has damaged headers: one of a segment has %u bytes, "
			    "not %zu",
			    name, h->e_phentsize, sizeof(Elf64_Phdr));
	return true;
}

/* ---- its headers ---- */

/*
 * How many there are. More than 65,534 are told by the one section header, which the kernel
 * writes last: of a file that was cut short, it is gone. But the kernel also puts the notes
 * right behind the headers, and their own header first.
 */
static uint64_t header_count(const struct core *c, const Elf64_Ehdr *h)
{
	Elf64_Shdr s;
	Elf64_Phdr notes;

	if (h->e_phnum != PN_XNUM)
		return h->e_phnum;
	if (h->e_shoff && read_at(c->fd, &s, sizeof(s), h->e_shoff) == sizeof(s))
		return s.sh_info;
	if (read_at(c->fd, &notes, sizeof(notes), h->e_phoff) == sizeof(notes) &&
	    notes.p_type == PT_NOTE && notes.p_offset > h->e_phoff)
		return (notes.p_offset - h->e_phoff) / sizeof(notes);
	return 0;
}

/* As many of n headers as the file has; the caller frees them. */
static Elf64_Phdr *read_headers(struct core *c, const Elf64_Ehdr *h, uint64_t *n)
{
	uint64_t room = c->file_size > h->e_phoff ? c->file_size - h->e_phoff : 0;
	uint64_t there = min_u64(*n, room / sizeof(Elf64_Phdr));
	Elf64_Phdr *p = xcalloc(there, sizeof(*p));

	there = read_at(c->fd, p, there * sizeof(*p), h->e_phoff) / sizeof(*p);
	c->damage.headers = *n - there;
	*n = there;
	return p;
}

static bool read_core(struct core *c, const char *name, struct err *e)
{
	Elf64_Ehdr h = { 0 };
	Elf64_Phdr *p;
	uint64_t n;

	if (read_at(c->fd, &h, sizeof(h), 0) != sizeof(h))
		return fail(
			e, ERR_FILE,
			"'%s' is cut short: it ends in its first header after %llu bytes",
			name, (unsigned long long)c->file_size);
	if (!check_header(&h, name, e))
		return false;
	n = header_count(c, &h);
	if (n > HEADERS_MAX)
		return fail(e, ERR_FILE,
			    "'%s' has damaged headers: it claims %llu segments", name,
			    (unsigned long long)n);
	p = read_headers(c, &h, &n);
	core_take_segments(c, p, n);
	core_read_notes(c, p, n);
	free(p);
	if (c->nsegments)
		return true;
	if (c->damage.headers)
		return fail(
			e, ERR_FILE,
			"'%s' is cut short: it ends before the headers of its "
			"segments do, after %llu bytes\nsee that there is room on the "
			"disk, and ulimit -c",
			name, (unsigned long long)c->file_size);
	return fail(e, ERR_FILE, "'%s' is a core without memory: no header tells of any",
		    name);
}

/* ---- the contract ---- */

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
	core_make_regions(c);
	core_find_pages(c);
	*out = &c->mem;
	return true;
}

const struct core_process *core_process(const struct mem *m)
{
	return &((const struct core *)m)->process;
}

void core_set_file(struct mem *m, size_t region, const char *path, uint64_t offset)
{
	struct core *c = (struct core *)m;
	struct mem_region *r = &m->regions[region];

	if (c->npaths == 0 || strcmp(c->paths[c->npaths - 1], path) != 0) {
		c->paths = xrealloc(c->paths, c->npaths + 1, sizeof(*c->paths));
		c->paths[c->npaths++] = xstrdup(path);
	}
	r->name = c->paths[c->npaths - 1];
	r->offset = offset;
	r->flags |= REGION_HAS_FILE;
}
