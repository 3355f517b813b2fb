/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timer.h -- one-shot timers that real and virtual time can both drive.
 *
 * The daemon calls timers_run() from one libevent timer; tests move their own
 * clock straight to timers_next().  Whatever needs "now" on the loop takes it
 * from here, so the whole product runs in virtual time.
 * Loop thread only.
 */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <stddef.h>
#include <stdint.h>

struct timers; /* opaque: the heap and its clock */

/* Embed one wherever something may have to wait; zero-initialise it. */
struct timer {
	void (*fire)(void *ctx);
	void *ctx;
	int64_t at_us; /* monotonic */
	size_t slot;   /* place in the heap + 1; 0 = not pending */
};

/* Where time comes from. */
struct timer_clock {
	int64_t (*mono_us)(void *ctx); /* never goes back */
	int64_t (*wall_us)(void *ctx); /* since 1970 UTC */
	void *ctx;
};

/* The machine's own clocks. */
extern const struct timer_clock timer_clock_real;

/* An empty set: owned (timers_free), or NULL when out of memory.  The clock is
 * copied. */
struct timers *timers_new(const struct timer_clock *clock);

/* Free the set; pending timers never fire.  NULL is a no-op. */
void timers_free(struct timers *t);

/*
 * Fire `fn(ctx)` once, `delay_us` from now; replaces a pending time.  The
 * timer is borrowed until it fires or is stopped.  Aborts when out of memory.
 */
void timer_start(struct timers *t, struct timer *timer, int64_t delay_us,
    void (*fn)(void *ctx), void *ctx);

/* Do not fire.  A timer that is not pending is left alone. */
void timer_stop(struct timers *t, struct timer *timer);

/* Fire all that is due, in order. */
void timers_run(struct timers *t);

/* When the earliest timer is due (monotonic), or INT64_MAX when none is. */
int64_t timers_next(const struct timers *t);

/* The monotonic time now. */
int64_t timers_mono_us(const struct timers *t);

/*
 * The wall clock as it was when the set was made, and the time that has passed
 * since: a clock that is set meanwhile, by ten years either way, opens and
 * closes no window that is measured with it.
 */
int64_t timers_steady_us(const struct timers *t);

/* The wall-clock time now. */
int64_t timers_wall_us(const struct timers *t);

#endif
