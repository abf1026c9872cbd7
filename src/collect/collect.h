/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target becomes a model. The only place that sees all readers: bytes (mem/), names
 * (image/), allocators (heap/), what a block is (lang/), snapshot files (snap/).
 */
#ifndef COLLECT_COLLECT_H
#define COLLECT_COLLECT_H

#include "base/err.h"
#include "base/progress.h"
#include "model/model.h"

struct byte_range {
	taddr at;
	uint64_t len;
};

/* Takes the bytes that are to be kept, while the target or its copy is held; m->memory tells
 * where they are from. */
struct memory_sink {
	/* all, heap, stacks, data, 0x7f00-0x7fff, with commas between. NULL: what a snapshot
	 * has kept already. */
	const char *choice;
	memory_take *take;
	void *context;
};

/* False: the choice is none, *e says why (ERR_USAGE). */
must_check bool memory_choice_check(const char *choice, struct err *e);

struct collect_options {
	enum snapshot_mode mode;
	unsigned max_child_s;    /* a fork is ended at this age; 0: 600 */
	bool previews;           /* fill m->previews */
	bool edges;              /* fill m->edge_first and m->edge_to, groups and roots */
	bool values;             /* fill m->objects.value */
	bool waste;              /* fill m->duplicates and m->slack */
	bool huge_slack;         /* tell PAGE_SLACK in m->pages */
	struct byte_range bytes; /* .len > 0: m->bytes has at least these */
	bool bytes_only;         /* and nothing else is wanted: the heap is not walked */
	const struct memory_sink *memory; /* NULL: none is kept */
	/* For cores: where the files are that the process had mapped; NULL not said. */
	const char *exe, *sysroot, *debug_dir;
	struct progress *progress; /* told how far it is; may be NULL */
	bool evidence_only; /* what can be read and by what evidence; nothing is stopped */
};

/* TARGET as on the command line: all digits is a process, - is standard input, anything else
 * a file, told by its content; a packed one is unpacked. False: *e says why and what would help. The model is the caller's. */
must_check bool collect_target(const char *target, const struct collect_options *o,
			       struct model **out, struct err *e);

struct new_file_options;
/* Writes a core of a live process, a number as on the command line. The model tells how it was
 * taken: the process, its threads, where its regions lie, and findings. */
must_check bool collect_write_core(const char *target, const struct collect_options *o,
				   const struct new_file_options *to, struct model **out,
				   struct err *e);

#endif
