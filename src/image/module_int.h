/* SPDX-License-Identifier: Apache-2.0 */
/* From a group of mappings to its file: what module.c and module_file.c share. */
#ifndef IMAGE_MODULE_INT_H
#define IMAGE_MODULE_INT_H

#include "image/image_int.h"

/* The regions of one file that follow each other. */
struct group {
	const struct mem *mem;
	size_t first, last; /* regions; between them may lie nameless ones */
	bool has_code;
};

static inline const struct mem_region *group_first(const struct group *g)
{
	return &g->mem->regions[g->first];
}

/* ---- debuginfod.c ---- */

struct servers;

/* NULL: none are configured, or, then set->refused says so, they cannot be asked. */
struct servers *servers_open(struct module_set *set);
/* The path of a local copy of the file with this build-id, or of its debug information; the
 * caller frees it. NULL: they have none. */
char *servers_find(struct servers *s, const char *build_id, bool debug,
		   struct module_set *set);
void servers_close(struct servers *s);

/* ---- module_file.c ---- */

/* One search for the file of a group. */
struct file_search {
	const struct module_files *where;
	const struct group *group;
	/* What the target's memory itself tells; NULL: its headers are not to be read. */
	struct image *mapped;
	const char *exe_id;      /* the build-id of --exe, or "" */
	struct servers *servers; /* NULL: none */
	struct module_set *set;
	/* Found on the way: a file of nothing but debug information; or NULL. */
	struct image *debug;
	struct module *mod;
	bool says_other; /* mod->missing is about a file that is another one */
};

/* Opens the file of s->mod: its image, source, missing and build_id are then told. */
void module_find_file(struct file_search *s);

/* The build-id of --exe. False: there is no such file, or none was said. */
must_check bool exe_build_id(const struct module_files *where, struct module_set *set,
			     char id[2 * 64 + 1]);
/* Says in set->refused that no module is of the file of --exe, if so. */
void exe_was_used(const struct module_files *where, struct module_set *set,
		  const char *id);

#endif
