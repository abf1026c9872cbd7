/* SPDX-License-Identifier: Apache-2.0 */
/* A process read while it runs: addresses and files are true, values may be torn. */
#include "mem/live_int.h"

#include "mem/access_int.h"
#include "mem/pages_int.h"
#include "mem/proc_int.h"
#include "mem/slack_int.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct running {
	struct mem mem;
	pid_t via; /* whose /proc files tell of it */
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

bool live_account(struct mem *m, pid_t pid, struct err *e)
{
	struct smaps smaps;

	if (!smaps_read(pid, &smaps))
		return fail(e, ERR_PROCESS,
			    "process %d exited before its memory was counted", (int)pid);
	smaps_apply(&smaps, m, 0);
	m->rss = m->swap = 0; /* with what it has mapped since, in no region of ours */
	for (size_t i = 0; i < smaps.n; i++) {
		m->rss += smaps.entries[i].rss;
		m->swap += smaps.entries[i].swap;
	}
	smaps_release(&smaps);
	if (m->wants_slack)
		slack_find(m, pid);
	return true;
}

bool live_every_region(const struct mem_region *r)
{
	return !(r->flags & REGION_IO);
}

void live_scan_pages(struct mem *m, pid_t pid, live_region_fn *which)
{
	struct page_scan *scan = page_scan_open(pid, false);

	if (!scan)
		return;
	for (size_t i = 0; i < m->nregions; i++) {
		const struct mem_region *r = &m->regions[i];

		if (which(r) && (r->rss || r->swap || !page_scan_is_slow(scan)))
			page_scan_range(scan, r->start, r->end);
	}
	page_scan_close(scan, m);
	m->has_pages = true;
}

/* Not process_vm_readv: it pins pages, and pinning gives a process its own copy of each
 * page that it shares with a fork. It would cost the child time and the target memory. */
static size_t running_copy(const struct mem *m, const struct mem_region *r, taddr at,
			   void *dst, size_t len)
{
	(void)r;
	return read_at(((const struct running *)m)->fd, dst, len, at);
}

pid_t live_via(const struct mem *running)
{
	return ((const struct running *)running)->via;
}

static bool running_account(struct mem *m, struct err *e)
{
	return live_account(m, ((struct running *)m)->via, e);
}

static bool running_release(struct mem *m, struct err *e)
{
	struct proc_status status;
	pid_t via = live_via(m);

	if (proc_status_read(via, &status) && status.state != 'Z' && status.state != 'X')
		return true;
	return access_lost(via, e);
}

static void running_learn_pages(struct mem *m)
{
	live_scan_pages(m, live_via(m), live_every_region);
}

static void running_close(struct mem *m)
{
	struct running *r = (struct running *)m;

	autoclose_fd(&r->fd);
	free(r->names);
	free(r);
}

static const struct mem_ops running_ops = {
	.copy = running_copy,
	.release = running_release,
	.account = running_account,
	.learn_pages = running_learn_pages,
	.close = running_close,
};

bool mem_open_running(pid_t pid, struct mem **out, struct err *e)
{
	struct running *r = xcalloc(1, sizeof(*r));

	r->mem.ops = &running_ops;
	r->mem.mode = MODE_NOSTOP;
	r->mem.quiet = true;
	r->fd = -1;
	if (!access_open_mem(pid, &r->fd, &r->via, e)) {
		mem_close(&r->mem);
		return false;
	}
	if (!live_read_regions(&r->mem, r->via, &r->names) ||
	    !live_read_threads(&r->mem, pid)) {
		mem_close(&r->mem);
		return access_lost(pid, e);
	}
	r->mem.reader = r->via;
	*out = &r->mem;
	return true;
}
