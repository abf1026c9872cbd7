/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/diff_int.h"

#include "cmd/folder_int.h"
#include "cmd/graph_int.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define HOUR_S 3600.0

enum { TREND_LEAST = 3 /* snapshots: a line through two has no error */ };

struct trend_source {
	const struct folder *folder;
	struct trend trend;
	const struct folder_entry *first, *last; /* of those that were read */
	double *rss_all;                         /* of each */
	bool has_rss;
	struct line rss; /* bytes by hours */
	uint64_t limit;  /* 0: none */
	struct trend_eta eta;
};

/* ---- cells ---- */

static const struct trend_row *row_at(const void *source, size_t row)
{
	return &((const struct trend_source *)source)->trend.rows[row];
}

static const struct model *names_of(const void *source)
{
	return ((const struct trend_source *)source)->trend.names;
}

static struct cell get_domain(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = names_of(source);

	(void)scratch;
	return cell_text(model_text(m, m->types.domain[row_at(source, row)->type]));
}

static struct cell get_kind(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = names_of(source);

	(void)scratch;
	return cell_text(model_text(m, m->types.kind[row_at(source, row)->type]));
}

static struct cell get_detail(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = names_of(source);

	(void)scratch;
	return cell_text(model_text(m, m->types.detail[row_at(source, row)->type]));
}

/* For people: all three in one. */
static struct cell get_what(const void *source, size_t row, struct buf *scratch)
{
	const struct model *m = names_of(source);
	uint32_t type = row_at(source, row)->type;

	type_show_in_full(m, type, scratch);
	return cell_text(buf_view(scratch));
}

static struct cell get_count_first(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->count_first);
}

static struct cell get_count_last(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->count_last);
}

static struct cell get_size_first(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->size_first);
}

static struct cell get_size_last(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->size_last);
}

static struct cell get_steps_grown(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(row_at(source, row)->steps_grown);
}

static struct cell get_steps(const void *source, size_t row, struct buf *scratch)
{
	const struct trend_source *s = source;

	(void)row, (void)scratch;
	return cell_number(s->trend.n - 1);
}

/* "in all 11", "in 7 of 11" */
static struct cell get_grew(const void *source, size_t row, struct buf *scratch)
{
	const struct trend_source *s = source;
	uint32_t grown = row_at(source, row)->steps_grown;

	if (grown == s->trend.n - 1)
		buf_printf(scratch, "in all %u", grown);
	else
		buf_printf(scratch, "in %u of %zu", grown, s->trend.n - 1);
	return cell_text(buf_view(scratch));
}

static int64_t whole(double value)
{
	return value >= 0x1p63    ? INT64_MAX
	       : value <= -0x1p63 ? INT64_MIN
				  : llround(value);
}

static struct cell get_slope(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_signed(whole(row_at(source, row)->line.slope));
}

static struct cell get_error(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number((uint64_t)whole(row_at(source, row)->line.error));
}

static struct cell get_fit(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number((uint64_t)whole(100 * row_at(source, row)->line.r2));
}

static const struct column diff_folder_columns[] = {
	{ "domain", COLUMN_TEXT, COLUMN_NOT_TEXT, get_domain, "whose it is" },
	{ "kind", COLUMN_TEXT, COLUMN_NOT_TEXT, get_kind, "what it is" },
	{ "detail", COLUMN_TEXT, COLUMN_NOT_TEXT, get_detail, "more about it" },
	{ "what", COLUMN_NAME, COLUMN_TEXT_ONLY, get_what, "these three in one" },
	{ "count_first", COLUMN_COUNT, COLUMN_NOT_TEXT, get_count_first,
	  "how many there were in the first snapshot" },
	{ "count_last", COLUMN_COUNT, COLUMN_IF_ROOM, get_count_last,
	  "and in the last one" },
	{ "size_first", COLUMN_BYTES, COLUMN_IF_ROOM, get_size_first,
	  "their bytes in the first snapshot" },
	{ "size_last", COLUMN_BYTES, 0, get_size_last, "and in the last one" },
	{ "grew", COLUMN_TEXT, COLUMN_TEXT_ONLY, get_grew, "in how many steps" },
	{ "steps_grown", COLUMN_NUMBER, COLUMN_NOT_TEXT, get_steps_grown,
	  "from how many snapshots to the next their bytes grew" },
	{ "steps", COLUMN_NUMBER, COLUMN_NOT_TEXT, get_steps, "of so many" },
	{ "per_hour", COLUMN_BYTES_CHANGE, 0, get_slope,
	  "bytes an hour, by the line through all snapshots" },
	{ "error", COLUMN_BYTES, 0, get_error, "the standard error of that" },
	{ "fit", COLUMN_NUMBER, COLUMN_NOT_TEXT, get_fit,
	  "how much of their change the line explains, in percent" },
};

