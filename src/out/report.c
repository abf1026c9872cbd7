/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands around the rows. In JSON one object, all of it always; in text what a person
 * wants to know next: that there are more rows, what was found wrong, and how the bytes
 * were come by.
 */
#include "out/out_int.h"

#include "base/utf8.h"
#include <stdlib.h>
#include <time.h>

enum { FINDINGS_SHOWN = 10, FINDING_INDENT = 2, TIME_MOST = 32 };

/* ISO 8601 in UTC; false: the time is not known or is not one. */
static bool time_show(uint64_t seconds, const char *format, char text[TIME_MOST])
{
	time_t when = (time_t)seconds;
	struct tm utc;

	return seconds != 0 && seconds < INT64_MAX && gmtime_r(&when, &utc) &&
	       strftime(text, TIME_MOST, format, &utc) != 0;
}

/* ---- JSON ---- */

static void text_member(struct json *j, const char *key, const struct model *m,
			uint32_t id)
{
	if (id == 0)
		return;
	json_key(j, key);
	json_str(j, model_text(m, id));
}

static bool has_pause(const struct model *m)
{
	return m->processes.mode[0] == MODE_FORK || m->processes.mode[0] == MODE_FREEZE;
}

static void target_write(const struct model *m, struct json *j)
{
	char when[TIME_MOST];

	json_open(j, '{');
	if (m->processes.n > 0) {
		json_key(j, "kind");
		json_str(j, str_of(target_kind_name(m->processes.kind[0])));
		if (m->processes.pid[0]) {
			json_key(j, "pid");
			json_number(j, m->processes.pid[0]);
		}
		text_member(j, "exe", m, m->processes.exe[0]);
		if (time_show(m->processes.time[0], "%Y-%m-%dT%H:%M:%SZ", when)) {
			json_key(j, "time");
			json_str(j, str_of(when));
		}
		if (m->processes.signal[0]) {
			json_key(j, "signal");
			json_str(j, str_of(signal_name(m->processes.signal[0])));
		}
		text_member(j, "label", m, m->processes.label[0]);
		text_member(j, "allocator", m, m->processes.allocator[0]);
		text_member(j, "python", m, m->processes.python[0]);
		if (m->processes.mode[0] != MODE_AUTO) {
			json_key(j, "mode");
			json_str(j, str_of(snapshot_mode_name(m->processes.mode[0])));
		}
		if (has_pause(m)) {
			json_key(j, "pause_ms");
			json_ms(j, m->processes.pause_ns[0]);
		}
	}
	json_close(j, '}');
}

/* The one that the rows are of; and all, when there are others. */
static void targets_write(const struct report *r, struct json *j)
{
	json_newline(j);
	json_key(j, "target");
	target_write(r->model, j);
	if (r->nothers == 0)
		return;
	json_newline(j);
	json_key(j, "targets");
	json_open(j, '[');
	for (size_t i = 0; i <= r->nothers; i++) {
		json_newline(j);
		target_write(i < r->nothers ? r->others[i] : r->model, j);
	}
	json_newline(j);
	json_close(j, ']');
}

static void findings_write_json(const struct model *m, struct json *j)
{
	json_newline(j);
	json_key(j, "findings");
	json_open(j, '[');
	for (size_t i = 0; i < m->findings.n; i++) {
		json_newline(j);
		json_open(j, '{');
		json_key(j, "severity");
		json_str(j, str_of(severity_name(m->findings.severity[i])));
		text_member(j, "where", m, m->findings.where[i]);
		json_key(j, "text");
		json_str(j, model_text(m, m->findings.text[i]));
		json_close(j, '}');
	}
	if (m->findings.n)
		json_newline(j);
	json_close(j, ']');
}

static void fact_write_json(const struct report_fact *f, struct json *j)
{
	struct row_order o;

	json_newline(j);
	json_key(j, f->name);
	if (f->type == COLUMN_BOOL) {
		json_bool(j, f->value);
		return;
	}
	if (f->type == COLUMN_BYTES_CHANGE || f->type == COLUMN_COUNT_CHANGE) {
		json_signed(j, (int64_t)f->value);
		return;
	}
	if (f->type != COLUMN_LIST) {
		json_number(j, f->value);
		return;
	}
	o = row_order_build(f->list);
	table_write_json(f->list, &o, j);
	row_order_release(&o);
}

