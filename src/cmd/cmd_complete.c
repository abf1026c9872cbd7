/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may follow on a command line; the scripts of cmd_completion.c ask. The words before
 * come as one argument, a line each, then the word that is being typed. Answers are lines:
 * a word, a tab, what it is; or ":files" for any file. In this order:
 *
 *	no command yet           commands
 *	behind --option          the words of its value
 *	--option=...             the same, with the option before them
 *	-...                     options
 *	else                     what the argument that stands here may be
 */
#include "cmd/cmd.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORDS_MOST = 64 };

struct complete_args {
	const char *before, *current;
};

struct completer {
	const struct command *const *commands;
	const struct command *command;
	struct str
		words[WORDS_MOST]; /* before the current one; words[0] is the command */
	size_t n;
	struct str current;
	struct str prefix; /* "--mode=", which every answer repeats */
	struct sink *out;
};

static void offer(struct completer *c, const char *word, const char *what)
{
	if (strncmp(word, c->current.s, c->current.n) != 0)
		return;
	sink_add(c->out, c->prefix.s, c->prefix.n);
	sink_str(c->out, word);
	if (what) {
		sink_char(c->out, '\t');
		sink_escaped(c->out, str_of(what));
	}
	sink_char(c->out, '\n');
}

static void offer_commands(struct completer *c)
{
	for (size_t i = 0; c->commands[i]; i++)
		if (!(c->commands[i]->flags & COMMAND_HIDDEN))
			offer(c, c->commands[i]->name, c->commands[i]->brief);
}

static void offer_process(struct completer *c, const char *pid)
{
	char path[64], name[64] = "", exe[8];
	FILE *comm;

	snprintf(path, sizeof(path), "/proc/%.20s/exe", pid);
	if (readlink(path, exe, sizeof(exe)) < 0)
		return; /* a kernel thread, or another's: it could not be read either */
	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	comm = fopen(path, "re");
	if (comm) {
		if (fgets(name, sizeof(name), comm))
			name[strcspn(name, "\n")] = 0;
		fclose(comm);
	}
	offer(c, pid, name);
}

static void offer_targets(struct completer *c)
{
	DIR *proc = opendir("/proc");

	for (struct dirent *d; proc && (d = readdir(proc));)
		if (d->d_name[strspn(d->d_name, "0123456789")] == 0)
			offer_process(c, d->d_name);
	if (proc)
		closedir(proc);
	sink_str(c->out, ":files\n");
}

static void offer_values(struct completer *c, const struct opt *o)
{
	for (size_t i = 0; o->type == OPT_TYPE_ENUM && o->words[i]; i++)
		offer(c, o->words[i], NULL);
	switch (o->offer) {
	case OFFER_NOTHING:
		return;
	case OFFER_FILE:
		sink_str(c->out, ":files\n");
		return;
	case OFFER_TARGET:
		offer_targets(c);
		return;
	case OFFER_COLUMN:
		for (size_t i = 0; i < c->command->ncolumns; i++)
			offer(c, c->command->columns[i].name,
			      c->command->columns[i].help);
		return;
	case OFFER_COMMAND:
		offer_commands(c);
		return;
	}
}

static void offer_option(struct completer *c, const struct opt *o)
{
	char word[64];

	if (o->hidden)
		return;
	snprintf(word, sizeof(word), "--%s", o->name);
	offer(c, word, o->help);
}

static void offer_options(struct completer *c)
{
	struct opt_group groups[COMMAND_GROUPS_MAX];
	size_t n = command_opt_groups(c->command, NULL, NULL, groups);

	for (size_t g = 0; g < n; g++)
		for (size_t i = 0; i < groups[g].n; i++)
			offer_option(c, &groups[g].opts[i]);
	offer(c, "--help", "all about this command");
}

/* The option that a word is, "--sort" or "-n"; NULL: none that takes a value. */
static const struct opt *valued_option(const struct completer *c, struct str word)
{
	struct opt_group groups[COMMAND_GROUPS_MAX];
	size_t n = command_opt_groups(c->command, NULL, NULL, groups);

	for (size_t g = 0; g < n; g++)
		for (size_t i = 0; i < groups[g].n; i++) {
			const struct opt *o = &groups[g].opts[i];
			bool is_long =
				str_starts(word, "--") &&
				str_is((struct str){ word.s + 2, word.n - 2 }, o->name);
			bool is_short = word.n == 2 && o->letter && word.s[0] == '-' &&
					word.s[1] == o->letter;

			if ((is_long || is_short) && o->type != OPT_TYPE_FLAG)
				return o;
		}
	return NULL;
}

/* How many arguments stand before the current word. */
static size_t arguments_before(const struct completer *c)
{
	size_t n = 0;

	for (size_t i = 1; i < c->n; i++)
		if (c->words[i].n == 0 || c->words[i].s[0] != '-')
			n += i == 1 || !valued_option(c, c->words[i - 1]);
	return n;
}

static void split_words(struct completer *c, const char *before)
{
	while (*before && c->n < WORDS_MOST) {
		size_t n = strcspn(before, "\n");

		c->words[c->n++] = (struct str){ before, n };
		before += n + (before[n] == '\n');
	}
}

/* "--mode=f": bash gives it as three words, others as one. Both become the option before
 * and "f". */
static void split_equals(struct completer *c)
{
	ptrdiff_t at = str_find(c->current, "=");

	if (str_is(c->current, "=")) {
		c->current.n = 0;
	} else if (c->n > 1 && str_is(c->words[c->n - 1], "=")) {
		c->n--;
	} else if (str_starts(c->current, "--") && at > 0 && c->n < WORDS_MOST) {
		c->words[c->n++] = (struct str){ c->current.s, (size_t)at };
		c->prefix = (struct str){ c->current.s, (size_t)at + 1 };
		c->current.s += at + 1;
		c->current.n -= (size_t)at + 1;
	}
}

static void complete(struct completer *c)
{
	const struct opt *o = c->n > 1 ? valued_option(c, c->words[c->n - 1]) : NULL;
	size_t argument = arguments_before(c);

	if (o)
		offer_values(c, o);
	else if (str_starts(c->current, "-") || argument >= c->command->nargs)
		offer_options(c);
	else
		offer_values(c, &c->command->args[argument]);
}

static bool complete_run(struct context *cx, const void *args, struct sink *out,
			 struct err *e)
{
	const struct complete_args *a = args;
	struct completer c = { .commands = cx->commands,
			       .current = str_of(a->current),
			       .out = out };
	char name[64];

	(void)e;
	assert(a->before && a->current); /* both must be given */
	split_words(&c, a->before);
	split_equals(&c);
	if (c.n == 0) {
		offer_commands(&c);
		return true;
	}
	snprintf(name, sizeof(name), "%.*s", (int)c.words[0].n, c.words[0].s);
	c.command = command_find(cx->commands, name);
	if (c.command)
		complete(&c);
	return true;
}

static const struct opt complete_args[] = {
	ARG_STRING("BEFORE", struct complete_args, before, OFFER_NOTHING, "words"),
	ARG_STRING("CURRENT", struct complete_args, current, OFFER_NOTHING, "the word"),
};

const struct command cmd_complete = {
	.name = "complete",
	.group = GROUP_HELP,
	.brief = "what may follow on a command line",
	.text = "Asked by the scripts of heapsift completion.",
	.flags = COMMAND_HIDDEN,
	.args = complete_args,
	.nargs = countof(complete_args),
	.args_size = sizeof(struct complete_args),
	.run = complete_run,
};
