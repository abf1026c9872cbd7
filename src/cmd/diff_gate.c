/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diff --fail-if: a condition that no row may meet. It is asked of all rows, for what did
 * not change can be too much, too.
 */
#include "base/log.h"
#include "cmd/diff_int.h"
#include "cmd/where_int.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

enum { ROWS_SAID = 3 };

bool diff_gate_check(const struct diff_args *a, const struct command *c, struct err *e)
{
	return !a->fail_if ||
	       where_check(c->columns, c->ncolumns, "--fail-if", a->fail_if, e);
}

/* Does the expression name the column? Not within quotes. */
static bool names_column(const char *expr, const char *column)
{
	size_t n = strlen(column);
	char quote = 0;

	for (const char *at = expr; *at; at++) {
		bool starts =
			at == expr || (!isalnum((unsigned char)at[-1]) && at[-1] != '_');

		if (quote || *at == '"' || *at == '\'')
			quote = !quote ? *at : quote == *at ? 0 : quote;
		else if (starts && strncasecmp(at, column, n) == 0 &&
			 !isalnum((unsigned char)at[n]) && at[n] != '_')
			return true;
	}
	return false;
}

static void cell_say(const struct column *c, const struct cell *v, struct buf *out)
{
	buf_printf(out, "%s%s ", out->n ? ", " : "", c->name);
	if (v->kind == CELL_TEXT) {
		buf_char(out, '\'');
		buf_add(out, v->text.s, v->text.n);
		buf_char(out, '\'');
	} else if (v->kind == CELL_ABSENT) {
		buf_str(out, "not known");
	} else if (column_is_signed(c)) {
		count_change_show(out, (int64_t)v->number);
	} else if (c->type == COLUMN_ADDRESS) {
		address_show(out, v->number);
	} else {
		count_show(out, v->number);
	}
}

/* Tells the row, whatever the expression asks about. */
static bool names_row(const struct column *c)
{
	static const char *const words[] = { "kind", "detail", "size", "addr", "name" };

	for (size_t i = 0; i < countof(words); i++)
		if (strcmp(c->name, words[i]) == 0)
			return true;
	return false;
}

/* "kind 'app.Order', count_after 1,200": which row, and what was asked about. */
static void row_say(const struct table *t, const char *expr, uint32_t row)
{
	struct buf words = { 0 }, scratch = { 0 };

	for (size_t c = 0; c < t->ncolumns; c++) {
		struct cell v;

		bool asked = names_column(expr, t->columns[c].name);

		if (t->columns[c].flags & COLUMN_TEXT_ONLY ||
		    (!asked && !names_row(&t->columns[c])))
			continue;
		buf_clear(&scratch);
		v = t->columns[c].get(t->source, row, &scratch);
		if (asked || v.kind == CELL_NUMBER || v.text.n)
			cell_say(&t->columns[c], &v, &words);
	}
	log_say("failed: %s (%s)", words.n ? words.s : "a row", expr);
	buf_release(&words);
	buf_release(&scratch);
}

static void rows_say(const struct table *t, const char *expr)
{
	for (size_t i = 0; i < t->nrows && i < ROWS_SAID; i++)
		row_say(t, expr, t->pick[i]);
	if (t->nrows > ROWS_SAID)
		log_say("failed: %zu more rows", t->nrows - ROWS_SAID);
}

bool diff_gate_open(struct context *cx, struct diff_gate *g, struct err *e)
{
	if (!g->expr)
		return true;
	g->table.columns = cx->command->columns;
	g->table.ncolumns = cx->command->ncolumns;
	if (!where_pick(&g->table, g->expr, &g->rows, &g->table.nrows, e))
		return err_within(e, "--fail-if");
	g->table.pick = g->rows;
	return true;
}

void diff_gate_tell(const struct diff_gate *g, struct report_fact *facts, size_t *nfacts)
{
	if (g->expr)
		facts[(*nfacts)++] = (struct report_fact){ .name = "failed",
							   .type = COLUMN_LIST,
							   .list = &g->table };
}

void diff_gate_close(struct context *cx, struct diff_gate *g, bool say)
{
	/* That --where leaves nothing to show is no failure of what was asked. */
	if (g->expr)
		cx->answer_is_no = g->table.nrows > 0;
	if (g->expr && say)
		rows_say(&g->table, g->expr);
	free(g->rows);
}

bool diff_report(struct context *cx, const struct diff_models *d,
		 struct diff_answer *answer, struct sink *out, struct err *e)
{
	struct diff_gate gate = { .expr = d->args->fail_if,
				  .table = { .source = answer->source,
					     .nrows = answer->nrows } };
	bool ok;

	if (!diff_gate_open(cx, &gate, e))
		return false;
	diff_gate_tell(&gate, answer->facts, &answer->nfacts);
	ok = context_report(
		cx,
		&(struct report){ .table = { .source = answer->source,
					     .pick = answer->pick,
					     .nrows = answer->pick ? answer->npick
								   : answer->nrows },
				  .facts = answer->facts,
				  .nfacts = answer->nfacts,
				  .above = answer->above,
				  .others = d->all,
				  .nothers = d->n - 1 },
		out, e);
	diff_gate_close(cx, &gate, ok);
	return ok;
}
