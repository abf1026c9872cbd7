/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From words to references. A word can be judged only when all nodes are known, so the
 * scan keeps each that falls among blocks and pools (8 bytes), and here it becomes a node
 * and a label, in the same 8 bytes, on all cores; then segment after segment moves into
 * m->edge_to and gives its memory back: the peak is what there is, and one segment.
 *
 * A block that belongs to an object is read by its owner's layout, so its words are passed
 * over. What the objects' own layouts did not tell (bodies of unknown types) is inserted
 * behind each object's certain edges.
 *
 * A reference counts when it falls inside a node and not into the one it comes from.
 * Several words to the same node are several references. One to an object counts only if
 * the object's refcount exceeds the references that are certain: then somebody holds it
 * whom no layout tells. Whether there are more such words than unexplained references is
 * not asked: which of them are stale nobody knows, and the answer must not depend on the
 * order in which they are met. An immortal object is held anyway.
 */
#include "base/pool.h"
#include "collect/edges_int.h"

#include <stdlib.h>
#include <string.h>

enum { AHEAD = 16 /* words: their slots are fetched while earlier ones are looked up */ };

struct resolving {
	struct scan *scan;
	const struct references *references;
};

enum { WORKERS_MAX = 64 /* pool_cores */ };

/* The words of a segment, one after the other, and places for what becomes of them: an
 * edge never lies ahead of the word it was made of, so they share the memory. */
struct word_stream {
	struct word_segment *at;
	size_t i;
};

static inline uint64_t *stream_next(struct word_stream *w)
{
	if (w->i == SEGMENT_WORDS)
		*w = (struct word_stream){ w->at->next, 0 };
	return &w->at->words[w->i++];
}

static void stream_skip(struct word_stream *w, size_t n)
{
	while (n > SEGMENT_WORDS - w->i) {
		n -= SEGMENT_WORDS - w->i;
		*w = (struct word_stream){ w->at->next, 0 };
	}
	w->i += n;
}

static inline void fetch_ahead(const struct word_stream *w, const struct index_range *r)
{
	if (w->i + AHEAD < SEGMENT_WORDS) {
		uint64_t offset = w->at->words[w->i + AHEAD] - r->start;

		if (r->slots && offset < r->end - r->start)
			__builtin_prefetch(&r->slots[offset / INDEX_SLOT_BYTES]);
	}
}

/* What is at `at`; it is looked for first where the last one was, which is *near. */
static inline struct index_hit find_near(const struct node_index *x,
					 const struct index_range **near, taddr at)
{
	const struct index_range *here;

	if (at - (*near)->start < (*near)->end - (*near)->start)
		return node_index_in_range(x, *near, at);
	here = node_index_range(x, at);
	*near = here ? here : *near;
	return node_index_find(x, at);
}

/* The word before `in` leads to the address of this block, and two follow it. */
static void look_for_vector(struct waste_list *found, const struct model *m,
			    struct word_stream in, uint32_t node)
{
	uint64_t words[3] = { m->blocks.addr[node - m->objects.n] };

	words[1] = *stream_next(&in);
	words[2] = *stream_next(&in);
	vector_see(found, m, node, words);
}

/* Turns the words of a segment into edges and counts those of each block. */
static void resolve_segment(const struct references *refs, struct row_segment *rows,
			    struct waste_list *vectors)
{
	static const struct index_range nowhere;
	const struct node_index *x = &refs->index;
	struct word_stream in = { rows->words, 0 }, out = in;
	const struct index_range *r = &nowhere;

	rows->nwords = 0;
	for (size_t i = 0; i < rows->n; i++) {
		uint32_t left = rows->counts[i];
		uint32_t self = node_of_block(x->m, rows->first + i);

		rows->counts[i] = 0;
		if (left > 0 && x->m->blocks.owner[rows->first + i] != 0) {
			stream_skip(&in, left);
			continue;
		}
		for (; left > 0; left--) {
			taddr at = *stream_next(&in);
			struct index_hit hit;

			fetch_ahead(&in, r);
			hit = find_near(x, &r, at);
			if (hit.node == self || !reference_counts(refs, hit.node))
				continue;
			if (vectors && left > 2 && hit.label == LABEL_POSSIBLE &&
			    !node_is_object(x->m, hit.node))
				look_for_vector(vectors, x->m, in, hit.node);
			*stream_next(&out) = hit.node | (uint64_t)hit.label << 32;
			rows->counts[i]++;
		}
		rows->nwords += rows->counts[i];
	}
}

static void resolve_segments(void *context, size_t begin, size_t end, unsigned worker)
{
	struct resolving *r = context;

	if (worker == 0)
		progress_step(r->scan->progress, begin, r->scan->nsegments);
	for (size_t i = begin; i < end; i++)
		resolve_segment(r->references, r->scan->segments[i],
				r->references->vectors ? &r->references->vectors[worker]
						       : NULL);
}

/* ---- what layouts did not tell of objects ---- */

struct found_edge {
	uint32_t object;
	struct index_hit hit;
};

struct found_edges {
	struct found_edge *edges; /* by object */
	size_t n;
};

/* A row of roots that waits for its node; what does not count stays NO_NODE. */
static void resolve_root(uint32_t row, uint32_t node, struct model *m)
{
	if (m->roots.node[row] == NO_NODE)
		m->roots.node[row] = node;
	else
		root_add(m, m->roots.group[row],
			 &(struct root){ .kind = m->roots.kind[row],
					 .name = model_text(m, m->roots.name[row]),
					 .node = node });
}

