/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caches of all threads. Each thread that used malloc has a pointer to its tcache in
 * libc's thread-local variables, somewhere below the thread pointer; the distance depends
 * on which other libraries have thread-local variables, but is the same for all threads.
 * So every word in [tls - REACH, tls) that points to a chunk of a tcache's size, whose
 * entries read as a tcache's, is a candidate, and the distance that most threads have in
 * common is the one.
 *
 * Where registers cannot be had (frozen threads), thread control blocks are found by what
 * glibc keeps in them: their own address, twice (tcbhead_t.tcb at 0 and .self at 16).
 */
#include "heap/ptmalloc/ptm_int.h"
#include <stdio.h>
#include <stdlib.h>

enum {
	REACH = 0x2000,
	REACH_WORDS = REACH / 8,
	MAX_TLS = 1 << 16,
	TCB_ALIGN = 64,
};

/* Threads by their thread pointers, and how often each distance held a candidate. */
struct threads {
	taddr *tls;
	size_t n;
	uint32_t votes[REACH_WORDS]; /* [i]: at tls - REACH + 8 * i */
};

static bool is_count(const struct ptm_tcache_layout *l, const uint8_t *t, size_t bin,
		     uint64_t entry)
{
	uint16_t count = 0;

	memcpy(&count, t + bin * l->count_size, l->count_size);
	/* free slots are counted down from a number that a tunable sets */
	return l->counts == COUNT_FREE || (count == 0) == (entry == 0);
}

/* Does `user` point to a tcache? Reads it into *out. */
static bool read_tcache(const struct mem *mem, taddr user, struct ptm_tcache *out)
{
	uint8_t t[768];
	uint64_t head;
	const struct ptm_tcache_layout *l;
	const struct mem_region *r;

	if (user == 0 || user % PTM_ALIGN)
		return false;
	r = mem_region_at(mem, user - 8);
	if (!r || !(r->prot & PROT_W) || !mem_load(mem, user - 8, &head))
		return false;
	l = ptm_tcache_layout_of(head & ~(uint64_t)PTM_FLAGS);
	if (!l || head & PTM_IS_MMAPPED || !mem_read(mem, user, t, l->size))
		return false;
	*out = (struct ptm_tcache){ .addr = user, .layout = l };
	memcpy(out->entries, t + l->entries, l->bins * 8u);
	for (size_t i = 0; i < l->bins; i++) {
		uint64_t entry = out->entries[i];

		if (entry % PTM_ALIGN || !is_count(l, t, i, entry))
			return false;
		if (entry && !mem_region_at(mem, entry))
			return false;
	}
	return true;
}

/* The words below a thread pointer, as far down as they can be read; zeroes below. */
static void read_below(const struct mem *mem, taddr tls, uint64_t words[REACH_WORDS])
{
	uint8_t *bytes = (uint8_t *)words;
	size_t n = REACH;

	memset(words, 0, REACH);
	while (n > 0) {
		taddr page = align_down(tls - 1, PAGE_SIZE_4K);
		size_t take = (size_t)min_u64(tls - page, n);

		if (!mem_read(mem, tls - take, bytes + n - take, take))
			return;
		n -= take;
		tls -= take;
	}
}

static void vote(const struct mem *mem, struct threads *t, taddr tls)
{
	uint64_t words[REACH_WORDS];
	struct ptm_tcache ignored;

	read_below(mem, tls, words);
	for (size_t i = 0; i < REACH_WORDS; i++)
		if (read_tcache(mem, words[i], &ignored))
			t->votes[i]++;
}

/* ---- which threads ---- */

static void add_thread(struct threads *t, taddr tls)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->tls[i] == tls)
			return;
	if (tls <= REACH || tls % 8 || t->n == MAX_TLS)
		return;
	t->tls = xrealloc(t->tls, t->n + 1, sizeof(*t->tls));
	t->tls[t->n++] = tls;
}

static void find_blocks_in(const struct mem *mem, struct mem_window *w, struct threads *t,
			   struct ptm_range range)
{
	taddr end = range.end;

	for (taddr at = range.start; at + TCB_ALIGN <= end;) {
		size_t have, i;
		const uint8_t *p = mem_window_at(w, at, PAGE_SIZE_4K, &have);

		have = (size_t)min_u64(have, end - at);
		for (i = 0; p && i + TCB_ALIGN <= have; i += TCB_ALIGN) {
			uint64_t word[3];

			memcpy(word, p + i, sizeof(word));
			if (word[0] == at + i && word[2] == at + i)
				add_thread(t, at + i);
		}
		at += p && i ? i : align_up(max_u64(have, 1), TCB_ALIGN);
		at = mem_next_data(mem, at);
	}
}

