/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a core says of itself, in words: who ended of what, how much of the memory it has,
 * what is missing and why that may be.
 */
#include "mem/core_int.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SIZE_MOST = 32 };

struct size_text {
	char s[SIZE_MOST];
};

/* "1.5 GiB" */
static struct size_text size_of(uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes / 1024;
	struct size_text text;
	size_t unit = 0;

	for (; value >= 1023.95 && unit + 1 < countof(units); unit++)
		value /= 1024;
	if (bytes < 1024)
		snprintf(text.s, sizeof(text.s), "%u bytes", (unsigned)bytes);
	else
		snprintf(text.s, sizeof(text.s), "%.1f %s", value, units[unit]);
	return text;
}

/* Bytes mapped, and not in the core as its headers say, of one kind of memory. */
struct left_out {
	uint64_t files, others;
};

static struct left_out count_left_out(const struct core *c)
{
	struct left_out left = { 0 };

	for (size_t i = 0; i < c->nsegments; i++) {
		const struct core_segment *s = &c->segments[i];
		uint64_t n = s->end - s->start - s->promised;

		if (c->mem.regions[i].flags & REGION_HAS_FILE)
			left.files += n;
		else
			left.others += n;
	}
	return left;
}

/* The stack is always touched, so it is left out only with all that is private. */
static bool has_no_private_memory(const struct core *c)
{
	for (size_t i = 0; i < c->mem.nregions; i++)
		if (strcmp(c->mem.regions[i].name, "[stack]") == 0)
			return c->segments[i].promised == 0;
	return false;
}

static uint64_t count_data(const struct core *c)
{
	uint64_t n = 0;

	for (size_t i = 0; i < c->mem.npages; i++)
		n += c->mem.pages[i].count * PAGE_SIZE_4K;
	return min_u64(n, c->process.dumped);
}

/* ---- evidence ---- */

struct telling {
	const struct core *core;
	struct model *model;
};

