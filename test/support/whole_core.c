/* SPDX-License-Identifier: Apache-2.0 */
#include "whole_core.h"

enum { STACK_BYTES = 4096, LINE = 64 };

#define STACK ((taddr)0x7ffd00000000)

/* The main thread's stack, with words that hold a block and an object. */
static void add_stack(struct made_core *made, const struct whole_core *c, uint64_t *stack)
{
	const size_t top = STACK_BYTES / 8;

	stack[top - 8] = c->block;
	stack[top - 6] = c->object;
	stack[top - 5] = c->block + 8;
	stack[top - 2] = STACK;
	made_core_segment(made, (struct made_segment){ STACK, STACK_BYTES, STACK_BYTES,
						       stack, PF_R | PF_W });
}

static void add_notes(struct made_core *made)
{
	const uint64_t auxv[] = { AT_ENTRY,       0x401000, AT_SYSINFO_EHDR,
				  0x7ffe00000000, AT_NULL,  0 };

	made_core_thread(made, 4713, 11, STACK + STACK_BYTES - 64, WHOLE_THREAD);
	made_core_process(made, 4713, "whole");
	made_core_note(made, "CORE", NT_AUXV, auxv, sizeof(auxv));
	made_core_files(made);
	made_core_thread(made, 4714, 0, STACK + 64, 0);
}

static bool is_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static void find_places(struct whole_core *c)
{
	c->places = xcalloc(c->n, sizeof(*c->places));
	for (size_t at = 0; at < c->n; at += LINE) {
		size_t n = (size_t)min_u64(LINE, c->n - at);

		for (size_t i = 0; i < n && !is_zero(c->bytes + at, n); i++)
			c->places[c->nplaces++] = at + i;
	}
}

void whole_core_make(struct whole_core *c)
{
	uint64_t stack[STACK_BYTES / 8] = { 0 };
	struct made_core made;
	int fd;

	*c = (struct whole_core){ 0 };
	made_core_init(&made);
	whole_core_add_heap(&made, c);
	whole_core_add_python(&made, c);
	add_stack(&made, c, stack);
	add_notes(&made);
	fd = made_core_open(&made);
	c->n = made.size;
	c->bytes = xcalloc(c->n, 1);
	if (pread(fd, c->bytes, c->n, 0) != (ssize_t)c->n)
		abort();
	close(fd);
	made_core_release(&made);
	find_places(c);
}

void whole_core_release(struct whole_core *c)
{
	free(c->bytes);
	free(c->places);
}
