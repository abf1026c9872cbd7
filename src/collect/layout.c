/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address space as the model has it: regions with what they are for, page states,
 * threads with their stacks, modules.
 *
 * A region's residency is what the kernel says of it after the target's release (smaps), so
 * that all regions add up to RSS: a fork has no pages of files and of shared memory, and
 * where the kernel cannot tell the shared page of zeroes, page states count it as memory.
 * Page states say how that sum is spread inside a region.
 */
#include "collect/collect_int.h"

#include "base/search.h"
#include <stdlib.h>

static bool is_device(const struct mem_region *r)
{
	struct str name = str_of(r->name);

	return (r->flags & REGION_IO) ||
	       (str_starts(name, "/dev/") && !str_starts(name, "/dev/shm/") &&
		!str_starts(name, "/dev/zero"));
}

static bool is_shared_memory(const struct mem_region *r)
{
	struct str name = str_of(r->name);

	return str_starts(name, "/dev/shm/") || str_starts(name, "/dev/zero") ||
	       str_starts(name, "/memfd:") || str_starts(name, "/SYSV") ||
	       ((r->prot & PROT_SHARED) && r->name[0] != '/');
}

/* Files first: a heap or a stack is never one of these. */
static enum region_kind kind_by_name(const struct mem_region *r)
{
	if (str_starts(str_of(r->name), "[v"))
		return REGION_SPECIAL;
	if ((r->flags & REGION_HUGETLB) || str_starts(str_of(r->name), "/dev/hugepages/"))
		return REGION_HUGE;
	if (is_device(r))
		return REGION_DEVICE;
	if (is_shared_memory(r))
		return REGION_SHARED;
	if (r->name[0] == '/')
		return REGION_FILE;
	if (str_starts(str_of(r->name), "[stack"))
		return REGION_STACK;
	return REGION_ANON;
}

static uint32_t module_row(const struct module_set *set, const struct mem_region *r)
{
	const struct module *mod = module_at(set, r->start);

	return mod ? (uint32_t)(mod - set->modules) + 1 : 0;
}

static void build_regions(const struct mem *mem, const struct module_set *modules,
			  struct model *m)
{
	for (size_t i = 0; i < mem->nregions; i++) {
		const struct mem_region *r = &mem->regions[i];
		size_t row = model_regions_add(m);

		m->regions.start[row] = r->start;
		m->regions.end[row] = r->end;
		m->regions.offset[row] = r->offset;
		m->regions.inode[row] = r->inode;
		m->regions.prot[row] = r->prot;
		m->regions.kind[row] = (uint8_t)kind_by_name(r);
		m->regions.module[row] = module_row(modules, r);
		m->regions.resident[row] = r->rss;
		m->regions.swapped[row] = r->swap;
		m->regions.name[row] = model_intern(m, str_of(r->name));
	}
}

static size_t region_row_at(const struct model *m, taddr at)
{
	size_t low = search_words(m->regions.end, m->regions.n, at);

	return low < m->regions.n && m->regions.start[low] <= at ? low : m->regions.n;
}

static void mark_anonymous(struct model *m, taddr start, taddr end, enum region_kind kind)
{
	for (size_t r = region_row_at(m, start);
	     r < m->regions.n && m->regions.start[r] < end; r++)
		if (m->regions.kind[r] == REGION_ANON)
			m->regions.kind[r] = (uint8_t)kind;
}

/* A heap may share its mapping with something else; malloc's use names the region. */
static void mark_heaps(struct model *m)
{
	for (size_t h = 0; h < m->heaps.n; h++)
		mark_anonymous(m, m->heaps.start[h], m->heaps.end[h], REGION_HEAP);
	for (size_t b = 0; b < m->blocks.n; b++)
		if (m->blocks.arena[b] == BLOCK_MMAPPED)
			mark_anonymous(m, m->blocks.addr[b],
				       m->blocks.addr[b] + m->blocks.size[b],
				       REGION_MMAPPED);
}

