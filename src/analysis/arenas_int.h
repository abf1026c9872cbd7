/* SPDX-License-Identifier: Apache-2.0 */
/* What the tables of malloc's arenas and obmalloc's share. */
#ifndef ANALYSIS_ARENAS_INT_H
#define ANALYSIS_ARENAS_INT_H

#include "analysis/returnable_int.h"

/* A new row of which nothing is told yet. */
struct arena_row *arena_row_add(struct arena_rows *r, const char *kind);

uint64_t thousandths(uint64_t part, uint64_t whole); /* 0 of nothing */

/* The row of all obmalloc's, if there is any. */
void arena_add_pools(const struct resident *resident, struct arena_rows *out);

#endif
