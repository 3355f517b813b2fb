/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold.h -- the one door to a certificate's status.
 *
 * hold_look() says what a hold would do; hold_place() does it, durably, in one
 * store transaction, and then waits until the change has been read back from
 * the revocation cache.  There is no function here that lifts.
 *
 * Pure: no clock, sockets or files.  Waiting is done with the timers it is
 * given; visibility is reported to it by the publisher, through the daemon.
 * Loop thread only.
 */
#ifndef HOLD_HOLD_H
#define HOLD_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "hold/receipt.h"
#include "hold/status.h"

struct hold;     /* opaque: the room */
struct hold_job; /* opaque: a look or a placement under way */
struct store;
struct timers;

struct hold_options {
	struct store *store;     /* borrowed */
	struct timers *timers;   /* borrowed */
	int64_t visible_wait_us; /* how long a caller waits for "visible" */
	/* A hold was committed: kick the publisher.  May be NULL. */
	void (*on_commit)(void *ctx);
	void *ctx;
};

/* Owned (hold_free); NULL when out of memory.  Options are copied. */
struct hold *hold_new(const struct hold_options *options);

/* Free; jobs still waiting are dropped without their callbacks, requests in
 * the store must have been drained.  NULL is a no-op. */
void hold_free(struct hold *h);

/* ok = false: the store failed.  The certificates are borrowed. */
typedef void hold_look_fn(
    void *ctx, bool ok, const struct store_cert *certs, size_t n);

/* Read a verified holder's certificates.  `done` is called once, later, unless
 * the job, which is gone then, is cancelled.  NULL: out of memory. */
struct hold_job *hold_look(
    struct hold *h, int64_t holder, hold_look_fn *done, void *ctx);

enum hold_result {
	HOLD_VISIBLE,  /* committed, and read back from the cache */
	HOLD_ACCEPTED, /* committed; not visible within the wait */
	HOLD_ALREADY,  /* it was on hold before; same receipt */
	HOLD_NOTHING,  /* nothing can be held */
	HOLD_FAILED,   /* not committed, or nobody can say: to a person */
	HOLD_RESULT_COUNT
};

/* "visible", "accepted", "already", "nothing", "failed"; never NULL. */
const char *hold_result_name(enum hold_result result);

#define HOLD_RANDOM 8 /* = STORE_RECEIPT_TRIES */

struct hold_request {
	const char *call_id; /* the idempotency key; copied */
	int64_t holder;
	unsigned int carriers; /* 1 << enum store_carrier */
	const char *lang;      /* copied */
	bool confirmed;        /* the caller said yes; otherwise nothing new is
			   taken, and only what is on hold is told */
	int64_t reported_us, verified_us;
	uint64_t random[HOLD_RANDOM]; /* for receipt numbers */
};

struct hold_answer {
	enum hold_result result;
	bool visible; /* also for HOLD_ALREADY: relying parties see it */
	char receipt[RECEIPT_DIGITS + 1]; /* "" unless there is one */
	struct status_plan plan;       /* what is left to hold, and why not */
	int64_t stored_us, visible_us; /* 0 when they did not happen */
};

/* *answer is borrowed. */
typedef void hold_done_fn(void *ctx, const struct hold_answer *answer);

/*
 * Put the holder's certificates on hold.  `done` is called exactly once,
 * later, unless the job, which is gone then, is cancelled.  An unknown commit
 * is resolved by submitting the same request again.  NULL: out of memory, or
 * the call id is too long.
 */
struct hold_job *hold_place(struct hold *h, const struct hold_request *request,
    hold_done_fn *done, void *ctx);

/* Do not call done.  A placement that was submitted still happens. */
void hold_cancel(struct hold_job *job);

/* The publisher read a hold back from the cache at visible_us. */
void hold_visible(struct hold *h, int64_t hold_id, int64_t visible_us);

#endif
