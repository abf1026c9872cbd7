/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that appears under its name whole or not at all: new_file.c says how. Mode 0600.
 * What exists and is no regular file (a FIFO, /dev/null) is written into.
 */
#ifndef BASE_NEW_FILE_H
#define BASE_NEW_FILE_H

#include "base/err.h"
#include "base/str.h"

struct new_file_options {
	const char *path; /* where to; NULL: stream to fd, which stays the caller's */
	int fd;
	bool force; /* replace an existing file */
};

struct new_file {
	const struct new_file_options *o; /* outlives it */
	const char *name;                 /* for messages */
	int fd;
	bool is_unnamed;  /* O_TMPFILE: gone with its descriptor */
	bool has_holes;   /* what is skipped takes no room */
	struct buf temp;  /* name of the temporary file, empty: there is none */
	uint64_t written; /* bytes, holes included: where the next byte goes */
};

/* Can it be written there, as far as can be said beforehand? An existing file without force
 * is a usage error. */
must_check bool new_file_may_be(const struct new_file_options *o, struct err *e);

must_check bool new_file_open(struct new_file *out, const struct new_file_options *o,
			      struct err *e);
must_check bool new_file_write(struct new_file *out, const void *bytes, size_t n,
			       struct err *e);
/* Into a file that has_holes, at any place before `written` or behind it; moves neither that
 * nor the place of the next write. Thread-safe. */
must_check bool new_file_write_at(const struct new_file *out, uint64_t at,
				  const void *bytes, size_t n, struct err *e);
/* n zeroes: a hole where the file can have one. */
must_check bool new_file_skip(struct new_file *out, uint64_t n, struct err *e);
/* Puts the file under its name. */
must_check bool new_file_commit(struct new_file *out, struct err *e);
/* Removes what was not committed. Always to be called. */
void new_file_close(struct new_file *out);

#endif
