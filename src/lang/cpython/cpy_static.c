/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Up to 3.11 three things lie in static data under local names, which a stripped file has
 * not: obmalloc's array of arenas, its map of addresses, and the dict of interned texts.
 * Each proves itself:
 *
 *   arenas     objects on the collector's lists lie in pools, pools say which entry of the
 *              array is their arena's; a pointer to where all those entries hold the right
 *              arenas is the one
 *   map        a pointer to the middle of a tree that has those arenas where it must
 *   interned   a dict whose keys are texts marked as interned, each its own value
 *
 * All words of the module's data are tried, at one read for those that are addresses.
 */
#include "lang/cpython/cpy_runtime_int.h"

#include <stdio.h>

enum {
	SAMPLES = 32,
	SAMPLES_TRIED = 512,
	SAMPLES_MIN = 3,
	INTERNED_MIN = 32, /* any interpreter has some thousand */
	INTERNED_LOOK = 64,
	ENTRIES_TRIED = 64 * INTERNED_LOOK,
};

/* ---- arenas ---- */

struct sample {
	taddr pool;
	uint32_t arena; /* index */
};

/* The pool around a block whose object's head is at `node`. */
static bool sample_at(const struct mem *m, const struct cpy_layout *l, taddr node,
		      struct sample *out)
{
	taddr pool = align_down(node, l->obmalloc.pool_size);
	uint32_t head[4]; /* arenaindex, szidx, nextoffset, maxnextoffset */
	uint64_t offset = node - pool - l->obmalloc.pool_head, size;

	if (!mem_load(m, pool + 32, &head) || head[1] >= 32 || head[0] >= CPY_ARENAS_MAX)
		return false;
	size = (head[1] + 1) * 16;
	if (head[3] != l->obmalloc.pool_size - size || head[2] <= l->obmalloc.pool_head)
		return false;
	if (node < pool + l->obmalloc.pool_head || offset % size > l->managed.pre_header)
		return false;
	*out = (struct sample){ pool, head[0] };
	return true;
}

/* Adds samples from one generation of the collector's. */
static size_t sample_list(const struct mem *m, const struct cpy_layout *l, taddr head,
			  struct sample *out, size_t n)
{
	taddr node = cpy_peek(m, head);

	for (size_t i = 0; i < SAMPLES_TRIED && n < SAMPLES && node != head; i++) {
		if (!cpy_may_be_address(node))
			break;
		if (sample_at(m, l, node, &out[n]) &&
		    (n == 0 || out[n].pool != out[n - 1].pool))
			n++;
		node = cpy_peek(m, node) & ~(uint64_t)3;
	}
	return n;
}

/* From the first interpreter's oldest generation on, which hardly changes; in a process
 * that has just begun all objects are in the youngest, after gc.freeze() in none. */
static size_t take_samples(const struct mem *m, const struct cpy_layout *l, taddr runtime,
			   struct sample *out)
{
	taddr interp = cpy_peek(m, runtime + l->runtime.interpreters_main);
	taddr gc = interp + l->interp.gc, lists = gc + l->gc.generations;
	size_t n = 0;

	for (unsigned generation = 3; generation-- > 0;)
		n = sample_list(m, l, lists + generation * l->gc.generation_size, out, n);
	return sample_list(m, l, gc + l->gc.permanent, out, n);
}

static bool arena_fits(const struct cpy_layout *l, taddr arena, const struct sample *s)
{
	return arena && arena % PAGE_SIZE_4K == 0 &&
	       s->pool - arena < l->obmalloc.arena_size;
}

static taddr entry_of(const struct cpy_layout *l, taddr array, const struct sample *s)
{
	return array + (taddr)s->arena * l->obmalloc.arena_object_size;
}

static bool samples_fit(const struct mem *m, const struct cpy_layout *l, taddr array,
			const struct sample *s, size_t n)
{
	size_t fit = 0;

	for (size_t i = 0; i < n; i++) {
		fit += arena_fits(l, cpy_peek(m, entry_of(l, array, &s[i])), &s[i]);
		if (i + 1 - fit > n / 8) /* freed meanwhile, in a process that runs */
			return false;
	}
	return n >= SAMPLES_MIN;
}

