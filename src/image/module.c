/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the lines of maps to the files behind them. The regions of one file that follow
 * each other with growing offsets are one group; a group whose memory starts with an ELF
 * header and that maps code is a module (anything else, fonts and locale archives, is
 * data). The file is opened under the target's root, or, deleted or replaced, through
 * /proc/PID/map_files, and used only when it is the mapped one:
 *
 *   device and inode are those of the mapping, or
 *   (overlayfs and btrfs show others in maps than in stat) the build-id in the target's
 *   memory is the file's, or, without build-ids, the first page is.
 *
 * The bias follows from any mapped segment: address - (vaddr of the mapped offset).
 */
#include "image/image_int.h"

#include "base/search.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { PHDRS_MAX = 64, MAPPED_NOTES_MAX = 64 << 10 };

static const char deleted[] = " (deleted)";

struct group {
	const struct mem *mem;
	size_t first, last; /* regions; between them may lie nameless ones */
	bool has_code;
};

static const struct mem_region *group_first(const struct group *g)
{
	return &g->mem->regions[g->first];
}

/* A file that may be read; reading a device may do anything. */
static bool region_maps_file(const struct mem_region *r)
{
	return r->name[0] == '/' && (r->flags & REGION_HAS_FILE) &&
	       !(r->flags & REGION_IO) && !str_starts(str_of(r->name), "/dev/");
}

static bool region_same_file(const struct mem_region *a, const struct mem_region *b)
{
	return a->inode == b->inode && a->dev_major == b->dev_major &&
	       a->dev_minor == b->dev_minor && strcmp(a->name, b->name) == 0;
}

/* The group that starts at region `at`. */
static struct group group_at(const struct mem *m, size_t at)
{
	struct group g = { .mem = m, .first = at, .last = at };

	for (size_t i = at; i < m->nregions; i++) {
		const struct mem_region *r = &m->regions[i];

		if (r->name[0] == 0)
			continue; /* .bss, or pages remapped to huge ones */
		if (!region_same_file(r, group_first(&g)) ||
		    r->offset < m->regions[g.last].offset)
			break;
		g.last = i;
		g.has_code = g.has_code || (r->prot & PROT_X);
	}
	return g;
}

