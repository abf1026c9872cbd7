/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print_memory TARGET [freeze]: whose memory is what, a row a line, numbers in hex:
 *
 *	region START END			heap START END
 *	pool START END BLOCK-ADDR		slab START BLOCK-SIZE USED-BITS...
 *	block ADDR SIZE FOOTPRINT STATE OWNER	(owner: an object's address, 0 nobody's, 1 a pool)
 *	object ADDR SIZE FOOTPRINT REFCOUNT KIND
 *	part ADDR SIZE OWNER LABEL
 *	finding WHERE TEXT
 */
#include "../support/print_target.h"
#include <inttypes.h>
#include <stdio.h>

static void print_text(const struct model *m, uint32_t id)
{
	struct str text = model_text(m, id);

	printf(" %.*s", (int)text.n, text.s);
}

static void print_spans(const struct model *m)
{
	for (size_t i = 0; i < m->regions.n; i++)
		printf("region %" PRIx64 " %" PRIx64 "\n", m->regions.start[i],
		       m->regions.end[i]);
	for (size_t i = 0; i < m->heaps.n; i++)
		printf("heap %" PRIx64 " %" PRIx64 "\n", m->heaps.start[i],
		       m->heaps.end[i]);
	for (size_t i = 0; i < m->pools.n; i++)
		printf("pool %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", m->pools.start[i],
		       m->pools.end[i],
		       m->pools.block[i] ? m->blocks.addr[m->pools.block[i] - 1] : 0);
}

static void print_slabs(const struct model *m)
{
	for (size_t i = 0; i < m->slabs.n; i++) {
		printf("slab %" PRIx64 " %x ", m->slabs.start[i], m->slabs.block_size[i]);
		for (uint32_t b = 0; b < m->slabs.count[i]; b++)
			putchar(slab_block_is_used(m, i, b) ? '1' : '0');
		putchar('\n');
	}
}

static uint64_t owner_of(const struct model *m, size_t block)
{
	uint32_t owner = m->blocks.owner[block];

	if (owner == 0 || owner == BLOCK_IS_POOL)
		return owner != 0;
	return m->objects.addr[owner - 1];
}

static void print_blocks(const struct model *m)
{
	for (size_t i = 0; i < m->blocks.n; i++)
		printf("block %" PRIx64 " %" PRIx64 " %" PRIx64 " %s %" PRIx64 "\n",
		       m->blocks.addr[i], m->blocks.size[i], block_footprint(m, i),
		       block_state_name((enum block_state)m->blocks.state[i]),
		       owner_of(m, i));
}

static void print_objects(const struct model *m)
{
	for (uint32_t n = 0; n < m->objects.n; n++) {
		printf("object %" PRIx64 " %" PRIx64 " %" PRIx64 " %x", node_addr(m, n),
		       node_size(m, n), node_footprint(m, n), m->objects.refcount[n]);
		print_text(m, m->types.kind[node_type(m, n)]);
		putchar('\n');
	}
	for (size_t i = 0; i < m->parts.n; i++) {
		printf("part %" PRIx64 " %" PRIx64 " %" PRIx64, m->parts.addr[i],
		       m->parts.size[i], m->objects.addr[m->parts.owner[i]]);
		print_text(m, m->labels.name[m->parts.label[i]]);
		putchar('\n');
	}
}

static void print_findings(const struct model *m)
{
	for (size_t i = 0; i < m->findings.n; i++) {
		printf("finding");
		print_text(m, m->findings.where[i]);
		print_text(m, m->findings.text[i]);
		putchar('\n');
	}
}

static void print_model(const struct model *m)
{
	print_spans(m);
	print_slabs(m);
	print_blocks(m);
	print_objects(m);
	print_findings(m);
}

int main(int argc, char **argv)
{
	return print_target(argc, argv, print_model);
}
