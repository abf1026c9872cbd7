/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a target stands.
 *
 *   bench_pause fork|freeze PID [N]	N snapshots of it, all of it read each time
 *   bench_pause watch PID COMMAND...	while another program (gcore) looks into it
 *
 * One "name value" a line: pause_ms (median), pause_most_ms, and with snapshots read_ms,
 * read_gib, total_ms, medians too. A watched target is asked for its state twice a
 * millisecond; our own snapshots tell theirs.
 */
#include "mem/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SNAPSHOTS_MAX = 1000 };

struct times {
	uint64_t pause, read, total, bytes;
};

static int time_order(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Of the field at `offset` of each. */
static double median_ms(const struct times *t, int n, size_t offset)
{
	uint64_t values[SNAPSHOTS_MAX];

	for (int i = 0; i < n; i++)
		memcpy(&values[i], (const char *)&t[i] + offset, sizeof(values[i]));
	qsort(values, (size_t)n, sizeof(values[0]), time_order);
	n /= 2;
	return (double)values[n] / 1e6;
}

static volatile uint8_t sink;

static uint64_t read_all(const struct mem *m)
{
	struct mem_window *w = mem_window_new(m);
	uint64_t bytes = 0;
	uint8_t sum = 0;

	for (size_t i = 0; i < m->nregions; i++) {
		taddr at = m->regions[i].start;
		size_t have;

		for (; at < m->regions[i].end; at += have) {
			const uint8_t *p = mem_window_at(w, at, 4096, &have);

			for (size_t k = 0; p && k < have; k += 64)
				sum ^= p[k];
			bytes += p ? have : 0;
		}
	}
	sink = sum;
	mem_window_free(w);
	return bytes;
}

static bool take(pid_t pid, enum snapshot_mode mode, struct times *t, struct err *e)
{
	struct mem_live_options o = { .mode = mode };
	uint64_t start = clock_ns(), opened;
	struct mem *m;

	if (!mem_open_live(pid, &o, &m, e))
		return false;
	opened = clock_ns();
	t->bytes = read_all(m);
	t->read = clock_ns() - opened;
	mem_release(m);
	t->pause = m->pause_ns;
	mem_close(m);
	t->total = clock_ns() - start;
	return true;
}

static int snapshots(enum snapshot_mode mode, pid_t pid, int n)
{
	struct times t[SNAPSHOTS_MAX];
	uint64_t most = 0;
	struct err e;

	for (int i = 0; i < n; i++) {
		if (!take(pid, mode, &t[i], &e)) {
			fprintf(stderr, "bench_pause: %s\n", e.text);
			return err_exit_code(&e);
		}
		most = max_u64(most, t[i].pause);
	}
	printf("pause_ms %.3f\n", median_ms(t, n, offsetof(struct times, pause)));
	printf("pause_most_ms %.3f\n", (double)most / 1e6);
	printf("read_ms %.3f\n", median_ms(t, n, offsetof(struct times, read)));
	printf("read_gib %.3f\n", (double)t[0].bytes / (1 << 30));
	printf("total_ms %.3f\n", median_ms(t, n, offsetof(struct times, total)));
	return 0;
}

static bool stands(pid_t pid)
{
	char path[64], text[512] = "";
	const char *name_end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	name_end = n > 0 ? strrchr(text, ')') : NULL;
	return name_end && name_end[2] == 't';
}

static int watch(pid_t pid, char **command)
{
	struct timespec pause = { 0, 500000 };
	uint64_t last = clock_ns(), stood = 0, now;
	pid_t child = fork();
	int status;

	if (child == 0) {
		execvp(command[0], command);
		_exit(127);
	}
	while (waitpid(child, &status, WNOHANG) == 0) {
		nanosleep(&pause, NULL);
		now = clock_ns();
		if (stands(pid))
			stood += now - last;
		last = now;
	}
	printf("pause_ms %.3f\npause_most_ms %.3f\n", (double)stood / 1e6,
	       (double)stood / 1e6);
	return status != 0;
}

int main(int argc, char **argv)
{
	int n = argc > 3 ? atoi(argv[3]) : 5;

	if (argc < 3)
		return 2;
	if (strcmp(argv[1], "watch") == 0 && argc > 3)
		return watch(atoi(argv[2]), argv + 3);
	if (n < 1 || n > SNAPSHOTS_MAX)
		return 2;
	return snapshots(strcmp(argv[1], "fork") == 0 ? MODE_FORK : MODE_FREEZE,
			 atoi(argv[2]), n);
}
