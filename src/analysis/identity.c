/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two models of one process side by side. Nodes of each are rows of two tables that are in
 * order of address, so one walk through all four finds what stands at the same address: no
 * memory per node. Types are brought to a common number first, for rows of different models
 * mean nothing to each other.
 */
#include "analysis/analysis.h"

#include <stdlib.h>

/* ---- one process ---- */

/* Modules that both have, and how many of these lie where they did. */
struct layout {
	size_t common, moved;
};

/* Each path once: a module mapped in several places is compared by its first one. */
static struct map module_starts(const struct model *m)
{
	struct map by_path = { 0 };

	for (size_t i = m->modules.n; i-- > 0;)
		map_set(&by_path, str_hash(model_text(m, m->modules.path[i])),
			(uint32_t)i);
	return by_path;
}

static struct layout layout_compare(const struct model *a, const struct model *b)
{
	struct map in_a = module_starts(a), in_b = module_starts(b);
	struct layout l = { 0 };

	for (size_t i = 0; i < b->modules.n; i++) {
		uint64_t path = str_hash(model_text(b, b->modules.path[i]));
		uint32_t row_a, row_b;

		if (!map_find(&in_b, path, &row_b) || row_b != i ||
		    !map_find(&in_a, path, &row_a))
			continue;
		l.common++;
		l.moved += a->modules.start[row_a] != b->modules.start[i];
	}
	map_release(&in_a);
	map_release(&in_b);
	return l;
}

/* Not what a core tells: of it the time is not known. */
static bool started_apart(const struct model *a, const struct model *b)
{
	uint64_t x = a->processes.n ? a->processes.started[0] : 0;
	uint64_t y = b->processes.n ? b->processes.started[0] : 0;

	return x && y && x != y;
}

/* A library can be unloaded and loaded elsewhere; but not most of what is there. */
bool models_are_of_one(const struct model *a, const struct model *b, struct buf *why)
{
	uint32_t pid_a = a->processes.n ? a->processes.pid[0] : 0;
	uint32_t pid_b = b->processes.n ? b->processes.pid[0] : 0;
	struct layout l = layout_compare(a, b);

	if (pid_a && pid_b && pid_a != pid_b)
		buf_printf(why, "PID %u and PID %u", pid_a, pid_b);
	else if (started_apart(a, b))
		buf_printf(why, "PID %u was given to another process", pid_a);
	else if (l.moved * 2 > l.common)
		buf_str(why, "their programs and libraries lie at different addresses");
	return why->n == 0;
}

/* ---- kinds ---- */

static bool same_words(const struct kinds *k, const struct kind_words *x,
		       const struct kind_words *y)
{
	const struct model *a = k->models[x->model], *b = k->models[y->model];

	return str_equal(model_text(a, a->types.kind[x->type]),
			 model_text(b, b->types.kind[y->type])) &&
	       str_equal(model_text(a, a->types.detail[x->type]),
			 model_text(b, b->types.detail[y->type])) &&
	       str_equal(model_text(a, a->types.domain[x->type]),
			 model_text(b, b->types.domain[y->type]));
}

static uint64_t words_hash(const struct model *m, size_t type)
{
	uint64_t domain = str_hash(model_text(m, m->types.domain[type]));
	uint64_t kind = str_hash(model_text(m, m->types.kind[type]));

	return (domain * 31 + kind) * 31 + str_hash(model_text(m, m->types.detail[type]));
}

/* The kind of these words, a new one if there is none. */
static uint32_t kind_of(struct kinds *k, struct map *by_hash, struct kind_words words)
{
	uint64_t hash = words_hash(k->models[words.model], words.type);
	uint32_t kind;

	for (; map_find(by_hash, hash, &kind); hash++)
		if (same_words(k, &k->words[kind], &words))
			return kind;
	map_set(by_hash, hash, k->n);
	k->words[k->n] = words;
	return k->n++;
}

void kinds_build(const struct model *const *models, size_t n, struct kinds *out)
{
	struct map by_hash = { 0 };
	size_t types = 0;

	assert(n <= KINDS_MODELS);
	*out = (struct kinds){ .nmodels = n };
	for (size_t i = 0; i < n; i++)
		types += models[i]->types.n;
	out->words = xcalloc(types + 1, sizeof(*out->words));
	for (size_t i = 0; i < n; i++) {
		const struct model *m = models[i];

		out->models[i] = m;
		out->of[i] = xcalloc(m->types.n + 1, sizeof(*out->of[i]));
		out->of[i][m->types.n] = NO_KIND;
		for (uint32_t t = 0; t < m->types.n; t++)
			out->of[i][t] = kind_of(out, &by_hash,
						(struct kind_words){ (uint32_t)i, t });
	}
	map_release(&by_hash);
}

void kinds_release(struct kinds *k)
{
	for (size_t i = 0; i < k->nmodels; i++)
		free(k->of[i]);
	free(k->words);
	*k = (struct kinds){ 0 };
}

/* ---- what of an object never changes ---- */

enum { FIXED_SIZE = 1, FIXED_VALUE = 2 };

