/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocators that we cannot walk yet, told by the names of the mapped files. Their memory
 * still counts in the summary, as mappings; the glibc heap beside them is walked.
 */
#include "heap/heap_int.h"
#include <stdio.h>

static const struct {
	const char *file, *name;
} foreign[] = {
	{ "libjemalloc.so", "jemalloc" },  { "libtcmalloc", "tcmalloc" },
	{ "libmimalloc.so", "mimalloc" },  { "ld-musl-", "musl malloc" },
	{ "libhoard.so", "Hoard" },        { "libtbbmalloc.so", "TBB malloc" },
	{ "libsnmallocshim", "snmalloc" },
};

static const char *foreign_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *file = slash ? slash + 1 : path;

	if (strstr(path, "-musl/libc.so"))
		return "musl malloc";
	for (size_t i = 0; i < countof(foreign); i++)
		if (strncmp(file, foreign[i].file, strlen(foreign[i].file)) == 0)
			return foreign[i].name;
	return NULL;
}

const char *foreign_allocators(const struct mem *mem, const struct module_set *modules,
			       struct model *m)
{
	const char *first = NULL;

	(void)mem;
	for (size_t i = 0; i < modules->n; i++) {
		const char *name = foreign_name(modules->modules[i].path);
		char evidence[512];

		if (!name)
			continue;
		first = first ? first : name;
		snprintf(evidence, sizeof(evidence), "%s is mapped",
			 modules->modules[i].path);
		model_evidence(
			m, "another allocator", name, evidence,
			"its blocks are not told one by one; mapping totals are right");
	}
	return first;
}
