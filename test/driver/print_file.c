/* SPDX-License-Identifier: Apache-2.0 */
/*
 * print_file TARGET: what heapsift reads of a file that may be packed goes to standard
 * output; to standard error goes "SIZE BYTES-ON-DISK MTIME NAMES NOTE", or why it cannot be
 * read, exit 1.
 */
#include "mem/mem.h"
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct mem_file file = { .is_wanted = NULL };
	struct err e;
	struct stat st;
	off_t at = 0;

	if (argc != 2)
		return 2;
	if (!mem_open_file(argv[1], &file, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	if (fstat(file.fd, &st) < 0)
		return 2;
	fprintf(stderr, "%lld %lld %lld %d %s\n", (long long)st.st_size,
		(long long)st.st_blocks * 512, (long long)st.st_mtime, (int)st.st_nlink,
		file.note.n ? file.note.s : "");
	while (at < st.st_size)
		if (sendfile(STDOUT_FILENO, file.fd, &at, (size_t)(st.st_size - at)) <= 0)
			return 2;
	buf_release(&file.note);
	close(file.fd);
	return 0;
}
