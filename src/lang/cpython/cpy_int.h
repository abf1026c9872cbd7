/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the CPython reader. Who does what:
 *
 *   cpy_layout.c    the offsets, a row per layout class
 *   cpy_find.c      the runtime in a running process: where, by which way
 *   cpy_version.c   which CPython it is; which are refused, and why
 *   cpy_check.c     does a row fit what is there
 *   cpy_static.c    what up to 3.11 lies in static data without a name
 *   cpy_locate.c    all of this together, as evidence
 *   cpy_open.c      a snapshot's interpreters and threads; findings
 *   cpy_arena.c     obmalloc's arenas, and the interpreter's own ranges
 *   cpy_quiet.c     may a snapshot be taken now
 *   cpy_pool.c      obmalloc's pools and slabs; cpy_list.c the collector's lists
 *   cpy_memory.c    a reader's eyes: cached memory for one that jumps
 *   cpy_waste.c     what is wasted: contents that may come twice, memory nothing is in
 *   cpy_label.c     the names of references
 *   cpy_type.c      type objects: what is one; cpy_shape.c what instances of it look like
 *   cpy_typename.c  names of types where a core has none; cpy_typeorder.c: of those that no
 *                   module has
 *   cpy_struct.c    for which types rules hold, beyond their name
 *   cpy_object.c    an object: head, rules of its type, size
 *   cpy_<thing>.c   the rules of some types (dict, text, number, function, ...)
 *   cpy_library.c   the rules of small C types of the standard library, as tables; larger ones
 *                   are in cpy_collections.c, cpy_io.c, cpy_ctypes.c, cpy_numpy.c and so on
 *   cpy_code.c      code objects: what they own, the lines of their instructions
 *   cpy_line.c      location tables
 *   cpy_frame.c     what an interpreter frame holds; frame objects
 *   cpy_generator.c generators, coroutines, their helpers; the table of this file's rules
 *                   and those of the two above
 *   cpy_root.c      roots: interpreters, modules; cpy_root_type.c: static types;
 *                   cpy_thread.c: threads with their frames
 */
#ifndef LANG_CPYTHON_CPY_INT_H
#define LANG_CPYTHON_CPY_INT_H

#include "lang/lang.h"

/* ---- layouts: offsets in bytes, of one minor version's structs (x86_64) ---- */

enum { CPY_ABSENT = UINT32_MAX }; /* the field does not exist in this version */

struct cpy_layout {
	uint32_t version; /* major << 8 | minor */

