/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes snapshots of a target over and over, and dies doing it.
 *
 *	harm snap PID MODE COUNT		takes them, reading all memory each time
 *	harm hold PID MODE MS			takes one and holds it so long
 *	harm keep PID MODE 1			takes one, says `held`, and holds it until it is
 *						told a line
 *	harm try PID MODE COUNT			the same as snap, but it may be refused: says
 *						why, and how long the slowest took
 *	harm kill-tool PID MODE COUNT		in a child of its own, which it kills
 *	harm kill-guardian PID MODE COUNT	the same, but kills the guardian
 *
 * A kill comes at a random instant of one phase of the dump; the phases take turns. After
 * each the target must be as it was: alive, untraced, not stopped, with the children it had
 * and no process of its name more than before, and no guardian may be left. Prints the kills
 * by the phase that they hit, then `fine`, or says what is wrong and exits with 1.
 */
#include "mem/mem.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PHASES = 5, SETTLE_MS = 20000 };

static const char *const phase_names[PHASES] = { "before", "seizing", "injected",
						 "reading", "after" };

print_like(1, 2) _Noreturn static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	exit(1);
}

/* ---- what a target looks like from outside ---- */

static bool read_file(char *out, size_t cap, const char *fmt, int pid, int tid)
{
	char path[80];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), fmt, pid, tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	n = fread(out, 1, cap - 1, f);
	out[n] = 0;
	fclose(f);
	return true;
}

struct looks {
	unsigned children, zombies, namesakes, guardians;
	bool alive, traced, stopped;
};

static void look_at_status(const char *status, struct looks *l)
{
	const char *state = strstr(status, "State:\t");
	const char *tracer = strstr(status, "TracerPid:\t");

	l->alive = state && state[7] != 'Z' && state[7] != 'X';
	l->stopped |= state && (state[7] == 't' || state[7] == 'T');
	l->traced |= tracer && atoi(tracer + 11) != 0;
}

static void each_thread(pid_t pid, struct looks *l)
{
	char path[64], text[4096];
	const struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    read_file(text, sizeof(text), "/proc/%d/task/%d/status", (int)pid,
			      atoi(entry->d_name)))
			look_at_status(text, l);
	if (dir)
		closedir(dir);
}

static int number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? atoi(at + strlen(key)) : -1;
}

static struct looks look_at(pid_t pid)
{
	struct looks l = { 0 };
	const struct dirent *entry;
	char text[4096], name[64] = "", theirs[64];
	int session = 0;
	DIR *dir = opendir("/proc");

	each_thread(pid, &l);
	if (read_file(text, sizeof(text), "/proc/%d/status", (int)pid, 0))
		sscanf(text, "Name:\t%63s", name);
	session = number_after(text, "NSsid:\t");
	while ((entry = readdir(dir))) {
		int other = atoi(entry->d_name);

		if (other <= 0 ||
		    !read_file(text, sizeof(text), "/proc/%d/status", other, 0))
			continue;
		sscanf(text, "Name:\t%63s", theirs);
		l.guardians += strcmp(theirs, "heapsift-guard") == 0 &&
			       number_after(text, "PPid:\t") == getpid();
		if (strstr(text, "State:\tZ"))
			l.zombies += number_after(text, "PPid:\t") == pid;
		else
			l.children += number_after(text, "PPid:\t") == pid;
		/* Others may run the same program: a copy has the session too. */
		l.namesakes += strcmp(theirs, name) == 0 &&
			       number_after(text, "NSsid:\t") == session &&
			       !strstr(text, "State:\tZ");
	}
	closedir(dir);
	return l;
}

/* ---- a snapshot ---- */

static enum snapshot_mode mode_of(const char *word)
{
	if (strcmp(word, "fork") == 0)
		return MODE_FORK;
	if (strcmp(word, "freeze") == 0)
		return MODE_FREEZE;
	return MODE_AUTO;
}

/* All of it, as a walk would: returns how many bytes had something in them. */
static uint64_t read_all(const struct mem *m)
{
	struct mem_window *w = mem_window_new(m);
	uint64_t bytes = 0;

	for (size_t i = 0; i < m->nregions; i++) {
		taddr at = m->regions[i].start;

		while (at < m->regions[i].end) {
			size_t have;
			const uint8_t *p = mem_window_at(w, at, 4096, &have);

			bytes += p && *p;
			at += have;
		}
	}
	mem_window_free(w);
	return bytes;
}

/* Every other snapshot finds two threads busy once: these run on while the others stand. */
static bool is_quiet(const struct mem *m, void *context)
{
	unsigned *asked = context;

	if ((*asked)++ || clock_ns() / 1024 % 2)
		return true;
	for (size_t i = 0; i < m->nthreads && i < 2; i++)
		m->threads[i].is_busy = true;
	return false;
}

