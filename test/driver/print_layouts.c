/* SPDX-License-Identifier: Apache-2.0 */
/* print_layouts: our tables of glibc's structures, a line `STRUCT VERSIONS SINCE FIELD=OFFSET...`
 * for each row, in the structures' own words, for `make matrix` to hold against DWARF. */
#include "heap/ptmalloc/ptm_int.h"
#include <stdio.h>

static void print_states(void)
{
	for (size_t i = 0; i < ptm_nstate_layouts; i++) {
		const struct ptm_state_layout *l = &ptm_state_layouts[i];

		printf("malloc_state %s %s", l->versions, l->since);
		if (l->fastbins)
			printf(" fastbinsY=%u", l->fastbins);
		if (l->attached)
			printf(" attached_threads=%u", l->attached);
		if (l->next_free)
			printf(" next_free=%u", l->next_free);
		printf(" top=%u bins=%u next=%u system_mem=%u max_system_mem=%u "
		       "sizeof=%u\n",
		       l->top, l->bins, l->next, l->system_mem, l->max_system_mem,
		       l->size);
	}
}

static void print_pars(void)
{
	for (size_t i = 0; i < ptm_npar_layouts; i++) {
		const struct ptm_par_layout *l = &ptm_par_layouts[i];

		printf("malloc_par %s %s mmap_threshold=%u n_mmaps=%u n_mmaps_max=%u "
		       "max_n_mmaps=%u "
		       "mmapped_mem=%u max_mmapped_mem=%u sbrk_base=%u",
		       l->versions, l->since, l->mmap_threshold, l->n_mmaps,
		       l->n_mmaps_max, l->max_n_mmaps, l->mmapped_mem, l->max_mmapped_mem,
		       l->sbrk_base);
		if (l->tcache_bins)
			printf(" tcache_bins|tcache_small_bins=%u tcache_max_bytes=%u "
			       "tcache_count=%u",
			       l->tcache_bins, l->tcache_max_bytes, l->tcache_count);
		if (l->pagesize)
			printf(" pagesize=%u", l->pagesize);
		if (l->thp_pagesize)
			printf(" thp_pagesize=%u", l->thp_pagesize);
		if (l->max_total_mem)
			printf(" max_total_mem=%u", l->max_total_mem);
		puts("");
	}
}

static void print_heaps(void)
{
	for (size_t i = 0; i < ptm_nheap_layouts; i++) {
		const struct ptm_heap_layout *l = &ptm_heap_layouts[i];

		printf("_heap_info %s %s ar_ptr=%u prev=%u size=%u sizeof=%u\n",
		       l->versions, l->since, l->arena, l->prev, l->heap_size, l->size);
	}
}

static void print_tcaches(void)
{
	for (size_t i = 0; i < ptm_ntcache_layouts; i++) {
		const struct ptm_tcache_layout *l = &ptm_tcache_layouts[i];

		printf("tcache_perthread_struct %s %s counts|num_slots=0 entries=%u "
		       "sizeof=%u\n",
		       l->versions, l->since, l->entries, l->size);
	}
}

int main(void)
{
	print_states();
	print_pars();
	print_heaps();
	print_tcaches();
	return 0;
}