static void resolve_possible(struct found_edges *found, const struct references *refs,
			     struct model *m)
{
	const struct possible_word *words = refs->possible;

	found->edges = xcalloc(refs->npossible + 1, sizeof(*found->edges));
	for (size_t i = 0; i < refs->npossible; i++) {
		struct index_hit hit = node_index_find(&refs->index, words[i].word);
		uint32_t from = words[i].object;

		if (!reference_counts(refs, hit.node))
			continue;
		if (words[i].is_root)
			resolve_root(from, hit.node, m);
		else if (hit.node != from)
			found->edges[found->n++] = (struct found_edge){ from, hit };
	}
}

/* Edges of objects move up, last first, to make room behind each one's own. The table has
 * room for all. */
static void insert_found(const struct found_edges *found, struct model *m)
{
	size_t left = found->n;
	uint64_t *first = m->edge_first.at;

	for (size_t o = m->objects.n; left > 0 && o-- > 0;) {
		uint64_t end = first[o + 1], n = end - first[o];

		first[o + 1] += left;
		while (left > 0 && found->edges[left - 1].object == o) {
			m->edge_to.node[end + left - 1] = found->edges[left - 1].hit.node;
			m->edge_to.label[end + left - 1] =
				(uint16_t)found->edges[left - 1].hit.label;
			left--;
		}
		memmove(m->edge_to.node + first[o] + left, m->edge_to.node + first[o],
			n * sizeof(*m->edge_to.node));
		memmove(m->edge_to.label + first[o] + left, m->edge_to.label + first[o],
			n * sizeof(*m->edge_to.label));
	}
}

/* ---- all together ---- */

/* Moves a segment's edges behind those that are there, and gives their memory back. */
static void move_edges(struct row_segment *rows, struct model *m, uint64_t at)
{
	uint64_t *first = m->edge_first.at + m->objects.n + rows->first;
	struct word_stream in = { rows->words, 0 };

	for (size_t i = 0; i < rows->n; i++) {
		first[i] = at;
		for (uint32_t left = rows->counts[i]; left > 0; left--) {
			uint64_t edge = *stream_next(&in);

			m->edge_to.node[at] = (uint32_t)edge;
			m->edge_to.label[at++] = (uint16_t)(edge >> 32);
		}
	}
	segment_free_words(rows);
}

struct moving {
	struct model *m;
	const struct scan *scan;
	const uint64_t *at; /* by segment: the row of its first edge */
};

static void move_segments(void *context, size_t begin, size_t end, unsigned worker)
{
	const struct moving *g = context;

	(void)worker;
	for (size_t i = begin; i < end; i++)
		move_edges(g->scan->segments[i], g->m, g->at[i]);
}

static void assemble(const struct scan *s, const struct found_edges *found,
		     struct model *m)
{
	uint64_t *at = xcalloc(s->nsegments + 1, sizeof(*at));
	struct moving moving = { m, s, at };

	at[0] = m->edge_to.n + found->n;
	for (size_t i = 0; i < s->nsegments; i++)
		at[i + 1] = at[i] + s->segments[i]->nwords;
	model_table_resize(m, &model_tables[TABLE_edge_to], at[s->nsegments]);
	model_table_resize(m, &model_tables[TABLE_edge_first], node_count(m) + (size_t)1);
	insert_found(found, m);
	pool_run(pool_cores(), s->nsegments, 1, move_segments, &moving);
	m->edge_first.at[node_count(m)] = at[s->nsegments];
	free(at);
}

void references_build(struct references *refs, struct scan *s, struct root_scan *r,
		      const struct module_set *modules, struct model *m)
{
	struct resolving resolving = { s, refs };
	struct found_edges found = { 0 };

	(void)model_label(m, LABEL_POSSIBLE, str_of(""));
	node_index_build(&refs->index, s->spans, s->nspans, m);
	if (r)
		roots_build(r, refs, modules, m);
	resolve_possible(&found, refs, m);
	pool_run(pool_cores(), s->nsegments, 1, resolve_segments, &resolving);
	node_index_release(&refs->index);
	assemble(s, &found, m);
	free(found.edges);
	roots_sort(m);
}

static void build_vectors(struct references *refs, struct model *m)
{
	struct waste_list all = { 0 };

	for (size_t i = 0; i < WORKERS_MAX; i++) {
		for (size_t k = 0; k < refs->vectors[i].n; k++)
			waste_add(&all, &refs->vectors[i].items[k]);
		waste_list_release(&refs->vectors[i]);
	}
	build_slack(&all, m);
	free(refs->vectors);
}

void edges_build(struct scan *s, struct object_walk *w, struct root_scan *r,
		 const struct module_set *modules, struct model *m)
{
	struct references refs = { 0 };

	progress_stage(s->progress, "finding references");
	if (w) {
		refs.in_edges = objects_in_edges(w);
		refs.npossible = objects_possible(w, &refs.possible);
	}
	if (s->waste)
		refs.vectors = xcalloc(WORKERS_MAX, sizeof(*refs.vectors));
	references_build(&refs, s, r, modules, m);
	if (s->waste)
		build_vectors(&refs, m);
}
