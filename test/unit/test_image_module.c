/* SPDX-License-Identifier: Apache-2.0 */
/* The modules of this very process are those that its dynamic linker knows; those of a core
 * that the kernel made of it hold what its memory held. */
#include "image/image.h"
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char libm[] = "/lib/x86_64-linux-gnu/libm.so.6";

static char in_bss[1 << 20];

struct world {
	struct mem *mem;
	struct module_set set;
};

static void world_open(struct world *w, const char *root)
{
	struct err e;

	assert_true(mem_open_running(getpid(), &w->mem, &e));
	module_set_build(w->mem, &(struct module_files){ .root = root }, &w->set);
}

static void world_close(struct world *w)
{
	module_set_release(&w->set);
	mem_close(w->mem);
}

/* "/proc/PID/root" */
static const char *own_root(char root[64])
{
	snprintf(root, 64, "/proc/%d/root", getpid());
	return root;
}

static void run(const char *fmt, ...) print_like(1, 2);
static void run(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	assert_int_equal(system(command), 0);
}

static int check_loaded(struct dl_phdr_info *info, size_t size, void *context)
{
	const struct world *w = context;
	const struct module *mod;
	taddr low = UINT64_MAX, high = 0;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD)
			continue;
		low = min_u64(low, align_down(info->dlpi_addr + p->p_vaddr, 4096));
		high = max_u64(high,
			       align_up(info->dlpi_addr + p->p_vaddr + p->p_memsz, 4096));
	}
	mod = module_at(&w->set, low);
	if (strstr(info->dlpi_name, "vdso")) {
		assert_null(mod); /* no file */
		return 0;
	}
	assert_non_null(mod);
	assert_non_null(mod->image);
	assert_int_equal(mod->missing[0], 0);
	assert_int_equal(mod->start, low);
	assert_int_equal(mod->end, high);
	assert_int_equal(mod->bias, info->dlpi_addr);
	assert_ptr_equal(module_at(&w->set, high - 1), mod);
	assert_ptr_not_equal(module_at(&w->set, high), mod);
	return 0;
}

static int count_loaded(struct dl_phdr_info *info, size_t size, void *context)
{
	size_t *n = context;

	(void)size;
	*n += !strstr(info->dlpi_name, "vdso");
	return 0;
}

static void modules_are_the_dynamic_linkers(void **state)
{
	struct world w;
	size_t n = 0;
	char root[64];

	(void)state;
	world_open(&w, own_root(root));
	dl_iterate_phdr(check_loaded, &w);
	dl_iterate_phdr(count_loaded, &n);
	assert_true(n >= 3);
	assert_int_equal(w.set.n, n);
	assert_ptr_equal(module_at(&w.set, (taddr)&in_bss[sizeof(in_bss) - 1]),
			 module_at(&w.set, (taddr)own_root));
	assert_null(module_at(&w.set, (taddr)&w)); /* a stack */
	world_close(&w);
}

/* What the dynamic linker did with each relocation is there to be read. */
struct relocated {
	const struct world *w;
	const struct module *mod;
	size_t checked;
};

static bool check_relocated(void *context, uint64_t where, uint64_t target)
{
	struct relocated *r = context;
	taddr at = r->mod->bias + where;
	const struct mem_region *region = mem_region_at(r->w->mem, at);
	uint64_t word;

	assert_non_null(region);
	if (region->prot & PROT_W)
		return true; /* may have been written since */
	assert_true(mem_load(r->w->mem, at, &word));
	assert_int_equal(word, r->mod->bias + target);
	r->checked++;
	return true;
}

static void relative_targets_are_in_memory(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, "");
	for (size_t i = 0; i < w.set.n; i++) {
		struct relocated r = { &w, &w.set.modules[i], 0 };

		image_each_relative(r.mod->image, check_relocated, &r);
		assert_true(r.checked > 0);
	}
	world_close(&w);
}