static void build_pages(const struct mem *mem, struct model *m)
{
	if (mem->no_residency)
		return;
	model_table_resize(m, &model_tables[TABLE_pages], mem->npages);
	for (size_t i = 0; i < mem->npages; i++) {
		m->pages.start[i] = mem->pages[i].start;
		m->pages.count[i] = mem->pages[i].count;
		m->pages.state[i] = (uint8_t)mem->pages[i].state;
	}
}

/*
 * A thread's stack lies between the start of its mapping and its thread control block
 * (glibc puts struct pthread, less than a page, at the top); the first thread's is the
 * mapping the kernel named [stack]. Adjacent mappings may have merged, so the control
 * block, not the mapping's end, bounds it above.
 */
struct address_range thread_stack(const struct mem *mem, const struct mem_thread *t)
{
	const struct mem_region *r =
		t->sp && t->has_regs ? mem_region_at(mem, t->sp) : NULL;
	taddr end;

	if (!r)
		return (struct address_range){ 0, 0 };
	end = r->end;
	if (t->tls > t->sp && t->tls < end)
		end = min_u64(end, align_up(t->tls, PAGE_SIZE_4K) + PAGE_SIZE_4K);
	return (struct address_range){ r->start, end };
}

static void find_stack(const struct mem *mem, struct model *m, size_t thread)
{
	struct address_range stack = thread_stack(mem, &mem->threads[thread]);

	if (stack.end == 0)
		return;
	m->threads.stack_start[thread] = stack.start;
	m->threads.stack_end[thread] = stack.end;
	mark_anonymous(m, m->threads.sp[thread], m->threads.sp[thread] + 1, REGION_STACK);
}

static int by_stack(const void *a, const void *b, void *context)
{
	const struct model *m = context;
	taddr x = m->threads.sp[*(const size_t *)a],
	      y = m->threads.sp[*(const size_t *)b];

	return (x > y) - (x < y);
}

/* Where several stacks share one merged mapping, each begins where the one below ends. */
static void part_stacks(struct model *m)
{
	size_t *order = xcalloc(m->threads.n, sizeof(*order));

	for (size_t i = 0; i < m->threads.n; i++)
		order[i] = i;
	qsort_r(order, m->threads.n, sizeof(*order), by_stack, m);
	for (size_t i = 1; i < m->threads.n; i++) {
		size_t below = order[i - 1], t = order[i];

		if (m->threads.stack_start[t] == m->threads.stack_start[below] &&
		    m->threads.stack_end[below] <= m->threads.sp[t])
			m->threads.stack_start[t] = m->threads.stack_end[below];
	}
	free(order);
}

static void build_modules(const struct module_set *set, struct model *m)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct module *mod = &set->modules[i];
		size_t row = model_modules_add(m);

		m->modules.start[row] = mod->start;
		m->modules.end[row] = mod->end;
		m->modules.bias[row] = mod->bias;
		m->modules.path[row] = model_intern(m, str_of(mod->path));
		m->modules.build_id[row] = model_intern(m, str_of(mod->build_id));
	}
}

void build_threads(const struct mem *mem, struct model *m)
{
	for (size_t i = 0; i < mem->nthreads; i++) {
		const struct mem_thread *t = &mem->threads[i];
		size_t row = model_threads_add(m);

		m->threads.tid[row] = (uint32_t)t->tid;
		m->threads.name[row] = model_intern(m, str_of(t->name));
		if (t->has_regs) {
			m->threads.pc[row] = t->pc;
			m->threads.sp[row] = t->sp;
			m->threads.tls[row] = t->tls;
		}
	}
}

void build_layout(const struct mem *mem, const struct module_set *modules,
		  struct model *m)
{
	build_modules(modules, m);
	build_regions(mem, modules, m);
	build_pages(mem, m);
	mark_heaps(m);
	for (size_t i = 0; i < m->threads.n; i++)
		find_stack(mem, m, i);
	part_stacks(m);
}
