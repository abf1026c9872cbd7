/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects made by hand, word by word: sound ones, where what must be told is what was put
 * in; and such as no interpreter makes, whose counts no memory could hold. The real ones
 * are held against Python's own word in test/e2e.
 */
#include "../support/fake_instances.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct fake_python fake;

/* ---- what is told ---- */

enum { TOLD_MAX = 64 };

struct told {
	size_t n, nparts, ncontents, nslack;
	uint64_t hash, bytes, unused; /* of the last content, and slack */
	enum slack_kind slack;
	struct {
		taddr to;
		enum label_kind kind;
		struct str name;
	} edges[TOLD_MAX];
	struct {
		taddr at;
		uint64_t size;
	} parts[TOLD_MAX];
};

static void tell_edge(void *context, taddr to, uint16_t label)
{
	struct told *t = context;

	if (t->n < TOLD_MAX) {
		t->edges[t->n].to = to;
		t->edges[t->n].kind = python_label_kind(&fake.py, label);
		t->edges[t->n].name = python_label_name(&fake.py, label);
	}
	t->n++;
}

static void tell_part(void *context, taddr at, uint64_t size, uint16_t label)
{
	struct told *t = context;

	(void)label;
	assert_true(t->nparts < TOLD_MAX);
	t->parts[t->nparts].at = at;
	t->parts[t->nparts++].size = size;
}

static void tell_content(void *context, uint64_t hash, uint64_t bytes)
{
	struct told *t = context;

	t->hash = hash;
	t->bytes = bytes;
	t->ncontents++;
}

static void tell_slack(void *context, enum slack_kind kind, uint64_t unused)
{
	struct told *t = context;

	t->slack = kind;
	t->unused = unused;
	t->nslack++;
}

static struct told told;
static struct python_object object;

static bool read_it(taddr at)
{
	const struct python_sink sink = { .edge = tell_edge,
					  .part = tell_part,
					  .context = &told,
					  .content = tell_content,
					  .slack = tell_slack };

	told = (struct told){ 0 };
	return python_read_object(fake.reader, at, true, &sink, &object);
}

static void assert_edge(size_t i, taddr to, enum label_kind kind, const char *name)
{
	assert_true(i < told.n);
	assert_int_equal(told.edges[i].to, to);
	assert_int_equal(told.edges[i].kind, kind);
	assert_true(str_is(told.edges[i].name, name));
}

static void assert_value(taddr at, const char *value)
{
	assert_true(read_it(at));
	if (!str_is(object.value, value))
		fail_msg("%.*s is not %s", (int)object.value.n, object.value.s, value);
}

static const unsigned minors[] = { 11, 13 };
static bool begin_version(size_t version)
{
	if (version >= countof(minors))
		return false;
	fake_py_start(&fake, minors[version]);
	return true;
}
#define EACH_VERSION(i) for (size_t i = 0; begin_version(i); (i)++)

/* ---- sound ones ---- */

static void containers_tell_what_they_hold(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		taddr a = fake_py_text(&fake, "a"), b = fake_py_text(&fake, "b");
		taddr items[] = { a, 0, b, a };
		taddr list = fake_py_list(&fake, items, 4);
		taddr tuple = fake_py_tuple(&fake, items, 4);
		taddr elements[] = { 0, a, 1, b };
		taddr set = fake_py_element_set(&fake, elements, 4);
		taddr pairs[] = { a, list, 0, 0, b, a };
		taddr dicts[] = { fake_py_dict(&fake, 0, pairs, 3),
				  fake_py_dict(&fake, 1, pairs, 3) };

		fake_py_open(&fake);
		assert_true(read_it(list));
		assert_int_equal(told.n, 4); /* the empty place keeps its number */
		for (size_t i = 0; i < 4; i++)
			assert_edge(i, items[i], LABEL_ITEM, "");
		assert_int_equal(told.nparts, 1);
		assert_int_equal(told.parts[0].size, 6 * 8);
		assert_int_equal(object.size, 16 + 40 + 6 * 8); /* sys.getsizeof */
		assert_int_equal(object.start, list - 16);
		assert_true(read_it(tuple));
		assert_int_equal(told.n, 4);
		assert_int_equal(object.own, 16 + 24 + 4 * 8);
		assert_true(read_it(set));
		assert_int_equal(told.n, 2);
		assert_edge(1, b, LABEL_ELEMENT, "");
		for (size_t i = 0; i < 2; i++) {
			assert_true(read_it(dicts[i]));
			assert_int_equal(told.n, 4);
			assert_edge(0, a, LABEL_KEY, "");
			assert_edge(1, list, LABEL_VALUE, "");
			assert_edge(2, b, LABEL_KEY, "");
			assert_edge(3, a, LABEL_VALUE, "");
		}
		fake_py_close(&fake);
	}
}

