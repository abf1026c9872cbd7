/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_graph MILLIONS: dominators and retained sizes of made-up graphs of about two edges
 * a node, on one core. Each shape runs in a process of its own, so that its peak of memory
 * is its own: it is what comes on top of the model, the derived columns included.
 *
 *	random    each node leads to two near ones; one edge in 16 goes anywhere
 *	far       each node leads to a near one, and to one anywhere
 *	objects   instances with dicts with values, some of them shared, in lists
 *	list      one list as long as there are nodes, each also held by the next but one
 *	shared    one list, of which each element has a value that a dict holds, too
 *	ladder    two lists, crossing at every step
 *	wide      few dicts with all nodes in them
 *
 * bench_graph SHAPE MILLIONS FILE writes one of them for others to work on: in 32-bit words
 * the number of nodes, of vertices and of edges, then the edges in pairs, then the dominator
 * of each node. Vertex nodes + g is group g, and all groups but 0 and 1 hang on group 0.
 */
#include "analysis/analysis.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct graph {
	struct model *m;
	uint32_t n;
	uint64_t seed;
};

static uint32_t next_random(struct graph *g)
{
	g->seed = g->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(g->seed >> 33);
}

static uint32_t clamp(const struct graph *g, uint64_t to)
{
	return (uint32_t)(to % g->n);
}

static void edge(struct graph *g, uint64_t to)
{
	struct model_edge_to *e = &g->m->edge_to;

	e->node[e->n] = clamp(g, to);
	e->label[e->n++] = LABEL_ITEM;
}

static void shape_random(struct graph *g, uint32_t i)
{
	edge(g, i + 1 + next_random(g) % 1000);
	edge(g, next_random(g) % 8 ? i + next_random(g) % 100000 : next_random(g));
}

static void shape_far(struct graph *g, uint32_t i)
{
	edge(g, i + 1 + next_random(g) % 1000);
	edge(g, next_random(g));
}

enum { LIST = 8192 }; /* nodes of a list with its elements */

/* Of 8 nodes: a list's element, its dict, five values, and one that is shared. */
static void shape_objects(struct graph *g, uint32_t i)
{
	uint32_t base = i & ~7u;

	if (i % 8 == 0) {
		edge(g, i + 1);
		edge(g, (i + 8) % LIST ? i + 8 : next_random(g) / LIST * LIST);
		edge(g, 7);
	} else if (i % 8 == 1) {
		for (uint32_t k = 2; k < 8; k++)
			edge(g, base + k);
		edge(g, next_random(g) | 7);
	} else if (i % 8 == 7) {
		edge(g, 7);
		edge(g, (uint64_t)(next_random(g) % 64) * 8 + 7);
	} else {
		edge(g, next_random(g) % 8 ? 7 : next_random(g) | 7);
	}
}

static void shape_list(struct graph *g, uint32_t i)
{
	edge(g, i + 1 < g->n ? i + 1 : i);
	edge(g, i + 2 < g->n ? i + 2 : i);
}

/* Nodes below n / 2 are the list, those above its values; node n - 1 is the dict. */
static void shape_shared(struct graph *g, uint32_t i)
{
	uint32_t half = g->n / 2;

	if (i < half) {
		edge(g, i + 1);
		edge(g, i + half);
	} else if (i == g->n - 1) {
		for (uint32_t k = half; k < g->n; k++)
			edge(g, k);
	}
}

static void shape_ladder(struct graph *g, uint32_t i)
{
	edge(g, i + 2 < g->n ? i + 2 : i);
	edge(g, (i ^ 1) + 2 < g->n ? (i ^ 1) + 2 : i);
}

static void shape_wide(struct graph *g, uint32_t i)
{
	if (i % 100000 == 0)
		for (uint32_t k = 0; k < 200000 && k < g->n; k++)
			edge(g, i + (k & 1 ? k : next_random(g)));
}

static const struct shape {
	const char *name;
	void (*add)(struct graph *g, uint32_t i);
} shapes[] = {
	{ "random", shape_random },   { "far", shape_far },
	{ "objects", shape_objects }, { "list", shape_list },
	{ "shared", shape_shared },   { "ladder", shape_ladder },
	{ "wide", shape_wide },
};

static void add_root(struct model *m, uint32_t group, uint32_t node)
{
	size_t r = model_roots_add(m);

	m->roots.group[r] = group;
	m->roots.node[r] = node;
	m->roots.certain[r] = true;
}

static struct model *make(const struct shape *s, uint32_t n)
{
	struct graph g = { model_new(), n, 42 };
	struct model *m = g.m;

	model_label(m, LABEL_ITEM, str_of(""));
	for (size_t i = 0; i < 5; i++) {
		size_t row = model_groups_add(m);

		m->groups.kind[row] = (uint8_t)(i < 2 ? i : ROOTS_MODULE);
	}
	model_table_resize(m, &model_tables[TABLE_objects], n);
	model_table_resize(m, &model_tables[TABLE_edge_first], (size_t)n + 1);
	model_table_reserve(m, &model_tables[TABLE_edge_to], (size_t)n * 5 / 2 + 400000);
	for (uint32_t i = 0; i < n; i++) {
		m->objects.addr[i] = 0x10000 + (taddr)i * 64;
		m->objects.size[i] = 56;
		m->objects.footprint[i] = 64;
		s->add(&g, i);
		m->edge_first.at[i + 1] = m->edge_to.n;
	}
	for (uint32_t i = 0; i < 100; i++)
		add_root(m, 2 + i % 3, s->add == shape_random ? next_random(&g) % n : i);
	for (uint32_t i = 0; i < n && s->add == shape_objects; i += LIST)
		add_root(m, 2 + i / LIST % 3, i);
	add_root(m, 4, n - 1);
	return m;
}

