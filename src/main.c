/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, in the order of the help. */
#include "cmd/cmd.h"

#include <malloc.h>

int main(int argc, char **argv)
{
	static const struct command *const commands[] = {
		&cmd_overview, &cmd_summary, &cmd_top,    &cmd_objects,    &cmd_tree,
		&cmd_show,     &cmd_why,     &cmd_blocks, &cmd_check,      &cmd_hexdump,
		&cmd_dump,     &cmd_core,    &cmd_help,   &cmd_completion, &cmd_complete,
		&cmd_version,  NULL,
	};

	/* Said, it stays there: what is large goes back when it is freed, and grows in place
	 * rather than by a copy. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	return commands_main(commands, argc, argv);
}
