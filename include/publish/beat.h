/* SPDX-License-Identifier: Apache-2.0 */
/*
 * beat.h -- the revocation cache's heartbeat: who proves it whole, and when.
 *
 * Readers take a missing record for "good" only while the watermark in the
 * cache says that it is complete and is at most 5 s old.  One server at a time
 * writes it, every second: the one that has the lease, under the lease's
 * fencing number.  It says "complete" only of a server of which it knows that
 * every record is there:
 *
 *	- the watermark on it was made for this very run of this very server,
 *	  and says so; or
 *	- it was filled: state "loading", every record from the store, and only
 *	  then "complete".
 *
 * Whatever may have lost records (another server, a watermark that is gone, a
 * clock that was set back) leads to filling again; readers answer "try later"
 * meanwhile.  It also says "loading" while a hold waits for the cache for too
 * long: better no answer than "good" for a certificate that is on hold.
 * Loop thread only.
 */
#ifndef PUBLISH_BEAT_H
#define PUBLISH_BEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/lease.h"

struct beat; /* opaque */
struct cache;
struct keyring;
struct store;
struct timers;

struct beat_options {
	struct store *store;          /* borrowed */
	struct timers *timers;        /* borrowed */
	struct cache *cache;          /* borrowed */
	const struct keyring *mac;    /* borrowed; NULL = nothing is signed */
	char node[STORE_NODE_ID + 1]; /* this run of this program */
	/* A hold may wait so long for the cache; 0 = as long as it likes. */
	int64_t stuck_us;
	/* This server owns the heartbeat now, or not any more. */
	void (*on_owner)(void *ctx, bool owner, int64_t fence);
	/* The cache must be filled: beat_filled() is awaited. */
	void (*on_fill)(void *ctx);
	void *ctx;
};

/* Starts asking for the lease.  Options are copied.  Owned (beat_free); NULL
 * when out of memory. */
struct beat *beat_new(const struct beat_options *options);

/* Its requests at the store must have been drained and the cache freed.  NULL
 * is a no-op. */
void beat_free(struct beat *b);

/* No more beats; the lease is given back, so that another server goes on at
 * once.  Before the store is closed. */
void beat_stop(struct beat *b);

/* The cache can be written to (again); it cannot. */
void beat_link_up(struct beat *b);
/* As beat_link_up(). */
void beat_link_down(struct beat *b);

/* The comparison finds, and cannot mend, that the cache is not what the store
 * says; or it is again.  Meanwhile it does not count as complete. */
void beat_doubt(struct beat *b, bool doubted);

/* The filling that on_fill() asked for is over; not ok: it is asked for
 * again. */
void beat_filled(struct beat *b, bool ok);

#endif
