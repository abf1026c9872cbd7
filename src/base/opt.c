/* SPDX-License-Identifier: Apache-2.0 */
/*
 * getopt_long does the walking; it knows options by number, and ours are rows in several
 * groups. So all rows are numbered straight through (`flat`), option i of getopt is flat
 * row i, and its value is stored by the row's type. Two rows with one name are our bug.
 */
#include "base/opt.h"

#include "base/str.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

/* Values of getopt_long: the long form of row i is FIRST + i, beyond any letter. */
enum { HELP = 256, FIRST };

struct flat {
	const struct opt *opt;
	void *into;
};

struct parser {
	const struct opt_spec *spec;
	struct flat *flat;
	size_t n;
	struct option *longs;
	struct buf letters;
};

bool opt_size(const char *text, uint64_t *value)
{
	static const char suffixes[] = "KMGT";
	char *end;
	double number;
	const char *suffix;
	unsigned shift;

	if (str_to_u64(str_of(text), 0, value))
		return true;
	if (text[0] < '0' || text[0] > '9')
		return false;
	number = strtod(text, &end);
	if (*end == 0)
		return false; /* 1.5 bytes */
	suffix = strchr(suffixes, *end & ~0x20);
	if (!suffix || *suffix == 0)
		return false;
	shift = 10 * (unsigned)(suffix - suffixes + 1);
	end++;
	if (*end != 0 && strcmp(end, "B") != 0 && strcmp(end, "iB") != 0)
		return false;
	number *= (double)((uint64_t)1 << shift);
	if (!(number < 0x1p63))
		return false;
	*value = (uint64_t)number;
	return true;
}

bool opt_duration(const char *text, uint64_t *ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {
		{ "ms", 1e6 },   { "s", 1e9 },         { "m", 60e9 },
		{ "h", 3600e9 }, { "d", 24 * 3600e9 },
	};
	char *end;
	double number;

	if (text[0] < '0' || text[0] > '9')
		return false;
	number = strtod(text, &end);
	for (size_t i = 0; i < countof(units); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		number *= units[i].ns;
		if (!(number < 0x1p63))
			return false;
		*ns = (uint64_t)number;
		return true;
	}
	return false;
}

static bool enum_parse(const struct opt *o, const char *text, int *value)
{
	for (int i = 0; o->words[i]; i++)
		if (strcmp(o->words[i], text) == 0) {
			*value = i;
			return true;
		}
	return false;
}

static bool value_parse(const struct opt *o, const char *text, void *member)
{
	switch (o->type) {
	case OPT_TYPE_FLAG:
		*(bool *)member = true;
		return true;
	case OPT_TYPE_UINT:
		return str_to_u64(str_of(text), 10, member);
	case OPT_TYPE_SIZE:
		return opt_size(text, member);
	case OPT_TYPE_ADDRESS:
		return str_to_u64(str_of(text), 0, member);
	case OPT_TYPE_DURATION:
		return opt_duration(text, member);
	case OPT_TYPE_STRING:
		*(const char **)member = text;
		return true;
	case OPT_TYPE_ENUM:
		return enum_parse(o, text, member);
	}
	return false;
}

static bool usage(const struct opt_spec *spec, struct err *e, const char *text)
{
	return fail(e, ERR_USAGE, "%s: %s\ntry 'heapsift help %s'", spec->command, text,
		    spec->command);
}

static bool value_store(const struct opt_spec *spec, const struct opt *o, void *into,
			const char *text, struct err *e)
{
	static const char *const what[] = {
		[OPT_TYPE_UINT] = "a whole number",
		[OPT_TYPE_SIZE] = "a size such as 4096 or 64K",
		[OPT_TYPE_ADDRESS] = "an address such as 0x7f0010",
		[OPT_TYPE_DURATION] = "a time such as 500ms, 30s, 5m or 1h",
	};
	char words[160], problem[320];
	size_t n = 0;

	if (value_parse(o, text, (char *)into + o->offset))
		return true;
	if (o->type == OPT_TYPE_ENUM)
		for (size_t i = 0; o->words[i] && n < sizeof(words); i++)
			n += (size_t)snprintf(words + n, sizeof(words) - n, "%s%s",
					      i == 0            ? ""
					      : o->words[i + 1] ? ", "
								: " or ",
					      o->words[i]);
	else
		snprintf(words, sizeof(words), "%s", what[o->type]);
	snprintf(problem, sizeof(problem), "%s%s takes %s, not '%.64s'",
		 o->value ? "--" : "", o->name, words, text);
	return usage(spec, e, problem);
}

static void parser_init(struct parser *p, const struct opt_spec *spec)
{
	size_t n = 0;

	for (size_t g = 0; g < spec->ngroups; g++)
		n += spec->groups[g].n;
	*p = (struct parser){
		.spec = spec,
		.flat = xcalloc(n, sizeof(*p->flat)),
		.longs = xcalloc(n + 2, sizeof(*p->longs)),
	};
	buf_str(&p->letters, ":h"); /* the colon: a missing value is told from '?' */
	p->longs[n] = (struct option){ "help", no_argument, NULL, HELP };
	for (size_t g = 0; g < spec->ngroups; g++)
		for (size_t i = 0; i < spec->groups[g].n; i++) {
			const struct opt *o = &spec->groups[g].opts[i];
			bool has_value = o->type != OPT_TYPE_FLAG;

			p->flat[p->n] = (struct flat){ o, spec->groups[g].into };
			p->longs[p->n] = (struct option){ o->name, has_value, NULL,
							  FIRST + (int)p->n };
			if (o->letter)
				buf_printf(&p->letters, "%c%s", o->letter,
					   has_value ? ":" : "");
			p->n++;
		}
}

