/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON emitter without a tree: what has to stand between two items (a comma, a line
 * break) is known from two flags, so a document of any size needs no memory.
 */
#include "out/out.h"

#include "base/utf8.h"

static const uint64_t EXACT_IN_A_DOUBLE = (uint64_t)1 << 53;

static void separate(struct json *j)
{
	if (j->more)
		sink_char(j->out, ',');
	if (j->newline)
		sink_char(j->out, '\n');
	else if (j->more)
		sink_char(j->out, ' ');
	j->more = true;
	j->newline = false;
}

void json_newline(struct json *j)
{
	j->newline = true;
}

void json_open(struct json *j, char bracket)
{
	separate(j);
	sink_char(j->out, bracket);
	j->more = false;
}

void json_close(struct json *j, char bracket)
{
	if (j->newline)
		sink_char(j->out, '\n');
	sink_char(j->out, bracket);
	j->more = true;
	j->newline = false;
}

static void escape_point(struct sink *out, uint32_t point)
{
	switch (point) {
	case UTF8_INVALID:
		sink_str(out, "\\ufffd");
		break;
	case '"':
		sink_str(out, "\\\"");
		break;
	case '\\':
		sink_str(out, "\\\\");
		break;
	case '\n':
		sink_str(out, "\\n");
		break;
	case '\r':
		sink_str(out, "\\r");
		break;
	case '\t':
		sink_str(out, "\\t");
		break;
	default: /* all unsafe points are below 0x10000 */
		sink_printf(out, "\\u%04x", point);
	}
}

static void string_write(struct sink *out, struct str text)
{
	size_t clean = 0; /* text[clean, at) goes out as it is */

	sink_char(out, '"');
	for (size_t at = utf8_plain_run(text, 0); at < text.n;) {
		size_t start = at;
		uint32_t point = utf8_next(text, &at);

		if (point != '"' && point != '\\' && point != UTF8_INVALID &&
		    !utf8_is_unsafe(point))
			continue;
		sink_add(out, text.s + clean, start - clean);
		escape_point(out, point);
		clean = at;
	}
	sink_add(out, text.s + clean, text.n - clean);
	sink_char(out, '"');
}

void json_key(struct json *j, const char *key)
{
	separate(j);
	string_write(j->out, str_of(key));
	sink_str(j->out, ": ");
	j->more = false;
}

void json_str(struct json *j, struct str text)
{
	separate(j);
	string_write(j->out, text);
}

void json_number(struct json *j, uint64_t value)
{
	bool quoted = value > EXACT_IN_A_DOUBLE;

	separate(j);
	if (quoted)
		sink_char(j->out, '"');
	sink_number(j->out, value);
	if (quoted)
		sink_char(j->out, '"');
}

void json_signed(struct json *j, int64_t value)
{
	uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
	const char *quote = size > EXACT_IN_A_DOUBLE ? "\"" : "";

	separate(j);
	sink_printf(j->out, "%s%lld%s", quote, (long long)value, quote);
}

void json_real(struct json *j, double value)
{
	struct buf digits = { 0 };
	bool is_number = value - value == 0; /* of what is infinite it is not */

	real_write(&digits, value);
	separate(j);
	sink_printf(j->out, is_number ? "%s" : "\"%s\"", digits.s);
	buf_release(&digits);
}

void json_address(struct json *j, taddr at)
{
	separate(j);
	sink_char(j->out, '"');
	sink_address(j->out, at);
	sink_char(j->out, '"');
}

void json_bool(struct json *j, bool value)
{
	separate(j);
	sink_str(j->out, value ? "true" : "false");
}

void json_ms(struct json *j, uint64_t ns)
{
	separate(j);
	sink_printf(j->out, "%llu.%03u", (unsigned long long)(ns / 1000000),
		    (unsigned)(ns / 1000 % 1000));
}
