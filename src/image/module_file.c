/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a group of mappings. Of a live process it is at the path that maps tells,
 * under the process's root, or, deleted or replaced, behind /proc/PID/map_files. Of a core
 * it may be anywhere, and is looked for in this order:
 *
 *	--exe                 if it has the build-id of the module, or the module is the program
 *	PATH under --sysroot  or on this machine
 *	--debug-dir           .build-id/xx/yyyy (and yyyy.debug), PATH, its last name
 *	PATH on this machine  when there is a --sysroot
 *	/usr/lib/debug        .build-id/xx/yyyy
 *	debuginfod            the file, else its debug information, when servers are configured
 *
 * A file is used only when it is the mapped one:
 *
 *   device and inode are those of the mapping (a live process's), or
 *   (overlayfs and btrfs show others in maps than in stat; cores tell none) the build-id
 *   in the target's memory is the file's, or, where either has none, the first page is.
 *
 * A file of nothing but debug information, whose code and data were taken out, names
 * symbols and is else no file.
 */
#include "image/module_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const char deleted[] = " (deleted)";

/* ---- is it the mapped file? ---- */

static bool first_page_is_mapped(const struct group *g, const struct image *img)
{
	uint8_t mapped[PAGE_SIZE_4K];
	size_t n = (size_t)min_u64(img->file_size, sizeof(mapped));
	const uint8_t *file = image_load(img, 0, n);

	return file && group_first(g)->offset == 0 &&
	       mem_read(g->mem, group_first(g)->start, mapped, n) &&
	       memcmp(file, mapped, n) == 0;
}

static bool inode_is_mapped(const struct group *g, const struct image *img)
{
	const struct mem_region *r = group_first(g);
	struct stat st;

	return fstat(img->fd, &st) == 0 && st.st_ino == r->inode &&
	       st.st_dev == makedev(r->dev_major, r->dev_minor);
}

static void learn_mapped(struct file_search *s)
{
	const struct mem_region *r = group_first(s->group);

	if (!s->mapped && r->offset == 0)
		s->mapped = image_of_memory(s->group->mem, r->start);
}

static bool file_is_mapped(struct file_search *s, const struct image *img)
{
	if (!s->where->by_build_id && inode_is_mapped(s->group, img))
		return true;
	learn_mapped(s);
	if (img->build_id[0] && s->mapped && s->mapped->build_id[0])
		return strcmp(img->build_id, s->mapped->build_id) == 0;
	return first_page_is_mapped(s->group, img);
}

/* ---- opening ---- */

/* Of several reasons the first is kept, but that a file is there and is another one tells
 * more than that there is none. */
static void say_missing(struct file_search *s, bool is_other, const char *why)
{
	if (s->mod->missing[0] && (s->says_other || !is_other))
		return;
	snprintf(s->mod->missing, sizeof(s->mod->missing), "%.255s", why);
	s->says_other = is_other;
}

static void say_other(struct file_search *s, const char *path, const struct image *img)
{
	const char *core = s->mapped ? s->mapped->build_id : "";
	char why[sizeof(s->mod->missing)];

	if (!s->where->by_build_id)
		snprintf(why, sizeof(why),
			 "the file there now is not the one that is mapped");
	else if (!s->mapped)
		snprintf(why, sizeof(why),
			 "the core lacks its first page, and so the build-id to know "
			 "it by");
	else
		snprintf(why, sizeof(why),
			 "'%.100s' is another file: its build-id is %.40s, the core's "
			 "%.40s",
			 path, img->build_id[0] ? img->build_id : "none",
			 core[0] ? core : "none");
	say_missing(s, true, why);
}

static bool try_file(struct file_search *s, const char *path, enum module_source source)
{
	struct image *img;
	struct err e;

	if (!image_open(path, &img, &e)) {
		say_missing(s, false, e.text);
		return false;
	}
	if (!file_is_mapped(s, img)) {
		say_other(s, path, img);
		image_close(img);
		return false;
	}
	if (image_is_debug_only(img)) {
		say_missing(s, true, "only its debug information was found");
		image_close(s->debug);
		s->debug = img;
		return false;
	}
	s->mod->image = img;
	s->mod->source = source;
	s->mod->missing[0] = 0;
	return true;
}

static bool try_below(struct file_search *s, const char *dir, struct str name,
		      enum module_source source)
{
	struct buf path = { 0 };
	bool ok;

	buf_printf(&path, "%s%s%.*s", dir, *dir && name.s[0] != '/' ? "/" : "",
		   (int)name.n, name.s);
	ok = try_file(s, path.s, source);
	buf_release(&path);
	return ok;
}

/* ---- of a live process ---- */

/* The kernel's own link to what a range maps, even when no path leads there any more. */
static bool try_map_files(struct file_search *s)
{
	const struct mem_region *r = group_first(s->group);
	struct str proc = str_of(s->where->root);
	char path[128];

	if (!str_starts(proc, "/proc/") || !str_ends(proc, "/root"))
		return false;
	snprintf(path, sizeof(path), "%.*s/map_files/%lx-%lx", (int)(proc.n - 5), proc.s,
		 r->start, r->end);
	return try_file(s, path, SOURCE_PATH);
}

static bool search_live(struct file_search *s)
{
	struct str path = str_of(s->mod->path);

	if (str_ends(path, deleted))
		say_missing(s, true, "the file has been deleted");
	else if (try_below(s, s->where->root, path, SOURCE_PATH))
		return true;
	return try_map_files(s);
}

/* ---- of a core ---- */

static bool holds_entry(const struct file_search *s)
{
	taddr entry = s->where->entry;

	return entry >= group_first(s->group)->start &&
	       entry < s->group->mem->regions[s->group->last].end;
}

static bool is_exe(const struct file_search *s)
{
	const char *id = s->mapped ? s->mapped->build_id : "";

	return s->where->exe && (holds_entry(s) || (*id && strcmp(id, s->exe_id) == 0));
}

static bool try_build_id(struct file_search *s, const char *dir)
{
	const char *id = s->mapped ? s->mapped->build_id : "";
	char name[sizeof(s->mapped->build_id) + 16];

	if (strlen(id) < 4)
		return false;
	snprintf(name, sizeof(name), ".build-id/%.2s/%s", id, id + 2);
	return try_below(s, dir, str_of(name), SOURCE_DEBUG_DIR);
}

static bool try_debug_dir(struct file_search *s, struct str path)
{
	const char *dir = s->where->debug_dir;

	return dir &&
	       (try_build_id(s, dir) || try_below(s, dir, path, SOURCE_DEBUG_DIR) ||
		try_below(s, dir, str_behind_last(path, '/'), SOURCE_DEBUG_DIR));
}

static bool try_servers(struct file_search *s, bool debug)
{
	const char *id = s->mapped ? s->mapped->build_id : "";
	char *path = s->servers ? servers_find(s->servers, id, debug, s->set) : NULL;
	bool ok = path && try_file(s, path, SOURCE_DEBUGINFOD);

	free(path);
	return ok;
}

static bool search_of_core(struct file_search *s)
{
	const char *root = s->where->root;
	struct str path = str_of(s->mod->path);

	if (str_ends(path, deleted))
		path.n -= sizeof(deleted) - 1;
	learn_mapped(s);
	return (is_exe(s) && try_file(s, s->where->exe, SOURCE_EXE)) ||
	       try_below(s, root, path, *root ? SOURCE_SYSROOT : SOURCE_PATH) ||
	       try_debug_dir(s, path) || (*root && try_below(s, "", path, SOURCE_PATH)) ||
	       try_build_id(s, "/usr/lib/debug") || try_servers(s, false) ||
	       (!s->debug && try_servers(s, true));
}

static void learn_build_id(struct file_search *s)
{
	const struct image *knows =
		s->mapped && s->mapped->build_id[0] ? s->mapped : s->mod->image;

	if (knows)
		memcpy(s->mod->build_id, knows->build_id, sizeof(knows->build_id));
}

/* Memory is what there is where there is no file. */
static void settle_core(struct file_search *s, bool found)
{
	struct image *img;

	if (!found && s->mapped) {
		s->mod->image = s->mapped;
		s->mod->source = SOURCE_MEMORY;
		s->mapped = NULL;
	}
	img = s->mod->image;
	if (!img)
		return;
	img->sysroot = s->where->root;
	img->debug_dir = s->where->debug_dir;
	img->lazy->debug = s->debug;
	s->debug = NULL;
}

void module_find_file(struct file_search *s)
{
	bool found = s->where->by_build_id ? search_of_core(s) : search_live(s);

	learn_build_id(s);
	if (s->where->by_build_id)
		settle_core(s, found);
	image_close(s->mapped);
	image_close(s->debug);
	s->mapped = s->debug = NULL;
}

/* ---- --exe ---- */

bool exe_build_id(const struct module_files *where, struct module_set *set,
		  char id[2 * 64 + 1])
{
	struct image *img;
	struct err e;

	id[0] = 0;
	if (!where->exe)
		return false;
	if (!image_open(where->exe, &img, &e)) {
		snprintf(set->refused, sizeof(set->refused), "%.255s", e.text);
		return false;
	}
	memcpy(id, img->build_id, sizeof(img->build_id));
	image_close(img);
	return true;
}

void exe_was_used(const struct module_files *where, struct module_set *set,
		  const char *id)
{
	const struct module *program = module_at(set, where->entry);
	const char *its = program ? program->build_id : "";

	for (size_t i = 0; i < set->n; i++)
		if (set->modules[i].source == SOURCE_EXE)
			return;
	snprintf(set->refused, sizeof(set->refused),
		 "'%.120s' is not the program of this core: its build-id is %s, the "
		 "core's "
		 "%s",
		 where->exe, *id ? id : "none", *its ? its : "unknown");
}
