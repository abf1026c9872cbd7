/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that is packed, or that cannot be read at any place, is unpacked into one that has
 * no name: whatever ends us, the kernel takes it away. Pages of zeroes take no room in it:
 * a kernel that writes a core to a pipe fills with them what was never touched.
 *
 * Room is what decides. A file system is never filled up, by whatever a file unpacks to:
 * a margin stays. Where the file tells its size that is compared first; as that counts
 * zeroes, what seems too large is unpacked to nowhere, to know what it takes. As others
 * write there, too, the file system is asked again as we go.
 *
 * Unpacking and writing take about as long, and go on side by side.
 */
#include "mem/mem_int.h"

#include "base/progress.h"
#include "base/str.h"
#include "mem/unpack_int.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	IN_BYTES = 1 << 20,
	OUT_BYTES = 256 << 10, /* stays in the cache until it is written */
	BUFFERS = 8,
	HEAD_BYTES = 64,
	ROOM_BYTES = 64 << 20,  /* to be written before the file system is asked again */
	MARGIN_PARTS = 50,      /* of the file system one stays free */
	MARGIN_MAX = 512 << 20, /* bytes: enough */
};

/* Packed bytes. Of a regular file they are read from its start, wherever that stands. */
struct source {
	const char *name;
	int fd;
	bool is_regular;
	uint64_t at, size; /* size: 0 not known */
	const struct packing *packing;
	struct unpacker *unpacker;
	struct unpack_io io; /* in, in_left: what was read and not yet taken */
	uint8_t *bytes;
	bool may_end; /* what was taken ends where a file may end */
	bool ended;
	struct progress *progress;
};

/* Unpacked bytes. */
struct spool {
	const char *folder;
	int fd;           /* -1: only to know what they take */
	uint64_t size;    /* so far, holes included */
	uint64_t used;    /* without them */
	uint64_t room;    /* may be written without asking */
	atomic_int wrong; /* errno of what failed; ENOSPC: the margin is reached, too */
};

/* ---- reading ---- */

/* Reads on, behind what is left. */
static bool source_read(struct source *s, struct err *e)
{
	size_t have = s->io.in_left;
	ssize_t n;

	do
		n = s->is_regular
			    ? pread(s->fd, s->bytes + have, IN_BYTES - have, (off_t)s->at)
			    : read(s->fd, s->bytes + have, IN_BYTES - have);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fail(e, ERR_FILE, "cannot read '%s': %s", s->name,
			    strerror(errno));
	s->io.in = s->bytes;
	s->io.in_left += (size_t)n;
	s->io.in_ends = n == 0;
	s->at += (size_t)n;
	return true;
}

/* A pipe may give its first bytes one by one. */
static bool source_begin(struct source *s, struct err *e)
{
	s->at = 0;
	s->may_end = s->ended = false;
	s->io = (struct unpack_io){ 0 };
	while (s->io.in_left < HEAD_BYTES && !s->io.in_ends)
		if (!source_read(s, e))
			return false;
	s->packing = packing_of(s->bytes, s->io.in_left);
	return true;
}

static void source_step(struct source *s)
{
	size_t before = s->io.in_left + s->io.out_left;
	enum unpack_result r = unpacker_step(s->unpacker, &s->io);
	bool moved = s->io.in_left + s->io.out_left != before;

	if (moved || r == UNPACK_END)
		s->may_end = r == UNPACK_END;
	s->ended = r == UNPACK_BAD || (!moved && (s->io.in_ends || s->io.in_left > 0));
}

/* Fills `out`, but for the last one. */
static bool source_unpack(struct source *s, uint8_t *out, size_t *n, struct err *e)
{
	s->io.out = out;
	s->io.out_left = OUT_BYTES;
	while (s->io.out_left > 0 && !s->ended) {
		if (s->io.in_left == 0 && !s->io.in_ends && !source_read(s, e))
			return false;
		source_step(s);
	}
	*n = OUT_BYTES - s->io.out_left;
	progress_step(s->progress, s->at, s->size);
	return true;
}

/* ---- room ---- */

static uint64_t spare_room(int fd)
{
	struct statvfs fs;
	uint64_t have, margin;

	if (fstatvfs(fd, &fs) < 0)
		return UINT64_MAX;
	have = (uint64_t)fs.f_bavail * fs.f_frsize;
	margin = min_u64((uint64_t)fs.f_blocks * fs.f_frsize / MARGIN_PARTS, MARGIN_MAX);
	return have - min_u64(have, margin);
}

static bool take_room(struct spool *s, size_t n)
{
	if (s->room < n)
		s->room = s->fd < 0 ? UINT64_MAX : min_u64(spare_room(s->fd), ROOM_BYTES);
	if (s->room < n) {
		s->wrong = ENOSPC;
		return false;
	}
	s->room -= n;
	s->used += n;
	return true;
}

/* need: 0 as far as we came. What was written is given back. */
static bool fail_for_room(const struct source *from, const struct spool *s, uint64_t need,
			  struct err *e)
{
	uint64_t spare = spare_room(s->fd) + s->used;

