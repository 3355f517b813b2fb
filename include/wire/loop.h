/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h -- libevent's loop with our timers on it, for programs and commands.
 *
 * One libevent timer serves all timers: it is armed before each wait.
 */
#ifndef WIRE_LOOP_H
#define WIRE_LOOP_H

#include <stdint.h>

struct err;
struct event;
struct event_base;
struct timers;

struct loop {
	struct event_base *base; /* owned */
	struct timers *timers;   /* owned; in real time */
	struct event *tick;      /* owned */
};

/* Zero *l first.  0, or -1 with *err; loop_close() in both cases. */
int loop_open(struct loop *l, struct err *err);

/* Free it; what was on it must be gone. */
void loop_close(struct loop *l);

/* Wait for an event, for a timer to be due, or for at most so long (INT64_MAX =
 * as long as it takes), and do what is to be done then.  0, or -1 when libevent
 * cannot wait. */
int loop_turn(struct loop *l, int64_t at_most_us);

#endif
