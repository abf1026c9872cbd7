/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of small targets: children of the test, which says what is in their memory. */
#include "mem/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A target: counts up two words in step for as long as it lives. */
struct pair {
	volatile uint64_t low, high;
	uint8_t between[3 << 20];
};

static pid_t start_counter(struct pair **where)
{
	struct pair *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	*where = p;
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memset(p->between, 7, sizeof(p->between));
	for (;;) {
		p->low++;
		p->high++;
	}
}

static void end_target(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static char state_of(pid_t pid)
{
	char path[64], line[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	return strrchr(line, ')') ? strrchr(line, ')')[2] : 0;
}

/* A thread that was let go is in its state again once it got the processor. */
static void check_state(pid_t pid, char state)
{
	for (int i = 0; i < 5000 && state_of(pid) != state; i++)
		usleep(1000);
	assert_int_equal(state_of(pid), state);
}

static size_t children_of(pid_t pid)
{
	char path[64], word[32];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fscanf(f, "%31s", word) == 1)
		n++;
	fclose(f);
	return n;
}

/* Until its child is gone and somebody had the time to say so. */
static void wait_childless(pid_t pid)
{
	for (int i = 0; i < 200 && children_of(pid) > 0; i++)
		usleep(50000);
	assert_int_equal(children_of(pid), 0);
	usleep(50000);
}

static struct mem *take(pid_t pid, enum snapshot_mode mode)
{
	struct mem_live_options o = { .mode = mode };
	struct mem *m = NULL;
	struct err e;

	if (!mem_open_live(pid, &o, &m, &e))
		fail_msg("%s", e.text);
	return m;
}

static void check_moment(enum snapshot_mode mode)
{
	struct pair *p;
	pid_t pid = start_counter(&p);
	uint64_t low, high, later, last = 0;
	struct mem *m;
	struct err e;

	usleep(20000);
	for (int i = 0; i < 20; i++) {
		m = take(pid, mode);
		assert_int_equal(m->mode, mode);
		assert_true(mem_load(m, (taddr)&p->low, &low));
		usleep(1000);
		assert_true(mem_load(m, (taddr)&p->low, &later));
		assert_true(mem_load(m, (taddr)&p->high, &high));
		assert_int_equal(low, later);
		assert_true(low - high <= 1);
		assert_true(low >= last); /* it may get no processor in between */
		last = low;
		assert_int_equal(m->nthreads, 1);
		assert_int_equal(m->threads[0].tid, pid);
		assert_true(m->threads[0].has_regs);
		assert_non_null(mem_region_at(m, m->threads[0].pc));
		assert_string_equal(mem_region_at(m, m->threads[0].sp)->name, "[stack]");
		assert_int_equal(children_of(pid), mode == MODE_FORK);
		check_state(pid, mode == MODE_FORK ? 'R' : 't');
		assert_true(mem_account(m, &e));
		assert_true(m->pause_ns > 0 && m->pause_ns < 1000000000);
		mem_close(m);
		assert_int_equal(children_of(pid), 0);
		check_state(pid, 'R');
	}
	assert_true(last > 0);
	end_target(pid);
	munmap(p, sizeof(*p));
}

static void a_fork_holds_one_moment_while_the_target_runs(void **state)
{
	(void)state;
	check_moment(MODE_FORK);
}

static void a_freeze_holds_one_moment_while_the_target_stands(void **state)
{
	(void)state;
	check_moment(MODE_FREEZE);
}

/* A target with pages of every kind, at the same addresses as in the test itself. */
struct kinds {
	uint8_t *anon;   /* 64 pages: 0-9 written, 10-19 only read, the rest untouched */
	uint8_t *secret; /* 4 pages, DONTFORK: page 1 says "secret", page 3 untouched */
	uint8_t *wiped;  /* 2 pages, WIPEONFORK: "wiped" */
	uint8_t *guard;  /* 3 pages: the second is a guard, when the kernel has them */
	bool has_guard;
};

enum { GUARD_INSTALL = 102 }; /* MADV_GUARD_INSTALL, Linux 6.13 */

static uint8_t *map_pages(size_t pages)
{
	/* A neighbour that cannot be read keeps the region apart from others. */
	uint8_t *p = mmap(NULL, (pages + 2) * 4096, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(p + 4096, pages * 4096, PROT_READ | PROT_WRITE);
	return p + 4096;
}

static pid_t start_kinds(struct kinds *k, char run_state)
{
	pid_t pid;
	int ready[2];
	char byte;

	k->anon = map_pages(64);
	k->secret = map_pages(4);
	k->wiped = map_pages(2);
	k->guard = map_pages(3);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		memset(k->anon, 1, 10 * 4096);
		for (int i = 10; i < 20; i++)
			(void)*(volatile uint8_t *)(k->anon + i * 4096);
		madvise(k->secret, 4 * 4096, MADV_DONTFORK);
		memset(k->secret, 3, 3 * 4096);
		strcpy((char *)k->secret + 4096, "secret");
		madvise(k->wiped, 2 * 4096, MADV_WIPEONFORK);
		strcpy((char *)k->wiped, "wiped");
		memset(k->guard, 5, 3 * 4096);
		byte = madvise(k->guard + 4096, 4096, GUARD_INSTALL) == 0;
		if (write(ready[1], &byte, 1) == 1 && run_state == 'T')
			raise(SIGSTOP);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	k->has_guard = byte;
	close(ready[0]);
	close(ready[1]);
	check_state(pid, run_state);
	return pid;
}

/* Bytes of the runs in [start, end) that count in RSS. */
static uint64_t bytes_in_runs(const struct mem *m, taddr start, taddr end)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < m->npages; i++) {
		const struct page_run *run = &m->pages[i];
		taddr run_end = run->start + run->count * 4096;
		taddr from = run->start > start ? run->start : start;
		taddr to = run_end < end ? run_end : end;

		if (from < to && (run->state == PAGE_RESIDENT || run->state == PAGE_FILE))
			bytes += to - from;
	}
	return bytes;
}

