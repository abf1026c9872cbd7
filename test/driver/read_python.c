/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read_python PID [values]: every object of a Python process, as its reader sees it, as
 * text for a test to compare with the interpreter's own word.
 * read_python CORE DIR [values]: the same of a core, as if its files had been in DIR.
 * Lines that tell more of an object follow it:
 *
 *   o ADDR TYPE SIZE REFCOUNT OWN REACHED    refcount -1: immortal; reached: not only an
 *                                            allocated block that looks like an object
 *   e TO LABEL                               p ADDR SIZE LABEL
 *   v VALUE
 *   r TO COUNTED CERTAIN GROUP: NAME         a root
 *   t TYPE NAME      l LABEL KIND NAME       evidence ITEM | ANSWER | EVIDENCE
 *   finding SEVERITY WHERE TEXT
 *
 * Addresses are hex without 0x.
 */
#include "../support/moved_files.h"
#include "../support/print_target.h"
#include "lang/lang.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* All addresses met, in the order in which they are read: first what lists, roots and
 * references lead to, then what else the slabs hold. */
struct queue {
	struct map by_address; /* -> index */
	taddr *at;
	uint8_t *flags;
	size_t n, cap, done;
	uint8_t flag; /* of what is met now */
	struct python_reader *reader;
};

static void queue_add(struct queue *q, taddr at)
{
	if (map_has(&q->by_address, at))
		return;
	if (q->n == q->cap) {
		q->cap = q->cap ? 2 * q->cap : 65536;
		q->at = xrealloc(q->at, q->cap, sizeof(*q->at));
		q->flags = xrealloc(q->flags, q->cap, sizeof(*q->flags));
	}
	map_set(&q->by_address, at, (uint32_t)q->n);
	q->at[q->n] = at;
	q->flags[q->n++] = q->flag;
}

static void add_slab(void *context, const struct python_slab *slab)
{
	for (uint32_t i = 0; i < slab->n; i++)
		if (slab->kind[i] == PYTHON_OBJECT)
			queue_add(context, slab->start + (taddr)i * slab->block_size +
						   slab->start_of[i]);
}

static void add_listed(void *context, taddr at)
{
	queue_add(context, at);
}

static void add_root(void *context, const struct python_root *root)
{
	if (root->certain)
		queue_add(context, root->to);
	printf("r %" PRIx64 " %d %d %.*s: %.*s\n", root->to, root->counted, root->certain,
	       (int)root->group_name.n, root->group_name.s, (int)root->name.n,
	       root->name.s);
}

struct told {
	struct buf lines;
	struct queue *queue;
	struct python *py;
	bool values;
};

static void tell_edge(void *context, taddr to, uint16_t label)
{
	struct told *told = context;

	buf_printf(&told->lines, "e %" PRIx64 " %u\n", to, label);
	if (to && python_label_kind(told->py, label) != LABEL_POSSIBLE)
		queue_add(told->queue, to);
}

static void tell_part(void *context, taddr at, uint64_t size, uint16_t label)
{
	struct told *told = context;

	buf_printf(&told->lines, "p %" PRIx64 " %" PRIu64 " %u\n", at, size, label);
}

static void print_object(struct told *told, size_t i)
{
	const struct python_sink sink = { .edge = tell_edge,
					  .part = tell_part,
					  .context = told };
	taddr at = told->queue->at[i];
	struct python_object o;

	buf_clear(&told->lines);
	if (!python_read_object(told->queue->reader, at, told->values, &sink, &o)) {
		printf("x %" PRIx64 "\n", at);
		return;
	}
	printf("o %" PRIx64 " %u %" PRIu64 " %" PRId64 " %" PRIu64 " %d\n", at, o.type,
	       o.size, o.refcount == PYTHON_IMMORTAL ? -1 : (int64_t)o.refcount, o.own,
	       told->queue->flags[i]);
	if (o.value.n)
		printf("v %.*s\n", (int)o.value.n, o.value.s);
	if (told->lines.n)
		fwrite(told->lines.s, 1, told->lines.n, stdout);
}

