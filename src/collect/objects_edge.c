/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References as rows. Each segment knows how many each of its objects has, so all cores
 * write theirs where they belong. A certain reference that leads to what turned out to be
 * no object keeps its place among the items, and is counted as torn.
 *
 * The dict of all modules would hold all that modules hold: nothing then is a module's own.
 * So what it says is shown and keeps nothing alive; the groups of roots have the modules.
 */
#include "base/pool.h"
#include "collect/objects_int.h"

#include <stdlib.h>

struct torn {
	uint64_t n;
	taddr first;
};

struct edges_copy {
	struct object_walk *w;
	struct model *m;
	uint16_t module_label;
	struct torn *torn; /* of each worker */
};

/* ---- labels ---- */

struct named {
	enum label_kind kind;
	struct str name;
	uint16_t number;
};

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = str_compare(x->name, y->name);

	return order ? order : (x->kind > y->kind) - (x->kind < y->kind);
}

/* Numbered as threads met them; the model's rows are by name. */
void build_labels(struct object_walk *w, struct model *m)
{
	uint16_t n = w->reader->label_count(w->py);
	struct named *names = xcalloc((size_t)n + 1, sizeof(*names));

	w->labels = xcalloc(UINT16_MAX + 1, sizeof(*w->labels));
	for (uint32_t i = 0; i < n; i++)
		names[i] = (struct named){ w->reader->label_kind(w->py, (uint16_t)i),
					   w->reader->label_name(w->py, (uint16_t)i),
					   (uint16_t)i };
	qsort(names, n, sizeof(*names), by_name);
	for (uint32_t i = 0; i < n; i++)
		w->labels[names[i].number] = model_label(m, names[i].kind, names[i].name);
	free(names);
}

/* ---- edges ---- */

static void count_edges(void *context, size_t begin, size_t end, unsigned worker)
{
	const struct edges_copy *copy = context;

	(void)worker;
	for (size_t s = begin; s < end; s++) {
		const struct keep_segment *segment = &copy->w->segments[s];

		for (uint32_t row = 0; row < segment->n; row++) {
			uint32_t from = copy->w->rows[s * KEEP_ROWS + row];

			if (from != NO_NODE)
				copy->m->edge_first.at[from] =
					segment->edges_end[row] -
					keep_edges_begin(segment, row);
		}
	}
}

static uint64_t sum_up(struct model *m)
{
	uint64_t total = 0;

	for (size_t row = 0; row < m->edge_first.n; row++) {
		uint64_t n = m->edge_first.at[row];

		m->edge_first.at[row] = total;
		total += n;
	}
	return total;
}

static void note_torn(struct torn *torn, taddr at)
{
	if (torn->n++ == 0 || at < torn->first)
		torn->first = at;
}

static void copy_edges(const struct edges_copy *copy, const struct keep_segment *s,
		       uint32_t row, uint32_t from, struct torn *torn)
{
	const struct object_walk *w = copy->w;
	struct model *m = copy->m;
	bool is_modules = map_has(&w->modules, from);
	uint64_t at = m->edge_first.at[from];

	for (uint32_t e = keep_edges_begin(s, row); e < s->edges_end[row]; e++, at++) {
		uint32_t id = keep_edge_node(s, e);
		uint16_t label = keep_edge_label(s, e);

		m->edge_to.node[at] = id < TORN ? w->rows[id] : NO_NODE;
		m->edge_to.label[at] = is_modules && label == LABEL_VALUE
					       ? copy->module_label
					       : w->labels[label];
		if (id != NO_OBJECT && m->edge_to.node[at] == NO_NODE &&
		    !w->is_weak[label])
			note_torn(torn, m->objects.addr[from]);
	}
}

static void copy_segments(void *context, size_t begin, size_t end, unsigned worker)
{
	const struct edges_copy *copy = context;

	for (size_t s = begin; s < end; s++) {
		struct keep_segment *segment = &copy->w->segments[s];

		for (uint32_t row = 0; row < segment->n; row++) {
			uint32_t from = copy->w->rows[s * KEEP_ROWS + row];

			if (from != NO_NODE)
				copy_edges(copy, segment, row, from, &copy->torn[worker]);
		}
		keep_segment_free_edges(segment);
	}
}

static void count_in_edges(struct object_walk *w, const struct model *m,
			   uint16_t module_label)
{
	for (size_t i = 0; i < m->edge_to.n; i++) {
		uint32_t to = m->edge_to.node[i];
		uint16_t label = m->edge_to.label[i];

		if (to != NO_NODE && w->in_edges[to] != UINT32_MAX &&
		    (label == module_label || label_is_certain(m, label)))
			w->in_edges[to]++;
	}
}

/* More references own an object than it counts: something was read while it changed. */
void find_overcounted(struct object_walk *w, const struct model *m)
{
	for (size_t i = 0; i < m->objects.n; i++)
		if (m->objects.refcount[i] < OBJECT_IMMORTAL - 1 &&
		    w->in_edges[i] > m->objects.refcount[i] && w->nover++ == 0)
			w->over_at = m->objects.addr[i];
}

static void gather_torn(struct object_walk *w, const struct torn *torn)
{
	for (unsigned i = 0; i < w->nkeepers; i++) {
		if (torn[i].n && (w->ntorn == 0 || torn[i].first < w->torn_at))
			w->torn_at = torn[i].first;
		w->ntorn += torn[i].n;
	}
}

/* ---- words that may be references ---- */

static int by_object(const void *a, const void *b)
{
	const struct possible_word *x = a, *y = b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	return (x->word > y->word) - (x->word < y->word);
}

static void build_possible(struct object_walk *w)
{
	size_t n = 0;

	for (size_t s = 0; s < w->nsegments; s++)
		n += w->segments[s].nwords;
	w->possible = xcalloc(n + 1, sizeof(*w->possible));
	for (size_t s = 0; s < w->nsegments; s++) {
		struct keep_segment *segment = &w->segments[s];

		for (size_t i = 0; i < segment->nwords; i++) {
			const struct kept_word *word = &segment->words[i];
			uint32_t row = w->rows[s * KEEP_ROWS + word->row];

			if (row != NO_NODE)
				w->possible[w->npossible++] =
					(struct possible_word){ .object = row,
								.word = word->word };
		}
		free(segment->words);
		segment->words = NULL;
		segment->nwords = 0;
	}
	if (w->npossible > 1)
		qsort(w->possible, w->npossible, sizeof(*w->possible), by_object);
}

void build_edges(struct object_walk *w, struct model *m)
{
	struct edges_copy copy = { .w = w, .m = m };

	build_possible(w);
	copy.module_label = model_label(m, LABEL_WEAK, str_of("module"));
	copy.torn = xcalloc(w->nkeepers, sizeof(*copy.torn));
	model_table_resize(m, &model_tables[TABLE_edge_first], m->objects.n + 1);
	pool_run(w->nkeepers, w->nsegments, 4, count_edges, &copy);
	model_table_resize(m, &model_tables[TABLE_edge_to], sum_up(m));
	pool_run(w->nkeepers, w->nsegments, 4, copy_segments, &copy);
	gather_torn(w, copy.torn);
	free(copy.torn);
	w->in_edges = xcalloc(m->objects.n + 1, sizeof(*w->in_edges));
	count_in_edges(w, m, copy.module_label);
}
