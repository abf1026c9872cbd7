/* SPDX-License-Identifier: Apache-2.0 */
/* Modules (CPython 3.11 and 3.13 moduleobject.h). A C module's state is a block whose
 * layout only its code knows. */
#include "lang/cpython/cpy_int.h"

enum { VALUE_MAX = 64, DEF_SIZE = 56, STATE_MAX = 1 << 24 }; /* PyModuleDef.m_size */

static void module_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			const struct python_sink *sink)
{
	taddr def = cpy_word_or_0(r, at + r->layout->module.def);
	taddr state = cpy_word_or_0(r, at + r->layout->module.state);
	uint64_t size = def && state ? cpy_word_or_0(r, def + DEF_SIZE) : 0;

	(void)t;
	if (size == 0 || size > STATE_MAX)
		return;
	cpy_scan(r, sink, state, size);
	cpy_part(r, sink, state, size, "state");
}

static void module_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			 struct buf *out)
{
	(void)t;
	cpy_text(r, cpy_word_or_0(r, at + r->layout->module.name), VALUE_MAX, out);
}

static const struct cpy_field_rule module_fields[] = {
	{ .name = "__dict__", .offset = 16 },
	{ .name = "__name__", .offset = 48 },
	{ 0 },
};

const struct cpy_rules cpy_module_rules[] = {
	{ .name = "module",
	  .read = module_read,
	  .value = module_value,
	  .fields = module_fields },
	{ 0 },
};
