/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "cmd/help_int.h"

struct help_args {
	const char *topic;
	bool manual;
};

static const struct opt help_opts[] = {
	{ .name = "manual",
	  .type = OPT_TYPE_FLAG,
	  .help = "the man page",
	  .hidden = true,
	  .offset = OPT_MEMBER(bool, struct help_args, manual) },
};

static const struct opt help_args[] = {
	ARG_STRING_OPTIONAL("COMMAND", struct help_args, topic, OFFER_COMMAND,
			    "the command to tell about"),
};

static bool help_run(struct context *cx, const void *args, struct sink *out,
		     struct err *e)
{
	const struct help_args *a = args;
	const struct command *c;

	if (!a->topic) {
		(a->manual ? manual_overview : help_overview)(cx->commands, out);
		return true;
	}
	c = command_find(cx->commands, a->topic);
	if (!c)
		return fail(e, ERR_USAGE, "no command '%.64s'\ntry 'heapsift help'",
			    a->topic);
	(a->manual ? manual_command : help_command)(c, out);
	return true;
}

const struct command cmd_help = {
	.name = "help",
	.group = GROUP_HELP,
	.brief = "this list, or all about one command",
	.text = "Without a command, lists them all. heapsift COMMAND --help is the same "
		"as "
		"heapsift help COMMAND.",
	.example = "help blocks",
	.example_text = "its options and columns",
	.args = help_args,
	.nargs = countof(help_args),
	.opts = help_opts,
	.nopts = countof(help_opts),
	.args_size = sizeof(struct help_args),
	.run = help_run,
};

static bool version_run(struct context *cx, const void *args, struct sink *out,
			struct err *e)
{
	(void)cx, (void)args, (void)e;
	sink_str(out, "heapsift " HEAPSIFT_VERSION "\n");
	return true;
}

const struct command cmd_version = {
	.name = "version",
	.group = GROUP_HELP,
	.brief = "the version of heapsift",
	.text = "The same as heapsift --version.",
	.flags = COMMAND_HIDDEN,
	.run = version_run,
};
