/* SPDX-License-Identifier: Apache-2.0 */
/*
 * python_roots PID [ADDR...]: the roots of a Python process that pauses, and what objects
 * refer to, as tab-separated text for a test to compare with the process's own word:
 *
 *   root GROUP KIND certain|possible counted|- TO TYPE CONTENTS ADDR NAME
 *         GROUP: interpreter, module NAME, thread TID; CONTENTS: of a cell, else 0
 *   object ADDR TYPE SIZE REFCOUNT VALUE
 *   edge FROM TO KIND NAME                 part OWNER ADDR SIZE NAME
 *   finding TEXT                           missing ADDR
 */
#include "lang/lang.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const root_kinds[] = { "field", "module", "name", "local", "frame" };
static const char *const label_kinds[] = { "possible", "interior", "field", "attribute",
					   "item",     "key",      "value", "element",
					   "local",    "weak" };

struct view {
	struct python *py;
	struct python_reader *reader;
	taddr from, first; /* object being read; where its first edge led */
};

static void first_edge(void *context, taddr to, uint16_t label)
{
	struct view *v = context;

	(void)label;
	if (!v->first)
		v->first = to;
}

static void no_part(void *context, taddr at, uint64_t size, uint16_t label)
{
	(void)context;
	(void)at;
	(void)size;
	(void)label;
}

static void print_root(void *context, const struct python_root *root)
{
	struct view *v = context;
	const struct python_sink sink = { .edge = first_edge,
					  .part = no_part,
					  .context = v };
	struct python_object o;
	struct str type = str_of("?");

	if (root->group == ROOTS_MODULE)
		printf("root\tmodule %.*s", (int)root->group_name.n, root->group_name.s);
	else if (root->group == ROOTS_THREAD)
		printf("root\tthread %u", root->tid);
	else
		printf("root\tinterpreter");
	v->first = 0;
	if (python_read_object(v->reader, root->to, false, &sink, &o))
		type = python_type_name(v->py, o.type);
	if (!str_is(type, "cell"))
		v->first = 0;
	printf("\t%s\t%s\t%s\t0x%" PRIx64 "\t%.*s\t0x%" PRIx64 "\t0x%" PRIx64 "\t%.*s\n",
	       root_kinds[root->kind], root->certain ? "certain" : "possible",
	       root->counted ? "counted" : "-", root->to, (int)type.n, type.s, v->first,
	       root->addr, (int)root->name.n, root->name.s);
}

static void print_edge(void *context, taddr to, uint16_t label)
{
	struct view *v = context;
	struct str name = python_label_name(v->py, label);

	printf("edge\t0x%" PRIx64 "\t0x%" PRIx64 "\t%s\t%.*s\n", v->from, to,
	       label_kinds[python_label_kind(v->py, label)], (int)name.n, name.s);
}

static void print_part(void *context, taddr at, uint64_t size, uint16_t label)
{
	struct view *v = context;
	struct str name = python_label_name(v->py, label);

	printf("part\t0x%" PRIx64 "\t0x%" PRIx64 "\t%" PRIu64 "\t%.*s\n", v->from, at,
	       size, (int)name.n, name.s);
}

static void print_object(struct view *v, taddr at)
{
	const struct python_sink sink = { .edge = print_edge,
					  .part = print_part,
					  .context = v };
	struct python_object o;

	v->from = at;
	if (!python_read_object(v->reader, at, true, &sink, &o)) {
		printf("missing\t0x%" PRIx64 "\n", at);
		return;
	}
	struct str type = python_type_name(v->py, o.type);
	printf("object\t0x%" PRIx64 "\t%.*s\t%" PRIu64 "\t%u\t%.*s\n", at, (int)type.n,
	       type.s, o.size, o.refcount, (int)o.value.n, o.value.s);
}

static bool look(struct mem *mem, struct module_set *modules, struct model *m,
		 char **objects, struct err *e)
{
	struct python_places *places = python_locate(mem, modules, m);
	struct view v = { 0 };

	if (!places)
		return fail(e, ERR_PROCESS, "no Python that we know");
	if (!python_open(mem, places, m, &v.py, e)) {
		python_places_free(places);
		return false;
	}
	v.reader = python_reader_new(v.py);
	if (!*objects)
		python_read_roots(v.reader, print_root, &v);
	for (; *objects; objects++)
		print_object(&v, strtoull(*objects, NULL, 0));
	python_reader_free(v.reader);
	python_free(v.py);
	python_places_free(places);
	return true;
}

int main(int argc, char **argv)
{
	struct module_set modules;
	struct model *m = model_new();
	struct mem *mem;
	struct err e = { 0 };
	char root[64];

	if (argc < 2)
		return 2;
	snprintf(root, sizeof(root), "/proc/%d/root", atoi(argv[1]));
	if (!mem_open_running((pid_t)atoi(argv[1]), &mem, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return 3;
	}
	module_set_build(mem, &(struct module_files){ .root = root }, &modules);
	bool ok = look(mem, &modules, m, argv + 2, &e);

	if (!ok)
		fprintf(stderr, "%s\n", e.text);
	for (size_t i = 0; i < m->findings.n; i++) {
		struct str text = model_text(m, m->findings.text[i]);

		printf("finding\t%.*s\n", (int)text.n, text.s);
	}
	module_set_release(&modules);
	mem_close(mem);
	model_free(m);
	return ok ? 0 : 3;
}
