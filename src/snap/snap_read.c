/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading, which trusts no number of the file. In this order:
 *
 *   footer, contents   their hash first; then every count against the bytes that are left
 *                      to hold it, every frame against the file's size and zstd's limits
 *   tables             all columns of one have as many rows; all of it fits in memory
 *   frames             on all cores: hash, decompress to just the size expected, decode
 *   strings, rules     snap_check.c
 *
 * Sections that this program does not know are passed over. The file is read with pread,
 * so one that shrinks meanwhile is an error and not a SIGBUS.
 */
#include "base/cursor.h"
#include "base/ending.h"
#include "base/pool.h"
#include "snap/snap_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

enum {
	WORKERS_MAX = 8,
	CONTENTS_MAX = 64 << 20, /* of a snapshot of 20 TiB */
	STRING_END = 0,
	STRING_BYTES = 1,
	MEMORY_BYTES = 2,
	NSPECIAL = 3, /* slots that are no column of the model */
};

/* A section, as the contents claim it. */
struct claim {
	struct str name;
	struct values values; /* .rows: of the whole section */
	bool is_text;
	uint64_t offset;
	uint32_t frame_rows, nframes;
	struct cursor entries;
};

/* What we know how to keep: a column of the model, half of its strings, or memory. */
struct slot {
	const char *table, *column;
	size_t width;
	bool is_text, is_present;
	struct claim claim;
	uint8_t *values;
};

struct frame {
	const struct slot *slot;
	uint64_t first;
	struct stored_frame stored;
	uint32_t rows;
	const char *wrong; /* NULL: it is in place */
};

struct reader {
	int fd;
	uint16_t minor;
	uint64_t file_size;
	uint64_t frames_at, frames_end; /* the next frame; behind the last */
	size_t nsections;
	uint8_t *contents; /* header, contents, offset and length: what the hash covers */
	uint64_t contents_len; /* of the contents alone */
	struct slot *slots;    /* the model's columns, table by table, then the special */
	size_t nslots;
	struct frame *frames;
	size_t nframes, cap;
	uint64_t max_raw, max_stored;      /* of a frame */
	const enum model_table_id *chosen; /* tables to read, NULL: all */
	size_t nchosen;
	struct stored_section at_need[NSPECIAL]; /* those that are not read at once */
	struct frame_room worker[WORKERS_MAX];
	struct model *model;
	uint64_t *string_end; /* owned, until they are the model's strings */
	uint8_t *string_bytes;
};

/* ---- header, footer, contents ---- */

static bool check_header(const uint8_t header[HEADER_BYTES], uint16_t *minor,
			 struct err *e)
{
	struct cursor c = cursor_on(header, HEADER_BYTES);
	uint16_t major;

	if (!snap_is_snapshot(header, HEADER_BYTES))
		return fail(e, ERR_FILE, "it is not a heapsift snapshot");
	cursor_bytes(&c, MAGIC_BYTES);
	major = cursor_u16(&c);
	*minor = cursor_u16(&c);
	if (major > SNAP_MAJOR)
		return fail(e, ERR_FILE,
			    "a newer heapsift wrote it, in format %u; this one reads up "
			    "to %u",
			    major, SNAP_MAJOR);
	return major > 0 || fail(e, ERR_FILE, "its format number is damaged");
}

