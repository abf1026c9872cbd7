/* SPDX-License-Identifier: Apache-2.0 */
/* Cores that the kernel makes of a copy of this very process: what is read of them is what
 * was in memory, whatever the filter left out and the files gave back. Not under ASan, whose
 * shadow memory would be dumped, too. */
/* ctest: not-asan */
#include "../support/own_modules.h"
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const char untouched[8192] = "read-only data nobody has read";

static pid_t start_twin(const char *dir, unsigned filter)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	pid_t pid = fork();
	FILE *f;

	if (pid == 0) {
		f = fopen("/proc/self/coredump_filter", "w");
		if (!f || fprintf(f, "%#x", filter) < 0 || fclose(f) != 0 ||
		    chdir(dir) < 0 || setrlimit(RLIMIT_CORE, &unlimited) < 0)
			_exit(1);
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, WUNTRACED), pid);
	return pid;
}

/* The one file in dir; -1: the system puts cores elsewhere. */
static int open_core_in(const char *dir)
{
	DIR *d = opendir(dir);
	int fd = -1;

	for (struct dirent *entry; fd < 0 && (entry = readdir(d));)
		if (strncmp(entry->d_name, "core", 4) == 0)
			fd = openat(dirfd(d), entry->d_name, O_RDONLY);
	closedir(d);
	return fd;
}

struct page {
	taddr at;
	bool is_private_file, may_write;
	uint8_t bytes[PAGE_SIZE_4K];
};

/* Every page that a process has mapped of a file or was given, as it is. */
static size_t read_pages(pid_t pid, struct page **out)
{
	char path[64], line[512], file[256];
	size_t n = 0;
	FILE *maps;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	*out = NULL;
	while (fgets(line, sizeof(line), maps)) {
		unsigned long start, end;
		char prot[5];
		int fields = sscanf(line, "%lx-%lx %4s %*s %*s %*s %255s", &start, &end,
				    prot, file);

		if (fields < 3 || strchr(line, '[') || prot[0] != 'r')
			continue;
		*out = realloc(*out, (n + (end - start) / PAGE_SIZE_4K) * sizeof(**out));
		for (; start < end; start += PAGE_SIZE_4K) {
			struct page *p = &(*out)[n];

			*p = (struct page){ start,
					    fields == 4 && prot[3] == 'p',
					    prot[1] == 'w',
					    { 0 } };
			n += pread(fd, p->bytes, PAGE_SIZE_4K, (off_t)start) ==
			     PAGE_SIZE_4K;
		}
	}
	fclose(maps);
	close(fd);
	return n;
}

struct twin {
	char dir[32];
	struct page *pages;
	size_t npages;
	struct mem *core;
	struct module_set set;
	struct module_files where;
};

/* A core of a copy of this process; false: none can be had here. */
static bool twin_open(struct twin *t, unsigned filter, bool back)
{
	struct err e;
	pid_t pid;
	int fd;

	*t = (struct twin){ .dir = "/tmp/heapsift-test-XXXXXX" };
	assert_non_null(mkdtemp(t->dir));
	pid = start_twin(t->dir, filter);
	t->npages = read_pages(pid, &t->pages);
	kill(pid, SIGABRT);
	kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	fd = open_core_in(t->dir);
	run("rm -r %s", t->dir);
	if (fd < 0) {
		print_message("NOT RUN: cores are not written into the current folder\n");
		free(t->pages);
		return false;
	}
	assert_true(mem_open_core(fd, "core", &t->core, &e));
	t->where = (struct module_files){ .root = "",
					  .entry = core_process(t->core)->entry,
					  .by_build_id = true };
	module_set_build(t->core, &t->where, &t->set);
	if (back)
		module_set_back(&t->set, t->core);
	return true;
}

static void twin_close(struct twin *t)
{
	module_set_release(&t->set);
	mem_close(t->core);
	free(t->pages);
}

/* What is read is what was there; returns how many pages of files could not be read. */
static size_t check_pages(const struct twin *t)
{
	uint8_t bytes[PAGE_SIZE_4K];
	size_t holes = 0;

	for (size_t i = 0; i < t->npages; i++) {
		const struct page *p = &t->pages[i];

		if (mem_read(t->core, p->at, bytes, sizeof(bytes)))
			assert_memory_equal(bytes, p->bytes, sizeof(bytes));
		else
			holes += p->is_private_file && module_at(&t->set, p->at);
	}
	return holes;
}

static void a_core_is_completed_from_files(void **state)
{
	static const unsigned filters[] = { 0x33, 0x3f, 0x13, 0x10 };
	char bytes[32];

	(void)state;
	for (size_t i = 0; i < countof(filters); i++) {
		struct twin t;
		size_t holes;

		if (!twin_open(&t, filters[i], true))
			return;
		holes = check_pages(&t);
		assert_int_equal(holes > 0, filters[i] == 0x10); /* data is not there */
		assert_true(mem_read(t.core, (taddr)untouched, bytes, sizeof(bytes)));
		assert_string_equal(bytes, untouched);
		dl_iterate_phdr(check_loaded, &(struct world){ t.core, t.set });
		twin_close(&t);
	}
}

