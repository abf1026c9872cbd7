/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_heap.h"
#include "whole_core.h"

enum { CHUNKS = 24 };

static void build(struct fake_heap *f, struct whole_core *c)
{
	taddr tcache = fake_start(f), chunk[CHUNKS];

	for (size_t i = 0; i < CHUNKS; i++)
		chunk[i] = fake_chunk(f, i % 3 == 2, 0x20 + 16 * (i % 5));
	for (size_t i = 0; i < CHUNKS; i += 6)
		fake_bin(f, i % 3 == 2, chunk[i]);
	fake_tcache(f, tcache, chunk[1]);
	fake_fastbin(f, 1, chunk[5]);
	fake_finish(f);
	fake_mapping(f, FAKE_MAP_SIZE, 0xff0);
	fake_set(f, chunk[3] + 16, chunk[4] + 16); /* one block refers to another */
	memcpy(fake_at(f, chunk[7] + 16), "GET /orders", 11);
	c->block = chunk[3] + 16;
}

void whole_core_add_heap(struct made_core *made, struct whole_core *c)
{
	static struct fake_heap f;
	const struct made_segment all[] = {
		{ FAKE_BREAK, FAKE_BREAK_SIZE, FAKE_BREAK_SIZE, f.brk, PF_R | PF_W },
		{ FAKE_MAP, FAKE_MAP_SIZE, FAKE_MAP_SIZE, f.map, PF_R | PF_W },
		{ FAKE_TLS, FAKE_TLS_SIZE, FAKE_TLS_SIZE, f.tls, PF_R | PF_W },
		{ FAKE_HEAP, FAKE_HEAP_SIZE, FAKE_HEAP_SIZE, f.heap, PF_R | PF_W },
		{ FAKE_LIB, 0x3000, 0x3000, f.lib, PF_R | PF_W },
	};

	static_assert(FAKE_THREAD == WHOLE_THREAD, "the thread's tcache is there");
	build(&f, c);
	for (size_t i = 0; i < countof(all); i++)
		made_core_segment(made, all[i]);
	made_core_file(made, FAKE_LIB, FAKE_LIB + 0x3000, 0, "/lib/libc.so.6");
}
