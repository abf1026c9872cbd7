/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The notes of a core, in the kernel's order (Linux fs/binfmt_elf.c, fill_note_info and
 * write_note_info):
 *
 *	first thread	PRSTATUS, then of the process PRPSINFO SIGINFO AUXV FILE, then
 *			PRFPREG X86_XSTATE
 *	each other	PRSTATUS PRFPREG X86_XSTATE
 *
 * with one of our own behind each thread's, and one at the end. Debuggers take the first thread for the one that the core is about: the
 * main one here, as no signal ended it. PRFPREG is the first half of the XSTATE, which has
 * the kernel's own words in the bytes that FXSAVE leaves to software.
 */
#include "mem/core_write_int.h"

#include "mem/live_int.h"
#include "mem/proc_int.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <time.h>

enum {
	FXSAVE_SOFTWARE = 464, /* the rest of the 512 bytes */
	SIGINFO_SIZE = 128,
	PRPSINFO_ARGS = 79,
};

static void note_begin(struct buf *out, const char *owner, uint32_t type, size_t n)
{
	Elf64_Nhdr h = { (Elf64_Word)strlen(owner) + 1, (Elf64_Word)n, type };
	static const char zeroes[4];

	buf_add(out, &h, sizeof(h));
	buf_add(out, owner, h.n_namesz);
	buf_add(out, zeroes, -h.n_namesz & 3);
}

static void note_add(struct buf *out, const char *owner, uint32_t type, struct str desc)
{
	static const char zeroes[4];

	note_begin(out, owner, type, desc.n);
	buf_add(out, desc.s, desc.n);
	buf_add(out, zeroes, -desc.n & 3);
}

#define note_add_struct(out, owner, type, p) \
	note_add((out), (owner), (type), (struct str){ (const char *)(p), sizeof(*(p)) })

/* ---- of the process ---- */

/* Fields of /proc/PID/stat, counted as in proc(5). */
enum {
	STAT_PPID = 4,
	STAT_PGRP = 5,
	STAT_SESSION = 6,
	STAT_FLAGS = 9,
	STAT_NICE = 19,
	STAT_FIELDS
};

struct process {
	pid_t pid;
	char state;
	long stat[STAT_FIELDS];
};

static void read_stat(pid_t pid, struct process *p)
{
	struct buf text = { 0 };
	char *at = proc_read(pid, "stat", &text) ? strrchr(text.s, ')') : NULL;

	*p = (struct process){ .pid = pid, .state = 'R' };
	if (at && strlen(at) > 3) {
		p->state = at[2];
		at += 3;
		for (int field = STAT_PPID; field < STAT_FIELDS; field++)
			p->stat[field] = strtol(at, &at, 10);
	}
	buf_release(&text);
}

/* The first number behind KEY, that of the real user or group. */
static unsigned real_id(const char *status, const char *key)
{
	const char *value = proc_field(status, key);

	return value ? (unsigned)strtoul(value, NULL, 10) : 0;
}

static void add_process(const struct process *p, pid_t reader, struct buf *out)
{
	static const char states[] = "RSDTZW"; /* as the kernel numbers them there */
	const char *state = strchr(states, p->state);
	struct elf_prpsinfo info = {
		.pr_state = (char)(state ? state - states : 1),
		.pr_sname = p->state,
		.pr_zomb = p->state == 'Z',
		.pr_nice = (char)p->stat[STAT_NICE],
		.pr_flag = (unsigned long)p->stat[STAT_FLAGS],
		.pr_pid = p->pid,
		.pr_ppid = (int)p->stat[STAT_PPID],
		.pr_pgrp = (int)p->stat[STAT_PGRP],
		.pr_sid = (int)p->stat[STAT_SESSION],
	};
	struct buf text = { 0 };

	live_thread_name(p->pid, info.pr_fname);
	if (proc_read(p->pid, "status", &text)) {
		info.pr_uid = real_id(text.s, "Uid");
		info.pr_gid = real_id(text.s, "Gid");
	}
	if (proc_read(reader, "cmdline", &text) && text.n > 0) {
		size_t n = min_u64(text.n - 1, PRPSINFO_ARGS);

		for (size_t i = 0; i < n; i++)
			info.pr_psargs[i] = (char)(text.s[i] ? text.s[i] : ' ');
	}
	buf_release(&text);
	note_add_struct(out, "CORE", NT_PRPSINFO, &info);
}

static void add_auxv(pid_t reader, struct buf *out)
{
	struct buf auxv = { 0 };

	if (proc_read(reader, "auxv", &auxv))
		note_add(out, "CORE", NT_AUXV, buf_view(&auxv));
	buf_release(&auxv);
}

/* A newline in a file's name is told as \012 in maps. */
static void add_name(struct buf *out, const char *name)
{
	for (; *name; name++) {
		bool is_newline = strncmp(name, "\\012", 4) == 0;

		buf_char(out, (char)(is_newline ? '\n' : *name));
		name += is_newline ? 3 : 0;
	}
	buf_char(out, 0);
}

