/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as hex and ASCII. The range is cut first into pieces that can be read and pieces
 * that cannot: memory is there or not by the page, so looking at each page once is enough.
 * A readable piece is one row for each 16 bytes, a hole is one row however long.
 */
#include "cmd/cmd.h"
#include "cmd/hexdump_int.h"

#include <stdlib.h>

enum { LEN_DEFAULT = 256, LEN_MOST = 64 << 20 };

struct hexdump_args {
	const char *target;
	uint64_t addr, len;
};

struct piece {
	taddr start, end;
	size_t first_row;
	bool is_hole;
};

struct dump {
	const struct bytes_source *bytes;
	struct piece *pieces;
	size_t n, cap, nrows;
};

struct line {
	taddr at;
	uint64_t size;
	bool is_hole;
	uint8_t bytes[HEX_LINE];
};

static void piece_add(struct dump *d, taddr start, taddr end, bool is_hole)
{
	struct piece *last = d->n ? &d->pieces[d->n - 1] : NULL;

	if (last && last->is_hole == is_hole) {
		last->end = end;
		return;
	}
	if (d->n == d->cap) {
		d->cap = d->cap ? 2 * d->cap : 16;
		d->pieces = xrealloc(d->pieces, d->cap, sizeof(*d->pieces));
	}
	d->pieces[d->n++] = (struct piece){ start, end, 0, is_hole };
}

static void dump_build(const struct model *m, taddr at, uint64_t len, struct dump *d)
{
	uint8_t page[PAGE_SIZE_4K];

	*d = (struct dump){ .bytes = &m->bytes };
	while (len > 0) {
		size_t n = min_u64(len, PAGE_SIZE_4K - at % PAGE_SIZE_4K);

		piece_add(d, at, at + n, !m->bytes.read(m->bytes.context, at, page, n));
		at += n;
		len -= n;
	}
	for (size_t i = 0; i < d->n; i++) {
		struct piece *p = &d->pieces[i];

		p->first_row = d->nrows;
		d->nrows +=
			p->is_hole ? 1 : (p->end - p->start + HEX_LINE - 1) / HEX_LINE;
	}
}

static struct line line_at(const struct dump *d, size_t row)
{
	size_t low = 0, high = d->n;

	while (high - low > 1) { /* the last piece that starts at or before the row */
		size_t middle = low + (high - low) / 2;

		if (d->pieces[middle].first_row <= row)
			low = middle;
		else
			high = middle;
	}

	const struct piece *p = &d->pieces[low];
	struct line l = {
		p->start + (row - p->first_row) * HEX_LINE, 0, p->is_hole, { 0 }
	};

	l.size = p->is_hole ? p->end - p->start : min_u64(HEX_LINE, p->end - l.at);
	if (!p->is_hole && !d->bytes->read(d->bytes->context, l.at, l.bytes, l.size))
		l.is_hole = true;
	return l;
}

static void ascii_add(struct buf *out, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_char(out, bytes[i] >= ' ' && bytes[i] <= '~' ? (char)bytes[i] : '.');
}

static struct cell get_addr(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(line_at(source, row).at);
}

static struct cell get_size(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(line_at(source, row).size);
}

static struct cell get_hole(const void *source, size_t row, struct buf *scratch)
{
	(void)scratch;
	return cell_number(line_at(source, row).is_hole);
}

static struct cell get_hex(const void *source, size_t row, struct buf *scratch)
{
	struct line l = line_at(source, row);

	for (size_t i = 0; !l.is_hole && i < l.size; i++)
		buf_printf(scratch, "%02x", l.bytes[i]);
	return l.is_hole ? cell_absent() : cell_text(buf_view(scratch));
}

static struct cell get_ascii(const void *source, size_t row, struct buf *scratch)
{
	struct line l = line_at(source, row);

	if (l.is_hole)
		return cell_absent();
	ascii_add(scratch, l.bytes, l.size);
	return cell_text(buf_view(scratch));
}

static const struct column hexdump_columns[] = {
	{ "addr", COLUMN_ADDRESS, 0, get_addr, "where the bytes are" },
	{ "size", COLUMN_BYTES, 0, get_size, "how many: 16, or less at an end" },
	{ "hole", COLUMN_BOOL, 0, get_hole, "they cannot be read" },
	{ "hex", COLUMN_TEXT, 0, get_hex, "the bytes" },
	{ "ascii", COLUMN_TEXT, 0, get_ascii, "a dot for what is not printable" },
};

void hex_line_add(struct buf *text, taddr at, const uint8_t *bytes, size_t n)
{
	buf_printf(text, "%012lx  ", at);
	for (size_t i = 0; i < HEX_LINE; i++) {
		if (i < n)
			buf_printf(text, "%02x ", bytes[i]);
		else
			buf_str(text, "   ");
		if (i % 8 == 7)
			buf_char(text, ' ');
	}
	ascii_add(text, bytes, n);
	buf_char(text, '\n');
}

