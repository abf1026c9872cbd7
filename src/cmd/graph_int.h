/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands over the graph share: cells of nodes, names of roots. */
#ifndef CMD_GRAPH_INT_H
#define CMD_GRAPH_INT_H

#include "analysis/analysis.h"
#include "cmd/cmd.h"

/* Rows that are nodes: the first member of what such a command has for a source. */
struct node_source {
	const struct model *m;
	/* NO_NODE: the row is none, its cells are absent. NULL: rows are nodes' numbers. */
	uint32_t (*node_of)(const void *source, size_t row);
};

/* Columns of any source that begins with a struct node_source. */
struct cell node_get_addr(const void *source, size_t row, struct buf *scratch);
struct cell node_get_domain(const void *source, size_t row, struct buf *scratch);
struct cell node_get_kind(const void *source, size_t row, struct buf *scratch);
struct cell node_get_size(const void *source, size_t row, struct buf *scratch);
struct cell node_get_footprint(const void *source, size_t row, struct buf *scratch);
struct cell node_get_retained(const void *source, size_t row, struct buf *scratch);
struct cell node_get_retained_footprint(const void *source, size_t row,
					struct buf *scratch);
struct cell node_get_possible(const void *source, size_t row, struct buf *scratch);
struct cell node_get_value(const void *source, size_t row, struct buf *scratch);
/* For people: domain and kind in one; "possibly", "unreached" or nothing. */
struct cell node_get_what(const void *source, size_t row, struct buf *scratch);
struct cell node_get_held(const void *source, size_t row, struct buf *scratch);

/* What the rows of `top` are asked of. */
struct top_source {
	const struct model *m;
	struct top top;
};

/* "app.models.Order", "c++ shop::Order", "uncategorized". Appends. */
void type_show(const struct model *m, uint32_t type, struct buf *out);
/* With its detail: "uncategorized 40 bytes". */
void type_show_in_full(const struct model *m, uint32_t type, struct buf *out);
void node_show(const struct model *m, uint32_t node, struct buf *out);
/* And what it says: "dict {'user:17': ...}"; of what has no kind its size. */
void node_describe(const struct model *m, uint32_t node, struct buf *out);

/* Does the model know who refers to whom, and what is retained? */
static inline bool has_retained(const struct model *m)
{
	return m->dominators.n > 0 && m->edge_first.n > 0;
}

uint64_t node_retained(const struct model *m, uint32_t node); /* 0: not known */

/* "module app.cache", "thread 1234 (worker)", "globals of libbar.so". Appends. */
void group_show(const struct model *m, uint32_t group, struct buf *out);
const char *group_kind_name(unsigned kind);
/* "module app.cache, name CACHE", "register rbx of thread 1234 (worker)". Appends. */
void root_show(const struct model *m, uint32_t root, struct buf *out);
/* "CACHE", "register rbx", "stack": the root without its group. Appends. */
void root_name_show(const struct model *m, uint32_t root, struct buf *out);
/* "app.cache.CACHE", "local rows in f (app.py:12)", "global map"; others as root_show has
 * them. Appends. */
void root_show_shortly(const struct model *m, uint32_t root, struct buf *out);
const char *root_kind_name(unsigned kind);

/* malloc's: "glibc" of "glibc 2.36"; "" not known. */
struct str allocator_name(const struct model *m);

/* The columns of a root: group, kind, name, certain. The source is the model, rows are
 * those of its roots. */
enum { ROOT_COLUMNS_N = 4 };
extern const struct column root_columns[ROOT_COLUMNS_N];

/* All that retained sizes add up to: what is reached and what is not. */
uint64_t retained_of_all(const struct model *m);

/* The node whose memory `at` is, or NO_NODE; then the answer is "no", said in text and
 * as a finding in JSON. *part is as model_node_at has it. */
uint32_t context_node_at(struct context *cx, taddr at, size_t *part, struct sink *out);

#endif
