/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease.h -- one owner at a time of a duty that several nodes could do.
 *
 * A lease is a row with an owner, an end and a fencing number.  The end is
 * told by the database's clock, never by a node's, so a node whose clock is
 * wrong takes nothing too early and keeps nothing too long.  An owner that
 * hangs loses the lease when its time is up; the fencing number, which grows
 * with every change of owner, lets whatever the duty writes to refuse the one
 * that comes back late.
 */
#ifndef STORE_LEASE_H
#define STORE_LEASE_H

#include "store/store.h"

#define STORE_NODE_ID 16             /* characters: one run of one program */
#define STORE_LEASE_NAME 23          /* characters at most */
#define STORE_LEASE_BEAT "heartbeat" /* of the revocation cache */

/*
 * Take the lease, or keep it: ask again every third of ttl_us or so.  An owner
 * counts ttl_us from before it submitted, by its own monotonic clock, and
 * stops when that is over, whatever it hears later.
 *
 * above: a fencing number that was met where the duty writes; the lease's is
 * always higher, also after an older copy of the store was restored.
 */
struct store_lease {
	struct store_req req;
	/* in */
	char name[STORE_LEASE_NAME + 1];
	char node[STORE_NODE_ID + 1]; /* who asks */
	int64_t ttl_us;               /* > 0 */
	int64_t above;                /* 0 = none was met */
	bool release;                 /* give it back instead */
	bool if_whole; /* take it only when the registry is: somebody is on
			  record, and no first load is under way */
	/* out */
	bool not_whole;                /* so it was not taken */
	bool held;                     /* by the one who asks, from now on */
	int64_t fence;                 /* of the ownership that there is */
	char owner[STORE_NODE_ID + 1]; /* "" = nobody's */
	int64_t left_us;               /* until it ends, if it is not renewed */
};
void store_lease(struct store *s, struct store_lease *r);

#endif
