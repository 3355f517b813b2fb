/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed.h -- what happens, told to every node: holds, cases, statuses.
 *
 * The transaction that changes something leaves an event.  Transactions of
 * several nodes end in another order than they began, so an event gets its
 * place only after it was committed, from whoever reads first, one reader at a
 * time: who has read up to a place has missed nothing before it.  Events have
 * no personal data.
 */
#ifndef STORE_FEED_H
#define STORE_FEED_H

#include "store/store.h"

struct timers;

#define STORE_FEED_PAGE 64
#define STORE_FEED_KEEP 100000 /* older ones are forgotten */

enum store_event_kind {
	STORE_EVENT_HOLD,    /* a hold was placed and its case opened */
	STORE_EVENT_VISIBLE, /* relying parties see all of a hold */
	STORE_EVENT_CASE,    /* a case was changed */
	STORE_EVENT_STATUS,  /* a certificate's status was changed otherwise */
	STORE_EVENT_COUNT
};

/* "hold", "visible", "case", "status"; never NULL. */
const char *store_event_name(enum store_event_kind kind);

struct store_event {
	int64_t place; /* 1, 2, ...; where to resume */
	enum store_event_kind kind;
	int64_t at_us;   /* by the clock of the node that did it */
	int64_t hold_id; /* 0 = none */
	char receipt[STORE_RECEIPT_DIGITS + 1]; /* of the hold's case */
	char municipality[7];                   /* likewise */
	/* of a certificate; "" = none */
	char issuer[STORE_ISSUER_HEX + 1];
	char serial[STORE_SERIAL_MAX + 1];
	enum store_status status; /* that it has now */
};

/* Events after a place, in order. */
struct store_feed {
	struct store_req req;
	/* in */
	int64_t since; /* 0 = from the first that is kept, -1 = none yet, only
			  tell where the end is */
	bool place;    /* give new ones their places; else only read */
	/* out */
	int64_t first, last; /* places of the oldest and the newest event that
				is kept; 0 = there is none */
	bool waiting;        /* some had no place: ask again with `place` */
	size_t n;            /* STORE_FEED_PAGE: there may be more */
	struct store_event events[STORE_FEED_PAGE];
};
void store_feed(struct store *s, struct store_feed *r);

/* ---- hearing of news at once */

/*
 * PostgreSQL tells every node when events got their places (LISTEN), by a
 * thread and a connection of its own that is made again when it was lost.  A
 * file has nothing like it.  Nobody may rely on it: look every now and then.
 */
struct feed_ear; /* opaque */

/* Owned (feed_ear_free); NULL with *err when it could not be made.  A server
 * that cannot be reached is no reason. */
struct feed_ear *feed_ear_new(
    const struct store_options *options, struct err *err);

/* Readable when there may be news; -1 with a file. */
int feed_ear_fd(const struct feed_ear *e);

/* What was to be heard so far is known. */
void feed_ear_clear(struct feed_ear *e);

/* NULL is a no-op. */
void feed_ear_free(struct feed_ear *e);

/* ---- following, on the loop */

struct feed; /* opaque */

struct feed_options {
	struct store *store;   /* borrowed */
	struct timers *timers; /* borrowed */
	int64_t poll_us;       /* look at least so often */
	int64_t since;         /* as in store_feed; -1 = from now on */
	/* Each event once, in order.  After a gap (the node was away for so
	 * long that events were forgotten) `lost` is true once. */
	void (*on_event)(void *ctx, const struct store_event *e, bool lost);
	void *ctx;
};

/* Owned (feed_free); NULL when out of memory. */
struct feed *feed_new(const struct feed_options *options);

/* There may be news.  Cheap: at most ten looks a second come of it. */
void feed_kick(struct feed *f);

/* Free; its request at the store must have been drained.  NULL is a no-op. */
void feed_free(struct feed *f);

#endif
