/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the copies of thread-local variables lie: below a thread's pointer, each module at
 * the same distance in all threads, or, of libraries loaded later, in blocks that the
 * thread's vector (dtv) leads to.
 *
 * The dynamic linker keeps each module's distance and number in its link_map. Where in
 * there it tells debuggers: libc exports _thread_db_link_map_l_tls_offset and _modid, each
 * three words {bits, elements, offset} (glibc nptl_db/structs.def, db_info.c). The list of
 * link_maps begins in _r_debug (r_map at 8), which ld.so exports; l_addr, l_name, l_ld and
 * l_next come first (<link.h>). Without these only the program's own variables are told
 * by name: the ABI puts them right below the thread pointer.
 *
 * A thread's vector: word 1 of the thread control block leads to it (glibc
 * sysdeps/x86_64/nptl/tls.h, tcbhead_t: tcb, dtv, self), 16 bytes an entry; the one before
 * it counts them (elf/dl-tls.c).
 */
#include "collect/tls_int.h"

#include <stdlib.h>
#include <string.h>

enum {
	LINK_MAPS_MAX = 65536,
	LINK_MAP_MAX = 4096, /* bytes: more than any has */
	DISTANCE_MAX = 1 << 24,
	DTV_MAX = 65536,
	DTV_ENTRY = 16,
	CONTROL_HEAD = 704,
};

struct link_map_layout {
	uint32_t distance, number; /* offsets in a link_map */
};

/* The field's offset, as libc tells debuggers; 0: it does not. */
static uint32_t told_offset(const struct mem *mem, const struct module_set *modules,
			    const char *symbol)
{
	for (size_t i = 0; i < modules->n; i++) {
		const struct module *mod = &modules->modules[i];
		uint64_t vaddr, size;
		uint32_t told[3];

		if (!mod->image || !image_find_symbol(mod->image, symbol, &vaddr, &size))
			continue;
		if (mem_load(mem, mod->bias + vaddr, &told) && told[0] == 64 &&
		    told[2] < LINK_MAP_MAX && told[2] % 8 == 0)
			return told[2];
	}
	return 0;
}

/* The size of struct pthread, told the same way; else of its head alone (tcbhead_t). */
static uint64_t told_control(const struct mem *mem, const struct module_set *modules)
{
	for (size_t i = 0; i < modules->n; i++) {
		const struct module *mod = &modules->modules[i];
		uint64_t vaddr, size;
		uint32_t told;

		if (mod->image &&
		    image_find_symbol(mod->image, "_thread_db_sizeof_pthread", &vaddr,
				      &size) &&
		    mem_load(mem, mod->bias + vaddr, &told) && told >= CONTROL_HEAD &&
		    told <= PAGE_SIZE_4K)
			return told;
	}
	return CONTROL_HEAD;
}

static taddr first_link_map(const struct mem *mem, const struct module_set *modules)
{
	for (size_t i = 0; i < modules->n; i++) {
		const struct module *mod = &modules->modules[i];
		uint64_t vaddr, size;
		taddr map;

		if (mod->image &&
		    image_find_symbol(mod->image, "_r_debug", &vaddr, &size) &&
		    mem_load(mem, mod->bias + vaddr + 8, &map) && map != 0)
			return map;
	}
	return 0;
}

/* Of several modules with one bias (there is none but the program's 0) any is right. */
static size_t module_of_bias(const struct module_set *modules, uint64_t bias)
{
	size_t i = 0;

	while (i < modules->n && modules->modules[i].bias != bias)
		i++;
	return i;
}

static void take_link_map(struct tls_layout *t, const struct mem *mem,
			  const struct module_set *modules, taddr map,
			  const struct link_map_layout *l)
{
	uint64_t bias, distance, number;
	size_t i;

	if (!mem_load(mem, map, &bias) || !mem_load(mem, map + l->distance, &distance) ||
	    !mem_load(mem, map + l->number, &number))
		return;
	i = module_of_bias(modules, bias);
	if (i == modules->n || number == 0)
		return;
	if (distance < DISTANCE_MAX)
		t->modules[i].distance = distance;
	t->modules[i].number = number;
}

static void read_link_maps(struct tls_layout *t, const struct mem *mem,
			   const struct module_set *modules)
{
	struct link_map_layout l = {
		told_offset(mem, modules, "_thread_db_link_map_l_tls_offset"),
		told_offset(mem, modules, "_thread_db_link_map_l_tls_modid"),
	};
	taddr map = first_link_map(mem, modules);

	t->first_link_map = map;
	if (l.distance == 0 || l.number == 0)
		return;
	for (unsigned budget = LINK_MAPS_MAX; map != 0 && budget > 0; budget--) {
		take_link_map(t, mem, modules, map, &l);
		if (!mem_load(mem, map + 24, &map))
			return;
	}
}

/* The program is the module that nothing else precedes: its block ends at the pointer. */
static void guess_program(struct tls_layout *t, const struct module_set *modules)
{
	struct image_tls tls;

	for (size_t i = 0; i < modules->n; i++)
		if (t->modules[i].number != 0)
			return;
	if (modules->n > 0 && modules->modules[0].image &&
	    image_tls(modules->modules[0].image, &tls))
		t->modules[0].distance = align_up(tls.size, tls.align);
}

static uint64_t total_size(const struct module_set *modules)
{
	uint64_t total = 0;

	for (size_t i = 0; i < modules->n; i++) {
		struct image_tls tls;

		if (modules->modules[i].image &&
		    image_tls(modules->modules[i].image, &tls))
			total += min_u64(tls.size + tls.align, DISTANCE_MAX);
	}
	return min_u64(total, DISTANCE_MAX);
}

void tls_layout_read(struct tls_layout *t, const struct mem *mem,
		     const struct module_set *modules)
{
	*t = (struct tls_layout){ .n = modules->n };
	t->modules = xcalloc(modules->n + 1, sizeof(*t->modules));
	read_link_maps(t, mem, modules);
	guess_program(t, modules);
	t->control = told_control(mem, modules);
	t->reach = total_size(modules);
	for (size_t i = 0; i < t->n; i++)
		t->reach = max_u64(t->reach, t->modules[i].distance);
	t->reach = align_up(t->reach, 8);
}

void tls_layout_release(struct tls_layout *t)
{
	free(t->modules);
}

bool tls_symbol_at(const struct tls_layout *t, const struct module_set *modules,
		   uint64_t below, struct str *name, uint64_t *offset)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct module *mod = &modules->modules[i];
		uint64_t distance = t->modules[i].distance;
		struct image_tls tls;

		if (distance == 0 || below > distance || !mod->image ||
		    !image_tls(mod->image, &tls) || distance - below >= tls.size)
			continue;
		return image_tls_symbol_at(mod->image, distance - below, name, offset);
	}
	return false;
}

bool tls_vector(const struct mem *mem, taddr tls, struct address_range *out)
{
	uint64_t head[3], count;

	if (!mem_load(mem, tls, &head) || head[0] != tls || head[2] != tls ||
	    head[1] < DTV_ENTRY || head[1] % 8 ||
	    !mem_load(mem, head[1] - DTV_ENTRY, &count) || count > DTV_MAX)
		return false;
	*out = (struct address_range){ head[1] - DTV_ENTRY,
				       head[1] + (count + 1) * DTV_ENTRY };
	return true;
}

size_t tls_module_of_number(const struct tls_layout *t, uint64_t number)
{
	size_t i = 0;

	while (i < t->n && (number == 0 || t->modules[i].number != number))
		i++;
	return i;
}
