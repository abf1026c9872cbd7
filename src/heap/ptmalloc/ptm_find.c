/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where is main_arena, in a libc without symbols, in a process that runs on meanwhile?
 *
 * An arena holds 127 bin headers, 16 bytes apart; an empty one points to itself: both of
 * its words hold the address 16 bytes before them. So we look for one such word pair, and
 * try the up to 127 places where the array could begin for it: all headers must be empty
 * or point to chunks that point back. Then the ring: arenas are linked in a circle, and
 * only the right row of layouts leads back to where it began.
 *
 *      arena -> | mutex flags .. top | bin 1 | bin 2 | ... | bin 127 | binmap | next ..|
 *                                    ^-- fd bk, each = this - 16 when empty
 *
 * Searched first is the libc's own data, then (static programs, unknown names) all
 * private memory. The libc file is a second witness: main_arena.next is initialised to
 * &main_arena, so the file has one relocation whose target lies exactly `next` bytes
 * before its place. Version strings are only told, never used.
 */
#include "heap/ptmalloc/ptm_int.h"
#include <stdio.h>
#include <stdlib.h>

enum {
	BINS_BYTES = PTM_NBINS * 16,
	TRIES = 5, /* the process runs: bins may be mid-update */
	/* mp_ lies 0x900..0x940 before main_arena in shared libraries, 0xa0 in static ones */
	MP_REACH = 0x4000,
	MMAPS_MAX = 65536, /* DEFAULT_MMAP_MAX */
	STACK_USUAL = 8 << 20,
	OTHERS_MIN = 64 << 20,
};

/* What was found, and what the witnesses say. */
struct find {
	const struct mem *mem;
	taddr arena; /* main_arena */
	const struct ptm_state_layout *state;
};

bool ptm_is_anonymous(const struct mem_region *r)
{
	if ((r->prot & (PROT_R | PROT_W)) != (PROT_R | PROT_W) || r->prot & PROT_SHARED)
		return false;
	if (r->flags & REGION_IO)
		return false;
	if (!(r->flags & REGION_HAS_FILE))
		return r->name[0] == '\0' || r->name[0] == '[';
	/* private huge pages: what glibc.malloc.hugetlb=2 maps */
	return strncmp(r->name, "/anon_hugepage", 14) == 0;
}

const struct ptm_heap_layout *ptm_heap_layout_of(const struct mem *mem, taddr arena)
{
	for (size_t i = 0; i < ptm_nheap_layouts; i++) {
		const struct ptm_heap_layout *l = &ptm_heap_layouts[i];
		taddr heap = arena - l->size;

		if (heap % PAGE_SIZE_4K == 0 && ptm_word(mem, heap + l->arena) == arena &&
		    ptm_word(mem, heap + l->prev) == 0)
			return l;
	}
	return NULL;
}

/* Are these 127 headers, the first at `bins`? One empty one at least: else any array of
 * pointers would have to be followed. */
static bool are_bins(const struct mem *mem, taddr bins)
{
	uint64_t word[PTM_NBINS * 2];
	size_t empty = 0;

	if (!mem_read(mem, bins, word, sizeof(word)))
		return false;
	for (size_t i = 0; i < PTM_NBINS; i++) {
		taddr head = bins + 16 * i - 16, fd = word[2 * i], bk = word[2 * i + 1];

		if (fd == head && bk == head)
			empty++;
		else if (fd == 0 || bk == 0 || fd % PTM_ALIGN || bk % PTM_ALIGN)
			return false;
	}
	if (empty == 0)
		return false;
	for (size_t i = 0; i < PTM_NBINS; i++) {
		taddr head = bins + 16 * i - 16, fd = word[2 * i], bk = word[2 * i + 1];

		if (fd == head && bk == head)
			continue;
		if (ptm_word(mem, fd + 24) != head || ptm_word(mem, bk + 16) != head)
			return false;
	}
	return true;
}

