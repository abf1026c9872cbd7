/* SPDX-License-Identifier: Apache-2.0 */
/* What image/ reads from real files is what readelf prints of them. */
#include "image/image.h"
#include <elf.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Files of this machine that differ in how they were linked. */
static const char *const subjects[] = {
	"/lib/x86_64-linux-gnu/libc.so.6", /* RELR, IFUNC, stripped */
	"/lib/x86_64-linux-gnu/libm.so.6",
	"/usr/lib/x86_64-linux-gnu/libstdc++.so.6", /* RELA, thousands of weak names */
	"/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
	"/usr/bin/bash",
	"/proc/self/exe", /* has .symtab */
};

struct pairs {
	uint64_t (*v)[2];
	size_t n, cap;
};

static void pairs_add(struct pairs *p, uint64_t a, uint64_t b)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 1024;
		p->v = xrealloc(p->v, p->cap, sizeof(*p->v));
	}
	p->v[p->n][0] = a;
	p->v[p->n++][1] = b;
}

static int pair_order(const void *a, const void *b)
{
	return memcmp(a, b, 2 * sizeof(uint64_t));
}

static void pairs_sort_unique(struct pairs *p)
{
	size_t kept = 0;

	if (p->n)
		qsort(p->v, p->n, sizeof(*p->v), pair_order);
	for (size_t i = 0; i < p->n; i++)
		if (kept == 0 || pair_order(p->v[i], p->v[kept - 1]) != 0)
			memcpy(p->v[kept++], p->v[i], sizeof(*p->v));
	p->n = kept;
}

/* The lines "HEX HEX" of readelf with these options, cut to them by an awk program. */
static struct pairs readelf(const char *options, const char *path, const char *awk)
{
	struct pairs p = { 0 };
	char command[1024];
	uint64_t a, b;
	FILE *f;

	snprintf(command, sizeof(command), "LC_ALL=C readelf -W %s %s 2>&1 | awk '%s'",
		 options, path, awk);
	f = popen(command, "r");
	assert_non_null(f);
	while (fscanf(f, "%lx %lx", &a, &b) == 2)
		pairs_add(&p, a, b);
	assert_int_equal(pclose(f), 0);
	pairs_sort_unique(&p);
	return p;
}

static void assert_pairs_equal(struct pairs *ours, struct pairs *theirs)
{
	pairs_sort_unique(ours);
	for (size_t i = 0; i < ours->n && i < theirs->n; i++) {
		assert_int_equal(ours->v[i][0], theirs->v[i][0]);
		assert_int_equal(ours->v[i][1], theirs->v[i][1]);
	}
	assert_int_equal(ours->n, theirs->n);
	free(ours->v);
	free(theirs->v);
}

static void for_subjects(void (*check)(const struct image *img, const char *path))
{
	for (size_t i = 0; i < countof(subjects); i++) {
		char path[4096]; /* resolved: readelf has another /proc/self */
		struct image *img;
		struct err e;

		assert_non_null(realpath(subjects[i], path));
		assert_true(image_open(path, &img, &e));
		check(img, path);
		image_close(img);
	}
}

static void check_build_id(const struct image *img, const char *path)
{
	char command[4200], id[256] = "";
	FILE *f;

	snprintf(command, sizeof(command),
		 "LC_ALL=C readelf -nW %s | awk '/Build ID:/ { print $NF }'", path);
	f = popen(command, "r");
	assert_non_null(f);
	if (fscanf(f, "%255s", id) != 1)
		id[0] = 0;
	pclose(f);
	assert_true(str_is(image_build_id(img), id));
}

static void build_ids_are_readelfs(void **state)
{
	(void)state;
	for_subjects(check_build_id);
}

static void check_segments(const struct image *img, const char *path)
{
	struct pairs theirs =
		readelf("-l", path, "$1 == \"LOAD\" { print $3, $6; print $2, $5 }");
	struct pairs ours = { 0 };
	const struct image_segment *s;
	size_t n = image_segments(img, &s);

	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		pairs_add(&ours, s[i].vaddr, s[i].memsz);
		pairs_add(&ours, s[i].offset, s[i].filesz);
	}
	assert_pairs_equal(&ours, &theirs);
}

static void segments_are_readelfs(void **state)
{
	(void)state;
	for_subjects(check_segments);
}

