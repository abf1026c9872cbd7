/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a core left out and a file has. The file stands for the memory only where nobody
 * can have changed it, and the kernel's rule tells where that is (Linux 6.1
 * fs/coredump.c:vma_dump_size, for a private mapping of a file):
 *
 *	VM_DONTDUMP                         nothing
 *	written to (it has an anon_vma),    all of it
 *	  and filter bit 0 is on
 *	filter bit 2 is on                  all of it
 *	it starts a file, bit 4 is on       its first page, if that is an ELF header
 *	else                                nothing
 *
 * So a mapping that may not be written to is the file's, whatever was dumped: the loader
 * maps it so, and who makes it writable to change it (a debugger, a program that patches
 * itself, relocations of code) gives it an anon_vma: it is in the core, and the core comes
 * first. What belongs to a segment that may be written to, RELRO included, is never taken
 * from the file: the loader has written to it, so with bit 0 on it was dumped, and with
 * bit 0 off nobody knows what it was. gdb's gcore goes by the same rule
 * (gdb/linux-tdep.c:linux_find_memory_regions_full).
 */
#include "image/module_int.h"

static bool segment_is_in(const struct image_segment *s, uint64_t bias,
			  const struct mem_region *r)
{
	taddr start = bias + align_down(s->vaddr, PAGE_SIZE_4K);
	uint64_t size = s->vaddr % PAGE_SIZE_4K + s->memsz;

	return start < r->end && (r->start <= start || r->start - start < size);
}

static bool may_be_written(const struct module *mod, const struct mem_region *r)
{
	bool is_segment = false;

	for (size_t i = 0; i < mod->image->nsegments; i++) {
		const struct image_segment *s = &mod->image->segments[i];

		if (!segment_is_in(s, mod->bias, r))
			continue;
		is_segment = true;
		if (s->prot & PROT_W)
			return true;
	}
	return !is_segment || (r->prot & PROT_W);
}

static void back_region(const struct module *mod, struct mem *core,
			const struct mem_region *r)
{
	uint64_t size = mod->image->file_size;

	if (r->offset < size)
		core_back(core, r->start,
			  r->start + min_u64(r->end - r->start, size - r->offset),
			  mod->image->fd, r->offset);
}

static void back_module(const struct module *mod, struct mem *core)
{
	for (size_t i = 0; i < core->nregions && core->regions[i].start < mod->end; i++) {
		const struct mem_region *r = &core->regions[i];

		if (r->start >= mod->start && strcmp(r->name, mod->path) == 0 &&
		    !may_be_written(mod, r))
			back_region(mod, core, r);
	}
}

void module_set_back(const struct module_set *set, struct mem *core)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->modules[i].image && set->modules[i].source != SOURCE_MEMORY)
			back_module(&set->modules[i], core);
}
