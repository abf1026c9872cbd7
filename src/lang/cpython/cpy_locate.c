/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locating, in order: the runtime (cpy_find.c), the version (cpy_version.c), its row of
 * offsets, whether that fits (cpy_check.c), then what stripped files do not name. Each step
 * leaves a row of evidence. What is refused is named: no offsets are tried on luck.
 */
#include "lang/cpython/cpy_runtime_int.h"

#include <stdio.h>
#include <stdlib.h>

enum { TRIES = 20 }; /* the process runs: it may be starting, or change what we read */

static void refuse(struct model *m, const char *name, const char *verdict,
		   const char *evidence)
{
	model_evidence(m, "python", name, evidence,
		       "its objects are not told; heap blocks and mappings are");
	model_find_out(m, SEVERITY_NOTE, "python", "%s %s (%s): its objects are not told",
		       name, verdict, evidence);
}

static const char unsupported[] = "is not supported";

static bool find_runtime(const struct mem *mem, const struct module_set *set,
			 struct cpy_found *f)
{
	return cpy_find_by_symbol(set, f) || cpy_find_by_section(set, f) ||
	       cpy_find_by_scan(mem, set, f);
}

static bool check(const struct mem *mem, struct python_places *p, struct cpy_checked *c,
		  struct err *e)
{
	for (int i = 0; i < TRIES; i++)
		if (cpy_fit_row(mem, p->runtime, &p->row, e) &&
		    cpy_check_running(mem, p->layout, p->runtime, c, e))
			return true;
	return false;
}

/* ---- a build that has no row, or no GIL, or no mercy ---- */

static const struct cpy_layout *row_for(const struct mem *mem, const struct cpy_found *f,
					const struct cpy_version *v, struct model *m)
{
	const struct cpy_layout *l = cpy_layout_of(v->major, v->minor);
	const char *build = cpy_unlike_release(mem, f, l);
	char name[96], evidence[320];

	snprintf(name, sizeof(name), "CPython %s%s%s%s", v->text,
		 v->is_free_threaded ? " free-threaded" : "", build ? " " : "",
		 build ? build : "");
	snprintf(evidence, sizeof(evidence), "%s; %s", f->way, v->way);
	if (l && !v->is_free_threaded && !build)
		return l;
	refuse(m, name, unsupported, evidence);
	return NULL;
}

/* ---- places ---- */

static void find_code(const struct module *module, struct python_places *p)
{
	uint64_t vaddr, size;

	if (!module->image)
		return;
	if (image_find_symbol(module->image, "_PyEval_EvalFrameDefault", &vaddr, &size)) {
		p->eval_start = module->bias + vaddr;
		p->eval_end = p->eval_start + size;
	}
	if (image_find_symbol(module->image, "subtype_traverse", &vaddr, &size))
		p->subtype_traverse = module->bias + vaddr;
}

/* In a core of which neither the file nor the code is there. */
static void tell_code(const struct mem *mem, const struct python_places *p,
		      struct model *m)
{
	if (!p->eval_end && mem->no_residency)
		model_evidence(m, "interpreter's code", "not found",
			       "its file could not be read",
			       "whether it was in the middle of a change is not known");
}

static void tell_statics(struct model *m, const struct python_places *p,
			 const struct cpy_statics *s)
{
	char answer[32];

	snprintf(answer, sizeof(answer), "0x%llx", (unsigned long long)p->arenas);
	if (s->arenas)
		model_evidence(m, "obmalloc's arenas", answer, s->arenas, "");
	else
		model_evidence(
			m, "obmalloc's arenas", "not found",
			"no array has the arenas of known objects' pools",
			"objects are found by the collector's lists and references");
	snprintf(answer, sizeof(answer), "0x%llx", (unsigned long long)p->interned);
	if (s->interned)
		model_evidence(m, "interned texts", answer, s->interned, "");
	else
		model_evidence(m, "interned texts", "not found",
			       "no dict of texts that are their own values", "");
}

static void tell_runtime(struct model *m, const struct python_places *p,
			 const struct cpy_found *f, const struct cpy_version *v,
			 const struct cpy_checked *c)
{
	char answer[64], evidence[512];

	snprintf(evidence, sizeof(evidence), "%s; %s", f->way, v->way);
	model_evidence(m, "python", p->name, evidence, "");
	snprintf(answer, sizeof(answer), "%u.%u", p->layout->version >> 8,
		 p->layout->version & 0xff);
	snprintf(evidence, sizeof(evidence),
		 "runtime at 0x%llx: its main interpreter has %zu thread%s, %s%s",
		 (unsigned long long)p->runtime, c->threads, c->threads == 1 ? "" : "s",
		 c->has_modules ? "sys.modules is a dict" : "no sys.modules yet",
		 v->minor >= 13 ? ", its own debug offsets agree" : "");
	model_evidence(m, "layout of CPython", answer, evidence, "");
}

/* Which row, and does it hold? False: told. */
static bool settle(const struct mem *mem, const struct cpy_found *f,
		   struct cpy_version *v, struct python_places *p, struct model *m)
{
	const struct cpy_layout *row;
	struct cpy_checked c;
	struct err e;
	char evidence[1400];

	if (!cpy_version_of(mem, f, v)) {
		refuse(m, "CPython of an unknown version", unsupported, f->way);
		return false;
	}
	row = row_for(mem, f, v, m);
	if (!row)
		return false;
	p->row = *row;
	p->layout = &p->row;
	p->runtime = f->runtime;
	snprintf(p->name, sizeof(p->name), "CPython %s", v->text);
	if (check(mem, p, &c, &e)) {
		p->runtime_size = p->row.runtime.size;
		tell_runtime(m, p, f, v, &c);
		return true;
	}
	snprintf(evidence, sizeof(evidence), "%s; %s; %s", f->way, v->way, e.text);
	refuse(m, p->name, "cannot be read here", evidence);
	return false;
}

struct python_places *python_locate(struct mem *running, const struct module_set *set,
				    struct model *m)
{
	struct cpy_found f;
	struct cpy_version v;
	struct python_places *p;
	char name[64], evidence[256];

	if (!find_runtime(running, set, &f)) {
		if (cpy_foreign(running, set, name, evidence))
			refuse(m, name, unsupported, evidence);
		return NULL;
	}
	p = xcalloc(1, sizeof(*p));
	if (!settle(running, &f, &v, p, m)) {
		free(p);
		return NULL;
	}
	p->image_start = f.module->start;
	p->image_end = f.module->end;
	find_code(f.module, p);
	tell_code(running, p, m);
	if (p->layout->interp.obmalloc == CPY_ABSENT) {
		struct cpy_statics s = cpy_find_statics(running, f.module, p);

		tell_statics(m, p, &s);
	}
	if (m->processes.n > 0)
		m->processes.python[0] = model_intern(m, str_of(p->name));
	return p;
}

void python_places_free(struct python_places *p)
{
	free(p);
}