/* readelf cannot quote names with blanks: ours have none. */
static void check_sections(const struct image *img, const char *path)
{
	char command[4200], name[256], flags[64];
	unsigned long address, size;
	unsigned found = 0;
	uint64_t v, n;
	FILE *f;

	snprintf(command, sizeof(command),
		 "LC_ALL=C readelf -SW %s | sed -n 's/^ *\\[ *[0-9]*\\] //p' | "
		 "awk 'NF >= 10 { print $1, $3, $5, $7 }'",
		 path);
	f = popen(command, "r");
	assert_non_null(f);
	while (fscanf(f, "%255s %lx %lx %63s", name, &address, &size, flags) == 4) {
		bool is_loaded = strchr(flags, 'A') != NULL;

		assert_int_equal(image_find_section(img, name, &v, &n), is_loaded);
		if (!is_loaded)
			continue;
		found++;
		assert_int_equal(v, address);
		assert_int_equal(n, size);
	}
	pclose(f);
	assert_true(found > 10);
	assert_false(image_find_section(img, ".no such section", &v, &n));
}

static void sections_are_readelfs(void **state)
{
	(void)state;
	for_subjects(check_sections);
}

static bool take_relative(void *context, uint64_t where, uint64_t target)
{
	(void)target;
	pairs_add(context, where, 0);
	return true;
}

static bool take_rela(void *context, uint64_t where, uint64_t target)
{
	pairs_add(context, where, target);
	return true;
}

/* readelf prints RELR relocations as places only; so places for all files, targets for
 * those that have none of them (test_module compares targets with a live process). */
static void check_relative(const struct image *img, const char *path)
{
	struct pairs places =
		readelf("-r", path,
			"/relr.dyn/ { relr = 1 } / offset 0x/ && !/relr/ { relr = 0 }"
			"/R_X86_64_RELATIVE/ { print $1, 0 }"
			"relr && NF == 1 { print $1, 0 }");
	struct pairs rela = readelf("-r", path, "/R_X86_64_RELATIVE/ { print $1, $4 }");
	struct pairs ours = { 0 };

	if (places.n == rela.n) {
		image_each_relative(img, take_rela, &ours);
		assert_pairs_equal(&ours, &rela);
		free(places.v);
		return;
	}
	image_each_relative(img, take_relative, &ours);
	assert_pairs_equal(&ours, &places);
	free(rela.v);
}

static void relatives_are_readelfs(void **state)
{
	(void)state;
	for_subjects(check_relative);
}

static void check_functions(const struct image *img, const char *path)
{
	struct pairs theirs = readelf("--debug-dump=frames", path,
				      "/ FDE / && /pc=/ { sub(/.*pc=/, \"\");"
				      " sub(/\\.\\./, \" \"); print }");
	struct pairs ours = { 0 };
	const struct image_function *f;
	size_t n = image_functions(img, &f);

	assert_true(n > 0);
	for (size_t i = 0; i < n; i++)
		pairs_add(&ours, f[i].vaddr, f[i].vaddr + f[i].size);
	assert_pairs_equal(&ours, &theirs);
}

static void functions_are_readelfs(void **state)
{
	(void)state;
	for_subjects(check_functions);
}

