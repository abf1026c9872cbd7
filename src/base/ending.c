/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limit of memory is the kernel's own (RLIMIT_DATA: all private memory that can be
 * written), above what we have when it is set. So no allocation is counted here, and those
 * of libraries are held to it, too; the one that fails ends us.
 *
 * What a signal handler needs to know has to be where it can find it: `ending` is the one
 * mutable global of the program (tools/layers.sh). Handlers read it and never write it.
 */
#include "base/ending.h"

#include "base/str.h"
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
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
} ending;

static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return; /* nobody listens */
}

static void clean_up(void)
{
	if (ending.has_path)
		unlink(ending.path);
	if (ending.has_line)
		say("\r\033[K");
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

void ending_of_memory(size_t bytes)
{
	char text[200];

	clean_up();
	if (ending_memory() == UINT64_MAX) {
		snprintf(text, sizeof(text), "heapsift: out of memory (%zu bytes more)\n",
			 bytes);
		say(text);
		_exit(70);
	}
	snprintf(text, sizeof(text), "heapsift: this needs more than %llu MiB; %s\n",
		 (unsigned long long)ending.limits.memory >> 20,
		 ending.limits.memory_is_said
			 ? "that is the limit (--mem-limit)"
			 : "that is what can be spared here (see --mem-limit)");
	say(text);
	_exit(ending.code);
}
