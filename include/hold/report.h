/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.h -- the report of a loss (届出): that somebody rang, and when.
 *
 * The time of the report is the legal instant, so it is made durable before
 * anything is asked.  Pure; loop thread only.
 */
#ifndef HOLD_REPORT_H
#define HOLD_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct report_job; /* opaque: a report on its way into the store */
struct store;

/* ok = false: it is not stored, and the call must go to a person.
 * reported_us is the first report of this call, maybe on another server. */
typedef void report_done_fn(void *ctx, bool ok, int64_t reported_us);

/*
 * Store that a call began.  Strings are copied; `done` is called once, later,
 * unless cancelled.  NULL: out of memory, or the call id is too long.
 */
struct report_job *report_open(struct store *store, const char *call_id,
    const char *dnis, const char *lang, int64_t begun_us, report_done_fn *done,
    void *ctx);

/* Do not call done; the report is stored all the same. */
void report_cancel(struct report_job *job);

/* Store how the call ended (one word); failures are logged. */
void report_close(struct store *store, const char *call_id, const char *outcome,
    int64_t ended_us);

#endif
