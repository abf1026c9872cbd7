/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_python.h"
#include "whole_core.h"

enum { BLOCK = 64, TEXT_SLAB = 0, LIST_SLAB = 1, INSTANCE_SLAB = 2 };

#define FAKE_LIST (FAKE_TYPES + 0x1400)
#define FAKE_CODE (FAKE_DATA - PAGE_SIZE_4K)
#define FAKE_VERSION (FAKE_DATA + 0x70000)

static taddr add_text(struct fake_python *f, taddr at, const char *ascii)
{
	const struct cpy_layout *l = f->l;

	fake_object(f, at, FAKE_STR);
	fake_put(f, at + l->text.length, strlen(ascii));
	fake_put32(f, at + l->text.state, 1 << 2 | 1 << 5 | 1 << 6 | 1 << 7);
	strcpy((char *)fake_at(f, at + l->text.ascii_size), ascii);
	return at;
}

/* A list behind its head of the collector's, on the oldest list. */
static taddr add_list(struct fake_python *f, taddr node, taddr items, size_t n)
{
	taddr list = node + CPY_GC_HEAD, head = fake_list(f, 2), last;

	memcpy(&last, fake_at(f, head + 8), sizeof(last));
	fake_link(f, last, node);
	fake_link(f, node, head);
	fake_object(f, list, FAKE_LIST);
	fake_put(f, list + 16, n);
	fake_put(f, list + f->l->list_items, items);
	fake_put(f, list + f->l->list_allocated, n + 1);
	return list;
}

static void build(struct fake_python *f, struct whole_core *c)
{
	taddr slab, items = FAKE_HEAP + 0x1000;

	fake_fill(f);
	fake_type(f, FAKE_LIST, "list", CPY_HAVE_GC | CPY_LIST_SUBCLASS);
	slab = fake_slab(f, TEXT_SLAB, BLOCK, 3);
	for (uint32_t i = 0; i < 3; i++)
		fake_put(f, items + 8 * (taddr)i,
			 add_text(f, fake_block(slab, BLOCK, i), "user:17"));
	c->text = fake_block(slab, BLOCK, 0);
	slab = fake_slab(f, LIST_SLAB, BLOCK, 2);
	c->object = add_list(f, fake_block(slab, BLOCK, 0), items, 3);
	add_list(f, fake_block(slab, BLOCK, 1), 0, 0);
	fake_put(f, items + 24, c->object); /* behind its items: room that is not used */
	strcpy((char *)fake_at(f, FAKE_VERSION), "3.11.2 (main, Mar 13 2023)");
	fake_put(f, fake_thread(f) + f->l->thread.thread_id, WHOLE_THREAD);
}

void whole_core_add_python(struct made_core *made, struct whole_core *c)
{
	static struct fake_python f;
	const struct made_segment all[] = {
		{ FAKE_CODE, PAGE_SIZE_4K, 0, NULL, PF_R | PF_X },
		{ FAKE_DATA, FAKE_DATA_SIZE, FAKE_DATA_SIZE, f.data, PF_R | PF_W },
		{ FAKE_HEAP, FAKE_HEAP_SIZE, FAKE_HEAP_SIZE, f.heap, PF_R | PF_W },
		{ FAKE_ARENA, FAKE_ARENA_SIZE, FAKE_ARENA_SIZE, f.arena, PF_R | PF_W },
	};

	memset(&f, 0, sizeof(f));
	build(&f, c);
	for (size_t i = 0; i < countof(all); i++)
		made_core_segment(made, all[i]);
	made_core_file(made, FAKE_CODE, FAKE_DATA, 0, "/lib/libfake.so");
	made_core_file(made, FAKE_DATA, FAKE_DATA + FAKE_DATA_SIZE, 1, "/lib/libfake.so");
}
