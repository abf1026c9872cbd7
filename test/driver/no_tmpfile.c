/* SPDX-License-Identifier: Apache-2.0 */
/* no_tmpfile PROGRAM ARG...: runs it where files without a name cannot be made; exit 77 if
 * that cannot be had here. */
#include "../support/no_tmpfile.h"
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	if (!forbid_tmpfile())
		return 77;
	execv(argv[1], argv + 1);
	return 127;
}
