/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_scan.h -- what the revocation cache must say, read from the store.
 *
 * For whoever compares the two: pages over every certificate that ever was not
 * good, single certificates by name, and how far publishing has come.  Each
 * page is of one instant; between pages the store may move on.
 */
#ifndef STORE_STATUS_SCAN_H
#define STORE_STATUS_SCAN_H

#include "store/store.h"

#define STORE_STATUS_PAGE 512

struct store_status_row {
	int64_t id;                        /* 0 = there is none */
	char issuer[STORE_ISSUER_HEX + 1]; /* lower-case hexadecimal */
	char serial[STORE_SERIAL_MAX + 1];
	int not_after;      /* Japanese day */
	int64_t generation; /* 0 = never was not good */
	enum store_status status;
	int reason;        /* RFC 5280 CRLReason */
	int64_t status_us; /* revocation time */
	bool waiting;      /* this generation was not read back yet */
};

/* The next certificates with a generation, those that end first first. */
struct store_status_scan {
	struct store_req req;
	/* in and out: where to go on; after_id = 0: with certificates that are
	 * valid through the day after_day or longer */
	int after_day;
	int64_t after_id;
	/* out */
	size_t n; /* less than STORE_STATUS_PAGE: there are no more */
	struct store_status_row rows[STORE_STATUS_PAGE];
};
void store_status_scan(struct store *s, struct store_status_scan *r);

/* Certificates by name.  In: issuer and serial of each of n rows.  Out: the
 * rest of it; id = 0 for one that the store does not know. */
struct store_status_find {
	struct store_req req;
	size_t n;
	struct store_status_row rows[STORE_STATUS_PAGE];
};
void store_status_find(struct store *s, struct store_status_find *r);

/* How far publishing has come. */
struct store_status_progress {
	struct store_req req;
	/* out */
	int64_t issued;  /* the highest outbox number there ever was */
	int64_t waiting; /* the lowest that waits; 0 = none */
	/* The lowest of a hold or a revocation that somebody asked for here
	 * (not of the registry's); 0 = none.  Until it is published, relying
	 * parties hear "good" of a certificate that is not. */
	int64_t unsafe;
};
void store_status_progress(struct store *s, struct store_status_progress *r);

/* How many certificates have a generation. */
struct store_status_count {
	struct store_req req;
	int from_day; /* in: as store_status_scan.after_day */
	int64_t n;    /* out */
};
void store_status_count(struct store *s, struct store_status_count *r);

#endif
