/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A breadth-first search from the node against the edges, so that the first path found from
 * a root is the shortest. It is made up to three times: over certain edges alone; over all
 * that count, for roots that were not met; and for one path that ends with a weak reference.
 *
 * A module's names are roots, but the reference is owned by the module's dict, and that is
 * held by every function of the module (`__globals__`). So the step from a named node up to
 * the dict that names it is not taken: its name is the path, not the thousand functions.
 */
#include "analysis/analysis_int.h"

#include <stdlib.h>

enum {
	GROUPS_ABOVE = 1000,       /* in-edges: more are told in groups */
	EDGES_MOST = 1 << 25,      /* looked at by one search that finds nothing ... */
	EDGES_MORE = 1 << 20,      /* ... and after it found something */
	NO_VISIT = UINT32_MAX - 1, /* a 32-bit number of a visit */
};

/* A node that was met, and the way from it towards the one that was asked about. */
struct visit {
	uint32_t node, next; /* next: a visit; of the first itself */
	uint64_t edge;       /* that leads to next */
};

struct search {
	const struct model *m;
	struct referrers r;
	const uint8_t *classes;
	struct map root_of;  /* node -> the first row of m->roots that holds it */
	uint32_t *root_next; /* row -> the next one of that node; NO_NODE none */
	struct map dicts;    /* of modules: node -> group */
	struct map names;    /* of roots that have their path already */

	struct visit *visits;
	size_t n, cap;
	uint64_t *seen; /* bits, by node */
	uint64_t edges; /* looked at */
	enum edge_class least;
	bool is_weak;
	bool met_possible; /* something that only the next search takes */

	struct why *out;
	size_t max;
};

/* ---- what the model says of roots ---- */

static bool is_dict_of_module(const struct model *m, uint64_t edge)
{
	uint16_t label = m->edge_to.label[edge];
	struct str name = model_text(m, m->labels.name[label]);

	return m->labels.kind[label] == LABEL_FIELD && m->edge_to.node[edge] != NO_NODE &&
	       (str_is(name, "__dict__") || str_is(name, "md_dict"));
}

static void find_dict(struct search *s, uint32_t module, uint32_t group)
{
	const struct model *m = s->m;

	for (uint64_t e = m->edge_first.at[module]; e < m->edge_first.at[module + 1]; e++)
		if (is_dict_of_module(m, e))
			map_set(&s->dicts, m->edge_to.node[e], group);
}

static void index_roots(struct search *s)
{
	const struct model *m = s->m;

	s->root_next = xcalloc(m->roots.n, sizeof(*s->root_next));
	for (uint32_t r = (uint32_t)m->roots.n; r-- > 0;) {
		uint32_t node = m->roots.node[r], next = NO_NODE;

		if (node >= node_count(m))
			continue;
		if (!map_find(&s->root_of, node, &next))
			next = NO_NODE;
		s->root_next[r] = next;
		map_set(&s->root_of, node, r);
		if (m->roots.kind[r] == ROOT_MODULE)
			find_dict(s, node, m->roots.group[r]);
	}
}

static uint32_t first_root(const struct search *s, uint32_t node)
{
	uint32_t row;

	return map_find(&s->root_of, node, &row) ? row : NO_NODE;
}

/* Is it by this dict that a root names the node? */
static bool is_named_by(const struct search *s, uint32_t dict, uint32_t node)
{
	uint32_t group;

	if (!map_find(&s->dicts, dict, &group))
		return false;
	for (uint32_t r = first_root(s, node); r != NO_NODE; r = s->root_next[r])
		if (s->m->roots.kind[r] == ROOT_NAME && s->m->roots.group[r] == group)
			return true;
	return false;
}

/* ---- paths ---- */

static bool path_is_certain(const struct search *s, const struct why_path *p)
{
	if (p->root != NO_NODE && !s->m->roots.certain[p->root])
		return false;
	for (size_t i = 1; i < p->nsteps; i++)
		if (s->classes[s->m->edge_to.label[p->steps[i].edge]] != EDGE_CERTAIN)
			return false;
	return true;
}

