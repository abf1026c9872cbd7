/* SPDX-License-Identifier: Apache-2.0 */
#include "base/progress.h"

#include "base/ending.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_NS = 1000000000, EVERY_NS = 100000000 };

static bool stderr_is_rewritable(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

struct progress progress_begin(const char *what)
{
	return (struct progress){
		.what = what,
		.began = clock_ns(),
		.enabled = stderr_is_rewritable(),
	};
}

void progress_stage(struct progress *p, const char *what)
{
	if (p)
		p->what = what;
}

void progress_step(struct progress *p, uint64_t done, uint64_t total)
{
	uint64_t now;

	if (!p || !p->enabled)
		return;
	now = clock_ns();
	if (now - p->began < FIRST_NS || now - p->shown < EVERY_NS)
		return;
	p->shown = now;
	p->visible = true;
	ending_wipe(true);
	fprintf(stderr, "\r%s%s%s: ", p->of ? p->of : "", p->of ? ": " : "", p->what);
	if (total)
		fprintf(stderr, "%u %%\033[K",
			(unsigned)((double)done / (double)total * 100));
	else
		fprintf(stderr, "%llu\033[K", (unsigned long long)done);
}

void progress_end(struct progress *p)
{
	if (!p || !p->visible)
		return;
	fputs("\r\033[K", stderr);
	p->visible = false;
	ending_wipe(false);
}