static void only_immortal_interned_texts_are_held(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		taddr a = fake_py_text(&fake, "a"), b = fake_py_text(&fake, "b");
		taddr pairs[] = { a, a, b, b }, dict = fake_py_dict(&fake, 1, pairs, 2);
		bool immortals = fake.layout->has_immortals;

		fake_py_set(&fake, b + CPY_REFCOUNT, 0xffffffff);
		fake_py_open(&fake);
		fake.py.interned = dict;
		assert_true(read_it(dict));
		assert_int_equal(told.n, 4);
		assert_edge(0, a, LABEL_WEAK, "");
		assert_edge(1, a, LABEL_WEAK, "");
		assert_edge(2, b, immortals ? LABEL_KEY : LABEL_WEAK, "");
		assert_edge(3, b, LABEL_WEAK, "");
		fake_py_close(&fake);
	}
}

/* A class with attributes `x` and `y`, and an instance that has only y. */
static taddr make_instance(taddr *class, taddr y)
{
	const struct cpy_layout *l = fake.layout;
	taddr names[] = { fake_py_text(&fake, "x"), 0, fake_py_text(&fake, "y"), 0 };
	uint64_t flags = CPY_HEAPTYPE | CPY_HAVE_GC | CPY_MANAGED_DICT;
	taddr at, values = fake_py_room(&fake, 64) + 16;

	if (l->managed.values == CPY_NO_VALUES)
		flags |= CPY_INLINE_VALUES;
	*class = fake_py_type(&fake, "C", fake.object, 16, flags);
	fake_py_set(&fake, *class + l->type.traverse, 0x1000);
	fake_py_set(&fake, *class + l->type.ht_cached_keys,
		    fake_py_keys(&fake, 2, names, 2));
	at = fake_py_object(&fake, *class, 96);
	if (flags & CPY_INLINE_VALUES) {
		fake_py_set32(&fake, at + 16, 0x01010205); /* valid, embedded, 2 of 5 */
		fake_py_set(&fake, at + 32, y);
	} else {
		fake_py_set(&fake, values - 8, (uint64_t)16 << 56); /* bytes before it */
		fake_py_set(&fake, values + 8, y);
		fake_py_set(&fake, at - 32, values);
	}
	return at;
}

static void attributes_have_their_names(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		taddr y = fake_py_text(&fake, "why"), class,
		      at = make_instance(&class, y);

		fake_py_open(&fake);
		fake_py_close(&fake);
		fake_py_open(&fake); /* nothing is kept from one to the next */
		assert_true(read_it(at));
		assert_int_equal(told.n, 2);
		assert_edge(0, class, LABEL_FIELD, "__class__");
		assert_edge(1, y, LABEL_ATTRIBUTE, "y");
		assert_int_equal(object.start, at - 32);
		assert_int_equal(told.nparts, minors[v] == 11);
		assert_true(str_is(python_type_name(&fake.py, object.type), "C"));
		fake_py_close(&fake);
	}
}

static void values_are_as_repr_says(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		const uint32_t digits[] = { 5, 0, 1 };
		taddr quote = fake_py_text(&fake, "it's\t\\\x7f");
		taddr five = fake_py_int(&fake, false, digits, 1);
		taddr large = fake_py_int(&fake, true, digits, 3);
		taddr zero = fake_py_int(&fake, false, digits, 0);

		fake_py_open(&fake);
		assert_value(quote, "\"it's\\t\\\\\\x7f\"");
		assert_value(five, "5");
		assert_value(zero, "0");
		assert_value(large, "-1152921504606846981"); /* -(2**60 + 5) */
		assert_int_equal(object.size, 24 + 12);
		assert_value(fake.list, "list");
		fake_py_close(&fake);
	}
}

