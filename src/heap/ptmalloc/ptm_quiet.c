/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is nobody inside malloc? A single-threaded process takes no mutex, and a thread's own
 * cache is changed without one, so the mutexes are not enough: each thread's pc and its
 * innermost call must be outside the allocator's code.
 *
 * Which code that is, in a stripped file: malloc, free and their kind are exported; from
 * them every `call rel32` or `jmp rel32` is followed that leads exactly to the start of a
 * function known to .eh_frame_hdr, as long as it stays in the neighbourhood (malloc's
 * functions are compiled as one file and lie together). What they call further away is
 * the list of callees: mmap, munmap, madvise, brk. Where no names are left at all (a
 * stripped static program), we begin with the functions that take main_arena's address.
 *
 * A thread is inside if its pc is; or if it stands in a callee, or a function without a
 * frame (memset), that returns into the allocator. This runs while the target stands: one
 * read for each arena, none for threads outside the library, one for those inside.
 */
#include "heap/ptmalloc/ptm_int.h"

#include "base/search.h"
#include <stdio.h>
#include <stdlib.h>

enum {
	NEIGHBOURHOOD = 0x8000,
	MAX_FUNCTION = 1 << 20,
	MAX_FUNCTIONS = 1 << 20,
	CALL_WORDS = 16, /* above rsp: a system call's stub has at most a small frame */
};

static const char *const entry_points[] = {
	"malloc",        "free",           "calloc",      "realloc",       "memalign",
	"aligned_alloc", "posix_memalign", "valloc",      "pvalloc",       "malloc_trim",
	"cfree",         "mallopt",        "malloc_info", "__libc_malloc", "__libc_free",
};

/* The functions of one image, and which of them are in the set. */
struct text {
	const struct image *image;
	const struct image_function *functions;
	size_t n;
	uint8_t *mark; /* enum mark, of each function */
	uint32_t *queue;
	size_t nqueue;
	uint64_t low, high; /* the neighbourhood */
};

enum mark { MARK_NONE, MARK_CALLEE, MARK_INSIDE };

/* The function that begins at vaddr or, if `anywhere`, holds it; n: none. */
static size_t function_at(const struct text *t, uint64_t vaddr, bool anywhere)
{
	size_t low = search_structs(t->functions, t->n, vaddr, vaddr);

	if (low == 0)
		return t->n;
	low--;
	if (t->functions[low].vaddr == vaddr)
		return low;
	if (anywhere && vaddr - t->functions[low].vaddr < t->functions[low].size)
		return low;
	return t->n;
}

static void enter(struct text *t, size_t function)
{
	if (t->mark[function] == MARK_INSIDE)
		return;
	t->mark[function] = MARK_INSIDE;
	t->queue[t->nqueue++] = (uint32_t)function;
}

static const uint8_t *code_of(const struct text *t, size_t function, size_t *n)
{
	const struct image_function *f = &t->functions[function];

	*n = (size_t)min_u64(f->size, MAX_FUNCTION);
	return *n >= 5 ? image_bytes(t->image, f->vaddr, *n) : NULL;
}

/* Where the rel32 at `code + i` leads. */
static uint64_t target_of(const uint8_t *code, size_t i, uint64_t vaddr)
{
	int32_t to;

	memcpy(&to, code + i, 4);
	return vaddr + i + 4 + (uint64_t)(int64_t)to;
}

static void follow_calls(struct text *t, size_t function)
{
	size_t n;
	const uint8_t *code = code_of(t, function, &n);

	for (size_t i = 0; code && i + 5 <= n; i++) {
		uint64_t to;
		size_t called;

		if (code[i] != 0xe8 && code[i] != 0xe9)
			continue;
		to = target_of(code, i + 1, t->functions[function].vaddr);
		called = function_at(t, to, false);
		if (called == t->n)
			continue;
		if (to >= t->low && to < t->high)
			enter(t, called);
		else if (t->mark[called] == MARK_NONE)
			t->mark[called] = MARK_CALLEE;
	}
}