	struct { /* _PyRuntimeState */
		uint32_t size, finalizing, interpreters_head, interpreters_main;
		uint32_t current_thread;   /* gilstate.tstate_current, up to 3.11 */
		uint32_t gil;              /* ceval.gil, up to 3.11 */
		uint32_t main_interpreter; /* _main_interpreter, from 3.11 */
	} runtime;
	struct { /* PyInterpreterState */
		uint32_t size, next, id, threads, gc;
		uint32_t modules, modules_by_index, sysdict, builtins, importlib;
		uint32_t codec_search_path, codec_search_cache, codec_error_registry;
		uint32_t dict, obmalloc; /* obmalloc: a pointer from 3.13 */
		uint32_t static_types, static_types_max; /* array, from 3.12 */
		uint32_t static_types_extension, static_types_extension_max; /* 3.13 */
		uint32_t interned;     /* from 3.12 */
		uint32_t gil;          /* ceval.gil, a pointer, from 3.12 */
		uint32_t own_gil;      /* _gil: where it points unless shared */
		uint32_t first_thread; /* _initial_thread */
	} interp;
	struct { /* PyInterpreterState: further fields that own objects */
		uint32_t import_func, sysdict_copy, builtins_copy;
		uint32_t before_forkers, after_forkers_parent, after_forkers_child;
		uint32_t warning_filters, warning_once, warning_default;
		uint32_t atexit, natexit; /* pointer to structs, int */
		uint32_t audit_hooks;
		uint32_t identifiers, nidentifiers; /* pointer to an array, its length */
		uint32_t errnomap, exception_group, not_shareable;
		/* Arrays in the state, and how many they are. */
		uint32_t ast, ast_count, monitoring, monitoring_count;
		uint32_t monitoring_tools, monitoring_tool_count;
		uint32_t typing, typing_count;
		uint32_t str_replace_inf, optimizer;
	} owned;
	struct { /* _gc_runtime_state */
		uint32_t generations, generation_size, permanent, collecting;
		uint32_t generation0; /* points to the first of generations, up to 3.13 */
		uint32_t garbage, callbacks;
	} gc;
	struct { /* PyThreadState */
		uint32_t size, prev, next, interp, cframe, current_frame, datastack;
		uint32_t dict, thread_id, native_thread_id;
		uint32_t
			current_exception; /* curexc_type, _value, _traceback up to 3.11 */
		uint32_t exc_info, exc_state_value;
		uint32_t context, async_exc, profile_object, trace_object;
		uint32_t async_gen_firstiter, async_gen_finalizer, delete_later;
		uint32_t on_delete_data;            /* up to 3.12 */
		uint32_t local_key, local_sentinel; /* from 3.13 */
	} thread;
	struct { /* struct _gil_runtime_state, wherever it lies */
		uint32_t last_holder, locked;
	} gil;
	uint32_t cframe_current; /* _PyCFrame.current_frame, up to 3.12 */
	struct {                 /* _PyInterpreterFrame */
		uint32_t code, previous, function, globals, builtins, locals;
		uint32_t frame_object, instruction, stacktop, owner, localsplus;
	} iframe;
	struct { /* PyFrameObject */
		uint32_t back, iframe, trace, lineno, extra_locals, locals_cache;
		uint32_t body; /* _f_frame_data */
	} frame;
	struct { /* PyCodeObject */
		uint32_t argcount, nlocals, stacksize, flags, firstlineno;
		uint32_t consts, names, exceptiontable, nlocalsplus, framesize;
		uint32_t ncellvars, nfreevars, localsplusnames, localspluskinds;
		uint32_t filename, name, qualname, linetable, weakreflist;
		uint32_t cached_code; /* _co_code, up to 3.11 */
		uint32_t cached;      /* _co_cached, a struct, from 3.12 */
		uint32_t adaptive;    /* co_code_adaptive: the instructions */
		uint32_t line_array, line_array_entry; /* up to 3.11 */
		uint32_t monitoring;                   /* from 3.12 */
		uint32_t first_traceable, extra;
	} code;
	struct { /* PyGenObject and its two likes */
		uint32_t code, weakreflist, name, qualname, exc_value;
		uint32_t origin_or_finalizer, frame_state, iframe;
		int32_t created; /* the least of frame_state's values of a live frame */
	} generator;
	struct {                          /* PyTypeObject, PyHeapTypeObject */
		uint32_t size, heap_size; /* of the structs */
		uint32_t name, basicsize, itemsize, dealloc, flags, doc, traverse;
		uint32_t weaklistoffset, members, base, dict, dictoffset;
		uint32_t bases, mro, cache, subclasses, weaklist;
		uint32_t ht_name, ht_slots, ht_qualname, ht_cached_keys, ht_module;
		uint32_t ht_tpname, ht_spec_cache;
	} type;
	struct { /* entries of static_types, from 3.12 */
		uint32_t size, type, dict, subclasses, weaklist;
	} static_type;
	struct {                              /* PyASCIIObject and what follows it */
		uint32_t length, state, wstr; /* wstr up to 3.11 */
		uint32_t ascii_size, utf8_length, utf8, wstr_length, compact_size;
		uint32_t data, size; /* data: of those that are not compact */
	} text;
	struct { /* PyDictKeysObject, PyDictObject */
		uint32_t used, keys, values;
		uint32_t keys_refcount, log2_size, log2_index_bytes, kind;
		uint32_t usable, nentries, indices;
		uint32_t values_array; /* PyDictValues: offset of the first value */
	} dict;
	struct { /* where instances keep attributes outside a dict of their own */
		int32_t dict;   /* managed: PyObject * at this offset from the object */
		int32_t values; /* managed values pointer; CPY_NO_VALUES: inline, 3.13 */
		uint32_t pre_header; /* bytes before the collector's head */
	} managed;
	uint32_t list_items, list_allocated, tuple_items;
	uint32_t int_digits; /* ob_digit; their count: ob_size, lv_tag >> 3 from 3.12 */
	bool int_has_tag;
	struct { /* function */
		uint32_t globals, builtins, name, qualname, code, defaults, kwdefaults;
		uint32_t closure, doc, dict, weakreflist, module, annotations;
		uint32_t type_params; /* from 3.12 */
	} function;
	struct {
		uint32_t dict, def, state, weaklist, name;
	} module;
	struct { /* BaseException */
		uint32_t dict, args, notes, traceback, context, cause;
	} exception;
	struct { /* obmalloc */
		uint32_t arena_size, pool_size, pool_head, arena_object_size;
		uint32_t arenas, maxarenas; /* in obmalloc's state, from 3.12 */
		uint32_t state_size;        /* of that state */
		/* its map of addresses, a tree of three levels, and bytes of a node */
		uint32_t radix, radix_top, radix_mid, radix_bot;
	} obmalloc;
	bool has_immortals;              /* from 3.12 */
	uint32_t static_type_size_extra; /* added to sys.getsizeof of a static type */
};