/* The first arena of the ring through `start` that lies in no heap; 0: no ring. */
static taddr ring_main(const struct mem *mem, taddr start,
		       const struct ptm_state_layout *l)
{
	taddr at = start, main = 0;

	for (size_t i = 0; i < PTM_MAX_ARENAS; i++) {
		if (!main && !ptm_heap_layout_of(mem, at))
			main = at;
		at = ptm_word(mem, at + l->next);
		if (at == start)
			return main;
		if (at == 0 || at % 8)
			return 0;
	}
	return 0;
}

/* Whole pages, and no more than there ever were. */
static bool is_system_mem(const struct mem *mem, taddr arena,
			  const struct ptm_state_layout *l)
{
	uint64_t now = ptm_word(mem, arena + l->system_mem);
	uint64_t most = ptm_word(mem, arena + l->max_system_mem);

	return now % PAGE_SIZE_4K == 0 && most % PAGE_SIZE_4K == 0 && now <= most;
}

/* Does what follows `next` read so in each arena of a ring that closes? Sizes are pages
 * and more than 64 KiB, a link is 0 or leads to an arena, of threads there are fewer. */
static bool is_tail(const struct mem *mem, taddr main, const struct ptm_state_layout *l)
{
	taddr at = main;

	do {
		taddr free = l->next_free ? ptm_word(mem, at + l->next_free) : 0;

		if (!is_system_mem(mem, at, l) ||
		    (free && free != main && !ptm_heap_layout_of(mem, free)))
			return false;
		if (l->attached && ptm_word(mem, at + l->attached) > UINT16_MAX)
			return false;
		at = ptm_word(mem, at + l->next);
	} while (at != main);
	return true;
}

/* Of the rows that differ from l only behind `next`, the one that fits; l when none does. */
static const struct ptm_state_layout *settle_tail(const struct mem *mem, taddr main,
						  const struct ptm_state_layout *l)
{
	for (size_t i = 0; i < ptm_nstate_layouts; i++) {
		const struct ptm_state_layout *other = &ptm_state_layouts[i];

		if (other->next == l->next && is_tail(mem, main, other))
			return other;
	}
	return l;
}

/* Some version's arena with its bins at `bins`? */
static bool take_arena(struct find *f, taddr bins)
{
	if (!are_bins(f->mem, bins))
		return false;
	for (size_t i = 0; i < ptm_nstate_layouts; i++) {
		const struct ptm_state_layout *l = &ptm_state_layouts[i];
		taddr main = ring_main(f->mem, bins - l->bins, l);

		if (main == 0)
			continue;
		f->arena = main;
		f->state = settle_tail(f->mem, main, l);
		return true;
	}
	return false;
}

/* An empty bin's header at `at`: where did its array begin? */
static bool take_header(struct find *f, taddr at)
{
	for (taddr i = 0; i < PTM_NBINS; i++)
		if (take_arena(f, at - 16 * i))
			return true;
	return false;
}

static bool scan(struct find *f, struct mem_window *w, taddr start, taddr end)
{
	/* the headers next to one that failed belong to the same array */
	taddr tried = 0;

	for (taddr at = start; at < end;) {
		size_t have;
		const uint8_t *p = mem_window_at(w, at, 4096, &have);

		have = (size_t)min_u64(have, end - at);
		for (size_t i = 0; p && i + 16 <= have; i += 8) {
			uint64_t pair[2];

			memcpy(pair, p + i, 16);
			if (pair[0] != pair[1] || pair[0] != at + i - 16 ||
			    at + i < tried)
				continue;
			if (take_header(f, at + i))
				return true;
			tried = at + i + BINS_BYTES;
			p = mem_window_at(w, at, 4096, &have);
			have = (size_t)min_u64(have, end - at);
			if (!p)
				break;
		}
		/* a pair may straddle two pieces */
		at += p && have > 16 ? (have - 8) & ~(size_t)7 : max_u64(have, 8);
		at = max_u64(at, align_down(mem_next_data(f->mem, at), 8));
	}
	return false;
}

