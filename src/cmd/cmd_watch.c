/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A series of snapshots. Each is taken by a child of ours: what a snapshot takes on itself (to
 * be the first to go when memory is short, limits of memory and time, a lower priority) ends
 * with it, while what watches for days stays small, and stays. The child ends with its parent;
 * a snapshot that was not finished then leaves no file.
 */
#include "base/log.h"
#include "cmd/dump_int.h"
#include "cmd/when_int.h"
#include "mem/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RING_MOST = 1000000, MISSED_MOST = 10 /* in a row */ };

#define COUNT_UNSAID UINT64_MAX
#define SECOND_NS UINT64_C(1000000000)
#define APART_NS \
	(60 * SECOND_NS) /* of snapshots with --when, unless --every says otherwise */

struct watch_args {
	struct dump_request what;
	const char *output, *when;
	uint64_t every, count, ring;
};

/* What the child tells. */
struct taken {
	bool ok;
	struct err e; /* if not ok */
	uint64_t rss, pause_ns;
};

struct watch {
	struct context *cx;
	const struct watch_args *args;
	struct sink *out;
	struct mem_lookout *lookout;
	struct when when;
	uint64_t next, apart; /* no snapshot before; and how far they are apart */
	uint64_t count, done; /* count 0: no end */
	uint64_t number;      /* of the last file */
	unsigned missed;      /* in a row */
	uint64_t rss;         /* at the last snapshot; 0: none yet */
	char **files;         /* the newest, done % ring is the next; NULL: all stay */
};

static bool is_stream(const struct watch_args *a)
{
	return strcmp(a->output, "-") == 0;
}

/* ---- what can be said beforehand ---- */

static bool stream_check(const struct watch_args *a, struct err *e)
{
	if (!a->when)
		return fail(
			e, ERR_USAGE,
			"watch: to standard output goes one snapshot, --when says when\n"
			"one at once is 'heapsift dump %s -o -'",
			a->what.target);
	if (a->ring || (a->count != COUNT_UNSAID && a->count != 1))
		return fail(e, ERR_USAGE,
			    "watch: to standard output goes one snapshot: no --count, no "
			    "--ring");
	return output_check("watch", "a snapshot", "-", false, e);
}

static bool folder_check(const char *path, struct err *e)
{
	struct stat st;

	return stat(path, &st) < 0 || S_ISDIR(st.st_mode) ||
	       fail(e, ERR_USAGE, "watch: '%s' is not a folder", path);
}

static bool watch_check(const void *args, struct err *e)
{
	const struct watch_args *a = args;
	struct when ignored;

	if (a->what.target[strspn(a->what.target, "0123456789")])
		return fail(e, ERR_USAGE,
			    "watch: it takes a running process, its PID, not '%.200s'",
			    a->what.target);
	if (!a->every && !a->when)
		return fail(e, ERR_USAGE,
			    "watch: say how often, --every 30s, or on what, --when "
			    "'rss>6G'\ntry 'heapsift help watch'");
	if (!a->output)
		return fail(
			e, ERR_USAGE,
			"watch: -o DIR says into which folder; it is made if need be");
	if (a->ring > RING_MOST)
		return fail(e, ERR_USAGE, "watch: --ring keeps at most %d", RING_MOST);
	if (a->when && !when_parse(a->when, &ignored, e))
		return false;
	if (!dump_request_check("watch", &a->what, e))
		return false;
	return is_stream(a) ? stream_check(a, e) : folder_check(a->output, e);
}

/* ---- waiting ---- */

static bool prepare_conditions(struct watch *w, struct err *e)
{
	bool ok = true;

	for (size_t i = 0; ok && i < w->when.n; i++) {
		const struct condition *c = &w->when.conditions[i];

		if (c->kind == WHEN_PRESSURE)
			ok = mem_lookout_on_pressure(w->lookout, c->percent, e);
		if (c->kind == WHEN_HIGH)
			ok = mem_lookout_on_high(w->lookout, e);
	}
	return ok;
}

