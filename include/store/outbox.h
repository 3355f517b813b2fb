/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox.h -- status changes on their way to the revocation cache.
 *
 * A row is written in the transaction that changes a status and leaves only
 * when the publisher has read the new status back from the cache.
 */
#ifndef STORE_OUTBOX_H
#define STORE_OUTBOX_H

#include "store/lease.h"
#include "store/store.h"

#define STORE_OUTBOX_PAGE 128
#define STORE_OUTBOX_CLAIM_US INT64_C(5000000)

struct store_outbox_row {
	int64_t seq;     /* strictly increasing; the event id */
	int64_t hold_id; /* 0 = a change that the registry brought */
	int64_t cert;    /* the certificate's id here */
	char issuer[STORE_ISSUER_HEX + 1];
	char serial[STORE_SERIAL_MAX + 1];
	int64_t generation;
	int64_t latest; /* the certificate's generation when taken */
	enum store_status status;
	int reason;        /* RFC 5280 CRLReason */
	int64_t status_us; /* revocation time */
};

/*
 * The oldest rows that are not parked, oldest first.  While other nodes live
 * (node.h) they are claimed for the one that asks, and the others are not given
 * them for STORE_OUTBOX_CLAIM_US by the database's clock: so much time a
 * publisher has before another one takes over.  Nothing rests on that: a row
 * that two push does no harm.
 */
struct store_outbox_take {
	struct store_req req;
	char node[STORE_NODE_ID + 1]; /* in: "" = for nobody, only look */
	/* in: rows from one to the other are in hand already, and left out;
	 * both 0 = none are */
	int64_t skip_from, skip_to;
	int64_t now_us; /* in */
	/* out */
	size_t n;
	struct store_outbox_row rows[STORE_OUTBOX_PAGE];
};
void store_outbox_take(struct store *s, struct store_outbox_take *r);

/*
 * Rows were read back from the cache (park_us = 0): they leave the outbox, and
 * every hold none of whose rows is left becomes visible.  Or they could not be
 * applied: they are left alone until park_us, five minutes at most.  A row that
 * is gone already is not an error; a hold that became visible through another
 * server's publisher is reported too.
 */
struct store_outbox_ack {
	struct store_req req;
	/* in */
	size_t n;
	int64_t seqs[STORE_OUTBOX_PAGE];
	int64_t holds[STORE_OUTBOX_PAGE];   /* the rows' hold_id */
	int64_t park_us[STORE_OUTBOX_PAGE]; /* 0 = done */
	int64_t now_us;                     /* when it was read back */
	/* out */
	size_t n_visible;
	int64_t visible[STORE_OUTBOX_PAGE];    /* hold ids, no doubles */
	int64_t visible_us[STORE_OUTBOX_PAGE]; /* their times */
};
void store_outbox_ack(struct store *s, struct store_outbox_ack *r);

/* This node cannot push now: others may have what it has claimed. */
struct store_outbox_release {
	struct store_req req;
	char node[STORE_NODE_ID + 1]; /* in */
};
void store_outbox_release(struct store *s, struct store_outbox_release *r);

/* How many rows wait, and since when the oldest does (0 = none). */
struct store_outbox_depth {
	struct store_req req;
	/* out */
	int64_t waiting;
	int64_t oldest_us; /* when it was written, by that node's clock */
};
void store_outbox_depth(struct store *s, struct store_outbox_depth *r);

#endif
