/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asyncio, threads and queues (CPython 3.11, 3.13 _asynciomodule.c, _threadmodule.c,
 * _queuemodule.c). A SimpleQueue is a list with a first item (3.11), or a ring (3.13).
 */
#include "lang/cpython/cpy_library_int.h"

/* FutureObj; from 3.13 their dict is managed. */
static const struct cpy_field_rule future_fields[] = {
	{ .name = "loop", .offset = 16 },
	{ .name = "callback0", .offset = 24 },
	{ .name = "context0", .offset = 32 },
	{ .name = "callbacks", .offset = 40 },
	{ .name = "exception", .offset = 48 },
	{ .name = "exception_tb", .offset = 56 },
	{ .name = "result", .offset = 64 },
	{ .name = "source_traceback", .offset = 72 },
	{ .name = "cancel_message", .offset = 80 },
	{ .name = "__dict__", .offset = 104, .to = 0x30d },
	{ .name = "cancelled_exc", .offset = 120, .to = 0x30d },
	{ .name = "cancelled_exc", .offset = 88, .from = 0x30d },
	{ 0 },
};

/* TaskObj, behind what is a FutureObj's */
static const struct cpy_field_rule task_fields[] = {
	{ .name = "fut_waiter", .offset = 128, .to = 0x30d },
	{ .name = "coro", .offset = 136, .to = 0x30d },
	{ .name = "name", .offset = 144, .to = 0x30d },
	{ .name = "context", .offset = 152, .to = 0x30d },
	{ .name = "fut_waiter", .offset = 112, .from = 0x30d },
	{ .name = "coro", .offset = 120, .from = 0x30d },
	{ .name = "name", .offset = 128, .from = 0x30d },
	{ .name = "context", .offset = 136, .from = 0x30d },
	{ 0 },
};

static const struct cpy_field_rule step_fields[] = {
	{ .name = "task", .offset = 16 },
	{ .name = "arg", .offset = 24 },
	{ 0 },
};
static const struct cpy_field_rule loop_holder_fields[] = {
	{ .name = "loop", .offset = 16 },
	{ 0 },
};
static const struct cpy_field_rule future_iterator_fields[] = {
	{ .name = "future", .offset = 16 },
	{ 0 },
};

/* lockobject, rlockobject */
static void lock_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		      const struct python_sink *sink)
{
	(void)t;
	cpy_lock_part(r, sink, at + 16);
}

/* localobject. A _localdummy borrows the dict that it stands for. */
static const struct cpy_field_rule local_fields[] = {
	{ .name = "key", .offset = 16, .to = 0x30d },
	{ .name = "args", .offset = 24, .to = 0x30d },
	{ .name = "kw", .offset = 32, .to = 0x30d },
	{ .name = "dummies", .offset = 48, .to = 0x30d },
	{ .name = "wr_callback", .offset = 56, .to = 0x30d },
	{ .name = "args", .offset = 16, .from = 0x30d },
	{ .name = "kw", .offset = 24, .from = 0x30d },
	{ .name = "localdicts", .offset = 40, .from = 0x30d },
	{ .name = "thread_watchdogs", .offset = 48, .from = 0x30d },
	{ 0 },
};

/* simplequeueobject */
static const struct cpy_field_rule queue_fields[] = {
	{ .name = "items", .offset = 32, .to = 0x30d },
	{ 0 },
};

/* RingBuf, 3.13: get_idx, items, items_cap, num_items */
enum { RING_GET = 32, RING_ITEMS = 40, RING_CAPACITY = 48, RING_COUNT = 56 };

static void ring_edges(struct python_reader *r, taddr at, const struct python_sink *sink)
{
	uint64_t capacity = cpy_word_or_0(r, at + RING_CAPACITY);
	taddr items = cpy_array_part(r, sink, at + RING_ITEMS,
				     (struct cpy_array){ &capacity, 8, "items" });
	uint64_t n = min_u64(cpy_word_or_0(r, at + RING_COUNT), capacity);
	uint64_t first = cpy_word_or_0(r, at + RING_GET);
	uint64_t upper;

	if (!items || first >= capacity)
		return;
	upper = min_u64(n, capacity - first);
	cpy_words_edges(r, items + first * 8, upper, LABEL_ITEM, sink);
	cpy_words_edges(r, items, n - upper, LABEL_ITEM, sink);
}

static void queue_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		       const struct python_sink *sink)
{
	(void)t;
	if (r->layout->version < 0x30d)
		cpy_lock_part(r, sink, at + 16);
	else
		ring_edges(r, at, sink);
}

const struct cpy_rules cpy_concurrency_rules[] = {
	{ .name = "_asyncio.Future", .fields = future_fields },
	{ .name = "_asyncio.Task", .fields = task_fields },
	{ .name = "TaskStepMethWrapper", .fields = step_fields },
	{ .name = "_asyncio.TaskStepMethWrapper", .fields = step_fields },
	{ .name = "_RunningLoopHolder", .fields = loop_holder_fields },
	{ .name = "_asyncio.FutureIter", .fields = future_iterator_fields },
	{ .name = "_thread.lock", .read = lock_read },
	{ .name = "_thread.RLock", .read = lock_read },
	{ .name = "_thread._local", .fields = local_fields },
	{ .name = "_thread._localdummy" },
	{ .name = "_thread._ThreadHandle" },
	{ .name = "_queue.SimpleQueue", .read = queue_read, .fields = queue_fields },
	{ 0 },
};
