/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over an interpreter's objects, while its memory can be read:
 *
 *   pools     each is read for its slabs: which blocks are in use, which look like objects
 *   slabs     their objects, KEEP_ROWS to a piece of work; the collector's lists and the
 *             roots beside them
 *   rounds    what lies outside the slabs, as references met it, until nothing new comes
 *
 * Work is handed out to all cores. Every address is read once: slabs name theirs once, and
 * the set of those outside holds each once, so the rounds end.
 */
#include "base/pool.h"
#include "collect/objects_int.h"

#include <stdlib.h>

/* A reader has up to 16 MiB of the target's memory at hand. */
enum { KEEPERS_MAX = 16 };

static const struct object_reader live_reader = {
	.pools = python_pools,
	.reader_new = python_reader_new,
	.reader_free = python_reader_free,
	.read_pool = python_read_pool,
	.read_lists = python_read_lists,
	.read_roots = python_read_roots,
	.read_frames = python_read_frames,
	.read_object = python_read_object,
	.type_count = python_type_count,
	.type_name = python_type_name,
	.type_uncounted = python_type_uncounted,
	.label_count = python_label_count,
	.label_kind = python_label_kind,
	.label_name = python_label_name,
};

struct object_walk *object_walk_over(const struct object_reader *reader,
				     struct python *py, const struct collect_options *o)
{
	struct object_walk *w = xcalloc(1, sizeof(*w));

	w->reader = reader;
	w->py = py;
	w->values = o->values;
	w->edges = o->edges;
	w->waste = o->waste;
	w->progress = o->progress;
	w->nkeepers = (unsigned)min_u64(pool_cores(), KEEPERS_MAX);
	w->keepers = xcalloc(w->nkeepers, sizeof(*w->keepers));
	for (unsigned i = 0; i < w->nkeepers; i++)
		w->keepers[i].walk = w;
	pthread_mutex_init(&w->outside.lock, NULL);
	return w;
}

struct object_walk *object_walk_new(struct python *py, const struct collect_options *o)
{
	return object_walk_over(&live_reader, py, o);
}

struct pool_reading {
	struct pool_slabs *slabs;
	const struct python_pool *pool;
};

static void on_slab(void *context, const struct python_slab *slab)
{
	struct pool_reading *r = context;

	pool_slabs_add(r->slabs, r->pool, slab);
}

static void read_pools(void *context, size_t begin, size_t end, unsigned worker)
{
	struct object_walk *w = context;

	if (worker == 0)
		progress_step(w->progress, begin, w->slabs.npools);
	for (size_t i = begin; i < end; i++) {
		struct pool_reading r = { &w->by_pool[i], &w->slabs.pools[i] };

		w->reader->read_pool(w->keepers[worker].reader, i, on_slab, &r);
	}
}

static void read_slabs(struct object_walk *w)
{
	struct slab_table *t = &w->slabs;

	progress_stage(w->progress, "finding objects");
	w->by_pool = xcalloc(t->npools, sizeof(*w->by_pool));
	pool_run(w->nkeepers, t->npools, 1, read_pools, w);
	w->is_full = !slab_table_build(t, w->by_pool);
	free(w->by_pool);
	w->by_pool = NULL;
}

static void add_source(struct object_walk *w, uint32_t id)
{
	if (id >= TORN)
		return;
	if (w->nsources == w->sources_cap) {
		w->sources_cap = w->sources_cap ? 2 * w->sources_cap : 1024;
		w->sources = xrealloc(w->sources, w->sources_cap, sizeof(*w->sources));
	}
	w->sources[w->nsources++] = id;
}

static void on_listed(void *context, taddr at)
{
	struct keeper *k = context;

	add_source(k->walk, keep_resolve(k, at));
}

static void on_root(void *context, const struct python_root *root)
{
	struct keeper *k = context;
	uint32_t id = root->certain ? keep_resolve(k, root->to) : NO_OBJECT;

	add_source(k->walk, id);
	root_list_add(&k->walk->roots, root, id);
}

static void on_frame(void *context, const struct python_frame *frame)
{
	struct keeper *k = context;

	frame_list_add(&k->walk->frames, frame);
}

/* In a segment, since it was as `before`. */
static void tell_found(struct object_walk *w, const struct keep_segment *s,
		       const struct keep_segment *before)
{
	need_add(w->need,
		 &(struct found){ .done = s->n - before->n,
				  .nodes = s->n - before->n,
				  .words = s->nedges - before->nedges,
				  .bytes = s->values.n - before->values.n,
				  .wastes = s->contents.n + s->slack.n -
					    before->contents.n - before->slack.n });
}

static void read_piece(struct object_walk *w, struct keeper *k, size_t segment)
{
	uint32_t first = (uint32_t)(segment * KEEP_ROWS);
	struct slab_iter it = slab_iter_from(&w->slabs, first);
	const struct keep_segment before = w->segments[segment];

	for (uint32_t n = 0; n < KEEP_ROWS && slab_iter_next(&it); n++) {
		const struct walk_slab *s = &w->slabs.slabs[it.block.slab];

		k->room = slab_block_start(&w->slabs, &it.block) + s->block_size;
		keep_object(k, it.id, it.at);
	}
	tell_found(w, &w->segments[segment], &before);
}

