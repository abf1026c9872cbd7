/* SPDX-License-Identifier: Apache-2.0 */
/* Work on several cores: the same function over the parts of one range. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/base.h"

/* Called with begin < end; `worker` is 0..workers-1 and owns its own scratch. */
typedef void pool_fn(void *context, size_t begin, size_t end, unsigned worker);

/* Cores this process may use, at least 1, at most 64. */
unsigned pool_cores(void);

/* Cuts [0, n) into steps of `step`, handed out in order to up to `workers` threads (the
 * caller is one of them), and returns when all are done. */
void pool_run(unsigned workers, size_t n, size_t step, pool_fn *fn, void *context);

#endif
