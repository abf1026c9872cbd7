/* SPDX-License-Identifier: Apache-2.0 */
#include "base/new_file.h"
#include "cmd/cmd.h"

#include <sys/stat.h>
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

static bool core_check(const void *args, struct err *e)
{
	const struct core_args *a = args;

	return output_check("core", "a core", a->output, a->force, e);
}

/* "wrote x.core: 1.2 GiB (3.4 GiB mapped), 12 threads", and the footer. */
static void core_tell(const struct model *m, const char *path, struct sink *out)
{
	struct buf line = { 0 };
	uint64_t mapped = 0;
	struct stat st;

	for (size_t i = 0; i < m->regions.n; i++)
		mapped += m->regions.end[i] - m->regions.start[i];
	sink_str(out, "wrote ");
	sink_escaped(out, str_of(path));
	buf_str(&line, ": ");
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
		bytes_show(&line, (uint64_t)st.st_blocks * 512, out->exact);
		buf_char(&line, ' ');
	}
	buf_char(&line, '(');
	bytes_show(&line, mapped, out->exact);
	buf_str(&line, " mapped), ");
	count_show(&line, m->threads.n);
	buf_str(&line, m->threads.n == 1 ? " thread" : " threads");
	buf_char(&line, '\n');
	sink_add(out, line.s, line.n);
	buf_release(&line);
	report_footer(m, out);
}

static bool core_run(struct context *cx, const void *args, struct sink *out,
		     struct err *e)
{
	const struct core_args *a = args;
	const struct new_file_options to = output_options(a->output, a->force);
	struct progress progress = progress_begin("writing");
	const struct collect_options o = {
		.mode = (enum snapshot_mode)cx->shared.mode,
		.max_child_s = (unsigned)min_u64(cx->shared.max_child, UINT32_MAX),
		.progress = &progress,
	};
	bool ok;

	context_limit(cx, a->target);
	ok = collect_write_core(a->target, &o, &to, &cx->model, e);

	progress_end(&progress);
	if (ok && to.path)
		core_tell(cx->model, to.path, out);
	return ok;
}

const struct command cmd_core = {
	.name = "core",
	.group = GROUP_KEEP,
	.brief = "write a core file of a process that goes on",
	.text = "Writes an ELF core as the kernel and gcore do, for gdb, heapsift or any "
		"other tool that reads cores. The process stands for milliseconds: it is "
		"its fork that is written, all threads with all their registers. The "
		"file is sparse, and readable by its owner alone, as everything that the "
		"process had in its memory is in it. An interrupted core leaves no "
		"file.\n\n"
		"In it are private memory, shared memory, and the programs and libraries "
		"that are loaded, text and all, so that it can be read without their "
		"files. Other files that are mapped are left out unless they were "
		"written to privately; so are device memory and what the process wants "
		"in no core (MADV_DONTDUMP).",
	.example = "core 1234 -o service.core",
	.example_text = "then: gdb -c service.core, or heapsift top service.core",
	.flags = COMMAND_LIVE,
	.args = core_args,
	.nargs = countof(core_args),
	.opts = core_opts,
	.nopts = countof(core_opts),
	.args_size = sizeof(struct core_args),
	.check = core_check,
	.run = core_run,
};
