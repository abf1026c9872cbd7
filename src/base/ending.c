/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limit of memory is the kernel's own (RLIMIT_DATA: all private memory that can be
 * written), above what we have when it is set. So no allocation is counted here, and those
 * of libraries are held to it, too; the one that fails ends us.
 *
 * What a signal handler needs to know has to be where it can find it: `ending` is the one
 * mutable global of the program (tools/layers.sh). Handlers read it and never write it.
 *
 * An allocation that fails knows nothing of the work it was for, so what that comes to in
 * all has been left here before.
 */
#include "base/ending.h"

#include "base/str.h"
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

static struct {
	char path[PATH_MAX];
	volatile sig_atomic_t has_path, has_line;
	struct ending_limits limits;
	char out_of_time[128];
	int code; /* of an end by a limit */
	_Atomic uint64_t need;
	atomic_bool is_over;
} ending;

static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return; /* nobody listens */
}

static const char *wiping(void)
{
	return ending.has_line ? "\r\033[K" : "";
}

static void clean_up(void)
{
	if (ending.has_path)
		unlink(ending.path);
	say(wiping());
}

static void end_by_signal(int number)
{
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t set;

	clean_up();
	sigaction(number, &plain, NULL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void end_by_time(int number)
{
	(void)number;
	clean_up();
	say(ending.out_of_time);
	_exit(ending.code);
}

static void on_signal(int number, void (*handler)(int))
{
	struct sigaction before, ours = { .sa_handler = handler, .sa_flags = SA_RESTART };

	sigfillset(&ours.sa_mask);
	if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(number, &ours, NULL);
}

void ending_prepare(void)
{
	on_signal(SIGINT, end_by_signal);
	on_signal(SIGTERM, end_by_signal);
	on_signal(SIGHUP, end_by_signal);
}

void ending_remove(const char *path)
{
	ending.has_path = false;
	if (path && strlen(path) < sizeof(ending.path)) {
		memcpy(ending.path, path, strlen(path) + 1);
		ending.has_path = true;
	}
}

void ending_wipe(bool is_shown)
{
	ending.has_line = is_shown;
}

/* ---- limits ---- */

/* What RLIMIT_DATA compares. */
static uint64_t data_in_use(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long kib = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmData: %llu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib * 1024;
}

static void limit_memory(uint64_t bytes)
{
	struct rlimit r;

	if (bytes >= (uint64_t)1 << 60 || getrlimit(RLIMIT_DATA, &r) < 0)
		return;
	r.rlim_cur = min_u64(r.rlim_max, data_in_use() + bytes);
	setrlimit(RLIMIT_DATA, &r);
}

static void limit_time(uint64_t seconds)
{
	struct itimerval timer = { .it_value.tv_sec = (time_t)min_u64(seconds, INT_MAX) };

	if (seconds == 0)
		return;
	snprintf(ending.out_of_time, sizeof(ending.out_of_time),
		 "heapsift: it takes longer than %llu s, the limit (--time-limit)\n",
		 (unsigned long long)seconds);
	on_signal(SIGALRM, end_by_time);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* When memory runs out we are what can be spared, and not the target. */
static void go_first(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1000", 4) < 0)
		say(""); /* then not */
	autoclose_fd(&fd);
}

void ending_limit(const struct ending_limits *l)
{
	const struct err e = { .kind = l->kind };

	ending.limits = *l;
	ending.code = err_exit_code(&e);
	go_first();
	limit_memory(l->memory);
	limit_time(l->seconds);
}

uint64_t ending_memory(void)
{
	return ending.code ? ending.limits.memory : UINT64_MAX;
}

static void write_bytes(char *out, size_t room, uint64_t bytes)
{
	double mib = (double)bytes / (1 << 20);

	if (mib < 1000)
		snprintf(out, room, "%.0f MiB", mib);
	else
		snprintf(out, room, "%.1f GiB", mib / 1024);
}

/* In two lines; need 0: it is not known, but more than the limit. */
static void say_need(char *out, size_t room, uint64_t need)
{
	const struct ending_limits *l = &ending.limits;
	char takes[32], have[32];

	write_bytes(have, sizeof(have), l->memory);
	write_bytes(takes, sizeof(takes), need ? need : l->memory);
	snprintf(out, room,
		 "this needs %s %s of memory; %s %s\n"
		 "--mem-limit=SIZE lets it have more; else %s",
		 need ? "about" : "more than", takes,
		 l->memory_is_said ? "the limit is" : "what can be spared here is", have,
		 l->kind == ERR_PROCESS
			 ? "write a core with 'heapsift core', and look into that on a "
			   "machine that has it"
			 : "look into the file on a machine that has it");
}

bool ending_allows(uint64_t need, struct err *e)
{
	char text[sizeof(e->text)];

	if (need <= ending_memory())
		return true;
	say_need(text, sizeof(text), need);
	return fail(e, ending.limits.kind, "%s", text);
}

_Noreturn static void end_of_limit(uint64_t need)
{
	char text[512];
	int first;

	while (atomic_exchange(&ending.is_over, true))
		pause(); /* another thread says it already, and ends us */
	say_need(text, sizeof(text), need);
	first = (int)strcspn(text, "\n");
	if (ending.has_path)
		unlink(ending.path);
	/* At one go: another thread may be about to draw a line. */
	dprintf(STDERR_FILENO, "%sheapsift: %.*s\nheapsift: %s\n", wiping(), first, text,
		text + first + 1);
	_exit(ending.code);
}

void ending_expect(uint64_t found, uint64_t need)
{
	ending.need = need;
	if (found > ending_memory())
		end_of_limit(max_u64(found, need));
}

void ending_of_memory(size_t bytes)
{
	if (ending_memory() != UINT64_MAX) {
		uint64_t need = ending.need;

		/* Of what failed it is known by now that it does not suffice. */
		end_of_limit(need > ending_memory() ? need : 0);
	}
	clean_up();
	dprintf(STDERR_FILENO, "heapsift: out of memory (%zu bytes more)\n", bytes);
	_exit(70);
}
