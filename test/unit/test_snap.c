/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot holds what the model held; damaged ones are refused or harmless. */
#include "../fuzz/mend_snapshot.h"
#include "snap_models.h"
#include <fcntl.h>
#include <sys/stat.h>

/* ---- round trips ---- */

static void assert_models_equal(const struct model *a, const struct model *b)
{
	assert_int_equal(a->strings.n, b->strings.n);
	for (uint32_t i = 0; i < a->strings.n; i++)
		assert_true(str_equal(model_text(a, i), model_text(b, i)));
	for (size_t i = 0; i < MODEL_NTABLES; i++) {
		const struct model_table_def *t = &model_tables[i];

		assert_int_equal(model_table_rows(a, t), model_table_rows(b, t));
		for (size_t c = 0; c < t->ncolumns && model_table_rows(a, t); c++)
			assert_memory_equal(model_table_column(a, t, c),
					    model_table_column(b, t, c),
					    model_table_rows(a, t) * t->columns[c].size);
	}
}

static void assert_memory_reads(const struct model *m, taddr at, size_t n, bool zeroes)
{
	uint8_t *got = calloc(n, 1), *want = calloc(n, 1);

	assert_true(m->bytes.read(m->bytes.context, at, got, n));
	if (!zeroes)
		pattern_read(NULL, at, want, n);
	assert_memory_equal(got, want, n);
	free(got);
	free(want);
}

/* Every range, from its first byte to its last, and none of what lies around them. */
static void assert_memory_is_there(const struct model *m)
{
	const struct model_memory *t = &m->memory;
	uint8_t bytes[200];

	for (size_t i = 0; i < t->n; i++)
		assert_memory_reads(m, t->start[i], t->end[i] - t->start[i],
				    t->zeroes[i]);
	for (size_t i = t->n; i-- > 0;)
		assert_memory_reads(m, t->end[i] - 7, 7, t->zeroes[i]);
	assert_false(m->bytes.read(m->bytes.context, t->start[0] - 1, bytes, 2));
	assert_false(m->bytes.read(m->bytes.context, t->end[0] - 1, bytes, 2));
	assert_false(m->bytes.read(m->bytes.context, t->start[1] - 1, bytes, 2));
	assert_true(m->bytes.read(m->bytes.context, t->end[1] - 99, bytes, 199));
	assert_false(m->bytes.read(m->bytes.context, t->end[2] - 1, bytes, 2));
	assert_false(m->bytes.read(m->bytes.context, UINT64_MAX - 1, bytes, 1));
	assert_true(m->bytes.check(m->bytes.context, NULL));
}

static void write_to(const struct model *m, const char *path)
{
	struct new_file_options o = { .path = path, .force = true };
	struct err e = { 0 };

	if (!snap_write(m, &o, &e))
		fail_msg("%s", e.text);
}

static void a_model_comes_back(void **state)
{
	static const size_t blocks[] = { 0, 1, 5, 1000, 3000000 };
	const char *path = "a.hsift";

	(void)state;
	for (size_t i = 0; i < countof(blocks); i++) {
		struct model *m = model_make(blocks[i]), *back;
		struct stat st;

		write_to(m, path);
		back = read_back(path);
		assert_models_equal(m, back);
		assert_memory_is_there(back);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		model_free(m);
		model_free(back);
	}
	assert_files(1);
	unlink(path);
}

static const enum model_table_id some_tables[] = { TABLE_processes, TABLE_types,
						   TABLE_totals };

static bool is_some(size_t table)
{
	for (size_t i = 0; i < countof(some_tables); i++)
		if (some_tables[i] == table)
			return true;
	return false;
}

/* A text has another id there, a number is the same. */
static void assert_table_equal(const struct model *a, const struct model *b,
			       const struct model_table_def *t)
{
	assert_int_equal(model_table_rows(a, t), model_table_rows(b, t));
	for (size_t c = 0; c < t->ncolumns; c++) {
		const uint32_t *x = model_table_column(a, t, c);
		const uint32_t *y = model_table_column(b, t, c);

		if (!t->columns[c].is_text)
			assert_memory_equal(x, y,
					    model_table_rows(a, t) * t->columns[c].size);
		for (size_t i = 0; t->columns[c].is_text && i < model_table_rows(a, t);
		     i++)
			assert_true(str_equal(model_text(a, x[i]), model_text(b, y[i])));
	}
}