static bool is_met(struct watch *w, struct condition *c, uint64_t rss)
{
	switch (c->kind) {
	case WHEN_RSS:
		return rss > c->bytes;
	case WHEN_PRESSURE:
		return mem_lookout_is_pressed(w->lookout);
	case WHEN_HIGH:
		return mem_lookout_passed_high(w->lookout);
	case WHEN_GROWTH:
		return when_grows(c, clock_ns(), rss);
	}
	return false;
}

/* The first condition that is met, or NULL. */
static const char *look(struct watch *w)
{
	uint64_t rss = mem_lookout_rss(w->lookout);
	const char *met = NULL;

	for (size_t i = 0; i < w->when.n; i++)
		if (is_met(w, &w->when.conditions[i], rss) && !met)
			met = w->when.conditions[i].text;
	return met;
}

/* False: it ended. */
static bool wait_for_time(struct watch *w)
{
	uint64_t now;

	while (!mem_lookout_has_ended(w->lookout)) {
		now = clock_ns();
		if (now >= w->next)
			return true;
		mem_lookout_wait(w->lookout, w->next - now);
	}
	return false;
}

/* False: it ended. *met is why the next snapshot is to be taken; NULL: it is time. */
static bool wait_for_next(struct watch *w, const char **met)
{
	*met = NULL;
	if (!wait_for_time(w))
		return false;
	if (w->when.n == 0)
		return true;
	/* What was met while the last one was taken, and soon after, is in it. */
	when_forget(&w->when);
	if (w->done > 0)
		(void)look(w);
	while (!(*met = look(w))) {
		mem_lookout_wait(w->lookout, when_pace(&w->when));
		if (mem_lookout_has_ended(w->lookout))
			return false;
	}
	return true;
}

/* ---- a snapshot ---- */

/* In the child. */
_Noreturn static void take(struct watch *w, const char *met,
			   const struct new_file_options *o, int tell)
{
	struct dump_request what = w->args->what;
	struct taken t = { 0 };
	uint64_t memory;

	what.started = mem_lookout_started(w->lookout);
	if (!what.label)
		what.label = met;
	t.ok = dump_write(w->cx, &what, o, &memory, &t.e);
	if (t.ok) {
		t.rss = w->cx->model->processes.rss[0];
		t.pause_ns = w->cx->model->processes.pause_ns[0];
	}
	_exit(write(tell, &t, sizeof(t)) == sizeof(t) ? 0 : EXIT_FAILURE);
}

/* It ended without a word to us; what it said itself stands on standard error. */
static bool child_failed(int status, struct err *e)
{
	static const enum err_kind kinds[] = { ERR_PROCESS, ERR_FILE };

	e->text[0] = 0;
	for (size_t i = 0; WIFEXITED(status) && i < countof(kinds); i++) {
		e->kind = kinds[i];
		if (err_exit_code(e) == WEXITSTATUS(status))
			return false;
	}
	if (WIFSIGNALED(status))
		return fail(e, ERR_PROCESS,
			    "the snapshot was ended by a signal, %s, while it was taken",
			    signal_name((unsigned)WTERMSIG(status)));
	return fail(e, ERR_BUG, "the snapshot ended with %d", WEXITSTATUS(status));
}

/* The guardian of the child has the pipe, too: its end is no sign. */
static bool child_hear(pid_t child, int fd, struct taken *t, struct err *e)
{
	size_t got = 0;
	ssize_t n;
	int status = 0;

	do {
		n = read(fd, (char *)t + got, sizeof(*t) - got);
		got += n > 0 ? (size_t)n : 0;
	} while (got < sizeof(*t) && (n > 0 || (n < 0 && errno == EINTR)));
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (got < sizeof(*t))
		return child_failed(status, e);
	if (!t->ok)
		*e = t->e;
	return t->ok;
}

static bool take_in_child(struct watch *w, const char *met,
			  const struct new_file_options *o, struct taken *t,
			  struct err *e)
{
	pid_t self = getpid(), child;
	int ends[2];
	bool ok;

