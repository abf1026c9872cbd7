/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What commands share that look at a target beside others: diff, and the options --new-since
 * and --still-in of those whose rows are objects or blocks.
 */
#ifndef CMD_COMPARE_INT_H
#define CMD_COMPARE_INT_H

#include "analysis/analysis.h"
#include "cmd/cmd.h"

/* What was found out about another target, as findings of this one. `which`: "before". */
void findings_take(struct model *m, const struct model *from, const char *which);
/* How identity errs, and at how many addresses something else is now: a finding. */
void identity_say(struct model *m, uint64_t reused);
/* Gives back references, for a model of which it is known what is retained. */
void references_forget(struct model *m);

/* ---- only what is new, only what stays ---- */

struct since_args {
	const char *new_since, *still_in;
};
/* The rows of options for a command whose args have a struct since_args `since`. */
#define SINCE_OPTS(args) \
	OPT_STRING(0, "new-since", args, since.new_since, "A", OFFER_TARGET, \
		   "only what A has not, the same process looked at before: a core, a " \
		   "snapshot or a PID"), \
		OPT_STRING(0, "still-in", args, since.still_in, "C", OFFER_TARGET, \
			   "only what C still has, the same process looked at later")

struct since {
	const struct model *all[2];
	struct model *owned[2];
	size_t n;
	uint64_t *nodes; /* of the target's nodes those that are wanted; NULL: all */
};
/* Before the target is touched. */
must_check bool since_check(const char *target, const struct since_args *a,
			    struct err *e);
/* Once it is open. Released in any case. */
must_check bool since_open(struct context *cx, const struct since_args *a,
			   struct since *out, struct err *e);
void since_keep_blocks(struct context *cx, const struct since_args *a,
		       const struct since *s, struct block_pick *p);
/* In the report all targets are told. */
void since_tell(const struct since *s, struct report *r);
void since_release(struct since *s);

#endif
