/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for what is not built yet; each function goes when its file comes. */
#include "lang/cpython/cpy_int.h"

#include <stdio.h>
#include <stdlib.h>

#define UNUSED(x) (void)(x)

/* cpy_find.c, cpy_open.c, cpy_quiet.c, cpy_pool.c, cpy_list.c */
struct python_places *python_locate(struct mem *running, const struct module_set *set,
				    struct model *m)
{
	UNUSED(running);
	UNUSED(set);
	UNUSED(m);
	return NULL;
}
void python_places_free(struct python_places *p)
{
	free(p);
}
bool python_is_quiet(const struct mem *stopped, void *places)
{
	UNUSED(stopped);
	UNUSED(places);
	return true;
}
bool python_open(const struct mem *m, const struct python_places *p,
		 const struct module_set *set, struct model *model, struct python **out,
		 struct err *e)
{
	UNUSED(m);
	UNUSED(p);
	UNUSED(set);
	UNUSED(model);
	UNUSED(out);
	return fail(e, ERR_PROCESS, "not built yet");
}
void python_free(struct python *py)
{
	UNUSED(py);
}
size_t python_pools(const struct python *py, const struct python_pool **out)
{
	*out = py->pools;
	return py->npools;
}
void python_read_pool(struct python_reader *r, size_t pool, python_slab_fn *fn,
		      void *context)
{
	UNUSED(r);
	UNUSED(pool);
	UNUSED(fn);
	UNUSED(context);
}
void python_read_lists(struct python_reader *r, python_address_fn *fn, void *context)
{
	UNUSED(r);
	UNUSED(fn);
	UNUSED(context);
}
size_t python_own_ranges(const struct python *py, const struct python_range **out)
{
	*out = py->own;
	return py->nown;
}

/* rules to come */
const struct cpy_rules cpy_set_rules[] = { { 0 } };
const struct cpy_rules cpy_sequence_rules[] = { { 0 } };
const struct cpy_rules cpy_bytes_rules[] = { { 0 } };
const struct cpy_rules cpy_number_rules[] = { { 0 } };
const struct cpy_rules cpy_function_rules[] = { { 0 } };
const struct cpy_rules cpy_typeobject_rules[] = { { 0 } };
const struct cpy_rules cpy_module_rules[] = { { 0 } };
const struct cpy_rules cpy_exception_rules[] = { { 0 } };
const struct cpy_rules cpy_iterator_rules[] = { { 0 } };
const struct cpy_rules cpy_misc_rules[] = { { 0 } };

/* cpy_library.c */
const struct cpy_rules cpy_library_rules[] = { { 0 } };