/* Of a static program, which has .eh_frame but no table of it. */
static void functions_of_a_static_program(void **state)
{
	char dir[] = "/tmp/heapsift-test-XXXXXX", command[256], path[64];
	struct image *img;
	struct err e;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/static", dir);
	snprintf(command, sizeof(command),
		 "echo 'int main(void) { return 0; }' | cc -static -s -x c -o %s -",
		 path);
	assert_int_equal(system(command), 0);
	assert_true(image_open(path, &img, &e));
	check_functions(img, path);
	check_build_id(img, path);
	image_close(img);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

/* Each defined symbol that readelf lists: found by its name at one of the values listed
 * for it, and by its value under one of the names listed for that. */
static void check_symbols(const struct image *img, const char *path)
{
	char command[4400], name[4096];
	uint64_t value, found, size, offset, count = 0;
	struct str at;
	FILE *f;

	snprintf(command, sizeof(command),
		 "LC_ALL=C readelf -W -s %s | awk '$4 ~ /^(FUNC|OBJECT|IFUNC)$/ &&"
		 " $5 != \"LOCAL\" && $7 ~ /^[0-9]+$/ && $8 !~ /[^@]@[^@]/ {"
		 " sub(/@.*/, \"\", $8); print $2, $8 }'",
		 path);
	f = popen(command, "r");
	assert_non_null(f);
	while (fscanf(f, "%lx %4095s", &value, name) == 2) {
		assert_true(image_find_symbol(img, name, &found, &size));
		assert_int_equal(found, value);
		assert_true(image_symbol_at(img, value, &at, &offset));
		assert_int_equal(offset, 0);
		count++;
	}
	pclose(f);
	assert_true(count > 0);
}

static void symbols_are_readelfs(void **state)
{
	(void)state;
	for_subjects(check_symbols);
}

/* The dynamic symbols of a library that was robbed of its section headers. */
static void symbols_without_sections(void **state)
{
	static const char libm[] = "/lib/x86_64-linux-gnu/libm.so.6";
	char path[] = "/tmp/heapsift-test-XXXXXX", command[128];
	const uint64_t none = 0;
	struct image *img;
	struct err e;
	int fd = mkstemp(path);

	(void)state;
	snprintf(command, sizeof(command), "cp %s %s", libm, path);
	assert_int_equal(system(command), 0);
	assert_int_equal(pwrite(fd, &none, 8, offsetof(Elf64_Ehdr, e_shoff)), 8);
	close(fd);
	assert_true(image_open(path, &img, &e));
	check_symbols(img, libm);
	image_close(img);
	unlink(path);
}

/* Not all have thread-local variables; libc and libstdc++ do. */
static void check_tls(const struct image *img, const char *path)
{
	struct pairs theirs = readelf("-l", path, "$1 == \"TLS\" { print $6, $NF }");
	struct pairs ours = { 0 };
	struct image_tls tls;

	if (image_tls(img, &tls))
		pairs_add(&ours, tls.size, tls.align);
	assert_pairs_equal(&ours, &theirs);
}

static void check_tls_symbols(const struct image *img, const char *path)
{
	struct pairs theirs = readelf("-s", path,
				      "$4 == \"TLS\" && $7 ~ /^[0-9]+$/ && $3 > 0 { "
				      "printf \"%s %x\\n\", $2, $3 }");

	for (size_t i = 0; i < theirs.n; i++) {
		struct str name;
		uint64_t offset;

		assert_true(image_tls_symbol_at(img, theirs.v[i][0], &name, &offset));
		assert_int_equal(offset, 0);
		assert_true(image_tls_symbol_at(img, theirs.v[i][0] + theirs.v[i][1] - 1,
						&name, &offset));
		assert_int_equal(offset, theirs.v[i][1] - 1);
	}
	free(theirs.v);
}

static void thread_local_variables_are_readelfs(void **state)
{
	static __thread long here __attribute__((used)) = 1;
	struct image *img;
	struct str name;
	uint64_t offset;
	struct err e;

	(void)state;
	assert_int_equal(here, 1);
	for_subjects(check_tls);
	for_subjects(check_tls_symbols);
	assert_true(image_open("/proc/self/exe", &img, &e));
	assert_true(image_tls_symbol_at(img, 0, &name, &offset));
	assert_true(str_starts(name, "here"));
	image_close(img);
}

static void a_symbol_covers_its_size(void **state)
{
	uint64_t vaddr, size, offset;
	struct image *img;
	struct str name;
	struct err e;

	(void)state;
	assert_true(image_open(subjects[0], &img, &e));
	assert_true(image_find_symbol(img, "malloc", &vaddr, &size));
	assert_true(size > 1);
	assert_true(image_symbol_at(img, vaddr + size - 1, &name, &offset));
	assert_true(str_is(name, "malloc")); /* and not __libc_malloc */
	assert_int_equal(offset, size - 1);
	assert_false(image_find_symbol(img, "no such symbol", &vaddr, &size));
	assert_false(image_symbol_at(img, 1, &name, &offset));
	assert_false(image_symbol_at(img, UINT64_MAX, &name, &offset));
	image_close(img);
}

/* The folder's files as this machine's debug files, for this process alone. */
static bool install_debug_files(const char *dir)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount(dir, "/usr/lib", NULL, MS_BIND, NULL) == 0;
}

/* 0 if all is well, 77 if it cannot be tried, else which question went wrong. */
static int ask_borrowed_names(const char *dir, const char *path, uint64_t hidden)
{
	uint64_t vaddr, size, offset;
	struct image *img;
	struct str name;
	struct err e;

	if (!image_open(path, &img, &e))
		return 1;
	if (image_symbol_at(img, hidden, &name, &offset))
		return 2; /* nothing names it yet */
	image_close(img);
	if (!install_debug_files(dir))
		return 77;
	if (!image_open(path, &img, &e))
		return 3;
	if (!image_symbol_at(img, hidden + 1, &name, &offset) ||
	    !str_is(name, "hidden_one") || offset != 1)
		return 4;
	if (image_find_symbol(img, "hidden_one", &vaddr, &size))
		return 5; /* the file itself has no such name */
	if (!image_find_symbol(img, "shown_one", &vaddr, &size))
		return 6;
	image_close(img);
	return 0;
}