/* count, page size, count x (start, end, offset in pages), count names. */
static void add_files(const struct mem *m, struct buf *out)
{
	struct buf entries = { 0 }, names = { 0 };
	uint64_t head[2] = { 0, PAGE_SIZE_4K };

	for (size_t i = 0; i < m->nregions; i++) {
		const struct mem_region *r = &m->regions[i];
		uint64_t entry[] = { r->start, r->end, r->offset / PAGE_SIZE_4K };

		if (!(r->flags & REGION_HAS_FILE))
			continue;
		head[0]++;
		buf_add(&entries, entry, sizeof(entry));
		add_name(&names, r->name);
	}

	struct buf desc = { 0 };

	buf_add(&desc, head, sizeof(head));
	buf_add(&desc, entries.s, entries.n);
	buf_add(&desc, names.s, names.n);
	note_add(out, "CORE", NT_FILE, buf_view(&desc));
	buf_release(&desc);
	buf_release(&entries);
	buf_release(&names);
}

/* ---- of a thread ---- */

/* As much as is known of one that could not be asked. */
static struct user_regs_struct registers_of(const struct mem_thread *t)
{
	return (struct user_regs_struct){
		.rax = t->gpr[0],
		.rbx = t->gpr[1],
		.rcx = t->gpr[2],
		.rdx = t->gpr[3],
		.rsi = t->gpr[4],
		.rdi = t->gpr[5],
		.rbp = t->gpr[6],
		.r8 = t->gpr[7],
		.r9 = t->gpr[8],
		.r10 = t->gpr[9],
		.r11 = t->gpr[10],
		.r12 = t->gpr[11],
		.r13 = t->gpr[12],
		.r14 = t->gpr[13],
		.r15 = t->gpr[14],
		.rip = t->pc,
		.rsp = t->sp,
		.fs_base = t->tls,
		.orig_rax = UINT64_MAX,
	};
}

static void add_status(const struct mem_thread *t, const struct thread_registers *r,
		       const struct process *p, struct buf *out)
{
	struct elf_prstatus status = {
		.pr_pid = t->tid,
		.pr_ppid = (int)p->stat[STAT_PPID],
		.pr_pgrp = (int)p->stat[STAT_PGRP],
		.pr_sid = (int)p->stat[STAT_SESSION],
		.pr_sighold = r ? r->blocked : 0,
		.pr_fpvalid = r && r->fp_len,
	};
	struct user_regs_struct general = r ? r->general : registers_of(t);

	static_assert(sizeof(status.pr_reg) == sizeof(general), "one register set");
	memcpy(&status.pr_reg, &general, sizeof(general));
	note_add_struct(out, "CORE", NT_PRSTATUS, &status);
}

static void add_fp(const struct thread_registers *r, struct buf *out)
{
	struct user_fpregs_struct fp = { 0 };

	if (!r || r->fp_len < sizeof(fp))
		return;
	memcpy(&fp, r->fp, FXSAVE_SOFTWARE);
	note_add_struct(out, "CORE", NT_PRFPREG, &fp);
	if (r->fp_len > sizeof(fp))
		note_add(out, "LINUX", NT_X86_XSTATE,
			 (struct str){ (const char *)r->fp, r->fp_len });
}

/* ---- ours ---- */

static void add_name_of(const struct mem_thread *t, struct buf *out)
{
	struct core_note_thread note = { .tid = (uint32_t)t->tid };

	static_assert(sizeof(note.name) == sizeof(t->name), "both are comm");
	memcpy(note.name, t->name, sizeof(note.name));
	note_add_struct(out, CORE_NOTE_OWNER, CORE_NOTE_THREAD, &note);
}

static void add_time(struct buf *out)
{
	uint64_t now = (uint64_t)time(NULL);

	note_add_struct(out, CORE_NOTE_OWNER, CORE_NOTE_TIME, &now);
}

static size_t main_thread(const struct mem *m, pid_t pid)
{
	for (size_t i = 0; i < m->nthreads; i++)
		if (m->threads[i].tid == pid)
			return i;
	return 0;
}

void core_notes_build(const struct mem *m, pid_t pid, struct buf *out)
{
	static const char no_signal[SIGINFO_SIZE];
	size_t first = main_thread(m, pid);
	struct process p;

	read_stat(pid, &p);
	for (size_t i = 0; i < m->nthreads; i++) {
		size_t at = i == 0 ? first : i <= first ? i - 1 : i;
		const struct thread_registers *r = live_registers(m, at);

		add_status(&m->threads[at], r, &p, out);
		if (i == 0) {
			add_process(&p, m->reader, out);
			note_add_struct(out, "CORE", NT_SIGINFO, &no_signal);
			add_auxv(m->reader, out);
			add_files(m, out);
		}
		add_fp(r, out);
		add_name_of(&m->threads[at], out);
	}
	add_time(out);
}
