/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of what each region's bytes count for (memory_walk.c).
 *
 * What a region says of itself (regions.resident, read once, by the kernel) is the truth
 * that the rows add up to. Pages were looked at in another moment, so the pieces of a
 * region are fitted to it: a surplus of pages is taken off all its pieces in proportion;
 * pages that came since are nobody's block, and have a row of their own. There is also what
 * the process has mapped since: the kernel's sum less those of the regions.
 */
#include "analysis/memory_walk_int.h"

#include <stdlib.h>

/* Where pages go that the kernel counts and no run of pages has. Those of private memory
 * came since; of files and the like few are ever looked at. */
static enum slot slot_of_surplus(const struct model *m, size_t region)
{
	return m->regions.kind[region] <= REGION_STACK ? SLOT_SINCE : SLOT_REST;
}

/* Nothing can be in it: what is came when it was made accessible since. */
static bool is_reserved(const struct model *m, size_t r)
{
	return !(m->regions.prot[r] & (PROT_R | PROT_W | PROT_X));
}

/* Makes the slots add up to `total`: see the top of this file. */
static void fit(uint64_t slots[NSLOTS], const uint64_t bytes[NSLOTS], enum slot rest,
		uint64_t total)
{
	uint64_t sum = 0, left = total;
	const uint64_t *share = slots;

	for (size_t i = 0; i < NSLOTS; i++)
		sum += slots[i];
	if (sum > 0 && sum <= total) {
		slots[rest] += total - sum;
		return;
	}
	if (sum == 0) { /* nothing is known of its pages: by what is mapped */
		share = bytes;
		for (size_t i = 0; i < NSLOTS; i++)
			sum += bytes[i];
	}
	for (size_t i = 0; i < NSLOTS && sum > 0; i++) {
		slots[i] = (uint64_t)((unsigned __int128)share[i] * total / sum);
		left -= slots[i];
	}
	for (size_t i = 0; i < NSLOTS && left > 0; i++) { /* what rounding left */
		uint64_t room = i == rest ? left : min_u64(left, bytes[i] - slots[i]);

		slots[i] += room;
		left -= room;
	}
}

static struct summary_row *row_of(struct summary *s, const char *category,
				  struct str detail)
{
	uint64_t hash = str_hash(str_of(category)) * 31 + str_hash(detail);
	uint32_t i;

	for (; map_find(&s->by_name, hash, &i); hash++)
		if (strcmp(s->rows[i].category, category) == 0 &&
		    str_equal(s->rows[i].detail, detail))
			return &s->rows[i];
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 32;
		s->rows = xrealloc(s->rows, s->cap, sizeof(*s->rows));
	}
	map_set(&s->by_name, hash, (uint32_t)s->n);
	s->rows[s->n] = (struct summary_row){ .category = category, .detail = detail };
	return &s->rows[s->n++];
}

/* The row of a slot that says all. */
static struct summary_row *slot_row(struct summary *s, enum slot slot)
{
	static const struct {
		const char *category, *detail;
	} names[] = {
		[SLOT_USED] = { "malloc", "used" },
		[SLOT_OWNED] = { "malloc", "used, by objects" },
		[SLOT_ROUNDING] = { "malloc", "rounding" },
		[SLOT_HEADER] = { "malloc", "headers" },
		[SLOT_TCACHE] = { "malloc", "free in tcache" },
		[SLOT_FASTBIN] = { "malloc", "free in fastbins" },
		[SLOT_BIN] = { "malloc", "free in bins" },
		[SLOT_TOP] = { "malloc", "top" },
		[SLOT_FENCE] = { "malloc", "fenceposts" },
		[SLOT_RECORDS] = { "malloc", "arena records" },
		[SLOT_MMAPPED] = { "mmapped malloc", "used" },
		[SLOT_OWNED_MMAPPED] = { "mmapped malloc", "used, by objects" },
		[SLOT_POOL_USED] = { "obmalloc", "used" },
		[SLOT_POOL_ROUNDING] = { "obmalloc", "rounding" },
		[SLOT_POOL_FREE] = { "obmalloc", "free in pools" },
		[SLOT_POOL_OVERHEAD] = { "obmalloc", "arena overhead" },
		[SLOT_STACK] = { "thread stacks", "others, in use" },
		[SLOT_STACK_UNUSED] = { "thread stacks", "others, unused" },
		[SLOT_OLD_STACK] = { "thread stacks", "of no thread" },
		[SLOT_TLS] = { "tls", "" },
		[SLOT_LOADER] = { "dynamic linker", "" },
		[SLOT_INTERPRETER] = { "interpreter", "" },
		[SLOT_SLACK] = { "huge-page slack", "" },
		[SLOT_SINCE] = { "since the snapshot", "" },
	};

	return row_of(s, names[slot].category, str_of(names[slot].detail));
}

