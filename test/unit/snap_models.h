/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of snapshots share: models full of numbers, and a folder to write to. */
#ifndef TEST_SNAP_MODELS_H
#define TEST_SNAP_MODELS_H

#include "snap/snap_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* Where the tests run: each removes what it made. */
static char folder[] = "/tmp/heapsift-test-XXXXXX";

/* ---- models ---- */

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15;
	uint64_t z = *state;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void fill_blocks(struct model *m, size_t n, uint64_t *seed)
{
	uint64_t addr = 0x555555560010;

	model_table_resize(m, &model_tables[TABLE_blocks], n);
	model_table_resize(m, &model_tables[TABLE_previews], n);
	for (size_t i = 0; i < n; i++) {
		uint64_t r = next_random(seed), size = 24 + (r & 7) * (r >> 8 & 7) * 16;

		m->blocks.addr[i] = addr;
		m->blocks.size[i] = size;
		m->blocks.extra[i] = 1;
		m->blocks.state[i] = r >> 16 & 7 ? BLOCK_USED : BLOCK_TCACHE;
		m->blocks.arena[i] =
			r >> 20 & 63 ? (uint16_t)(r >> 26 & 1) : BLOCK_MMAPPED;
		m->blocks.type[i] = m->blocks.state[i] == BLOCK_USED
					    ? (uint32_t)(r >> 30) % (uint32_t)m->types.n
					    : 0;
		m->previews.low[i] = r & 3 ? r >> 50 : next_random(seed);
		m->previews.high[i] = r & 12 ? 0 : next_random(seed);
		addr += size + 8;
	}
}

enum { OBJECTS = 40, SLAB_BLOCK = 64 };

/* A pool of one slab with objects, one of them large with a part, below the blocks. */
static void fill_objects(struct model *m, uint64_t *seed)
{
	const uint64_t start = 0x555000000000;

	model_table_resize(m, &model_tables[TABLE_objects], OBJECTS);
	for (uint32_t i = 0; i < OBJECTS; i++) {
		m->objects.addr[i] = start + 48 + i * SLAB_BLOCK;
		m->objects.size[i] =
			i == 7 ? OBJECT_LARGE : (uint32_t)next_random(seed) & 511;
		m->objects.footprint[i] = m->objects.size[i];
		m->objects.refcount[i] = i & 1 ? OBJECT_IMMORTAL : i;
		m->objects.type[i] = i % (uint32_t)m->types.n;
		m->objects.value[i] = i % 2 ? model_text_add(m, str_of("often"))
					    : i % (uint32_t)m->strings.n;
	}
	model_large_add(m);
	m->large.object[0] = 7;
	m->large.size[0] = (uint64_t)1 << 40;
	m->large.footprint[0] = ((uint64_t)1 << 40) + 16;
	model_parts_add(m);
	m->parts.addr[0] = 0x7fff00000000;
	m->parts.size[0] = (uint64_t)1 << 40;
	m->parts.owner[0] = 7;
	m->parts.label[0] = model_label(m, LABEL_FIELD, str_of("items"));
	model_pools_add(m);
	m->pools.start[0] = start;
	m->pools.end[0] = start + 4096;
	m->pools.allocator[0] = model_intern(m, str_of("obmalloc"));
	model_slabs_add(m);
	m->slabs.start[0] = start + 48;
	m->slabs.block_size[0] = SLAB_BLOCK;
	m->slabs.count[0] = 63;
	model_slab_bits_add(m);
	m->slab_bits.used[0] = ((uint64_t)1 << OBJECTS) - 1;
}

static void fill_graph(struct model *m, uint64_t *seed)
{
	size_t nodes = node_count(m);

	model_table_resize(m, &model_tables[TABLE_edge_first], nodes + 1);
	for (size_t i = 0; i < nodes; i++)
		m->edge_first.at[i + 1] = m->edge_first.at[i] + (next_random(seed) & 3);
	model_table_resize(m, &model_tables[TABLE_edge_to], m->edge_first.at[nodes]);
	for (size_t i = 0; i < m->edge_to.n; i++) {
		uint64_t r = next_random(seed);

		m->edge_to.node[i] =
			r & 15 ? (uint32_t)(r >> 8) % (uint32_t)nodes : NO_NODE;
		m->edge_to.label[i] = (uint16_t)(r >> 50) % (uint16_t)m->labels.n;
	}
	model_table_resize(m, &model_tables[TABLE_roots], 3);
	for (uint32_t i = 0; i < 3; i++)
		m->roots.node[i] = i, m->roots.group[i] = i, m->roots.addr[i] = i;
	model_table_resize(m, &model_tables[TABLE_dominators], nodes);
	for (size_t i = 0; i < nodes; i++) {
		m->dominators.parent[i] = (uint32_t)nodes;
		m->dominators.retained[i] = next_random(seed);
		m->dominators.retained_footprint[i] = next_random(seed);
	}
}

/* Bytes that tell their address, and compress. */
static bool pattern_read(void *context, taddr at, void *dst, size_t len)
{
	(void)context;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)dst)[i] = (uint8_t)((at + i) >> 6 ^ (at + i) >> 20);
	return true;
}

/* Three ranges, that in the middle of zeroes; large ones for a large model. */
static void fill_memory(struct model *m, size_t blocks)
{
	const uint64_t each = 400 + 8 * blocks;

	for (size_t i = 0; i < 3; i++) {
		size_t row = model_memory_add(m);

		m->memory.start[row] = 0x10000 + row * each;
		m->memory.end[row] = 0x10000 + row * each + each - (row == 0 ? 100 : 0);
		m->memory.zeroes[row] = row == 1;
	}
	m->bytes = (struct bytes_source){ .read = pattern_read };
}

/* Every table has rows, every column something in it. */
static struct model *model_make(size_t blocks)
{
	struct model *m = model_new();
	uint64_t seed = blocks;
	char text[32];

	for (size_t t = 0; t < MODEL_NTABLES; t++) {
		if ((t >= TABLE_blocks && t <= TABLE_edge_to && t != TABLE_types &&
		     t != TABLE_totals) ||
		    t == TABLE_roots || t == TABLE_dominators || t == TABLE_memory)
			continue;
		model_table_resize(m, &model_tables[t], 3);
		for (size_t c = 0; c < model_tables[t].ncolumns; c++) {
			uint8_t *column = model_table_column(m, &model_tables[t], c);
			size_t size = model_tables[t].columns[c].size;

			for (size_t row = 0; row < 3; row++) {
				uint64_t value = row;

				snprintf(text, sizeof(text), "%s %zu of %zu",
					 model_tables[t].columns[c].name, row, t);
				if (model_tables[t].columns[c].is_text)
					value = model_intern(m, str_of(text));
				memcpy(column + row * size, &value, size);
			}
		}
	}
	fill_memory(m, blocks);
	if (blocks) {
		fill_blocks(m, blocks, &seed);
		fill_objects(m, &seed);
		fill_graph(m, &seed);
	}
	return m;
}

static struct model *read_back(const char *path)
{
	struct model *m = NULL;
	struct err e = { 0 };

	if (!snap_read(path, &m, &e))
		fail_msg("%s", e.text);
	return m;
}

/* Nothing in the folder but these many files. */
static void assert_files(unsigned n)
{
	char command[64];

	snprintf(command, sizeof(command), "test $(find . -type f | wc -l) = %u", n);
	assert_int_equal(system(command), 0);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? chdir(folder) : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return chdir("/") == 0 ? rmdir(folder) : -1;
}

#endif
