/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kept memory. The section is the bytes of all ranges one behind the other, but for those
 * that are all zeroes. It may be larger than this machine's memory, and most commands never
 * look at it: a frame is read, checked and decoded when a byte of it is asked for, and the
 * last one stays at hand, for who reads memory reads on.
 */
#include "snap/snap_int.h"

#include "base/search.h"
#include <stdlib.h>

struct kept_range {
	taddr start, end;
	uint64_t first; /* byte of the section; of one of zeroes: none is there */
	bool is_zeroes;
};

enum { NO_FRAME = UINT32_MAX };

struct kept {
	int fd;
	char *name; /* of the file */
	struct memory_section section;
	struct kept_range *ranges; /* by address */
	size_t n;
	struct frame_room room;
	uint8_t *bytes;    /* of the frame at hand */
	uint64_t frame;    /* its number, or NO_FRAME */
	const char *wrong; /* why it holds none */
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

static uint64_t rows_of_frame(const struct kept *k, uint64_t frame)
{
	const struct memory_section *s = &k->section;

	return min_u64(s->frame_rows, s->values.rows - frame * s->frame_rows);
}

static void load_frame(struct kept *k, uint64_t frame)
{
	const struct stored_frame *f = &k->section.frames[frame];
	struct values v = k->section.values;

	v.rows = rows_of_frame(k, frame);
	k->frame = frame;
	k->wrong = frame_decode(k->fd, f, &v, &k->room, k->bytes);
	if (k->wrong)
		(void)!fail(
			&k->damage, ERR_FILE,
			"cannot read '%s': section 'memory.bytes' is damaged: the frame "
			"at %lu %s",
			k->name, f->offset, k->wrong);
}

/* Bytes of the section, all of which are there. */
static bool copy_stored(struct kept *k, uint64_t from, uint8_t *dst, size_t len)
{
	while (len > 0) {
		uint64_t frame = from / k->section.frame_rows;
		uint64_t inside = from % k->section.frame_rows;
		size_t take = (size_t)min_u64(len, rows_of_frame(k, frame) - inside);

		if (frame != k->frame)
			load_frame(k, frame);
		if (k->wrong)
			return false;
		memcpy(dst, k->bytes + inside, take);
		from += take, dst += take, len -= take;
	}
	return true;
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
	frame_room_release(&k->room);
	free(k->name);
	free(k->section.frames);
	free(k->ranges);
	free(k->bytes);
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

struct bytes_source memory_open(int fd, const char *name, const struct memory_section *s,
				const struct model *m)
{
	struct kept *k = xcalloc(1, sizeof(*k));
	uint64_t raw = min_u64(s->frame_rows, s->values.rows), stored = 0;

	k->fd = fd;
	k->name = xstrdup(name);
	k->section = *s;
	k->frame = NO_FRAME;
	take_ranges(k, m);
	for (size_t i = 0; i < s->nframes; i++)
		stored = max_u64(stored, s->frames[i].size);
	k->room = frame_room_make(stored, raw);
	k->bytes = xcalloc(1, raw);
	return (struct bytes_source){ kept_read, kept_check, kept_close, k };
}
