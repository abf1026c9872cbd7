/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows become bytes: text for people, JSON and CSV for programs. Pure: where the bytes go
 * is the sink's business, and nothing here reads a target.
 *
 * Everything shown may come from a hostile target: text and CSV escape control bytes and
 * what reorders a line, JSON escapes the same and replaces invalid UTF-8.
 */
#ifndef OUT_OUT_H
#define OUT_OUT_H

#include "base/err.h"
#include "base/str.h"
#include "model/model.h"

/* ---- sink: where bytes go, and how they are to look ---- */

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV };

struct sink {
	/* Takes all n bytes, or is false with errno set. */
	bool (*write)(void *context, const void *bytes, size_t n);
	void *context;
	enum format format;
	bool exact; /* sizes as whole bytes, not 1.4 MiB */
	bool colour;
	unsigned width; /* columns of the terminal; 0: as wide as it gets */
	/* Inner. An error sticks: what follows is swallowed, sink_flush tells. */
	int error;
	size_t n;
	char *buffer;
};

/* A sink of text without colour and limits; release after sink_flush. */
void sink_init(struct sink *s, bool (*write)(void *, const void *, size_t),
	       void *context);
void sink_init_fd(struct sink *s, const int *fd);
void sink_init_buf(struct sink *s, struct buf *out);
void sink_release(struct sink *s);

void sink_add(struct sink *s, const void *bytes, size_t n);
void sink_str(struct sink *s, const char *text);
void sink_char(struct sink *s, char c);
void sink_spaces(struct sink *s, size_t n);
void sink_printf(struct sink *s, const char *fmt, ...) print_like(2, 3);
void sink_number(struct sink *s, uint64_t value); /* 1234567 */
void sink_address(struct sink *s, taddr at);      /* 0x12d687 */
/* Text of the target, escaped for people. */
void sink_escaped(struct sink *s, struct str text);
/* Text that is escaped already in at most `room` columns, a mark in place of what is cut;
 * room 0: all of it. Returns the columns it took. */
unsigned sink_cut(struct sink *s, struct str shown, unsigned room);

enum look { LOOK_PLAIN, LOOK_HEAD, LOOK_FAINT, LOOK_WARNING, LOOK_DAMAGE };
void sink_look(struct sink *s, enum look look);

/* A paragraph being written: where its line stands, where its lines start and end. */
struct wrap {
	struct sink *out;
	unsigned at, indent;
	unsigned width; /* 0: lines do not end */
};

/* Words parted by spaces; the first one directly where the line stands if that is its
 * start, else behind a space. The text is shown as it is. */
void wrap_words(struct wrap *w, struct str text);
void wrap_add(struct wrap *w, struct str text); /* without a break before it */
void wrap_line(struct wrap *w);                 /* starts a new line */

/* Sends what is buffered. False: some byte did not get out, e is ERR_FILE and says why; its
 * text is empty when the reader went away (EPIPE), for then nobody wants to know. */
must_check bool sink_flush(struct sink *s, struct err *e);

/* ---- names and numbers for people ---- */

void capitals_show(struct buf *out, const char *name); /* "PAUSE MS" of "pause_ms" */
/* "1.4 MiB"; exact: "1,468,006". */
void bytes_show(struct buf *out, uint64_t bytes, bool exact);
void count_show(struct buf *out, uint64_t count);   /* "1,468,006" */
void number_show(struct buf *out, uint64_t number); /* "1468006" */
/* By how much something changed: "+1.4 MiB", "-1,468,006"; no change has no sign. */
void bytes_change_show(struct buf *out, int64_t bytes, bool exact);
void count_change_show(struct buf *out, int64_t count);
/* "0.25", "1234.50" */
void real_show(struct buf *out, double value);
/* All digits that tell it from others: "0.1". */
void real_write(struct buf *out, double value);
void address_show(struct buf *out, taddr at); /* "0x16665e" */
/* "81.2%"; of nothing nothing: "0.0%". */
void percent_show(struct buf *out, uint64_t part, uint64_t whole);
/* "840 us", "3.1 ms", "1.25 s" */
void duration_show(struct buf *out, uint64_t ns);

/* ---- JSON, streamed ---- */

struct json {
	struct sink *out;
	bool more;    /* the next item needs a comma */
	bool newline; /* the next item starts a line */
};

void json_open(struct json *j, char bracket);
void json_close(struct json *j, char bracket);
void json_key(struct json *j, const char *key);
void json_str(struct json *j, struct str text);
/* Above 2^53 a string of digits, which no reader rounds. */
void json_number(struct json *j, uint64_t value);
void json_signed(struct json *j, int64_t value); /* the same below 0 */
void json_real(struct json *j, double value);    /* what is no number there is a string */
void json_address(struct json *j, taddr at);
void json_bool(struct json *j, bool value);
/* Milliseconds, three decimals, from nanoseconds. */
void json_ms(struct json *j, uint64_t ns);
void json_newline(struct json *j);

/* ---- tables: rows pulled on demand ---- */

enum column_type {
	COLUMN_TEXT,
	COLUMN_PATH, /* text whose end matters most */
	COLUMN_NAME, /* of a type: cut so that its last word stays */
	COLUMN_CODE, /* text with escapes of its own: 'two\nlines', which keep one backslash */
	COLUMN_ADDRESS,
	COLUMN_BYTES,
	COLUMN_COUNT,  /* 1,234 */
	COLUMN_NUMBER, /* 1234: an index, an id */
	COLUMN_BOOL,
	COLUMN_BYTES_CHANGE, /* cell_signed: +1.4 MiB */
	COLUMN_COUNT_CHANGE, /* cell_signed: -1,234 */
	COLUMN_VALUE,        /* what was worked out: cell_signed, cell_real or a text */
	COLUMN_LIST,         /* rows of their own: nested in JSON, never in text or CSV */
	COLUMN_OBJECT,       /* the same with one row at most, written without brackets */
};

