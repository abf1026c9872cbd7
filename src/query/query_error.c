/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a question, in at most four lines: the words, the line that has it, a
 * mark below the place, and for a name that is none the names there are.
 */
#include "query/query_int.h"

#include "base/ending.h"
#include "base/opt.h"
#include "base/utf8.h"
#include <ctype.h>
#include <stdio.h>

enum { BEFORE = 40, BEHIND = 28, NAMES_MOST = 400, NAMES_TRIED = 256 };

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (c & 0x80);
}

static bool is_inside_character(char c)
{
	return (c & 0xc0) == 0x80;
}

/* What is said of a question may have words of it, which may have lines. */
struct line {
	char s[400];
};

static struct line line_of(const char *text)
{
	struct line line;

	snprintf(line.s, sizeof(line.s), "%s", text);
	for (char *c = line.s; *c; c++)
		if (*c == '\n')
			*c = ' ';
	return line;
}

/* The part of a line that is shown: what is near the place. */
struct part {
	size_t from, to; /* bytes of the text */
	bool cut_before, cut_behind;
};

static struct part part_of(const char *text, size_t at)
{
	struct part p = { .from = at, .to = at };

	while (p.from > 0 && text[p.from - 1] != '\n' && at - p.from < BEFORE)
		p.from--;
	while (text[p.to] && text[p.to] != '\n' && p.to - at < BEHIND)
		p.to++;
	while (p.from < at && is_inside_character(text[p.from]))
		p.from++;
	while (p.to > at && is_inside_character(text[p.to]))
		p.to--;
	p.cut_before = p.from > 0 && text[p.from - 1] != '\n';
	p.cut_behind = text[p.to] && text[p.to] != '\n';
	return p;
}

/* As log_failure shows it. */
static unsigned shown_width(const char *text, size_t n)
{
	struct buf shown = { 0 };
	unsigned width;

	utf8_escape(&shown, (struct str){ text, n });
	width = utf8_str_width(buf_view(&shown));
	buf_release(&shown);
	return width;
}

bool query_fail_at(struct err *e, const char *text, size_t at, const char *what,
		   const char *more)
{
	struct part p;
	unsigned indent;

	at = min_u64(at, strlen(text));
	p = part_of(text, at);
	indent = shown_width(text + p.from, at - p.from) + p.cut_before;
	return fail(e, ERR_USAGE, "%.300s\n  %s%.*s%s\n  %*s^%s%s", line_of(what).s,
		    p.cut_before ? "…" : "", (int)(p.to - p.from), text + p.from,
		    p.cut_behind ? "…" : "", (int)indent, "", more ? "\n" : "",
		    more ? more : "");
}

/* ---- names ---- */

struct names {
	const char *all[NAMES_TRIED];
	size_t n;
	struct buf list;
};

static void name_add(struct names *s, const char *name)
{
	if (s->n == countof(s->all))
		return;
	if (s->list.n < NAMES_MOST)
		buf_printf(&s->list, "%s%s", s->n ? ", " : "", name);
	s->all[s->n++] = name;
}

static void columns_add(struct names *s, const struct query_table *t)
{
	for (size_t i = 0; i < t->ncolumns; i++)
		name_add(s, t->columns[i].name);
}

/* What stands behind the message's last space: "no such column: n.sze" is about sze. */
static void last_word(const char *message, char *word, size_t room)
{
	const char *space = strrchr(message, ' '), *dot;

	space = space ? space + 1 : message;
	dot = strrchr(space, '.');
	snprintf(word, room, "%s", dot ? dot + 1 : space);
}

/* Where the word stands in the text, by itself; SIZE_MAX: nowhere. */
static size_t place_of(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = text; (at = strcasestr(at, word)) != NULL; at++)
		if ((at == text || !is_word(at[-1])) && !is_word(at[n]))
			return (size_t)(at - text);
	return SIZE_MAX;
}

static struct names names_of(const struct query_db *q, bool tables)
{
	struct names names = { 0 };

	for (size_t i = 0; i < q->o.ntables; i++)
		if (tables)
			name_add(&names, q->o.tables[i].name);
		else
			columns_add(&names, &q->o.tables[i]);
	return names;
}

/* The first table that has the column; NULL: none. */
static const char *table_with(const struct query_db *q, const char *column)
{
	for (size_t i = 0; i < q->o.ntables; i++)
		for (size_t c = 0; c < q->o.tables[i].ncolumns; c++)
			if (strcasecmp(q->o.tables[i].columns[c].name, column) == 0)
				return q->o.tables[i].name;
	return NULL;
}

static void name_say(struct buf *say, const struct query_db *q, const char *what,
		     const char *word, const struct names *names)
{
	bool is_table = strcmp(what, "table") == 0;
	const char *other = is_table ? NULL : table_with(q, word);
	const char *nearest = opt_nearest(word, names->all, names->n);

	buf_printf(say, "no %s '%s'", what, word);
	if (other)
		buf_printf(say, " here; '%s' has one", other);
	else if (nearest)
		buf_printf(say, "; did you mean '%s'?", nearest);
	else if (!is_table)
		buf_str(say, "; a text stands in quotes");
}

/* What was meant, and which there are: of columns only if they are of one table. */
static bool no_such(const struct query_db *q, const char *what, const char *text,
		    size_t at, struct err *e)
{
	bool is_table = strcmp(what, "table") == 0, told;
	struct names names = names_of(q, is_table);
	struct buf say = { 0 }, more = { 0 };
	char word[64];

	last_word(sqlite3_errmsg(q->db), word, sizeof(word));
	name_say(&say, q, what, word, &names);
	if (is_table || q->o.ntables == 1)
		buf_printf(&more, "%ss: %s", what, names.list.s);
	at = at == SIZE_MAX ? place_of(text, word) : at;
	told = query_fail_at(e, text, at, say.s, more.s);
	buf_release(&say);
	buf_release(&more);
	buf_release(&names.list);
	return told;
}

bool query_fail_prepare(const struct query_db *q, const char *text, size_t at,
			struct err *e)
{
	const char *message = sqlite3_errmsg(q->db);

	if (q->refused[0])
		message = q->refused;
	if (strncmp(message, "no such column: ", 16) == 0)
		return no_such(q, "column", text, at, e);
	if (strncmp(message, "no such table: ", 15) == 0)
		return no_such(q, "table", text, at, e);
	if (strcmp(message, "incomplete input") == 0)
		at = strlen(text);
	if (at == SIZE_MAX)
		return fail(e, ERR_USAGE, "%.300s", line_of(message).s);
	if (at >= strlen(text))
		return query_fail_at(e, text, at, "something is missing at its end",
				     NULL);
	return query_fail_at(e, text, at, message, NULL);
}

bool query_fail_step(const struct query_db *q, const char *text, struct err *e)
{
	const char *message = sqlite3_errmsg(q->db);

	if (sqlite3_errcode(q->db) == SQLITE_NOMEM)
		ending_of_memory(0);
	if (q->is_late)
		return fail(e, ERR_USAGE,
			    "the query took longer than %llu seconds (--timeout)\n"
			    "'LIMIT', a narrower WHERE or a larger --timeout would help",
			    (unsigned long long)q->o.seconds);
	return fail(e, ERR_USAGE, "'%.100s%s' cannot be worked out: %.300s",
		    line_of(text).s, strlen(text) > 100 ? "…" : "", line_of(message).s);
}