	if (pipe(ends) < 0)
		return fail(e, ERR_BUG, "no pipe: %s", strerror(errno));
	child = fork();
	if (child == 0) {
		close(ends[0]);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != self)
			_exit(EXIT_FAILURE);
		take(w, met, o, ends[1]);
	}
	close(ends[1]);
	if (child < 0)
		ok = fail(e, ERR_PROCESS, "cannot start a process: %s", strerror(errno));
	else
		ok = child_hear(child, ends[0], t, e);
	close(ends[0]);
	return ok;
}

/* ---- files ---- */

/* "DIR/1234-20261130T143000Z-0001.hsift": in the order of time, and nobody's yet. */
static char *free_name(struct watch *w)
{
	time_t now = time(NULL);
	struct buf path = { 0 };
	char when[32];
	struct tm utc;
	struct stat st;

	gmtime_r(&now, &utc);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &utc);
	do {
		buf_clear(&path);
		buf_printf(&path, "%s/%s-%s-%04llu.hsift", w->args->output,
			   w->args->what.target, when, (unsigned long long)++w->number);
	} while (lstat(path.s, &st) == 0);
	return path.s;
}

/* The oldest of ours makes room, once the new one is there. Takes `path` over. */
static void ring_add(struct watch *w, char *path)
{
	char **place;

	if (!w->files) {
		free(path);
		return;
	}
	place = &w->files[w->done % w->args->ring];
	if (*place && unlink(*place) < 0)
		log_say("cannot remove '%s': %s", *place, strerror(errno));
	free(*place);
	*place = path;
}

static void row_write(struct sink *out, const char *time, const struct buf cells[3])
{
	static const unsigned widths[] = { 10, 11, 8 };

	sink_str(out, time);
	for (size_t i = 0; i < countof(widths); i++) {
		sink_spaces(out,
			    2 + (widths[i] > cells[i].n ? widths[i] - cells[i].n : 0));
		sink_add(out, cells[i].s, cells[i].n);
	}
	sink_str(out, "  ");
}

static void head_write(struct sink *out)
{
	struct buf cells[3] = { 0 };

	buf_str(&cells[0], "RSS");
	buf_str(&cells[1], "CHANGE");
	buf_str(&cells[2], "PAUSE");
	sink_look(out, LOOK_HEAD);
	row_write(out, "TIME    ", cells);
	sink_str(out, "FILE");
	sink_look(out, LOOK_PLAIN);
	sink_char(out, '\n');
	for (size_t i = 0; i < countof(cells); i++)
		buf_release(&cells[i]);
}

/* "14:30:00    55.7 MiB    +1.2 MiB    6.1 ms  snapshots/1234-...hsift  rss>50M" */
static bool snapshot_tell(struct watch *w, const struct taken *t, const char *path,
			  const char *met, struct err *e)
{
	struct buf cells[3] = { 0 };
	time_t now = time(NULL);
	char when[32];
	struct tm utc;

	if (w->done == 0)
		head_write(w->out);
	strftime(when, sizeof(when), "%H:%M:%S", gmtime_r(&now, &utc));
	if (t->rss)
		bytes_show(&cells[0], t->rss, false);
	if (t->rss && w->rss)
		bytes_change_show(&cells[1], (int64_t)(t->rss - w->rss), false);
	duration_show(&cells[2], t->pause_ns);
	row_write(w->out, when, cells);
	sink_escaped(w->out, str_of(path));
	if (met)
		sink_printf(w->out, "  %s", met);
	sink_char(w->out, '\n');
	for (size_t i = 0; i < countof(cells); i++)
		buf_release(&cells[i]);
	return sink_flush(w->out, e);
}

/* To standard output go the snapshot's bytes; words go elsewhere. */
static bool stream_tell(const struct watch *w, const char *met)
{
	log_say("%s: took a snapshot of process %s", met, w->args->what.target);
	return true;
}

