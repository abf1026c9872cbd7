/* SPDX-License-Identifier: Apache-2.0 */
/* What `summary` and its other answer, `summary --pins`, share. */
#ifndef CMD_SUMMARY_INT_H
#define CMD_SUMMARY_INT_H

#include "cmd/cmd.h"

struct summary_args {
	const char *target;
	bool pins;
};

extern const struct command summary_pins;

#endif
