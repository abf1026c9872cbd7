/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPython is it, in order of trust:
 *
 *   the debug offsets at the start of the runtime      from 3.13, in memory
 *   Py_Version, a constant                             from 3.11, exported
 *   the text of Py_GetVersion, "3.11.2 (main, ...)"    all, a buffer in bss
 *   sys.hexversion, where a row of ours fits           all, an object
 *   the file's name                                    only to say what is refused
 *
 * The number's bytes: major, minor, micro, level (a, b, c, f) and serial (patchlevel.h).
 */
#include "lang/cpython/cpy_runtime_int.h"

#include <stdio.h>
#include <stdlib.h>

static void take_hex(struct cpy_version *v, uint64_t hex)
{
	static const char *const levels[] = { [0xa] = "a", [0xb] = "b", [0xc] = "rc" };
	unsigned level = hex >> 4 & 15, serial = hex & 15;
	int n;

	v->major = hex >> 24 & 0xff;
	v->minor = hex >> 16 & 0xff;
	n = snprintf(v->text, sizeof(v->text), "%u.%u.%u", v->major, v->minor,
		     (unsigned)(hex >> 8 & 0xff));
	if (level < countof(levels) && levels[level])
		snprintf(v->text + n, sizeof(v->text) - (size_t)n, "%s%u", levels[level],
			 serial);
}

static bool is_version(uint64_t hex)
{
	return hex >> 32 == 0 && hex >> 24 == 3;
}

static bool by_debug_offsets(const struct mem *m, taddr runtime, struct cpy_version *v)
{
	uint64_t head[3];

	if (!mem_load(m, runtime, &head) || memcmp(head, "xdebugpy", 8) != 0 ||
	    !is_version(head[1]) || head[2] > 1)
		return false;
	take_hex(v, head[1]);
	v->is_free_threaded = head[2] == 1;
	snprintf(v->way, sizeof(v->way), "its debug offsets say version 0x%llx",
		 (unsigned long long)head[1]);
	return true;
}

static bool by_constant(const struct mem *m, const struct module *module,
			struct cpy_version *v)
{
	uint64_t vaddr, size, hex;
	const uint8_t *bytes;

	if (!module->image ||
	    !image_find_symbol(module->image, "Py_Version", &vaddr, &size))
		return false;
	bytes = image_bytes(module->image, vaddr, 8);
	if (bytes)
		memcpy(&hex, bytes, 8);
	else if (!mem_load(m, module->bias + vaddr, &hex))
		return false;
	if (!is_version(hex))
		return false;
	take_hex(v, hex);
	snprintf(v->way, sizeof(v->way), "Py_Version is 0x%llx", (unsigned long long)hex);
	return true;
}

/* "3.11.2 (main, ...": the length of the number, 0 if it is none. */
static size_t version_length(const char *s, unsigned *major, unsigned *minor)
{
	char *end;
	size_t n;

	*major = (unsigned)strtoul(s, &end, 10);
	if (end == s || *end != '.')
		return 0;
	s = end + 1;
	*minor = (unsigned)strtoul(s, &end, 10);
	if (end == s || *end != '.' || *minor > 99)
		return 0;
	n = strspn(end + 1, "0123456789abrc+");
	return n > 0 && strncmp(end + 1 + n, " (", 2) == 0 ? (size_t)(end + 1 + n - s)
							   : 0;
}

struct text_scan {
	const struct mem *mem;
	struct cpy_version *version;
	bool found;
};

static bool see_text(void *context, taddr at, const uint64_t *words, size_t n)
{
	struct text_scan *s = context;

	for (size_t i = 0; i < n && !s->found; i++) {
		char text[32] = { 0 };
		unsigned major, minor;

		if ((words[i] & 0xffff) != ('3' | '.' << 8) &&
		    (words[i] & 0xffff) != ('2' | '.' << 8))
			continue;
		if (!mem_read(s->mem, at + 8 * i, text, sizeof(text) - 1) ||
		    !version_length(text, &major, &minor))
			continue;
		s->found = true;
		s->version->major = major;
		s->version->minor = minor;
		snprintf(s->version->text, sizeof(s->version->text), "%.*s",
			 (int)strcspn(text, " "), text);
	}
	return !s->found;
}

static bool by_text(const struct mem *m, const struct module *module,
		    struct cpy_version *v)
{
	struct text_scan s = { .mem = m, .version = v };

	cpy_each_word(m, module, see_text, &s);
	snprintf(v->way, sizeof(v->way), "its data has the text of Py_GetVersion");
	return s.found;
}

