/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References between blocks, against a process that wrote down its own: this program,
 * started again as the target, builds a random graph of blocks whose every word it
 * knows, and leaves the truth in memory shared with the test. It wants glibc's malloc.
 */
/* ctest: not-asan */
#include "collect/collect.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { NODES = 20000, SLOTS = 3, SHARED_FD = 100 };

struct truth {
	volatile int ready;
	taddr node[NODES];
	taddr slot[NODES][SLOTS]; /* where each of a node's words points; 0 nowhere */
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* One node in 2,000 is large enough for a mapping of its own; its words stand at its end. */
static size_t node_words(size_t i)
{
	return i % 2000 == 7 ? 40000 : SLOTS + i % 9;
}

static int target_main(void)
{
	struct truth *t =
		mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
	uint32_t seed = 7;

	if (t == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < NODES; i++)
		t->node[i] = (taddr)(uintptr_t)calloc(node_words(i), sizeof(uint64_t));
	for (size_t i = 0; i < NODES; i++) {
		uint64_t *words = (uint64_t *)(uintptr_t)t->node[i];

		for (size_t k = 0; k < SLOTS; k++) {
			size_t to = next_random(&seed) % NODES;
			uint64_t inside = next_random(&seed) % (node_words(to) * 8);

			if (next_random(&seed) % 4 == 0)
				continue;
			if (next_random(&seed) % 2 == 0)
				inside = 0;
			t->slot[i][k] = t->node[to] + inside;
			words[node_words(i) - SLOTS + k] = t->slot[i][k];
		}
	}
	t->ready = 1;
	for (;;)
		pause();
}

static struct truth *start_target(pid_t *pid)
{
	int fd = memfd_create("truth", 0);
	struct truth *t;

	assert_true(fd >= 0 && ftruncate(fd, sizeof(*t)) == 0);
	t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(t != MAP_FAILED);
	*pid = fork();
	if (*pid == 0) {
		dup2(fd, SHARED_FD);
		execl("/proc/self/exe", "test_edges", "target", NULL);
		_exit(1);
	}
	close(fd);
	while (!t->ready && waitpid(*pid, NULL, WNOHANG) == 0)
		usleep(1000);
	assert_true(t->ready);
	return t;
}

static size_t count_edges(const struct model *m, size_t from, size_t to, bool interior)
{
	enum label_kind kind = interior ? LABEL_INTERIOR : LABEL_POSSIBLE;
	size_t n = 0;

	for (uint64_t i = m->edge_first.at[from]; i < m->edge_first.at[from + 1]; i++)
		n += m->edge_to.node[i] == node_of_block(m, to) &&
		     m->labels.kind[m->edge_to.label[i]] == kind;
	return n;
}

static void check_node(const struct model *m, const struct truth *t, size_t i)
{
	size_t from = model_block_at(m, t->node[i]), expected = 0;

	assert_true(from < m->blocks.n);
	assert_int_equal(m->blocks.addr[from], t->node[i]);
	for (size_t k = 0; k < SLOTS; k++) {
		size_t to, same = 0;
		bool interior;

		if (!t->slot[i][k])
			continue;
		to = model_block_at(m, t->slot[i][k]);
		assert_true(to < m->blocks.n);
		interior = t->slot[i][k] != m->blocks.addr[to];
		for (size_t j = 0; j < SLOTS; j++)
			same += t->slot[i][j] && model_block_at(m, t->slot[i][j]) == to &&
				(t->slot[i][j] != m->blocks.addr[to]) == interior;
		if (to == from)
			continue; /* a reference to itself is none */
		assert_int_equal(count_edges(m, from, to, interior), same);
		expected++;
	}
	assert_int_equal(m->edge_first.at[from + 1] - m->edge_first.at[from], expected);
}

static void every_word_is_an_edge(void **state)
{
	struct collect_options o = { .mode = *(enum snapshot_mode *)*state,
				     .edges = true };
	struct model *m = NULL;
	struct err e = { 0 };
	char target[16];
	pid_t pid;
	struct truth *t = start_target(&pid);
	bool ok;

	snprintf(target, sizeof(target), "%d", (int)pid);
	ok = collect_target(target, &o, &m, &e);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (!ok)
		print_message("%s\n", e.text);
	assert_true(ok);
	assert_int_equal(m->edge_first.n, m->blocks.n + 1);
	for (size_t i = 0; i < NODES; i++)
		check_node(m, t, i);
	model_free(m);
	munmap(t, sizeof(*t));
}

int main(int argc, char **argv)
{
	static enum snapshot_mode fork_mode = MODE_FORK, freeze_mode = MODE_FREEZE;
	const struct CMUnitTest tests[] = {
		{ "in fork mode", every_word_is_an_edge, NULL, NULL, &fork_mode },
		{ "in freeze mode", every_word_is_an_edge, NULL, NULL, &freeze_mode },
	};

	if (argc == 2 && str_is(str_of(argv[1]), "target"))
		return target_main();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
