/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose memory is, that is no block's: told by structure alone.
 *
 *	thread-local	below a thread's pointer as far as modules' variables reach, above it
 *			struct pthread, whose size libc tells debuggers
 *			(_thread_db_sizeof_pthread, glibc nptl_db/structs.def)
 *	loader		anonymous memory with the first thread's variables or link_maps in it, and no
 *			blocks: before libc's malloc works ld.so maps its own (elf/dl-minimal-malloc.c)
 *	old stacks	above a guard, a mapping with a struct pthread at its top, which holds its
 *			own address twice (tcbhead_t: tcb, dtv, self), and no thread of ours: glibc
 *			keeps up to 40 MiB of stacks of ended threads (nptl/allocatestack.c)
 *	interpreter	what its reader says
 */
#include "collect/tls_int.h"

#include "base/search.h"
#include <stdlib.h>

enum {
	CONTROL_ALIGN = 64,
	CONTROL_MAX = 2 * PAGE_SIZE_4K,
	LINK_MAPS_MAX = 1024,
	LINK_MAP_NEXT = 24, /* <link.h> */
};

struct areas_reader {
	const struct scan *scan;
	struct tls_layout tls;
	uint64_t *pointers; /* of threads that are known, sorted */
	size_t npointers;
	struct mem_window *window;
	struct area_list *out;
};

static void area_add(struct areas_reader *a, taddr start, taddr end, enum area_kind kind,
		     const char *name)
{
	struct area_list *l = a->out;

	if (start >= end)
		return;
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->areas = xrealloc(l->areas, l->cap, sizeof(*l->areas));
	}
	l->areas[l->n++] = (struct area){ start, end, kind, name };
}

static bool is_anonymous(const struct mem_region *r)
{
	return r && !(r->flags & REGION_HAS_FILE) && !(r->prot & PROT_SHARED) &&
	       r->name[0] == 0;
}

/* ---- threads ---- */

static struct address_range tls_of(const struct areas_reader *a,
				   const struct mem_thread *t)
{
	const struct mem_region *r =
		t->has_regs && t->tls ? mem_region_at(a->scan->mem, t->tls) : NULL;
	taddr low;

	if (!r)
		return (struct address_range){ 0, 0 };
	low = t->tls - min_u64(a->tls.reach, t->tls - r->start);
	if (t->sp < t->tls)
		low = max_u64(low, t->sp);
	return (struct address_range){ low, min_u64(t->tls + a->tls.control, r->end) };
}

static void read_thread(struct areas_reader *a, const struct mem_thread *t)
{
	struct address_range tls = tls_of(a, t);
	const struct mem_region *r = mem_region_at(a->scan->mem, tls.start);

	area_add(a, tls.start, tls.end, AREA_TLS, "");
	/* The first thread's variables lie in no stack. */
	if (tls.end && is_anonymous(r) && r != mem_region_at(a->scan->mem, t->sp)) {
		area_add(a, r->start, tls.start, AREA_LOADER, "");
		area_add(a, tls.end, r->end, AREA_LOADER, "");
	}
}

static bool has_blocks(const struct scan *s, const struct mem_region *r)
{
	size_t i = search_structs(s->spans, s->nspans, end, r->start);

	return i < s->nspans && s->spans[i].start < r->end;
}

static void read_loader(struct areas_reader *a)
{
	const struct mem *m = a->scan->mem;
	const struct mem_region *last = NULL;
	taddr map = a->tls.first_link_map;

	for (unsigned budget = LINK_MAPS_MAX; map != 0 && budget > 0; budget--) {
		const struct mem_region *r = mem_region_at(m, map);

		if (r != last && is_anonymous(r) && !has_blocks(a->scan, r))
			area_add(a, r->start, r->end, AREA_LOADER, "");
		last = r;
		if (!mem_load(m, map + LINK_MAP_NEXT, &map))
			return;
	}
}

/* ---- stacks without a thread ---- */

static bool has_thread(const struct areas_reader *a, taddr start, taddr end)
{
	size_t i = search_words_from(a->pointers, a->npointers, start);

	return i < a->npointers && a->pointers[i] < end;
}

static bool is_control_block(struct areas_reader *a, taddr at)
{
	size_t have;
	const uint8_t *bytes = mem_window_at(a->window, at, 24, &have);
	uint64_t words[3];

	if (!bytes || have < sizeof(words))
		return false;
	memcpy(words, bytes, sizeof(words));
	return words[0] == at && words[2] == at;
}

