/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A core of a process that never lived, with something of everything: a glibc heap of two
 * arenas with blocks in every state, a CPython 3.11 with a few objects, two threads whose
 * stacks and registers hold both, a library without a file. Most of its memory is zeroes;
 * what is not are some 12 KiB.
 */
#ifndef SUPPORT_WHOLE_CORE_H
#define SUPPORT_WHOLE_CORE_H

#include "made_core.h"

struct whole_core {
	uint8_t *bytes;
	size_t n;
	size_t *places; /* of the bytes that say something: not in a line of 64 zeroes */
	size_t nplaces;
	taddr object; /* a list */
	taddr text;   /* a str, in the list */
	taddr block;  /* of malloc's, in use */
};

void whole_core_make(struct whole_core *c);
void whole_core_release(struct whole_core *c);

/* Its parts, each in a file of its own: their fakes have the same names. */
#define WHOLE_THREAD 0x7d0000002800u /* %fs of the first thread */
void whole_core_add_heap(struct made_core *made, struct whole_core *c);
void whole_core_add_python(struct made_core *made, struct whole_core *c);

#endif
