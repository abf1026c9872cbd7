/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dump is written while it is made: what is not wanted to work out what is retained is
 * written first and given back, for the two together are most of the memory.
 */
#include "cmd/dump_int.h"

#include "analysis/analysis.h"
#include "snap/snap.h"

bool dump_request_check(const char *command, const struct dump_request *a, struct err *e)
{
	if (a->memory && a->no_values)
		return fail(e, ERR_USAGE,
			    "%s: --memory keeps what --no-values leaves out\n"
			    "give one of them",
			    command);
	return !a->memory || memory_choice_check(a->memory, e) ||
	       err_within(e, "%s", command);
}

static uint64_t memory_bytes(const struct model *m)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->memory.n; i++)
		sum += m->memory.end[i] - m->memory.start[i];
	return sum;
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

static bool model_write(struct model *m, struct snap_writer *w, struct err *e)
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

static bool refuse_no_memory(const struct dump_request *a, const struct model *m,
			     struct err *e)
{
	bool is_live = m->processes.n > 0 && m->processes.kind[0] == TARGET_LIVE;

	return fail(e, is_live ? ERR_PROCESS : ERR_FILE,
		    "'%s' has nothing that can be read of the memory chosen, %.200s",
		    a->target, a->memory);
}

/* Memory goes into the file while the target is held, the rest when it is known. */
static bool dump_collect(struct context *cx, const struct dump_request *a,
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
	if (a->started && cx->model->processes.started[0] != a->started)
		return fail(e, ERR_PROCESS, "%s is another process by now", a->target);
	return !a->memory || cx->model->memory.n > 0 || refuse_no_memory(a, cx->model, e);
}

bool dump_write(struct context *cx, const struct dump_request *a,
		const struct new_file_options *o, uint64_t *memory, struct err *e)
{
	struct snap_writer *w;
	bool ok = snap_begin(o, &w, e) && dump_collect(cx, a, w, e);
	struct model *m = cx->model;

	if (ok && a->no_values)
		model_drop_values(m); /* of a snapshot, which has them */
	if (ok && a->label && m->processes.n > 0)
		m->processes.label[0] = model_intern(m, str_of(a->label));
	if (ok)
		*memory = memory_bytes(m);
	ok = ok && model_write(m, w, e);
	snap_end(w);
	return ok;
}