static bool load_contents(struct reader *r, struct err *e)
{
	uint8_t header[HEADER_BYTES], footer[FOOTER_BYTES];
	struct cursor c = cursor_on(footer, FOOTER_BYTES);
	uint64_t offset, hash, end;

	if (r->file_size < HEADER_BYTES ||
	    read_at(r->fd, header, HEADER_BYTES, 0) < HEADER_BYTES)
		return fail(e, ERR_FILE, "it is not a heapsift snapshot");
	if (!check_header(header, &r->minor, e))
		return false;
	if (r->file_size < HEADER_BYTES + FOOTER_BYTES)
		return fail(e, ERR_FILE, "it is cut short");
	end = r->file_size - FOOTER_BYTES;
	if (read_at(r->fd, footer, FOOTER_BYTES, end) < FOOTER_BYTES ||
	    memcmp(footer + FOOTER_BYTES - MAGIC_BYTES, snap_end_magic, MAGIC_BYTES) != 0)
		return fail(e, ERR_FILE,
			    "it is cut short, or its end is damaged\n"
			    "copy it again from where it was written");
	offset = cursor_u64(&c), r->contents_len = cursor_u64(&c), hash = cursor_u64(&c);
	if (offset < HEADER_BYTES || offset > end || r->contents_len != end - offset ||
	    r->contents_len > CONTENTS_MAX)
		return fail(e, ERR_FILE, "its footer is damaged");
	r->frames_end = offset;
	r->contents = xcalloc(1, HEADER_BYTES + r->contents_len + 16);
	memcpy(r->contents, header, HEADER_BYTES);
	memcpy(r->contents + HEADER_BYTES + r->contents_len, footer, 16);
	if (read_at(r->fd, r->contents + HEADER_BYTES, r->contents_len, offset) <
		    r->contents_len ||
	    XXH64(r->contents, HEADER_BYTES + r->contents_len + 16, 0) != hash)
		return fail(e, ERR_FILE, "its table of contents is damaged");
	return true;
}

/* ---- sections ---- */

static void make_slots(struct reader *r)
{
	size_t n = NSPECIAL, at = 0;

	for (size_t i = 0; i < MODEL_NTABLES; i++)
		n += model_tables[i].ncolumns;
	r->slots = xcalloc(n, sizeof(*r->slots));
	r->nslots = n;
	for (size_t i = 0; i < MODEL_NTABLES; i++) {
		const struct model_table_def *t = &model_tables[i];

		for (size_t c = 0; c < t->ncolumns; c++)
			r->slots[at++] =
				(struct slot){ .table = t->name,
					       .column = t->columns[c].name,
					       .width = t->columns[c].size,
					       .is_text = t->columns[c].is_text };
	}
	r->slots[at + STRING_END] = (struct slot){ "strings", "end", .width = 8 };
	r->slots[at + STRING_BYTES] = (struct slot){ "strings", "bytes", .width = 1 };
	r->slots[at + MEMORY_BYTES] = (struct slot){ "memory", "bytes", .width = 1 };
}

static bool is_chosen(const struct reader *r, const char *table)
{
	for (size_t i = 0; r->chosen && i < r->nchosen; i++)
		if (strcmp(model_tables[r->chosen[i]].name, table) == 0)
			return true;
	return !r->chosen || strcmp(table, "strings") == 0;
}

static struct slot *special_slot(const struct reader *r, size_t which)
{
	return &r->slots[r->nslots - NSPECIAL + which];
}

static struct slot *slot_named(const struct reader *r, struct str name)
{
	ptrdiff_t dot = str_find(name, ".");

	for (size_t i = 0; dot > 0 && i < r->nslots; i++) {
		struct slot *s = &r->slots[i];

		if (str_is((struct str){ name.s, (size_t)dot }, s->table) &&
		    str_is((struct str){ name.s + dot + 1, name.n - (size_t)dot - 1 },
			   s->column))
			return s;
	}
	return NULL;
}

static struct claim read_claim(struct cursor *c)
{
	struct claim s = { .name = cursor_str(c) };

	s.values.width = cursor_u8(c);
	s.is_text = cursor_u8(c);
	s.values.encoding = cursor_u8(c);
	cursor_u8(c);
	s.values.rows = cursor_u64(c);
	s.offset = cursor_u64(c);
	s.frame_rows = cursor_u32(c);
	s.nframes = cursor_u32(c);
	s.entries = *c;
	cursor_bytes(c, (size_t)s.nframes * FRAME_ENTRY_BYTES);
	return s;
}

