/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A core while it is opened, step by step: its headers tell segments (core.c), its notes
 * threads and files (core_note.c), both together regions (core_region.c), and the file's
 * own holes which pages are zeroes (core_page.c). What was wrong or is missing is kept for
 * core_find and core_check (core_tell.c).
 */
#ifndef MEM_CORE_INT_H
#define MEM_CORE_INT_H

#include "mem/mem_int.h"

#include <elf.h>

struct core_segment {
	taddr start, end;
	uint64_t offset;   /* of its bytes in the file */
	uint64_t promised; /* how many of them the headers say are there, */
	uint64_t filesz;   /* and how many really are */
	uint8_t prot;
	bool is_told; /* by a header; else by NT_FILE alone, and prot is not known */
};

/* Of NT_FILE. By address; they do not overlap. */
struct core_file {
	taddr start, end;
	uint64_t offset;
	const char *name;
};

struct core_backing {
	taddr start, end;
	int fd;
	uint64_t offset;
};

/* What NT_AUXV says; 0 where it says nothing. */
struct core_aux {
	taddr phdr, random, execfn;
	uint64_t phnum;
};

/* NT_SIGINFO of the first thread. */
struct core_signal {
	bool is_known;
	int32_t code;
	taddr fault;    /* of a signal that an instruction made */
	int32_t sender; /* of one that a process sent */
};

/* What contradicts itself, or is cut off. */
struct core_damage {
	uint64_t overlapping; /* segments that begin in another one */
	uint64_t impossible;  /* segments that wrap around the end of memory */
	uint64_t headers;     /* of segments, that the file is too short for */
	bool notes_cut, notes_wrong, files_wrong;
};

struct core {
	struct mem mem;
	int fd;
	uint64_t file_size;
	struct core_segment *segments; /* in the end, segments[i] is mem.regions[i] */
	size_t nsegments;
	struct core_file *files;
	size_t nfiles;
	uint8_t *file_note;            /* NT_FILE: names point into it */
	struct core_backing *backings; /* by start */
	size_t nbackings;
	char **paths; /* of core_set_file */
	size_t npaths;
	size_t room_threads;
	struct core_process process;
	struct core_aux aux;
	struct core_signal signal;
	struct core_damage damage;
	char name[17], args[81];
	char *exe; /* owned; NULL: a name of NT_FILE, or none */
};

/*
 * Notes that our cores have beside all others: what the format has no place for. Their types
 * are nobody else's, as some readers do not look at the owner. Little-endian.
 */
#define CORE_NOTE_OWNER "HEAPSIFT"
enum core_note_type {
	CORE_NOTE_THREAD = 0x48530001, /* struct core_note_thread, behind its PRSTATUS */
	CORE_NOTE_TIME = 0x48530002, /* uint64_t: when it was taken, seconds since 1970 */
};

struct core_note_thread {
	uint32_t tid;
	char name[16]; /* comm; NUL-terminated */
};

/* Reads all PT_NOTE segments of the n headers. */
void core_read_notes(struct core *c, const Elf64_Phdr *p, size_t n);
/* Takes the PT_LOAD segments of the n headers: in order, none overlaps another. */
void core_take_segments(struct core *c, const Elf64_Phdr *p, size_t n);
/* Segments and files become regions with names; c->segments is cut as they are. */
void core_make_regions(struct core *c);
/* Fills mem.pages and mem.guards. */
void core_find_pages(struct core *c);

#endif
