/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's lists: three generations of each interpreter and the permanent one of
 * gc.freeze(). A ring of heads, 16 bytes before each object; the low two bits of a link
 * are flags (pycore_gc.h).
 *
 * A link is followed forwards only. During a collection the backward words count, and
 * rings hang from the collector's own stack: those objects are found in their slabs. A ring
 * that does not come back to its head is caught by Brent's method: a mark that is moved to
 * where we are after 1, 2, 4, 8, ... steps is met again.
 */
#include "lang/cpython/cpy_runtime_int.h"

enum { LINK_FLAGS = 3 };

static void read_list(struct python_reader *r, taddr head, python_address_fn *fn,
		      void *context)
{
	uint64_t node, steps = 0, next_mark = 1;
	taddr mark = head;

	if (!cpy_word(r, head, &node))
		return;
	for (node &= ~(uint64_t)LINK_FLAGS; node != head && node != mark;) {
		if (!cpy_may_be_address(node))
			return;
		if (++steps == next_mark) {
			mark = node;
			next_mark *= 2;
		}
		fn(context, node + CPY_GC_HEAD);
		if (!cpy_word(r, node, &node))
			return;
		node &= ~(uint64_t)LINK_FLAGS;
	}
}

void python_read_lists(struct python_reader *r, python_address_fn *fn, void *context)
{
	const struct cpy_layout *l = r->layout;

	for (size_t i = 0; i < r->py->ninterps; i++) {
		taddr gc = r->py->interps[i].at + l->interp.gc;

		for (unsigned k = 0; k < 3; k++)
			read_list(r, gc + l->gc.generations + k * l->gc.generation_size,
				  fn, context);
		read_list(r, gc + l->gc.permanent, fn, context);
	}
}
