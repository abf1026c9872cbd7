/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of the target for who keeps them (memory.c). */
#ifndef COLLECT_MEMORY_INT_H
#define COLLECT_MEMORY_INT_H

#include "collect/collect_int.h"

/* Hands the chosen bytes to the sink and fills m->memory, while memory is readable; the
 * scan's bounds are found. False: so said the sink. */
must_check bool memory_keep(const struct scan *s, const struct module_set *modules,
			    const struct memory_sink *sink, struct model *m,
			    struct err *e);

/* The same of what a snapshot keeps; all of it when nothing is chosen. */
must_check bool memory_keep_again(const struct memory_sink *sink, struct model *m,
				  struct err *e);

#endif
