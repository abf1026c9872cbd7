/* SPDX-License-Identifier: Apache-2.0 */
/* diff: by size, and object by object. */
#include "cmd/diff_int.h"
#include "cmd/graph_int.h"

#include <stdlib.h>

/* ---- by size ---- */

struct sizes_source {
	struct str malloc_name;
	struct diff_sizes sizes;
};

static const struct diff_size *size_at(const void *source, size_t row)
{
	return &((const struct sizes_source *)source)->sizes.rows[row];
}

static struct cell get_allocator(const void *source, size_t row, struct buf *scratch)
{
	struct str name = size_at(source, row)->allocator;

	(void)scratch;
	if (name.n == 0)
		name = ((const struct sizes_source *)source)->malloc_name;
	return name.n ? cell_text(name) : cell_absent();
}

static struct cell get_size(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(size_at(source, row)->size);
}

static struct cell get_count_before(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(size_at(source, row)->count_before);
}

static struct cell get_count_after(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(size_at(source, row)->count_after);
}

static struct cell get_bytes_before(const void *source, size_t row, struct buf *scratch)
{
	const struct diff_size *r = size_at(source, row);

	(void)scratch;
	return cell_number(r->size * r->count_before);
}

static struct cell get_bytes_after(const void *source, size_t row, struct buf *scratch)
{
	const struct diff_size *r = size_at(source, row);

	(void)scratch;
	return cell_number(r->size * r->count_after);
}

static struct cell get_growth(const void *source, size_t row, struct buf *scratch)
{
	const struct diff_size *r = size_at(source, row);

	(void)scratch;
	return cell_signed((int64_t)(r->size * (r->count_after - r->count_before)));
}

static struct cell get_count_growth(const void *source, size_t row, struct buf *scratch)
{
	const struct diff_size *r = size_at(source, row);

	(void)scratch;
	return cell_signed((int64_t)(r->count_after - r->count_before));
}

static const struct column sizes_columns[] = {
	{ "allocator", COLUMN_TEXT, 0, get_allocator, "whose blocks they are" },
	{ "size", COLUMN_BYTES, 0, get_size, "of one block, its header included" },
	{ "growth", COLUMN_BYTES_CHANGE, COLUMN_TOTAL, get_growth,
	  "bytes_after less bytes_before" },
	{ "count_growth", COLUMN_COUNT_CHANGE, COLUMN_TOTAL, get_count_growth,
	  "count_after less count_before" },
	{ "count_before", COLUMN_COUNT, COLUMN_TOTAL | COLUMN_IF_ROOM, get_count_before,
	  "blocks in use in A" },
	{ "count_after", COLUMN_COUNT, COLUMN_TOTAL, get_count_after,
	  "blocks in use in the last target" },
	{ "bytes_before", COLUMN_BYTES, COLUMN_NOT_TEXT, get_bytes_before,
	  "what they take in A" },
	{ "bytes_after", COLUMN_BYTES, COLUMN_TOTAL, get_bytes_after,
	  "what they take in the last target" },
};

static size_t sizes_pick(const struct diff_sizes *d, uint32_t *rows)
{
	size_t n = 0;

	for (uint32_t i = 0; i < d->n; i++)
		if (d->rows[i].count_before != d->rows[i].count_after)
			rows[n++] = i;
	return n;
}

static bool sizes_report(struct context *cx, const struct diff_models *d,
			 struct sink *out, struct err *e)
{
	struct sizes_source s = { .malloc_name = allocator_name(diff_last(d)) };
	struct diff_answer answer = {
		.source = &s,
		.facts = { { .name = "unchanged_sizes", .type = COLUMN_COUNT } },
		.nfacts = 1,
	};
	uint32_t *pick;
	bool ok;

	diff_sizes_build(d->all[0], diff_last(d), &s.sizes);
	pick = xcalloc(s.sizes.n + 1, sizeof(*pick));
	answer.nrows = s.sizes.n;
	answer.pick = pick;
	answer.npick = sizes_pick(&s.sizes, pick);
	answer.facts[0].value = answer.nrows - answer.npick;
	ok = diff_report(cx, d, &answer, out, e);
	free(pick);
	diff_sizes_release(&s.sizes);
	return ok;
}

static bool by_size_run(struct context *cx, const void *args, struct sink *out,
			struct err *e)
{
	const struct diff_args *a = args;
	const struct collect_options needs = { 0 };
	struct diff_models d;
	bool ok = diff_open(cx, a, &needs, &d, e) && sizes_report(cx, &d, out, e);

	diff_models_release(&d);
	return ok;
}

const struct command diff_by_size = {
	DIFF_COMMAND,     .columns = sizes_columns, .ncolumns = countof(sizes_columns),
	.sort = "growth", .run = by_size_run,
};

/* ---- object by object ---- */

struct objects_source {
	struct node_source before, after;
	struct diff_objects objects;
};

