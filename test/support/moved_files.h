/* SPDX-License-Identifier: Apache-2.0 */
/* A core whose process seems to have had its files elsewhere. */
#ifndef SUPPORT_MOVED_FILES_H
#define SUPPORT_MOVED_FILES_H

#include "mem/mem.h"
#include <stdio.h>

/* Puts `dir` before the path of every file that the core tells. */
static inline void move_files(struct mem *core, const char *dir)
{
	static char names[1 << 20];
	size_t at = 0;

	for (size_t i = 0; i < core->nregions; i++) {
		struct mem_region *r = &core->regions[i];

		if (r->name[0] != '/' || sizeof(names) - at < 4096)
			continue;
		snprintf(names + at, sizeof(names) - at, "%s%s", dir, r->name);
		r->name = names + at;
		at += strlen(names + at) + 1;
	}
}

#endif
