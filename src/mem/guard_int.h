/* SPDX-License-Identifier: Apache-2.0 */
/* What guardian.c (the tool's side) and guard.c (the process itself) share. */
#ifndef MEM_GUARD_INT_H
#define MEM_GUARD_INT_H

#include "mem/guardian_int.h"
#include "mem/inject_int.h"

enum { GUARD_THREADS = 1 << 17 };

enum guard_command {
	GUARD_STOP = 'S',
	GUARD_NUDGE = 'N',
	GUARD_KEEP = 'K',
	GUARD_LET_GO = 'L',
	GUARD_FORK = 'F',
	GUARD_END = 'E',
};
/* The answer to each is one of these. */
enum guard_answer { GUARD_DONE = 'd', GUARD_FAILED = 'f' };

/* Written by the guardian, read by the tool once the answer is there. Memory that both
 * share; what nobody touches costs nothing. */
struct guard_shared {
	struct err err; /* of GUARD_FAILED */
	uint64_t pause_ns;
	pid_t child;
	struct injected fork; /* its child is 0 again once that is reaped */
	bool is_forking;      /* a child may be there that nobody knows of */
	/* plan.register_room times struct thread_registers, register_size bytes each. */
	uint8_t *registers;
	size_t register_size;
	size_t nthreads;
	struct mem_thread threads[GUARD_THREADS];
};

/* Of thread number i. */
static inline struct thread_registers *guard_registers(const struct guard_shared *s,
						       size_t i)
{
	return (struct thread_registers *)(void *)(s->registers + i * s->register_size);
}

/* The process. Does not return. `tool` is its end of the socket. */
_Noreturn void guard_main(const struct guardian_plan *plan, struct guard_shared *shared,
			  int tool);

/* The last service for a guardian that was killed: the child, whose tracer died and which
 * therefore died too, is reaped. */
_Noreturn void guard_bury(const struct guardian_plan *plan, struct guard_shared *shared);

#endif