static void report_write_json(const struct report *r, const struct row_order *o,
			      struct sink *out)
{
	struct json j = { .out = out };

	json_open(&j, '{');
	json_newline(&j);
	json_key(&j, "schema");
	json_str(&j, str_of("heapsift/1"));
	json_newline(&j);
	json_key(&j, "command");
	json_str(&j, str_of(r->command));
	targets_write(r, &j);
	for (size_t i = 0; i < r->nfacts; i++)
		fact_write_json(&r->facts[i], &j);
	json_newline(&j);
	json_key(&j, "rows");
	table_write_json(&r->table, o, &j);
	json_newline(&j);
	json_key(&j, "total_rows");
	json_number(&j, r->table.nrows);
	json_newline(&j);
	json_key(&j, "truncated");
	json_bool(&j, r->is_cut || o->n < r->table.nrows);
	findings_write_json(r->model, &j);
	json_newline(&j);
	json_close(&j, '}');
	sink_char(out, '\n');
}

/* ---- text ---- */

static bool same_finding(const struct model *m, size_t a, size_t b)
{
	return m->findings.severity[a] == m->findings.severity[b] &&
	       m->findings.where[a] == m->findings.where[b] &&
	       m->findings.text[a] == m->findings.text[b];
}

static bool seen_before(const struct model *m, size_t row, const size_t *seen, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (same_finding(m, row, seen[i]))
			return true;
	return false;
}

static void finding_write(const struct model *m, size_t row, struct sink *out)
{
	static const enum look looks[] = { LOOK_PLAIN, LOOK_WARNING, LOOK_DAMAGE };
	enum severity severity = m->findings.severity[row];
	struct str where = model_text(m, m->findings.where[row]);
	struct wrap w = { .out = out, .indent = FINDING_INDENT, .width = out->width };
	struct buf text = { 0 };

	sink_look(out, severity < countof(looks) ? looks[severity] : LOOK_PLAIN);
	wrap_add(&w, str_of(severity_name(severity)));
	sink_look(out, LOOK_PLAIN);
	wrap_add(&w, str_of(":"));
	if (where.n) {
		utf8_escape(&text, where);
		buf_str(&text, ": ");
	}
	utf8_escape(&text, model_text(m, m->findings.text[row]));
	wrap_words(&w, buf_view(&text));
	sink_char(out, '\n');
	buf_release(&text);
}

/* The worst first, each once; what is said again further on is not counted twice. */
static void findings_write_text(const struct model *m, struct sink *out, size_t most)
{
	size_t seen[FINDINGS_SHOWN], shown = 0, more = 0;

	for (int severity = SEVERITY_DAMAGE; severity >= SEVERITY_NOTE; severity--)
		for (size_t i = 0; i < m->findings.n; i++) {
			if (m->findings.severity[i] != severity ||
			    seen_before(m, i, seen, shown))
				continue;
			if (shown == most) {
				more++;
				continue;
			}
			seen[shown++] = i;
			finding_write(m, i, out);
		}
	if (!more)
		return;
	struct buf count = { 0 };

	count_show(&count, more);
	sink_printf(out, "… and %s more; --json shows all\n", count.s);
	buf_release(&count);
}

/* "snapshot of PID 4711 (python3.11) "before"". */
static void process_show(const struct model *m, struct buf *out)
{
	static const char *const of[] = { "", "core of ", "raw dump of ",
					  "snapshot of " };
	struct str exe = str_behind_last(model_text(m, m->processes.exe[0]), '/');
	unsigned kind = m->processes.kind[0];

	buf_str(out, kind < countof(of) ? of[kind] : "");
	if (m->processes.pid[0])
		buf_printf(out, "PID %u", m->processes.pid[0]);
	else
		buf_str(out, "a process");
	if (exe.n) {
		buf_str(out, " (");
		utf8_escape(out, exe);
		buf_char(out, ')');
	}
	if (m->processes.label[0]) {
		buf_str(out, " \"");
		utf8_escape(out, model_text(m, m->processes.label[0]));
		buf_char(out, '"');
	}
}

