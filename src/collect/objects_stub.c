/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for the walk over objects until its files come. */
#include "collect/collect_int.h"

struct object_walk *object_walk_new(struct python *py, const struct collect_options *o)
{
	(void)py;
	(void)o;
	return NULL;
}

void objects_read(struct object_walk *w)
{
	(void)w;
}

void objects_build(struct object_walk *w, struct model *m)
{
	(void)w;
	(void)m;
}

size_t objects_possible(const struct object_walk *w, const struct possible_word **out)
{
	(void)w;
	*out = NULL;
	return 0;
}

uint32_t *objects_in_edges(struct object_walk *w)
{
	(void)w;
	return NULL;
}

void object_walk_free(struct object_walk *w)
{
	(void)w;
}