/* ---- such as no interpreter makes ---- */

static void what_is_no_type_is_refused(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		const struct cpy_layout *l = fake.layout;
		taddr large = fake_py_type(&fake, "large", fake.object, 1 << 30, 0);
		taddr raw = fake_py_type(&fake, "raw", fake.object, 16, 0);
		taddr nameless = fake_py_type(&fake, "gone", fake.object, 16, 0);
		taddr ring = fake_py_type(&fake, "ring", 0, 16, 0);
		taddr liar =
			fake_py_type(&fake, "liar", fake.object, 16, CPY_TYPE_SUBCLASS);
		taddr bad[] = { large, raw, nameless, ring, liar };

		fake_py_set(&fake, raw + l->type.flags, 0);
		fake_py_set(&fake, nameless + l->type.name, 0x10000);
		fake_py_set(&fake, ring + l->type.base, ring);
		fake_py_set(&fake, liar + 8, liar); /* its own, but not named type */
		fake_py_open(&fake);
		for (size_t i = 0; i < countof(bad); i++)
			assert_null(cpy_type_at(fake.reader, bad[i]));
		assert_non_null(cpy_type_at(fake.reader, fake.list));
		assert_null(cpy_type_at(fake.reader, fake.list + 8));
		assert_null(cpy_type_at(fake.reader, 0));
		assert_null(cpy_type_at(fake.reader, UINT64_MAX - 7));
		fake_py_close(&fake);
	}
}

/* Each made to claim more than there is memory: what is told ends with the memory. */
static void counts_are_not_believed(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		const struct cpy_layout *l = fake.layout;
		taddr a = fake_py_text(&fake, "a"), items[] = { a };
		taddr list = fake_py_list(&fake, items, 1);
		taddr tuple = fake_py_tuple(&fake, items, 1);
		taddr set = fake_py_element_set(&fake, items, 1);
		taddr text = fake_py_text(&fake, "b");
		taddr number = fake_py_int(&fake, false, (uint32_t[]){ 1 }, 1);
		taddr all[] = { list, tuple, set, text, number };
		const uint64_t large[] = { (uint64_t)1 << 40, INT64_MAX,
					   (uint64_t)1 << 63, UINT64_MAX };

		for (size_t k = 0; k < countof(large); k++) {
			fake_py_set(&fake, list + 16, large[k]);
			fake_py_set(&fake, list + l->list_allocated, 3);
			fake_py_open(&fake);
			assert_true(read_it(list));
			assert_int_equal(told.n, 3);
			fake_py_close(&fake);
			fake_py_set(&fake, list + l->list_allocated, large[k]);
			fake_py_set(&fake, tuple + 16, large[k]);
			fake_py_set(&fake, set + 32, large[k] - 1);
			fake_py_set(&fake, text + 16, large[k]);
			fake_py_set(&fake, number + 16, large[k]);
			fake_py_open(&fake);
			for (size_t i = 0; i < countof(all); i++) {
				assert_true(read_it(all[i]));
				assert_true(told.n <= FAKE_PY_SIZE / 8);
			}
			fake_py_close(&fake);
		}
	}
}

static void tables_of_no_sense_are_left(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		const struct cpy_layout *l = fake.layout;
		taddr a = fake_py_text(&fake, "a"), pairs[] = { a, a };
		taddr dict = fake_py_dict(&fake, 0, pairs, 1), keys;

		memcpy(&keys, fake.bytes + (dict + l->dict.keys - FAKE_PY_BASE), 8);
		fake_py_open(&fake);
		assert_true(read_it(dict));
		assert_int_equal(told.n, 2);
		fake_py_close(&fake);
		fake_py_set(&fake, keys + l->dict.nentries, 6); /* of 5 */
		fake_py_open(&fake);
		assert_true(read_it(dict));
		assert_int_equal(told.n + told.nparts, 0);
		fake_py_close(&fake);
		fake_py_set(&fake, keys + l->dict.nentries, 1);
		fake_py_put(&fake, keys + l->dict.log2_size, "\x3f\x3f", 2);
		fake_py_open(&fake);
		assert_true(read_it(dict));
		assert_int_equal(told.n + told.nparts, 0);
		fake_py_close(&fake);
	}
}

/* ---- what is wasted ---- */

