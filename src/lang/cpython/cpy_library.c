/* SPDX-License-Identifier: Apache-2.0 */
/*
 * C types of the standard library whose instances are told by a table alone, or nearly so
 * (CPython 3.11, 3.13: the struct named above each). Larger ones have files of their own.
 */
#include "lang/cpython/cpy_library_int.h"

enum { BATCH = 64 };

void cpy_words_edges(struct python_reader *r, taddr at, uint64_t n, uint16_t label,
		     const struct python_sink *sink)
{
	taddr words[BATCH];

	while (n > 0) {
		size_t batch = (size_t)min_u64(n, BATCH);

		if (!cpy_read(r, at, words, batch * sizeof(*words)))
			return;
		for (size_t i = 0; i < batch; i++)
			if (words[i] || label == LABEL_ITEM)
				sink->edge(sink->context, words[i], label);
		at += batch * sizeof(*words);
		n -= batch;
	}
}

taddr cpy_array_part(struct python_reader *r, const struct python_sink *sink, taddr at,
		     struct cpy_array a)
{
	taddr array = cpy_word_or_0(r, at);

	if (array == 0 || array >> 47 || *a.n >> 40)
		*a.n = 0;
	*a.n = cpy_count(r, array, *a.n, a.size);
	cpy_part(r, sink, array, *a.n * a.size, a.name);
	return *a.n ? array : 0;
}

void cpy_lock_part(struct python_reader *r, const struct python_sink *sink, taddr at)
{
	cpy_part(r, sink, cpy_word_or_0(r, at), LOCK_BYTES, "lock");
}

enum { STRING_MAX = 1 << 20, STRING_STEP = 256 };

uint64_t cpy_string_size(struct python_reader *r, taddr at)
{
	taddr start = cpy_word_or_0(r, at);

	for (uint64_t done = 0; start && done < STRING_MAX;) {
		size_t have, n;
		const uint8_t *bytes = cpy_view(r, start + done, STRING_STEP, &have);

		if (!bytes)
			return 0;
		n = strnlen((const char *)bytes, have);
		done += n;
		if (n < have)
			return done + 1;
	}
	return 0;
}

void cpy_string_part(struct python_reader *r, const struct python_sink *sink, taddr at,
		     const char *name)
{
	cpy_part(r, sink, cpy_word_or_0(r, at), cpy_string_size(r, at), name);
}

uint64_t cpy_size_as(struct python_reader *r, const struct cpy_type *t, taddr at,
		     const char *name)
{
	const struct cpy_rules *rules = cpy_rules_of(str_of(name));

	return rules && rules->size ? rules->size(r, t, at) : t->basicsize;
}

/* _sre/sre.h PatternObject */
static const struct cpy_field_rule pattern_fields[] = {
	{ .name = "groupindex", .offset = 32 },
	{ .name = "indexgroup", .offset = 40 },
	{ .name = "pattern", .offset = 48 },
	{ 0 },
};

/* MatchObject */
static const struct cpy_field_rule match_fields[] = {
	{ .name = "string", .offset = 24 },
	{ .name = "regs", .offset = 32 },
	{ .name = "pattern", .offset = 40 },
	{ 0 },
};

/* ScannerObject: its SRE_STATE is at 24 */
static const struct cpy_field_rule scanner_fields[] = {
	{ .name = "pattern", .offset = 16 },
	{ .name = "string", .offset = 56 },
	{ 0 },
};

/* TemplateObject, 3.12: {index, literal} pairs follow */
static const struct cpy_field_rule template_fields[] = {
	{ .name = "literal", .offset = 32 },
	{ 0 },
};

enum { PATTERN = 48, TEMPLATE_PAIRS = 40 };

static void pattern_value(struct python_reader *r, const struct cpy_type *t, taddr at,
			  struct buf *out)
{
	taddr pattern = cpy_word_or_0(r, at + PATTERN);
	const struct cpy_type *type = cpy_type_of(r, pattern);

	(void)t;
	if (type && type->value)
		type->value(r, type, pattern, out);
}