enum { CPY_NO_VALUES = INT32_MIN };

/* The row of this version, or NULL: none we know. */
const struct cpy_layout *cpy_layout_of(unsigned major, unsigned minor);

/* ---- what is the same in all versions (release builds, x86_64) ---- */

enum {
	CPY_REFCOUNT = 0,
	CPY_TYPE = 8,
	CPY_SIZE = 16, /* ob_size */
	CPY_GC_HEAD = 16,
};

/* tp_flags (Include/object.h) */
enum {
	CPY_STATIC_BUILTIN = 1 << 1,  /* from 3.12 */
	CPY_INLINE_VALUES = 1 << 2,   /* from 3.13 */
	CPY_MANAGED_WEAKREF = 1 << 3, /* from 3.12 */
	CPY_MANAGED_DICT = 1 << 4,
	CPY_HEAPTYPE = 1 << 9,
	CPY_READY = 1 << 12,
	CPY_HAVE_GC = 1 << 14,
	CPY_ITEMS_AT_END = 1 << 23,
	CPY_LONG_SUBCLASS = 1 << 24,
	CPY_LIST_SUBCLASS = 1 << 25,
	CPY_TUPLE_SUBCLASS = 1 << 26,
	CPY_BYTES_SUBCLASS = 1 << 27,
	CPY_TEXT_SUBCLASS = 1 << 28,
	CPY_DICT_SUBCLASS = 1 << 29,
	CPY_EXCEPTION_SUBCLASS = 1 << 30,
};
#define CPY_TYPE_SUBCLASS (1u << 31)

/* ---- places and the open interpreters ---- */

struct python_places {
	struct cpy_layout row; /* this build's: sizes as the target tells them */
	const struct cpy_layout *layout; /* &row */
	taddr runtime;                   /* _PyRuntime */
	uint64_t runtime_size;
	taddr image_start, image_end; /* the mapped file that it lies in */
	/* Words of static data, up to 3.11; 0: none found. */
	taddr arenas;               /* points to obmalloc's arenas */
	taddr interned;             /* points to the dict of interned texts */
	taddr radix;                /* arena_map_root itself */
	taddr subtype_traverse;     /* 0: not known by name */
	taddr eval_start, eval_end; /* _PyEval_EvalFrameDefault */
	char name[64];              /* "CPython 3.11.2" */
};

struct cpy_interp {
	taddr at;
	int64_t id;
	taddr interned; /* its own dict of interned texts, from 3.12; may be shared; or 0 */
};

struct cpy_thread {
	taddr at;
	uint32_t interp; /* index */
	uint32_t tid;    /* native_thread_id; 0 none */
};

struct cpy_types;  /* cpy_type.c */
struct cpy_labels; /* cpy_label.c */

struct python {
	const struct mem *mem;
	const struct python_places *places;
	const struct cpy_layout *layout; /* places->layout */
	struct cpy_interp *interps;
	size_t ninterps;
	struct cpy_thread *threads;
	size_t nthreads;
	struct python_pool *pools;
	size_t npools;
	struct python_range *ranges; /* its own */
	size_t nranges;
	taddr interned; /* the dict of interned texts, whose references do not count; 0 */
	struct cpy_types *types; /* made by python_open: cpy_types_new */
	struct cpy_labels *labels;
};

