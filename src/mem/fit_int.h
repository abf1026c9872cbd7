/* SPDX-License-Identifier: Apache-2.0 */
/* May a stopped thread make a system call by our hand? Asked of the thread as it stands, as
 * any of it may have changed a moment before. */
#ifndef MEM_FIT_INT_H
#define MEM_FIT_INT_H

#include "mem/seize_int.h"

/* True: it may, *has_filter if its seccomp filter is suspended for the call. Its regs are
 * then those to go on with: one that stands in a restartable sequence has left it by the
 * way out. False: *e says why not, and nothing was changed. */
must_check bool fit_for_call(struct seized_thread *t, int memory, bool *has_filter,
			     struct err *e);

#endif