/* Thread control blocks lie outside all heaps: above stacks, in mappings of ld.so, or, in
 * static programs, in the break before malloc had it. */
static void find_blocks(const struct ptm_heap *h, struct threads *t)
{
	struct mem_window *w = mem_window_new(h->mem);

	for (size_t i = 0; i < h->mem->nregions; i++) {
		const struct mem_region *r = &h->mem->regions[i];
		taddr at = r->start;

		while (ptm_is_anonymous(r) && at < r->end) {
			size_t next = ptm_span_after(h, at);
			taddr end = r->end;

			if (next < h->nspans)
				end = max_u64(at,
					      min_u64(h->spans[next].base.start, end));
			find_blocks_in(
				h->mem, w, t,
				(struct ptm_range){ align_up(at, TCB_ALIGN), end });
			at = end < r->end ? h->spans[next].base.end : end;
		}
	}
	mem_window_free(w);
}

static bool collect_threads(const struct ptm_heap *h, struct threads *t)
{
	bool all = true;

	for (size_t i = 0; i < h->mem->nthreads; i++)
		if (h->mem->threads[i].has_regs)
			add_thread(t, h->mem->threads[i].tls);
		else
			all = false;
	if (!all)
		find_blocks(h, t);
	return all;
}

/* ---- taking them ---- */

static void note_thread(struct model *m, taddr tls, taddr tcache)
{
	for (size_t i = 0; i < m->threads.n; i++)
		if (m->threads.tls[i] == tls)
			m->threads.tcache[i] = tcache;
}

static void take_tcache(struct ptm_heap *h, const struct ptm_tcache *tcache)
{
	for (size_t i = 0; i < h->ntcaches; i++)
		if (h->tcaches[i].addr == tcache->addr)
			return;
	h->tcaches = xrealloc(h->tcaches, h->ntcaches + 1, sizeof(*h->tcaches));
	h->tcaches[h->ntcaches++] = *tcache;
}

static void tell_tcaches(const struct ptm_heap *h, struct model *m, bool by_regs,
			 size_t distance)
{
	char answer[96], evidence[128];

	snprintf(answer, sizeof(answer), "%zu of %zu threads", h->ntcaches, h->nthreads);
	if (h->ntcaches == 0) {
		model_evidence(m, "thread caches", answer,
			       "no thread has a pointer to one below its thread pointer",
			       "right if tcache is switched off");
		return;
	}
	snprintf(evidence, sizeof(evidence),
		 "thread pointer - 0x%zx, layout %s, threads %s", distance,
		 h->tcaches[0].layout->versions,
		 by_regs ? "by their registers" : "by their control blocks");
	model_evidence(m, "thread caches", answer, evidence, "");
}

/* Before 2.26 threads have none. */
static bool may_have_tcaches(const struct ptm_places *p)
{
	return p->mp ? p->par->tcache_bins != 0 : p->state->last >= 26;
}

void ptm_open_tcaches(struct ptm_heap *h, struct model *m)
{
	struct threads *t;
	bool by_regs;
	size_t best = 0;

	if (!may_have_tcaches(h->places)) {
		model_evidence(m, "thread caches", "none", "glibc has them from 2.26 on",
			       "");
		return;
	}
	t = xcalloc(1, sizeof(*t));
	by_regs = collect_threads(h, t);
	for (size_t i = 0; i < t->n; i++)
		vote(h->mem, t, t->tls[i]);
	for (size_t i = 0; i < REACH_WORDS; i++)
		if (t->votes[i] >= t->votes[best])
			best = i;
	/* a control block may outlive its thread */
	h->nthreads = h->mem->nthreads ? h->mem->nthreads : t->n;
	for (size_t i = 0; t->votes[best] && i < t->n; i++) {
		struct ptm_tcache tcache;
		taddr at = t->tls[i] - REACH + 8 * best;

		if (!read_tcache(h->mem, ptm_word(h->mem, at), &tcache))
			continue;
		take_tcache(h, &tcache);
		note_thread(m, t->tls[i], tcache.addr);
	}
	tell_tcaches(h, m, by_regs, REACH - 8 * best);
	free(t->tls);
	free(t);
}