static bool claim_is_sound(const struct claim *s, const struct slot *slot)
{
	/* Rows are 32-bit indices, but for edges and text, which have 64-bit offsets. */
	uint64_t most = slot->width == 1 || strcmp(slot->table, "edge_to") == 0
				? INT64_MAX / 8
				: UINT32_MAX;

	return !slot->is_present && s->values.width == slot->width &&
	       s->is_text == slot->is_text && s->values.encoding < ENCODINGS &&
	       s->values.rows <= most && s->frame_rows > 0 &&
	       s->frame_rows <= FRAME_BYTES_MAX / slot->width &&
	       s->nframes == s->values.rows / s->frame_rows +
				     (s->values.rows % s->frame_rows != 0);
}

/* ---- frames ---- */

static bool frame_is_possible(const struct frame *f)
{
	uint64_t raw = (uint64_t)f->rows * f->slot->width;

	return raw / RATIO_MAX <= f->stored.size &&
	       f->stored.size <= ZSTD_compressBound(raw);
}

static void add_frame(struct reader *r, const struct frame *f)
{
	if (r->nframes == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 256;
		r->frames = xrealloc(r->frames, r->cap, sizeof(*r->frames));
	}
	r->frames[r->nframes++] = *f;
	r->max_raw = max_u64(r->max_raw, (uint64_t)f->rows * f->slot->width);
	r->max_stored = max_u64(r->max_stored, f->stored.size);
}

/* Memory is read when somebody asks for its bytes; of texts only those are that chosen
 * tables name. */
static bool is_read_at_need(const struct reader *r, const struct slot *slot)
{
	return slot == special_slot(r, MEMORY_BYTES) ||
	       (r->chosen && slot >= special_slot(r, 0));
}

static void keep_frame(struct reader *r, const struct frame *f)
{
	struct stored_section *s;

	if (!is_read_at_need(r, f->slot)) {
		add_frame(r, f);
		return;
	}
	s = &r->at_need[f->slot - special_slot(r, 0)];
	if (!s->frames) /* the contents have room for their entries */
		s->frames = xcalloc(f->slot->claim.nframes, sizeof(*s->frames));
	s->frames[s->nframes++] = f->stored;
}

/* Frames fill the file from the header on, without gaps: none can be used twice. Those
 * of a section that we do not know (slot is NULL) are only passed over. */
static bool add_frames(struct reader *r, const struct claim *s, const struct slot *slot)
{
	struct cursor entries = s->entries;
	uint64_t first = 0;

	if (s->nframes > 0 && s->offset != r->frames_at)
		return false;
	for (uint32_t i = 0; i < s->nframes; i++) {
		struct frame f = { .slot = slot, .first = first };

		f.rows = (uint32_t)min_u64(s->frame_rows, s->values.rows - first);
		f.stored.offset = r->frames_at;
		f.stored.size = cursor_u32(&entries);
		f.stored.hash = cursor_u64(&entries);
		if (f.stored.size > r->frames_end - f.stored.offset ||
		    (slot && !frame_is_possible(&f)))
			return false;
		if (slot)
			keep_frame(r, &f);
		first += f.rows, r->frames_at += f.stored.size;
	}
	return true;
}

static bool take_section(struct reader *r, const struct claim *s, struct err *e)
{
	struct slot *slot = slot_named(r, s->name);

	if (slot && !is_chosen(r, slot->table))
		slot = NULL;
	if (slot && !claim_is_sound(s, slot))
		return fail(e, ERR_FILE, "section '%s.%s' is not what it should be",
			    slot->table, slot->column);
	if (slot) {
		slot->claim = *s;
		slot->is_present = true;
	}
	return add_frames(r, s, slot) ||
	       fail(e, ERR_FILE, "section %zu has an impossible frame", r->nsections);
}

static bool read_sections(struct reader *r, struct err *e)
{
	struct cursor c = cursor_on(r->contents + HEADER_BYTES, r->contents_len);
	uint32_t n = cursor_u32(&c);

	r->frames_at = HEADER_BYTES;
	for (; r->nsections < n; r->nsections++) {
		struct claim s = read_claim(&c);

		if (!cursor_ok(&c))
			break;
		if (!take_section(r, &s, e))
			return false;
	}
	if (!cursor_ok(&c) || cursor_left(&c) != 0 || r->frames_at != r->frames_end)
		return fail(e, ERR_FILE, "its table of contents is damaged");
	return true;
}

