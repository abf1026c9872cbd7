/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks that hold bookkeeping are called so: a thread's cache, an interpreter's states.
 * They hold nothing, and they are no leak, though no word that counts need lead there: an
 * interpreter's are roots.
 */
#include "collect/collect_int.h"

struct marking {
	struct model *m;
	uint32_t type;
	const char *name;
	bool are_roots;
};

static void mark_block(const struct marking *mark, size_t block)
{
	struct model *m = mark->m;

	if (m->blocks.state[block] != BLOCK_USED || m->blocks.owner[block] != 0)
		return;
	m->blocks.type[block] = mark->type;
	if (mark->are_roots)
		root_add(m, group_row(m, ROOTS_INTERPRETER, str_of("interpreter")),
			 &(struct root){ .kind = ROOT_FIELD,
					 .name = str_of(mark->name),
					 .node = node_of_block(m, block),
					 .certain = true });
}

/* The block that holds `start`, and those that begin before `end`. */
static void mark_range(const struct marking *mark, taddr start, taddr end)
{
	const struct model *m = mark->m;
	size_t low = 0, high = m->blocks.n;

	while (low < high) { /* the first block that ends behind `start` */
		size_t middle = low + (high - low) / 2;

		if (m->blocks.addr[middle] + m->blocks.size[middle] <= start)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < m->blocks.n && m->blocks.addr[low] < end; low++)
		mark_block(mark, low);
}

void own_build(const struct scan *s, struct model *m)
{
	const struct heap_range *heap = NULL;
	const struct python_range *python = NULL;
	size_t nheap = s->heap ? heap_own_ranges(s->heap, &heap) : 0;
	size_t npython = s->python ? python_own_ranges(s->python, &python) : 0;
	struct marking mark = { .m = m };

	if (nheap > 0)
		mark.type = model_type(m, str_of("malloc"), str_of("tcache"), str_of(""));
	for (size_t i = 0; i < nheap; i++)
		mark_range(&mark, heap[i].start, heap[i].end);
	mark.are_roots = s->edges;
	for (size_t i = 0; i < npython; i++) {
		mark.type = model_type(m, str_of("cpython"), str_of(python[i].name),
				       str_of(""));
		mark.name = python[i].name;
		mark_range(&mark, python[i].start, python[i].end);
	}
}
