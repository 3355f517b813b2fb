/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry_show.h -- what the operator sees of a registry's file being read.
 * Any one thread.
 */
#ifndef CLI_REGISTRY_SHOW_H
#define CLI_REGISTRY_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/registry_load.h"

#define REGISTRY_NUMBER_SIZE 32 /* a number with its commas, and the NUL */

/* "1,234,567"; returns out. */
const char *registry_commas(char out[REGISTRY_NUMBER_SIZE], int64_t n);

/* A bar on standard error, a few times a second. */
struct registry_progress {
	bool bar;            /* somebody is looking */
	int64_t size, taken; /* bytes; size 0 = not known */
	int64_t begun_us;    /* clock_mono_us() */
	int64_t shown_us;    /* last; 0 = never */
};

/* Show it, unless it was a moment ago. */
void registry_progress_show(struct registry_progress *p, int64_t rows);

/* Make room for the last line. */
void registry_progress_clear(const struct registry_progress *p);

/* "1,234 rows: 1,200 new, ..." on standard output.  `rejects` is the path of
 * the reject file. */
void registry_summary(struct registry_counts counts, const char *rejects);

#endif
