/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what was kept to the model's rows. Ids of slab objects are in order of address and
 * those outside were sorted, so one merge numbers the rows; then each segment's columns go
 * to where they belong, all cores at a time, and its memory back. Values are mostly all
 * different, so they are not interned; short ones that come often have one text all the same.
 */
#include "base/pool.h"
#include "collect/objects_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64 /* segments that are copied before their memory goes back */ };

struct columns_copy {
	struct object_walk *w;
	struct model *m;
	const uint32_t *types; /* rows of the model, by the reader's numbers */
	size_t first;          /* segment of the batch */
};

enum { SHORT_BYTES = 8, SHORT_SLOTS = 4096 };

/* Texts of up to SHORT_BYTES met lately, by their bytes. */
struct short_texts {
	uint64_t bytes[SHORT_SLOTS];
	uint32_t id[SHORT_SLOTS]; /* 0: none */
};

static size_t count_objects(const struct object_walk *w)
{
	size_t n = 0;

	for (uint32_t id = 0; id < walk_ids(w); id++)
		n += walk_is_object(w, id);
	return n;
}

static void number_row(struct object_walk *w, struct model *m, uint32_t id, taddr at)
{
	if (!walk_is_object(w, id))
		return;
	w->rows[id] = w->nrows;
	m->objects.addr[w->nrows++] = at;
}

static void number_rows(struct object_walk *w, struct model *m)
{
	struct slab_iter it = slab_iter_from(&w->slabs, 0);
	size_t other = 0;

	model_table_resize(m, &model_tables[TABLE_objects], count_objects(w));
	w->rows = xcalloc((size_t)walk_ids(w) + 1, sizeof(*w->rows));
	memset(w->rows, 0xff, walk_ids(w) * sizeof(*w->rows));
	while (slab_iter_next(&it)) {
		for (; other < w->nothers && w->others[other].at < it.at; other++)
			number_row(w, m, w->others[other].what, w->others[other].at);
		number_row(w, m, it.id, it.at);
	}
	for (; other < w->nothers; other++)
		number_row(w, m, w->others[other].what, w->others[other].at);
}

static void mark_types(const struct object_walk *w, uint8_t *is_used, uint32_t ntypes)
{
	for (size_t s = 0; s < w->nsegments; s++)
		for (uint32_t row = 0; row < w->segments[s].n; row++) {
			uint32_t type = w->segments[s].columns->type[row];

			if (type < ntypes &&
			    walk_is_object(w, (uint32_t)(s * KEEP_ROWS + row)))
				is_used[type] = 1;
		}
}

struct named {
	struct str name;
	uint32_t number;
};

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = str_compare(x->name, y->name);

	return order ? order : (x->number > y->number) - (x->number < y->number);
}

/* Two of one name are one row. */
static uint32_t build_type(struct object_walk *w, struct model *m, const struct named *t)
{
	uint32_t row = model_type(m, str_of("python"), t->name, str_of(""));
	uint32_t uncounted = w->reader->type_uncounted(w->py, t->number);

	if (uncounted > m->types.uncounted[row])
		m->types.uncounted[row] = uncounted;
	return row;
}

/* Types are numbered as threads meet them, which is not the same twice: rows are by name. */
static uint32_t *build_types(struct object_walk *w, struct model *m)
{
	uint32_t n = w->reader->type_count(w->py), used = 0;
	uint32_t *rows = xcalloc((size_t)n + 1, sizeof(*rows));
	uint8_t *is_used = xcalloc((size_t)n + 1, 1);
	struct named *names = xcalloc((size_t)n + 1, sizeof(*names));

	mark_types(w, is_used, n);
	for (uint32_t type = 0; type < n; type++)
		if (is_used[type])
			names[used++] =
				(struct named){ w->reader->type_name(w->py, type), type };
	qsort(names, used, sizeof(*names), by_name);
	for (uint32_t i = 0; i < used; i++)
		rows[names[i].number] = build_type(w, m, &names[i]);
	free(names);
	free(is_used);
	return rows;
}