/* ---- room ---- */

/* How long the columns of a table are; *slots is left behind them. */
static bool table_rows(const struct model_table_def *t, const struct slot **slots,
		       uint64_t *rows, struct err *e)
{
	const struct slot *known = NULL, *end = *slots + t->ncolumns;

	*rows = 0;
	for (; *slots < end; ++*slots) {
		if (!(*slots)->is_present)
			continue; /* it was written before this column was thought of */
		if (known && *rows != (*slots)->claim.values.rows)
			return fail(e, ERR_FILE, "the columns of '%s' differ in length",
				    t->name);
		known = *slots;
		*rows = known->claim.values.rows;
	}
	return true;
}

static uint64_t row_bytes(const struct model_table_def *t)
{
	uint64_t n = 0;

	for (size_t c = 0; c < t->ncolumns; c++)
		n += t->columns[c].size;
	return n;
}

/* A few bytes of zstd can stand for gigabytes: what could never be kept is not begun. */
static bool check_memory(const struct reader *r, const uint64_t rows[MODEL_NTABLES],
			 struct err *e)
{
	uint64_t machine =
		(uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t need = 0;

	/* No sum wraps: what is added is at most 2^32 rows, or 2^60 four-byte edges. */
	if (!r->chosen)
		need = special_slot(r, STRING_BYTES)->claim.values.rows +
		       special_slot(r, STRING_END)->claim.values.rows * sizeof(uint64_t);
	for (size_t i = 0; i < MODEL_NTABLES; i++)
		need += rows[i] * row_bytes(&model_tables[i]);
	if (need > machine)
		return fail(e, ERR_FILE,
			    "this needs about %lu MiB of memory; the machine has %lu",
			    need >> 20, machine >> 20);
	ending_expect(0, need);
	return ending_allows(need, e);
}

static void make_room_for_strings(struct reader *r)
{
	struct slot *end = special_slot(r, STRING_END),
		    *bytes = special_slot(r, STRING_BYTES);

	r->string_end = xcalloc(end->claim.values.rows, sizeof(uint64_t));
	r->string_bytes = xcalloc(bytes->claim.values.rows + 1, 1); /* and a NUL */
	end->values = (uint8_t *)r->string_end;
	bytes->values = r->string_bytes;
}

static bool make_room(struct reader *r, struct err *e)
{
	uint64_t rows[MODEL_NTABLES];
	const struct slot *next = r->slots;
	struct slot *slot = r->slots;

	for (size_t i = 0; i < MODEL_NTABLES; i++)
		if (!table_rows(&model_tables[i], &next, &rows[i], e))
			return false;
	if (!check_memory(r, rows, e))
		return false;
	r->model = model_new();
	for (size_t i = 0; i < MODEL_NTABLES; i++) {
		const struct model_table_def *t = &model_tables[i];

		model_table_resize(r->model, t, rows[i]);
		for (size_t c = 0; c < t->ncolumns; c++, slot++) {
			slot->values = model_table_column(r->model, t, c);
			prefer_huge_pages(slot->values, rows[i] * slot->width);
		}
	}
	if (!r->chosen)
		make_room_for_strings(r);
	return true;
}

/* ---- the work, on all cores ---- */

struct frame_room frame_room_make(uint64_t stored, uint64_t raw)
{
	struct frame_room k = { .zstd = ZSTD_createDCtx() };

	assert(k.zstd);
	k.stored = xcalloc(1, stored);
	k.encoded = xcalloc(1, raw);
	k.scratch = xcalloc(1, raw);
	return k;
}

void frame_room_release(struct frame_room *k)
{
	ZSTD_freeDCtx(k->zstd);
	free(k->stored);
	free(k->encoded);
	free(k->scratch);
}

const char *frame_decode(int fd, const struct stored_frame *f, const struct values *v,
			 struct frame_room *k, uint8_t *plain)
{
	size_t raw = v->rows * v->width;
	uint8_t *encoded = v->encoding == ENCODING_PLAIN ? plain : k->encoded;

