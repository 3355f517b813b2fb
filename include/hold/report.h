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

#define REPORT_BIND_SIZE 32 /* = SECRET_MAC_SIZE */

/* What is known of a call; maybe from another server, which was cut off. */
struct report_known {
	int64_t reported_us; /* the first report of this call */
	bool goes_on;        /* there was one, from the same place */
	char lang[8];        /* goes_on: spoken so far */
	int64_t holder;      /* verified in it a few minutes ago; 0 = nobody */
	int64_t verified_us;
	unsigned int carriers; /* chosen; 0 = not asked */
	bool confirmed;        /* the caller said yes */
	bool held;             /* the hold is stored */
};

/* ok = false: it is not stored, and the call must go to a person.  `known` is
 * borrowed. */
typedef void report_done_fn(
    void *ctx, bool ok, const struct report_known *known);

/*
 * Store that a call began.  Strings are copied; `done` is called once, later,
 * unless the job, which is gone then, is cancelled.  NULL: out of memory, or
 * the call id is too long.
 */
struct report_job *report_open(struct store *store, const char *call_id,
    const char *dnis, const char *lang, const uint8_t bind[REPORT_BIND_SIZE],
    int64_t begun_us, report_done_fn *done, void *ctx);

/* Do not call done; the report is stored all the same. */
void report_cancel(struct report_job *job);

/* Store how far a call has come, in case that another server must go on with
 * it: who was verified, what was chosen and confirmed.  Failures are logged. */
void report_note(
    struct store *store, const char *call_id, const struct report_known *known);

/* Store how the call ended (one word); `over`: it cannot go on elsewhere.
 * Failures are logged. */
void report_close(struct store *store, const char *call_id, const char *outcome,
    bool over, int64_t ended_us);

#endif