static void add_path(struct search *s, uint32_t root, uint32_t visit)
{
	struct why *w = s->out;
	struct why_path p = { .root = root, .weak = s->is_weak, .nsteps = 1 };
	uint64_t edge = NO_EDGE;

	for (uint32_t v = visit; v != 0; v = s->visits[v].next)
		p.nsteps++;
	p.steps = xcalloc(p.nsteps, sizeof(*p.steps));
	for (size_t i = 0; i < p.nsteps; i++, visit = s->visits[visit].next) {
		p.steps[i] = (struct why_step){ s->visits[visit].node, edge };
		edge = s->visits[visit].edge;
	}
	p.certain = path_is_certain(s, &p);
	w->paths = xrealloc(w->paths, w->n + 1, sizeof(*w->paths));
	w->paths[w->n++] = p;
}

/* One path per name; a name is of its group. True: it is new. */
static bool name_is_new(struct search *s, uint32_t root)
{
	const struct model_roots *r = &s->m->roots;
	uint64_t key = (uint64_t)r->group[root] << 32 | r->name[root];

	key = key * 0x9e3779b97f4a7c15u + r->kind[root];
	if (map_has(&s->names, key))
		return false;
	map_set(&s->names, key, 1);
	return true;
}

static bool is_done(const struct search *s)
{
	return s->is_weak ? s->out->n > 0 && s->out->paths[s->out->n - 1].weak
			  : s->out->n >= s->max;
}

static void add_paths(struct search *s, uint32_t visit)
{
	uint32_t r = first_root(s, s->visits[visit].node);

	for (; r != NO_NODE && !is_done(s); r = s->root_next[r])
		if (!s->m->roots.certain[r] && s->least == EDGE_CERTAIN)
			s->met_possible = true;
		else if (s->is_weak || name_is_new(s, r))
			add_path(s, r, visit);
}

/* ---- the search ---- */

static void visit_add(struct search *s, uint32_t node, uint32_t next, uint64_t edge)
{
	if (s->seen[node / 64] >> node % 64 & 1 || s->n >= NO_VISIT)
		return;
	s->seen[node / 64] |= 1ull << node % 64;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 1024;
		s->visits = xrealloc(s->visits, s->cap, sizeof(*s->visits));
	}
	s->visits[s->n++] = (struct visit){ node, next, edge };
}

static void visit_referrers(struct search *s, uint32_t visit)
{
	uint32_t node = s->visits[visit].node;

	for (uint64_t i = s->r.first[node]; i < s->r.first[node + 1]; i++, s->edges++) {
		uint16_t label = s->m->edge_to.label[s->r.edge[i]];

		if (s->classes[label] < s->least)
			s->met_possible |= s->classes[label] == EDGE_POSSIBLE;
		else if (!is_named_by(s, s->r.from[i], node))
			visit_add(s, s->r.from[i], visit, s->r.edge[i]);
	}
}

static bool has_budget(const struct search *s)
{
	return s->edges < (s->out->n > 0 ? EDGES_MORE : EDGES_MOST);
}

static void search_begin(struct search *s, uint32_t node, enum edge_class least)
{
	memset(s->seen, 0, ((size_t)node_count(s->m) / 64 + 1) * 8);
	s->n = s->edges = 0;
	s->least = least;
	visit_add(s, node, 0, NO_EDGE);
}

/* From visit `at` on. */
static void search_run(struct search *s, uint32_t at)
{
	for (; at < s->n && !is_done(s) && has_budget(s); at++) {
		add_paths(s, at);
		visit_referrers(s, at);
	}
}

/* Which of those that were met to call the first of all that hold it. */
static uint32_t top_visit(const struct search *s)
{
	const struct model *m = s->m;

	for (uint32_t i = 1; i < s->n; i++) {
		uint32_t node = s->visits[i].node;

		if (m->dominators.n ? m->dominators.parent[node] ==
					      node_count(m) + ROOTS_UNREACHED
				    : s->r.first[node] == s->r.first[node + 1])
			return i;
	}
	return 1;
}

static void search_weak(struct search *s, uint32_t node)
{
	search_begin(s, node, EDGE_POSSIBLE);
	for (uint64_t i = s->r.first[node]; i < s->r.first[node + 1]; i++)
		if (s->classes[s->m->edge_to.label[s->r.edge[i]]] == EDGE_WEAK)
			visit_add(s, s->r.from[i], 0, s->r.edge[i]);
	s->is_weak = true;
	search_run(s, 1);
}

