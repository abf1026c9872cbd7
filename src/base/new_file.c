/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that appears under its name whole or not at all. It is written without a name
 * (O_TMPFILE), so whatever ends us, the kernel takes it away; file systems that cannot do
 * that get a hidden temporary name beside it. Then fsync, and a link to the name that
 * fails if something is there, or a rename that replaces it.
 *
 * What exists and is no regular file (/dev/null, a FIFO) is written to, never replaced.
 */
#include "base/new_file.h"

#include "base/ending.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool cannot_write(const char *name, struct err *e)
{
	return fail(e, ERR_FILE, "cannot write '%s': %s", name, strerror(errno));
}

/* The folder of a path, for open: "." for a bare name. */
static struct buf folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct buf folder = { 0 };

	if (!slash)
		buf_str(&folder, ".");
	else
		buf_add(&folder, path, slash == path ? 1 : (size_t)(slash - path));
	return folder;
}

static bool refuse_existing(const char *path, struct err *e)
{
	return fail(e, ERR_USAGE, "'%s' exists; --force replaces it", path);
}

bool new_file_may_be(const struct new_file_options *o, struct err *e)
{
	struct buf folder;
	struct stat st;
	bool ok;

	if (!o->path)
		return true;
	if (stat(o->path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return fail(e, ERR_USAGE, "'%s' is a folder", o->path);
		if (!S_ISREG(st.st_mode))
			return access(o->path, W_OK) == 0 || cannot_write(o->path, e);
		if (!o->force)
			return refuse_existing(o->path, e);
	}
	folder = folder_of(o->path);
	ok = access(folder.s, W_OK | X_OK) == 0 || cannot_write(o->path, e);
	buf_release(&folder);
	return ok;
}

static bool open_unnamed(struct new_file *out)
{
	struct buf folder = folder_of(out->o->path);

	out->fd = open(folder.s, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	out->is_unnamed = out->fd >= 0;
	buf_release(&folder);
	return out->is_unnamed;
}

/* A name beside the asked one that nobody has. */
static void name_temporary(struct new_file *out)
{
	const char *path = out->o->path, *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;

	buf_clear(&out->temp);
	buf_printf(&out->temp, "%.*s.%.200s.XXXXXX", (int)(base - path), path, base);
}

static bool open_named(struct new_file *out)
{
	sigset_t all, before;

	name_temporary(out);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* no end without its removal */
	out->fd = mkostemp(out->temp.s, O_CLOEXEC);  /* O_EXCL, 0600 */
	if (out->fd < 0)
		buf_clear(&out->temp);
	else
		ending_remove(out->temp.s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return out->fd >= 0;
}

/* Is something there that must be written into rather than replaced? */
static bool path_is_special(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

bool new_file_open(struct new_file *out, const struct new_file_options *o, struct err *e)
{
	*out = (struct new_file){ .o = o, .fd = o->fd, .name = "standard output" };
	if (!o->path)
		return true;
	out->name = o->path;
	out->fd = -1;
	if (!new_file_may_be(o, e))
		return false;
	if (path_is_special(o->path))
		out->fd = open(o->path, O_WRONLY | O_CLOEXEC);
	else
		out->has_holes = open_unnamed(out) || open_named(out);
	return out->fd >= 0 || cannot_write(o->path, e);
}

bool new_file_write(struct new_file *out, const void *bytes, size_t n, struct err *e)
{
	const char *at = bytes;

	while (n > 0) {
		ssize_t done = write(out->fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return cannot_write(out->name, e);
		at += done, n -= (size_t)done;
		out->written += (uint64_t)done;
	}
	return true;
}

bool new_file_write_at(const struct new_file *out, uint64_t at, const void *bytes,
		       size_t n, struct err *e)
{
	const char *from = bytes;

	assert(out->has_holes);
	while (n > 0) {
		ssize_t done = pwrite(out->fd, from, n, (off_t)at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return cannot_write(out->name, e);
		/* The disk may begin: fsync will have less to wait for. */
		(void)sync_file_range(out->fd, (off_t)at, done, SYNC_FILE_RANGE_WRITE);
		from += done, at += (uint64_t)done, n -= (size_t)done;
	}
	return true;
}

bool new_file_skip(struct new_file *out, uint64_t n, struct err *e)
{
	static const uint8_t zeroes[64 << 10];

	if (out->has_holes) {
		if (lseek(out->fd, (off_t)n, SEEK_CUR) < 0)
			return cannot_write(out->name, e);
		out->written += n;
		return true;
	}
	while (n > 0) {
		size_t take = (size_t)min_u64(n, sizeof(zeroes));

		if (!new_file_write(out, zeroes, take, e))
			return false;
		n -= take;
	}
	return true;
}

/* Gives the unnamed file a name; false with EEXIST if it is taken. */
static bool link_unnamed(const struct new_file *out, const char *name)
{
	char self[64];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", out->fd);
	return linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
}

/* A rename needs a name to start from: the one window in which a kill leaves a file. */
static bool name_unnamed(struct new_file *out)
{
	for (unsigned tries = 0; tries < 100; tries++) {
		name_temporary(out);
		snprintf(out->temp.s + out->temp.n - 6, 7, "%06x",
			 (unsigned)(clock_ns() ^ (uint64_t)getpid() << 8) & 0xffffff);
		if (link_unnamed(out, out->temp.s))
			return true;
		if (errno != EEXIST)
			break;
	}
	buf_clear(&out->temp);
	return false;
}

/* Under a name that must be free; false with errno. */
static bool place_new(struct new_file *out)
{
	const char *path = out->o->path;

	if (out->is_unnamed)
		return link_unnamed(out, path);
	if (link(out->temp.s, path) == 0)
		return true; /* the temporary name goes when it is closed */
	if (errno != EPERM && errno != EOPNOTSUPP)
		return false;
	/* A file system without links; the name was free when we began. */
	return rename(out->temp.s, path) == 0;
}

static bool place_over(struct new_file *out)
{
	sigset_t all, before;
	bool placed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* as in open_named */
	placed = (!out->is_unnamed || name_unnamed(out)) &&
		 rename(out->temp.s, out->o->path) == 0;
	if (placed) {
		ending_remove(NULL);
		buf_clear(&out->temp);
	} else if (out->temp.n) {
		ending_remove(out->temp.s);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return placed;
}

/* So that the name too is there after a power cut; where it cannot be had, so be it. */
static void sync_folder(const char *path)
{
	struct buf folder = folder_of(path);
	autoclose int fd = open(folder.s, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		(void)fsync(fd);
	buf_release(&folder);
}

bool new_file_commit(struct new_file *out, struct err *e)
{
	if (!out->o->path || (!out->is_unnamed && out->temp.n == 0))
		return true;
	/* A hole at the end has moved nothing but the place to write at. */
	if ((out->has_holes && ftruncate(out->fd, (off_t)out->written) < 0) ||
	    fsync(out->fd) < 0)
		return cannot_write(out->name, e);
	if (!(out->o->force ? place_over(out) : place_new(out)))
		return errno == EEXIST ? refuse_existing(out->name, e)
				       : cannot_write(out->name, e);
	sync_folder(out->o->path);
	return true;
}

void new_file_close(struct new_file *out)
{
	if (out->temp.n > 0)
		(void)unlink(out->temp.s);
	ending_remove(NULL);
	if (out->o->path && out->fd >= 0)
		close(out->fd);
	buf_release(&out->temp);
}
