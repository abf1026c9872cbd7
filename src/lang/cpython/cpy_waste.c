/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of an object's memory is wasted: what it says, so that it can be seen to be said
 * twice, and room that nothing is in. It is told by the rules of its type while its bytes
 * are at hand.
 *
 * A damaged length must not have each of many objects read the rest of the heap. What one
 * object says is no longer than its block, ends at a hole or at pages that were never
 * touched, and what all of them say is no more than there are bytes.
 */
#include "base/hash.h"
#include "lang/cpython/cpy_int.h"

/* Would the next piece be zeroes that nobody wrote? */
static bool is_untouched(struct python_reader *r, taddr at)
{
	return mem_next_data(r->py->mem, at) - at >= HASH_PIECE;
}

void cpy_content(struct python_reader *r, const struct python_sink *sink, taddr at,
		 uint64_t n, uint64_t seed)
{
	uint8_t bytes[HASH_PIECE];
	uint64_t hash = seed, left = n;

	if (!sink->content || n == 0 || (n > CPY_POOLED_MAX && cpy_is_pooled(r->py, at)))
		return;
	while (left > 0) {
		size_t take = (size_t)min_u64(left, HASH_PIECE);
		const uint8_t *hit = cpy_hit(r, at, take);

		if (take > r->content_left || (n > HASH_PIECE && is_untouched(r, at)) ||
		    (!hit && !cpy_read(r, at, bytes, take)))
			return;
		hash = hash_bytes(hash, hit ? hit : bytes, take);
		r->content_left -= take;
		at += take, left -= take;
	}
	sink->content(sink->context, hash, n);
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
