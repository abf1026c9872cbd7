/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Man pages, from the same rows as --help, in man(7) directly: a page is headings,
 * paragraphs and tagged paragraphs, so a converter would be one more thing to install for
 * nothing. In roff a backslash starts an escape, a dot or a quote at the start of a line a
 * request, and only "\\-" is surely the character that one types.
 */
#include "cmd/help_int.h"

/* Of the last change to the words. */
#define MANUAL_DATE "2026-11-20"

enum { LINE_MOST = 78 };

static void roff_escape(struct buf *out, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool starts_word = i == 0 || text[i - 1] == ' ';

		if (starts_word && (text[i] == '.' || text[i] == '\''))
			buf_str(out, "\\&");
		if (text[i] == '\\')
			buf_str(out, "\\e");
		else if (text[i] == '-')
			buf_str(out, "\\-");
		else
			buf_char(out, text[i]);
	}
}

/* Paragraphs, parted by "\n\n", as lines of source that are not too long. */
static void paragraphs(struct sink *out, const char *text)
{
	struct buf escaped = { 0 };

	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t n = end ? (size_t)(end - text) : strlen(text);
		struct wrap w = { .out = out, .width = LINE_MOST };

		buf_clear(&escaped);
		roff_escape(&escaped, text, n);
		wrap_words(&w, buf_view(&escaped));
		sink_str(out, end ? "\n.PP\n" : "\n");
		text += n + strspn(text + n, "\n");
	}
	buf_release(&escaped);
}

static void marked(struct sink *out, char font, const char *text)
{
	struct buf escaped = { 0 };

	roff_escape(&escaped, text, strlen(text));
	sink_printf(out, "\\f%c", font);
	sink_add(out, escaped.s, escaped.n);
	sink_str(out, "\\fR");
	buf_release(&escaped);
}

/* A term and, indented below it, what it means. */
static void definition(struct sink *out, const char *term, const char *value,
		       const char *text)
{
	sink_str(out, ".TP\n");
	marked(out, 'B', term);
	if (value) {
		sink_char(out, ' ');
		marked(out, 'I', value);
	}
	sink_char(out, '\n');
	paragraphs(out, text);
}

static void opt_definition(struct sink *out, const struct command *c, const struct opt *o)
{
	struct buf term = { 0 }, value = { 0 }, text = { 0 };

	if (o->letter)
		buf_printf(&term, "-%c, ", o->letter);
	buf_printf(&term, "--%s", o->name);
	for (size_t i = 0; o->words && o->words[i]; i++)
		buf_printf(&value, "%s%s", i ? "|" : "", o->words[i]);
	opt_describe(c, o, &text);
	definition(out, term.s, o->words ? value.s : o->value, text.s);
	buf_release(&text);
	buf_release(&term);
	buf_release(&value);
}

static void heading(struct sink *out, const char *text)
{
	sink_printf(out, ".SH %s\n", text);
}

static void title(struct sink *out, const char *name, const char *brief)
{
	struct buf words = { 0 };

	buf_str(&words, ".\\\" SPDX-License-Identifier: Apache-2.0\n.TH HEAPSIFT");
	if (name) {
		buf_str(&words, "\\-");
		capitals_show(&words, name);
	}
	buf_str(&words, " 1 " MANUAL_DATE " \"heapsift " HEAPSIFT_VERSION
			"\" \"User Commands\"\n");
	sink_add(out, words.s, words.n);
	buf_release(&words);
	heading(out, "NAME");
	sink_str(out, "heapsift");
	if (name)
		sink_printf(out, "\\-%s", name);
	sink_str(out, " \\- ");
	paragraphs(out, brief);
}

static void columns(struct sink *out, const struct command *c)
{
	if (c->ncolumns == 0)
		return;
	heading(out, "COLUMNS");
	for (size_t i = 0; i < c->ncolumns; i++)
		if (!(c->columns[i].flags & COLUMN_TEXT_ONLY))
			definition(out, c->columns[i].name, NULL, c->columns[i].help);
}

static void example(struct sink *out, const struct command *c)
{
	struct buf line = { 0 };

	if (!c->example)
		return;
	heading(out, "EXAMPLE");
	buf_printf(&line, "heapsift %s", c->example);
	sink_str(out, ".TP\n");
	marked(out, 'B', line.s);
	sink_char(out, '\n');
	paragraphs(out, c->example_text);
	buf_release(&line);
}

