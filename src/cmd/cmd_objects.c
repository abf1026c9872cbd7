/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/compare_int.h"
#include "cmd/graph_int.h"

#include "base/log.h"
#include <fnmatch.h>
#include <stdlib.h>

struct objects_args {
	const char *target, *type, *value;
	struct since_args since;
};

static const struct column objects_columns[] = {
	{ "addr", COLUMN_ADDRESS, 0, node_get_addr, "where it is" },
	{ "domain", COLUMN_TEXT, COLUMN_NOT_TEXT, node_get_domain,
	  "whose it is: python, c++, c, uncategorized" },
	{ "kind", COLUMN_TEXT, COLUMN_NOT_TEXT, node_get_kind,
	  "its type: dict, app.models.Order, std::string" },
	{ "what", COLUMN_NAME, COLUMN_TEXT_ONLY, node_get_what, "these two in one" },
	{ "size", COLUMN_BYTES, COLUMN_IF_ROOM, node_get_size,
	  "bytes of its own, as sys.getsizeof has them; of a block what is usable" },
	{ "footprint", COLUMN_BYTES, COLUMN_IF_ROOM, node_get_footprint,
	  "all bytes of its blocks: with headers and rounding" },
	{ "retained", COLUMN_BYTES, 0, node_get_retained,
	  "size of all that would go with it" },
	{ "retained_footprint", COLUMN_BYTES, COLUMN_NOT_TEXT,
	  node_get_retained_footprint, "footprint of all that would go with it" },
	{ "possible", COLUMN_BOOL, COLUMN_NOT_TEXT, node_get_possible,
	  "only what may be a reference, a word with its address, leads to it" },
	{ "held", COLUMN_TEXT, COLUMN_TEXT_ONLY, node_get_held,
	  "possibly: only what may be a reference leads to it; unreached: nothing does" },
	{ "value", COLUMN_CODE, 0, node_get_value, "what it says, in short" },
};

static const struct opt objects_opts[] = {
	OPT_STRING(
		't', "type", struct objects_args, type, "NAME", OFFER_NOTHING,
		"only of this kind: app.models.Order, its last word Order, or a pattern "
		"like 'app.*'"),
	OPT_STRING(0, "value", struct objects_args, value, "TEXT", OFFER_NOTHING,
		   "only those whose value has TEXT in it"),
	SINCE_OPTS(struct objects_args),
};

static const struct opt objects_args[] = {
	ARG_STRING("TARGET", struct objects_args, target, OFFER_TARGET, TARGET_HELP),
};

/* ---- which kinds ---- */

static bool kind_matches(struct str kind, const char *name)
{
	struct buf text = { 0 };
	bool matches = str_is(kind, name) || str_is(kind_last_word(kind), name);

	if (!matches && kind.n && strpbrk(name, "*?")) {
		buf_add(&text, kind.s, kind.n);
		matches = fnmatch(name, text.s, 0) == 0;
		buf_release(&text);
	}
	return matches;
}

/* By row of m->types; NULL: all are wanted. *any: some type is. */
static bool *types_pick(const struct model *m, const char *name, bool *any)
{
	bool *wanted;

	*any = true;
	if (!name)
		return NULL;
	*any = false;
	wanted = xcalloc(m->types.n + 1, sizeof(*wanted));
	for (size_t t = 0; t < m->types.n; t++) {
		wanted[t] = kind_matches(model_text(m, m->types.kind[t]), name);
		*any |= wanted[t];
	}
	return wanted;
}

static char *copy_of(struct str text)
{
	char *copy = xcalloc(text.n + 1, 1);

	if (text.n)
		memcpy(copy, text.s, text.n);
	return copy;
}

/* The shortest kind that has the word in it, whatever its letters' case; NULL: none. */
static const char *kind_with(char *const *names, size_t n, const char *word)
{
	const char *shortest = NULL;

	for (size_t i = 0; i < n; i++)
		if (strcasestr(names[i], word) &&
		    (!shortest || strlen(names[i]) < strlen(shortest)))
			shortest = names[i];
	return shortest;
}