static uint64_t hash_of(taddr text, uint64_t bytes)
{
	assert_true(read_it(text));
	assert_int_equal(told.ncontents, 1);
	assert_int_equal(told.bytes, bytes);
	return told.hash;
}

static void contents_are_told_in_full(void **state)
{
	char same[10000], other[10000];

	(void)state;
	memset(same, 'x', sizeof(same) - 1);
	same[sizeof(same) - 1] = 0;
	memcpy(other, same, sizeof(other));
	other[sizeof(other) - 2] = 'y';
	EACH_VERSION(v)
	{
		taddr a = fake_py_text(&fake, same), b, c;

		fake_py_text(&fake, "of another length"); /* b is not as a in its line */
		b = fake_py_text(&fake, same);
		c = fake_py_text(&fake, other);
		fake_py_open(&fake);
		assert_true(hash_of(a, 9999) == hash_of(b, 9999));
		assert_true(hash_of(a, 9999) != hash_of(c, 9999));
		fake_py_close(&fake);
	}
}

/* Each may lie about its length, and so have the rest of memory read. */
static void all_contents_are_no_more_than_there_is(void **state)
{
	enum { LIARS = 1000 };

	(void)state;
	EACH_VERSION(v)
	{
		taddr texts[LIARS], honest = fake_py_text(&fake, "honest");
		uint64_t bytes = 0, all = FAKE_PY_SIZE;

		for (size_t i = 0; i < LIARS; i++) {
			texts[i] = fake_py_text(&fake, "liar");
			fake_py_set(&fake, texts[i] + fake.layout->text.length,
				    FAKE_PY_SIZE / 4);
		}
		fake_py_open(&fake);
		hash_of(honest, 6);
		for (size_t i = 0; i < LIARS; i++) {
			assert_true(read_it(texts[i]));
			bytes += told.ncontents * told.bytes;
		}
		assert_true(bytes > 0 && bytes <= all);
		fake_py_close(&fake);
		fake_py_set(&fake, honest + fake.layout->text.length, (uint64_t)1 << 40);
		fake_py_open(&fake);
		assert_true(read_it(honest));
		assert_int_equal(told.ncontents, 0);
		fake_py_close(&fake);
	}
}

static void slack_is_told_by_its_kind(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		taddr a = fake_py_text(&fake, "a"), items[] = { a, a, a, a };
		taddr pairs[] = { a, a }, none[] = { 0, 0 };
		taddr list = fake_py_list(&fake, items, 4);
		taddr empty = fake_py_list(&fake, items, 0);
		taddr dict = fake_py_dict(&fake, 0, pairs, 1);
		taddr drained = fake_py_dict(&fake, 0, none, 1);

		fake_py_set(&fake, drained + fake.layout->dict.used, 0);
		fake_py_open(&fake);
		assert_true(read_it(list));
		assert_int_equal(told.nslack, 1);
		assert_int_equal(told.slack, SLACK_OVER_ALLOCATED);
		assert_int_equal(told.unused, 2 * 8);
		assert_true(read_it(empty));
		assert_int_equal(told.slack, SLACK_EMPTY);
		assert_true(read_it(dict)); /* in the least table there is */
		assert_int_equal(told.nslack, 0);
		assert_true(read_it(drained));
		assert_int_equal(told.slack, SLACK_EMPTY);
		fake_py_close(&fake);
	}
}

static void what_is_no_object_is_refused(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		taddr dead = fake_py_text(&fake, "a"), odd = fake_py_text(&fake, "b");
		taddr many = fake_py_text(&fake, "c");

		fake_py_set(&fake, many, (uint64_t)1 << 32);
		fake_py_set(&fake, dead, 0);
		fake_py_set(&fake, odd, fake.type); /* an address where the count is */
		fake_py_open(&fake);
		assert_true(read_it(many));
		assert_true(object.refcount > 1000000); /* not its lower half, 0 */
		assert_false(read_it(dead));
		assert_false(read_it(odd));
		assert_false(read_it(FAKE_PY_BASE + FAKE_PY_SIZE - 8));
		assert_false(read_it(0x10000));
		fake_py_close(&fake);
	}
}

/* ---- labels ---- */

enum { NAMES = 3000, THREADS = 4 };

static uint16_t numbers[THREADS][NAMES];

