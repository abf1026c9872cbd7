/* SPDX-License-Identifier: Apache-2.0 */
/* ctest: timeout=240 */
/*
 * Damage at N: every byte of a small snapshot and of a small core is damaged in turn, and
 * every command that takes a file is run on what is left. Each run ends within its budget
 * of time and memory, with 0, 1 or 4, and leaves no file open. In these ways:
 *
 *	snapshot    as it is: checksums tell most of it
 *	sealed      with the checksums made right: what is behind them sees it
 *	values      bytes of the model's columns, before they become a snapshot
 *	core        an ELF core: headers, notes and memory
 *
 * usage: damage STEP [WAY]: every STEP-th byte, with one of four patterns in turn. With 1 each
 * byte has all four, and the commands are dealt out among them.
 */
#include "../fuzz/mend_snapshot.h"
#include "damage_files.h"
#include "damage_rows.h"

#include <fcntl.h>
#ifdef HEAPSIFT_SLOW_ASSERTS
#include <sanitizer/common_interface_defs.h>
#endif
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { HANG_SECONDS = 60, PATTERNS = 4 };
#define MEMORY_MOST ((rlim_t)2 << 30)

/* Where it is; in memory that outlives a crash. */
struct place {
	const char *way, *command;
	size_t at;
	unsigned pattern;
};

struct damage {
	struct rows_run run;
	struct place *place;
	int file, whole;
	size_t step;
	bool ok;
};

static uint8_t damaged(uint8_t byte, unsigned pattern)
{
	const uint8_t as[PATTERNS] = { byte ^ 0xff, byte ^ 1, 0, 0xff };

	return as[pattern];
}

/* Pages of zeroes stay holes, as in a file that the kernel wrote. */
static void put_bytes(int file, const uint8_t *bytes, size_t n)
{
	static const uint8_t zeroes[PAGE_SIZE_4K];

	if (ftruncate(file, 0) < 0 || ftruncate(file, (off_t)n) < 0)
		abort();
	for (size_t at = 0; at < n; at += PAGE_SIZE_4K) {
		size_t part = (size_t)min_u64(PAGE_SIZE_4K, n - at);

		if (memcmp(bytes + at, zeroes, part) != 0 &&
		    pwrite(file, bytes + at, part, (off_t)at) != (ssize_t)part)
			abort();
	}
}

static void put_file(const struct damage *d, const uint8_t *bytes, size_t n)
{
	put_bytes(d->file, bytes, n);
}

static void put_byte(const struct damage *d, size_t at, uint8_t byte)
{
	if (pwrite(d->file, &byte, 1, (off_t)at) != 1)
		abort();
}

static void tell_place(FILE *say, const struct place *p)
{
	fprintf(say, "way %s, byte %zu, pattern %u, command %s\n", p->way, p->at,
		p->pattern, p->command);
}

static void run_rows(struct damage *d)
{
	size_t deal = d->step == 1 ? PATTERNS : 1;

	for (size_t i = 0; command_rows[i] && d->ok; i++) {
		const struct command *c = command_rows[i];

		if (!row_takes_a_file(c) ||
		    (i + d->place->pattern + d->place->at) % deal != 0)
			continue;
		d->place->command = c->name;
		alarm(HANG_SECONDS);
		d->ok = row_run(&d->run, c);
	}
	if (!d->ok)
		tell_place(d->run.say, d->place);
}

/* ---- the ways ---- */

typedef void way_fn(struct damage *d, const struct damage_file *f, size_t at,
		    unsigned pattern);

static void walk(struct damage *d, const struct damage_file *f, size_t n, way_fn *way)
{
	for (size_t at = 0; at < n && d->ok; at += d->step) {
		size_t turn = at / d->step;

		for (unsigned i = 0; i < (d->step == 1 ? PATTERNS : 1) && d->ok; i++) {
			d->place->at = at;
			d->place->pattern = (unsigned)(turn + i) % PATTERNS;
			d->run.json = (turn / PATTERNS + i) % 2;
			d->run.turn = turn + i;
			way(d, f, at, d->place->pattern);
		}
	}
}

static void flip_byte(struct damage *d, const struct damage_file *f, size_t at,
		      unsigned pattern)
{
	uint8_t before = f->bytes[at];

	f->bytes[at] = damaged(before, pattern);
	put_file(d, f->bytes, f->n);
	f->bytes[at] = before;
	run_rows(d);
}

