/* SPDX-License-Identifier: Apache-2.0 */
/* Threads live for one pool_run: starting one costs ~20 us, the work it gets costs ms. */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { POOL_MAX = 64 };

struct pool {
	pool_fn *fn;
	void *context;
	size_t n, step;
	atomic_size_t next;
};

struct pool_worker {
	struct pool *pool;
	unsigned index;
	pthread_t thread;
};

unsigned pool_cores(void)
{
	cpu_set_t set;
	int n;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	n = CPU_COUNT(&set);
	return n < 1 ? 1 : n > POOL_MAX ? POOL_MAX : (unsigned)n;
}

static void *worker_main(void *arg)
{
	struct pool_worker *w = arg;
	struct pool *p = w->pool;
	size_t begin;

	while ((begin = atomic_fetch_add(&p->next, p->step)) < p->n)
		p->fn(p->context, begin, (size_t)min_u64(begin + p->step, p->n),
		      w->index);
	return NULL;
}

void pool_run(unsigned workers, size_t n, size_t step, pool_fn *fn, void *context)
{
	struct pool pool = { .fn = fn, .context = context, .n = n, .step = step };
	struct pool_worker w[POOL_MAX];
	unsigned started = 1;

	assert(step > 0);
	if (workers > POOL_MAX)
		workers = POOL_MAX;
	w[0] = (struct pool_worker){ .pool = &pool };
	for (; started < workers && started * step < n; started++) {
		w[started] = (struct pool_worker){ .pool = &pool, .index = started };
		if (pthread_create(&w[started].thread, NULL, worker_main, &w[started]))
			break; /* fewer hands do the same work */
	}
	worker_main(&w[0]);
	for (unsigned i = 1; i < started; i++)
		pthread_join(w[i].thread, NULL);
}
