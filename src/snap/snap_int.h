/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of a snapshot file, as the writer and the reader share it:
 *
 *   header     magic[8], u16 major, u16 minor, u32 0
 *   frames     zstd frames, section after section
 *   contents   u32 number of sections, and each section:
 *                u32 length and bytes of its name, "table.column"
 *                u8 width of a value, u8 is_text, u8 encoding, u8 0
 *                u64 rows, u64 offset of its first frame
 *                u32 rows of a frame (the last may be shorter), u32 number of frames
 *                each frame: u32 bytes in the file, u64 xxh64 of those bytes
 *   footer     u64 offset and u64 length of the contents,
 *              u64 xxh64 of header, contents and those two; magic[8]
 */
#ifndef SNAP_SNAP_INT_H
#define SNAP_SNAP_INT_H

#include "snap/snap.h"

enum {
	SNAP_MAJOR = 1, /* older programs cannot read it */
	SNAP_MINOR = 2, /* older programs miss something */
	MAGIC_BYTES = 8,
	HEADER_BYTES = MAGIC_BYTES + 8,
	FOOTER_BYTES = 24 + MAGIC_BYTES,
	SECTION_BYTES = 36, /* of a section in the contents, with an empty name */
	FRAME_ENTRY_BYTES = 12,
	FRAME_BYTES = 1 << 20,      /* uncompressed, of all frames but the last */
	FRAME_BYTES_MAX = 16 << 20, /* accepted */
	/* zstd's best: a block of 128 KiB in a 3-byte header and one byte. */
	RATIO_MAX = 1 << 15,
};

extern const uint8_t snap_magic[MAGIC_BYTES], snap_end_magic[MAGIC_BYTES];

/* ---- values (snap_code.c) ---- */

/* How the values of a frame are arranged before compression; or'ed. */
enum encoding {
	ENCODING_PLAIN = 0,
	ENCODING_DELTA = 1,  /* each value less the one before it, modulo its width */
	ENCODING_PLANES = 2, /* all first bytes, all second bytes, ... */
	ENCODINGS = 4,
};

/* The values of one frame. */
struct values {
	uint8_t encoding;
	size_t width; /* of a value: 1, 2, 4 or 8 bytes */
	size_t rows;
};

/* `scratch` is as large as the values; the three do not overlap. */
void values_encode(const struct values *v, const uint8_t *plain, uint8_t *encoded,
		   uint8_t *scratch);
void values_decode(const struct values *v, const uint8_t *encoded, uint8_t *plain,
		   uint8_t *scratch);

/* ---- frames (snap_read.c) ---- */

/* Where a frame is in the file, as the contents claim it. */
struct stored_frame {
	uint64_t offset, hash;
	uint32_t size;
};

/* What one thread needs to decode frames. */
struct frame_room {
	struct ZSTD_DCtx_s *zstd;
	uint8_t *stored, *encoded, *scratch;
};

/* For frames of so many bytes in the file, and decoded. */
struct frame_room frame_room_make(uint64_t stored, uint64_t raw);
void frame_room_release(struct frame_room *k);

/* NULL, and v->rows values are in `plain`; or what is wrong with the frame. */
const char *frame_decode(int fd, const struct stored_frame *f, const struct values *v,
			 struct frame_room *k, uint8_t *plain);

/* ---- a section that is read at need (snap_section.c) ---- */

struct stored_section {
	struct values values; /* .rows: of the whole section */
	uint32_t frame_rows;
	struct stored_frame *frames; /* owned */
	size_t nframes;
};

struct section_reader {
	int fd; /* borrowed */
	struct stored_section section;
	struct frame_room room;
	uint8_t *plain;    /* the frame at hand */
	uint64_t frame;    /* its number */
	const char *wrong; /* why there is none of it; NULL: there is */
};

/* Takes over the frames; none of them is read yet. */
struct section_reader section_open(int fd, const struct stored_section *s);
void section_close(struct section_reader *r);
/* Rows of the section, all of which there are. False: r->wrong says why the frame at hand
 * cannot be read. */
must_check bool section_copy(struct section_reader *r, uint64_t from, void *dst,
			     uint64_t rows);
/* Says that, and is false. */
must_check bool section_damage(const struct section_reader *r, const char *name,
			       struct err *e);

/* ---- texts, those that are wanted (snap_text.c) ---- */

/* Gives the text columns of m's tables, which hold the file's ids, ids of m's own: of the
 * texts that they name, and no others. `end` and `bytes` are the sections of strings. */
must_check bool texts_adopt(struct model *m, struct section_reader *end,
			    struct section_reader *bytes, struct err *e);

/* ---- kept memory, read at need (snap_memory.c) ---- */

/* How many bytes the section has for the table `memory`, whose rows are in order. */
uint64_t memory_stored(const struct model *m);

/* The bytes of m->memory, whose rows fit the section. Takes over fd and the frames; none
 * of them is read yet. `name` is the file's, for messages. */
struct bytes_source memory_open(int fd, const char *name, const struct stored_section *s,
				const struct model *m);

/* ---- what a model must hold to be safe to read (snap_check.c) ---- */

/* False: an index leads nowhere, an order is broken; *e says where. */
must_check bool snap_check_model(const struct model *m, struct err *e);

#endif