enum column_flag {
	COLUMN_TOTAL = 1,     /* text ends with the sum over all rows */
	COLUMN_NOT_TEXT = 2,  /* for programs only */
	COLUMN_TEXT_ONLY = 4, /* for people only */
	COLUMN_NOT_ZERO = 8,  /* text leaves it out when all rows are 0 */
	COLUMN_IF_ROOM = 16,  /* text leaves it out before it cuts anything, unless rows
			       * are sorted by it */
	COLUMN_WHOLE = 64,    /* text never cuts it */
	COLUMN_NOT_CSV = 32, /* a list that CSV can do without: other columns sum it up */
};

struct table;

/* What one row has in one column. Absent is not 0 and not "". */
struct cell {
	enum { CELL_ABSENT, CELL_NUMBER, CELL_TEXT, CELL_ROWS, CELL_REAL } kind;
	union {
		uint64_t number;
		double real;              /* only in a COLUMN_VALUE */
		const struct table *rows; /* of COLUMN_LIST and COLUMN_OBJECT */
	};
	struct str text;
};

static inline struct cell cell_absent(void)
{
	return (struct cell){ .kind = CELL_ABSENT };
}

static inline struct cell cell_number(uint64_t value)
{
	return (struct cell){ .kind = CELL_NUMBER, .number = value };
}

/* Of a column whose type is a change: a number in two's complement. */
static inline struct cell cell_signed(int64_t value)
{
	return cell_number((uint64_t)value);
}

static inline struct cell cell_real(double value)
{
	return (struct cell){ .kind = CELL_REAL, .real = value };
}

static inline struct cell cell_text(struct str text)
{
	return (struct cell){ .kind = CELL_TEXT, .text = text };
}

/* The table is the source's. If its limit cuts it, JSON says behind it how many there are. */
static inline struct cell cell_rows(const struct table *rows)
{
	return (struct cell){ .kind = CELL_ROWS, .rows = rows };
}

struct column {
	const char *name; /* in JSON, in CSV, for --sort; in text in capitals */
	enum column_type type;
	unsigned flags; /* enum column_flag */
	/* Text points into the source or into `scratch`, which comes empty. NULL: the table's
	 * does it. */
	struct cell (*get)(const void *source, size_t row, struct buf *scratch);
	const char *help; /* what it holds, for the manual */
};

enum layout {
	LAYOUT_TABLE,
	LAYOUT_CARDS, /* each row a paragraph: first column, then the others' words */
};

struct table {
	const struct column *columns;
	size_t ncolumns;
	const void *source;
	size_t nrows;         /* at most UINT32_MAX */
	const uint32_t *pick; /* which rows of the source they are; NULL: 0, 1, 2 … */
	const struct column *sort; /* NULL: as they come */
	bool ascending;
	uint64_t limit; /* rows to show, 0: all */
	enum layout layout;
	/* For columns that are not known before there are rows. */
	struct cell (*get)(const void *source, size_t row, size_t column,
			   struct buf *scratch);
};

static inline struct cell table_cell(const struct table *t, size_t column, size_t row,
				     struct buf *scratch)
{
	const struct column *c = &t->columns[column];

	return c->get ? c->get(t->source, row, scratch)
		      : t->get(t->source, row, column, scratch);
}

/* As sink_cut, what is cut like a cell of such a column: of a name the last word stays,
 * "…models.Order". */
unsigned sink_cut_as(struct sink *s, struct str shown, unsigned room,
		     enum column_type type);

/* The column of this name, or NULL. */
const struct column *column_find(const struct column *columns, size_t n,
				 const char *name);
static inline bool column_is_text(const struct column *c)
{
	return c->type == COLUMN_TEXT || c->type == COLUMN_PATH ||
	       c->type == COLUMN_NAME || c->type == COLUMN_CODE;
}

static inline bool column_is_signed(const struct column *c)
{
	return c->type == COLUMN_BYTES_CHANGE || c->type == COLUMN_COUNT_CHANGE ||
	       c->type == COLUMN_VALUE;
}

static inline bool column_is_nested(const struct column *c)
{
	return c->type == COLUMN_LIST || c->type == COLUMN_OBJECT;
}

/* A table alone, as text; its limit cuts it without a word. */
void table_show(const struct table *t, struct sink *out);

/* ---- an answer: the rows and what is said around them ---- */

/* One number beside the rows: RSS beside the summary. Or a COLUMN_LIST: only in JSON. */
struct report_fact {
	const char *name;
	enum column_type type;
	uint64_t value;
	const struct table *list;
	bool not_text; /* for programs only */
};

struct report {
	const char *command;
	const struct model *model;
	struct table table;
	const struct report_fact *facts;
	size_t nfacts;
	bool is_cut;           /* something is left out that is not whole rows */
	size_t findings_shown; /* in text below .text; 0: 10 */
	/* Targets that the model is compared with, the oldest first: told before it. */
	const struct model *const *others;
	size_t nothers;
	/* What stands above the table in text; NULL: nothing. */
	void (*above)(const struct table *t, struct sink *out);
	/* In place of the table in text; NULL: the table. */
	void (*text)(const struct table *t, struct sink *out);
};

/* Rows shown may be fewer than there are: said in text and in JSON; of CSV, which has no
 * room for it, *cut is set for the caller to say it elsewhere. */
void report_write(const struct report *r, struct sink *out, bool *cut);

/* What stands below the rows in text: findings, and how the bytes were come by. */
void report_footer(const struct model *m, struct sink *out);

#endif
