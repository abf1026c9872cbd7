/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Man pages, from the same rows as --help, as sources for scdoc. In scdoc an underscore, a
 * star and a backslash are markup, so words of ours are escaped; each definition is a
 * paragraph of its own, indented by a tab.
 */
#include "cmd/help_int.h"

static void escaped(struct sink *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("\\*_<>[]#`~+", *text))
			sink_char(out, '\\');
		sink_char(out, *text);
	}
}

static void heading(struct sink *out, const char *text)
{
	sink_printf(out, "\n# %s\n\n", text);
}

/* "*term*" and, indented below it, what it means. */
static void definition(struct sink *out, const char *term, const char *value,
		       const char *text)
{
	sink_char(out, '*');
	escaped(out, term);
	sink_char(out, '*');
	if (value) {
		sink_str(out, " _");
		escaped(out, value);
		sink_char(out, '_');
	}
	sink_str(out, "\n\t");
	escaped(out, text);
	sink_str(out, "\n\n");
}

static void opt_definition(struct sink *out, const struct opt *o)
{
	struct buf term = { 0 }, value = { 0 };

	if (o->letter)
		buf_printf(&term, "-%c, ", o->letter);
	buf_printf(&term, "--%s", o->name);
	for (size_t i = 0; o->words && o->words[i]; i++)
		buf_printf(&value, "%s%s", i ? "|" : "", o->words[i]);
	definition(out, term.s, o->words ? value.s : o->value, o->help);
	buf_release(&term);
	buf_release(&value);
}

static void title(struct sink *out, const char *name)
{
	sink_str(out, "heapsift");
	if (name)
		sink_printf(out, "-%s", name);
	sink_str(out, "(1) \"heapsift " HEAPSIFT_VERSION "\" \"User Commands\"\n");
	heading(out, "NAME");
}

void manual_command(const struct command *c, struct sink *out)
{
	struct opt_group groups[COMMAND_GROUPS_MAX];
	size_t n = command_opt_groups(c, NULL, NULL, groups);
	struct buf synopsis = { 0 };

	title(out, c->name);
	sink_printf(out, "heapsift-%s - ", c->name);
	escaped(out, c->brief);
	heading(out, "SYNOPSIS");
	command_synopsis(c, &synopsis);
	sink_printf(out, "*heapsift %s* ", c->name);
	escaped(out, synopsis.n ? synopsis.s : "");
	sink_str(out, synopsis.n ? " \\[options\\]\n" : "\\[options\\]\n");
	buf_release(&synopsis);
	heading(out, "DESCRIPTION");
	escaped(out, c->text);
	sink_str(out, "\n\n");
	for (size_t i = 0; i < c->nargs; i++)
		definition(out, c->args[i].name, NULL, c->args[i].help);
	heading(out, "OPTIONS");
	for (size_t g = 0; g < n; g++)
		for (size_t i = 0; i < groups[g].n; i++)
			if (!groups[g].opts[i].hidden)
				opt_definition(out, &groups[g].opts[i]);
	definition(out, "-h, --help", NULL, "tell all this in short");
	if (c->ncolumns)
		heading(out, "COLUMNS");
	for (size_t i = 0; i < c->ncolumns; i++)
		definition(out, c->columns[i].name, NULL, c->columns[i].help);
	if (c->example) {
		heading(out, "EXAMPLE");
		sink_printf(out, "```\nheapsift %s\n```\n\n", c->example);
		escaped(out, c->example_text);
		sink_char(out, '\n');
	}
	heading(out, "SEE ALSO");
	sink_str(out, "*heapsift*(1)\n");
}

static void commands_list(const struct command *const *commands, struct sink *out)
{
	for (enum command_group g = GROUP_LOOK; g <= GROUP_HELP; g++) {
		sink_printf(out, "## %s\n\n", command_group_name(g));
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

void manual_overview(const struct command *const *commands, struct sink *out)
{
	title(out, NULL);
	sink_str(out, "heapsift - look into the memory of a process, from outside");
	heading(out, "SYNOPSIS");
	sink_str(out, "*heapsift* COMMAND TARGET \\[options\\]\n");
	heading(out, "DESCRIPTION");
	sink_str(out,
		 "Tells what is in the memory of a Linux process: without restarting it, "
		 "running code of it, or needing debug symbols. A running process is "
		 "paused "
		 "for a moment and then goes on as if nothing had been.\n\n"
		 "TARGET is the PID of a process if it is all digits, else a file (write "
		 "./123 for a file of digits).\n\n"
		 "What a process holds in memory can be secret: passwords, keys, mail. "
		 "So is "
		 "what heapsift prints and writes.\n");
	heading(out, "COMMANDS");
	commands_list(commands, out);
	exit_codes(out);
	heading(out, "ENVIRONMENT");
	definition(out, "NO_COLOR", NULL, "if set and not empty, no colour is used");
	definition(out, "COLUMNS", NULL,
		   "the width to fit text into; else the terminal's");
	heading(out, "SEE ALSO");
	for (size_t i = 0, n = 0; commands[i]; i++)
		if (!(commands[i]->flags & COMMAND_HIDDEN))
			sink_printf(out, "%s*heapsift-%s*(1)", n++ ? ", " : "",
				    commands[i]->name);
	sink_char(out, '\n');
}
