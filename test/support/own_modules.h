/* SPDX-License-Identifier: Apache-2.0 */
/* What the dynamic linker of this very process knows of its modules. */
#ifndef SUPPORT_OWN_MODULES_H
#define SUPPORT_OWN_MODULES_H

#include "image/image.h"
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
	struct mem *mem;
	struct module_set set;
};

static inline void run(const char *fmt, ...) print_like(1, 2);
static inline void run(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	assert_int_equal(system(command), 0);
}

/* For dl_iterate_phdr, with a struct world. */
static inline int check_loaded(struct dl_phdr_info *info, size_t size, void *context)
{
	const struct world *w = context;
	const struct module *mod;
	taddr low = UINT64_MAX, high = 0;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD)
			continue;
		low = min_u64(low, align_down(info->dlpi_addr + p->p_vaddr, 4096));
		high = max_u64(high,
			       align_up(info->dlpi_addr + p->p_vaddr + p->p_memsz, 4096));
	}
	mod = module_at(&w->set, low);
	if (strstr(info->dlpi_name, "vdso")) {
		assert_null(mod); /* no file */
		return 0;
	}
	assert_non_null(mod);
	assert_non_null(mod->image);
	assert_int_equal(mod->missing[0], 0);
	assert_int_equal(mod->start, low);
	assert_int_equal(mod->end, high);
	assert_int_equal(mod->bias, info->dlpi_addr);
	assert_ptr_equal(module_at(&w->set, high - 1), mod);
	assert_ptr_not_equal(module_at(&w->set, high), mod);
	return 0;
}

#endif
