/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk_python PID: what the CPython reader finds, one fact a line, for tests to hold against
 * what the target says of itself.
 *
 *   evidence ITEM: ANSWER (EVIDENCE)     finding TEXT
 *   interp ID ADDRESS     thread INTERP TID ADDRESS     pool START END     own START END
 *   slab START BLOCK_SIZE N USED OBJECTS TORN     object ADDRESS     gc ADDRESS     totals ...
 * Any further argument: the totals alone of slabs and lists.
 */
#include "lang/cpython/cpy_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct totals {
	uint64_t slabs, used, objects, listed;
	bool quietly; /* totals only */
};

static void print_slab(void *context, const struct python_slab *slab)
{
	struct totals *t = context;
	uint32_t used = 0, objects = 0;

	for (uint32_t i = 0; i < slab->n; i++) {
		used += slab->kind[i] != PYTHON_FREE;
		objects += slab->kind[i] == PYTHON_OBJECT;
	}
	t->slabs++, t->used += used, t->objects += objects;
	if (!t->quietly)
		printf("slab %" PRIx64 " %u %u %u %u %d\n", slab->start, slab->block_size,
		       slab->n, used, objects, slab->torn);
	for (uint32_t i = 0; i < slab->n && !t->quietly; i++)
		if (slab->kind[i] == PYTHON_OBJECT)
			printf("object %" PRIx64 "\n",
			       slab->start + (uint64_t)i * slab->block_size +
				       slab->start_of[i]);
}

static void print_listed(void *context, taddr at)
{
	struct totals *t = context;

	t->listed++;
	if (!t->quietly)
		printf("gc %" PRIx64 "\n", at);
}

static void print_model(const struct model *m)
{
	for (size_t i = 0; i < m->evidence.n; i++) {
		struct str item = model_text(m, m->evidence.item[i]);
		struct str answer = model_text(m, m->evidence.answer[i]);
		struct str evidence = model_text(m, m->evidence.evidence[i]);

		printf("evidence %.*s: %.*s (%.*s)\n", (int)item.n, item.s, (int)answer.n,
		       answer.s, (int)evidence.n, evidence.s);
	}
	for (size_t i = 0; i < m->findings.n; i++) {
		struct str text = model_text(m, m->findings.text[i]);

		printf("finding %.*s\n", (int)text.n, text.s);
	}
}

static void print_python(struct python *py, struct totals *t)
{
	struct python_reader *r = python_reader_new(py);
	uint64_t start = clock_ns();

	for (size_t i = 0; i < py->ninterps; i++)
		printf("interp %" PRId64 " %" PRIx64 "\n", py->interps[i].id,
		       py->interps[i].at);
	for (size_t i = 0; i < py->nthreads; i++)
		printf("thread %u %u %" PRIx64 "\n", py->threads[i].interp,
		       py->threads[i].tid, py->threads[i].at);
	for (size_t i = 0; i < py->npools; i++)
		printf("pool %" PRIx64 " %" PRIx64 "\n", py->pools[i].start,
		       py->pools[i].end);
	for (size_t i = 0; i < py->nranges; i++)
		printf("own %" PRIx64 " %" PRIx64 "\n", py->ranges[i].start,
		       py->ranges[i].end);
	printf("interned %" PRIx64 "\n", py->interned);
	for (size_t i = 0; i < py->npools; i++)
		python_read_pool(r, i, print_slab, t);
	fprintf(stderr, "pools in %" PRIu64 " us\n", (clock_ns() - start) / 1000);
	start = clock_ns();
	python_read_lists(r, print_listed, t);
	fprintf(stderr, "lists in %" PRIu64 " us\n", (clock_ns() - start) / 1000);
	python_reader_free(r);
}

static void fail_with(const struct err *e)
{
	fprintf(stderr, "walk_python: %s\n", e->text);
	exit(1);
}

int main(int argc, char **argv)
{
	struct totals t = { .quietly = argc > 2 };
	struct model *m = model_new();
	struct mem *running, *snapshot;
	struct module_set set;
	struct python *py;
	char root[64];
	struct err e;
	uint64_t start;

	if (argc < 2)
		return 2;
	if (!mem_open_running(atoi(argv[1]), &running, &e))
		fail_with(&e);
	snprintf(root, sizeof(root), "/proc/%s/root", argv[1]);
	module_set_build(running, &(struct module_files){ .root = root }, &set);
	start = clock_ns();
	struct python_places *p = python_locate(running, &set, m);
	fprintf(stderr, "located in %" PRIu64 " us\n", (clock_ns() - start) / 1000);
	if (p) {
		struct mem_live_options o = { .mode = MODE_FORK,
					      .is_quiet = python_is_quiet,
					      .quiet_context = p };

		if (!mem_open_live(atoi(argv[1]), &o, &snapshot, &e))
			fail_with(&e);
		start = clock_ns();
		if (!python_open(snapshot, p, m, &py, &e))
			fail_with(&e);
		fprintf(stderr, "opened in %" PRIu64 " us\n",
			(clock_ns() - start) / 1000);
		printf("quiet %d attempts %u\n", snapshot->quiet, snapshot->attempts);
		print_python(py, &t);
		python_free(py);
		mem_close(snapshot);
	}
	print_model(m);
	printf("totals slabs %" PRIu64 " used %" PRIu64 " objects %" PRIu64
	       " listed %" PRIu64 "\n",
	       t.slabs, t.used, t.objects, t.listed);
	python_places_free(p);
	mem_close(running);
	module_set_release(&set);
	model_free(m);
	return 0;
}