/* "fork snapshot, paused 3.1 ms": how the bytes were come by. */
static void taking_show(const struct model *m, struct buf *out)
{
	static const char *const how[] = {
		[MODE_FORK] = "fork snapshot",
		[MODE_FREEZE] = "frozen while read",
		[MODE_NOSTOP] = "read while it ran",
	};
	unsigned mode = m->processes.mode[0], attempts = m->processes.attempts[0];

	if (mode >= countof(how) || !how[mode])
		return;
	buf_str(out, how[mode]);
	if (has_pause(m) && m->processes.pause_ns[0]) {
		buf_str(out, ", paused ");
		duration_show(out, m->processes.pause_ns[0]);
	}
	if (attempts > 1)
		buf_printf(out, ", %u attempts", attempts);
}

/* A part of the last line, which goes on in a line of its own where it has no room. */
static void part_write(struct wrap *w, struct buf *part)
{
	if (part->n == 0)
		return;
	if (w->width && w->at + 3 + utf8_str_width(buf_view(part)) > w->width)
		wrap_line(w);
	else if (w->at > 0)
		wrap_add(w, str_of(" · "));
	wrap_add(w, buf_view(part));
	buf_clear(part);
}

static void process_write(const struct model *m, struct sink *out)
{
	struct wrap w = { .out = out, .indent = 2, .width = out->width };
	struct buf part = { 0 };
	char when[TIME_MOST];

	process_show(m, &part);
	wrap_add(&w, buf_view(&part));
	buf_clear(&part);
	taking_show(m, &part);
	part_write(&w, &part);
	if (m->processes.kind[0] != TARGET_LIVE &&
	    time_show(m->processes.time[0], "%Y-%m-%d %H:%M:%S UTC", when))
		buf_str(&part, when);
	part_write(&w, &part);
	buf_release(&part);
}

static void facts_write_text(const struct report *r, struct sink *out)
{
	struct buf value = { 0 };

	for (size_t i = 0; i < r->nfacts; i++) {
		struct column column = { .type = r->facts[i].type };
		struct cell cell = cell_number(r->facts[i].value);

		if (r->facts[i].type == COLUMN_LIST || r->facts[i].not_text)
			continue;
		buf_clear(&value);
		capitals_show(&value, r->facts[i].name);
		buf_char(&value, ' ');
		cell_show(&column, &cell, out->exact, &value);
		buf_char(&value, '\n');
		sink_add(out, value.s, value.n);
	}
	buf_release(&value);
}

static void cut_say(const struct report *r, size_t shown, struct sink *out)
{
	struct buf counts = { 0 };

	if (shown == r->table.nrows)
		return;
	count_show(&counts, shown);
	buf_str(&counts, " of ");
	count_show(&counts, r->table.nrows);
	sink_printf(out, "… %s rows; -n 0 shows all\n", counts.s);
	buf_release(&counts);
}

static void target_line_write(const struct model *m, struct sink *out)
{
	if (m->processes.n == 0)
		return;
	sink_look(out, LOOK_FAINT);
	process_write(m, out);
	sink_look(out, LOOK_PLAIN);
	sink_char(out, '\n');
}

static void footer_write(const struct report *r, struct sink *out)
{
	if (r->model->findings.n) {
		sink_char(out, '\n');
		findings_write_text(r->model, out,
				    r->findings_shown ? r->findings_shown
						      : FINDINGS_SHOWN);
	}
	if (r->nothers || r->model->processes.n)
		sink_char(out, '\n');
	for (size_t i = 0; i < r->nothers; i++)
		target_line_write(r->others[i], out);
	target_line_write(r->model, out);
}

void report_footer(const struct model *m, struct sink *out)
{
	footer_write(&(struct report){ .model = m }, out);
}

static void report_write_text(const struct report *r, const struct row_order *o,
			      struct sink *out)
{
	if (r->text) {
		r->text(&r->table, out);
		footer_write(r, out);
		return;
	}
	if (r->above)
		r->above(&r->table, out);
	if (r->table.layout == LAYOUT_CARDS)
		table_write_cards(&r->table, o, out);
	else
		table_write_text(&r->table, o, out);
	cut_say(r, o->n, out);
	facts_write_text(r, out);
	footer_write(r, out);
}

void report_write(const struct report *r, struct sink *out, bool *cut)
{
	struct row_order o = row_order_build(&r->table);

	*cut = o.n < r->table.nrows;
	switch (out->format) {
	case FORMAT_TEXT:
		report_write_text(r, &o, out);
		break;
	case FORMAT_JSON:
		report_write_json(r, &o, out);
		break;
	case FORMAT_CSV:
		table_write_csv(&r->table, &o, out);
		break;
	}
	row_order_release(&o);
}
