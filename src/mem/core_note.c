/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A core's notes. What a note is, its owner's name and its type tell together:
 *
 *	CORE NT_PRSTATUS  of each thread: its id and registers; the one that died comes first
 *	CORE NT_PRPSINFO  the process's id, the start of its program's name and arguments
 *	CORE NT_FILE      which range maps which part of which file
 *	CORE NT_AUXV      where its program, the vdso and the first stack are
 *	CORE NT_SIGINFO   why it ended; gdb writes one of each thread, the first one's first
 *	HEAPSIFT ...      we made it: a thread's name, the time (core_int.h)
 *
 * Ten thousand threads have notes of a hundred megabytes, nearly all of it state of vector
 * units. So notes are read one by one, and not much further than a thread's registers.
 * Sources: Linux fs/binfmt_elf.c; gdb linux-tdep.c, which counts NT_FILE's offsets in bytes.
 */
#include "mem/core_int.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>

enum {
	AHEAD = 4096,
	OWNER_MAX = 16,
	ENTRY = 3 * 8,
	USER_BITS = 56,
	FILES_MAX = 64 << 20, /* the kernel writes no more than 16 MiB */
};

/* A note whose first bytes were read. */
struct note {
	const uint8_t *desc;
	size_t have;     /* bytes at desc, at most n */
	uint64_t n;      /* bytes it has */
	uint64_t offset; /* of desc in the file */
};

static void take_status(struct core *c, const struct note *note)
{
	const struct user_regs_struct *r;
	struct elf_prstatus s;
	struct mem *m = &c->mem;

	if (note->have < sizeof(s)) {
		c->damage.notes_wrong = true;
		return;
	}
	memcpy(&s, note->desc, sizeof(s));
	r = (const struct user_regs_struct *)&s.pr_reg;
	if (m->nthreads == 0)
		c->process.signal = (unsigned)s.pr_cursig;
	if (m->nthreads == c->room_threads) {
		c->room_threads = c->room_threads ? 2 * c->room_threads : 16;
		m->threads = xrealloc(m->threads, c->room_threads, sizeof(*m->threads));
	}
	m->threads[m->nthreads++] = (struct mem_thread){
		.tid = s.pr_pid,
		.has_regs = true,
		.pc = r->rip,
		.sp = r->rsp,
		.tls = r->fs_base,
		.gpr = { r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp, r->r8,
			 r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 },
	};
}

static void take_process(struct core *c, const struct note *note)
{
	struct elf_prpsinfo p;

	if (note->have < sizeof(p)) {
		c->damage.notes_wrong = true;
		return;
	}
	memcpy(&p, note->desc, sizeof(p));
	c->process.pid = p.pr_pid;
	memcpy(c->name, p.pr_fname, sizeof(p.pr_fname));
	memcpy(c->args, p.pr_psargs, sizeof(p.pr_psargs));
}

static void take_aux(struct core *c, const struct note *note)
{
	for (size_t at = 0; note->have - at >= 16; at += 16) {
		uint64_t pair[2];

		memcpy(pair, note->desc + at, sizeof(pair));
		switch (pair[0]) {
		case AT_NULL:
			return;
		case AT_PHDR:
			c->aux.phdr = pair[1];
			break;
		case AT_PHNUM:
			c->aux.phnum = pair[1];
			break;
		case AT_ENTRY:
			c->process.entry = pair[1];
			break;
		case AT_RANDOM:
			c->aux.random = pair[1];
			break;
		case AT_EXECFN:
			c->aux.execfn = pair[1];
			break;
		case AT_SYSINFO_EHDR:
			c->process.vdso = pair[1];
			break;
		default:
			break;
		}
	}
}

static void take_signal(struct core *c, const struct note *note)
{
	siginfo_t s;

	if (note->have < sizeof(s) || c->signal.is_known)
		return;
	memcpy(&s, note->desc, sizeof(s));
	c->signal.is_known = true;
	c->signal.code = s.si_code;
	if (s.si_code > 0)
		c->signal.fault = (taddr)(uintptr_t)s.si_addr;
	else
		c->signal.sender = s.si_pid;
}

/* ---- NT_FILE: count, size of a page, count x (start, end, page), count names ---- */