/* ---- all of it ---- */

/* Another who watches the same process may have the same name a moment earlier. */
static bool is_name_taken(const char *path, const struct err *e)
{
	return path && e->kind == ERR_USAGE && access(path, F_OK) == 0;
}

/* *path is where it went, the caller's; NULL: to standard output. */
static bool take_somewhere(struct watch *w, const char *met, char **path, struct taken *t,
			   struct err *e)
{
	bool ok;

	do {
		*path = is_stream(w->args) ? NULL : free_name(w);
		const struct new_file_options o =
			output_options(*path ? *path : "-", false);

		ok = take_in_child(w, met, &o, t, e);
		if (ok)
			return true;
		ok = is_name_taken(*path, e);
		free(*path);
	} while (ok);
	return false;
}

static bool snapshot(struct watch *w, const char *met, struct err *e)
{
	struct taken t = { 0 };
	char *path;
	bool ok;

	if (!take_somewhere(w, met, &path, &t, e))
		return false;
	ok = path ? snapshot_tell(w, &t, path, met, e) : stream_tell(w, met);
	ring_add(w, path);
	w->rss = t.rss;
	w->done++;
	return ok;
}

/* A process that goes while it is read is gone a moment later. */
static bool has_just_ended(struct watch *w, const struct err *e)
{
	if (e->kind != ERR_PROCESS)
		return false;
	w->next = clock_ns() + SECOND_NS;
	return !wait_for_time(w);
}

/* Another reads it, or it went on while it was read: the series goes on without this one.
 * What no snapshot got over is no matter of the moment. */
static bool is_missed(struct watch *w, const struct err *e)
{
	if (e->kind != ERR_PROCESS || w->done == 0 || ++w->missed > MISSED_MOST)
		return false;
	log_say("one snapshot is missing: %.*s", (int)strcspn(e->text, "\n"), e->text);
	return true;
}

/* Again after so long; what took longer than that is not made up for. */
static void schedule(struct watch *w)
{
	uint64_t now = clock_ns();

	w->next = w->when.n ? now + w->apart : max_u64(w->next + w->apart, now);
}

static bool watch_process(struct watch *w, struct err *e)
{
	const char *met;

	w->next = clock_ns();
	while (wait_for_next(w, &met)) {
		if (snapshot(w, met, e))
			w->missed = 0;
		else if (has_just_ended(w, e))
			break;
		else if (!is_missed(w, e))
			return false;
		if (w->count && w->done == w->count)
			return true;
		schedule(w);
	}
	log_say("process %s has ended; %llu %s taken", w->args->what.target,
		(unsigned long long)w->done, w->done == 1 ? "snapshot" : "snapshots");
	w->cx->answer_is_no = is_stream(w->args);
	return true;
}

static bool make_folder(const struct watch_args *a, struct err *e)
{
	if (is_stream(a) || mkdir(a->output, 0700) == 0)
		return true;
	if (errno == EEXIST)
		return access(a->output, W_OK | X_OK) == 0 ||
		       fail(e, ERR_FILE, "cannot write into '%s': %s", a->output,
			    strerror(errno));
	return fail(e, ERR_FILE, "cannot make the folder '%s': %s", a->output,
		    strerror(errno));
}

static void watch_release(struct watch *w)
{
	for (uint64_t i = 0; w->files && i < w->args->ring; i++)
		free(w->files[i]);
	free(w->files);
	mem_lookout_close(w->lookout);
}

static bool watch_run(struct context *cx, const void *args, struct sink *out,
		      struct err *e)
{
	const struct watch_args *a = args;
	struct watch w = { .cx = cx, .args = a, .out = out };
	uint64_t pid;
	bool ok;