static void some_tables_are_read_alone(void **state)
{
	static const size_t blocks[] = { 0, 5, 300000 };
	const char *path = "a.hsift";
	struct err e = { 0 };

	(void)state;
	for (size_t i = 0; i < countof(blocks); i++) {
		struct model *m = model_make(blocks[i]), *some;

		write_to(m, path);
		if (!snap_read_some(path, some_tables, countof(some_tables), &some, &e))
			fail_msg("%s", e.text);
		for (size_t t = 0; t < MODEL_NTABLES; t++)
			if (is_some(t))
				assert_table_equal(m, some, &model_tables[t]);
			else
				assert_int_equal(model_table_rows(some, &model_tables[t]),
						 0);
		assert_true(some->strings.n < m->strings.n);
		model_free(m);
		model_free(some);
	}
	unlink(path);
}

/* Damage elsewhere in the file is nobody's business then. */
static void what_is_not_chosen_is_not_read(void **state)
{
	const char *path = "a.hsift";
	struct model *m = model_make(300000), *some;
	struct err e = { 0 };
	FILE *f;

	(void)state;
	m->memory.n = 0;
	write_to(m, path);
	f = fopen(path, "r+");
	assert_non_null(f);
	fseek(f, 1 << 20, SEEK_SET); /* amid the columns of blocks */
	fputc(0x55, f), fputc(0xaa, f), fputc(0x55, f);
	fclose(f);
	assert_false(snap_read(path, &some, &e));
	assert_non_null(strstr(e.text, "wrong checksum"));
	assert_true(snap_read_some(path, some_tables, countof(some_tables), &some, &e));
	model_free(m);
	model_free(some);
	unlink(path);
}

static void it_streams_into_a_pipe(void **state)
{
	struct model *m = model_make(100000), *back;
	struct new_file_options o = { 0 };
	struct err e;
	FILE *cat = popen("cat > piped", "w");

	(void)state;
	assert_non_null(cat);
	o.fd = fileno(cat);
	assert_true(snap_write(m, &o, &e));
	assert_int_equal(pclose(cat), 0);
	back = read_back("piped");
	assert_models_equal(m, back);
	model_free(m);
	model_free(back);
	unlink("piped");
}

static void encodings_are_what_the_format_says(void **state)
{
	const uint16_t plain[] = { 0x0100, 0x0103, 0x0102 };
	static const uint8_t want[ENCODINGS][6] = {
		[ENCODING_PLAIN] = { 0x00, 0x01, 0x03, 0x01, 0x02, 0x01 },
		[ENCODING_DELTA] = { 0x00, 0x01, 0x03, 0x00, 0xff, 0xff },
		[ENCODING_PLANES] = { 0x00, 0x03, 0x02, 0x01, 0x01, 0x01 },
		[ENCODING_DELTA |
			ENCODING_PLANES] = { 0x00, 0x03, 0xff, 0x01, 0x00, 0xff },
	};
	uint8_t encoded[6], scratch[6];

	(void)state;
	for (uint8_t i = 0; i < ENCODINGS; i++) {
		struct values v = { .encoding = i, .width = 2, .rows = 3 };

		values_encode(&v, (const uint8_t *)plain, encoded, scratch);
		assert_memory_equal(encoded, want[i], 6);
	}
}

static void every_encoding_and_width_comes_back(void **state)
{
	uint64_t plain[100], encoded[100], scratch[100], back[100], seed = 1;

	(void)state;
	for (size_t i = 0; i < countof(plain); i++)
		plain[i] = next_random(&seed) >> i % 64;
	for (size_t width = 1; width <= 8; width *= 2)
		for (uint8_t i = 0; i < ENCODINGS; i++) {
			struct values v = { .encoding = i, .width = width };

			v.rows = sizeof(plain) / width;
			memset(back, 0, sizeof(back));
			values_encode(&v, (uint8_t *)plain, (uint8_t *)encoded,
				      (uint8_t *)scratch);
			values_decode(&v, (uint8_t *)encoded, (uint8_t *)back,
				      (uint8_t *)scratch);
			assert_memory_equal(plain, back, sizeof(plain));
		}
}

