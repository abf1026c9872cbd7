/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that holds a program's heap from outside: of each thread its stack from the
 * red zone up, its registers and its thread-local variables; of each mapped file what it
 * may write, .bss and what the loader wrote before it was made read-only (relro) included.
 * Every word there that may be the address of a node is kept with its place.
 *
 * Left out: what the scan of the heap reads itself (spans, pools) and bookkeeping of the
 * allocator. That a word lies in a static object, and so is read by that object's layout,
 * shows only when objects have rows (roots_build.c).
 *
 * An interpreter's records are read by layout, which names what matters. Much else there
 * holds references too (the cache of attributes its names, the configuration its texts),
 * and would look lost: so words of the state itself are kept, those of stacks of frames,
 * which are mapped, are not. Likewise what C code keeps in small blocks of an interpreter's
 * allocator, which are no nodes.
 */
#include "collect/roots_int.h"

#include "base/search.h"
#include <stdlib.h>
#include <string.h>

enum {
	RED_ZONE = 128,      /* below sp: x86-64 psABI 3.2.2 */
	CONTROL_BLOCK = 4096 /* struct pthread is shorter (2,304 bytes in glibc 2.36) */
};

struct reading {
	const struct scan *scan;
	struct root_scan *roots;
	struct mem_window *window;
	struct address_range *cuts; /* not to be read here; by address */
	size_t ncuts;
};

/* ---- words ---- */

static void keep_word(struct root_scan *r, uint64_t word, taddr at)
{
	if (r->nwords == r->cap_words) {
		r->cap_words = r->cap_words ? 2 * r->cap_words : 1024;
		r->words = xrealloc(r->words, r->cap_words, sizeof(*r->words));
	}
	r->words[r->nwords++] = (struct root_word){ word, at };
}

static void keep_words(struct reading *in, taddr at, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i + sizeof(uint64_t) <= n; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, bytes + i, sizeof(word));
		if (scan_may_refer(in->scan, word))
			keep_word(in->roots, word, at + i);
	}
}

/* `at`, or where the next mapping begins: a file may claim data of any size. */
static taddr next_mapped(const struct mem *m, taddr at)
{
	size_t low = search_structs(m->regions, m->nregions, end, at);

	return low < m->nregions ? max_u64(at, m->regions[low].start) : UINT64_MAX;
}

/* at is a multiple of 8. */
static void read_piece(struct reading *in, taddr at, taddr end)
{
	const struct mem *m = in->scan->mem;

	while (at < end) {
		const uint8_t *bytes;
		size_t have;

		at = next_mapped(m, at);
		if (at < end)
			at = mem_next_data(m, at);
		if (at >= end || end - at < sizeof(uint64_t))
			return;
		bytes = mem_window_at(in->window, at,
				      (size_t)min_u64(end - at, PAGE_SIZE_4K), &have);
		have = (size_t)min_u64(have, end - at);
		if (bytes)
			keep_words(in, at, bytes, have);
		at += max_u64(align_down(have, sizeof(uint64_t)), sizeof(uint64_t));
	}
}

/* All of [at, end) but the cuts. */
static void read_pieces(struct reading *in, taddr at, taddr end)
{
	size_t low = search_structs(in->cuts, in->ncuts, end, at);

	for (; low < in->ncuts && in->cuts[low].start < end; low++) {
		if (in->cuts[low].start > at)
			read_piece(in, at, in->cuts[low].start);
		at = align_up(in->cuts[low].end, sizeof(uint64_t));
	}
	if (at < end)
		read_piece(in, at, end);
}

static struct root_range *add_range(struct root_scan *r, const struct root_range *range)
{
	if (r->nranges == r->cap_ranges) {
		r->cap_ranges = r->cap_ranges ? 2 * r->cap_ranges : 64;
		r->ranges = xrealloc(r->ranges, r->cap_ranges, sizeof(*r->ranges));
	}
	r->ranges[r->nranges] = *range;
	r->ranges[r->nranges].first = r->nwords;
	return &r->ranges[r->nranges++];
}

static void read_range(struct reading *in, struct root_range range)
{
	struct root_range *kept;

	range.start = align_up(range.start, sizeof(uint64_t));
	if (range.start >= range.end)
		return;
	kept = add_range(in->roots, &range);
	read_pieces(in, range.start, range.end);
	kept->nwords = in->roots->nwords - kept->first;
}