/* The kind that was probably meant, owned by the caller; NULL: none is near. */
static char *nearest_kind(const struct model *m, const char *name)
{
	char **names = xcalloc(2 * m->types.n + 1, sizeof(*names)), *found = NULL;
	const char *nearest;
	size_t n = 0;

	for (size_t t = 0; t < m->types.n; t++) {
		struct str kind = model_text(m, m->types.kind[t]);

		names[n++] = copy_of(kind);
		names[n++] = copy_of(kind_last_word(kind));
	}
	nearest = kind_with(names, n, name);
	if (!nearest)
		nearest = opt_nearest(name, (const char *const *)names, n);
	if (nearest && *nearest)
		found = xstrdup(nearest);
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return found;
}

static void no_kind_say(const struct model *m, const char *name)
{
	char *nearest = nearest_kind(m, name);

	if (nearest)
		log_say("nothing here is of the type '%.100s'; did you mean '%.200s'?",
			name, nearest);
	else
		log_say("nothing here is of the type '%.100s'; 'heapsift top' lists the "
			"kinds there are",
			name);
	free(nearest);
}

/* ---- which nodes ---- */

static bool says(const struct model *m, uint32_t node, const char *text,
		 struct buf *scratch)
{
	if (node_is_object(m, node) &&
	    str_find(model_text(m, m->objects.value[node]), text) >= 0)
		return true;
	buf_clear(scratch);
	node_value(m, node, scratch);
	return str_find(buf_view(scratch), text) >= 0;
}

struct node_pick {
	uint32_t *nodes;
	size_t n;
};

static struct node_pick nodes_pick(const struct model *m, const bool *types,
				   const char *value, const uint64_t *only)
{
	struct node_pick p = { .nodes = xcalloc(node_count(m) + 1u, 4) };
	struct buf scratch = { 0 };

	for (uint32_t node = 0; node < node_count(m); node++) {
		if (!node_is_there(m, node) || (only && !bit_is_set(only, node)) ||
		    (types && !types[min_u64(node_type(m, node), m->types.n)]) ||
		    (value && !says(m, node, value, &scratch)))
			continue;
		p.nodes[p.n++] = node;
	}
	buf_release(&scratch);
	return p;
}

static bool objects_report(struct context *cx, const struct objects_args *a,
			   const struct since *since, struct sink *out, struct err *e)
{
	struct node_source source = { .m = cx->model };
	bool any, *types = types_pick(cx->model, a->type, &any), ok;
	struct node_pick pick = nodes_pick(cx->model, types, a->value, since->nodes);
	struct report r = {
		.table = { .source = &source, .pick = pick.nodes, .nrows = pick.n }
	};

	if (!any)
		no_kind_say(cx->model, a->type);
	cx->answer_is_no = pick.n == 0 && (a->type || a->value);
	since_tell(since, &r);
	ok = context_report(cx, &r, out, e);
	free(types);
	free(pick.nodes);
	return ok;
}

static bool objects_run(struct context *cx, const void *args, struct sink *out,
			struct err *e)
{
	const struct objects_args *a = args;
	const struct collect_options needs = { .edges = true,
					       .values = true,
					       .previews = true };
	struct since since;
	bool ok;

	if (!context_open(cx, a->target, &needs, e))
		return false;
	if (!has_retained(cx->model) && !cx->shared.sort &&
	    !context_sort_by(cx, "size", e))
		return false;
	ok = since_open(cx, &a->since, &since, e) &&
	     objects_report(cx, a, &since, out, e);
	since_release(&since);
	return ok;
}

static bool objects_check(const void *args, struct err *e)
{
	const struct objects_args *a = args;

	return since_check(a->target, &a->since, e);
}

const struct command cmd_objects = {
	.name = "objects",
	.group = GROUP_LOOK,
	.brief = "objects by what they keep alive",
	.text = "Python objects, and native blocks that nobody claims, one by one. What "
		"one retains is what would be freed with it: its own size, and that of "
		"all "
		"that only it keeps alive. Retained sizes of rows overlap, for a list "
		"retains its items; they are not to be added up.",
	.example = "objects 1234 --type 'app.*' -n 50",
	.example_text = "the objects of one's own classes that hold most",
	.flags = COMMAND_FORMATS | COMMAND_ROWS | COMMAND_TARGET,
	.args = objects_args,
	.nargs = countof(objects_args),
	.opts = objects_opts,
	.nopts = countof(objects_opts),
	.args_size = sizeof(struct objects_args),
	.columns = objects_columns,
	.ncolumns = countof(objects_columns),
	.sort = "retained",
	.limit = 20,
	.check = objects_check,
	.run = objects_run,
};
