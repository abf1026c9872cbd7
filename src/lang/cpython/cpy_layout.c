/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Offsets of CPython's structures, one row per minor version: what a release build for
 * x86_64 has, with the GIL and without Py_TRACE_REFS. Patch releases of one minor version
 * only add to the ends of structs, but for 3.14, which tells its offsets itself.
 *
 * No number here is from memory: test/matrix/cpython_layouts.py prints a row from the debug
 * information of a libpython, and holds each row against any other's. Not in there, from
 * the source:
 *
 *   managed, pre_header   3.11 pycore_object.h _PyObject_ValuesPointer (object - 4 words),
 *                         _PyObject_ManagedDictPointer (- 3); 3.13 pycore_object.h
 *                         _PyObject_ManagedDictPointer (- 3), _PyObject_InlineValues
 *   static_type_size_extra   Objects/typeobject.c type_is_gc: up to 3.12 sys.getsizeof
 *                         counts a head for static types that have none
 *   arena_size, pool_size   3.10 Objects/obmalloc.c, 3.12 pycore_obmalloc.h: ARENA_BITS 20,
 *                         POOL_BITS 14
 */
#include "lang/cpython/cpy_int.h"

#define CPYTHON(major, minor) ((major) << 8 | (minor))

/* clang-format off */
static const struct cpy_layout cpy_layouts[] = {
	{
		.version = CPYTHON(3, 11),
		.runtime = { .size = 166688, .finalizing = 24, .interpreters_head = 40,
		  .interpreters_main = 48, .current_thread = 576, .gil = 360,
		  .main_interpreter = 58936 },
		.interp = { .size = 107752, .next = 0, .id = 48, .threads = 16, .gc = 648,
		  .modules = 888, .modules_by_index = 896, .sysdict = 904, .builtins = 912,
		  .importlib = 920, .codec_search_path = 936, .codec_search_cache = 944,
		  .codec_error_registry = 952, .dict = 1400, .obmalloc = CPY_ABSENT,
		  .static_types = CPY_ABSENT, .static_types_max = CPY_ABSENT,
		  .static_types_extension = CPY_ABSENT, .static_types_extension_max = CPY_ABSENT,
		  .interned = CPY_ABSENT, .gil = CPY_ABSENT, .own_gil = CPY_ABSENT,
		  .first_thread = 107392 },
		.gc = { .generations = 24, .generation_size = 24, .permanent = 104, .collecting = 200,
		  .garbage = 208, .callbacks = 216 },
		.thread = { .size = 360, .prev = 0, .next = 8, .interp = 16, .cframe = 56,
		  .current_frame = CPY_ABSENT, .datastack = 296, .dict = 128, .thread_id = 152,
		  .native_thread_id = 160, .current_exception = 96, .exc_info = 120,
		  .exc_state_value = 320, .context = 224, .async_exc = 144, .profile_object = 80,
		  .trace_object = 88, .async_gen_firstiter = 208, .async_gen_finalizer = 216,
		  .delete_later = 176 },
		.gil = { .last_holder = 8, .locked = 16 },
		.cframe_current = 8, .list_items = 24, .list_allocated = 32, .tuple_items = 24,
		  .int_digits = 24, .int_has_tag = false, .has_immortals = false,
		  .static_type_size_extra = 16,
		.iframe = { .code = 32, .previous = 48, .function = 0, .globals = 8, .builtins = 16,
		  .locals = 24, .frame_object = 40, .instruction = 56, .stacktop = 64, .owner = 69,
		  .localsplus = 72 },
		.frame = { .back = 16, .iframe = 24, .trace = 32, .lineno = 40,
		  .extra_locals = CPY_ABSENT, .locals_cache = CPY_ABSENT, .body = 48 },
		.code = { .argcount = 56, .nlocals = 80, .stacksize = 68, .flags = 48,
		  .firstlineno = 72, .consts = 24, .names = 32, .exceptiontable = 40,
		  .nlocalsplus = 76, .framesize = CPY_ABSENT, .ncellvars = 88, .nfreevars = 92,
		  .localsplusnames = 96, .localspluskinds = 104, .filename = 112, .name = 120,
		  .qualname = 128, .linetable = 136, .weakreflist = 144, .cached_code = 152,
		  .cached = CPY_ABSENT, .adaptive = 184 },
		.generator = { .code = 16, .weakreflist = 24, .name = 32, .qualname = 40,
		  .exc_value = 48, .origin_or_finalizer = 64, .frame_state = 75, .iframe = 80,
		  .created = -2 },
		.type = { .size = 408, .heap_size = 904, .name = 24, .basicsize = 32, .itemsize = 40,
		  .dealloc = 48, .flags = 168, .doc = 176, .traverse = 184, .weaklistoffset = 208,
		  .members = 240, .base = 256, .dict = 264, .dictoffset = 288, .bases = 336,
		  .mro = 344, .cache = 352, .subclasses = 360, .weaklist = 368, .ht_name = 848,
		  .ht_slots = 856, .ht_qualname = 864, .ht_cached_keys = 872, .ht_module = 880,
		  .ht_tpname = 888, .ht_spec_cache = 896 },
		.static_type = { .size = CPY_ABSENT, .type = CPY_ABSENT, .dict = CPY_ABSENT,
		  .subclasses = CPY_ABSENT, .weaklist = CPY_ABSENT },
		.text = { .length = 16, .state = 32, .wstr = 40, .ascii_size = 48, .utf8_length = 48,
		  .utf8 = 56, .wstr_length = 64, .compact_size = 72, .data = 72, .size = 80 },
		.dict = { .used = 16, .keys = 32, .values = 40, .keys_refcount = 0, .log2_size = 8,
		  .log2_index_bytes = 9, .kind = 10, .usable = 16, .nentries = 24, .indices = 32,
		  .values_array = 0 },
		.managed = { .dict = -24, .values = -32, .pre_header = 16 },
		.function = { .globals = 16, .builtins = 24, .name = 32, .qualname = 40, .code = 48,
		  .defaults = 56, .kwdefaults = 64, .closure = 72, .doc = 80, .dict = 88,
		  .weakreflist = 96, .module = 104, .annotations = 112,
		  .type_params = CPY_ABSENT },
		.module = { .dict = 16, .def = 24, .state = 32, .weaklist = 40, .name = 48 },
		.exception = { .dict = 16, .args = 24, .notes = 32, .traceback = 40, .context = 48,
		  .cause = 56 },
		.obmalloc = { .arena_size = 1 << 20, .pool_size = 1 << 14, .pool_head = 48,
		  .arena_object_size = 48, .arenas = CPY_ABSENT, .maxarenas = CPY_ABSENT,
		  .state_size = CPY_ABSENT },
	},
	{
		.version = CPYTHON(3, 13),
		.runtime = { .size = 283320, .finalizing = 608, .interpreters_head = 632,
		  .interpreters_main = 640, .current_thread = CPY_ABSENT, .gil = CPY_ABSENT,
		  .main_interpreter = 88352 },
		.interp = { .size = 194968, .next = 7264, .id = 7272, .threads = 7344, .gc = 7400,
		  .modules = 7656, .modules_by_index = 7664, .sysdict = 7640, .builtins = 7648,
		  .importlib = 7672, .codec_search_path = 7960, .codec_search_cache = 7968,
		  .codec_error_registry = 7976, .dict = 8448, .obmalloc = 10800,
		  .static_types = 182968, .static_types_max = 200, .static_types_extension = 192584,
		  .static_types_extension_max = 10, .interned = 194328, .gil = 16, .own_gil = 7752,
		  .first_thread = 194624 },
		.gc = { .generations = 24, .generation_size = 24, .permanent = 104, .collecting = 200,
		  .garbage = 208, .callbacks = 216 },
		.thread = { .size = 336, .prev = 0, .next = 8, .interp = 16, .cframe = CPY_ABSENT,
		  .current_frame = 72, .datastack = 232, .dict = 128, .thread_id = 152,
		  .native_thread_id = 160, .current_exception = 112, .exc_info = 120,
		  .exc_state_value = 256, .context = 208, .async_exc = 144, .profile_object = 96,
		  .trace_object = 104, .async_gen_firstiter = 192, .async_gen_finalizer = 200,
		  .delete_later = 168 },
		.gil = { .last_holder = 8, .locked = 16 },
		.cframe_current = CPY_ABSENT, .list_items = 24, .list_allocated = 32,
		  .tuple_items = 24, .int_digits = 24, .int_has_tag = true, .has_immortals = true,
		  .static_type_size_extra = 0,
		.iframe = { .code = 0, .previous = 8, .function = 16, .globals = 24, .builtins = 32,
		  .locals = 40, .frame_object = 48, .instruction = 56, .stacktop = 64, .owner = 70,
		  .localsplus = 72 },
		.frame = { .back = 16, .iframe = 24, .trace = 32, .lineno = 40, .extra_locals = 48,
		  .locals_cache = 56, .body = 64 },
		.code = { .argcount = 52, .nlocals = 80, .stacksize = 64, .flags = 48,
		  .firstlineno = 68, .consts = 24, .names = 32, .exceptiontable = 40,
		  .nlocalsplus = 72, .framesize = 76, .ncellvars = 84, .nfreevars = 88,
		  .localsplusnames = 96, .localspluskinds = 104, .filename = 112, .name = 120,
		  .qualname = 128, .linetable = 136, .weakreflist = 144, .cached_code = CPY_ABSENT,
		  .cached = 160, .adaptive = 200 },
		.generator = { .code = CPY_ABSENT, .weakreflist = 16, .name = 24, .qualname = 32,
		  .exc_value = 40, .origin_or_finalizer = 56, .frame_state = 67, .iframe = 72,
		  .created = -3 },
		.type = { .size = 416, .heap_size = 928, .name = 24, .basicsize = 32, .itemsize = 40,
		  .dealloc = 48, .flags = 168, .doc = 176, .traverse = 184, .weaklistoffset = 208,
		  .members = 240, .base = 256, .dict = 264, .dictoffset = 288, .bases = 336,
		  .mro = 344, .cache = 352, .subclasses = 360, .weaklist = 368, .ht_name = 856,
		  .ht_slots = 864, .ht_qualname = 872, .ht_cached_keys = 880, .ht_module = 888,
		  .ht_tpname = 896, .ht_spec_cache = 904 },
		.static_type = { .size = 48, .type = 0, .dict = 24, .subclasses = 32,
		  .weaklist = 40 },
		.text = { .length = 16, .state = 32, .wstr = CPY_ABSENT, .ascii_size = 40,
		  .utf8_length = 40, .utf8 = 48, .wstr_length = CPY_ABSENT, .compact_size = 56,
		  .data = 56, .size = 64 },
		.dict = { .used = 16, .keys = 32, .values = 40, .keys_refcount = 0, .log2_size = 8,
		  .log2_index_bytes = 9, .kind = 10, .usable = 16, .nentries = 24, .indices = 32,
		  .values_array = 8 },
		.managed = { .dict = -24, .values = CPY_NO_VALUES, .pre_header = 16 },
		.function = { .globals = 16, .builtins = 24, .name = 32, .qualname = 40, .code = 48,
		  .defaults = 56, .kwdefaults = 64, .closure = 72, .doc = 80, .dict = 88,
		  .weakreflist = 96, .module = 104, .annotations = 112, .type_params = 120 },
		.module = { .dict = 16, .def = 24, .state = 32, .weaklist = 40, .name = 48 },
		.exception = { .dict = 16, .args = 24, .notes = 32, .traceback = 40, .context = 48,
		  .cause = 56 },
		.obmalloc = { .arena_size = 1 << 20, .pool_size = 1 << 14, .pool_head = 48,
		  .arena_object_size = 48, .arenas = 512, .maxarenas = 520,
		  .state_size = 263248 },
	},
};
/* clang-format on */

const struct cpy_layout *cpy_layout_of(unsigned major, unsigned minor)
{
	for (size_t i = 0; i < countof(cpy_layouts); i++)
		if (cpy_layouts[i].version == CPYTHON(major, minor))
			return &cpy_layouts[i];
	return NULL; /* one nobody has looked at: said, never "the nearest" */
}
