/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the lines of maps to the files behind them. The regions of one file that follow
 * each other with growing offsets are one group; a group whose memory starts with an ELF
 * header and that maps code is a module (anything else, fonts and locale archives, is
 * data). Which file it is is told in module_file.c.
 *
 * The bias follows from any mapped segment: address - (vaddr of the mapped offset).
 */
#include "image/module_int.h"

#include "base/search.h"
#include <stdio.h>
#include <stdlib.h>

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

/* Between a file's segments: .bss, pages remapped to huge ones, or, where segments are 2 MiB
 * apart (binutils before 2.31), the file's own pages that ld.so made inaccessible. */
static bool region_is_filler(const struct mem_region *r)
{
	return r->name[0] == 0 || !(r->prot & (PROT_R | PROT_W | PROT_X));
}

/* The group that starts at region `at`. */
static struct group group_at(const struct mem *m, size_t at)
{
	struct group g = { .mem = m, .first = at, .last = at };

	for (size_t i = at; i < m->nregions; i++) {
		const struct mem_region *r = &m->regions[i];

		if (region_is_filler(r) && i > at)
			continue;
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

		if (region_is_filler(r))
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

static void drop_image(struct module *mod, const char *why)
{
	if (!mod->missing[0])
		snprintf(mod->missing, sizeof(mod->missing), "%s", why);
	image_close(mod->image);
	mod->image = NULL;
	mod->source = SOURCE_NONE;
}

/* Linkers lay the first segment out from address 0 on, but that of a program of fixed
 * place, which is low. */
static uint64_t guess_bias(const struct mem_region *first)
{
	return first->start <= UINT32_MAX ? 0 : first->start - first->offset;
}

/* Does memory hold all that nobody writes to? */
static bool memory_is_whole(const struct mem *m, const struct module *mod)
{
	uint8_t byte;

	for (size_t i = 0; i < mod->image->nsegments; i++) {
		const struct image_segment *s = &mod->image->segments[i];
		taddr at = mod->bias + s->vaddr;

		if (s->filesz == 0 || (s->prot & PROT_W))
			continue;
		if (!mem_read(m, at, &byte, 1) ||
		    !mem_read(m, at + s->filesz - 1, &byte, 1))
			return false;
	}
	return true;
}

static void find_place(struct group *g, struct module *mod)
{
	struct group whole = *g;

	if (mod->image && find_bias(g, mod->image, &mod->bias)) {
		cut_group(g, mod->image, mod->bias);
		if (mod->source == SOURCE_MEMORY && memory_is_whole(g->mem, mod))
			mod->missing[0] = 0;
		if (g->has_code || mod->source != SOURCE_MEMORY)
			return;
		*g = whole; /* what memory says of itself is not true */
	}
	if (mod->image)
		drop_image(mod, "the file's segments do not fit how it is mapped");
	mod->bias = guess_bias(group_first(g));
}

static void module_release(struct module *mod)
{
	image_close(mod->image);
	free((char *)(uintptr_t)mod->path);
}

/* Adds the module that the group is, if it is one; *g is then cut to it. */
static void add_module(const struct file_search *how, struct group *g)
{
	struct module_set *set = how->set;
	struct module mod = { .start = group_first(g)->start,
			      .path = xstrdup(group_first(g)->name) };
	struct file_search search = *how;

	search.group = g;
	search.mod = &mod;
	module_find_file(&search);
	find_place(g, &mod);
	if (!g->has_code) {
		module_release(&mod);
		return;
	}
	mod.end = end_with_bss(g, &mod);
	set->modules = xrealloc(set->modules, set->n + 1, sizeof(*set->modules));
	set->modules[set->n++] = mod;
}

static void add_modules(const struct mem *m, const struct file_search *how)
{
	for (size_t i = 0; i < m->nregions; i++) {
		struct group g;

		if (!region_maps_file(&m->regions[i]))
			continue;
		g = group_at(m, i);
		if (g.has_code && group_may_be_elf(&g))
			add_module(how, &g);
		i = g.last;
	}
}

void module_set_build(const struct mem *m, const struct module_files *where,
		      struct module_set *set)
{
	struct file_search how = { .where = where, .set = set };
	char exe_id[2 * 64 + 1];
	bool has_exe;

	*set = (struct module_set){ 0 };
	has_exe = exe_build_id(where, set, exe_id);
	how.exe_id = exe_id;
	if (where->by_build_id)
		how.servers = servers_open(set);
	add_modules(m, &how);
	servers_close(how.servers);
	if (has_exe)
		exe_was_used(where, set, exe_id);
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
