/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish.h -- drain the outbox of status changes into the revocation cache.
 *
 * Oldest first: take a page from the store, push it, read it back, and only
 * then acknowledge it in the store.  With a backlog the next page is taken and
 * pushed meanwhile.  A crash or a dead link repeats a push and never loses one; the cache's compare-and-set makes repeats, and a second
 * server's publisher, harmless.  A row that the cache cannot take (it
 * contradicts what is there) is parked and alarmed; the others go on.
 * Loop thread only.  Reaches the cache by a port; cache.h is the real one.
 */
#ifndef PUBLISH_PUBLISH_H
#define PUBLISH_PUBLISH_H

#include <stdint.h>

#include "store/outbox.h"

struct publish; /* opaque */
struct timers;

#define PUBLISH_PAGES 2 /* that may be in hand at once */

/* What became of one record. */
enum publish_outcome {
	PUBLISH_SHOWN,    /* read back: this generation or a newer one */
	PUBLISH_REPAIRED, /* likewise, over a record of a wrong type */
	PUBLISH_CONFLICT, /* same generation, other content */
	PUBLISH_REFUSED,  /* the cache holds "revoked", which is terminal */
	PUBLISH_BEHIND,   /* written, and not yet where it must be */
	PUBLISH_ODD,      /* a reply that makes no sense */
	PUBLISH_OUTCOME_COUNT
};

/* "shown", "conflict", ...; never NULL. */
const char *publish_outcome_name(enum publish_outcome outcome);

struct publish_options {
	struct store *store;   /* borrowed */
	struct timers *timers; /* borrowed */
	const char *node;      /* claims rows, see outbox.h; borrowed; NULL: the
				  only publisher */
	int64_t poll_us;       /* look for rows another server left behind */
	/*
	 * Push rows and read them back; borrowed until publish_settled(), and
	 * meanwhile a row's `latest` may grow.  Called again before that, up to
	 * PUBLISH_PAGES times.
	 * Returns 0, and publish_settled() is then called exactly once from a
	 * later event; or -1 when there is no link now (publish_link_up() will
	 * follow).
	 */
	int (*push)(void *ctx, const struct store_outbox_row *rows, size_t n);
	/* A hold became visible.  May be NULL. */
	void (*on_visible)(void *ctx, int64_t hold_id, int64_t visible_us);
	void *ctx;
};

/* An idle publisher that looks into the outbox at once.  Options are copied.
 * Owned (publish_free); NULL when out of memory. */
struct publish *publish_new(const struct publish_options *options);

/* Free; its requests at the store must have been drained.  NULL is a no-op. */
void publish_free(struct publish *p);

/* There may be work.  Cheap and idempotent: call it after every commit. */
void publish_kick(struct publish *p);

/* The link is up (again). */
void publish_link_up(struct publish *p);

/*
 * The push of `rows` has ended: an outcome for each row, or NULL when the
 * link was lost first (the rows are pushed again when it is up; each push
 * under way must have ended before publish_link_up()).
 */
void publish_settled(struct publish *p, const struct store_outbox_row *rows,
    const enum publish_outcome *outcomes);

#endif
