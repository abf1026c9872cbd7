/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words every other folder uses: attributes, target addresses, small helpers.
 * base/ knows nothing of heaps, processes or output formats.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define must_check __attribute__((warn_unused_result))
#define print_like(fmt, args) __attribute__((format(printf, fmt, args)))
#define autoclose __attribute__((cleanup(autoclose_fd)))
#define countof(array) (sizeof(array) / sizeof((array)[0]))

/* The dear half of our assertions: whole-structure checks, in debug and ASan builds. */
#ifdef HEAPSIFT_SLOW_ASSERTS
#define assert_slow(claim) assert(claim)
#else
#define assert_slow(claim) ((void)sizeof(claim))
#endif

/* An address in the target. Never a C pointer, so it cannot be dereferenced by mistake. */
typedef uint64_t taddr;

enum { PAGE_SIZE_4K = 4096 };

/* Closes *fd if it is open (>= 0); for `autoclose int fd`. */
void autoclose_fd(int *fd);

/* Hand an autoclosed descriptor over to another owner. */
static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* `to` is a power of two. */
static inline uint64_t align_down(uint64_t value, uint64_t to)
{
	return value & ~(to - 1);
}

static inline uint64_t align_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) & ~(to - 1);
}

/* Memory of our own that cannot be had ends the program with one line: these never
 * return NULL. A count that came from a target is checked before it gets here. */
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t count, size_t size);
char *xstrdup(const char *s);
/* Pages of zeroes that go back to the system with xunmap, for what is large and short-lived. */
void *xmap(size_t bytes);
/* The same for an array that is used up and down: in huge pages where the system has them. */
void *xmap_many(size_t count, size_t size);
void xunmap(void *p, size_t bytes);
/* Memory of ours that will be filled from end to end: in huge pages where the system has
 * them, for the time to get many small ones shows. */
void prefer_huge_pages(void *p, size_t bytes);

/* Reads len bytes at `offset` of a file; how many there were before its end, or before one
 * that cannot be read. */
size_t read_at(int fd, void *dst, size_t len, uint64_t offset);
bool bytes_are_zero(const void *bytes, size_t n);

/* Monotonic clock in nanoseconds. */
uint64_t clock_ns(void);

#endif
