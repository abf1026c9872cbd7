/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process to look into, of a size to order:
 *
 *   bench_target chunks N     N live blocks of 24 to 200 bytes, two references each
 *   bench_target records N    the same of 576 to 1600 bytes: 10 M are 10 GiB
 *   bench_target bytes GIB    touched memory in blocks of 4 KiB to 64 KiB
 *   options after these:      threads N, thp (madvise huge pages), free PERCENT
 *
 * Prints "ready PID RSS_BYTES" and waits. The heap is one arena: the hard case.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint32_t seed = 1;

static uint32_t next_random(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8;
}

static void **blocks;

/* Blocks of `least` words, and as many more as chance has it below `spread`. */
static void make_chunks(size_t n, uint32_t least, uint32_t spread)
{
	blocks = malloc(n * sizeof(*blocks));
	for (size_t i = 0; i < n; i++) {
		size_t words = least + next_random() % spread;
		void **block = calloc(words, sizeof(void *));

		blocks[i] = block;
		if (i) {
			block[0] = blocks[((uint64_t)next_random() << 12) % i];
			block[words - 1] = blocks[i - 1];
		}
	}
}

/* Returns how many blocks it took. */
static size_t make_bytes(double gib)
{
	size_t total = (size_t)(gib * (1 << 30)), made = 0, n = 0;

	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	blocks = malloc(total / 4096 * sizeof(*blocks));
	while (made < total) {
		size_t size = 4096 + next_random() % 61440;

		blocks[n] = malloc(size);
		memset(blocks[n++], (int)(next_random() & 0x7f), size);
		made += size;
	}
	return n;
}

static void free_some(size_t n, unsigned percent)
{
	for (size_t i = 0; blocks && i < n; i++)
		if (next_random() % 100 < percent) {
			free(blocks[i]);
			blocks[i] = NULL;
		}
}

static void *sleep_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void start_threads(unsigned n)
{
	pthread_t thread;

	for (unsigned i = 1; i < n; i++)
		if (pthread_create(&thread, NULL, sleep_for_ever, NULL))
			exit(1);
}

static size_t rss_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	size_t size = 0, rss = 0;

	if (!f || fscanf(f, "%zu %zu", &size, &rss) != 2)
		exit(1);
	fclose(f);
	return rss * 4096;
}

int main(int argc, char **argv)
{
	size_t n = 0;

	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "thp") && !getenv("GLIBC_TUNABLES")) {
			setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1);
			execv("/proc/self/exe", argv);
		}
	for (int i = 1; i + 1 < argc; i++) {
		if (!strcmp(argv[i], "chunks"))
			make_chunks(n = strtoull(argv[i + 1], NULL, 10), 3, 23);
		else if (!strcmp(argv[i], "records"))
			make_chunks(n = strtoull(argv[i + 1], NULL, 10), 72, 129);
		else if (!strcmp(argv[i], "bytes"))
			n = make_bytes(strtod(argv[i + 1], NULL));
		else if (!strcmp(argv[i], "free"))
			free_some(n, (unsigned)atoi(argv[i + 1]));
		else if (!strcmp(argv[i], "threads"))
			start_threads((unsigned)atoi(argv[i + 1]));
	}
	printf("ready %d %zu\n", (int)getpid(), rss_bytes());
	fflush(stdout);
	for (;;)
		pause();
}