/* The row of private memory that has no file. */
static struct summary_row *anonymous_row(const struct model *m, struct summary *s,
					 size_t r)
{
	struct str name = model_text(m, m->regions.name[r]);

	if (is_reserved(m, r))
		return row_of(s, "anonymous", str_of("reserved"));
	if (m->regions.module[r] != 0) /* its .bss */
		return row_of(s, "file, private",
			      model_text(m, m->modules.path[m->regions.module[r] - 1]));
	if (name.n > 0)
		return row_of(s, "anonymous", name);
	if (m->regions.prot[r] & PROT_X)
		return row_of(s, "anonymous", str_of("code"));
	return row_of(s, "unexplained", str_of("private memory"));
}

/* The row of what a region is beyond its blocks. */
static struct summary_row *rest_row(const struct model *m, struct summary *s, size_t r)
{
	struct str name = model_text(m, m->regions.name[r]);

	switch (m->regions.kind[r]) {
	case REGION_HEAP:
		return row_of(s, "malloc", str_of("reserved"));
	case REGION_STACK:
		return row_of(s, "thread stacks",
			      str_of(str_is(name, "[stack]") ? "main" : "others"));
	case REGION_FILE:
		return row_of(s, "file, shared", name);
	case REGION_SHARED:
		return row_of(s, "shared memory", name);
	case REGION_SPECIAL:
		return row_of(s, "special", name);
	case REGION_HUGE:
		return row_of(s, "hugetlb", name);
	case REGION_DEVICE:
		return row_of(s, "device", name);
	}
	return anonymous_row(m, s, r);
}

static struct summary_row *row_of_slot(const struct model *m, struct summary *s, size_t r,
				       enum slot slot)
{
	bool is_main = str_is(model_text(m, m->regions.name[r]), "[stack]");

	if (slot == SLOT_REST)
		return rest_row(m, s, r);
	if (slot == SLOT_PRIVATE)
		return row_of(s, "file, private", model_text(m, m->regions.name[r]));
	if (slot == SLOT_STACK && is_main)
		return row_of(s, "thread stacks", str_of("main, in use"));
	if (slot == SLOT_STACK_UNUSED && is_main)
		return row_of(s, "thread stacks", str_of("main, unused"));
	return slot_row(s, slot);
}

static void tally_add(const struct model *m, struct summary *s, size_t r,
		      const struct tally *t)
{
	for (enum slot i = 0; i < NSLOTS; i++) {
		struct summary_row *row;
		uint64_t count = i >= SLOT_REST ? 1 : t->starts[i];

		if (t->bytes[i] == 0 && t->resident[i] == 0 && t->swapped[i] == 0)
			continue;
		row = row_of_slot(m, s, r, i);
		row->bytes += t->bytes[i];
		row->resident += t->resident[i];
		row->swapped += t->swapped[i];
		row->count += count;
		row->has_count |= count > 0;
	}
}

static void slabs_count(const struct model *m, uint64_t counts[NSLOTS])
{
	for (size_t s = 0; s < m->slabs.n; s++) {
		uint64_t used = model_slab_used(m, s);

		counts[SLOT_POOL_USED] += used;
		counts[SLOT_POOL_FREE] += m->slabs.count[s] - used;
	}
}

static void blocks_count(const struct model *m, struct summary *s)
{
	uint64_t counts[NSLOTS] = { 0 };

	for (size_t b = 0; b < m->blocks.n; b++)
		counts[memory_slot_of_block(m, b)]++;
	slabs_count(m, counts);
	for (enum slot i = 0; i < SLOT_POOL_OVERHEAD; i++) {
		if (counts[i] == 0 || i == SLOT_RECORDS)
			continue;

		struct summary_row *row = slot_row(s, i);

		row->count = counts[i];
		row->has_count = true;
	}
}

/* What was mapped since the regions were read. */
static void add_since(const struct model *m, struct summary *s)
{
	uint64_t known = 0;

	for (size_t r = 0; r < m->regions.n; r++)
		known += m->regions.resident[r];
	if (m->processes.n > 0 && m->processes.rss[0] > known)
		slot_row(s, SLOT_SINCE)->resident += m->processes.rss[0] - known;
}

void summary_build(const struct model *m, struct summary *out)
{
	struct memory_walk w;

	*out = (struct summary){ .has_residency = model_knows_residency(m) };
	memory_walk_init(&w, m);
	blocks_count(m, out); /* first, so that malloc's rows come first */
	for (size_t r = 0; r < m->regions.n; r++) {
		struct tally t = { 0 };
		enum slot rest = slot_of_surplus(m, r);

		memory_walk_region(&w, r, &t);
		if (is_reserved(m, r))
			t.resident[SLOT_SINCE] += m->regions.resident[r];
		else
			fit(t.resident, t.bytes, rest, m->regions.resident[r]);
		fit(t.swapped, t.bytes, rest, m->regions.swapped[r]);
		tally_add(m, out, r, &t);
	}
	add_since(m, out);
	memory_walk_release(&w);
}

void summary_release(struct summary *s)
{
	free(s->rows);
	map_release(&s->by_name);
	*s = (struct summary){ 0 };
}