/* Is this the dict of interned texts, or that of an interpreter which has its own? */
static inline bool cpy_is_interned(const struct python *py, taddr dict)
{
	if (dict == py->interned)
		return true;
	for (size_t i = 0; i < py->ninterps; i++)
		if (dict == py->interps[i].interned)
			return true;
	return false;
}

/* ---- a reader's eyes (cpy_memory.c) ---- */

enum { CPY_LINE = 16 << 10, CPY_LINES = 1024 };

/* Lines of the target, each in the one place that its address gives. */
struct cpy_memory {
	const struct mem *mem;
	uint8_t *bytes; /* CPY_LINES lines; pages of it that are not used cost nothing */
	uint64_t *tags; /* of each line: its address | enum cpy_line_state | holes */
};

enum cpy_line_state { CPY_LINE_EMPTY, CPY_LINE_WHOLE, CPY_LINE_HOLED };

struct python_reader {
	struct python *py;
	const struct cpy_layout *layout;
	struct cpy_memory *memory;
	struct cpy_type_cache *type_cache;
	struct cpy_name_cache *name_cache;
	struct buf value;      /* of the object read last */
	uint64_t content_left; /* bytes of contents that can still be there */
};

struct cpy_memory *cpy_memory_new(const struct mem *m);
void cpy_memory_free(struct cpy_memory *c);

static inline size_t cpy_line_of(taddr at)
{
	uint64_t line = at / CPY_LINE;

	/* What lies together stays together; arenas 64 MiB apart do not collide. */
	return (size_t)((line ^ line >> 12 ^ line >> 24) % CPY_LINES);
}

/* The bytes at `at` if they are at hand, in one line without holes; else NULL. */
static inline const uint8_t *cpy_hit(const struct python_reader *r, taddr at, size_t len)
{
	size_t line = cpy_line_of(at), inside = at % CPY_LINE;

	if (r->memory->tags[line] != ((at - inside) | CPY_LINE_WHOLE) ||
	    len > CPY_LINE - inside)
		return NULL;
	return r->memory->bytes + line * CPY_LINE + inside;
}

bool cpy_read_slowly(struct python_reader *r, taddr at, void *dst, size_t len);

/* False: a hole. Reading what lies near what was read lately costs no system call. */
must_check static inline bool cpy_read(struct python_reader *r, taddr at, void *dst,
				       size_t len)
{
	const uint8_t *hit = cpy_hit(r, at, len);

	if (!hit)
		return cpy_read_slowly(r, at, dst, len);
	memcpy(dst, hit, len);
	return true;
}

must_check static inline bool cpy_word(struct python_reader *r, taddr at, uint64_t *out)
{
	return cpy_read(r, at, out, sizeof(*out));
}

/* 0 where nothing can be read: for fields that may be 0 anyway. */
static inline uint64_t cpy_word_or_0(struct python_reader *r, taddr at)
{
	uint64_t word;

	return cpy_word(r, at, &word) ? word : 0;
}

static inline uint32_t cpy_u32_or_0(struct python_reader *r, taddr at)
{
	uint32_t word;

	return cpy_read(r, at, &word, sizeof(word)) ? word : 0;
}

/* As many bytes from `at` as are in one piece, up to `want`, *have >= 1; NULL: a hole.
 * Valid until the reader's memory is touched again. */
const uint8_t *cpy_view(struct python_reader *r, taddr at, size_t want, size_t *have);

/* Could this be the address of an object: aligned, and in user space? */
static inline bool cpy_may_be_address(uint64_t word)
{
	return (word & 7) == 0 && word >= 4096 && word >> 47 == 0;
}

/* Is `at` mapped, but nothing to be read there: a core without it, and without its file? */
bool cpy_is_left_out(const struct mem *m, taddr at);

/* ---- labels (cpy_label.c): thread-safe, the same number for the same words ---- */

