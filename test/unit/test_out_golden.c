/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every command and format over the hand-made model, from argv to the bytes on stdout,
 * compared with test/golden/NAME. UPDATE_GOLDEN=1 rewrites those files; then read them.
 */
#include "analysis/analysis.h"
#include "cmd/cmd.h"
#include "hand_graph.h"
#include "snap/snap.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct command *const all_commands[] = {
	&cmd_overview, &cmd_summary, &cmd_top,   &cmd_objects, &cmd_tree,
	&cmd_show,     &cmd_why,     &cmd_sizes, &cmd_arenas,  &cmd_blocks,
	&cmd_diff,     &cmd_waste,   &cmd_check, &cmd_hexdump, &cmd_sql,
	&cmd_dump,     &cmd_watch,   &cmd_log,   &cmd_help,    &cmd_completion,
	&cmd_complete, &cmd_version, NULL,
};

/* What no target has, but a file may say. */
static void hang_on_each_other(struct model *m)
{
	dominators_build(m);
	m->dominators.parent[H_ORDER] = H_DICT;
	m->dominators.parent[H_DICT] = H_ORDER;
}

/* A minute before: the table of CACHE had not grown, the payload was another, shorter one,
 * the garbage something else, the lost block not handed out, and one there that is free now. */
static void look_before(struct model *m)
{
	uint32_t old = hand_type(m, "python", "app.models.Draft", "");

	m->processes.time[0] -= 60;
	m->processes.label[0] = model_intern(m, str_of("before"));
	m->objects.size[H_CACHE] = 232;
	m->objects.footprint[H_CACHE] = 256;
	m->objects.size[H_PAYLOAD] = 1000;
	m->objects.footprint[H_PAYLOAD] = 1024;
	m->objects.type[H_GARBAGE] = old;
	m->blocks.state[HB_LOST] = BLOCK_BIN;
	m->blocks.state[HB_LOST + 1] = BLOCK_USED;
	m->blocks.type[HB_LOST + 1] = hand_type(m, "c", "string data", "");
}

/* In place of collect/: TARGET 4711 is the model made by hand, 4712 a healthy one with no
 * findings and no types, 4713 a Python process, 4714 one whose dominators go
 * round, 4715 the first in an older snapshot, 4716 the Python process a minute before,
 * all else cannot be read. */
bool collect_target(const char *target, const struct collect_options *o,
		    struct model **out, struct err *e)
{
	(void)o;
	if (strcmp(target, "4713") == 0 || strcmp(target, "4714") == 0 ||
	    strcmp(target, "4716") == 0) {
		*out = hand_graph();
		if (strcmp(target, "4716") == 0)
			look_before(*out);
		if (strcmp(target, "4714") == 0)
			hang_on_each_other(*out);
		return true;
	}
	if (strcmp(target, "4711") != 0 && strcmp(target, "4712") != 0 &&
	    strcmp(target, "4715") != 0)
		return (fail)(e, ERR_PROCESS, "no process %s", target);
	*out = hand_model();
	if (strcmp(target, "4715") == 0)
		(*out)->bins.n = 0;
	if (strcmp(target, "4712") == 0) {
		(*out)->findings.n = (*out)->evidence.n = 0;
		(*out)->blocks.n = (*out)->previews.n = 0;
	}
	return true;
}

struct golden {
	const char *name;
	const char *argv[12];
	int code;
};

