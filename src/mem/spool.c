/* SPDX-License-Identifier: Apache-2.0 */
#include "mem/mem_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

bool mem_open_file(const char *path, int *fd, struct err *e)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd >= 0 ||
	       fail(e, ERR_FILE, "cannot open '%s': %s", path, strerror(errno));
}