struct cpy_labels *cpy_labels_new(void);
void cpy_labels_free(struct cpy_labels *l);
uint16_t cpy_label(struct python *py, enum label_kind kind, struct str name);
struct cpy_name_cache *cpy_name_cache_new(void);
void cpy_name_cache_free(struct cpy_name_cache *c);
/* For names known at compile time; each call site keeps nothing: this is a look-up. */
uint16_t cpy_field(struct python *py, const char *name);
/* The label of an attribute whose name is the str object at `name`; cached by address in
 * the reader. */
uint16_t cpy_attribute(struct python_reader *r, taddr name);

/* ---- types (cpy_type.c) ---- */

struct cpy_type;

/* Tells what an object refers to beyond what its type's base and the fields tell. */
typedef void cpy_read_fn(struct python_reader *r, const struct cpy_type *t, taddr at,
			 const struct python_sink *sink);
/* sys.getsizeof without the heads before the object. */
typedef uint64_t cpy_size_fn(struct python_reader *r, const struct cpy_type *t, taddr at);
/* Appends what the object says. */
typedef void cpy_value_fn(struct python_reader *r, const struct cpy_type *t, taddr at,
			  struct buf *out);

/* The rules of one C type, found by its name. A type follows those of itself and of all
 * its bases: fields and read add to the bases', size, value and own replace them. */
struct cpy_rules {
	const char *name;    /* tp_name, "collections.deque"; NULL ends a table */
	cpy_read_fn *read;   /* NULL: nothing to tell */
	cpy_size_fn *size;   /* NULL: own */
	cpy_value_fn *value; /* NULL: nothing to say */
	/* Fields that hold an object or NULL, as data; from is the version that has it from,
	 * to the first that has it not (0: all). NULL name ends. */
	const struct cpy_field_rule *fields;
	/* Static objects to which other static ones refer without being counted (3.11's frozen
	 * code): their count means nothing. */
	bool is_singleton;
	/* Bytes of its own memory from its address on, if not all of it is parts; NULL:
	 * basicsize + itemsize * |ob_size|. */
	cpy_size_fn *own;
	bool is_whole; /* its struct does not begin with its base's: no rule of that holds */
};

enum cpy_field_kind {
	CPY_FIELD_HELD,
	CPY_FIELD_WEAK,
	CPY_FIELD_NATIVE, /* no object, but the address of foreign memory */
};

struct cpy_field_rule {
	const char *name;
	uint16_t offset, from, to; /* versions as in cpy_layout */
	enum cpy_field_kind kind;
};

/* A word of each instance that holds an object or NULL. */
struct cpy_slot {
	uint32_t offset;
	uint16_t label;
};

enum { CPY_LEVELS = 8 };

struct cpy_type {
	taddr at;
	uint32_t number; /* python_type_name */
	struct str name; /* qualified */
	struct str tp_name;
	uint64_t flags;
	uint64_t basicsize;
	int64_t itemsize, dictoffset, weaklistoffset;
	const struct cpy_type *base;   /* tp_base, NULL: object itself */
	const struct cpy_type *native; /* the nearest base (or itself) that C made */
	/* The type's own rules, or its nearest base's that has any: of object at last. */
	const struct cpy_rules *rules;
	/* What the rules of all levels come to: the base's first. */
	cpy_read_fn *read[CPY_LEVELS];
	uint32_t nread, nslots;
	const struct cpy_slot *slots; /* fields of rules, __slots__, members of C types */
	uint32_t plain_dict; /* dictoffset, of a dict that is none of the slots; or 0 */
	cpy_size_fn *size, *own;
	cpy_value_fn *value;
	/* The body that no rule knows: [scan, native->basicsize), and the items if any. */
	uint32_t scan;
	bool scans_items;
	taddr cached_keys;             /* ht_cached_keys: the names of managed values */
	uint16_t *value_labels;        /* of these */
	uint32_t nvalues, values_size; /* values_size: places of a new instance */
	uint32_t uncounted; /* bytes of its values, which sys.getsizeof leaves out */
	bool is_singleton;  /* as in cpy_rules */
	bool is_metatype;   /* its instances are types */
	bool has_no_name;   /* left out of the core: "type at 0x..." */
	bool is_python; /* adds nothing of C's: made by a class statement, or as good as that */
	uint8_t pre_header; /* bytes before the object, the collector's head included */
};

