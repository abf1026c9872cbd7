/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, in the order of the help. */
#include "cmd/cmd.h"

const struct command *const command_rows[] = {
	&cmd_overview,   &cmd_summary,  &cmd_top,     &cmd_objects, &cmd_tree,
	&cmd_show,       &cmd_why,      &cmd_sizes,   &cmd_arenas,  &cmd_blocks,
	&cmd_diff,       &cmd_waste,    &cmd_check,   &cmd_hexdump, &cmd_sql,
	&cmd_dump,       &cmd_core,     &cmd_watch,   &cmd_log,     &cmd_help,
	&cmd_completion, &cmd_complete, &cmd_version, NULL,
};