static void flip_sealed(struct damage *d, const struct damage_file *f, size_t at,
			unsigned pattern)
{
	uint8_t *copy = xcalloc(f->n, 1);

	memcpy(copy, f->bytes, f->n);
	copy[at] = damaged(copy[at], pattern);
	mend_snapshot(copy, f->n);
	put_file(d, copy, f->n);
	free(copy);
	run_rows(d);
}

static void flip_value(struct damage *d, const struct damage_file *f, size_t at,
		       unsigned pattern)
{
	uint8_t *byte = model_byte(f->model, at), before = *byte;

	*byte = damaged(before, pattern);
	write_model(f->model, d->file);
	*byte = before;
	run_rows(d);
}

static void flip_place(struct damage *d, const struct damage_file *f, size_t at,
		       unsigned pattern)
{
	uint8_t *byte = &f->bytes[f->places[at]], before = *byte;
	const uint8_t after = damaged(before, pattern);

	put_byte(d, f->places[at], after);
	run_rows(d);
	put_byte(d, f->places[at], before);
}

static void run_ways(struct damage *d, const char *only)
{
	struct damage_file snapshot = damage_snapshot(), core = damage_core();
	const struct {
		const char *name;
		const struct damage_file *file;
		size_t n;
		way_fn *way;
	} ways[] = {
		{ "snapshot", &snapshot, snapshot.n, flip_byte },
		{ "sealed", &snapshot, snapshot.n, flip_sealed },
		{ "values", &snapshot, model_bytes(snapshot.model), flip_value },
		{ "core", &core, core.nplaces, flip_place },
	};

	for (size_t i = 0; i < countof(ways) && d->ok; i++) {
		if (only && strcmp(only, ways[i].name) != 0)
			continue;
		d->run.answered = d->run.refused = 0;
		d->place->way = ways[i].name;
		snprintf(d->run.addr, sizeof(d->run.addr), "0x%llx",
			 (unsigned long long)ways[i].file->addr);
		put_file(d, ways[i].file->bytes, ways[i].file->n);
		put_bytes(d->whole, ways[i].file->bytes, ways[i].file->n);
		walk(d, ways[i].file, ways[i].n, ways[i].way);
		fprintf(d->run.say,
			"%-9s %6zu bytes, %7zu answers, %7zu refused, %.1f s so far\n",
			ways[i].name, ways[i].n, d->run.answered, d->run.refused,
			cpu_seconds());
	}
	damage_file_release(&snapshot);
	damage_file_release(&core);
}

/* ---- the child that does it, and who watches it ---- */

static void limit_memory(void)
{
#ifndef HEAPSIFT_SLOW_ASSERTS /* ASan's shadow is larger than any limit */
	const struct rlimit most = { MEMORY_MOST, MEMORY_MOST };

	setrlimit(RLIMIT_AS, &most);
#endif
}

static int run_child(struct place *place, size_t step, const char *only)
{
	struct damage d = { .place = place, .step = step, .ok = true };
	int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC), say = dup(STDOUT_FILENO);

	d.run.say = fdopen(say, "w");
	d.file = memfd_create("damaged", MFD_CLOEXEC);
	d.whole = memfd_create("whole", MFD_CLOEXEC);
	if (nothing < 0 || !d.run.say || d.file < 0 || d.whole < 0)
		return 2;
	setvbuf(d.run.say, NULL, _IOLBF, 0);
	dup2(nothing, STDOUT_FILENO);
	dup2(nothing, STDERR_FILENO);
#ifdef HEAPSIFT_SLOW_ASSERTS
	__sanitizer_set_report_fd((void *)(intptr_t)say);
#endif
	limit_memory();
	snprintf(d.run.path, sizeof(d.run.path), "/proc/self/fd/%d", d.file);
	snprintf(d.run.whole, sizeof(d.run.whole), "/proc/self/fd/%d", d.whole);
	d.run.fds = fds_open();
	run_ways(&d, only);
	fclose(d.run.say);
	return d.ok && d.run.answered > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	size_t step = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	struct place *place;
	int status;
	pid_t child;

	if (step == 0) {
		fprintf(stderr, "usage: %s STEP [WAY]\n", argv[0]);
		return 2;
	}
	place = mmap(NULL, sizeof(*place), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	child = fork();
	if (child == 0)
		exit(run_child(place, step, argc > 2 ? argv[2] : NULL));
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return 2;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		printf("signal %d\n", WTERMSIG(status));
	tell_place(stdout, place);
	return 1;
}
