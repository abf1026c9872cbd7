/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fuzz harness as a plain test: hand it every file of a folder, once. An empty or
 * missing folder is a failure: a test that looked at nothing must not pass.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *bytes;
	size_t size;

	if (!f || fstat(fileno(f), &st) < 0) {
		fprintf(stderr, "cannot open '%s': %s\n", path, strerror(errno));
		exit(1);
	}
	if (!S_ISREG(st.st_mode)) {
		fclose(f);
		return 0;
	}
	/* Exactly as long as the input, so that ASan sees a read past its end. */
	size = (size_t)st.st_size;
	bytes = malloc(size ? size : 1);
	if (!bytes || fread(bytes, 1, size, f) != size) {
		fprintf(stderr, "cannot read '%s'\n", path);
		exit(1);
	}
	fclose(f);
	LLVMFuzzerTestOneInput(bytes, size);
	free(bytes);
	return 1;
}

int main(int argc, char **argv)
{
	struct dirent **names;
	int n, done = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	n = scandir(argv[1], &names, NULL, alphasort);
	if (n < 0) {
		fprintf(stderr, "cannot list '%s': %s\n", argv[1], strerror(errno));
		return 1;
	}
	for (int i = 0; i < n; i++) {
		char path[4096];

		/* Printed first: after a crash the last line names the input. */
		snprintf(path, sizeof(path), "%s/%s", argv[1], names[i]->d_name);
		fprintf(stderr, "%s\n", path);
		done += run_file(path);
		free(names[i]);
	}
	free(names);
	printf("%d inputs\n", done);
	return done > 0 ? 0 : 1;
}
