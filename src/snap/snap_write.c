/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing. The columns become sections, the sections are cut into frames, the frames are
 * compressed a few at a time on all cores and written in order; so the memory it takes is
 * a few frames a core, whatever the model's size.
 *
 * Which encoding a section gets is found by trying all of them on a piece of it: what
 * pays is not known beforehand, and a new column must not need an opinion of ours.
 */
#include "base/pool.h"
#include "snap/snap_int.h"

#include <stdlib.h>
#include <xxhash.h>
#include <zstd.h>

const uint8_t snap_magic[MAGIC_BYTES] = { 0x89, 'H', 'S', 'I', 'F', 'T', '\r', '\n' };
const uint8_t snap_end_magic[MAGIC_BYTES] = { 'H', 'S', 'I', 'F', 'T', 'E', 'N', 'D' };

enum {
	LEVEL = 1,
	WORKERS_MAX = 8, /* each holds three frames */
	SAMPLE_BYTES = 64 << 10,
	SAMPLE_FROM = 4 << 10, /* smaller sections are written plain */
};

struct section {
	const char *table, *column;
	const uint8_t *bytes;
	struct values values; /* .rows: of the whole section */
	bool is_text;
	uint64_t offset;
	size_t first_frame, nframes;
};

struct frame {
	uint32_t section;
	uint32_t rows;
	const uint8_t *plain; /* until it is compressed */
	uint8_t *stored;      /* while it waits to be written */
	size_t size;
	uint64_t hash;
};

struct snap_writer {
	struct new_file out;
	struct section *sections;  /* in the order of the file; there is room for all */
	size_t nsections, written; /* written: so many are in the file */
	struct frame *frames;      /* of all sections */
	size_t nframes;
	struct write_scratch {
		ZSTD_CCtx *zstd;
		uint8_t *encoded, *scratch;
		uint8_t *stored; /* of the frame at hand */
	} worker[WORKERS_MAX];
	unsigned workers;
	size_t batch; /* first frame of those being compressed */
	struct buf contents;
	uint8_t *memory; /* as much of it as is compressed at once; NULL: none is kept */
	size_t nmemory;
};

/* ---- sections ---- */

static void add_section(struct snap_writer *w, const struct section *s)
{
	w->sections[w->nsections++] = *s;
}

/* What analysis/ fills in. */
static bool is_derived(enum model_table_id table, const char *column)
{
	return table == TABLE_dominators ||
	       (table == TABLE_groups && str_starts(str_of(column), "retained"));
}

static void add_tables(struct snap_writer *w, const struct model *m, bool derived)
{
	for (size_t i = 0; i < MODEL_NTABLES; i++) {
		const struct model_table_def *t = &model_tables[i];

		for (size_t c = 0; c < t->ncolumns; c++) {
			if (is_derived((enum model_table_id)i, t->columns[c].name) !=
			    derived)
				continue;
			add_section(w,
				    &(struct section){
					    .table = t->name,
					    .column = t->columns[c].name,
					    .bytes = model_table_column(m, t, c),
					    .values = { .width = t->columns[c].size,
							.rows = model_table_rows(m, t) },
					    .is_text = t->columns[c].is_text });
		}
	}
}

static void add_strings(struct snap_writer *w, const struct model_strings *s)
{
	add_section(w, &(struct section){ .table = "strings",
					  .column = "end",
					  .bytes = (const uint8_t *)s->end,
					  .values = { .width = 8, .rows = s->n } });
	add_section(w, &(struct section){ .table = "strings",
					  .column = "bytes",
					  .bytes = (const uint8_t *)s->bytes.s,
					  .values = { .width = 1, .rows = s->bytes.n } });
}

static void make_room_for_sections(struct snap_writer *w)
{
	size_t n = 3; /* strings, and memory */

	for (size_t i = 0; i < MODEL_NTABLES; i++)
		n += model_tables[i].ncolumns;
	w->sections = xcalloc(n, sizeof(*w->sections));
}

/* ---- encodings ---- */

static size_t compress(struct write_scratch *k, const struct values *v,
		       const uint8_t *plain)
{
	size_t size = v->rows * v->width;

	values_encode(v, plain, k->encoded, k->scratch);
	size = ZSTD_compressCCtx(k->zstd, k->stored, ZSTD_compressBound(size), k->encoded,
				 size, LEVEL);
	assert(!ZSTD_isError(size)); /* it has all the room it can need */
	return size;
}

