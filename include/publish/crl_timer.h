/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crl_timer.h -- when CRLs are written by the server: on a timer, and soon
 * after changes.
 *
 * The work is done on a thread of its own.  Changes that come in meanwhile, or
 * within the gap, are one more run.  Loop thread only.
 */
#ifndef PUBLISH_CRL_TIMER_H
#define PUBLISH_CRL_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "publish/crl.h"

struct crl_timer; /* opaque */
struct timers;

struct crl_timer_options {
	struct crl_options crl; /* its texts are borrowed */
	struct timers *timers;  /* borrowed */
	int64_t every_us;       /* without any change */
	int64_t gap_us;         /* from one run's end to the next, at least */
	bool on_change;         /* see crl_timer_kick() */
};

/* Start the thread; the first run is soon.  Owned (crl_timer_free); NULL with
 * *err. */
struct crl_timer *crl_timer_new(
    const struct crl_timer_options *options, struct err *err);

/* Wait for a run that is under way, then free.  NULL is a no-op. */
void crl_timer_free(struct crl_timer *t);

/* A certificate's status has changed.  NULL is a no-op. */
void crl_timer_kick(struct crl_timer *t);

/* Readable when crl_timer_dispatch() has something to do. */
int crl_timer_fd(const struct crl_timer *t);

/* Take in what the thread has done. */
void crl_timer_dispatch(struct crl_timer *t);

#endif