/* False only if the memory is there and is no ELF file. */
static bool group_may_be_elf(const struct group *g)
{
	uint8_t magic[SELFMAG];

	if (group_first(g)->offset != 0 ||
	    !mem_load(g->mem, group_first(g)->start, &magic))
		return true;
	return memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/* ---- is it the mapped file? ---- */

/* The build-id that the target's memory holds, as hex; false: none to be seen. */
static bool mapped_build_id(const struct group *g, char out[2 * 64 + 1])
{
	Elf64_Ehdr h;
	Elf64_Phdr p[PHDRS_MAX];
	taddr start = group_first(g)->start;
	uint64_t low = 0;
	bool found = false, has_low = false;

	if (group_first(g)->offset != 0 || !mem_load(g->mem, start, &h) ||
	    h.e_phnum > PHDRS_MAX || h.e_phentsize != sizeof(p[0]) ||
	    !mem_read(g->mem, start + h.e_phoff, p, h.e_phnum * sizeof(p[0])))
		return false;
	for (size_t i = 0; i < h.e_phnum && !found; i++) {
		if (p[i].p_type == PT_LOAD && !has_low) {
			low = align_down(p[i].p_vaddr, PAGE_SIZE_4K);
			has_low = true;
		}
		if (p[i].p_type != PT_NOTE || p[i].p_filesz > MAPPED_NOTES_MAX)
			continue;
		uint8_t *notes = xcalloc(1, p[i].p_filesz);

		found = has_low &&
			mem_read(g->mem, start - low + p[i].p_vaddr, notes,
				 p[i].p_filesz) &&
			build_id_find(notes, p[i].p_filesz, p[i].p_align, out);
		free(notes);
	}
	return found;
}

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

static bool file_is_mapped(const struct group *g, const struct image *img)
{
	char id[2 * 64 + 1];

	if (inode_is_mapped(g, img))
		return true;
	if (img->build_id[0] && mapped_build_id(g, id))
		return strcmp(id, img->build_id) == 0;
	return first_page_is_mapped(g, img);
}

/* ---- opening ---- */

static void say_missing(struct module *mod, const char *why)
{
	snprintf(mod->missing, sizeof(mod->missing), "%.127s", why);
}

static bool try_file(const struct group *g, const char *path, struct module *mod)
{
	struct image *img;
	struct err e;

	if (!image_open(path, &img, &e)) {
		say_missing(mod, e.text);
		return false;
	}
	if (!file_is_mapped(g, img)) {
		say_missing(mod, "the file there now is not the one that is mapped");
		image_close(img);
		return false;
	}
	mod->image = img;
	mod->missing[0] = 0;
	return true;
}

/* The kernel's own link to what a range maps, even when no path leads there any more. */
static bool try_map_files(const struct group *g, const char *root, struct module *mod)
{
	struct str proc = str_of(root);
	char path[128], why[sizeof(mod->missing)];

	if (!str_starts(proc, "/proc/") || !str_ends(proc, "/root"))
		return false;
	snprintf(path, sizeof(path), "%.*s/map_files/%lx-%lx", (int)(proc.n - 5), proc.s,
		 group_first(g)->start, group_first(g)->end);
	memcpy(why, mod->missing, sizeof(why));
	if (try_file(g, path, mod))
		return true;
	memcpy(mod->missing, why, sizeof(why)); /* the first reason is the better one */
	return false;
}

static void open_file_of(const struct group *g, const char *root, struct module *mod)
{
	struct buf path = { 0 };

	if (str_ends(str_of(mod->path), deleted)) {
		say_missing(mod, "the file has been deleted");
	} else {
		buf_printf(&path, "%s%s", root, mod->path);
		if (try_file(g, path.s, mod))
			goto out;
	}
	(void)try_map_files(g, root, mod);
out:
	buf_release(&path);
}

/* ---- bias and extent ---- */

static bool segment_maps(const struct image_segment *s, const struct mem_region *r)
{
	uint64_t page = align_down(s->offset, PAGE_SIZE_4K);

	return r->offset >= page && r->offset - page < s->offset - page + s->filesz;
}

/* Small files have several segments in one page: the one with the region's protection
 * comes first. Relocated data that was made read-only has lost its W. */
static const struct image_segment *segment_of(const struct image *img,
					      const struct mem_region *r)
{
	const struct image_segment *found = NULL;

	for (size_t i = 0; i < img->nsegments; i++) {
		const struct image_segment *s = &img->segments[i];

		if (!segment_maps(s, r))
			continue;
		if ((s->prot & PROT_X) == (r->prot & PROT_X))
			return s;
		found = found ? found : s;
	}
	return found;
}

static bool find_bias(const struct group *g, const struct image *img, uint64_t *bias)
{
	const struct mem_region *r = group_first(g);
	const struct image_segment *s = segment_of(img, r);

	if (!s)
		return false;
	*bias = r->start - (s->vaddr - s->offset) - r->offset;
	return true;
}

static bool region_fits(const struct image *img, uint64_t bias,
			const struct mem_region *r)
{
	for (size_t i = 0; i < img->nsegments; i++) {
		const struct image_segment *s = &img->segments[i];

		if (segment_maps(s, r) &&
		    r->start - r->offset == bias + s->vaddr - s->offset)
			return true;
	}
	return false;
}

/* Ends the group where the file begins to be mapped another way: loaded a second time, or
 * as mere data next to where it is loaded. */
static void cut_group(struct group *g, const struct image *img, uint64_t bias)
{
	size_t end = g->last + 1;

	g->has_code = false;
	for (size_t i = g->first; i < end; i++) {
		const struct mem_region *r = &g->mem->regions[i];

		if (r->name[0] == 0)
			continue;
		if (!region_fits(img, bias, r))
			return;
		g->last = i;
		g->has_code = g->has_code || (r->prot & PROT_X);
	}
}

/* The end of the last segment, .bss included, as far as nameless memory follows. */
static taddr end_with_bss(const struct group *g, const struct module *mod)
{
	const struct mem *m = g->mem;
	taddr end = m->regions[g->last].end, wanted = end;

	for (size_t i = 0; mod->image && i < mod->image->nsegments; i++) {
		const struct image_segment *s = &mod->image->segments[i];

		wanted = max_u64(wanted,
				 align_up(mod->bias + s->vaddr + s->memsz, PAGE_SIZE_4K));
	}
	for (size_t i = g->last + 1; i < m->nregions && end < wanted; i++) {
		if (m->regions[i].name[0] != 0 || m->regions[i].start != end)
			break;
		end = min_u64(wanted, m->regions[i].end);
	}
	return end;
}

static void find_place(struct group *g, struct module *mod)
{
	if (!mod->image)
		return;
	if (find_bias(g, mod->image, &mod->bias)) {
		cut_group(g, mod->image, mod->bias);
		return;
	}
	say_missing(mod, "the file's segments do not fit how it is mapped");
	image_close(mod->image);
	mod->image = NULL;
}

static void module_release(struct module *mod)
{
	image_close(mod->image);
	free((char *)(uintptr_t)mod->path);
}

/* Adds the module that the group is, if it is one; *g is then cut to it. */
static void add_module(struct module_set *set, struct group *g, const char *root)
{
	struct module mod = { .start = group_first(g)->start,
			      .path = xstrdup(group_first(g)->name) };

	open_file_of(g, root, &mod);
	find_place(g, &mod);
	if (!g->has_code) {
		module_release(&mod);
		return;
	}
	mod.end = end_with_bss(g, &mod);
	set->modules = xrealloc(set->modules, set->n + 1, sizeof(*set->modules));
	set->modules[set->n++] = mod;
}

void module_set_build(const struct mem *m, const struct module_files *where,
		      struct module_set *set)
{
	*set = (struct module_set){ 0 };
	for (size_t i = 0; i < m->nregions; i++) {
		struct group g;

		if (!region_maps_file(&m->regions[i]))
			continue;
		g = group_at(m, i);
		if (g.has_code && group_may_be_elf(&g))
			add_module(set, &g, where->root);
		i = g.last;
	}
}

void module_set_back(const struct module_set *set, struct mem *core)
{
	(void)set;
	(void)core;
}

void module_set_release(struct module_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		module_release(&set->modules[i]);
	free(set->modules);
	*set = (struct module_set){ 0 };
}

const struct module *module_at(const struct module_set *set, taddr at)
{
	size_t low = search_structs(set->modules, set->n, start, at);

	if (low == 0 || at >= set->modules[low - 1].end)
		return NULL;
	return &set->modules[low - 1];
}
