/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print_graph TARGET [freeze]: the graph as it was collected, a row a line, fields separated by tabs:
 *
 *	node ADDR SIZE DOMAIN KIND REFCOUNT
 *	root GROUP-KIND GROUP KIND NAME NODE CERTAIN ADDR
 *	edge FROM TO LABEL-KIND LABEL
 *	finding SEVERITY WHERE TEXT
 *
 * Kinds are numbers of model.h, nodes are addresses ("-": none). TARGET as on the command
 * line: a process or a snapshot file.
 */
#include "../support/print_target.h"
#include <inttypes.h>
#include <stdio.h>

static void print_node(const struct model *m, uint32_t node)
{
	if (node == NO_NODE)
		printf("\t-");
	else
		printf("\t0x%" PRIx64, node_addr(m, node));
}

static void print_text(const struct model *m, uint32_t id)
{
	struct str text = model_text(m, id);

	printf("\t%.*s", (int)text.n, text.s);
}

static void print_nodes(const struct model *m)
{
	for (uint32_t n = 0; n < node_count(m); n++) {
		uint32_t type;

		if (!node_is_there(m, n))
			continue;
		type = node_type(m, n);
		printf("node");
		print_node(m, n);
		printf("\t%" PRIu64, node_size(m, n));
		print_text(m, m->types.domain[type]);
		print_text(m, m->types.kind[type]);
		printf("\t%u\n", node_is_object(m, n) ? m->objects.refcount[n] : 0);
	}
}

static void print_roots(const struct model *m)
{
	for (size_t i = 0; i < m->roots.n; i++) {
		uint32_t group = m->roots.group[i];

		printf("root\t%u", m->groups.kind[group]);
		print_text(m, m->groups.name[group]);
		printf("\t%u", m->roots.kind[i]);
		print_text(m, m->roots.name[i]);
		print_node(m, m->roots.node[i]);
		printf("\t%u\t0x%" PRIx64 "\n", m->roots.certain[i], m->roots.addr[i]);
	}
}

static void print_edges(const struct model *m)
{
	for (uint32_t n = 0; m->edge_first.n > 0 && n < node_count(m); n++)
		for (uint64_t i = m->edge_first.at[n]; i < m->edge_first.at[n + 1]; i++) {
			uint16_t label = m->edge_to.label[i];

			printf("edge");
			print_node(m, n);
			print_node(m, m->edge_to.node[i]);
			printf("\t%u", m->labels.kind[label]);
			print_text(m, m->labels.name[label]);
			printf("\n");
		}
}

static void print_findings(const struct model *m)
{
	for (size_t i = 0; i < m->findings.n; i++) {
		printf("finding\t%u", m->findings.severity[i]);
		print_text(m, m->findings.where[i]);
		print_text(m, m->findings.text[i]);
		printf("\n");
	}
}

static void print_model(const struct model *m)
{
	print_nodes(m);
	print_roots(m);
	print_edges(m);
	print_findings(m);
}

int main(int argc, char **argv)
{
	return print_target(argc, argv, print_model);
}
