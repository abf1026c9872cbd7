/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The target's bytes. A `struct mem` is one consistent view of a target's address space:
 * a fork of a live process, a live process held still, a running one (torn), or, in tests,
 * a table of byte ranges. Everything above reads through it and knows no process.
 *
 * hole: a byte that is not mapped, not dumped, or refused by the kernel (guard page, EIO).
 * An answer, not an error. Holes are one page wide: the page after one is read again.
 */
#ifndef MEM_MEM_H
#define MEM_MEM_H

#include "base/err.h"
#include "base/str.h"
#include "model/model.h"
#include <sys/types.h>

struct mem;

enum region_flag {
	REGION_DONTFORK = 1,   /* madvise: absent in a fork */
	REGION_WIPEONFORK = 2, /* madvise: zeroes in a fork */
	REGION_HUGETLB = 4,
	REGION_USERFAULT = 8, /* registered with a userfaultfd */
	REGION_IO = 16,       /* device memory: never read */
	REGION_HAS_GUARDS = 32,
	REGION_HAS_FILE = 64,  /* maps one, be it of shared memory; not of "[...]" */
	REGION_DONTDUMP = 128, /* madvise: the target wants it in no core */
};

struct mem_region {
	taddr start, end;
	uint64_t offset, inode; /* inode and device: 0 in cores */
	uint32_t dev_major, dev_minor;
	uint8_t prot; /* enum region_prot */
	/* enum region_flag. HAS_FILE is always known, and IO as far as names tell; others of
	 * some sources after mem_account only. */
	uint8_t flags;
	const char *name; /* as in maps, "" for none; owned by the mem */
	/* Filled by mem_account. Bytes. */
	uint64_t rss, swap, huge; /* huge: what of rss lies in transparent huge pages */
};

/* Pages in one state; runs are sorted and do not overlap. Pages in no run have no memory
 * behind them: reading them would give zeroes (anonymous) or the file's bytes. */
struct page_run {
	taddr start;
	uint64_t count; /* pages of 4 KiB */
	enum page_state state;
};

enum { MEM_GPRS = 15 }; /* rax rbx rcx rdx rsi rdi rbp r8..r15 */

struct mem_thread {
	pid_t tid;
	bool is_busy; /* inside an allocator: set by a mem_quiet_fn */
	/* False: it could not be asked (running, frozen, traced by another). pc and sp may be
	 * known all the same; tls and gpr are not. */
	bool has_regs;
	taddr pc, sp, tls; /* rip, rsp, fs_base; 0 unknown */
	uint64_t gpr[MEM_GPRS];
	char name[16]; /* comm */
};

struct mem_ops {
	/* Copies [at, at + len), which lies in region r, up to the first hole; returns how
	 * many bytes that were. Thread-safe. */
	size_t (*copy)(const struct mem *m, const struct mem_region *r, taddr at,
		       void *dst, size_t len);
	/* As mem_finish. NULL: no one is held. */
	bool (*release)(struct mem *m, struct err *e);
	/* As mem_account. NULL: nothing to be had. */
	bool (*account)(struct mem *m, struct err *e);
	/* As mem_learn_pages. NULL: they are known, or not to be had. */
	void (*learn_pages)(struct mem *m);
	/* Frees what is the source's own, the struct mem included, but not its arrays. */
	void (*close)(struct mem *m);
};

struct mem {
	const struct mem_ops *ops;
	struct mem_region *regions; /* by address */
	size_t nregions;
	struct mem_thread *threads;
	size_t nthreads;
	struct page_run *pages; /* empty when residency is not known (has_pages) */
	size_t npages;
	bool has_pages;
	/* Pages that the target made unreadable (MADV_GUARD_INSTALL); in no run of pages. */
	struct page_run *guards;
	size_t nguards;
	/* Private pages that lie in transparent huge ones, as far as the kernel tells; in runs
	 * of pages, too. */
	struct page_run *huge;
	size_t nhuge;
	bool wants_slack; /* the caller's: mem_account finds PAGE_SLACK in `huge` */
	enum snapshot_mode mode; /* the one taken */
	pid_t reader; /* whose memory is read, the target's or its copy's; 0: nobody's */
	uint64_t pause_ns;  /* how long the target stood; final after mem_release */
	uint64_t rss, swap; /* bytes, of all mappings there are at mem_account */
	bool quiet;         /* the last is_quiet said so, or was not asked */
	unsigned attempts;
	/* A core: pages then only tell which memory is not all zeroes, and the regions' rss
	 * and swap mean nothing. */
	bool no_residency;
	char note[256]; /* why not as asked for, or what is missing; often empty */
};

/* ---- opening a live process (live.c, guardian.c) ---- */

/* Called in the tool while all threads stand, with `m` reading the stopped target itself:
 * is nobody inside an allocator? If not, marks those that are (is_busy). They alone then
 * run on for some microseconds at a time, until nobody is, for 2 ms at most; then all are
 * let go, and 5 ms later it is tried again; three times. */