static void parser_release(struct parser *p)
{
	free(p->flat);
	free(p->longs);
	buf_release(&p->letters);
}

static const struct flat *parser_find(const struct parser *p, int code)
{
	if (code >= FIRST)
		return &p->flat[code - FIRST];
	for (size_t i = 0; i < p->n; i++)
		if (p->flat[i].opt->letter == code)
			return &p->flat[i];
	return NULL;
}

static bool unknown_option(const struct parser *p, const char *word, struct err *e)
{
	const char *names[128], *nearest = NULL;
	size_t n = 0, length = strcspn(word, "=");
	char name[64], text[256];

	assert(p->flat);
	for (size_t i = 0; i < p->n && n < countof(names); i++)
		if (!p->flat[i].opt->hidden)
			names[n++] = p->flat[i].opt->name;
	snprintf(name, sizeof(name), "%.*s", (int)length, word);
	if (strncmp(name, "--", 2) == 0)
		nearest = opt_nearest(name + 2, names, n);
	snprintf(text, sizeof(text), "unknown option '%s'%s%s%s", name,
		 nearest ? "; did you mean '--" : "", nearest ? nearest : "",
		 nearest ? "'?" : "");
	return usage(p->spec, e, text);
}

/* getopt's ':' and '?': what was wrong with which word. */
static bool bad_option(const struct parser *p, char **argv, int code, struct err *e)
{
	const struct flat *f = optopt ? parser_find(p, optopt) : NULL;
	char text[128], letter[3] = { '-', (char)optopt, 0 };

	if (f && code == ':') {
		snprintf(text, sizeof(text), "--%s wants a value: %s", f->opt->name,
			 f->opt->value);
		return usage(p->spec, e, text);
	}
	if (f || optopt == HELP) {
		snprintf(text, sizeof(text), "--%s takes no value",
			 f ? f->opt->name : "help");
		return usage(p->spec, e, text);
	}
	/* A letter may stand in the middle of a word: name it alone. */
	return unknown_option(p, optopt ? letter : argv[optind - 1], e);
}

static bool options_parse(struct parser *p, int argc, char **argv, bool *help,
			  struct err *e)
{
	int code;

	opterr = 0;
	optind = 0; /* glibc and musl: start anew */
	while ((code = getopt_long(argc, argv, p->letters.s, p->longs, NULL)) != -1) {
		const struct flat *f;

		if (code == '?' || code == ':')
			return bad_option(p, argv, code, e);
		if (code == 'h' || code == HELP) {
			*help = true;
			continue;
		}
		f = parser_find(p, code);
		assert(f);
		if (!value_store(p->spec, f->opt, f->into, optarg, e))
			return false;
	}
	return true;
}

static bool args_parse(const struct opt_spec *spec, int argc, char **argv, struct err *e)
{
	char text[256];

	for (size_t i = 0; i < spec->nargs; i++) {
		const struct opt *a = &spec->args[i];

		if (i >= (size_t)argc) {
			if (a->optional)
				return true;
			snprintf(text, sizeof(text), "%s is missing", a->name);
			return usage(spec, e, text);
		}
		if (!value_store(spec, a, spec->args_into, argv[i], e))
			return false;
	}
	if ((size_t)argc <= spec->nargs)
		return true;
	snprintf(text, sizeof(text), "one argument too many: '%.200s'",
		 argv[spec->nargs]);
	return usage(spec, e, text);
}

bool opt_parse(const struct opt_spec *spec, int argc, char **argv, bool *help,
	       struct err *e)
{
	/* getopt looks at words from 1 on. */
	char **words = xcalloc((size_t)argc + 2, sizeof(*words));
	char name[] = "heapsift";
	struct parser p;
	bool ok;

	words[0] = name;
	for (int i = 0; i < argc; i++)
		words[i + 1] = argv[i];
	*help = false;
	parser_init(&p, spec);
	ok = options_parse(&p, argc + 1, words, help, e);
	if (ok && !*help)
		ok = args_parse(spec, argc + 1 - optind, words + optind, e);
	parser_release(&p);
	free(words);
	return ok;
}

/* Edits (insert, delete, replace, swap neighbours) from a to b; long words count as far. */
static size_t distance(const char *a, const char *b)
{
	enum { MOST = 32 };
	size_t la = strlen(a), lb = strlen(b), d[3][MOST + 1];

	if (la > MOST || lb > MOST)
		return MOST;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *row = d[i % 3], *up = d[(i - 1) % 3], *upper = d[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t replace = up[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = min_u64(replace, min_u64(up[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = min_u64(row[j], upper[j - 2] + 1);
		}
	}
	return d[la % 3][lb];
}

const char *opt_nearest(const char *word, const char *const *words, size_t n)
{
	size_t length = strlen(word), best = length < 3 ? 1 : length < 7 ? 2 : 3;
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		/* The start of a word is as good as a slip of one finger. */
		size_t d = length >= 2 && strncmp(words[i], word, length) == 0
				   ? 1
				   : distance(word, words[i]);

		if (d < best || (d == best && !nearest)) {
			best = d;
			nearest = words[i];
		}
	}
	return nearest;
}
