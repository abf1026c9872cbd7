/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEM_SLACK_INT_H
#define MEM_SLACK_INT_H

#include "mem/mem_int.h"

/* Finds the pages of huge ones that are all zeroes, by the memory of process `pid` as it is
 * now: they become PAGE_SLACK in m->pages. After smaps_apply. */
void slack_find(struct mem *m, pid_t pid);

#endif
