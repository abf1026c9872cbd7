/* SPDX-License-Identifier: Apache-2.0 */
/* The ELF reader: everything that can be asked of a file that may be anything. */
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

static uint64_t ask_everything(const struct image *img)
{
	static const char *const names[] = { "main_arena", "malloc", "_start", "" };
	uint64_t sum = image_build_id(img).n, vaddr, size, offset;
	const struct image_segment *s;
	const struct image_function *f;
	size_t segments = image_segments(img, &s), functions;
	struct buf text = { 0 };
	struct str name;

	image_each_relative(img, add_up, &sum);
	functions = image_functions(img, &f);
	for (size_t i = 0; i < countof(names); i++)
		if (image_find_symbol(img, names[i], &vaddr, &size))
			sum += vaddr + size;
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	struct image *img;
	struct err e = { 0 };
	char path[64];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (image_open(path, &img, &e)) {
		volatile uint64_t sum = ask_everything(img);

		(void)sum;
		image_close(img);
	}
	close(fd);
	return 0;
}