/* ---- above the rows ---- */

/* "3 d 4 h", "2 h 20 min", "12 min", "7 s" */
static void span_show(struct buf *out, double seconds)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = {
		{ "a", 365 * 86400.0 }, { "d", 86400 }, { "h", HOUR_S },
		{ "min", 60 },          { "s", 1 },
	};
	size_t i = 0;
	double n, rest;

	if (seconds < 1) {
		buf_str(out, "less than 1 s");
		return;
	}
	if (!(seconds < 1000 * units[0].seconds)) {
		buf_str(out, "1000 a");
		return;
	}
	while (i + 1 < countof(units) && seconds < units[i].seconds)
		i++;
	n = floor(seconds / units[i].seconds);
	buf_printf(out, "%.0f %s", n, units[i].name);
	if (i + 1 == countof(units))
		return;
	rest = floor((seconds - n * units[i].seconds) / units[i + 1].seconds);
	if (rest > 0 && i + 2 < countof(units))
		buf_printf(out, " %.0f %s", rest, units[i + 1].name);
}

/* "2.0 GiB in 3 d 4 h (95 %: 2 d 20 h to 3 d 15 h)" */
static void eta_show(const struct trend_source *s, struct buf *out)
{
	const struct trend_eta *eta = &s->eta;

	bytes_show(out, s->limit, false);
	if (eta->is_reached) {
		buf_str(out, " is reached");
		return;
	}
	if (!eta->is_coming) {
		buf_str(out, " is not in sight");
		return;
	}
	buf_str(out, " in ");
	span_show(out, eta->in * HOUR_S);
	buf_str(out, " (95 %: ");
	span_show(out, eta->least * HOUR_S);
	if (eta->has_most) {
		buf_str(out, " to ");
		span_show(out, eta->most * HOUR_S);
	} else {
		buf_str(out, " or later, or never");
	}
	buf_char(out, ')');
}

/* "RSS 98.7 MiB, +1.2 MiB an hour (error 0.1 MiB)", and when that gets to the limit. */
static void rss_show(const struct trend_source *s, struct buf *out)
{
	buf_str(out, "RSS ");
	bytes_show(out, s->last->rss, false);
	buf_str(out, ", ");
	bytes_change_show(out, whole(s->rss.slope), false);
	buf_str(out, " an hour (error ");
	bytes_show(out, (uint64_t)whole(s->rss.error), false);
	buf_str(out, ")\n");
	if (!s->limit)
		return;
	eta_show(s, out);
	buf_char(out, '\n');
}

static void above_write(const struct table *t, struct sink *out)
{
	const struct trend_source *s = t->source;
	struct buf text = { 0 };

	count_show(&text, s->trend.n);
	buf_str(&text, " snapshots in ");
	span_show(&text, s->trend.hours[s->trend.n - 1] * HOUR_S);
	buf_char(&text, '\n');
	if (s->has_rss)
		rss_show(s, &text);
	buf_char(&text, '\n');
	sink_add(out, text.s, text.n);
	buf_release(&text);
}

/* ---- reading ---- */

/* What is compared is one process: the newest's. */
static size_t count_others(const struct folder *f, uint32_t process)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->entries[i].process != process;
	return n;
}

/* The newest of which there are enough for a trend: a service that was started anew must not
 * hide the one before it. The newest where there is none. */
static const struct folder_entry *newest_of_many(const struct folder *f)
{
	for (size_t i = f->n; i-- > 0;)
		if (f->n - count_others(f, f->entries[i].process) >= TREND_LEAST)
			return &f->entries[i];
	return &f->entries[f->n - 1];
}

static void say_others(const struct folder *f, const struct folder_entry *chosen,
		       struct model *m)
{
	size_t others = count_others(f, chosen->process);

	if (others > 0)
		model_find_out(
			m, SEVERITY_NOTE, "",
			"%zu snapshot%s of other processes than %u %s left out: it "
			"is the newest with %u or more",
			others, others == 1 ? "" : "s", chosen->pid,
			others == 1 ? "is" : "are", (unsigned)TREND_LEAST);
}

static void add_snapshots(struct trend_source *s, uint32_t process)
{
	const struct folder *f = s->folder;
	struct progress progress = progress_begin("reading");
	struct model *m;
	struct err e;

	for (size_t i = 0; i < f->n; i++) {
		progress_step(&progress, i, f->n);
		if (f->entries[i].process != process)
			continue;
		if (!folder_totals(f, i, &m, &e)) {
			folder_find_out(f, i, &e);
			continue;
		}
		trend_add(&s->trend, f->entries[i].time, m);
		model_free(m);
		s->last = &f->entries[i];
		if (!s->first)
			s->first = s->last;
		s->rss_all[s->trend.n - 1] = (double)s->last->rss;
		s->has_rss &= s->last->rss > 0;
	}
	progress_end(&progress);
}

