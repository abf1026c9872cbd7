/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot reader, on the input as it is and with its checksums made right. */
#include "mend_snapshot.h"
#include "snap/snap.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t use_edges(const struct model *m, uint32_t node)
{
	uint64_t sum = 0;

	for (uint64_t e = m->edge_first.n ? m->edge_first.at[node] : 0;
	     m->edge_first.n && e < m->edge_first.at[node + 1]; e++) {
		if (m->edge_to.node[e] != NO_NODE)
			sum += node_size(m, m->edge_to.node[e]);
		sum += model_text(m, m->labels.name[m->edge_to.label[e]]).n;
	}
	return sum;
}

static uint64_t use_blocks(const struct model *m)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->blocks.n; i++) {
		if (m->blocks.state[i] != BLOCK_USED)
			continue;
		sum += model_text(m, m->types.kind[m->blocks.type[i]]).n;
		sum += use_edges(m, node_of_block(m, i));
		if (m->blocks.arena[i] != BLOCK_MMAPPED)
			sum += m->arenas.system[m->blocks.arena[i]];
	}
	return sum;
}

static uint64_t use_objects(const struct model *m)
{
	uint64_t sum = 0;
	size_t part;

	for (uint32_t i = 0; i < m->objects.n; i++) {
		uint32_t node = model_node_at(m, m->objects.addr[i], &part);

		sum += node == NO_NODE ? 0 : node_footprint(m, node);
		sum += model_text(m, m->types.kind[m->objects.type[i]]).n;
		sum += model_text(m, m->objects.value[i]).n + use_edges(m, i);
	}
	for (size_t i = 0; i < m->parts.n; i++) {
		uint32_t node = model_node_at(m, m->parts.addr[i], &part);

		sum += node == NO_NODE ? 0 : node_addr(m, node);
	}
	for (size_t s = 0; s < m->slabs.n; s++)
		for (uint32_t i = 0; i < m->slabs.count[s]; i++)
			sum += slab_block_is_used(m, s, i) +
			       m->pools.start[m->slabs.pool[s]];
	for (size_t i = 0; i < m->roots.n; i++)
		sum += node_addr(m, m->roots.node[i]) +
		       model_text(m, m->groups.name[m->roots.group[i]]).n;
	return sum;
}

/* The ends of ranges; all of them could be gigabytes. */
static uint64_t use_memory(const struct model *m)
{
	uint8_t bytes[64] = { 0 };
	uint64_t sum = 0;

	for (size_t i = 0; i < m->memory.n && i < 100; i++) {
		taddr start = m->memory.start[i], end = m->memory.end[i];
		size_t n = end - start < sizeof(bytes) ? (size_t)(end - start)
						       : sizeof(bytes);

		sum += m->bytes.read(m->bytes.context, start, bytes, n);
		sum += m->bytes.read(m->bytes.context, end - n, bytes, n) + bytes[0];
	}
	return sum;
}

/* Every text, type and node that the model names, as a reader of it would. */
static uint64_t use(const struct model *m)
{
	uint64_t sum = use_blocks(m) + use_objects(m) + use_memory(m);

	for (size_t i = 0; i < m->findings.n; i++)
		sum += model_text(m, m->findings.text[i]).n;
	return sum + model_text(m, m->processes.exe[0]).n;
}

static void read_bytes(const uint8_t *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	struct model *m = NULL;
	struct err e = { 0 };
	char path[64];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (snap_read(path, &m, &e)) {
		volatile uint64_t sum = use(m);

		(void)sum;
		model_free(m);
	} else if (e.kind != ERR_FILE || !e.text[0]) {
		abort();
	}
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *mended = malloc(size + 1);

	if (!mended)
		abort();
	read_bytes(data, size);
	memcpy(mended, data, size);
	mend_snapshot(mended, size);
	read_bytes(mended, size);
	free(mended);
	return 0;
}
