/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C types of the standard library that stand for something of the system or of another
 * library: databases, compressors, hashes, sockets, folders (CPython 3.11, 3.13: the struct
 * named above each). What a foreign library keeps for them is a
 * native block that one word of theirs leads to; others, such as where a compressor writes
 * next, are stale between calls.
 */
#include "lang/cpython/cpy_library_int.h"

/* _sqlite/connection.h pysqlite_Connection */
static const struct cpy_field_rule connection_fields[] = {
	{ .name = "db", .offset = 16, .kind = CPY_FIELD_NATIVE },
	{ .name = "statement_cache", .offset = 64, .to = 0x30c },
	{ .name = "cursors", .offset = 72, .to = 0x30c },
	{ .name = "blobs", .offset = 80, .to = 0x30c },
	{ .name = "row_factory", .offset = 96, .to = 0x30c },
	{ .name = "text_factory", .offset = 104, .to = 0x30c },
	{ .name = "statement_cache", .offset = 72, .from = 0x30c },
	{ .name = "cursors", .offset = 80, .from = 0x30c },
	{ .name = "blobs", .offset = 88, .from = 0x30c },
	{ .name = "row_factory", .offset = 104, .from = 0x30c },
	{ .name = "text_factory", .offset = 112, .from = 0x30c },
	{ 0 },
};

enum { CALLBACKS = 3, CALLBACK_BYTES = 24 }; /* trace, progress, authorizer */

/* Each a callback_context: {callable, module, state}. */
static void connection_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			    const struct python_sink *sink)
{
	taddr contexts = at + (r->layout->version < 0x30c ? 112 : 120);
	uint16_t label = cpy_field(r->py, "callback");

	(void)t;
	for (uint32_t i = 0; i < CALLBACKS; i++) {
		taddr context = cpy_word_or_0(r, contexts + i * 8);

		if (!context)
			continue;
		cpy_part(r, sink, context, CALLBACK_BYTES, "callback");
		cpy_words_edges(r, context, 2, label, sink);
	}
}

/* _sqlite/cursor.h pysqlite_Cursor */
static const struct cpy_field_rule cursor_fields[] = {
	{ .name = "connection", .offset = 16 },
	{ .name = "description", .offset = 24 },
	{ .name = "row_cast_map", .offset = 32 },
	{ .name = "lastrowid", .offset = 48 },
	{ .name = "row_factory", .offset = 64 },
	{ .name = "statement", .offset = 72 },
	{ 0 },
};

/* _sqlite/row.h pysqlite_Row */
static const struct cpy_field_rule row_fields[] = {
	{ .name = "data", .offset = 16 },
	{ .name = "description", .offset = 24 },
	{ 0 },
};

/* _sqlite/blob.h pysqlite_Blob */
static const struct cpy_field_rule blob_fields[] = {
	{ .name = "blob", .offset = 24, .kind = CPY_FIELD_NATIVE },
	{ .name = "connection", .offset = 16 },
	{ 0 },
};

/* What begins with the address of its foreign half: statement.h, _hashopenssl.c, _ssl.c */
static const struct cpy_field_rule handle_fields[] = {
	{ .name = "handle", .offset = 16, .kind = CPY_FIELD_NATIVE },
	{ 0 },
};

/* _bz2module.c BZ2Compressor */
static const struct cpy_field_rule bz2_compressor_fields[] = {
	{ .name = "state", .offset = 64, .kind = CPY_FIELD_NATIVE },
	{ 0 },
};

/* _lzmamodule.c Compressor */
static const struct cpy_field_rule lzma_compressor_fields[] = {
	{ .name = "internal", .offset = 96, .kind = CPY_FIELD_NATIVE },
	{ 0 },
};

/* zlibmodule.c compobject */
static const struct cpy_field_rule zlib_fields[] = {
	{ .name = "state", .offset = 72, .kind = CPY_FIELD_NATIVE },
	{ .name = "unused_data", .offset = 128 },
	{ .name = "unconsumed_tail", .offset = 136 },
	{ .name = "zdict", .offset = 152 },
	{ 0 },
};

