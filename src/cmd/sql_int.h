/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of `sql`. Each is declared once, with its columns: a column is a column of the
 * model's table (`of`), or has a function of its own, as those of commands. A table may also
 * be a command's rows as they are (`like`).
 */
#ifndef CMD_SQL_INT_H
#define CMD_SQL_INT_H

#include "analysis/analysis.h"
#include "cmd/graph_int.h"
#include "cmd/where_int.h"

/* What a table needs of a target. */
enum sql_need { SQL_EDGES = 1, SQL_VALUES = 2, SQL_PREVIEWS = 4, SQL_SLACK = 8 };

/* Beside those of query/. */
enum sql_column_flag {
	SQL_ZERO_IS_ABSENT = 1 << 8, /* the model's 0 says that it has none */
};

struct sql_column {
	const char *name;
	enum column_type type;
	/* The source is a struct sql_rows, which begins as those of nodes do. NULL: `of` */
	struct cell (*get)(const void *source, size_t row, struct buf *scratch);
	const char *of; /* a column of the model's table */
	const char *help;
	unsigned flags; /* enum query_column_flag, enum sql_column_flag */
};

struct sql_rows;
struct sql_table {
	const char *name;
	const char *help;
	unsigned needs; /* enum sql_need */
	enum model_table_id rows;
	const struct sql_column *columns;
	size_t ncolumns;
	/* Instead: the columns of this command that JSON has, asked of a source that `begin`
	 * puts into r->like. */
	const struct command *like;
	/* Why the target has no rows of it, though it might; NULL: it is not so. */
	const char *(*missing)(const struct model *m);
	/* How many rows there are at most; NULL: as many as the model's table has. */
	size_t (*count)(const struct model *m);
	size_t (*begin)(const void *source);
	bool (*is_there)(const void *source, size_t row);
	size_t (*find)(const void *source, size_t column, uint64_t low, uint64_t high,
		       struct query_span spans[QUERY_SPANS_MAX]);
	bool has_classes; /* types: domain, kind and detail are the same of all in one */
};

/* Where the last edge was: the next that is asked for is most often near. */
struct sql_edge_place {
	uint32_t node;
	uint64_t counted, items; /* of the node's edges before `counted` */
};

struct sql_values; /* a column of the model */

/* One table with its rows. */
struct sql_rows {
	struct node_source
		nodes; /* of the model; rows are nodes where such columns are used */
	const struct sql_table *t;
	struct query_column *columns;
	struct sql_values *values; /* by column */
	const void *like;          /* the source of the command's rows */
	const uint32_t *pick;      /* which of its rows these are; NULL: all */
	/* What `begin` works out, in one place that it may change. */
	struct sql_worked_out {
		struct block_pick blocks;
		struct top_source top;
		struct arena_rows arenas;
		bool *is_string; /* by type */
		struct sql_edge_place place;
		uint64_t *
			items; /* edges that are items, before each so many; NULL: not yet */
	} * worked_out;
};

extern const struct sql_table sql_graph_tables[], sql_memory_tables[];
extern const size_t sql_ngraph_tables, sql_nmemory_tables;

/* All tables. The model may be NULL: then they have no rows, and can only be named. */
struct sql_tables {
	struct query_table *tables;
	struct sql_rows *rows;
	size_t n;
	struct sql_worked_out worked_out;
};
void sql_tables_init(struct sql_tables *s, const struct model *m);
void sql_tables_release(struct sql_tables *s);
const struct sql_table *sql_table_at(size_t i);
size_t sql_table_count(void);

/* The rows of an answer (sql_answer.c). */
struct sql_answer {
	struct column *columns;
	bool *is_guessed; /* by column: the type is */
	size_t ncolumns;
	size_t kept, nrows;
	size_t cap;         /* rows that there is room for */
	uint8_t *kinds;     /* of cells, row by row */
	uint64_t *contents; /* a number, the bits of a real one, where a text begins */
	struct buf texts;   /* each a uint32_t of its length and its bytes */
};
/* Keeps at most `limit` rows, 0: all; counts them all. Release it in any case. */
must_check bool sql_answer_fill(struct sql_answer *a, struct query *q,
				const struct sql_tables *s, uint64_t limit,
				struct err *e);
struct cell sql_answer_get(const void *source, size_t row, size_t column,
			   struct buf *scratch);
void sql_answer_release(struct sql_answer *a);

#endif