static const struct golden goldens[] = {
	{ "summary.txt", { "summary", "4711" }, 0 },
	{ "summary-bytes.txt", { "summary", "4711", "--bytes", "-n", "3" }, 0 },
	{ "summary.json", { "summary", "4711", "--json" }, 0 },
	{ "summary.csv", { "summary", "4711", "--csv" }, 0 },
	{ "summary-pins.txt", { "summary", "4711", "--pins" }, 0 },
	{ "summary-pins.json", { "summary", "4711", "--pins", "--json" }, 0 },
	{ "top.txt", { "top", "4711" }, 0 },
	{ "top-count.txt", { "top", "--sort", "count:asc", "4711", "-n2" }, 0 },
	{ "top.json", { "top", "4711", "--json", "--limit=2" }, 0 },
	{ "top.csv", { "top", "4711", "--csv" }, 0 },
	{ "top-none.txt", { "top", "4712" }, 0 },
	{ "top-none.json", { "top", "4712", "--json" }, 0 },
	{ "top-where.txt",
	  { "top", "4711", "--where", "domain = \"c++\" and size > 1000" },
	  0 },
	{ "top-where.json",
	  { "top", "4711", "--json", "-n1", "--where", "count > 1", "--sort", "count" },
	  0 },
	{ "top-where-none.csv", { "top", "4711", "--csv", "--where", "kind = 'no'" }, 1 },
	{ "blocks.txt", { "blocks", "4711" }, 0 },
	{ "blocks-free.txt", { "blocks", "4711", "--free", "--sort", "addr" }, 0 },
	{ "blocks-all.json", { "blocks", "4711", "--all", "-n", "0", "--json" }, 0 },
	{ "blocks-all.csv", { "blocks", "4711", "--all", "-n", "0", "--csv" }, 0 },
	{ "sizes.txt", { "sizes", "4711" }, 0 },
	{ "sizes.json", { "sizes", "4711", "--json" }, 0 },
	{ "sizes.csv", { "sizes", "4711", "--csv", "--sort", "count" }, 0 },
	{ "sizes-none.txt", { "sizes", "4712" }, 0 },
	{ "arenas.txt", { "arenas", "4711" }, 0 },
	{ "arenas.json", { "arenas", "4711", "--json" }, 0 },
	{ "arenas.csv", { "arenas", "4711", "--csv" }, 0 },
	{ "arenas-python.txt", { "arenas", "4713" }, 0 },
	{ "arenas-bins.txt", { "arenas", "4711", "--bins" }, 0 },
	{ "arenas-bins.json", { "arenas", "4711", "--bins", "--json" }, 0 },
	{ "arenas-old.txt", { "arenas", "4715", "--bins" }, 0 },
	{ "arenas-none.txt", { "arenas", "4712", "--obmalloc" }, 0 },
	{ "arenas-obmalloc.txt", { "arenas", "4713", "--obmalloc" }, 0 },
	{ "arenas-obmalloc.json", { "arenas", "4713", "--obmalloc", "--json" }, 0 },
	{ "arenas-classes.txt", { "arenas", "4713", "--classes" }, 0 },
	{ "arenas-classes.json", { "arenas", "4713", "--classes", "--json" }, 0 },
	{ "narrow-arenas.txt", { "arenas", "4711" }, 0 },
	{ "nothing.txt", { "arenas", "4711", "--bins", "--classes" }, 2 },
	{ "check.txt", { "check", "4711" }, 0 },
	{ "check.json", { "check", "4711", "--json" }, 0 },
	{ "check.csv", { "check", "4711", "--csv" }, 0 },
	{ "overview.txt", { "4713" }, 0 },
	{ "overview.txt", { "overview", "4713" }, 0 },
	{ "overview-native.txt", { "4711" }, 0 },
	{ "overview.json", { "4713", "--json" }, 0 },
	{ "overview.csv", { "4713", "--csv" }, 0 },
	{ "top-python.txt", { "top", "4713" }, 0 },
	{ "top-python.json", { "top", "4713", "--json" }, 0 },
	{ "blocks-python.json", { "blocks", "4713", "--all", "--json" }, 0 },
	{ "blocks-python.txt", { "blocks", "4713" }, 0 },
	{ "summary-python.txt", { "summary", "4713" }, 0 },
	{ "waste.txt", { "waste", "4713" }, 0 },
	{ "waste.json", { "waste", "4713", "--json", "--min", "90" }, 0 },
	{ "waste.csv", { "waste", "4713", "--csv" }, 0 },
	{ "waste-unknown.txt", { "waste", "4711" }, 0 },
	{ "waste-unknown.json", { "waste", "4712", "--json" }, 0 },
	{ "summary-pins-python.txt", { "summary", "4713", "--pins" }, 0 },
	{ "summary-pins.csv", { "summary", "4713", "--pins", "--csv" }, 0 },
	{ "objects.txt", { "objects", "4713" }, 0 },
	{ "objects.json", { "objects", "4713", "--json", "-n6" }, 0 },
	{ "objects.csv", { "objects", "4713", "--csv", "--sort", "addr" }, 0 },
	{ "objects-type.txt", { "objects", "4713", "--type", "Order" }, 0 },
	{ "objects-glob.txt", { "objects", "4713", "-t", "app.*", "--sort", "addr" }, 0 },
	{ "objects-value.txt", { "objects", "4713", "--value", "user:" }, 0 },
	{ "objects-none.txt", { "objects", "4713", "--type", "Ordr" }, 1 },
	{ "objects-none.txt", { "objects", "4713", "--value", "no such text" }, 1 },
	{ "tree.txt", { "tree", "4713" }, 0 },
	{ "tree-depth.txt", { "tree", "4713", "--depth", "1", "-n", "2" }, 0 },
	{ "tree-addr.txt", { "tree", "4713", "0x7fffe0000230", "--bytes" }, 0 },
	{ "tree.json", { "tree", "4713", "--json", "--depth=2", "-n3" }, 0 },
	{ "tree.csv", { "tree", "4713", "--csv" }, 0 },
	{ "tree-round.csv", { "tree", "4714", "0x7fffe0000430", "--csv" }, 0 },
	{ "tree-round.txt", { "tree", "4714", "0x7fffe0000430" }, 0 },
	{ "narrow-overview.txt", { "4713" }, 0 },
	{ "narrow-waste.txt", { "waste", "4713", "-n6" }, 0 },
	{ "narrow-objects.txt", { "objects", "4713", "-n5" }, 0 },
	{ "narrow-tree.txt", { "tree", "4713" }, 0 },
	{ "narrow-show.txt", { "show", "4713", "0x7fffe0000430" }, 0 },
	{ "narrow-why.txt", { "why", "4713", "0x7ffff1000010" }, 0 },
	{ "show-dict.txt", { "show", "4713", "0x7fffe0000230" }, 0 },
	{ "show-order.txt", { "show", "4713", "0x7fffe0000430" }, 0 },
	{ "show-part.txt", { "show", "4713", "0x555555561100" }, 0 },
	{ "show-shared.txt", { "show", "4713", "0x7fffe0000a30", "-n3" }, 0 },
	{ "show-block.txt", { "show", "4713", "0x5555555640e8" }, 0 },
	{ "show-none.txt", { "show", "4713", "0x555555558040" }, 0 },
	{ "show.json", { "show", "4713", "0x7fffe0000430", "--json" }, 0 },
	{ "show-cut.json", { "show", "4713", "0x7fffe0000a30", "--json", "-n1" }, 0 },
	{ "why-payload.txt", { "why", "4713", "0x7ffff1000010" }, 0 },
	{ "why-shared.txt", { "why", "4713", "0x7fffe0000a30" }, 0 },
	{ "why-chain.txt", { "why", "4713", "0x7fffe0002d30" }, 0 },
	{ "why-garbage.txt", { "why", "4713", "0x7fffe0000e30" }, 0 },
	{ "why-lost.txt", { "why", "4713", "0x555555564150" }, 0 },
	{ "why-none.txt", { "why", "4713", "0x555555558040" }, 0 },
	{ "why-buffer.txt", { "why", "4713", "0x555555563d00" }, 0 },
	{ "why.json", { "why", "4713", "0x7ffff1000010", "--json" }, 0 },
	{ "why-shared.json", { "why", "4713", "0x7fffe0000a30", "--json" }, 0 },
	{ "nobody-free.txt", { "show", "4713", "0x7fffe0003e40" }, 1 },
	{ "nobody-raw.txt", { "why", "4713", "0x7fffe0002e40" }, 1 },
	{ "nobody.txt", { "why", "4713", "0x10" }, 1 },
	{ "nobody.json", { "tree", "4713", "0x7fffffffd000", "--json" }, 1 },
	{ "nothing.txt", { "why", "4713", "here" }, 2 },
	{ "nothing.txt", { "show", "4713" }, 2 },
	{ "nothing.txt", { "why", "4713", "0x10", "--csv" }, 2 },
	{ "nothing.txt", { "why", "1", "0x10" }, 3 },
	{ "nothing.txt", { "tree", "4711" }, 4 },
	{ "hexdump.txt", { "hexdump", "4711", "0x555555560ff4", "40" }, 0 },
	{ "hexdump-star.txt", { "hexdump", "4711", "0x555555560ff0", "8K" }, 0 },
	{ "hexdump-hole.txt", { "hexdump", "4711", "0x10000", "0x3000" }, 1 },
	{ "hexdump.json", { "hexdump", "4711", "0x555555561ff8", "64", "--json" }, 0 },
	{ "hexdump.csv", { "hexdump", "4711", "0x555555561ff8", "64", "--csv" }, 0 },
	{ "nothing.txt", { "hexdump", "4711" }, 2 },
	{ "nothing.txt", { "hexdump", "4711", "zero" }, 2 },
	{ "nothing.txt", { "hexdump", "4711", "0x10000", "0" }, 2 },
	{ "nothing.txt", { "hexdump", "4711", "0x10000", "65M" }, 2 },
	{ "nothing.txt", { "hexdump", "4711", "0xffffffffffffffff" }, 2 },
	{ "sql.txt",
	  { "sql", "4713",
	    "SELECT kind, count(*), sum(size), avg(size), min(addr) FROM nodes "
	    "WHERE domain = \"python\" GROUP BY kind ORDER BY sum(size) DESC" },
	  0 },
	{ "sql.json",
	  { "sql", "4713", "--json",
	    "SELECT n.addr, n.kind, n.size, m.size, m.size - n.size AS less, m.value, "
	    "1.5 * n.size AS more, e.label FROM edges e JOIN nodes n ON n.addr = "
	    "e.source "
	    "JOIN nodes m ON m.addr = e.target WHERE n.kind = 'dict' AND n.size > 200" },
	  0 },
	{ "sql.csv",
	  { "sql", "4713", "--csv",
	    "SELECT addr, kind, possible, -size, size / 7.0, dominator FROM nodes "
	    "ORDER BY addr LIMIT 4" },
	  0 },
	{ "sql-cut.txt", { "sql", "4713", "-n2", "SELECT addr, size FROM nodes" }, 0 },
	{ "sql-none.txt", { "sql", "4713", "SELECT 1 WHERE 0" }, 0 },
	{ "sql-schema.txt", { "sql", "--schema" }, 0 },
	{ "sql-schema.json", { "sql", "--schema", "--json" }, 0 },
	{ "nothing.txt", { "sql", "4713" }, 2 },
	{ "nothing.txt", { "sql" }, 2 },
	{ "nothing.txt", { "sql", "1", "SELECT sise FROM nodes" }, 2 },
	{ "nothing.txt", { "sql", "4713", "DELETE FROM nodes" }, 2 },
	{ "nothing.txt", { "sql", "1", "SELECT 1" }, 3 },
	{ "completion.bash", { "completion", "bash" }, 0 },
	{ "completion.zsh", { "completion", "zsh" }, 0 },
	{ "completion.fish", { "completion", "fish" }, 0 },
	{ "complete-commands.txt", { "complete", "--", "", "" }, 0 },
	{ "complete-command.txt", { "complete", "--", "", "he" }, 0 },
	{ "complete-columns.txt", { "complete", "--", "top\n--sort", "" }, 0 },
	{ "complete-mode.txt", { "complete", "--", "top\n4711\n--mode\n=", "f" }, 0 },
	{ "complete-mode-one.txt", { "complete", "--", "top", "--mode=f" }, 0 },
	{ "complete-options.txt", { "complete", "--", "blocks\n1", "--" }, 0 },
	{ "complete-options.txt", { "complete", "--", "blocks\n1", "" }, 0 },
	{ "complete-shells.txt", { "complete", "--", "completion", "" }, 0 },
	{ "log.txt", { "log", "series" }, 0 },
	{ "log.json", { "log", "series", "--json" }, 0 },
	{ "log.csv", { "log", "series", "--csv" }, 0 },
	{ "log-where.txt", { "log", "series", "--where", "pid = 4711", "-n1" }, 0 },
	{ "log-none.txt", { "log", "." }, 1 },
	{ "narrow-log.txt", { "log", "series" }, 0 },
	{ "nothing.txt", { "log", "nowhere" }, 4 },
	{ "diff-folder.txt", { "diff", "series" }, 0 },
	{ "diff-folder.json", { "diff", "series", "--json", "--until", "1G" }, 0 },
	{ "diff-folder.csv", { "diff", "series", "--csv" }, 0 },
	{ "narrow-diff-folder.txt", { "diff", "series", "--until", "2M" }, 0 },
	{ "nothing.txt", { "diff", "." }, 4 },
	{ "nothing.txt", { "watch", "4711" }, 2 },
	{ "nothing.txt", { "watch", "4711", "--every", "1s" }, 2 },
	{ "nothing.txt", { "watch", "4711", "--every", "1", "-o", "d" }, 2 },
	{ "nothing.txt", { "watch", "4711", "--when", "rss<1G", "-o", "d" }, 2 },
	{ "help-watch.txt", { "help", "watch" }, 0 },
	{ "help.txt", { "help" }, 0 },
	{ "help-blocks.txt", { "help", "blocks" }, 0 },
	{ "help-blocks.txt", { "blocks", "--help" }, 0 },
	{ "heapsift.1", { "help", "--manual" }, 0 },
	{ "heapsift-show.1", { "help", "--manual", "show" }, 0 },
	{ "help-tree.txt", { "help", "tree" }, 0 },
	{ "help-waste.txt", { "help", "waste" }, 0 },
	{ "heapsift-waste.1", { "help", "--manual", "waste" }, 0 },
	{ "heapsift-top.1", { "help", "--manual", "top" }, 0 },
	{ "version.txt", { "--version" }, 0 },
	{ "diff.txt", { "diff", "4716", "4713" }, 0 },
	{ "diff.json", { "diff", "4716", "4713", "--json" }, 0 },
	{ "diff.csv", { "diff", "4716", "4713", "--csv", "--sort", "kind" }, 0 },
	{ "diff-none.txt", { "diff", "4713", "4713" }, 0 },
	{ "diff-back.txt", { "diff", "4713", "4716" }, 0 },
	{ "diff-three.txt", { "diff", "4716", "4713", "4713" }, 0 },
	{ "diff-other.txt", { "diff", "4711", "4713", "-n4" }, 0 },
	{ "diff-other.json", { "diff", "4711", "4713", "--json", "-n1" }, 0 },
	{ "diff-size.txt", { "diff", "4716", "4713", "--by", "size" }, 0 },
	{ "diff-holder.txt", { "diff", "4716", "4713", "--by", "holder" }, 0 },
	{ "diff-holder.json", { "diff", "4716", "4713", "--by", "holder", "--json" }, 0 },
	{ "diff-object.txt", { "diff", "4716", "4713", "--by", "object" }, 0 },
	{ "diff-object.csv", { "diff", "4716", "4713", "--by", "object", "--csv" }, 0 },
	{ "diff-gone.txt",
	  { "diff", "4716", "4713", "--by=object", "--state=gone", "--sort", "addr" },
	  0 },
	{ "diff-failed.json",
	  { "diff", "4716", "4713", "--json", "--fail-if", "kind='list' and new = 0" },
	  1 },
	{ "diff-where.csv",
	  { "diff", "4716", "4713", "--csv", "--where", "growth < 0",
	    "--fail-if=growth > 1e9" },
	  0 },
	{ "narrow-diff.txt", { "diff", "4716", "4713" }, 0 },
	{ "objects-new.txt", { "objects", "4713", "--new-since", "4716" }, 0 },
	{ "objects-still.txt",
	  { "objects", "4716", "--still-in", "4713", "--type", "Order" },
	  0 },
	{ "top-new.json", { "top", "4713", "--new-since", "4716", "--json" }, 0 },
	{ "blocks-new.txt", { "blocks", "4713", "--new-since", "4716", "--all" }, 0 },
	{ "help-diff.txt", { "help", "diff" }, 0 },
	{ "nothing.txt", { "diff", "4713" }, 2 },
	{ "nothing.txt", { "diff", "4713", "4716", "--state", "new" }, 2 },
	{ "nothing.txt", { "diff", "4713", "4716", "--fail-if", "kind = " }, 2 },
	{ "nothing.txt", { "diff", "-", "-" }, 2 },
	{ "nothing.txt", { "diff", "4713", "1" }, 3 },
	{ "nothing.txt", { "diff", "4713", "/no/such/file" }, 4 },
	{ "nothing.txt", { "diff", "4711", "4713", "--by", "object" }, 4 },
	{ "nothing.txt", { "diff", "4711", "4711", "--by", "holder" }, 4 },
	{ "nothing.txt", { "top", "4711", "--new-since", "4713" }, 4 },
	{ "nothing.txt", { "blocks", "4711", "--still-in", "/no/such/file" }, 4 },
	{ "nothing.txt", { "top", "4711", "--sort", "sise" }, 2 },
	{ "nothing.txt", { "top", "4711", "--where", "sise > 3" }, 2 },
	{ "nothing.txt", { "show", "4711", "0x10", "--where", "size > 3" }, 2 },
	{ "nothing.txt", { "dump", "4711" }, 2 },
	{ "nothing.txt", { "top" }, 2 },
	{ "nothing.txt", { "topp", "4711" }, 2 },
	{ "nothing.txt", { "top", "4711", "--json", "--csv" }, 2 },
	{ "nothing.txt", { "top", "1" }, 3 },
	{ "top.txt", { "top", "4711", "--strict" }, 1 },
	{ "top-none.txt", { "top", "4712", "--strict" }, 0 },
};

