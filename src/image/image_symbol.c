/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbols: .symtab and .dynsym together, sorted by address, built at the first question.
 * .dynsym is found by PT_DYNAMIC where there are no section headers.
 * Of the names of one address the last in order is the best: global before local, fewer
 * leading underscores, then the alphabet, so that the answer never depends on luck.
 *
 * A file without .symtab borrows names from its separate debug file (found by build-id in
 * --debug-dir, below --sysroot, on this machine), but only to say what lies at an address. Searches by name use the file's
 * own symbols: what is found must not depend on which packages are installed here.
 */
#include "image/image_int.h"

#include "base/search.h"
#include <stdio.h>
#include <stdlib.h>

enum {
	COVER_STEPS = 16, /* how many symbols back the covering one may start */
	PROBES_MAX = 64,  /* names with one hash: hostile ones stay unknown */
};

struct sections {
	const Elf64_Shdr *headers;
	size_t n; /* 0: not known */
};

/* One table of symbols as the file has it. */
struct symbol_list {
	const uint8_t *symbols;
	uint64_t n;
	const char *names; /* NUL after the last */
	uint64_t names_size;
	const uint8_t *versions; /* NULL: none */
	const struct sections *in;
};

/* In a section that is loaded: not undefined, absolute, or a linker's warning text. */
static bool symbol_is_loaded(const Elf64_Sym *s, const struct sections *in)
{
	if (s->st_shndx == SHN_XINDEX)
		return true; /* the section's number did not fit: above 65279 */
	if (in->n == 0)
		return s->st_shndx != SHN_UNDEF && s->st_shndx < SHN_LORESERVE;
	return s->st_shndx != SHN_UNDEF && s->st_shndx < in->n &&
	       in->headers[s->st_shndx].sh_flags & SHF_ALLOC;
}

/* A TLS symbol's value is no address, but an offset in each thread's copy. */
static bool symbol_is_named(const Elf64_Sym *s, bool is_tls)
{
	unsigned type = ELF64_ST_TYPE(s->st_info);

	if (is_tls)
		return s->st_name != 0 && type == STT_TLS;
	return s->st_name != 0 && (type == STT_NOTYPE || type == STT_OBJECT ||
				   type == STT_FUNC || type == STT_GNU_IFUNC);
}

static void table_add(struct symbol_table *t, const struct symbol *s)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 256;
		t->symbols = xrealloc(t->symbols, t->cap, sizeof(*t->symbols));
	}
	t->symbols[t->n++] = *s;
}

/* Old versions of a symbol, which no new program is linked with, are marked in a table
 * beside .dynsym. NULL: no versions, or fewer than symbols. */
static const uint8_t *versions_of(const struct image *img, const struct sections *in,
				  size_t section)
{
	uint64_t count = in->headers[section].sh_size / sizeof(Elf64_Sym);

	for (size_t i = 0; i < in->n; i++) {
		const Elf64_Shdr *s = &in->headers[i];

		if (s->sh_type == SHT_GNU_versym && s->sh_link == section &&
		    s->sh_size / sizeof(Elf64_Versym) >= count)
			return image_load(img, s->sh_offset, s->sh_size);
	}
	return NULL;
}

static bool version_is_old(const uint8_t *versions, uint64_t symbol)
{
	enum { VERSION_HIDDEN = 0x8000 };
	Elf64_Versym v;

	if (!versions)
		return false;
	memcpy(&v, versions + symbol * sizeof(v), sizeof(v));
	return v & VERSION_HIDDEN;
}

static void read_list(struct symbol_table *t, const struct symbol_list *l)
{
	struct symbol add = { .is_borrowed = t->borrows };

	if (!l->symbols || !l->names)
		return;
	for (uint64_t i = 0; i < l->n; i++) {
		Elf64_Sym s;

		memcpy(&s, l->symbols + i * sizeof(s), sizeof(s));
		if (!symbol_is_named(&s, t->is_tls) || !symbol_is_loaded(&s, l->in) ||
		    s.st_name >= l->names_size)
			continue;
		add.vaddr = s.st_value, add.size = s.st_size;
		add.name = l->names + s.st_name;
		add.is_global = ELF64_ST_BIND(s.st_info) != STB_LOCAL &&
				!version_is_old(l->versions, i);
		table_add(t, &add);
	}
}

