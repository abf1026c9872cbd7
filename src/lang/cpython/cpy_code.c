/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code objects. The collector does not traverse them, so what they own is told here alone:
 * constants, names, tables (CPython 3.11 and 3.13 cpython/code.h), and the copies of
 * attributes that someone asked for. Beside the objects they own tables in raw memory: lines
 * of a traced function (3.11), what sys.monitoring put in place of instructions (3.12), and
 * co_extra.
 */
#include "lang/cpython/cpy_int.h"

#include <stdlib.h>

/* More slots than any function has (the compiler's own limit is INT_MAX; 255 arguments were
 * once one): a frame of them is 8 MiB. */
enum { SLOTS_MAX = 1 << 20 };
/* A location table has about a byte for each code unit; no module is as long as this. */
enum { LINE_TABLE_MAX = 16 << 20 };
enum { TEXT_MAX = 256, EXTRA_MAX = 255 };

/* What is known by its offset alone; all versions have consts to linetable where 3.11 does.
 * The weak list is not owned. */
const struct cpy_field_rule cpy_code_fields[] = {
	{ "co_consts", 24, 0, 0, CPY_FIELD_HELD },
	{ "co_names", 32, 0, 0, CPY_FIELD_HELD },
	{ "co_exceptiontable", 40, 0, 0, CPY_FIELD_HELD },
	{ "co_localsplusnames", 96, 0, 0, CPY_FIELD_HELD },
	{ "co_localspluskinds", 104, 0, 0, CPY_FIELD_HELD },
	{ "co_filename", 112, 0, 0, CPY_FIELD_HELD },
	{ "co_name", 120, 0, 0, CPY_FIELD_HELD },
	{ "co_qualname", 128, 0, 0, CPY_FIELD_HELD },
	{ "co_linetable", 136, 0, 0, CPY_FIELD_HELD },
	{ "_co_code", 152, 0, 0x30c, CPY_FIELD_HELD },
	{ NULL, 0, 0, 0, CPY_FIELD_HELD },
};

bool cpy_code_read(struct python_reader *r, taddr at, struct cpy_code *out)
{
	const struct cpy_layout *l = r->layout;
	const struct cpy_type *t = cpy_may_be_address(at) ? cpy_type_of(r, at) : NULL;

	if (!t || !str_is(t->tp_name, "code"))
		return false;
	*out = (struct cpy_code){
		.at = at,
		.names = cpy_word_or_0(r, at + l->code.localsplusnames),
		.nslots = cpy_u32_or_0(r, at + l->code.nlocalsplus),
		.stacksize = cpy_u32_or_0(r, at + l->code.stacksize),
		.first_traceable = cpy_u32_or_0(r, at + l->code.first_traceable),
		.first_line = cpy_u32_or_0(r, at + l->code.firstlineno),
	};
	return out->nslots <= SLOTS_MAX && out->stacksize <= SLOTS_MAX;
}

taddr cpy_code_slot_name(struct python_reader *r, const struct cpy_code *c, uint32_t slot)
{
	if (!cpy_may_be_address(c->names) ||
	    slot >= cpy_word_or_0(r, c->names + CPY_SIZE))
		return 0;
	return cpy_word_or_0(r, c->names + r->layout->tuple_items + 8 * (uint64_t)slot);
}

/* The first byte of a bytes object's content (CPython cpython/bytesobject.h). */
enum { BYTES_DATA = 32 };

uint32_t cpy_code_line(struct python_reader *r, const struct cpy_code *c,
		       taddr instruction)
{
	taddr table = cpy_word_or_0(r, c->at + r->layout->code.linetable);
	uint64_t n = cpy_may_be_address(table) ? cpy_word_or_0(r, table + CPY_SIZE) : 0;
	int64_t offset = (int64_t)(instruction - (c->at + r->layout->code.adaptive));
	uint8_t small[1024], *bytes = small;
	uint32_t line = 0;

	if (n == 0 || n > LINE_TABLE_MAX)
		return offset < 0 ? c->first_line : 0;
	if (n > sizeof(small))
		bytes = xcalloc(n, 1);
	if (cpy_read(r, table + BYTES_DATA, bytes, n))
		line = cpy_line_at(bytes, n, c->first_line, offset);
	if (bytes != small)
		free(bytes);
	return line;
}

static void add_base_name(struct buf *out, struct str path)
{
	for (size_t i = path.n; i > 0; i--)
		if (path.s[i - 1] == '/') {
			path = (struct str){ path.s + i, path.n - i };
			break;
		}
	buf_add(out, path.s, path.n);
}