static void template_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			  const struct python_sink *sink)
{
	uint64_t n = cpy_items(r, t, at);
	uint16_t label = cpy_field(r->py, "literals");

	for (uint64_t i = 0; i < n; i++)
		cpy_edge(sink, cpy_word_or_0(r, at + TEMPLATE_PAIRS + i * 16 + 8), label);
}

/* _struct.c PyStructObject */
static const struct cpy_field_rule struct_fields[] = {
	{ .name = "format", .offset = 40 },
	{ 0 },
};

enum { STRUCT_CODES = 32, CODE_BYTES = 32, CODES_MAX = 1 << 16 };

/* The codes end with one that has no fmtdef; it counts. */
static uint64_t struct_codes(struct python_reader *r, taddr at)
{
	taddr codes = cpy_word_or_0(r, at + STRUCT_CODES);
	uint64_t n = 0;

	while (codes && n < CODES_MAX && cpy_word_or_0(r, codes + n * CODE_BYTES))
		n++;
	return codes ? n + 1 : 0;
}

static void struct_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			const struct python_sink *sink)
{
	uint64_t n = struct_codes(r, at);

	(void)t;
	cpy_array_part(r, sink, at + STRUCT_CODES,
		       (struct cpy_array){ &n, CODE_BYTES, "codes" });
}

/* s_sizeof */
static uint64_t struct_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	return t->basicsize + CODE_BYTES * struct_codes(r, at);
}

/* unpackiterobject: its Py_buffer is at 24 */
static const struct cpy_field_rule unpack_fields[] = {
	{ .name = "struct", .offset = 16 },
	{ .name = "buffer", .offset = 32 },
	{ 0 },
};

/* arraymodule.c arrayobject: ob_item, allocated, ob_descr {typecode, itemsize} */
enum { ARRAY_ITEMS = 24, ARRAY_ALLOCATED = 32, ARRAY_DESCRIPTION = 40, ITEM_MAX = 16 };

static uint64_t array_item_size(struct python_reader *r, taddr at)
{
	uint32_t size = cpy_u32_or_0(r, cpy_word_or_0(r, at + ARRAY_DESCRIPTION) + 4);

	return min_u64(size, ITEM_MAX);
}

static void array_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		       const struct python_sink *sink)
{
	uint64_t n = cpy_word_or_0(r, at + ARRAY_ALLOCATED);
	uint64_t size = array_item_size(r, at);

	(void)t;
	if (size == 0)
		return;
	cpy_array_part(r, sink, at + ARRAY_ITEMS,
		       (struct cpy_array){ &n, size, "items" });
	cpy_slack_items(sink, n, cpy_word_or_0(r, at + CPY_SIZE), size);
}

/* array_array___sizeof__ */
static uint64_t array_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	return t->basicsize +
	       cpy_word_or_0(r, at + ARRAY_ALLOCATED) * array_item_size(r, at);
}

/* arrayiterobject */
static const struct cpy_field_rule array_iterator_fields[] = {
	{ .name = "array", .offset = 24 },
	{ 0 },
};

/* _csv.c DialectObj */
static const struct cpy_field_rule dialect_fields[] = {
	{ .name = "lineterminator", .offset = 40 },
	{ 0 },
};

/* ReaderObj */
static const struct cpy_field_rule reader_fields[] = {
	{ .name = "input_iter", .offset = 16 },
	{ .name = "dialect", .offset = 24 },
	{ .name = "fields", .offset = 32 },
	{ 0 },
};

/* WriterObj */
static const struct cpy_field_rule writer_fields[] = {
	{ .name = "write", .offset = 16 },
	{ .name = "dialect", .offset = 24 },
	{ .name = "error_obj", .offset = 64 },
	{ 0 },
};

/* field or rec: a block of UCS4, and how many fit */
static void reader_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			const struct python_sink *sink)
{
	uint64_t n = cpy_word_or_0(r, at + 56);

	(void)t;
	cpy_array_part(r, sink, at + 48, (struct cpy_array){ &n, 4, "field" });
}