	if (!str_to_u64(str_of(a->what.target), 10, &pid) || pid > INT32_MAX)
		return fail(e, ERR_PROCESS, "there is no process %.20s", a->what.target);
	w.count = a->count != COUNT_UNSAID ? a->count : a->when ? 1 : 0;
	w.apart = a->every ? a->every : APART_NS;
	if (a->ring)
		w.files = xcalloc(a->ring, sizeof(*w.files));
	ok = (!a->when || when_parse(a->when, &w.when, e)) &&
	     mem_lookout_open((pid_t)pid, &w.lookout, e) && prepare_conditions(&w, e) &&
	     make_folder(a, e) && watch_process(&w, e);
	watch_release(&w);
	return ok;
}

static const struct watch_args watch_defaults = { .count = COUNT_UNSAID };

static const struct opt watch_opts[] = {
	OPT_DURATION(0, "every", struct watch_args, every, "TIME",
		     "how often: 500ms, 30s, 5m, 1h. With --when: how far snapshots are "
		     "apart at least (1m)"),
	OPT_STRING(
		0, "when", struct watch_args, when, "CONDITION", OFFER_NOTHING,
		"on what: rss>6G, psi, psi>20%, memory.high, growth>10%/h; with commas "
		"between, on any of them"),
	OPT_UINT(0, "count", struct watch_args, count, "N",
		 "how many; 0: until the process ends, or Ctrl-C. Else with --when one"),
	OPT_STRING('o', "output", struct watch_args, output, "DIR", OFFER_FILE,
		   "the folder they go to, made if need be; - with --when: standard "
		   "output, one snapshot"),
	OPT_UINT(0, "ring", struct watch_args, ring, "K",
		 "keep the newest K of those taken, and remove older ones"),
	OPT_STRING(0, "label", struct watch_args, what.label, "TEXT", OFFER_NOTHING,
		   "a word on each; else with --when the condition that was met"),
	OPT_FLAG(0, "no-values", struct watch_args, what.no_values,
		 "as dump has it: leave out what memory says"),
	OPT_STRING(0, "memory", struct watch_args, what.memory, "WHAT", OFFER_NOTHING,
		   "as dump has it: keep bytes of memory, too"),
};

static const struct opt watch_args[] = {
	ARG_STRING("PID", struct watch_args, what.target, OFFER_TARGET,
		   "a running process"),
};

const struct command cmd_watch = {
	.name = "watch",
	.group = GROUP_KEEP,
	.brief = "take snapshots again and again, or when memory gets short",
	.text = "Takes a snapshot of a running process every so often, or when "
		"something happens, and says a line for each. They are called "
		"PID-TIME-NUMBER.hsift, and nothing is ever overwritten. It ends with "
		"the process, after --count snapshots, or by Ctrl-C; a snapshot that "
		"is not finished then leaves no file. If the disk is full it ends, "
		"too, and what was taken before is whole. In between it looks at a "
		"number in /proc once a second, or not even that. Limits hold for "
		"each snapshot.\n\n"
		"Conditions: rss>SIZE, resident memory. psi or psi>N%: tasks of its "
		"cgroup (of the machine, where cgroups do not tell) stood still for "
		"want of memory for N% of the time, 10% unless said. memory.high: its "
		"cgroup went over that limit (version 2 only). growth>N%/h or "
		"growth>SIZE/h (also /s, /min, /d): resident memory grew as fast as "
		"that throughout a sixth of that time, and two seconds at least. A "
		"condition that stays true is met again after --every.\n\n"
		"Where the disk is full, or no place for it, have the snapshot sent: "
		"watch 1234 --when 'rss>6G' -o - | ssh host 'cat >1234.hsift'. Then "
		"'log' lists a folder of snapshots, and 'diff DIR' says what grew.",
	.example = "watch 1234 --every 5m -o snapshots --ring 24",
	.example_text = "two hours of snapshots, at any time",
	.flags = COMMAND_LIVE,
	.args = watch_args,
	.nargs = countof(watch_args),
	.opts = watch_opts,
	.nopts = countof(watch_opts),
	.args_size = sizeof(struct watch_args),
	.defaults = &watch_defaults,
	.check = watch_check,
	.run = watch_run,
};
