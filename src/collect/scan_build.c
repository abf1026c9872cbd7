/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the segments of a scan to the model's tables: a segment's columns are given back
 * as soon as they are copied, so the peak is the tables and one segment.
 */
#include "collect/collect_int.h"

#include <stdio.h>
#include <string.h>

enum { NO_TYPE = UINT32_MAX };
enum { STEPS = 16 /* in which the tables grow */ };

void scan_read_vtables(struct scan *s, struct cxx_vtables *vtables)
{
	for (size_t i = 0; i < s->nparts; i++)
		for (size_t v = 0; v < s->parts[i].nvtables; v++)
			cxx_vtables_read(vtables, s->parts[i].vtables[v]);
}

void scan_name_types(struct scan *s, struct cxx_vtables *vtables, struct model *m)
{
	for (size_t i = 0; i < s->nparts; i++) {
		struct scan_part *p = &s->parts[i];

		p->vtable_types = xcalloc(p->nvtables, sizeof(*p->vtable_types));
		for (size_t v = 0; v < p->nvtables; v++) {
			struct str name;

			p->vtable_types[v] = NO_TYPE;
			if (cxx_class_of(vtables, p->vtables[v], &name))
				p->vtable_types[v] =
					model_type(m, str_of("c++"), name, str_of(""));
		}
	}
}

/* Types of unrecognised blocks are by size: small sizes are looked up directly. */
enum { DIRECT_SIZES = 8192 };

struct size_types {
	uint32_t direct[DIRECT_SIZES / 8]; /* type + 1; 0 not met yet */
	struct map others;
};

static uint32_t add_size_type(struct model *m, uint64_t size)
{
	char detail[32];

	snprintf(detail, sizeof(detail), "%llu bytes", (unsigned long long)size);
	return model_type(m, str_of("uncategorized"), str_of(""), str_of(detail));
}

static uint32_t type_of_size(struct model *m, struct size_types *t, uint64_t size)
{
	uint32_t type;

	if (size < DIRECT_SIZES && size % 8 == 0) {
		uint32_t *slot = &t->direct[size / 8];

		if (*slot == 0)
			*slot = add_size_type(m, size) + 1;
		return *slot - 1;
	}
	if (!map_find(&t->others, size, &type)) {
		type = add_size_type(m, size);
		map_set(&t->others, size, type);
	}
	return type;
}

static uint32_t type_of_block(const struct row_segment *rows, size_t i,
			      uint32_t string_type)
{
	uint32_t tag = rows->columns->tag[i];

	if (tag == TAG_STRING)
		return string_type;
	return tag >= TAG_VTABLE ? rows->part->vtable_types[tag - TAG_VTABLE] : NO_TYPE;
}

struct build {
	struct model *m;
	uint32_t string_type;
	struct size_types by_size;
};

static void type_rows(struct build *b, const struct row_segment *rows)
{
	uint32_t *out = b->m->blocks.type + rows->first;

	for (size_t i = 0; i < rows->n; i++) {
		if (rows->columns->state[i] != BLOCK_USED)
			continue; /* stays 0: free blocks have no type */
		out[i] = type_of_block(rows, i, b->string_type);
		if (out[i] == NO_TYPE)
			out[i] = type_of_size(b->m, &b->by_size, rows->columns->size[i]);
	}
}

static void copy_rows(const struct row_segment *rows, struct model *m)
{
	const struct row_columns *c = rows->columns;
	size_t at = rows->first, n = rows->n;

	memcpy(m->blocks.addr + at, c->addr, n * sizeof(*c->addr));
	memcpy(m->blocks.size + at, c->size, n * sizeof(*c->size));
	memcpy(m->blocks.extra + at, c->extra, n * sizeof(*c->extra));
	memcpy(m->blocks.state + at, c->state, n * sizeof(*c->state));
	memcpy(m->blocks.arena + at, c->arena, n * sizeof(*c->arena));
	if (m->previews.n) {
		memcpy(m->previews.low + at, rows->previews->low, n * 8);
		memcpy(m->previews.high + at, rows->previews->high, n * 8);
	}
}

static void build_damages(struct scan *s, struct model *m)
{
	char where[32];

	for (size_t i = 0; i < s->nparts; i++) {
		const struct scan_part *p = &s->parts[i];

		for (size_t d = 0; d < p->ndamages; d++) {
			snprintf(where, sizeof(where), "0x%llx",
				 (unsigned long long)p->damages[d].where);
			model_find_out(m, SEVERITY_DAMAGE, where, "%s",
				       p->damages[d].text);
		}
		if (p->lost_damages)
			model_find_out(m, SEVERITY_DAMAGE, "heap",
				       "%zu more damaged places are not listed",
				       p->lost_damages);
	}
}

/* For the blocks of some segments from k on; of how many. Not for all at once: what is only
 * reserved counts against the limit of memory, too. */
static size_t make_room(const struct scan *s, size_t k, struct model *m)
{
	size_t some = s->nsegments / STEPS + 1, next = k + some;
	size_t rows = next < s->nsegments ? s->segments[next]->first : s->nblocks;

	model_table_resize(m, &model_tables[TABLE_blocks], rows);
	if (s->previews)
		model_table_resize(m, &model_tables[TABLE_previews], rows);
	return some;
}

void scan_build_blocks(struct scan *s, struct model *m)
{
	struct build b = { .m = m };
	size_t room = 0;

	b.string_type = model_type(m, str_of("c"), str_of("string data"), str_of(""));
	for (size_t k = 0; k < s->nsegments; k++) {
		struct row_segment *rows = s->segments[k];

		if (k == room)
			room += make_room(s, k, m);
		copy_rows(rows, m);
		type_rows(&b, rows);
		segment_free_columns(rows);
	}
	map_release(&b.by_size.others);
	build_damages(s, m);
}