static void check_kinds(const struct mem *m, const struct kinds *k)
{
	struct mem_window *w = mem_window_new(m);
	char text[8];
	size_t have;

	assert_true(mem_read_string(m, (taddr)k->secret + 4096, text, sizeof(text)));
	assert_string_equal(text, "secret");
	assert_string_equal(mem_window_at(w, (taddr)k->secret + 4096, 7, &have),
			    "secret");
	assert_int_equal(*mem_window_at(w, (taddr)k->secret + 3 * 4096, 1, &have), 0);
	assert_string_equal(mem_window_at(w, (taddr)k->wiped, 6, &have), "wiped");
	assert_int_equal(*mem_window_at(w, (taddr)k->anon + 9 * 4096, 1, &have), 1);
	assert_int_equal(*mem_window_at(w, (taddr)k->anon + 10 * 4096, 1, &have), 0);
	assert_int_equal(bytes_in_runs(m, (taddr)k->anon, (taddr)k->anon + 64 * 4096),
			 10 * 4096);
	assert_int_equal(*mem_window_at(w, (taddr)k->guard + 4095, 1, &have), 5);
	if (k->has_guard) {
		assert_null(mem_window_at(w, (taddr)k->guard + 4096, 1, &have));
		assert_int_equal(have, 4096);
		assert_false(mem_read(m, (taddr)k->guard + 4096, text, 1));
	}
	assert_int_equal(*mem_window_at(w, (taddr)k->guard + 8192, 4096, &have), 5);
	mem_window_free(w);
}

static void every_kind_of_page_is_told(void **state)
{
	static const enum snapshot_mode modes[] = { MODE_FORK, MODE_FREEZE, MODE_NOSTOP };
	struct kinds k;
	pid_t pid = start_kinds(&k, 'S');

	(void)state;
	for (size_t i = 0; i < countof(modes); i++) {
		struct mem *m = take(pid, modes[i]);
		struct err e;

		assert_true(m->has_pages);
		check_kinds(m, &k);
		assert_true(mem_account(m, &e));
		assert_true(m->rss > 100000);
		mem_close(m);
		check_state(pid, 'S');
	}
	end_target(pid);
}

static void a_stopped_target_adds_up_to_the_page(void **state)
{
	static const enum snapshot_mode modes[] = { MODE_FREEZE, MODE_FORK };
	struct kinds k;
	pid_t pid = start_kinds(&k, 'T');

	(void)state;
	for (size_t i = 0; i < countof(modes); i++) {
		struct mem *m = take(pid, modes[i]);
		uint64_t sum = 0;
		struct err e;

		assert_int_equal(m->mode, modes[i]);
		check_kinds(m, &k);
		assert_true(mem_account(m, &e));
		for (size_t r = 0; r < m->nregions; r++) {
			const struct mem_region *region = &m->regions[r];

			sum += region->rss;
			if (bytes_in_runs(m, region->start, region->end) != region->rss)
				fail_msg("'%s' at %#lx: %lu bytes in runs, rss %lu",
					 region->name, region->start,
					 bytes_in_runs(m, region->start, region->end),
					 region->rss);
		}
		assert_int_equal(sum, m->rss);
		mem_close(m);
		check_state(pid, 'T');
	}
	end_target(pid);
}

