/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reconcile.h -- the revocation cache is what the store says, all the time.
 *
 * While this server owns the heartbeat, passes of publish/compare.h follow each
 * other; each repairs, counts and logs what it finds.  A pass is spread over
 * half of the time between two, so a fault is repaired within one and a half
 * times that.  A repair is read back; one that does not hold, or passes that
 * break off, put the cache in doubt.  Fills the cache when the heartbeat asks for it, without a pause.
 * What the last pass did stands in the cache, in the hash jpki:pass, for
 * `holdline cache status`.
 * Loop thread only.
 */
#ifndef PUBLISH_RECONCILE_H
#define PUBLISH_RECONCILE_H

#include <stdbool.h>
#include <stdint.h>

struct reconcile; /* opaque */
struct cache;
struct keyring;
struct store;
struct timers;

#define RECONCILE_PASS_KEY "jpki:pass"
#define RECONCILE_PASS_FIELDS "time", "compared", "drift", "repaired", "took"
#define RECONCILE_N_PASS_FIELDS 5

/* Certificates keep their records for so many days after their last one: a
 * clock that is wrong by less deletes nothing that counts. */
#define RECONCILE_KEEP_DAYS 31

struct reconcile_options {
	struct store *store;       /* borrowed */
	struct timers *timers;     /* borrowed */
	struct cache *cache;       /* borrowed */
	const struct keyring *mac; /* borrowed; NULL = nothing is signed */
	int64_t every_us;          /* from the start of a pass to the next */
	/* The filling that reconcile_fill() began has come to its end. */
	void (*on_filled)(void *ctx, bool ok);
	/* Passes find what they cannot repair, or break off one after the
	 * other: nobody knows whether the cache is whole.  false: it is. */
	void (*on_doubt)(void *ctx, bool doubted);
	void *ctx;
};

/* Idle.  Options are copied.  Owned (reconcile_free); NULL when out of
 * memory. */
struct reconcile *reconcile_new(const struct reconcile_options *options);

/* As beat_free(). */
void reconcile_free(struct reconcile *r);

/* This server owns the heartbeat, under this fence; or does not any more. */
void reconcile_own(struct reconcile *r, bool owner, int64_t fence);

/* Write every record; on_filled() follows. */
void reconcile_fill(struct reconcile *r);

/* The link was lost: what is under way ends. */
void reconcile_link_down(struct reconcile *r);

/* The first day whose certificates have a record, by a clock that may have
 * been set forward: the earlier of the two instants counts. */
int reconcile_keep_day(int64_t wall_us, int64_t steady_us);

#endif
