/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of interpreters, as the reader tells them, as rows. */
#include "collect/objects_int.h"

#include <stdlib.h>

struct kept_frame {
	struct python_frame frame; /* its texts follow each other in the list's texts */
};

void frame_list_add(struct frame_list *l, const struct python_frame *frame)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->frames = xrealloc(l->frames, l->cap, sizeof(*l->frames));
	}
	l->frames[l->n++].frame = *frame;
	buf_add(&l->texts, frame->function.s, frame->function.n);
	buf_add(&l->texts, frame->file.s, frame->file.n);
}

void frame_list_release(struct frame_list *l)
{
	free(l->frames);
	buf_release(&l->texts);
	*l = (struct frame_list){ 0 };
}

/* Row + 1 of the thread; 0: the kernel does not know it. */
static uint32_t thread_of(const struct model *m, uint32_t tid)
{
	for (size_t i = 0; i < m->threads.n; i++)
		if (tid && m->threads.tid[i] == tid)
			return (uint32_t)i + 1;
	return 0;
}

void build_frames(const struct frame_list *l, struct model *m)
{
	size_t at = 0;
	uint32_t thread = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct python_frame *f = &l->frames[i].frame;
		size_t row = model_frames_add(m);

		if (f->depth == 0)
			thread = thread_of(m, f->tid);
		m->frames.thread[row] = thread;
		m->frames.depth[row] = f->depth;
		m->frames.line[row] = f->line;
		m->frames.function[row] =
			model_intern(m, (struct str){ l->texts.s + at, f->function.n });
		at += f->function.n;
		m->frames.file[row] =
			model_intern(m, (struct str){ l->texts.s + at, f->file.n });
		at += f->file.n;
	}
}
