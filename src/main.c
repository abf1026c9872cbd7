/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <malloc.h>

int main(int argc, char **argv)
{
	/* Said, it stays there: what is large goes back when it is freed, and grows in place
	 * rather than by a copy. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	return commands_main(command_rows, argc, argv);
}
