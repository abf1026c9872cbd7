/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dump is written while it is made: what is not wanted to work out what is retained is
 * written first and given back, for the two together are most of the memory.
 */
#include "analysis/analysis.h"
#include "cmd/cmd.h"
#include "snap/snap.h"

#include <sys/stat.h>

struct dump_args {
	const char *target, *output, *label, *memory;
	bool no_values, force;
};

static const struct opt dump_opts[] = {
	OPT_STRING('o', "output", struct dump_args, output, "FILE", OFFER_FILE,
		   "the snapshot to write, say before.hsift; - is standard output"),
	OPT_STRING(0, "label", struct dump_args, label, "TEXT", OFFER_NOTHING,
		   "a word on it, shown with every answer"),
	OPT_FLAG(0, "no-values", struct dump_args, no_values,
		 "leave out what memory says: previews of blocks, values of objects"),
	OPT_STRING(0, "memory", struct dump_args, memory, "WHAT", OFFER_NOTHING,
		   "keep bytes of memory, too, for hexdump and show: all, heap, stacks, "
		   "data, or addresses as 0x7f00-0x7fff, with commas between"),
	OPT_FLAG(0, "force", struct dump_args, force, "replace FILE if it is there"),
};

static const struct opt dump_args[] = {
	ARG_STRING("TARGET", struct dump_args, target, OFFER_TARGET, TARGET_HELP),
};

static bool dump_check(const void *args, struct err *e)
{
	const struct dump_args *a = args;

	if (a->memory && a->no_values)
		return fail(e, ERR_USAGE,
			    "dump: --memory keeps what --no-values leaves out\n"
			    "give one of them");
	if (a->memory && !memory_choice_check(a->memory, e))
		return err_within(e, "dump");
	return output_check("dump", "a snapshot", a->output, a->force, e);
}

static uint64_t memory_bytes(const struct model *m)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->memory.n; i++)
		sum += m->memory.end[i] - m->memory.start[i];
	return sum;
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

static void forget_written(struct model *m)
{
	static const struct {
		enum model_table_id table;
		const char *column;
	} written[] = {
		{ TABLE_objects, "addr" },  { TABLE_objects, "refcount" },
		{ TABLE_objects, "type" },  { TABLE_objects, "value" },
		{ TABLE_parts, "addr" },    { TABLE_parts, "size" },
		{ TABLE_parts, "owner" },   { TABLE_parts, "label" },
		{ TABLE_blocks, "addr" },   { TABLE_blocks, "type" },
		{ TABLE_blocks, "arena" },  { TABLE_previews, "low" },
		{ TABLE_previews, "high" }, { TABLE_slab_bits, "used" },
	};

	for (size_t i = 0; i < countof(written); i++)
		model_table_forget(m, &model_tables[written[i].table], written[i].column);
	model_drop_values(m); /* and their texts */
}

static bool dump_write(struct model *m, struct snap_writer *w, struct err *e)
{
	bool derive = dominators_are_wanted(m);

	totals_build(m);
	if (!snap_write_known(w, m, e))
		return false;
	forget_written(m);
	if (derive)
		dominators_build(m);
	return snap_write_derived(w, m, e) && snap_commit(w, e);
}

static bool refuse_no_memory(const struct dump_args *a, const struct model *m,
			     struct err *e)
{
	bool is_live = m->processes.n > 0 && m->processes.kind[0] == TARGET_LIVE;

	return fail(e, is_live ? ERR_PROCESS : ERR_FILE,
		    "'%s' has nothing that can be read of the memory chosen, %.200s",
		    a->target, a->memory);
}

/* Memory goes into the file while the target is held, the rest when it is known. */
static bool dump_collect(struct context *cx, const struct dump_args *a,
			 struct snap_writer *w, struct err *e)
{
	const struct memory_sink memory = { a->memory, snap_write_memory, w };
	const struct collect_options needs = { .previews = !a->no_values,
					       .values = !a->no_values,
					       .edges = true,
					       .waste = true,
					       .huge_slack = true,
					       .memory = a->no_values ? NULL : &memory };

	if (!context_collect(cx, a->target, &needs, e))
		return false;
	return !a->memory || cx->model->memory.n > 0 || refuse_no_memory(a, cx->model, e);
}

static bool dump_run(struct context *cx, const void *args, struct sink *out,
		     struct err *e)
{
	const struct dump_args *a = args;
	const struct new_file_options o = output_options(a->output, a->force);
	struct snap_writer *w;
	bool ok = snap_begin(&o, &w, e) && dump_collect(cx, a, w, e);
	struct model *m = cx->model;
	uint64_t memory = 0;

	if (ok && a->no_values)
		model_drop_values(m); /* of a snapshot, which has them */
	if (ok && a->label && m->processes.n > 0)
		m->processes.label[0] = model_intern(m, str_of(a->label));
	if (ok)
		memory = memory_bytes(m);
	ok = ok && dump_write(m, w, e);
	snap_end(w);
	if (ok && o.path)
		dump_tell(cx, a, memory, out);
	return ok;
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
