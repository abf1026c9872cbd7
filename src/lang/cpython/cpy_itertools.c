/* SPDX-License-Identifier: Apache-2.0 */
/*
 * itertools (CPython 3.11, 3.13 itertoolsmodule.c: the struct of each name). What combines
 * has its indices in blocks of their own.
 */
#include "lang/cpython/cpy_library_int.h"

static const struct cpy_field_rule groupby_fields[] = {
	{ .name = "it", .offset = 16 },        { .name = "keyfunc", .offset = 24 },
	{ .name = "tgtkey", .offset = 32 },    { .name = "currkey", .offset = 40 },
	{ .name = "currvalue", .offset = 48 }, { 0 },
};

static const struct cpy_field_rule grouper_fields[] = {
	{ .name = "parent", .offset = 16 },
	{ .name = "tgtkey", .offset = 24 },
	{ 0 },
};

static const struct cpy_field_rule tee_dataobject_fields[] = {
	{ .name = "it", .offset = 16 },
	{ .name = "nextlink", .offset = 32 },
	{ 0 },
};

static const struct cpy_field_rule tee_fields[] = {
	{ .name = "dataobj", .offset = 16 },
	{ 0 },
};

static const struct cpy_field_rule cycle_fields[] = {
	{ .name = "it", .offset = 16 },
	{ .name = "saved", .offset = 24 },
	{ 0 },
};

static const struct cpy_field_rule function_fields[] = {
	{ .name = "func", .offset = 16 },
	{ .name = "it", .offset = 24 },
	{ 0 },
};

static const struct cpy_field_rule islice_fields[] = {
	{ .name = "it", .offset = 16 },
	{ 0 },
};

static const struct cpy_field_rule chain_fields[] = {
	{ .name = "source", .offset = 16 },
	{ .name = "active", .offset = 24 },
	{ 0 },
};

static const struct cpy_field_rule product_fields[] = {
	{ .name = "pools", .offset = 16 },
	{ .name = "result", .offset = 32 },
	{ 0 },
};

static const struct cpy_field_rule combinations_fields[] = {
	{ .name = "pool", .offset = 16 },
	{ .name = "result", .offset = 32 },
	{ 0 },
};

static const struct cpy_field_rule permutations_fields[] = {
	{ .name = "pool", .offset = 16 },
	{ .name = "result", .offset = 40 },
	{ 0 },
};

static const struct cpy_field_rule accumulate_fields[] = {
	{ .name = "total", .offset = 16 },
	{ .name = "it", .offset = 24 },
	{ .name = "binop", .offset = 32 },
	{ .name = "initial", .offset = 40 },
	{ 0 },
};

static const struct cpy_field_rule compress_fields[] = {
	{ .name = "data", .offset = 16 },
	{ .name = "selectors", .offset = 24 },
	{ 0 },
};

static const struct cpy_field_rule count_fields[] = {
	{ .name = "cnt", .offset = 24 },
	{ .name = "step", .offset = 32 },
	{ 0 },
};

static const struct cpy_field_rule repeat_fields[] = {
	{ .name = "element", .offset = 16 },
	{ 0 },
};

static const struct cpy_field_rule zip_longest_fields[] = {
	{ .name = "ittuple", .offset = 32 },
	{ .name = "result", .offset = 40 },
	{ .name = "fillvalue", .offset = 48 },
	{ 0 },
};

static const struct cpy_field_rule pairwise_fields[] = {
	{ .name = "it", .offset = 16 },
	{ .name = "old", .offset = 24 },
	{ .name = "result", .offset = 32, .from = 0x30d },
	{ 0 },
};

/* ob_size of the tuple at the word at `at`: pools of a product, the pool of others. */
static uint64_t tuple_size(struct python_reader *r, taddr at)
{
	return cpy_word_or_0(r, cpy_word_or_0(r, at) + CPY_SIZE);
}

enum { POOL = 16, INDICES = 24, CYCLES = 32, COMBINATIONS_R = 40, PERMUTATIONS_R = 48 };