/* The folder "series": five minutes apart four snapshots of 4711, in which one type grows
 * each time, another once, and one of 4713. */
static void make_series(void)
{
	static const char *const names[] = { "1.hsift", "2.hsift", "3.hsift", "4.hsift" };
	struct new_file_options o = { 0 };
	char path[32];
	struct err e;

	assert_int_equal(mkdir("series", 0700), 0);
	for (size_t i = 0; i <= countof(names); i++) {
		bool is_other = i == countof(names);
		struct model *m = is_other ? hand_graph() : hand_model();

		snprintf(path, sizeof(path), "series/%s",
			 is_other ? "python.hsift" : names[i]);
		o.path = path;
		totals_build(m);
		m->processes.time[0] += is_other ? 60 : 300 * i;
		m->processes.memory_limit[0] = 4 << 20;
		m->processes.rss[0] += is_other ? 0 : i * 2 * HAND_PAGE + i / 2 * 512;
		if (i == 1)
			m->processes.label[0] = model_intern(m, str_of("before"));
		m->totals.count[0] += i;
		m->totals.size[0] += i * 1000 + i / 2 * 8;
		m->totals.size[1] -= i == 3 ? 24 : 0;
		if (!snap_write(m, &o, &e))
			fail_msg("%s", e.text);
		model_free(m);
	}
}