/* Piece 0 is the lists and the roots: one long chain, so it is begun first. */
static void read_pieces(void *context, size_t begin, size_t end, unsigned worker)
{
	struct object_walk *w = context;
	struct keeper *k = &w->keepers[worker];

	if (worker == 0)
		progress_step(w->progress, begin, w->nsegments);
	for (size_t i = begin; i < end; i++) {
		if (i > 0) {
			read_piece(w, k, i - 1);
			continue;
		}
		w->reader->read_roots(k->reader, on_root, k);
		w->reader->read_frames(k->reader, on_frame, k);
		w->reader->read_lists(k->reader, on_listed, k);
	}
}

static void make_segments(struct object_walk *w)
{
	size_t n = ((size_t)walk_ids(w) + KEEP_ROWS - 1) / KEEP_ROWS;

	w->segments = xrealloc(w->segments, n, sizeof(*w->segments));
	for (; w->nsegments < n; w->nsegments++)
		w->segments[w->nsegments] = (struct keep_segment){ 0 };
}

static void read_outside(void *context, size_t begin, size_t end, unsigned worker)
{
	struct object_walk *w = context;
	struct keeper *k = &w->keepers[worker];

	k->room = UINT64_MAX;
	for (size_t s = w->round_begin / KEEP_ROWS + begin;
	     s < w->round_begin / KEEP_ROWS + end; s++) {
		uint64_t first = max_u64(s * KEEP_ROWS, w->round_begin);
		uint64_t last = min_u64((s + 1) * KEEP_ROWS, w->round_end);
		const struct keep_segment before = w->segments[s];

		for (uint64_t id = first; id < last; id++)
			keep_object(k, (uint32_t)id,
				    outside_addr(&w->outside, (uint32_t)id));
		tell_found(w, &w->segments[s], &before);
	}
}

static void read_rounds(struct object_walk *w)
{
	w->round_end = w->outside.first;
	while (w->round_end < walk_ids(w)) {
		size_t first;

		w->round_begin = w->round_end;
		w->round_end = walk_ids(w);
		make_segments(w);
		need_stage(w->need, w->round_end - w->round_begin);
		first = w->round_begin / KEEP_ROWS;
		pool_run(w->nkeepers, w->nsegments - first, 1, read_outside, w);
	}
}

static void find_pools(struct object_walk *w)
{
	struct slab_table *t = &w->slabs;
	uint64_t bytes = 0;

	t->npools = w->reader->pools(w->py, &t->pools);
	for (size_t i = 0; i < t->npools; i++)
		bytes += t->pools[i].end - t->pools[i].start;
	need_guess(w->need, bytes);
}

void objects_read(struct object_walk *w, struct need *need)
{
	w->need = need;
	find_pools(w);
	for (unsigned i = 0; i < w->nkeepers; i++)
		w->keepers[i].reader = w->reader->reader_new(w->py);
	read_slabs(w);
	if (!w->is_full) {
		w->outside.first = (uint32_t)align_up(w->slabs.nobjects, KEEP_ROWS);
		w->outside.max = TORN - w->outside.first;
		make_segments(w);
		progress_stage(w->progress, "reading objects");
		need_stage(need, w->slabs.nobjects);
		pool_run(w->nkeepers, w->nsegments + 1, 1, read_pieces, w);
		read_rounds(w);
		w->is_full = w->outside.is_full;
	}
	for (unsigned i = 0; i < w->nkeepers; i++) {
		w->reader->reader_free(w->keepers[i].reader);
		w->keepers[i].reader = NULL;
	}
}

size_t objects_possible(const struct object_walk *w, const struct possible_word **out)
{
	*out = w->possible;
	return w->npossible;
}

uint32_t *objects_in_edges(struct object_walk *w)
{
	return w->in_edges;
}

void object_walk_free(struct object_walk *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->nsegments; i++)
		keep_segment_release(&w->segments[i]);
	for (unsigned i = 0; i < w->nkeepers; i++) {
		free(w->keepers[i].parts);
		free(w->keepers[i].large);
		free(w->keepers[i].misfits);
	}
	free(w->segments);
	free(w->keepers);
	free(w->sources);
	slab_table_release(&w->slabs);
	outside_release(&w->outside);
	root_list_release(&w->roots);
	frame_list_release(&w->frames);
	map_release(&w->guests);
	map_release(&w->modules);
	free(w->grades);
	free(w->is_weak);
	free(w->claims);
	free(w->parts);
	free(w->rows);
	free(w->others);
	free(w->labels);
	free(w->large);
	map_release(&w->large_by_row);
	free(w->in_edges);
	free(w->possible);
	free(w);
}