typedef bool mem_quiet_fn(const struct mem *m, void *context);

struct mem_probe;

struct mem_live_options {
	enum snapshot_mode mode;
	mem_quiet_fn *is_quiet; /* may be NULL */
	void *quiet_context;
	unsigned max_child_s;    /* the child is ended at this age; 0: 600 */
	struct mem_probe *probe; /* NULL in real life */
	/* For mem_write_core: keep all registers of all threads; learn which pages of files
	 * were written. */
	bool for_core;
};

/* For tests that kill us at every moment: where a dump is. In memory that the test, the
 * tool and the guardian share. */
enum mem_phase {
	PHASE_BEFORE,
	PHASE_SEIZING,
	PHASE_INJECTED,
	PHASE_READING,
	PHASE_AFTER
};

struct mem_probe {
	volatile uint32_t phase;
	volatile pid_t guardian;
};

/* A running, inconsistent view for finding things out beforehand (where is libc, which
 * allocator): no stop, no guardian. False: no such process, no permission; *e has the cure. */
must_check bool mem_open_running(pid_t pid, struct mem **out, struct err *e);
/* Which pages of a running view have memory behind them: asked for at need, as it takes
 * time. Does nothing to other sources, or when they are known. */
void mem_learn_pages(struct mem *m);

/* The consistent view, by o->mode. In fork mode the target runs again when this returns;
 * in freeze mode it stands until mem_release. False: it cannot be had; target unharmed. */
must_check bool mem_open_live(pid_t pid, const struct mem_live_options *o,
			      struct mem **out, struct err *e);

/* What stands in the way of reading `pid`, and the cure, as rows of m->evidence. Never
 * fails: what cannot be found out is a row too. Returns whether it can be read. */
bool mem_check(pid_t pid, struct model *m);

/* ---- files (spool.c, core.c) ---- */

/* Are these the first bytes (64, if there are as many) of a target? */
typedef bool mem_is_wanted_fn(const void *first_bytes, size_t n);

struct progress;
struct mem_file {
	/* Asked before a file is unpacked to its end, which may take long; no: the little
	 * that was is left. NULL: all are wanted. */
	mem_is_wanted_fn *is_wanted;
	struct progress *progress; /* may be NULL */
	/* ---- told ---- */
	int fd; /* a regular file; the caller closes it */
	struct buf
		note; /* only its start could be unpacked, and why; the caller releases it */
};

/*
 * Opens a file that may be a target: a path, or "-" for standard input. One that is packed
 * (zstd, lz4, xz, gzip, told by its first bytes) or that cannot be read at any place (a
 * pipe) is first unpacked into a file without a name, in $TMPDIR or /var/tmp. False: *e says
 * why, and nothing is to be closed; no room for it is ERR_FILE, too.
 */
must_check bool mem_open_file(const char *path, struct mem_file *file, struct err *e);

/* By the first bytes of a file (64 are enough): an ELF core of any machine. */
bool core_is_core(const void *first_bytes, size_t n);
/* Likewise: another ELF file, a program or a library. */
bool core_is_program(const void *first_bytes, size_t n);

/* Opens an ELF core of an x86_64 process. Takes fd over when it returns true; `name` is for
 * messages. Segments that were not dumped, or that the file is too short for, are regions
 * that are holes. False: *e says what the file is instead. */
must_check bool mem_open_core(int fd, const char *name, struct mem **out, struct err *e);

/* What a core tells of its process. Texts are owned by the mem, "" unknown. */
struct core_process {
	pid_t pid;
	unsigned signal;   /* that ended it; 0: none, or not told */
	uint64_t time;     /* of the dump, seconds since 1970: the file's; 0 unknown */
	const char *name;  /* the first 15 bytes of its program's name */
	const char *exe;   /* path of its program */
	taddr entry;       /* AT_ENTRY: lies in its program; 0 unknown */
	taddr vdso;        /* AT_SYSINFO_EHDR; 0 unknown */
	bool has_files;    /* NT_FILE: what its mappings map is known */
	uint64_t dumped;   /* bytes of memory that the file's headers promise */
	uint64_t lost;     /* of them: behind the end of a file that was cut short */
	uint64_t left_out; /* bytes mapped and not promised */
};
const struct core_process *core_process(const struct mem *m);

/* What a core says of its process and how much of it is there, as rows of model->evidence. */
void core_check(const struct mem *m, struct model *model);
/* What is missing in it or contradicts itself, as findings. */
void core_find(const struct mem *m, struct model *model);

/* Of a core that does not tell: its region maps the file `path`, from `offset` on. */
void core_set_file(struct mem *m, size_t region, const char *path, uint64_t offset);

/* Of a core: the bytes at [start, end) that were not dumped are those of `fd` from `offset`
 * on, which its caller knows to be unchanged. Takes no ownership of fd: it is duplicated. */
void core_back(struct mem *m, taddr start, taddr end, int fd, uint64_t offset);

