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
		assert_int_equal(state_of(pid), mode == MODE_FORK ? 'R' : 't');
		assert_true(mem_account(m, &e));
		assert_true(m->pause_ns > 0 && m->pause_ns < 1000000000);
		mem_close(m);
		assert_int_equal(children_of(pid), 0);
		assert_int_equal(state_of(pid), 'R');
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fork_holds_one_moment_while_the_target_runs),
		cmocka_unit_test(a_freeze_holds_one_moment_while_the_target_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
