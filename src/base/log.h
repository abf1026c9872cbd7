/* SPDX-License-Identifier: Apache-2.0 */
/* Words for the person at the terminal, on standard error. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

/* Prints a failure, once, at the top: each line (at most four) behind "heapsift: ", its
 * bytes made harmless, for names of files and processes are in it. */
void log_failure(const struct err *e);

/* One line, in the same form. */
void log_say(const char *fmt, ...) print_like(1, 2);

#endif
