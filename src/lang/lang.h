/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Languages: what memory means to them. Recognisers look at one block and claim it or do
 * not (C strings, C++ objects); an interpreter is walked (CPython).
 */
#ifndef LANG_LANG_H
#define LANG_LANG_H

#include "image/image.h"
#include "mem/mem.h"

/* ---- C strings (text.c) ---- */

/* How much of a block text_is_string ever looks at. */
enum { TEXT_LOOK = 256 };

/*
 * Does a block of `size` usable bytes, whose first `have` are at `bytes`, hold text of at
 * least three characters, printable ASCII or UTF-8, up to a NUL, its end or TEXT_LOOK
 * bytes? Short texts are believed only where they explain the block and are no address
 * in m: see text.c. `bytes` holds min(size, TEXT_LOOK) bytes, or fewer where a hole
 * follows. Thread-safe.
 */
bool text_is_string(const struct mem *m, const uint8_t *bytes, size_t have,
		    uint64_t size);

/* ---- C++ objects (cxx.c) ---- */

struct cxx_vtables;

/* Finds classes in this memory, by these modules; both outlive it. */
struct cxx_vtables *cxx_vtables_new(const struct mem *m, const struct module_set *set);
void cxx_vtables_free(struct cxx_vtables *v);

/* Reads of vptr's vtable what cxx_class_of needs: it reads no memory any more then, so that
 * the target may be let go between the two. Safe on several threads. */
void cxx_vtables_read(struct cxx_vtables *v, taddr vptr);

/* The class whose objects start with `vptr`, as people write it; it lives as long as v.
 * False: vptr is no vtable's, or its class has neither RTTI nor a symbol. Safe on several
 * threads, and slow enough (a lock) that each keeps its answers by vptr. */
bool cxx_class_of(struct cxx_vtables *v, taddr vptr, struct str *name);

/* Where vtables can be, coarsely: bit (address / 64 KiB) mod 64 Ki. */
struct cxx_filter {
	uint64_t bits[1024];
};
const struct cxx_filter *cxx_filter_of(const struct cxx_vtables *v);

/* May the first word of a block be a vtable pointer? For every block: two ns, and true
 * for few words that are none. */
static inline bool cxx_may_be_vptr(const struct cxx_filter *f, uint64_t word)
{
	uint64_t page = word >> 16 & 0xffff;

	return (word & 7) == 0 && word >> 47 == 0 &&
	       (f->bits[page / 64] >> page % 64 & 1);
}

/* ---- CPython (cpython/) ---- */

/*
 * Works like an allocator in heap.h: locate in the running process, ask whether it is quiet
 * while it stands, open in the snapshot, then read. Reading has three sources of objects:
 * the slabs of obmalloc (nearly all objects), the collector's lists, and references met on
 * the way; and one function that reads an object from its address.
 *
 *   slab    a run of equal blocks; CPython's word is pool.
 *   start   where an object's memory begins: 0, 16 or 32 bytes before its address (the
 *           collector's head, the words of a managed dict).
 *
 * Nothing here keeps what it reads; the callers' sinks do.
 */

/* Where the running interpreter keeps its state, and by what layout. NULL: there is none,
 * or none we know; the model's evidence then says which, and m's processes.python is set
 * when it is one. */
struct python_places;
struct python_places *python_locate(struct mem *running, const struct module_set *set,
				    struct model *m);
void python_places_free(struct python_places *p);

/* Is no interpreter in the middle of a change? The GIL is free, or its holder is in a
 * system call or between two instructions of the interpreter. A mem_quiet_fn; the context
 * is a struct python_places. Marks the holder is_busy when not; takes no mark away. */
bool python_is_quiet(const struct mem *stopped, void *places);

/* One snapshot's interpreters. False: what locate found does not hold there; *e says why.
 * Findings of m tell what is torn or not supported. m and places outlive it. */
struct python;
must_check bool python_open(const struct mem *m, const struct python_places *p,
			    struct model *model, struct python **out, struct err *e);
void python_free(struct python *py);

/* ---- slabs ---- */

struct python_pool { /* an obmalloc arena */
	taddr start, end;
	taddr fresh;    /* no slab from here on was ever used */
	uint32_t index; /* its number at the allocator */
};
size_t python_pools(const struct python *py, const struct python_pool **out);

enum { PYTHON_SLAB_BLOCKS = 1024 };
enum python_block { PYTHON_FREE, PYTHON_RAW, PYTHON_OBJECT };

struct python_slab {
	taddr start; /* of block 0 */
	uint32_t block_size, n;
	bool torn; /* its own count of used blocks is another */
	/* What each block is; an object's address is start_of[i] bytes into its block. */
	uint8_t kind[PYTHON_SLAB_BLOCKS]; /* enum python_block */
	uint8_t start_of[PYTHON_SLAB_BLOCKS];
};

/* One thread's eyes: caches of memory and of types. */
struct python_reader;
struct python_reader *python_reader_new(struct python *py);
void python_reader_free(struct python_reader *r);