/* One region with every other page written: more runs than the kernel tells at once. */
static void each_of_many_runs_is_told_once(void **state)
{
	enum { RUNS = 6000 };
	uint8_t *pages = map_pages(2 * RUNS);
	taddr end = (taddr)pages + 2 * RUNS * 4096;
	size_t found = 0;
	struct mem *m;
	pid_t pid;
	int status;

	(void)state;
	madvise(pages, 2 * RUNS * 4096, MADV_NOHUGEPAGE);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (size_t i = 0; i < RUNS; i++)
			pages[2 * i * 4096] = 1;
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	m = take(pid, MODE_FREEZE);
	for (size_t i = 0; i < m->npages; i++) {
		if (m->pages[i].start < (taddr)pages || m->pages[i].start >= end)
			continue;
		assert_int_equal(m->pages[i].start, (taddr)pages + 2 * found++ * 4096);
		assert_int_equal(m->pages[i].count, 1);
	}
	assert_int_equal(found, RUNS);
	mem_close(m);
	end_target(pid);
	munmap(pages - 4096, (2 * RUNS + 2) * 4096);
}

/* ---- what ends a read from outside ---- */

static void check_lost(struct mem *m, const char *word)
{
	struct err e = { 0 };

	assert_false(mem_account(m, &e));
	assert_int_equal(e.kind, ERR_PROCESS);
	if (!strstr(e.text, word))
		fail_msg("'%s' does not say '%s'", e.text, word);
	mem_close(m);
}

static void a_target_that_dies_is_told(void **state)
{
	static const enum snapshot_mode modes[] = { MODE_FORK, MODE_FREEZE };

	(void)state;
	for (size_t i = 0; i < countof(modes); i++) {
		struct pair *p;
		pid_t pid = start_counter(&p);
		struct mem *m = take(pid, modes[i]);

		end_target(pid);
		usleep(200000);
		check_lost(m, "exited while it was read");
		munmap(p, sizeof(*p));
	}
}

static void a_child_that_is_killed_is_told(void **state)
{
	struct pair *p;
	pid_t pid = start_counter(&p), child = 0;
	struct mem *m = take(pid, MODE_FORK);
	char path[64];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	f = fopen(path, "r");
	assert_int_equal(fscanf(f, "%d", &child), 1);
	fclose(f);
	kill(child, SIGKILL);
	wait_childless(pid);
	check_lost(m, "was killed");
	end_target(pid);
	munmap(p, sizeof(*p));
}

static void a_child_that_grows_old_is_ended(void **state)
{
	struct mem_live_options o = { .mode = MODE_FORK, .max_child_s = 1 };
	struct pair *p;
	pid_t pid = start_counter(&p);
	struct mem *m;
	struct err e;

	(void)state;
	assert_true(mem_open_live(pid, &o, &m, &e));
	usleep(500000);
	assert_int_equal(children_of(pid), 1);
	wait_childless(pid);
	check_lost(m, "too old");
	end_target(pid);
	munmap(p, sizeof(*p));
}

/* ^Z on the tool must not hold the target: it is let go, and what we read is void. */
static void a_stopped_tool_lets_the_target_go(void **state)
{
	struct pair *p;
	pid_t pid = start_counter(&p), tool;
	int status;

	(void)state;
	tool = fork();
	if (tool == 0) {
		struct mem *m = take(pid, MODE_FREEZE);
		struct err e = { 0 };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		raise(SIGSTOP);
		_exit(!mem_account(m, &e) && strstr(e.text, "we were stopped") ? 0 : 1);
	}
	check_state(tool, 'T');
	check_state(pid, 'R');
	kill(tool, SIGCONT);
	waitpid(tool, &status, 0);
	assert_int_equal(status, 0);
	end_target(pid);
	munmap(p, sizeof(*p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fork_holds_one_moment_while_the_target_runs),
		cmocka_unit_test(a_freeze_holds_one_moment_while_the_target_stands),
		cmocka_unit_test(every_kind_of_page_is_told),
		cmocka_unit_test(a_stopped_target_adds_up_to_the_page),
		cmocka_unit_test(each_of_many_runs_is_told_once),
		cmocka_unit_test(a_target_that_dies_is_told),
		cmocka_unit_test(a_child_that_is_killed_is_told),
		cmocka_unit_test(a_child_that_grows_old_is_ended),
		cmocka_unit_test(a_stopped_tool_lets_the_target_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
