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

/* NULL: it is no expression, and that is said. */
static regex_t *regex_compile(sqlite3_context *context, const char *pattern)
{
	regex_t *regex = xcalloc(1, sizeof(*regex));
	int code = regcomp(regex, pattern, REG_EXTENDED);
	char text[128];

	if (code == 0)
		return regex;
	regerror(code, regex, text, sizeof(text));
	free(regex);

	char *message = sqlite3_mprintf("REGEXP '%.100s': %s", pattern, text);

	sqlite3_result_error(context, message, -1);
	sqlite3_free(message);
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