static int check_place(struct dl_phdr_info *info, size_t size, void *context)
{
	const struct twin *t = context;
	const struct module *mod = module_at(&t->set, info->dlpi_addr);
	struct image *img;
	struct err e;

	(void)size;
	if (strstr(info->dlpi_name, "vdso"))
		return 0;
	assert_non_null(mod);
	assert_non_null(mod->image);
	assert_int_equal(mod->source, SOURCE_MEMORY);
	assert_int_equal(mod->bias, info->dlpi_addr);
	assert_true(image_open(*info->dlpi_name ? info->dlpi_name : "/proc/self/exe",
			       &img, &e));
	assert_string_equal(mod->build_id, image_build_id(img).s);
	image_close(img);
	return 0;
}

/* The core's regions under other names: the files are nowhere. */
static void lose_files(struct twin *t)
{
	module_set_release(&t->set);
	for (size_t i = 0; i < t->core->nregions; i++)
		if (t->core->regions[i].name[0] == '/')
			t->core->regions[i].name = "/nowhere/lib.so (deleted)";
	module_set_build(t->core, &t->where, &t->set);
}

static void without_files_memory_tells(void **state)
{
	static const unsigned filters[] = { 0x33, 0x3f };
	char bytes[32];

	(void)state;
	for (size_t i = 0; i < countof(filters); i++) {
		struct twin t;

		if (!twin_open(&t, filters[i], false))
			return;
		lose_files(&t);
		module_set_back(&t.set, t.core);
		dl_iterate_phdr(check_place, &t);
		(void)check_pages(&t);
		assert_int_equal(mem_read(t.core, (taddr)untouched, bytes, sizeof(bytes)),
				 filters[i] == 0x3f);
		assert_int_equal(module_at(&t.set, (taddr)untouched)->missing[0] == 0,
				 filters[i] == 0x3f);
		twin_close(&t);
	}
}

struct relatives {
	uint64_t where[1 << 16], target[1 << 16];
	size_t n;
};

static bool add_relative(void *context, uint64_t where, uint64_t target)
{
	struct relatives *r = context;

	r->where[r->n] = where;
	r->target[r->n++] = target;
	return r->n < countof(r->where);
}

static struct relatives *relatives_of(const struct image *img)
{
	struct relatives *r = calloc(1, sizeof(*r));

	image_each_relative(img, add_relative, r);
	return r;
}

static void check_same_functions(const struct image *memory, const struct image *file)
{
	const struct image_function *f, *g;
	uint64_t offset, vaddr, mine, size;
	struct str name;
	size_t n = image_functions(file, &f);

	assert_true(n > 10);
	assert_int_equal(image_functions(memory, &g), n);
	assert_memory_equal(f, g, n * sizeof(*f));
	for (size_t i = 0; i < n; i++) {
		if (!image_symbol_at(memory, f[i].vaddr, &name, &offset) ||
		    !image_find_symbol(memory, name.s, &mine, &size))
			continue; /* none, or borrowed */
		assert_true(image_find_symbol(file, name.s, &vaddr, &size));
		assert_int_equal(mine, vaddr);
	}
}

/* What a file tells without its section headers, memory tells too. */
static int check_same(struct dl_phdr_info *info, size_t size, void *context)
{
	const struct twin *t = context;
	const char *path = *info->dlpi_name ? info->dlpi_name : "/proc/self/exe";
	const struct module *mod = module_at(&t->set, info->dlpi_addr);
	struct image_tls a = { 0 }, b = { 0 };
	struct relatives *mine, *theirs;
	struct image *file;
	struct err e;

	(void)size;
	if (strstr(path, "vdso"))
		return 0;
	assert_true(image_open(path, &file, &e));
	assert_int_equal(image_tls(mod->image, &a), image_tls(file, &b));
	assert_memory_equal(&a, &b, sizeof(a));
	mine = relatives_of(mod->image);
	theirs = relatives_of(file);
	assert_true(mine->n > 0);
	assert_memory_equal(mine->where, theirs->where, sizeof(mine->where));
	for (size_t i = 0; i < mine->n; i++)
		if (!(mem_region_at(t->core, mod->bias + mine->where[i])->prot & PROT_W))
			assert_int_equal(mine->target[i], theirs->target[i]);
	check_same_functions(mod->image, file);
	free(mine);
	free(theirs);
	image_close(file);
	return 0;
}

