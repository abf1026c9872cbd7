/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot file: the model on disk (docs/SNAPSHOT.md). Every table and column of the
 * model is written and read; a new column needs no code here.
 */
#ifndef SNAP_SNAP_H
#define SNAP_SNAP_H

#include "base/err.h"
#include "model/model.h"

struct snap_options {
	const char *path; /* where to; NULL: stream to fd, which stays the caller's */
	int fd;
	bool force; /* replace an existing file */
};

/* Can a snapshot be written there, as far as can be said before the target is touched? An
 * existing file without force is a usage error. */
must_check bool snap_may_write(const struct snap_options *o, struct err *e);

/* False: nothing new is there under the asked name, and no temporary file is left, not
 * even when we are killed (on file systems with O_TMPFILE). */
must_check bool snap_write(const struct model *m, const struct snap_options *o,
			   struct err *e);

/* A model that holds what was written; no index in it leads out of its table, whatever
 * the file says. False: *e names what is wrong with it. */
must_check bool snap_read(const char *path, struct model **out, struct err *e);

/* By the first bytes of a file (eight are enough). */
bool snap_is_snapshot(const void *first_bytes, size_t n);

#endif
