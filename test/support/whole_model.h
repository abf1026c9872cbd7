/* SPDX-License-Identifier: Apache-2.0 */
/* A model with rows in every table that a snapshot may have, and ways to damage it. */
#ifndef SUPPORT_WHOLE_MODEL_H
#define SUPPORT_WHOLE_MODEL_H

#include "../unit/hand_graph.h"
#include "analysis/analysis.h"
#include "snap/snap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Rows for the tables that the hand-made graph leaves empty. */
static inline void whole_model_fill(struct model *m)
{
	size_t thread = model_threads_add(m), module = model_modules_add(m);
	size_t large = model_large_add(m);

	m->threads.tid[thread] = 4713;
	m->threads.sp[thread] = 0x7fffffffd000;
	m->threads.stack_start[thread] = 0x7ffffffde000;
	m->threads.stack_end[thread] = 0x7ffffffff000;
	m->threads.name[thread] = model_intern(m, str_of("worker"));
	m->modules.start[module] = 0x555555558000;
	m->modules.end[module] = 0x555555559000;
	m->modules.path[module] = model_intern(m, str_of("/usr/bin/python3.11"));
	m->regions.module[0] = 1;
	m->large.object[large] = H_PAYLOAD;
	m->large.size[large] = m->objects.size[H_PAYLOAD];
	m->large.footprint[large] = m->objects.footprint[H_PAYLOAD];
	m->objects.size[H_PAYLOAD] = OBJECT_LARGE;
	m->objects.footprint[H_PAYLOAD] = OBJECT_LARGE;
	model_find_out(m, SEVERITY_DAMAGE, "arena 1, 0x7fffe8001900", "a chunk's size");
	model_evidence(m, "readable", "yes", "ptrace is allowed", "no cure is needed");
}

static inline struct model *whole_model(void)
{
	struct model *m = hand_graph();

	whole_model_fill(m);
	dominators_build(m);
	return m;
}

/* ---- its bytes, column after column ---- */

static inline size_t column_bytes(const struct model *m, const struct model_table_def *t,
				  size_t c)
{
	return model_table_rows(m, t) * t->columns[c].size;
}

static inline size_t model_bytes(const struct model *m)
{
	size_t n = m->strings.n * sizeof(*m->strings.end);

	for (size_t i = 0; i < MODEL_NTABLES; i++)
		for (size_t c = 0; c < model_tables[i].ncolumns; c++)
			n += column_bytes(m, &model_tables[i], c);
	return n;
}

static inline uint8_t *model_byte(struct model *m, size_t at)
{
	for (size_t i = 0; i < MODEL_NTABLES; i++)
		for (size_t c = 0; c < model_tables[i].ncolumns; c++) {
			size_t n = column_bytes(m, &model_tables[i], c);

			if (at < n)
				return (uint8_t *)model_table_column(m, &model_tables[i],
								     c) +
				       at;
			at -= n;
		}
	return (uint8_t *)m->strings.end + at;
}

/* As a snapshot, with no check of what it says. */
static inline void write_model(const struct model *m, int fd)
{
	const struct new_file_options o = { .fd = fd };
	struct err e = { 0 };

	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
	    !snap_write(m, &o, &e)) {
		fprintf(stderr, "%s\n", e.text);
		abort();
	}
}

#endif
