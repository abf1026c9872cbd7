/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offsets of glibc's own structures, one row per change of one structure. Which row holds
 * is read off the structure found in memory: an arena ring that closes, a heap_info that
 * points back at its arena, a tcache's chunk size. `make matrix` derives every row that a
 * real libc can be had for from its debug information; the others are `untested`, which
 * `check` says. What no row fits is said.
 *
 * Before 2.15 the arena for each thread was a matter of configuration (malloc/Makefile:
 * --enable-experimental-malloc defines PER_THREAD), off by default and on in some
 * distributions. So there are two rows for these: `shared_arenas` without it.
 * THREAD_STATS and NO_THREADS are taken as undefined, as in glibc's own makefiles.
 *
 * Sources: glibc's malloc/malloc.c and malloc/arena.c at the tags named in `since`:
 * struct malloc_state, struct malloc_par, heap_info, struct tcache_perthread_struct.
 */
#include "heap/ptmalloc/ptm_int.h"

/* clang-format off */
const struct ptm_state_layout ptm_state_layouts[] = {
	/* 2.43 drops fastbinsY and have_fastchunks; an mmapped chunk's size field no longer
	 * counts its own header */
	{ .versions = "2.43-2.44", .since = "2.43", .first = 43, .last = 44, .fastbins = 0, .top = 8, .bins = 24, .next = 2072,
	  .next_free = 2080, .attached = 2088, .system_mem = 2096, .max_system_mem = 2104, .size = 2112,
	  .mmap_left_out = 16, .mmap_overhead = 24, .mmap_huge = 1 },
	/* 2.27 adds have_fastchunks after flags */
	{ .versions = "2.27-2.42", .since = "2.27", .first = 27, .last = 42, .fastbins = 16, .top = 96, .bins = 112, .next = 2160,
	  .next_free = 2168, .attached = 2176, .system_mem = 2184, .max_system_mem = 2192, .size = 2200,
	  .mmap_left_out = 0, .mmap_overhead = 16 },
	/* 2.23 adds attached_threads */
	{ .versions = "2.23-2.26", .since = "2.23", .first = 23, .last = 26, .fastbins = 8, .top = 88, .bins = 104, .next = 2152,
	  .next_free = 2160, .attached = 2168, .system_mem = 2176, .max_system_mem = 2184, .size = 2192,
	  .mmap_left_out = 0, .mmap_overhead = 16 },
	{ .versions = "2.10-2.22", .since = "2.10", .first = 10, .last = 22, .untested = true,
	  .fastbins = 8, .top = 88, .bins = 104, .next = 2152,
	  .next_free = 2160, .system_mem = 2168, .max_system_mem = 2176, .size = 2184,
	  .mmap_left_out = 0, .mmap_overhead = 16 },
	/* no next_free */
	{ .versions = "2.10-2.14", .since = "2.10", .first = 10, .last = 14, .untested = true,
	  .shared_arenas = true, .fastbins = 8, .top = 88, .bins = 104, .next = 2152,
	  .system_mem = 2160, .max_system_mem = 2168, .size = 2176,
	  .mmap_left_out = 0, .mmap_overhead = 16 },
};

