/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lists of chunks that look in use and are free: every tcache's entries, every arena's
 * fastbins. Both are singly linked through the first word of what malloc returned; a
 * tcache's links lead to that word, a fastbin's to the chunk, 16 bytes before it.
 *
 * From 2.32 a link is stored XORed with its own place >> 12. Which it is, the data say: a
 * list's last link is 0 or exactly place >> 12, and of the others only one reading leads
 * to aligned memory. Every list's first link votes.
 *
 * A list may be torn or forged: each chunk is taken once, whoever lists it; the second
 * time is a finding and the list's end. So the work is bounded by the memory there is.
 */
#include "heap/ptmalloc/ptm_int.h"
#include <stdio.h>
#include <stdlib.h>

enum { CACHED_PAGES = 64, MAX_TOLD = 20 };

/* Lists jump about, but mostly within few pages. */
struct pages {
	taddr page[CACHED_PAGES]; /* its address; 1: none */
	uint8_t bytes[CACHED_PAGES][PAGE_SIZE_4K];
};

struct lists {
	struct ptm_heap *heap;
	struct model *model;
	struct pages *pages;
	struct map seen; /* chunks taken */
	size_t votes_plain, votes_mangled, told;
	uint64_t key; /* of the first tcached chunk */
	bool keys_differ;
};

/* The two words at `at`, 16-aligned; false: a hole. */
static bool words_at(struct lists *s, taddr at, uint64_t word[2])
{
	struct pages *p = s->pages;
	size_t i = at / PAGE_SIZE_4K % CACHED_PAGES;
	taddr page = align_down(at, PAGE_SIZE_4K);

	if (p->page[i] != page) {
		p->page[i] = 1;
		if (!mem_read(s->heap->mem, page, p->bytes[i], PAGE_SIZE_4K))
			return false;
		p->page[i] = page;
	}
	memcpy(word, p->bytes[i] + (at - page), 16);
	return true;
}

static void vote(struct lists *s, taddr place)
{
	uint64_t word[2], plain, bare;

	if (!words_at(s, place, word))
		return;
	plain = word[0];
	bare = word[0] ^ place >> 12;
	if (plain == 0 || (plain % PTM_ALIGN == 0 && mem_region_at(s->heap->mem, plain)))
		s->votes_plain++;
	if (bare == 0 || (bare % PTM_ALIGN == 0 && mem_region_at(s->heap->mem, bare)))
		s->votes_mangled++;
}

static void tell(struct lists *s, taddr where, const char *text, const char *what)
{
	char at[24];

	if (s->told++ >= MAX_TOLD)
		return;
	snprintf(at, sizeof(at), "0x%llx", (unsigned long long)where);
	model_find_out(s->model, SEVERITY_DAMAGE, at, text, what);
}

static void add_member(struct ptm_members *m, taddr chunk, enum ptm_member_kind kind)
{
	if (m->n == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 1024;
		m->of = xrealloc(m->of, m->cap, sizeof(*m->of));
	}
	m->of[m->n++] = chunk | kind;
}

/* Does the place lie in memory that malloc cuts up, or in a mapping of its own? */
static bool is_malloc_memory(const struct ptm_heap *h, taddr at)
{
	size_t i = ptm_span_after(h, at);

	return i < h->nspans && h->spans[i].base.start <= at;
}

/* From the first chunk on. `to_user`: links lead to what malloc returned. */
static void follow(struct lists *s, taddr chunk, enum ptm_member_kind kind)
{
	const char *what = kind == MEMBER_TCACHE ? "tcache" : "fastbin";
	bool mangled = s->heap->safe_linking == LINKS_MANGLED;

	while (chunk) {
		taddr place = chunk + PTM_HEADER, next;
		uint64_t word[2];

		if (chunk % PTM_ALIGN || !is_malloc_memory(s->heap, chunk)) {
			tell(s, chunk, "a %s list leads here, out of malloc's memory",
			     what);
			return;
		}
		if (map_has(&s->seen, chunk)) {
			tell(s, chunk, "listed twice as free, the second time in a %s",
			     what);
			return;
		}
		if (!words_at(s, place, word)) {
			tell(s, chunk, "a %s list leads here, to memory not captured",
			     what);
			return;
		}
		map_set(&s->seen, chunk, 0);
		add_member(&s->heap->members, chunk, kind);
		next = mangled ? word[0] ^ place >> 12 : word[0];
		if (kind == MEMBER_FASTBIN) {
			chunk = next;
			continue;
		}
		if (!s->key)
			s->key = word[1];
		s->keys_differ |= word[1] != s->key;
		chunk = next ? next - PTM_HEADER : 0;
	}
}