static void names_are_borrowed_from_a_debug_file(void **state)
{
	char dir[] = "/tmp/heapsift-test-XXXXXX", command[2048], path[64];
	unsigned long hidden;
	int status;
	FILE *f;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.so", dir);
	snprintf(command, sizeof(command),
		 "cd %s && echo '__attribute__((used)) static int hidden_one(int x)"
		 " { return x * 3; } int shown_one(int x) { return x; }' |"
		 " cc -O1 -g -shared -fPIC -Wl,--build-id=0xabcdef0123 -x c -o x.so - &&"
		 " mkdir -p debug/.build-id/ab &&"
		 " objcopy --only-keep-debug x.so debug/.build-id/ab/cdef0123.debug &&"
		 " nm x.so | awk '/hidden_one/ { print $1 }' && strip x.so",
		 dir);
	f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lx", &hidden), 1);
	assert_int_equal(pclose(f), 0);

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(ask_borrowed_names(dir, path, hidden));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		print_message("NOT RUN: only root can mount\n");
	else
		assert_int_equal(status, 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static void bytes_are_the_files(void **state)
{
	const struct image_segment *s;
	struct image *img;
	struct err e;
	size_t n;

	(void)state;
	assert_true(image_open(subjects[0], &img, &e));
	n = image_segments(img, &s);
	assert_memory_equal(image_bytes(img, s[0].vaddr, 4), "\177ELF", 4);
	for (size_t i = 0; i < n; i++) {
		assert_non_null(image_bytes(img, s[i].vaddr, s[i].filesz));
		assert_null(image_bytes(img, s[i].vaddr, s[i].filesz + 1));
		assert_null(image_bytes(img, s[i].vaddr, SIZE_MAX));
	}
	image_close(img);
}

static void what_is_no_elf_file_is_refused(void **state)
{
	struct image *img;
	struct err e;

	(void)state;
	assert_false(image_open("/etc/passwd", &img, &e));
	assert_int_equal(e.kind, ERR_FILE);
	assert_false(image_open("/dev/null", &img, &e));
	assert_false(image_open("/tmp", &img, &e));
	assert_false(image_open("/no/such/file", &img, &e));
	assert_non_null(strstr(e.text, "'/no/such/file'"));
}

static void assert_demangled(const char *symbol, const char *text)
{
	struct buf out = { 0 };

	buf_str(&out, "> ");
	demangle(str_of(symbol), &out);
	assert_memory_equal(out.s, "> ", 2);
	assert_string_equal(out.s + 2, text);
	buf_release(&out);
}

static void names_are_demangled(void **state)
{
	struct buf bomb = { 0 }, out = { 0 };

	(void)state;
	assert_demangled("_ZTVN3app5OrderE", "vtable for app::Order");
	assert_demangled("_ZNSt6vectorIiSaIiEE9push_backEOi",
			 "std::vector<int, std::allocator<int> >::push_back(int&&)");
	assert_demangled("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE",
			 "core::fmt::Formatter::pad");
	assert_demangled("malloc", "malloc");
	assert_demangled("", "");
	assert_demangled("_Z", "_Z");
	assert_demangled("_ZN", "_ZN");

	/* Each argument b<x, x> is twice as long as the one before it. */
	buf_str(&bomb, "_Z1f1a1bIS_S_E");
	for (const char *c = "13579BDFHJLNPRTVX"; *c; c++)
		buf_printf(&bomb, "1bIS%c_S%c_E", *c, *c);
	demangle(buf_view(&bomb), &out);
	assert_true(str_equal(buf_view(&out), buf_view(&bomb)));
	buf_release(&bomb);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(build_ids_are_readelfs),
		cmocka_unit_test(segments_are_readelfs),
		cmocka_unit_test(sections_are_readelfs),
		cmocka_unit_test(relatives_are_readelfs),
		cmocka_unit_test(functions_are_readelfs),
		cmocka_unit_test(functions_of_a_static_program),
		cmocka_unit_test(symbols_are_readelfs),
		cmocka_unit_test(symbols_without_sections),
		cmocka_unit_test(thread_local_variables_are_readelfs),
		cmocka_unit_test(a_symbol_covers_its_size),
		cmocka_unit_test(names_are_borrowed_from_a_debug_file),
		cmocka_unit_test(bytes_are_the_files),
		cmocka_unit_test(what_is_no_elf_file_is_refused),
		cmocka_unit_test(names_are_demangled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