/* ZlibDecompressor, 3.12 */
static const struct cpy_field_rule zlib_decompressor_fields[] = {
	{ .name = "state", .offset = 72, .kind = CPY_FIELD_NATIVE },
	{ .name = "zdict", .offset = 128 },
	{ .name = "unused_data", .offset = 144 },
	{ 0 },
};

/* _bz2module.c BZ2Decompressor */
static const struct cpy_field_rule bz2_fields[] = {
	{ .name = "state", .offset = 64, .kind = CPY_FIELD_NATIVE },
	{ .name = "unused_data", .offset = 104 },
	{ 0 },
};

/* _lzmamodule.c Decompressor */
static const struct cpy_field_rule lzma_fields[] = {
	{ .name = "internal", .offset = 96, .kind = CPY_FIELD_NATIVE },
	{ .name = "unused_data", .offset = 184 },
	{ 0 },
};

/* selectmodule.c pollObject */
static const struct cpy_field_rule poll_fields[] = {
	{ .name = "dict", .offset = 16 },
	{ 0 },
};

/* Locks of what may be used on several threads at once, up to 3.12 of hashes too. */
static void zlib_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		      const struct python_sink *sink)
{
	(void)t;
	cpy_lock_part(r, sink, at + 160);
}

static void bz2_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		     const struct python_sink *sink)
{
	cpy_lock_part(r, sink, at + t->native->basicsize - 8);
}

static void poll_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		      const struct python_sink *sink)
{
	uint64_t n = cpy_u32_or_0(r, at + 28);

	(void)t;
	cpy_array_part(r, sink, at + 32, (struct cpy_array){ &n, 8, "ufds" });
}

/* posixmodule.c ScandirIterator: its path_t is at 16 */
static const struct cpy_field_rule scandir_fields[] = {
	{ .name = "dirp", .offset = 88, .to = 0x30d, .kind = CPY_FIELD_NATIVE },
	{ .name = "dirp", .offset = 104, .from = 0x30d, .kind = CPY_FIELD_NATIVE },
	{ .name = "path", .offset = 72, .to = 0x30d },
	{ .name = "cleanup", .offset = 80, .to = 0x30d },
	{ .name = "path", .offset = 88, .from = 0x30d },
	{ .name = "cleanup", .offset = 96, .from = 0x30d },
	{ 0 },
};

/* DirEntry */
static const struct cpy_field_rule dir_entry_fields[] = {
	{ .name = "name", .offset = 16 },
	{ .name = "path", .offset = 24 },
	{ .name = "stat", .offset = 32 },
	{ .name = "lstat", .offset = 40 },
	{ 0 },
};

/* _abc.c _abc_data */
static const struct cpy_field_rule abc_fields[] = {
	{ .name = "_abc_registry", .offset = 16 },
	{ .name = "_abc_cache", .offset = 24 },
	{ .name = "_abc_negative_cache", .offset = 32 },
	{ 0 },
};

/* Python-ast.c AST_object */
static const struct cpy_field_rule ast_fields[] = {
	{ .name = "__dict__", .offset = 16 },
	{ 0 },
};

/* Python-tokenize.c tokenizeriterobject */
static const struct cpy_field_rule tokenizer_fields[] = {
	{ .name = "tok", .offset = 16, .kind = CPY_FIELD_NATIVE },
	{ .name = "last_line", .offset = 32, .from = 0x30d },
	{ 0 },
};

/* _ssl.c PySSLContext */
static const struct cpy_field_rule ssl_context_fields[] = {
	{ .name = "ctx", .offset = 16, .kind = CPY_FIELD_NATIVE },
	{ .name = "set_sni_cb", .offset = 40 },
	{ .name = "msg_cb", .offset = 64 },
	{ .name = "keylog_filename", .offset = 72 },
	{ .name = "psk_client_callback", .offset = 96, .from = 0x30d },
	{ .name = "psk_server_callback", .offset = 104, .from = 0x30d },
	{ 0 },
};

