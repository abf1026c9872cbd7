/* SPDX-License-Identifier: Apache-2.0 */
/* What is damaged: a snapshot and a core, small, but with something of everything. */
#ifndef DAMAGE_FILES_H
#define DAMAGE_FILES_H

#include "../support/whole_core.h"
#include "../support/whole_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DAMAGE_FILE_MOST = 16 << 10 };

struct damage_file {
	uint8_t *bytes;
	size_t n;
	struct model *model; /* a snapshot's */
	size_t *places;      /* of a core's bytes that say something */
	size_t nplaces;
	taddr addr; /* of an object in it */
};

static inline void damage_file_release(struct damage_file *f)
{
	free(f->bytes);
	free(f->places);
	model_free(f->model);
}

/* ---- the snapshot ---- */

/* Its file has memory, too; the model is left without, as its bytes are the file's. */
static inline struct damage_file damage_snapshot(void)
{
	struct damage_file f = { .model = whole_model() };
	size_t row = model_memory_add(f.model);
	int fd = memfd_create("snapshot", MFD_CLOEXEC);
	struct stat st;

	f.addr = f.model->objects.addr[H_ORDER];
	f.model->memory.start[row] = 0x555555560000;
	f.model->memory.end[row] = 0x555555562000;
	f.model->bytes.read = hand_read;
	write_model(f.model, fd);
	model_table_resize(f.model, &model_tables[TABLE_memory], 0);
	if (fstat(fd, &st) < 0 || st.st_size > DAMAGE_FILE_MOST)
		abort();
	f.n = (size_t)st.st_size;
	f.bytes = xcalloc(f.n, 1);
	if (pread(fd, f.bytes, f.n, 0) != (ssize_t)f.n)
		abort();
	close(fd);
	return f;
}

/* ---- the core ---- */

static inline struct damage_file damage_core(void)
{
	struct whole_core c;

	whole_core_make(&c);
	if (c.nplaces > DAMAGE_FILE_MOST)
		abort();
	return (struct damage_file){ .bytes = c.bytes,
				     .n = c.n,
				     .places = c.places,
				     .nplaces = c.nplaces,
				     .addr = c.object };
}

#endif
