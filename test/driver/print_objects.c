/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print_objects TARGET: objects and their memory as they were collected, a row a line,
 * fields separated by tabs:
 *
 *	object ADDR SIZE FOOTPRINT REFCOUNT TYPE VALUE
 *	part ADDR SIZE OWNER LABEL
 *	pool START END BLOCK		BLOCK: of malloc, "-" none
 *	slab START BLOCK-SIZE COUNT USED
 *	stray ADDR BLOCK-SIZE		a used block of a slab that is nobody's
 *	finding SEVERITY WHERE TEXT
 *
 * TARGET as on the command line: a process or a snapshot file.
 */
#include "collect/collect.h"
#include <inttypes.h>
#include <stdio.h>

/* Escaped as C writes it, so that a value cannot end a line or a field. */
static void print_text(const struct model *m, uint32_t id)
{
	struct str text = model_text(m, id);

	putchar('\t');
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.s[i];

		if (c < 32 || c == '\\')
			printf("\\x%02x", c);
		else
			putchar(c);
	}
}

static void print_objects(const struct model *m)
{
	for (uint32_t i = 0; i < m->objects.n; i++) {
		printf("object\t0x%" PRIx64 "\t%" PRIu64 "\t%" PRIu64 "\t%u",
		       m->objects.addr[i], node_size(m, i), node_footprint(m, i),
		       m->objects.refcount[i]);
		print_text(m, m->types.kind[m->objects.type[i]]);
		print_text(m, m->objects.value[i]);
		putchar('\n');
	}
}

static void print_parts(const struct model *m)
{
	for (size_t i = 0; i < m->parts.n; i++) {
		printf("part\t0x%" PRIx64 "\t%" PRIu64 "\t0x%" PRIx64, m->parts.addr[i],
		       m->parts.size[i], m->objects.addr[m->parts.owner[i]]);
		print_text(m, m->labels.name[m->parts.label[i]]);
		putchar('\n');
	}
}

static void print_pools(const struct model *m)
{
	for (size_t i = 0; i < m->pools.n; i++) {
		printf("pool\t0x%" PRIx64 "\t0x%" PRIx64, m->pools.start[i],
		       m->pools.end[i]);
		if (m->pools.block[i])
			printf("\t0x%" PRIx64 "\n",
			       m->blocks.addr[m->pools.block[i] - 1]);
		else
			printf("\t-\n");
	}
}

static void print_slab(const struct model *m, size_t s)
{
	uint32_t used = 0, size = m->slabs.block_size[s];

	for (uint32_t i = 0; i < m->slabs.count[s]; i++) {
		taddr at = m->slabs.start[s] + (uint64_t)i * size;
		size_t part;

		if (!slab_block_is_used(m, s, i))
			continue;
		used++;
		if (model_node_at(m, at, &part) == NO_NODE)
			printf("stray\t0x%" PRIx64 "\t%u\n", at, size);
	}
	printf("slab\t0x%" PRIx64 "\t%u\t%u\t%u\n", m->slabs.start[s], size,
	       m->slabs.count[s], used);
}

static void print_findings(const struct model *m)
{
	for (size_t i = 0; i < m->findings.n; i++) {
		printf("finding\t%s",
		       severity_name((enum severity)m->findings.severity[i]));
		print_text(m, m->findings.where[i]);
		print_text(m, m->findings.text[i]);
		putchar('\n');
	}
}

int main(int argc, char **argv)
{
	const struct collect_options o = { .edges = true, .values = true };
	struct model *m = NULL;
	struct err e;

	if (argc != 2 || !collect_target(argv[1], &o, &m, &e)) {
		fprintf(stderr, "%s\n", argc == 2 ? e.text : "print_objects TARGET");
		return 1;
	}
	print_objects(m);
	print_parts(m);
	print_pools(m);
	for (size_t s = 0; s < m->slabs.n; s++)
		print_slab(m, s);
	print_findings(m);
	model_free(m);
	return 0;
}
