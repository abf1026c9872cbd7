/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bytes are called: the ELF files behind a target's mappings, their build-ids,
 * symbols and relocations. Files are never trusted; a table that is missing or broken is
 * empty, not a failure. An image reads what it is asked for when it is first asked, so it
 * belongs to one thread at a time.
 *
 * vaddr: an address as the ELF file has it. bias: address in memory minus vaddr.
 */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "base/err.h"
#include "base/str.h"
#include "mem/mem.h"

struct image;

/* False: cannot be opened, or is no 64-bit little-endian ELF file. */
must_check bool image_open(const char *path, struct image **out, struct err *e);
/* The file whose headers the target has at `start`, as far as its memory holds it: what its
 * segments map, data as the process left it, and no section headers. Borrows m. NULL: no
 * headers are to be read there. */
struct image *image_of_memory(const struct mem *m, taddr start);
void image_close(struct image *img);

/* Lower-case hex, empty when the file has none. Lives as long as the image. */
struct str image_build_id(const struct image *img);
/* A defined symbol of the file's own .symtab or .dynsym, by exact name. */
must_check bool image_find_symbol(const struct image *img, const char *name,
				  uint64_t *vaddr, uint64_t *size);
/* A loaded section, by exact name: files that were stripped have them still. */
must_check bool image_find_section(const struct image *img, const char *name,
				   uint64_t *vaddr, uint64_t *size);
/* The symbol that covers vaddr; the name lives as long as the image. A file without
 * .symtab takes names from its separate debug file too, where there is one. */
must_check bool image_symbol_at(const struct image *img, uint64_t vaddr, struct str *name,
				uint64_t *offset);

struct image_segment {
	uint64_t vaddr, memsz, offset, filesz;
	uint8_t prot; /* enum region_prot */
};
/* The PT_LOAD segments, by vaddr. */
size_t image_segments(const struct image *img, const struct image_segment **out);

/* Thread-local variables: each thread has its copy of this image. False: there are none. */
struct image_tls {
	uint64_t size, align;
};
must_check bool image_tls(const struct image *img, struct image_tls *out);
/* As image_symbol_at, of an offset in the thread-local image. */
must_check bool image_tls_symbol_at(const struct image *img, uint64_t at,
				    struct str *name, uint64_t *offset);

/* Every R_X86_64_RELATIVE relocation (RELA, REL and RELR): the word at vaddr `where`
 * becomes bias + `target`. Stops early when fn returns false. */
typedef bool image_relative_fn(void *context, uint64_t where, uint64_t target);
void image_each_relative(const struct image *img, image_relative_fn *fn, void *context);

/* Start and length of every function that .eh_frame_hdr knows, by address: function
 * boundaries even in a stripped file. Returns how many. */
struct image_function {
	uint64_t vaddr, size;
};
size_t image_functions(const struct image *img, const struct image_function **out);
/* Bytes of the file at vaddr, NULL when the file does not hold all of them. */
const uint8_t *image_bytes(const struct image *img, uint64_t vaddr, size_t len);

/* ---- the files a target maps ---- */

enum module_source {
	SOURCE_NONE,
	SOURCE_PATH, /* where the target says, on this machine or in the target's root */
	SOURCE_EXE,
	SOURCE_SYSROOT,
	SOURCE_DEBUG_DIR,
	SOURCE_DEBUGINFOD,
	SOURCE_MEMORY, /* not the file: what the target's memory has of it */
	SOURCE_COUNT,
};

struct module {
	taddr start, end; /* from its first mapping to its last, .bss included */
	uint64_t bias;
	const char *path; /* as in maps; owned by the set */
	/* NULL, or of SOURCE_MEMORY: the file could not be used. Then `missing` says why,
	 * unless memory has all its code and read-only data. */
	struct image *image;
	enum module_source source;
	char missing[256];
	char build_id[2 * 64 +
		      1]; /* hex, as the target's memory or the file says; or "" */
};

/* Where the files that a target maps are to be found. */
struct module_files {
	/* Put before every path: /proc/PID/root of a live process, --sysroot; "" this
	 * machine. */
	const char *root;
	const char *exe; /* the program's own file, wherever it is; NULL not said */
	/* Also looked in, by build-id, by path and by name; NULL not said. */
	const char *debug_dir;
	taddr entry; /* lies in the program's own module; 0 not known */
	/* Of a core: files count only by build-id (by their first page where there is none),
	 * never by device and inode; they are looked for at the paths of this machine, too,
	 * and missing ones may be asked of debuginfod servers, if any are configured. What
	 * memory has serves where no file does. */
	bool by_build_id;
};

struct module_set {
	struct module *modules; /* by start */
	size_t n;
	/* Why a file or a server that was asked for (--exe, debuginfod) is not used, or "". */
	char refused[512];
};

/* Groups the mem's regions of mapped programs and libraries (of other files not) into
 * modules and opens their files. A deleted or replaced file is taken from
 * /proc/PID/map_files where the kernel lets us; a file that is not the mapped one (inode,
 * else build-id) is not used: its symbols would lie. `m`, and of a core the strings of
 * `where`, outlive the set. */
void module_set_build(const struct mem *m, const struct module_files *where,
		      struct module_set *set);
/* Of a core without NT_FILE: tells its regions which files they map, as far as the dynamic
 * linker's records do. Before module_set_build. */
void core_name_files(struct mem *core);
/* Has a core read from the modules' files what it left out and nobody can have changed:
 * core_back. */
void module_set_back(const struct module_set *set, struct mem *core);
void module_set_release(struct module_set *set);
/* The module that maps `at`, or NULL. */
const struct module *module_at(const struct module_set *set, taddr at);

/* A C++, Rust or C symbol as people read it; itself when it is not mangled. Appends. */
void demangle(struct str symbol, struct buf *out);

#endif