static int path_compare(const void *a, const void *b)
{
	const struct why_path *x = a, *y = b;

	if (x->weak != y->weak)
		return x->weak ? 1 : -1;
	if (x->certain != y->certain)
		return x->certain ? -1 : 1;
	if (x->nsteps != y->nsteps)
		return x->nsteps < y->nsteps ? -1 : 1;
	return (x->root > y->root) - (x->root < y->root);
}

static void find_paths(struct search *s, uint32_t node)
{
	search_begin(s, node, EDGE_CERTAIN);
	search_run(s, 0);
	if (!is_done(s) && s->met_possible) {
		search_begin(s, node, EDGE_POSSIBLE);
		search_run(s, 0);
	}
	if (s->out->n == 0 && s->n > 1)
		add_path(s, NO_NODE, top_visit(s));
	if (!is_done(s))
		search_weak(s, node);
	if (s->out->n > 1)
		qsort(s->out->paths, s->out->n, sizeof(*s->out->paths), path_compare);
}

/* ---- groups ---- */

static int group_compare(const void *a, const void *b)
{
	const struct why_group *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return (x->label > y->label) - (x->label < y->label);
}

static struct why_group *group_of(struct why *w, struct map *index, uint32_t type,
				  uint16_t label)
{
	uint64_t key = (uint64_t)type << 16 | label;
	uint32_t row;

	if (map_find(index, key, &row))
		return &w->groups[row];
	map_set(index, key, (uint32_t)w->ngroups);
	if ((w->ngroups & (w->ngroups - 1)) == 0)
		w->groups = xrealloc(w->groups, w->ngroups ? 2 * w->ngroups : 1,
				     sizeof(*w->groups));
	w->groups[w->ngroups] = (struct why_group){ type, label, 0 };
	return &w->groups[w->ngroups++];
}

static void count_in_edges(struct search *s, uint32_t node)
{
	const struct model *m = s->m;
	struct map index = { 0 };

	for (uint64_t i = s->r.first[node]; i < s->r.first[node + 1]; i++)
		s->out->in_edges +=
			s->classes[m->edge_to.label[s->r.edge[i]]] != EDGE_WEAK;
	if (s->out->in_edges <= GROUPS_ABOVE)
		return;
	for (uint64_t i = s->r.first[node]; i < s->r.first[node + 1]; i++) {
		uint16_t label = m->edge_to.label[s->r.edge[i]];

		if (s->classes[label] != EDGE_WEAK)
			group_of(s->out, &index, node_type(m, s->r.from[i]), label)
				->count++;
	}
	map_release(&index);
	qsort(s->out->groups, s->out->ngroups, sizeof(*s->out->groups), group_compare);
}

/* Of the program's own data, and not counted: None, True, small ints, built-in types. */
static bool is_immortal(const struct model *m, uint32_t node)
{
	size_t slab;
	uint32_t block;

	return node_is_object(m, node) && m->objects.refcount[node] == OBJECT_IMMORTAL &&
	       model_block_at(m, m->objects.addr[node]) == m->blocks.n &&
	       !model_slab_block_at(m, m->objects.addr[node], &slab, &block);
}

void why_build(const struct model *m, uint32_t node, size_t max_paths, struct why *out)
{
	struct search s = { .m = m, .out = out, .max = max_paths };
	uint8_t *classes;

	*out = (struct why){ .is_immortal = is_immortal(m, node) };
	if (m->edge_first.n == 0)
		return;
	s.classes = classes = edge_classes_new(m);
	s.seen = xcalloc((size_t)node_count(m) / 64 + 1, 8);
	referrers_build(m, &s.r);
	index_roots(&s);
	count_in_edges(&s, node);
	if (max_paths > 0)
		find_paths(&s, node);
	referrers_release(&s.r);
	map_release(&s.root_of);
	map_release(&s.dicts);
	map_release(&s.names);
	free(s.root_next);
	free(s.visits);
	free(s.seen);
	free(classes);
}

void why_release(struct why *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->paths[i].steps);
	free(w->paths);
	free(w->groups);
	*w = (struct why){ 0 };
}
