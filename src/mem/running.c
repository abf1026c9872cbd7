/* SPDX-License-Identifier: Apache-2.0 */
/* A process read while it runs: addresses and files are true, values may be torn. */
#include "mem/live_int.h"

#include "mem/proc_int.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct running {
	struct mem mem;
	int fd;
	char *names; /* the text of maps */
};

bool live_read_regions(struct mem *m, pid_t pid, char **text)
{
	struct buf maps = { 0 };

	if (!proc_read(pid, "maps", &maps)) {
		buf_release(&maps);
		return false;
	}
	free(m->regions);
	free(*text);
	m->regions = regions_parse(maps.s, &m->nregions);
	*text = maps.s;
	return true;
}

void live_thread_name(pid_t tid, char name[16])
{
	autoclose int fd = proc_open(tid, "comm", O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, name, 15);

	name[n > 0 ? n : 0] = 0;
	name[strcspn(name, "\n")] = 0;
}

bool live_read_threads(struct mem *m, pid_t pid)
{
	pid_t *tids;
	size_t n;

	if (!proc_threads(pid, &tids, &n))
		return false;
	free(m->threads);
	m->threads = xcalloc(n, sizeof(*m->threads));
	m->nthreads = n;
	for (size_t i = 0; i < n; i++) {
		m->threads[i].tid = tids[i];
		live_thread_name(tids[i], m->threads[i].name);
	}
	free(tids);
	return true;
}

size_t live_pread(int fd, taddr at, void *dst, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)dst + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

bool live_open_mem(pid_t pid, int *fd, struct err *e)
{
	*fd = proc_open(pid, "mem", O_RDONLY);
	if (*fd >= 0)
		return true;
	if (errno == ENOENT || errno == ESRCH)
		return fail(e, ERR_PROCESS, "there is no process %d", (int)pid);
	return fail(e, ERR_PROCESS, "cannot read the memory of process %d: %s", (int)pid,
		    strerror(errno));
}

static size_t running_copy(const struct mem *m, const struct mem_region *r, taddr at,
			   void *dst, size_t len)
{
	(void)r;
	return live_pread(((const struct running *)m)->fd, at, dst, len);
}

static void running_close(struct mem *m)
{
	struct running *r = (struct running *)m;

	autoclose_fd(&r->fd);
	free(r->names);
	free(r);
}

static const struct mem_ops running_ops = { .copy = running_copy,
					    .close = running_close };

bool mem_open_running(pid_t pid, struct mem **out, struct err *e)
{
	struct running *r = xcalloc(1, sizeof(*r));

	r->mem.ops = &running_ops;
	r->mem.mode = MODE_NOSTOP;
	r->fd = -1;
	if (!live_open_mem(pid, &r->fd, e)) {
		mem_close(&r->mem);
		return false;
	}
	if (!live_read_regions(&r->mem, pid, &r->names) ||
	    !live_read_threads(&r->mem, pid)) {
		mem_close(&r->mem);
		return fail(e, ERR_PROCESS, "process %d has exited", (int)pid);
	}
	*out = &r->mem;
	return true;
}
