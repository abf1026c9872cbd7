/* SPDX-License-Identifier: Apache-2.0 */
/*
 * obmalloc's arenas: an array of arena_object, whose entries name 1 MiB each or are unused.
 *
 *   up to 3.11   one static pointer to the array, for all interpreters
 *   3.12         the state with the pointer lies in each interpreter
 *   from 3.13    each interpreter points to its state; several may share one
 *
 * Where nothing says how long the array is (stripped, up to 3.11), its entries do: it has
 * 16 << k of them (new_arena doubles it), and each is one: an arena that is mapped, or a
 * link to another entry of the same array.
 *
 * A map of addresses (a tree of three levels) belongs to the state, as do the nodes.
 */
#include "lang/cpython/cpy_runtime_int.h"

#include <stdlib.h>

enum { ARENAS_FIRST = 16, CHUNKS_MAX = 1 << 16, CHILDREN_MAX = 64 };

struct arena_object { /* CPython 3.10 Objects/obmalloc.c, 3.12 pycore_obmalloc.h */
	uint64_t address, pool_address;
	uint32_t nfreepools, ntotalpools;
	uint64_t freepools, next, prev;
};

/* ---- the array ---- */

static bool entry_is_used(const struct mem *m, const struct cpy_layout *l,
			  const struct arena_object *a)
{
	uint32_t pools = l->obmalloc.arena_size / l->obmalloc.pool_size;

	return a->address && a->address % PAGE_SIZE_4K == 0 && a->ntotalpools <= pools &&
	       a->nfreepools <= a->ntotalpools &&
	       a->pool_address - a->address <= l->obmalloc.arena_size &&
	       mem_region_at(m, a->address);
}

static bool entry_is_unused(const struct cpy_layout *l, const struct arena_object *a,
			    taddr array)
{
	uint64_t link = a->next - array, size = l->obmalloc.arena_object_size;

	return a->address == 0 &&
	       (a->next == 0 || (link / size < CPY_ARENAS_MAX && link % size == 0));
}

/* Are entries [from, n) ones? Only one unused entry is the last of its chain. */
static bool entries_are(const struct mem *m, const struct cpy_layout *l, taddr array,
			size_t from, size_t n)
{
	size_t ends = 0;

	for (size_t i = from; i < n; i++) {
		struct arena_object a;

		if (!mem_load(m, array + i * l->obmalloc.arena_object_size, &a))
			return false;
		if (entry_is_used(m, l, &a))
			continue;
		ends += a.next == 0;
		if (!entry_is_unused(l, &a, array) || ends > 1)
			return false;
	}
	return true;
}

size_t cpy_arena_count(const struct mem *m, const struct cpy_layout *l, taddr array)
{
	size_t n = ARENAS_FIRST;

	if (!entries_are(m, l, array, 0, 1))
		return 0;
	while (n < CPY_ARENAS_MAX && entries_are(m, l, array, n, 2 * n))
		n *= 2;
	return n;
}

/* ---- one allocator's state ---- */

struct states {
	struct python *py;
	taddr seen[64]; /* addresses of states: few interpreters have their own */
	size_t nseen, pools_cap, own_cap;
	size_t skipped; /* entries that make no sense */
	size_t chunks;  /* of all threads' stacks of frames */
};

static void add_own(struct states *s, const char *name, taddr start, uint64_t size)
{
	struct python *py = s->py;

	if (!start || size == 0 || start > UINT64_MAX - size)
		return;
	if (py->nranges == s->own_cap) {
		s->own_cap = s->own_cap ? 2 * s->own_cap : 64;
		py->ranges = xrealloc(py->ranges, s->own_cap, sizeof(*py->ranges));
	}
	py->ranges[py->nranges++] = (struct python_range){ start, start + size, name };
}

static void add_pool(struct states *s, const struct arena_object *a, size_t index)
{
	struct python *py = s->py;

	if (py->npools == s->pools_cap) {
		s->pools_cap = s->pools_cap ? 2 * s->pools_cap : 64;
		py->pools = xrealloc(py->pools, s->pools_cap, sizeof(*py->pools));
	}
	py->pools[py->npools++] = (struct python_pool){
		.start = a->address,
		.end = a->address + py->layout->obmalloc.arena_size,
		.fresh = a->pool_address,
		.index = (uint32_t)index,
	};
}