static int make_folder(void **state)
{
	static char folder[] = "/tmp/heapsift-golden-XXXXXX";

	*state = folder;
	if (!mkdtemp(folder) || chdir(folder) < 0)
		return -1;
	make_series();
	return 0;
}

static int remove_folder(void **state)
{
	return system("rm series/*.hsift") == 0 && rmdir("series") == 0 && chdir("/") == 0
		       ? rmdir(*state)
		       : -1;
}

static void path_of(const char *name, char *path, size_t size)
{
	const char *slash = strrchr(__FILE__, '/');

	snprintf(path, size, "%.*s/../golden/%s", (int)(slash - __FILE__), __FILE__,
		 name);
}

static void read_all(int fd, struct buf *out)
{
	char part[4096];
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0)
		buf_add(out, part, (size_t)n);
	assert_int_equal(n, 0);
}

/* Runs it with stdout in a file. */
static int run(const struct golden *g, struct buf *out)
{
	char name[] = "/tmp/heapsift-golden-XXXXXX", program[] = "heapsift";
	char *argv[countof(g->argv) + 2] = { program };
	int fd = mkstemp(name), saved = dup(STDOUT_FILENO), argc = 1, code;

	assert_true(fd >= 0 && saved >= 0);
	unlink(name);
	for (; g->argv[argc - 1]; argc++)
		argv[argc] = xstrdup(g->argv[argc - 1]);
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	code = commands_main(all_commands, argc, argv);
	dup2(saved, STDOUT_FILENO);
	for (int i = 1; i < argc; i++)
		free(argv[i]);
	lseek(fd, 0, SEEK_SET);
	read_all(fd, out);
	close(fd);
	close(saved);
	return code;
}

