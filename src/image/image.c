/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ELF file, read with pread and never mapped: a file that shrinks while we look gives
 * a short read, not a SIGBUS. Opening reads the header, the program headers and the notes
 * (about five system calls); everything else waits until somebody asks.
 *
 * A file that is not to be had may still lie in the target's memory, or parts of it: an
 * image of that reads a range of the file where the segment that maps it is. Section headers
 * are in no segment, so such an image has none; and words of its data are as the process
 * left them.
 *
 * Nothing the file says is trusted. All bytes come through image_load, which compares a
 * range with the file's size before it allocates, keeps what it read (so pointers live as
 * long as the image), and gives up on files that make it load their bytes over and over.
 */
#include "image/image_int.h"

#include "base/search.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	CHUNK_MAX = 512 << 20, /* bytes of one range */
	CHUNKS_MAX = 1024,
	LOADED_MAX = 1 << 30, /* bytes of all ranges */
	NOTES_MAX = 1 << 20,
};

/* Which has these bytes, or says that they cannot be read. */
static const struct image_chunk *chunk_find(const struct image_lazy *lazy,
					    uint64_t offset, uint64_t len)
{
	for (size_t i = 0; i < lazy->nchunks; i++) {
		const struct image_chunk *c = &lazy->chunks[i];

		if (c->offset == offset && (c->bytes ? c->len >= len : c->len <= len))
			return c;
	}
	return NULL;
}

static void chunk_keep(struct image_lazy *lazy, const struct image_chunk *c)
{
	lazy->chunks = xrealloc(lazy->chunks, lazy->nchunks + 1, sizeof(*lazy->chunks));
	lazy->chunks[lazy->nchunks++] = *c;
}

/* Where memory has this range of the file; headers come before all segments are known. */
static bool place_in_memory(const struct image *img, uint64_t offset, uint64_t len,
			    taddr *at)
{
	for (size_t i = 0; i < img->nsegments; i++) {
		const struct image_segment *s = &img->segments[i];

		if (offset < s->offset || offset - s->offset > s->filesz ||
		    len > s->filesz - (offset - s->offset))
			continue;
		*at = img->bias + s->vaddr + (offset - s->offset);
		return true;
	}
	*at = img->start + offset;
	return img->nsegments == 0;
}

static bool read_bytes(const struct image *img, uint8_t *dst, uint64_t len,
		       uint64_t offset)
{
	taddr at;

	if (!img->mem)
		return read_at(img->fd, dst, len, offset) == len;
	return place_in_memory(img, offset, len, &at) && mem_read(img->mem, at, dst, len);
}

const uint8_t *image_load(const struct image *img, uint64_t offset, uint64_t len)
{
	struct image_lazy *lazy = img->lazy;
	const struct image_chunk *known = chunk_find(lazy, offset, len);
	uint8_t *bytes;

	if (known)
		return known->bytes;
	if (len > img->file_size || offset > img->file_size - len || len > CHUNK_MAX ||
	    lazy->nchunks == CHUNKS_MAX ||
	    len > min_u64(LOADED_MAX, 4 * img->file_size) - lazy->loaded)
		return NULL;
	bytes = malloc(len + 1);
	if (!bytes)
		return NULL;
	if (!read_bytes(img, bytes, len, offset)) {
		free(bytes);
		/* Each of a thousand records may ask for the same segment. */
		chunk_keep(lazy, &(struct image_chunk){ offset, len, NULL });
		return NULL;
	}
	bytes[len] = 0;
	chunk_keep(lazy, &(struct image_chunk){ offset, len, bytes });
	lazy->loaded += len;
	return bytes;
}

/* ---- by address ---- */

static const struct image_segment *segment_at(const struct image *img, uint64_t vaddr)
{
	size_t low = search_structs(img->segments, img->nsegments, vaddr, vaddr);
	const struct image_segment *s;

	if (low == 0)
		return NULL;
	s = &img->segments[low - 1];
	return vaddr - s->vaddr < s->filesz ? s : NULL;
}

const uint8_t *image_rest(const struct image *img, uint64_t vaddr, uint64_t *have)
{
	const struct image_segment *s = segment_at(img, vaddr);
	const uint8_t *bytes = s ? image_load(img, s->offset, s->filesz) : NULL;

	if (!bytes)
		return NULL;
	*have = s->filesz - (vaddr - s->vaddr);
	return bytes + (vaddr - s->vaddr);
}

const uint8_t *image_bytes(const struct image *img, uint64_t vaddr, size_t len)
{
	uint64_t have = 0;
	const uint8_t *bytes = image_rest(img, vaddr, &have);

	return bytes && len <= have ? bytes : NULL;
}

