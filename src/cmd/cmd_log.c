/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/analysis.h"
#include "cmd/folder_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct log_args {
	const char *folder;
};

struct log_row {
	const struct folder_entry *entry;
	const struct log_row *before; /* the older one of the same process, or NULL */
	bool has_totals;
	uint64_t count, size;
};

/* Rows are by time: the table shows them from its end. */
struct log_source {
	const struct model *m; /* texts */
	struct log_row *rows;
	size_t n;
};

static const struct log_row *row_of(const void *source, size_t row)
{
	const struct log_source *s = source;

	return &s->rows[s->n - 1 - row];
}

static struct cell get_text(const void *source, uint32_t id)
{
	const struct log_source *s = source;

	return id ? cell_text(model_text(s->m, id)) : cell_absent();
}

static bool utc_of(const struct log_row *r, struct tm *utc)
{
	time_t seconds = (time_t)(r->entry->time / 1000000000);

	return r->entry->time != 0 && gmtime_r(&seconds, utc);
}

static struct cell time_cell(const struct log_row *r, const char *format,
			     struct buf *scratch)
{
	char text[32];
	struct tm utc;

	if (!utc_of(r, &utc))
		return cell_absent();
	strftime(text, sizeof(text), format, &utc);
	buf_str(scratch, text);
	return cell_text(buf_view(scratch));
}

static struct cell get_time(const void *source, size_t row, struct buf *scratch)
{
	return time_cell(row_of(source, row), "%Y-%m-%dT%H:%M:%SZ", scratch);
}

static struct cell get_when(const void *source, size_t row, struct buf *scratch)
{
	return time_cell(row_of(source, row), "%Y-%m-%d %H:%M:%S", scratch);
}

static struct cell get_label(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return get_text(source, row_of(source, row)->entry->label);
}

static struct cell get_file(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return get_text(source, row_of(source, row)->entry->file);
}

static struct cell get_pid(const void *source, size_t row, struct buf *scratch)
{
	uint32_t pid = row_of(source, row)->entry->pid;

	(void)scratch;
	return pid ? cell_number(pid) : cell_absent();
}

static struct cell get_exe(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return get_text(source, row_of(source, row)->entry->exe);
}

/* What a row has one of, if it is known. */
typedef bool log_value(const struct log_row *r, uint64_t *value);

static bool rss_of(const struct log_row *r, uint64_t *value)
{
	*value = r->entry->rss;
	return r->entry->rss > 0;
}

static bool count_of(const struct log_row *r, uint64_t *value)
{
	*value = r->count;
	return r->has_totals;
}

static bool size_of(const struct log_row *r, uint64_t *value)
{
	*value = r->size;
	return r->has_totals;
}

static struct cell value_cell(const struct log_row *r, log_value *fn)
{
	uint64_t value;

	return fn(r, &value) ? cell_number(value) : cell_absent();
}

static struct cell change_cell(const struct log_row *r, log_value *fn)
{
	uint64_t now, before;

	if (!r->before || !fn(r, &now) || !fn(r->before, &before))
		return cell_absent();
	return cell_signed((int64_t)(now - before));
}

static struct cell get_rss(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return value_cell(row_of(source, row), rss_of);
}

static struct cell get_rss_change(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return change_cell(row_of(source, row), rss_of);
}

static struct cell get_count(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return value_cell(row_of(source, row), count_of);
}

static struct cell get_count_change(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return change_cell(row_of(source, row), count_of);
}

static struct cell get_size(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return value_cell(row_of(source, row), size_of);
}

static struct cell get_size_change(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return change_cell(row_of(source, row), size_of);
}

