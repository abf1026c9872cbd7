/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of cores against cores made by hand. */
#include "mem/mem.h"

#include "../support/made_core.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { RW = PF_R | PF_W, PAGE = PAGE_SIZE_4K };

static const uint64_t TERA = (uint64_t)1 << 40;

/* The file, opened as a core; it belongs to what is returned. */
static struct mem *open_file(struct made_core *c, int fd)
{
	struct mem *m = NULL;
	struct err e = { 0 };

	if (!mem_open_core(fd, "made", &m, &e))
		fail_msg("%s", e.text);
	made_core_release(c);
	return m;
}

static struct mem *open_made(struct made_core *c)
{
	return open_file(c, made_core_open(c));
}

/* What opening it fails with. */
static const char *refusal(int fd, struct err *e)
{
	struct mem *m;

	assert_false(mem_open_core(fd, "made", &m, e));
	assert_int_equal(e->kind, ERR_FILE);
	close(fd);
	return e->text;
}

static void add(struct made_core *c, taddr start, uint64_t memsz, uint64_t filesz,
		const void *bytes)
{
	made_core_segment(c, (struct made_segment){ start, memsz, filesz, bytes, RW });
}

/* The findings of the core, one a line. */
static void check_findings(const struct mem *m, const char *const *words, size_t n)
{
	struct model *model = model_new();

	core_find(m, model);
	assert_int_equal(model->findings.n, n);
	for (size_t i = 0; i < n; i++)
		assert_non_null(
			strstr(model_text(model, model->findings.text[i]).s, words[i]));
	model_free(model);
}

static void its_bytes_and_threads_are_read(void **state)
{
	struct made_core c;
	struct mem *m;
	char got[8];

	(void)state;
	made_core_init(&c);
	made_core_thread(&c, 12, 11, 0x7000, 0x9000);
	made_core_process(&c, 11, "program");
	made_core_thread(&c, 13, 0, 0x8000, 0xa000);
	add(&c, 0x1000, 0x2000, 8, "abcdefgh");
	m = open_made(&c);
	assert_int_equal(m->nregions, 1);
	assert_int_equal(m->regions[0].prot, PROT_R | PROT_W);
	assert_true(mem_read(m, 0x1002, got, 6));
	assert_memory_equal(got, "cdefgh", 6);
	assert_false(mem_read(m, 0x1008, got, 1));
	assert_int_equal(m->nthreads, 2);
	assert_int_equal(m->threads[1].tid, 13);
	assert_int_equal(m->threads[1].sp, 0x8000);
	assert_int_equal(m->threads[1].tls, 0xa000);
	assert_int_equal(core_process(m)->pid, 11);
	assert_int_equal(core_process(m)->signal, 11);
	assert_string_equal(core_process(m)->name, "program");
	mem_close(m);
}

/* ---- notes ---- */

/* A build-id is a note of type 3 too, and NT_PRPSINFO's. */
static void add_foreign_notes(struct made_core *c)
{
	char junk[512];

	memset(junk, 'j', sizeof(junk));
	made_core_note(c, "GNU", NT_PRPSINFO, junk, sizeof(junk));
	made_core_note(c, "LINUX", NT_PRSTATUS, junk, sizeof(junk));
	made_core_note(c, "CORES", NT_FILE, junk, sizeof(junk));
	made_core_note(c, "", NT_AUXV, junk, 3);
}

static void notes_are_told_by_owner_and_type(void **state)
{
	for (uint64_t align = 4; align <= 8; align += 4) {
		struct made_core c;
		struct mem *m;

		(void)state;
		made_core_init(&c);
		c.note_align = align;
		add_foreign_notes(&c);
		made_core_process(&c, 4711, "right");
		made_core_next_notes(&c);
		made_core_thread(&c, 1, 6, 0, 0);
		add_foreign_notes(&c);
		made_core_next_notes(&c);
		made_core_thread(&c, 2, 0, 0, 0);
		add(&c, 0x1000, 0x1000, 0, NULL);
		m = open_made(&c);
		assert_int_equal(m->nthreads, 2);
		assert_int_equal(m->threads[1].tid, 2);
		assert_int_equal(core_process(m)->signal, 6);
		assert_string_equal(core_process(m)->name, "right");
		assert_false(core_process(m)->has_files);
		check_findings(m, NULL, 0);
		mem_close(m);
	}
}