/* As many rows at once as it likes, and the rest. */
static void planes_lie_by_significance(void **state)
{
	uint8_t plain[800], encoded[800], scratch[800];

	(void)state;
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t width = 1; width <= 8; width *= 2)
		for (size_t rows = 0; rows <= 800 / width; rows += 1 + rows / 9) {
			struct values v = { ENCODING_PLANES, width, rows };

			values_encode(&v, plain, encoded, scratch);
			for (size_t i = 0; i < rows * width; i++)
				assert_int_equal(encoded[i % width * rows + i / width],
						 plain[i]);
		}
}

/* ---- damage ---- */

static struct buf file_bytes(const char *path)
{
	struct buf b = { 0 };
	char piece[4096];
	FILE *f = fopen(path, "rb");
	size_t n;

	assert_non_null(f);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(&b, piece, n);
	fclose(f);
	return b;
}

/* In place: this is done tens of thousands of times. */
static void put_bytes(const char *path, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, 0), n);
	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	close(fd);
}

static bool take_nothing(void *context, const void *bytes, size_t n, struct err *e)
{
	(void)context;
	(void)bytes;
	(void)n;
	(void)e;
	return true;
}

/* True: read. Anything but that and a failure that names the file is a defect. */
static bool try_to_read(const char *path, struct err *e)
{
	struct model *m;

	*e = (struct err){ 0 };
	if (snap_read_some(path, some_tables, countof(some_tables), &m, e)) {
		for (size_t i = 0; i < m->types.n; i++)
			model_text(m, m->types.detail[i]);
		model_free(m);
	} else {
		assert_int_equal(e->kind, ERR_FILE);
		assert_non_null(strstr(e->text, path));
	}
	if (snap_read(path, &m, e)) {
		bool ok = model_each_memory(m, take_nothing, NULL, e);

		assert_true(ok || strstr(e->text, "section 'memory.bytes' is damaged"));
		model_free(m);
		return ok;
	}
	assert_int_equal(e->kind, ERR_FILE);
	assert_non_null(strstr(e->text, path));
	return false;
}

static struct buf small_snapshot(const char *path)
{
	struct model *m = model_make(7);
	struct buf b;

	write_to(m, path);
	model_free(m);
	b = file_bytes(path);
	return b;
}

static void every_cut_is_refused(void **state)
{
	const char *path = "cut";
	struct buf b = small_snapshot(path);
	struct err e;

	(void)state;
	assert_true(try_to_read(path, &e));
	for (size_t n = 0; n < b.n; n++) {
		put_bytes(path, b.s, n);
		assert_false(try_to_read(path, &e));
	}
	buf_release(&b);
	unlink(path);
}

static void every_flipped_byte_is_refused(void **state)
{
	const char *path = "flipped";
	struct buf b = small_snapshot(path);
	struct err e;
	size_t read = 0;

	(void)state;
	for (size_t i = 0; i < b.n; i++) {
		b.s[i] ^= (char)(1 << i % 8);
		put_bytes(path, b.s, b.n);
		read += try_to_read(path, &e);
		b.s[i] ^= (char)(1 << i % 8);
	}
	assert_int_equal(read, 0);
	buf_release(&b);
	unlink(path);
}

/* The same with all checksums right again: what is read then may be another model, but
 * nothing goes wrong (run under ASan and UBSan too). */
static void mended_damage_is_harmless(void **state)
{
	const char *path = "mended";
	struct buf b = small_snapshot(path), copy = { 0 };
	size_t read = 0, refused = 0;
	struct err e;

	(void)state;
	for (size_t i = 0; i < b.n; i++) {
		for (int value = 0; value < 3; value++) {
			buf_clear(&copy);
			buf_add(&copy, b.s, b.n);
			copy.s[i] = value ? value == 1 ? 0x7f : (char)0xff : 0;
			mend_snapshot((uint8_t *)copy.s, copy.n);
			put_bytes(path, copy.s, copy.n);
			if (try_to_read(path, &e))
				read++;
			else
				refused++;
		}
	}
	assert_true(read > 0);
	assert_true(refused > 1000);
	buf_release(&b);
	buf_release(&copy);
	unlink(path);
}

