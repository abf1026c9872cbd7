/* SPDX-License-Identifier: Apache-2.0 */
/* What holds Python objects from outside of them, as the reader names it, as rows. */
#include "collect/objects_int.h"

#include <stdio.h>
#include <stdlib.h>

static size_t keep_text(struct root_list *l, struct str text)
{
	size_t at = l->texts.n;

	buf_add(&l->texts, text.s, text.n);
	return at;
}

void root_list_add(struct root_list *l, const struct python_root *root, uint32_t id)
{
	struct kept_root *kept;

	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 256;
		l->roots = xrealloc(l->roots, l->cap, sizeof(*l->roots));
	}
	kept = &l->roots[l->n++];
	*kept = (struct kept_root){ .root = *root, .id = id };
	kept->group_at = keep_text(l, root->group_name);
	kept->name_at = keep_text(l, root->name);
}

void root_list_release(struct root_list *l)
{
	free(l->roots);
	buf_release(&l->texts);
	*l = (struct root_list){ 0 };
}

static struct str text_at(const struct root_list *l, size_t at, struct str text)
{
	return (struct str){ text.n ? l->texts.s + at : "", text.n };
}

static struct str comm_of(const struct model *m, uint32_t tid)
{
	for (size_t i = 0; i < m->threads.n; i++)
		if (m->threads.tid[i] == tid)
			return model_text(m, m->threads.name[i]);
	return (struct str){ "", 0 };
}

uint32_t thread_group(struct model *m, uint32_t tid)
{
	struct str name = comm_of(m, tid);
	struct str process = comm_of(m, m->processes.n ? m->processes.pid[0] : 0);
	struct buf made = { 0 };
	uint32_t row;

	if (tid)
		buf_printf(&made, "%u", tid);
	else
		buf_str(&made, "unknown");
	if (name.n && !str_equal(name, process))
		buf_printf(&made, " (%.*s)", (int)name.n, name.s);
	row = group_row(m, ROOTS_THREAD, buf_view(&made));
	buf_release(&made);
	return row;
}

static uint32_t group_of(const struct object_walk *w, const struct kept_root *r,
			 struct model *m)
{
	struct str name = text_at(&w->roots, r->group_at, r->root.group_name);

	if (r->root.group == ROOTS_THREAD)
		return thread_group(m, r->root.tid);
	if (r->root.group == ROOTS_INTERPRETER && name.n == 0)
		name = str_of("interpreter");
	return group_row(m, r->root.group, name);
}

static bool same_group(const struct kept_root *a, const struct kept_root *b)
{
	return a->root.group == b->root.group && a->root.tid == b->root.tid;
}

/* A word that may be a reference: edges_build finds out where it leads. */
static void add_word(struct object_walk *w, const struct model *m, taddr word)
{
	w->possible = xrealloc(w->possible, w->npossible + 1, sizeof(*w->possible));
	w->possible[w->npossible++] =
		(struct possible_word){ (uint32_t)(m->roots.n - 1), true, word };
}

static void build_root(struct object_walk *w, struct model *m, const struct kept_root *r,
		       uint32_t group)
{
	uint32_t row = r->id < TORN ? w->rows[r->id] : NO_NODE;

	if (r->root.certain && row == NO_NODE)
		return;
	root_add(m, group,
		 &(struct root){ .kind = r->root.kind,
				 .name = text_at(&w->roots, r->name_at, r->root.name),
				 .node = row,
				 .certain = r->root.certain,
				 .addr = r->root.addr });
	if (!r->root.certain)
		add_word(w, m, r->root.to);
	else if (r->root.counted && w->in_edges[row] != UINT32_MAX)
		w->in_edges[row]++;
}

void learn_modules(struct object_walk *w)
{
	for (size_t i = 0; i < w->roots.n; i++) {
		const struct kept_root *r = &w->roots.roots[i];

		if (r->root.group == ROOTS_INTERPRETER && r->root.kind == ROOT_FIELD &&
		    r->id < TORN && w->rows[r->id] != NO_NODE &&
		    str_is(text_at(&w->roots, r->name_at, r->root.name), "modules"))
			map_set(&w->modules, w->rows[r->id], 0);
	}
}

void build_roots(struct object_walk *w, struct model *m)
{
	const struct kept_root *before = NULL;
	uint32_t group = 0;

	for (size_t i = 0; i < w->roots.n; i++) {
		const struct kept_root *r = &w->roots.roots[i];

		/* Names of modules are told with each of their roots. */
		if (!before || r->root.group == ROOTS_MODULE || !same_group(before, r))
			group = group_of(w, r, m);
		build_root(w, m, r, group);
		before = r;
	}
	root_list_release(&w->roots);
}