static bool dump(pid_t pid, enum snapshot_mode mode, struct mem_probe *probe,
		 uint64_t *pause, struct err *e)
{
	unsigned asked = 0;
	struct mem_live_options o = { .mode = mode,
				      .is_quiet = is_quiet,
				      .quiet_context = &asked,
				      .probe = probe,
				      .for_core = true };
	struct mem *m;
	bool done;

	if (!mem_open_live(pid, &o, &m, e))
		return false;
	if (mode != MODE_AUTO && m->mode != mode)
		die("took mode %d: %s", (int)m->mode, m->note);
	read_all(m);
	done = mem_account(m, e);
	*pause = m->pause_ns;
	mem_close(m);
	return done;
}

static int snap(pid_t pid, enum snapshot_mode mode, int count)
{
	uint64_t total = 0, most = 0, start = clock_ns();
	struct err e;

	for (int i = 0; i < count; i++) {
		uint64_t pause;

		if (!dump(pid, mode, NULL, &pause, &e))
			die("snapshot %d: %s", i, e.text);
		total += pause;
		most = max_u64(most, pause);
	}
	printf("snapshots %d in %.1f s, pause mean %.3f ms, most %.3f ms\n", count,
	       (double)(clock_ns() - start) / 1e9, (double)total / 1e6 / count,
	       (double)most / 1e6);
	return 0;
}

static int try(pid_t pid, enum snapshot_mode mode, int count)
{
	uint64_t slowest = 0;
	int taken = 0;
	struct err e;

	for (int i = 0; i < count; i++) {
		uint64_t pause, start = clock_ns();

		if (dump(pid, mode, NULL, &pause, &e))
			taken++;
		else
			printf("refused: %s\n", e.text);
		slowest = max_u64(slowest, clock_ns() - start);
	}
	printf("taken %d, slowest %llu ms\n", taken,
	       (unsigned long long)(slowest / 1000000));
	return 0;
}

static int hold(pid_t pid, enum snapshot_mode mode, int ms)
{
	struct mem_live_options o = { .mode = mode };
	struct mem *m;
	struct err e;

	if (!mem_open_live(pid, &o, &m, &e))
		die("%s", e.text);
	puts("held");
	fflush(stdout);
	if (ms)
		usleep((useconds_t)ms * 1000);
	else
		getchar();
	if (!mem_account(m, &e))
		die("%s", e.text);
	mem_close(m);
	return 0;
}

/* ---- killing ---- */

struct kills {
	pid_t pid;
	enum snapshot_mode mode;
	bool the_guardian;
	struct mem_probe *probe;
	struct looks before;
	uint64_t length[PHASES]; /* of a whole dump's phases, as measured */
	unsigned hits[PHASES];
	unsigned told; /* guardians killed between stop and end, and the dump said so */
};

static void sleep_ns(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	nanosleep(&t, NULL);
}

static pid_t start_dump(struct kills *k)
{
	pid_t pid;

	k->probe->phase = PHASE_BEFORE;
	k->probe->guardian = 0;
	pid = fork();
	if (pid == 0) {
		uint64_t pause;
		struct err e;

		_exit(dump(k->pid, k->mode, k->probe, &pause, &e) ? 0 : 3);
	}
	return pid;
}

/* Waits until the dump is in `phase` or past it, or over. */
static void wait_phase(const struct kills *k, uint32_t phase, pid_t dump_pid)
{
	siginfo_t info = { 0 };

	while (k->probe->phase < phase) {
		waitid(P_PID, (id_t)dump_pid, &info, WEXITED | WNOHANG | WNOWAIT);
		if (info.si_pid)
			return;
	}
}

