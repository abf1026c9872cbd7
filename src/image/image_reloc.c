/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RELATIVE relocations, found through PT_DYNAMIC (section headers may be stripped):
 *
 *   RELA   {where, type, target} each
 *   REL    {where, type}; the target is the word that the file has there
 *   RELR   words: an even one is a place, and the next place follows it; an odd one is a
 *          bitmap of the 63 words after the last place. Targets as for REL.
 *          (generic ABI, "Relative Relocation Table")
 *
 * In a target's memory the word is relocated, or was written since: then the target is any.
 */
#include "image/image_int.h"

struct relative {
	const struct image *img;
	image_relative_fn *fn;
	void *context;
};

/* False: the caller has seen enough. */
static bool emit_in_place(const struct relative *r, uint64_t where)
{
	const uint8_t *word = image_bytes(r->img, where, sizeof(uint64_t));
	uint64_t target;

	if (!word)
		return true; /* outside the file: nothing to say about it */
	memcpy(&target, word, sizeof(target));
	return r->fn(r->context, where, target - r->img->bias);
}

static bool each_rela(const struct relative *r, uint64_t at, uint64_t size)
{
	const uint8_t *table = size ? image_table(r->img, at, size) : NULL;

	for (uint64_t i = 0; table && i < size / sizeof(Elf64_Rela); i++) {
		Elf64_Rela rela;

		memcpy(&rela, table + i * sizeof(rela), sizeof(rela));
		if (ELF64_R_TYPE(rela.r_info) == R_X86_64_RELATIVE &&
		    !r->fn(r->context, rela.r_offset, (uint64_t)rela.r_addend))
			return false;
	}
	return true;
}

static bool each_rel(const struct relative *r, uint64_t at, uint64_t size)
{
	const uint8_t *table = size ? image_table(r->img, at, size) : NULL;

	for (uint64_t i = 0; table && i < size / sizeof(Elf64_Rel); i++) {
		Elf64_Rel rel;

		memcpy(&rel, table + i * sizeof(rel), sizeof(rel));
		if (ELF64_R_TYPE(rel.r_info) == R_X86_64_RELATIVE &&
		    !emit_in_place(r, rel.r_offset))
			return false;
	}
	return true;
}

static void each_relr(const struct relative *r, uint64_t at, uint64_t size)
{
	const uint8_t *table = size ? image_table(r->img, at, size) : NULL;
	uint64_t where = 0;

	for (uint64_t i = 0; table && i < size / sizeof(uint64_t); i++) {
		uint64_t word;

		memcpy(&word, table + i * sizeof(word), sizeof(word));
		if ((word & 1) == 0) {
			if (!emit_in_place(r, word))
				return;
			where = word + sizeof(word);
			continue;
		}
		for (unsigned bit = 1; bit < 64; bit++)
			if ((word >> bit & 1) &&
			    !emit_in_place(r, where + (bit - 1) * sizeof(word)))
				return;
		where += 63 * sizeof(word);
	}
}

void image_each_relative(const struct image *img, image_relative_fn *fn, void *context)
{
	struct relative r = { img, fn, context };
	struct dynamic d;

	if (img->header.e_machine != EM_X86_64)
		return;
	image_dynamic(img, &d);
	if (each_rela(&r, d.rela, d.rela_size) && each_rel(&r, d.rel, d.rel_size))
		each_relr(&r, d.relr, d.relr_size);
}
