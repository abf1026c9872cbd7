/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>
#include <unistd.h>

static bool is_stdout(const char *output)
{
	return strcmp(output, "-") == 0;
}

struct new_file_options output_options(const char *output, bool force)
{
	return (struct new_file_options){
		.path = is_stdout(output) ? NULL : output,
		.fd = STDOUT_FILENO,
		.force = force,
	};
}

bool output_check(const char *command, const char *what, const char *output, bool force,
		  struct err *e)
{
	struct new_file_options o;

	if (!output)
		return fail(e, ERR_USAGE,
			    "%s: -o FILE is missing\n"
			    "try 'heapsift help %s'",
			    command, command);
	if (is_stdout(output))
		return !isatty(STDOUT_FILENO) ||
		       fail(e, ERR_USAGE, "%s: will not write %s to a terminal", command,
			    what);
	o = output_options(output, force);
	return new_file_may_be(&o, e);
}
