/* SPDX-License-Identifier: Apache-2.0 */
/* What is wasted, from where it is met to its rows. */
#ifndef COLLECT_WASTE_INT_H
#define COLLECT_WASTE_INT_H

#include "model/model.h"

/*
 * A text or bytes: value is the hash of all that is said (base/hash.h), more its bytes modulo
 * 2^32, so that an equal hash is no chance. Or slack: value is the bytes that are not used,
 * more its enum slack_kind. While memory is read, node is the row of a segment.
 */
struct wasted {
	uint64_t value;
	uint32_t node, more;
};

struct waste_list {
	struct wasted *items;
	size_t n, cap;
};

void waste_add(struct waste_list *l, const struct wasted *item);
void waste_list_release(struct waste_list *l);

/* Those of objects (objects_waste.c): after their rows are there. Gives back what was kept. */
struct object_walk;
void objects_list_waste(struct object_walk *w, struct waste_list *contents,
			struct waste_list *slack);

/* m->duplicates: of the contents those that come twice, by what they say. Empties the list. */
void build_duplicates(struct waste_list *contents, struct model *m);
/* Behind the rows of m->slack, whose nodes are lower: by node, one row each, the least that
 * is told of it. Empties the list. */
void build_slack(struct waste_list *slack, struct model *m);

#endif
