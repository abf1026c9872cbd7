/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes gather in one buffer and go out when it is full, so a row costs no system call.
 * A failed write is remembered and everything after it swallowed: writers of rows need no
 * error paths, and the one who flushes learns what went wrong.
 */
#include "out/out.h"

#include "base/utf8.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SINK_BUFFER = 1 << 16 };

void sink_init(struct sink *s, bool (*write)(void *, const void *, size_t), void *context)
{
	*s = (struct sink){
		.write = write,
		.context = context,
		.buffer = xcalloc(SINK_BUFFER, 1),
	};
}

void sink_release(struct sink *s)
{
	free(s->buffer);
	*s = (struct sink){ 0 };
}

static bool fd_write(void *context, const void *bytes, size_t n)
{
	const int *fd = context;
	const char *at = bytes;

	while (n > 0) {
		ssize_t done = write(*fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}

void sink_init_fd(struct sink *s, const int *fd)
{
	sink_init(s, fd_write, (void *)(uintptr_t)fd);
}

static bool buf_write(void *context, const void *bytes, size_t n)
{
	buf_add(context, bytes, n);
	return true;
}

void sink_init_buf(struct sink *s, struct buf *out)
{
	sink_init(s, buf_write, out);
}

static void sink_send(struct sink *s, const void *bytes, size_t n)
{
	if (n > 0 && !s->error && !s->write(s->context, bytes, n))
		s->error = errno ? errno : EIO;
}

void sink_add(struct sink *s, const void *bytes, size_t n)
{
	if (n > SINK_BUFFER - s->n) {
		sink_send(s, s->buffer, s->n);
		s->n = 0;
	}
	if (n > SINK_BUFFER) {
		sink_send(s, bytes, n);
	} else if (n > 0) {
		memcpy(s->buffer + s->n, bytes, n);
		s->n += n;
	}
}

void sink_str(struct sink *s, const char *text)
{
	sink_add(s, text, strlen(text));
}

void sink_char(struct sink *s, char c)
{
	if (s->n == SINK_BUFFER) {
		sink_send(s, s->buffer, s->n);
		s->n = 0;
	}
	s->buffer[s->n++] = c;
}

void sink_spaces(struct sink *s, size_t n)
{
	static const char spaces[] = "                                                ";

	for (; n >= sizeof(spaces); n -= sizeof(spaces) - 1)
		sink_add(s, spaces, sizeof(spaces) - 1);
	sink_add(s, spaces, n);
}

void sink_printf(struct sink *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert(n >= 0 && (size_t)n < sizeof(text)); /* text of a target goes elsewhere */
	sink_add(s, text, (size_t)n);
}

void sink_number(struct sink *s, uint64_t value)
{
	char digits[20], *at = digits + sizeof(digits);

	do
		*--at = (char)('0' + value % 10);
	while (value /= 10);
	sink_add(s, at, (size_t)(digits + sizeof(digits) - at));
}

void sink_address(struct sink *s, taddr at)
{
	char digits[16], *start = digits + sizeof(digits);

	do
		*--start = "0123456789abcdef"[at & 15];
	while (at >>= 4);
	sink_str(s, "0x");
	sink_add(s, start, (size_t)(digits + sizeof(digits) - start));
}

void sink_escaped(struct sink *s, struct str text)
{
	struct buf out = { 0 };

	utf8_escape(&out, text);
	sink_add(s, out.s, out.n);
	buf_release(&out);
}

void sink_look(struct sink *s, enum look look)
{
	static const char *const codes[] = {
		[LOOK_PLAIN] = "\033[0m",   [LOOK_HEAD] = "\033[1m",
		[LOOK_FAINT] = "\033[2m",   [LOOK_WARNING] = "\033[33m",
		[LOOK_DAMAGE] = "\033[31m",
	};

	if (s->colour)
		sink_str(s, codes[look]);
}

bool sink_flush(struct sink *s, struct err *e)
{
	sink_send(s, s->buffer, s->n);
	s->n = 0;
	if (!s->error)
		return true;
	if (s->error == EPIPE)
		return fail(e, ERR_FILE, "%s", "");
	return fail(e, ERR_FILE, "cannot write the output: %s", strerror(s->error));
}
