/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A section that is read where it is asked for. A frame is read, checked and decoded when a
 * row of it is wanted, and the last one stays at hand, for who reads a section reads on.
 */
#include "snap/snap_int.h"

#include <stdlib.h>

enum { NO_FRAME = UINT32_MAX };

struct section_reader section_open(int fd, const struct stored_section *s)
{
	struct section_reader r = { .fd = fd, .section = *s, .frame = NO_FRAME };
	uint64_t raw = min_u64(s->frame_rows, s->values.rows) * s->values.width;
	uint64_t stored = 0;

	for (size_t i = 0; i < s->nframes; i++)
		stored = max_u64(stored, s->frames[i].size);
	r.room = frame_room_make(stored, raw);
	r.plain = xcalloc(1, raw);
	return r;
}

void section_close(struct section_reader *r)
{
	frame_room_release(&r->room);
	free(r->section.frames);
	free(r->plain);
}

static uint64_t rows_of_frame(const struct section_reader *r, uint64_t frame)
{
	const struct stored_section *s = &r->section;

	return min_u64(s->frame_rows, s->values.rows - frame * s->frame_rows);
}

static void load_frame(struct section_reader *r, uint64_t frame)
{
	struct values v = r->section.values;

	v.rows = rows_of_frame(r, frame);
	r->frame = frame;
	r->wrong = frame_decode(r->fd, &r->section.frames[frame], &v, &r->room, r->plain);
}

bool section_copy(struct section_reader *r, uint64_t from, void *dst, uint64_t rows)
{
	size_t width = r->section.values.width;
	uint8_t *out = dst;

	while (rows > 0) {
		uint64_t frame = from / r->section.frame_rows;
		uint64_t inside = from % r->section.frame_rows;
		uint64_t take = min_u64(rows, rows_of_frame(r, frame) - inside);

		if (frame != r->frame)
			load_frame(r, frame);
		if (r->wrong)
			return false;
		memcpy(out, r->plain + inside * width, take * width);
		from += take, out += take * width, rows -= take;
	}
	return true;
}

bool section_damage(const struct section_reader *r, const char *name, struct err *e)
{
	return fail(e, ERR_FILE, "section '%s' is damaged: the frame at %lu %s", name,
		    r->section.frames[r->frame].offset, r->wrong);
}