static void read_section(struct symbol_table *t, const struct image *img,
			 const struct sections *in, size_t section)
{
	const Elf64_Shdr *table = &in->headers[section];
	const Elf64_Shdr *names = &in->headers[table->sh_link];

	if (table->sh_entsize != sizeof(Elf64_Sym))
		return;
	read_list(t, &(struct symbol_list){
			     .symbols = image_load(img, table->sh_offset, table->sh_size),
			     .n = table->sh_size / sizeof(Elf64_Sym),
			     .names = (const char *)image_load(img, names->sh_offset,
							       names->sh_size),
			     .names_size = names->sh_size,
			     .versions = versions_of(img, in, section),
			     .in = in });
}

/* .dynsym, where there are no sections to find it by. */
static void read_dynamic(struct symbol_table *t, const struct image *img)
{
	static const struct sections none = { .n = 0 };
	struct symbol_list l = { .in = &none };
	struct dynamic d;

	image_dynamic(img, &d);
	l.n = dynamic_symbol_count(img, &d);
	if (l.n == 0)
		return;
	l.symbols = image_table(img, d.symtab, l.n * sizeof(Elf64_Sym));
	l.names = (const char *)image_table(img, d.strtab, d.strtab_size);
	l.names_size = d.strtab_size;
	if (d.versym)
		l.versions = image_table(img, d.versym, l.n * sizeof(Elf64_Versym));
	read_list(t, &l);
}

/* Adds the symbols of the section of this type; false: there is none. */
static bool read_sections(struct symbol_table *t, const struct image *img, uint32_t type)
{
	struct sections in;

	in.n = image_sections(img, &in.headers);
	for (size_t i = 0; i < in.n; i++) {
		if (in.headers[i].sh_type != type || in.headers[i].sh_link >= in.n)
			continue;
		read_section(t, img, &in, i);
		return true; /* files have one of each */
	}
	return false;
}

static struct image *open_debug_file(const struct image *img, const char *root,
				     const char *dir)
{
	struct buf path = { 0 };
	struct image *debug = NULL;
	struct err ignored;

	buf_printf(&path, "%s%s/.build-id/%.2s/%s.debug", root, dir, img->build_id,
		   img->build_id + 2);
	if (!image_open(path.s, &debug, &ignored))
		debug = NULL;
	buf_release(&path);
	if (debug && strcmp(debug->build_id, img->build_id) != 0) {
		image_close(debug);
		debug = NULL;
	}
	return debug;
}

static struct image *find_debug_file(const struct image *img)
{
	static const char dir[] = "/usr/lib/debug";
	struct image *debug = NULL;

	if (strlen(img->build_id) < 4)
		return NULL;
	if (img->debug_dir)
		debug = open_debug_file(img, "", img->debug_dir);
	if (!debug && img->sysroot && *img->sysroot)
		debug = open_debug_file(img, img->sysroot, dir);
	return debug ? debug : open_debug_file(img, "", dir);
}

static void read_debug_file(struct symbol_table *t, const struct image *img)
{
	struct image_lazy *lazy = img->lazy;

	if (!lazy->debug && !lazy->has_debug)
		lazy->debug = find_debug_file(img);
	lazy->has_debug = true;
	t->borrows = true;
	if (lazy->debug)
		(void)read_sections(t, lazy->debug, SHT_SYMTAB);
	t->borrows = false;
}

static size_t underscores(const char *name)
{
	return strspn(name, "_");
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *left = a, *right = b;
	size_t l, r;

	if (left->vaddr != right->vaddr)
		return left->vaddr < right->vaddr ? -1 : 1;
	if ((left->size != 0) != (right->size != 0))
		return left->size != 0 ? 1 : -1;
	if (left->is_global != right->is_global)
		return left->is_global ? 1 : -1;
	l = underscores(left->name), r = underscores(right->name);
	if (l != r)
		return l < r ? 1 : -1;
	return strcmp(right->name, left->name);
}

