/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two cheap rearrangements that make columns compress well at zstd's fastest level:
 * addresses that rise become small differences, and the bytes of one significance, mostly
 * zeroes in the upper ones, come to stand together.
 */
#include "snap/snap_int.h"

/* Inlined with a constant width, so that the copies become single moves. */
#define inlined static inline __attribute__((always_inline))

inlined void delta_encode(const uint8_t *in, size_t rows, uint8_t *out, size_t width)
{
	uint64_t before = 0;

	for (size_t i = 0; i < rows; i++) {
		uint64_t value = 0, delta;

		memcpy(&value, in + i * width, width);
		delta = value - before;
		memcpy(out + i * width, &delta, width);
		before = value;
	}
}

inlined void delta_decode(const uint8_t *in, size_t rows, uint8_t *out, size_t width)
{
	uint64_t value = 0;

	for (size_t i = 0; i < rows; i++) {
		uint64_t delta = 0;

		memcpy(&delta, in + i * width, width);
		value += delta;
		memcpy(out + i * width, &value, width);
	}
}

inlined void planes_encode(const uint8_t *in, size_t rows, uint8_t *out, size_t width)
{
	for (size_t i = 0; i < rows; i++)
		for (size_t b = 0; b < width; b++)
			out[b * rows + i] = in[i * width + b];
}

inlined void planes_decode(const uint8_t *in, size_t rows, uint8_t *out, size_t width)
{
	for (size_t i = 0; i < rows; i++)
		for (size_t b = 0; b < width; b++)
			out[i * width + b] = in[b * rows + i];
}

typedef void coder(const uint8_t *in, size_t rows, uint8_t *out);

/* One function per width of each. */
#define CODERS(name) \
	static void name##_1(const uint8_t *in, size_t rows, uint8_t *out) \
	{ \
		name(in, rows, out, 1); \
	} \
	static void name##_2(const uint8_t *in, size_t rows, uint8_t *out) \
	{ \
		name(in, rows, out, 2); \
	} \
	static void name##_4(const uint8_t *in, size_t rows, uint8_t *out) \
	{ \
		name(in, rows, out, 4); \
	} \
	static void name##_8(const uint8_t *in, size_t rows, uint8_t *out) \
	{ \
		name(in, rows, out, 8); \
	} \
	static coder *const name##_of[] = { \
		[1] = name##_1, [2] = name##_2, [4] = name##_4, [8] = name##_8 \
	};
CODERS(delta_encode)
CODERS(delta_decode)
CODERS(planes_encode)
CODERS(planes_decode)

void values_encode(const struct values *v, const uint8_t *plain, uint8_t *encoded,
		   uint8_t *scratch)
{
	switch (v->encoding) {
	case ENCODING_PLAIN:
		memcpy(encoded, plain, v->rows * v->width);
		return;
	case ENCODING_DELTA:
		delta_encode_of[v->width](plain, v->rows, encoded);
		return;
	case ENCODING_PLANES:
		planes_encode_of[v->width](plain, v->rows, encoded);
		return;
	default:
		delta_encode_of[v->width](plain, v->rows, scratch);
		planes_encode_of[v->width](scratch, v->rows, encoded);
	}
}

void values_decode(const struct values *v, const uint8_t *encoded, uint8_t *plain,
		   uint8_t *scratch)
{
	switch (v->encoding) {
	case ENCODING_PLAIN:
		memcpy(plain, encoded, v->rows * v->width);
		return;
	case ENCODING_DELTA:
		delta_decode_of[v->width](encoded, v->rows, plain);
		return;
	case ENCODING_PLANES:
		planes_decode_of[v->width](encoded, v->rows, plain);
		return;
	default:
		planes_decode_of[v->width](encoded, v->rows, scratch);
		delta_decode_of[v->width](scratch, v->rows, plain);
	}
}