/* ---- threads ---- */

static void read_registers(struct reading *in, uint32_t thread)
{
	const struct mem_thread *t = &in->scan->mem->threads[thread];
	struct root_range range = { .kind = ROOT_REGISTER, .holder = thread };
	struct root_range *kept = add_range(in->roots, &range);

	for (size_t i = 0; t->has_regs && i < MEM_GPRS; i++)
		if (scan_may_refer(in->scan, t->gpr[i]))
			keep_word(in->roots, t->gpr[i], i);
	kept->nwords = in->roots->nwords - kept->first;
}

/* What belongs to the thread pointer: variables below it, the control block above. */
static struct address_range tls_of(const struct reading *in, const struct mem_thread *t)
{
	const struct mem_region *r = t->tls ? mem_region_at(in->scan->mem, t->tls) : NULL;
	taddr low;

	if (!r || !t->has_regs)
		return (struct address_range){ 0, 0 };
	low = t->tls - min_u64(in->roots->tls.reach, t->tls - r->start);
	if (t->sp < t->tls)
		low = max_u64(low, t->sp);
	return (struct address_range){ low, min_u64(t->tls + CONTROL_BLOCK, r->end) };
}

static void read_tls(struct reading *in, uint32_t thread, struct address_range tls)
{
	const struct mem_thread *t = &in->scan->mem->threads[thread];
	struct root_range range = { .kind = ROOT_TLS, .holder = thread };
	struct address_range vector = { tls.end, tls.end };

	if (t->has_regs && t->tls && tls_vector(in->scan->mem, t->tls, &vector)) {
		range.start = vector.start, range.end = vector.end;
		range.is_vector = true;
		read_range(in, range);
		range.is_vector = false;
	}
	/* ld.so may have put the first thread's vector right behind its control block. */
	if (vector.start < tls.start || vector.start > tls.end)
		vector = (struct address_range){ tls.end, tls.end };
	range.start = tls.start, range.end = vector.start;
	read_range(in, range);
	range.start = vector.end, range.end = tls.end;
	read_range(in, range);
}

static void read_thread(struct reading *in, uint32_t thread)
{
	const struct mem_thread *t = &in->scan->mem->threads[thread];
	struct address_range stack = thread_stack(in->scan->mem, t), tls = tls_of(in, t);

	read_registers(in, thread);
	if (tls.start >= stack.start && tls.start < stack.end)
		stack.end = tls.start;
	if (stack.end)
		read_range(in, (struct root_range){
				       .start = max_u64(stack.start, t->sp - RED_ZONE),
				       .end = stack.end,
				       .kind = ROOT_STACK,
				       .holder = thread });
	read_tls(in, thread, tls);
}

/* The first thread may run on another stack (of a signal, of a coroutine), or not be known:
 * what its own holds is all kept. */
static void read_first_stack(struct reading *in)
{
	const struct mem *m = in->scan->mem;

	for (size_t i = 0; i < m->nregions && m->nthreads > 0; i++) {
		const struct mem_region *r = &m->regions[i];

		if (!str_is(str_of(r->name), "[stack]"))
			continue;
		for (size_t t = 0; t < m->nthreads; t++)
			if (m->threads[t].has_regs && m->threads[t].sp >= r->start &&
			    m->threads[t].sp < r->end)
				return;
		read_range(in, (struct root_range){ .start = r->start,
						    .end = r->end,
						    .kind = ROOT_STACK });
	}
}

/* ---- mapped files ---- */

/* To the end of the last page: ld.so's own malloc begins right behind its .bss. */
static size_t segments_data(const struct module *mod, struct address_range **out)
{
	const struct image_segment *s;
	size_t n = image_segments(mod->image, &s), kept = 0;

	*out = xcalloc(n, sizeof(**out));
	for (size_t i = 0; i < n; i++)
		if (s[i].prot & PROT_W)
			(*out)[kept++] = (struct address_range){
				mod->bias + s[i].vaddr,
				align_up(mod->bias + s[i].vaddr + s[i].memsz,
					 PAGE_SIZE_4K)
			};
	return kept;
}

/* Without the file: what is mapped to be written. */
static size_t regions_data(const struct mem *m, const struct module *mod,
			   struct address_range **out)
{
	size_t first = search_structs(m->regions, m->nregions, end, mod->start);
	size_t behind = search_structs(m->regions, m->nregions, end, mod->end);
	size_t kept = 0;

