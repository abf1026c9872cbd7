/* SPDX-License-Identifier: Apache-2.0 */
/* The words for the model's enums, as every output shows them. */
#include "model/model.h"

/* A value that came from a file may be anything. */
#define NAME_OF(names, value) ((size_t)(value) < countof(names) ? (names)[value] : "?")

const char *block_state_name(enum block_state state)
{
	static const char *const names[] = { "used", "tcache", "fastbin",
					     "bin",  "top",    "fence" };

	return NAME_OF(names, state);
}

const char *snapshot_mode_name(enum snapshot_mode mode)
{
	static const char *const names[] = { "auto", "fork", "freeze", "nostop" };

	return NAME_OF(names, mode);
}

const char *severity_name(enum severity severity)
{
	static const char *const names[] = { "note", "warning", "damage" };

	return NAME_OF(names, severity);
}

const char *target_kind_name(enum target_kind kind)
{
	static const char *const names[] = { "live", "core", "raw", "snapshot" };

	return NAME_OF(names, kind);
}
