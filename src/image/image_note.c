/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes: {u32 name length, u32 content length, u32 type, name, content}, name and content
 * each padded to 4 bytes, or to 8 in segments aligned so. The build-id is the note "GNU"
 * of type 3; linkers make it 8 to 32 bytes long, anything up to 64 is taken.
 */
#include "base/cursor.h"
#include "image/image_int.h"

enum { BUILD_ID_MAX = 64 };

static void write_hex(const uint8_t *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = 0;
}

bool build_id_find(const uint8_t *notes, size_t n, uint64_t align,
		   char out[2 * BUILD_ID_MAX + 1])
{
	struct cursor c = cursor_on(notes, n);
	uint64_t pad = align == 8 ? 8 : 4;

	while (cursor_left(&c) > 0) {
		uint32_t name_len = cursor_u32(&c), len = cursor_u32(&c);
		uint32_t type = cursor_u32(&c);
		const uint8_t *name =
			cursor_bytes(&c, align_up(12 + (uint64_t)name_len, pad) - 12);
		const uint8_t *content = cursor_bytes(&c, len);

		if (!cursor_ok(&c))
			return false;
		if (type == NT_GNU_BUILD_ID && name_len == sizeof(ELF_NOTE_GNU) &&
		    memcmp(name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) == 0 && len > 0 &&
		    len <= BUILD_ID_MAX) {
			write_hex(content, len, out);
			return true;
		}
		cursor_bytes(&c, min_u64(align_up(len, pad) - len, cursor_left(&c)));
	}
	return false;
}