/* A str may get a copy in UTF-8, which counts in its size; a tuple tells no value. */
static const struct {
	const char *kind;
	uint8_t fixed;
} fixed_kinds[] = {
	{ "str", FIXED_VALUE },
	{ "bytes", FIXED_VALUE | FIXED_SIZE },
	{ "int", FIXED_VALUE | FIXED_SIZE },
	{ "float", FIXED_VALUE | FIXED_SIZE },
	{ "complex", FIXED_VALUE | FIXED_SIZE },
	{ "range", FIXED_VALUE | FIXED_SIZE },
	{ "tuple", FIXED_SIZE },
	{ "code", FIXED_VALUE },
	{ "datetime.date", FIXED_VALUE },
	{ "datetime.time", FIXED_VALUE },
	{ "datetime.datetime", FIXED_VALUE },
	{ "datetime.timedelta", FIXED_VALUE },
	{ "decimal.Decimal", FIXED_VALUE },
	{ "re.Pattern", FIXED_VALUE },
};

static uint8_t *fixed_new(const struct kinds *k)
{
	uint8_t *fixed = xcalloc(k->n + 1, 1);

	for (uint32_t i = 0; i < k->n; i++) {
		const struct model *m = k->models[k->words[i].model];
		struct str kind = model_text(m, m->types.kind[k->words[i].type]);
		struct str domain = model_text(m, m->types.domain[k->words[i].type]);

		for (size_t f = 0; f < countof(fixed_kinds); f++)
			if (str_is(domain, "python") && str_is(kind, fixed_kinds[f].kind))
				fixed[i] = fixed_kinds[f].fixed;
	}
	return fixed;
}

/* A value that one of both does not tell says nothing. */
static bool same_value(const struct model *a, uint32_t x, const struct model *b,
		       uint32_t y)
{
	struct str v = model_text(a, a->objects.value[x]);
	struct str w = model_text(b, b->objects.value[y]);

	return v.n == 0 || w.n == 0 || str_equal(v, w);
}

/* Both are at the same address. */
static bool is_same(const struct node_pairs *p, uint32_t x, uint32_t y)
{
	const struct model *a = p->a.m, *b = p->b.m;
	uint32_t kind = node_kind(&p->kinds, 0, x);
	bool is_object = node_is_object(a, x);
	uint8_t fixed;

	if (is_object != node_is_object(b, y) || kind == NO_KIND ||
	    kind != node_kind(&p->kinds, 1, y))
		return false;
	fixed = is_object ? p->fixed[kind] : FIXED_SIZE;
	return (!(fixed & FIXED_SIZE) || node_size(a, x) == node_size(b, y)) &&
	       (!(fixed & FIXED_VALUE) || same_value(a, x, b, y));
}

/* ---- the walk ---- */

/* The next node by address; NO_NODE: that was all. */
static uint32_t walk_next(struct node_walk *w)
{
	const struct model *m = w->m;

	while (w->block < m->blocks.n && !node_is_there(m, node_of_block(m, w->block)))
		w->block++;
	if (w->object < m->objects.n &&
	    (w->block == m->blocks.n ||
	     m->objects.addr[w->object] <= m->blocks.addr[w->block]))
		return w->object++;
	return w->block < m->blocks.n ? node_of_block(m, w->block++) : NO_NODE;
}

void node_pairs_begin(const struct model *a, const struct model *b,
		      struct node_pairs *out)
{
	*out = (struct node_pairs){ .a = { .m = a }, .b = { .m = b } };
	kinds_build((const struct model *const[]){ a, b }, 2, &out->kinds);
	out->fixed = fixed_new(&out->kinds);
	out->next_a = walk_next(&out->a);
	out->next_b = walk_next(&out->b);
}

bool node_pairs_next(struct node_pairs *p, struct node_pair *out)
{
	bool has_a = p->next_a != NO_NODE, has_b = p->next_b != NO_NODE;
	taddr a = has_a ? node_addr(p->a.m, p->next_a) : 0;
	taddr b = has_b ? node_addr(p->b.m, p->next_b) : 0;

	if (!has_a && !has_b)
		return false;
	*out = (struct node_pair){ NO_NODE, NO_NODE, false };
	if (has_a && (!has_b || a <= b)) {
		out->a = p->next_a;
		p->next_a = walk_next(&p->a);
	}
	if (has_b && (!has_a || b <= a)) {
		out->b = p->next_b;
		p->next_b = walk_next(&p->b);
	}
	out->same = out->a != NO_NODE && out->b != NO_NODE && is_same(p, out->a, out->b);
	return true;
}

void node_pairs_release(struct node_pairs *p)
{
	kinds_release(&p->kinds);
	free(p->fixed);
	*p = (struct node_pairs){ 0 };
}

uint64_t *nodes_also_in(const struct model *m, const struct model *other)
{
	uint64_t *bits = xcalloc(node_count(m) / 64 + (size_t)1, sizeof(*bits));
	struct node_pairs pairs;
	struct node_pair pair;

	node_pairs_begin(other, m, &pairs);
	while (node_pairs_next(&pairs, &pair))
		if (pair.same)
			bits[pair.b / 64] |= (uint64_t)1 << pair.b % 64;
	node_pairs_release(&pairs);
	return bits;
}