static void *label_many(void *context)
{
	uint16_t *mine = context;

	for (int i = 0; i < NAMES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "name %d", i);
		mine[i] = cpy_field(&fake.py, name);
	}
	return NULL;
}

static void threads_agree_on_labels(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	fake_py_start(&fake, 13);
	fake_py_open(&fake);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, label_many, numbers[i]), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 1; i < THREADS; i++)
		assert_memory_equal(numbers[0], numbers[i], sizeof(numbers[0]));
	assert_true(
		str_is(python_label_name(&fake.py, numbers[0][NAMES - 1]), "name 2999"));
	assert_int_not_equal(cpy_label(&fake.py, LABEL_WEAK, str_of("name 1")),
			     numbers[0][1]);
	fake_py_close(&fake);
}

static void too_many_labels_lose_their_names(void **state)
{
	(void)state;
	fake_py_start(&fake, 13);
	fake_py_open(&fake);
	for (int kind = 0; kind <= LABEL_WEAK; kind++)
		assert_int_equal(cpy_label(&fake.py, (enum label_kind)kind, str_of("")),
				 kind);
	for (int i = 0; i < 70000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		cpy_label(&fake.py, LABEL_ATTRIBUTE, str_of(name));
	}
	assert_int_equal(python_label_count(&fake.py), UINT16_MAX);
	assert_int_equal(cpy_label(&fake.py, LABEL_LOCAL, str_of("new")), LABEL_LOCAL);
	assert_true(cpy_label(&fake.py, LABEL_ATTRIBUTE, str_of("7")) > LABEL_WEAK);
	fake_py_close(&fake);
}

/* ---- memory ---- */

static void lines_and_holes(void **state)
{
	static uint8_t low[3 * CPY_LINE], high[PAGE_SIZE_4K];
	const taddr start = 0x10000000, far = start + (taddr)CPY_LINES * CPY_LINE * 5;
	const struct mem_fake_range ranges[] = {
		{ .start = start, .bytes = low, .n = sizeof(low), .prot = PROT_R },
		{ .start = far, .bytes = high, .n = sizeof(high), .prot = PROT_R },
	};
	struct python py = { .mem = mem_fake_new(ranges, 2) };
	struct python_reader r = { .py = &py, .memory = cpy_memory_new(py.mem) };
	uint8_t bytes[2 * CPY_LINE];
	size_t have;

	(void)state;
	for (size_t i = 0; i < sizeof(low); i++)
		low[i] = (uint8_t)(i * 7 + (i >> 8));
	memset(high, 9, sizeof(high));
	for (int round = 0; round < 3; round++) {
		assert_true(cpy_read(&r, start + 100, bytes, sizeof(bytes)));
		assert_memory_equal(bytes, low + 100, sizeof(bytes));
		assert_true(cpy_read(&r, far + PAGE_SIZE_4K - 8, bytes, 8));
		assert_memory_equal(bytes, high, 8);
		assert_false(cpy_read(&r, far + PAGE_SIZE_4K - 4, bytes, 8));
		assert_false(cpy_read(&r, start + sizeof(low) - 4, bytes, 8));
		assert_false(cpy_read(&r, start - 4, bytes, 8));
	}
	assert_non_null(cpy_view(&r, start + CPY_LINE - 3, 100, &have));
	assert_int_equal(have, 3);
	assert_null(cpy_view(&r, far + PAGE_SIZE_4K, 100, &have));
	cpy_memory_free(r.memory);
	mem_close((struct mem *)(uintptr_t)py.mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(containers_tell_what_they_hold),
		cmocka_unit_test(only_immortal_interned_texts_are_held),
		cmocka_unit_test(attributes_have_their_names),
		cmocka_unit_test(values_are_as_repr_says),
		cmocka_unit_test(what_is_no_type_is_refused),
		cmocka_unit_test(counts_are_not_believed),
		cmocka_unit_test(tables_of_no_sense_are_left),
		cmocka_unit_test(contents_are_told_in_full),
		cmocka_unit_test(all_contents_are_no_more_than_there_is),
		cmocka_unit_test(slack_is_told_by_its_kind),
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(threads_agree_on_labels),
		cmocka_unit_test(too_many_labels_lose_their_names),
		cmocka_unit_test(lines_and_holes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