const uint8_t *image_table(const struct image *img, uint64_t vaddr, uint64_t len)
{
	const struct image_segment *s = segment_at(img, vaddr);

	if (!s || len > s->filesz - (vaddr - s->vaddr))
		return NULL;
	return image_load(img, s->offset + (vaddr - s->vaddr), len);
}

size_t image_segments(const struct image *img, const struct image_segment **out)
{
	*out = img->segments;
	return img->nsegments;
}

bool image_tls(const struct image *img, struct image_tls *out)
{
	const Elf64_Phdr *p = &img->tls;
	uint64_t align = p->p_align ? p->p_align : 1;

	if (p->p_type != PT_TLS || p->p_memsz == 0 || (align & (align - 1)))
		return false;
	*out = (struct image_tls){ p->p_memsz, align };
	return true;
}

/* ---- headers ---- */

size_t image_sections(const struct image *img, const Elf64_Shdr **out)
{
	const Elf64_Ehdr *h = &img->header;
	uint64_t n = h->e_shnum;

	*out = NULL;
	if (h->e_shoff == 0 || h->e_shentsize != sizeof(Elf64_Shdr))
		return 0;
	if (n == 0) { /* more than fit in 16 bits: the first header says how many */
		const uint8_t *first = image_load(img, h->e_shoff, sizeof(Elf64_Shdr));
		Elf64_Shdr header;

		if (!first)
			return 0;
		memcpy(&header, first, sizeof(header));
		n = min_u64(header.sh_size, img->file_size / sizeof(Elf64_Shdr));
	}
	*out = (const void *)image_load(img, h->e_shoff, n * sizeof(Elf64_Shdr));
	return *out ? n : 0;
}

bool image_section(const struct image *img, const char *name, Elf64_Shdr *out)
{
	const Elf64_Shdr *sections;
	size_t n = image_sections(img, &sections), names = img->header.e_shstrndx;
	const uint8_t *texts;

	if (names == SHN_XINDEX && n > 0)
		names = sections[0].sh_link;
	if (names >= n)
		return false;
	texts = image_load(img, sections[names].sh_offset, sections[names].sh_size);
	for (size_t i = 0; texts && i < n; i++) {
		if (sections[i].sh_name >= sections[names].sh_size ||
		    strcmp((const char *)texts + sections[i].sh_name, name) != 0)
			continue;
		*out = sections[i];
		return true;
	}
	return false;
}

bool image_find_section(const struct image *img, const char *name, uint64_t *vaddr,
			uint64_t *size)
{
	Elf64_Shdr section;

	if (!image_section(img, name, &section) || !(section.sh_flags & SHF_ALLOC))
		return false;
	*vaddr = section.sh_addr;
	*size = section.sh_size;
	return true;
}

bool image_is_debug_only(const struct image *img)
{
	const Elf64_Shdr *sections;
	size_t n = image_sections(img, &sections);

	for (size_t i = 0; i < n; i++)
		if ((sections[i].sh_flags & SHF_EXECINSTR) &&
		    sections[i].sh_type == SHT_NOBITS)
			return true;
	return false;
}

static uint8_t prot_of(uint32_t flags)
{
	return (uint8_t)((flags & PF_R ? PROT_R : 0) | (flags & PF_W ? PROT_W : 0) |
			 (flags & PF_X ? PROT_X : 0));
}

static int by_vaddr(const void *a, const void *b)
{
	const struct image_segment *left = a, *right = b;

	return (left->vaddr > right->vaddr) - (left->vaddr < right->vaddr);
}

static void add_segment(struct image *img, const Elf64_Phdr *p)
{
	if (p->p_memsz == 0 || p->p_filesz > p->p_memsz ||
	    p->p_memsz > UINT64_MAX - PAGE_SIZE_4K - p->p_vaddr ||
	    p->p_offset > UINT64_MAX - p->p_filesz)
		return; /* no loader would take it */
	img->segments[img->nsegments++] =
		(struct image_segment){ p->p_vaddr, p->p_memsz, p->p_offset, p->p_filesz,
					prot_of(p->p_flags) };
}

static void read_notes(struct image *img, const Elf64_Phdr *p)
{
	const uint8_t *notes;

	if (img->build_id[0] || p->p_filesz > NOTES_MAX)
		return;
	notes = image_load(img, p->p_offset, p->p_filesz);
	if (notes && !build_id_find(notes, p->p_filesz, p->p_align, img->build_id))
		img->build_id[0] = 0;
}

