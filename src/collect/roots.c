/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/edges_int.h"

struct root_scan *root_scan_read(const struct scan *s, const struct module_set *modules,
				 const struct python *py)
{
	(void)s;
	(void)modules;
	(void)py;
	return NULL;
}

void root_scan_free(struct root_scan *r)
{
	(void)r;
}

void roots_build(struct root_scan *r, const struct references *refs,
		 const struct module_set *modules, struct model *m)
{
	(void)r;
	(void)refs;
	(void)modules;
	(void)m;
}
