/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/ending.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

void autoclose_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static void die_of_memory(size_t count, size_t size)
{
	size_t bytes;

	ending_of_memory(__builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes);
}

void *xcalloc(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);

	if (!p)
		die_of_memory(count, size);
	return p;
}

void *xrealloc(void *old, size_t count, size_t size)
{
	size_t bytes;
	void *p;

	if (__builtin_mul_overflow(count, size, &bytes))
		die_of_memory(count, size);
	p = realloc(old, bytes ? bytes : 1);
	if (!p)
		die_of_memory(count, size);
	return p;
}

void *xmap(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		die_of_memory(1, bytes);
	return p;
}

void *xmap_many(size_t count, size_t size)
{
	size_t bytes = 0;
	void *p;

	if (__builtin_mul_overflow(count, size, &bytes))
		die_of_memory(count, size);
	p = xmap(bytes ? bytes : 1);
	madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

void prefer_huge_pages(void *p, size_t bytes)
{
	uintptr_t start = align_up((uintptr_t)p, PAGE_SIZE_4K);
	uintptr_t end = align_down((uintptr_t)p + bytes, PAGE_SIZE_4K);

	if (start < end)
		(void)madvise((void *)start, end - start, MADV_HUGEPAGE);
}

void xunmap(void *p, size_t bytes)
{
	munmap(p, bytes);
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xcalloc(n, 1), s, n);
}

size_t read_at(int fd, void *dst, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len && offset + done <= INT64_MAX) {
		ssize_t n =
			pread(fd, (char *)dst + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

bool bytes_are_zero(const void *bytes, size_t n)
{
	const char *at = bytes;

	return n == 0 || (at[0] == 0 && memcmp(at, at + 1, n - 1) == 0);
}

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