/* As core_int.h says. */
static void our_own_notes_name_threads(void **state)
{
	const struct {
		uint32_t tid;
		char name[16];
	} five = { 5, "fifteen letters" }, seven = { 7, "seven" },
	  no = { 8, "not there" };
	const uint64_t made = 1234567890;
	struct made_core c;
	struct mem *m;

	(void)state;
	made_core_init(&c);
	made_core_thread(&c, 5, 0, 0, 0);
	made_core_note(&c, "HEAPSIFT", 0x48530001, &five, sizeof(five));
	made_core_thread(&c, 6, 0, 0, 0);
	made_core_thread(&c, 7, 0, 0, 0);
	made_core_note(&c, "HEAPSIFT", 0x48530001, &seven, sizeof(seven));
	made_core_note(&c, "HEAPSIFT", 0x48530001, &no, sizeof(no));
	made_core_note(&c, "HEAPSIFT", 0x48530002, &made, sizeof(made));
	add(&c, 0x1000, 0x1000, 0, NULL);
	m = open_made(&c);
	assert_string_equal(m->threads[0].name, "fifteen letters");
	assert_string_equal(m->threads[1].name, "");
	assert_string_equal(m->threads[2].name, "seven");
	assert_int_equal(core_process(m)->time, made);
	mem_close(m);
}

static void notes_that_lie_are_damage(void **state)
{
	static const char *const words[] = { "a note is not", "NT_FILE contradicts" };
	const uint64_t files[] = { UINT64_MAX / 24, PAGE, 0x1000, 0x2000, 0 };
	struct made_core c;
	struct mem *m;
	uint32_t size = UINT32_MAX;

	(void)state;
	made_core_init(&c);
	made_core_note(&c, "CORE", NT_FILE, files, sizeof(files));
	made_core_thread(&c, 1, 6, 0, 0);
	made_core_thread(&c, 2, 6, 0, 0);
	/* n_descsz of the last */
	memcpy(c.notes[0].s + c.notes[0].n - sizeof(struct elf_prstatus) - 16, &size, 4);
	add(&c, 0x1000, 0x1000, 0, NULL);
	m = open_made(&c);
	assert_int_equal(m->nthreads, 1);
	assert_string_equal(m->regions[0].name, "");
	check_findings(m, words, 2);
	mem_close(m);
}

/* ---- regions ---- */

static void check_region(const struct mem *m, size_t i, taddr start, const char *name)
{
	assert_true(i < m->nregions);
	assert_int_equal(m->regions[i].start, start);
	assert_string_equal(m->regions[i].name, name);
}

static void files_cut_segments_into_regions(void **state)
{
	char bytes[3 * PAGE];
	struct made_core c;
	struct mem *m;
	char got;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		memset(bytes + i * PAGE, 'a' + (int)i, PAGE);
	made_core_init(&c);
	made_core_file(&c, 0x12000, 0x13000, 7, "/lib/b.so (deleted)");
	made_core_file(&c, 0x11000, 0x12000, 3, "/lib/a.so"); /* in any order */
	made_core_file(&c, 0x20000, 0x23000, 1, "/lib/c.so");
	made_core_file(&c, 0x30000, 0x31000, 0, "/SYSV00000000 (deleted)");
	made_core_files(&c);
	add(&c, 0x30000, 0x1000, 0, NULL);
	add(&c, 0x21000, 0x3000, 0, NULL);
	add(&c, 0x10000, 0x3000, sizeof(bytes), bytes);
	m = open_made(&c);
	assert_int_equal(m->nregions, 7);
	check_region(m, 0, 0x10000, "");
	check_region(m, 1, 0x11000, "/lib/a.so");
	check_region(m, 2, 0x12000, "/lib/b.so (deleted)");
	check_region(m, 3, 0x20000, "/lib/c.so"); /* no segment tells of it */
	check_region(m, 4, 0x21000, "/lib/c.so");
	check_region(m, 5, 0x23000, "");
	check_region(m, 6, 0x30000, "/SYSV00000000 (deleted)");
	assert_int_equal(m->regions[1].offset, 3 * PAGE);
	assert_int_equal(m->regions[4].offset, 2 * PAGE);
	assert_int_equal(m->regions[1].flags, REGION_HAS_FILE);
	assert_int_equal(m->regions[0].flags, 0);
	assert_int_equal(m->regions[6].prot, PROT_R | PROT_W | PROT_SHARED);
	for (size_t i = 0; i < 3; i++) {
		assert_true(mem_load(m, 0x10fff + i * PAGE, &got));
		assert_int_equal(got, 'a' + (int)i);
	}
	assert_false(mem_load(m, 0x20000, &got));
	assert_int_equal(core_process(m)->left_out, 0x3000 + 0x1000 + 0x1000);
	mem_close(m);
}

