/* SPDX-License-Identifier: Apache-2.0 */
/* The modules of this very process are those that its dynamic linker knows. */
#include "../support/own_modules.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char libm[] = "/lib/x86_64-linux-gnu/libm.so.6";

static char in_bss[1 << 20];

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modules_are_the_dynamic_linkers),
		cmocka_unit_test(relative_targets_are_in_memory),
		cmocka_unit_test(deleted_files_come_from_map_files),
		cmocka_unit_test(build_ids_decide_when_inodes_differ),
		cmocka_unit_test(inaccessible_pages_between_segments_belong),
		cmocka_unit_test(files_mapped_as_data_are_no_modules),
		cmocka_unit_test(a_flat_mapping_below_a_library_is_not_its_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
