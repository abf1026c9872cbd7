/* SPDX-License-Identifier: Apache-2.0 */
/* Room for the frames of an injected call, in memory that nobody looks at. */
#ifndef MEM_ROOM_INT_H
#define MEM_ROOM_INT_H

#include "mem/inject_int.h"

struct room {
	taddr start, end;
};

/* The mapping of the main thread's stack; empty when there is none. */
struct room room_main_stack(pid_t via);

/* Picks the thread of `s` that is to make the call and where its frames go: in->thread and
 * in->top. `stack` is the main stack as it was a while ago. */
must_check bool room_choose(struct seized *s, pid_t via, struct room stack,
			    struct injection *in, struct err *e);

#endif