/* PySSLSocket: its Socket is a weak reference */
static const struct cpy_field_rule ssl_socket_fields[] = {
	{ .name = "ssl", .offset = 24, .kind = CPY_FIELD_NATIVE },
	{ .name = "Socket", .offset = 16 },
	{ .name = "ctx", .offset = 32 },
	{ .name = "owner", .offset = 48 },
	{ .name = "server_hostname", .offset = 56 },
	{ .name = "exc_type", .offset = 72, .to = 0x30c },
	{ .name = "exc_value", .offset = 80, .to = 0x30c },
	{ .name = "exc_tb", .offset = 88, .to = 0x30c },
	{ .name = "exc", .offset = 72, .from = 0x30c },
	{ 0 },
};

/* PySSLSession */
static const struct cpy_field_rule ssl_session_fields[] = {
	{ .name = "session", .offset = 16, .kind = CPY_FIELD_NATIVE },
	{ .name = "ctx", .offset = 24 },
	{ 0 },
};

const struct cpy_rules cpy_system_rules[] = {
	{ .name = "sqlite3.Connection",
	  .read = connection_read,
	  .fields = connection_fields },
	{ .name = "sqlite3.Cursor", .fields = cursor_fields },
	{ .name = "sqlite3.Row", .fields = row_fields },
	{ .name = "sqlite3.Blob", .fields = blob_fields },
	{ .name = "sqlite3.Statement", .fields = handle_fields },
	{ .name = "sqlite3.PrepareProtocol" },
	{ .name = "zlib.Compress", .read = zlib_read, .fields = zlib_fields },
	{ .name = "zlib.Decompress", .read = zlib_read, .fields = zlib_fields },
	{ .name = "zlib._ZlibDecompressor", .fields = zlib_decompressor_fields },
	{ .name = "_bz2.BZ2Compressor",
	  .read = bz2_read,
	  .fields = bz2_compressor_fields },
	{ .name = "_bz2.BZ2Decompressor", .read = bz2_read, .fields = bz2_fields },
	{ .name = "_lzma.LZMACompressor",
	  .read = bz2_read,
	  .fields = lzma_compressor_fields },
	{ .name = "_lzma.LZMADecompressor", .read = bz2_read, .fields = lzma_fields },
	{ .name = "_hashlib.HASH", .fields = handle_fields },
	{ .name = "_hashlib.HASHXOF", .fields = handle_fields },
	{ .name = "_hashlib.HMAC", .fields = handle_fields },
	{ .name = "_md5.md5" },
	{ .name = "_sha1.sha1" },
	{ .name = "_sha256.sha224" },
	{ .name = "_sha256.sha256" },
	{ .name = "_sha512.sha384" },
	{ .name = "_sha512.sha512" },
	{ .name = "_sha2.SHA224Type" },
	{ .name = "_sha2.SHA256Type" },
	{ .name = "_sha2.SHA384Type" },
	{ .name = "_sha2.SHA512Type" },
	{ .name = "_sha3.sha3_224" },
	{ .name = "_sha3.sha3_256" },
	{ .name = "_sha3.sha3_384" },
	{ .name = "_sha3.sha3_512" },
	{ .name = "_sha3.shake_128" },
	{ .name = "_sha3.shake_256" },
	{ .name = "_blake2.blake2b" },
	{ .name = "_blake2.blake2s" },
	{ .name = "_socket.socket" },
	{ .name = "select.epoll" },
	{ .name = "select.poll", .read = poll_read, .fields = poll_fields },
	{ .name = "_random.Random" },
	{ .name = "posix.ScandirIterator", .fields = scandir_fields },
	{ .name = "posix.DirEntry", .fields = dir_entry_fields },
	{ .name = "_abc._abc_data", .fields = abc_fields },
	{ .name = "ast.AST", .fields = ast_fields },
	{ .name = "_tokenize.TokenizerIter", .fields = tokenizer_fields },
	{ .name = "unicodedata.UCD" },
	{ .name = "stderrprinter" },
	{ .name = "_ssl._SSLContext", .fields = ssl_context_fields },
	{ .name = "_ssl._SSLSocket", .fields = ssl_socket_fields },
	{ .name = "_ssl.SSLSession", .fields = ssl_session_fields },
	{ .name = "_ssl.MemoryBIO", .fields = handle_fields },
	{ 0 },
};