/* Bytes in memory, or the most there ever were. */
static uint64_t resident(const char *which)
{
	FILE *f = fopen("/proc/self/status", "r");
	uint64_t kib = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, which, strlen(which)) == 0)
			kib = strtoull(line + strlen(which), NULL, 10);
	if (f)
		fclose(f);
	return kib * 1024;
}

/* Touched, so that it is not counted as the analysis's. */
static void settle(struct model *m)
{
	for (size_t i = 0; i < m->objects.n; i++)
		m->objects.refcount[i] = m->objects.type[i] = m->objects.value[i] = 0;
}

/* Of all threads: what else the machine does counts as little as can be. */
static double processor_seconds(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* Seconds since *start, which is set to now. */
static double lap(uint64_t *start)
{
	uint64_t now = clock_ns(), took = now - *start;

	*start = now;
	return (double)took / 1e9;
}

/* What is asked once dominators are there. */
static void measure_questions(const struct model *m)
{
	uint64_t start = clock_ns();
	struct top t;
	struct why w;

	top_build(m, &t);
	printf(" %8.3f", lap(&start));
	why_build(m, (uint32_t)(m->objects.n / 3), 5, &w);
	printf(" %8.3f\n", lap(&start));
	top_release(&t);
	why_release(&w);
}

static void measure(const struct shape *s, uint32_t n)
{
	struct model *m = make(s, n);
	uint64_t before, peak, all;
	double took;
	FILE *reset;

	settle(m);
	reset = fopen("/proc/self/clear_refs", "w"); /* 5: forget the peak */
	if (reset) {
		fputs("5", reset);
		fclose(reset);
	}
	before = resident("VmRSS:");
	took = processor_seconds();
	dominators_build(m);
	took = processor_seconds() - took;
	peak = resident("VmHWM:") - before;
	all = m->groups.retained[0] + m->groups.retained[1];
	printf("%-8s %10" PRIu32 " %11zu %8.3f %8.3f %8.1f %8.0f%%%s", s->name, n,
	       m->edge_to.n, took, took * 1e6 / n, (double)peak / n,
	       100.0 * (double)peak / (48.0 * n + 8.0 * (double)m->edge_to.n),
	       all == (uint64_t)n * 56 ? "" : "  WRONG: sizes do not add up");
	measure_questions(m);
	fflush(stdout);
}

static void write_words(FILE *f, const uint32_t *words, size_t n)
{
	if (fwrite(words, sizeof(*words), n, f) != n)
		perror("bench_graph"), exit(1);
}

static void write_edge(FILE *f, uint32_t from, uint32_t to)
{
	write_words(f, (uint32_t[]){ from, to }, 2);
}

static void write_graph(const struct shape *s, uint32_t n, const char *path)
{
	struct model *m = make(s, n);
	uint32_t groups = (uint32_t)m->groups.n;
	uint32_t edges = (uint32_t)(m->edge_to.n + m->roots.n) + groups - 2;
	FILE *f = fopen(path, "w");

	if (!f)
		perror(path), exit(1);
	dominators_build(m);
	write_words(f, (uint32_t[]){ n, n + groups, edges }, 3);
	for (uint32_t i = 0; i < n; i++)
		for (uint64_t e = m->edge_first.at[i]; e < m->edge_first.at[i + 1]; e++)
			write_edge(f, i, m->edge_to.node[e]);
	for (size_t r = 0; r < m->roots.n; r++)
		write_edge(f, n + m->roots.group[r], m->roots.node[r]);
	for (uint32_t g = 2; g < groups; g++)
		write_edge(f, n, n + g);
	write_words(f, m->dominators.parent, n);
	if (fclose(f) != 0)
		perror(path), exit(1);
}

static void measure_all(uint32_t n)
{
	printf("%-8s %10s %11s %8s %8s %8s %9s %8s %8s\n", "shape", "nodes", "edges", "s",
	       "s/M", "B/node", "of 48n+8e", "top s", "why s");
	fflush(stdout);
	for (size_t i = 0; i < countof(shapes); i++) {
		pid_t child = fork();

		if (child == 0) {
			measure(&shapes[i], n);
			_exit(0);
		}
		waitpid(child, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	double millions = argc > 1 ? strtod(argv[argc > 3 ? 2 : 1], NULL) : 1;
	uint32_t n = (uint32_t)(millions * 1e6);

	if (argc < 4)
		measure_all(n);
	for (size_t i = 0; i < countof(shapes) && argc > 3; i++)
		if (strcmp(argv[1], shapes[i].name) == 0)
			write_graph(&shapes[i], n, argv[3]);
	return 0;
}
