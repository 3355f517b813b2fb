/* SPDX-License-Identifier: Apache-2.0 */
/*
 * breaker.h -- when to leave a server alone that does not answer.
 *
 * After so many faults in a row nothing is sent for a pause; then one request
 * goes out as a probe.  Answered, all is well; if not, the pause doubles.
 * Also the time until one failed attempt is repeated.  Pure; time is handed
 * in, on any clock that does not go back.
 */
#ifndef PUBLISH_BREAKER_H
#define PUBLISH_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct breaker {
	/* set by the owner */
	unsigned int faults_max; /* in a row */
	int64_t pause_us;        /* the first; doubles up to pause_max_us */
	int64_t pause_max_us;
	/* internal */
	unsigned int faults; /* in a row, until it opens */
	unsigned int pauses; /* in a row; 0 = closed */
	int64_t open_us;     /* nothing is sent until then */
};

/* How many more requests may be begun, `flying` being under way: `room` while
 * closed, else 1 for a probe or 0. */
size_t breaker_room(
    const struct breaker *b, int64_t now_us, size_t flying, size_t room);

/* The server answered.  True when it had been given up. */
bool breaker_answered(struct breaker *b);

/* It did not, or not so that it could be used.  True when it is given up now,
 * after it had answered before. */
bool breaker_fault(struct breaker *b, int64_t now_us);

/*
 * How long to wait after attempt number `tries` (from 1) failed: first_us,
 * then twice as long each time, at most max_us, spread by a quarter either way
 * so that not all come at once; `id` says how.
 */
int64_t breaker_back_off(
    int64_t first_us, int64_t max_us, int64_t tries, int64_t id);

#endif
