/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/cgroup names a path per hierarchy ("6:freezer:/a/b", version 2 is "0::/a/b");
 * /proc/self/mountinfo tells where that hierarchy is mounted, and which part of it:
 *
 *	36 24 0:30 /a /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer
 */
#include "mem/cgroup_int.h"

#include "mem/mem.h"
#include "mem/proc_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_CAP = 1024 };

struct cgroup {
	char dir[PATH_CAP];
	size_t mount; /* length of the mount point in dir */
};

static bool has_word(const char *list, size_t n, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list, *end = list + n; at < end; at++) {
		size_t part = strcspn(at, ",:\n ");

		if (part == len && strncmp(at, word, len) == 0)
			return true;
		at += part;
	}
	return false;
}

/* The path of the process in the hierarchy of `controller`, "" for version 2. */
static bool cgroup_path(pid_t pid, const char *controller, char *path)
{
	struct buf text = { 0 };
	bool found = false;

	if (!proc_read(pid, "cgroup", &text))
		text.n = 0;
	for (const char *line = text.n ? text.s : ""; *line && !found;) {
		const char *list = strchr(line, ':'),
			   *at = list ? strchr(list + 1, ':') : NULL;
		size_t n = strcspn(line, "\n");

		if (at && at < line + n &&
		    (*controller ? has_word(list + 1, (size_t)(at - list - 1), controller)
				 : at == list + 1)) {
			snprintf(path, PATH_CAP, "%.*s", (int)(line + n - at - 1),
				 at + 1);
			found = true;
		}
		line += n + (line[n] == '\n');
	}
	buf_release(&text);
	return found;
}

/* One line of mountinfo: is it our hierarchy? Then dir is where `path` lies in it. */
static bool mount_matches(char *line, const char *controller, const char *path,
			  struct cgroup *out)
{
	char root[512], point[512], type[32], options[256];
	char *rest = strstr(line, " - ");

	if (!rest || sscanf(line, "%*s %*s %*s %511s %511s", root, point) != 2 ||
	    sscanf(rest, " - %31s %*s %255s", type, options) != 2)
		return false;
	if (strcmp(type, *controller ? "cgroup" : "cgroup2") != 0 ||
	    (*controller && !has_word(options, strlen(options), controller)))
		return false;
	if (strcmp(root, "/") != 0 && strncmp(path, root, strlen(root)) == 0)
		path += strlen(root);
	out->mount = strlen(point);
	return snprintf(out->dir, PATH_CAP, "%s%s", point, path) < PATH_CAP;
}

static bool cgroup_find(pid_t pid, const char *controller, struct cgroup *out)
{
	struct buf mounts = { 0 };
	char path[PATH_CAP];
	bool found = false;

	if (cgroup_path(pid, controller, path) &&
	    file_read("/proc/self/mountinfo", &mounts)) {
		char *next, *line = mounts.s;

		for (; line && *line && !found; line = next) {
			next = strchr(line, '\n');
			if (next)
				*next++ = 0;
			found = mount_matches(line, controller, path, out);
		}
	}
	buf_release(&mounts);
	return found;
}

static bool cgroup_read(const struct cgroup *c, const char *file, struct buf *out)
{
	char path[PATH_CAP + 64];

	snprintf(path, sizeof(path), "%s/%s", c->dir, file);
	return file_read(path, out);
}

bool cgroup_is_frozen(pid_t pid)
{
	struct buf text = { 0 };
	struct cgroup c;
	bool frozen = false;

	if (cgroup_find(pid, "freezer", &c) && cgroup_read(&c, "freezer.state", &text))
		frozen = str_starts(buf_view(&text), "FROZEN");
	if (!frozen && cgroup_find(pid, "", &c) &&
	    cgroup_read(&c, "cgroup.events", &text))
		frozen = str_find(buf_view(&text), "frozen 1") >= 0;
	buf_release(&text);
	return frozen;
}

/* ---- memory ---- */

/* "max", or a number that version 1 uses for none, is no limit. */
static uint64_t read_number(const struct cgroup *c, const char *file)
{
	struct buf text = { 0 };
	uint64_t v = UINT64_MAX;

	if (cgroup_read(c, file, &text) && *text.s >= '0' && *text.s <= '9')
		v = strtoull(text.s, NULL, 10);
	buf_release(&text);
	return v >= (uint64_t)1 << 60 ? UINT64_MAX : v;
}

/* The number behind a word at the start of a line, as in memory.stat and meminfo. */
static uint64_t stat_number(const struct buf *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *line = text->s; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, word, n) == 0 && (line[n] == ' ' || line[n] == ':'))
			return strtoull(line + n + 1, NULL, 10);
	}
	return 0;
}

static uint64_t level_limit(const struct cgroup *c, bool is_v2)
{
	return read_number(c, is_v2 ? "memory.max" : "memory.limit_in_bytes");
}

static uint64_t level_headroom(const struct cgroup *c, bool is_v2)
{
	uint64_t max = level_limit(c, is_v2);
	uint64_t used =
		read_number(c, is_v2 ? "memory.current" : "memory.usage_in_bytes");
	struct buf text = { 0 };
	uint64_t cache = 0;

	if (max == UINT64_MAX || used == UINT64_MAX)
		return UINT64_MAX;
	if (cgroup_read(c, "memory.stat", &text))
		cache = stat_number(&text,
				    is_v2 ? "inactive_file" : "total_inactive_file");
	buf_release(&text);
	used -= min_u64(cache, used);
	return max - min_u64(used, max);
}

static uint64_t machine_headroom(void)
{
	struct buf text = { 0 };
	uint64_t kib = 0;

	if (file_read("/proc/meminfo", &text))
		kib = stat_number(&text, "MemAvailable");
	buf_release(&text);
	return kib ? kib * 1024 : UINT64_MAX;
}

uint64_t mem_headroom(void)
{
	return cgroup_headroom(getpid());
}

/* What there is of something at each level from the process's cgroup up, of each version; the
 * least. */
typedef uint64_t level_fn(const struct cgroup *c, bool is_v2);

static uint64_t least_of_levels(pid_t pid, level_fn *fn)
{
	uint64_t least = UINT64_MAX;

	for (int version = 1; version <= 2; version++) {
		struct cgroup c;
		char *slash;

		if (!cgroup_find(pid, version == 1 ? "memory" : "", &c))
			continue;
		do {
			least = min_u64(least, fn(&c, version == 2));
			slash = strrchr(c.dir + c.mount, '/');
			if (slash)
				*slash = 0;
		} while (slash);
	}
	return least;
}

uint64_t cgroup_headroom(pid_t pid)
{
	return min_u64(machine_headroom(), least_of_levels(pid, level_headroom));
}

bool cgroup_file(pid_t pid, const char *file, struct buf *path)
{
	struct cgroup c;

	if (!cgroup_find(pid, "", &c))
		return false;
	buf_clear(path);
	buf_printf(path, "%s/%s", c.dir, file);
	return true;
}

bool cgroup_high_events(pid_t pid, struct buf *path)
{
	struct cgroup c;
	char *slash;

	if (!cgroup_find(pid, "", &c))
		return false;
	while (read_number(&c, "memory.high") == UINT64_MAX) {
		slash = strrchr(c.dir + c.mount, '/');
		if (!slash)
			return false;
		*slash = 0;
	}
	buf_clear(path);
	buf_printf(path, "%s/memory.events", c.dir);
	return true;
}

uint64_t mem_limit(pid_t pid)
{
	uint64_t limit = least_of_levels(pid, level_limit);

	return limit == UINT64_MAX ? 0 : limit;
}