	*out = xcalloc(behind - first + 1, sizeof(**out));
	for (size_t i = first; i < m->nregions && i <= behind; i++) {
		const struct mem_region *r = &m->regions[i];

		if (r->start >= mod->start && r->end <= mod->end && (r->prot & PROT_W) &&
		    !(r->prot & PROT_SHARED))
			(*out)[kept++] = (struct address_range){ r->start, r->end };
	}
	return kept;
}

size_t module_data(const struct mem *m, const struct module *mod,
		   struct address_range **out)
{
	return mod->image ? segments_data(mod, out) : regions_data(m, mod, out);
}

static void read_data(struct reading *in, const struct module *mod, uint32_t holder)
{
	struct address_range *r;
	size_t n = module_data(in->scan->mem, mod, &r);

	for (size_t i = 0; i < n; i++)
		read_range(in, (struct root_range){ .start = r[i].start,
						    .end = r[i].end,
						    .kind = ROOT_GLOBAL,
						    .holder = holder });
	free(r);
}

/* ---- interpreters ---- */

/* The end of the heap's span or the module's data that holds `at`; 0: it is neither. */
static taddr end_of_data(const struct reading *in, const struct module_set *modules,
			 taddr at)
{
	const struct scan *s = in->scan;
	const struct module *mod = module_at(modules, at);
	size_t low = search_structs(s->spans, s->nspans, end, at);

	if (low < s->nspans && s->spans[low].start <= at)
		return s->spans[low].end;
	return mod ? mod->end : 0;
}

static void read_records(struct reading *in, const struct module_set *modules)
{
	const struct python_range *own = NULL;
	size_t n = in->scan->python ? python_own_ranges(in->scan->python, &own) : 0;

	for (size_t i = 0; i < n; i++) {
		struct root_range range = { .start = align_up(own[i].start, 8),
					    .kind = ROOT_FIELD };
		struct root_range *kept;

		range.end = min_u64(own[i].end, end_of_data(in, modules, own[i].start));
		if (range.start >= range.end)
			continue;
		kept = add_range(in->roots, &range);
		read_piece(in, range.start, range.end);
		kept->nwords = in->roots->nwords - kept->first;
	}
}

static void read_raw_block(void *context, taddr start, uint64_t size)
{
	read_piece(context, align_up(start, sizeof(uint64_t)), start + size);
}

static void read_raw(struct reading *in, const struct object_walk *objects)
{
	struct root_range range = { .kind = ROOT_FIELD, .is_raw = true };
	struct root_range *kept = add_range(in->roots, &range);

	objects_each_raw(objects, read_raw_block, in);
	kept->nwords = in->roots->nwords - kept->first;
}

/* ---- all together ---- */

/* Nodes' memory and own ranges. */
static void find_cuts(struct reading *in)
{
	const struct scan *s = in->scan;

	in->ncuts = scan_nodes_memory(s, &in->cuts);
	in->cuts = xrealloc(in->cuts, in->ncuts + s->nown + 1, sizeof(*in->cuts));
	if (s->nown > 0)
		memcpy(in->cuts + in->ncuts, s->own, s->nown * sizeof(*s->own));
	in->ncuts = ranges_merge(in->cuts, in->ncuts + s->nown);
}

struct root_scan *root_scan_read(const struct scan *s, const struct module_set *modules,
				 const struct object_walk *objects)
{
	struct root_scan *r = xcalloc(1, sizeof(*r));
	struct reading in = { .scan = s, .roots = r };

	r->mem = s->mem;
	tls_layout_read(&r->tls, s->mem, modules);
	find_cuts(&in);
	in.window = mem_window_new(s->mem);
	for (uint32_t i = 0; i < s->mem->nthreads; i++)
		read_thread(&in, i);
	read_first_stack(&in);
	for (uint32_t i = 0; i < modules->n; i++)
		read_data(&in, &modules->modules[i], i);
	read_records(&in, modules);
	if (objects)
		read_raw(&in, objects);
	mem_window_free(in.window);
	free(in.cuts);
	return r;
}

void root_scan_free(struct root_scan *r)
{
	if (!r)
		return;
	tls_layout_release(&r->tls);
	free(r->ranges);
	free(r->words);
	free(r);
}