struct core_writing {
	struct progress *progress; /* may be NULL */
	/* Told: */
	uint64_t mapped;   /* bytes of address space */
	uint64_t left_out; /* of them, with memory: what the target wants in no core */
};

/*
 * Writes an ELF core of what `m` sees: a view from mem_open_live, for_core. Reads the memory,
 * then releases m. False: *e says why, nothing is kept.
 */
struct new_file_options;
must_check bool mem_write_core(struct mem *m, pid_t pid,
			       const struct new_file_options *to, struct core_writing *w,
			       struct err *e);

/* When a process started, in nanoseconds after the machine: with its pid it tells one
 * process from another. 0: there is none. */
uint64_t mem_started(pid_t pid);
/* The least limit of memory, in bytes, of its cgroups; 0: none, or not known. */
uint64_t mem_limit(pid_t pid);

/* Bytes of memory that this process may still have, by the machine and its cgroups;
 * UINT64_MAX: not known. */
uint64_t mem_headroom(void);

/* ---- a process from afar (lookout.c) ---- */

/* Nothing of it is stopped or held, and looking costs next to nothing. */
struct mem_lookout;

/* False: there is no such process, or it could not be read; *e has the cure. */
must_check bool mem_lookout_open(pid_t pid, struct mem_lookout **out, struct err *e);
void mem_lookout_close(struct mem_lookout *l); /* may be NULL */
/* As mem_started had it then. */
uint64_t mem_lookout_started(const struct mem_lookout *l);
/* It is gone; who has its pid now is another. */
bool mem_lookout_has_ended(const struct mem_lookout *l);
uint64_t mem_lookout_rss(const struct mem_lookout *l);

/* Before it is asked whether memory was short: for so much of the time (of its cgroup, or of
 * the machine), and whether its cgroup's memory.high was passed. False: this machine does not
 * tell, *e says why. */
must_check bool mem_lookout_on_pressure(struct mem_lookout *l, unsigned percent,
					struct err *e);
must_check bool mem_lookout_on_high(struct mem_lookout *l, struct err *e);
/* Since it was asked last. */
bool mem_lookout_is_pressed(struct mem_lookout *l);
bool mem_lookout_passed_high(struct mem_lookout *l);

/* Until the time is over, the process ends, or memory gets short, where that is to be told. */
void mem_lookout_wait(struct mem_lookout *l, uint64_t ns);

/* ---- any source ---- */

/* Copy [at, at + len) into dst. False means a hole; dst then holds nothing of meaning. */
must_check bool mem_read(const struct mem *m, taddr at, void *dst, size_t len);
#define mem_load(m, at, p) mem_read((m), (at), (p), sizeof(*(p)))
/* A NUL-terminated string of at most cap - 1 bytes; false: a hole, or none that short. */
must_check bool mem_read_string(const struct mem *m, taddr at, char *dst, size_t cap);

/* The region that holds `at`, or NULL. */
const struct mem_region *mem_region_at(const struct mem *m, taddr at);
/* The end of the readable range that starts at `at`, adjacent regions joined; `at` if
 * nothing is there. */
taddr mem_range_end(const struct mem *m, taddr at);
/* The first address from `at` on that may hold anything but zeroes: private pages that were
 * never touched are passed over, to the end of `at`'s region at most. `at` itself where
 * residency is not known. */
taddr mem_next_data(const struct mem *m, taddr at);

/* How many bytes there are that may hold anything but zeroes, as far as is known; of mappings
 * whose residency is not known all. */
uint64_t mem_data_bytes(const struct mem *m);

/* No byte will be read any more: ends the child, releases the target. Idempotent. */
void mem_release(struct mem *m);
/* The same. False: the target or its copy was lost before, so that what was read is worth
 * nothing; *e says how. */
must_check bool mem_finish(struct mem *m, struct err *e);
/* Releases; then residency and RSS by region (smaps) of the running target. False: the
 * process ended, or went on, before all was read, or the guardian was killed: what was read
 * is worth nothing, *e says so. */
must_check bool mem_account(struct mem *m, struct err *e);
void mem_close(struct mem *m);

/*
 * A window on a mem, for one thread: a bounded cache of large reads. Sequential readers
 * get one system call per window, pages that were never touched cost nothing and read
 * as zeroes.
 */
struct mem_window;
struct mem_window *mem_window_new(const struct mem *m);
void mem_window_free(struct mem_window *w);
/* Bytes at `at`, as many as are at hand in one piece, *have >= 1, valid until the next
 * call. At least `want` of them if no hole or region end comes first (want <= 64 KiB).
 * NULL is a hole; *have is then how far it reaches. */
const uint8_t *mem_window_at(struct mem_window *w, taddr at, size_t want, size_t *have);

/* ---- a table of byte ranges, for tests and fuzzers ---- */

struct mem_fake_range {
	taddr start;
	const void *bytes; /* borrowed; NULL: a hole inside a region */
	size_t n;
	uint8_t prot; /* enum region_prot */
	const char *name;
};
struct mem *mem_fake_new(const struct mem_fake_range *ranges, size_t n);

#endif
