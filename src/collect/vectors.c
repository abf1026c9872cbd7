/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays that grow, as C++ vectors and buffers of C have them: three words in a row, where
 * its items begin, where they end, and where its room ends. The first is the address of a
 * block, and the room is as large as what malloc was asked for when it made that block; so
 * three pointers that are neighbours by chance are hardly ever taken for one.
 *
 * (libstdc++ bits/stl_vector.h _Vector_impl_data: _M_start, _M_finish, _M_end_of_storage.)
 */
#include "collect/edges_int.h"

/* malloc gives up to so many bytes more than it was asked for: its least block has 24, and
 * others end at the next multiple of 16 (glibc malloc.c request2size). */
enum { ROUNDING = 24 };

void vector_see(struct waste_list *found, const struct model *m, uint32_t node,
		const uint64_t words[3])
{
	uint64_t room = words[2] - words[0], size;

	if (node_is_object(m, node) || words[1] < words[0] || words[2] <= words[1])
		return;
	size = m->blocks.size[node - m->objects.n];
	if (room > size || size - room >= ROUNDING)
		return;
	waste_add(found,
		  &(struct wasted){ words[2] - words[1], node, SLACK_OVER_ALLOCATED });
}
