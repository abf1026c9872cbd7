/* SPDX-License-Identifier: Apache-2.0 */
/* What the tables of malloc's arenas and obmalloc's share. */
#ifndef ANALYSIS_ARENAS_INT_H
#define ANALYSIS_ARENAS_INT_H

#include "analysis/analysis.h"

/* A new row of which nothing is told yet. */
struct arena_row *arena_row_add(struct arena_rows *r, const char *kind);

uint64_t thousandths(uint64_t part, uint64_t whole); /* 0 of nothing */

/* Which pages are resident: of some cores nobody knows. */
bool pages_are_known(const struct model *m);
uint64_t resident_in(const struct model *m, taddr start, taddr end);

/* The row of all obmalloc's, if there is any. */
void arena_add_pools(const struct model *m, struct arena_rows *out);

#endif