bool cpy_arenas_hold(const struct mem *m, const struct cpy_layout *l, taddr runtime,
		     taddr array)
{
	struct sample samples[SAMPLES];
	size_t n = take_samples(m, l, runtime, samples);

	return cpy_may_be_address(array) && samples_fit(m, l, array, samples, n);
}

/* ---- interned ---- */

/* An entry of a dict's table: of texts only, a key and a value; else the hash before. */
static bool is_interned(const struct mem *m, const struct cpy_layout *l, taddr entry,
			bool has_hash, bool *is_empty)
{
	taddr key = cpy_peek(m, entry + (has_hash ? 8 : 0));
	taddr value = cpy_peek(m, entry + (has_hash ? 16 : 8));

	*is_empty = value == 0;
	return value == 0 || (key == value && cpy_peek_u32(m, key + l->text.state) & 3);
}

/* Its first texts are enough: hardly another dict has even one that is its own value. */
static bool entries_are_interned(const struct mem *m, const struct cpy_layout *l,
				 taddr keys, uint64_t n)
{
	uint32_t head = cpy_peek_u32(m, keys + l->dict.log2_size);
	unsigned log2_index = head >> 8 & 0xff, kind = head >> 16 & 0xff;
	taddr entries = keys + l->dict.indices + ((uint64_t)1 << (log2_index & 63));
	uint64_t seen = 0;

	if (kind > 1 || log2_index > 40)
		return false;
	for (uint64_t i = 0; i < n && i < ENTRIES_TRIED && seen < INTERNED_LOOK; i++) {
		bool is_empty;

		if (!is_interned(m, l, entries + i * (kind ? 16 : 24), !kind, &is_empty))
			return false;
		seen += !is_empty;
	}
	return seen >= INTERNED_MIN;
}

bool cpy_interned_holds(const struct mem *m, const struct cpy_layout *l, taddr dict)
{
	uint64_t used = cpy_peek(m, dict + l->dict.used), n;
	taddr keys;

	if (used < INTERNED_MIN)
		return false;
	keys = cpy_peek(m, dict + l->dict.keys);
	n = cpy_peek(m, keys + l->dict.nentries);
	return used <= n && entries_are_interned(m, l, keys, n) &&
	       cpy_is_dict(m, l, dict) && cpy_peek(m, dict + l->dict.values) == 0;
}

/* ---- the map of addresses ---- */

struct map_search {
	const struct mem *mem;
	const struct cpy_layout *l;
	taddr arenas[SAMPLES];
	size_t n;
	taddr root; /* the answer */
};

/* Does the tree whose middle is at `mid` know the arena? By its number of MiBs, and what
 * its start is off that (CPython 3.11 Objects/obmalloc.c, arena_map_mark_used). */
static bool map_has_arena(const struct map_search *s, taddr mid, taddr arena)
{
	uint64_t number = arena / s->l->obmalloc.arena_size;
	uint64_t nbot = s->l->obmalloc.radix_bot / 8, nmid = s->l->obmalloc.radix_mid / 8;
	uint32_t tail = (uint32_t)(arena % s->l->obmalloc.arena_size);
	taddr bot = cpy_peek(s->mem, mid + number / nbot % nmid * 8);

	return cpy_may_be_address(bot) && number / nbot / nmid == 0 &&
	       cpy_peek_u32(s->mem, bot + number % nbot * 8) ==
		       (tail ? tail : UINT32_MAX);
}

static bool see_map(void *context, taddr at, const uint64_t *words, size_t n)
{
	struct map_search *s = context;

	for (size_t i = 0; i < n && !s->root; i++) {
		size_t has = 0;

		if (!cpy_may_be_address(words[i]) || words[i] % 16)
			continue;
		while (has < s->n && map_has_arena(s, words[i], s->arenas[has]))
			has++;
		if (has == s->n)
			s->root = at + 8 * i;
	}
	return !s->root;
}

