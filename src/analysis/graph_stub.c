/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for what is not built yet; each function goes when its file comes. */
#include "analysis/analysis.h"

#include <stdlib.h>

void referrers_build(const struct model *m, struct referrers *out)
{
	*out = (struct referrers){ .first = xcalloc((size_t)node_count(m) + 1, 8) };
}
void referrers_release(struct referrers *r)
{
	free(r->first);
	free(r->from);
	free(r->edge);
}
void edge_label(const struct model *m, uint32_t source, uint64_t edge, struct buf *out)
{
	(void)m;
	(void)source;
	(void)edge;
	buf_str(out, "?");
}
void node_value(const struct model *m, uint32_t node, struct buf *out)
{
	if (node_is_object(m, node)) {
		struct str v = model_text(m, m->objects.value[node]);
		buf_add(out, v.s, v.n);
	}
}
void why_build(const struct model *m, uint32_t node, size_t max_paths, struct why *out)
{
	(void)m;
	(void)node;
	(void)max_paths;
	*out = (struct why){ 0 };
}
void why_release(struct why *w)
{
	free(w->paths);
	free(w->groups);
}
uint64_t node_unexplained(const struct model *m, const struct referrers *r, uint32_t node)
{
	(void)m;
	(void)r;
	(void)node;
	return 0;
}
