/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress of long work: one line on standard error that rewrites itself, shown only on a
 * terminal and only once the work has taken a second. For one thread. Every function takes
 * NULL for "nobody wants to know".
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include "base/base.h"

struct progress {
	const char *what; /* "reading memory" */
	const char *of;   /* of several targets which one; NULL: there is but one */
	uint64_t began, shown;
	bool enabled, visible;
};

struct progress progress_begin(const char *what);
/* The same work goes on with something else. */
void progress_stage(struct progress *p, const char *what);
/* Cheap enough for every thousandth step. total 0: not known. */
void progress_step(struct progress *p, uint64_t done, uint64_t total);
/* Takes the line away. Must be called before anything else is printed. */
void progress_end(struct progress *p);

#endif