const struct ptm_par_layout ptm_par_layouts[] = {
	/* 2.44 drops tcache_unsorted_limit from the end, nothing moves */
	{ .versions = "2.43-2.44", .since = "2.43", .first = 43, .last = 44, .mmapped_drifts = true,
	  .mmap_threshold = 16, .thp_pagesize = 48, .n_mmaps = 68, .n_mmaps_max = 72, .max_n_mmaps = 76,
	  .mmapped_mem = 88, .max_mmapped_mem = 96, .sbrk_base = 104, .tcache_bins = 112,
	  .tcache_max_bytes = 120, .tcache_count = 128, .size = 136 },
	{ .versions = "2.35-2.42", .since = "2.35", .first = 35, .last = 42,
	  .mmap_threshold = 16, .thp_pagesize = 40, .n_mmaps = 60, .n_mmaps_max = 64, .max_n_mmaps = 68,
	  .mmapped_mem = 80, .max_mmapped_mem = 88, .sbrk_base = 96, .tcache_bins = 104,
	  .tcache_max_bytes = 112, .tcache_count = 120, .size = 136 },
	{ .versions = "2.26-2.34", .since = "2.26", .first = 26, .last = 34,
	  .mmap_threshold = 16, .n_mmaps = 40, .n_mmaps_max = 44, .max_n_mmaps = 48,
	  .mmapped_mem = 56, .max_mmapped_mem = 64, .sbrk_base = 72, .tcache_bins = 80,
	  .tcache_max_bytes = 88, .tcache_count = 96, .size = 112 },
	/* 2.26 adds the tcache */
	{ .versions = "2.24-2.25", .since = "2.24", .first = 24, .last = 25, .untested = true,
	  .mmap_threshold = 16, .n_mmaps = 40, .n_mmaps_max = 44, .max_n_mmaps = 48,
	  .mmapped_mem = 56, .max_mmapped_mem = 64, .sbrk_base = 72, .size = 80 },
	/* 2.24 drops max_total_mem, which nothing sets */
	{ .versions = "2.15-2.23", .since = "2.15", .first = 15, .last = 23,
	  .mmap_threshold = 16, .n_mmaps = 40, .n_mmaps_max = 44, .max_n_mmaps = 48,
	  .mmapped_mem = 56, .max_mmapped_mem = 64, .max_total_mem = 72, .sbrk_base = 80, .size = 88 },
	/* 2.15 drops pagesize */
	{ .versions = "2.10-2.14", .since = "2.10", .first = 10, .last = 14, .untested = true,
	  .mmap_threshold = 16, .n_mmaps = 40, .n_mmaps_max = 44, .max_n_mmaps = 48, .pagesize = 56,
	  .mmapped_mem = 64, .max_mmapped_mem = 72, .max_total_mem = 80, .sbrk_base = 88, .size = 96 },
	/* no arena_test, no arena_max */
	{ .versions = "2.10-2.14", .since = "2.10", .first = 10, .last = 14, .untested = true,
	  .shared_arenas = true, .mmap_threshold = 16, .n_mmaps = 24, .n_mmaps_max = 28, .max_n_mmaps = 32, .pagesize = 40,
	  .mmapped_mem = 48, .max_mmapped_mem = 56, .max_total_mem = 64, .sbrk_base = 72, .size = 80 },
};

const struct ptm_heap_layout ptm_heap_layouts[] = {
	/* 2.35 adds pagesize */
	{ .versions = "2.35-2.44", .since = "2.35", .arena = 0, .prev = 8, .heap_size = 16, .size = 48 },
	{ .versions = "2.10-2.34", .since = "2.10", .arena = 0, .prev = 8, .heap_size = 16, .size = 32 },
};

const struct ptm_tcache_layout ptm_tcache_layouts[] = {
	/* 2.42 counts free slots down, and adds 12 bins of large chunks */
	{ .versions = "2.42-2.44", .since = "2.42", .chunk = 0x300, .bins = 76, .count_size = 2,
	  .entries = 152, .size = 760, .counts = COUNT_FREE },
	/* 2.30 widens the counts */
	{ .versions = "2.30-2.41", .since = "2.30", .chunk = 0x290, .bins = 64, .count_size = 2,
	  .entries = 128, .size = 640, .counts = COUNT_USED },
	{ .versions = "2.26-2.29", .since = "2.26", .chunk = 0x250, .bins = 64, .count_size = 1,
	  .entries = 64, .size = 576, .counts = COUNT_USED },
};
/* clang-format on */

const size_t ptm_nstate_layouts = countof(ptm_state_layouts);
const size_t ptm_npar_layouts = countof(ptm_par_layouts);
const size_t ptm_nheap_layouts = countof(ptm_heap_layouts);
const size_t ptm_ntcache_layouts = countof(ptm_tcache_layouts);

const struct ptm_tcache_layout *ptm_tcache_layout_of(uint64_t chunk_size)
{
	for (size_t i = 0; i < ptm_ntcache_layouts; i++) {
		uint64_t least = ptm_tcache_layouts[i].chunk;

		/* a rest too small for a chunk of its own stays with it; and 2.42+ may ask
		 * for the chunk's size where it means the struct's (tcache_init) */
		if (chunk_size - least <= 2 * PTM_ALIGN)
			return &ptm_tcache_layouts[i];
	}
	return NULL;
}