static void line_write(const struct line *l, struct buf *text, struct sink *out)
{
	buf_clear(text);
	hex_line_add(text, l->at, l->bytes, l->size);
	sink_add(out, text->s, text->n);
}

static void hole_write(const struct line *l, struct buf *text, struct sink *out)
{
	buf_clear(text);
	buf_printf(text, "%012llx  ", (unsigned long long)l->at);
	count_show(text, l->size);
	buf_str(text, " bytes that cannot be read: not mapped, or not kept\n");
	sink_add(out, text->s, text->n);
}

/* Lines that say the same as the one before are a star, but for the last. */
static void dump_write(const struct table *t, struct sink *out)
{
	struct line last = { 0 };
	struct buf text = { 0 };
	bool starred = false;

	for (size_t row = 0; row < t->nrows; row++) {
		struct line l = line_at(t->source, row);
		bool same = row > 0 && row + 1 < t->nrows && !l.is_hole &&
			    !last.is_hole && l.size == HEX_LINE &&
			    memcmp(l.bytes, last.bytes, HEX_LINE) == 0;

		if (same && !starred)
			sink_str(out, "*\n");
		else if (!same && l.is_hole)
			hole_write(&l, &text, out);
		else if (!same)
			line_write(&l, &text, out);
		starred = same;
		last = l;
	}
	buf_release(&text);
}

static const struct hexdump_args hexdump_defaults = { .len = LEN_DEFAULT };

static const struct opt hexdump_args[] = {
	ARG_STRING("TARGET", struct hexdump_args, target, OFFER_TARGET,
		   "a process (its PID), a core, or a snapshot with memory"),
	ARG_ADDRESS("ADDR", struct hexdump_args, addr, "where to start: 0x… or decimal"),
	ARG_SIZE_OPTIONAL("LEN", struct hexdump_args, len,
			  "how many bytes: 64, 0x40, 4K (default 256, at most 64M)"),
};

static bool hexdump_check(const void *args, struct err *e)
{
	const struct hexdump_args *a = args;

	if (a->len == 0)
		return fail(e, ERR_USAGE, "hexdump: LEN is at least 1");
	if (a->len > LEN_MOST)
		return fail(
			e, ERR_USAGE,
			"hexdump: LEN is at most 64M: the bytes are copied before they "
			"are shown\ngo on at ADDR + 64M for more");
	if (a->addr > UINT64_MAX - LEN_MOST)
		return fail(e, ERR_USAGE, "hexdump: ADDR is not in user space");
	return true;
}

static bool hexdump_run(struct context *cx, const void *args, struct sink *out,
			struct err *e)
{
	const struct hexdump_args *a = args;
	const struct collect_options needs = { .bytes = { a->addr, a->len },
					       .bytes_only = true };
	struct dump d;
	bool ok;

	if (!context_open(cx, a->target, &needs, e))
		return false;
	if (!cx->model->bytes.read)
		return fail(e, ERR_FILE,
			    "'%s' holds no memory of its process\n"
			    "'heapsift dump --memory' keeps some; or give a process that "
			    "runs, or a core",
			    a->target);
	dump_build(cx->model, a->addr, a->len, &d);
	if (cx->model->bytes.check &&
	    !cx->model->bytes.check(cx->model->bytes.context, e)) {
		free(d.pieces);
		return false;
	}
	cx->answer_is_no = d.n == 1 && d.pieces[0].is_hole;
	ok = context_report(cx,
			    &(struct report){ .table = { .source = &d, .nrows = d.nrows },
					      .text = dump_write },
			    out, e);
	free(d.pieces);
	return ok;
}

const struct command cmd_hexdump = {
	.name = "hexdump",
	.group = GROUP_BYTES,
	.brief = "bytes of a process, as hex and ASCII",
	.text = "Shows LEN bytes from ADDR on, 16 a line. Lines equal to the one before "
		"are "
		"one star. What cannot be read is said; if that is all, the exit code "
		"is 1. The bytes are copied and the process goes on before they are "
		"shown, so a pager holds nothing up. A core holds what was dumped, a "
		"snapshot file what 'dump --memory' kept.",
	.example = "hexdump 1234 0x55d0c3f0a2b0 64",
	.example_text = "the start of a block that 'heapsift blocks' showed",
	.flags = COMMAND_FORMATS | COMMAND_TARGET,
	.args = hexdump_args,
	.nargs = countof(hexdump_args),
	.args_size = sizeof(struct hexdump_args),
	.defaults = &hexdump_defaults,
	.columns = hexdump_columns,
	.ncolumns = countof(hexdump_columns),
	.check = hexdump_check,
	.run = hexdump_run,
};
