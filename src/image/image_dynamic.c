/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What PT_DYNAMIC tells: it is loaded, so it is there when section headers are not, in
 * stripped files and in a target's memory. How many symbols there are no tag says; their
 * hash table does:
 *
 *	DT_HASH      {u32 buckets, u32 symbols, ...}
 *	DT_GNU_HASH  {u32 buckets, u32 first symbol, u32 bloom words, u32 shift}, bloom words,
 *	             buckets: u32 the first symbol of each, chain: u32 hashes, of which the
 *	             last of a bucket has bit 0. Symbols are sorted by bucket, so the last one
 *	             ends the chain of the highest bucket.
 *
 * In memory the loader has made addresses of the table absolute, but not all of them (glibc
 * elf/get-dynamic-info.h: elf_get_dynamic_info leaves DT_RELR): which, their value tells.
 */
#include "image/image_int.h"

static uint64_t *field_of(struct dynamic *d, int64_t tag)
{
	switch (tag) {
	case DT_RELA:
		return &d->rela;
	case DT_RELASZ:
		return &d->rela_size;
	case DT_REL:
		return &d->rel;
	case DT_RELSZ:
		return &d->rel_size;
	case DT_RELR:
		return &d->relr;
	case DT_RELRSZ:
		return &d->relr_size;
	case DT_SYMTAB:
		return &d->symtab;
	case DT_STRTAB:
		return &d->strtab;
	case DT_STRSZ:
		return &d->strtab_size;
	case DT_HASH:
		return &d->hash;
	case DT_GNU_HASH:
		return &d->gnu_hash;
	case DT_VERSYM:
		return &d->versym;
	default:
		return NULL;
	}
}

static bool is_size(int64_t tag)
{
	return tag == DT_RELASZ || tag == DT_RELSZ || tag == DT_RELRSZ || tag == DT_STRSZ;
}

static bool is_in_segment(const struct image *img, uint64_t vaddr)
{
	for (size_t i = 0; i < img->nsegments; i++)
		if (vaddr - img->segments[i].vaddr < img->segments[i].memsz)
			return true;
	return false;
}

void image_dynamic(const struct image *img, struct dynamic *d)
{
	const Elf64_Phdr *p = &img->dynamic;
	const uint8_t *table = NULL;

	*d = (struct dynamic){ 0 };
	if (p->p_type == PT_DYNAMIC)
		table = image_load(img, p->p_offset, p->p_filesz);
	for (uint64_t i = 0; table && i < p->p_filesz / sizeof(Elf64_Dyn); i++) {
		Elf64_Dyn dyn;
		uint64_t *field;

		memcpy(&dyn, table + i * sizeof(dyn), sizeof(dyn));
		field = field_of(d, dyn.d_tag);
		if (dyn.d_tag == DT_NULL)
			return;
		if (!field)
			continue;
		*field = dyn.d_un.d_val;
		if (!is_size(dyn.d_tag) && is_in_segment(img, *field - img->bias))
			*field -= img->bias;
	}
}

static uint64_t count_by_hash(const struct image *img, uint64_t at)
{
	const uint8_t *head = image_bytes(img, at, 8);
	uint32_t count;

	if (!head)
		return 0;
	memcpy(&count, head + 4, sizeof(count));
	return count;
}

static uint64_t count_by_gnu_hash(const struct image *img, uint64_t at)
{
	uint64_t have = 0, chain;
	const uint8_t *table = image_rest(img, at, &have);
	uint32_t head[4], last = 0, word = 0;

	if (!table || have < sizeof(head))
		return 0;
	memcpy(head, table, sizeof(head));
	chain = sizeof(head) + 8 * (uint64_t)head[2] + 4 * (uint64_t)head[0];
	if (chain > have)
		return 0;
	for (uint64_t i = chain - 4 * (uint64_t)head[0]; i < chain; i += 4) {
		memcpy(&word, table + i, sizeof(word));
		last = word > last ? word : last;
	}
	if (last < head[1])
		return head[1];
	for (chain += 4 * (uint64_t)(last - head[1]); have >= 4 && chain <= have - 4;
	     chain += 4, last++) {
		memcpy(&word, table + chain, sizeof(word));
		if (word & 1)
			return (uint64_t)last + 1;
	}
	return 0;
}

uint64_t dynamic_symbol_count(const struct image *img, const struct dynamic *d)
{
	if (d->hash)
		return count_by_hash(img, d->hash);
	return d->gnu_hash ? count_by_gnu_hash(img, d->gnu_hash) : 0;
}