static void deleted_files_come_from_map_files(void **state)
{
	char dir[] = "/tmp/heapsift-test-XXXXXX", path[64], root[64];
	const struct module *mod;
	void *library, *function;
	struct world w;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/m.so", dir);
	run("cp %s %s", libm, path);
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	assert_non_null(library);
	function = dlsym(library, "cbrt");
	assert_non_null(function);
	run("rm -r %s", dir);

	world_open(&w, "");
	mod = module_at(&w.set, (taddr)function);
	assert_non_null(mod);
	assert_null(mod->image);
	assert_string_equal(mod->missing, "the file has been deleted");
	world_close(&w);

	if (geteuid() != 0) {
		print_message("NOT RUN: /proc/PID/map_files is for root\n");
	} else {
		uint64_t vaddr, size;

		world_open(&w, own_root(root));
		mod = module_at(&w.set, (taddr)function);
		assert_non_null(mod->image);
		assert_true(image_find_symbol(mod->image, "cbrt", &vaddr, &size));
		assert_int_equal(mod->bias + vaddr, (taddr)function);
		world_close(&w);
	}
	dlclose(library);
}

/* As overlayfs shows them: device and inode of maps are not those of stat. */
static void build_ids_decide_when_inodes_differ(void **state)
{
	char dir[] = "/tmp/heapsift-test-XXXXXX", libc[256];
	const struct module *mod;
	struct world w;

	(void)state;
	assert_non_null(mkdtemp(dir));
	world_open(&w, "");
	snprintf(libc, sizeof(libc), "%s", module_at(&w.set, (taddr)&printf)->path);
	world_close(&w);

	run("mkdir -p %s$(dirname %s); cp %s %s%s", dir, libc, libc, dir, libc);
	world_open(&w, dir);
	mod = module_at(&w.set, (taddr)&printf);
	assert_non_null(mod->image);
	assert_int_equal(module_at(&w.set, (taddr)own_root)->missing[0] != 0, 1);
	assert_null(module_at(&w.set, (taddr)own_root)->image);
	world_close(&w);

	run("cp %s %s%s", libm, dir, libc);
	world_open(&w, dir);
	mod = module_at(&w.set, (taddr)&printf);
	assert_null(mod->image);
	assert_string_equal(mod->missing,
			    "the file there now is not the one that is mapped");
	world_close(&w);
	run("rm -r %s", dir);
}

/* Loads a copy of libm with room below it; the newest library is the lowest, mostly. */
static struct link_map *load_above_room(const char *dir, size_t room, char **below)
{
	for (unsigned i = 0; i < 16; i++) {
		char path[64];
		struct link_map *map;
		void *library;
		int fd;

		snprintf(path, sizeof(path), "%s/m%u.so", dir, i);
		run("cp %s %s", libm, path);
		library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		assert_non_null(library);
		assert_int_equal(dlinfo(library, RTLD_DI_LINKMAP, &map), 0);
		fd = open(path, O_RDONLY);
		*below = mmap((char *)map->l_addr - room, room, PROT_READ,
			      MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0);
		close(fd);
		if (*below != MAP_FAILED)
			return map;
	}
	fail_msg("no room below any of 16 libraries");
	return NULL;
}

static void a_flat_mapping_below_a_library_is_not_its_part(void **state)
{
	enum { SIZE = 65536 };
	char dir[] = "/tmp/heapsift-test-XXXXXX", *flat;
	const struct module *mod;
	struct link_map *map;
	struct world w;

	(void)state;
	assert_non_null(mkdtemp(dir));
	map = load_above_room(dir, SIZE, &flat);
	world_open(&w, "");
	assert_null(module_at(&w.set, (taddr)flat));
	mod = module_at(&w.set, map->l_addr);
	assert_non_null(mod);
	assert_int_equal(mod->bias, map->l_addr);
	assert_int_equal(mod->start, map->l_addr);
	world_close(&w);
	munmap(flat, SIZE);
	run("rm -r %s", dir);
}