/* The module's writable mappings, and the anonymous one that follows the last (its bss). */
static bool scan_module(struct find *f, struct mem_window *w, const struct module *module)
{
	taddr end = 0;

	for (size_t i = 0; i < f->mem->nregions; i++) {
		const struct mem_region *r = &f->mem->regions[i];
		bool inside = r->start >= module->start && r->start < module->end;

		if (!inside && !(r->start == end && ptm_is_anonymous(r)))
			continue;
		end = r->end;
		if ((r->prot & (PROT_R | PROT_W)) == (PROT_R | PROT_W) &&
		    scan(f, w, r->start, r->end))
			return true;
	}
	return false;
}

static bool scan_everything(struct find *f, struct mem_window *w)
{
	for (size_t i = 0; i < f->mem->nregions; i++) {
		const struct mem_region *r = &f->mem->regions[i];

		if ((r->prot & (PROT_R | PROT_W | PROT_SHARED)) == (PROT_R | PROT_W) &&
		    !(r->flags & REGION_IO) && scan(f, w, r->start, r->end))
			return true;
	}
	return false;
}

static bool is_libc(const struct module *module)
{
	const char *slash = strrchr(module->path, '/');
	const char *name = slash ? slash + 1 : module->path;

	return strncmp(name, "libc.so.6", 9) == 0 || strncmp(name, "libc-2.", 7) == 0;
}

static const struct module *find_libc(const struct module_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		if (is_libc(&set->modules[i]))
			return &set->modules[i];
	return NULL;
}

/* ---- the file's own word ---- */

struct self_link {
	uint64_t vaddr; /* of main_arena; 0 none */
	const struct ptm_state_layout *state;
	size_t hits;
};

static bool see_relative(void *context, uint64_t where, uint64_t target)
{
	struct self_link *s = context;

	for (size_t i = 0; i < ptm_nstate_layouts; i++)
		if (where - target == ptm_state_layouts[i].next) {
			s->vaddr = target;
			s->state = &ptm_state_layouts[i];
			s->hits++;
			break; /* rows may differ behind `next` only */
		}
	return true;
}

static struct self_link find_self_link(const struct module *module)
{
	struct self_link s = { 0 };

	if (module && module->image)
		image_each_relative(module->image, see_relative, &s);
	if (s.hits != 1)
		s.vaddr = 0;
	return s;
}

/* ---- mp_ ---- */

static uint64_t word_at(const uint8_t *p, size_t offset)
{
	uint64_t v;

	memcpy(&v, p + offset, 8);
	return v;
}

static uint32_t int_at(const uint8_t *p, size_t offset)
{
	uint32_t v;

	memcpy(&v, p + offset, 4);
	return v;
}

/* Before the tcache there is less to know one by. So: the greatest number of mappings is
 * glibc's own or no_dyn_threshold says that somebody set it (do_set_mmaps_max), and a chunk
 * begins where the break did. */
static bool is_old_par(const struct mem *mem, const uint8_t *p,
		       const struct ptm_par_layout *l)
{
	uint32_t is_set = int_at(p, l->max_n_mmaps + 4u);
	taddr base = word_at(p, l->sbrk_base);
	uint64_t head;

	if (is_set > 1 || (!is_set && int_at(p, l->n_mmaps_max) != MMAPS_MAX))
		return false;
	if (l->pagesize && int_at(p, l->pagesize) != PAGE_SIZE_4K)
		return false;
	if (l->max_total_mem && word_at(p, l->max_total_mem) != 0)
		return false;
	if (base == 0 || !mem_region_at(mem, base))
		return false;
	return !mem_load(mem, align_up(base, PTM_ALIGN) + 8, &head) ||
	       ((head & PTM_PREV_INUSE) && head >= PTM_MIN_CHUNK);
}

/* Does p read as a malloc_par of this row? Structure first: counters below their maxima,
 * whole pages, a break start that is in memory. Tunables may hold anything. */