/* The slot of a name: where it is, or, with *at UINT32_MAX, where it would go. */
static bool name_slot(const struct symbol_table *t, const char *name, uint64_t *slot,
		      uint32_t *at)
{
	*slot = str_hash(str_of(name));
	for (unsigned i = 0; i < PROBES_MAX; i++, ++*slot) {
		if (!map_find(&t->by_name, *slot, at)) {
			*at = UINT32_MAX;
			return true;
		}
		if (strcmp(t->symbols[*at].name, name) == 0)
			return true;
	}
	return false;
}

static void index_names(struct symbol_table *t)
{
	for (size_t i = 0; i < t->n && i < UINT32_MAX; i++) {
		uint32_t known;
		uint64_t slot;

		if (t->symbols[i].is_borrowed ||
		    !name_slot(t, t->symbols[i].name, &slot, &known))
			continue;
		if (known == UINT32_MAX ||
		    (t->symbols[i].is_global && !t->symbols[known].is_global))
			map_set(&t->by_name, slot, (uint32_t)i);
	}
}

static struct symbol_table *table_read(const struct image *img, bool is_tls)
{
	struct symbol_table *t = xcalloc(1, sizeof(*t));

	t->is_tls = is_tls;
	if (!read_sections(t, img, SHT_SYMTAB))
		read_debug_file(t, img);
	if (!read_sections(t, img, SHT_DYNSYM))
		read_dynamic(t, img);
	if (t->n > 0)
		qsort(t->symbols, t->n, sizeof(*t->symbols), by_address);
	return t;
}

static const struct symbol_table *symbols_of(const struct image *img)
{
	struct image_lazy *lazy = img->lazy;

	if (!lazy->symbols) {
		lazy->symbols = table_read(img, false);
		index_names(lazy->symbols);
	}
	return lazy->symbols;
}

static const struct symbol_table *tls_symbols_of(const struct image *img)
{
	struct image_lazy *lazy = img->lazy;

	if (!lazy->tls_symbols)
		lazy->tls_symbols = table_read(img, true);
	return lazy->tls_symbols;
}

void symbol_table_free(struct symbol_table *t)
{
	if (!t)
		return;
	map_release(&t->by_name);
	free(t->symbols);
	free(t);
}

bool image_find_symbol(const struct image *img, const char *name, uint64_t *vaddr,
		       uint64_t *size)
{
	const struct symbol_table *t = symbols_of(img);
	uint64_t slot;
	uint32_t at;

	if (!name_slot(t, name, &slot, &at) || at == UINT32_MAX)
		return false;
	*vaddr = t->symbols[at].vaddr;
	*size = t->symbols[at].size;
	return true;
}

/* Labels of hand-written code have no size: they reach to the next symbol. */
static bool symbol_covers(const struct symbol *s, uint64_t vaddr, bool is_nearest)
{
	return s->size ? vaddr - s->vaddr < s->size : is_nearest;
}

static bool symbol_at(const struct symbol_table *t, uint64_t vaddr, struct str *name,
		      uint64_t *offset)
{
	size_t low = search_structs(t->symbols, t->n, vaddr, vaddr);

	for (size_t step = 0; step < COVER_STEPS && step < low; step++) {
		const struct symbol *s = &t->symbols[low - 1 - step];

		if (!symbol_covers(s, vaddr, step == 0))
			continue;
		*name = str_of(s->name);
		*offset = vaddr - s->vaddr;
		return true;
	}
	return false;
}

bool image_symbol_at(const struct image *img, uint64_t vaddr, struct str *name,
		     uint64_t *offset)
{
	return symbol_at(symbols_of(img), vaddr, name, offset);
}

bool image_tls_symbol_at(const struct image *img, uint64_t at, struct str *name,
			 uint64_t *offset)
{
	return symbol_at(tls_symbols_of(img), at, name, offset);
}