static void golden_compare(const char *name, const struct buf *got)
{
	struct buf want = { 0 };
	char path[512];
	int fd;

	path_of(name, path, sizeof(path));
	if (getenv("UPDATE_GOLDEN")) {
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, got->s, got->n), got->n);
		close(fd);
		return;
	}
	fd = open(path, O_RDONLY);
	if (fd < 0)
		fail_msg("no %s: UPDATE_GOLDEN=1 makes it", path);
	read_all(fd, &want);
	close(fd);
	if (!str_equal(buf_view(&want), buf_view(got)))
		fail_msg("%s is not what was printed:\n%s", name, got->s);
	buf_release(&want);
}

static void every_command_prints_what_it_did(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(goldens); i++) {
		struct buf got = { 0 };
		bool is_narrow = strncmp(goldens[i].name, "narrow-", 7) == 0;
		int code;

		setenv("COLUMNS", is_narrow ? "60" : "80", 1);
		code = run(&goldens[i], &got);

		if (code != goldens[i].code)
			fail_msg("%s (case %zu): exit code %d, not %d", goldens[i].name,
				 i, code, goldens[i].code);
		golden_compare(goldens[i].name, &got);
		buf_release(&got);
	}
}

static int dump_into(const char *path, const char *option, struct buf *out)
{
	const struct golden g = {
		.argv = { "dump", "4711", "-o", path, "--label", "before", option },
	};

	buf_clear(out);
	return run(&g, out);
}

