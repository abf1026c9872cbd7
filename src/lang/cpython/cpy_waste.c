/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of an object's memory is wasted: what it says, so that it can be seen to be said
 * twice, and room that nothing is in. It is told by the rules of its type while its bytes
 * are at hand.
 *
 * A damaged length must not have each of many objects read the rest of the heap. What one
 * object says is no longer than its block and ends at a hole, and what all of them say is
 * no more than there are bytes. Large zeroes are no text but a buffer that waits to be
 * filled: pages of it were perhaps never touched, which a core does not tell from zeroes.
 */
#include "base/hash.h"
#include "lang/cpython/cpy_int.h"

enum { ZEROES_MOST = 16 /* pieces in a row: 64 KiB */ };

/* What is left of a content, piece by piece. */
struct content {
	taddr at;
	uint64_t left, hash;
	unsigned zeroes;     /* pieces of nothing else, in a row */
	bool is_large, says; /* several pieces; one of them is more than zeroes */
};

static bool take_piece(struct python_reader *r, struct content *c)
{
	uint8_t buffer[HASH_PIECE];
	size_t n = (size_t)min_u64(c->left, HASH_PIECE);
	const uint8_t *bytes = cpy_hit(r, c->at, n);
	bool is_zero;

	if (n > r->content_left || (!bytes && !cpy_read(r, c->at, buffer, n)))
		return false;
	bytes = bytes ? bytes : buffer;
	is_zero = c->is_large && bytes_are_zero(bytes, n);
	c->zeroes = is_zero ? c->zeroes + 1 : 0;
	c->says |= !is_zero;
	c->hash = hash_bytes(c->hash, bytes, n);
	r->content_left -= n;
	c->at += n, c->left -= n;
	return c->zeroes < ZEROES_MOST;
}

void cpy_content(struct python_reader *r, const struct python_sink *sink, taddr at,
		 uint64_t n, uint64_t seed)
{
	struct content c = {
		.at = at, .left = n, .hash = seed, .is_large = n > HASH_PIECE
	};

	if (!sink->content || n == 0 || (n > CPY_POOLED_MAX && cpy_is_pooled(r->py, at)))
		return;
	while (c.left > 0)
		if (!take_piece(r, &c))
			return;
	if (c.says)
		sink->content(sink->context, c.hash, n);
}

void cpy_slack_items(const struct python_sink *sink, uint64_t room, uint64_t n,
		     uint64_t size)
{
	if (!sink->slack)
		return;
	if (n == 0)
		sink->slack(sink->context, SLACK_EMPTY, 0);
	else if (n < room)
		sink->slack(sink->context, SLACK_OVER_ALLOCATED, (room - n) * size);
}

void cpy_slack_table(const struct python_sink *sink, const struct cpy_table *t)
{
	if (!sink->slack)
		return;
	if (t->n == 0)
		sink->slack(sink->context, SLACK_EMPTY, 0);
	else if (t->n < t->most / t->part && t->bytes > t->least)
		sink->slack(sink->context, SLACK_SPARSE, t->bytes - t->least);
}