static void print_queue(struct told *told)
{
	for (struct queue *q = told->queue; q->done < q->n; q->done++)
		print_object(told, q->done);
}

static void print_names(const struct python *py)
{
	for (uint32_t i = 0; i < python_type_count(py); i++) {
		struct str name = python_type_name(py, i);

		printf("t %u %.*s\n", i, (int)name.n, name.s);
	}
	for (uint16_t i = 0; i < python_label_count(py); i++) {
		struct str name = python_label_name(py, i);

		printf("l %u %d %.*s\n", i, (int)python_label_kind(py, i), (int)name.n,
		       name.s);
	}
}

static void read_all(struct python *py, bool values)
{
	struct queue q = { .reader = python_reader_new(py), .flag = 1 };
	struct told told = { .queue = &q, .py = py, .values = values };
	const struct python_pool *pools;
	size_t npools = python_pools(py, &pools);

	python_read_lists(q.reader, add_listed, &q);
	python_read_roots(q.reader, add_root, &q);
	print_queue(&told);
	q.flag = 0;
	for (size_t i = 0; i < npools; i++)
		python_read_pool(q.reader, i, add_slab, &q);
	print_queue(&told);
	print_names(py);
	python_reader_free(q.reader);
	map_release(&q.by_address);
	buf_release(&told.lines);
	free(q.at);
	free(q.flags);
}

static bool run(pid_t pid, bool values, struct model *m, struct err *e)
{
	struct mem_live_options o = { .mode = MODE_FREEZE, .is_quiet = python_is_quiet };
	struct mem *running = NULL, *mem = NULL;
	struct python_places *places = NULL;
	struct module_set modules = { 0 };
	struct python *py = NULL;
	char root[64];
	bool ok;

	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	if (!mem_open_running(pid, &running, e))
		return false;
	module_set_build(running, &(struct module_files){ .root = root }, &modules);
	places = o.quiet_context = python_locate(running, &modules, m);
	ok = places ? mem_open_live(pid, &o, &mem, e)
		    : fail(e, ERR_PROCESS, "there is no Python in it");
	ok = ok && python_open(mem, places, m, &py, e);
	if (ok)
		read_all(py, values);
	python_free(py);
	python_places_free(places);
	module_set_release(&modules);
	if (mem)
		mem_close(mem);
	mem_close(running);
	return ok;
}

static bool run_core(char **argv, bool values, struct model *m, struct err *e)
{
	struct module_files where = { .root = "", .by_build_id = true };
	struct python_places *places = NULL;
	struct module_set modules = { 0 };
	struct python *py = NULL;
	struct mem *mem = NULL;
	struct mem_file file = { 0 };
	bool ok = mem_open_file(argv[1], &file, e) &&
		  mem_open_core(file.fd, argv[1], &mem, e);

	if (!ok)
		return false;
	where.entry = core_process(mem)->entry;
	move_files(mem, argv[2]);
	module_set_build(mem, &where, &modules);
	module_set_back(&modules, mem);
	places = python_locate(mem, &modules, m);
	ok = places || fail(e, ERR_FILE, "there is no Python in it");
	if (ok)
		printf("quiet %d\n", python_is_quiet(mem, places));
	ok = ok && python_open(mem, places, m, &py, e);
	if (ok)
		read_all(py, values);
	python_free(py);
	python_places_free(places);
	module_set_release(&modules);
	mem_close(mem);
	return ok;
}

int main(int argc, char **argv)
{
	struct model *m = model_new();
	struct err e = { 0 };
	bool ok;

	if (argc < 2)
		return 2;
	if (argv[1][strspn(argv[1], "0123456789")] == 0)
		ok = run((pid_t)atoi(argv[1]), argc == 3, m, &e);
	else
		ok = argc > 2 && run_core(argv, argc == 4, m, &e);
	print_findings_and_evidence(m);
	if (!ok)
		fprintf(stderr, "%s\n", e.text);
	model_free(m);
	return ok ? 0 : 3;
}
