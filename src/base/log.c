/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { LINES_MAX = 4 };

static void line_add(struct buf *out, struct str line)
{
	buf_str(out, "heapsift: ");
	utf8_escape(out, line);
	buf_char(out, '\n');
}

/* One write, so that lines of several processes do not mix. */
static void out_write(struct buf *out)
{
	size_t done = 0;

	while (done < out->n) {
		ssize_t n = write(STDERR_FILENO, out->s + done, out->n - done);

		if (n <= 0)
			break; /* nowhere left to complain */
		done += (size_t)n;
	}
	buf_release(out);
}

void log_failure(const struct err *e)
{
	struct buf out = { 0 };
	const char *at = e->text;

	for (int i = 0; i < LINES_MAX && *at; i++) {
		size_t n = strcspn(at, "\n");

		line_add(&out, (struct str){ at, n });
		at += n + (at[n] == '\n');
	}
	out_write(&out);
}

void log_say(const char *fmt, ...)
{
	char text[1024];
	struct buf out = { 0 };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	line_add(&out, str_of(text));
	out_write(&out);
}