static bool is_par(const struct mem *mem, const uint8_t *p,
		   const struct ptm_par_layout *l)
{
	uint64_t n = int_at(p, l->n_mmaps), max_n = int_at(p, l->max_n_mmaps);
	uint64_t bytes = word_at(p, l->mmapped_mem), max = word_at(p, l->max_mmapped_mem);
	uint64_t base = word_at(p, l->sbrk_base);
	uint64_t unit = l->mmapped_drifts ? PTM_HEADER : PAGE_SIZE_4K;

	if (n > max_n || bytes > max || (n == 0) != (bytes == 0) ||
	    (max_n == 0) != (max == 0))
		return false;
	if (bytes % unit || max % unit || bytes < n * PAGE_SIZE_4K)
		return false;
	if (l->tcache_bins == 0)
		return is_old_par(mem, p, l);
	if (word_at(p, l->tcache_bins) != 64 || word_at(p, l->tcache_count) > UINT16_MAX)
		return false;
	if (word_at(p, l->tcache_max_bytes) < 0x18)
		return false;
	return base == 0 || mem_region_at(mem, base) != NULL;
}

/* The last place in [start, end) that reads as a malloc_par; 0: none. */
static taddr last_par(const struct mem *mem, const struct ptm_par_layout *l, taddr start,
		      taddr end)
{
	uint8_t bytes[MP_REACH];

	if (end - start < l->size || !mem_read(mem, start, bytes, end - start))
		return 0;
	for (taddr at = align_down(end - l->size, 8); at >= start; at -= 8)
		if (is_par(mem, bytes + (at - start), l))
			return at;
	return 0;
}

/* Is there a release that has both? */
static bool go_together(const struct ptm_state_layout *s, const struct ptm_par_layout *l)
{
	return s->first <= l->last && l->first <= s->last &&
	       s->shared_arenas == l->shared_arenas;
}

/* Neighbours in .data: mp_ comes shortly before main_arena, or else after it. */
static void find_par(const struct mem *mem, struct ptm_places *p)
{
	const struct mem_region *r = mem_region_at(mem, p->main_arena);
	taddr after = p->main_arena + p->state->size;

	for (size_t i = 0; r && i < ptm_npar_layouts && !p->mp; i++) {
		const struct ptm_par_layout *l = &ptm_par_layouts[i];

		if (!go_together(p->state, l))
			continue;
		p->par = l;
		p->mp = last_par(mem, l, max_u64(r->start, p->main_arena - MP_REACH),
				 p->main_arena);
		if (!p->mp && after < r->end)
			p->mp = last_par(mem, l, after,
					 min_u64(r->end, after + MP_REACH));
	}
}

/* ---- telling ---- */

/* "2.36" of the file's own gnu_get_libc_version: `lea rax, [rip + x]; ret`. Evidence. */
static struct str libc_version(const struct image *img)
{
	uint64_t vaddr, size;
	const uint8_t *code;
	const char *text;
	int32_t to;
	size_t skip;

	if (!image_find_symbol(img, "gnu_get_libc_version", &vaddr, &size))
		return (struct str){ NULL, 0 };
	code = image_bytes(img, vaddr, 12);
	if (!code)
		return (struct str){ NULL, 0 };
	skip = memcmp(code, "\xf3\x0f\x1e\xfa", 4) == 0 ? 4 : 0; /* endbr64 */
	if (memcmp(code + skip, "\x48\x8d\x05", 3) != 0)
		return (struct str){ NULL, 0 };
	memcpy(&to, code + skip + 3, 4);
	text = (const char *)image_bytes(img, vaddr + skip + 7 + (uint64_t)(int64_t)to,
					 8);
	if (!text || memcmp(text, "2.", 2) != 0)
		return (struct str){ NULL, 0 };
	return (struct str){ text, strnlen(text, 8) };
}

static void name_places(struct ptm_places *p, const struct module *module)
{
	struct str version = { NULL, 0 };

	if (module && module->image)
		version = libc_version(module->image);
	if (version.n)
		snprintf(p->base.name, sizeof(p->base.name), "glibc %.*s", (int)version.n,
			 version.s);
	else
		snprintf(p->base.name, sizeof(p->base.name), "glibc (%s by its layout)",
			 p->state->versions);
}