static void take_arenas(struct states *s, taddr array, size_t n)
{
	const struct cpy_layout *l = s->py->layout;
	struct mem_window *w = mem_window_new(s->py->mem);

	for (size_t i = 0; i < n; i++) {
		struct arena_object a;
		size_t have;
		const uint8_t *p = mem_window_at(
			w, array + i * l->obmalloc.arena_object_size, sizeof(a), &have);

		if (!p || have < sizeof(a))
			break;
		memcpy(&a, p, sizeof(a));
		if (entry_is_used(s->py->mem, l, &a))
			add_pool(s, &a, i);
		else if (a.address)
			s->skipped++;
	}
	mem_window_free(w);
	add_own(s, "obmalloc arenas", array, n * l->obmalloc.arena_object_size);
}

/* How many entries an array can have at most: what is readable from there. */
static size_t entries_at_most(const struct python *py, taddr array, uint32_t n)
{
	uint64_t bytes = mem_range_end(py->mem, array) - array;

	return (size_t)min_u64(min_u64(n, CPY_ARENAS_MAX),
			       bytes / py->layout->obmalloc.arena_object_size);
}

static taddr state_of(const struct python *py, taddr interp)
{
	taddr state = interp + py->layout->interp.obmalloc;

	return py->layout->version < (3 << 8 | 13) ? state : cpy_peek(py->mem, state);
}

/* False: seen already, or none. */
static bool is_new_state(struct states *s, taddr state)
{
	for (size_t i = 0; i < s->nseen; i++)
		if (s->seen[i] == state)
			return false;
	if (!cpy_may_be_address(state) || s->nseen == countof(s->seen))
		return false;
	s->seen[s->nseen++] = state;
	return true;
}

static void take_states(struct states *s)
{
	struct python *py = s->py;
	const struct cpy_layout *l = py->layout;

	for (size_t i = 0; i < py->ninterps; i++) {
		taddr state = state_of(py, py->interps[i].at), array;
		uint32_t n;

		if (!is_new_state(s, state))
			continue;
		array = cpy_peek(py->mem, state + l->obmalloc.arenas);
		n = cpy_peek_u32(py->mem, state + l->obmalloc.maxarenas);
		take_arenas(s, array, entries_at_most(py, array, n));
	}
}

/* ---- by address ---- */

