/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the target's bytes a snapshot keeps, and the way there. Words choose: of a live
 * process or a core they become ranges through what its heap and its threads tell while its
 * memory is readable, of a snapshot through its tables. Whole pages are kept, for memory is
 * there or not by the page. They go to the sink as they are read: there may be more of them
 * than this machine has memory. Pages that were never touched are ranges of zeroes.
 */
#include "collect/collect_int.h"
#include "collect/memory_int.h"

#include "base/search.h"
#include <stdlib.h>
#include <string.h>

enum { RED_ZONE = 128 }; /* below sp: x86-64 psABI 3.2.2 */

enum memory_word {
	MEMORY_ALL = 1,
	MEMORY_HEAP = 2,
	MEMORY_STACKS = 4,
	MEMORY_DATA = 8,
};

static const struct {
	const char *name;
	enum memory_word word;
} memory_words[] = {
	{ "all", MEMORY_ALL },
	{ "heap", MEMORY_HEAP },
	{ "stacks", MEMORY_STACKS },
	{ "data", MEMORY_DATA },
};

/* What is asked for: words, and addresses. */
struct selection {
	unsigned words; /* enum memory_word, or'ed */
	struct address_range *ranges;
	size_t n, cap;
};

static void select_range(struct selection *s, taddr start, taddr end)
{
	if (start >= end)
		return;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->ranges = xrealloc(s->ranges, s->cap, sizeof(*s->ranges));
	}
	s->ranges[s->n++] =
		(struct address_range){ align_down(start, PAGE_SIZE_4K),
					align_up(min_u64(end, UINT64_MAX - PAGE_SIZE_4K),
						 PAGE_SIZE_4K) };
}

/* ---- the choice ---- */

static bool select_addresses(struct selection *s, struct str part)
{
	ptrdiff_t dash = str_find(part, "-");
	taddr start, end;

	if (dash < 0 || !str_to_u64((struct str){ part.s, (size_t)dash }, 0, &start) ||
	    !str_to_u64((struct str){ part.s + dash + 1, part.n - (size_t)dash - 1 }, 0,
			&end) ||
	    start >= end)
		return false;
	select_range(s, start, end);
	return true;
}

static bool select_part(struct selection *s, struct str part)
{
	for (size_t i = 0; i < countof(memory_words); i++)
		if (str_is(part, memory_words[i].name)) {
			s->words |= memory_words[i].word;
			return true;
		}
	return select_addresses(s, part);
}

/* NULL chooses nothing. */
static bool select_choice(struct selection *s, const char *choice, struct err *e)
{
	const char *at = choice;

	while (at) {
		const char *comma = strchr(at, ',');
		struct str part = { at, comma ? (size_t)(comma - at) : strlen(at) };

		if (!select_part(s, part))
			return fail(e, ERR_USAGE,
				    "no memory is called '%.*s'\n"
				    "give all, heap, stacks, data or addresses as "
				    "0x7f00-0x7fff, with commas between",
				    (int)min_u64(part.n, 64), part.s);
		at = comma ? comma + 1 : NULL;
	}
	return true;
}

bool memory_choice_check(const char *choice, struct err *e)
{
	struct selection s = { 0 };
	bool ok = select_choice(&s, choice, e);

	free(s.ranges);
	return ok;
}

/* ---- of a process or a core ---- */

static void select_all(struct selection *s, const struct mem *m)
{
	for (size_t i = 0; i < m->nregions; i++)
		if ((m->regions[i].prot & PROT_R) && !(m->regions[i].flags & REGION_IO))
			select_range(s, m->regions[i].start, m->regions[i].end);
}

static void select_heap(struct selection *s, const struct scan *scan)
{
	struct address_range *r;
	size_t n = scan_nodes_memory(scan, &r);

	for (size_t i = 0; i < n; i++)
		select_range(s, r[i].start, r[i].end);
	free(r);
}

/* What is in use of each; all of the first thread's, which may run on another. */
static void select_stacks(struct selection *s, const struct mem *m)
{
	for (size_t i = 0; i < m->nregions; i++)
		if (str_is(str_of(m->regions[i].name), "[stack]"))
			select_range(s, m->regions[i].start, m->regions[i].end);
	for (size_t i = 0; i < m->nthreads; i++) {
		struct address_range stack = thread_stack(m, &m->threads[i]);

		if (stack.end)
			select_range(s, max_u64(stack.start, m->threads[i].sp - RED_ZONE),
				     stack.end);
	}
}

static void select_data(struct selection *s, const struct mem *m,
			const struct module_set *modules)
{
	for (size_t i = 0; i < modules->n; i++) {
		struct address_range *r;
		size_t n = module_data(m, &modules->modules[i], &r);

		for (size_t k = 0; k < n; k++)
			select_range(s, r[k].start, r[k].end);
		free(r);
	}
}

/* ---- of a snapshot ---- */

static void select_heap_rows(struct selection *s, const struct model *m)
{
	for (size_t i = 0; i < m->heaps.n; i++)
		select_range(s, m->heaps.start[i], m->heaps.end[i]);
	for (size_t i = 0; i < m->pools.n; i++)
		select_range(s, m->pools.start[i], m->pools.end[i]);
	for (size_t i = 0; i < m->blocks.n; i++)
		if (m->blocks.arena[i] == BLOCK_MMAPPED)
			select_range(s, m->blocks.addr[i],
				     m->blocks.addr[i] + m->blocks.size[i]);
}

