/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot reader. An input that begins as a snapshot does is read as it is and with its
 * checksums made right. Any other is a list of changes, twelve bytes each, to the columns of
 * a model, which is then written: which column, which row, how (set, add, xor, a small
 * number, another length of the table), what. What can be read is used by all who show it.
 */
#include "../support/whole_model.h"
#include "mend_snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGE = 12, MAX_CHANGES = 60, ROWS_MOST = 2000 };

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

/* As commands do. */
static uint64_t use_answers(const struct model *m)
{
	struct dominator_tree tree;
	struct summary summary;
	struct top top;
	struct why why;
	uint64_t sum = 0;

	dominator_tree_build(m, &tree);
	top_build(m, &top);
	summary_build(m, &summary);
	sum += top.n + summary.n;
	for (uint32_t node = 0; node < node_count(m) && node < 64; node += 7) {
		if (!node_is_there(m, node))
			continue;
		why_build(m, node, 5, &why);
		sum += why.n;
		why_release(&why);
	}
	dominator_tree_release(&tree);
	top_release(&top);
	summary_release(&summary);
	return sum;
}

/* Every text, type and node that the model names, as a reader of it would. */
static uint64_t use(const struct model *m)
{
	uint64_t sum = use_blocks(m) + use_objects(m) + use_memory(m);

	for (size_t i = 0; i < m->findings.n; i++)
		sum += model_text(m, m->findings.text[i]).n;
	return sum + use_answers(m) + model_text(m, m->processes.exe[0]).n;
}

static void read_fd(int fd)
{
	static const enum model_table_id some[] = { TABLE_processes, TABLE_types,
						    TABLE_totals };
	struct model *m = NULL;
	struct err e = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (snap_read_some(path, some, countof(some), &m, &e))
		model_free(m);
	if (snap_read(path, &m, &e)) {
		volatile uint64_t sum = use(m);

		(void)sum;
		model_free(m);
	} else if (e.kind != ERR_FILE || !e.text[0]) {
		abort();
	}
	close(fd);
}

static void read_bytes(const uint8_t *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	read_fd(fd);
}

/* ---- changes to a model ---- */

static void change_value(uint8_t *at, size_t width, size_t rows, const uint8_t *c)
{
	uint64_t what, old = 0;

	memcpy(&what, c + 4, sizeof(what));
	memcpy(&old, at, width);
	switch (c[3] % 4) {
	case 0:
		break;
	case 1:
		what = old + (what & 0xff) - 0x80;
		break;
	case 2:
		what ^= old;
		break;
	default:
		what %= 2 * rows + 4;
	}
	memcpy(at, &what, width);
}

static void change(struct model *m, const uint8_t *c)
{
	const struct model_table_def *t = &model_tables[c[0] % MODEL_NTABLES];
	size_t column = c[0] / MODEL_NTABLES % t->ncolumns, rows = model_table_rows(m, t);
	size_t width = t->columns[column].size, row = c[1] | (size_t)c[2] << 8;
	uint8_t *values;

	if (t == &model_tables[TABLE_memory])
		return; /* the writer would look for its bytes */
	if (c[3] >= 0xf0) {
		model_table_resize(m, t, row % ROWS_MOST);
	} else if (c[3] >= 0xe0 && m->strings.n) {
		change_value((uint8_t *)&m->strings.end[row % m->strings.n], 8,
			     m->strings.n, c);
	} else if (rows) {
		values = model_table_column(m, t, column);
		change_value(values + row % rows * width, width, rows, c);
	}
}

static void read_changed(const uint8_t *data, size_t size)
{
	struct model *m = whole_model();
	int fd = memfd_create("input", MFD_CLOEXEC);

	for (size_t i = 0; i < size / CHANGE && i < MAX_CHANGES; i++)
		change(m, data + CHANGE * i);
	write_model(m, fd);
	model_free(m);
	read_fd(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *mended;

	if (!snap_is_snapshot(data, size)) {
		read_changed(data, size);
		return 0;
	}
	mended = xcalloc(1, size);
	read_bytes(data, size);
	memcpy(mended, data, size);
	mend_snapshot(mended, size);
	read_bytes(mended, size);
	free(mended);
	return 0;
}