/* The entry of a section in the contents, behind its name. */
static uint8_t *entry_of(const struct buf *b, const char *name)
{
	uint8_t *at = memmem(b->s, b->n, name, strlen(name));

	assert_non_null(at);
	return at + strlen(name);
}

static void assert_mended_refused(struct buf *b, const char *words)
{
	const char *path = "mended";
	struct err e;

	mend_snapshot((uint8_t *)b->s, b->n);
	put_bytes(path, b->s, b->n);
	assert_false(try_to_read(path, &e));
	if (!strstr(e.text, words))
		fail_msg("'%s' does not say '%s'", e.text, words);
	buf_release(b);
	unlink(path);
}

static void frames_must_fill_the_file(void **state)
{
	const char *path = "a.hsift";
	struct buf b = small_snapshot(path), gap = { 0 };
	uint64_t offset;

	(void)state;
	/* Two sections in one frame. */
	memcpy(entry_of(&b, "blocks.size") + 12, entry_of(&b, "blocks.addr") + 12, 8);
	assert_mended_refused(&b, "impossible frame");

	/* Eight bytes between the frames and the contents. */
	b = small_snapshot(path);
	memcpy(&offset, b.s + b.n - FOOTER_BYTES, 8);
	buf_add(&gap, b.s, offset);
	buf_add(&gap, "gap gap ", 8);
	buf_add(&gap, b.s + offset, b.n - offset);
	offset += 8;
	memcpy(gap.s + gap.n - FOOTER_BYTES, &offset, 8);
	assert_mended_refused(&gap, "table of contents is damaged");
	buf_release(&b);
	unlink(path);
}

static void frames_must_be_zstd(void **state)
{
	const char *path = "a.hsift";
	struct buf b = small_snapshot(path);

	(void)state;
	b.s[HEADER_BYTES]++; /* the magic number of the first frame */
	assert_mended_refused(&b, "cannot be decompressed");
	unlink(path);
}

static void sections_must_be_of_their_kind(void **state)
{
	const char *path = "a.hsift";

	(void)state;
	for (size_t at = 0; at < 3; at++) { /* width, is_text, encoding */
		struct buf b = small_snapshot(path);

		entry_of(&b, "blocks.size")[at] += 4;
		assert_mended_refused(&b, "section 'blocks.size'");
	}
	struct buf b = small_snapshot(path);

	entry_of(&b, "blocks.size")[4]--; /* rows */
	assert_mended_refused(&b, "columns of 'blocks' differ");
	b = small_snapshot(path);
	memcpy(memmem(b.s, b.n, "threads.pc", 10), "threads.sp", 10);
	assert_mended_refused(&b, "section 'threads.sp'"); /* twice */
	unlink(path);
}

/* ---- rules ---- */

static void assert_refused(struct model *m, const char *words)
{
	const char *path = "wrong";
	struct err e;

	write_to(m, path);
	assert_false(try_to_read(path, &e));
	if (!strstr(e.text, words))
		fail_msg("'%s' does not say '%s'", e.text, words);
	unlink(path);
	model_free(m);
}

#define WRONG(assignment, words) \
	do { \
		struct model *m = model_make(100); \
		assignment; \
		assert_refused(m, words); \
	} while (0)