static bool refuse_few(const struct trend_source *s, struct err *e)
{
	return fail(
		e, ERR_FILE,
		"'%s' has %zu snapshot%s of one process%s: a trend takes three or more\n"
		"'heapsift watch PID --every 1m -o %s' takes them; 'heapsift log' lists "
		"what is there",
		s->folder->path, s->trend.n, s->trend.n == 1 ? "" : "s",
		s->trend.n >= 3 ? ", all of one moment" : "", s->folder->path);
}

/* The lines, and when they meet the limit. */
static bool trend_work_out(struct trend_source *s, uint64_t until, struct err *e)
{
	if (!trend_build(&s->trend))
		return refuse_few(s, e);
	s->limit = until ? until : s->last->memory_limit;
	s->has_rss =
		s->has_rss && line_fit(s->trend.hours, s->rss_all, s->trend.n, &s->rss);
	if (s->has_rss && s->limit)
		s->eta = trend_eta(&s->rss, s->trend.n, (double)s->last->rss,
				   (double)s->limit);
	return true;
}

enum { FACTS_MOST = 9 };

/* Programs alone: people have them in a sentence. */
struct facts {
	struct report_fact all[FACTS_MOST];
	size_t n;
};

static void fact(struct facts *f, const char *name, enum column_type type, double value)
{
	assert(f->n < FACTS_MOST);
	f->all[f->n++] = (struct report_fact){ .name = name,
					       .type = type,
					       .value = (uint64_t)whole(value),
					       .not_text = true };
}

static void facts_build(const struct trend_source *s, struct facts *f)
{
	const struct trend_eta *eta = &s->eta;

	fact(f, "snapshots", COLUMN_COUNT, (double)s->trend.n);
	if (!s->has_rss)
		return;
	fact(f, "rss", COLUMN_BYTES, (double)s->last->rss);
	fact(f, "rss_per_hour", COLUMN_BYTES_CHANGE, s->rss.slope);
	fact(f, "rss_error", COLUMN_BYTES, s->rss.error);
	if (s->limit)
		fact(f, "limit", COLUMN_BYTES, (double)s->limit);
	if (!eta->is_coming)
		return;
	fact(f, "limit_in_s", COLUMN_COUNT, eta->in * HOUR_S);
	fact(f, "limit_in_s_least", COLUMN_COUNT, eta->least * HOUR_S);
	if (eta->has_most)
		fact(f, "limit_in_s_most", COLUMN_COUNT, eta->most * HOUR_S);
}

static bool trend_answer(struct context *cx, const struct trend_source *s,
			 const char *fail_if, struct sink *out, struct err *e)
{
	struct facts f = { .n = 0 };
	struct report r = { .table = { .source = s, .nrows = s->trend.nrows },
			    .facts = f.all,
			    .above = above_write };
	struct diff_gate gate = { .expr = fail_if, .table = r.table };
	bool ok;

	if (!diff_gate_open(cx, &gate, e))
		return false;
	facts_build(s, &f);
	diff_gate_tell(&gate, f.all, &f.n);
	r.nfacts = f.n;
	ok = context_report(cx, &r, out, e);
	diff_gate_close(cx, &gate, ok);
	return ok;
}

bool diff_is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool folder_run(struct context *cx, const void *args, struct sink *out,
		       struct err *e)
{
	const struct diff_args *a = args;
	struct folder f;
	struct trend_source s = { .folder = &f, .has_rss = true };
	bool ok;

	context_limit(cx, a->a);
	cx->model = model_new();
	if (!folder_read(a->a, cx->model, &f, e))
		return false;
	s.rss_all = xcalloc(f.n, sizeof(*s.rss_all));
	if (f.n > 0) {
		const struct folder_entry *chosen = newest_of_many(&f);

		say_others(&f, chosen, cx->model);
		add_snapshots(&s, chosen->process);
	}
	ok = trend_work_out(&s, a->until, e) && trend_answer(cx, &s, a->fail_if, out, e);
	free(s.rss_all);
	trend_release(&s.trend);
	folder_release(&f);
	return ok;
}

const struct command diff_of_folder = {
	DIFF_COMMAND,
	.columns = diff_folder_columns,
	.ncolumns = countof(diff_folder_columns),
	.run = folder_run,
};
