/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/compare_int.h"

#include "out/out.h"
#include <stdlib.h>

/* What was found wrong with another target matters as much; its place says which it was. */
void findings_take(struct model *m, const struct model *from, const char *which)
{
	struct buf where = { 0 }, text = { 0 };

	for (size_t i = 0; i < from->findings.n; i++) {
		struct str place = model_text(from, from->findings.where[i]);
		struct str words = model_text(from, from->findings.text[i]);

		buf_clear(&where);
		buf_clear(&text);
		buf_str(&where, which);
		buf_str(&where, place.n ? ", " : "");
		buf_add(&where, place.s, place.n);
		buf_add(&text, words.s, words.n);
		model_find_out(m, from->findings.severity[i], where.s, "%s",
			       text.s ? text.s : "");
	}
	buf_release(&where);
	buf_release(&text);
}

void identity_say(struct model *m, uint64_t reused)
{
	static const char alike[] = "hat was freed and made again alike at its old "
				    "address counts as survived";
	struct buf count = { 0 };

	count_show(&count, reused);
	if (reused > 0)
		model_find_out(m, SEVERITY_NOTE, "",
			       "%s address%s something else now: the old counts as gone, "
			       "the new as new. W%s",
			       count.s, reused == 1 ? " holds" : "es hold", alike);
	else
		model_find_out(m, SEVERITY_NOTE, "", "w%s", alike);
	buf_release(&count);
}

void references_forget(struct model *m)
{
	model_table_forget(m, &model_tables[TABLE_edge_to], "node");
	model_table_forget(m, &model_tables[TABLE_edge_to], "label");
	model_table_forget(m, &model_tables[TABLE_edge_first], "at");
}

/* ---- only what is new, only what stays ---- */

bool since_check(const char *target, const struct since_args *a, struct err *e)
{
	const char *targets[3] = { target };
	size_t n = 1;

	if (a->new_since)
		targets[n++] = a->new_since;
	if (a->still_in)
		targets[n++] = a->still_in;
	return n == 1 || targets_check(targets, n, e);
}

static bool open_other(struct context *cx, const char *option, const char *target,
		       struct since *s, struct err *e)
{
	const struct collect_options needs = { .values = true };
	struct buf why = { 0 };
	struct model *m;
	bool ok;

	if (!context_open_other(cx, target, &needs, &m, e))
		return false;
	s->owned[s->n] = m;
	s->all[s->n++] = m;
	ok = models_are_of_one(m, cx->model, &why) ||
	     fail(e, ERR_FILE,
		  "%s: '%s' is not of the same process (%s)\n"
		  "an address in one means nothing in the other; 'heapsift diff' "
		  "compares "
		  "kinds",
		  option, target, why.s);
	buf_release(&why);
	if (ok)
		findings_take(cx->model, m, option);
	return ok;
}

/* Those that `other` has, or has not, are left. */
static void nodes_keep(struct since *s, const struct model *m, const struct model *other,
		       bool is_there)
{
	uint64_t *bits = nodes_also_in(m, other);
	size_t words = node_count(m) / 64 + (size_t)1;

	for (size_t i = 0; i < words; i++) {
		bits[i] = is_there ? bits[i] : ~bits[i];
		bits[i] &= s->nodes ? s->nodes[i] : UINT64_MAX;
	}
	free(s->nodes);
	s->nodes = bits;
}

bool since_open(struct context *cx, const struct since_args *a, struct since *out,
		struct err *e)
{
	*out = (struct since){ 0 };
	if (a->new_since) {
		if (!open_other(cx, "--new-since", a->new_since, out, e))
			return false;
		nodes_keep(out, cx->model, out->all[0], false);
	}
	if (a->still_in) {
		if (!open_other(cx, "--still-in", a->still_in, out, e))
			return false;
		nodes_keep(out, cx->model, out->all[out->n - 1], true);
	}
	if (out->n > 0)
		identity_say(cx->model, 0);
	return true;
}

void since_keep_blocks(struct context *cx, const struct since_args *a,
		       const struct since *s, struct block_pick *p)
{
	if (a->new_since)
		block_pick_keep(cx->model, s->all[0], false, p);
	if (a->still_in)
		block_pick_keep(cx->model, s->all[s->n - 1], true, p);
}

void since_tell(const struct since *s, struct report *r)
{
	r->others = s->all;
	r->nothers = s->n;
}

void since_release(struct since *s)
{
	for (size_t i = 0; i < s->n; i++)
		model_free(s->owned[i]);
	free(s->nodes);
	*s = (struct since){ 0 };
}
