/* SPDX-License-Identifier: Apache-2.0 */
/* What drivers that print a model share. */
#ifndef PRINT_TARGET_H
#define PRINT_TARGET_H

#include "collect/collect.h"
#include <stdio.h>

static inline void print_findings_and_evidence(const struct model *m)
{
	for (size_t i = 0; i < m->findings.n; i++) {
		struct str where = model_text(m, m->findings.where[i]);
		struct str text = model_text(m, m->findings.text[i]);

		printf("finding %s %.*s %.*s\n", severity_name(m->findings.severity[i]),
		       (int)where.n, where.s, (int)text.n, text.s);
	}
	for (size_t i = 0; i < m->evidence.n; i++) {
		struct str item = model_text(m, m->evidence.item[i]);
		struct str answer = model_text(m, m->evidence.answer[i]);
		struct str evidence = model_text(m, m->evidence.evidence[i]);

		printf("evidence %.*s | %.*s | %.*s\n", (int)item.n, item.s,
		       (int)answer.n, answer.s, (int)evidence.n, evidence.s);
	}
}

typedef void print_model_fn(const struct model *m);

/* The main of one that prints what was collected: DRIVER TARGET [freeze]. */
static inline int print_target(int argc, char **argv, print_model_fn *print)
{
	struct collect_options o = { .edges = true };
	struct err e = { 0 };
	struct model *m;

	if (argc < 2)
		return 2;
	if (argc > 2)
		o.mode = MODE_FREEZE;
	if (!collect_target(argv[1], &o, &m, &e)) {
		fprintf(stderr, "%s: %s\n", argv[0], e.text);
		return err_exit_code(&e);
	}
	print(m);
	model_free(m);
	return 0;
}

#endif