static void writer_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			const struct python_sink *sink)
{
	uint64_t n = cpy_word_or_0(r, at + 40);

	(void)t;
	cpy_array_part(r, sink, at + 32, (struct cpy_array){ &n, 4, "rec" });
}

/* _json.c PyScannerObject */
static const struct cpy_field_rule json_scanner_fields[] = {
	{ .name = "object_hook", .offset = 24 },
	{ .name = "object_pairs_hook", .offset = 32 },
	{ .name = "parse_float", .offset = 40 },
	{ .name = "parse_int", .offset = 48 },
	{ .name = "parse_constant", .offset = 56 },
	{ .name = "memo", .offset = 64, .to = 0x30d },
	{ 0 },
};

/* PyEncoderObject */
static const struct cpy_field_rule json_encoder_fields[] = {
	{ .name = "markers", .offset = 16 },
	{ .name = "default", .offset = 24 },
	{ .name = "encoder", .offset = 32 },
	{ .name = "indent", .offset = 40 },
	{ .name = "key_separator", .offset = 48 },
	{ .name = "item_separator", .offset = 56 },
	{ 0 },
};

/* multibytecodec.h MultibyteIncrementalEncoderObject */
static const struct cpy_field_rule codec_encoder_fields[] = {
	{ .name = "pending", .offset = 40 },
	{ 0 },
};

/* MultibyteStatefulCodecContext: errors is a str, or a small number for those that are
 * well known. */
static void codec_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		       const struct python_sink *sink)
{
	taddr errors = cpy_word_or_0(r, at + 32);

	(void)t;
	if (cpy_may_be_address(errors))
		cpy_edge(sink, errors, cpy_field(r->py, "errors"));
}

/* MultibyteCodecObject */
static const struct cpy_field_rule codec_fields[] = {
	{ .name = "cjk_module", .offset = 24, .from = 0x30c },
	{ 0 },
};

/* stringlib/unicode_format.h formatteriterobject, fieldnameiterobject */
static const struct cpy_field_rule formatter_fields[] = {
	{ .name = "str", .offset = 16 },
	{ 0 },
};

/* context.c PyHamtIterator */
static const struct cpy_field_rule hamt_iterator_fields[] = {
	{ .name = "hi_obj", .offset = 16 },
	{ 0 },
};

const struct cpy_rules cpy_library_rules[] = {
	{ .name = "re.Pattern", .value = pattern_value, .fields = pattern_fields },
	{ .name = "re.Match", .fields = match_fields },
	{ .name = "_sre.SRE_Scanner", .fields = scanner_fields },
	{ .name = "_sre.SRE_Template", .read = template_read, .fields = template_fields },
	{ .name = "_struct.Struct",
	  .read = struct_read,
	  .size = struct_size,
	  .fields = struct_fields },
	{ .name = "_struct.unpack_iterator", .fields = unpack_fields },
	{ .name = "array.array", .read = array_read, .size = array_size },
	{ .name = "array.arrayiterator", .fields = array_iterator_fields },
	{ .name = "mmap.mmap" },
	{ .name = "_csv.Dialect", .fields = dialect_fields },
	{ .name = "_csv.reader", .read = reader_read, .fields = reader_fields },
	{ .name = "_csv.writer", .read = writer_read, .fields = writer_fields },
	{ .name = "_json.Scanner", .fields = json_scanner_fields },
	{ .name = "_json.Encoder", .fields = json_encoder_fields },
	{ .name = "_multibytecodec.MultibyteCodec", .fields = codec_fields },
	{ .name = "_multibytecodec.MultibyteIncrementalEncoder",
	  .read = codec_read,
	  .fields = codec_encoder_fields },
	{ .name = "_multibytecodec.MultibyteIncrementalDecoder", .read = codec_read },
	{ .name = "formatteriterator", .fields = formatter_fields },
	{ .name = "fieldnameiterator", .fields = formatter_fields },
	{ .name = "items", .fields = hamt_iterator_fields },
	{ .name = "keys", .fields = hamt_iterator_fields },
	{ .name = "values", .fields = hamt_iterator_fields },
	{ 0 },
};
