/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the heap: every span is walked once, and while a block's bytes are at
 * hand they are looked at for all that is asked: what it is (its first word, or text),
 * its first bytes, and the words that may be addresses of other blocks. Nothing is read
 * twice, so the pass can run while the target stands (freeze mode).
 *
 * A word can be judged only when all blocks are known, so the pass keeps each word that
 * falls among the spans (8 bytes) and edges.c turns it into an edge after the target's
 * release.
 *
 * What is found goes into segments of a fixed size, never moved and given back one by one
 * as the model's tables fill: the peak is what there is, without room to grow in.
 *
 * Spans are grouped into parts of at least PART_BYTES, so that 65,536 small mappings do
 * not become as many tables; parts are handed out to the cores.
 */
#include "base/pool.h"
#include "collect/collect_int.h"

#include <stdlib.h>
#include <string.h>

enum {
	PART_BYTES = 4 << 20,
	SPARSE_BLOCK = 64 << 10, /* from here on never-touched pages are stepped over */
	MAX_DAMAGES = 1000,      /* of one part; what comes after is counted */
};

struct part_walk {
	const struct scan *scan;
	struct scan_part *part;
	size_t next_own; /* the first of scan->own that ends behind where the walk is */
	taddr told;      /* where in the present span; see tell_found */
};

void segment_free_columns(struct row_segment *rows)
{
	if (rows->columns)
		xunmap(rows->columns, sizeof(*rows->columns));
	if (rows->previews)
		xunmap(rows->previews, sizeof(*rows->previews));
	rows->columns = NULL;
	rows->previews = NULL;
}