/* A program at 0x400000 with 0x1000 bytes of text and 0x1800 of data and .bss; its break, in
 * two parts, and something behind a gap; a vdso with its data below; a stack. */
static void add_program(struct made_core *c, const uint8_t *page)
{
	const uint64_t aux[] = { AT_PHDR,         0x400040,   AT_PHNUM,  3,
				 AT_ENTRY,        0x401234,   AT_RANDOM, 0x7ffffff10,
				 AT_SYSINFO_EHDR, 0x7fff8000, AT_NULL,   0 };

	made_core_note(c, "CORE", NT_AUXV, aux, sizeof(aux));
	made_core_file(c, 0x400000, 0x401000, 0, "/bin/program");
	made_core_file(c, 0x401000, 0x402000, 1, "/bin/program");
	made_core_file(c, 0x402000, 0x403000, 2, "/bin/program");
	made_core_files(c);
	made_core_segment(c, (struct made_segment){ 0x400000, PAGE, PAGE, page, PF_R });
	add(c, 0x402000, 0x1000, 0, NULL);
	add(c, 0x403000, 0x1000, 0, NULL);
	add(c, 0x2345000, 0x1000, 0, NULL);
	add(c, 0x2346000, 0x2000, 0, NULL);
	add(c, 0x2349000, 0x1000, 0, NULL);
	made_core_segment(c, (struct made_segment){ 0x7fff5000, PAGE, 0, NULL, PF_R });
	made_core_segment(c, (struct made_segment){ 0x7fff6000, 0x2000, 0, NULL, PF_R });
	made_core_segment(
		c, (struct made_segment){ 0x7fff8000, PAGE, 0, NULL, PF_R | PF_X });
	add(c, 0x7fffff000, 0x1000, 0, NULL);
	made_core_segment(
		c, (struct made_segment){ 0xffffffffff600000, PAGE, PAGE, NULL, PF_X });
}

static void regions_have_the_kernels_names(void **state)
{
	const Elf64_Ehdr head = { .e_ident = ELFMAG,
				  .e_phoff = 64,
				  .e_phentsize = sizeof(Elf64_Phdr),
				  .e_phnum = 3 };
	const Elf64_Phdr p[] = {
		{ PT_LOAD, PF_R, 0, 0x400000, 0, 0x1000, 0x1000, PAGE },
		{ PT_LOAD, PF_R | PF_X, 0x1000, 0x401000, 0, 0x1000, 0x1000, PAGE },
		{ PT_LOAD, PF_R | PF_W, 0x2000, 0x402000, 0, 0x800, 0x1800, PAGE },
	};
	uint8_t page[PAGE] = { 0 };
	struct made_core c;
	struct mem *m;

	(void)state;
	memcpy(page, &head, sizeof(head));
	memcpy(page + sizeof(head), p, sizeof(p));
	made_core_init(&c);
	add_program(&c, page);
	m = open_made(&c);
	assert_int_equal(m->nregions, 12);
	check_region(m, 0, 0x400000, "/bin/program");
	check_region(m, 1, 0x401000, "/bin/program"); /* by its headers: no segment */
	assert_int_equal(m->regions[1].prot, PROT_R | PROT_X);
	check_region(m, 3, 0x403000, ""); /* .bss */
	check_region(m, 4, 0x2345000, "[heap]");
	check_region(m, 5, 0x2346000, "[heap]");
	check_region(m, 6, 0x2349000, "");
	check_region(m, 7, 0x7fff5000, "[vvar]");
	check_region(m, 8, 0x7fff6000, "[vvar_vclock]");
	check_region(m, 9, 0x7fff8000, "[vdso]");
	check_region(m, 10, 0x7fffff000, "[stack]");
	check_region(m, 11, 0xffffffffff600000, "[vsyscall]");
	assert_int_equal(m->regions[11].flags, REGION_IO);
	assert_string_equal(core_process(m)->exe, "/bin/program");
	mem_close(m);
}