struct cpy_types *cpy_types_new(void);
void cpy_types_free(struct cpy_types *types);
struct cpy_type_cache *cpy_type_cache_new(void);
void cpy_type_cache_free(struct cpy_type_cache *c);
/* Finds out how types made by Python code are told: once, before the first cpy_type_at. */
void cpy_types_learn(struct python_reader *r);

/* The type at this address; NULL: it is no type. Cached in the reader. */
const struct cpy_type *cpy_type_at(struct python_reader *r, taddr at);
/* The type of the object at `at`, if it is an object: its type is one. */
const struct cpy_type *cpy_type_of(struct python_reader *r, taddr at);
/* All rules there are, by tp_name. */
const struct cpy_rules *cpy_rules_of(struct str name);
/* Tables of rules, each in the file that has the functions. */
extern const struct cpy_rules cpy_dict_rules[], cpy_set_rules[], cpy_sequence_rules[],
	cpy_text_rules[], cpy_bytes_rules[], cpy_number_rules[], cpy_function_rules[],
	cpy_typeobject_rules[], cpy_module_rules[], cpy_exception_rules[],
	cpy_iterator_rules[], cpy_misc_rules[], cpy_frame_rules[];
/* All of them. */
extern const struct cpy_rules *const cpy_rule_tables[];
extern const size_t cpy_nrule_tables;
extern const struct cpy_rules cpy_collections_rules[], cpy_itertools_rules[],
	cpy_io_rules[], cpy_concurrency_rules[], cpy_datetime_rules[],
	cpy_decimal_rules[], cpy_library_rules[], cpy_system_rules[], cpy_ctypes_rules[],
	cpy_elementtree_rules[], cpy_pickle_rules[], cpy_numpy_rules[];

/* Bytes before the object at `at` of type t: 0, 16 or 32. Static objects have none. */
unsigned cpy_start_offset(struct python_reader *r, const struct cpy_type *t, taddr at);

/* Is the object at `at` one of 3.12's or later that are not counted? */
bool cpy_is_immortal(struct python_reader *r, taddr at);
/* The int at `at`, if it is one and fits. */
must_check bool cpy_int(struct python_reader *r, taddr at, int64_t *value);
/* The dict of a type: of the first interpreter, if each has its own. */
taddr cpy_type_dict(struct python_reader *r, taddr type);
/* Likewise tp_subclasses: a dict, or 0. */
taddr cpy_type_subclasses(struct python_reader *r, taddr type);
/* How many items of `size` bytes from `at` on there can be, of the n that are claimed. */
uint64_t cpy_count(struct python_reader *r, taddr at, uint64_t n, uint64_t size);
/* |ob_size|, as far as the items can be there. */
uint64_t cpy_items(struct python_reader *r, const struct cpy_type *t, taddr at);
/* Does `at` lie in an arena of obmalloc's, whose blocks have CPY_POOLED_MAX bytes at most? */
enum { CPY_POOLED_MAX = 512 }; /* pycore_obmalloc.h SMALL_REQUEST_THRESHOLD */
bool cpy_is_pooled(const struct python *py, taddr at);

/* ---- tables of dicts (cpy_dict.c) ---- */

/* PyDictKeysObject: of one dict, or shared by a type and the dicts of its instances. */
struct cpy_keys {
	taddr at, entries;
	uint64_t refcount, size; /* size: bytes */
	uint64_t n, usable;      /* entries in use or deleted, and free */
	uint64_t most;           /* entries that the table has room for */
	uint32_t entry_size, key_offset;
	bool is_split, is_empty; /* empty: the one that all empty dicts share */
};
enum { CPY_VALUES_MAX = 255 }; /* SHARED_KEYS_MAX_SIZE is 30; counted in a byte */

static inline taddr cpy_key_at(struct python_reader *r, const struct cpy_keys *k,
			       uint64_t i)
{
	return cpy_word_or_0(r, k->entries + i * k->entry_size + k->key_offset);
}
must_check bool cpy_keys_read(struct python_reader *r, taddr at, struct cpy_keys *k);
/* The values at `array` under the names of the keys. */
void cpy_values_edges(struct python_reader *r, const struct cpy_keys *k, taddr array,
		      const struct python_sink *sink);
