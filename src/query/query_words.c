/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An expression's words, far enough to know three things before SQLite sees it:
 *
 *	what stands in double quotes   a text always. SQLite takes it for a column if one has
 *	                               that name, so `kind = "size"` would compare columns
 *	that it is one expression      brackets close what they open, nothing is left open,
 *	                               no `;`: then it can stand in brackets of ours, and
 *	                               none of it gets out of them
 *	that nothing is to be filled in: no ?1, :name, @name, $name
 *
 * Everything else is SQLite's to judge.
 */
#include "query/query_int.h"

#include <stdlib.h>

struct reader {
	struct query_words *w;
	const char *text;
	size_t at;
	size_t depth, opened; /* brackets, and where the outermost stands */
	struct err *e;
};

static void put(struct query_words *w, char c, size_t place)
{
	if (w->sql.n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 256;
		w->from = xrealloc(w->from, w->cap, sizeof(*w->from));
	}
	w->from[w->sql.n] = place;
	buf_char(&w->sql, c);
}

static void take(struct reader *r)
{
	put(r->w, r->text[r->at], r->at);
	r->at++;
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || (c & 0x80);
}

static bool wrong(const struct reader *r, size_t at, const char *what)
{
	return query_fail_at(r->e, r->text, at, what, NULL);
}

/* What stands between two equal marks, of which two in a row are one of the text. */
static bool quoted(struct reader *r, char mark)
{
	size_t start = r->at;
	char written = mark == '"' ? '\'' : mark;

	put(r->w, written, r->at++);
	while (r->text[r->at]) {
		if (r->text[r->at] == mark && r->text[r->at + 1] != mark) {
			put(r->w, written, r->at++);
			return true;
		}
		r->at += r->text[r->at] == mark;
		if (r->text[r->at] == written)
			put(r->w, written, r->at);
		take(r);
	}
	return wrong(r, start, "what is quoted here has no end");
}

/* "[a name]", "/ * a comment * /". */
static bool enclosed(struct reader *r, const char *end, const char *without_end)
{
	const char *found = strstr(r->text + r->at + strlen(end), end);
	size_t start = r->at;

	if (!found)
		return wrong(r, start, without_end);
	while (r->text + r->at < found + strlen(end))
		take(r);
	return true;
}

static void line_comment(struct reader *r)
{
	while (r->text[r->at] && r->text[r->at] != '\n')
		take(r);
}

static bool bracket(struct reader *r)
{
	if (r->text[r->at] == '(') {
		if (r->depth++ == 0)
			r->opened = r->at;
	} else if (r->depth-- == 0) {
		return wrong(r, r->at, "no bracket is open here");
	}
	take(r);
	return true;
}

static bool next_word(struct reader *r)
{
	const char *s = r->text + r->at;

	if (*s == '\'' || *s == '"' || *s == '`')
		return quoted(r, *s);
	if (*s == '[')
		return enclosed(r, "]", "this name has no end");
	if (s[0] == '/' && s[1] == '*')
		return enclosed(r, "*/", "this comment has no end");
	if (s[0] == '-' && s[1] == '-') {
		line_comment(r);
		return true;
	}
	if (*s == '(' || *s == ')')
		return bracket(r);
	if (*s == ';')
		return wrong(r, r->at, "one expression only, and it ends here");
	if (strchr("?:@#$", *s))
		return wrong(r, r->at, "nothing can be filled in here");
	do
		take(r);
	while (is_word(s[0]) && is_word(r->text[r->at]));
	return true;
}

bool query_words_add(struct query_words *w, const char *expr, struct err *e)
{
	struct reader r = { .w = w, .text = expr, .e = e };

	if (expr[strspn(expr, " \t\r\n")] == 0)
		return fail(e, ERR_USAGE, "the expression is empty");
	while (expr[r.at])
		if (!next_word(&r))
			return false;
	return r.depth == 0 || wrong(&r, r.opened, "this bracket is not closed");
}

void query_words_frame(struct query_words *w, const char *sql, size_t place)
{
	for (; *sql; sql++)
		put(w, *sql, place);
}

void query_words_release(struct query_words *w)
{
	buf_release(&w->sql);
	free(w->from);
	*w = (struct query_words){ 0 };
}