	if (read_at(fd, k->stored, f->size, f->offset) < f->size)
		return "cannot be read";
	if (XXH64(k->stored, f->size, 0) != f->hash)
		return "has a wrong checksum";
	if (ZSTD_decompressDCtx(k->zstd, encoded, raw, k->stored, f->size) != raw)
		return "cannot be decompressed";
	if (encoded != plain)
		values_decode(v, encoded, plain, k->scratch);
	return NULL;
}

static void decode_frames(void *context, size_t begin, size_t end, unsigned worker)
{
	struct reader *r = context;

	for (size_t i = begin; i < end; i++) {
		struct frame *f = &r->frames[i];
		struct values v = f->slot->claim.values;

		v.rows = f->rows;
		f->wrong = frame_decode(r->fd, &f->stored, &v, &r->worker[worker],
					f->slot->values + f->first * v.width);
	}
}

static bool read_frames(struct reader *r, struct err *e)
{
	unsigned workers = pool_cores() < WORKERS_MAX ? pool_cores() : WORKERS_MAX;

	for (unsigned i = 0; i < workers; i++)
		r->worker[i] = frame_room_make(r->max_stored, r->max_raw);
	pool_run(workers, r->nframes, 1, decode_frames, r);
	for (size_t i = 0; i < r->nframes; i++) {
		const struct frame *f = &r->frames[i];

		if (f->wrong)
			return fail(e, ERR_FILE,
				    "section '%s.%s' is damaged: the frame at %lu %s",
				    f->slot->table, f->slot->column, f->stored.offset,
				    f->wrong);
	}
	return true;
}

/* The ids of the file's strings are their positions, and the first is empty. */
static bool check_strings(struct reader *r, struct err *e)
{
	uint64_t n = special_slot(r, STRING_END)->claim.values.rows, start = 0;
	uint64_t bytes = special_slot(r, STRING_BYTES)->claim.values.rows;

	if (n > UINT32_MAX)
		return fail(e, ERR_FILE, "it holds more strings than there can be");
	for (uint64_t i = 0; i < n; i++) {
		uint64_t end = r->string_end[i];

		if (end < start || end > (i ? bytes : 0))
			return fail(e, ERR_FILE, "string %lu cannot be true", i);
		start = end;
	}
	return n == 0 || start == bytes ||
	       fail(e, ERR_FILE, "its strings end before their bytes do");
}

static struct section_reader open_at_need(struct reader *r, size_t which)
{
	const struct claim *claim = &special_slot(r, which)->claim;
	struct stored_section *s = &r->at_need[which];
	struct section_reader opened;

