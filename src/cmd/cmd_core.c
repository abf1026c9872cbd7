/* SPDX-License-Identifier: Apache-2.0 */
#include "base/new_file.h"
#include "cmd/cmd.h"

#include <unistd.h>

struct core_args {
	const char *target, *output;
	bool force;
};

static const struct opt core_opts[] = {
	OPT_STRING('o', "output", struct core_args, output, "FILE", OFFER_FILE,
		   "the core to write; - is standard output"),
	OPT_FLAG(0, "force", struct core_args, force, "replace FILE if it is there"),
};

static const struct opt core_args[] = {
	ARG_STRING("PID", struct core_args, target, OFFER_TARGET, "a process"),
};

static bool core_run(struct context *cx, const void *args, struct sink *out,
		     struct err *e)
{
	const struct core_args *a = args;
	const struct new_file_options to = { .path = a->output, .force = a->force };
	const struct collect_options o = { .mode = (enum snapshot_mode)cx->shared.mode };

	(void)out;
	return collect_core(a->target, &o, &to, &cx->model, e);
}

const struct command cmd_core = {
	.name = "core",
	.group = GROUP_KEEP,
	.brief = "write a core file of a process that goes on",
	.text = "Writes a standard ELF core.",
	.example = "core 1234 -o service.core",
	.example_text = "then: gdb -c service.core, or heapsift why service.core 0x...",
	.flags = COMMAND_LIVE | COMMAND_HIDDEN,
	.args = core_args,
	.nargs = countof(core_args),
	.opts = core_opts,
	.nopts = countof(core_opts),
	.args_size = sizeof(struct core_args),
	.run = core_run,
};