/* The root's first word is that of all addresses below 512 TiB. 0: not found. */
static taddr find_map(const struct mem *m, const struct module *module,
		      const struct python_places *p, const struct sample *samples,
		      size_t n)
{
	taddr array = p->arenas ? cpy_peek(m, p->arenas) : 0;
	struct map_search s = { .mem = m, .l = p->layout };

	for (size_t i = 0; array && i < n; i++) {
		taddr arena = cpy_peek(m, entry_of(s.l, array, &samples[i]));

		if (arena_fits(s.l, arena, &samples[i]))
			s.arenas[s.n++] = arena;
	}
	if (s.n > 0)
		cpy_each_word(m, module, see_map, &s);
	return s.root;
}

/* ---- the search ---- */

struct search {
	const struct mem *mem;
	const struct cpy_layout *l;
	struct python_places *places;
	const struct module *module;
	taddr dict_type;
	struct sample samples[SAMPLES];
	size_t nsamples;
	bool wants_arenas, wants_interned;
	struct python_reader eyes; /* its memory alone: most words lead to few places */
};

static void try_word(struct search *s, taddr at, taddr word)
{
	const struct cpy_layout *l = s->l;

	if (s->wants_arenas && s->nsamples >= SAMPLES_MIN &&
	    arena_fits(l, cpy_word_or_0(&s->eyes, entry_of(l, word, &s->samples[0])),
		       &s->samples[0]) &&
	    samples_fit(s->mem, l, word, s->samples, s->nsamples)) {
		s->places->arenas = at;
		s->wants_arenas = false;
	} else if (s->wants_interned &&
		   cpy_word_or_0(&s->eyes, word + CPY_TYPE) == s->dict_type &&
		   cpy_interned_holds(s->mem, l, word)) {
		s->places->interned = at;
		s->wants_interned = false;
	}
}

static bool see_words(void *context, taddr at, const uint64_t *words, size_t n)
{
	struct search *s = context;
	const struct python_places *p = s->places;

	for (size_t i = 0; i < n; i++) {
		taddr here = at + 8 * i, word = words[i];

		if (!cpy_may_be_address(word) || word % 16 ||
		    here - p->runtime < p->runtime_size ||
		    (word >= s->module->start && word < s->module->end))
			continue;
		try_word(s, here, word);
	}
	return s->wants_arenas || s->wants_interned;
}

static taddr by_symbol(const struct module *module, const char *name)
{
	uint64_t vaddr, size;

	return module->image && image_find_symbol(module->image, name, &vaddr, &size)
		       ? module->bias + vaddr
		       : 0;
}

struct cpy_statics cpy_find_statics(const struct mem *m, const struct module *module,
				    struct python_places *p)
{
	struct search s = { .mem = m, .l = p->layout, .places = p, .module = module };
	taddr main = cpy_peek(m, p->runtime + p->layout->runtime.interpreters_main);
	taddr modules = cpy_peek(m, main + p->layout->interp.modules);
	struct cpy_statics found = { "symbol arenas", "symbol interned" };

	s.dict_type = cpy_peek(m, modules + CPY_TYPE);
	s.nsamples = take_samples(m, p->layout, p->runtime, s.samples);
	p->radix = by_symbol(module, "arena_map_root");
	p->arenas = by_symbol(module, "arenas");
	p->interned = by_symbol(module, "interned");
	s.wants_arenas = !p->arenas || !samples_fit(m, s.l, cpy_peek(m, p->arenas),
						    s.samples, s.nsamples);
	s.wants_interned =
		!p->interned || !cpy_interned_holds(m, s.l, cpy_peek(m, p->interned));
	if (s.wants_arenas) {
		found.arenas =
			"the only array that has the arenas of known objects' pools";
		p->arenas = 0;
	}
	if (s.wants_interned) {
		found.interned = "a dict of interned texts, each its own value";
		p->interned = 0;
	}
	if (s.wants_arenas || s.wants_interned) {
		s.eyes.memory = cpy_memory_new(m);
		cpy_each_word(m, module, see_words, &s);
		cpy_memory_free(s.eyes.memory);
	}
	if (!p->radix)
		p->radix = find_map(m, module, p, s.samples, s.nsamples);
	found.arenas = p->arenas ? found.arenas : NULL;
	found.interned = p->interned ? found.interned : NULL;
	return found;
}
