/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files by build-id from the servers that DEBUGINFOD_URLS names, by elfutils' own client,
 * loaded when it is wanted: it keeps the cache and knows timeouts and retries
 * (debuginfod_find_debuginfo(3)). It handles no signals, so an interrupt ends us as ever.
 * Servers that do not answer are asked once, not once for every module.
 */
#include "image/module_int.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char library[] = "libdebuginfod.so.1";

typedef int find_fn(void *client, const unsigned char *build_id, int length, char **path);

struct servers {
	void *client;
	find_fn *find_executable, *find_debuginfo;
	void (*end)(void *client);
	bool are_down;
};

static bool load(struct servers *s)
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	void *(*begin)(void) = NULL;

	if (!handle)
		return false;
	*(void **)&begin = dlsym(handle, "debuginfod_begin");
	*(void **)&s->end = dlsym(handle, "debuginfod_end");
	*(void **)&s->find_executable = dlsym(handle, "debuginfod_find_executable");
	*(void **)&s->find_debuginfo = dlsym(handle, "debuginfod_find_debuginfo");
	if (begin && s->end && s->find_executable && s->find_debuginfo)
		s->client = begin();
	return s->client != NULL;
}

struct servers *servers_open(struct module_set *set)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	struct servers *s;

	if (!urls || !*urls)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	if (load(s))
		return s;
	if (!set->refused[0])
		snprintf(set->refused, sizeof(set->refused),
			 "DEBUGINFOD_URLS is set, but '%s' cannot be loaded", library);
	free(s);
	return NULL;
}

char *servers_find(struct servers *s, const char *build_id, bool debug,
		   struct module_set *set)
{
	find_fn *find = debug ? s->find_debuginfo : s->find_executable;
	char *path = NULL;
	int fd;

	if (s->are_down || !*build_id)
		return NULL;
	/* Length 0: the build-id is a text. */
	fd = find(s->client, (const unsigned char *)build_id, 0, &path);
	if (fd >= 0) {
		close(fd);
		return path;
	}
	if (fd != -ENOENT) {
		s->are_down = true;
		if (!set->refused[0])
			snprintf(set->refused, sizeof(set->refused),
				 "debuginfod servers cannot be asked: %s", strerror(-fd));
	}
	return NULL;
}

void servers_close(struct servers *s)
{
	if (!s)
		return;
	s->end(s->client);
	free(s);
}
