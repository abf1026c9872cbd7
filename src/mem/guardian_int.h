/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guardian, seen from the tool: a process that does all the ptrace work and outlives the
 * tool for as long as it takes to undo it.
 */
#ifndef MEM_GUARDIAN_INT_H
#define MEM_GUARDIAN_INT_H

#include "mem/frame_int.h"
#include "mem/mem.h"

struct guardian;

struct guardian_plan {
	pid_t pid;
	pid_t via;                /* the thread whose /proc files tell of its memory */
	struct frame_spots spots; /* 0, 0: no fork is planned */
	unsigned max_child_s;
	size_t register_room;    /* threads whose registers can be kept */
	struct mem_probe *probe; /* may be NULL */
};

/* What the stack frames of the injected call covered in the child, and what was there. */
struct guardian_cover {
	taddr at;
	size_t len;
	const uint8_t *bytes;
};

must_check bool guardian_start(const struct guardian_plan *plan, struct guardian **out,
			       struct err *e);
/* All threads stand. False: they run. */
must_check bool guardian_stop(struct guardian *g, struct err *e);
/* Their registers, by the order of the kernel's list; valid until the next stop. */
size_t guardian_threads(const struct guardian *g, const struct mem_thread **out);
/* Of the threads that stand, those marked is_busy run for some microseconds and stand again.
 * False: they could not be stopped again, and all run. */
must_check bool guardian_nudge(struct guardian *g, const struct mem_thread *threads,
			       struct err *e);
/* Keeps all registers of the threads that stand, for guardian_registers. */
must_check bool guardian_keep(struct guardian *g, struct err *e);
/* Of thread number i of guardian_threads; NULL: not kept. */
const struct thread_registers *guardian_registers(const struct guardian *g, size_t i);
/* They run again, and no child was made. */
void guardian_let_go(struct guardian *g);
/* Has the stopped target make a child, and lets the target go. False: none could be had;
 * the target still stands, to be read or let go (or has died). */
must_check bool guardian_fork(struct guardian *g, pid_t *child, struct err *e);
struct guardian_cover guardian_cover(const struct guardian *g);
/* Lets go of all. False: the target or the child was lost before, so that what was read
 * since is worth nothing. Does not wait for the end of the child. */
must_check bool guardian_end(struct guardian *g, struct err *e);
uint64_t guardian_pause_ns(const struct guardian *g);
/* Waits until the guardian has gone. */
void guardian_free(struct guardian *g);

#endif