static void indices_must_lead_somewhere(void **state)
{
	(void)state;
	WRONG(m->blocks.type[99] = (uint32_t)m->types.n, "'blocks.type'");
	WRONG(m->blocks.arena[50] = 3, "'blocks.arena'");
	WRONG(m->blocks.state[0] = BLOCK_FENCE + 1, "'blocks.state'");
	WRONG(m->edge_to.node[0] = 140, "'edge_to.node'");
	WRONG(m->edge_to.label[0] = 200, "'edge_to.label'");
	WRONG(m->groups.kind[1] = ROOTS_ALL, "'groups'");
	WRONG(m->groups.n = 1, "'roots.group'");
	WRONG(m->roots.group[2] = 0, "'roots.group'");
	WRONG(m->objects.type[1] = 200, "'objects.type'");
	WRONG(m->objects.addr[5] = m->objects.addr[4], "'objects.addr'");
	WRONG(m->parts.owner[0] = OBJECTS, "'parts.owner'");
	WRONG(m->pools.block[0] = 101, "'pools.block'");
	WRONG(m->roots.node[0] = 140, "'roots.node'");
	WRONG(m->dominators.parent[3] = 143, "'dominators.parent'");
	WRONG(model_dominators_add(m), "'dominators'");
	WRONG(model_totals_add(m), "'totals'");
	WRONG(m->blocks.owner[3] = 42, "'blocks.owner'");
	WRONG(m->memory.end[1] = m->memory.start[1], "'memory.end'");
	WRONG(m->memory.end[1]++, "'memory.end'");
	WRONG(m->memory.end[0] = m->memory.start[0] - 1, "'memory.end'");
	WRONG(m->slabs.count[0] = 65, "'slabs.bits'");
	WRONG(m->slabs.bits[0] = 2, "'slabs.bits'");
	WRONG(m->labels.n = LABEL_WEAK, "'labels'");
	WRONG(m->edge_first.at[3] = UINT64_MAX, "'edge_first.at'");
	WRONG(m->edge_first.at[140]++, "'edge_first'");
	WRONG(m->edge_first.at[0] = 1, "'edge_first'");
	WRONG(m->regions.module[1] = 4, "'regions.module'");
	WRONG(m->heaps.arena[2] = 3, "'heaps.arena'");
	WRONG(m->types.kind[0] = (uint32_t)m->strings.n, "'types.kind'");
	WRONG(m->findings.text[2] = UINT32_MAX, "'findings.text'");
	WRONG(m->pages.state[2] = 200, "'pages.state'");
	WRONG(m->blocks.addr[5] = 1, "'blocks.addr'");
	WRONG(m->regions.end[2] = 1, "'regions.end'");
	WRONG(model_table_resize(m, &model_tables[TABLE_previews], 99), "'previews'");
	WRONG(model_table_resize(m, &model_tables[TABLE_processes], 0), "no process");
	WRONG(m->strings.end[2] = m->strings.end[3] + 1, "string 3");
	WRONG(m->strings.end[0] = 1, "string 0"); /* the empty text is not */
	WRONG(m->strings.end[m->strings.n - 1]--, "end before their bytes");
}

/* What is in the table is in the section, byte for byte. */
static void memory_must_fit_its_table(void **state)
{
	const char *path = "memory";
	struct model *m = model_make(5);
	struct new_file_options o = { .path = path };
	struct snap_writer *w;
	struct err e = { 0 };

	(void)state;
	assert_true(snap_begin(&o, &w, &e));
	assert_true(model_each_memory(m, snap_write_memory, w, &e));
	assert_true(snap_write_memory(w, "x", 1, &e));
	assert_true(snap_write_known(w, m, &e));
	assert_true(snap_write_derived(w, m, &e));
	assert_true(snap_commit(w, &e));
	snap_end(w);
	assert_false(try_to_read(path, &e));
	assert_non_null(strstr(e.text, "'memory' does not fit"));
	unlink(path);
	model_free(m);
}

/* However large: its bytes are there in the file's size only, and nothing reads them. */
static void memory_is_read_at_need(void **state)
{
	const char *path = "memory";
	struct model *m = model_make(1000000), *back;
	uint8_t byte;
	struct err e = { 0 };
	FILE *f;

	(void)state;
	write_to(m, path);
	f = fopen(path, "r+");
	assert_non_null(f);
	fseek(f, HEADER_BYTES + 20, SEEK_SET); /* into the first frame, memory's */
	fputc(0x55, f), fputc(0xaa, f);
	fclose(f);
	back = read_back(path);
	assert_memory_reads(back, m->memory.end[0] - 9, 9, false);
	assert_true(back->bytes.check(back->bytes.context, &e));
	assert_false(back->bytes.read(back->bytes.context, m->memory.start[0], &byte, 1));
	assert_false(back->bytes.check(back->bytes.context, &e));
	assert_non_null(strstr(e.text, "'memory.bytes' is damaged"));
	assert_memory_reads(back, m->memory.end[0] - 9, 9, false);
	model_free(back);
	model_free(m);
	unlink(path);
}

