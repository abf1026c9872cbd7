/* SPDX-License-Identifier: Apache-2.0 */
/* Words about commands, made from their rows. */
#ifndef CMD_HELP_INT_H
#define CMD_HELP_INT_H

#include "cmd/cmd.h"

const char *command_group_name(enum command_group group);

/* What an option does, and what it is if not given. */
void opt_describe(const struct command *c, const struct opt *o, struct buf *out);

/* All commands, by group. */
void help_overview(const struct command *const *commands, struct sink *out);
/* One command: what it is for, arguments, options, columns, an example. */
void help_command(const struct command *c, struct sink *out);

/* The same as man pages. */
void manual_overview(const struct command *const *commands, struct sink *out);
void manual_command(const struct command *c, struct sink *out);

#endif
