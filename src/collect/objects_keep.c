/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the reader tells of an object is kept in the segment that its id belongs to: 20
 * bytes an object, 6 a reference. A reference becomes an id at once, so addresses need not
 * be kept. Segments are given back one by one as the model's tables fill.
 */
#include "collect/objects_int.h"

#include <stdlib.h>

/* User space ends here on x86_64. */
static const taddr USER_END = (taddr)1 << 47;

static uint32_t resolve_outside(struct keeper *k, taddr to)
{
	size_t slot = (to >> 3 ^ to >> 13) % NEAR_SLOTS;
	uint32_t id;

	if (k->near[slot].at == to)
		return k->near[slot].id;
	id = outside_id(&k->walk->outside, to);
	k->near[slot].at = to;
	k->near[slot].id = id;
	return id;
}

uint32_t keep_resolve(struct keeper *k, taddr to)
{
	const struct slab_table *t = &k->walk->slabs;
	struct slab_block b;
	taddr at;
	uint32_t id;

	if (!slab_table_find(t, to, &b))
		return resolve_outside(k, to);
	if (!slab_block_in_use(t, &b))
		return TORN;
	id = slab_block_object(t, &b, &at);
	/* The slab's guess was wrong where it was: a reference knows better. */
	return id != NO_OBJECT && at == to ? id : resolve_outside(k, to);
}

static void keep_word(struct keep_segment *s, uint64_t word)
{
	if ((s->nwords & (s->nwords - 1)) == 0) /* grows at powers of two */
		s->words = xrealloc(s->words, s->nwords ? 2 * s->nwords : 1,
				    sizeof(*s->words));
	s->words[s->nwords++] = (struct kept_word){ s->n, word };
}

static void on_edge(void *context, taddr to, uint16_t label)
{
	struct keeper *k = context;
	struct keep_segment *s = k->segment;
	uint32_t at = s->nedges % KEEP_EDGES;

	if (label == LABEL_POSSIBLE || label == LABEL_INTERIOR) {
		if (to)
			keep_word(s, to);
		return;
	}
	if (s->nedges == UINT32_MAX)
		return; /* 24 GiB of references in 4,096 objects: not in this world */
	if (s->nedges / KEEP_EDGES == s->nchunks) {
		s->edges = xrealloc(s->edges, s->nchunks + 1, sizeof(void *));
		s->edges[s->nchunks++] = xmap(sizeof(struct edge_chunk));
	}
	s->edges[s->nedges / KEEP_EDGES]->node[at] = to ? keep_resolve(k, to) : NO_OBJECT;
	s->edges[s->nedges / KEEP_EDGES]->label[at] = label;
	s->nedges++;
}

static void on_part(void *context, taddr at, uint64_t size, uint16_t label)
{
	struct keeper *k = context;

	if (at >= USER_END || size > USER_END - at)
		return; /* no size of anything that is there */
	if ((k->nparts & (k->nparts - 1)) == 0)
		k->parts = xrealloc(k->parts, k->nparts ? 2 * k->nparts : 1,
				    sizeof(*k->parts));
	k->parts[k->nparts++] = (struct kept_part){ at, size, k->id, label };
}

static void on_content(void *context, uint64_t hash, uint64_t bytes)
{
	struct keep_segment *s = ((struct keeper *)context)->segment;

	waste_add(&s->contents, &(struct wasted){ hash, s->n, (uint32_t)bytes });
}

static void on_slack(void *context, enum slack_kind kind, uint64_t unused)
{
	struct keep_segment *s = ((struct keeper *)context)->segment;

	if (s->slack.n > 0 && s->slack.items[s->slack.n - 1].node == s->n)
		return; /* an instance that is a dict: one kind is told */
	waste_add(&s->slack, &(struct wasted){ unused, s->n, kind });
}

static void keep_large(struct keeper *k, uint64_t size)
{
	k->large = xrealloc(k->large, k->nlarge + 1, sizeof(*k->large));
	k->large[k->nlarge++] = (struct large_object){ k->id, size };
}

static void keep_misfit(struct keeper *k)
{
	k->misfits = xrealloc(k->misfits, k->nmisfits + 1, sizeof(*k->misfits));
	k->misfits[k->nmisfits++] = k->id;
}

static void keep_row(struct keeper *k, const struct python_object *o, bool is_object)
{
	struct keep_segment *s = k->segment;
	struct keep_columns *c = s->columns;
	uint32_t row = s->n;

	c->type[row] = NOT_READ;
	if (is_object) {
		c->type[row] = o->type;
		c->refcount[row] = o->refcount;
		c->size[row] = (uint32_t)min_u64(o->size, OBJECT_LARGE);
		if (o->size >= OBJECT_LARGE)
			keep_large(k, o->size);
		if (o->own > k->room - o->start)
			keep_misfit(k);
		if (k->walk->values && s->values.n <= UINT32_MAX - o->value.n)
			buf_add(&s->values, o->value.s, o->value.n);
	}
	s->edges_end[row] = s->nedges;
	c->value_end[row] = (uint32_t)s->values.n;
	if (s->places) {
		s->places->addr[row] = k->at;
		s->places->own[row] = is_object ? o->own : 0;
		s->places->before[row] = is_object ? (uint8_t)(k->at - o->start) : 0;
	}
	s->n++;
}

static void prepare_segment(struct keeper *k, uint32_t id)
{
	struct keep_segment *s = walk_segment(k->walk, id);

	if (!s->columns) {
		s->columns = xmap(sizeof(*s->columns));
		s->edges_end = xcalloc(KEEP_ROWS, sizeof(*s->edges_end));
		if (id >= k->walk->outside.first)
			s->places = xmap(sizeof(*s->places));
	}
	k->segment = s;
}

void keep_object(struct keeper *k, uint32_t id, taddr at)
{
	const struct python_sink sink = { .edge = on_edge,
					  .part = on_part,
					  .context = k,
					  .content = k->walk->waste ? on_content : NULL,
					  .slack = k->walk->waste ? on_slack : NULL };
	struct python_object o = { 0 };
	struct keep_segment before;
	size_t parts = k->nparts;
	bool ok;

	prepare_segment(k, id);
	k->id = id;
	k->at = at;
	before = *k->segment;
	ok = k->walk->reader->read_object(k->reader, at, k->walk->values, &sink, &o);
	if (!ok) { /* what was told before it turned out to be none */
		k->segment->nedges = before.nedges;
		k->segment->nwords = before.nwords;
		k->segment->contents.n = before.contents.n;
		k->segment->slack.n = before.slack.n;
		k->nparts = parts;
	}
	keep_row(k, &o, ok);
}

void keep_segment_free_columns(struct keep_segment *s)
{
	if (s->columns)
		xunmap(s->columns, sizeof(*s->columns));
	buf_release(&s->values);
	s->columns = NULL;
}

void keep_segment_free_edges(struct keep_segment *s)
{
	for (size_t i = 0; i < s->nchunks; i++)
		if (s->edges[i])
			xunmap(s->edges[i], sizeof(*s->edges[i]));
	if (s->places)
		xunmap(s->places, sizeof(*s->places));
	free(s->edges);
	free(s->edges_end);
	s->edges = NULL;
	s->edges_end = NULL;
	s->places = NULL;
	s->nchunks = 0;
}

void keep_segment_release(struct keep_segment *s)
{
	keep_segment_free_columns(s);
	keep_segment_free_edges(s);
	free(s->words);
	waste_list_release(&s->contents);
	waste_list_release(&s->slack);
	s->words = NULL;
}