static void tell_library(struct model *m, const struct module *module, const char *name)
{
	struct str id = { NULL, 0 };
	struct buf evidence = { 0 };

	if (!module)
		return;
	if (module->image)
		id = image_build_id(module->image);
	if (id.n)
		buf_printf(&evidence, "build-id %.*s", (int)id.n, id.s);
	else if (!module->image)
		buf_printf(&evidence, "file not read: %s", module->missing);
	else
		buf_str(&evidence, "the file has no build-id");
	buf_printf(&evidence, ", in %s", module->path);
	model_evidence(m, "allocator", name, evidence.s, "");
	buf_release(&evidence);
}

static const char *untested(bool is_untested)
{
	return is_untested
		       ? "untested: from glibc's source alone, no such libc was at hand"
		       : "";
}

static void tell_witness(struct model *m, const struct ptm_places *p,
			 const struct module *own, const struct self_link *s)
{
	static const char item[] = "main_arena, second witness";

	if (s->vaddr && own && own->bias + s->vaddr == p->main_arena &&
	    s->state->next == p->state->next)
		model_evidence(m, item, "agrees",
			       "the file's relocation of main_arena.next to main_arena",
			       "");
	else if (s->vaddr)
		model_evidence(m, item, "disagrees",
			       "the file relocates another place to itself",
			       "trust the memory; the file may not be the one that runs");
	else
		model_evidence(m, item, "none",
			       "the file has no relocation of main_arena.next (static "
			       "program, or no file, or before 2.15)",
			       "");
}

static void tell_par(struct model *m, const struct ptm_places *p)
{
	bool before = p->mp < p->main_arena;
	char answer[96], evidence[96];

	if (!p->mp) {
		model_evidence(m, "mp_", "not found", "nothing near main_arena fits",
			       "mmapped chunks cannot be checked against malloc's count");
		return;
	}
	snprintf(answer, sizeof(answer), "0x%llx, layout %s", (unsigned long long)p->mp,
		 p->par->versions);
	snprintf(evidence, sizeof(evidence),
		 "counters that fit, 0x%llx bytes %s main_arena",
		 (unsigned long long)(before ? p->main_arena - p->mp
					     : p->mp - p->main_arena),
		 before ? "before" : "after");
	model_evidence(m, "mp_", answer, evidence, untested(p->par->untested));
}

static void tell_arena(struct model *m, const struct ptm_places *p,
		       const struct module *own, const struct self_link *s,
		       bool everywhere)
{
	char answer[96], evidence[256];

	snprintf(answer, sizeof(answer), "0x%llx", (unsigned long long)p->main_arena);
	snprintf(evidence, sizeof(evidence),
		 "127 bin headers that point back, found in %s",
		 everywhere ? "all private memory" : "the library's data");
	model_evidence(m, "main_arena", answer, evidence, "");
	tell_witness(m, p, own, s);
	snprintf(evidence, sizeof(evidence),
		 "the arena ring closes at offset %u, and no other row fits",
		 p->state->next);
	model_evidence(m, "layout of malloc_state", p->state->versions, evidence,
		       untested(p->state->untested));
	tell_par(m, p);
}

/* coredump_filter left it out, or the file was cut short. */
static bool lacks_data(const struct mem *mem, const struct module *libc)
{
	for (size_t i = 0; libc && i < mem->nregions; i++) {
		const struct mem_region *r = &mem->regions[i];
		uint8_t first;

		if (r->start >= libc->start && r->start < libc->end &&
		    (r->prot & PROT_W) && mem_load(mem, r->start, &first))
			return false;
	}
	return libc != NULL;
}