static taddr sys_get(struct python_reader *eyes, const struct mem *m, taddr runtime,
		     const char *name)
{
	const struct cpy_layout *l = eyes->layout;
	taddr main = cpy_peek(m, runtime + l->runtime.interpreters_main);

	return cpy_dict_get(eyes, cpy_peek(m, main + l->interp.sysdict), name);
}

/* sys.hexversion, by the row that closes (cpy_check.c). */
static bool by_sys(const struct mem *m, taddr runtime, struct cpy_version *v)
{
	struct python_reader eyes = { .memory = cpy_memory_new(m) };
	int64_t hex = 0;

	for (unsigned minor = 0; minor < CPY_MINORS && !v->major; minor++) {
		const struct cpy_layout *l = eyes.layout = cpy_layout_of(3, minor);
		struct cpy_checked c;
		struct err e;

		if (l && cpy_check_running(m, l, runtime, &c, &e) &&
		    cpy_int(&eyes, sys_get(&eyes, m, runtime, "hexversion"), &hex) &&
		    is_version((uint64_t)hex) && (hex >> 16 & 0xff) == minor)
			take_hex(v, (uint64_t)hex);
	}
	cpy_memory_free(eyes.memory);
	snprintf(v->way, sizeof(v->way), "sys.hexversion is 0x%llx",
		 (unsigned long long)hex);
	return v->major != 0;
}

/* libpython3.9.so.1.0, python3.9 */
static bool by_name(const struct module *module, struct cpy_version *v)
{
	const char *p = strrchr(module->path, '/');
	int n = 0;

	p = strstr(p ? p : module->path, "python");
	if (!p || sscanf(p, "python%u.%u%n", &v->major, &v->minor, &n) != 2 || n == 0)
		return false;
	snprintf(v->text, sizeof(v->text), "%u.%u", v->major, v->minor);
	snprintf(v->way, sizeof(v->way), "only the file's name");
	return true;
}

bool cpy_version_of(const struct mem *m, const struct cpy_found *f,
		    struct cpy_version *out)
{
	*out = (struct cpy_version){ 0 };
	return by_debug_offsets(m, f->runtime, out) || by_constant(m, f->module, out) ||
	       by_text(m, f->module, out) || by_sys(m, f->runtime, out) ||
	       by_name(f->module, out);
}

/* ---- builds whose structs are not the release build's ---- */

/* They have more words in each object (configure --with-trace-refs), or count references a
 * second time (--with-pydebug). In sys they have a function that tells of it. */
static const struct {
	const char *symbol, *in_sys, *name;
} builds[] = {
	{ "_PyRefchain", "getobjects", "trace-refs build" },
	{ "_Py_PrintReferences", "getobjects", "trace-refs build" },
	{ "_Py_NegativeRefcount", "gettotalrefcount", "debug build" },
};

const char *cpy_unlike_release(const struct mem *m, const struct cpy_found *f,
			       const struct cpy_layout *l)
{
	struct python_reader eyes = { .memory = cpy_memory_new(m), .layout = l };
	const struct image *image = f->module->image;
	const char *name = NULL;
	uint64_t vaddr, size;

	for (size_t i = 0; i < countof(builds) && !name; i++)
		if ((image &&
		     image_find_symbol(image, builds[i].symbol, &vaddr, &size)) ||
		    (l && sys_get(&eyes, m, f->runtime, builds[i].in_sys)))
			name = builds[i].name;
	cpy_memory_free(eyes.memory);
	return name;
}

/* ---- who is no CPython that has a runtime ---- */

static const struct foreign {
	const char *file, *symbol, *name;
} foreigners[] = {
	/* PyPy's embedding interface, rpython/translator/c/src/entrypoint.c */
	{ "pypy", "rpython_startup_code", "PyPy" },
	/* up to 3.6, pystate.c; 3.7 has the runtime */
	{ "python", "_PyThreadState_Current", "CPython" },
};

bool cpy_foreign(const struct mem *m, const struct module_set *set, char name[64],
		 char evidence[256])
{
	for (size_t i = 0; i < set->n * countof(foreigners); i++) {
		const struct module *module = &set->modules[i / countof(foreigners)];
		const struct foreign *f = &foreigners[i % countof(foreigners)];
		const char *file = strrchr(module->path, '/');
		struct cpy_version v = { 0 };
		uint64_t vaddr, size;

		if (!module->image || !strstr(file ? file : module->path, f->file) ||
		    !image_find_symbol(module->image, f->symbol, &vaddr, &size))
			continue;
		if (!by_text(m, module, &v))
			snprintf(v.text, sizeof(v.text), "of a version not told");
		snprintf(name, 64, "%s %s", f->name, v.text);
		snprintf(evidence, 256, "symbol %s of %s", f->symbol, module->path);
		return true;
	}
	return false;
}
