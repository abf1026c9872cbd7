/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands that write snapshots share. */
#ifndef CMD_DUMP_INT_H
#define CMD_DUMP_INT_H

#include "cmd/cmd.h"

struct dump_request {
	const char *target;
	const char *label;  /* NULL: none */
	const char *memory; /* as memory_choice_check has it; NULL: none is kept */
	bool no_values;
	uint64_t started; /* of this process and no other (mem_started); 0: of any */
};

/* What can be said before the target is touched. */
must_check bool dump_request_check(const char *command, const struct dump_request *a,
				   struct err *e);

/* Opens the target and writes its snapshot. cx->model then only tells about the process and
 * how much there was: its other columns were given back. *memory is how many bytes of memory
 * were kept. */
must_check bool dump_write(struct context *cx, const struct dump_request *a,
			   const struct new_file_options *o, uint64_t *memory,
			   struct err *e);

#endif
