/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X REGEXP Y: is there a match of the POSIX extended expression Y in the text X? SQLite has
 * the operator and leaves the function to us. An expression is compiled once a statement.
 */
#include "query/query_int.h"

#include <regex.h>
#include <stdlib.h>

static void regex_release(void *regex)
{
	regfree(regex);
	free(regex);
}

enum { PATTERN_MOST = 4096, DEPTH_MOST = 100, ATOMS_MOST = 10000 };

/* How many atoms regcomp makes of an expression: what is repeated is copied. */
struct atoms {
	size_t depth;
	uint64_t all[DEPTH_MOST + 1],
		last[DEPTH_MOST + 1]; /* of each bracket that is open */
};

static void atom_add(struct atoms *a, uint64_t n)
{
	a->last[a->depth] = n;
	a->all[a->depth] += n;
}

/* "{2}", "{2,}", "{2,5}" */
static void atom_repeat(struct atoms *a, const char *braces)
{
	char *end;
	uint64_t least = strtoul(braces + 1, &end, 10);
	uint64_t most = *end == ',' ? strtoul(end + 1, NULL, 10) : least;
	uint64_t times = min_u64(max_u64(max_u64(least, most), 1), ATOMS_MOST);

	a->all[a->depth] += a->last[a->depth] * (times - 1);
	a->last[a->depth] *= times;
}

static void atom_close(struct atoms *a)
{
	uint64_t group = a->all[a->depth];

	if (a->depth == 0)
		return;
	a->depth--;
	atom_add(a, group);
}

/* What glibc's regcomp and regexec cannot bear, for they ask nobody whether to go on: they
 * recurse by brackets, copy what is repeated, and go back and forth for a \1. NULL: nothing. */
static const char *too_dear(const char *pattern)
{
	struct atoms a = { 0 };

	if (strlen(pattern) > PATTERN_MOST)
		return "it is longer than 4,096 bytes";
	for (const char *at = pattern; *at; at++) {
		if (*at == '\\' && at[1] >= '1' && at[1] <= '9')
			return "it refers back to what it has matched";
		if (*at == '(' && a.depth == DEPTH_MOST)
			return "its brackets are more than 100 deep";
		at += *at == '\\' && at[1];
		if (*at == '(')
			a.depth++, a.all[a.depth] = a.last[a.depth] = 0;
		else if (*at == ')')
			atom_close(&a);
		else if (*at == '{')
			atom_repeat(&a, at);
		else
			atom_add(&a, 1);
		if (a.all[a.depth] > ATOMS_MOST)
			return "it repeats too much";
	}
	return NULL;
}

static void refuse_pattern(sqlite3_context *context, const char *pattern, const char *why)
{
	char *message = sqlite3_mprintf("REGEXP '%.100s': %s", pattern, why);

	sqlite3_result_error(context, message, -1);
	sqlite3_free(message);
}

/* NULL: it is no expression, or one too dear, and that is said. */
static regex_t *regex_compile(sqlite3_context *context, const char *pattern)
{
	const char *why = too_dear(pattern);
	regex_t *regex = xcalloc(1, sizeof(*regex));
	int code = why ? REG_ESPACE : regcomp(regex, pattern, REG_EXTENDED);
	char text[128];

	if (code == 0)
		return regex;
	if (!why)
		regerror(code, regex, text, sizeof(text));
	free(regex);
	refuse_pattern(context, pattern, why ? why : text);
	return NULL;
}

static void regexp(sqlite3_context *context, int n, sqlite3_value **values)
{
	const char *pattern = (const char *)sqlite3_value_text(values[0]);
	const char *text = (const char *)sqlite3_value_text(values[1]);
	regex_t *regex = sqlite3_get_auxdata(context, 0);
	regmatch_t all = { 0 };

	(void)n;
	if (!pattern || !text)
		return; /* NULL */
	if (!regex) {
		regex = regex_compile(context, pattern);
		if (!regex)
			return;
		sqlite3_set_auxdata(context, 0, regex, regex_release);
		regex = sqlite3_get_auxdata(context, 0);
		if (!regex)
			return;
	}
	all.rm_eo = sqlite3_value_bytes(values[1]);
	sqlite3_result_int(context, regexec(regex, text, 1, &all, REG_STARTEND) == 0);
}

/* A function of the caller's. */
static void call(sqlite3_context *context, int n, sqlite3_value **values)
{
	const struct query_function *f = sqlite3_user_data(context);
	uint64_t result;

	(void)n;
	if (sqlite3_value_type(values[0]) == SQLITE_INTEGER &&
	    f->call(f->source, (uint64_t)sqlite3_value_int64(values[0]), &result))
		sqlite3_result_int64(context, (sqlite3_int64)result);
}

bool query_functions_register(struct query_db *q)
{
	int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
	int code = sqlite3_create_function_v2(q->db, "regexp", 2, flags, NULL, regexp,
					      NULL, NULL, NULL);

	for (size_t i = 0; code == SQLITE_OK && i < q->o.nfunctions; i++)
		code = sqlite3_create_function_v2(q->db, q->o.functions[i].name, 1, flags,
						  (void *)&q->o.functions[i], call, NULL,
						  NULL, NULL);
	return code == SQLITE_OK;
}