static const struct diff_object *object_at(const void *source, size_t row)
{
	return &((const struct objects_source *)source)->objects.rows[row];
}

/* A cell of the node in the model that has it. */
static struct cell node_cell(const void *source, size_t row, struct buf *scratch,
			     struct cell (*get)(const void *, size_t, struct buf *))
{
	const struct objects_source *s = source;
	const struct diff_object *o = object_at(source, row);

	return get(o->state == DIFF_GONE ? &s->before : &s->after, o->node, scratch);
}

static struct cell get_state(const void *source, size_t row, struct buf *scratch)
{
	static const char *const words[] = { [DIFF_NEW] = "new",
					     [DIFF_RECENT] = "recent",
					     [DIFF_GONE] = "gone",
					     [DIFF_SURVIVED] = "survived" };

	(void)scratch;
	return cell_text(str_of(words[object_at(source, row)->state]));
}

static struct cell get_addr(const void *source, size_t row, struct buf *scratch)
{
	return node_cell(source, row, scratch, node_get_addr);
}

static struct cell get_domain(const void *source, size_t row, struct buf *scratch)
{
	return node_cell(source, row, scratch, node_get_domain);
}

static struct cell get_kind(const void *source, size_t row, struct buf *scratch)
{
	return node_cell(source, row, scratch, node_get_kind);
}

static struct cell get_what(const void *source, size_t row, struct buf *scratch)
{
	return node_cell(source, row, scratch, node_get_what);
}

static struct cell get_object_size(const void *source, size_t row, struct buf *scratch)
{
	return node_cell(source, row, scratch, node_get_size);
}

static struct cell get_retained(const void *source, size_t row, struct buf *scratch)
{
	return node_cell(source, row, scratch, node_get_retained);
}

static struct cell get_value(const void *source, size_t row, struct buf *scratch)
{
	return node_cell(source, row, scratch, node_get_value);
}

static const struct column objects_columns[] = {
	{ "state", COLUMN_TEXT, 0, get_state,
	  "new, gone or survived; with C also recent: it came after B" },
	{ "addr", COLUMN_ADDRESS, 0, get_addr, "where it is, or was" },
	{ "domain", COLUMN_TEXT, COLUMN_NOT_TEXT, get_domain, "whose it is" },
	{ "kind", COLUMN_TEXT, COLUMN_NOT_TEXT, get_kind, "its type" },
	{ "what", COLUMN_NAME, COLUMN_TEXT_ONLY, get_what, "these two in one" },
	{ "size", COLUMN_BYTES, 0, get_object_size, "bytes of its own" },
	{ "retained", COLUMN_BYTES, 0, get_retained,
	  "size of all that would go with it, or would have gone" },
	{ "value", COLUMN_CODE, 0, get_value, "what it says, in short" },
};

/* Of a word of --state: which states. */
static unsigned states_of(int word)
{
	static const unsigned states[] = {
		1 << DIFF_NEW | 1 << DIFF_RECENT | 1 << DIFF_GONE,
		1 << DIFF_NEW,
		1 << DIFF_RECENT,
		1 << DIFF_GONE,
		1 << DIFF_SURVIVED,
		1 << DIFF_NEW | 1 << DIFF_RECENT | 1 << DIFF_GONE | 1 << DIFF_SURVIVED,
	};

	return states[word];
}

static bool objects_report(struct context *cx, const struct diff_models *d,
			   struct sink *out, struct err *e)
{
	struct objects_source s = { .before = { .m = d->all[0] },
				    .after = { .m = diff_last(d) } };
	struct diff_answer answer = {
		.source = &s,
		.facts = { { .name = "reused", .type = COLUMN_COUNT, .not_text = true } },
		.nfacts = 1,
	};
	bool ok;

	diff_objects_build(d->all, d->n, states_of(d->args->state), &s.objects);
	identity_say(cx->model, s.objects.reused);
	answer.nrows = s.objects.n;
	answer.facts[0].value = s.objects.reused;
	ok = diff_report(cx, d, &answer, out, e);
	diff_objects_release(&s.objects);
	return ok;
}

static bool by_object_run(struct context *cx, const void *args, struct sink *out,
			  struct err *e)
{
	const struct diff_args *a = args;
	const struct collect_options needs = { .edges = true,
					       .values = true,
					       .previews = true };
	struct diff_models d;
	size_t which;
	bool ok = diff_open(cx, a, &needs, &d, e) && diff_needs_one(&d, e);

	if (ok && !diff_has_holders(&d, &which) && !cx->shared.sort)
		ok = context_sort_by(cx, "size", e);
	ok = ok && objects_report(cx, &d, out, e);
	diff_models_release(&d);
	return ok;
}

const struct command diff_by_object = {
	DIFF_COMMAND,
	.columns = objects_columns,
	.ncolumns = countof(objects_columns),
	.sort = "retained",
	.run = by_object_run,
};
