/* SPDX-License-Identifier: Apache-2.0 */
/* The words for the model's enums, as every output shows them. */
#include "model/model.h"

#include <signal.h>

/* A value that came from a file may be anything. */
#define NAME_OF(names, value) ((size_t)(value) < countof(names) ? (names)[value] : "?")

const char *block_state_name(enum block_state state)
{
	static const char *const names[] = { "used", "tcache", "fastbin",
					     "bin",  "top",    "fence" };

	return NAME_OF(names, state);
}

const char *bin_kind_name(enum bin_kind kind)
{
	static const char *const names[] = { "tcache", "fastbin", "unsorted", "small",
					     "large" };

	return NAME_OF(names, kind);
}

/* In these two the compiler tells of a value without a word. */
const char *region_kind_name(enum region_kind kind)
{
	switch (kind) {
	case REGION_ANON:
		return "anonymous";
	case REGION_HEAP:
		return "heap";
	case REGION_MMAPPED:
		return "mmapped";
	case REGION_STACK:
		return "stack";
	case REGION_FILE:
		return "file";
	case REGION_SHARED:
		return "shared";
	case REGION_SPECIAL:
		return "special";
	case REGION_HUGE:
		return "hugetlb";
	case REGION_DEVICE:
		return "device";
	}
	return "?";
}

const char *page_state_name(enum page_state state)
{
	switch (state) {
	case PAGE_RESIDENT:
		return "resident";
	case PAGE_FILE:
		return "file";
	case PAGE_ZERO:
		return "zero";
	case PAGE_SWAPPED:
		return "swapped";
	case PAGE_SLACK:
		return "slack";
	}
	return "?";
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

const char *signal_name(unsigned signal)
{
	static const struct {
		unsigned signal;
		const char *name;
	} names[] = {
		{ SIGHUP, "SIGHUP" },   { SIGINT, "SIGINT" },
		{ SIGQUIT, "SIGQUIT" }, { SIGILL, "SIGILL" },
		{ SIGTRAP, "SIGTRAP" }, { SIGABRT, "SIGABRT" },
		{ SIGBUS, "SIGBUS" },   { SIGFPE, "SIGFPE" },
		{ SIGKILL, "SIGKILL" }, { SIGUSR1, "SIGUSR1" },
		{ SIGSEGV, "SIGSEGV" }, { SIGUSR2, "SIGUSR2" },
		{ SIGPIPE, "SIGPIPE" }, { SIGALRM, "SIGALRM" },
		{ SIGTERM, "SIGTERM" }, { SIGSTKFLT, "SIGSTKFLT" },
		{ SIGCHLD, "SIGCHLD" }, { SIGCONT, "SIGCONT" },
		{ SIGSTOP, "SIGSTOP" }, { SIGTSTP, "SIGTSTP" },
		{ SIGTTIN, "SIGTTIN" }, { SIGTTOU, "SIGTTOU" },
		{ SIGURG, "SIGURG" },   { SIGXCPU, "SIGXCPU" },
		{ SIGXFSZ, "SIGXFSZ" }, { SIGVTALRM, "SIGVTALRM" },
		{ SIGPROF, "SIGPROF" }, { SIGWINCH, "SIGWINCH" },
		{ SIGPOLL, "SIGPOLL" }, { SIGPWR, "SIGPWR" },
		{ SIGSYS, "SIGSYS" },
	};

	for (size_t i = 0; i < countof(names); i++)
		if (names[i].signal == signal)
			return names[i].name;
	return "?";
}
