/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rules of the standard library's C types share. Their tables are data: offsets
 * are those of the struct named above each, in CPython 3.11 to 3.13 on x86_64.
 */
#ifndef LANG_CPYTHON_CPY_LIBRARY_INT_H
#define LANG_CPYTHON_CPY_LIBRARY_INT_H

#include "lang/cpython/cpy_int.h"

enum { LOCK_BYTES = 32 }; /* PyThread_allocate_lock: a sem_t (thread_pthread.h) */

/* The words of [at, at + 8 * n), empty ones too, so that items keep their numbers. */
void cpy_words_edges(struct python_reader *r, taddr at, uint64_t n, uint16_t label,
		     const struct python_sink *sink);
struct cpy_array {
	uint64_t *n; /* is cut to what can be there */
	uint64_t size;
	const char *name;
};

/* A block of n times `size` bytes whose address is the word at `at`; its address, 0 none. */
taddr cpy_array_part(struct python_reader *r, const struct python_sink *sink, taddr at,
		     struct cpy_array a);
/* The lock whose address is the word at `at`. */
void cpy_lock_part(struct python_reader *r, const struct python_sink *sink, taddr at);
/* Bytes of the NUL-terminated string that the word at `at` points to, its NUL included; 0
 * none. */
uint64_t cpy_string_size(struct python_reader *r, taddr at);
/* The same, as a part. */
void cpy_string_part(struct python_reader *r, const struct python_sink *sink, taddr at,
		     const char *name);
/* What the rules of the C type of this name say of the size. */
uint64_t cpy_size_as(struct python_reader *r, const struct cpy_type *t, taddr at,
		     const char *name);

#endif
