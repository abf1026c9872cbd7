/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a block is, by the marks that languages leave in it. Each recogniser looks at one
 * block and claims it or does not; none of them is asked about free blocks.
 */
#ifndef LANG_LANG_H
#define LANG_LANG_H

#include "image/image.h"
#include "mem/mem.h"

/* ---- C strings (text.c) ---- */

/* How much of a block text_is_string ever looks at. */
enum { TEXT_LOOK = 256 };

/*
 * Does a block of `size` usable bytes, whose first `have` are at `bytes`, hold text of at
 * least three characters, printable ASCII or UTF-8, up to a NUL, its end or TEXT_LOOK
 * bytes? Short texts are believed only where they explain the block and are no address
 * in m: see text.c. `bytes` holds min(size, TEXT_LOOK) bytes, or fewer where a hole
 * follows. Thread-safe.
 */
bool text_is_string(const struct mem *m, const uint8_t *bytes, size_t have,
		    uint64_t size);

/* ---- C++ objects (cxx.c) ---- */

struct cxx_vtables;

/* Finds classes in this memory, by these modules; both outlive it. */
struct cxx_vtables *cxx_vtables_new(const struct mem *m, const struct module_set *set);
void cxx_vtables_free(struct cxx_vtables *v);

/* Reads of vptr's vtable what cxx_class_of needs: it reads no memory any more then, so that
 * the target may be let go between the two. Safe on several threads. */
void cxx_vtables_read(struct cxx_vtables *v, taddr vptr);

/* The class whose objects start with `vptr`, as people write it; it lives as long as v.
 * False: vptr is no vtable's, or its class has neither RTTI nor a symbol. Safe on several
 * threads, and slow enough (a lock) that each keeps its answers by vptr. */
bool cxx_class_of(struct cxx_vtables *v, taddr vptr, struct str *name);

/* Where vtables can be, coarsely: bit (address / 64 KiB) mod 64 Ki. */
struct cxx_filter {
	uint64_t bits[1024];
};
const struct cxx_filter *cxx_filter_of(const struct cxx_vtables *v);

/* May the first word of a block be a vtable pointer? For every block: two ns, and true
 * for few words that are none. */
static inline bool cxx_may_be_vptr(const struct cxx_filter *f, uint64_t word)
{
	uint64_t page = word >> 16 & 0xffff;

	return (word & 7) == 0 && word >> 47 == 0 &&
	       (f->bits[page / 64] >> page % 64 & 1);
}

#endif
