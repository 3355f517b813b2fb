/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare.h -- one pass over the store and the revocation cache.
 *
 * Page by page, under live traffic: reads what the store says of every
 * certificate that ever was not good, then the records, and tells each
 * difference; then walks the cache's keys for records that the store knows
 * nothing of.  On request each difference is repaired: by compare-and-set where
 * the cache is behind, and by a forced set or a deletion where it contradicts
 * the store, which is the truth.  Nothing is forced that was not read before
 * the store was read again, and that is not still there.
 * Loop thread only.
 */
#ifndef PUBLISH_COMPARE_H
#define PUBLISH_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/status_scan.h"
#include "wire/status_record.h"

struct compare; /* opaque */
struct keyring;
struct redis_link;
struct timers;

/* How store and cache differ. */
enum compare_kind {
	COMPARE_MISSING,     /* there is no record */
	COMPARE_BEHIND,      /* it has an older generation */
	COMPARE_SPOILED,     /* it is no record, or has no right MAC */
	COMPARE_CONTRADICTS, /* same or newer generation, other content */
	COMPARE_UNKNOWN,     /* the store knows no such status */
	COMPARE_OVER,        /* the certificate ended long ago: no fault */
	COMPARE_KIND_COUNT
};

/* "missing", "behind", ...; never NULL. */
const char *compare_kind_name(enum compare_kind kind);

/* What was done about it. */
enum compare_done {
	COMPARE_LEFT,    /* nothing: repair was not asked for */
	COMPARE_SET,     /* written by compare-and-set */
	COMPARE_FORCED,  /* replaced */
	COMPARE_DROPPED, /* deleted */
	COMPARE_FAILED,  /* it did not work; the next pass tries again */
	COMPARE_DONE_COUNT
};

/* "left", "set", ...; never NULL. */
const char *compare_done_name(enum compare_done done);

struct compare_difference {
	enum compare_kind kind;
	enum compare_done done;
	const char *key;
	const struct store_status_row *row; /* id = 0: the store has none */
	const struct record *record;
};

struct compare_options {
	struct store *store;       /* borrowed */
	struct timers *timers;     /* borrowed */
	const struct keyring *mac; /* borrowed; NULL = nothing is signed */
	void (*on_difference)(void *ctx, const struct compare_difference *d);
	/* So many certificates were compared; may be NULL. */
	void (*on_progress)(void *ctx, int64_t compared);
	/* The pass is over; `why` = NULL: it came to its end. */
	void (*on_done)(void *ctx, const char *why);
	void *ctx;
};

/* What one pass shall do. */
struct compare_pass {
	struct redis_link *link; /* borrowed; up */
	bool repair;
	/* Also write what publish has not come to yet.  Else that is no
	 * difference. */
	bool fill;
	/* A certificate that ended before this Japanese day has no record. */
	int keep_day;
	int64_t pace_us; /* between pages */
	int64_t fence;   /* of the owner that repairs */
};

/* Options are copied.  Owned (compare_free); NULL when out of memory. */
struct compare *compare_new(const struct compare_options *options);

/* The store's requests must have been drained and the link freed.  NULL is a
 * no-op. */
void compare_free(struct compare *c);

/* Begin a pass; none may be under way.  on_done() follows, from a later
 * event. */
void compare_start(struct compare *c, const struct compare_pass *pass);

/* Give up the pass under way, if there is one; on_done() follows. */
void compare_stop(struct compare *c, const char *why);

/* Is a pass under way? */
bool compare_running(const struct compare *c);

#endif
