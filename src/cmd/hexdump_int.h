/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a line of hex and ASCII (cmd_hexdump.c). */
#ifndef CMD_HEXDUMP_INT_H
#define CMD_HEXDUMP_INT_H

#include "base/str.h"

enum { HEX_LINE = 16 };

/* "555555560000  00 01 …  08 09 …  ........", at most HEX_LINE bytes, and a newline. */
void hex_line_add(struct buf *text, taddr at, const uint8_t *bytes, size_t n);

#endif
