/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/maps, one line a region:
 *
 *	7f1c40000000-7f1c40021000 rw-p 00000000 00:00 0          [name, may hold blanks]
 *
 * The kernel writes it, but a target picks the names: a newline in one is escaped by the
 * kernel as \012, so a line is always a region.
 */
#include "mem/mem_int.h"

#include <stdlib.h>
#include <string.h>

/* Reads a number at *s and steps over it; false when there is none. */
static bool take_number(const char **s, int base, uint64_t *value)
{
	char *end;

	*value = strtoull(*s, &end, base);
	if (end == *s)
		return false;
	*s = end;
	return true;
}

static bool take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	++*s;
	return true;
}

static bool take_prot(const char **s, uint8_t *prot)
{
	const char *p = *s;

	if (strnlen(p, 4) < 4)
		return false;
	*prot = (uint8_t)((p[0] == 'r' ? PROT_R : 0) | (p[1] == 'w' ? PROT_W : 0) |
			  (p[2] == 'x' ? PROT_X : 0) | (p[3] == 's' ? PROT_SHARED : 0));
	*s += 4;
	return true;
}

bool region_is_io_name(const char *name)
{
	static const char *const harmless[] = { "/dev/zero", "/dev/shm/",
						"/dev/hugepages/", "/dev/null" };

	if (strncmp(name, "[vvar", 5) == 0 || strcmp(name, "[vsyscall]") == 0)
		return true;
	if (strncmp(name, "/dev/", 5) != 0)
		return false;
	for (size_t i = 0; i < countof(harmless); i++)
		if (strncmp(name, harmless[i], strlen(harmless[i])) == 0)
			return false;
	return true;
}

static bool line_parse(const char *s, struct mem_region *r)
{
	uint64_t major, minor;

	*r = (struct mem_region){ 0 };
	if (!take_number(&s, 16, &r->start) || !take_char(&s, '-') ||
	    !take_number(&s, 16, &r->end) || !take_char(&s, ' ') ||
	    !take_prot(&s, &r->prot) || !take_number(&s, 16, &r->offset) ||
	    !take_number(&s, 16, &major) || !take_char(&s, ':') ||
	    !take_number(&s, 16, &minor) || !take_number(&s, 10, &r->inode))
		return false;
	r->dev_major = (uint32_t)major;
	r->dev_minor = (uint32_t)minor;
	if (r->inode || r->dev_major || r->dev_minor)
		r->flags |= REGION_HAS_FILE;
	r->name = s + strspn(s, " \t");
	if (region_is_io_name(r->name))
		r->flags |= REGION_IO;
	return r->start < r->end;
}

struct mem_region *regions_parse(char *text, size_t *n)
{
	struct mem_region *regions = NULL;
	size_t used = 0, cap = 0;
	char *next;

	for (char *line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (used == cap) {
			cap = cap ? 2 * cap : 256;
			regions = xrealloc(regions, cap, sizeof(*regions));
		}
		if (!line_parse(line, &regions[used]))
			continue;
		/* A mapping made while maps was read can show twice; order is ours. */
		if (used && regions[used].start < regions[used - 1].end)
			continue;
		used++;
	}
	*n = used;
	return regions;
}
