/* SPDX-License-Identifier: Apache-2.0 */
/* Names from files and from the target's memory go through here. */
#include "image/image.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = { 0 }, symbol = { 0 };

	demangle((struct str){ (const char *)data, size }, &out);
	buf_clear(&out);
	buf_str(&symbol, "_ZTI");
	buf_add(&symbol, data, size);
	demangle(buf_view(&symbol), &out);
	if (out.n > (1 << 20) + size)
		abort();
	buf_release(&symbol);
	buf_release(&out);
	return 0;
}
