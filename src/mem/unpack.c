/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row per packing. All four libraries work alike: a state, bytes in, bytes out. A file
 * may be several frames one after the other (pzstd, cat a.gz b.gz); after the end of one,
 * zstd and lz4 begin the next by themselves, gzip is told to, xz looks for it.
 *
 * No number of a file sizes memory of ours but the window of zstd, 2 GiB at most, and the
 * dictionary of xz, 4 GiB: their libraries reserve these, and touch what they fill.
 */
#include "mem/unpack_int.h"

#define ZLIB_CONST
#include <lz4frame.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { WINDOW_LOG_MAX = 31, INDEX_MAX = 64 << 20 };

struct unpacker {
	const struct packing *packing;
	union {
		ZSTD_DStream *zstd;
		LZ4F_dctx *lz4;
		lzma_stream xz;
		z_stream gzip;
	};
};

struct packing {
	const char *name;
	const char *magic;
	size_t nmagic;
	bool (*begin)(struct unpacker *u);
	enum unpack_result (*step)(struct unpacker *u, struct unpack_io *io);
	void (*end)(struct unpacker *u);
	uint64_t (*size)(const uint8_t *first, size_t n, int fd); /* NULL: never told */
};

static void io_advance(struct unpack_io *io, size_t taken, size_t given)
{
	io->in += taken, io->in_left -= taken;
	io->out += given, io->out_left -= given;
}

static enum unpack_result io_bad(struct unpack_io *io, const char *wrong)
{
	io->wrong = wrong;
	return UNPACK_BAD;
}

/* ---- zstd ---- */

static bool zstd_begin(struct unpacker *u)
{
	u->zstd = ZSTD_createDStream();
	return u->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(
				  u->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX));
}

static enum unpack_result zstd_step(struct unpacker *u, struct unpack_io *io)
{
	ZSTD_inBuffer in = { io->in, io->in_left, 0 };
	ZSTD_outBuffer out = { io->out, io->out_left, 0 };
	size_t left = ZSTD_decompressStream(u->zstd, &out, &in);

	io_advance(io, in.pos, out.pos);
	if (ZSTD_isError(left))
		return io_bad(io, ZSTD_getErrorName(left));
	return left == 0 ? UNPACK_END : UNPACK_ON;
}

static void zstd_end(struct unpacker *u)
{
	ZSTD_freeDStream(u->zstd);
}

static uint64_t zstd_size(const uint8_t *first, size_t n, int fd)
{
	unsigned long long size = ZSTD_getFrameContentSize(first, n);

	(void)fd;
	return size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR ? 0
										  : size;
}

/* ---- lz4 ---- */

static bool lz4_begin(struct unpacker *u)
{
	return !LZ4F_isError(LZ4F_createDecompressionContext(&u->lz4, LZ4F_VERSION));
}

static enum unpack_result lz4_step(struct unpacker *u, struct unpack_io *io)
{
	size_t taken = io->in_left, given = io->out_left;
	size_t left = LZ4F_decompress(u->lz4, io->out, &given, io->in, &taken, NULL);

	if (LZ4F_isError(left))
		return io_bad(io, LZ4F_getErrorName(left));
	io_advance(io, taken, given);
	return left == 0 ? UNPACK_END : UNPACK_ON;
}

static void lz4_end(struct unpacker *u)
{
	LZ4F_freeDecompressionContext(u->lz4);
}

static uint64_t lz4_size(const uint8_t *first, size_t n, int fd)
{
	struct unpacker u;
	LZ4F_frameInfo_t info = { 0 };
	uint64_t size = 0;

	(void)fd;
	if (!lz4_begin(&u))
		return 0;
	if (!LZ4F_isError(LZ4F_getFrameInfo(u.lz4, &info, first, &n)))
		size = info.contentSize;
	lz4_end(&u);
	return size;
}

/* ---- xz ---- */

static bool xz_begin(struct unpacker *u)
{
	u->xz = (lzma_stream)LZMA_STREAM_INIT;
	return lzma_stream_decoder(&u->xz, UINT64_MAX, LZMA_CONCATENATED) == LZMA_OK;
}

static const char *xz_wrong(lzma_ret code)
{
	switch (code) {
	case LZMA_DATA_ERROR:
		return "data are corrupt";
	case LZMA_FORMAT_ERROR:
		return "no xz stream";
	case LZMA_OPTIONS_ERROR:
		return "unsupported options";
	case LZMA_MEM_ERROR:
		return "out of memory";
	default:
		return "it does not unpack";
	}
}

static enum unpack_result xz_step(struct unpacker *u, struct unpack_io *io)
{
	lzma_ret code;

	u->xz.next_in = io->in, u->xz.avail_in = io->in_left;
	u->xz.next_out = io->out, u->xz.avail_out = io->out_left;
	code = lzma_code(&u->xz, io->in_ends ? LZMA_FINISH : LZMA_RUN);
	io_advance(io, io->in_left - u->xz.avail_in, io->out_left - u->xz.avail_out);
	if (code == LZMA_STREAM_END)
		return UNPACK_END;
	/* LZMA_BUF_ERROR: it wants more. */
	return code == LZMA_OK || code == LZMA_BUF_ERROR ? UNPACK_ON
							 : io_bad(io, xz_wrong(code));
}

static void xz_end(struct unpacker *u)
{
	lzma_end(&u->xz);
}