	return fail(e, ERR_FILE,
		    "no room to %s '%s': it takes %s%llu MiB, and '%s' has %llu MiB to "
		    "spare\nset TMPDIR to a folder with more room",
		    packing_is_none(from->packing) ? "keep" : "unpack", from->name,
		    need ? "" : "more than ",
		    (unsigned long long)(need ? need + (1 << 20) - 1 : spare) >> 20,
		    s->folder, (unsigned long long)spare >> 20);
}

/* ---- writing ---- */

static bool write_run(struct spool *s, const uint8_t *at, size_t n, uint64_t offset)
{
	if (!take_room(s, n))
		return false;
	while (s->fd >= 0 && n > 0) {
		ssize_t done = pwrite(s->fd, at, n, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			s->wrong = errno;
			return false;
		}
		at += done, n -= (size_t)done, offset += (uint64_t)done;
	}
	return true;
}

static void spool_write(struct spool *s, const uint8_t *bytes, size_t n)
{
	size_t run = 0; /* where it began */

	if (s->wrong)
		return;
	for (size_t at = 0; at < n; at += PAGE_SIZE_4K) {
		size_t page = (size_t)min_u64(n - at, PAGE_SIZE_4K);

		if (!bytes_are_zero(bytes + at, page))
			continue;
		if (at > run && !write_run(s, bytes + run, at - run, s->size + run))
			return;
		run = at + page;
	}
	if (n > run && !write_run(s, bytes + run, n - run, s->size + run))
		return;
	s->size += n;
}

/* A thread writes what another unpacks: buffers go round, 0 bytes are the end. */
struct writer {
	struct spool *spool;
	uint8_t *buffers;
	size_t n[BUFFERS];
	size_t at; /* the one to be filled */
	sem_t empty, filled;
	pthread_t thread;
	bool runs; /* there is a thread */
};

static void wait_for(sem_t *s)
{
	while (sem_wait(s) < 0)
		assert(errno == EINTR);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;

	for (size_t at = 0;; at = (at + 1) % BUFFERS) {
		wait_for(&w->filled);
		if (w->n[at] == 0)
			return NULL;
		spool_write(w->spool, w->buffers + at * OUT_BYTES, w->n[at]);
		sem_post(&w->empty);
	}
}

static void writer_begin(struct writer *w, struct spool *to)
{
	*w = (struct writer){ .spool = to };
	w->buffers = xmap((size_t)BUFFERS * OUT_BYTES);
	sem_init(&w->empty, 0, BUFFERS);
	sem_init(&w->filled, 0, 0);
	w->runs = pthread_create(&w->thread, NULL, writer_main, w) == 0;
}

static uint8_t *writer_buffer(struct writer *w)
{
	if (w->runs)
		wait_for(&w->empty);
	return w->buffers + w->at * OUT_BYTES;
}

static void writer_put(struct writer *w, size_t n)
{
	w->n[w->at] = n;
	if (w->runs)
		sem_post(&w->filled);
	else if (n)
		spool_write(w->spool, w->buffers + w->at * OUT_BYTES, n);
	w->at = (w->at + 1) % BUFFERS;
}

static void writer_end(struct writer *w)
{
	if (w->runs) {
		wait_for(&w->empty);
		writer_put(w, 0);
		pthread_join(w->thread, NULL);
	}
	sem_destroy(&w->empty);
	sem_destroy(&w->filled);
	xunmap(w->buffers, (size_t)BUFFERS * OUT_BYTES);
}

/* ---- from the one to the other ---- */

/* What came of it is in `to`; false: it cannot be read. */
static bool unpack_buffers(struct source *from, struct spool *to,
			   mem_is_wanted_fn *is_wanted, struct err *e)
{
	struct writer w;
	bool ok = true, wanted = true;

	writer_begin(&w, to);
	while (ok && wanted && !to->wrong && !from->ended) {
		uint8_t *buffer = writer_buffer(&w);
		size_t n = 0;

		ok = source_unpack(from, buffer, &n, e);
		if (is_wanted)
			wanted = is_wanted(buffer, n);
		is_wanted = NULL; /* asked once */
		if (n)
			writer_put(&w, n);
	}
	writer_end(&w);
	return ok;
}

static bool unpack(struct source *from, struct spool *to, mem_is_wanted_fn *is_wanted,
		   struct err *e)
{
	bool ok;

	from->unpacker = unpacker_new(from->packing);
	if (!from->unpacker)
		return fail(e, ERR_FILE, "cannot unpack '%s': out of memory", from->name);
	ok = unpack_buffers(from, to, is_wanted, e);
	unpacker_free(from->unpacker);
	if (!ok || !to->wrong)
		return ok;
	if (to->wrong == ENOSPC || to->wrong == EDQUOT)
		return fail_for_room(from, to, 0, e);
	return fail(e, ERR_FILE, "cannot write to '%s': %s", to->folder,
		    strerror(to->wrong));
}