static uint8_t best_encoding(struct write_scratch *k, const struct section *s)
{
	struct values v = s->values;
	size_t best_size = SIZE_MAX, from;
	uint8_t best = ENCODING_PLAIN;

	if (v.rows * v.width < SAMPLE_FROM)
		return ENCODING_PLAIN;
	if (v.rows > SAMPLE_BYTES / v.width)
		v.rows = SAMPLE_BYTES / v.width;
	from = (s->values.rows - v.rows) / 2;
	for (v.encoding = 0; v.encoding < ENCODINGS; v.encoding++) {
		size_t size = compress(k, &v, s->bytes + from * v.width);

		if (size < best_size)
			best_size = size, best = v.encoding;
	}
	return best;
}

static void choose_encoding(void *context, size_t begin, size_t end, unsigned worker)
{
	struct snap_writer *w = context;

	for (size_t i = w->written + begin; i < w->written + end; i++)
		w->sections[i].values.encoding =
			best_encoding(&w->worker[worker], &w->sections[i]);
}

/* ---- frames ---- */

/* For rows that follow those it has. */
static void add_frames(struct snap_writer *w, uint32_t section, const uint8_t *plain,
		       uint64_t rows)
{
	struct section *s = &w->sections[section];
	size_t width = s->values.width;
	uint64_t most = FRAME_BYTES / width, n = (rows + most - 1) / most;

	if (s->nframes == 0)
		s->first_frame = w->nframes;
	s->nframes += n;
	w->frames = xrealloc(w->frames, w->nframes + n, sizeof(*w->frames));
	for (uint64_t first = 0; first < rows; first += most)
		w->frames[w->nframes++] =
			(struct frame){ .section = section,
					.plain = plain + first * width,
					.rows = (uint32_t)min_u64(most, rows - first) };
}

static void compress_frames(void *context, size_t begin, size_t end, unsigned worker)
{
	struct snap_writer *w = context;

	for (size_t i = w->batch + begin; i < w->batch + end; i++) {
		struct frame *f = &w->frames[i];
		const struct section *s = &w->sections[f->section];
		struct write_scratch *k = &w->worker[worker];
		struct values v = s->values;

		v.rows = f->rows;
		f->size = compress(k, &v, f->plain);
		f->hash = XXH64(k->stored, f->size, 0);
		f->stored = xrealloc(NULL, f->size, 1);
		memcpy(f->stored, k->stored, f->size);
	}
}

static bool write_batch(struct snap_writer *w, size_t n, struct err *e)
{
	bool ok = w->out.written > 0 ||
		  new_file_write(&w->out, w->contents.s, HEADER_BYTES, e);

	for (size_t i = w->batch; i < w->batch + n; i++) {
		struct frame *f = &w->frames[i];
		struct section *s = &w->sections[f->section];

		if (i == s->first_frame)
			s->offset = w->out.written;
		ok = ok && new_file_write(&w->out, f->stored, f->size, e);
		free(f->stored);
		f->stored = NULL;
	}
	return ok;
}

/* How many frames are compressed before they are written. */
static size_t batch_frames(const struct snap_writer *w)
{
	return 2 * (size_t)w->workers;
}

/* Those that were added since the last time. */
static bool write_frames(struct snap_writer *w, struct err *e)
{
	while (w->batch < w->nframes) {
		size_t n = (size_t)min_u64(batch_frames(w), w->nframes - w->batch);

		pool_run(w->workers, n, 1, compress_frames, w);
		if (!write_batch(w, n, e))
			return false;
		w->batch += n;
	}
	return true;
}

static bool write_sections(struct snap_writer *w, struct err *e)
{
	pool_run(w->workers, w->nsections - w->written, 1, choose_encoding, w);
	for (; w->written < w->nsections; w->written++) {
		const struct section *s = &w->sections[w->written];

		add_frames(w, (uint32_t)w->written, s->bytes, s->values.rows);
	}
	return write_frames(w, e);
}

/* ---- memory ---- */

/* The first section: it comes while the target is held, before there is a model. */
static void begin_memory(struct snap_writer *w)
{
	assert(w->nsections == 0);
	w->memory = xcalloc(batch_frames(w), FRAME_BYTES);
	add_section(w, &(struct section){ .table = "memory",
					  .column = "bytes",
					  .values = { .width = 1 } });
	w->written = 1;
}

static bool flush_memory(struct snap_writer *w, struct err *e)
{
	size_t n = w->nmemory;

	w->nmemory = 0;
	if (n == 0)
		return true;
	w->sections[0].values.rows += n;
	add_frames(w, 0, w->memory, n);
	return write_frames(w, e);
}