void cpy_code_function(struct python_reader *r, taddr code, struct buf *out)
{
	if (!cpy_text(r, cpy_word_or_0(r, code + r->layout->code.qualname), TEXT_MAX,
		      out))
		buf_char(out, '?');
}

void cpy_code_file(struct python_reader *r, taddr code, struct buf *out)
{
	/* A path is cut at its end; its end is what is wanted, so take much of it. */
	if (!cpy_text(r, cpy_word_or_0(r, code + r->layout->code.filename), PAGE_SIZE_4K,
		      out))
		buf_char(out, '?');
}

void cpy_code_describe(struct python_reader *r, taddr code, uint32_t line,
		       struct buf *out)
{
	struct buf path = { 0 };

	cpy_code_function(r, code, out);
	cpy_code_file(r, code, &path);
	buf_str(out, " (");
	add_base_name(out, buf_view(&path));
	if (line)
		buf_printf(out, ":%u", line);
	buf_char(out, ')');
	buf_release(&path);
}

/* ---- the rules ---- */

static void tell_part(const struct python_sink *sink, taddr at, uint64_t size,
		      uint16_t label)
{
	if (cpy_may_be_address(at) && size)
		sink->part(sink->context, at, size, label);
}

/* _PyCoCached: co_code, co_varnames, co_cellvars, co_freevars as they were asked for. */
static void tell_cached(struct python_reader *r, taddr cached,
			const struct python_sink *sink)
{
	static const char *const names[] = { "_co_code", "_co_varnames", "_co_cellvars",
					     "_co_freevars" };

	if (!cpy_may_be_address(cached))
		return;
	tell_part(sink, cached, sizeof(uint64_t) * countof(names),
		  cpy_field(r->py, "_co_cached"));
	for (size_t i = 0; i < countof(names); i++)
		cpy_edge_field(r, sink, cached + 8 * i, names[i]);
}

/* _PyCoMonitoringData (3.13 cpython/code.h): tables with a few bytes for each code unit. */
static void tell_monitoring(struct python_reader *r, taddr at, uint64_t units,
			    const struct python_sink *sink)
{
	static const struct {
		uint8_t offset, bytes;
	} tables[] = { { 24, 1 }, { 32, 2 }, { 40, 1 }, { 48, 1 }, { 56, 1 } };
	uint16_t label = cpy_field(r->py, "_co_monitoring");

	if (!cpy_may_be_address(at))
		return;
	tell_part(sink, at, 64, label);
	for (size_t i = 0; i < countof(tables); i++)
		tell_part(sink, cpy_word_or_0(r, at + tables[i].offset),
			  tables[i].bytes * units, label);
}

static uint64_t extra_size(struct python_reader *r, taddr code)
{
	taddr extra = cpy_word_or_0(r, code + r->layout->code.extra);
	uint64_t n = cpy_may_be_address(extra) ? cpy_word_or_0(r, extra) : 0;

	return n && n <= EXTRA_MAX ? 8 + 8 * n : 0;
}

void cpy_code_edges(struct python_reader *r, const struct cpy_type *t, taddr at,
		    const struct python_sink *sink)
{
	const struct cpy_layout *l = r->layout;
	uint64_t units = cpy_u32_or_0(r, at + CPY_SIZE);
	uint16_t entry = 0;

	(void)t;
	if (l->code.cached != CPY_ABSENT)
		tell_cached(r, cpy_word_or_0(r, at + l->code.cached), sink);
	if (l->code.monitoring != CPY_ABSENT)
		tell_monitoring(r, cpy_word_or_0(r, at + l->code.monitoring), units,
				sink);
	if (l->code.line_array != CPY_ABSENT &&
	    cpy_read(r, at + l->code.line_array_entry, &entry, sizeof(entry)))
		tell_part(sink, cpy_word_or_0(r, at + l->code.line_array), entry * units,
			  cpy_field(r->py, "_co_linearray"));
	tell_part(sink, cpy_word_or_0(r, at + l->code.extra), extra_size(r, at),
		  cpy_field(r->py, "co_extra"));
}

/* CPython 3.11 and 3.13 codeobject.c:code_sizeof */
uint64_t cpy_code_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	uint64_t units = cpy_u32_or_0(r, at + CPY_SIZE);

	return align_up(t->basicsize + (uint64_t)t->itemsize * units, 8) +
	       extra_size(r, at);
}

void cpy_code_value(struct python_reader *r, const struct cpy_type *t, taddr at,
		    struct buf *out)
{
	(void)t;
	cpy_code_describe(r, at, cpy_u32_or_0(r, at + r->layout->code.firstlineno), out);
}