static int length_order(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* How long each phase takes: the median over some dumps that nobody kills. */
static void measure(struct kills *k)
{
	enum { DUMPS = 15 };
	uint64_t took[PHASES][DUMPS];

	for (int i = 0; i < DUMPS; i++) {
		pid_t pid = start_dump(k);
		uint64_t last = clock_ns(), now;
		int status;

		for (uint32_t p = 1; p < PHASES; p++, last = now) {
			wait_phase(k, p, pid);
			now = clock_ns();
			took[p - 1][i] = now - last;
		}
		waitpid(pid, &status, 0);
		took[PHASES - 1][i] = clock_ns() - last;
		if (status)
			die("a dump that nobody killed failed: %#x", (unsigned)status);
	}
	for (uint32_t p = 0; p < PHASES; p++) {
		qsort(took[p], DUMPS, sizeof(took[p][0]), length_order);
		k->length[p] = took[p][DUMPS / 2];
	}
}

/* All that we started, the guardian included: it becomes our child when the tool dies. */
static void wait_for_ours(void)
{
	uint64_t end = clock_ns() + (uint64_t)SETTLE_MS * 1000000;
	pid_t got;

	while ((got = waitpid(-1, NULL, WNOHANG)) >= 0) {
		if (got == 0 && clock_ns() > end)
			die("a process of ours does not end");
		if (got == 0)
			sleep_ns(200000);
	}
}

static const char *complaint(const struct kills *k, const struct looks *now)
{
	if (!now->alive)
		return "the target is dead";
	if (now->guardians)
		return "a guardian is left";
	if (now->traced)
		return "the target is traced";
	if (now->stopped)
		return "the target stands";
	if (now->children != k->before.children || now->namesakes != k->before.namesakes)
		return "there is a second copy of the target";
	if (now->zombies != k->before.zombies)
		return "the target has a zombie";
	return NULL;
}

/* What a killed guardian leaves to the kernel (an exiting child) takes its moment. */
static void check_target(const struct kills *k, int turn, uint32_t phase)
{
	uint64_t end = clock_ns() + (uint64_t)SETTLE_MS * 1000000;
	struct looks now = look_at(k->pid);
	const char *wrong;

	while ((wrong = complaint(k, &now)) && now.alive && clock_ns() < end) {
		sleep_ns(1000000);
		now = look_at(k->pid);
	}
	if (wrong)
		die("kill %d, in phase %s: %s", turn, phase_names[phase], wrong);
}

static uint64_t some(uint64_t below)
{
	return below ? (uint64_t)random() % below : 0;
}

/* The phase with the fewest hits. A freeze injects nothing. */
static uint32_t choose_phase(const struct kills *k)
{
	uint32_t least = 0;

	for (uint32_t p = 1; p < PHASES; p++)
		if (k->hits[p] < k->hits[least] &&
		    (p != PHASE_INJECTED || k->mode != MODE_FREEZE))
			least = p;
	return least;
}

static void kill_once(struct kills *k, uint32_t aim, int turn)
{
	uint64_t end, length = k->length[aim];
	pid_t pid = start_dump(k);
	int status;
	uint32_t hit;

	if (k->the_guardian && aim == PHASE_BEFORE) {
		/* The moments between its birth and its first command. */
		while (k->probe->guardian == 0)
			continue;
		length = 50000;
	}
	wait_phase(k, aim, pid);
	end = clock_ns() + some(length);
	while (clock_ns() < end)
		if (end - clock_ns() > 2000000)
			sleep_ns(1000000);
	hit = k->probe->phase;
	if (kill(k->the_guardian ? k->probe->guardian : pid, SIGKILL) == 0)
		k->hits[hit]++;
	waitpid(pid, &status, 0);
	k->told += k->the_guardian && hit > PHASE_BEFORE && hit < PHASE_AFTER &&
		   WIFEXITED(status) && WEXITSTATUS(status) == 3;
	wait_for_ours();
	check_target(k, turn, hit);
}

static int kill_many(struct kills *k, unsigned count)
{
	unsigned total = 0;

	k->probe = mmap(NULL, sizeof(*k->probe), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	k->before = look_at(k->pid);
	measure(k);
	for (unsigned turn = 0; total < count && turn < 3 * count; turn++) {
		kill_once(k, choose_phase(k), (int)turn);
		total = 0;
		for (uint32_t p = 0; p < PHASES; p++)
			total += k->hits[p];
	}
	for (uint32_t p = 0; p < PHASES; p++)
		printf("%s %u (%.3f ms)\n", phase_names[p], k->hits[p],
		       (double)k->length[p] / 1e6);
	printf("told %u\nkills %u\nfine\n", k->told, total);
	return 0;
}

int main(int argc, char **argv)
{
	struct kills k = { 0 };

	if (argc != 5)
		die("usage: harm snap|try|hold|keep|kill-tool|kill-guardian PID MODE "
		    "COUNT");
	k.pid = atoi(argv[2]);
	k.mode = mode_of(argv[3]);
	k.the_guardian = strcmp(argv[1], "kill-guardian") == 0;
	if (strcmp(argv[1], "snap") == 0)
		return snap(k.pid, k.mode, atoi(argv[4]));
	if (strcmp(argv[1], "try") == 0)
		return try(k.pid, k.mode, atoi(argv[4]));
	if (strcmp(argv[1], "hold") == 0)
		return hold(k.pid, k.mode, atoi(argv[4]));
	if (strcmp(argv[1], "keep") == 0)
		return hold(k.pid, k.mode, 0);
	return kill_many(&k, (unsigned)atoi(argv[4]));
}
