/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_collect PID [fork|freeze]: one whole collection with edges, as `dump` does it, and
 * what it cost, one "name value" a line: blocks, edges, seconds, pause_ms, peak_bytes (of
 * this process).
 */
#include "collect/collect.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static void print_costs(const struct model *m, uint64_t ns)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("blocks %zu\n", m->blocks.n);
	printf("edges %zu\n", m->edge_to.n);
	printf("seconds %.4f\n", (double)ns / 1e9);
	printf("pause_ms %.3f\n", (double)m->processes.pause_ns[0] / 1e6);
	printf("mode %s\n", snapshot_mode_name(m->processes.mode[0]));
	printf("peak_bytes %ld\n", usage.ru_maxrss * 1024);
}

int main(int argc, char **argv)
{
	struct collect_options o = { .edges = true };
	struct model *m;
	struct err e = { 0 };
	uint64_t start = clock_ns();

	if (argc < 2)
		return 2;
	if (argc > 2)
		o.mode = strcmp(argv[2], "freeze") == 0 ? MODE_FREEZE : MODE_FORK;
	if (!collect_target(argv[1], &o, &m, &e)) {
		fprintf(stderr, "bench_collect: %s\n", e.text);
		return err_exit_code(&e);
	}
	print_costs(m, clock_ns() - start);
	model_free(m);
	return 0;
}