/* As far as can be said beforehand. */
static bool check_room(struct source *from, struct spool *to, mem_is_wanted_fn *is_wanted,
		       struct err *e)
{
	struct spool nowhere = { .fd = -1 };
	uint64_t size = packing_size(from->packing, from->io.in, from->io.in_left,
				     from->is_regular ? from->fd : -1);

	if (size <= spare_room(to->fd) || !from->is_regular)
		return true;
	if (!unpack(from, &nowhere, is_wanted, e) || !source_begin(from, e))
		return false;
	return nowhere.used <= spare_room(to->fd) ||
	       fail_for_room(from, to, nowhere.used, e);
}

/* What is there of a file that ends early is worth reading, if it is anything at all. */
static bool judge_end(const struct source *from, const struct spool *to, struct buf *note,
		      struct err *e)
{
	const char *wrong = from->io.wrong;
	struct buf what = { 0 };
	bool ok = true;

	if (!from->ended || (from->may_end && !wrong))
		return true;
	buf_printf(&what, "'%s' is %s%s%s%s", from->name,
		   wrong ? "damaged (" : "cut short",
		   wrong ? packing_name(from->packing) : "", wrong ? ": " : "",
		   wrong ? wrong : "");
	if (wrong)
		buf_char(&what, ')');
	if (to->size == 0)
		ok = fail(e, ERR_FILE, "%s, nothing of it can be unpacked", what.s);
	else
		buf_printf(note, "%s: only its first %llu bytes could be unpacked",
			   what.s, (unsigned long long)to->size);
	buf_release(&what);
	return ok;
}

/* ---- the files ---- */

/* Without O_TMPFILE there is a name for a moment, in which no signal ends us. */
static int open_with_a_name(const char *folder)
{
	struct buf path = { 0 };
	sigset_t all, before;
	int fd;

	buf_printf(&path, "%s/heapsift.XXXXXX", folder);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	fd = mkostemp(path.s, O_CLOEXEC);
	if (fd >= 0)
		unlink(path.s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	buf_release(&path);
	return fd;
}

static bool spool_open(struct spool *s, struct err *e)
{
	const char *asked = getenv("TMPDIR");

	s->folder = asked && *asked ? asked : "/var/tmp";
	s->fd = open(s->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd < 0)
		s->fd = open_with_a_name(s->folder);
	return s->fd >= 0 || fail(e, ERR_FILE,
				  "cannot unpack into '%s': %s\nset TMPDIR to a folder "
				  "that can be written",
				  s->folder, strerror(errno));
}

/* The time of a core is its file's. */
static void keep_time(const struct source *from, const struct spool *to)
{
	struct stat st;

	if (from->is_regular && fstat(from->fd, &st) == 0)
		(void)futimens(to->fd, (struct timespec[]){ st.st_atim, st.st_mtim });
}

static bool spool_source(struct source *from, struct mem_file *file, struct err *e)
{
	struct spool to = { .fd = -1 };
	bool ok;

	progress_stage(from->progress, "unpacking");
	ok = spool_open(&to, e) && check_room(from, &to, file->is_wanted, e) &&
	     unpack(from, &to, file->is_wanted, e) &&
	     judge_end(from, &to, &file->note, e);
	if (ok && ftruncate(to.fd, (off_t)to.size) < 0)
		ok = fail(e, ERR_FILE, "cannot write to '%s': %s", to.folder,
			  strerror(errno));
	if (ok) {
		keep_time(from, &to);
		file->fd = steal_fd(&to.fd);
	}
	autoclose_fd(&to.fd);
	progress_stage(from->progress, "reading");
	return ok;
}

static bool source_open(struct source *s, const char *path, struct err *e)
{
	struct stat st;

	s->name = strcmp(path, "-") == 0 ? "standard input" : path;
	s->fd = s->name == path ? open(path, O_RDONLY | O_CLOEXEC)
				: fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return fail(e, ERR_FILE, "cannot open '%s': %s", s->name,
			    strerror(errno));
	if (isatty(s->fd))
		return fail(e, ERR_USAGE,
			    "'%s' is a terminal, and neither a core nor a snapshot",
			    s->name);
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
		return fail(e, ERR_FILE, "'%s' is a %s, and no core or snapshot", s->name,
			    S_ISDIR(st.st_mode) ? "folder" : "device");
	s->is_regular = S_ISREG(st.st_mode);
	s->size = s->is_regular ? (uint64_t)st.st_size : 0;
	return true;
}

bool mem_open_file(const char *path, struct mem_file *file, struct err *e)
{
	struct source from = { .fd = -1, .progress = file->progress };
	bool ok;

	file->fd = -1;
	file->note = (struct buf){ 0 };
	from.bytes = xcalloc(IN_BYTES, 1);
	ok = source_open(&from, path, e) && source_begin(&from, e);
	if (ok && from.is_regular && packing_is_none(from.packing))
		file->fd = steal_fd(&from.fd);
	else if (ok)
		ok = spool_source(&from, file, e);
	autoclose_fd(&from.fd);
	free(from.bytes);
	return ok;
}