static void copy_segments(void *context, size_t begin, size_t end, unsigned worker)
{
	const struct columns_copy *copy = context;
	struct model_objects *out = &copy->m->objects;

	(void)worker;
	for (size_t s = copy->first + begin; s < copy->first + end; s++) {
		const struct keep_segment *segment = &copy->w->segments[s];
		const struct keep_columns *from = segment->columns;

		for (uint32_t row = 0; row < segment->n; row++) {
			uint32_t to = copy->w->rows[s * KEEP_ROWS + row];

			if (to == NO_NODE)
				continue;
			out->size[to] = from->size[row];
			out->refcount[to] = from->refcount[row];
			out->type[to] = copy->types[from->type[row]];
		}
	}
}

static uint32_t text_of_value(struct model *m, struct short_texts *known, struct str text)
{
	uint64_t bytes = 0;
	size_t slot;

	if (text.n > SHORT_BYTES)
		return model_text_add(m, text);
	memcpy(&bytes, text.s, text.n);
	slot = bytes * 0x9e3779b97f4a7c15u >> 32 & (SHORT_SLOTS - 1);
	if (known->id[slot] == 0 || known->bytes[slot] != bytes ||
	    model_text(m, known->id[slot]).n != text.n) {
		known->id[slot] = model_text_add(m, text);
		known->bytes[slot] = bytes;
	}
	return known->id[slot];
}

static void build_values(const struct object_walk *w, size_t s, struct short_texts *known,
			 struct model *m)
{
	const struct keep_segment *segment = &w->segments[s];
	uint32_t begin = 0;

	for (uint32_t row = 0; row < segment->n; row++) {
		uint32_t end = segment->columns->value_end[row];
		uint32_t to = w->rows[s * KEEP_ROWS + row];

		if (to != NO_NODE && end > begin)
			m->objects.value[to] = text_of_value(
				m, known,
				(struct str){ segment->values.s + begin, end - begin });
		begin = end;
	}
}

static void build_columns(struct object_walk *w, struct model *m)
{
	uint32_t *types = build_types(w, m);
	struct short_texts *known = xcalloc(1, sizeof(*known));
	struct columns_copy copy = { w, m, types, 0 };

	for (; copy.first < w->nsegments; copy.first += BATCH) {
		size_t n = (size_t)min_u64(BATCH, w->nsegments - copy.first);

		pool_run(w->nkeepers, n, 4, copy_segments, &copy);
		for (size_t s = copy.first; s < copy.first + n; s++) {
			if (w->values)
				build_values(w, s, known, m);
			keep_segment_free_columns(&w->segments[s]);
		}
	}
	free(known);
	free(types);
}

static void find_out(struct model *m, uint64_t n, taddr first, const char *what)
{
	char where[32];

	if (n == 0)
		return;
	snprintf(where, sizeof(where), "0x%llx", (unsigned long long)first);
	model_find_out(m, SEVERITY_WARNING, where, "%llu %s", (unsigned long long)n,
		       what);
}

bool objects_build(struct object_walk *w, struct model *m, struct err *e)
{
	if (w->is_full || (uint64_t)walk_ids(w) + m->blocks.n >= NO_NODE - 1)
		return fail(e, ERR_PROCESS,
			    "its objects and blocks are more than the %u that can be "
			    "numbered",
			    NO_NODE - 2);
	progress_stage(w->progress, "placing objects");
	judge_objects(w, m);
	claim_slabs(w);
	number_rows(w, m);
	build_labels(w, m);
	build_parts(w, m);
	build_columns(w, m);
	build_large(w, m);
	build_block_types(m);
	build_frames(&w->frames, m);
	if (w->edges) {
		learn_modules(w);
		build_edges(w, m);
		build_roots(w, m);
		find_overcounted(w, m);
	}
	find_out(m, w->ntorn, w->torn_at,
		 "references lead to no object, the first from here: that memory changed "
		 "while it was read, or is damaged");
	find_out(m, w->ntwice, w->twice_at,
		 "blocks belong to two objects, the first is here: each byte is counted "
		 "once, for one of them");
	find_out(m, w->nover, w->over_at,
		 "objects are referred to more often than their refcount says, this one "
		 "first: they may be freed while in use, as when C code releases one too "
		 "often; 'heapsift show' says who refers to it");
	return true;
}
