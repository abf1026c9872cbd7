/* SPDX-License-Identifier: Apache-2.0 */
#include "mem/smaps_int.h"

#include "mem/proc_int.h"
#include <stdlib.h>
#include <string.h>

/* VmFlags that change how we read (Linux Documentation/filesystems/proc.rst). */
static const struct {
	char word[3];
	uint8_t flag;
} vm_flags[] = {
	{ "dc", REGION_DONTFORK },   { "wf", REGION_WIPEONFORK },
	{ "ht", REGION_HUGETLB },    { "um", REGION_USERFAULT },
	{ "uw", REGION_USERFAULT },  { "ui", REGION_USERFAULT },
	{ "io", REGION_IO },         { "pf", REGION_IO },
	{ "gu", REGION_HAS_GUARDS }, { "dd", REGION_DONTDUMP },
};

static uint8_t parse_vm_flags(const char *at)
{
	uint8_t flags = 0;

	for (; *at && *at != '\n'; at += strcspn(at, " \n"), at += strspn(at, " "))
		for (size_t i = 0; i < countof(vm_flags); i++)
			if (strncmp(at, vm_flags[i].word, 2) == 0)
				flags |= vm_flags[i].flag;
	return flags;
}

static bool parse_head(const char *line, struct smaps_entry *entry)
{
	char *end;

	*entry = (struct smaps_entry){ .start = strtoull(line, &end, 16) };
	if (end == line || *end != '-')
		return false;
	entry->end = strtoull(end + 1, &end, 16);
	return *end == ' ' && entry->start < entry->end;
}

static void parse_line(const char *line, struct smaps_entry *entry)
{
	if (strncmp(line, "Rss:", 4) == 0)
		entry->rss = strtoull(line + 4, NULL, 10) * 1024;
	else if (strncmp(line, "Swap:", 5) == 0)
		entry->swap = strtoull(line + 5, NULL, 10) * 1024;
	else if (strncmp(line, "AnonHugePages:", 14) == 0)
		entry->huge = strtoull(line + 14, NULL, 10) * 1024;
	else if (strncmp(line, "VmFlags:", 8) == 0)
		entry->flags = parse_vm_flags(line + 8 + strspn(line + 8, " "));
}

static void add_entry(struct smaps *s, size_t *cap, const struct smaps_entry *entry)
{
	if (s->n == *cap) {
		*cap = *cap ? 2 * *cap : 256;
		s->entries = xrealloc(s->entries, *cap, sizeof(*entry));
	}
	s->entries[s->n++] = *entry;
}

static uint64_t without(uint64_t all, uint64_t before)
{
	return all - min_u64(all, before);
}

void smaps_part(struct smaps *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct smaps_entry e = s->entries[i];
		const struct smaps_entry *before = n ? &s->entries[n - 1] : NULL;

		if (before && e.end <= before->end)
			continue;
		if (before && e.start < before->end) {
			e.start = before->end;
			e.rss = without(e.rss, before->rss);
			e.swap = without(e.swap, before->swap);
			e.huge = without(e.huge, before->huge);
		}
		s->entries[n++] = e;
	}
	s->n = n;
}

bool smaps_read(pid_t pid, struct smaps *out)
{
	struct buf text = { 0 };
	struct smaps_entry entry;
	size_t cap = 0;

	*out = (struct smaps){ 0 };
	if (!proc_read(pid, "smaps", &text)) {
		buf_release(&text);
		return false;
	}
	for (const char *line = text.s; *line; line += *line == '\n') {
		if (parse_head(line, &entry))
			add_entry(out, &cap, &entry);
		else if (out->n)
			parse_line(line, &out->entries[out->n - 1]);
		line += strcspn(line, "\n");
	}
	buf_release(&text);
	smaps_part(out);
	return true;
}

void smaps_release(struct smaps *s)
{
	free(s->entries);
	*s = (struct smaps){ 0 };
}

/* What of an entry's memory can lie in `overlap` bytes is taken out of it. */
static uint64_t take(uint64_t *left, uint64_t overlap)
{
	uint64_t taken = min_u64(*left, overlap);

	*left -= taken;
	return taken;
}

/* What of an entry lies in r becomes r's. False: nothing does. */
static bool share_entry(struct smaps_entry *left, struct mem_region *r)
{
	uint64_t start = max_u64(left->start, r->start), end = min_u64(left->end, r->end);

	if (start >= end)
		return false;
	r->flags |= left->flags;
	r->rss += take(&left->rss, end - start);
	r->swap += take(&left->swap, end - start);
	r->huge += take(&left->huge, end - start);
	return true;
}

/*
 * The target ran on before smaps was read, so that an entry may span several regions: a heap
 * has grown into what was reserved for it. Each region takes no more than it can hold, the
 * first one first, and no byte counts twice.
 */
void smaps_apply(const struct smaps *s, struct mem *m, uint64_t unknown)
{
	struct smaps_entry left = { 0 };
	size_t e = 0;

	if (s->n > 0)
		left = s->entries[0];
	for (size_t i = 0; i < m->nregions; i++) {
		struct mem_region *r = &m->regions[i];
		bool seen = false;

		r->rss = r->swap = r->huge = 0;
		while (e < s->n && left.start < r->end) {
			seen |= share_entry(&left, r);
			if (left.end > r->end)
				break;
			if (++e < s->n)
				left = s->entries[e];
		}
		if (!seen)
			r->rss = unknown;
	}
}