bool snap_write_memory(void *writer, const void *bytes, size_t n, struct err *e)
{
	struct snap_writer *w = writer;
	const uint8_t *at = bytes;

	if (!w->memory)
		begin_memory(w);
	while (n > 0) {
		size_t room = batch_frames(w) * FRAME_BYTES - w->nmemory;
		size_t take = (size_t)min_u64(n, room);

		memcpy(w->memory + w->nmemory, at, take);
		at += take, n -= take, w->nmemory += take;
		if (take == room && !flush_memory(w, e))
			return false;
	}
	return true;
}

/* ---- header, contents, footer ---- */

static void add_int(struct buf *b, uint64_t value, size_t width)
{
	buf_add(b, &value, width); /* little-endian, as x86_64 is */
}

static void contents_add(struct buf *b, const struct section *s,
			 const struct frame *frames)
{
	struct buf name = { 0 };

	buf_printf(&name, "%s.%s", s->table, s->column);
	add_int(b, name.n, 4);
	buf_add(b, name.s, name.n);
	add_int(b, s->values.width, 1);
	add_int(b, s->is_text, 1);
	add_int(b, s->values.encoding, 1);
	add_int(b, 0, 1);
	add_int(b, s->values.rows, 8);
	add_int(b, s->offset, 8);
	add_int(b, FRAME_BYTES / s->values.width, 4);
	add_int(b, s->nframes, 4);
	for (size_t f = s->first_frame; f < s->first_frame + s->nframes; f++) {
		add_int(b, frames[f].size, 4);
		add_int(b, frames[f].hash, 8);
	}
	buf_release(&name);
}

static void header_make(struct buf *b)
{
	buf_add(b, snap_magic, MAGIC_BYTES);
	add_int(b, SNAP_MAJOR, 2);
	add_int(b, SNAP_MINOR, 2);
	add_int(b, 0, 4);
}

static bool write_contents(struct snap_writer *w, struct err *e)
{
	struct buf *b = &w->contents; /* starts with the header: the hash covers it */
	uint64_t offset = w->out.written, length;

	add_int(b, w->nsections, 4);
	for (size_t i = 0; i < w->nsections; i++)
		contents_add(b, &w->sections[i], w->frames);
	length = b->n - HEADER_BYTES;
	add_int(b, offset, 8);
	add_int(b, length, 8);
	add_int(b, XXH64(b->s, b->n, 0), 8);
	buf_add(b, snap_end_magic, MAGIC_BYTES);
	return new_file_write(&w->out, b->s + HEADER_BYTES, b->n - HEADER_BYTES, e);
}

/* ---- all of it ---- */

static void make_workers(struct snap_writer *w)
{
	unsigned cores = pool_cores();

	w->workers = cores < WORKERS_MAX ? cores : WORKERS_MAX;
	for (unsigned i = 0; i < w->workers; i++) {
		struct write_scratch *k = &w->worker[i];

		k->zstd = ZSTD_createCCtx();
		assert(k->zstd);
		k->encoded = xcalloc(1, FRAME_BYTES);
		k->scratch = xcalloc(1, FRAME_BYTES);
		k->stored = xcalloc(1, ZSTD_compressBound(FRAME_BYTES));
	}
}

bool snap_begin(const struct new_file_options *o, struct snap_writer **out, struct err *e)
{
	struct snap_writer *w = xcalloc(1, sizeof(*w));

	*out = w;
	if (!new_file_open(&w->out, o, e))
		return false;
	make_workers(w);
	make_room_for_sections(w);
	header_make(&w->contents);
	return true;
}

bool snap_write_known(struct snap_writer *w, const struct model *m, struct err *e)
{
	if (!flush_memory(w, e))
		return false;
	add_tables(w, m, false);
	add_strings(w, &m->strings);
	return write_sections(w, e);
}

bool snap_write_derived(struct snap_writer *w, const struct model *m, struct err *e)
{
	add_tables(w, m, true);
	return write_sections(w, e);
}

bool snap_commit(struct snap_writer *w, struct err *e)
{
	return write_contents(w, e) && new_file_commit(&w->out, e);
}

void snap_end(struct snap_writer *w)
{
	for (unsigned i = 0; i < w->workers; i++) {
		ZSTD_freeCCtx(w->worker[i].zstd);
		free(w->worker[i].encoded);
		free(w->worker[i].scratch);
		free(w->worker[i].stored);
	}
	free(w->sections);
	free(w->frames);
	free(w->memory);
	buf_release(&w->contents);
	new_file_close(&w->out);
	free(w);
}

bool snap_write(const struct model *m, const struct new_file_options *o, struct err *e)
{
	struct snap_writer *w;
	bool ok = snap_begin(o, &w, e) && model_each_memory(m, snap_write_memory, w, e) &&
		  snap_write_known(w, m, e) && snap_write_derived(w, m, e) &&
		  snap_commit(w, e);

	snap_end(w);
	return ok;
}
