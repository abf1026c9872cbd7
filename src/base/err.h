/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures that carry their reason. A function that can fail returns bool and takes a
 * caller-owned `struct err *` last; false means *err says what, and what would help.
 * Messages: lower case, no full stop, the object in single quotes. Logged once, at the top.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/base.h"

/* The kind picks the exit code (err_exit_code). */
enum err_kind {
	ERR_NONE,
	ERR_USAGE,   /* 2: wrong arguments */
	ERR_PROCESS, /* 3: the process cannot be read */
	ERR_FILE,    /* 4: a file cannot be read, written, or is not what it should be */
	ERR_BUG,     /* 70: ours */
};

struct err {
	enum err_kind kind;
	char text[1024]; /* up to four lines, separated by '\n' */
};

/* Say why, and be false: a failing branch is then one line. */
must_check bool fail(struct err *e, enum err_kind kind, const char *fmt, ...)
	print_like(3, 4);

/* Put context in front: "<context>: <text>". Returns false, as fail() does. */
must_check bool err_within(struct err *e, const char *fmt, ...) print_like(2, 3);

int err_exit_code(const struct err *e);

#endif