void manual_command(const struct command *c, struct sink *out)
{
	struct opt_group groups[COMMAND_GROUPS_MAX];
	size_t n = command_opt_groups(c, NULL, NULL, groups);
	struct buf words = { 0 };

	title(out, c->name, c->brief);
	heading(out, "SYNOPSIS");
	buf_printf(&words, "heapsift %s", c->name);
	marked(out, 'B', words.s);
	buf_clear(&words);
	command_synopsis(c, &words);
	sink_printf(out, "%s%s [options]\n", words.n ? " " : "", words.n ? words.s : "");
	buf_release(&words);
	heading(out, "DESCRIPTION");
	paragraphs(out, c->text);
	for (size_t i = 0; i < c->nargs; i++)
		definition(out, c->args[i].name, NULL, c->args[i].help);
	heading(out, "OPTIONS");
	for (size_t g = 0; g < n; g++)
		for (size_t i = 0; i < groups[g].n; i++)
			if (!groups[g].opts[i].hidden)
				opt_definition(out, c, &groups[g].opts[i]);
	definition(out, "-h, --help", NULL, "tell all this in short");
	columns(out, c);
	example(out, c);
	heading(out, "SEE ALSO");
	sink_str(out, ".BR heapsift (1)\n");
}

static void commands_list(const struct command *const *commands, struct sink *out)
{
	for (enum command_group g = GROUP_LOOK; g <= GROUP_HELP; g++) {
		sink_printf(out, ".SS %s\n", command_group_name(g));
		for (size_t i = 0; commands[i]; i++)
			if (commands[i]->group == g &&
			    !(commands[i]->flags & COMMAND_HIDDEN))
				definition(out, commands[i]->name, NULL,
					   commands[i]->brief);
	}
}

static void exit_codes(struct sink *out)
{
	static const char *const codes[][2] = {
		{ "0", "fine" },
		{ "1",
		  "the answer is no, or --strict was given and there are warnings or "
		  "damage" },
		{ "2", "the command line is wrong" },
		{ "3", "the process cannot be read; the message names the cause and the "
		       "cure" },
		{ "4", "a file cannot be read or written, or is not what it should be" },
		{ "70", "an error of heapsift itself" },
	};

	heading(out, "EXIT STATUS");
	for (size_t i = 0; i < countof(codes); i++)
		definition(out, codes[i][0], NULL, codes[i][1]);
}

static void see_also(const struct command *const *commands, struct sink *out)
{
	const char *last = NULL;

	heading(out, "SEE ALSO");
	for (size_t i = 0; commands[i]; i++) {
		if (commands[i]->flags & COMMAND_HIDDEN)
			continue;
		if (last)
			sink_printf(out, ".BR heapsift\\-%s (1),\n", last);
		last = commands[i]->name;
	}
	sink_printf(out, ".BR heapsift\\-%s (1)\n", last);
}

void manual_overview(const struct command *const *commands, struct sink *out)
{
	title(out, NULL, "look into the memory of a process, from outside");
	heading(out, "SYNOPSIS");
	sink_str(out, "\\fBheapsift\\fR TARGET\n.br\n"
		      "\\fBheapsift\\fR COMMAND TARGET [options]\n");
	heading(out, "DESCRIPTION");
	paragraphs(
		out,
		"Tells what is in the memory of a Linux process: without restarting it, "
		"running code of it, or needing debug symbols. A running process is "
		"paused for a moment and then goes on as if nothing had been.\n\n"
		"With a TARGET alone, one screen shows what matters first: where "
		"resident memory is, who holds most of it, and what to ask next.\n\n"
		"TARGET is the PID of a process if it is all digits, else a file (write "
		"./123 for a file of digits): a core or a snapshot. It may be packed, by "
		"zstd, lz4, xz or gzip; then it is unpacked into a file without a name. "
		"A - is standard input, from which a core or a snapshot is taken.\n\n"
		"What a process holds in memory can be secret: passwords, keys, mail. So "
		"is what heapsift prints and writes.");
	heading(out, "COMMANDS");
	commands_list(commands, out);
	exit_codes(out);
	heading(out, "ENVIRONMENT");
	definition(out, "NO_COLOR", NULL, "if set and not empty, no colour is used");
	definition(out, "COLUMNS", NULL,
		   "the width that text is made to fit; else that of the terminal");
	definition(out, "TMPDIR", NULL,
		   "the folder where what is packed or comes from a pipe is kept while "
		   "it is read; /var/tmp if not set");
	definition(out, "DEBUGINFOD_URLS", NULL,
		   "the servers to ask for files that a core's process had mapped, by "
		   "their build-ids");
	see_also(commands, out);
}