	s->values = claim->values;
	s->frame_rows = claim->frame_rows;
	opened = section_open(r->fd, s);
	s->frames = NULL;
	return opened;
}

static bool adopt_some_strings(struct reader *r, struct err *e)
{
	struct section_reader end = open_at_need(r, STRING_END);
	struct section_reader bytes = open_at_need(r, STRING_BYTES);
	bool ok = texts_adopt(r->model, &end, &bytes, e);

	section_close(&end);
	section_close(&bytes);
	return ok;
}

static bool adopt_strings(struct reader *r, struct err *e)
{
	struct model_strings *s = &r->model->strings;
	uint64_t n = special_slot(r, STRING_END)->claim.values.rows;
	uint64_t bytes = special_slot(r, STRING_BYTES)->claim.values.rows;

	if (r->chosen)
		return adopt_some_strings(r, e);
	if (!check_strings(r, e))
		return false;
	if (n == 0)
		return true; /* the model's own empty one */
	buf_release(&s->bytes);
	free(s->end);
	map_release(&s->by_hash);
	*s = (struct model_strings){
		.bytes = { .s = (char *)r->string_bytes, .n = bytes, .cap = bytes + 1 },
		.n = n,
		.cap = n,
		.end = r->string_end,
	};
	r->string_bytes = NULL;
	r->string_end = NULL;
	return true;
}

/* The model is sound: the rows of `memory` are in order. */
static bool adopt_memory(struct reader *r, const char *name, struct err *e)
{
	const struct claim *claim = &special_slot(r, MEMORY_BYTES)->claim;
	struct stored_section *s = &r->at_need[MEMORY_BYTES];

	if (memory_stored(r->model) != claim->values.rows)
		return fail(e, ERR_FILE, "'memory' does not fit 'memory.bytes'");
	if (r->model->memory.n == 0)
		return true;
	s->values = claim->values;
	s->frame_rows = claim->frame_rows;
	r->model->bytes = memory_open(steal_fd(&r->fd), name, s, r->model);
	s->frames = NULL;
	return true;
}

static void note_newer(const struct reader *r)
{
	if (r->minor > SNAP_MINOR)
		model_find_out(
			r->model, SEVERITY_NOTE, "snapshot",
			"a newer heapsift wrote it, in format %u.%u: what this one, "
			"of %u.%u, does not know is left out",
			SNAP_MAJOR, r->minor, SNAP_MAJOR, SNAP_MINOR);
}

/* What it does not tell looks in an answer like something that is not there. */
static void note_older(const struct reader *r)
{
	if (r->minor < 2)
		model_find_out(
			r->model, SEVERITY_NOTE, "snapshot",
			"an older heapsift wrote it, in format %u.%u: it does not tell "
			"lists of free chunks, frames, duplicates, room unused in "
			"objects, and what memory beside the heap is for: 'summary' has "
			"that as unexplained",
			SNAP_MAJOR, r->minor);
}

/* ---- all of it ---- */

static bool take_file(struct reader *r, struct err *e)
{
	struct stat st;

	if (r->fd < 0 || fstat(r->fd, &st) < 0)
		return fail(e, ERR_FILE, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(e, ERR_FILE, "it is not a file");
	r->file_size = (uint64_t)st.st_size;
	return true;
}

static void reader_release(struct reader *r)
{
	for (size_t i = 0; i < countof(r->worker); i++)
		frame_room_release(&r->worker[i]);
	for (size_t i = 0; i < countof(r->at_need); i++)
		free(r->at_need[i].frames);
	free(r->contents);
	free(r->slots);
	free(r->frames);
	free(r->string_end);
	free(r->string_bytes);
	model_free(r->model);
	autoclose_fd(&r->fd);
}

static bool read_model(struct reader *r, const char *name, struct model **out,
		       struct err *e)
{
	bool ok;

	make_slots(r);
	ok = take_file(r, e) && load_contents(r, e) && read_sections(r, e) &&
	     make_room(r, e) && read_frames(r, e) && adopt_strings(r, e) &&
	     snap_check_model(r->model, e) && adopt_memory(r, name, e);
	if (ok) {
		note_newer(r);
		note_older(r);
		*out = r->model;
		r->model = NULL;
	}
	reader_release(r);
	return ok || err_within(e, "cannot read '%s'", name);
}

static int open_file(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

bool snap_read_fd(int fd, const char *name, struct model **out, struct err *e)
{
	return read_model(&(struct reader){ .fd = fd }, name, out, e);
}

bool snap_read(const char *path, struct model **out, struct err *e)
{
	return snap_read_fd(open_file(path), path, out, e);
}

bool snap_read_some(const char *path, const enum model_table_id *tables, size_t n,
		    struct model **out, struct err *e)
{
	struct reader r = { .fd = open_file(path), .chosen = tables, .nchosen = n };

	return read_model(&r, path, out, e);
}

bool snap_is_snapshot(const void *first_bytes, size_t n)
{
	return n >= MAGIC_BYTES && memcmp(first_bytes, snap_magic, MAGIC_BYTES) == 0;
}
