/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF cores made by hand, of any size down to a few hundred bytes, from the structures of
 * Linux's fs/binfmt_elf.c and elf.h. The file, in this order:
 *
 *	Elf64_Ehdr | Elf64_Phdr of each PT_NOTE, then of each segment | notes | contents
 *
 * with one Elf64_Shdr at the end when there are too many headers for e_phnum (PN_XNUM).
 * Everything may be set to something wrong between two steps: the fields are open.
 */
#ifndef SUPPORT_MADE_CORE_H
#define SUPPORT_MADE_CORE_H

#include "base/base.h"
#include "base/str.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <unistd.h>

enum { MADE_NOTES_MAX = 4 };

struct made_segment {
	taddr start;
	uint64_t memsz, filesz;
	const void
		*bytes; /* filesz of them, borrowed; NULL: zeroes, a hole of the file */
	uint32_t flags; /* PF_R and so on */
};

struct made_core {
	Elf64_Ehdr head;
	struct made_segment *segments;
	size_t nsegments, room;
	struct buf notes[MADE_NOTES_MAX]; /* each a PT_NOTE */
	size_t nnotes;                    /* at least 1: the one notes are added to */
	uint64_t note_align;              /* 4 or 8 */
	uint64_t align;                   /* of contents in the file: a power of two */
	struct buf files, names;          /* of NT_FILE */
	uint64_t nfiles;
	/* Set by made_core_layout. */
	Elf64_Phdr *p;
	size_t np;
	uint64_t size; /* of the file */
};

static inline void made_core_init(struct made_core *c)
{
	*c = (struct made_core){ .nnotes = 1, .note_align = 4, .align = 8 };
	memcpy(c->head.e_ident, ELFMAG, SELFMAG);
	c->head.e_ident[EI_CLASS] = ELFCLASS64;
	c->head.e_ident[EI_DATA] = ELFDATA2LSB;
	c->head.e_ident[EI_VERSION] = EV_CURRENT;
	c->head.e_type = ET_CORE;
	c->head.e_machine = EM_X86_64;
	c->head.e_version = EV_CURRENT;
	c->head.e_ehsize = sizeof(Elf64_Ehdr);
	c->head.e_phentsize = sizeof(Elf64_Phdr);
}

static inline void made_core_release(struct made_core *c)
{
	for (size_t i = 0; i < MADE_NOTES_MAX; i++)
		buf_release(&c->notes[i]);
	buf_release(&c->files);
	buf_release(&c->names);
	free(c->segments);
	free(c->p);
}

static inline void made_core_segment(struct made_core *c, struct made_segment s)
{
	if (c->nsegments == c->room) {
		c->room = c->room ? 2 * c->room : 16;
		c->segments = xrealloc(c->segments, c->room, sizeof(s));
	}
	c->segments[c->nsegments++] = s;
}

/* ---- notes ---- */

static inline void made_core_pad(struct buf *b, uint64_t to)
{
	while (b->n % to)
		buf_char(b, 0);
}

static inline void made_core_note(struct made_core *c, const char *owner, uint32_t type,
				  const void *desc, size_t n)
{
	struct buf *b = &c->notes[c->nnotes - 1];
	const Elf64_Nhdr h = { (Elf64_Word)strlen(owner) + 1, (Elf64_Word)n, type };

	buf_add(b, &h, sizeof(h));
	buf_add(b, owner, h.n_namesz);
	made_core_pad(b, c->note_align);
	if (n)
		buf_add(b, desc, n);
	made_core_pad(b, c->note_align);
}

/* Notes from here on go into one more PT_NOTE. */
static inline void made_core_next_notes(struct made_core *c)
{
	assert(c->nnotes < MADE_NOTES_MAX);
	c->nnotes++;
}

static inline void made_core_thread(struct made_core *c, int tid, int signal, taddr sp,
				    taddr tls)
{
	struct elf_prstatus s = { .pr_pid = tid };
	/* as in sys/user.h: rsp is word 19, fs_base word 21 */
	uint64_t regs[27] = { [16] = 0x401000, [19] = sp, [21] = tls };

	static_assert(sizeof(regs) == sizeof(s.pr_reg), "user_regs_struct");
	s.pr_cursig = (short)signal;
	memcpy(&s.pr_reg, regs, sizeof(regs));
	made_core_note(c, "CORE", NT_PRSTATUS, &s, sizeof(s));
}