static uint64_t index_size(const uint8_t *bytes, size_t n)
{
	lzma_index *index = NULL;
	uint64_t limit = INDEX_MAX, size = 0;
	size_t at = 0;

	if (lzma_index_buffer_decode(&index, &limit, NULL, bytes, &at, n) == LZMA_OK)
		size = lzma_index_uncompressed_size(index);
	lzma_index_end(index, NULL);
	return size;
}

/* The index of the last stream, before the footer that tells how long it is. */
static uint64_t xz_size(const uint8_t *first, size_t n, int fd)
{
	uint8_t footer[LZMA_STREAM_HEADER_SIZE], *bytes;
	lzma_stream_flags flags;
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	uint64_t size = 0;

	(void)first, (void)n;
	end -= (off_t)sizeof(footer);
	if (end < 0 || pread(fd, footer, sizeof(footer), end) != sizeof(footer) ||
	    lzma_stream_footer_decode(&flags, footer) != LZMA_OK ||
	    flags.backward_size > INDEX_MAX || flags.backward_size > (uint64_t)end)
		return 0;
	n = (size_t)flags.backward_size;
	bytes = xcalloc(n, 1);
	if (pread(fd, bytes, n, end - (off_t)n) == (ssize_t)n)
		size = index_size(bytes, n);
	free(bytes);
	return size;
}

/* ---- gzip ---- */

static bool gzip_begin(struct unpacker *u)
{
	enum { GZIP_ONLY = 16 }; /* added to the window's bits: zlib.h, inflateInit2 */

	u->gzip = (z_stream){ 0 };
	return inflateInit2(&u->gzip, MAX_WBITS + GZIP_ONLY) == Z_OK;
}

static enum unpack_result gzip_step(struct unpacker *u, struct unpack_io *io)
{
	size_t in_left = (size_t)min_u64(io->in_left, UINT32_MAX);
	size_t out_left = (size_t)min_u64(io->out_left, UINT32_MAX);
	int code;

	u->gzip.next_in = (z_const Bytef *)io->in, u->gzip.avail_in = (uInt)in_left;
	u->gzip.next_out = io->out, u->gzip.avail_out = (uInt)out_left;
	code = inflate(&u->gzip, Z_NO_FLUSH);
	io_advance(io, in_left - u->gzip.avail_in, out_left - u->gzip.avail_out);
	if (code == Z_STREAM_END)
		return inflateReset(&u->gzip) == Z_OK ? UNPACK_END : UNPACK_BAD;
	if (code == Z_OK || code == Z_BUF_ERROR)
		return UNPACK_ON;
	return io_bad(io, u->gzip.msg ? u->gzip.msg : "it does not unpack");
}

static void gzip_end(struct unpacker *u)
{
	inflateEnd(&u->gzip);
}

/* ---- none ---- */

static bool none_begin(struct unpacker *u)
{
	(void)u;
	return true;
}

static enum unpack_result none_step(struct unpacker *u, struct unpack_io *io)
{
	size_t n = (size_t)min_u64(io->in_left, io->out_left);

	(void)u;
	if (n)
		memcpy(io->out, io->in, n);
	io_advance(io, n, n);
	return UNPACK_END;
}

static void none_end(struct unpacker *u)
{
	(void)u;
}

/* ---- all ---- */

#define MAGIC(text) (text), sizeof(text) - 1

/* zstd's and lz4's skippable frames have the same magic numbers; only pzstd begins a file
 * with one. Sources: RFC 8878 3.1, lz4_Frame_format.md, xz-file-format.txt 2.1, RFC 1952. */
static const struct packing packings[] = {
	{ "zstd", MAGIC("\x28\xb5\x2f\xfd"), zstd_begin, zstd_step, zstd_end, zstd_size },
	{ "zstd", MAGIC("\x50\x2a\x4d\x18"), zstd_begin, zstd_step, zstd_end, NULL },
	{ "lz4", MAGIC("\x04\x22\x4d\x18"), lz4_begin, lz4_step, lz4_end, lz4_size },
	{ "xz", MAGIC("\xfd\x37\x7a\x58\x5a\0"), xz_begin, xz_step, xz_end, xz_size },
	{ "gzip", MAGIC("\x1f\x8b\x08"), gzip_begin, gzip_step, gzip_end, NULL },
	{ "", MAGIC(""), none_begin, none_step, none_end, NULL },
};

const struct packing *packing_of(const uint8_t *first_bytes, size_t n)
{
	const struct packing *p = packings;

	while (n < p->nmagic || memcmp(first_bytes, p->magic, p->nmagic) != 0)
		p++; /* the last one fits all */
	return p;
}

const char *packing_name(const struct packing *p)
{
	return p->name;
}

bool packing_is_none(const struct packing *p)
{
	return p->nmagic == 0;
}

uint64_t packing_size(const struct packing *p, const uint8_t *first_bytes, size_t n,
		      int fd)
{
	return p->size ? p->size(first_bytes, n, fd) : 0;
}

struct unpacker *unpacker_new(const struct packing *p)
{
	struct unpacker *u = xcalloc(1, sizeof(*u));

	u->packing = p;
	if (p->begin(u))
		return u;
	unpacker_free(u);
	return NULL;
}

enum unpack_result unpacker_step(struct unpacker *u, struct unpack_io *io)
{
	return u->packing->step(u, io);
}

void unpacker_free(struct unpacker *u)
{
	if (u)
		u->packing->end(u);
	free(u);
}
