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

struct ptm_pages {
	const struct mem *mem;
	taddr page[CACHED_PAGES]; /* its address; 1: none */
	uint8_t bytes[CACHED_PAGES][PAGE_SIZE_4K];
};

/* One of them. */
struct list {
	enum bin_kind kind;
	taddr first; /* its first chunk */
	struct ptm_sizes sizes;
	uint32_t thread;
	uint16_t arena;
	struct ptm_sum sum; /* what was found in it */
};

struct lists {
	struct ptm_heap *heap;
	struct model *model;
	struct ptm_pages *pages;
	struct map seen; /* chunks taken */
	size_t votes_plain, votes_mangled, told;
	uint64_t key; /* of the first tcached chunk */
	bool keys_differ;
};

struct ptm_pages *ptm_pages_new(const struct mem *mem)
{
	struct ptm_pages *p = xcalloc(1, sizeof(*p));

	p->mem = mem;
	for (size_t i = 0; i < CACHED_PAGES; i++)
		p->page[i] = 1;
	return p;
}

bool ptm_two_words(struct ptm_pages *p, taddr at, uint64_t word[2])
{
	size_t i = at / PAGE_SIZE_4K % CACHED_PAGES;
	taddr page = align_down(at, PAGE_SIZE_4K);

	if (p->page[i] != page) {
		p->page[i] = 1;
		if (!mem_read(p->mem, page, p->bytes[i], PAGE_SIZE_4K))
			return false;
		p->page[i] = page;
	}
	memcpy(word, p->bytes[i] + (at - page), 16);
	return true;
}

static void vote(struct lists *s, taddr place)
{
	uint64_t word[2], plain, bare;

	if (!ptm_two_words(s->pages, place, word))
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

/* The memory that malloc cuts up, or the mapping of its own, that holds the place. */
static const struct ptm_span *span_at(const struct ptm_heap *h, taddr at)
{
	size_t i = ptm_span_after(h, at);

	return i < h->nspans && h->spans[i].base.start <= at ? &h->spans[i] : NULL;
}

/* A chunk's bytes, as the walk tells them; 0: it has no size. */
static uint64_t footprint_of(struct lists *s, const struct ptm_span *span, taddr chunk)
{
	uint64_t head[2], size;

	if (span->base.arena == BLOCK_MMAPPED)
		return span->base.end - span->base.start;
	if (!ptm_two_words(s->pages, chunk, head))
		return 0;
	size = head[1] & ~(uint64_t)PTM_FLAGS;
	return size <= span->base.end - chunk ? size : 0;
}

/* Takes the chunk, and reads what stands in it. False: it cannot be one of the list. */
static bool take_chunk(struct lists *s, taddr chunk, struct list *list, uint64_t word[2])
{
	const char *what = bin_kind_name(list->kind);
	const struct ptm_span *span = span_at(s->heap, chunk);

	if (chunk % PTM_ALIGN || !span) {
		tell(s, chunk, "a %s list leads here, out of malloc's memory", what);
		return false;
	}
	if (map_has(&s->seen, chunk)) {
		tell(s, chunk, "listed twice as free, the second time in a %s", what);
		return false;
	}
	if (!ptm_two_words(s->pages, chunk + PTM_HEADER, word)) {
		tell(s, chunk, "a %s list leads here, to memory not captured", what);
		return false;
	}
	map_set(&s->seen, chunk, 0);
	list->sum.count++;
	list->sum.bytes += footprint_of(s, span, chunk);
	return true;
}

static void note_key(struct lists *s, uint64_t key)
{
	if (!s->key)
		s->key = key;
	s->keys_differ |= key != s->key;
}

static void follow(struct lists *s, struct list *list)
{
	bool mangled = s->heap->safe_linking == LINKS_MANGLED;
	bool is_tcache = list->kind == BIN_TCACHE;
	taddr chunk = list->first, next;
	uint64_t word[2];

	while (chunk && take_chunk(s, chunk, list, word)) {
		add_member(&s->heap->members, chunk,
			   is_tcache ? MEMBER_TCACHE : MEMBER_FASTBIN);
		next = mangled ? word[0] ^ (chunk + PTM_HEADER) >> 12 : word[0];
		if (is_tcache) {
			note_key(s, word[1]);
			next = next ? next - PTM_HEADER : 0;
		}
		chunk = next;
	}
	ptm_tell_list(s->model, list->kind, list->arena, list->sizes, list->sum);
	if (list->sum.count && is_tcache)
		s->model->bins.thread[s->model->bins.n - 1] = list->thread;
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

/* Row + 1 of the thread whose cache it is. */
static uint32_t thread_of(const struct model *m, taddr tcache)
{
	for (size_t i = 0; i < m->threads.n; i++)
		if (m->threads.tcache[i] == tcache)
			return (uint32_t)i + 1;
	return 0;
}

static void each_of_tcache(struct lists *s, const struct ptm_tcache *t,
			   void (*fn)(struct lists *, struct list *))
{
	uint32_t thread = thread_of(s->model, t->addr);

	for (size_t i = 0; i < t->layout->bins; i++)
		if (t->entries[i])
			fn(s, &(struct list){ .kind = BIN_TCACHE,
					      .first = t->entries[i] - PTM_HEADER,
					      .sizes = ptm_tcache_sizes(i),
					      .thread = thread,
					      .arena = BIN_OF_THREAD });
}

static void each_list(struct lists *s, void (*fn)(struct lists *, struct list *))
{
	const struct ptm_heap *h = s->heap;

	for (size_t t = 0; t < h->ntcaches; t++)
		each_of_tcache(s, &h->tcaches[t], fn);
	for (size_t a = 0; a < h->narenas; a++)
		for (size_t i = 0; i < nfastbins(h); i++)
			if (fastbin(h, a, i))
				fn(s, &(struct list){ .kind = BIN_FASTBIN,
						      .first = fastbin(h, a, i),
						      .sizes = ptm_fastbin_sizes(i),
						      .arena = (uint16_t)a });
}

static void vote_first(struct lists *s, struct list *list)
{
	vote(s, list->first + PTM_HEADER);
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
	struct lists s = { .heap = h, .model = m, .pages = ptm_pages_new(h->mem) };

	each_list(&s, vote_first);
	settle_links(&s);
	each_list(&s, follow);
	if (s.told > MAX_TOLD)
		model_find_out(m, SEVERITY_DAMAGE, "free lists", "%zu more such chunks",
			       s.told - MAX_TOLD);
	if (!s.keys_differ)
		h->tcache_key = s.key;
	sort_members(&h->members);
	map_release(&s.seen);
	free(s.pages);
}
