/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose rules are they? A type is told by its tp_name, which anyone may write: each module
 * that Cython made has a static type "generator" of its own, which is no CPython generator.
 * So rules hold
 *
 *   for the static types that lie in the interpreter's own file;
 *   for all others, heap types included, where the struct is as large as the one the rules
 *   were written for: tp_basicsize, which is the size of its C struct, in the table below
 *   (printed by the types themselves, in 3.11.2, 3.11.7, 3.13.0 and 3.13.5 with numpy 1.24
 *   and 2.2; where releases of one version differ, both sizes);
 *   where they tell of no memory at all.
 *
 * The words of a type whose rules do not hold are possible references, like any other's.
 */
#include "lang/cpython/cpy_type_int.h"

static const struct {
	const char *name;
	uint16_t of_311[2], of_313[2];
} structs[] = {
	/* clang-format off */
	{ "CArgObject", { 64 }, { 0 } },
	{ "StgDict", { 192 }, { 0 } },
	{ "TaskStepMethWrapper", { 32 }, { 0 } },
	{ "_RunningLoopHolder", { 32 }, { 0 } },
	{ "_abc._abc_data", { 48 }, { 48 } },
	{ "_asyncio.Future", { 128 }, { 104 } },
	{ "_asyncio.FutureIter", { 24 }, { 24 } },
	{ "_asyncio.Task", { 176 }, { 144 } },
	{ "_asyncio.TaskStepMethWrapper", { 0 }, { 32 } },
	{ "_bz2.BZ2Compressor", { 112 }, { 112 } },
	{ "_bz2.BZ2Decompressor", { 152 }, { 152 } },
	{ "_csv.Dialect", { 48 }, { 48 } },
	{ "_csv.reader", { 88 }, { 88 } },
	{ "_csv.writer", { 72 }, { 72 } },
	{ "_ctypes.Array", { 96 }, { 96 } },
	{ "_ctypes.CArgObject", { 0 }, { 64 } },
	{ "_ctypes.CField", { 72 }, { 72 } },
	{ "_ctypes.CFuncPtr", { 160 }, { 160 } },
	{ "_ctypes.CThunkObject", { 128 }, { 128 } },
	{ "_ctypes.CType_Type", { 0 }, { 1088 } },
	{ "_ctypes.DictRemover", { 32 }, { 32 } },
	{ "_ctypes.StructParam_Type", { 32 }, { 32 } },
	{ "_ctypes.Structure", { 96 }, { 96 } },
	{ "_ctypes.Union", { 96 }, { 96 } },
	{ "_ctypes._CData", { 96 }, { 96 } },
	{ "_ctypes._Pointer", { 96 }, { 96 } },
	{ "_ctypes._SimpleCData", { 96 }, { 96 } },
	{ "_elementtree._element_iterator", { 64 }, { 64 } },
	{ "_io.BufferedRWPair", { 48 }, { 48 } },
	{ "_io.BufferedRandom", { 152 }, { 152 } },
	{ "_io.BufferedReader", { 152 }, { 152 } },
	{ "_io.BufferedWriter", { 152 }, { 152 } },
	{ "_io.BytesIO", { 64 }, { 64 } },
	{ "_io.FileIO", { 48 }, { 48 } },
	{ "_io.IncrementalNewlineDecoder", { 40 }, { 40 } },
	{ "_io.StringIO", { 120 }, { 168 } },
	{ "_io.TextIOWrapper", { 192 }, { 200 } },
	{ "_io._BufferedIOBase", { 32 }, { 32 } },
	{ "_io._BytesIOBuffer", { 24 }, { 24 } },
	{ "_io._IOBase", { 32 }, { 32 } },
	{ "_io._RawIOBase", { 32 }, { 32 } },
	{ "_io._TextIOBase", { 32 }, { 32 } },
	{ "_json.Encoder", { 80 }, { 80 } },
	{ "_json.Scanner", { 72 }, { 64 } },
	{ "_lzma.LZMACompressor", { 192 }, { 192 } },
	{ "_lzma.LZMADecompressor", { 224 }, { 224 } },
	{ "_multibytecodec.MultibyteCodec", { 24 }, { 32 } },
	{ "_multibytecodec.MultibyteIncrementalDecoder", { 56 }, { 56 } },
	{ "_multibytecodec.MultibyteIncrementalEncoder", { 48 }, { 48 } },
	{ "_pickle.Pdata", { 56 }, { 56 } },
	{ "_pickle.Pickler", { 152 }, { 144, 152 } },
	{ "_pickle.PicklerMemoProxy", { 24 }, { 24 } },
	{ "_pickle.Unpickler", { 272 }, { 264, 272 } },
	{ "_pickle.UnpicklerMemoProxy", { 24 }, { 24 } },
	{ "_queue.SimpleQueue", { 56 }, { 72 } },
	{ "_random.Random", { 2520 }, { 2520 } },
	{ "_socket.socket", { 48 }, { 56 } },
	{ "_sre.SRE_Scanner", { 232, 240 }, { 248, 264 } },
	{ "_sre.SRE_Template", { 0 }, { 40 } },
	{ "_ssl.MemoryBIO", { 32 }, { 32 } },
	{ "_ssl.SSLSession", { 32 }, { 32 } },
	{ "_ssl._SSLContext", { 96 }, { 112 } },
	{ "_ssl._SSLSocket", { 96 }, { 80 } },
	{ "_struct.Struct", { 56 }, { 56 } },
	{ "_struct.unpack_iterator", { 112 }, { 112 } },
	{ "_thread.RLock", { 48 }, { 48 } },
	{ "_thread._ThreadHandle", { 0 }, { 24 } },
	{ "_thread._local", { 64 }, { 56 } },
	{ "_thread._localdummy", { 32 }, { 24 } },
	{ "_thread.lock", { 40 }, { 24, 40 } },
	{ "_tokenize.TokenizerIter", { 0 }, { 64 } },
	{ "array.array", { 64 }, { 64 } },
	{ "array.arrayiterator", { 40 }, { 40 } },
	{ "ast.AST", { 24 }, { 24 } },
	{ "collections._deque_iterator", { 0 }, { 56 } },
	{ "collections._deque_reverse_iterator", { 0 }, { 56 } },
	{ "collections._tuplegetter", { 0 }, { 32 } },
	{ "collections.defaultdict", { 56 }, { 56 } },
	{ "collections.deque", { 216 }, { 216 } },
	{ "datetime.date", { 32 }, { 32 } },
	{ "datetime.datetime", { 48 }, { 48 } },
	{ "datetime.time", { 40 }, { 40 } },
	{ "datetime.timedelta", { 40 }, { 40 } },
	{ "datetime.timezone", { 32 }, { 32 } },
	{ "datetime.tzinfo", { 16 }, { 16 } },
	{ "decimal.Context", { 96 }, { 96 } },
	{ "decimal.ContextManager", { 32 }, { 32 } },
	{ "decimal.Decimal", { 104 }, { 104 } },
	{ "decimal.SignalDictMixin", { 24 }, { 24 } },
	{ "functools.KeyWrapper", { 32 }, { 32 } },
	{ "functools._lru_cache_wrapper", { 152 }, { 152 } },
	{ "functools._lru_list_elem", { 56 }, { 56 } },
	{ "functools.partial", { 64 }, { 64 } },
	{ "itertools._grouper", { 32 }, { 32 } },
	{ "itertools._tee", { 40 }, { 48 } },
	{ "itertools._tee_dataobject", { 496 }, { 496 } },
	{ "itertools.accumulate", { 48 }, { 56 } },
	{ "itertools.batched", { 0 }, { 40 } },
	{ "itertools.chain", { 32 }, { 32 } },
	{ "itertools.combinations", { 56 }, { 56 } },
	{ "itertools.combinations_with_replacement", { 56 }, { 56 } },
	{ "itertools.compress", { 32 }, { 32 } },
	{ "itertools.count", { 40 }, { 40 } },
	{ "itertools.cycle", { 48 }, { 48 } },
	{ "itertools.dropwhile", { 40 }, { 40 } },
	{ "itertools.filterfalse", { 32 }, { 32 } },
	{ "itertools.groupby", { 64 }, { 72 } },
	{ "itertools.islice", { 56 }, { 56 } },
	{ "itertools.pairwise", { 32 }, { 40 } },
	{ "itertools.permutations", { 64 }, { 64 } },
	{ "itertools.product", { 48 }, { 48 } },
	{ "itertools.repeat", { 32 }, { 32 } },
	{ "itertools.starmap", { 32 }, { 32 } },
	{ "itertools.takewhile", { 40 }, { 40 } },
	{ "itertools.zip_longest", { 56 }, { 56 } },
	{ "mmap.mmap", { 80 }, { 80 } },
	{ "numpy._DTypeMeta", { 968 }, { 992 } },
	{ "numpy.bytes_", { 40 }, { 40 } },
	{ "numpy.core.multiarray.flagsobj", { 32 }, { 32 } },
	{ "numpy.dtype", { 88, 96 }, { 88, 96 } },
	{ "numpy.generic", { 16 }, { 16 } },
	{ "numpy.ndarray", { 96 }, { 96 } },
	{ "numpy.object_", { 24 }, { 24 } },
	{ "numpy.void", { 64 }, { 64 } },
	{ "operator.attrgetter", { 40 }, { 40 } },
	{ "operator.itemgetter", { 48 }, { 48 } },
	{ "operator.methodcaller", { 40 }, { 64 } },
	{ "posix.DirEntry", { 72 }, { 72 } },
	{ "posix.ScandirIterator", { 104 }, { 120 } },
	{ "pyexpat.xmlparser", { 72 }, { 80 } },
	{ "re.Match", { 88 }, { 88 } },
	{ "re.Pattern", { 96 }, { 96 } },
	{ "select.epoll", { 24 }, { 24 } },
	{ "select.poll", { 48 }, { 48 } },
	{ "sqlite3.Blob", { 48 }, { 48 } },
	{ "sqlite3.Connection", { 216 }, { 224 } },
	{ "sqlite3.Cursor", { 104 }, { 104 } },
	{ "sqlite3.PrepareProtocol", { 16 }, { 16 } },
	{ "sqlite3.Row", { 32 }, { 32 } },
	{ "sqlite3.Statement", { 32 }, { 32 } },
	{ "typing.ParamSpec", { 0 }, { 56 } },
	{ "typing.ParamSpecArgs", { 0 }, { 24 } },
	{ "typing.ParamSpecKwargs", { 0 }, { 24 } },
	{ "typing.TypeVar", { 0 }, { 80 } },
	{ "typing.TypeVarTuple", { 0 }, { 40 } },
	{ "unicodedata.UCD", { 40 }, { 40 } },
	{ "xml.etree.ElementTree.Element", { 56 }, { 56 } },
	{ "xml.etree.ElementTree.TreeBuilder", { 160 }, { 168 } },
	{ "xml.etree.ElementTree.XMLParser", { 120 }, { 136 } },
	{ "zlib.Compress", { 168 }, { 168 } },
	{ "zlib.Decompress", { 168 }, { 168 } },
	{ "zlib._ZlibDecompressor", { 0 }, { 184 } },
	{ "zoneinfo.ZoneInfo", { 208 }, { 208 } },
	/* clang-format on */
};

static bool struct_is_known(unsigned version, struct str name, uint64_t basicsize)
{
	for (size_t i = 0; i < countof(structs); i++) {
		const uint16_t *sizes =
			version < 0x30c ? structs[i].of_311 : structs[i].of_313;

		if (str_is(name, structs[i].name))
			return basicsize == sizes[0] || basicsize == sizes[1];
	}
	return false;
}

const struct cpy_rules *cpy_rules_for(struct python_reader *r, const struct cpy_type *t)
{
	const struct cpy_rules *rules = t->is_python ? NULL : cpy_rules_of(t->tp_name);

	if (!rules)
		return NULL;
	if (!(t->flags & CPY_HEAPTYPE) && cpy_is_own(r->py, t->at))
		return rules;
	if (!rules->read && !rules->fields && !rules->size && !rules->own)
		return rules;
	return struct_is_known(r->layout->version, t->tp_name, t->basicsize) ? rules
									     : NULL;
}
