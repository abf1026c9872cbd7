/* SPDX-License-Identifier: Apache-2.0 */
/* Thread-local variables: where they are, and what they are called. */
#ifndef COLLECT_TLS_INT_H
#define COLLECT_TLS_INT_H

#include "collect/collect_int.h"

struct tls_layout {
	struct tls_module {
		uint64_t
			distance; /* from a copy's start up to the thread pointer; 0: other */
		uint64_t number; /* in each thread's vector; 0 not known */
	} * modules;             /* as in the module_set */
	size_t n;
	uint64_t reach;   /* no copy begins further below the pointer */
	uint64_t control; /* bytes from the pointer up that are libc's: struct pthread */
	taddr first_link_map; /* 0: not known */
};

/* What link_maps say; memory is readable. */
void tls_layout_read(struct tls_layout *t, const struct mem *mem,
		     const struct module_set *modules);
void tls_layout_release(struct tls_layout *t);

/* The variable that lies so many bytes below the thread pointer. */
must_check bool tls_symbol_at(const struct tls_layout *t,
			      const struct module_set *modules, uint64_t below,
			      struct str *name, uint64_t *offset);
/* The vector (dtv) of the thread with this pointer, its counting entry included. */
must_check bool tls_vector(const struct mem *mem, taddr tls, struct address_range *out);
/* Whose block an entry of the vectors leads to; t->n: not known. */
size_t tls_module_of_number(const struct tls_layout *t, uint64_t number);

#endif
