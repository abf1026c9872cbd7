/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that lie in no slab: those of modules' data, and those too large for one. They
 * are few, so a map behind a lock does; each thread remembers the last answers (keep_resolve),
 * as half of all references lead to the same hundred types and singletons.
 */
#include "collect/objects_int.h"

#include <stdlib.h>

static uint32_t add_address(struct outside_set *o, taddr at)
{
	if (o->n >= o->max) {
		o->is_full = true;
		return NO_OBJECT;
	}
	if (o->n == o->cap) {
		o->cap = o->cap ? 2 * o->cap : 1024;
		o->addrs = xrealloc(o->addrs, o->cap, sizeof(*o->addrs));
	}
	o->addrs[o->n] = at;
	map_set(&o->by_address, at, o->n);
	return o->first + o->n++;
}

uint32_t outside_id(struct outside_set *o, taddr at)
{
	uint32_t i, id;

	pthread_mutex_lock(&o->lock);
	id = map_find(&o->by_address, at, &i) ? o->first + i : add_address(o, at);
	pthread_mutex_unlock(&o->lock);
	return id;
}

taddr outside_addr(struct outside_set *o, uint32_t id)
{
	taddr at;

	pthread_mutex_lock(&o->lock);
	at = o->addrs[id - o->first];
	pthread_mutex_unlock(&o->lock);
	return at;
}

void outside_release(struct outside_set *o)
{
	map_release(&o->by_address);
	free(o->addrs);
	pthread_mutex_destroy(&o->lock);
}
