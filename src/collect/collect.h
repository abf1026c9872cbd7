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

/* Takes the bytes of the ranges that are to be kept, by address, while the target or its
 * copy is held. */
struct memory_sink {
	/* "all", or words and ranges with commas between: heap, stacks, data,
	 * 0x7f0000000000-0x7f0000010000 */
	const char *choice;
	bool (*write)(void *context, taddr at, const void *bytes, size_t n,
		      struct err *e);
	void *context;
};

struct collect_options {
	enum snapshot_mode mode;
	unsigned max_child_s; /* a fork is ended at this age; 0: 600 */
	bool previews;        /* fill m->previews */
	bool edges;           /* fill m->edge_first and m->edge_to, groups and roots */
	bool values;          /* fill m->objects.value */
	struct byte_range
		bytes; /* .len > 0: keep them, m->bytes; the heap is not walked */
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
/* Writes a core of a live process; the model tells how it was taken, and no more. */
must_check bool collect_core(const char *target, const struct collect_options *o,
			     const struct new_file_options *to, struct model **out,
			     struct err *e);

#endif