/* The part that holds the values at `values` (PyDictValues), n of them. */
void cpy_values_part(struct python_reader *r, taddr values, uint64_t n,
		     const struct python_sink *sink);
/* Each key as a reference, for those that own the table. */
void cpy_keys_edges(struct python_reader *r, const struct cpy_keys *k,
		    const struct python_sink *sink);

/* ---- common steps of rules ---- */

/* Does the type of the object at `at` have this flag? */
static inline bool cpy_is_kind(struct python_reader *r, taddr at, uint64_t flag)
{
	uint64_t type, flags;

	return cpy_may_be_address(at) && cpy_word(r, at + CPY_TYPE, &type) &&
	       cpy_may_be_address(type) &&
	       cpy_word(r, type + r->layout->type.flags, &flags) && flags & flag &&
	       flags & CPY_READY;
}

static inline void cpy_part(struct python_reader *r, const struct python_sink *sink,
			    taddr at, uint64_t size, const char *name)
{
	if (at && size && at % 16 == 0) /* else it is static: all blocks are aligned */
		sink->part(sink->context, at, size, cpy_field(r->py, name));
}

static inline void cpy_edge(const struct python_sink *sink, taddr to, uint16_t label)
{
	if (to)
		sink->edge(sink->context, to, label);
}
/* The object at at + offset, if any, under this name. */
void cpy_edge_field(struct python_reader *r, const struct python_sink *sink, taddr at,
		    const char *name);
/* The n bytes at `at` are all that an object says; `seed` sets apart what equal bytes do
 * not make equal. Not told if one of them is a hole. */
void cpy_content(struct python_reader *r, const struct python_sink *sink, taddr at,
		 uint64_t n, uint64_t seed);
/* Of a container with room for `room` items of `size` bytes and n of them there. */
void cpy_slack_items(const struct python_sink *sink, uint64_t room, uint64_t n,
		     uint64_t size);
/* Of one with a table of `bytes`, where one made for its entries takes `least`; n entries of
 * the `most` that it is made for. It is sparse if less than one in `part` is there. */
struct cpy_table {
	uint64_t n, most, part, bytes, least;
};
void cpy_slack_table(const struct python_sink *sink, const struct cpy_table *t);
/* Bytes of obmalloc's block that starts at `at`, if it holds no object; 0: there is none. */
uint64_t cpy_raw_block(struct python_reader *r, taddr at);
/* The words of [at, at + size) as possible references, and those of blocks without an
 * object that they point to. */
void cpy_scan(struct python_reader *r, const struct python_sink *sink, taddr at,
	      uint64_t size);
/* Bytes of the NUL-terminated string at `at`, at most `max`; false: a hole, or no end. */
bool cpy_string(struct python_reader *r, taddr at, size_t max, struct buf *out);
/* Text of the str object at `at`, UTF-8, at most `max` bytes appended; false: it is none. */
bool cpy_text(struct python_reader *r, taddr at, size_t max, struct buf *out);
/* Is it a str that says this (ASCII)? */
bool cpy_text_is(struct python_reader *r, taddr at, const char *ascii);
/* At most 64 characters (or bytes: not is_text) as repr() writes them, quoted. */
void cpy_put_repr(struct buf *out, const uint32_t *points, size_t n, bool is_text);
/* Calls for each key and value of a dict, in order; value 0 skipped. False: it is none. */
typedef bool cpy_item_fn(void *context, taddr key, taddr value);
bool cpy_dict_each(struct python_reader *r, taddr dict, cpy_item_fn *fn, void *context);
/* The value of a str key in a dict, 0 if there is none. */
taddr cpy_dict_get(struct python_reader *r, taddr dict, const char *key);

/* ---- lines and code (cpy_line.c, cpy_code.c) ---- */

/* The line of the instruction `offset` bytes into code whose first line is `first`; 0: it
 * has none, or the table does not tell. */
uint32_t cpy_line_at(const uint8_t *table, size_t n, uint32_t first, int64_t offset);