/* Why there is no heap to walk: in evidence, and in short. */
static const char *tell_none(struct model *m, const struct mem *mem,
			     const struct module *libc, const struct self_link *s)
{
	taddr arena = s->vaddr ? libc->bias + s->vaddr : 0;

	if (lacks_data(mem, libc)) {
		model_evidence(m, "main_arena", "not there",
			       "the core lacks the library's data, where it is",
			       "a whole core, with bit 0 of coredump_filter");
		return "the core lacks the data of its libc";
	}
	if (arena == 0) {
		model_evidence(m, "main_arena", "not found",
			       "127 bin headers that point back are nowhere in private "
			       "memory",
			       "another allocator, or a core that lacks the data of "
			       "libc: its memory counts as mappings");
		return "main_arena is nowhere in memory";
	}
	if (ptm_word(mem, arena + s->state->top) == 0) {
		model_evidence(m, "main_arena", "not initialised",
			       "the libc's malloc was never called in this process",
			       "another allocator, or a program that allocates nothing");
		return "its malloc was never called";
	}
	model_evidence(m, "main_arena", "damaged",
		       "the file says where it is, but its bins do not point back",
		       "try again: the process was running");
	return "main_arena is damaged, or was changing";
}

/* What glibc has of the private memory, by its own counts. */
static uint64_t own_memory(const struct mem *mem, const struct ptm_places *p)
{
	const struct ptm_state_layout *l = p->state;
	taddr arena = p->main_arena;
	uint64_t bytes = p->mp ? ptm_word(mem, p->mp + p->par->mmapped_mem) : 0;

	for (size_t i = 0; i < PTM_MAX_ARENAS && arena; i++) {
		bytes += ptm_word(mem, arena + l->system_mem);
		arena = ptm_word(mem, arena + l->next);
		if (arena == p->main_arena)
			break;
	}
	return bytes;
}

/* A glibc heap that is small beside the rest of private memory: then somebody else hands
 * out memory too. Stacks are allowed for by their usual size; what is left must be large. */
static void tell_others(const struct mem *mem, const struct ptm_places *p,
			struct model *m)
{
	uint64_t anonymous = 0, own = own_memory(mem, p), usual;
	char answer[96], evidence[128];

	for (size_t i = 0; i < mem->nregions; i++)
		if (ptm_is_anonymous(&mem->regions[i]))
			anonymous += mem->regions[i].end - mem->regions[i].start;
	usual = own + OTHERS_MIN + mem->nthreads * STACK_USUAL;
	if (anonymous < usual || anonymous - usual < 4 * own)
		return;
	snprintf(answer, sizeof(answer), "%llu MiB of private memory are not glibc's",
		 (unsigned long long)((anonymous - own) >> 20));
	snprintf(evidence, sizeof(evidence),
		 "glibc's heaps have %llu MiB by their own count",
		 (unsigned long long)(own >> 20));
	model_evidence(m, "other memory", answer, evidence,
		       "mapped directly or by another allocator; it counts as mappings");
}

static bool find_arena(struct find *f, struct mem_window *w, const struct module *libc)
{
	return libc ? scan_module(f, w, libc) : scan_everything(f, w);
}

struct heap_places *ptm_locate(struct mem *mem, const struct module_set *modules,
			       struct model *m, const char **why)
{
	const struct module *libc = find_libc(modules), *own;
	struct find f = { .mem = mem };
	struct mem_window *w = NULL;
	struct self_link link = find_self_link(libc);
	struct ptm_places *p;

	if (!libc) /* reading memory never touched would cost time, and the target tables */
		mem_learn_pages(mem);
	for (int i = 0; i < TRIES && !f.state; i++) {
		/* a window keeps what it read */
		mem_window_free(w);
		w = mem_window_new(mem);
		find_arena(&f, w, libc);
	}
	mem_window_free(w);
	if (!f.state) {
		*why = tell_none(m, mem, libc, &link);
		return NULL;
	}
	own = libc ? libc : module_at(modules, f.arena);
	if (!libc)
		link = find_self_link(own);
	p = xcalloc(1, sizeof(*p));
	p->base.allocator = &ptmalloc;
	p->main_arena = f.arena;
	p->state = f.state;
	find_par(mem, p);
	name_places(p, own);
	tell_library(m, own, p->base.name);
	tell_arena(m, p, own, &link, !libc);
	ptm_find_text(p, own, m);
	tell_others(mem, p, m);
	return &p->base;
}
