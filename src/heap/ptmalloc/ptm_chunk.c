/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks lie end to end; each begins with two words, and the second says how long it is:
 *
 *   at ->  | prev_size | size|flags | what malloc returned ...        | next chunk ...
 *          prev_size belongs to the previous chunk while that one is in use.
 *
 * Whether a chunk is in use, its successor says. So a step reads the successor's header
 * too, and checks what both know of each other. A size that leads out of the span, or to
 * no possible header, stops the walk; a contradiction that leaves the way clear is a fault
 * noted on the chunk.
 *
 * After damage, ptm_chunks_resume looks for the next place that chunks chain on from. It
 * is a guess: memory that once held small chunks and now is one large block still shows
 * their headers. A chain must lead to the span's end, or to a chunk that a list knows of,
 * or over CREDIBLE chunks without a fault, and must not step over a chunk of a list.
 */
#include "heap/ptmalloc/ptm_int.h"
#include <stdio.h>

enum {
	CREDIBLE = 64,
	MAX_FENCES = 3,
};

/* The piece of memory the iterator stands in; good until the window moves. */
struct piece {
	struct mem_window *window;
	const uint8_t *bytes;
	taddr start;
	size_t n;
};

/* `n` <= 32 bytes at `at`, or NULL. */
static inline const uint8_t *piece_at(struct piece *p, taddr at, size_t n)
{
	if (p->bytes && at - p->start < p->n && p->n - (size_t)(at - p->start) >= n)
		return p->bytes + (at - p->start);
	p->bytes = mem_window_at(p->window, at, n, &p->n);
	p->start = at;
	return p->bytes && p->n >= n ? p->bytes : NULL;
}

static inline uint64_t word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static size_t stop(struct ptm_chunks *it, enum ptm_stop why, size_t n)
{
	it->stop = why;
	return n;
}

/* The header of a fencepost: too small for a chunk, or 0 in the last place of a heap. */
static bool is_fence(const struct ptm_chunks *it, taddr at, uint64_t head)
{
	uint64_t size = head & ~(uint64_t)PTM_FLAGS;

	return size == PTM_FENCE || (size == 0 && it->end - at == PTM_FENCE);
}

size_t ptm_chunks_fences(const struct ptm_chunks *it)
{
	struct piece piece = { .window = it->window };
	size_t n = 0;

	while (n < MAX_FENCES && it->end - it->at >= (n + 1) * PTM_FENCE) {
		taddr at = it->at + n * PTM_FENCE;
		const uint8_t *p = piece_at(&piece, at, PTM_HEADER);

		if (!p || !is_fence(it, at, word(p + 8)))
			break;
		n++;
	}
	return n >= 2 || it->at + n * PTM_FENCE == it->end ? n : 0;
}

/* What a chunk and its successor say of each other. */
static inline uint8_t faults_of(const struct ptm_chunks *it, const struct ptm_chunk *c,
				uint64_t next_prev_size)
{
	uint64_t owner = it->is_main || !c->is_in_use ? 0 : PTM_NON_MAIN;
	uint8_t faults = 0;

	if ((c->head & (PTM_NON_MAIN | PTM_IS_MMAPPED)) != owner)
		faults |= FAULT_FLAGS;
	if (!c->is_in_use && next_prev_size != c->size)
		faults |= FAULT_PREV_SIZE;
	if (!c->is_in_use && !(c->head & PTM_PREV_INUSE))
		faults |= FAULT_TWO_FREE;
	return faults;
}

static inline bool is_size(uint64_t size, uint64_t left)
{
	return size >= PTM_MIN_CHUNK && size % PTM_ALIGN == 0 && size <= left;
}

/* Is the chunk of `size` bytes before `next` free? By the flag in the successor's header;
 * but one that is no header, and gives another size, is not believed. */
static inline bool is_free(const struct ptm_chunks *it, taddr next, const uint8_t *header,
			   uint64_t size)
{
	uint64_t head = word(header + 8);

	if (head & PTM_PREV_INUSE)
		return false;
	return word(header) == size || next == it->end ||
	       is_size(head & ~(uint64_t)PTM_FLAGS, it->end - next);
}