/* Linear work: a hundred times as many would be felt. */
static void many_segments_are_read(void **state)
{
	enum { MANY = 70000 };
	uint64_t begun = clock_ns();
	struct made_core c;
	struct mem *m;
	char name[64], got[4];

	(void)state;
	made_core_init(&c);
	c.align = 1;
	for (uint64_t i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "/lib/file%llu.so", (unsigned long long)i);
		made_core_file(&c, 0x10000 * i, 0x10000 * i + 0x2000, 0, name);
		add(&c, 0x10000 * i, 0x3000, i % 2 ? 4 : 0, "data");
	}
	made_core_thread(&c, 1, 11, 0, 0);
	made_core_files(&c);
	m = open_made(&c);
	assert_int_equal(m->nregions, 2 * MANY);
	check_region(m, MANY, (taddr)0x10000 * (MANY / 2), "/lib/file35000.so");
	assert_true(mem_read(m, 0x10000ull * (MANY - 1), got, 4));
	assert_memory_equal(got, "data", 4);
	assert_int_equal(m->nthreads, 1);
	assert_true(clock_ns() - begun < 5000000000);
	mem_close(m);
}

/* The section header that tells how many is the last thing in the file. */
static void many_segments_of_a_short_file_are_read(void **state)
{
	struct made_core c;
	struct mem *m;
	int fd;

	(void)state;
	made_core_init(&c);
	for (uint64_t i = 0; i < 66000; i++)
		add(&c, 0x10000 * i, 0x1000, 8, "contents");
	fd = made_core_open(&c);
	assert_int_equal(ftruncate(fd, (off_t)c.size - 1024), 0);
	m = open_file(&c, fd);
	assert_int_equal(m->nregions, 66000);
	assert_true(core_process(m)->lost > 0);
	mem_close(m);
}

/* ---- what is not there ---- */

static void a_file_cut_short_says_what_is_missing(void **state)
{
	static const char *const words[] = { "8.0 KiB of the 12.0 KiB" };
	char bytes[PAGE], got[PAGE];
	struct made_core c;
	struct mem *m;
	int fd;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	made_core_init(&c);
	for (uint64_t i = 0; i < 3; i++)
		add(&c, 0x10000 * (i + 1), PAGE, PAGE, bytes);
	fd = made_core_open(&c);
	assert_int_equal(ftruncate(fd, (off_t)c.size - 2 * PAGE), 0);
	m = open_file(&c, fd);
	assert_int_equal(core_process(m)->lost, 2 * PAGE);
	assert_true(mem_load(m, 0x10000, &got));
	assert_memory_equal(got, bytes, PAGE);
	assert_false(mem_read(m, 0x20000, got, 1));
	check_findings(m, words, 1);
	mem_close(m);
}

static void every_length_is_read_or_refused(void **state)
{
	uint64_t size = 1, opened = 0;

	(void)state;
	for (uint64_t n = 0; n < size; n++) {
		struct made_core c;
		struct mem *m = NULL;
		struct err e;
		int fd;

		made_core_init(&c);
		made_core_thread(&c, 1, 11, 0x1000, 0);
		made_core_file(&c, 0x1000, 0x2000, 0, "/a/file");
		made_core_files(&c);
		add(&c, 0x1000, PAGE, 8, "contents");
		fd = made_core_open(&c);
		size = c.size;
		assert_int_equal(ftruncate(fd, (off_t)n), 0);
		if (mem_open_core(fd, "made", &m, &e)) {
			assert_true(core_process(m)->lost > 0);
			opened++;
			mem_close(m);
		} else {
			assert_non_null(strstr(e.text, "no core")
						? e.text
						: strstr(e.text, "cut"));
			close(fd);
		}
		made_core_release(&c);
	}
	assert_true(opened > 400);
}

/* Bytes by window from `at` to `end`, in as many steps as it takes. */
static size_t steps_over(const struct mem *m, taddr at, taddr end, bool is_there)
{
	struct mem_window *w = mem_window_new(m);
	size_t steps = 0, have;

	for (; at < end; at += have, steps++)
		assert_int_equal(mem_window_at(w, at, 1, &have) != NULL, is_there);
	mem_window_free(w);
	return steps;
}

