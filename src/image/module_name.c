/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for the mappings of a core that tells none: kernels before 3.7 wrote no NT_FILE, and
 * any kernel leaves it out when it gets too long (Linux fs/binfmt_elf.c:fill_files_note).
 * What starts with the headers of an ELF file is one; its segments say which memory after
 * it maps which part. Which file it is the dynamic linker knows:
 *
 *	AT_ENTRY -> the program -> DT_DEBUG -> struct r_debug -> struct link_map -> ...
 *
 * and tells by the place it loaded it at (glibc elf/link.h).
 */
#include "image/image_int.h"

#include "base/search.h"
#include <link.h>
#include <stdlib.h>

enum { LINKS_MAX = 1 << 12, DYNAMIC_MAX = 256, PATH_CAP = 4096 };

struct naming {
	struct mem *core;
	struct link_map *links; /* as the target has them: their pointers are its own */
	size_t n;
	uint64_t program_bias;
};

static taddr link_field(const void *pointer)
{
	return (taddr)(uintptr_t)pointer;
}

static struct image *image_at(const struct mem *core, const struct mem_region *r)
{
	uint8_t magic[SELFMAG];

	if (r->name[0] || !mem_load(core, r->start, &magic) ||
	    memcmp(magic, ELFMAG, SELFMAG) != 0)
		return NULL;
	return image_of_memory(core, r->start);
}

static bool image_covers(const struct image *img, taddr at)
{
	for (size_t i = 0; i < img->nsegments; i++)
		if (at - img->bias - img->segments[i].vaddr < img->segments[i].memsz)
			return true;
	return false;
}

static struct image *find_program(const struct mem *core)
{
	taddr entry = core_process(core)->entry;

	for (size_t i = 0; entry && i < core->nregions; i++) {
		struct image *img = image_at(core, &core->regions[i]);

		if (img && image_covers(img, entry))
			return img;
		image_close(img);
	}
	return NULL;
}

static taddr find_r_debug(const struct mem *core, const struct image *program)
{
	taddr at = program->bias + program->dynamic.p_vaddr;
	Elf64_Dyn dyn;

	if (program->dynamic.p_type != PT_DYNAMIC)
		return 0;
	for (size_t i = 0; i < DYNAMIC_MAX; i++) {
		if (!mem_load(core, at + i * sizeof(dyn), &dyn) || dyn.d_tag == DT_NULL)
			return 0;
		if (dyn.d_tag == DT_DEBUG)
			return dyn.d_un.d_ptr;
	}
	return 0;
}

static void read_links(struct naming *n, taddr r_debug)
{
	struct r_debug head;
	struct link_map link;
	size_t room = 0;
	taddr at = 0;

	if (r_debug && mem_load(n->core, r_debug, &head))
		at = link_field(head.r_map);
	for (; at && n->n < LINKS_MAX && mem_load(n->core, at, &link);
	     at = link_field(link.l_next)) {
		if (n->n == room) {
			room = room ? 2 * room : 64;
			n->links = xrealloc(n->links, room, sizeof(*n->links));
		}
		n->links[n->n++] = link;
	}
}

/* The path of what is loaded there; false: it has none (the vdso), or nobody knows it. */
static bool path_of(const struct naming *n, uint64_t bias, char path[PATH_CAP])
{
	const char *exe = core_process(n->core)->exe;

	for (size_t i = 0; i < n->n; i++)
		if (n->links[i].l_addr == bias &&
		    mem_read_string(n->core, link_field(n->links[i].l_name), path,
				    PATH_CAP) &&
		    path[0] == '/')
			return true;
	if (bias != n->program_bias || exe[0] != '/' || strlen(exe) >= PATH_CAP)
		return false;
	memcpy(path, exe, strlen(exe) + 1);
	return true;
}

static void name_segment(struct mem *core, const struct image *img,
			 const struct image_segment *s, const char *path)
{
	taddr start = img->bias + align_down(s->vaddr, PAGE_SIZE_4K);
	taddr end = img->bias + s->vaddr + s->filesz;
	size_t i = search_structs(core->regions, core->nregions, end, start);

	for (; i < core->nregions && core->regions[i].start < end; i++)
		if (!core->regions[i].name[0] && core->regions[i].start >= start)
			core_set_file(core, i, path,
				      align_down(s->offset, PAGE_SIZE_4K) +
					      (core->regions[i].start - start));
}

void core_name_files(struct mem *core)
{
	struct naming n = { .core = core };
	struct image *program, *img;
	char path[PATH_CAP];

	if (core_process(core)->has_files || !(program = find_program(core)))
		return;
	n.program_bias = program->bias;
	read_links(&n, find_r_debug(core, program));
	image_close(program);
	for (size_t i = 0; i < core->nregions; i++) {
		img = image_at(core, &core->regions[i]);
		if (img && path_of(&n, img->bias, path))
			for (size_t s = 0; s < img->nsegments; s++)
				name_segment(core, img, &img->segments[s], path);
		image_close(img);
	}
	free(n.links);
}
