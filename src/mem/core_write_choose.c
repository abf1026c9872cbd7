/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a process a core holds. As the kernel decides by default (Linux fs/coredump.c,
 * vma_dump_size with filter 0x33), but for what belongs to ELF files, so that a core tells
 * all without the files, and for shared memory that still has a name:
 *
 *	private memory			all, if a page of it was ever touched
 *	a program or library		all: text, read-only data, data
 *	another file, private		all, if a page of it was written
 *	shared memory (shm, memfd)	all; the kernel: only what is unlinked
 *	another file, shared		nothing
 *	device memory, MADV_DONTDUMP	nothing
 *	huge pages (hugetlb)		private ones
 */
#include "mem/core_write_int.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

static bool same_file(const struct mem_region *a, const struct mem_region *b)
{
	return a->inode == b->inode && a->dev_major == b->dev_major &&
	       a->dev_minor == b->dev_minor;
}

static bool is_private_file(const struct mem_region *r)
{
	return !region_is_anon(r) && !(r->prot & PROT_SHARED) && !(r->flags & REGION_IO);
}

static bool is_shared_memory(const struct mem_region *r)
{
	static const char *const kinds[] = { "/dev/shm/", "/dev/zero", "/memfd:", "/SYSV",
					     "[anon_shmem:" };

	if (!(r->prot & PROT_SHARED) || (r->flags & REGION_HUGETLB))
		return false;
	for (size_t i = 0; i < countof(kinds); i++)
		if (str_starts(str_of(r->name), kinds[i]))
			return true;
	return r->name[0] == '/' && str_ends(str_of(r->name), " (deleted)");
}

/* Has it pages of memory that are not just its file's? */
static bool has_own_pages(const struct mem *m, const struct mem_region *r)
{
	size_t i = run_after(m->pages, m->npages, r->start);

	for (; i < m->npages && m->pages[i].start < r->end; i++)
		if (m->pages[i].state != PAGE_FILE)
			return true;
	return false;
}

static bool begins_elf(const struct mem *m, const struct mem_region *r)
{
	char magic[SELFMAG];

	return r->offset == 0 && mem_load(m, r->start, &magic) &&
	       memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/*
 * A program or library is a row of private mappings of one file. The first shows its ELF
 * header; one is run, or was written to when it was loaded. A file that is merely looked
 * into (by a linker, a debugger) is not. modules[i]: 1 + the index of the row's first
 * region; loaded[i]: the row that begins there is a module.
 */
static void find_modules(const struct mem *m, size_t *modules, bool *loaded)
{
	const struct mem_region *first = NULL;
	bool is_elf = false;

	for (size_t i = 0; i < m->nregions; i++) {
		const struct mem_region *r = &m->regions[i];

		if (!is_private_file(r))
			continue;
		if (!first || r->offset == 0 || !same_file(first, r)) {
			first = r;
			is_elf = begins_elf(m, r);
		}
		if (!is_elf)
			continue;
		modules[i] = (size_t)(first - m->regions) + 1;
		if ((r->prot & PROT_X) || has_own_pages(m, r))
			loaded[modules[i] - 1] = true;
	}
}

static enum core_part part_of(const struct mem *m, const struct mem_region *r,
			      bool is_module)
{
	if (r->flags & REGION_IO)
		return PART_NONE;
	/* Its pages are the kernel's, in no run. */
	if (strcmp(r->name, "[vdso]") == 0)
		return PART_ALL;
	if (is_shared_memory(r))
		return PART_SHARED;
	if (r->prot & PROT_SHARED)
		return PART_NONE;
	if (is_module || !m->has_pages)
		return is_module || region_is_anon(r) ? PART_ALL : PART_NONE;
	if (!has_own_pages(m, r))
		return PART_NONE;
	/* To read another page of a huge file of zeroes would make one. */
	return region_is_anon(r) || (r->flags & REGION_HUGETLB) ? PART_PAGES : PART_ALL;
}

void core_choose(const struct mem *m, enum core_part *parts, uint64_t *left_out)
{
	size_t *modules = xcalloc(m->nregions, sizeof(*modules));
	bool *loaded = xcalloc(m->nregions, sizeof(*loaded));

	find_modules(m, modules, loaded);
	*left_out = 0;
	for (size_t i = 0; i < m->nregions; i++) {
		const struct mem_region *r = &m->regions[i];

		parts[i] = part_of(m, r, modules[i] && loaded[modules[i] - 1]);
		if (!(r->flags & REGION_DONTDUMP) || parts[i] == PART_NONE)
			continue;
		*left_out += r->end - r->start;
		parts[i] = PART_NONE;
	}
	free(modules);
	free(loaded);
}
