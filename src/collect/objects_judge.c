/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of what looks like an object is one? A slab's blocks were judged by their first
 * words alone, and now and then the items of a list, or what is left of a dead object,
 * look like one. Whoever is reached from a root or from the collector's lists along certain
 * edges is an object. The rest is believed unless it stands in the way of something surer:
 *
 *   it does not fit into its block
 *   it lies in memory that malloc holds free
 *   another object, or a part of one (objects_claim.c), lies in the same block, and the
 *   other is surer, or as sure and met by a reference
 *
 * What keeps nothing alive (weak) makes nothing sure.
 */
#include "collect/objects_int.h"

#include <stdlib.h>

static int by_address(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->what < y->what ? -1 : x->what > y->what;
}

void places_sort(struct place *places, size_t n)
{
	if (n > 1)
		qsort(places, n, sizeof(*places), by_address);
}

static void begin_grades(struct object_walk *w)
{
	w->grades = xcalloc((size_t)walk_ids(w) + 1, sizeof(*w->grades));
	for (uint32_t id = w->slabs.nobjects; id < w->outside.first; id++)
		w->grades[id] = GRADE_NONE;
	for (size_t s = 0; s < w->nsegments; s++) {
		const struct keep_segment *segment = &w->segments[s];

		for (uint32_t row = 0; row < segment->n; row++)
			if (segment->columns->type[row] == NOT_READ)
				w->grades[s * KEEP_ROWS + row] = GRADE_NONE;
	}
}

static void learn_weak_labels(struct object_walk *w)
{
	uint16_t n = w->reader->label_count(w->py);

	w->is_weak = xcalloc(UINT16_MAX + 1, sizeof(*w->is_weak));
	for (uint32_t label = 0; label < n; label++)
		w->is_weak[label] =
			w->reader->label_kind(w->py, (uint16_t)label) == LABEL_WEAK;
}

/* Raises the guesses that an object's certain edges lead to; those raised are pushed. */
static size_t raise_targets(struct object_walk *w, uint32_t id, enum object_grade grade,
			    uint32_t *stack, size_t depth)
{
	const struct keep_segment *s = walk_segment(w, id);
	uint32_t row = id % KEEP_ROWS;

	for (uint32_t e = keep_edges_begin(s, row); e < s->edges_end[row]; e++) {
		uint32_t to = keep_edge_node(s, e);

		if (to >= TORN || w->grades[to] != GRADE_GUESS || to == id ||
		    w->is_weak[keep_edge_label(s, e)])
			continue;
		w->grades[to] = (uint8_t)grade;
		if (stack)
			stack[depth++] = to;
	}
	return depth;
}

/* Each object is pushed once, as it is raised. */
static void grade_objects(struct object_walk *w)
{
	size_t bytes = ((size_t)walk_ids(w) + 1) * sizeof(uint32_t), depth = 0;
	uint32_t *stack = xmap(bytes);

	for (size_t i = 0; i < w->nsources; i++) {
		if (w->grades[w->sources[i]] != GRADE_GUESS)
			continue;
		w->grades[w->sources[i]] = GRADE_REACHED;
		stack[depth++] = w->sources[i];
	}
	while (depth > 0) {
		uint32_t id = stack[--depth];

		depth = raise_targets(w, id, GRADE_REACHED, stack, depth);
	}
	xunmap(stack, bytes);
	for (uint32_t id = 0; id < walk_ids(w); id++)
		if (w->grades[id] == GRADE_GUESS || w->grades[id] == GRADE_REFERENCED)
			raise_targets(w, id, GRADE_REFERENCED, NULL, 0);
}

static void drop_misfits(struct object_walk *w)
{
	for (unsigned k = 0; k < w->nkeepers; k++)
		for (size_t i = 0; i < w->keepers[k].nmisfits; i++) {
			uint32_t id = w->keepers[k].misfits[i];

			if (w->grades[id] < GRADE_REACHED)
				w->grades[id] = GRADE_NONE;
		}
}

static taddr end_of(const struct object_walk *w, uint32_t id)
{
	return walk_start(w, id) + walk_segment(w, id)->places->own[id % KEEP_ROWS];
}

static void list_others(struct object_walk *w)
{
	w->others = xcalloc((size_t)w->outside.n + 1, sizeof(*w->others));
	for (uint32_t id = w->outside.first; id < walk_ids(w); id++)
		if (walk_is_object(w, id))
			w->others[w->nothers++] =
				(struct place){ walk_outside_addr(w, id), id };
	places_sort(w->others, w->nothers);
}

static bool lies_in_free_block(const struct model *m, taddr at)
{
	size_t block = model_block_at(m, at);

	return block < m->blocks.n && m->blocks.state[block] != BLOCK_USED;
}

static void drop_other(struct object_walk *w, uint32_t id)
{
	w->grades[id] = GRADE_NONE;
}

/* An object met by reference in a slab's block: it is there instead of what the block was
 * guessed to hold. Of two such the lower stays. */
static void settle_guest(struct object_walk *w, uint32_t id, const struct slab_block *b)
{
	taddr at;
	uint32_t guess = slab_block_object(&w->slabs, b, &at);

	if (map_has(&w->guests, b->number)) {
		drop_other(w, id);
		return;
	}
	if (guess != NO_OBJECT && walk_is_object(w, guess)) {
		if (w->grades[guess] > w->grades[id]) {
			drop_other(w, id);
			return;
		}
		w->grades[guess] = GRADE_NONE;
	}
	map_set(&w->guests, b->number, id);
}

/* The less sure of two that overlap goes, if it is not surely one. */
static uint32_t settle_overlap(struct object_walk *w, uint32_t before, uint32_t id)
{
	uint32_t loser = w->grades[before] < w->grades[id] ? before : id;

	if (w->grades[loser] == GRADE_REACHED)
		return id;
	drop_other(w, loser);
	return loser == id ? before : id;
}

static void judge_others(struct object_walk *w, const struct model *m)
{
	uint32_t before = NO_OBJECT;
	size_t kept = 0;

	list_others(w);
	for (size_t i = 0; i < w->nothers; i++) {
		uint32_t id = w->others[i].what;
		struct slab_block b;

		if (slab_table_find(&w->slabs, w->others[i].at, &b)) {
			settle_guest(w, id, &b);
			continue;
		}
		if (lies_in_free_block(m, w->others[i].at))
			drop_other(w, id);
		else if (before != NO_OBJECT && walk_start(w, id) < end_of(w, before))
			before = settle_overlap(w, before, id);
		else
			before = id;
	}
	for (size_t i = 0; i < w->nothers; i++)
		if (walk_is_object(w, w->others[i].what))
			w->others[kept++] = w->others[i];
	w->nothers = kept;
}

void judge_objects(struct object_walk *w, const struct model *m)
{
	begin_grades(w);
	learn_weak_labels(w);
	grade_objects(w);
	drop_misfits(w);
	judge_others(w, m);
}