size_t ptm_chunks_next(struct ptm_chunks *it, struct ptm_chunk *out, size_t cap)
{
	struct piece piece = { .window = it->window };
	const uint8_t *p = it->at < it->end ? piece_at(&piece, it->at, PTM_HEADER) : NULL;
	uint64_t head;

	if (it->at >= it->end)
		return stop(it, STOP_END, 0);
	if (!p)
		return stop(it, STOP_HOLE, 0);
	head = word(p + 8);
	for (size_t n = 0; n < cap; n++) {
		struct ptm_chunk *c = &out[n];
		uint64_t size = head & ~(uint64_t)PTM_FLAGS;

		if (it->at == it->end)
			return stop(it, STOP_END, n);
		if (!is_size(size, it->end - it->at))
			return stop(it,
				    is_fence(it, it->at, head) ? STOP_FENCE : STOP_DAMAGE,
				    n);
		p = piece_at(&piece, it->at, PTM_MIN_CHUNK);
		*c = (struct ptm_chunk){ .at = it->at, .size = size, .head = head };
		if (p) {
			c->word[0] = word(p + 16);
			c->word[1] = word(p + 24);
		}
		p = piece_at(&piece, it->at + size, PTM_HEADER);
		if (!p && it->at + size < it->end) {
			/* the last chunk that can be seen; nobody says it is free */
			c->is_in_use = true;
			it->at += size;
			return stop(it, STOP_HOLE, n + 1);
		}
		head = p ? word(p + 8) : PTM_PREV_INUSE;
		c->is_in_use = !p || !is_free(it, it->at + size, p, size);
		c->faults = faults_of(it, c, p ? word(p) : 0);
		it->at += size;
	}
	return stop(it, STOP_NOT, cap);
}

size_t ptm_member_after(const struct ptm_members *m, taddr at)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->of[mid] < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Does no chunk of the batch have a fault, or a list's chunk in its middle? Counts those
 * that begin where a list says. */
static bool is_sound(const struct ptm_chunk *c, size_t n,
		     const struct ptm_members *members, size_t *known)
{
	size_t i = n ? ptm_member_after(members, c[0].at) : 0;

	for (size_t k = 0; k < n; k++) {
		if (c[k].faults)
			return false;
		if (i < members->n && align_down(members->of[i], PTM_ALIGN) == c[k].at) {
			i++;
			*known += 1;
		}
		if (i < members->n && members->of[i] < c[k].at + c[k].size)
			return false;
	}
	return true;
}

/* Do chunks chain on from it->at? */
static bool is_credible(struct ptm_chunks it, const struct ptm_members *members)
{
	struct ptm_chunk chunks[CREDIBLE];
	size_t known = 0, n = ptm_chunks_next(&it, chunks, CREDIBLE);

	if (!is_sound(chunks, n, members, &known))
		return false;
	if (it.stop == STOP_NOT || known > 0)
		return true;
	return n > 0 && (it.stop == STOP_END || it.stop == STOP_FENCE);
}

/* A header that could stand at the start of a chain? Most words are none. */
static bool may_be_head(const struct ptm_chunks *it, uint64_t head, taddr at)
{
	uint64_t size = head & ~(uint64_t)PTM_FLAGS;

	return is_size(size, it->end - at) && !(head & PTM_IS_MMAPPED) &&
	       !(it->is_main && head & PTM_NON_MAIN);
}

bool ptm_chunks_resume(struct ptm_chunks *it, const struct mem *mem,
		       const struct ptm_members *members, uint32_t *budget)
{
	struct piece piece = { .window = it->window };
	taddr at = it->at;

	while (it->end - at >= PTM_MIN_CHUNK) {
		const uint8_t *p = piece_at(&piece, at, PTM_HEADER);

		if (!p) {
			taddr past = align_up(at + max_u64(piece.n, 1), PAGE_SIZE_4K);

			if (past <= at || past >= it->end)
				break;
			at = past;
			continue;
		}
		if (may_be_head(it, word(p + 8), at)) {
			if (*budget == 0)
				break;
			--*budget;
			it->at = at;
			if (is_credible(*it, members))
				return true;
			piece.bytes = NULL; /* the window has moved */
		}
		at += PTM_ALIGN;
		if (at % PAGE_SIZE_4K == 0)
			at = min_u64(mem_next_data(mem, at), it->end);
	}
	it->at = it->end;
	return false;
}