struct cpy_code {
	taddr at;
	taddr names;        /* the tuple of its slots' names */
	uint32_t nslots;    /* locals, cells and free variables */
	uint32_t stacksize; /* of the evaluation stack */
	uint32_t first_traceable, first_line;
};

/* False: there is no code object, or one that cannot be. */
must_check bool cpy_code_read(struct python_reader *r, taddr at, struct cpy_code *out);
/* The str object that names a slot; 0 none. */
taddr cpy_code_slot_name(struct python_reader *r, const struct cpy_code *c,
			 uint32_t slot);
/* The line of the instruction at the address `instruction`; 0 none. */
uint32_t cpy_code_line(struct python_reader *r, const struct cpy_code *c,
		       taddr instruction);
/* Appends "f (app.py:12)"; line 0: none is told. */
void cpy_code_describe(struct python_reader *r, taddr code, uint32_t line,
		       struct buf *out);
/* The two of that: its qualified name, and the path as the compiler was told it. Appends;
 * "?" for one that cannot be read. */
void cpy_code_function(struct python_reader *r, taddr code, struct buf *out);
void cpy_code_file(struct python_reader *r, taddr code, struct buf *out);
cpy_read_fn cpy_code_edges;
cpy_size_fn cpy_code_size;
cpy_value_fn cpy_code_value;
extern const struct cpy_field_rule cpy_code_fields[];

/* ---- frames (cpy_frame.c) ---- */

enum cpy_owner { CPY_OF_THREAD, CPY_OF_GENERATOR, CPY_OF_FRAME, CPY_OF_C_STACK };

struct cpy_frame {
	taddr at, previous, instruction, frame_object;
	struct cpy_code code;
	uint32_t owner; /* enum cpy_owner */
	/* Slots from localsplus on that hold references, or NULL: locals first, then the
	 * stack. After them as many words that may. */
	uint32_t ncertain, npossible;
};

/* False: it does not run Python code (an entry from C), or is none. *previous, unless
 * NULL, is told even then if it can be read. */
must_check bool cpy_frame_read(struct python_reader *r, taddr at, taddr *previous,
			       struct cpy_frame *out);
/* Is it between its call and its first line? Tracebacks do not show it then. */
bool cpy_frame_is_incomplete(struct python_reader *r, const struct cpy_frame *f);
/* The line it is at; 0 none. */
uint32_t cpy_frame_line(struct python_reader *r, const struct cpy_frame *f);

enum cpy_held { CPY_HELD_FIELD, CPY_HELD_LOCAL, CPY_HELD_STACK, CPY_HELD_POSSIBLE };
struct cpy_holding {
	enum cpy_held kind;
	const char *field; /* of a field: f_code */
	taddr name;        /* of a local: a str object, 0 none */
	taddr addr, to;
};
typedef void cpy_holding_fn(void *context, const struct cpy_holding *h);
/* All references that the frame owns, each once; f_globals and f_builtins are its
 * function's (CPython 3.11 and 3.13 pycore_frame.h: borrowed). */
void cpy_frame_each(struct python_reader *r, const struct cpy_frame *f,
		    cpy_holding_fn *fn, void *context);
/* The same as edges. For frames that live in a generator or frame object. */
void cpy_frame_edges(struct python_reader *r, taddr iframe,
		     const struct python_sink *sink);
/* sys.getsizeof of what holds the frame at `iframe`, `before` bytes from its start. */
uint64_t cpy_frame_holder_size(struct python_reader *r, taddr code, uint32_t before);
cpy_read_fn cpy_frame_object_edges;
cpy_size_fn cpy_frame_object_size;
cpy_value_fn cpy_frame_object_value;

/* ---- roots ---- */

/* Tells each object that the count fields from `at` on hold, under this name. */
struct cpy_root_sink {
	struct python_reader *r;
	python_root_fn *fn;
	void *context;
	struct python_root row; /* what all rows of this group have */
};
void cpy_root_fields(struct cpy_root_sink *s, taddr at, uint32_t count, const char *name);
/* cpy_root_type.c */
void cpy_static_type_roots(struct cpy_root_sink *s);
/* cpy_thread.c */
void cpy_thread_roots(struct python_reader *r, const struct cpy_thread *t,
		      python_root_fn *fn, void *context);

#endif
