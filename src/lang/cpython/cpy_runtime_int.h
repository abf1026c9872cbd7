/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files that find the runtime and those that open it.
 *
 * way: how the runtime was found. Each works alone, so that each can be tested alone.
 */
#ifndef LANG_CPYTHON_CPY_RUNTIME_INT_H
#define LANG_CPYTHON_CPY_RUNTIME_INT_H

#include "lang/cpython/cpy_int.h"

enum {
	CPY_MINORS = 32, /* more than 3 will ever have */
	CPY_INTERPS_MAX = 4096,
	CPY_THREADS_MAX = 1 << 16,
	CPY_ARENAS_MAX = 1 << 20, /* 1 TiB of arenas */
};

/* The word at `at`; 0 where it cannot be read. */
static inline uint64_t cpy_peek(const struct mem *m, taddr at)
{
	uint64_t v;

	return mem_load(m, at, &v) ? v : 0;
}

static inline uint32_t cpy_peek_u32(const struct mem *m, taddr at)
{
	uint32_t v;

	return mem_load(m, at, &v) ? v : 0;
}

/* Calls for the words of a module's writable memory, a page or less at a time. The function
 * says whether to go on. */
typedef bool cpy_words_fn(void *context, taddr at, const uint64_t *words, size_t n);
void cpy_each_word(const struct mem *m, const struct module *module, cpy_words_fn *fn,
		   void *context);

/* ---- ways to the runtime (cpy_find.c) ---- */

struct cpy_found {
	taddr runtime;
	const struct module *module; /* whose data it is */
	char way[160];
};

must_check bool cpy_find_by_symbol(const struct module_set *set, struct cpy_found *out);
must_check bool cpy_find_by_section(const struct module_set *set, struct cpy_found *out);
/* The cookie of the debug offsets, or (from 3.11) a pointer to the main interpreter at its
 * distance from what it points to. */
must_check bool cpy_find_by_scan(const struct mem *m, const struct module_set *set,
				 struct cpy_found *out);

/* ---- which CPython (cpy_version.c) ---- */

struct cpy_version {
	unsigned major, minor;
	bool is_free_threaded;
	char text[32]; /* "3.13.0rc2" */
	char way[96];
};

must_check bool cpy_version_of(const struct mem *m, const struct cpy_found *f,
			       struct cpy_version *out);
/* What kind of build it is if its structs are not those of l, a release build's; else NULL.
 * l: NULL if there is no row of this version. */
const char *cpy_unlike_release(const struct mem *m, const struct cpy_found *f,
			       const struct cpy_layout *l);
/* An interpreter that has no runtime we can find, or none at all: PyPy, CPython before 3.7.
 * Its name, and by what; false: there is no sign of one. */
must_check bool cpy_foreign(const struct mem *m, const struct module_set *set,
			    char name[64], char evidence[256]);

/* ---- does the row fit (cpy_check.c) ---- */

/* The row of this build: sizes from the debug offsets (3.13+), which must agree with the
 * rest of it. False: *e says which do not. */
must_check bool cpy_fit_row(const struct mem *m, taddr runtime, struct cpy_layout *row,
			    struct err *e);

struct cpy_checked {
	size_t interps, threads;
	bool has_modules; /* false: starting, or ending */
	bool is_finalizing;
};

/* What does not change from moment to moment: callers try a few times all the same. Counts
 * the main interpreter's threads. */
must_check bool cpy_check_running(const struct mem *running, const struct cpy_layout *l,
				  taddr runtime, struct cpy_checked *out, struct err *e);

/* Where memory stands still: interpreters and threads linked both ways, collectors' lists
 * that close, sys.modules a dict. False: *e says what is not so. */
must_check bool cpy_check_runtime(const struct mem *m, const struct cpy_layout *l,
				  taddr runtime, struct cpy_checked *out, struct err *e);

/* Calls for each interpreter, at most CPY_INTERPS_MAX; the function says whether to go on. */
typedef bool cpy_interp_fn(void *context, taddr interp);
void cpy_each_interp(const struct mem *m, const struct cpy_layout *l, taddr runtime,
		     cpy_interp_fn *fn, void *context);
/* Likewise its threads. False: the list is torn. */
typedef bool cpy_thread_fn(void *context, taddr thread);
bool cpy_each_thread(const struct mem *m, const struct cpy_layout *l, taddr interp,
		     cpy_thread_fn *fn, void *context);
/* Is `dict` a dict? Its type's name says so, and its type's type is `type` itself. Where a
 * core has no names, their places among the types do. */
bool cpy_is_dict(const struct mem *m, const struct cpy_layout *l, taddr dict);

/* ---- static data without names (cpy_static.c), up to 3.11 ---- */

/* Fills p->arenas and p->interned from symbols, else by what they point to. *way says how
 * each was found. */
struct cpy_statics {
	const char *arenas, *interned; /* how; NULL: not */
};
struct cpy_statics cpy_find_statics(const struct mem *m, const struct module *module,
				    struct python_places *p);
must_check bool cpy_arenas_hold(const struct mem *m, const struct cpy_layout *l,
				taddr runtime, taddr array);
must_check bool cpy_interned_holds(const struct mem *m, const struct cpy_layout *l,
				   taddr dict);

/* ---- arenas (cpy_arena.c) ---- */

/* How many entries the array has, where nothing says it. */
size_t cpy_arena_count(const struct mem *m, const struct cpy_layout *l, taddr array);
/* Fills py->pools and py->own. */
void cpy_open_pools(struct python *py, struct model *model);
void cpy_open_own(struct python *py);

#endif
