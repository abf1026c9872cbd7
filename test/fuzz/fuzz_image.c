/* SPDX-License-Identifier: Apache-2.0 */
/* The ELF reader: everything that can be asked of a file that may be anything, and of a file
 * whose bytes are a target's memory. */
#include "image/image.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool add_up(void *context, uint64_t where, uint64_t target)
{
	uint64_t *sum = context;

	*sum += where ^ target;
	return true;
}

static void touch(const uint8_t *bytes, size_t n, uint64_t *sum)
{
	for (size_t i = 0; bytes && i < n; i++)
		*sum += bytes[i];
}

static uint64_t ask_names(const struct image *img, struct buf *text)
{
	static const char *const symbols[] = { "main_arena", "malloc", "_start", "" };
	uint64_t sum = 0, vaddr, size, offset;
	struct image_tls tls;
	struct str name;

	for (size_t i = 0; i < countof(symbols); i++)
		if (image_find_symbol(img, symbols[i], &vaddr, &size))
			sum += vaddr + size;
	if (image_find_section(img, ".PyRuntime", &vaddr, &size))
		sum += vaddr + size;
	if (!image_tls(img, &tls))
		return sum;
	if (image_tls_symbol_at(img, tls.size / 2, &name, &offset))
		demangle(name, text);
	return sum + tls.size + tls.align;
}

static uint64_t ask_everything(const struct image *img)
{
	uint64_t sum = image_build_id(img).n, offset;
	const struct image_segment *s;
	const struct image_function *f;
	size_t segments = image_segments(img, &s), functions;
	struct buf text = { 0 };
	struct str name;

	image_each_relative(img, add_up, &sum);
	functions = image_functions(img, &f);
	sum += ask_names(img, &text);
	for (size_t i = 0; i < segments && i < 64; i++) {
		touch(image_bytes(img, s[i].vaddr, s[i].filesz), s[i].filesz, &sum);
		touch(image_bytes(img, s[i].vaddr + s[i].filesz - 1, 2), 2, &sum);
		if (image_symbol_at(img, s[i].vaddr, &name, &offset))
			demangle(name, &text);
	}
	for (size_t i = 0; i < functions && i < 256; i++)
		if (image_symbol_at(img, f[i].vaddr, &name, &offset))
			demangle(name, &text);
	sum += text.n;
	buf_release(&text);
	return sum;
}

static void ask_and_close(struct image *img)
{
	volatile uint64_t sum = ask_everything(img);

	(void)sum;
	image_close(img);
}

/* The input where a file without a fixed address is loaded, and where it says it is. */
static void read_memory(const uint8_t *data, size_t size)
{
	static const taddr places[] = { 0x7f0000000000, 0x400000 };

	for (size_t i = 0; i < countof(places); i++) {
		const struct mem_fake_range range = { .start = places[i],
						      .bytes = data,
						      .n = size,
						      .prot = PROT_R,
						      .name = "" };
		struct mem *m = mem_fake_new(&range, 1);
		struct image *img = image_of_memory(m, places[i]);

		if (img)
			ask_and_close(img);
		mem_close(m);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	struct image *img;
	struct err e = { 0 };
	char path[64];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (image_open(path, &img, &e))
		ask_and_close(img);
	close(fd);
	if (size > 0)
		read_memory(data, size);
	return 0;
}
