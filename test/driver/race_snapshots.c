/* SPDX-License-Identifier: Apache-2.0 */
/*
 * race_snapshots PID TABLE COUNT N [MODE]: takes N snapshots of a running heap_race, and
 * compares its table with its heap, both read from the same snapshot. A line for each:
 *
 *   snapshot quiet=0|1 attempts=N flux=N wrong=N unknown=N damage=N
 *
 * flux     slots between free and malloc at that moment: not compared
 * wrong    live pointers that are not in a used block of just their usable size
 * unknown  used blocks that are neither in the table, nor were there before the race
 *          began, beyond one for each slot in flux
 *
 * and for each damage or finding a line `where: text`, and for the first wrong ones too.
 */
#include "heap/heap.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct slot {
	uint64_t flux, p, asked, usable;
};

/* Used blocks of one snapshot. */
struct found {
	struct heap_block *of;
	size_t n, cap, damage;
	bool tell;
};

struct race {
	pid_t pid;
	taddr table;
	size_t nslots;
	struct slot *slots;
	struct heap_places *places;
	enum snapshot_mode mode;
	struct map own; /* used blocks before the race: libc's */
};

static void keep_block(void *context, const struct heap_block *b, struct mem_window *w)
{
	struct found *f = context;

	(void)w;
	if (b->state != BLOCK_USED)
		return;
	if (f->n == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 4096;
		f->of = xrealloc(f->of, f->cap, sizeof(*f->of));
	}
	f->of[f->n++] = *b;
}

static void keep_damage(void *context, taddr where, const char *text)
{
	struct found *f = context;

	f->damage++;
	if (f->tell)
		printf("0x%" PRIx64 ": %s\n", where, text);
}

static void print_findings(const struct model *m)
{
	for (size_t i = 0; i < m->findings.n; i++) {
		struct str where = model_text(m, m->findings.where[i]);
		struct str text = model_text(m, m->findings.text[i]);

		printf("%.*s: %.*s\n", (int)where.n, where.s, (int)text.n, text.s);
	}
}

static void walk(const struct mem *mem, const struct race *r, struct found *f)
{
	const struct heap_sink sink = { keep_block, keep_damage, f };
	const struct heap_span *spans;
	struct model *m = model_new();
	struct mem_window *w = mem_window_new(mem);
	struct heap *h;
	struct err e;

	if (!heap_open(mem, r->places, m, &h, &e)) {
		fprintf(stderr, "%s\n", e.text);
		exit(3);
	}
	for (size_t i = 0, n = heap_spans(h, &spans); i < n; i++)
		heap_walk(h, i, w, &sink);
	heap_check(h, m);
	f->damage += m->findings.n;
	if (f->tell)
		print_findings(m);
	heap_free(h);
	mem_window_free(w);
	model_free(m);
}

static size_t compare(const struct race *r, const struct found *f, size_t *flux,
		      size_t *unknown)
{
	struct map at = { 0 };
	size_t wrong = 0, in_table = 0, own = 0;

	for (size_t i = 0; i < f->n; i++) {
		map_set(&at, f->of[i].addr, (uint32_t)i);
		own += map_has(&r->own, f->of[i].addr);
	}
	*flux = 0;
	for (size_t i = 0; i < r->nslots; i++) {
		const struct slot *s = &r->slots[i];
		uint32_t block;

		if (s->flux) {
			*flux += 1;
			continue;
		}
		in_table++;
		if (map_find(&at, s->p, &block) && f->of[block].size == s->usable)
			continue;
		if (wrong++ < 3)
			printf("wrong: 0x%" PRIx64 " of %" PRIu64 " bytes\n", s->p,
			       s->asked);
	}
	*unknown = f->n - min_u64(f->n, in_table - wrong + own);
	*unknown -= min_u64(*unknown, *flux);
	map_release(&at);
	return wrong;
}

static bool snapshot(struct race *r, bool is_first)
{
	const struct mem_live_options options = {
		.mode = r->mode,
		.is_quiet = heap_is_quiet,
		.quiet_context = r->places,
	};
	struct found f = { .tell = true };
	size_t wrong, flux, unknown;
	struct mem *mem;
	struct err e;

	if (!mem_open_live(r->pid, &options, &mem, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return false;
	}
	if (!mem_read(mem, r->table, r->slots, r->nslots * sizeof(*r->slots))) {
		fprintf(stderr, "the table is not in the snapshot\n");
		return false;
	}
	walk(mem, r, &f);
	if (is_first) {
		struct map live = { 0 };

		for (size_t i = 0; i < r->nslots; i++)
			map_set(&live, r->slots[i].p, 0);
		for (size_t i = 0; i < f.n; i++)
			if (!map_has(&live, f.of[i].addr))
				map_set(&r->own, f.of[i].addr, 0);
		map_release(&live);
	}
	wrong = compare(r, &f, &flux, &unknown);
	printf("snapshot quiet=%d attempts=%u flux=%zu wrong=%zu unknown=%zu "
	       "damage=%zu\n",
	       mem->quiet, mem->attempts, flux, wrong, unknown, f.damage);
	free(f.of);
	mem_close(mem);
	return true;
}

static struct heap_places *locate(pid_t pid)
{
	struct module_set modules;
	struct model *m = model_new();
	struct heap_places *places;
	struct mem *mem;
	struct err e;
	char root[64];

	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	if (!mem_open_running(pid, &mem, &e)) {
		fprintf(stderr, "%s\n", e.text);
		exit(3);
	}
	module_set_build(mem, &(struct module_files){ .root = root }, &modules);
	places = heap_locate(mem, &modules, m);
	module_set_release(&modules);
	mem_close(mem);
	model_free(m);
	return places;
}

int main(int argc, char **argv)
{
	struct race r = { .mode = MODE_FORK };
	size_t n;

	if (argc < 5)
		return 2;
	r.pid = (pid_t)atoi(argv[1]);
	r.table = strtoull(argv[2], NULL, 0);
	r.nslots = strtoull(argv[3], NULL, 0);
	n = strtoull(argv[4], NULL, 0);
	if (argc > 5 && strcmp(argv[5], "freeze") == 0)
		r.mode = MODE_FREEZE;
	r.slots = xcalloc(r.nslots, sizeof(*r.slots));
	r.places = locate(r.pid);
	if (!r.places || !snapshot(&r, true))
		return 3;
	kill(r.pid, SIGUSR1);
	for (size_t i = 0; i < n; i++)
		if (!snapshot(&r, false))
			return 3;
	heap_places_free(r.places);
	map_release(&r.own);
	free(r.slots);
	return 0;
}