static void other_versions_are_told(void **state)
{
	const char *path = "version";
	struct buf b = small_snapshot(path);
	struct model *m;
	struct err e;

	(void)state;
	assert_true(snap_is_snapshot(b.s, 8));
	assert_false(snap_is_snapshot(b.s, 7));
	assert_false(snap_is_snapshot("\177ELF....", 8));
	b.s[8] = 9;
	mend_snapshot((uint8_t *)b.s, b.n);
	put_bytes(path, b.s, b.n);
	assert_false(try_to_read(path, &e));
	assert_non_null(strstr(e.text, "newer heapsift"));
	b.s[8] = 1, b.s[10] = 9; /* a newer minor: it knows more, we read what we know */
	mend_snapshot((uint8_t *)b.s, b.n);
	put_bytes(path, b.s, b.n);
	m = read_back(path);
	assert_non_null(strstr(model_text(m, m->findings.text[m->findings.n - 1]).s,
			       "in format 1.9"));
	model_free(m);
	b.s[10] = 1; /* an older one: what it does not tell is not said to be absent */
	mend_snapshot((uint8_t *)b.s, b.n);
	put_bytes(path, b.s, b.n);
	m = read_back(path);
	assert_non_null(strstr(model_text(m, m->findings.text[m->findings.n - 1]).s,
			       "an older heapsift wrote it, in format 1.1"));
	model_free(m);
	buf_release(&b);
	unlink(path);
}

/* A section of another name is passed over, and its column is zeroes. */
static void unknown_sections_are_passed_over(void **state)
{
	const char *path = "unknown";
	struct buf b = small_snapshot(path);
	struct model *m;
	char *name = memmem(b.s, b.n, "threads.tid", 11);

	(void)state;
	assert_non_null(name);
	memcpy(name, "thumbs.size", 11);
	mend_snapshot((uint8_t *)b.s, b.n);
	put_bytes(path, b.s, b.n);
	m = read_back(path);
	assert_int_equal(m->threads.n, 3);
	assert_int_equal(m->threads.tid[1], 0);
	assert_int_equal(m->threads.pc[1], 1);
	model_free(m);
	buf_release(&b);
	unlink(path);
}

static void other_files_are_no_snapshots(void **state)
{
	struct err e;

	(void)state;
	assert_false(try_to_read("/etc/passwd", &e));
	assert_false(try_to_read("/dev/null", &e));
	assert_false(try_to_read("/tmp", &e));
	assert_false(try_to_read("/no/such/file", &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_comes_back),
		cmocka_unit_test(some_tables_are_read_alone),
		cmocka_unit_test(what_is_not_chosen_is_not_read),
		cmocka_unit_test(it_streams_into_a_pipe),
		cmocka_unit_test(encodings_are_what_the_format_says),
		cmocka_unit_test(every_encoding_and_width_comes_back),
		cmocka_unit_test(planes_lie_by_significance),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(every_flipped_byte_is_refused),
		cmocka_unit_test(mended_damage_is_harmless),
		cmocka_unit_test(frames_must_fill_the_file),
		cmocka_unit_test(frames_must_be_zstd),
		cmocka_unit_test(sections_must_be_of_their_kind),
		cmocka_unit_test(indices_must_lead_somewhere),
		cmocka_unit_test(memory_must_fit_its_table),
		cmocka_unit_test(memory_is_read_at_need),
		cmocka_unit_test(other_versions_are_told),
		cmocka_unit_test(unknown_sections_are_passed_over),
		cmocka_unit_test(other_files_are_no_snapshots),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
