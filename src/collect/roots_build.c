/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of the target's own memory become roots, each named by what it lies in: a global by
 * its symbol, a thread-local variable likewise, a register by its name; words of a stack
 * have none.
 *
 * Objects that lie in such memory themselves are there for ever: static types, small ints.
 * They are roots for certain; what they refer to is told by their own layouts.
 */
#include "collect/roots_int.h"

#include "base/search.h"
#include <stdlib.h>
#include <string.h>

struct naming {
	const struct root_scan *roots;
	const struct references *references;
	const struct module_set *modules;
	struct model *m;
};

/* ---- names ---- */

static struct str without_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	return str_of(slash ? slash + 1 : path);
}

static uint32_t group_of(const struct naming *n, const struct root_range *range)
{
	if (range->kind == ROOT_FIELD)
		return group_row(n->m, ROOTS_INTERPRETER, str_of("interpreter"));
	if (range->kind == ROOT_GLOBAL)
		return group_row(n->m, ROOTS_GLOBALS,
				 without_folder(n->modules->modules[range->holder].path));
	return thread_group(n->m, (uint32_t)n->roots->mem->threads[range->holder].tid);
}

/* As in the source: "main::exchange", without what gcc's link-time optimiser appends. */
static void print_symbol(struct buf *out, struct str name)
{
	ptrdiff_t tail = str_find(name, ".lto_priv.");

	if (tail > 0)
		name.n = (size_t)tail;
	demangle(name, out);
}

static void print_place(struct buf *out, struct str name, uint64_t offset)
{
	print_symbol(out, name);
	if (offset)
		buf_printf(out, "+%llu", (unsigned long long)offset);
}

static void print_global(const struct naming *n, const struct root_range *range, taddr at,
			 struct buf *out)
{
	const struct module *mod = &n->modules->modules[range->holder];
	struct str name;
	uint64_t offset;

	if (mod->image && image_symbol_at(mod->image, at - mod->bias, &name, &offset))
		print_place(out, name, offset);
}

/* Each entry of a vector leads to a module's copy. */
static void print_vector(const struct naming *n, const struct root_range *range, taddr at,
			 struct buf *out)
{
	size_t mod = tls_module_of_number(&n->roots->tls, (at - range->start) / 16 - 1);

	if (mod < n->modules->n)
		buf_printf(out, "variables of %.*s",
			   (int)without_folder(n->modules->modules[mod].path).n,
			   without_folder(n->modules->modules[mod].path).s);
}

static void print_tls(const struct naming *n, const struct root_range *range, taddr at,
		      struct buf *out)
{
	taddr pointer = n->roots->mem->threads[range->holder].tls;
	struct str name;
	uint64_t offset;

	if (range->is_vector)
		print_vector(n, range, at, out);
	else if (at == pointer + 8)
		buf_str(out, "dtv");
	else if (at < pointer &&
		 tls_symbol_at(&n->roots->tls, n->modules, pointer - at, &name, &offset))
		print_place(out, name, offset);
}

/* The order of mem_thread.gpr. */
static const char *const registers[MEM_GPRS] = { "rax", "rbx", "rcx", "rdx", "rsi",
						 "rdi", "rbp", "r8",  "r9",  "r10",
						 "r11", "r12", "r13", "r14", "r15" };

static void print_name(const struct naming *n, const struct root_range *range,
		       const struct root_word *w, struct buf *out)
{
	switch (range->kind) {
	case ROOT_GLOBAL:
		print_global(n, range, w->at, out);
		break;
	case ROOT_TLS:
		print_tls(n, range, w->at, out);
		break;
	case ROOT_FIELD:
		buf_str(out, range->is_raw ? "memory of C code" : "its own records");
		break;
	case ROOT_REGISTER:
		buf_printf(out, "%s", registers[w->at]);
		break;
	default:
		break; /* words of stacks have no name */
	}
}

/* ---- words ---- */

/* A static object's fields are read by its layout. */
static bool lies_in_object(const struct naming *n, const struct root_range *range,
			   taddr at)
{
	size_t part;

	uint32_t node;

	if ((range->kind != ROOT_GLOBAL && range->kind != ROOT_FIELD) ||
	    n->m->objects.n == 0)
		return false;
	node = model_node_at(n->m, at, &part);
	return node != NO_NODE && node_is_object(n->m, node);
}

/* A word that leads to a node's address, and perhaps the two behind it. */
static void look_for_vector(const struct naming *n, const struct root_range *range,
			    size_t i, uint32_t node)
{
	const struct root_word *w = &n->roots->words[i];

	if (n->references->vectors && range->kind != ROOT_REGISTER &&
	    i + 2 < range->first + range->nwords && w[1].at == w->at + 8 &&
	    w[2].at == w->at + 16)
		vector_see(&n->references->vectors[0], n->m, node,
			   (const uint64_t[]){ w->word, w[1].word, w[2].word });
}

/* Lists of the collector begin in an interpreter's records, and lead into objects. */
static bool is_list_head(const struct naming *n, const struct root_range *range,
			 const struct index_hit *hit)
{
	return range->kind == ROOT_FIELD && hit->label == LABEL_INTERIOR &&
	       node_is_object(n->m, hit->node);
}

static void build_range(const struct naming *n, const struct root_range *range)
{
	uint32_t group = UINT32_MAX;
	struct buf name = { 0 };

	for (size_t i = range->first; i < range->first + range->nwords; i++) {
		const struct root_word *w = &n->roots->words[i];
		struct index_hit hit = node_index_find(&n->references->index, w->word);

		if (!reference_counts(n->references, hit.node) ||
		    lies_in_object(n, range, w->at) || is_list_head(n, range, &hit))
			continue;
		if (hit.label == LABEL_POSSIBLE)
			look_for_vector(n, range, i, hit.node);
		if (group == UINT32_MAX)
			group = group_of(n, range);
		name.n = 0;
		print_name(n, range, w, &name);
		root_add(n->m, group,
			 &(struct root){ .kind = range->kind,
					 .name = buf_view(&name),
					 .node = hit.node,
					 .addr = range->kind == ROOT_REGISTER ? 0
									      : w->at });
	}
	buf_release(&name);
}

/* ---- what lies there itself ---- */

static size_t first_object_from(const struct model *m, taddr at)
{
	size_t low = search_words_from(m->objects.addr, m->objects.n, at);

	return low;
}

static void build_static_objects(const struct naming *n, const struct root_range *range)
{
	struct model *m = n->m;
	struct buf name = { 0 };

	for (size_t o = first_object_from(m, range->start);
	     o < m->objects.n && m->objects.addr[o] < range->end; o++) {
		taddr at = m->objects.addr[o];

		name.n = 0;
		print_global(n, range, at, &name);
		root_add(m, group_of(n, range),
			 &(struct root){ .kind = ROOT_GLOBAL,
					 .name = buf_view(&name),
					 .node = (uint32_t)o,
					 .certain = true,
					 .addr = at });
		if (n->references->in_edges[o] != UINT32_MAX)
			n->references->in_edges[o]++;
	}
	buf_release(&name);
}

void roots_build(struct root_scan *r, const struct references *refs,
		 const struct module_set *modules, struct model *m)
{
	struct naming n = { r, refs, modules, m };

	/* First what is certain: it explains reference counts. */
	if (refs->in_edges)
		for (size_t i = 0; i < r->nranges; i++)
			if (r->ranges[i].kind == ROOT_GLOBAL)
				build_static_objects(&n, &r->ranges[i]);
	for (size_t i = 0; i < r->nranges; i++)
		build_range(&n, &r->ranges[i]);
}
