/* SPDX-License-Identifier: Apache-2.0 */
/* Help on the terminal: text wrapped to its width, terms left, what they mean right. */
#include "cmd/help_int.h"

enum { WIDTH_MOST = 80, TERM_INDENT = 2, TERM_GAP = 2, TERM_MOST = 22 };

const char *command_group_name(enum command_group group)
{
	static const char *const names[] = {
		[GROUP_LOOK] = "Look at a process or a file",
		[GROUP_BYTES] = "See bytes",
		[GROUP_KEEP] = "Keep it for later",
		[GROUP_HELP] = "Help",
	};

	return names[group];
}

/* A wrap at this column, no wider than reads well. */
static struct wrap wrap_at(struct sink *out, unsigned column)
{
	unsigned width = out->width ? out->width : WIDTH_MOST;

	return (struct wrap){ out, column, column, (unsigned)min_u64(width, WIDTH_MOST) };
}

/* Paragraphs, parted by "\n\n". */
static void paragraphs_write(struct sink *out, const char *text)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t n = end ? (size_t)(end - text) : strlen(text);
		struct wrap w = wrap_at(out, 0);

		wrap_words(&w, (struct str){ text, n });
		sink_str(out, end ? "\n\n" : "\n");
		text += n + strspn(text + n, "\n");
	}
}

static void heading_write(struct sink *out, const char *text)
{
	sink_char(out, '\n');
	sink_look(out, LOOK_HEAD);
	sink_str(out, text);
	sink_look(out, LOOK_PLAIN);
	sink_char(out, '\n');
}

static void term_write(struct sink *out, const char *term, unsigned room,
		       const char *text)
{
	unsigned width = (unsigned)strlen(term), indent = TERM_INDENT + room + TERM_GAP;
	struct wrap w;

	sink_spaces(out, TERM_INDENT);
	sink_str(out, term);
	if (width > room) {
		sink_char(out, '\n');
		sink_spaces(out, indent);
	} else {
		sink_spaces(out, room - width + TERM_GAP);
	}
	w = wrap_at(out, indent);
	wrap_words(&w, str_of(text));
	sink_char(out, '\n');
}

static void opt_term(const struct opt *o, struct buf *out)
{
	if (o->letter)
		buf_printf(out, "-%c, ", o->letter);
	else
		buf_str(out, "    ");
	buf_printf(out, "--%s", o->name);
	if (o->type != OPT_TYPE_ENUM && o->value)
		buf_printf(out, " %s", o->value);
	for (size_t i = 0; o->type == OPT_TYPE_ENUM && o->words[i]; i++)
		buf_printf(out, "%c%s", i ? '|' : ' ', o->words[i]);
}

void opt_describe(const struct command *c, const struct opt *o, struct buf *out)
{
	bool is_limit = strcmp(o->name, "limit") == 0;

	buf_str(out, is_limit && c->limit_help ? c->limit_help : o->help);
	if (is_limit && c->limit == 0)
		buf_str(out, " (the default)");
	else if (is_limit)
		buf_printf(out, " (default %llu%s)", (unsigned long long)c->limit,
			   c->flags & COMMAND_SAME_LIMIT
				   ? ""
				   : " in text, all in JSON and CSV");
	if (strcmp(o->name, "sort") == 0 && c->sort)
		buf_printf(out, " (default %s)", c->sort);
}

static void opt_write(struct sink *out, const struct command *c, const struct opt *o)
{
	struct buf term = { 0 }, text = { 0 };

	opt_term(o, &term);
	opt_describe(c, o, &text);
	term_write(out, term.s, TERM_MOST, text.s);
	buf_release(&term);
	buf_release(&text);
}

static void opts_write(struct sink *out, const struct command *c)
{
	struct opt_group groups[COMMAND_GROUPS_MAX];
	size_t n = command_opt_groups(c, NULL, NULL, groups);

	for (size_t g = 0; g < n; g++) {
		heading_write(out, groups[g].title);
		for (size_t i = 0; i < groups[g].n; i++)
			if (!groups[g].opts[i].hidden)
				opt_write(out, c, &groups[g].opts[i]);
	}
}

static void columns_write(struct sink *out, const struct command *c)
{
	unsigned room = 0;

	if (c->ncolumns == 0)
		return;
	heading_write(out, "Columns");
	for (size_t i = 0; i < c->ncolumns; i++)
		room = (unsigned)max_u64(room, strlen(c->columns[i].name));
	for (size_t i = 0; i < c->ncolumns; i++)
		term_write(out, c->columns[i].name, room, c->columns[i].help);
}

void help_command(const struct command *c, struct sink *out)
{
	struct buf line = { 0 };

	command_synopsis(c, &line);
	sink_look(out, LOOK_HEAD);
	sink_printf(out, "heapsift %s%s%s [options]", c->name, line.n ? " " : "",
		    line.n ? line.s : "");
	sink_look(out, LOOK_PLAIN);
	sink_str(out, "\n\n");
	paragraphs_write(out, c->text);
	if (c->nargs)
		heading_write(out, "Arguments");
	for (size_t i = 0; i < c->nargs; i++)
		term_write(out, c->args[i].name, 8, c->args[i].help);
	opts_write(out, c);
	columns_write(out, c);
	if (c->example) {
		heading_write(out, "Example");
		buf_clear(&line);
		buf_printf(&line, "heapsift %s", c->example);
		sink_printf(out, "  %s\n      %s\n", line.s, c->example_text);
	}
	buf_release(&line);
}

static void group_write(const struct command *const *commands, enum command_group group,
			struct sink *out)
{
	unsigned room = 0;

	heading_write(out, command_group_name(group));
	for (size_t i = 0; commands[i]; i++)
		room = (unsigned)max_u64(room, strlen(commands[i]->name));
	for (size_t i = 0; commands[i]; i++)
		if (commands[i]->group == group && !(commands[i]->flags & COMMAND_HIDDEN))
			term_write(out, commands[i]->name, room, commands[i]->brief);
}

void help_overview(const struct command *const *commands, struct sink *out)
{
	sink_str(out, "heapsift looks into the memory of a process, from outside.\n\n"
		      "  heapsift TARGET\n"
		      "  heapsift COMMAND TARGET [options]\n\n"
		      "TARGET is the PID of a running process, or a file: a core or a "
		      "snapshot, packed or\nnot (./123 if its name is all digits); - is "
		      "standard input.\n");
	for (enum command_group g = GROUP_LOOK; g <= GROUP_HELP; g++)
		group_write(commands, g, out);
	sink_str(out,
		 "\nStart with 'heapsift PID'. 'heapsift help COMMAND' tells all about "
		 "one.\n");
}
