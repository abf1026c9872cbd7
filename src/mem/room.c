/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies below a thread's red zone is nobody's: below the stack pointer there is only
 * more stack. True of the main thread, whose stack is a mapping of its own, [stack], and of
 * threads that a C library started; not of a goroutine, whose stack of 2 KiB has other
 * people's memory below it. So the main thread makes the call wherever it can:
 *
 *	its stack pointer is in [stack]		below that
 *	it runs on some other stack		at the far end of [stack], which is its own
 *						all the same
 *	it has ended, or has no room		another thread, below its stack pointer
 */
#include "mem/room_int.h"

#include "mem/mem_int.h"
#include "mem/proc_int.h"
#include <stdlib.h>
#include <string.h>

enum {
	FRAMES = sizeof(((struct frames *)0)->bytes),
	NEED = FRAMES + 2 * PAGE_SIZE_4K,
};

struct room room_main_stack(pid_t via)
{
	struct buf maps = { 0 };
	struct room found = { 0, 0 };

	if (proc_read(via, "maps", &maps)) {
		size_t n;
		struct mem_region *r = regions_parse(maps.s, &n);

		for (size_t i = 0; i < n; i++)
			if (strcmp(r[i].name, "[stack]") == 0)
				found = (struct room){ r[i].start, r[i].end };
		free(r);
	}
	buf_release(&maps);
	return found;
}

static bool is_in(struct room room, taddr at)
{
	return at - room.start < room.end - room.start;
}

static bool suits(const struct seized_thread *t)
{
	return t && t->has_regs && !t->gone;
}

static bool choose_main(struct seized *s, pid_t via, struct room stack,
			struct injection *in)
{
	struct seized_thread *main = seized_find(s, s->pid);

	if (!suits(main))
		return false;
	/* A stack only grows: where there was room there is. Else look again. */
	if (!is_in(stack, main->regs.rsp) || main->regs.rsp - stack.start < NEED)
		stack = room_main_stack(via);
	in->thread = main;
	in->top = is_in(stack, main->regs.rsp) ? 0 : stack.start + FRAMES;
	return (in->top ? stack.end : main->regs.rsp) - stack.start >= NEED;
}

static bool has_room_below(const struct mem_region *r, size_t n, taddr sp)
{
	for (size_t i = 0; i < n; i++)
		if (sp - r[i].start < r[i].end - r[i].start)
			return (r[i].prot & PROT_W) && !(r[i].prot & PROT_SHARED) &&
			       sp - r[i].start >= NEED;
	return false;
}

static bool choose_other(struct seized *s, pid_t via, struct injection *in)
{
	struct buf maps = { 0 };
	struct mem_region *r = NULL;
	size_t n = 0;

	in->thread = NULL;
	in->top = 0;
	if (proc_read(via, "maps", &maps))
		r = regions_parse(maps.s, &n);
	for (size_t i = 0; i < s->n && !in->thread; i++)
		if (suits(&s->threads[i]) && s->threads[i].tid != s->pid &&
		    has_room_below(r, n, s->threads[i].regs.rsp))
			in->thread = &s->threads[i];
	free(r);
	buf_release(&maps);
	return in->thread != NULL;
}

bool room_choose(struct seized *s, pid_t via, struct room stack, struct injection *in,
		 struct err *e)
{
	return choose_main(s, via, stack, in) || choose_other(s, via, in) ||
	       fail(e, ERR_PROCESS, "no thread has room on its stack");
}
