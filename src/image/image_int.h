/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of image/ share: the open file, and the only way to its bytes. */
#ifndef IMAGE_IMAGE_INT_H
#define IMAGE_IMAGE_INT_H

#include "image/image.h"
#include <elf.h>

struct image_lazy;

struct image {
	int fd;                /* -1: its bytes are read from `mem` */
	const struct mem *mem; /* borrowed; NULL for a file */
	taddr start;           /* in mem: where its headers are */
	uint64_t bias;         /* in mem */
	uint64_t file_size;    /* in mem: the end of what its segments map */
	Elf64_Ehdr header;
	struct image_segment *segments;
	size_t nsegments;
	Elf64_Phdr dynamic, frames,
		tls; /* PT_DYNAMIC, PT_GNU_EH_FRAME, PT_TLS; p_type 0: none */
	char build_id[2 * 64 + 1];
	/* Where separate debug files are looked for, too; borrowed, NULL not said. */
	const char *sysroot, *debug_dir;
	struct image_lazy *lazy;
};

struct symbol {
	uint64_t vaddr, size;
	const char *name; /* in a loaded string table */
	bool is_global;   /* and of the default version */
	bool is_borrowed; /* from the separate debug file */
};

struct symbol_table {
	struct symbol *symbols; /* by vaddr, the best name of an address last */
	size_t n, cap;
	bool is_tls;  /* thread-local variables, by their offset, and nothing else */
	bool borrows; /* now being read: the separate debug file */
	struct map by_name; /* hash -> index; a collision steps to hash + 1 */
};

/* What is read only when somebody asks; NULL or 0 until then. */
struct image_lazy {
	struct image_chunk {
		uint64_t offset, len;
		uint8_t *bytes; /* NUL after the last; NULL: they cannot be read */
	} * chunks;
	size_t nchunks;
	uint64_t loaded; /* bytes, all chunks */
	struct symbol_table *symbols, *tls_symbols;
	struct image *debug; /* the separate debug file, whose names are borrowed */
	bool has_debug;
	struct image_function *functions;
	size_t nfunctions;
	bool has_functions;
};

/* A range of the file, read once and kept, followed by a NUL of ours; NULL when the file
 * is shorter or the image has loaded more than any honest file needs. */
const uint8_t *image_load(const struct image *img, uint64_t offset, uint64_t len);
/* The part of the file behind [vaddr, vaddr + len), loaded alone; for big tables. */
const uint8_t *image_table(const struct image *img, uint64_t vaddr, uint64_t len);
/* The bytes at vaddr up to the end of what the file holds of its segment. */
const uint8_t *image_rest(const struct image *img, uint64_t vaddr, uint64_t *have);

/* Section headers, as many as the file really holds; 0: none. */
size_t image_sections(const struct image *img, const Elf64_Shdr **out);
must_check bool image_section(const struct image *img, const char *name, Elf64_Shdr *out);

/* Tables of PT_DYNAMIC: addresses in the file, sizes in bytes; 0 for what is not told. */
struct dynamic {
	uint64_t rela, rela_size, rel, rel_size, relr, relr_size;
	uint64_t symtab, strtab, strtab_size, hash, gnu_hash, versym;
};

void image_dynamic(const struct image *img, struct dynamic *d);
/* As the hash table says; not checked against the size of anything. */
uint64_t dynamic_symbol_count(const struct image *img, const struct dynamic *d);

/* The first GNU build-id in notes, as hex into out; false: there is none. */
must_check bool build_id_find(const uint8_t *notes, size_t n, uint64_t align,
			      char out[2 * 64 + 1]);

/* Its code is not in it: what was stripped off a program, to be kept beside it. */
bool image_is_debug_only(const struct image *img);

void symbol_table_free(struct symbol_table *t);

#endif
