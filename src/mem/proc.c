/* SPDX-License-Identifier: Apache-2.0 */
#include "mem/proc_int.h"

#include "mem/mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int proc_open(pid_t pid, const char *name, int flags)
{
	char path[80];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, flags | O_CLOEXEC);
}

/* Files of /proc have no size: read until the end comes. */
static bool fd_read_all(int fd, struct buf *out)
{
	char piece[16384];
	ssize_t got;

	buf_clear(out);
	buf_add(out, "", 0);
	do {
		got = read(fd, piece, sizeof(piece));
		if (got > 0)
			buf_add(out, piece, (size_t)got);
	} while (got > 0 || (got < 0 && errno == EINTR));
	return got == 0;
}

bool proc_read(pid_t pid, const char *name, struct buf *out)
{
	autoclose int fd = proc_open(pid, name, O_RDONLY);

	return fd >= 0 && fd_read_all(fd, out);
}

bool file_read(const char *path, struct buf *out)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && fd_read_all(fd, out);
}

const char *proc_field(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, n) == 0 && line[n] == ':')
			return line + n + 1 + strspn(line + n + 1, " \t");
	}
	return NULL;
}

static uint64_t field_number(const char *text, const char *key, int base)
{
	const char *value = proc_field(text, key);

	return value ? strtoull(value, NULL, base) : 0;
}

/* "NSpid:	17	1": ours first, its own last. */
static void parse_ns_pid(const char *text, struct proc_status *out)
{
	const char *at = proc_field(text, "NSpid");
	char *end;

	for (; at; at = end) {
		long v = strtol(at, &end, 10);

		if (end == at || *end == '\n') {
			if (end != at)
				out->ns_pid = (pid_t)v;
			return;
		}
		out->ns_pid = (pid_t)v;
		out->ns_depth++;
	}
}

static void parse_flags(const char *text, struct proc_status *out)
{
	const char *features = proc_field(text, "x86_Thread_features");
	size_t line = features ? strcspn(features, "\n") : 0;

	out->has_shadow_stack = line && memmem(features, line, "shstk", 5);
	out->is_kernel_thread = field_number(text, "Kthread", 10) == 1;
	/* Before Linux 6.8 no Kthread line: only user processes have memory lines. */
	if (!proc_field(text, "Kthread"))
		out->is_kernel_thread = !proc_field(text, "VmSize") &&
					out->state != 'Z' && out->state != 'X';
}

bool proc_status_read(pid_t pid, struct proc_status *out)
{
	struct buf text = { 0 };
	const char *value;

	*out = (struct proc_status){ 0 };
	if (!proc_read(pid, "status", &text)) {
		buf_release(&text);
		return false;
	}
	value = proc_field(text.s, "Name");
	if (value)
		snprintf(out->name, sizeof(out->name), "%.*s", (int)strcspn(value, "\n"),
			 value);
	value = proc_field(text.s, "State");
	out->state = value ? *value : '?';
	value = proc_field(text.s, "Uid");
	if (value)
		sscanf(value, "%u %u", &out->uid, &out->euid);
	out->tgid = (pid_t)field_number(text.s, "Tgid", 10);
	out->ppid = (pid_t)field_number(text.s, "PPid", 10);
	out->tracer = (pid_t)field_number(text.s, "TracerPid", 10);
	out->threads = (unsigned)field_number(text.s, "Threads", 10);
	out->seccomp = (unsigned)field_number(text.s, "Seccomp", 10);
	out->pending =
		field_number(text.s, "SigPnd", 16) | field_number(text.s, "ShdPnd", 16);
	out->blocked = field_number(text.s, "SigBlk", 16);
	out->cap_effective = field_number(text.s, "CapEff", 16);
	out->rss = field_number(text.s, "VmRSS", 10) * 1024;
	out->switches = field_number(text.s, "voluntary_ctxt_switches", 10) +
			field_number(text.s, "nonvoluntary_ctxt_switches", 10);
	parse_ns_pid(text.s, out);
	parse_flags(text.s, out);
	buf_release(&text);
	return true;
}

/* proc_pid_stat(5): the 22nd field, in ticks; the second is a name in parentheses, which may
 * hold any characters. */
uint64_t mem_started(pid_t pid)
{
	enum { FIELDS_BEHIND_NAME = 20 };
	struct buf text = { 0 };
	const char *at = NULL;
	uint64_t ticks = 0;
	long hz = sysconf(_SC_CLK_TCK);

	if (proc_read(pid, "stat", &text))
		at = strrchr(text.s, ')');
	for (int i = 0; at && i < FIELDS_BEHIND_NAME; i++)
		at = strchr(at + 1, ' ');
	if (at && hz > 0)
		ticks = strtoull(at, NULL, 10);
	buf_release(&text);
	return ticks * (1000000000 / (uint64_t)max_u64((uint64_t)hz, 1));
}

bool proc_threads(pid_t pid, pid_t **tids, size_t *n)
{
	char path[80];
	DIR *dir;
	const struct dirent *entry;
	size_t cap = 16;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return false;
	*n = 0;
	*tids = xcalloc(cap, sizeof(**tids));
	while ((entry = readdir(dir))) {
		uint64_t tid;

		if (!str_to_u64(str_of(entry->d_name), 10, &tid))
			continue;
		if (*n == cap)
			*tids = xrealloc(*tids, cap *= 2, sizeof(**tids));
		(*tids)[(*n)++] = (pid_t)tid;
	}
	closedir(dir);
	return true;
}