static void huge_ranges_cost_nothing(void **state)
{
	struct made_core c;
	struct mem *m;
	uint64_t word = 1;
	int fd;

	(void)state;
	made_core_init(&c);
	c.align = PAGE;
	add(&c, 0x10000, 0x1000, PAGE, NULL);
	add(&c, TERA, 64 * TERA, 0, NULL);     /* not dumped */
	add(&c, 100 * TERA, TERA, TERA, NULL); /* never touched, but for a word */
	fd = made_core_open(&c);
	made_core_put(fd, "touched!", 8, c.p[3].p_offset + TERA / 2);
	m = open_file(&c, fd);
	assert_true(steps_over(m, TERA, 65 * TERA, false) < 10);
	assert_int_equal(mem_next_data(m, TERA), 65 * TERA);
	assert_int_equal(mem_next_data(m, 100 * TERA), 100 * TERA + TERA / 2);
	assert_true(mem_load(m, 100 * TERA + TERA / 2, &word));
	assert_memory_equal(&word, "touched!", 8);
	assert_true(mem_load(m, 101 * TERA - 8, &word));
	assert_int_equal(word, 0);
	mem_close(m);
}

/* A copy that filled the holes reads the same: so does one whose segments share pages. */
static void holes_and_zeroes_are_the_same(void **state)
{
	static uint8_t bytes[64 * PAGE], got[64 * PAGE];

	(void)state;
	memset(bytes + 9 * PAGE, 'x', PAGE);
	memset(bytes + 40 * PAGE + 100, 'y', 8);
	for (int filled = 0; filled < 2; filled++)
		for (uint64_t align = 1; align <= PAGE; align *= PAGE) {
			struct made_core c;
			struct mem *m;
			int fd;

			made_core_init(&c);
			c.align = align;
			add(&c, 0x10000, sizeof(bytes), sizeof(bytes),
			    filled ? bytes : NULL);
			add(&c, 0x10000 + sizeof(bytes), 8, 8, "the next");
			fd = made_core_open(&c);
			made_core_put(fd, bytes + 9 * PAGE, PAGE,
				      c.p[1].p_offset + 9 * PAGE);
			made_core_put(fd, "yyyyyyyy", 8,
				      c.p[1].p_offset + 40 * PAGE + 100);
			m = open_file(&c, fd);
			assert_true(m->has_pages && m->no_residency);
			assert_true(mem_load(m, 0x10000, &got));
			assert_memory_equal(got, bytes, sizeof(bytes));
			assert_true(mem_next_data(m, 0x10000) <= 0x10000 + 9 * PAGE);
			assert_true(mem_next_data(m, 0x10000 + 10 * PAGE) <=
				    0x10000 + 40 * PAGE);
			assert_true(filled ||
				    mem_next_data(m, 0x12000) >= 0x10000 + 8 * PAGE);
			steps_over(m, 0x10000, 0x10000 + sizeof(bytes) + 8, true);
			mem_close(m);
		}
}

static void another_file_fills_holes(void **state)
{
	struct made_core c;
	struct mem *m;
	struct mem_window *w;
	char got[8];
	size_t have;
	int fd = memfd_create("library", MFD_CLOEXEC);

	(void)state;
	made_core_put(fd, "from the file", 13, PAGE);
	assert_int_equal(ftruncate(fd, 3 * PAGE), 0);
	made_core_init(&c);
	add(&c, 0x10000, 4 * PAGE, 8, "the core");
	m = open_made(&c);
	assert_false(mem_read(m, 0x12000, got, 8));
	core_back(m, 0x12000, 0x13000, fd, PAGE);
	close(fd);
	assert_true(mem_read(m, 0x10000, got, 8));
	assert_memory_equal(got, "the core", 8);
	assert_true(mem_read(m, 0x12000, got, 8));
	assert_memory_equal(got, "from the", 8);
	assert_false(mem_read(m, 0x13000, got, 1));
	w = mem_window_new(m);
	assert_non_null(mem_window_at(w, 0x12000, 8, &have));
	assert_null(mem_window_at(w, 0x11000, 8, &have));
	assert_null(mem_window_at(w, 0x13000, 8, &have));
	mem_window_free(w);
	mem_close(m);
}

/* ---- what contradicts itself ---- */

static void segments_that_overlap_are_cut(void **state)
{
	static const char *const words[] = { "1 of its segments begin inside",
					     "1 of its segments end behind" };
	struct made_core c;
	struct mem *m;
	char got[6];

	(void)state;
	made_core_init(&c);
	add(&c, 0x1004, 8, 8, "ijklmnop");
	add(&c, 0x1000, 8, 8, "abcdefgh");
	add(&c, UINT64_MAX - 10, 100, 8, "abcdefgh");
	m = open_made(&c);
	assert_int_equal(m->nregions, 2);
	assert_true(mem_read(m, 0x1006, got, 6));
	assert_memory_equal(got, "ghmnop", 6);
	check_findings(m, words, 2);
	mem_close(m);
}

