/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_heap PID [CORES]: the heap's part of a collection alone, over a fork of the
 * process: locate, open, walk with a sink that counts, check. One "name value" a line.
 */
#include "base/pool.h"
#include "heap/heap.h"
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

struct counts {
	uint64_t blocks, bytes;
};

struct walk {
	struct heap *heap;
	const struct mem *mem;
	_Atomic uint64_t blocks, damage;
};

static void count_block(void *context, const struct heap_block *b, struct mem_window *w)
{
	struct counts *c = context;

	(void)w;
	c->blocks++;
	c->bytes += b->size;
}

static void count_damage(void *context, taddr where, const char *text)
{
	(void)context;
	fprintf(stderr, "0x%" PRIx64 ": %s\n", where, text);
}

static void walk_spans(void *context, size_t begin, size_t end, unsigned worker)
{
	struct walk *walk = context;
	struct counts counts = { 0 };
	const struct heap_sink sink = { count_block, count_damage, &counts };
	struct mem_window *w = mem_window_new(walk->mem);

	(void)worker;
	for (size_t i = begin; i < end; i++)
		heap_walk(walk->heap, i, w, &sink);
	mem_window_free(w);
	atomic_fetch_add(&walk->blocks, counts.blocks);
}

static double lap(uint64_t *start)
{
	uint64_t now = clock_ns(), took = now - *start;

	*start = now;
	return (double)took / 1e9;
}

static struct heap_places *locate(pid_t pid, struct model *m)
{
	struct module_set modules;
	struct heap_places *places = NULL;
	struct mem *mem;
	struct err e;

	if (!mem_open_running(pid, &mem, &e)) {
		fprintf(stderr, "bench_heap: %s\n", e.text);
		return NULL;
	}
	module_set_build(mem, &(struct module_files){ .root = "" }, &modules);
	places = heap_locate(mem, &modules, m);
	module_set_release(&modules);
	mem_close(mem);
	return places;
}

static void print_costs(const struct walk *w, uint64_t start, unsigned cores,
			struct model *m)
{
	const struct heap_span *spans;
	size_t n = heap_spans(w->heap, &spans);
	struct rusage usage;
	double walk;

	pool_run(cores, n, 1, walk_spans, (void *)w);
	walk = lap(&start);
	printf("spans %zu\n", n);
	printf("blocks %" PRIu64 "\n", w->blocks);
	printf("walk_seconds %.4f\n", walk);
	printf("walk_ns_per_block %.1f\n", walk * 1e9 / (double)max_u64(w->blocks, 1));
	heap_check(w->heap, m);
	printf("check_seconds %.4f\n", lap(&start));
	printf("findings %zu\n", m->findings.n);
	getrusage(RUSAGE_SELF, &usage);
	printf("peak_bytes %ld\n", usage.ru_maxrss * 1024);
}

int main(int argc, char **argv)
{
	struct mem_live_options o = { .mode = MODE_FORK, .is_quiet = heap_is_quiet };
	struct model *m = model_new();
	struct walk w = { 0 };
	uint64_t start = clock_ns();
	struct heap_places *places;
	struct mem *mem;
	struct err e;
	pid_t pid;

	if (argc < 2)
		return 2;
	pid = (pid_t)atoi(argv[1]);
	places = locate(pid, m);
	if (!places)
		return 3;
	printf("locate_seconds %.4f\n", lap(&start));
	o.quiet_context = places;
	if (!mem_open_live(pid, &o, &mem, &e)) {
		fprintf(stderr, "bench_heap: %s\n", e.text);
		return 3;
	}
	printf("snapshot_seconds %.4f\n", lap(&start));
	w.mem = mem;
	if (!heap_open(mem, places, m, &w.heap, &e)) {
		fprintf(stderr, "bench_heap: %s\n", e.text);
		return 3;
	}
	printf("open_seconds %.4f\n", lap(&start));
	print_costs(&w, start, argc > 2 ? (unsigned)atoi(argv[2]) : 1, m);
	heap_free(w.heap);
	mem_close(mem);
	heap_places_free(places);
	model_free(m);
	return 0;
}