static int by_start(const void *a, const void *b)
{
	const struct python_pool *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Arenas that overlap the one before go. */
static void sort_pools(struct states *s)
{
	struct python *py = s->py;
	size_t kept = 0;

	if (py->npools)
		qsort(py->pools, py->npools, sizeof(*py->pools), by_start);
	for (size_t i = 0; i < py->npools; i++) {
		if (kept && py->pools[i].start < py->pools[kept - 1].end)
			s->skipped += py->pools[i].start != py->pools[kept - 1].start;
		else
			py->pools[kept++] = py->pools[i];
	}
	py->npools = kept;
}

void cpy_open_pools(struct python *py, struct model *model)
{
	struct states s = { .py = py, .own_cap = py->nranges };
	const struct python_places *p = py->places;

	if (py->layout->interp.obmalloc != CPY_ABSENT) {
		take_states(&s);
	} else if (p->arenas) {
		taddr array = cpy_peek(py->mem, p->arenas);

		if (cpy_arenas_hold(py->mem, py->layout, p->runtime, array))
			take_arenas(&s, array,
				    cpy_arena_count(py->mem, py->layout, array));
	}
	sort_pools(&s);
	if (s.skipped)
		model_find_out(model, SEVERITY_DAMAGE, "python",
			       "%zu entries of obmalloc's table of arenas make no sense",
			       s.skipped);
	if (py->npools == 0)
		model_find_out(
			model, SEVERITY_NOTE, "python",
			"obmalloc has no arenas (PYTHONMALLOC=malloc?): objects are "
			"found by the collector's lists and by references alone");
}

/* ---- own ranges ---- */

static void add_chunks(struct states *s, taddr thread)
{
	const struct python *py = s->py;
	taddr at = cpy_peek(py->mem, thread + py->layout->thread.datastack);

	/* _PyStackChunk: previous, size, top (pystate.h) */
	for (; s->chunks < CHUNKS_MAX && cpy_may_be_address(at); s->chunks++) {
		uint64_t size = cpy_peek(py->mem, at + 8);

		if (size > mem_range_end(py->mem, at) - at)
			return;
		add_own(s, "stack of frames", at, size);
		at = cpy_peek(py->mem, at);
	}
}

/* The nodes that a node of the tree of addresses points to. */
static size_t radix_children(const struct python *py, taddr node, uint32_t bytes,
			     taddr *out, size_t max)
{
	struct mem_window *w = mem_window_new(py->mem);
	size_t n = 0;

	for (uint64_t i = 0; i < bytes && n < max;) {
		size_t have;
		const uint8_t *p = mem_window_at(w, node + i, 8, &have);

		if (!p)
			break;
		have = (size_t)min_u64(have & ~(size_t)7, bytes - i);
		for (size_t k = 0; k + 8 <= have && n < max; k += 8) {
			memcpy(&out[n], p + k, 8);
			n += cpy_may_be_address(out[n]);
		}
		if (have == 0)
			break;
		i += have;
	}
	mem_window_free(w);
	return n;
}

static void add_radix(struct states *s, taddr root)
{
	const struct cpy_layout *l = s->py->layout;
	taddr mid[CHILDREN_MAX], bot[CHILDREN_MAX];
	size_t nmid =
		radix_children(s->py, root, l->obmalloc.radix_top, mid, CHILDREN_MAX);

	add_own(s, "obmalloc arena map", root, l->obmalloc.radix_top);
	for (size_t i = 0; i < nmid; i++) {
		size_t nbot =
			radix_children(s->py, mid[i], l->obmalloc.radix_mid, bot, 64);

		add_own(s, "obmalloc arena map", mid[i], l->obmalloc.radix_mid);
		for (size_t k = 0; k < nbot; k++)
			add_own(s, "obmalloc arena map", bot[k], l->obmalloc.radix_bot);
	}
}

static int by_range(const void *a, const void *b)
{
	const struct python_range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->end < y->end) - (x->end > y->end); /* what holds the other first */
}

/* What lies in another is that other's; what only touches it has a name of its own. */
static void merge_own(struct python *py)
{
	size_t kept = 0;

	if (py->nranges)
		qsort(py->ranges, py->nranges, sizeof(*py->ranges), by_range);
	for (size_t i = 0; i < py->nranges; i++) {
		struct python_range r = py->ranges[i];

		if (kept && r.start < py->ranges[kept - 1].end)
			py->ranges[kept - 1].end =
				max_u64(py->ranges[kept - 1].end, r.end);
		else
			py->ranges[kept++] = r;
	}
	py->nranges = kept;
}

void cpy_open_own(struct python *py)
{
	struct states s = { .py = py, .own_cap = py->nranges };
	const struct cpy_layout *l = py->layout;

	add_own(&s, "runtime", py->places->runtime, py->places->runtime_size);
	for (size_t i = 0; i < py->ninterps; i++) {
		taddr state = l->interp.obmalloc == CPY_ABSENT
				      ? 0
				      : state_of(py, py->interps[i].at);

		add_own(&s, "interpreter state", py->interps[i].at, l->interp.size);
		if (!is_new_state(&s, state))
			continue;
		add_own(&s, "obmalloc state", state, l->obmalloc.state_size);
		add_radix(&s, state + l->obmalloc.radix);
	}
	if (py->places->radix)
		add_radix(&s, py->places->radix);
	for (size_t i = 0; i < py->nthreads; i++) {
		add_own(&s, "thread state", py->threads[i].at, l->thread.size);
		add_chunks(&s, py->threads[i].at);
	}
	merge_own(py);
}
