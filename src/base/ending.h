/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends that come from outside: a signal (Ctrl-C), a limit of memory or of time. Each leaves
 * nothing behind: no temporary file, no line of progress; the guardian process undoes what
 * was done to a target when we are gone, however we went.
 */
#ifndef BASE_ENDING_H
#define BASE_ENDING_H

#include "base/err.h"

/* From here on SIGINT, SIGTERM and SIGHUP clean up, and then end us as they always do; what
 * was ignored stays ignored. */
void ending_prepare(void);

/* A file to be removed if we end now; NULL: there is none any more. */
void ending_remove(const char *path);
/* A line on standard error is to be wiped away. */
void ending_wipe(bool is_shown);

struct ending_limits {
	uint64_t memory;     /* bytes that may still be had; UINT64_MAX: no limit */
	bool memory_is_said; /* with --mem-limit; else it is what can be spared */
	uint64_t seconds;    /* 0: no limit */
	enum err_kind kind;  /* of the answer when a limit is reached */
};
void ending_limit(const struct ending_limits *l);
/* Of the limits of memory; UINT64_MAX none. */
uint64_t ending_memory(void);

/* What was found so far takes `found` bytes of memory at its peak, and all of it may take
 * about `need`; 0: not known yet. Ends us at once if what was found is more than the limit,
 * and says `need` in any end by that limit. */
void ending_expect(uint64_t found, uint64_t need);
/* False: what needs so much goes beyond the limit. */
must_check bool ending_allows(uint64_t need, struct err *e);
/* No memory could be had: ends us, with a word on the limit if there is one. */
_Noreturn void ending_of_memory(size_t bytes);

#endif