static void a_core_without_private_memory_says_so(void **state)
{
	static const char *const words[] = { "it holds no private memory" };
	const uint64_t aux[] = { AT_RANDOM, 0x7010, AT_NULL, 0 };
	struct made_core c;
	struct mem *m;

	(void)state;
	made_core_init(&c);
	made_core_note(&c, "CORE", NT_AUXV, aux, sizeof(aux));
	add(&c, 0x7000, 0x1000, 0, NULL);
	m = open_made(&c);
	check_findings(m, words, 1);
	mem_close(m);
}

static void other_files_are_refused_in_words(void **state)
{
	static const struct {
		uint16_t machine;
		uint8_t class;
		const char *words;
	} kinds[] = {
		{ EM_386, ELFCLASS32, "core of i386:" },
		{ EM_X86_64, ELFCLASS32, "x32" },
		{ EM_AARCH64, ELFCLASS64, "core of aarch64:" },
		{ EM_ARM, ELFCLASS32, "core of arm, 32 bits:" },
		{ 999, ELFCLASS64, "an unknown processor" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < countof(kinds); i++) {
		struct made_core c;

		made_core_init(&c);
		c.head.e_machine = kinds[i].machine;
		c.head.e_ident[EI_CLASS] = kinds[i].class;
		assert_non_null(strstr(refusal(made_core_open(&c), &e), kinds[i].words));
		made_core_release(&c);
	}
}

static void big_endian_cores_are_refused_in_words(void **state)
{
	struct made_core c;
	struct err e;

	(void)state;
	made_core_init(&c);
	c.head.e_ident[EI_DATA] = ELFDATA2MSB;
	c.head.e_type = __builtin_bswap16(ET_CORE);
	c.head.e_machine = __builtin_bswap16(EM_S390);
	assert_true(core_is_core(&c.head, sizeof(c.head)));
	assert_non_null(
		strstr(refusal(made_core_open(&c), &e), "core of s390, big-endian:"));
	made_core_release(&c);
}

static void headers_that_lie_are_refused(void **state)
{
	struct made_core c;
	struct err e;
	int fd;

	(void)state;
	made_core_init(&c);
	assert_non_null(strstr(refusal(made_core_open(&c), &e), "without memory"));
	made_core_release(&c);

	made_core_init(&c);
	c.head.e_phentsize = 55;
	add(&c, 0x1000, 8, 8, "abcdefgh");
	assert_non_null(strstr(refusal(made_core_open(&c), &e), "55 bytes"));
	made_core_release(&c);

	made_core_init(&c);
	for (uint64_t i = 0; i < 0xffff; i++)
		add(&c, i << 12, 8, 0, NULL);
	made_core_layout(&c);
	c.np = UINT32_MAX; /* what the section header says */
	fd = memfd_create("core", MFD_CLOEXEC);
	made_core_put(fd, &c.head, sizeof(c.head), 0);
	made_core_put(fd, &(Elf64_Shdr){ .sh_info = UINT32_MAX }, sizeof(Elf64_Shdr),
		      c.head.e_shoff);
	assert_non_null(strstr(refusal(fd, &e), "4294967295 segments"));
	made_core_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_bytes_and_threads_are_read),
		cmocka_unit_test(notes_are_told_by_owner_and_type),
		cmocka_unit_test(our_own_notes_name_threads),
		cmocka_unit_test(notes_that_lie_are_damage),
		cmocka_unit_test(files_cut_segments_into_regions),
		cmocka_unit_test(regions_have_the_kernels_names),
		cmocka_unit_test(many_segments_are_read),
		cmocka_unit_test(many_segments_of_a_short_file_are_read),
		cmocka_unit_test(a_file_cut_short_says_what_is_missing),
		cmocka_unit_test(every_length_is_read_or_refused),
		cmocka_unit_test(huge_ranges_cost_nothing),
		cmocka_unit_test(holes_and_zeroes_are_the_same),
		cmocka_unit_test(another_file_fills_holes),
		cmocka_unit_test(segments_that_overlap_are_cut),
		cmocka_unit_test(a_core_without_private_memory_says_so),
		cmocka_unit_test(other_files_are_refused_in_words),
		cmocka_unit_test(big_endian_cores_are_refused_in_words),
		cmocka_unit_test(headers_that_lie_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