static bool ends_with_control_block(struct areas_reader *a, taddr start, taddr end)
{
	taddr low = end - min_u64(CONTROL_MAX, end - start);

	for (taddr at = align_down(end - 1, CONTROL_ALIGN); at >= low;
	     at -= CONTROL_ALIGN)
		if (is_control_block(a, at))
			return true;
	return false;
}

static void try_stack(struct areas_reader *a, taddr start, taddr end)
{
	if (start < end && !has_thread(a, start, end) &&
	    ends_with_control_block(a, start, end))
		area_add(a, start, end, AREA_STACK, "");
}

/* From glibc 2.42 on guards are pages of the mapping (MADV_GUARD_INSTALL), and stacks that
 * touch share one. */
static void try_region(struct areas_reader *a, const struct mem_region *r,
		       bool is_guarded)
{
	const struct mem *m = a->scan->mem;
	size_t i =
		search_structs(m->guards, m->nguards, start, r->start ? r->start - 1 : 0);
	taddr start = is_guarded ? r->start : r->end;

	for (; i < m->nguards && m->guards[i].start < r->end; i++) {
		try_stack(a, start, m->guards[i].start);
		start = m->guards[i].start + m->guards[i].count * PAGE_SIZE_4K;
	}
	try_stack(a, start, r->end);
}

static void read_stacks(struct areas_reader *a)
{
	const struct mem *m = a->scan->mem;

	for (size_t i = 0; i < m->nregions; i++) {
		const struct mem_region *r = &m->regions[i], *below = i ? r - 1 : NULL;

		if (is_anonymous(r) &&
		    (r->prot & (PROT_R | PROT_W | PROT_X)) == (PROT_R | PROT_W))
			try_region(a, r,
				   below && is_anonymous(below) && below->prot == 0 &&
					   below->end == r->start);
	}
}

/* ---- all together ---- */

static void read_interpreters(struct areas_reader *a)
{
	const struct python_range *own = NULL;
	size_t n = a->scan->python ? python_own_ranges(a->scan->python, &own) : 0;

	for (size_t i = 0; i < n; i++)
		area_add(a, own[i].start, own[i].end, AREA_INTERPRETER, own[i].name);
}

static int by_word(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void sort_pointers(struct areas_reader *a)
{
	const struct mem *m = a->scan->mem;

	a->pointers = xcalloc(m->nthreads + 1, sizeof(*a->pointers));
	for (size_t i = 0; i < m->nthreads; i++)
		if (m->threads[i].has_regs)
			a->pointers[a->npointers++] = m->threads[i].tls;
	qsort(a->pointers, a->npointers, sizeof(*a->pointers), by_word);
}

void areas_read(const struct scan *s, const struct module_set *modules,
		struct area_list *out)
{
	struct areas_reader a = { .scan = s, .out = out };

	tls_layout_read(&a.tls, s->mem, modules);
	a.window = mem_window_new(s->mem);
	sort_pointers(&a);
	for (size_t i = 0; i < s->mem->nthreads; i++)
		read_thread(&a, &s->mem->threads[i]);
	read_loader(&a);
	read_stacks(&a);
	read_interpreters(&a);
	mem_window_free(a.window);
	free(a.pointers);
	tls_layout_release(&a.tls);
}

static int by_start(const void *a, const void *b)
{
	const struct area *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (int)x->kind - (int)y->kind;
}

void areas_build(struct area_list *l, struct model *m)
{
	taddr end = 0;

	if (l->n > 0)
		qsort(l->areas, l->n, sizeof(*l->areas), by_start);
	for (size_t i = 0; i < l->n; i++) {
		taddr start = max_u64(l->areas[i].start, end);
		size_t row;

		if (start >= l->areas[i].end)
			continue;
		row = model_areas_add(m);
		m->areas.start[row] = start;
		m->areas.end[row] = end = l->areas[i].end;
		m->areas.kind[row] = (uint8_t)l->areas[i].kind;
		m->areas.name[row] = model_intern(m, str_of(l->areas[i].name));
	}
}

void areas_release(struct area_list *l)
{
	free(l->areas);
	*l = (struct area_list){ 0 };
}