/* brk is called by sbrk, which malloc calls: one more step out. */
static void follow_callees(struct text *t)
{
	uint8_t *callee = xcalloc(t->n, 1);

	for (size_t f = 0; f < t->n; f++) {
		size_t n;
		const uint8_t *code =
			t->mark[f] == MARK_CALLEE ? code_of(t, f, &n) : NULL;

		for (size_t i = 0; code && i + 5 <= n; i++) {
			size_t called;

			if (code[i] != 0xe8)
				continue;
			called = function_at(
				t, target_of(code, i + 1, t->functions[f].vaddr), false);
			if (called < t->n)
				callee[called] = 1;
		}
	}
	for (size_t f = 0; f < t->n; f++)
		if (callee[f] && t->mark[f] == MARK_NONE)
			t->mark[f] = MARK_CALLEE;
	free(callee);
}

static size_t enter_exported(struct text *t)
{
	size_t found = 0;

	for (size_t i = 0; i < countof(entry_points); i++) {
		uint64_t vaddr, size;
		size_t f;

		if (!image_find_symbol(t->image, entry_points[i], &vaddr, &size))
			continue;
		f = function_at(t, vaddr, false);
		if (f == t->n)
			continue;
		enter(t, f);
		found++;
		t->low = min_u64(t->low, vaddr);
		t->high = max_u64(t->high, vaddr);
	}
	return found;
}

/* What lies between malloc's own functions is malloc's: how a thread's end empties its
 * cache is called from far away only. */
static void enter_between(struct text *t)
{
	if (t->high - t->low > NEIGHBOURHOOD)
		return; /* a linker that orders functions by its own mind */
	for (size_t f = 0; f < t->n; f++)
		if (t->functions[f].vaddr >= t->low && t->functions[f].vaddr <= t->high)
			enter(t, f);
}

/* Has the function a rip-relative operand (mod 00, r/m 101) that lands in the range? */
static bool is_user(const struct text *t, size_t function, struct ptm_range range)
{
	size_t n;
	const uint8_t *code = code_of(t, function, &n);

	for (size_t i = 2; code && i + 4 <= n; i++) {
		uint64_t to;

		if ((code[i - 1] & 0xc7) != 0x05)
			continue;
		to = target_of(code, i, t->functions[function].vaddr);
		if (to >= range.start && to < range.end)
			return true;
	}
	return false;
}

/* No names: the functions that use main_arena or mp_, which only malloc's file sees. What
 * lies far from the middle one was misread: data between functions, or bytes of another
 * instruction. */
static void enter_users(struct text *t, const struct ptm_places *p, uint64_t bias)
{
	taddr arena = p->main_arena - bias, mp = p->mp - bias;
	struct ptm_range state = { arena, arena + p->state->size };
	struct ptm_range par = { mp, p->mp ? mp + p->par->size : mp };
	size_t *users = xcalloc(t->n, sizeof(*users)), n = 0;

	for (size_t f = 0; f < t->n; f++)
		if (is_user(t, f, state) || is_user(t, f, par))
			users[n++] = f;
	for (size_t i = 0; i < n; i++) {
		uint64_t at = t->functions[users[i]].vaddr;
		uint64_t middle = t->functions[users[n / 2]].vaddr;

		if (max_u64(at, middle) - min_u64(at, middle) > NEIGHBOURHOOD / 2)
			continue;
		enter(t, users[i]);
		t->low = min_u64(t->low, at);
		t->high = max_u64(t->high, at);
	}
	free(users);
}

/* The marked functions as ranges of the target's addresses, neighbours joined. */
static size_t collect(const struct text *t, enum mark mark, uint64_t bias,
		      struct ptm_range **out)
{
	struct ptm_range *ranges = xcalloc(t->n, sizeof(*ranges));
	size_t n = 0;

	for (size_t f = 0; f < t->n; f++) {
		taddr start = bias + t->functions[f].vaddr;

		if (t->mark[f] != mark)
			continue;
		if (n && ranges[n - 1].end == start)
			ranges[n - 1].end = start + t->functions[f].size;
		else
			ranges[n++] =
				(struct ptm_range){ start, start + t->functions[f].size };
	}
	*out = xrealloc(ranges, n ? n : 1, sizeof(*ranges));
	return n;
}

