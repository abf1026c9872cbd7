/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshots of a folder: files that are snapshots by their content, whatever they are
 * called. All others are passed over. */
#ifndef CMD_FOLDER_INT_H
#define CMD_FOLDER_INT_H

#include "cmd/cmd.h"

struct folder_entry {
	uint64_t time;    /* of the snapshot, nanoseconds since 1970; 0 not known */
	uint32_t process; /* equal: snapshots of one process */
	uint32_t file;    /* its name in the folder: a text, like exe and label */
	uint32_t exe, label, pid;
	uint64_t rss, memory_limit; /* as in struct model_processes */
};

struct folder {
	const char *path;             /* borrowed */
	struct folder_entry *entries; /* by time */
	size_t n, cap;
	struct model *texts; /* borrowed */
};

/* Damaged snapshots, and files that may be one and cannot be read, become findings of m,
 * which has the texts, too. False: there is no such folder. */
must_check bool folder_read(const char *path, struct model *m, struct folder *out,
			    struct err *e);
void folder_release(struct folder *f);

/* What there was in one of them, by type: a model that has processes, types and totals, at
 * least. Of a snapshot that an older heapsift wrote all has to be read. */
must_check bool folder_totals(const struct folder *f, size_t entry, struct model **out,
			      struct err *e);

/* That one of them cannot be read becomes a finding. */
void folder_find_out(const struct folder *f, size_t entry, const struct err *why);

#endif
