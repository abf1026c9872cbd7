/* SPDX-License-Identifier: Apache-2.0 */
/* Every command that takes a file, run on one in this process. */
#ifndef DAMAGE_ROWS_H
#define DAMAGE_ROWS_H

#include "cmd/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ARGV_MOST = 16 };

#ifdef HEAPSIFT_SLOW_ASSERTS
enum { CPU_SECONDS_MOST = 10 };
#else
enum { CPU_SECONDS_MOST = 1 };
#endif

/* Every column of every table, a join, a group. */
static const char damage_query[] =
	"SELECT count(*) FROM (SELECT DISTINCT * FROM nodes) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM types) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM strings) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM parts) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM edges) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM roots) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM root_groups) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM blocks) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM arenas) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM bins) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM heaps) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM pools) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM slabs) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM regions) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM pages) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM modules) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM threads) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM frames) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM process) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM findings) UNION ALL "
	"SELECT count(*) FROM (SELECT DISTINCT * FROM evidence) UNION ALL "
	"SELECT count(*) FROM nodes n JOIN edges e ON e.target = n.addr "
	"WHERE e.source > owner(e.target) UNION ALL "
	"SELECT count(*) FROM (SELECT kind FROM nodes GROUP BY kind, domain)";

struct rows_run {
	char path[64], addr[32], flag[40], where[64];
	char whole[64]; /* a file that is not damaged, for commands that take two */
	/* Of a command's own flags one is said, or none; and of several targets one is the
	 * damaged file, or all are. */
	size_t turn;
	bool json;
	size_t refused, answered;
	int fds;   /* how many descriptors are open between two commands */
	FILE *say; /* where the harness speaks; stdout and stderr are the commands' */
};

static inline bool row_takes_a_file(const struct command *c)
{
	return c->flags & COMMAND_CORES;
}

/* A target: all of a command's are the damaged file, or one of them is. */
static inline char *row_target(const struct rows_run *r, const struct command *c,
			       size_t arg)
{
	size_t n = 0, which = 0;

	for (size_t i = 0; i < c->nargs; i++) {
		which += c->args[i].offer == OFFER_TARGET && i < arg;
		n += c->args[i].offer == OFFER_TARGET;
	}
	return (char *)(n == 1 || r->turn % (n + 1) == n || r->turn % (n + 1) == which
				? r->path
				: r->whole);
}

static inline char *row_word(const struct rows_run *r, const struct command *c, size_t i)
{
	const struct opt *arg = &c->args[i];

	if (arg->offer == OFFER_TARGET)
		return row_target(r, c, i);
	if (arg->type == OPT_TYPE_ENUM)
		return (char *)arg->words[0];
	if (strcmp(arg->name, "QUERY") == 0)
		return (char *)damage_query;
	return arg->type == OPT_TYPE_ADDRESS ? (char *)r->addr : (char *)"256";
}

/* "--bins"; NULL: not in this turn. */
static inline char *row_flag(struct rows_run *r, const struct command *c)
{
	size_t i = r->turn % (c->nopts + 1);

	/* --schema is of no target. */
	if (i == c->nopts || c->opts[i].type != OPT_TYPE_FLAG ||
	    strcmp(c->opts[i].name, "schema") == 0)
		return NULL;
	snprintf(r->flag, sizeof(r->flag), "--%s", c->opts[i].name);
	return r->flag;
}

static inline int row_words(struct rows_run *r, const struct command *c,
			    char *argv[ARGV_MOST])
{
	/* A command that needs options to run at all has them here, and one whose options
	 * have it do much else, in turn. */
	const struct {
		const char *command;
		unsigned turns; /* of as many it has one */
		const char *words[2];
	} more[] = {
		{ "dump", 1, { "-o", "-" } },
		{ "diff", 5, { "--by", "object" } },
		{ "diff", 3, { "--by", "holder" } },
		{ "objects", 2, { "--new-since", r->whole } },
		{ "top", 2, { "--still-in", r->whole } },
		{ "blocks", 2, { "--new-since", r->whole } },
	};
	int n = 0;

	argv[n++] = (char *)"heapsift";
	argv[n++] = (char *)c->name;
	for (size_t i = 0; i < c->nargs; i++)
		argv[n++] = row_word(r, c, i);
	for (size_t i = 0; i < countof(more); i++)
		for (size_t k = 0; strcmp(c->name, more[i].command) == 0 &&
				   r->turn % more[i].turns == 0 && k < 2;
		     k++)
			argv[n++] = (char *)more[i].words[k];
	argv[n++] = (char *)"--sysroot=/proc/self/ns"; /* has none of the files */
	if (row_flag(r, c))
		argv[n++] = r->flag;
	if (r->json && c->flags & COMMAND_FORMATS)
		argv[n++] = (char *)"--json";
	if (r->json && c->flags & COMMAND_SORT && !row_flag(r, c)) {
		snprintf(r->where, sizeof(r->where), "--where=%s > 0 or 1",
			 c->columns[0].name);
		argv[n++] = r->where;
	}
	argv[n] = NULL;
	return n;
}

static inline double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The lowest number that is free; they are taken without gaps. */
static inline int fds_open(void)
{
	int fd = dup(STDOUT_FILENO);

	close(fd);
	return fd;
}

/* False: it did what no command may do on a damaged file; that is said. */
static inline bool row_run(struct rows_run *r, const struct command *c)
{
	char *argv[ARGV_MOST];
	double began = cpu_seconds(), took;
	int argc = row_words(r, c, argv), code = commands_main(command_rows, argc, argv);

	took = cpu_seconds() - began;
	if (code != 0 && code != 1 && code != 4) {
		fprintf(r->say, "%s: exit %d\n", c->name, code);
		return false;
	}
	*(code == 4 ? &r->refused : &r->answered) += 1;
	if (took > CPU_SECONDS_MOST) {
		fprintf(r->say, "%s: %.1f s of work\n", c->name, took);
		return false;
	}
	if (fds_open() != r->fds) {
		fprintf(r->say, "%s: a file stays open\n", c->name);
		return false;
	}
	return true;
}

#endif