static void tell(struct model *m, size_t functions, bool by_name)
{
	char answer[64];

	if (functions == 0) {
		model_evidence(m, "allocator's code", "not found",
			       "the file has no frame table or could not be read",
			       "only arena locks tell whether a thread is inside malloc");
		return;
	}
	snprintf(answer, sizeof(answer), "%zu functions", functions);
	model_evidence(m, "allocator's code", answer,
		       by_name ? "what malloc, free and their kind reach by calls"
			       : "what uses main_arena or mp_, and what lies between",
		       "");
}

void ptm_find_text(struct ptm_places *p, const struct module *module, struct model *m)
{
	struct text t = { .low = UINT64_MAX };
	bool by_name = true;

	if (module && module->image) {
		t.image = module->image;
		t.n = image_functions(module->image, &t.functions);
	}
	if (t.n == 0 || t.n > MAX_FUNCTIONS) {
		tell(m, 0, false);
		return;
	}
	t.mark = xcalloc(t.n, 1);
	t.queue = xcalloc(t.n, sizeof(*t.queue));
	if (enter_exported(&t) > 0) {
		enter_between(&t);
		t.low -= min_u64(t.low, NEIGHBOURHOOD);
		t.high += NEIGHBOURHOOD;
	} else {
		by_name = false;
		enter_users(&t, p, module->bias);
		enter_between(&t);
	}
	for (size_t i = 0; i < t.nqueue; i++)
		follow_calls(&t, t.queue[i]);
	follow_callees(&t);
	p->library = (struct ptm_range){ module->start, module->end };
	p->ntext = collect(&t, MARK_INSIDE, module->bias, &p->text);
	p->ncallees = collect(&t, MARK_CALLEE, module->bias, &p->callees);
	tell(m, t.nqueue, by_name);
	free(t.mark);
	free(t.queue);
}

/* ---- while the target stands ---- */

static bool in_ranges(const struct ptm_range *r, size_t n, taddr at)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r[mid].start <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 && at < r[low - 1].end;
}

static bool is_inside(const struct mem *mem, const struct ptm_places *p,
		      const struct mem_thread *t)
{
	uint64_t stack[CALL_WORDS];
	size_t n = 1;

	if (in_ranges(p->text, p->ntext, t->pc))
		return true;
	/* malloc calls nothing outside its own library */
	if (t->pc < p->library.start || t->pc >= p->library.end)
		return false;
	if (in_ranges(p->callees, p->ncallees, t->pc))
		n = CALL_WORDS;
	if (!mem_read(mem, t->sp, stack, n * 8))
		return false;
	for (size_t i = 0; i < n; i++)
		if (in_ranges(p->text, p->ntext, stack[i]))
			return true;
	return false;
}

/* Is one of the ring's mutexes held? One read for each arena. */
static bool is_locked(const struct mem *mem, const struct ptm_places *p)
{
	taddr arena = p->main_arena;
	uint8_t state[PTM_STATE_MAX];

	for (size_t i = 0; i < PTM_MAX_ARENAS; i++) {
		uint32_t mutex;

		if (!mem_read(mem, arena, state, p->state->next + 8u))
			return false;
		memcpy(&mutex, state, 4);
		memcpy(&arena, state + p->state->next, 8);
		if (mutex != 0)
			return true;
		if (arena == p->main_arena)
			return false;
	}
	return false;
}

bool ptm_is_quiet(const struct mem *stopped, const struct heap_places *places)
{
	const struct ptm_places *p = (const struct ptm_places *)places;

	bool quiet = !is_locked(stopped, p);

	for (size_t i = 0; i < stopped->nthreads; i++) {
		struct mem_thread *t = &stopped->threads[i];

		t->is_busy = t->has_regs && is_inside(stopped, p, t);
		quiet &= !t->is_busy;
	}
	return quiet;
}
