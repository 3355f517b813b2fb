/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/registry_show.h"

#define SHOW_US (CLOCK_S_US / 10) /* between two looks of the progress */
#define BAR_WIDTH 20

const char *
registry_commas(char out[REGISTRY_NUMBER_SIZE], int64_t n)
{
	char digits[REGISTRY_NUMBER_SIZE];
	size_t len, i, at = 0;

	len = (size_t)snprintf(digits, sizeof(digits), "%" PRId64, n);
	for (i = 0; i < len && at + 2 < REGISTRY_NUMBER_SIZE; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

void
registry_progress_show(struct registry_progress *p, int64_t rows)
{
	int64_t now_us = clock_mono_us(), us = now_us - p->begun_us;
	int done = p->size > 0 ? (int)(p->taken * 100 / p->size) : 0;
	char n[REGISTRY_NUMBER_SIZE], rate[REGISTRY_NUMBER_SIZE];

	if (!p->bar || now_us - p->shown_us < SHOW_US)
		return;
	p->shown_us = now_us;
	fputc('\r', stderr);
	if (done > 100)
		done = 100; /* the file grows while it is read */
	if (p->size > 0)
		fprintf(stderr, "[%-*.*s] %3d %%  ", BAR_WIDTH,
		    done * BAR_WIDTH / 100, "####################", done);
	fprintf(stderr, "%s rows, %s/s\033[K", registry_commas(n, rows),
	    registry_commas(rate, us > 0 ? rows * CLOCK_S_US / us : 0));
	fflush(stderr);
}

void
registry_progress_clear(const struct registry_progress *p)
{
	if (p->bar && p->shown_us != 0)
		fputs("\r\033[K", stderr);
}

void
registry_summary(struct registry_counts c, const char *rejects)
{
	char a[REGISTRY_NUMBER_SIZE];

	printf(
	    "%s row%s: ", registry_commas(a, c.rows), c.rows == 1 ? "" : "s");
	printf("%s new, ", registry_commas(a, c.fresh));
	printf("%s changed, ", registry_commas(a, c.changed));
	printf("%s unchanged, ", registry_commas(a, c.unchanged));
	printf("%s rejected", registry_commas(a, c.rejected));
	if (c.rejected > 0)
		printf(" (see %s)", rejects);
	putchar('\n');
	fflush(stdout);
	if (c.rejected == 0 && access(rejects, F_OK) == 0)
		fprintf(stderr,
		    "No row was rejected; %s is from an earlier import.\n",
		    rejects);
}