static void memory_tells_what_the_file_tells(void **state)
{
	struct twin t;
	uint64_t vaddr, size;
	const struct module *libc;

	(void)state;
	if (!twin_open(&t, 0x3f, false))
		return;
	lose_files(&t);
	dl_iterate_phdr(check_same, &t);
	libc = module_at(&t.set, (taddr)&printf);
	assert_true(image_find_symbol(libc->image, "printf", &vaddr, &size));
	assert_int_equal(libc->bias + vaddr, (taddr)&printf);
	twin_close(&t);
}

/* A library with a function that only its separate debug file names. */
static unsigned long make_stripped(const char *dir)
{
	unsigned long hidden;
	char command[1024];
	FILE *f;

	snprintf(command, sizeof(command),
		 "cd %s && echo '__attribute__((used)) static int hidden_two(int x)"
		 " { return x * 3; } int shown_two(int x) { return x; }' |"
		 " cc -O1 -g -shared -fPIC -Wl,--build-id=0xabcdef0124 -x c -o x.so - &&"
		 " mkdir -p root/usr/lib/debug/.build-id/ab && objcopy --only-keep-debug "
		 "x.so"
		 " root/usr/lib/debug/.build-id/ab/cdef0124.debug &&"
		 " nm x.so | awk '/hidden_two/ { print $1 }' && strip x.so",
		 dir);
	f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lx", &hidden), 1);
	assert_int_equal(pclose(f), 0);
	return hidden;
}

static bool names_hidden(struct twin *t, taddr in_library, unsigned long hidden)
{
	struct str name = { 0 };
	uint64_t offset;
	const struct module *mod;

	module_set_release(&t->set);
	module_set_build(t->core, &t->where, &t->set);
	mod = module_at(&t->set, in_library);
	assert_non_null(mod);
	assert_non_null(mod->image);
	assert_string_equal(mod->build_id, "abcdef0124");
	return image_symbol_at(mod->image, hidden, &name, &offset) &&
	       str_is(name, "hidden_two") && offset == 0;
}

static void debug_files_are_where_one_says(void **state)
{
	char dir[] = "/tmp/heapsift-test-XXXXXX", path[64], root[64], debug[96];
	unsigned long hidden;
	void *library;
	struct twin t;
	taddr shown;

	(void)state;
	assert_non_null(mkdtemp(dir));
	hidden = make_stripped(dir);
	snprintf(path, sizeof(path), "%s/x.so", dir);
	snprintf(root, sizeof(root), "%s/root", dir);
	snprintf(debug, sizeof(debug), "%s/usr/lib/debug", root);
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	shown = (taddr)dlsym(library, "shown_two");
	if (twin_open(&t, 0x33, false)) {
		assert_false(names_hidden(&t, shown, hidden));
		t.where.root = root;
		assert_true(names_hidden(&t, shown, hidden));
		t.where.root = "";
		t.where.debug_dir = debug;
		assert_true(names_hidden(&t, shown, hidden));
		run("rm %s", path); /* no file, but its headers in memory */
		assert_true(names_hidden(&t, shown, hidden));
		assert_int_equal(module_at(&t.set, shown)->source, SOURCE_MEMORY);
		twin_close(&t);
	}
	dlclose(library);
	run("rm -r %s", dir);
}

static void a_file_without_proof_is_not_used(void **state)
{
	struct twin t;

	(void)state;
	if (!twin_open(&t, 0x3, true))
		return;
	assert_true(t.set.n >= 3);
	for (size_t i = 0; i < t.set.n; i++) {
		assert_null(t.set.modules[i].image);
		assert_non_null(strstr(t.set.modules[i].missing, "lacks its first page"));
	}
	twin_close(&t);
}

/* As kernels before 3.7 made them. */
static void forget_file_note(struct mem *core)
{
	((struct core_process *)(uintptr_t)core_process(core))->has_files = false;
	for (size_t i = 0; i < core->nregions; i++) {
		struct mem_region *r = &core->regions[i];

		if (r->name[0] != '/')
			continue;
		r->name = "";
		r->offset = 0;
		r->flags &= (uint8_t)~REGION_HAS_FILE;
	}
}

static void without_names_the_linker_tells(void **state)
{
	struct twin t;

	(void)state;
	if (!twin_open(&t, 0x33, false))
		return;
	module_set_release(&t.set);
	forget_file_note(t.core);
	core_name_files(t.core);
	module_set_build(t.core, &t.where, &t.set);
	module_set_back(&t.set, t.core);
	dl_iterate_phdr(check_loaded, &(struct world){ t.core, t.set });
	assert_int_equal(check_pages(&t), 0);
	twin_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_core_is_completed_from_files),
		cmocka_unit_test(without_files_memory_tells),
		cmocka_unit_test(memory_tells_what_the_file_tells),
		cmocka_unit_test(debug_files_are_where_one_says),
		cmocka_unit_test(without_names_the_linker_tells),
		cmocka_unit_test(a_file_without_proof_is_not_used),
	};

	unsetenv("DEBUGINFOD_URLS");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
