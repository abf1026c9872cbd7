/* SPDX-License-Identifier: Apache-2.0 */
/*
 * datetime and zoneinfo (CPython 3.11, 3.13 datetime.h, _datetimemodule.c, _zoneinfo.c). A
 * time without a zone is a shorter struct, unless it is a subclass's.
 */
#include "lang/cpython/cpy_library_int.h"

#include <inttypes.h>

enum {
	HAS_TZINFO = 24,
	DATA = 25,
	TIME_TZINFO = 32,
	DATETIME_TZINFO = 40,
	DELTA_DAYS = 24,
};

static bool has_zone(struct python_reader *r, taddr at)
{
	uint8_t has = 0;

	return cpy_read(r, at + HAS_TZINFO, &has, 1) && has == 1;
}

static void time_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		      const struct python_sink *sink)
{
	(void)t;
	if (has_zone(r, at))
		cpy_edge_field(r, sink, at + TIME_TZINFO, "tzinfo");
}

static void datetime_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			  const struct python_sink *sink)
{
	(void)t;
	if (has_zone(r, at))
		cpy_edge_field(r, sink, at + DATETIME_TZINFO, "tzinfo");
}

/* time_alloc, datetime_alloc */
static uint64_t time_own(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	return t->native != t || has_zone(r, at) ? t->basicsize : TIME_TZINFO;
}

static uint64_t datetime_own(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	return t->native != t || has_zone(r, at) ? t->basicsize : DATETIME_TZINFO;
}

static uint64_t whole_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	(void)r;
	(void)at;
	return t->basicsize;
}

/* ---- what they say, as isoformat() and str() do ---- */

static void put_date(struct buf *out, const uint8_t d[4])
{
	buf_printf(out, "%04u-%02u-%02u", d[0] << 8 | d[1], d[2], d[3]);
}

static void put_time(struct buf *out, const uint8_t d[6])
{
	uint32_t us = (uint32_t)d[3] << 16 | (uint32_t)d[4] << 8 | d[5];

	buf_printf(out, "%02u:%02u:%02u", d[0], d[1], d[2]);
	if (us)
		buf_printf(out, ".%06" PRIu32, us);
}

static void date_value(struct python_reader *r, const struct cpy_type *t, taddr at,
		       struct buf *out)
{
	uint8_t d[4];

	(void)t;
	if (cpy_read(r, at + DATA, d, sizeof(d)))
		put_date(out, d);
}

static void time_value(struct python_reader *r, const struct cpy_type *t, taddr at,
		       struct buf *out)
{
	uint8_t d[6];

	(void)t;
	if (cpy_read(r, at + DATA, d, sizeof(d)))
		put_time(out, d);
}

static void datetime_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			   struct buf *out)
{
	uint8_t d[10];

	(void)t;
	if (!cpy_read(r, at + DATA, d, sizeof(d)))
		return;
	put_date(out, d);
	buf_char(out, ' ');
	put_time(out, d + 4);
}

/* delta_str */
static void delta_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			struct buf *out)
{
	int32_t d[3]; /* days, seconds, microseconds */

	(void)t;
	if (!cpy_read(r, at + DELTA_DAYS, d, sizeof(d)))
		return;
	if (d[0])
		buf_printf(out, "%" PRId32 " day%s, ", d[0],
			   d[0] == 1 || d[0] == -1 ? "" : "s");
	buf_printf(out, "%" PRId32 ":%02" PRId32 ":%02" PRId32, d[1] / 3600,
		   d[1] / 60 % 60, d[1] % 60);
	if (d[2])
		buf_printf(out, ".%06" PRId32, d[2]);
}

/* PyDateTime_TimeZone */
static const struct cpy_field_rule zone_fields[] = {
	{ .name = "offset", .offset = 16 },
	{ .name = "name", .offset = 24 },
	{ 0 },
};

/* ---- PyZoneInfo_ZoneInfo ---- */

enum {
	ZONE_NTRANSITIONS = 40,
	ZONE_NTTINFOS = 48,
	ZONE_UTC = 56,
	ZONE_WALL = 64,
	ZONE_TRANSITIONS = 80,
	ZONE_AFTER = 96, /* _tzrule: two _ttinfos, and two rules */
	ZONE_TTINFOS = 192,
	TTINFO_BYTES = 32, /* utcoff, dstoff, tzname, and a number */
};

static const struct cpy_field_rule zoneinfo_fields[] = {
	{ .name = "key", .offset = 16 },
	{ .name = "file_repr", .offset = 24 },
	{ 0 },
};

static void zoneinfo_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			  const struct python_sink *sink)
{
	static const uint32_t lists[] = { ZONE_UTC, ZONE_WALL, ZONE_WALL + 8,
					  ZONE_TRANSITIONS };
	uint64_t n = cpy_word_or_0(r, at + ZONE_NTTINFOS);
	uint16_t label = cpy_field(r->py, "ttinfo");
	taddr infos = cpy_array_part(r, sink, at + ZONE_TTINFOS,
				     (struct cpy_array){ &n, TTINFO_BYTES, "ttinfos" });

	(void)t;
	for (uint64_t i = 0; infos && i < n; i++)
		cpy_words_edges(r, infos + i * TTINFO_BYTES, 3, label, sink);
	for (uint32_t i = 0; i < 2; i++)
		cpy_words_edges(r, at + ZONE_AFTER + i * TTINFO_BYTES, 3, label, sink);
	for (size_t i = 0; i < countof(lists); i++) {
		n = cpy_word_or_0(r, at + ZONE_NTRANSITIONS);
		cpy_array_part(r, sink, at + lists[i],
			       (struct cpy_array){ &n, 8, "transitions" });
	}
}

const struct cpy_rules cpy_datetime_rules[] = {
	{ .name = "datetime.date", .value = date_value },
	{ .name = "datetime.time",
	  .read = time_read,
	  .size = whole_size,
	  .own = time_own,
	  .value = time_value },
	{ .name = "datetime.datetime",
	  .read = datetime_read,
	  .size = whole_size,
	  .own = datetime_own,
	  .value = datetime_value },
	{ .name = "datetime.timedelta", .value = delta_value },
	{ .name = "datetime.tzinfo" },
	{ .name = "datetime.timezone", .fields = zone_fields },
	{ .name = "zoneinfo.ZoneInfo", .read = zoneinfo_read, .fields = zoneinfo_fields },
	{ 0 },
};
