/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tool's side of the guardian: one command, one answer, over a socket pair. The socket
 * is the life line too: its end closes when either of the two dies, however it dies.
 */
#include "mem/guard_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct guardian {
	struct guardian_plan plan;
	pid_t pid;
	int socket;
	struct guard_shared *shared;
};

static size_t registers_size(const struct guardian_plan *plan)
{
	return plan->register_room *
	       align_up(sizeof(struct thread_registers) + xstate_size(), 64);
}

static void *map_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void shared_free(struct guard_shared *shared, const struct guardian_plan *plan)
{
	if (shared->registers)
		munmap(shared->registers, registers_size(plan));
	munmap(shared, sizeof(*shared));
}

static struct guard_shared *shared_new(const struct guardian_plan *plan)
{
	struct guard_shared *shared = map_shared(sizeof(*shared));

	if (!shared || plan->register_room == 0)
		return shared;
	shared->registers = map_shared(registers_size(plan));
	shared->register_size = registers_size(plan) / plan->register_room;
	if (shared->registers)
		return shared;
	shared_free(shared, plan);
	return NULL;
}

bool guardian_start(const struct guardian_plan *plan, struct guardian **out,
		    struct err *e)
{
	struct guard_shared *shared = shared_new(plan);
	int ends[2];
	pid_t pid;

	if (!shared)
		return fail(e, ERR_PROCESS, "no memory for the guardian process");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		shared_free(shared, plan);
		return fail(e, ERR_PROCESS, "no socket for the guardian process: %s",
			    strerror(errno));
	}
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		guard_main(plan, shared, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		shared_free(shared, plan);
		return fail(e, ERR_PROCESS, "cannot start the guardian process: %s",
			    strerror(errno));
	}
	if (plan->probe)
		plan->probe->guardian = pid;
	*out = xcalloc(1, sizeof(**out));
	**out = (struct guardian){ *plan, pid, ends[0], shared };
	return true;
}

static bool guardian_ask(struct guardian *g, enum guard_command command, struct err *e)
{
	char byte = (char)command;
	ssize_t n;

	if (send(g->socket, &byte, 1, MSG_NOSIGNAL) == 1) {
		do
			n = recv(g->socket, &byte, 1, 0);
		while (n < 0 && errno == EINTR);
		if (n == 1 && byte == GUARD_DONE)
			return true;
		if (n == 1) {
			*e = g->shared->err;
			return false;
		}
	}
	return fail(
		e, ERR_PROCESS,
		"the guardian was killed: the process that reads for us and cleans up\n"
		"the process looked at runs on unharmed; try again");
}

bool guardian_stop(struct guardian *g, struct err *e)
{
	return guardian_ask(g, GUARD_STOP, e);
}

bool guardian_nudge(struct guardian *g, const struct mem_thread *threads, struct err *e)
{
	for (size_t i = 0; i < g->shared->nthreads; i++)
		g->shared->threads[i].is_busy = threads[i].is_busy;
	return guardian_ask(g, GUARD_NUDGE, e);
}

bool guardian_keep(struct guardian *g, struct err *e)
{
	return guardian_ask(g, GUARD_KEEP, e);
}

const struct thread_registers *guardian_registers(const struct guardian *g, size_t i)
{
	const struct guard_shared *shared = g->shared;
	const struct thread_registers *r;

	if (i >= g->plan.register_room || i >= shared->nthreads)
		return NULL;
	r = guard_registers(shared, i);
	return r->tid == shared->threads[i].tid ? r : NULL;
}

void guardian_let_go(struct guardian *g)
{
	struct err ignored;

	/* A dead guardian has let go too. */
	if (!guardian_ask(g, GUARD_LET_GO, &ignored))
		return;
}

bool guardian_fork(struct guardian *g, pid_t *child, struct err *e)
{
	if (!guardian_ask(g, GUARD_FORK, e))
		return false;
	*child = g->shared->child;
	return true;
}

size_t guardian_threads(const struct guardian *g, const struct mem_thread **out)
{
	*out = g->shared->threads;
	return g->shared->nthreads;
}

struct guardian_cover guardian_cover(const struct guardian *g)
{
	const struct injected *f = &g->shared->fork;

	return (struct guardian_cover){ f->at, f->len, f->covered };
}

bool guardian_end(struct guardian *g, struct err *e)
{
	return guardian_ask(g, GUARD_END, e);
}

uint64_t guardian_pause_ns(const struct guardian *g)
{
	return g->shared->pause_ns;
}

static void wait_for(pid_t pid)
{
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

void guardian_free(struct guardian *g)
{
	if (!g)
		return;
	close(g->socket);
	wait_for(g->pid);
	if (g->shared->fork.child || g->shared->is_forking) {
		pid_t undertaker = fork();

		if (undertaker == 0)
			guard_bury(&g->plan, g->shared);
		wait_for(undertaker);
	}
	shared_free(g->shared, &g->plan);
	free(g);
}
