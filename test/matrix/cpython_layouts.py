# SPDX-License-Identifier: Apache-2.0
"""Our rows of CPython's structures against the debug information of real ones.

    python3 cpython_layouts.py HEAPSIFT FILE...      each FILE's row, whole, is in HEAPSIFT
    python3 cpython_layouts.py --print FILE...       the rows as cpy_layout.c has them

FILE is a python or libpython with debug information. HEAPSIFT has it too
(the program, or cpy_layout.c.o): both are read by gdb, so no offset is typed twice. Exit 1: a field differs, or a
row was not tried.
"""
import json
import subprocess
import sys

# field of struct cpy_layout: what it is in CPython, the first that exists.
#   "TYPE.path" an offset, "sizeof TYPE", "= EXPRESSION"; nothing exists: CPY_ABSENT
RULES = {
    "runtime.size": "sizeof struct pyruntimestate",
    "runtime.finalizing": "struct pyruntimestate._finalizing",
    "runtime.interpreters_head": "struct pyruntimestate.interpreters.head",
    "runtime.interpreters_main": "struct pyruntimestate.interpreters.main",
    "runtime.current_thread": "struct pyruntimestate.gilstate.tstate_current",
    "runtime.gil": "struct pyruntimestate.ceval.gil",
    "runtime.main_interpreter": "struct pyruntimestate._main_interpreter",
    "interp.size": "sizeof struct _is",
    "interp.next": "struct _is.next",
    "interp.id": "struct _is.id",
    "interp.threads": "struct _is.threads.head",
    "interp.gc": "struct _is.gc",
    "interp.modules": "struct _is.modules|struct _is.imports.modules",
    "interp.modules_by_index": "struct _is.modules_by_index|struct _is.imports.modules_by_index",
    "interp.sysdict": "struct _is.sysdict",
    "interp.builtins": "struct _is.builtins",
    "interp.importlib": "struct _is.importlib|struct _is.imports.importlib",
    "interp.codec_search_path": "struct _is.codec_search_path|struct _is.codecs.search_path",
    "interp.codec_search_cache": "struct _is.codec_search_cache|struct _is.codecs.search_cache",
    "interp.codec_error_registry":
        "struct _is.codec_error_registry|struct _is.codecs.error_registry",
    "interp.dict": "struct _is.dict",
    "interp.obmalloc": "struct _is.obmalloc",
    "interp.static_types": "struct _is.types.builtins.initialized|struct _is.types.builtins",
    "interp.static_types_max": "= sizeof(((struct _is *)0)->types.builtins.initialized)"
                               " / sizeof(managed_static_type_state)",
    "interp.static_types_extension": "struct _is.types.for_extensions.initialized",
    "interp.static_types_extension_max":
        "= sizeof(((struct _is *)0)->types.for_extensions.initialized)"
        " / sizeof(managed_static_type_state)",
    "interp.interned": "struct _is.cached_objects.interned_strings",
    "interp.gil": "= %(version)d >= 0x30c ? (long)&((struct _is *)0)->ceval.gil : 0xffffffff",
    "interp.own_gil": "struct _is._gil",
    "interp.first_thread": "struct _is._initial_thread",
    "owned.import_func": "struct _is.import_func|struct _is.imports.import_func",
    "owned.sysdict_copy": "struct _is.sysdict_copy",
    "owned.builtins_copy": "struct _is.builtins_copy",
    "owned.before_forkers": "struct _is.before_forkers",
    "owned.after_forkers_parent": "struct _is.after_forkers_parent",
    "owned.after_forkers_child": "struct _is.after_forkers_child",
    "owned.warning_filters": "struct _is.warnings.filters",
    "owned.warning_once": "struct _is.warnings.once_registry",
    "owned.warning_default": "struct _is.warnings.default_action",
    "owned.atexit": "struct _is.atexit.callbacks",
    "owned.natexit": "struct _is.atexit.ncallbacks",
    "owned.audit_hooks": "struct _is.audit_hooks",
    "owned.identifiers": "struct _is.unicode.ids.array",
    "owned.nidentifiers": "struct _is.unicode.ids.size",
    "owned.errnomap": "struct _is.exc_state.errnomap",
    "owned.exception_group": "struct _is.exc_state.PyExc_ExceptionGroup",
    "owned.not_shareable": "struct _is.xi.PyExc_NotShareableError",
    "owned.ast": "struct _is.ast.AST_type",
    "owned.ast_count": "= ((long)&((struct _is *)0)->ast.withitem_type"
                       " - (long)&((struct _is *)0)->ast.AST_type) / 8 + 1",
    "owned.monitoring": "struct _is.monitoring_callables",
    "owned.monitoring_count": "= sizeof(((struct _is *)0)->monitoring_callables) / 8",
    "owned.monitoring_tools": "struct _is.monitoring_tool_names",
    "owned.monitoring_tool_count": "= sizeof(((struct _is *)0)->monitoring_tool_names) / 8",
    "owned.str_replace_inf": "struct _is.cached_objects.str_replace_inf|struct _is.cached_objects._unused_str_replace_inf",
    "owned.typing": "struct _is.cached_objects.generic_type",
    "owned.typing_count": "= ((long)&((struct _is *)0)->cached_objects.paramspeckwargs_type"
                          " - (long)&((struct _is *)0)->cached_objects.generic_type) / 8 + 1",
    "owned.optimizer": "struct _is.optimizer",
    "gc.generations": "struct _gc_runtime_state.generations|struct _gc_runtime_state.young",
    "gc.generation0": "struct _gc_runtime_state.generation0",
    "gc.generation_size": "sizeof struct gc_generation",
    "gc.permanent": "struct _gc_runtime_state.permanent_generation.head",
    "gc.collecting": "struct _gc_runtime_state.collecting",
    "gc.garbage": "struct _gc_runtime_state.garbage",
    "gc.callbacks": "struct _gc_runtime_state.callbacks",
    "thread.size": "sizeof _PyThreadStateImpl|sizeof struct _ts",
    "thread.prev": "struct _ts.prev",
    "thread.next": "struct _ts.next",
    "thread.interp": "struct _ts.interp",
    "thread.cframe": "struct _ts.cframe",
    "thread.current_frame": "struct _ts.current_frame",
    "thread.datastack": "struct _ts.datastack_chunk",
    "thread.dict": "struct _ts.dict",
    "thread.thread_id": "struct _ts.thread_id",
    "thread.native_thread_id": "struct _ts.native_thread_id",
    "thread.current_exception": "struct _ts.current_exception|struct _ts.curexc_type",
    "thread.exc_info": "struct _ts.exc_info",
    "thread.exc_state_value": "struct _ts.exc_state.exc_value",
    "thread.context": "struct _ts.context",
    "thread.async_exc": "struct _ts.async_exc",
    "thread.profile_object": "struct _ts.c_profileobj",
    "thread.trace_object": "struct _ts.c_traceobj",
    "thread.async_gen_firstiter": "struct _ts.async_gen_firstiter",
    "thread.async_gen_finalizer": "struct _ts.async_gen_finalizer",
    "thread.delete_later": "struct _ts.delete_later|struct _ts.trash_delete_later|"
                           "struct _ts.trash.delete_later",
    "thread.on_delete_data": "struct _ts.on_delete_data",
    "thread.local_key": "struct _ts.threading_local_key",
    "thread.local_sentinel": "struct _ts.threading_local_sentinel",
    "gil.last_holder": "struct _gil_runtime_state.last_holder",
    "gil.locked": "struct _gil_runtime_state.locked",
    "cframe_current": "struct _PyCFrame.current_frame",
    "iframe.code": "struct _PyInterpreterFrame.f_code|struct _PyInterpreterFrame.f_executable",
    "iframe.previous": "struct _PyInterpreterFrame.previous",
    "iframe.function": "struct _PyInterpreterFrame.f_func|struct _PyInterpreterFrame.f_funcobj",
    "iframe.globals": "struct _PyInterpreterFrame.f_globals",
    "iframe.builtins": "struct _PyInterpreterFrame.f_builtins",
    "iframe.locals": "struct _PyInterpreterFrame.f_locals",
    "iframe.frame_object": "struct _PyInterpreterFrame.frame_obj",
    "iframe.instruction":
        "struct _PyInterpreterFrame.prev_instr|struct _PyInterpreterFrame.instr_ptr",
    "iframe.stacktop": "struct _PyInterpreterFrame.stacktop",
    "iframe.owner": "struct _PyInterpreterFrame.owner",
    "iframe.localsplus": "struct _PyInterpreterFrame.localsplus",
    "frame.back": "struct _frame.f_back",
    "frame.iframe": "struct _frame.f_frame",
    "frame.trace": "struct _frame.f_trace",
    "frame.lineno": "struct _frame.f_lineno",
    "frame.extra_locals": "struct _frame.f_extra_locals",
    "frame.locals_cache": "struct _frame.f_locals_cache",
    "frame.body": "struct _frame._f_frame_data",
    "code.argcount": "PyCodeObject.co_argcount",
    "code.nlocals": "PyCodeObject.co_nlocals",
    "code.stacksize": "PyCodeObject.co_stacksize",
    "code.flags": "PyCodeObject.co_flags",
    "code.firstlineno": "PyCodeObject.co_firstlineno",
    "code.consts": "PyCodeObject.co_consts",
    "code.names": "PyCodeObject.co_names",
    "code.exceptiontable": "PyCodeObject.co_exceptiontable",
    "code.nlocalsplus": "PyCodeObject.co_nlocalsplus",
    "code.framesize": "PyCodeObject.co_framesize",
    "code.ncellvars": "PyCodeObject.co_ncellvars",
    "code.nfreevars": "PyCodeObject.co_nfreevars",
    "code.localsplusnames": "PyCodeObject.co_localsplusnames",
    "code.localspluskinds": "PyCodeObject.co_localspluskinds",
    "code.filename": "PyCodeObject.co_filename",
    "code.name": "PyCodeObject.co_name",
    "code.qualname": "PyCodeObject.co_qualname",
    "code.linetable": "PyCodeObject.co_linetable",
    "code.weakreflist": "PyCodeObject.co_weakreflist",
    "code.cached_code": "PyCodeObject._co_code",
    "code.cached": "PyCodeObject._co_cached",
    "code.adaptive": "PyCodeObject.co_code_adaptive",
    "code.line_array": "PyCodeObject._co_linearray",
    "code.line_array_entry": "PyCodeObject._co_linearray_entry_size",
    "code.monitoring": "PyCodeObject._co_monitoring",
    "code.first_traceable": "PyCodeObject._co_firsttraceable",
    "code.extra": "PyCodeObject.co_extra",
    "generator.code": "PyGenObject.gi_code",
    "generator.weakreflist": "PyGenObject.gi_weakreflist",
    "generator.name": "PyGenObject.gi_name",
    "generator.qualname": "PyGenObject.gi_qualname",
    "generator.exc_value": "PyGenObject.gi_exc_state.exc_value",
    "generator.origin_or_finalizer": "PyGenObject.gi_origin_or_finalizer",
    "generator.frame_state": "PyGenObject.gi_frame_state",
    "generator.iframe": "PyGenObject.gi_iframe",
    "generator.created": "= (int)FRAME_CREATED",
    "type.size": "sizeof PyTypeObject",
    "type.heap_size": "sizeof PyHeapTypeObject",
    "type.name": "PyTypeObject.tp_name",
    "type.basicsize": "PyTypeObject.tp_basicsize",
    "type.itemsize": "PyTypeObject.tp_itemsize",
    "type.dealloc": "PyTypeObject.tp_dealloc",
    "type.flags": "PyTypeObject.tp_flags",
    "type.doc": "PyTypeObject.tp_doc",
    "type.traverse": "PyTypeObject.tp_traverse",
    "type.weaklistoffset": "PyTypeObject.tp_weaklistoffset",
    "type.members": "PyTypeObject.tp_members",
    "type.base": "PyTypeObject.tp_base",
    "type.dict": "PyTypeObject.tp_dict",
    "type.dictoffset": "PyTypeObject.tp_dictoffset",
    "type.bases": "PyTypeObject.tp_bases",
    "type.mro": "PyTypeObject.tp_mro",
    "type.cache": "PyTypeObject.tp_cache",
    "type.subclasses": "PyTypeObject.tp_subclasses",
    "type.weaklist": "PyTypeObject.tp_weaklist",
    "type.ht_name": "PyHeapTypeObject.ht_name",
    "type.ht_slots": "PyHeapTypeObject.ht_slots",
    "type.ht_qualname": "PyHeapTypeObject.ht_qualname",
    "type.ht_cached_keys": "PyHeapTypeObject.ht_cached_keys",
    "type.ht_module": "PyHeapTypeObject.ht_module",
    "type.ht_tpname": "PyHeapTypeObject._ht_tpname",
    "type.ht_spec_cache": "PyHeapTypeObject._spec_cache",
    "static_type.size": "sizeof managed_static_type_state|sizeof static_builtin_state",
    "static_type.type": "managed_static_type_state.type|static_builtin_state.type",
    "static_type.dict": "managed_static_type_state.tp_dict|static_builtin_state.tp_dict",
    "static_type.subclasses":
        "managed_static_type_state.tp_subclasses|static_builtin_state.tp_subclasses",
    "static_type.weaklist":
        "managed_static_type_state.tp_weaklist|static_builtin_state.tp_weaklist",
    "text.length": "PyASCIIObject.length",
    "text.state": "PyASCIIObject.state",
    "text.wstr": "PyASCIIObject.wstr",
    "text.ascii_size": "sizeof PyASCIIObject",
    "text.utf8_length": "PyCompactUnicodeObject.utf8_length",
    "text.utf8": "PyCompactUnicodeObject.utf8",
    "text.wstr_length": "PyCompactUnicodeObject.wstr_length",
    "text.compact_size": "sizeof PyCompactUnicodeObject",
    "text.data": "PyUnicodeObject.data",
    "text.size": "sizeof PyUnicodeObject",
    "dict.used": "PyDictObject.ma_used",
    "dict.keys": "PyDictObject.ma_keys",
    "dict.values": "PyDictObject.ma_values",
    "dict.keys_refcount": "struct _dictkeysobject.dk_refcnt",
    "dict.log2_size": "struct _dictkeysobject.dk_log2_size",
    "dict.log2_index_bytes": "struct _dictkeysobject.dk_log2_index_bytes",
    "dict.kind": "struct _dictkeysobject.dk_kind",
    "dict.usable": "struct _dictkeysobject.dk_usable",
    "dict.nentries": "struct _dictkeysobject.dk_nentries",
    "dict.indices": "struct _dictkeysobject.dk_indices",
    "dict.values_array": "struct _dictvalues.values",
    "list_items": "PyListObject.ob_item",
    "list_allocated": "PyListObject.allocated",
    "tuple_items": "PyTupleObject.ob_item",
    "int_digits": "PyLongObject.long_value.ob_digit|PyLongObject.ob_digit",
    "function.globals": "PyFunctionObject.func_globals",
    "function.builtins": "PyFunctionObject.func_builtins",
    "function.name": "PyFunctionObject.func_name",
    "function.qualname": "PyFunctionObject.func_qualname",
    "function.code": "PyFunctionObject.func_code",
    "function.defaults": "PyFunctionObject.func_defaults",
    "function.kwdefaults": "PyFunctionObject.func_kwdefaults",
    "function.closure": "PyFunctionObject.func_closure",
    "function.doc": "PyFunctionObject.func_doc",
    "function.dict": "PyFunctionObject.func_dict",
    "function.weakreflist": "PyFunctionObject.func_weakreflist",
    "function.module": "PyFunctionObject.func_module",
    "function.annotations": "PyFunctionObject.func_annotations",
    "function.type_params": "PyFunctionObject.func_typeparams",
    "module.dict": "PyModuleObject.md_dict",
    "module.def": "PyModuleObject.md_def",
    "module.state": "PyModuleObject.md_state",
    "module.weaklist": "PyModuleObject.md_weaklist",
    "module.name": "PyModuleObject.md_name",
    "exception.dict": "PyBaseExceptionObject.dict",
    "exception.args": "PyBaseExceptionObject.args",
    "exception.notes": "PyBaseExceptionObject.notes",
    "exception.traceback": "PyBaseExceptionObject.traceback",
    "exception.context": "PyBaseExceptionObject.context",
    "exception.cause": "PyBaseExceptionObject.cause",
    "obmalloc.pool_head": "sizeof struct pool_header",
    "obmalloc.arena_object_size": "sizeof struct arena_object",
    "obmalloc.arenas": "struct _obmalloc_state.mgmt.arenas",
    "obmalloc.maxarenas": "struct _obmalloc_state.mgmt.maxarenas",
    "obmalloc.state_size": "sizeof struct _obmalloc_state",
    "obmalloc.radix": "struct _obmalloc_state.usage.arena_map_root",
    "obmalloc.radix_top": "sizeof arena_map_top_t",
    "obmalloc.radix_mid": "sizeof arena_map_mid_t",
    "obmalloc.radix_bot": "sizeof arena_map_bot_t",
}

