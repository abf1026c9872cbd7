/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed files that lie: each is unpacked to its end or to what is wrong with it. A file of
 * a few kilobytes unpacks to a hundred megabytes at most (zstd's best is 2^15 to one).
 */
#include "mem/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RATIO_MOST = 1 << 15, SIZE_MOST = 16 << 10 };

static void open_packed(const char *path, size_t size)
{
	struct mem_file file = { .is_wanted = NULL };
	struct err e = { 0 };
	struct stat st;

	if (!mem_open_file(path, &file, &e)) {
		assert(e.kind == ERR_FILE && e.text[0]);
		return;
	}
	assert(fstat(file.fd, &st) == 0 && S_ISREG(st.st_mode));
	assert((uint64_t)st.st_size <= (size + 64) * RATIO_MOST);
	buf_release(&file.note);
	close(file.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC), free_before, free_after;
	char path[64];

	if (size > SIZE_MOST)
		size = SIZE_MOST;
	setenv("TMPDIR", "/dev/shm", 1);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	free_before = dup(fd);
	close(free_before);
	open_packed(path, size);
	free_after = dup(fd);
	close(free_after);
	assert(free_before == free_after); /* nothing stays open */
	close(fd);
	return 0;
}