static void a_dump_is_said_and_refused(void **state)
{
	char folder[] = "/tmp/heapsift-dump-XXXXXX", path[64], nowhere[64];
	struct buf out = { 0 };
	struct model *m;
	struct err e;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/one.hsift", folder);
	snprintf(nowhere, sizeof(nowhere), "%s/no/one.hsift", folder);
	assert_int_equal(dump_into(path, NULL, &out), 0);
	assert_non_null(strstr(out.s, "/one.hsift: "));
	assert_non_null(strstr(out.s, "55 blocks\n"));
	assert_non_null(
		strstr(out.s, "\nPID 4711 (orderbook) \"before\" · fork snapshot"));
	assert_true(snap_read(path, &m, &e));
	assert_int_equal(m->blocks.n, 55);
	assert_int_equal(m->previews.n, 55);
	model_free(m);
	assert_int_equal(dump_into(path, NULL, &out), 2); /* it is there */
	assert_int_equal(dump_into(path, "--no-values", &out), 2);
	assert_int_equal(dump_into(path, "--force", &out), 0);
	assert_int_equal(dump_into(nowhere, NULL, &out), 4);
	unlink(path);
	assert_int_equal(rmdir(folder), 0); /* nothing else was left */
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_prints_what_it_did),
		cmocka_unit_test(a_dump_is_said_and_refused),
	};

	setenv("COLUMNS", "80", 1);
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
