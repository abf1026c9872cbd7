/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retained_oracle FILE COUNT SEED: retained sizes by their definition. FILE is a graph, one node a
 * line (number, size, the numbers it refers to), its first line the root. For COUNT nodes
 * chosen by SEED prints number and retained size: the bytes that the root reaches, less
 * those it reaches when the node is gone. It shares no code with the program.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
	uint64_t name, size;
	size_t first, n; /* of refs */
};

struct graph {
	struct node *nodes;
	size_t n, cap;
	uint64_t *refs; /* names, then indices */
	size_t nrefs, refs_cap;
};

static void *grow(void *old, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return old;
	*cap = *cap ? 2 * *cap : 1024;
	old = realloc(old, *cap * size);
	if (!old)
		abort();
	return old;
}

static void read_line(struct graph *g, char *line)
{
	char *end;

	g->nodes = grow(g->nodes, g->n, &g->cap, sizeof(*g->nodes));
	struct node *node = &g->nodes[g->n++];

	*node = (struct node){ .name = strtoull(line, &line, 10), .first = g->nrefs };
	node->size = strtoull(line, &line, 10);
	for (;; line = end) {
		uint64_t ref = strtoull(line, &end, 10);

		if (end == line)
			break;
		g->refs = grow(g->refs, g->nrefs, &g->refs_cap, sizeof(*g->refs));
		g->refs[g->nrefs++] = ref;
		node->n++;
	}
}

static int by_name(const void *a, const void *b)
{
	const struct node *const *x = a, *const *y = b;

	return ((*x)->name > (*y)->name) - ((*x)->name < (*y)->name);
}

static void resolve(struct graph *g)
{
	struct node **order = calloc(g->n, sizeof(struct node *));

	for (size_t i = 0; i < g->n; i++)
		order[i] = &g->nodes[i];
	qsort(order, g->n, sizeof(struct node *), by_name);
	for (size_t i = 0; i < g->nrefs; i++) {
		struct node key = { .name = g->refs[i] }, *p = &key;
		struct node **hit =
			bsearch(&p, order, g->n, sizeof(struct node *), by_name);

		if (!hit)
			abort();
		g->refs[i] = (uint64_t)(*hit - g->nodes);
	}
	free(order);
}

/* Bytes that the root reaches without node `gone` (g->n: all are there). */
static uint64_t reached(const struct graph *g, size_t gone, uint8_t *seen, size_t *todo)
{
	uint64_t bytes = 0;
	size_t n = 0;

	if (gone == 0)
		return 0;
	memset(seen, 0, g->n);
	todo[n++] = 0;
	seen[0] = 1;
	while (n > 0) {
		const struct node *node = &g->nodes[todo[--n]];

		bytes += node->size;
		for (size_t i = 0; i < node->n; i++) {
			size_t to = g->refs[node->first + i];

			if (to != gone && !seen[to])
				seen[to] = 1, todo[n++] = to;
		}
	}
	return bytes;
}

int main(int argc, char **argv)
{
	struct graph g = { 0 };
	char *line = NULL;
	size_t room = 0;

	if (argc != 4)
		return 2;
	FILE *in = fopen(argv[1], "r");
	if (!in)
		return 2;
	while (getline(&line, &room, in) > 0)
		read_line(&g, line);
	fclose(in);
	resolve(&g);
	uint8_t *seen = malloc(g.n);
	size_t *todo = calloc(g.n, sizeof(*todo));
	uint64_t all = reached(&g, g.n, seen, todo);

	srandom((unsigned)atoi(argv[3]));
	for (int i = 0; i < atoi(argv[2]); i++) {
		size_t node = (size_t)random() % g.n;

		printf("%" PRIu64 " %" PRIu64 "\n", g.nodes[node].name,
		       all - reached(&g, node, seen, todo));
	}
	free(seen);
	free(todo);
	free(line);
	free(g.refs);
	free(g.nodes);
	return 0;
}