static inline uint64_t word_at(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* Up to `at`; rows: those of a segment that gets no more, NULL none. */
static void tell_found(struct part_walk *walk, const struct row_segment *rows, taddr at)
{
	need_add(walk->scan->need, &(struct found){ .done = at - walk->told,
						    .nodes = rows ? rows->n : 0,
						    .words = rows ? rows->nwords : 0,
						    .wastes = rows ? rows->texts.n : 0 });
	walk->told = at;
}

static struct row_segment *add_row_segment(struct part_walk *walk, taddr at)
{
	struct row_segment *rows = xcalloc(1, sizeof(*rows));
	struct scan_part *p = walk->part;

	if (p->last_rows)
		tell_found(walk, p->last_rows, at);
	rows->part = p;
	rows->columns = xmap(sizeof(*rows->columns));
	if (walk->scan->previews)
		rows->previews = xmap(sizeof(*rows->previews));
	if (walk->scan->edges)
		rows->counts = xmap(SEGMENT_ROWS * sizeof(*rows->counts));
	if (p->last_rows)
		p->last_rows->next = rows;
	else
		p->rows = rows;
	p->last_rows = rows;
	return rows;
}

static void add_word_segment(struct row_segment *rows)
{
	struct word_segment *words = xmap(sizeof(*words));

	if (rows->last_words)
		rows->last_words->next = words;
	else
		rows->words = words;
	rows->last_words = words;
	rows->room = SEGMENT_WORDS;
}

void segment_free_words(struct row_segment *rows)
{
	while (rows->words) {
		struct word_segment *next = rows->words->next;

		xunmap(rows->words, sizeof(*rows->words));
		rows->words = next;
	}
	if (rows->counts)
		xunmap(rows->counts, SEGMENT_ROWS * sizeof(*rows->counts));
	rows->counts = NULL;
}

static uint32_t vtable_tag(struct scan_part *p, uint64_t word)
{
	uint32_t id;

	if (!map_find(&p->by_vtable, word, &id)) {
		id = (uint32_t)p->nvtables++;
		if ((id & (id - 1)) == 0) /* grows at powers of two */
			p->vtables = xrealloc(p->vtables, id ? 2 * (size_t)id : 1,
					      sizeof(*p->vtables));
		p->vtables[id] = word;
		map_set(&p->by_vtable, word, id);
	}
	return TAG_VTABLE + id;
}

/* What a used block is, by the first bytes of it that are at hand. */
static uint32_t block_tag(struct part_walk *walk, const uint8_t *bytes, size_t have,
			  uint64_t size)
{
	if (have >= sizeof(uint64_t)) {
		uint64_t word = word_at(bytes);

		if (cxx_may_be_vptr(walk->scan->vptrs, word))
			return vtable_tag(walk->part, word);
	}
	return text_is_string(walk->scan->mem, bytes, have, size) ? TAG_STRING
								  : TAG_UNKNOWN;
}

/* Keeps the words of bytes[0, n) that may be addresses of nodes. n is a multiple of 8. */
static void keep_words(const struct scan *s, struct row_segment *rows,
		       const uint8_t *bytes, size_t n)
{
	uint64_t low = s->low_start, low_length = s->low_end - s->low_start;
	uint64_t high = s->high_start, high_length = s->high_end - s->high_start;
	const uint8_t *end = bytes + n;

	while (bytes < end) {
		uint64_t *start, *out;
		size_t step;

		if (rows->room == 0)
			add_word_segment(rows);
		step = (size_t)min_u64((uint64_t)(end - bytes) / sizeof(uint64_t),
				       rows->room);
		start = out = rows->last_words->words + SEGMENT_WORDS - rows->room;
		for (size_t i = 0; i < step; i++, bytes += sizeof(uint64_t)) {
			uint64_t word = word_at(bytes);

			/* Stored always, kept by moving on: no branch to mispredict. */
			*out = word;
			out += (word - low < low_length) | (word - high < high_length);
		}
		rows->room -= (size_t)(out - start);
		rows->nwords += (size_t)(out - start);
	}
}

/* The run that ends after `at`: the next memory there is. */
static const struct page_run *run_after(const struct mem *m, taddr at)
{
	size_t low = 0, high = m->npages;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct page_run *r = &m->pages[middle];

		if (r->start + r->count * PAGE_SIZE_4K <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->npages ? &m->pages[low] : NULL;
}

/* The first address from `at` on that has memory behind it, at most `end`. */
static taddr skip_untouched(const struct mem *m, taddr at, taddr end)
{
	const struct page_run *r;

	if (!m->has_pages)
		return at;
	r = run_after(m, at);
	if (!r || r->start >= end)
		return end;
	return max_u64(at, r->start);
}

static void scan_words(const struct part_walk *walk, const struct heap_block *b,
		       struct mem_window *w)
{
	taddr at = b->addr, end = align_down(b->addr + b->size, sizeof(uint64_t));
	bool sparse = b->size >= SPARSE_BLOCK;

	while (at < end) {
		const uint8_t *bytes;
		size_t have;

		if (sparse)
			at = skip_untouched(walk->scan->mem, at, end);
		if (at >= end)
			break;
		bytes = mem_window_at(w, at, (size_t)min_u64(end - at, PAGE_SIZE_4K),
				      &have);
		have = (size_t)align_down(min_u64(have, end - at), sizeof(uint64_t));
		if (bytes)
			keep_words(walk->scan, walk->part->last_rows, bytes, have);
		at += have ? have : sizeof(uint64_t);
	}
}

static void keep_references(struct part_walk *walk, const struct heap_block *b,
			    struct mem_window *w, const uint8_t *bytes, size_t have)
{
	struct row_segment *rows = walk->part->last_rows;
	size_t before = rows->nwords;

	/* The common small block is wholly at hand already. */
	if (bytes && have == b->size)
		keep_words(walk->scan, rows, bytes,
			   (size_t)align_down(have, sizeof(uint64_t)));
	else
		scan_words(walk, b, w);
	rows->counts[rows->n] = (uint32_t)(rows->nwords - before);
}

static void keep_preview(struct row_segment *rows, const uint8_t *bytes, size_t have)
{
	uint64_t preview[2] = { 0, 0 };

	memcpy(preview, bytes, have < sizeof(preview) ? have : sizeof(preview));
	rows->previews->low[rows->n] = preview[0];
	rows->previews->high[rows->n] = preview[1];
}

/* Blocks of a part come by address, so the ranges are passed once. */
static bool is_own(struct part_walk *walk, const struct heap_block *b)
{
	const struct scan *s = walk->scan;

	while (walk->next_own < s->nown && s->own[walk->next_own].end <= b->addr)
		walk->next_own++;
	return walk->next_own < s->nown &&
	       s->own[walk->next_own].start < b->addr + b->size;
}

static void look_into(struct part_walk *walk, const struct heap_block *b,
		      struct mem_window *w)
{
	struct row_segment *rows = walk->part->last_rows;
	size_t have = 0;
	const uint8_t *bytes =
		mem_window_at(w, b->addr, (size_t)min_u64(b->size, TEXT_LOOK), &have);

	have = (size_t)min_u64(have, b->size);
	if (bytes && rows->previews)
		keep_preview(rows, bytes, have);
	if (b->state != BLOCK_USED)
		return;
	if (bytes)
		rows->columns->tag[rows->n] = block_tag(walk, bytes, have, b->size);
	if (walk->scan->edges && !is_own(walk, b))
		keep_references(walk, b, w, bytes, have);
	if (walk->scan->waste && rows->columns->tag[rows->n] == TAG_STRING)
		scan_keep_text(rows, b->addr, b->size, w);
}

static void on_block(void *context, const struct heap_block *b, struct mem_window *w)
{
	struct part_walk *walk = context;
	struct row_segment *rows = walk->part->last_rows;
	struct row_columns *c;

	if (!rows || rows->n == SEGMENT_ROWS)
		rows = add_row_segment(walk, b->addr);
	c = rows->columns;
	c->addr[rows->n] = b->addr;
	c->size[rows->n] = b->size;
	c->extra[rows->n] = (uint32_t)min_u64(b->extra / 8, UINT32_MAX);
	c->state[rows->n] = (uint8_t)b->state;
	c->arena[rows->n] = b->arena;
	look_into(walk, b, w);
	rows->n++;
}

static void on_damage(void *context, taddr where, const char *text)
{
	struct scan_part *p = ((struct part_walk *)context)->part;

	if (p->ndamages == MAX_DAMAGES) {
		p->lost_damages++;
		return;
	}
	p->damages = xrealloc(p->damages, p->ndamages + 1, sizeof(*p->damages));
	p->damages[p->ndamages++] = (struct damage){ where, xstrdup(text) };
}

static void walk_part(const struct scan *s, struct scan_part *p, struct mem_window *w)
{
	struct part_walk walk = { .scan = s, .part = p };
	struct heap_sink sink = { on_block, on_damage, &walk };

	for (size_t i = p->first_span; i < p->first_span + p->nspans; i++) {
		walk.told = s->spans[i].start;
		heap_walk(s->heap, i, w, &sink);
		tell_found(&walk, NULL, s->spans[i].end);
	}
	tell_found(&walk, p->last_rows, walk.told);
}

static uint64_t spans_bytes(const struct scan *s)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < s->nspans; i++)
		bytes += s->spans[i].end - s->spans[i].start;
	return bytes;
}

