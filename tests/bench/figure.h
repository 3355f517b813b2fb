/* SPDX-License-Identifier: Apache-2.0 */
/*
 * figure.h -- a benchmark's figures: from what the rounds of one run took to
 * the line that scripts/bench ends with.
 */
#ifndef TESTS_BENCH_FIGURE_H
#define TESTS_BENCH_FIGURE_H

#include <stdio.h>
#include <stdlib.h>

static inline int
by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value that `percent` of them are not above.  Sorts them. */
static inline double
quantile(double *values, size_t n, size_t percent)
{
	size_t at = n * percent / 100;

	qsort(values, n, sizeof(*values), by_value);
	return values[at < n ? at : n - 1];
}

static inline double
median(double *values, size_t n)
{
	return quantile(values, n, 50);
}

/* `relation` is ">=" or "<=", and says what is to become of the goal. */
static inline void
report_in(const char *unit, const char *name, double value,
    const char *relation, double goal)
{
	int good = *relation == '>' ? value >= goal : value <= goal;

	printf("bench %s %.2f %s goal %s %g %s\n", name, value, unit, relation,
	    goal, good ? "ok" : "short");
}

/* A ratio. */
static inline void
report(const char *name, double value, const char *relation, double goal)
{
	report_in("x", name, value, relation, goal);
}

#endif
