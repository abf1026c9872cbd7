/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk_csv PID: the heap of a process that stands or pauses, as the walker sees it, as
 * text for a test to compare with the process's own word:
 *
 *   block ARENA ADDR SIZE EXTRA STATE      arena ROW ADDR SYSTEM HEAPS
 *   damage WHERE TEXT                      finding SEVERITY WHERE TEXT
 *   evidence ITEM | ANSWER | EVIDENCE      quiet 0|1
 */
#include "../support/print_target.h"
#include "heap/heap.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void print_block(void *context, const struct heap_block *b, struct mem_window *w)
{
	(void)context;
	(void)w;
	printf("block %d 0x%" PRIx64 " %" PRIu64 " %" PRIu64 " %s\n",
	       b->arena == BLOCK_MMAPPED ? -1 : (int)b->arena, b->addr, b->size, b->extra,
	       block_state_name(b->state));
}

static void print_damage(void *context, taddr where, const char *text)
{
	(void)context;
	printf("damage 0x%" PRIx64 " %s\n", where, text);
}

static void print_arenas(const struct model *m)
{
	for (size_t i = 0; i < m->arenas.n; i++)
		printf("arena %zu 0x%" PRIx64 " %" PRIu64 " %" PRIu32 "\n", i,
		       m->arenas.addr[i], m->arenas.system[i], m->arenas.heaps[i]);
}

static bool walk(const struct mem *mem, struct heap_places *places, struct model *m,
		 struct err *e)
{
	const struct heap_sink sink = { print_block, print_damage, NULL };
	const struct heap_span *spans;
	struct mem_window *w;
	struct heap *h;
	size_t n;

	printf("quiet %d\n", heap_is_quiet(mem, places));
	if (!heap_open(mem, places, m, &h, e))
		return false;
	w = mem_window_new(mem);
	n = heap_spans(h, &spans);
	for (size_t i = 0; i < n; i++)
		heap_walk(h, i, w, &sink);
	heap_check(h, m);
	mem_window_free(w);
	heap_free(h);
	return true;
}

int main(int argc, char **argv)
{
	struct module_set modules;
	struct model *m = model_new();
	struct heap_places *places;
	struct mem *mem;
	struct err e = { 0 };
	char root[64];
	pid_t pid;
	bool ok = true;

	if (argc != 2)
		return 2;
	pid = (pid_t)atoi(argv[1]);
	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	if (!mem_open_running(pid, &mem, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return 3;
	}
	module_set_build(mem, &(struct module_files){ .root = root }, &modules);
	places = heap_locate(mem, &modules, m);
	if (places) {
		printf("name %s\n", heap_places_name(places));
		ok = walk(mem, places, m, &e);
	}
	print_arenas(m);
	print_findings_and_evidence(m);
	if (!ok)
		fprintf(stderr, "%s\n", e.text);
	heap_places_free(places);
	module_set_release(&modules);
	mem_close(mem);
	model_free(m);
	return ok ? 0 : 3;
}