/* Returns the table of program headers, or NULL. */
static const uint8_t *read_segments(struct image *img)
{
	size_t n = img->header.e_phnum;
	const uint8_t *table = NULL;

	if (img->header.e_phentsize == sizeof(Elf64_Phdr))
		table = image_load(img, img->header.e_phoff, n * sizeof(Elf64_Phdr));
	if (!table)
		return NULL;
	img->segments = xcalloc(n, sizeof(*img->segments));
	for (size_t i = 0; i < n; i++) {
		Elf64_Phdr p;

		memcpy(&p, table + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_LOAD)
			add_segment(img, &p);
		else if (p.p_type == PT_DYNAMIC)
			img->dynamic = p;
		else if (p.p_type == PT_GNU_EH_FRAME)
			img->frames = p;
		else if (p.p_type == PT_TLS)
			img->tls = p;
	}
	qsort(img->segments, img->nsegments, sizeof(*img->segments), by_vaddr);
	return table;
}

/* Segments are to be known before: of an image in memory they tell where notes are. */
static void find_build_id(struct image *img, const uint8_t *headers)
{
	for (size_t i = 0; headers && i < img->header.e_phnum; i++) {
		Elf64_Phdr p;

		memcpy(&p, headers + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_NOTE)
			read_notes(img, &p);
	}
}

static bool is_elf64(const Elf64_Ehdr *h)
{
	return memcmp(h->e_ident, ELFMAG, SELFMAG) == 0 &&
	       h->e_ident[EI_CLASS] == ELFCLASS64 && h->e_ident[EI_DATA] == ELFDATA2LSB;
}

/* ---- opening ---- */

/* A target may map more files than the soft limit lets us hold open. */
static bool raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
		return false;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* O_NONBLOCK: a path under a target's root may have become a FIFO. */
static int open_file(const char *path)
{
	enum { FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };
	int fd = open(path, FLAGS);

	if (fd < 0 && errno == EMFILE && raise_file_limit())
		fd = open(path, FLAGS);
	return fd;
}

static struct image *image_new(int fd, const struct mem *mem, uint64_t size)
{
	struct image *img = xcalloc(1, sizeof(*img));

	img->lazy = xcalloc(1, sizeof(*img->lazy));
	img->fd = fd;
	img->mem = mem;
	img->file_size = size;
	return img;
}

static bool read_header(struct image *img)
{
	const uint8_t *header = image_load(img, 0, sizeof(img->header));

	if (header)
		memcpy(&img->header, header, sizeof(img->header));
	return header && is_elf64(&img->header);
}

bool image_open(const char *path, struct image **out, struct err *e)
{
	autoclose int fd = open_file(path);
	struct image *img;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(e, ERR_FILE, "cannot open '%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(e, ERR_FILE, "'%s' is not a file", path);
	img = image_new(steal_fd(&fd), NULL, (uint64_t)st.st_size);
	if (!read_header(img)) {
		image_close(img);
		return fail(e, ERR_FILE, "'%s' is not a 64-bit little-endian ELF file",
			    path);
	}
	find_build_id(img, read_segments(img));
	*out = img;
	return true;
}

/* The segment that maps the file's headers tells the bias, the last one how long the file
 * is at least. */
static bool place_image(struct image *img)
{
	const struct image_segment *s = img->segments;
	uint64_t size = 0;
	bool found = false;

	for (size_t i = 0; i < img->nsegments; i++, s++) {
		if (!found && s->offset < PAGE_SIZE_4K && s->filesz > 0) {
			img->bias = img->start - (s->vaddr - s->offset);
			found = true;
		}
		size = max_u64(size, s->offset + s->filesz);
	}
	img->file_size = min_u64(max_u64(size, img->lazy->loaded), UINT32_MAX);
	return found;
}

struct image *image_of_memory(const struct mem *m, taddr start)
{
	struct image *img = image_new(-1, m, mem_range_end(m, start) - start);
	const uint8_t *headers;

	img->start = start;
	headers = read_header(img) ? read_segments(img) : NULL;
	if (!headers || !place_image(img)) {
		image_close(img);
		return NULL;
	}
	find_build_id(img, headers);
	return img;
}

static void close_alone(struct image *img)
{
	for (size_t i = 0; i < img->lazy->nchunks; i++)
		free(img->lazy->chunks[i].bytes);
	free(img->lazy->chunks);
	symbol_table_free(img->lazy->symbols);
	symbol_table_free(img->lazy->tls_symbols);
	free(img->lazy->functions);
	free(img->lazy);
	free(img->segments);
	autoclose_fd(&img->fd);
	free(img);
}

void image_close(struct image *img)
{
	while (img) {
		struct image *debug = img->lazy->debug;

		close_alone(img);
		img = debug;
	}
}

struct str image_build_id(const struct image *img)
{
	return str_of(img->build_id);
}
