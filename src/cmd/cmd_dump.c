/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dump_int.h"

#include <sys/stat.h>

struct dump_args {
	struct dump_request what;
	const char *output;
	bool force;
};

static const struct opt dump_opts[] = {
	OPT_STRING('o', "output", struct dump_args, output, "FILE", OFFER_FILE,
		   "the snapshot to write, say before.hsift; - is standard output"),
	OPT_STRING(0, "label", struct dump_args, what.label, "TEXT", OFFER_NOTHING,
		   "a word on it, shown with every answer"),
	OPT_FLAG(0, "no-values", struct dump_args, what.no_values,
		 "leave out what memory says: previews of blocks, values of objects"),
	OPT_STRING(0, "memory", struct dump_args, what.memory, "WHAT", OFFER_NOTHING,
		   "keep bytes of memory, too, for hexdump and show: all, heap, stacks, "
		   "data, or addresses as 0x7f00-0x7fff, with commas between"),
	OPT_FLAG(0, "force", struct dump_args, force, "replace FILE if it is there"),
};

static const struct opt dump_args[] = {
	ARG_STRING("TARGET", struct dump_args, what.target, OFFER_TARGET, TARGET_HELP),
};

static bool dump_check(const void *args, struct err *e)
{
	const struct dump_args *a = args;

	if (!dump_request_check("dump", &a->what, e))
		return false;
	return output_check("dump", "a snapshot", a->output, a->force, e);
}

/* "wrote orders.hsift: 1.2 MiB, 312,408 blocks" and what stands below every answer. */
static void dump_tell(const struct context *cx, const struct dump_args *a,
		      uint64_t memory, struct sink *out)
{
	struct buf line = { 0 };
	struct stat st;

	sink_str(out, "wrote ");
	sink_escaped(out, str_of(a->output));
	buf_str(&line, ": ");
	if (stat(a->output, &st) == 0) {
		bytes_show(&line, (uint64_t)st.st_size, out->exact);
		buf_str(&line, ", ");
	}
	if (memory) {
		bytes_show(&line, memory, out->exact);
		buf_str(&line, " of memory, ");
	}
	if (cx->model->objects.n) {
		count_show(&line, cx->model->objects.n);
		buf_str(&line, " objects, ");
	}
	count_show(&line, cx->model->blocks.n);
	buf_str(&line, " blocks\n");
	sink_add(out, line.s, line.n);
	buf_release(&line);
	report_footer(cx->model, out);
}

static bool dump_run(struct context *cx, const void *args, struct sink *out,
		     struct err *e)
{
	const struct dump_args *a = args;
	const struct new_file_options o = output_options(a->output, a->force);
	uint64_t memory;

	if (!dump_write(cx, &a->what, &o, &memory, e))
		return false;
	if (o.path)
		dump_tell(cx, a, memory, out);
	return true;
}

const struct command cmd_dump = {
	.name = "dump",
	.group = GROUP_KEEP,
	.brief = "write a snapshot, to look at later or elsewhere",
	.text = "Keeps all that heapsift knows of the target at this moment in one file, "
		"readable by its owner alone. An interrupted dump leaves no file. What "
		"memory says can be secret: --no-values leaves it out, and shows keys "
		"as their type.\n\n"
		"--memory goes the other way: it keeps bytes as they are, for hexdump "
		"and show. They are read from the fork; with --mode freeze the process "
		"stands until they are written. A snapshot that is dumped again keeps "
		"what it has, or what --memory chooses of it.",
	.example = "dump 1234 -o before.hsift --label 'before the load test'",
	.example_text = "then: heapsift top before.hsift",
	.flags = COMMAND_TARGET,
	.args = dump_args,
	.nargs = countof(dump_args),
	.opts = dump_opts,
	.nopts = countof(dump_opts),
	.args_size = sizeof(struct dump_args),
	.check = dump_check,
	.run = dump_run,
};
