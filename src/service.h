/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service.h -- what every long-running program of ours is: options, a loop on
 * which timers fire, signals, and room for descriptors.  For src/ alone.
 *
 * Loop thread only.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include <event2/event.h>

#include "base/err.h"
#include "wire/loop.h"

#define SERVICE_EVENTS_MAX 8

struct service {
	struct loop loop;
	struct event *events[SERVICE_EVENTS_MAX]; /* owned */
	size_t n_events;
};

/*
 * Take -c FILE, -t, -h and -V of a command line.  Returns -1 to go on, with
 * *path (borrowed from argv) and *test, else the exit status of a program that
 * is done.
 */
int service_options(int argc, char **argv, const char *name, const char *usage,
    const char **path, bool *test);

/* As many descriptors as `setting`, which is `n`, needs; 0, or -1 with *err,
 * which names it. */
int service_descriptors(const char *setting, unsigned int n, struct err *err);

/* A loop and its timers; USR1 logs the counters.  Zero *s first.  0, or -1 with
 * *err; service_close() in both cases. */
int service_open(struct service *s, struct err *err);

/* Free all of it; what was on the loop must be gone. */
void service_close(struct service *s);

/* Call `fn` with `ctx` whenever a descriptor is readable (EV_READ), or a signal
 * comes (EV_SIGNAL).  0, or -1 with *err. */
int service_watch(struct service *s, int fd, short what, event_callback_fn fn,
    void *ctx, struct err *err);

/* The same, for one that is watched for a while.  Owned
 * (service_event_free); NULL when out of memory. */
struct event *service_event_new(
    struct service *s, int fd, event_callback_fn fn, void *ctx);

/* NULL is a no-op. */
void service_event_free(struct event *event);

/* Wait for events and timers until service_end(), or until `over`, which is
 * asked before each turn, says so (NULL = never). */
void service_run(struct service *s, bool (*over)(void *ctx), void *ctx);

/* service_run() returns after this turn. */
void service_end(struct service *s);

#endif
