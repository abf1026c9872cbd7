/* SPDX-License-Identifier: Apache-2.0 */
/* Which files of a core's modules are at hand, by what, and what the missing ones would
 * give: rows for `check`, one note for all else. */
#include "collect/collect_int.h"

#include <stdio.h>

static const char *const found_by[SOURCE_COUNT] = {
	[SOURCE_PATH] = "at their paths",        [SOURCE_EXE] = "by --exe",
	[SOURCE_SYSROOT] = "below --sysroot",    [SOURCE_DEBUG_DIR] = "by --debug-dir",
	[SOURCE_DEBUGINFOD] = "from debuginfod", [SOURCE_MEMORY] = "in the core itself",
};

static size_t count_missing(const struct module_set *set)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		n += set->modules[i].missing[0] != 0;
	return n;
}

static void list_found(const struct module_set *set, struct buf *out)
{
	size_t n[SOURCE_COUNT] = { 0 };

	for (size_t i = 0; i < set->n; i++)
		n[set->modules[i].source] += set->modules[i].missing[0] == 0;
	for (size_t i = 0; i < SOURCE_COUNT; i++)
		if (n[i] > 0 && found_by[i])
			buf_printf(out, "%s%zu %s", out->n ? ", " : "", n[i],
				   found_by[i]);
}

static bool is_known(const struct module *mod)
{
	return mod->build_id[0] || mod->image;
}

static const char *cure_of(const struct module *mod, bool is_program)
{
	if (!is_known(mod))
		return "no file can be known to be the one: a core that is not cut "
		       "short, with bit 4 of coredump_filter on (it is by default), "
		       "has that page";
	if (is_program)
		return "would give its code, read-only data and symbols: --exe FILE, or "
		       "as any other: --sysroot DIR (by its path), --debug-dir DIR (by "
		       "build-id or name), or DEBUGINFOD_URLS";
	return "would give its code, read-only data and symbols: --sysroot DIR (by its "
	       "path), --debug-dir DIR (by build-id or name), or DEBUGINFOD_URLS";
}

static void tell_module(const struct module *mod, const char *cure, struct model *m)
{
	struct buf evidence = { 0 };

	if (mod->build_id[0])
		buf_printf(&evidence, "build-id %s; ", mod->build_id);
	buf_str(&evidence, mod->missing);
	model_evidence(m, "missing file", mod->path, evidence.s, cure);
	buf_release(&evidence);
}

static void tell_modules(const struct module_set *set, taddr entry, struct model *m)
{
	const struct module *program = module_at(set, entry);
	struct buf found = { 0 };
	bool says_unknown = false;
	char answer[64];

	list_found(set, &found);
	snprintf(answer, sizeof(answer), "%zu of %zu", set->n - count_missing(set),
		 set->n);
	model_evidence(m, "files of modules", answer, found.s ? found.s : "", "");
	for (size_t i = 0; i < set->n; i++) {
		const struct module *mod = &set->modules[i];

		if (!mod->missing[0])
			continue;
		/* of those that cannot be known the first tells why: they can be hundreds */
		tell_module(mod,
			    is_known(mod) || !says_unknown ? cure_of(mod, mod == program)
							   : "",
			    m);
		says_unknown |= !is_known(mod);
	}
	buf_release(&found);
}

/* Some names; `check` has them all. */
static void note_missing(const struct module_set *set, size_t missing, struct model *m)
{
	enum { NAMES = 3 };
	struct buf names = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < set->n && n < NAMES; i++) {
		struct str name = str_behind_last(str_of(set->modules[i].path), '/');

		if (set->modules[i].missing[0])
			buf_printf(&names, "%s%.*s", n++ ? ", " : "", (int)name.n,
				   name.s);
	}
	model_find_out(m, SEVERITY_NOTE, "modules",
		       "the files of %zu of %zu modules are missing (%s%s): "
		       "'heapsift check' lists them, and what helps",
		       missing, set->n, names.s, missing > n ? ", ..." : "");
	buf_release(&names);
}

void say_modules(const struct module_set *set, bool evidence, taddr entry,
		 struct model *m)
{
	size_t missing = count_missing(set);

	if (set->refused[0])
		model_find_out(m, SEVERITY_WARNING, "modules", "%s", set->refused);
	if (evidence)
		tell_modules(set, entry, m);
	else if (missing > 0)
		note_missing(set, missing, m);
}
