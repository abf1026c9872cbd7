/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose is each block of a slab? An object's own, or a part's: a part claims the block it
 * lies in. Claims meet where one of the two is wrong: a guess that is no object, or a part
 * that a torn or dead object tells. The surer owner has it; of equals, the part rather than
 * a guess, for a layout tells it, and of two parts that of the first object. Surest first, so
 * that what a wrong claim would drop is judged by those that are right.
 */
#include "collect/objects_int.h"

#include <stdlib.h>
#include <string.h>

static void gather_parts(struct object_walk *w)
{
	size_t n = 0;

	for (unsigned k = 0; k < w->nkeepers; k++)
		n += w->keepers[k].nparts;
	w->parts = xcalloc(n + 1, sizeof(*w->parts));
	for (unsigned k = 0; k < w->nkeepers; k++) {
		struct keeper *from = &w->keepers[k];

		if (from->nparts)
			memcpy(w->parts + w->nparts, from->parts,
			       from->nparts * sizeof(*w->parts));
		w->nparts += from->nparts;
		free(from->parts);
		from->parts = NULL;
		from->nparts = 0;
	}
}

/* The object in this block, NO_OBJECT: none. */
static uint32_t object_in_block(const struct object_walk *w, const struct slab_block *b)
{
	taddr at;
	uint32_t id;

	if (w->guests.n > 0 && map_find(&w->guests, b->number, &id))
		return walk_is_object(w, id) ? id : NO_OBJECT;
	id = slab_block_object(&w->slabs, b, &at);
	return id != NO_OBJECT && walk_is_object(w, id) ? id : NO_OBJECT;
}

static void note_twice(struct object_walk *w, taddr at)
{
	if (w->ntwice++ == 0 || at < w->twice_at)
		w->twice_at = at;
}

/* Of two parts that claim one block. */
static void settle_parts(struct object_walk *w, uint32_t *claim, uint32_t part)
{
	const struct kept_part *holder = &w->parts[*claim - 1], *p = &w->parts[part];

	if (holder->owner == p->owner)
		return;
	note_twice(w, p->at);
	if (p->owner < holder->owner && w->grades[p->owner] == w->grades[holder->owner])
		*claim = part + 1;
}

static void claim_block(struct object_walk *w, uint32_t part)
{
	const struct kept_part *p = &w->parts[part];
	struct slab_block b;
	uint32_t rival;

	if (!slab_table_find(&w->slabs, p->at, &b) || !slab_block_in_use(&w->slabs, &b))
		return;
	rival = object_in_block(w, &b);
	if (rival == p->owner)
		return; /* its own block again */
	if (rival != NO_OBJECT && w->grades[rival] == GRADE_REACHED) {
		note_twice(w, p->at);
		return;
	}
	if (rival != NO_OBJECT && w->grades[rival] > w->grades[p->owner])
		return;
	if (rival != NO_OBJECT)
		w->grades[rival] = GRADE_NONE;
	if (w->claims[b.number])
		settle_parts(w, &w->claims[b.number], part);
	else
		w->claims[b.number] = part + 1;
}

void claim_slabs(struct object_walk *w)
{
	gather_parts(w);
	w->claims = xcalloc(64 * w->slabs.nwords + 1, sizeof(*w->claims));
	for (int grade = GRADE_REACHED; grade >= GRADE_GUESS; grade--)
		for (size_t i = 0; i < w->nparts; i++)
			if (w->grades[w->parts[i].owner] == grade)
				claim_block(w, (uint32_t)i);
}
