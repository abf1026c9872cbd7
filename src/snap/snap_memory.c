/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kept memory. The section is the bytes of all ranges one behind the other, but for those
 * that are all zeroes. It may be larger than this machine's memory, and most commands never
 * look at it: it is read where a byte of it is asked for.
 */
#include "snap/snap_int.h"

#include "base/search.h"
#include <stdlib.h>

struct kept_range {
	taddr start, end;
	uint64_t first; /* byte of the section; of one of zeroes: none is there */
	bool is_zeroes;
};

struct kept {
	int fd;
	char *name; /* of the file */
	struct section_reader section;
	struct kept_range *ranges; /* by address */
	size_t n;
	struct err damage; /* .kind: met one */
};

uint64_t memory_stored(const struct model *m)
{
	uint64_t sum = 0;

	/* Cannot wrap: they do not overlap. */
	for (size_t i = 0; i < m->memory.n; i++)
		if (!m->memory.zeroes[i])
			sum += m->memory.end[i] - m->memory.start[i];
	return sum;
}

/* Bytes of the section, all of which are there. */
static bool copy_stored(struct kept *k, uint64_t from, uint8_t *dst, size_t len)
{
	if (section_copy(&k->section, from, dst, len))
		return true;
	if (!section_damage(&k->section, "memory.bytes", &k->damage))
		(void)!err_within(&k->damage, "cannot read '%s'", k->name);
	return false;
}

static bool kept_read(void *context, taddr at, void *dst, size_t len)
{
	struct kept *k = context;
	uint8_t *out = dst;

	while (len > 0) {
		size_t i = search_structs(k->ranges, k->n, end, at);
		const struct kept_range *r = &k->ranges[i];
		size_t take;

		if (i == k->n || r->start > at)
			return false;
		take = (size_t)min_u64(len, r->end - at);
		if (r->is_zeroes)
			memset(out, 0, take);
		else if (!copy_stored(k, r->first + (at - r->start), out, take))
			return false;
		at += take, out += take, len -= take;
	}
	return true;
}

static bool kept_check(void *context, struct err *e)
{
	const struct kept *k = context;

	if (k->damage.kind == ERR_NONE)
		return true;
	*e = k->damage;
	return false;
}

static void kept_close(void *context)
{
	struct kept *k = context;

	autoclose_fd(&k->fd);
	section_close(&k->section);
	free(k->name);
	free(k->ranges);
	free(k);
}

static void take_ranges(struct kept *k, const struct model *m)
{
	uint64_t first = 0;

	k->n = m->memory.n;
	k->ranges = xcalloc(k->n, sizeof(*k->ranges));
	for (size_t i = 0; i < k->n; i++) {
		struct kept_range *r = &k->ranges[i];

		*r = (struct kept_range){ m->memory.start[i], m->memory.end[i], first,
					  m->memory.zeroes[i] };
		if (!r->is_zeroes)
			first += r->end - r->start;
	}
}

struct bytes_source memory_open(int fd, const char *name, const struct stored_section *s,
				const struct model *m)
{
	struct kept *k = xcalloc(1, sizeof(*k));

	k->fd = fd;
	k->name = xstrdup(name);
	k->section = section_open(fd, s);
	take_ranges(k, m);
	return (struct bytes_source){ kept_read, kept_check, kept_close, k };
}
