/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cores, from their headers to the model. An input that begins as an ELF file does is a
 * core as it is. Any other is a list of changes, twelve bytes each, to a core that is whole:
 * where (a byte that says something; headers and notes twice as often), how (set, add, xor,
 * point somewhere), what. Whatever comes of it: it ends, and what is told can be shown.
 */
#include "../support/whole_core.h"

#include "analysis/analysis.h"
#include "collect/collect.h"
#include "mem/mem.h"
#include <fcntl.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANGE = 12, MAX_CHANGES = 100, WIDTHS = 4, REGIONS_READ = 64 };

static void change(const struct whole_core *whole, uint8_t *bytes, const uint8_t *c)
{
	const taddr points[] = { whole->object, whole->text, whole->block, WHOLE_THREAD };
	size_t place = (c[0] | (size_t)c[1] << 8) % whole->nplaces;
	size_t at = whole->places[c[3] & 0x80 ? place / 8 : place];
	size_t width = (size_t)1 << (c[3] >> 2) % WIDTHS;
	uint64_t what, old = 0;

	at = min_u64(at - at % width, whole->n - width);
	memcpy(&what, c + 4, sizeof(what));
	memcpy(&old, bytes + at, width);
	switch (c[3] % 4) {
	case 0:
		break;
	case 1:
		what = old + (what & 0xfff);
		break;
	case 2:
		what ^= old;
		break;
	default:
		what = points[what % countof(points)] + (what >> 8 & 0xfff8);
	}
	memcpy(bytes + at, &what, width);
}

/* What every reader does: names, ends, first and last bytes of every region. */
static uint64_t look_around(const struct mem *m)
{
	uint64_t sum = strlen(core_process(m)->name);

	for (size_t i = 0; i < m->nregions && i < REGIONS_READ; i++) {
		const struct mem_region *r = &m->regions[i];
		uint64_t words[64] = { 0 };

		assert(r->start < r->end && (!i || r->start >= m->regions[i - 1].end));
		sum += strlen(r->name) + mem_range_end(m, r->start);
		sum += mem_next_data(m, r->start);
		if (mem_load(m, r->start, &words) || mem_load(m, r->end - 8, &words[1]))
			sum += words[0] + words[1];
	}
	return sum;
}

static void open_core(int fd)
{
	struct mem *m;
	struct err e = { 0 };

	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (mem_open_core(fd, "input", &m, &e)) {
		volatile uint64_t sum = look_around(m);

		(void)sum;
		mem_close(m);
		return;
	}
	assert(e.kind == ERR_FILE && e.text[0]);
	close(fd);
}

static void read_core(const uint8_t *bytes, size_t n)
{
	const struct collect_options o = {
		.edges = true, .values = true, .previews = true, .sysroot = "/nonexistent"
	};
	int fd = memfd_create("input", MFD_CLOEXEC);
	struct model *m = NULL;
	struct err e = { 0 };
	char path[64];

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		abort();
	open_core(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (collect_target(path, &o, &m, &e))
		dominators_build(m);
	else
		assert(e.text[0]);
	model_free(m);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct whole_core whole;
	uint8_t *bytes;

	if (size >= SELFMAG && memcmp(data, ELFMAG, SELFMAG) == 0) {
		read_core(data, size);
		return 0;
	}
	if (!whole.n)
		whole_core_make(&whole);
	bytes = xcalloc(whole.n, 1);
	memcpy(bytes, whole.bytes, whole.n);
	for (size_t i = 0; i < size / CHANGE && i < MAX_CHANGES; i++)
		change(&whole, bytes, data + CHANGE * i);
	read_core(bytes, whole.n);
	free(bytes);
	return 0;
}
