/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

struct check_args {
	const char *target;
};

/* Evidence that has nothing to say on a point is absent. */
static struct cell words(const struct model *m, uint32_t id)
{
	return id ? cell_text(model_text(m, id)) : cell_absent();
}

static struct cell get_item(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return cell_text(model_text(m, m->evidence.item[row]));
}

static struct cell get_answer(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return words(m, m->evidence.answer[row]);
}

static struct cell get_evidence(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return words(m, m->evidence.evidence[row]);
}

static struct cell get_cure(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = source;

	(void)scratch;
	return words(m, m->evidence.cure[row]);
}

static const struct column check_columns[] = {
	{ "item", COLUMN_TEXT, 0, get_item, "what was asked" },
	{ "answer", COLUMN_TEXT, 0, get_answer, "what was found out" },
	{ "evidence", COLUMN_TEXT, 0, get_evidence, "how it is known" },
	{ "cure", COLUMN_TEXT, 0, get_cure, "what would help" },
};

static const struct opt check_args[] = {
	ARG_STRING("TARGET", struct check_args, target, OFFER_TARGET, TARGET_HELP),
};

/* The one row that says so. */
static bool is_refused(const struct model *m)
{
	for (size_t i = 0; i < m->evidence.n; i++)
		if (str_is(model_text(m, m->evidence.item[i]), "readable"))
			return !str_is(model_text(m, m->evidence.answer[i]), "yes");
	return false;
}

static bool check_run(struct context *cx, const void *args, struct sink *out,
		      struct err *e)
{
	const struct check_args *a = args;
	const struct collect_options needs = { .evidence_only = true };

	if (!context_open(cx, a->target, &needs, e))
		return false;
	cx->answer_is_no = is_refused(cx->model);
	return context_report(cx,
			      &(struct report){ .table = { .source = cx->model,
							   .nrows = cx->model->evidence.n,
							   .layout = LAYOUT_CARDS } },
			      out, e);
}

const struct command cmd_check = {
	.name = "check",
	.group = GROUP_LOOK,
	.brief = "what can be read here, by what evidence; what stands in the way",
	.text = "Finds out without stopping the target: may it be read, and if not what "
		"would help; which allocator it uses and how that is known. Of a core: "
		"which files that its process had mapped are missing, by their "
		"build-ids, and how to give them. Servers that DEBUGINFOD_URLS names are "
		"asked for them.",
	.example = "check 1234",
	.example_text = "before anything else, on a machine you do not know",
	.flags = COMMAND_FORMATS | COMMAND_ROWS | COMMAND_CORES,
	.args = check_args,
	.nargs = countof(check_args),
	.args_size = sizeof(struct check_args),
	.columns = check_columns,
	.ncolumns = countof(check_columns),
	.run = check_run,
};
