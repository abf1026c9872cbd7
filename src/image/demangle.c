/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Demangling by libiberty, which is handed hostile names: the input is capped, libiberty
 * limits its own recursion, and its output, which nested substitutions can double with
 * every few characters, is cut off by jumping out of the printing callback. That leaks
 * nothing: the callback variants keep all their state on the stack.
 */
#include "image/image.h"

#include <setjmp.h>

#define xrealloc libiberty_xrealloc /* its header declares one of another shape */
#include <libiberty/demangle.h>
#undef xrealloc

enum { MANGLED_MAX = 4096, DEMANGLED_MAX = 64 << 10 };

struct printer {
	struct buf *out;
	size_t start;
	jmp_buf too_long;
};

static void print_piece(const char *piece, size_t n, void *context)
{
	struct printer *p = context;

	if (n > DEMANGLED_MAX - (p->out->n - p->start))
		longjmp(p->too_long, 1);
	buf_add(p->out, piece, n);
}

static bool try_all(const char *mangled, struct printer *p)
{
	enum { OPTIONS = DMGL_PARAMS | DMGL_ANSI };

	if (setjmp(p->too_long))
		return false;
	/* Rust first: its old scheme looks like C++ with a hash at the end. */
	return rust_demangle_callback(mangled, OPTIONS, print_piece, p) ||
	       cplus_demangle_v3_callback(mangled, OPTIONS, print_piece, p);
}

void demangle(struct str symbol, struct buf *out)
{
	struct printer p = { .out = out, .start = out->n };
	char mangled[MANGLED_MAX];

	if (symbol.n < 3 || symbol.n >= sizeof(mangled) || symbol.s[0] != '_' ||
	    memchr(symbol.s, 0, symbol.n)) {
		buf_add(out, symbol.s, symbol.n);
		return;
	}
	memcpy(mangled, symbol.s, symbol.n);
	mangled[symbol.n] = 0;
	if (try_all(mangled, &p))
		return;
	out->n = p.start;
	buf_add(out, symbol.s, symbol.n);
}
