/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder may hold hundreds of snapshots of gigabytes each: of every one only the process is
 * read to put them in order, and then, one at a time, what there was of each type.
 */
#include "cmd/folder_int.h"

#include "analysis/analysis.h"
#include "snap/snap.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MAGIC_BYTES = 8 };

/* A FIFO must not hold us up, and a file that is another's may be one for all we know. */
static bool is_snapshot(int dir, const char *file, struct model *m)
{
	autoclose int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t head[MAGIC_BYTES];
	struct stat st;

	if (fd < 0 && errno == EACCES)
		model_find_out(m, SEVERITY_WARNING, file, "it cannot be read: %s",
			       strerror(errno));
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       read_at(fd, head, sizeof(head), 0) == sizeof(head) &&
	       snap_is_snapshot(head, sizeof(head));
}

/* One id for all snapshots of a process. */
static uint32_t process_id(struct folder *f, const struct model *m)
{
	struct buf key = { 0 };
	uint32_t id;

	buf_printf(&key, "%u %lu ", m->processes.pid[0], m->processes.started[0]);
	buf_add(&key, model_text(m, m->processes.exe[0]).s,
		model_text(m, m->processes.exe[0]).n);
	id = model_intern(f->texts, buf_view(&key));
	buf_release(&key);
	return id;
}

static uint64_t time_of(const struct model *m)
{
	uint64_t seconds = m->processes.time[0];

	return seconds < UINT64_MAX / 2000000000
		       ? seconds * 1000000000 + m->processes.time_ns[0]
		       : 0;
}

static uint32_t text_over(struct folder *f, const struct model *m, uint32_t id)
{
	return model_intern(f->texts, model_text(m, id));
}

static void add_entry(struct folder *f, const char *file, const struct model *m)
{
	const struct model_processes *p = &m->processes;

	if (f->n == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 64;
		f->entries = xrealloc(f->entries, f->cap, sizeof(*f->entries));
	}
	f->entries[f->n++] = (struct folder_entry){
		.time = time_of(m),
		.process = process_id(f, m),
		.file = model_intern(f->texts, str_of(file)),
		.exe = text_over(f, m, p->exe[0]),
		.label = text_over(f, m, p->label[0]),
		.pid = p->pid[0],
		.rss = p->rss[0],
		.memory_limit = p->memory_limit[0],
	};
}

static struct buf path_of(const struct folder *f, struct str file)
{
	struct buf path = { 0 };

	buf_printf(&path, "%s/%.*s", f->path, (int)file.n, file.s);
	return path;
}

/* What would help is for people who asked for that file. */
static void find_out(struct model *m, const char *file, const struct err *why)
{
	model_find_out(m, SEVERITY_WARNING, file, "%.*s", (int)strcspn(why->text, "\n"),
		       why->text);
}

static void look_at(struct folder *f, int dir, const char *file)
{
	static const enum model_table_id who[] = { TABLE_processes };
	struct model *m;
	struct buf path;
	struct err e;

	if (!is_snapshot(dir, file, f->texts))
		return;
	path = path_of(f, str_of(file));
	if (snap_read_some(path.s, who, countof(who), &m, &e)) {
		add_entry(f, file, m);
		model_free(m);
	} else {
		find_out(f->texts, file, &e);
	}
	buf_release(&path);
}

static int by_time(const void *a, const void *b, void *context)
{
	const struct folder_entry *x = a, *y = b;
	const struct folder *f = context;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return str_compare(model_text(f->texts, x->file), model_text(f->texts, y->file));
}

/* scandir: findings come in the order of names. */
/* Not as a locale has it: the same in all. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int any_file(const struct dirent *entry)
{
	return entry->d_type == DT_REG || entry->d_type == DT_LNK ||
	       entry->d_type == DT_UNKNOWN;
}

bool folder_read(const char *path, struct model *m, struct folder *out, struct err *e)
{
	struct folder f = { .path = path, .texts = m };
	autoclose int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent **files;
	int n = dir < 0 ? -1 : scandirat(dir, ".", &files, any_file, by_name);

	if (n < 0)
		return fail(e, ERR_FILE, "cannot read the folder '%s': %s", path,
			    strerror(errno));
	for (int i = 0; i < n; i++) {
		look_at(&f, dir, files[i]->d_name);
		free(files[i]);
	}
	free(files);
	if (f.n > 1)
		qsort_r(f.entries, f.n, sizeof(*f.entries), by_time, &f);
	*out = f;
	return true;
}

void folder_release(struct folder *f)
{
	free(f->entries);
	*f = (struct folder){ 0 };
}

void folder_find_out(const struct folder *f, size_t entry, const struct err *why)
{
	struct str file = model_text(f->texts, f->entries[entry].file);
	char name[NAME_MAX + 1];

	snprintf(name, sizeof(name), "%.*s", (int)file.n, file.s);
	find_out(f->texts, name, why);
}

bool folder_totals(const struct folder *f, size_t entry, struct model **out,
		   struct err *e)
{
	static const enum model_table_id sums[] = { TABLE_processes, TABLE_types,
						    TABLE_totals };
	struct buf path = path_of(f, model_text(f->texts, f->entries[entry].file));
	bool ok = snap_read_some(path.s, sums, countof(sums), out, e);

	if (ok && (*out)->totals.n == 0 && (*out)->types.n > 0) {
		model_free(*out);
		ok = snap_read(path.s, out, e);
		if (ok)
			totals_build(*out);
	}
	buf_release(&path);
	return ok;
}
