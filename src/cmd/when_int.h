/* SPDX-License-Identifier: Apache-2.0 */
/* The conditions of watch --when. */
#ifndef CMD_WHEN_INT_H
#define CMD_WHEN_INT_H

#include "base/err.h"
#include "base/str.h"

enum when_kind { WHEN_RSS, WHEN_PRESSURE, WHEN_HIGH, WHEN_GROWTH };

enum { WHEN_MOST = 8, WHEN_SAMPLES = 64, WHEN_TEXT = 64 };

/* The size of a process over the last while, the oldest first. The oldest is as old as the
 * while is long, once that is over. */
struct samples {
	double at[WHEN_SAMPLES], rss[WHEN_SAMPLES]; /* seconds, bytes */
	size_t n;
};

struct condition {
	enum when_kind kind;
	uint64_t bytes;   /* of rss and growth; 0: percent counts */
	unsigned percent; /* of growth: of what it had; of pressure: of the time */
	uint64_t period;  /* of growth: in so many nanoseconds */
	char text[WHEN_TEXT];
	struct samples samples;
};

struct when {
	struct condition conditions[WHEN_MOST];
	size_t n;
};

/* "rss>6G,growth>10%/h": any of them. False: ERR_USAGE, in words. */
must_check bool when_parse(const char *text, struct when *out, struct err *e);

/* How often the process must be looked at for it, in nanoseconds. */
uint64_t when_pace(const struct when *w);

/* A new sample, `now` in nanoseconds. True: it grows faster than the condition says, over
 * all of the while that is looked at. */
must_check bool when_grows(struct condition *c, uint64_t now, uint64_t rss);
/* From here on anew. */
void when_forget(struct when *w);

#endif