# What cpy_fit_row takes from the target: other builds may have others.
TAKEN = {"runtime.size", "runtime.main_interpreter", "interp.size", "thread.size",
         "gc.generations"}

GDB = """
import gdb, json
gdb.execute("set max-value-size unlimited")
rules, absent = json.loads(%r), 0xffffffff

def evaluate(text):
    if text.startswith("= "):
        return text[2:]
    if text.startswith("sizeof "):
        return "sizeof(%%s)" %% text[7:]
    name, path = text.split(".", 1)
    return "(unsigned long)&((%%s *)0)->%%s" %% (name, path)

def value(alternatives, version):
    for text in alternatives.split("|"):
        try:
            return int(gdb.parse_and_eval(evaluate(text).replace("%%(version)d", str(version))))
        except gdb.error:
            pass
    return absent

symbols = gdb.lookup_type("struct _is")
release = int(gdb.parse_and_eval("*(unsigned long *)&Py_Version"))
version = release >> 16
row = {name: value(text, version) for name, text in rules.items()}
row["version"] = version
print("ROW", json.dumps(row))
"""

OURS = """
import gdb, json
def flat(value, prefix, out):
    for field in value.type.fields():
        name = prefix + field.name
        v = value[field.name]
        if v.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
            flat(v, name + ".", out)
        else:
            out[name] = int(v)
    return out
rows = gdb.parse_and_eval("cpy_layouts")
print("ROW", json.dumps([flat(rows[i], "", {}) for i in range(rows.type.range()[1] + 1)]))
"""