static inline void made_core_process(struct made_core *c, int pid, const char *name)
{
	struct elf_prpsinfo p = { .pr_pid = pid };

	strncpy(p.pr_fname, name, sizeof(p.pr_fname));
	made_core_note(c, "CORE", NT_PRPSINFO, &p, sizeof(p));
}

/* One mapping of a file, for made_core_files. */
static inline void made_core_file(struct made_core *c, taddr start, taddr end,
				  uint64_t page, const char *name)
{
	const uint64_t entry[] = { start, end, page };

	buf_add(&c->files, entry, sizeof(entry));
	buf_add(&c->names, name, strlen(name) + 1);
	c->nfiles++;
}

/* The note NT_FILE of all files so far. */
static inline void made_core_files(struct made_core *c)
{
	const uint64_t head[] = { c->nfiles, PAGE_SIZE_4K };
	struct buf desc = { 0 };

	buf_add(&desc, head, sizeof(head));
	if (c->nfiles) {
		buf_add(&desc, c->files.s, c->files.n);
		buf_add(&desc, c->names.s, c->names.n);
	}
	made_core_note(c, "CORE", NT_FILE, desc.s, desc.n);
	buf_release(&desc);
}

/* ---- the file ---- */

/* Where everything goes: c->head, p and size, to be spoilt or written. */
static inline void made_core_layout(struct made_core *c)
{
	uint64_t at;

	c->np = c->nnotes + c->nsegments;
	c->p = xcalloc(c->np, sizeof(*c->p));
	c->head.e_phoff = sizeof(c->head);
	c->head.e_phnum = (Elf64_Half)(c->np < PN_XNUM ? c->np : PN_XNUM);
	at = sizeof(c->head) + c->np * sizeof(*c->p);
	for (size_t i = 0; i < c->nnotes; i++) {
		at = align_up(at, c->note_align);
		c->p[i] = (Elf64_Phdr){ .p_type = PT_NOTE,
					.p_offset = at,
					.p_filesz = c->notes[i].n,
					.p_align = c->note_align };
		at += c->notes[i].n;
	}
	for (size_t i = 0; i < c->nsegments; i++) {
		const struct made_segment *s = &c->segments[i];

		at = s->filesz ? align_up(at, c->align) : at;
		c->p[c->nnotes + i] = (Elf64_Phdr){
			.p_type = PT_LOAD,
			.p_flags = s->flags,
			.p_offset = at,
			.p_vaddr = s->start,
			.p_filesz = s->filesz,
			.p_memsz = s->memsz,
			.p_align = c->align,
		};
		at += s->filesz;
	}
	if (c->np >= PN_XNUM) {
		c->head.e_shoff = at = align_up(at, 8);
		c->head.e_shnum = 1;
		c->head.e_shentsize = sizeof(Elf64_Shdr);
		at += sizeof(Elf64_Shdr);
	}
	c->size = at;
}

static inline void made_core_put(int fd, const void *bytes, size_t n, uint64_t at)
{
	if (n && pwrite(fd, bytes, n, (off_t)at) != (ssize_t)n)
		abort();
}

/* Into a file that is empty, after made_core_layout. */
static inline void made_core_write(const struct made_core *c, int fd)
{
	const Elf64_Shdr section = { .sh_info = (Elf64_Word)c->np };

	if (ftruncate(fd, (off_t)c->size) != 0)
		abort();
	made_core_put(fd, &c->head, sizeof(c->head), 0);
	made_core_put(fd, c->p, c->np * sizeof(*c->p), sizeof(c->head));
	for (size_t i = 0; i < c->nnotes; i++)
		made_core_put(fd, c->notes[i].s, c->notes[i].n, c->p[i].p_offset);
	for (size_t i = 0; i < c->nsegments; i++)
		if (c->segments[i].bytes)
			made_core_put(fd, c->segments[i].bytes, c->segments[i].filesz,
				      c->p[c->nnotes + i].p_offset);
	if (c->head.e_shoff)
		made_core_put(fd, &section, sizeof(section), c->head.e_shoff);
}

/* Lays it out and writes it into memory: a file without a name. The caller closes it. */
static inline int made_core_open(struct made_core *c)
{
	int fd = memfd_create("core", MFD_CLOEXEC);

	if (fd < 0)
		abort();
	made_core_layout(c);
	made_core_write(c, fd);
	return fd;
}

#endif
