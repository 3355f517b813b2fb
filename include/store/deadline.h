/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadline.h -- what time does to cases: a certificate expires while it is on
 * hold, a hold reaches its longest life.
 *
 * Time never lifts: a hold ends in revocation or stays as it is.  And it is a
 * time that was watched, not what a clock says: the store remembers up to when
 * somebody has looked, and moves that on with the clock only in steps of three
 * days at most.  A clock that is ten years ahead, or was, or is put back,
 * brings nothing due; what it costs is that an outage of over three days does
 * not count.
 */
#ifndef STORE_DEADLINE_H
#define STORE_DEADLINE_H

#include "store/store.h"

#define STORE_DEADLINE_PAGE 200 /* open cases that are looked at at once */

/* Look at a page of the open cases, oldest first. */
struct store_deadline {
	struct store_req req;
	/* in */
	int64_t now_us;      /* the wall clock */
	int64_t floor_us;    /* the last watch_us and the time since, by a clock
			     that nobody sets; 0 = it is the first time */
	int64_t max_hold_us; /* 0 = a hold may last for ever */
	bool revoke;         /* at its end revoke; else note it and wait */
	int crl_reason;      /* CRLReason of what is revoked */
	int64_t after_id;    /* 0 = from the oldest case */
	/* out */
	int64_t watch_us; /* the time that counts */
	bool jumped;      /* the clock is not followed: it is far from that */
	int64_t next_id;  /* for after_id; 0 = that was the last page */
	unsigned int revoked; /* cases closed */
	unsigned int over;    /* noted to have reached the longest life */
	unsigned int expired; /* noted to have an expired certificate */
};
void store_deadline(struct store *s, struct store_deadline *r);

#endif