static void select_region_rows(struct selection *s, const struct model *m)
{
	for (size_t i = 0; i < m->regions.n; i++) {
		bool is_data = m->regions.module[i] && (m->regions.prot[i] & PROT_W);
		bool is_stack = m->regions.kind[i] == REGION_STACK;

		if (((s->words & MEMORY_DATA) && is_data) ||
		    ((s->words & MEMORY_STACKS) && is_stack))
			select_range(s, m->regions.start[i], m->regions.end[i]);
	}
}

static void select_rows(struct selection *s, const struct model *m)
{
	if (s->words & MEMORY_ALL)
		select_range(s, 0, UINT64_MAX);
	if (s->words & MEMORY_HEAP)
		select_heap_rows(s, m);
	select_region_rows(s, m);
}

/* ---- keeping ---- */

static void keep_row(struct model *m, taddr start, taddr end, bool zeroes)
{
	size_t last = m->memory.n - 1;

	if (m->memory.n == 0 || m->memory.end[last] != start ||
	    m->memory.zeroes[last] != zeroes) {
		last = model_memory_add(m);
		m->memory.start[last] = start;
		m->memory.zeroes[last] = zeroes;
	}
	m->memory.end[last] = end;
}

/* Where the guard pages that hold `at` end; `at` if none does. *next: where more begin. */
static taddr behind_guards(const struct mem *m, taddr at, taddr *next)
{
	size_t i = search_structs(m->guards, m->nguards, start, at);

	*next = i < m->nguards ? m->guards[i].start : UINT64_MAX;
	if (i == 0)
		return at;
	return max_u64(at,
		       m->guards[i - 1].start + m->guards[i - 1].count * PAGE_SIZE_4K);
}

struct keeping {
	const struct mem *mem;
	struct mem_window *window;
	const struct memory_sink *sink;
	struct model *model;
};

/* Some bytes from `at` on, or none; *next: how far that went, `end` at most. */
static bool keep_piece(struct keeping *k, taddr at, taddr end, taddr *next, struct err *e)
{
	const uint8_t *bytes;
	size_t have;
	taddr guard;

	*next = min_u64(behind_guards(k->mem, at, &guard), end);
	if (*next > at)
		return true;
	end = min_u64(end, guard);
	*next = min_u64(mem_next_data(k->mem, at), end);
	if (*next > at) {
		keep_row(k->model, at, *next, true);
		return true;
	}
	bytes = mem_window_at(k->window, at, PAGE_SIZE_4K, &have);
	*next = at + min_u64(have, end - at);
	if (!bytes)
		return true;
	keep_row(k->model, at, *next, false);
	return k->sink->take(k->sink->context, bytes, (size_t)(*next - at), e);
}

static bool keep_ranges(struct keeping *k, const struct selection *s, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		taddr at = s->ranges[i].start;

		while (at < s->ranges[i].end)
			if (!keep_piece(k, at, s->ranges[i].end, &at, e))
				return false;
	}
	return true;
}

bool memory_keep(const struct scan *scan, const struct module_set *modules,
		 const struct memory_sink *sink, struct model *m, struct err *e)
{
	struct keeping k = { scan->mem, NULL, sink, m };
	struct selection s = { 0 };
	bool ok = select_choice(&s, sink->choice, e);

	if (s.words & MEMORY_ALL)
		select_all(&s, scan->mem);
	if (s.words & MEMORY_HEAP)
		select_heap(&s, scan);
	if (s.words & MEMORY_STACKS)
		select_stacks(&s, scan->mem);
	if (s.words & MEMORY_DATA)
		select_data(&s, scan->mem, modules);
	s.n = ranges_merge(s.ranges, s.n);
	k.window = mem_window_new(scan->mem);
	ok = ok && keep_ranges(&k, &s, e);
	mem_window_free(k.window);
	free(s.ranges);
	return ok;
}

/* Leaves of the table what is in a range. */
static void narrow_rows(struct model *m, const struct selection *s)
{
	struct model_memory old = m->memory;

	m->memory = (struct model_memory){ 0 };
	assert(s->ranges || s->n == 0);
	for (size_t i = 0; i < old.n; i++) {
		size_t r = search_structs(s->ranges, s->n, end, old.start[i]);

		for (; r < s->n && s->ranges[r].start < old.end[i]; r++)
			keep_row(m, max_u64(old.start[i], s->ranges[r].start),
				 min_u64(old.end[i], s->ranges[r].end), old.zeroes[i]);
	}
	free(old.start);
	free(old.end);
	free(old.zeroes);
}

bool memory_keep_again(const struct memory_sink *sink, struct model *m, struct err *e)
{
	struct selection s = { 0 };
	bool ok = select_choice(&s, sink->choice, e);

	if (ok && sink->choice) {
		select_rows(&s, m);
		s.n = ranges_merge(s.ranges, s.n);
		narrow_rows(m, &s);
	}
	free(s.ranges);
	return ok && model_each_memory(m, sink->take, sink->context, e);
}