static void product_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			 const struct python_sink *sink)
{
	uint64_t n = tuple_size(r, at + POOL);

	(void)t;
	cpy_array_part(r, sink, at + INDICES, (struct cpy_array){ &n, 8, "indices" });
}

/* product_sizeof */
static uint64_t product_size(struct python_reader *r, const struct cpy_type *t, taddr at)
{
	return t->basicsize + 8 * tuple_size(r, at + POOL);
}

static void combinations_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			      const struct python_sink *sink)
{
	uint64_t n = cpy_word_or_0(r, at + COMBINATIONS_R);

	(void)t;
	cpy_array_part(r, sink, at + INDICES, (struct cpy_array){ &n, 8, "indices" });
}

/* combinations_sizeof, cwr_sizeof */
static uint64_t combinations_size(struct python_reader *r, const struct cpy_type *t,
				  taddr at)
{
	return t->basicsize + 8 * cpy_word_or_0(r, at + COMBINATIONS_R);
}

static void permutations_read(struct python_reader *r, const struct cpy_type *t, taddr at,
			      const struct python_sink *sink)
{
	uint64_t n = tuple_size(r, at + POOL);
	uint64_t cycles = cpy_word_or_0(r, at + PERMUTATIONS_R);

	(void)t;
	cpy_array_part(r, sink, at + INDICES, (struct cpy_array){ &n, 8, "indices" });
	cpy_array_part(r, sink, at + CYCLES, (struct cpy_array){ &cycles, 8, "cycles" });
}

/* permutations_sizeof */
static uint64_t permutations_size(struct python_reader *r, const struct cpy_type *t,
				  taddr at)
{
	return t->basicsize +
	       8 * (tuple_size(r, at + POOL) + cpy_word_or_0(r, at + PERMUTATIONS_R));
}

enum { TEE_COUNT = 24, TEE_VALUES = 40, TEE_MAX = 57 };

/* Only the values read so far are there. */
static void tee_read(struct python_reader *r, const struct cpy_type *t, taddr at,
		     const struct python_sink *sink)
{
	uint32_t n = cpy_u32_or_0(r, at + TEE_COUNT);

	(void)t;
	cpy_words_edges(r, at + TEE_VALUES, min_u64(n, TEE_MAX), LABEL_ITEM, sink);
}

const struct cpy_rules cpy_itertools_rules[] = {
	{ .name = "itertools.groupby", .fields = groupby_fields },
	{ .name = "itertools._grouper", .fields = grouper_fields },
	{ .name = "itertools._tee_dataobject",
	  .read = tee_read,
	  .fields = tee_dataobject_fields },
	{ .name = "itertools._tee", .fields = tee_fields },
	{ .name = "itertools.cycle", .fields = cycle_fields },
	{ .name = "itertools.dropwhile", .fields = function_fields },
	{ .name = "itertools.takewhile", .fields = function_fields },
	{ .name = "itertools.starmap", .fields = function_fields },
	{ .name = "itertools.filterfalse", .fields = function_fields },
	{ .name = "itertools.islice", .fields = islice_fields },
	{ .name = "itertools.chain", .fields = chain_fields },
	{ .name = "itertools.product",
	  .read = product_read,
	  .size = product_size,
	  .fields = product_fields },
	{ .name = "itertools.combinations",
	  .read = combinations_read,
	  .size = combinations_size,
	  .fields = combinations_fields },
	{ .name = "itertools.combinations_with_replacement",
	  .read = combinations_read,
	  .size = combinations_size,
	  .fields = combinations_fields },
	{ .name = "itertools.permutations",
	  .read = permutations_read,
	  .size = permutations_size,
	  .fields = permutations_fields },
	{ .name = "itertools.accumulate", .fields = accumulate_fields },
	{ .name = "itertools.compress", .fields = compress_fields },
	{ .name = "itertools.count", .fields = count_fields },
	{ .name = "itertools.repeat", .fields = repeat_fields },
	{ .name = "itertools.zip_longest", .fields = zip_longest_fields },
	{ .name = "itertools.pairwise", .fields = pairwise_fields },
	{ .name = "itertools.batched", .fields = islice_fields },
	{ 0 },
};
