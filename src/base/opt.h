/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options as data. A command declares one table of options and one of arguments; each row
 * names the member of the command's args struct that it fills, so there is no parsing code
 * anywhere else. Help, man pages and shell completion are made from the same rows.
 *
 *	static const struct opt top_opts[] = {
 *		OPT_UINT('n', "limit", struct top_args, limit, "N", "show at most N rows"),
 *	};
 *
 * Types of the members (checked by the compiler): flag bool; uint, size and address
 * uint64_t, as a duration, in nanoseconds; string const char *; enum int, an index into its
 * words.
 * A size takes a suffix: 64K, 1.5M, 2GiB, all powers of 1024. An address is 0x… or decimal.
 * A duration has a unit: 500ms, 30s, 5m, 1.5h, 2d.
 */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include "base/err.h"

enum opt_type {
	OPT_TYPE_FLAG,
	OPT_TYPE_UINT,
	OPT_TYPE_SIZE,
	OPT_TYPE_ADDRESS,
	OPT_TYPE_DURATION,
	OPT_TYPE_STRING,
	OPT_TYPE_ENUM,
};

/* What a shell may offer for a value. */
enum opt_offer { OFFER_NOTHING, OFFER_FILE, OFFER_TARGET, OFFER_COLUMN, OFFER_COMMAND };

struct opt {
	char letter;      /* 0: long form only */
	const char *name; /* the long form; of an argument the word for it: TARGET */
	enum opt_type type;
	size_t offset;            /* of the member in the args struct */
	const char *value;        /* the word for its value: N, FILE; NULL for a flag */
	const char *const *words; /* of an enum, NULL ends */
	const char *help;
	enum opt_offer offer;
	bool optional; /* of an argument */
	bool hidden;   /* works, but is in no help */
};

/* Options that belong together and fill one struct. */
struct opt_group {
	const char *title;
	const struct opt *opts;
	size_t n;
	void *into;
};

struct opt_spec {
	const char *command; /* for messages */
	const struct opt_group *groups;
	size_t ngroups;
	const struct opt *args;
	size_t nargs;
	void *args_into;
};

/* offsetof, but only for a member of this type. */
#define OPT_MEMBER(type, args, member) \
	(offsetof(args, member) + \
	 0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((args *)0)->member), \
						      type) \
				 ? 1 \
				 : -1]))

#define OPT_FLAG(l, n, args, member, text) \
	{ \
		.letter = (l), .name = (n), .type = OPT_TYPE_FLAG, .help = (text), \
		.offset = OPT_MEMBER(bool, args, member) \
	}
#define OPT_UINT(l, n, args, member, word, text) \
	{ \
		.letter = (l), .name = (n), .type = OPT_TYPE_UINT, .value = (word), \
		.help = (text), .offset = OPT_MEMBER(uint64_t, args, member) \
	}
#define OPT_SIZE(l, n, args, member, word, text) \
	{ \
		.letter = (l), .name = (n), .type = OPT_TYPE_SIZE, .value = (word), \
		.help = (text), .offset = OPT_MEMBER(uint64_t, args, member) \
	}
#define OPT_DURATION(l, n, args, member, word, text) \
	{ \
		.letter = (l), .name = (n), .type = OPT_TYPE_DURATION, .value = (word), \
		.help = (text), .offset = OPT_MEMBER(uint64_t, args, member) \
	}
#define OPT_STRING(l, n, args, member, word, offers, text) \
	{ \
		.letter = (l), .name = (n), .type = OPT_TYPE_STRING, .value = (word), \
		.help = (text), .offer = (offers), \
		.offset = OPT_MEMBER(const char *, args, member) \
	}
#define OPT_ENUM(l, n, args, member, word, list, text) \
	{ \
		.letter = (l), .name = (n), .type = OPT_TYPE_ENUM, .value = (word), \
		.words = (list), .help = (text), .offset = OPT_MEMBER(int, args, member) \
	}

#define ARG_STRING(word, args, member, offers, text) \
	{ \
		.name = (word), .type = OPT_TYPE_STRING, .help = (text), \
		.offer = (offers), .offset = OPT_MEMBER(const char *, args, member) \
	}
#define ARG_STRING_OPTIONAL(word, args, member, offers, text) \
	{ \
		.name = (word), .type = OPT_TYPE_STRING, .help = (text), \
		.offer = (offers), .optional = true, \
		.offset = OPT_MEMBER(const char *, args, member) \
	}
#define ARG_ADDRESS(word, args, member, text) \
	{ \
		.name = (word), .type = OPT_TYPE_ADDRESS, .help = (text), \
		.offset = OPT_MEMBER(uint64_t, args, member) \
	}
#define ARG_ADDRESS_OPTIONAL(word, args, member, text) \
	{ \
		.name = (word), .type = OPT_TYPE_ADDRESS, .help = (text), \
		.optional = true, .offset = OPT_MEMBER(uint64_t, args, member) \
	}
#define ARG_SIZE_OPTIONAL(word, args, member, text) \
	{ \
		.name = (word), .type = OPT_TYPE_SIZE, .help = (text), .optional = true, \
		.offset = OPT_MEMBER(uint64_t, args, member) \
	}
#define ARG_ENUM(word, args, member, list, text) \
	{ \
		.name = (word), .type = OPT_TYPE_ENUM, .words = (list), .help = (text), \
		.offset = OPT_MEMBER(int, args, member) \
	}

/* Fills the structs from argv[0..argc), which starts behind the command's name and may be
 * permuted: options stand before, between or after arguments; `--` ends them. -h or --help
 * sets *help, and then arguments may be missing. False: ERR_USAGE. */
must_check bool opt_parse(const struct opt_spec *spec, int argc, char **argv, bool *help,
			  struct err *e);

/* As values of such options are read. False: it is none. */
must_check bool opt_size(const char *text, uint64_t *bytes);
must_check bool opt_duration(const char *text, uint64_t *ns);

/* The word that was probably meant, or NULL. */
const char *opt_nearest(const char *word, const char *const *words, size_t n);

#endif