/* Where there is no room for all, the last ones go first. */
static const struct column log_columns[] = {
	{ "time", COLUMN_TEXT, COLUMN_NOT_TEXT, get_time, "when it was taken, UTC" },
	{ "when", COLUMN_TEXT, COLUMN_TEXT_ONLY | COLUMN_WHOLE, get_when,
	  "the same for people" },
	{ "label", COLUMN_TEXT, 0, get_label, "the word on it" },
	{ "file", COLUMN_PATH, 0, get_file, "its name in the folder" },
	{ "pid", COLUMN_NUMBER, 0, get_pid, "of the process" },
	{ "rss", COLUMN_BYTES, 0, get_rss, "resident bytes" },
	{ "rss_change", COLUMN_BYTES_CHANGE, 0, get_rss_change,
	  "since the snapshot before, of the same process" },
	{ "size_change", COLUMN_BYTES_CHANGE, COLUMN_IF_ROOM, get_size_change,
	  "of what is alive, since the snapshot before" },
	{ "size", COLUMN_BYTES, COLUMN_IF_ROOM, get_size,
	  "bytes of objects, and of blocks that are none of an object's" },
	{ "count_change", COLUMN_COUNT_CHANGE, COLUMN_IF_ROOM, get_count_change,
	  "since the snapshot before" },
	{ "count", COLUMN_COUNT, COLUMN_IF_ROOM, get_count,
	  "how many they are: the total of 'top'" },
	{ "exe", COLUMN_PATH, COLUMN_IF_ROOM, get_exe, "its program" },
};

static const struct opt log_args[] = {
	ARG_STRING("DIR", struct log_args, folder, OFFER_FILE, "a folder with snapshots"),
};

/* A file that is damaged behind its first columns is a row without sums, and a finding. */
static void add_totals(struct log_row *row, const struct folder *f, size_t i)
{
	struct model *m;
	struct err e;

	row->has_totals = folder_totals(f, i, &m, &e);
	if (!row->has_totals) {
		folder_find_out(f, i, &e);
		return;
	}
	for (size_t t = 0; t < m->totals.n; t++) {
		row->count += m->totals.count[t];
		row->size += m->totals.size[t];
	}
	model_free(m);
}

static struct log_row *rows_build(const struct folder *f)
{
	struct log_row *rows = xcalloc(f->n, sizeof(*rows));
	struct progress progress = progress_begin("reading");
	struct map latest = { 0 };

	for (size_t i = 0; i < f->n; i++) {
		uint32_t process = f->entries[i].process, before;

		progress_step(&progress, i, f->n);
		rows[i].entry = &f->entries[i];
		if (map_find(&latest, process, &before))
			rows[i].before = &rows[before];
		map_set(&latest, process, (uint32_t)i);
		add_totals(&rows[i], f, i);
	}
	progress_end(&progress);
	map_release(&latest);
	return rows;
}

static bool log_run(struct context *cx, const void *args, struct sink *out, struct err *e)
{
	const struct log_args *a = args;
	struct log_source s = { 0 };
	struct folder f;
	bool ok;

	context_limit(cx, a->folder);
	cx->model = model_new();
	if (!folder_read(a->folder, cx->model, &f, e))
		return false;
	s = (struct log_source){ cx->model, rows_build(&f), f.n };
	cx->answer_is_no = f.n == 0;
	if (f.n == 0)
		model_find_out(cx->model, SEVERITY_NOTE, a->folder,
			       "there is no snapshot in it");
	ok = context_report(
		cx, &(struct report){ .table = { .source = &s, .nrows = s.n } }, out, e);
	free(s.rows);
	folder_release(&f);
	return ok;
}

const struct command cmd_log = {
	.name = "log",
	.group = GROUP_KEEP,
	.brief = "the snapshots of a folder, and how each differs",
	.text = "One row for each snapshot in DIR, the newest first: when it was "
		"taken, the word that 'dump --label' put on it, how large the process "
		"was, and by how much it had grown since the snapshot before of the "
		"same process. Snapshots are told by their content, whatever they are "
		"called; other files are passed over, and so are packed ones.\n\n"
		"'watch' fills such a folder, and 'diff DIR' says what grew from one "
		"snapshot to the next.",
	.example = "log snapshots/",
	.example_text = "what 'watch 1234 --every 5m -o snapshots' has taken so far",
	.flags = COMMAND_FORMATS | COMMAND_ROWS,
	.args = log_args,
	.nargs = countof(log_args),
	.args_size = sizeof(struct log_args),
	.columns = log_columns,
	.ncolumns = countof(log_columns),
	.limit = 20,
	.run = log_run,
};