print_like(5, 6) static void row(const struct telling *t, const char *item,
				 const char *evidence, const char *cure, const char *fmt,
				 ...)
{
	char answer[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(answer, sizeof(answer), fmt, ap);
	va_end(ap);
	model_evidence(t->model, item, answer, evidence, cure);
}

static void tell_process(const struct telling *t)
{
	const struct core *c = t->core;
	bool is_told = c->process.pid || c->name[0];

	if (is_told)
		row(t, "process", "NT_PRPSINFO", "", "%d (%s)", (int)c->process.pid,
		    c->name[0] ? c->name : "?");
	else
		row(t, "process", "there is no NT_PRPSINFO", "", "not told");
	if (c->args[0])
		row(t, "arguments", "NT_PRPSINFO, 80 bytes at most", "", "%s", c->args);
	if (c->process.exe[0])
		row(t, "executable",
		    c->process.exe == c->exe ? "NT_AUXV: AT_EXECFN"
					     : "NT_FILE, where AT_ENTRY lies",
		    "", "%s", c->process.exe);
}

/* NT_PRPSINFO has the process's own name; those of threads our own cores alone have. */
static void tell_threads(const struct telling *t)
{
	const struct mem *m = &t->core->mem;
	bool lacks_names = m->nthreads > 1 && m->threads[0].name[0] == 0;

	row(t, "threads",
	    lacks_names ? "NT_PRSTATUS; such a core does not keep their names"
			: "NT_PRSTATUS",
	    "", "%zu", m->nthreads);
}

static bool has_fault(const struct core *c)
{
	static const unsigned by_instruction[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };

	for (size_t i = 0; i < countof(by_instruction); i++)
		if (c->process.signal == by_instruction[i])
			return c->signal.is_known && c->signal.code > 0 &&
			       c->signal.code != SI_KERNEL;
	return false;
}

/* " at address 0x8", " sent by process 12" */
static void show_cause(const struct core *c, char *text, size_t n)
{
	text[0] = 0;
	if (has_fault(c))
		snprintf(text, n, " at address 0x%llx",
			 (unsigned long long)c->signal.fault);
	else if (c->signal.is_known && c->signal.code <= 0)
		snprintf(text, n, " sent by %s",
			 c->signal.sender == c->process.pid ? "itself" : "process ");
	if (c->signal.is_known && c->signal.code <= 0 &&
	    c->signal.sender != c->process.pid)
		snprintf(text + strlen(text), n - strlen(text), "%d",
			 (int)c->signal.sender);
}

static void tell_end(const struct telling *t)
{
	const struct core *c = t->core;
	const char *evidence = c->signal.is_known ? "NT_SIGINFO" : "NT_PRSTATUS";
	char cause[64];

	if (c->mem.nthreads == 0)
		return;
	if (c->process.signal == 0) {
		row(t, "signal", evidence, "",
		    "none: made of a process that may have gone on");
		return;
	}
	show_cause(c, cause, sizeof(cause));
	row(t, "signal", evidence, "", "%s (%u)%s, in thread %d",
	    signal_name(c->process.signal), c->process.signal, cause,
	    (int)c->mem.threads[0].tid);
}

static void tell_memory(const struct telling *t)
{
	const struct core_process *p = &t->core->process;
	struct left_out left = count_left_out(t->core);

	row(t, "memory", "the headers of its segments, and holes of the file", "",
	    "%s mapped, %s of it dumped, at most %s of that not zeroes",
	    size_of(p->dumped + p->left_out).s, size_of(p->dumped).s,
	    size_of(count_data(t->core)).s);
	if (p->lost)
		row(t, "missing", "the file ends before",
		    "make it anew, with ulimit -c unlimited and room on the disk",
		    "%s of what was dumped", size_of(p->lost).s);
	if (left.files)
		row(t, "not dumped", p->has_files ? "NT_FILE" : "", "", "%s of files",
		    size_of(left.files).s);
	if (left.others)
		row(t, "not dumped", "",
		    has_no_private_memory(t->core)
			    ? "echo 0x33 > /proc/PID/coredump_filter, before it ends"
			    : "",
		    "%s of memory without a file: never touched, MADV_DONTDUMP, or by "
		    "coredump_filter",
		    size_of(left.others).s);
}

void core_check(const struct mem *m, struct model *model)
{
	const struct core *c = (const struct core *)m;
	const struct telling t = { c, model };

	tell_process(&t);
	tell_end(&t);
	tell_threads(&t);
	tell_memory(&t);
	if (!c->process.has_files)
		row(&t, "files", "there is no NT_FILE",
		    "made by a kernel before 3.7, or with too many mappings", "not told");
	row(&t, "readable", "", "", "yes");
}

/* ---- findings ---- */

static void find_missing(const struct core *c, struct model *m)
{
	const struct core_process *p = &c->process;

	if (p->lost)
		model_find_out(
			m, SEVERITY_WARNING, "core",
			"%s of the %s that were dumped are missing: the file was cut "
			"short (a full disk, ulimit -c)",
			size_of(p->lost).s, size_of(p->dumped).s);
	if (c->damage.headers)
		model_find_out(m, SEVERITY_WARNING, "core",
			       "the headers of %llu segments are missing",
			       (unsigned long long)c->damage.headers);
	if (c->damage.notes_cut)
		model_find_out(
			m, SEVERITY_WARNING, "core",
			"its notes are cut short: not all threads or files are known");
	if (has_no_private_memory(c))
		model_find_out(m, SEVERITY_WARNING, "core",
			       "it holds no private memory, so neither heap nor stacks: "
			       "coredump_filter left it out");
}

static void find_damage(const struct core *c, struct model *m)
{
	const struct core_damage *d = &c->damage;

	if (d->overlapping)
		model_find_out(m, SEVERITY_DAMAGE, "core",
			       "%llu of its segments begin inside another one",
			       (unsigned long long)d->overlapping);
	if (d->impossible)
		model_find_out(m, SEVERITY_DAMAGE, "core",
			       "%llu of its segments end behind the end of memory",
			       (unsigned long long)d->impossible);
	if (d->notes_wrong)
		model_find_out(m, SEVERITY_DAMAGE, "core",
			       "a note is not what its header says; those behind it are "
			       "not read");
	if (d->files_wrong)
		model_find_out(
			m, SEVERITY_DAMAGE, "core",
			"NT_FILE contradicts itself: not all mapped files are known");
}

void core_find(const struct mem *m, struct model *model)
{
	const struct core *c = (const struct core *)m;

	find_missing(c, model);
	find_damage(c, model);
}
