/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of the target's own memory until words can be judged. */
#ifndef COLLECT_ROOTS_INT_H
#define COLLECT_ROOTS_INT_H

#include "collect/edges_int.h"
#include "collect/tls_int.h"

/* Memory of one holder, and the words that were found there. */
struct root_range {
	taddr start, end;
	enum root_kind kind;
	bool is_vector;  /* of ROOT_TLS: a dtv */
	bool is_raw;     /* of ROOT_FIELD: blocks of slabs that are nobody's */
	uint32_t holder; /* index into mem's threads, or of ROOT_GLOBAL the modules */
	size_t first, nwords; /* in the root_scan's words */
};

struct root_word {
	uint64_t word;
	taddr at; /* of ROOT_REGISTER the number of the register, in mem_thread.gpr */
};

struct root_scan {
	const struct mem *mem; /* of its threads */
	struct tls_layout tls;
	struct root_range *ranges;
	size_t nranges, cap_ranges;
	struct root_word *words;
	size_t nwords, cap_words;
};

#endif
