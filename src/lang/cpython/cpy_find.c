/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where is _PyRuntime? In an executable, a libpython, or any library that embeds one:
 *
 *   symbol    _PyRuntime is exported since 3.7, stripped or not
 *   section   since 3.10 it has the section .PyRuntime for itself
 *   scan      without section headers: since 3.13 it starts with a cookie; since 3.11 it
 *             holds the main interpreter, and points to it: a word that points to just that
 *             distance behind itself, to what has threads of its own and sys.modules.
 *
 * Symbols are asked for only in files that look like a Python: a name, or the section.
 * A large program's symbol table is dear to read, and every process comes through here.
 */
#include "lang/cpython/cpy_runtime_int.h"

#include "base/search.h"
#include <stdio.h>

enum { PIECE = 512 }; /* words */

static const char *file_name(const struct module *module)
{
	const char *slash = strrchr(module->path, '/');

	return slash ? slash + 1 : module->path;
}

/* ---- by the file ---- */

static bool has_section(const struct module *module, taddr *at)
{
	uint64_t vaddr, size;

	if (!module->image ||
	    !image_find_section(module->image, ".PyRuntime", &vaddr, &size))
		return false;
	*at = module->bias + vaddr;
	return true;
}

bool cpy_find_by_symbol(const struct module_set *set, struct cpy_found *out)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct module *module = &set->modules[i];
		uint64_t vaddr, size;
		taddr section;

		if (!module->image)
			continue;
		if (!strstr(file_name(module), "python") &&
		    !has_section(module, &section))
			continue;
		if (!image_find_symbol(module->image, "_PyRuntime", &vaddr, &size))
			continue;
		out->runtime = module->bias + vaddr;
		out->module = module;
		snprintf(out->way, sizeof(out->way), "symbol _PyRuntime of %s",
			 module->path);
		return true;
	}
	return false;
}

bool cpy_find_by_section(const struct module_set *set, struct cpy_found *out)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct module *module = &set->modules[i];

		if (!has_section(module, &out->runtime))
			continue;
		out->module = module;
		snprintf(out->way, sizeof(out->way), "section .PyRuntime of %s",
			 module->path);
		return true;
	}
	return false;
}

/* ---- by what is in memory ---- */

/* Without headers nobody knows that the nameless memory behind a module is its .bss. */
static bool is_writable_of(const struct mem_region *r, const struct module *module)
{
	bool is_bss = !module->image && r->start == module->end && r->name[0] == 0;

	return r->start >= module->start && (r->start < module->end || is_bss) &&
	       (r->prot & (PROT_R | PROT_W)) == (PROT_R | PROT_W);
}

void cpy_each_word(const struct mem *m, const struct module *module, cpy_words_fn *fn,
		   void *context)
{
	struct mem_window *w = mem_window_new(m);
	uint64_t words[PIECE];

	for (size_t i = search_structs(m->regions, m->nregions, end, module->start);
	     i < m->nregions && m->regions[i].start <= module->end; i++) {
		const struct mem_region *r = &m->regions[i];

		if (!is_writable_of(r, module))
			continue;
		for (taddr at = r->start; at < r->end;) {
			size_t have;
			const uint8_t *p = mem_window_at(w, at, sizeof(uint64_t), &have);

			have = (size_t)min_u64(have, r->end - at);
			if (p && have > sizeof(words))
				have = sizeof(words);
			if (p)
				memcpy(words, p, have);
			if (p && !fn(context, at, words, have / 8))
				goto done;
			at += have;
		}
	}
done:
	mem_window_free(w);
}

struct scan {
	const struct mem *mem;
	taddr runtime;
	const char *way;
};

/* "xdebugpy", a version we have a row for, and a flag (CPython 3.13 pycore_runtime.h). The
 * letters alone are in every libpython's read-only data too. */
static bool is_cookie(const struct mem *m, taddr at)
{
	uint64_t version = cpy_peek(m, at + 8);

	return cpy_peek(m, at + 16) <= 1 && version >> 32 == 0 && version >> 24 == 3 &&
	       (version >> 16 & 0xff) >= 13;
}

/* Is the word at `at`, in some row, interpreters.main? */
static const struct cpy_layout *self_link(taddr at, uint64_t word)
{
	for (unsigned minor = 11; minor < CPY_MINORS; minor++) {
		const struct cpy_layout *l = cpy_layout_of(3, minor);

		if (l && word - at == l->runtime.main_interpreter -
					      l->runtime.interpreters_main)
			return l;
	}
	return NULL;
}

/* Objects, too, lie at all distances from each other. */
static bool holds(const struct mem *m, const struct cpy_layout *l, taddr runtime)
{
	struct cpy_checked ignored;
	struct err e;

	return cpy_check_running(m, l, runtime, &ignored, &e);
}

static bool see_words(void *context, taddr at, const uint64_t *words, size_t n)
{
	struct scan *s = context;
	uint64_t cookie;

	memcpy(&cookie, "xdebugpy", 8);
	for (size_t i = 0; i < n; i++) {
		taddr here = at + 8 * i;
		const struct cpy_layout *l;

		if (words[i] == cookie && is_cookie(s->mem, here)) {
			s->runtime = here;
			s->way = "the cookie of its debug offsets";
			return false;
		}
		/* all distances are below 1 MiB: nearly no word gets further */
		if (words[i] - here >= 1 << 20 || words[i] == here)
			continue;
		l = self_link(here, words[i]);
		if (!l || !holds(s->mem, l, here - l->runtime.interpreters_main))
			continue;
		s->runtime = here - l->runtime.interpreters_main;
		s->way = "a pointer to the main interpreter inside it";
		return false;
	}
	return true;
}

bool cpy_find_by_scan(const struct mem *m, const struct module_set *set,
		      struct cpy_found *out)
{
	struct scan s = { .mem = m };

	for (size_t i = 0; i < set->n; i++) {
		cpy_each_word(m, &set->modules[i], see_words, &s);
		if (!s.runtime)
			continue;
		out->runtime = s.runtime;
		out->module = &set->modules[i];
		snprintf(out->way, sizeof(out->way), "%s, in the data of %s", s.way,
			 out->module->path);
		return true;
	}
	return false;
}
