/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_snapshot FILE [WRITE]: how long this snapshot takes to be opened, and its model to be
 * written again, beside what libzstd at level 1 with two threads takes for the same columns
 * as they lie in memory, one behind the other. What is written goes to WRITE, /dev/null
 * otherwise. Prints `NAME VALUE` lines: seconds, and bytes.
 */
#include "snap/snap.h"

#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

enum { RUNS = 3, THREADS = 2 };

static double seconds_since(uint64_t began)
{
	return (double)(clock_ns() - began) / 1e9;
}

static struct model *open_file(const char *path, double *best)
{
	struct model *m = NULL;
	struct err e;

	*best = 1e9;
	for (int i = 0; i < RUNS; i++) {
		uint64_t began = clock_ns();

		model_free(m);
		if (!snap_read(path, &m, &e)) {
			fprintf(stderr, "%s\n", e.text);
			exit(1);
		}
		if (seconds_since(began) < *best)
			*best = seconds_since(began);
	}
	return m;
}

static double write_file(const struct model *m, const char *path)
{
	struct new_file_options o = { .path = path, .force = true };
	double best = 1e9;
	struct err e;

	for (int i = 0; i < RUNS; i++) {
		uint64_t began = clock_ns();

		if (!snap_write(m, &o, &e)) {
			fprintf(stderr, "%s\n", e.text);
			exit(1);
		}
		if (seconds_since(began) < best)
			best = seconds_since(began);
	}
	return best;
}

/* What snap_write is given. */
static struct buf raw_columns(const struct model *m)
{
	struct buf raw = { 0 };

	for (size_t i = 0; i < MODEL_NTABLES; i++) {
		const struct model_table_def *t = &model_tables[i];

		for (size_t c = 0; c < t->ncolumns; c++)
			buf_add(&raw, model_table_column(m, t, c),
				model_table_rows(m, t) * t->columns[c].size);
	}
	buf_add(&raw, m->strings.end, m->strings.n * sizeof(*m->strings.end));
	buf_add(&raw, m->strings.bytes.s, m->strings.bytes.n);
	return raw;
}

static double compress(const struct buf *raw, size_t *size)
{
	size_t room = ZSTD_compressBound(raw->n);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	char *out = xcalloc(room, 1);
	double best = 1e9;

	memset(out, 1, room); /* no page is touched first while time is taken */
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, 1);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_nbWorkers, THREADS);
	for (int i = 0; i < RUNS; i++) {
		uint64_t began = clock_ns();

		*size = ZSTD_compress2(zstd, out, room, raw->s, raw->n);
		if (seconds_since(began) < best)
			best = seconds_since(began);
	}
	ZSTD_freeCCtx(zstd);
	free(out);
	return best;
}

int main(int argc, char **argv)
{
	double opened, written, compressed;
	struct model *m;
	struct buf raw;
	size_t size;

	if (argc < 2)
		return 2;
	m = open_file(argv[1], &opened);
	written = write_file(m, argc > 2 ? argv[2] : "/dev/null");
	raw = raw_columns(m);
	compressed = compress(&raw, &size);
	printf("open %.3f\nwrite %.3f\nzstd %.3f\nraw %zu\nzstd_size %zu\n", opened,
	       written, compressed, raw.n, size);
	buf_release(&raw);
	model_free(m);
	return 0;
}
