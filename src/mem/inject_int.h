/* SPDX-License-Identifier: Apache-2.0 */
/* Having a stopped thread make one system call, and stand again as if it had not. */
#ifndef MEM_INJECT_INT_H
#define MEM_INJECT_INT_H

#include "mem/frame_int.h"
#include "mem/seize_int.h"

struct injection {
	struct seized *seized;
	struct seized_thread *thread;
	int memory; /* /proc/PID/mem, read and write */
	struct frame_spots spots;
	taddr top; /* the frames go below; 0: below the thread's own red zone */
	long nr;
	uint64_t args[4];
};

struct injected {
	long result; /* of the call: -errno or its value */
	pid_t child; /* as we see it; 0: none was born */
	taddr at;    /* what the frames covered, and what was there */
	size_t len;
	uint8_t covered[sizeof(((struct frames *)0)->bytes)];
};

/* False: the call was not made (*e says why); the thread stands as before, or is gone. */
must_check bool inject(const struct injection *in, struct injected *out, struct err *e);

#endif
