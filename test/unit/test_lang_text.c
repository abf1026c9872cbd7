/* SPDX-License-Identifier: Apache-2.0 */
#include "lang/lang.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Where a program at 0x5555... has its heap, and one at a fixed address its data. */
static struct mem *memory;

static int make_memory(void **state)
{
	const struct mem_fake_range ranges[] = {
		{ .start = 0x400000, .n = 4 << 20, .prot = PROT_R, .name = "/bin/fixed" },
		{ .start = 0x555a60600000,
		  .n = 64 << 20,
		  .prot = PROT_R | PROT_W,
		  .name = "[heap]" },
	};

	(void)state;
	memory = mem_fake_new(ranges, countof(ranges));
	return 0;
}

static int drop_memory(void **state)
{
	(void)state;
	mem_close(memory);
	return 0;
}

/* A block of `size` bytes that starts with text and its NUL; `fill` behind them. */
static bool block_is(const char *text, size_t size, int fill)
{
	uint8_t block[4096];
	size_t n = strlen(text) + 1;

	assert_true(size <= sizeof(block));
	memset(block, fill, sizeof(block));
	memcpy(block, text, n < size ? n : size);
	return text_is_string(memory, block, size < TEXT_LOOK ? size : TEXT_LOOK, size);
}

static void texts_are_strings(void **state)
{
	(void)state;
	assert_true(block_is("abc", 24, 0xa5)); /* strdup into a used chunk */
	assert_true(block_is("hello, world", 24, 0xa5));
	assert_true(block_is("hello, world", 1000, 0xa5));
	assert_true(block_is("a line\n", 64, 0));
	assert_true(block_is("abc", 256, 0)); /* a cleared buffer */
	assert_true(block_is("Größe: 3 µm, 价格 €", 40, 0xff));
	assert_true(
		block_is("\xf0\x9f\x8d\x92\xf0\x9f\x8d\x92\xf0\x9f\x8d\x92", 24, 0xa5));
	assert_true(block_is("123456789012345678901234", 24, 0)); /* no room for a NUL */
}

static void long_texts_need_no_end(void **state)
{
	uint8_t block[TEXT_LOOK];

	(void)state;
	memset(block, 'x', sizeof(block));
	assert_true(text_is_string(memory, block, sizeof(block), 100000));
	assert_true(text_is_string(memory, block, 40, 100000)); /* a hole behind it */
	assert_false(text_is_string(memory, block, 7, 100000));
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t) "\xe2\x82\xac"[i % 3]; /* cut inside a sequence */
	assert_true(text_is_string(memory, block, sizeof(block), 100000));
	block[200] = 1;
	assert_false(text_is_string(memory, block, sizeof(block), 100000));
}

static void other_things_are_not(void **state)
{
	static const char *const not_utf8[] = {
		"latin-1 \xe9t\xe9 text",        "overlong \xc0\xaf here",
		"overlong \xe0\x80\xaf here",    "surrogate \xed\xa0\x80 here",
		"too high \xf4\x90\x80\x80 xx",  "stray \x80 continuation",
		"C1 control \xc2\x85 character", "escape \x1b[1m character",
		"delete \x7f character",
	};

	(void)state;
	assert_false(block_is("", 24, 0));
	assert_false(block_is("", 24, 'x'));
	assert_false(block_is("ab", 24, 0));
	assert_false(block_is("abc", 64, 0xa5)); /* a number and more, as likely */
	for (size_t i = 0; i < countof(not_utf8); i++)
		assert_false(block_is(not_utf8[i], 40, 0));
	assert_false(text_is_string(memory, (const uint8_t *)"", 0, 0));
	assert_false(text_is_string(memory, (const uint8_t *)"abc", 2, 24));
}

/* List nodes {next, number, 0}: "`kZU" and the like, as addresses. */
static void addresses_are_not(void **state)
{
	(void)state;
	for (uint64_t at = 0x555a60600000; at < 0x555a60600000 + (64 << 20); at += 16) {
		const uint64_t node[] = { at, at >> 4, 0 };

		assert_false(text_is_string(memory, (const uint8_t *)node, 24, 24));
	}
	assert_true(block_is("`abdZU", 24, 0)); /* no heap there */
	assert_true(block_is("abc", 24, 0));    /* 0x636261 is mapped, but what if */

	const uint64_t pair[] = { 0x404020, 0x1234567890, 0 };

	assert_false(text_is_string(memory, (const uint8_t *)pair, 24, 24));
}

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15;
	uint64_t z = *state;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* How many of 1,000,000 random blocks of this size are taken for strings. */
static unsigned strings_in_noise(size_t size)
{
	uint64_t seed = size, block[TEXT_LOOK / 8];
	unsigned found = 0;

	for (unsigned i = 0; i < 1000000; i++) {
		for (size_t w = 0; w < countof(block) && w < size / 8; w++)
			block[w] = next_random(&seed);
		found +=
			text_is_string(memory, (const uint8_t *)block,
				       size < sizeof(block) ? size : sizeof(block), size);
	}
	return found;
}

static void noise_is_no_string(void **state)
{
	(void)state;
	/* 0.03 of a string is expected in 100 smallest blocks, none in larger ones. */
	assert_true(strings_in_noise(24) < 500);
	assert_true(strings_in_noise(40) < 20);
	assert_true(strings_in_noise(1032) < 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_strings),
		cmocka_unit_test(long_texts_need_no_end),
		cmocka_unit_test(other_things_are_not),
		cmocka_unit_test(addresses_are_not),
		cmocka_unit_test(noise_is_no_string),
	};

	return cmocka_run_group_tests(tests, make_memory, drop_memory);
}
