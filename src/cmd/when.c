/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growth is the slope of the line through the samples of a while, a sixth of the period (ten
 * minutes of an hour), and counts when the while is over and the slope stands out of its own
 * error: a process that breathes does not grow.
 */
#include "cmd/when_int.h"

#include "base/line.h"
#include "base/opt.h"
#include <stdio.h>
#include <stdlib.h>

#define SECOND_NS UINT64_C(1000000000)
#define PACE_NS SECOND_NS /* rss and memory.high */

enum {
	WHILES_IN_PERIOD = 6,
	SAMPLES_IN_WHILE = 40, /* at most: there is room for more */
	ERRORS_CLEAR = 3,
	PRESSURE_PERCENT = 10,
};

static bool parse_percent(const char *text, unsigned most, unsigned *percent)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	*percent = (unsigned)v;
	return *text >= '0' && *text <= '9' && strcmp(end, "%") == 0 && v > 0 &&
	       v <= most;
}

static bool parse_amount(const char *text, struct condition *c)
{
	if (strchr(text, '%'))
		return parse_percent(text, 1000000, &c->percent);
	return opt_size(text, &c->bytes) && c->bytes > 0;
}

/* "10%/h", "200M/min" */
static bool parse_rate(char *text, struct condition *c)
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} periods[] = { { "s", 1 }, { "min", 60 }, { "h", 3600 }, { "d", 86400 } };
	char *slash = strchr(text, '/');

	if (!slash)
		return false;
	*slash = 0;
	for (size_t i = 0; i < countof(periods); i++)
		if (strcmp(slash + 1, periods[i].name) == 0)
			c->period = periods[i].seconds * SECOND_NS;
	return c->period > 0 && parse_amount(text, c);
}

static bool parse_value(char *value, struct condition *c)
{
	switch (c->kind) {
	case WHEN_RSS:
		return opt_size(value, &c->bytes) && c->bytes > 0;
	case WHEN_PRESSURE:
		c->percent = PRESSURE_PERCENT;
		return !*value || parse_percent(value, 100, &c->percent);
	case WHEN_HIGH:
		return !*value;
	case WHEN_GROWTH:
		return parse_rate(value, c);
	}
	return false;
}

/* One of them, without spaces, which is written into. */
static bool parse_one(char *text, struct condition *c)
{
	static const struct {
		const char *name;
		bool takes_value;
	} kinds[] = {
		[WHEN_RSS] = { "rss", true },
		[WHEN_PRESSURE] = { "psi", false },
		[WHEN_HIGH] = { "memory.high", false },
		[WHEN_GROWTH] = { "growth", true },
	};
	char *sign = strchr(text, '>'), *end = text + strlen(text);

	snprintf(c->text, sizeof(c->text), "%s", text);
	if (sign)
		*sign = 0;
	for (size_t i = 0; i < countof(kinds); i++) {
		if (strcmp(text, kinds[i].name) != 0)
			continue;
		c->kind = (enum when_kind)i;
		if (!sign && kinds[i].takes_value)
			return false;
		return (!sign || sign[1]) && parse_value(sign ? sign + 1 : end, c);
	}
	return false;
}

static bool refuse(const char *text, struct err *e)
{
	return fail(e, ERR_USAGE,
		    "watch: --when does not know '%.64s'\n"
		    "it takes rss>6G, psi, psi>20%%, memory.high, growth>10%%/h,\n"
		    "growth>200M/min, or several with commas between: any of them",
		    text);
}

/* One look-out has one trigger for pressure, and one counter. */
static bool comes_twice(const struct when *w)
{
	const struct condition *last = &w->conditions[w->n - 1];

	for (size_t i = 0; i + 1 < w->n; i++)
		if (w->conditions[i].kind == last->kind &&
		    (last->kind == WHEN_PRESSURE || last->kind == WHEN_HIGH))
			return true;
	return false;
}

bool when_parse(const char *text, struct when *out, struct err *e)
{
	char one[WHEN_TEXT];
	size_t n;

	*out = (struct when){ 0 };
	do {
		size_t used = 0;

		n = strcspn(text, ",");
		for (size_t i = 0; i < n && used < sizeof(one) - 1; i++)
			if (text[i] != ' ')
				one[used++] = text[i];
		one[used] = 0;
		if (out->n == WHEN_MOST)
			return fail(e, ERR_USAGE,
				    "watch: --when takes %d conditions at most",
				    WHEN_MOST);
		if (!parse_one(one, &out->conditions[out->n++]))
			return refuse(out->conditions[out->n - 1].text, e);
		if (comes_twice(out))
			return fail(e, ERR_USAGE,
				    "watch: --when takes psi and memory.high once "
				    "each, not '%.64s' again",
				    out->conditions[out->n - 1].text);
		text += n + (text[n] == ',');
	} while (text[-1] == ',' || *text);
	return true;
}

static uint64_t while_of(const struct condition *c)
{
	return max_u64(c->period / WHILES_IN_PERIOD, 2 * SECOND_NS);
}

uint64_t when_pace(const struct when *w)
{
	uint64_t pace = PACE_NS;

	for (size_t i = 0; i < w->n; i++)
		if (w->conditions[i].kind == WHEN_GROWTH)
			pace = min_u64(pace, while_of(&w->conditions[i]) / 8);
	return pace;
}

void when_forget(struct when *w)
{
	for (size_t i = 0; i < w->n; i++)
		w->conditions[i].samples.n = 0;
}

static void drop_first(struct samples *g)
{
	g->n--;
	memmove(g->at, g->at + 1, g->n * sizeof(*g->at));
	memmove(g->rss, g->rss + 1, g->n * sizeof(*g->rss));
}

/* Samples too near the last one add nothing but memory. */
static void add_sample(struct samples *g, double at, double rss, double length)
{
	while (g->n > 1 && at - g->at[1] >= length)
		drop_first(g);
	if (g->n > 1 && at - g->at[g->n - 2] < length / SAMPLES_IN_WHILE)
		g->n--;
	if (g->n == WHEN_SAMPLES)
		drop_first(g);
	g->at[g->n] = at;
	g->rss[g->n++] = rss;
}

bool when_grows(struct condition *c, uint64_t now, uint64_t rss)
{
	double length = (double)while_of(c) / (double)SECOND_NS, grown, least;
	struct samples *g = &c->samples;
	struct line line;

	add_sample(g, (double)now / (double)SECOND_NS, (double)rss, length);
	if (g->at[g->n - 1] - g->at[0] < length || !line_fit(g->at, g->rss, g->n, &line))
		return false;
	grown = line.slope * ((double)c->period / (double)SECOND_NS);
	least = c->bytes ? (double)c->bytes : g->rss[0] * c->percent / 100;
	return grown > least && line.slope > ERRORS_CLEAR * line.error;
}
