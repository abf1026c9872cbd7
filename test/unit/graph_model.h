/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs for tests: made by hand, or at random. */
#ifndef GRAPH_MODEL_H
#define GRAPH_MODEL_H

#include "analysis/analysis.h"

/* A model of `objects` and used `blocks`, groups rows 0 .. groups - 1, and no edge. Object i
 * has 10 + i bytes and takes 16 + i. */
static inline struct model *graph_new(size_t objects, size_t blocks, size_t groups)
{
	struct model *m = model_new();

	model_type(m, str_of("python"), str_of("node"), str_of(""));
	model_label(m, LABEL_ITEM, str_of(""));
	model_table_resize(m, &model_tables[TABLE_objects], objects);
	model_table_resize(m, &model_tables[TABLE_blocks], blocks);
	model_table_resize(m, &model_tables[TABLE_groups], groups);
	model_table_resize(m, &model_tables[TABLE_edge_first], objects + blocks + 1);
	for (size_t i = 0; i < objects; i++) {
		m->objects.addr[i] = 0x100000 + i * 64;
		m->objects.size[i] = (uint32_t)(10 + i);
		m->objects.footprint[i] = (uint32_t)(16 + i);
		m->objects.refcount[i] = 1;
	}
	for (size_t i = 0; i < blocks; i++) {
		m->blocks.addr[i] = 0x10000 + i * 64;
		m->blocks.size[i] = 24;
		m->blocks.extra[i] = 1;
	}
	for (size_t g = 0; g < groups; g++)
		m->groups.kind[g] = (uint8_t)(g < 2 ? g : ROOTS_MODULE);
	return m;
}

/* Edges come in order of their sources. */
static inline void graph_edge(struct model *m, uint32_t from, uint32_t to, uint16_t label)
{
	size_t row = model_edge_to_add(m);

	m->edge_to.node[row] = to;
	m->edge_to.label[row] = label;
	for (size_t i = from + (size_t)1; i < m->edge_first.n; i++)
		m->edge_first.at[i] = row + 1;
}

static inline size_t graph_root(struct model *m, uint32_t group, uint32_t node,
				bool certain)
{
	size_t row = model_roots_add(m);

	m->roots.group[row] = group;
	m->roots.node[row] = node;
	m->roots.kind[row] = ROOT_NAME;
	m->roots.certain[row] = certain;
	return row;
}

static inline uint32_t graph_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

static inline void graph_random_blocks(struct model *m, uint64_t *seed)
{
	for (size_t b = 0; b < m->blocks.n; b++) {
		m->blocks.type[b] = graph_random(seed) % 4;
		if (graph_random(seed) % 4 == 0)
			m->blocks.state[b] = BLOCK_BIN;
		else if (graph_random(seed) % 4 == 0)
			m->blocks.owner[b] = graph_random(seed) % 2 ? 1 : BLOCK_IS_POOL;
	}
}

/* Up to 200 numbers of nodes, some of them of no node; edges of all kinds, from none to
 * six a node, some to themselves or nowhere; roots in up to five groups, or none at all. */
static inline struct model *graph_at_random(uint64_t seed)
{
	uint32_t objects = 1 + graph_random(&seed) % (seed % 3 ? 12 : 150);
	uint32_t blocks = graph_random(&seed) % (objects / 3 + 2);
	uint32_t n = objects + blocks, density = 1 + graph_random(&seed) % 6;
	uint32_t groups = 2 + graph_random(&seed) % 5, span = 1 + graph_random(&seed) % n;
	struct model *m = graph_new(objects, blocks, groups);

	for (char name[] = "b"; name[0] < 'e'; name[0]++)
		model_type(m, str_of("python"), str_of(name), str_of(""));
	for (uint32_t i = 0; i < objects; i++)
		m->objects.type[i] = graph_random(&seed) % 4;
	graph_random_blocks(m, &seed);
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = graph_random(&seed) % (density + 1); k > 0; k--) {
			uint32_t to = (i + graph_random(&seed) % span) % n;
			uint16_t label = (uint16_t)(graph_random(&seed) %
						    (seed % 2 ? LABEL_WEAK + 1 : 2));

			if (graph_random(&seed) % 8 == 0)
				to = graph_random(&seed) % 2 ? NO_NODE : i;
			graph_edge(m, i, to, label);
		}
	for (uint32_t k = graph_random(&seed) % (n / 8 + 4); k > 0 && groups > 2; k--)
		graph_root(m, 2 + graph_random(&seed) % (groups - 2),
			   graph_random(&seed) % n, graph_random(&seed) % 3 > 0);
	return m;
}

#endif
