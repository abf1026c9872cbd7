/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a block of text says, up to its NUL, as a hash: while its bytes are at hand. A block
 * that its text does not fill to a third is a buffer: that two say the same is chance. (A
 * std::string that grew fills half of what it asked for.)
 */
#include "base/hash.h"
#include "collect/collect_int.h"

#include <string.h>

enum { SMALL_BLOCK = 64 /* bytes: whatever malloc rounds up to is no buffer */ };

/* The text's hash and length; false: there is a hole in it. */
static bool hash_text(taddr at, uint64_t size, struct mem_window *w, struct wasted *out)
{
	uint64_t hash = 0, left = size;

	while (left > 0) {
		size_t want = (size_t)min_u64(left, HASH_PIECE), have, n;
		const uint8_t *bytes = mem_window_at(w, at, want, &have);

		if (!bytes || have < want)
			return false;
		n = strnlen((const char *)bytes, want);
		if (n > 0)
			hash = hash_bytes(hash, bytes, n);
		at += n, left -= n;
		if (n < want)
			break;
	}
	out->value = hash;
	out->more = (uint32_t)(size - left);
	return true;
}

void scan_keep_text(struct row_segment *rows, taddr at, uint64_t size,
		    struct mem_window *w)
{
	struct wasted text = { .node = (uint32_t)rows->n };

	if (hash_text(at, size, w, &text) &&
	    (size <= SMALL_BLOCK || text.more >= size / 3))
		waste_add(&rows->texts, &text);
}

void scan_list_texts(struct scan *s, const struct model *m, struct waste_list *out)
{
	for (size_t k = 0; k < s->nsegments; k++) {
		struct row_segment *rows = s->segments[k];

		for (size_t i = 0; i < rows->texts.n; i++) {
			struct wasted text = rows->texts.items[i];

			text.node = node_of_block(m, rows->first + text.node);
			waste_add(out, &text);
		}
		waste_list_release(&rows->texts);
	}
}
