/* SPDX-License-Identifier: Apache-2.0 */
/* What grew from snapshot to snapshot of a folder. */
#ifndef CMD_DIFF_FOLDER_INT_H
#define CMD_DIFF_FOLDER_INT_H

#include "cmd/cmd.h"

struct diff_folder_args {
	const char *folder;
	uint64_t until; /* bytes of RSS; 0: the limit that the last snapshot tells */
};

/* Is it a folder? Then diff is about its snapshots. */
bool diff_is_folder(const char *path);
must_check bool diff_folder_run(struct context *cx, const struct diff_folder_args *a,
				struct sink *out, struct err *e);

enum { DIFF_FOLDER_COLUMNS = 14 };
extern const struct column diff_folder_columns[DIFF_FOLDER_COLUMNS];

#endif