static int by_start(const void *a, const void *b)
{
	const struct core_file *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* False: it cannot be. */
static bool take_file(struct core *c, const uint64_t entry[3], uint64_t page,
		      const char *name)
{
	if (entry[0] >= entry[1] || entry[1] >> USER_BITS)
		return false;
	c->files[c->nfiles++] =
		(struct core_file){ entry[0], entry[1], entry[2] * page, name };
	return true;
}

static void cut_files(struct core *c, const uint8_t *desc, size_t n)
{
	uint64_t head[2], entry[3], count, told;
	const char *name, *end = (const char *)desc + n;

	memcpy(head, desc, sizeof(head));
	count = min_u64(head[0], (n - sizeof(head)) / ENTRY);
	c->damage.files_wrong = count < head[0];
	c->files = xcalloc(count, sizeof(*c->files));
	name = (const char *)desc + sizeof(head) + count * ENTRY;
	for (told = 0; told < count; told++) {
		const char *nul = memchr(name, 0, (size_t)(end - name));

		if (!nul)
			break;
		memcpy(entry, desc + sizeof(head) + told * ENTRY, sizeof(entry));
		if (!take_file(c, entry, head[1], name))
			c->damage.files_wrong = true;
		name = nul + 1;
	}
	c->damage.files_wrong |= told < count;
}

/* By address; of two that overlap, the second goes. */
static void sort_files(struct core *c)
{
	bool is_sorted = true;
	size_t kept = 0;

	for (size_t i = 1; i < c->nfiles; i++)
		is_sorted &= c->files[i - 1].start <= c->files[i].start;
	if (!is_sorted)
		qsort(c->files, c->nfiles, sizeof(*c->files), by_start);
	for (size_t i = 0; i < c->nfiles; i++)
		if (kept == 0 || c->files[i].start >= c->files[kept - 1].end)
			c->files[kept++] = c->files[i];
	c->damage.files_wrong |= kept < c->nfiles;
	c->nfiles = kept;
}

static void take_files(struct core *c, const struct note *note)
{
	size_t n = (size_t)note->n;

	if (c->file_note)
		return;
	if (n < 2 * sizeof(uint64_t) || n > FILES_MAX || note->offset > c->file_size) {
		c->damage.files_wrong = true;
		return;
	}
	n = (size_t)min_u64(n, c->file_size - note->offset);
	c->file_note = xcalloc(1, max_u64(n, 2 * sizeof(uint64_t)));
	n = read_at(c->fd, c->file_note, n, note->offset);
	if (n < 2 * sizeof(uint64_t))
		return;
	c->process.has_files = true;
	cut_files(c, c->file_note, n);
	sort_files(c);
}

/* ---- all notes ---- */

static void take_note(struct core *c, uint32_t type, const struct note *note)
{
	static const struct {
		uint32_t type;
		void (*take)(struct core *c, const struct note *note);
	} kinds[] = {
		{ NT_PRSTATUS, take_status }, { NT_PRPSINFO, take_process },
		{ NT_AUXV, take_aux },        { NT_SIGINFO, take_signal },
		{ NT_FILE, take_files },
	};

	for (size_t i = 0; i < countof(kinds); i++)
		if (kinds[i].type == type)
			kinds[i].take(c, note);
}

/* A thread's own note comes behind its status. */
static void take_name(struct core *c, const struct note *note)
{
	struct core_note_thread named;
	struct mem_thread *last;

	if (note->have < sizeof(named) || c->mem.nthreads == 0)
		return;
	last = &c->mem.threads[c->mem.nthreads - 1];
	memcpy(&named, note->desc, sizeof(named));
	if ((pid_t)named.tid == last->tid)
		memcpy(last->name, named.name, sizeof(last->name) - 1);
}

static void take_own(struct core *c, uint32_t type, const struct note *note)
{
	if (type == CORE_NOTE_THREAD)
		take_name(c, note);
	if (type == CORE_NOTE_TIME && note->have >= sizeof(c->process.time))
		memcpy(&c->process.time, note->desc, sizeof(c->process.time));
}

static bool is_owner(const uint8_t *name, uint32_t n, const char *owner)
{
	size_t length = strlen(owner);

	/* some count the final NUL, some do not */
	return (n == length || (n == length + 1 && name[length] == 0)) &&
	       memcmp(name, owner, length) == 0;
}

/* The note at `at`. Where the next one is; `end`: this was the last. */
static uint64_t read_note(struct core *c, uint64_t at, uint64_t end, uint64_t align)
{
	uint8_t bytes[AHEAD];
	size_t got = read_at(c->fd, bytes, (size_t)min_u64(AHEAD, end - at), at);
	struct note note;
	Elf64_Nhdr h;
	uint64_t desc;

	if (got < sizeof(h)) {
		c->damage.notes_cut = true;
		return end;
	}
	memcpy(&h, bytes, sizeof(h));
	desc = align_up(sizeof(h) + h.n_namesz, align);
	if (desc > end - at || h.n_descsz > end - at - desc) {
		c->damage.notes_wrong = true;
		return end;
	}
	note = (struct note){ bytes + min_u64(desc, got), 0, h.n_descsz, at + desc };
	if (got > desc)
		note.have = (size_t)min_u64(got - desc, h.n_descsz);
	c->damage.notes_cut |= at + desc + h.n_descsz > c->file_size;
	if (h.n_namesz <= OWNER_MAX && got >= sizeof(h) + h.n_namesz) {
		if (is_owner(bytes + sizeof(h), h.n_namesz, "CORE"))
			take_note(c, h.n_type, &note);
		if (is_owner(bytes + sizeof(h), h.n_namesz, CORE_NOTE_OWNER))
			take_own(c, h.n_type, &note);
	}
	return min_u64(end, at + desc + align_up(h.n_descsz, align));
}

void core_read_notes(struct core *c, const Elf64_Phdr *p, size_t n)
{
	uint64_t budget = c->file_size; /* headers may all tell of the same notes */

	for (size_t i = 0; i < n; i++) {
		uint64_t at = p[i].p_offset, size = p[i].p_filesz, there;

		if (p[i].p_type != PT_NOTE)
			continue;
		there = at < c->file_size ? min_u64(size, c->file_size - at) : 0;
		c->damage.notes_cut |= there < size;
		if (there > budget || size > UINT64_MAX - at) {
			c->damage.notes_wrong = true;
			return;
		}
		budget -= there;
		for (uint64_t end = at + size; end - at >= sizeof(Elf64_Nhdr);)
			at = read_note(c, at, end, p[i].p_align == 8 ? 8 : 4);
	}
}