/* Reads one pool, slab by slab and by address. A block is an object if its type is a type
 * and its count is not 0; that may, seldom, be a piece of raw memory. */
typedef void python_slab_fn(void *context, const struct python_slab *slab);
void python_read_pool(struct python_reader *r, size_t pool, python_slab_fn *fn,
		      void *context);

/* The addresses of all objects on the collector's lists; they are not proved to be any. */
typedef void python_address_fn(void *context, taddr at);
void python_read_lists(struct python_reader *r, python_address_fn *fn, void *context);

/* ---- objects ---- */

enum { PYTHON_IMMORTAL = UINT32_MAX };

struct python_object {
	taddr addr, start; /* start: where its own memory begins */
	uint64_t own;      /* bytes from start to the end of its own memory */
	uint64_t size;     /* sys.getsizeof */
	uint32_t refcount; /* PYTHON_IMMORTAL: not counted; else at most one less */
	uint32_t type;     /* number of its type: python_type_name */
	struct str value;  /* shortly; "" for containers and instances. In the reader. */
};

/*
 * What one object refers to, in the order of its items. Labels are numbers of this struct
 * python (python_label), not rows of the model.
 *
 *   edge  `to` is the address of an object that the layout says is there, 0 for a place
 *         that is empty (items keep their numbers); or, if the label is LABEL_POSSIBLE, a
 *         word of a body whose layout is not known
 *   part  memory of its own outside [start, start + own): always the start of a block
 *
 * And what is wasted of it; these two may be NULL:
 *
 *   content  of a str, bytes or bytearray: the hash of all it says, and how many bytes that
 *            is. Equal ones of one type have the same.
 *   slack    memory that nothing is in; once at most
 */
struct python_sink {
	void (*edge)(void *context, taddr to, uint16_t label);
	void (*part)(void *context, taddr at, uint64_t size, uint16_t label);
	void *context;
	void (*content)(void *context, uint64_t hash, uint64_t bytes);
	void (*slack)(void *context, enum slack_kind kind, uint64_t unused);
};

/* Reads the object at `at`, telling the sink (which may be NULL: only the head is wanted)
 * what it refers to. values: out->value is wanted. False: there is no object. */
must_check bool python_read_object(struct python_reader *r, taddr at, bool values,
				   const struct python_sink *sink,
				   struct python_object *out);

/* Types are numbered as they are met, by any reader; the name is the qualified one with
 * its module, builtins without it. It lives as long as py. */
uint32_t python_type_count(const struct python *py);
struct str python_type_name(const struct python *py, uint32_t type);
/* Bytes that each instance has for its attributes, and sys.getsizeof does not count. */
uint32_t python_type_uncounted(const struct python *py, uint32_t type);
/* How many of them are "type at 0x...": their name is in read-only data that a core left out,
 * and no module of the process names them. */
uint32_t python_nameless_types(const struct python *py);

/* Likewise labels; 0 .. LABEL_WEAK are the kinds without a name. */
uint16_t python_label_count(const struct python *py);
enum label_kind python_label_kind(const struct python *py, uint16_t label);
struct str python_label_name(const struct python *py, uint16_t label);

/* ---- roots ---- */

struct python_root {
	enum group_kind group;
	struct str group_name; /* a module's; of a thread "", told by tid */
	uint32_t tid; /* of ROOTS_THREAD; 0: a thread that the kernel does not know */
	enum root_kind kind;
	struct str name;
	taddr addr; /* of the word that holds it; 0 not told */
	taddr to;
	bool certain; /* else a word of the evaluation stack, or the like */
	/* This word owns a reference that no node's edge tells: it counts as a certain
	 * in-edge of `to`. Not counted are the rows of words that lie in a node, which tells
	 * them as edges: a module in sys.modules' dict, a name in a module's dict, what the
	 * frame of a running generator holds; and all that are not certain. Those rows are
	 * names for people, and do keep `to` reached. */
	bool counted;
};
typedef void python_root_fn(void *context, const struct python_root *root);
/* Interpreters, modules with their names, thread states, frames with their locals. Rows
 * of one group follow each other, but a name may be that of modules in two interpreters,
 * and a thread may have a state in each. */
void python_read_roots(struct python_reader *r, python_root_fn *fn, void *context);

struct python_frame {
	uint32_t tid;              /* 0: a thread that the kernel does not know */
	uint32_t depth;            /* 0: the newest of its thread */
	uint32_t line;             /* 0 none */
	struct str function, file; /* qualified name; path as the compiler was told it */
};
typedef void python_frame_fn(void *context, const struct python_frame *frame);
/* Frames of all threads as tracebacks have them, thread by thread, the newest first. */
void python_read_frames(struct python_reader *r, python_frame_fn *fn, void *context);

/* The interpreter's own memory, which is read by layout alone: its state, thread states,
 * stacks of frames, tables of the allocator. No word in it is a reference. By address. */
struct python_range {
	taddr start, end;
	const char *name; /* "thread state" */
};
size_t python_own_ranges(const struct python *py, const struct python_range **out);

#endif