/* As ld.so maps a file whose segments are 2 MiB apart, as they were before binutils 2.31. */
static void inaccessible_pages_between_segments_belong(void **state)
{
	enum { CODE = 0x10000, GAP = 0x200000, DATA = 0x4000 };
	const taddr start = 0x7f0000000000;
	const struct mem_fake_range ranges[] = {
		{ start, NULL, CODE, PROT_R | PROT_X, "/gone/lib.so" },
		{ start + CODE, NULL, GAP, 0, "/gone/lib.so" },
		{ start + CODE + GAP, NULL, DATA, PROT_R | PROT_W, "/gone/lib.so" },
	};
	struct world w = { .mem = mem_fake_new(ranges, countof(ranges)) };

	(void)state;
	for (size_t i = 0; i < countof(ranges); i++)
		w.mem->regions[i].flags = REGION_HAS_FILE;
	w.mem->regions[1].offset = CODE;
	w.mem->regions[2].offset = CODE - 0x1000;
	module_set_build(w.mem, &(struct module_files){ .root = "" }, &w.set);
	assert_int_equal(w.set.n, 1);
	assert_int_equal(w.set.modules[0].end, start + CODE + GAP + DATA);
	world_close(&w);
}

static void files_mapped_as_data_are_no_modules(void **state)
{
	enum { SIZE = 65536 };
	int fd = open(libm, O_RDONLY), text = open("/etc/passwd", O_RDONLY);
	char *flat, *data;
	struct world w;

	(void)state;
	flat = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	data = mmap(NULL, SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, text, 0);
	assert_ptr_not_equal(flat, MAP_FAILED);
	assert_ptr_not_equal(data, MAP_FAILED);
	world_open(&w, "");
	assert_null(module_at(&w.set, (taddr)flat));
	assert_null(module_at(&w.set, (taddr)data));
	world_close(&w);
	munmap(flat, SIZE);
	munmap(data, SIZE);
	close(fd);
	close(text);
}

/* ---- cores ---- */

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
static bool twin_open(struct twin *t, unsigned filter, const char *root, bool back)
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
	t->where = (struct module_files){ .root = root,
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

		if (!twin_open(&t, filters[i], "", true))
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

		if (!twin_open(&t, filters[i], "", false))
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
	if (!twin_open(&t, 0x3f, "", false))
		return;
	lose_files(&t);
	dl_iterate_phdr(check_same, &t);
	libc = module_at(&t.set, (taddr)&printf);
	assert_true(image_find_symbol(libc->image, "printf", &vaddr, &size));
	assert_int_equal(libc->bias + vaddr, (taddr)&printf);
	twin_close(&t);
}

static void a_file_without_proof_is_not_used(void **state)
{
	struct twin t;

	(void)state;
	if (!twin_open(&t, 0x3, "", true))
		return;
	assert_true(t.set.n >= 3);
	for (size_t i = 0; i < t.set.n; i++) {
		assert_null(t.set.modules[i].image);
		assert_non_null(strstr(t.set.modules[i].missing, "no build-id"));
	}
	twin_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modules_are_the_dynamic_linkers),
		cmocka_unit_test(relative_targets_are_in_memory),
		cmocka_unit_test(a_core_is_completed_from_files),
		cmocka_unit_test(without_files_memory_tells),
		cmocka_unit_test(memory_tells_what_the_file_tells),
		cmocka_unit_test(a_file_without_proof_is_not_used),
		cmocka_unit_test(deleted_files_come_from_map_files),
		cmocka_unit_test(build_ids_decide_when_inodes_differ),
		cmocka_unit_test(inaccessible_pages_between_segments_belong),
		cmocka_unit_test(files_mapped_as_data_are_no_modules),
		cmocka_unit_test(a_flat_mapping_below_a_library_is_not_its_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