def run_gdb(script, path):
    debug = path.partition("/usr/bin/")[0] + "/usr/lib/debug"  # of the root it is in
    result = subprocess.run(["gdb", "-batch", "-nx", "-iex", "set debug-file-directory " + debug,
                             "-ex", "python exec(%r)" % script, path],
                            capture_output=True, text=True, timeout=300)
    for line in result.stdout.splitlines():
        if line.startswith("ROW "):
            return json.loads(line[4:])
    raise SystemExit(f"gdb tells nothing of {path}: {result.stderr[-500:]}")


def read_dwarf(path):
    return run_gdb(GDB % json.dumps(RULES), path)


def print_row(row):
    def number(v):
        return "CPY_ABSENT" if v == 0xffffffff else str(v)
    groups = {}
    for name, v in row.items():
        group, _, field = name.rpartition(".")
        groups.setdefault(group, []).append(f".{field} = {number(v)}")
    for group, fields in groups.items():
        text = ", ".join(fields)
        print(f"\t.{group} = {{ {text} }}," if group else f"\t{text},")


def main(argv):
    if argv[1] == "--print":
        for path in argv[2:]:
            print_row(read_dwarf(path))
        return 0
    ours = {row["version"]: row for row in run_gdb(OURS, argv[1])}
    failed, tested = False, set()
    for path in argv[2:]:
        real = read_dwarf(path)
        version = "%d.%d" % (real["version"] >> 8, real["version"] & 255)
        row = ours.get(real["version"])
        wrong = {k: (row[k], v) for k, v in real.items()
                 if row[k] != v and k not in TAKEN} if row else None
        if row is None:
            print(f"  CPython {version:5} has no row: {path}")
        elif wrong:
            failed = True
            print(f"  CPython {version:5} is another: (ours, real) {wrong} in {path}")
        else:
            tested.add(real["version"])
            print(f"  CPython {version:5} same in {path}: {len(real)} fields")
    for version in sorted(set(ours) - tested):
        failed = True
        print("  CPython %d.%d untested: no file of it" % (version >> 8, version & 255))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
