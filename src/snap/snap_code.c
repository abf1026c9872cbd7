/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two cheap rearrangements that make columns compress well at zstd's fastest level:
 * addresses that rise become small differences, and the bytes of one significance, mostly
 * zeroes in the upper ones, come to stand together.
 */
#include "snap/snap_int.h"

#include <emmintrin.h>

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

/*
 * Between rows and planes, 16 rows at a time. One round interleaves the first half of all
 * bytes with the second; to that the number of a byte, plane (log2 width bits) before row
 * (4 bits), is turned left by a bit. So as many rounds as a plane's number has bits lead
 * from planes to rows, and four, which turn the row's bits past them, back.
 */
enum { ROWS_AT_ONCE = sizeof(__m128i), ROUNDS_TO_PLANES = 4, WIDTH_MAX = 8 };

inlined void interleave(__m128i *v, size_t width, unsigned rounds)
{
	__m128i next[WIDTH_MAX];

	for (unsigned r = 0; r < rounds; r++) {
		for (size_t k = 0; k < width / 2; k++) {
			next[2 * k] = _mm_unpacklo_epi8(v[k], v[k + width / 2]);
			next[2 * k + 1] = _mm_unpackhi_epi8(v[k], v[k + width / 2]);
		}
		for (size_t k = 0; k < width; k++)
			v[k] = next[k];
	}
}

/* `apart`: how far the pieces of 16 bytes lie from each other. */
inlined void load_pieces(__m128i *v, size_t width, const uint8_t *in, size_t apart)
{
	for (size_t k = 0; k < width; k++)
		memcpy(&v[k], in + k * apart, sizeof(v[k]));
}

inlined void store_pieces(const __m128i *v, size_t width, uint8_t *out, size_t apart)
{
	for (size_t k = 0; k < width; k++)
		memcpy(out + k * apart, &v[k], sizeof(v[k]));
}

inlined void planes_encode(const uint8_t *in, size_t rows, uint8_t *out, size_t width)
{
	__m128i v[WIDTH_MAX];
	size_t i = 0;

	for (; width > 1 && rows - i >= ROWS_AT_ONCE; i += ROWS_AT_ONCE) {
		load_pieces(v, width, in + i * width, ROWS_AT_ONCE);
		interleave(v, width, ROUNDS_TO_PLANES);
		store_pieces(v, width, out + i, rows);
	}
	for (; i < rows; i++)
		for (size_t b = 0; b < width; b++)
			out[b * rows + i] = in[i * width + b];
}

inlined void planes_decode(const uint8_t *in, size_t rows, uint8_t *out, size_t width)
{
	__m128i v[WIDTH_MAX];
	size_t i = 0;

	for (; width > 1 && rows - i >= ROWS_AT_ONCE; i += ROWS_AT_ONCE) {
		load_pieces(v, width, in + i, rows);
		interleave(v, width, (unsigned)__builtin_ctzll(width));
		store_pieces(v, width, out + i * width, ROWS_AT_ONCE);
	}
	for (; i < rows; i++)
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
