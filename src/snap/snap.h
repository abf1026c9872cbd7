/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot file: the model on disk (docs/SNAPSHOT.md). Every table and column of the
 * model is written and read; a new column needs no code here.
 */
#ifndef SNAP_SNAP_H
#define SNAP_SNAP_H

#include "base/new_file.h"
#include "model/model.h"

/* False: nothing new is there under the asked name, and no temporary file is left, not
 * even when we are killed (on file systems with O_TMPFILE). */
must_check bool snap_write(const struct model *m, const struct new_file_options *o,
			   struct err *e);

/*
 * The same in steps: what is written of a model can be given back before the rest is made.
 *
 *	snap_begin, snap_write_memory any number of times, snap_write_known,
 *	snap_write_derived, snap_commit; snap_end always
 *
 * known is all but what analysis/ derives, and all texts are with it. o outlives the writer.
 * Nothing is written to a stream before the first bytes of memory, or what is known.
 */
struct snap_writer;
must_check bool snap_begin(const struct new_file_options *o, struct snap_writer **out,
			   struct err *e);
/* A memory_take. The next bytes of the ranges in the table `memory` of the model to come,
 * those of zeroes left out. */
must_check bool snap_write_memory(void *writer, const void *bytes, size_t n,
				  struct err *e);
must_check bool snap_write_known(struct snap_writer *w, const struct model *m,
				 struct err *e);
must_check bool snap_write_derived(struct snap_writer *w, const struct model *m,
				   struct err *e);
must_check bool snap_commit(struct snap_writer *w, struct err *e);
void snap_end(struct snap_writer *w);

/* A model that holds what was written; no index in it leads out of its table, whatever
 * the file says. False: *e names what is wrong with it. */
must_check bool snap_read(const char *path, struct model **out, struct err *e);
/* The same of an open file, `name` for messages; takes fd over in any case. */
must_check bool snap_read_fd(int fd, const char *name, struct model **out, struct err *e);

/* Only these tables, and the texts that they name: in the time that these take, whatever else
 * the file holds. Rows that they lead to are to be chosen, too. */
must_check bool snap_read_some(const char *path, const enum model_table_id *tables,
			       size_t n, struct model **out, struct err *e);

/* By the first bytes of a file (eight are enough). */
bool snap_is_snapshot(const void *first_bytes, size_t n);

#endif
