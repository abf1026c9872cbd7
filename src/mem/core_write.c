/* SPDX-License-Identifier: Apache-2.0 */
#include "base/new_file.h"
#include "mem/mem_int.h"

bool mem_write_core(struct mem *m, pid_t pid, const struct new_file_options *to,
		    struct err *e)
{
	(void)m;
	(void)pid;
	return fail(e, ERR_FILE, "cannot write '%s': cores cannot be written yet",
		    to->path ? to->path : "standard output");
}