static taddr fastbin(const struct ptm_heap *h, size_t arena, size_t bin)
{
	taddr chunk;

	memcpy(&chunk, h->arenas[arena].state + h->places->state->fastbins + 8 * bin, 8);
	return chunk;
}

static size_t nfastbins(const struct ptm_heap *h)
{
	return h->places->state->fastbins ? PTM_NFASTBINS : 0;
}

static void each_first(struct lists *s,
		       void (*fn)(struct lists *, taddr chunk, enum ptm_member_kind kind))
{
	const struct ptm_heap *h = s->heap;

	for (size_t t = 0; t < h->ntcaches; t++)
		for (size_t i = 0; i < h->tcaches[t].layout->bins; i++)
			if (h->tcaches[t].entries[i])
				fn(s, h->tcaches[t].entries[i] - PTM_HEADER,
				   MEMBER_TCACHE);
	for (size_t a = 0; a < h->narenas; a++)
		for (size_t i = 0; i < nfastbins(h); i++)
			if (fastbin(h, a, i))
				fn(s, fastbin(h, a, i), MEMBER_FASTBIN);
}

static void vote_first(struct lists *s, taddr chunk, enum ptm_member_kind kind)
{
	(void)kind;
	vote(s, chunk + PTM_HEADER);
}

static void settle_links(struct lists *s)
{
	static const char *const names[] = { "unknown", "off", "on" };
	struct ptm_heap *h = s->heap;
	char evidence[96];

	if (s->votes_plain || s->votes_mangled)
		h->safe_linking =
			s->votes_mangled >= s->votes_plain ? LINKS_MANGLED : LINKS_PLAIN;
	snprintf(evidence, sizeof(evidence),
		 "%zu lists' links read so, %zu the other way",
		 (size_t)max_u64(s->votes_plain, s->votes_mangled),
		 (size_t)min_u64(s->votes_plain, s->votes_mangled));
	model_evidence(s->model, "safe-linking", names[h->safe_linking], evidence, "");
}

/* By bytes, the lowest first; a byte that all have in common costs one look. */
static void sort_members(struct ptm_members *m)
{
	uint64_t *from = m->of, *to = xcalloc(m->n ? m->n : 1, sizeof(*to));

	for (unsigned shift = 0; shift < 64; shift += 8) {
		size_t at[257] = { 0 };

		for (size_t i = 0; i < m->n; i++)
			at[(from[i] >> shift & 255) + 1]++;
		if (m->n && at[(from[0] >> shift & 255) + 1] == m->n)
			continue;
		for (size_t i = 1; i < 257; i++)
			at[i] += at[i - 1];
		for (size_t i = 0; i < m->n; i++)
			to[at[from[i] >> shift & 255]++] = from[i];
		uint64_t *swap = from;

		from = to;
		to = swap;
	}
	m->of = from;
	m->cap = m->n;
	free(to);
}

void ptm_open_lists(struct ptm_heap *h, struct model *m)
{
	struct lists s = { .heap = h, .model = m, .pages = xcalloc(1, sizeof(*s.pages)) };

	for (size_t i = 0; i < CACHED_PAGES; i++)
		s.pages->page[i] = 1;
	each_first(&s, vote_first);
	settle_links(&s);
	each_first(&s, follow);
	if (s.told > MAX_TOLD)
		model_find_out(m, SEVERITY_DAMAGE, "free lists", "%zu more such chunks",
			       s.told - MAX_TOLD);
	if (!s.keys_differ)
		h->tcache_key = s.key;
	sort_members(&h->members);
	map_release(&s.seen);
	free(s.pages);
}