static void walk_parts(void *context, size_t begin, size_t end, unsigned worker)
{
	struct scan *s = context;
	struct mem_window *w = mem_window_new(s->mem);

	if (worker == 0)
		progress_step(s->progress, begin, s->nparts);
	for (size_t i = begin; i < end; i++)
		walk_part(s, &s->parts[i], w);
	mem_window_free(w);
}

static void cut_parts(struct scan *s)
{
	uint64_t bytes = PART_BYTES;

	for (size_t i = 0; i < s->nspans; i++) {
		if (bytes >= PART_BYTES) {
			s->parts = xrealloc(s->parts, s->nparts + 1, sizeof(*s->parts));
			s->parts[s->nparts++] = (struct scan_part){ .first_span = i };
			bytes = 0;
		}
		s->parts[s->nparts - 1].nspans++;
		bytes += s->spans[i].end - s->spans[i].start;
	}
}

static void line_up_segments(struct scan *s)
{
	for (size_t i = 0; i < s->nparts; i++)
		for (struct row_segment *r = s->parts[i].rows; r; r = r->next)
			s->nsegments++;
	s->segments = xcalloc(s->nsegments, sizeof(struct row_segment *));
	s->nsegments = 0;
	for (size_t i = 0; i < s->nparts; i++)
		for (struct row_segment *r = s->parts[i].rows; r; r = r->next) {
			r->first = s->nblocks;
			s->nblocks += r->n;
			s->segments[s->nsegments++] = r;
		}
}

void scan_blocks(struct scan *s)
{
	cut_parts(s);
	progress_stage(s->progress, "walking the heap");
	need_stage(s->need, spans_bytes(s));
	pool_run(pool_cores(), s->nparts, 1, walk_parts, s);
	line_up_segments(s);
}

void scan_release(struct scan *s)
{
	for (size_t i = 0; i < s->nsegments; i++) {
		segment_free_words(s->segments[i]);
		waste_list_release(&s->segments[i]->texts);
		segment_free_columns(s->segments[i]);
		free(s->segments[i]);
	}
	for (size_t i = 0; i < s->nparts; i++) {
		struct scan_part *p = &s->parts[i];

		map_release(&p->by_vtable);
		free(p->vtables);
		free(p->vtable_types);
		for (size_t d = 0; d < p->ndamages; d++)
			free(p->damages[d].text);
		free(p->damages);
	}
	free(s->segments);
	free(s->parts);
	free(s->own);
}
