/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

#include <cmocka.h>

static void texts_are_interned_once(void **state)
{
	struct model *m = model_new();
	char text[32];
	uint32_t first;

	(void)state;
	assert_int_equal(model_intern(m, str_of("")), 0);
	first = model_intern(m, str_of("text 0"));
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		assert_int_equal(model_intern(m, str_of(text)), first + (uint32_t)i);
	}
	assert_int_equal(model_intern(m, str_of("text 500")), first + 500);
	assert_true(str_is(model_text(m, first + 999), "text 999"));
	model_free(m);
}

static void added_texts_are_no_names(void **state)
{
	struct model *m = model_new();
	uint32_t name, value, again;

	(void)state;
	name = model_intern(m, str_of("name"));
	value = model_text_add(m, str_of("name"));
	again = model_text_add(m, str_of("name"));
	assert_int_not_equal(value, name);
	assert_int_not_equal(again, value);
	assert_true(str_is(model_text(m, value), "name"));
	assert_true(str_is(model_text(m, again), "name"));
	assert_int_equal(model_intern(m, str_of("name")), name);
	(void)model_text_add(m, str_of("value"));
	assert_int_equal(model_intern(m, str_of("value")), again + 2);
	assert_int_equal(model_intern(m, str_of("")), 0);
	model_free(m);
}

static void types_are_their_three_words(void **state)
{
	struct model *m = model_new();
	uint32_t a = model_type(m, str_of("c"), str_of("string data"), str_of(""));
	uint32_t b = model_type(m, str_of("c"), str_of(""), str_of("string data"));

	(void)state;
	assert_int_not_equal(a, b);
	assert_int_equal(model_type(m, str_of("c"), str_of("string data"), str_of("")),
			 a);
	assert_int_equal(m->types.n, 2);
	model_free(m);
}

static void descriptors_reach_every_column(void **state)
{
	struct model *m = model_new();
	size_t row;

	(void)state;
	for (int i = 0; i < 100; i++) {
		row = model_blocks_add(m);
		m->blocks.addr[row] = (uint64_t)i * 64 + 16;
		m->blocks.size[row] = 40;
		m->blocks.extra[row] = 1;
	}
	assert_int_equal(model_table_rows(m, &model_tables[TABLE_blocks]), 100);
	assert_ptr_equal(model_table_column(m, &model_tables[TABLE_blocks], 0),
			 m->blocks.addr);
	assert_ptr_equal(model_table_column(m, &model_tables[TABLE_blocks], 5),
			 m->blocks.type);
	assert_int_equal(block_footprint(m, 3), 48);
	assert_int_equal(model_block_at(m, 16), 0);
	assert_int_equal(model_block_at(m, 16 + 39), 0);
	assert_int_equal(model_block_at(m, 16 + 40), 100);
	assert_int_equal(model_block_at(m, 15), 100);
	assert_int_equal(model_block_at(m, 99 * 64 + 16 + 1), 99);
	model_free(m);
}

static void dropped_values_leave_no_text(void **state)
{
	struct model *m = model_new();
	size_t said, silent, row;

	(void)state;
	model_previews_add(m);
	model_intern(m, str_of("met by nobody"));
	said = model_objects_add(m);
	silent = model_objects_add(m);
	m->objects.value[said] = model_intern(m, str_of("password"));
	m->objects.type[said] =
		model_type(m, str_of("python"), str_of("str"), str_of(""));
	row = model_groups_add(m);
	m->groups.name[row] = model_intern(m, str_of("zoo"));
	model_label(m, LABEL_FIELD, str_of("zoo"));
	model_drop_values(m);
	assert_int_equal(m->previews.n, 0);
	assert_int_equal(m->objects.value[said], 0);
	assert_int_equal(m->objects.value[silent], 0);
	assert_int_equal(m->strings.n, 4); /* "", python, str, zoo */
	assert_int_equal(str_find(buf_view(&m->strings.bytes), "pass"), -1);
	assert_true(str_is(model_text(m, 0), ""));
	assert_true(str_is(model_text(m, m->groups.name[row]), "zoo"));
	assert_int_equal(m->labels.name[m->labels.n - 1], m->groups.name[row]);
	assert_true(str_is(model_text(m, m->types.kind[m->objects.type[said]]), "str"));
	assert_int_equal(model_intern(m, str_of("zoo")), m->groups.name[row]);
	model_free(m);
}

/* Bits behind its last block are nobody's. It may have as many as 32 bits can count. */
static void used_blocks_of_a_slab_are_counted(void **state)
{
	static const uint32_t counts[] = { 0, 1, 63, 64, 65, 127, 128, UINT32_MAX };
	const size_t words = (size_t)UINT32_MAX / 64 + 1;
	uint64_t *bits = mmap(NULL, words * 8, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct model *m = model_new();
	size_t slab = model_slabs_add(m);
	uint64_t *own = m->slab_bits.used;

	(void)state;
	assert_true(bits != MAP_FAILED);
	m->slab_bits.used = bits;
	bits[0] = bits[1] = bits[words - 1] = UINT64_MAX;
	for (size_t i = 0; i < countof(counts); i++) {
		m->slabs.count[slab] = counts[i];
		assert_int_equal(model_slab_used(m, slab),
				 counts[i] == UINT32_MAX ? 128 + 63 : counts[i]);
	}
	m->slab_bits.used = own;
	munmap(bits, words * 8);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_interned_once),
		cmocka_unit_test(added_texts_are_no_names),
		cmocka_unit_test(types_are_their_three_words),
		cmocka_unit_test(descriptors_reach_every_column),
		cmocka_unit_test(dropped_values_leave_no_text),
		cmocka_unit_test(used_blocks_of_a_slab_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
